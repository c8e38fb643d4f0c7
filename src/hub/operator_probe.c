/* A running node, asked what it runs: its evidence over a session of ours, judged by the roots and
 * the policy that the operator names.
 * SPDX-License-Identifier: MIT */
#include "attested/probe.h"
#include "hub/operator_internal.h"
#include "net/resolver.h"
#include "json/write.h"

#include <signal.h>

#define PROBE_NS (30 * NS_PER_S)

struct probed {
    struct command *c;
    struct loop *loop;
    struct log *log;
    struct attested *attested;
    struct tls *tls;
    struct resolver *names;
    struct client *client;
    struct buf *entry;
    const char *name;
};

/* Of a vTPM's registers those that the image alone determines; of a TD all. */
static bool is_of_image(enum attestation_type type, struct bytes index) {
    return type != ATTESTATION_AZURE_TDX || bytes_equal_str(index, "4") ||
           bytes_equal_str(index, "9") || bytes_equal_str(index, "11");
}

static void write_entry(struct probed *p, const struct attested_peer *peer,
                        const struct json *registers) {
    struct buf *out = &p->c->out;
    struct json_writer w;
    buf_printf(out, "%s\nattestation type: %s\nverified under: %s\n", p->c->words.items[1],
               attestation_type_name(peer->type), peer->root ? peer->root : "Intel's root");
    json_writer_init(&w, p->entry, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "measurement_id", p->name);
    json_add_str(&w, "attestation_type", attestation_type_name(peer->type));
    json_begin_object(&w, "measurements");
    json_members(key, value, registers) {
        struct bytes index = json_text(key), v = json_text(value);
        if (!is_of_image(peer->type, index)) continue;
        buf_printf(out, "  %.*s  %.*s\n", (int)index.n, (const char *)index.p, (int)v.n,
                   (const char *)v.p);
        json_add_key(&w, index);
        json_begin_object(&w, NULL);
        json_add_text(&w, "expected", v);
        json_end(&w);
    }
    json_end(&w);
    json_end(&w);
}

static int take(void *context, struct conn *c, struct error *why) {
    struct probed *p = context;
    const struct attested_peer *peer = attested_peer(c->tls);
    const struct json *registers;
    if (!peer || !peer->attested) return error_set(why, ERR_UNTRUSTED, "nothing was proved");
    int r = json_parse(&registers, peer->measurements, &p->c->arena, NULL, why);
    if (r != 0) return r;
    write_entry(p, peer, registers);
    return buf_check(p->entry, why);
}

static int open_attested(struct probed *p, struct error *why) {
    const struct operator_values *v = &p->c->values;
    const struct log_options lo = {.fd = 2, .level = LOG_ERROR, .program = "hub"};
    const struct judge_options jo = {.policy = v->policy,
                                     .root = v->root,
                                     .collateral = v->collateral,
                                     .require_ak_certificate = true,
                                     .ak_roots = v->ak_roots,
                                     .clock = &clock_system};
    struct attested_options o = {.form = v->form == 0 ? ATTESTED_EXPORTER : ATTESTED_CERTIFICATE,
                                 .clock = &clock_system};
    int r = log_open(&p->log, &lo, why);
    if (r == 0) r = loop_new(&p->loop, &(struct loop_options){0}, why);
    if (r == 0) r = judge_new(&o.judge, &jo, why);
    if (r != 0) return r;
    o.log = p->log;
    r = attested_new(&p->attested, p->loop, &o, why);
    if (r != 0) judge_free(o.judge);
    return r;
}

// Its certificate says nothing here: the evidence is bound to its key.
static int open_client(struct probed *p, const char *url, struct error *why) {
    struct tls_options t = {.role = TLS_CLIENT, .trust = TLS_TRUST_NOTHING};
    attested_fill(p->attested, &t);
    int r = tls_new(&p->tls, &t, why);
    if (r == 0) r = resolver_new(&p->names, 60 * NS_PER_S, why);
    const struct client_options o = {.url = url,
                                     .tls = p->tls,
                                     .names = p->names,
                                     .connections = 1,
                                     .connect_ns = PROBE_NS,
                                     .admit = attested_probe_admit,
                                     .session_user = attested_session_user,
                                     .session_done = attested_session_done,
                                     .session_setup = attested_session_setup,
                                     .context = p->attested};
    return r == 0 ? client_new(&p->client, p->loop, &o, why) : r;
}

static void close_all(struct probed *p) {
    client_free(p->client);
    resolver_free(p->names);
    tls_free(p->tls);
    attested_free(p->attested);
    loop_free(p->loop);
    log_close(p->log);
}

int operator_probe(struct command *c, struct buf *entry, const char *url) {
    struct probed p = {.c = c, .entry = entry, .name = c->values.id ? c->values.id : url + 8};
    struct error *why = &c->why;
    (void)signal(SIGPIPE, SIG_IGN);
    int r = open_attested(&p, why);
    if (r == 0) r = open_client(&p, url, why);
    if (r == 0) {
        struct attested_probe probe = {
            .attested = p.attested, .client = p.client, .take = take, .context = &p};
        r = attested_probe(&probe, why);
        if (r == ERR_IO) why->code = ERR_CLOSED; // it is away
        if (r != 0) r = error_wrap(why, "%s", url);
    }
    close_all(&p);
    return r;
}
