/* POST /api/send: a transaction or a bundle of a development account through a node, signed here.
 *
 *     {"kind": "transaction" | "bundle", "node": "node-1", "account": 1, "to": "0x…" (absent: to
 *      itself), "ether": "0.001", "tip_gwei": 2, "ahead": 2}
 *
 * The nonce is asked for, the transaction signed and sent to the node's users' listener as any
 * sender does it. A bundle is for the block `ahead` of the newest.  SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "devnet/net.h"
#include "eth/address.h"
#include "eth/request_signature.h"
#include "eth/tx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEND_GAS 21000u
#define GWEI 1000000000u
#define TIP_GWEI_MAX 1000u
#define BASE_FEE_ROOM_WEI (200ull * GWEI) /* above the tip, for the base fee */
#define AHEAD_MAX 25u
#define PENDING_BLOCKS 3u /* so long a nonce that was used counts as used without having landed */

struct send {
    struct net *net;
    struct exchange *x;
    struct query chain, door;
    struct loop_task end;
    const struct net_node *node;
    bool bundle;
    unsigned account;
    uint64_t tip, ahead, target, nonce;
    struct u256 value;
    bool has_to;
    struct address to;
    struct hash tx, order;
    struct error why; // code 0: it was sent
    int status;
};

// Ether with at most 18 digits behind the point, as wei.
static int read_ether(struct u256 *ret, struct bytes in, struct error *why) {
    char digits[48];
    size_t n = 0, behind = 0;
    bool point = false, ok = in.n > 0 && in.n < 30;
    for (size_t i = 0; ok && i < in.n; i++) {
        if (in.p[i] == '.' && !point && i > 0) {
            point = true;
            continue;
        }
        ok = in.p[i] >= '0' && in.p[i] <= '9';
        digits[n++] = (char)in.p[i];
        behind += point;
    }
    for (; ok && behind < 18; behind++) {
        digits[n++] = '0';
    }
    ok = ok && behind == 18 && u256_from_decimal(ret, bytes_make(digits, n));
    return ok ? 0 : error_set(why, ERR_INVALID, "the amount is not one of ether");
}

static int read_number(uint64_t *ret, const struct json *doc, const char *key, uint64_t max,
                       struct error *why) {
    if (!json_get(doc, key)) return 0;
    int r = json_get_u64(ret, doc, key, why);
    if (r == 0 && *ret > max) {
        r = error_set(why, ERR_RANGE, "%s: at most %llu", key, (unsigned long long)max);
    }
    return r;
}

static int read_fields(struct send *s, const struct json *doc, struct error *why) {
    struct bytes kind, name, ether = BYTES_LIT("0.001"), to;
    uint64_t account = 1;
    char text[24];
    s->tip = 2;
    s->ahead = 2;
    int r = json_get_string(&kind, doc, "kind", why);
    if (r == 0) r = json_get_string(&name, doc, "node", why);
    if (r == 0) r = read_number(&account, doc, "account", DEV_ACCOUNTS - 1, why);
    if (r == 0) r = read_number(&s->tip, doc, "tip_gwei", TIP_GWEI_MAX, why);
    if (r == 0) r = read_number(&s->ahead, doc, "ahead", AHEAD_MAX, why);
    if (r == 0 && json_get(doc, "ether")) r = json_get_string(&ether, doc, "ether", why);
    if (r == 0) r = read_ether(&s->value, ether, why);
    if (r == 0 && json_get(doc, "to")) {
        r = json_get_string(&to, doc, "to", why);
        if (r == 0 && (r = address_from_text(&s->to, to, why)) < 0) (void)error_wrap(why, "to");
        s->has_to = r == 0;
    }
    if (r < 0) return r;
    s->account = (unsigned)account;
    s->bundle = bytes_equal_str(kind, "bundle");
    if (!s->bundle && !bytes_equal_str(kind, "transaction")) {
        return error_set(why, ERR_INVALID, "kind: \"transaction\" or \"bundle\"");
    }
    if (s->ahead == 0) return error_set(why, ERR_RANGE, "ahead: at least 1");
    (void)snprintf(text, sizeof text, "%.*s", (int)(name.n < 24 ? name.n : 23),
                   (const char *)name.p);
    s->node = net_node_find(s->net, text);
    return s->node ? 0 : error_set(why, ERR_NOT_FOUND, "there is no such node");
}

