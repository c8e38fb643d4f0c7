/* Sharing in the program: settings and the hub's list in, intake's orders out.
 * SPDX-License-Identifier: MIT */
#include "orderflow/app.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_BYTES 300
#define LOOK_NS (20 * NS_PER_MS)

/* ---- from the sharing ---- */

static void on_received(void *context, const struct share_received *r, struct share_ticket *t) {
    intake_received(((struct app *)context)->intake, r, t);
}

static void on_shared(void *context, const char *peer, struct flow_order *o) {
    struct app *a = context;
    const struct archive_event e = {
        .kind = ARCHIVE_SHARED, .order = o, .peer = peer, .at_ns = clock_wall_ns(&clock_system)};
    trace_peer(a->trace, &o->id, peer, e.at_ns);
    app_metrics_shared(a, o, e.at_ns);
    if (a->archive) (void)archive_record(a->archive, &e);
}

static void on_stale(void *context) {
    struct app *a = context;
    if (a->hub) hub_client_refresh(a->hub);
}

/* ---- from the intake, on workers ---- */

static bool is_full(void *context) {
    const struct app *a = context;
    return share_is_full(a->share);
}

static int give(void *context, struct flow_order *o, struct error *why) {
    struct app *a = context;
    const struct flow_body *body;
    // Signatures are dear: made here they do not hold up the loop.
    static const enum flow_form forms[] = {FLOW_BITCODE, FLOW_JSON_FIRST};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (!share_wants(a->share, forms[i])) continue;
        int r = flow_order_body(&body, o, forms[i], &a->identity, why);
        if (r != 0) return r;
    }
    return share_order(a->share, o, why);
}

static void record(void *context, const struct archive_event *e) {
    (void)archive_record(((struct app *)context)->archive, e); // what is lost is counted there
}

/* ---- from the hub ---- */

/* What share_peer points into. */
struct texts {
    char name[TEXT_BYTES], host[TEXT_BYTES], address[TEXT_BYTES];
};

static void copy_text(char ret[TEXT_BYTES], struct bytes in) {
    (void)snprintf(ret, TEXT_BYTES, "%.*s", (int)in.n, in.n ? (const char *)in.p : "");
}

/* The certificate that its listener of peers shows: what the orderflow service registered, or the
 * instance whose balancer stands in front. */
static void fill(struct share_peer *ret, struct texts *t, const struct hub_peer *p,
                 const struct app *a) {
    const struct hub_credential *own = hub_peer_credential(p, HUB_SERVICE_ORDERFLOW);
    const struct hub_credential *node = hub_peer_credential(p, HUB_SERVICE_INSTANCE);
    copy_text(t->name, p->name);
    copy_text(t->host, hub_peer_host(p));
    copy_text(t->address, hub_peer_host(p));
    *ret = (struct share_peer){.name = t->name,
                               .host = t->host,
                               .address = t->address,
                               .transport = (enum share_transport)a->values->peer_transport};
    if (own) ret->cert_pem = own->tls_cert;
    if (node) ret->cert_pem_more = node->tls_cert;
}

static bool is_own(const struct app *a, const struct hub_peer *p) {
    const struct hub_credential *own = hub_peer_credential(p, HUB_SERVICE_ORDERFLOW);
    return own && own->has_address && address_equal(&own->address, &a->identity.address);
}

/* The entry that is this node's: of those with its signer's address the one with its name, else the
 * first. The others are odd. NULL: none. */
static const struct hub_peer *self_of(const struct app *a, const struct hub_peers *now) {
    const struct hub_peer *found = NULL;
    for (size_t i = 0; i < now->count; i++) {
        const struct hub_peer *p = &now->peers[i];
        if (!is_own(a, p)) continue;
        if (bytes_equal_str(p->name, a->values->name)) return p;
        if (!found) found = p;
    }
    return found;
}

/* Fills ret and texts with who is another, and returns how many. */
static size_t choose(struct share_peer *ret, struct texts *texts, struct app *a,
                     const struct hub_peers *now) {
    const struct hub_peer *self = self_of(a, now);
    size_t n = 0;
    for (size_t i = 0; i < now->count; i++) {
        const struct hub_peer *p = &now->peers[i];
        fill(&ret[n], &texts[n], p, a);
        if (p == self) {
            share_set_name(a->share, texts[n].name);
        } else if (is_own(a, p)) {
            share_count_skipped(a->share, 1);
            log_warn(a->log, "peer_skipped", F_STR("peer", texts[n].name),
                     F_STR("reason", "it has this node's own signer address"));
        } else {
            n++;
        }
    }
    return n;
}

