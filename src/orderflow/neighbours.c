/* The hub, and whether the builder is ready. SPDX-License-Identifier: MIT */
#include "net/url.h"
#include "orderflow/app.h"

#include <stdio.h>
#include <stdlib.h>

#define ASK_EVERY_NS (500 * NS_PER_MS)
#define ASK_SOON_NS (50 * NS_PER_MS) // while it is not ready: users wait for it
#define SERVICE HUB_SERVICE_ORDERFLOW

/* ---- the builder's readiness ---- */

static void set_builder(struct app *a, enum app_builder state) {
    static const char *const names[] = {"unknown", "ready", "not_ready", "away"};
    if (state != a->builder) {
        log_info(a->log, "builder_readiness", F_STR("state", names[state]));
    }
    a->builder = state;
}

static void ask_again(struct app *a) {
    struct error why;
    uint64_t wait = a->builder == APP_BUILDER_READY ? ASK_EVERY_NS : ASK_SOON_NS;
    int r = loop_timer_set(a->loop, &a->ready_timer, loop_now_ns(a->loop) + wait, &why);
    if (r != 0) log_error(a->log, "timer_lost", F_ERR(&why));
}

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    (void)k;
    ((struct app *)context)->ready_status = r->status;
}
static void on_body(struct client_call *k, void *context, struct bytes in) {
    (void)k, (void)context, (void)in;
}
static void on_end(struct client_call *k, void *context) {
    struct app *a = context;
    (void)k;
    bool ok = a->any_answer || (a->ready_status >= 200 && a->ready_status < 300);
    set_builder(a, ok ? APP_BUILDER_READY : APP_BUILDER_NOT_READY);
    ask_again(a);
}
static void on_failed(struct client_call *k, void *context, const struct error *why) {
    struct app *a = context;
    (void)k;
    if (why->code == ERR_CANCELLED) return;
    set_builder(a, APP_BUILDER_AWAY);
    ask_again(a);
}

static const struct client_events ready_events = {
    .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};

static void ask_builder(struct loop_timer *t) {
    struct app *a = LIST_ENTRY(t, struct app, ready_timer);
    struct error why;
    const struct http_request r = {
        .method = HTTP_GET, .method_text = BYTES_LIT("GET"), .path = BYTES_LIT("/readyz")};
    int code =
        client_start(NULL, a->ready_client, &r, BYTES_LIT(""), false, &ready_events, a, &why);
    if (code != 0) {
        set_builder(a, APP_BUILDER_AWAY);
        ask_again(a);
    }
}

static int open_ready(struct app *a, struct error *why) {
    struct url u;
    char origin[512];
    const char *text = a->values->builder_ready;
    a->any_answer = !text || !*text;
    if (a->any_answer) {
        if (!a->local || local_is_feed(a->local)) return 0; // the feed tells itself
        text = a->builder_url;
    }
    int r = url_parse(&u, bytes_from_str(text), why);
    if (r != 0) return error_wrap(why, a->any_answer ? "builder" : "builder-ready-endpoint");
    size_t n = u.scheme == URL_UNIX
                   ? strlen(text)
                   : (size_t)(u.authority.p + u.authority.n - (const uint8_t *)text);
    (void)snprintf(origin, sizeof origin, "%.*s", (int)n, text);
    const struct client_options o = {.url = origin,
                                     .names = a->names,
                                     .protocol = CLIENT_HTTP1,
                                     .connections = 1,
                                     .connect_ns = 2 * NS_PER_S,
                                     .response_ns = 2 * NS_PER_S};
    r = client_new(&a->ready_client, a->loop, &o, why);
    a->ready_timer.fire = ask_builder;
    if (r == 0) ask_builder(&a->ready_timer);
    return r;
}

/* ---- the hub ---- */

/* A peer as the table and the sharing see it. One that lacks something is left out and told. */
static bool fill_entry(struct app *a, struct peers_entry *ret, const struct hub_peer *p) {
    const struct hub_credential *s = hub_peer_credential(p, SERVICE);
    const char *reason = !s || !s->has_address                             ? "no orderflow address"
                         : p->name.n == 0 || p->name.n >= sizeof ret->name ? "no usable name"
                                                                           : NULL;
    if (!reason && address_equal(&s->address, &a->identity.address)) return false;
    if (reason) {
        log_warn(a->log, "peer_left_out", F_BYTES("peer", p->name), F_STR("reason", reason));
        return false;
    }
    memcpy(ret->name, p->name.p, p->name.n);
    ret->name[p->name.n] = '\0';
    ret->signer = s->address;
    return true;
}

