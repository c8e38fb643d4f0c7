/* SPDX-License-Identifier: MIT */
#include "hub/attested_door.h"

#include "attested/setup.h"

#include <stdlib.h>

#define PEM_BYTES_MAX (1u << 20)

struct attested_door {
    struct loop *loop;
    struct log *log;
    struct attested_setup setup;
    struct attested *attested;
    struct tls *tls;
    struct server *server;
    struct server_listener listener;
    int form; /* enum attested_form */
};

struct attested_door_fresh {
    struct judge *judge;
    struct buf cert, key;
};

/* ---- files ---- */

static void identity_free(struct buf *cert, struct buf *key) {
    if (key->p) bytes_wipe(key->p, key->n);
    buf_free(cert);
    buf_free(key);
}

// The exporter form is TLS as usual with evidence after it; the other makes its certificates.
static int read_identity(struct buf *cert, struct buf *key, int form, const struct hub_values *v,
                         struct error *why) {
    buf_init(cert, PEM_BYTES_MAX);
    buf_init(key, PEM_BYTES_MAX);
    if (form == ATTESTED_CERTIFICATE) return 0;
    if (!v->attested_certificate || !*v->attested_certificate || !v->attested_key ||
        !*v->attested_key) {
        return error_set(why, ERR_NOT_FOUND,
                         "attested-protocol ratls needs attested-tls-certificate and "
                         "attested-tls-key");
    }
    return tls_read_identity(cert, key, v->attested_certificate, v->attested_key, why);
}

static int make_tls(struct tls **tls, struct attested_door *d, const struct buf *cert,
                    const struct buf *key, struct error *why) {
    struct tls_options o = {.role = TLS_SERVER, .trust = TLS_TRUST_NOTHING};
    attested_fill(d->attested, &o);
    o.identity = (struct tls_identity){buf_view(cert), buf_view(key)};
    return *tls ? tls_reload(*tls, &o, why) : tls_new(tls, &o, why);
}

/* ---- connections ---- */

static void settled(void *context, struct conn *c, const struct error *why) {
    struct attested_door *d = context;
    if (why)
        server_drop(d->server, c);
    else
        server_adopt(d->server, c);
}

static void peer_is_old(void *context, struct conn *c) {
    struct attested_door *d = context;
    server_retire(d->server, c);
}

static void admit(struct server *s, struct conn *c, void *context) {
    (void)s;
    attested_admit(context, c);
}

/* ---- open ---- */

static int own_type(enum attestation_type *ret, const char *name, struct error *why) {
    if (attestation_type_parse(ret, bytes_from_str(name))) return 0;
    return error_set(why, ERR_SYNTAX, "attested-type: \"%.40s\" is no type of attestation", name);
}

static int open_attested(struct attested_door *d, const struct attested_door_options *o,
                         struct error *why) {
    const struct hub_values *v = o->values;
    enum attestation_type own;
    struct attested_options a = {.form = (enum attested_form)d->form,
                                 .again_ns = v->attested.judge_again_ns,
                                 .log = o->log,
                                 .metrics = o->metrics,
                                 .clock = &clock_system,
                                 .settled = settled,
                                 .old = peer_is_old,
                                 .renew_ns = v->attested.renew_ns,
                                 .context = d};
    int r = own_type(&own, v->attested_type, why);
    if (r == 0) {
        r = attested_setup_open(&d->setup, o->loop, o->log, o->metrics, &v->attested, own, true,
                                why);
    }
    if (r == 0) {
        r = attested_setup_judge(&a.judge, &d->setup, &v->attested, v->attested_policy, why);
    }
    if (r != 0) return r;
    a.issuer = d->setup.issuer;
    r = attested_new(&d->attested, o->loop, &a, why);
    if (r != 0) judge_free(a.judge);
    return r;
}