static void on_peers(struct app *a, const struct hub_peers *now) {
    struct error why = {.text = ""};
    struct share_peer *peers = calloc(now->count + 1, sizeof *peers);
    struct texts *texts = calloc(now->count + 1, sizeof *texts);
    size_t n = 0, used = 0;
    int r = peers && texts ? 0 : error_set(&why, ERR_NO_MEMORY, "no memory for peers");
    if (r == 0) n = choose(peers, texts, a, now);
    if (r == 0) r = share_set_peers(a->share, peers, n, &used, &why);
    if (r != 0) log_error(a->log, "peers_not_taken", F_ERR(&why));
    share_count_skipped(a->share, now->left_out);
    log_info(a->log, "peers_shared_with", F_U64("count", used), F_U64("listed", n));
    free(peers);
    free(texts);
}

static void on_certificate(struct app *a) {
    const struct tls_identity own = {buf_view(&a->cert_pem), buf_view(&a->key_pem)};
    struct error why = {.text = ""};
    if (share_set_certificate(a->share, own, &why) != 0) {
        log_error(a->log, "certificate_not_taken", F_ERR(&why));
    }
}

/* ---- life ---- */

int app_share_open(struct app *a, struct error *why) {
    const struct orderflow_values *v = a->values;
    struct share_options o = {
        .loop = a->loop,
        .log = a->log,
        .metrics = a->metrics,
        .identity = &a->identity,
        .name = v->name,
        .evidence = app_evidence(v),
        .certificate = {buf_view(&a->cert_pem), buf_view(&a->key_pem)},
        .spill_folder = v->spill_folder && *v->spill_folder ? v->spill_folder : NULL,
        .spill_bytes_max = v->spill_bytes,
        .connections = (unsigned)v->peer_connections,
        .allow_plain = v->allow_plain_peers,
        .received = on_received,
        .shared = on_shared,
        .stale = on_stale,
        .context = a,
    };
    const struct intake_sinks sinks = {
        .share = app_hub_url(a->values) ? give : NULL, /* without a hub there are no peers */
        .share_is_full = is_full,
        .record = a->archive ? record : NULL,
        .record_again = a->archive && archive_was_cut(a->archive),
        .answer = share_answer,
        .context = a,
    };
    int r = app_evidence_open(a, why);
    if (r != 0) return r;
    o.attested = a->attested;
    r = share_new(&a->share, &o, why);
    if (r != 0) return error_wrap(why, "sharing");
    intake_set_sinks(a->intake, &sinks);
    a->system_admit = share_admit;
    a->system_admit_context = a->share;
    a->peers_changed = on_peers;
    a->certificate_changed = on_certificate;
    return 0;
}

/* ---- the end ---- */

static void on_drained(void *context) {
    log_info(((struct app *)context)->log, "sharing_ended");
}

/* Requests that were taken before the end are shared still: only then the sessions end, and with
 * them the peers' listener. */
static void look_for_end(struct loop_timer *t) {
    struct app *a = LIST_ENTRY(t, struct app, share_timer);
    uint64_t now = loop_now_ns(a->loop);
    bool busy = intake_jobs(a->intake) > 0 || server_exchanges(a->user.server) > 0 ||
                (a->system.server && server_exchanges(a->system.server) > 0);
    bool late = now >= a->share_end_ns;
    if (busy && !late && loop_timer_set(a->loop, t, now + LOOK_NS, NULL) == 0) return;
    share_drain(a->share, late ? 0 : a->share_end_ns - now, on_drained, a);
}

void app_share_stopping(void *context) {
    struct app *a = context;
    uint64_t now = loop_now_ns(a->loop);
    // A little less than the servers have, which otherwise cut the sessions off.
    a->share_end_ns = now + a->values->drain_ns / 10 * 9;
    a->share_timer.fire = look_for_end;
    if (!a->share || loop_timer_set(a->loop, &a->share_timer, now + LOOK_NS, NULL) == 0) return;
    look_for_end(&a->share_timer);
}

void app_share_close(struct app *a) {
    if (a->loop) loop_timer_clear(a->loop, &a->share_timer);
    share_free(a->share);
    a->share = NULL;
    app_evidence_close(a);
}
