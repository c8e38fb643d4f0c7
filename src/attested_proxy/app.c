/* The parts of a running proxy, made in order. SPDX-License-Identifier: MIT */
#include "attested_proxy/app.h"

#include "base/confine.h"
#include "net/certificate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SELF_SIGNED_NS (3650 * 24 * 3600 * NS_PER_S)

/* ---- sandbox ---- */

static void add_path(void *context, const char *path, unsigned rights, bool folder_of) {
    if (folder_of)
        (void)confine_allow_folder_of(context, path, rights);
    else
        (void)confine_allow(context, path, rights);
}

static int restrict_self(struct app *a, struct error *why) {
    const struct proxy_values *v = &a->settings.values;
    const unsigned both = SANDBOX_READ | SANDBOX_WRITE;
    const char *const files[] = {config_file(a->settings.config),
                                 a->settings.policy,
                                 v->tls_certificate,
                                 v->tls_key,
                                 v->tls_ca,
                                 v->target_ca};
    struct confine c;
    confine_init(&c);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        (void)confine_allow_folder_of(&c, files[i], SANDBOX_READ);
    attested_setup_paths(&v->attested, add_path, &c);
    confine_allow_socket(&c, v->target_addr);
    (void)confine_allow_folder_of(&c, v->out, both);
    confine_allow_system(&c);
    return confine_enter(&c, v->process.sandbox, a->log, why);
}

/* ---- TLS ---- */

static int self_sign(struct buf *cert, struct buf *key, const struct proxy_settings *s,
                     struct error *why) {
    const struct config_list *hosts = &s->values.tls_hosts;
    const char *names[32] = {0};
    for (size_t i = 0; i < hosts->count && i < 31; i++)
        names[i] = hosts->items[i];
    uint64_t now = clock_wall_ns(&clock_system);
    const struct certificate_options o = {.common_name = names[0] ? names[0] : "attested-proxy",
                                          .hosts = names,
                                          .not_before_ns = now - 3600 * NS_PER_S,
                                          .not_after_ns = now + SELF_SIGNED_NS};
    return certificate_self_sign_pem(cert, key, &o, why);
}

static int own_identity(struct buf *cert, struct buf *key, const struct proxy_settings *s,
                        struct error *why) {
    const struct proxy_values *v = &s->values;
    if (s->verb != PROXY_SERVER || (v->form == ATTESTED_CERTIFICATE && !s->by_name)) return 0;
    return v->tls_certificate ? tls_read_identity(cert, key, v->tls_certificate, v->tls_key, why)
                              : self_sign(cert, key, s, why);
}

int app_tls_make(struct app *a, const struct proxy_settings *s, struct error *why) {
    const struct proxy_values *v = &s->values;
    struct buf cert, key, ca;
    struct tls_options o = {.role = s->verb == PROXY_SERVER ? TLS_SERVER : TLS_CLIENT,
                            .trust = TLS_TRUST_NOTHING};
    buf_init(&cert, CERTIFICATE_PEM_MAX);
    buf_init(&key, CERTIFICATE_PEM_MAX);
    buf_init(&ca, CERTIFICATE_PEM_MAX);
    int r = own_identity(&cert, &key, s, why);
    if (r == 0 && s->by_certificate) {
        o.trust = v->tls_ca ? TLS_TRUST_CA : TLS_TRUST_SYSTEM;
        if (v->tls_ca) r = certificate_read_file(&ca, v->tls_ca, why);
    }
    attested_fill(a->attested, &o);
    o.identity = (struct tls_identity){buf_view(&cert), buf_view(&key)};
    o.ca_pem = buf_view(&ca);
    if (r == 0) r = a->tls ? tls_reload(a->tls, &o, why) : tls_new(&a->tls, &o, why);
    if (key.p) bytes_wipe(key.p, key.n);
    buf_free(&cert);
    buf_free(&key);
    buf_free(&ca);
    return r;
}

static int make_target_tls(struct app *a, struct error *why) {
    const struct proxy_values *v = &a->settings.values;
    struct buf ca;
    buf_init(&ca, CERTIFICATE_PEM_MAX);
    int r = v->target_ca ? certificate_read_file(&ca, v->target_ca, why) : 0;
    const struct tls_options o = {.role = TLS_CLIENT,
                                  .trust = v->target_ca ? TLS_TRUST_CA : TLS_TRUST_SYSTEM,
                                  .ca_pem = buf_view(&ca)};
    if (r == 0) r = tls_new(&a->target_tls, &o, why);
    buf_free(&ca);
    return r;
}

/* ---- the client to the target ---- */

static void admit_attested(struct client *c, struct conn *conn, void *context) {
    (void)c;
    attested_admit(context, conn);
}

static int make_target(struct app *a, struct error *why) {
    const char *text = a->settings.values.target_addr;
    bool scheme = strstr(text, "://") || strncmp(text, "unix:", 5) == 0;
    bool server = a->settings.verb == PROXY_SERVER;
    int n = snprintf(a->target, sizeof a->target, "%s%s",
                     scheme   ? ""
                     : server ? "http://"
                              : "https://",
                     text);
    if (n < 0 || (size_t)n >= sizeof a->target) {
        return error_set(why, ERR_LIMIT, "the target's address is too long");
    }
    while (n > 0 && a->target[n - 1] == '/')
        a->target[--n] = '\0';
    if (!server && strncmp(a->target, "https://", 8) != 0) {
        return error_set(why, ERR_INVALID, "an attested server is reached by https");
    }
    return 0;
}