static int read_request(struct send *s, struct error *why) {
    const struct json *doc;
    int r = json_parse(&doc, exchange_body(s->x), exchange_arena(s->x), NULL, why);
    if (r == 0) r = json_expect(doc, JSON_OBJECT, why);
    return r == 0 ? read_fields(s, doc, why) : r;
}

// The end

static void remember(struct send *s) {
    struct net_sends *kept = &s->net->sends;
    kept->sent[kept->count++ % NET_SENDS_KEPT] = (struct net_sent){s->order, s->tx};
    struct json_writer *w = events_begin(s->net->events, "send");
    json_add_str(w, "node", s->node->name);
    json_add_str(w, "method", s->bundle ? "eth_sendBundle" : "eth_sendRawTransaction");
    json_add_data(w, "tx", BYTES_OF(s->tx));
    json_add_data(w, "order", BYTES_OF(s->order));
    events_end(s->net->events);
}

static void on_end(struct loop_task *t) {
    struct send *s = LIST_ENTRY(t, struct send, end);
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out, 0);
    json_begin_object(&w, NULL);
    json_add_bool(&w, "ok", s->why.code == 0);
    if (s->why.code) {
        json_add_str(&w, "error", s->why.text);
    } else {
        json_add_data(&w, "tx", BYTES_OF(s->tx));
        json_add_data(&w, "order", BYTES_OF(s->order));
        json_add_u64(&w, "nonce", s->nonce);
        if (s->bundle) json_add_u64(&w, "target", s->target);
    }
    json_end(&w);
    exchange_respond_text(s->x, s->why.code ? s->status : 200, "application/json", buf_view(&out));
    buf_free(&out);
    exchange_release(s->x);
    if (s->chain.client) query_close(&s->chain);
    if (s->door.client) query_close(&s->door);
    free(s);
}

// Queries cannot be closed inside their own answers.
static void finish(struct send *s, int status) {
    s->status = status;
    loop_defer(s->net->loop, &s->end);
}

static void on_door(struct query *q, int code, const struct json *doc, const struct error *why) {
    struct send *s = q->context;
    s->order = s->tx;
    if (code < 0) {
        s->why = *why;
    } else {
        if (s->bundle) (void)!json_get_hash(&s->order, doc, "bundleHash", NULL);
        remember(s);
    }
    finish(s, 502);
}

// Sending

static int sign(struct send *s, struct tx *tx, struct buf *body, struct buf *header,
                struct arena *a) {
    struct ecdsa_secret_key key;
    struct ecdsa_public_key public;
    struct ecdsa_signer *signer;
    int r = ecdsa_signer_new(&signer, &s->why);
    if (r < 0) return r;
    dev_account_key(&key, s->account);
    r = ecdsa_public_key_of(signer, &public, &key, &s->why);
    *tx = (struct tx){.type = TX_FEE_MARKET,
                      .has_to = true,
                      .protected = true,
                      .chain_id = NET_CHAIN_ID,
                      .nonce = s->nonce,
                      .gas = SEND_GAS,
                      .max_fee = u256_from_u64(BASE_FEE_ROOM_WEI + s->tip * GWEI),
                      .max_priority_fee = u256_from_u64(s->tip * GWEI),
                      .to = s->to,
                      .value = s->value};
    if (r == 0 && !s->has_to) tx->to = ecdsa_address(&public);
    if (r == 0) r = tx_sign(tx, signer, &key, a, &s->why);
    if (r == 0) {
        buf_printf(body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":[%s",
                   s->bundle ? "eth_sendBundle" : "eth_sendRawTransaction",
                   s->bundle ? "{\"txs\":[\"" : "\"");
        hex_append_data(body, tx->raw);
        if (s->bundle) {
            buf_printf(body, "\"],\"blockNumber\":\"0x%llx\"}]}", (unsigned long long)s->target);
        } else {
            buf_append_str(body, "\"]}");
        }
        r = buf_check(body, &s->why);
    }
    if (r == 0) r = request_signature_make(header, signer, &key, buf_view(body), &s->why);
    ecdsa_signer_free(signer);
    return r;
}

