/* SPDX-License-Identifier: MIT */
#include "devnet/shadow.h"

#include "base/file.h"
#include "base/hex.h"
#include "base/u256.h"
#include "devnet/plan.h"
#include "net/url.h"
#include "json/json.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIDS_KEPT 64
#define GENESIS_BYTES_MAX (64u << 20)
#define DUTIES_BYTES_MAX (16u << 20)

/* Where the members of a bid trace lie in a submission in SSZ (builder specifications). */
enum { TRACE_SLOT = 0, TRACE_BUILDER = 72, TRACE_VALUE = 204, TRACE_BYTES = 236 };

struct own_bid {
    uint64_t slot, count;
    struct u256 value; // the best
    struct bytes48 builder;
};

struct shadow {
    struct own_bid bids[BIDS_KEPT]; // a ring by slot
    char relay[256];                // "http://HOST:PORT" of the relay that is read from
};

// Settings

// Literal addresses only: a name may lead anywhere.
static bool is_loopback(const char *text) {
    struct url u;
    struct in_addr v4;
    char host[64];
    if (url_parse(&u, bytes_from_str(text), NULL) != 0 || u.host.n >= sizeof host) return false;
    (void)snprintf(host, sizeof host, "%.*s", (int)u.host.n, (const char *)u.host.p);
    if (u.ipv6) return strcmp(host, "::1") == 0;
    return inet_pton(AF_INET, host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

int shadow_check(const struct devnet_settings *s, struct error *why) {
    struct url u;
    const struct {
        const char *flag, *url, *scheme;
    } table[] = {{"--shadow-node", s->shadow_node, "http"},
                 {"--shadow-ws", s->shadow_ws, "ws"},
                 {"--shadow-beacon", s->shadow_beacon, "http"},
                 {"--shadow-relay", s->shadow_relay, "http"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (!table[i].url || !*table[i].url) {
            return error_set(why, ERR_INVALID, "a shadow needs %s", table[i].flag);
        }
        if (strncmp(table[i].url, table[i].scheme, strlen(table[i].scheme)) != 0 ||
            url_parse(&u, bytes_from_str(table[i].url), why) != 0) {
            return error_set(why, ERR_SYNTAX, "%s is an address %s://HOST:PORT", table[i].flag,
                             table[i].scheme);
        }
    }
    if (!s->shadow_genesis || !*s->shadow_genesis) {
        return error_set(why, ERR_INVALID, "a shadow needs --shadow-genesis");
    }
    if (s->shadow_bids && *s->shadow_bids && !is_loopback(s->shadow_bids)) {
        return error_set(why, ERR_UNTRUSTED,
                         "--shadow-bids: a shadow bids on this machine only, not to %.100s",
                         s->shadow_bids);
    }
    return 0;
}

// The network

static int take_genesis(struct net *n, struct error *why) {
    struct buf text;
    struct arena a;
    const struct json *doc;
    buf_init(&text, GENESIS_BYTES_MAX);
    arena_init(&a, 256u << 20);
    int r = file_read(&text, n->s->shadow_genesis, why);
    if (r == 0) r = json_parse(&doc, buf_view(&text), &a, NULL, why);
    if (r == 0) r = json_get_u64(&n->chain_id, json_get(doc, "config"), "chainId", why);
    if (r == 0) r = plan_store(n, "genesis.json", buf_view(&text), 0644, why);
    arena_free(&a);
    buf_free(&text);
    return r < 0 ? error_wrap(why, "--shadow-genesis") : 0;
}

int shadow_plan(struct net *n, struct error *why) {
    char pubkey[97] = "";
    const struct devnet_settings *s = n->s;
    n->shadow = calloc(1, sizeof *n->shadow);
    if (!n->shadow) return error_set(why, ERR_NO_MEMORY, "no memory for the shadow");
    int r = identity_bls(&n->relay_key, s->seed, "relay", why);
    if (r == 0) r = take_genesis(n, why);
    if (r < 0) return r;
    hex_encode(pubkey, BYTES_OF(n->relay_key.pubkey));
    (void)snprintf(n->shadow->relay, sizeof n->shadow->relay, "%s", s->shadow_relay);
    (void)snprintf(n->rpc_url, sizeof n->rpc_url, "%s", s->shadow_node);
    (void)snprintf(n->ws_url, sizeof n->ws_url, "%s", s->shadow_ws);
    (void)snprintf(n->beacon_url, sizeof n->beacon_url, "%s", s->shadow_beacon);
    (void)snprintf(n->relay_url, sizeof n->relay_url, "%s", s->shadow_relay);
    if (s->shadow_bids && *s->shadow_bids) {
        (void)snprintf(n->bids_url, sizeof n->bids_url, "%s", s->shadow_bids);
    } else {
        (void)snprintf(n->bids_url, sizeof n->bids_url, "http://0x%s@127.0.0.1:%u", pubkey,
                       n->page_port);
    }
    return 0;
}

void shadow_free(struct shadow *s) {
    free(s);
}

// Duties: those of the relay that is followed, as they are.

struct duties {
    struct exchange *x;
    struct query query;
    struct loop_task end;
    struct buf answer;
    bool failed;
};

static void on_duties_end(struct loop_task *t) {
    struct duties *d = LIST_ENTRY(t, struct duties, end);
    if (d->failed) {
        exchange_respond_text(d->x, 502, "text/plain", BYTES_LIT("the relay does not answer\n"));
    } else {
        exchange_respond_text(d->x, 200, "application/json", buf_view(&d->answer));
    }
    exchange_release(d->x);
    query_close(&d->query);
    buf_free(&d->answer);
    free(d);
}

static void on_duties(struct query *q, int code, const struct json *doc, const struct error *why) {
    struct duties *d = q->context;
    (void)why;
    d->failed = code < 0;
    if (code == 0) buf_append(&d->answer, json_raw(doc));
    if (buf_check(&d->answer, NULL) < 0) d->failed = true;
    loop_defer(exchange_loop(d->x), &d->end);
}

void shadow_duties(struct exchange *x, void *net) {
    struct net *n = net;
    struct duties *d = n->shadow ? calloc(1, sizeof *d) : NULL;
    if (!d) {
        exchange_respond(x, n->shadow ? 500 : 404, BYTES_LIT(""));
        return;
    }
    d->x = x;
    d->end.run = on_duties_end;
    d->query.done = on_duties;
    d->query.context = d;
    buf_init(&d->answer, DUTIES_BYTES_MAX);
    int r = query_open(&d->query, n->loop, n->shadow->relay, NULL);
    if (r == 0) r = query_get(&d->query, "/relay/v1/builder/validators", NULL);
    if (r < 0) {
        query_close(&d->query);
        buf_free(&d->answer);
        free(d);
        exchange_respond_text(x, 502, "text/plain", BYTES_LIT("the relay cannot be asked\n"));
        return;
    }
    exchange_hold(x);
}

// Bids

static uint64_t little(const uint8_t *p) {
    uint64_t v = 0;
    for (unsigned i = 8; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

void shadow_bid(struct exchange *x, void *net) {
    struct net *n = net;
    struct bytes body = exchange_body(x);
    uint8_t big[32];
    if (!n->shadow) {
        exchange_respond(x, 404, BYTES_LIT(""));
        return;
    }
    if (!bytes_equal_str(exchange_header(x, "content-type"), "application/octet-stream") ||
        body.n < TRACE_BYTES) {
        exchange_respond_text(x, 415, "text/plain", BYTES_LIT("a submission in SSZ is needed\n"));
        return;
    }
    for (unsigned i = 0; i < 32; i++) {
        big[31 - i] = body.p[TRACE_VALUE + i];
    }
    uint64_t slot = little(body.p + TRACE_SLOT);
    struct own_bid *k = &n->shadow->bids[slot % BIDS_KEPT];
    struct u256 value = u256_load_be(big);
    if (k->slot != slot) *k = (struct own_bid){.slot = slot};
    if (k->count++ == 0 || u256_compare(value, k->value) > 0) {
        k->value = value;
        memcpy(k->builder.b, body.p + TRACE_BUILDER, sizeof k->builder.b);
    }
    exchange_respond(x, 200, BYTES_LIT(""));
}

void shadow_look(const struct net *n, struct slot_record *r) {
    const struct own_bid *k = n->shadow ? &n->shadow->bids[r->slot % BIDS_KEPT] : NULL;
    if (!k || k->slot != r->slot || !k->count) return;
    (void)u256_to_decimal(r->own_wei, k->value);
    for (size_t i = 0; i < n->node_count; i++) {
        const struct net_node *node = &n->nodes[i];
        if (memcmp(&node->relay_key.pubkey, &k->builder, sizeof k->builder) == 0) {
            (void)snprintf(r->own_builder, sizeof r->own_builder, "%s", node->name);
        }
    }
}