static int listen_here(struct attested_door *d, const struct attested_door_options *o,
                       struct error *why) {
    struct socket_address bound;
    char text[SOCKET_TEXT_MAX];
    struct server_listener ln = {.tls = d->tls,
                                 .session_user = attested_session_user,
                                 .session_done = attested_session_done,
                                 .admit_context = d->attested,
                                 .proxy_protocol = o->values->attested_proxy_protocol};
    const struct server_options s = {.routes = o->route,
                                     .route_count = 1,
                                     .limits = {.body_bytes = 1u << 20},
                                     .log = o->log,
                                     .metrics = o->metrics,
                                     .name = "attested",
                                     .access_log = log_enabled(o->log, LOG_DEBUG)};
    if (attested_needs_admit(d->attested)) ln.admit = admit;
    int r = server_new(&d->server, o->loop, &s, why);
    if (r == 0) {
        r = socket_address_parse(&ln.address, bytes_from_str(o->values->attested_addr), 0, why);
    }
    if (r == 0) r = server_listen(d->server, &bound, &ln, why);
    if (r != 0) return error_wrap(why, "attested listener");
    (void)socket_address_text(text, &bound);
    log_info(o->log, "listening", F_STR("listener", "attested"), F_STR("address", text),
             F_STR("protocol", d->form == ATTESTED_CERTIFICATE ? "atls" : "ratls"));
    return 0;
}

int attested_door_open(struct attested_door **ret, const struct attested_door_options *o,
                       struct error *why) {
    struct attested_door *d = calloc(1, sizeof *d);
    struct buf cert, key;
    *ret = NULL;
    if (!d) return error_set(why, ERR_NO_MEMORY, "no memory for the attested listener");
    d->loop = o->loop;
    d->log = o->log;
    d->form = o->values->attested_form;
    int r = read_identity(&cert, &key, d->form, o->values, why);
    if (r == 0) r = open_attested(d, o, why);
    if (r == 0) r = make_tls(&d->tls, d, &cert, &key, why);
    if (r == 0) r = listen_here(d, o, why);
    identity_free(&cert, &key);
    if (r != 0) {
        attested_door_close(d);
        return r;
    }
    *ret = d;
    return 0;
}

void attested_door_close(struct attested_door *d) {
    if (!d) return;
    server_free(d->server);
    attested_setup_close(&d->setup); // waiting requests find their sessions gone
    attested_free(d->attested);
    tls_free(d->tls);
    free(d);
}

struct server *attested_door_server(struct attested_door *d) {
    return d->server;
}

/* ---- reload ---- */

int attested_door_prepare(struct attested_door_fresh **ret, struct attested_door *d,
                          const struct hub_values *v, struct error *why) {
    struct attested_door_fresh *f = calloc(1, sizeof *f);
    *ret = NULL;
    if (!f) return error_set(why, ERR_NO_MEMORY, "no memory for a judge");
    struct tls *trial = NULL;
    int r = read_identity(&f->cert, &f->key, d->form, v, why);
    if (r == 0) r = make_tls(&trial, d, &f->cert, &f->key, why);
    tls_free(trial);
    if (r == 0) {
        r = attested_setup_judge(&f->judge, &d->setup, &v->attested, v->attested_policy, why);
    }
    if (r != 0) {
        attested_door_drop(f);
        return r;
    }
    *ret = f;
    return 0;
}

void attested_door_take(struct attested_door *d, struct attested_door_fresh *f) {
    struct error why;
    if (!f) return;
    if (f->cert.n && make_tls(&d->tls, d, &f->cert, &f->key, &why) != 0) {
        log_error(d->log, "certificate_not_taken", F_ERR(&why)); // no memory; it was tried before
    }
    attested_set_judge(d->attested, f->judge);
    f->judge = NULL;
    attested_door_drop(f);
}

void attested_door_drop(struct attested_door_fresh *f) {
    if (!f) return;
    judge_free(f->judge);
    identity_free(&f->cert, &f->key);
    free(f);
}