static void on_peers(struct hub_watcher *w, const struct hub_peers *now) {
    struct app *a = LIST_ENTRY(w, struct app, hub_watcher);
    struct error why = {.text = ""};
    struct peers_entry *entries = calloc(now->count + 1, sizeof *entries);
    size_t n = 0;
    a->hub_seen = true;
    for (size_t i = 0; entries && i < now->count; i++) {
        if (fill_entry(a, &entries[n], &now->peers[i])) n++;
    }
    int r = entries ? peers_set(a->peers, entries, n, &why)
                    : error_set(&why, ERR_NO_MEMORY, "no memory for peers");
    free(entries);
    if (r != 0) log_error(a->log, "peers_not_taken", F_ERR(&why));
    if (a->peers_changed) a->peers_changed(a, now);
    log_info(a->log, "peers", F_U64("count", n));
}

static void on_peers_failed(struct hub_watcher *w, const struct error *why) {
    app_metrics_hub_failed(LIST_ENTRY(w, struct app, hub_watcher), why);
}

static int enrol(struct app *a, struct error *why) {
    const struct orderflow_values *v = a->values;
    const struct hub_registration r = {.service = SERVICE,
                                       .tls_cert = buf_view(&a->cert_pem),
                                       .region = bytes_from_str(v->region ? v->region : ""),
                                       .address = a->identity.address,
                                       .has_address = true};
    return hub_client_enrol(a->hub, &r, why);
}

void neighbours_certificate_changed(struct app *a) {
    struct error why;
    if (a->hub && enrol(a, &why) != 0) log_error(a->log, "not_registered", F_ERR(&why));
}

const char *app_hub_url(const struct orderflow_values *v) {
    const char *url = v->hub_url && *v->hub_url ? v->hub_url : v->hub_url_first;
    return url && *url ? url : NULL;
}

static int open_hub(struct app *a, struct error *why) {
    const struct orderflow_values *v = a->values;
    const char *url = app_hub_url(v);
    struct hub_source *source;
    if (!url) return 0;
    const struct hub_http_options http = {.transport = {.url = url, .names = a->names}};
    const struct hub_client_options o = {
        .log = a->log, .metrics = a->metrics, .peers_every_ns = v->peers_every_ns};
    int r = hub_source_http(&source, a->loop, &http, why);
    if (r == 0) r = hub_client_new(&a->hub, a->loop, source, &o, why);
    if (r != 0) return error_wrap(why, "hub");
    a->hub_watcher.peers = on_peers;
    a->hub_watcher.peers_failed = on_peers_failed;
    hub_client_watch(a->hub, &a->hub_watcher);
    return enrol(a, why);
}

int neighbours_open(struct app *a, struct error *why) {
    int r = open_ready(a, why);
    return r == 0 ? open_hub(a, why) : r;
}

void neighbours_close(struct app *a) {
    loop_timer_clear(a->loop, &a->ready_timer);
    if (a->ready_client) client_free(a->ready_client);
    if (a->hub) hub_client_free(a->hub);
    a->hub = NULL;
}

/* ---- readiness ---- */

int app_ready(void *context, struct error *why) {
    struct app *a = context;
    if (a->archive_full && a->archive_full(a)) {
        return error_set(why, ERR_BUSY, "clickhouse backup too big");
    }
    if (a->journal && !journal_takes(a->journal)) {
        return error_set(why, ERR_BUSY, "the journal takes no orders");
    }
    if (a->ready_client && a->builder == APP_BUILDER_NOT_READY) {
        return error_set(why, ERR_BUSY, "builder not ready");
    }
    if (a->ready_client && a->builder != APP_BUILDER_READY) {
        return error_set(why, ERR_BUSY, "builder not answering readyz request");
    }
    if (a->local && local_stats(a->local).failing) {
        bool feed = local_is_feed(a->local);
        return error_set(why, ERR_BUSY,
                         feed ? "builder not connected" : "builder does not take orders");
    }
    if (a->hub && !a->hub_seen) return error_set(why, ERR_BUSY, "hub not seen yet");
    if (a->hub && hub_client_state(a->hub) == HUB_REFUSED) {
        return error_set(why, ERR_BUSY, "the hub does not know this node");
    }
    if (a->hub && !hub_client_enrolled(a->hub, SERVICE)) {
        return error_set(why, ERR_BUSY, "not registered with the hub yet");
    }
    return 0;
}
