/* What nodes and other infrastructure ask.
 *
 * A node is known by three headers that the attesting proxy sets. 403 with an empty body says "you
 * are switched off" and nothing else: a node that hears it stops building.
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/hex.h"
#include "hub/hub_internal.h"

#include <string.h>

#define CERTIFICATE_MAX (256u << 10)
#define SERVICE_MAX 128
#define REGION_MAX 128
#define PEER_BYTES_MAX (512u << 10) /* of a builder in everybody's list: clients take 16 MiB */

struct caller {
    struct model_builder *builder;
    const struct model_measurement *measurement;
};

static void refuse(struct hub_call *c, enum hub_refusal reason, const char *text) {
    metric_inc(c->hub->refused[reason]);
    log_warn(c->hub->options.log, "node_refused", F_STR("reason", text),
             F_BYTES("forwarded_for", hub_header_last(c, "x-forwarded-for")),
             F_BOOL("attested", c->req->proof != NULL));
    hub_status(c, 403);
}

// The proxy nearest to the hub wrote the last element of the last line.
static bool read_address(struct hub_call *c, uint8_t ret[16]) {
    struct bytes v = hub_header_last(c, "x-forwarded-for");
    for (size_t i = v.n; i-- > 0;) {
        if (v.p[i] != ',') continue;
        v = bytes_slice(v, i + 1, v.n);
        break;
    }
    return model_ip(ret, bytes_trim(v));
}

// {"register": "value"}; null, whole or as a value, is let through.
static bool read_claims(struct hub_call *c, struct bytes text, struct model_claim **ret,
                        size_t *ret_count) {
    const struct json *doc;
    struct error why;
    if (json_parse(&doc, text, &c->arena, &JSONB_LIMITS, &why) != 0) return false;
    if (json_type_of(doc) != JSON_OBJECT && !json_is_null(doc)) return false;
    struct model_claim *claims =
        arena_new_array(&c->arena, struct model_claim, json_count(doc) + 1);
    size_t n = 0;
    if (!claims) return false;
    json_members(key, value, doc) {
        if (value->type != JSON_STRING && value->type != JSON_NULL) return false;
        struct bytes text_value = value->type == JSON_STRING ? json_text(value) : BYTES_LIT("");
        claims[n++] = (struct model_claim){json_text(key), text_value};
    }
    *ret = claims;
    *ret_count = n;
    return true;
}

// What the proxy says in headers. False: 403 was answered.
static bool identify_by_headers(struct hub_call *c, struct caller *ret, uint8_t address[16]) {
    struct bytes type = hub_header_first(c, "x-flashbots-attestation-type");
    struct bytes text = hub_header_first(c, "x-flashbots-measurement");
    struct model_claim *claims;
    size_t count;
    if (!c->req->trusted) {
        refuse(c, REFUSED_PROXY, "not from a trusted proxy");
        return false;
    }
    if (type.n == 0 || !read_claims(c, text, &claims, &count) || !read_address(c, address)) {
        refuse(c, REFUSED_HEADERS, "malformed auth data");
        return false;
    }
    ret->measurement = model_match(&c->hub->model, type, claims, count);
    return true;
}

// What the session proved.
static bool identify_by_proof(struct hub_call *c, struct caller *ret, uint8_t address[16]) {
    const struct hub_proof *p = c->req->proof;
    struct model_claim *claims;
    size_t count;
    if (!read_claims(c, p->measurements, &claims, &count)) {
        refuse(c, REFUSED_HEADERS, "no memory for measurements");
        return false;
    }
    memcpy(address, p->address, 16);
    ret->measurement = model_match_proved(&c->hub->model, p->type, claims, count);
    return true;
}

// With the model's lock held. False: 403 was answered.
static bool identify(struct hub_call *c, struct caller *ret) {
    uint8_t address[16];
    if (!(c->req->proof ? identify_by_proof : identify_by_headers)(c, ret, address)) return false;
    if (!ret->measurement) {
        refuse(c, REFUSED_MEASUREMENT, "no active measurement matches");
        return false;
    }
    ret->builder = model_builder_at(&c->hub->model, address);
    if (!ret->builder) {
        refuse(c, REFUSED_ADDRESS, "no active builder at this address");
        return false;
    }
    atomic_store(&ret->builder->seen_ns, clock_wall_ns(&clock_system));
    return true;
}

static void read_lock(struct hub_call *c) {
    (void)pthread_rwlock_rdlock(&c->hub->lock);
}

static void unlock(struct hub_call *c) {
    (void)pthread_rwlock_unlock(&c->hub->lock);
}

void node_measurements(struct hub_call *c) {
    read_lock(c);
    buf_append(&c->res->body, buf_view(&c->hub->model.published));
    unlock(c);
    hub_json(c, 200);
}

// Peer lists