int app_client(struct app *a, void (*admit)(struct client *c, struct conn *conn, void *context),
               struct error *why) {
    const struct proxy_values *v = &a->settings.values;
    bool server = a->settings.verb == PROXY_SERVER;
    struct client_options o = {.url = a->target,
                               .connections = (unsigned)v->upstream_connections,
                               .connect_ns = v->handshake_ns,
                               .response_ns = v->response_ns,
                               .body_ns = v->response_ns,
                               .keep_ns = v->idle_ns};
    int r = make_target(a, why);
    if (r == 0) r = resolver_new(&a->names, 60 * NS_PER_S, why);
    if (r == 0 && server && strncmp(a->target, "https:", 6) == 0) r = make_target_tls(a, why);
    o.names = a->names;
    o.tls = server ? a->target_tls : a->tls;
    if (!server) {
        if (!admit && attested_needs_admit(a->attested)) admit = admit_attested;
        o.admit = admit;
        o.session_user = attested_session_user;
        o.session_done = attested_session_done;
        o.session_setup = attested_session_setup;
        o.context = a->attested;
    }
    if (r == 0) r = client_new(&a->origin, a->loop, &o, why);
    // HTTP/2 cannot carry an upgrade: those get sessions that agree on HTTP/1.1.
    if (r == 0 && !server && attested_needs_admit(a->attested)) {
        o.protocol = CLIENT_HTTP1;
        o.session_setup = attested_session_setup_http1;
        r = client_new(&a->upgrades, a->loop, &o, why);
    }
    return r;
}

/* ---- life ---- */

static void peer_is_old(void *context, struct conn *c) {
    struct app *a = context;
    if (a->settings.verb == PROXY_SERVER) {
        server_retire(a->server, c);
    } else {
        client_close_idle(a->origin);
        if (a->upgrades) client_close_idle(a->upgrades);
    }
}

static int open_attested(struct app *a,
                         void (*settled)(void *context, struct conn *c, const struct error *why),
                         struct error *why) {
    const struct proxy_values *v = &a->settings.values;
    struct attested_options o = {
        .form = v->form == ATTESTED_CERTIFICATE ? ATTESTED_CERTIFICATE : ATTESTED_EXPORTER,
        .issuer = a->setup.issuer,
        .by_name = a->settings.by_name,
        .again_ns = v->attested.judge_again_ns,
        .log = a->log,
        .metrics = a->metrics,
        .clock = &clock_system,
        .settled = settled,
        .old = peer_is_old,
        .renew_ns = v->attested.renew_ns,
        .context = a,
    };
    const char *policy = a->settings.policy;
    int r = policy ? attested_setup_judge(&o.judge, &a->setup, &v->attested, policy, why) : 0;
    if (r < 0) return r;
    r = attested_new(&a->attested, a->loop, &o, why);
    if (r < 0) judge_free(o.judge);
    return r;
}

static void warn_unattested(struct app *a) {
    const struct proxy_settings *s = &a->settings;
    if (s->policy) return;
    log_warn(a->log, "peers_are_not_attested",
             F_STR("text", s->by_certificate ? "the peer's certificate is checked, no evidence"
                                             : "nothing about the peer is verified"));
}

int app_open(struct app *a, const struct service_options *service,
             void (*settled)(void *context, struct conn *c, const struct error *why),
             struct error *why) {
    const struct proxy_values *v = &a->settings.values;
    int r = sandbox_change_user(v->process.user, why);
    if (r == 0) r = loop_new(&a->loop, &(struct loop_options){0}, why);
    if (r == 0) r = metrics_new(&a->metrics, NULL, why);
    if (r < 0) return r;
    metrics_add_process(a->metrics);
    struct service_options o = *service;
    o.log = a->log;
    o.metrics = a->metrics;
    r = service_new(&a->service, a->loop, &o, why);
    if (r == 0) r = restrict_self(a, why);
    if (r == 0) {
        r = attested_setup_open(&a->setup, a->loop, a->log, a->metrics, &v->attested,
                                a->settings.own_type, a->settings.policy != NULL, why);
    }
    if (r == 0) r = open_attested(a, settled, why);
    if (r == 0) r = app_tls_make(a, &a->settings, why);
    if (r == 0) warn_unattested(a);
    return r;
}

void app_close(struct app *a) {
    server_free(a->server);
    server_free(a->health);
    client_free(a->origin);
    client_free(a->upgrades);
    proxy_free(a->proxy);
    attested_setup_close(&a->setup); // waiting requests find their sessions gone
    attested_free(a->attested);
    resolver_free(a->names);
    tls_free(a->tls);
    tls_free(a->target_tls);
    service_free(a->service);
    metrics_free(a->metrics);
    loop_free(a->loop);
    proxy_settings_free(&a->settings);
    log_close(a->log);
}