static int send_now(struct send *s) {
    struct arena a;
    struct tx tx;
    struct buf body, header;
    char url[64];
    arena_init(&a, 64u << 10);
    buf_init(&body, 1u << 16);
    buf_init(&header, 1024);
    s->target = slots_head(s->net->slots) + s->ahead;
    int r = sign(s, &tx, &body, &header, &a);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", s->node->user_front);
    if (r == 0) r = query_open(&s->door, s->net->loop, url, &s->why);
    if (r == 0) {
        s->tx = tx.hash;
        r = query_post(&s->door, "/", buf_view(&body), "X-Flashbots-Signature", buf_view(&header),
                       &s->why);
    }
    buf_free(&body);
    buf_free(&header);
    arena_free(&a);
    return r;
}

/* Private orders are not in the chain's pool: what was sent lately from here is counted here, so
 * that two orders in a row do not have the same nonce. */
static uint64_t take_nonce(struct send *s, uint64_t landed) {
    struct net_account *k = &s->net->sends.accounts[s->account];
    uint64_t head = slots_head(s->net->slots);
    bool pending = k->next > landed && head <= k->head + PENDING_BLOCKS;
    uint64_t nonce = pending ? k->next : landed;
    *k = (struct net_account){nonce + 1, head};
    return nonce;
}

static void on_nonce(struct query *q, int code, const struct json *doc, const struct error *why) {
    struct send *s = q->context;
    uint64_t landed = 0;
    if (code < 0) s->why = *why;
    if (code == 0) code = json_quantity(&landed, doc, &s->why);
    if (code == 0) {
        s->nonce = take_nonce(s, landed);
        code = send_now(s);
    }
    if (code < 0) finish(s, 502);
}

static int ask_nonce(struct send *s) {
    struct ecdsa_secret_key key;
    struct ecdsa_public_key public;
    struct ecdsa_signer *signer;
    char text[80], address[43];
    if (s->net->shadow) {
        return error_set(&s->why, ERR_UNSUPPORTED, "a shadow has no funded accounts to send from");
    }
    int r = ecdsa_signer_new(&signer, &s->why);
    if (r < 0) return r;
    dev_account_key(&key, s->account);
    r = ecdsa_public_key_of(signer, &public, &key, &s->why);
    ecdsa_signer_free(signer);
    if (r == 0) r = query_open(&s->chain, s->net->loop, s->net->rpc_url, &s->why);
    if (r < 0) return r;
    struct address from = ecdsa_address(&public);
    address_to_text(address, &from);
    (void)snprintf(text, sizeof text, "[\"%s\",\"pending\"]", address);
    return query_rpc(&s->chain, "eth_getTransactionCount", text, &s->why);
}

void send_order(struct net *n, struct exchange *x) {
    struct send *s = calloc(1, sizeof *s);
    if (!s) {
        exchange_respond_text(x, 500, "application/json", BYTES_LIT("{\"ok\":false}"));
        return;
    }
    s->net = n;
    s->x = x;
    s->end.run = on_end;
    s->chain.done = on_nonce;
    s->door.done = on_door;
    s->chain.context = s->door.context = s;
    exchange_hold(x);
    if (read_request(s, &s->why) < 0) {
        finish(s, 400);
    } else if (ask_nonce(s) < 0) {
        finish(s, 502);
    }
}

const struct net_sent *send_find(const struct net *n, const struct hash *h) {
    const struct net_sends *kept = &n->sends;
    size_t first = kept->count > NET_SENDS_KEPT ? kept->count - NET_SENDS_KEPT : 0;
    for (size_t i = first; i < kept->count; i++) {
        const struct net_sent *k = &kept->sent[i % NET_SENDS_KEPT];
        if (hash_equal(&k->tx, h) || hash_equal(&k->order, h)) return k;
    }
    return NULL;
}