static void make_fresh(struct hub_call *c, struct bytes network) {
    (void)pthread_rwlock_wrlock(&c->hub->lock);
    if (!model_peers_fresh(&c->hub->model, network)) model_peers_build(&c->hub->model, network);
    unlock(c);
    read_lock(c);
}

// The caller has this text already: its tag is one of a list, in quotes, so that no other holds it.
static bool has_tag(const struct hub_call *c, struct bytes tag) {
    struct bytes have = hub_header_first(c, "if-none-match");
    return have.n && (bytes_equal_str(have, "*") || memmem(have.p, have.n, tag.p, tag.n));
}

// With the lock held; it may be let go and taken again, so `self` is looked up after that.
static void answer_peers(struct hub_call *c, struct bytes network, struct bytes self_name) {
    if (!model_peers_fresh(&c->hub->model, network)) {
        unlock(c);
        make_fresh(c, network);
    }
    const struct model_builder *self =
        self_name.p ? model_builder(&c->hub->model, self_name) : NULL;
    struct bytes tag;
    struct shared_text *list = model_peers(&c->hub->model, network, self, &c->res->body, &tag);
    if (list) hub_add_header(c->res, "ETag", tag);
    if (list && has_tag(c, tag)) {
        shared_text_drop(list);
        hub_status(c, 304);
    } else {
        c->res->list = list;
        hub_json(c, 200);
    }
}

void node_peers(struct hub_call *c) {
    struct caller caller;
    read_lock(c);
    if (identify(c, &caller)) {
        struct bytes name = arena_copy(&c->arena, bytes_from_str(caller.builder->name));
        struct bytes network = arena_copy(&c->arena, bytes_from_str(caller.builder->network));
        answer_peers(c, network, name);
    }
    unlock(c);
}

void internal_peers(struct hub_call *c) {
    read_lock(c);
    answer_peers(c, BYTES_LIT("production"), (struct bytes){NULL, 0});
    unlock(c);
}

void internal_network_peers(struct hub_call *c) {
    if (c->params[0].n == 0) {
        hub_message(c, 400, "network is empty", NULL);
        return;
    }
    read_lock(c);
    answer_peers(c, c->params[0], (struct bytes){NULL, 0});
    unlock(c);
}

// Configuration

static void answer_document(struct hub_call *c, struct bytes document) {
    buf_clear(&c->res->body);
    buf_append(&c->res->body, document);
    hub_json(c, 200);
}

// From the backend; keeps the document in memory, unless it was changed while it was read (turn:
// the builder's secret_turn before). last: the one that was good before, p NULL when there is none
// to fall back to. The lock is not held.
static void fetch_document(struct hub_call *c, struct bytes name, uint64_t turn,
                           struct bytes last) {
    struct error why;
    int r = hub_document(c->hub, name, &c->res->body, &c->arena, &why);
    bool away = r == ERR_CLOSED || r == ERR_BUSY;
    if (r != 0) {
        log_error(c->hub->options.log, "secret_not_read", F_BYTES("builder", name), F_ERR(&why),
                  F_BOOL("stale_served", away && last.p));
        if (away && last.p) {
            answer_document(c, last);
            return;
        }
        hub_status(c, away ? 503 : 500);
        if (away) hub_add_header(c->res, "Retry-After", BYTES_LIT("2"));
        return;
    }
    (void)pthread_rwlock_wrlock(&c->hub->lock);
    struct model_builder *b = model_builder(&c->hub->model, name);
    struct bytes document = buf_view(&c->res->body);
    if (b && b->secret_turn == turn) model_set_secret(b, document.p ? document : BYTES_LIT(""));
    unlock(c);
    hub_json(c, 200);
}

static bool note_read(struct hub *h, const struct caller *caller) {
    return !atomic_load(&h->events.failing) &&
           hub_event_note(h, caller->builder->name, caller->measurement->name);
}

void node_configuration(struct hub_call *c) {
    struct caller caller;
    struct bytes name = {NULL, 0}, last = {NULL, 0};
    uint64_t turn = 0;
    if (c->may_block && hub_events_crowded(c->hub)) hub_events_store_some(c->hub);
    read_lock(c);
    if (identify(c, &caller)) {
        const struct model_builder *b = caller.builder;
        bool stale_ok = atomic_load(&c->hub->serve_stale);
        bool known = b->secret && !b->secret_old;
        if (!model_has_config(&c->hub->model, b)) {
            hub_status(c, 500);
        } else if (!known && !c->may_block) {
            c->blocked = true;
            c->res->waits = HUB_WAITS_FOR_SECRETS;
        } else if (!c->may_block && hub_events_crowded(c->hub)) {
            c->blocked = true;
            c->res->waits = HUB_WAITS_FOR_STORE;
        } else if (!note_read(c->hub, &caller) && !stale_ok) {
            hub_status(c, 503);
            hub_add_header(c->res, "Retry-After", BYTES_LIT("2"));
        } else if (known) {
            answer_document(c, bytes_make(b->secret, b->secret_bytes));
        } else {
            name = arena_copy(&c->arena, bytes_from_str(b->name));
            turn = b->secret_turn;
            if (stale_ok && b->secret) {
                last = arena_copy(&c->arena, bytes_make(b->secret, b->secret_bytes));
                if (!last.p) last = BYTES_LIT("");
            }
        }
    }
    unlock(c);
    if (name.p) fetch_document(c, name, turn, last);
    if (last.n) bytes_wipe((void *)(uintptr_t)last.p, last.n);
}

// Registration

static bool is_reserved(struct bytes service) {
    static const char *const names[] = {"name", "ip", "dns_name", "network"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (bytes_equal_str(service, names[i])) return true;
    }
    return false;
}

// "0x" or "0X" and 40 digits of any case.
static int read_key_address(struct bytes *ret, const struct json *doc, struct arena *a,
                            struct error *why) {
    const struct json *v = hub_member(doc, "ecdsa_pubkey_address");
    *ret = (struct bytes){NULL, 0};
    if (json_is_null(v)) return 0;
    struct bytes text = json_text(v);
    uint8_t *p = arena_alloc(a, 20);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for an address");
    if (v->type != JSON_STRING || text.n != 42 || text.p[0] != '0' || (text.p[1] | 32) != 'x') {
        return error_set(why, ERR_SYNTAX, "ecdsa_pubkey_address is 0x and 40 hex digits");
    }
    *ret = bytes_make(p, 20);
    return hex_decode(p, bytes_slice(text, 2, 40), why);
}

static int read_credential(struct hub_call *c, struct store_credential *ret, struct error *why) {
    const struct json *doc;
    int r = hub_parse(c, &doc, why);
    if (r == 0 && json_type_of(doc) != JSON_OBJECT && !json_is_null(doc)) {
        r = error_set(why, ERR_INVALID, "the body is no object");
    }
    if (r == 0) r = hub_text(&ret->tls_cert, doc, "tls_cert", why);
    if (r == 0) r = hub_text(&ret->region, doc, "region", why);
    if (r == 0) r = read_key_address(&ret->address, doc, &c->arena, why);
    return r;
}

// peer: what the builder has in the peer list already.
static bool check_credential(struct hub_call *c, const struct store_credential *k,
                             struct bytes peer) {
    size_t peer_bytes = 0;
    struct error why;
    if (k->tls_cert.n == 0 && k->address.n == 0) {
        hub_message(c, 400, "no credentials provided", NULL);
    } else if (c->hub->options.compat) {
        return true;
    } else if (is_reserved(k->service)) {
        hub_message(c, 400, "service name is reserved", NULL);
    } else if (k->service.n > SERVICE_MAX || k->region.n > REGION_MAX ||
               k->tls_cert.n > CERTIFICATE_MAX) {
        hub_message(c, 400, "credentials are too long", NULL);
    } else if (model_peer_bytes(&peer_bytes, peer, k, &c->arena, &why) != 0) {
        hub_status(c, 500);
    } else if (peer_bytes > PEER_BYTES_MAX && peer_bytes > peer.n) { // smaller is always taken
        hub_message(c, 400, "too many services", NULL);
    } else {
        return true;
    }
    return false;
}

void node_register(struct hub_call *c) {
    struct caller caller;
    struct store_credential k = {.service = c->params[0]};
    struct bytes type = {NULL, 0};
    struct bytes peer = {NULL, 0};
    struct store_batch b;
    struct error why;
    read_lock(c);
    bool known = identify(c, &caller);
    if (known) {
        k.builder = arena_copy(&c->arena, bytes_from_str(caller.builder->name));
        k.measurement = arena_copy(&c->arena, caller.measurement->name);
        type = arena_copy(&c->arena, caller.measurement->type);
        peer = arena_copy(&c->arena, bytes_make(caller.builder->peer, caller.builder->peer_bytes));
    }
    unlock(c);
    if (!known) return;
    if (read_credential(c, &k, &why) != 0) {
        hub_message(c, 400, "failed to unmarshal request body", why.text);
        return;
    }
    if (!check_credential(c, &k, peer)) return;
    batch_init(&b, &c->arena, (struct bytes){NULL, 0}, (struct bytes){NULL, 0});
    batch_register(&b, &k, type);
    int r = hub_change(c->hub, &b, k.builder, &why);
    if (r == 0) {
        hub_status(c, 200);
    } else if (r == ERR_NOT_FOUND) {
        refuse(c, REFUSED_MEASUREMENT, "the measurement is gone");
    } else {
        hub_failure(c, r, &why);
    }
}
