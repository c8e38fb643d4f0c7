/* The pool: eth_sendRawTransaction, txpool_*. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "eth/address.h"
#include "node/rpc_internal.h"

#include <stdio.h>

#define SYNC_DEFAULT_MS 2000u
#define SYNC_MOST_MS 10000u

static int send_raw(struct node_call *c, struct hash *ret, struct error *why) {
    const struct json *v = node_param(c, 0);
    struct bytes network;
    if (!v) {
        (void)error_set(why, ERR_NOT_FOUND, "missing value for required argument 0");
        return node_bad_params(c, why);
    }
    if (json_data(&network, v, c->a, why) != 0) return node_bad_params(c, why);
    struct error own = {.code = ERR_INTERNAL};
    int r = txpool_add(c->node->txpool, network, true, ret, &own);
    if (r == 0) return 0;
    *why = own;
    if (r == ERR_NO_MEMORY || r == ERR_IO || r == ERR_INTERNAL) return r;
    return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "%s", own.text);
}

static int send_raw_transaction(struct node_call *c, struct error *why) {
    struct hash hash;
    int r = send_raw(c, &hash, why);
    if (r == 0) json_add_data(c->result, NULL, BYTES_OF(hash));
    return r;
}

/* EIP-7966: the receipt, when the transaction gets into a block in time. At most half of the
 * workers wait; who comes beyond that is told at once that it was sent. */
static int wait_for_block(struct node_call *c, const struct hash *hash, uint64_t timeout_ms,
                          struct error *why) {
    struct rpc *r = rpc_of(c);
    uint64_t end_ns = clock_monotonic_ns(&clock_system) + timeout_ms * NS_PER_MS;
    bool may_wait = atomic_fetch_add(&r->waiting, 1) < (pool_threads(c->node->workers) + 1) / 2;
    for (;;) {
        const struct head_block *b;
        size_t index;
        uint64_t moves = rpc_events_moves(r);
        int code = head_tx_find(c->node->head, &b, &index, hash, why);
        if (code == 0) {
            rpc_put_receipt(c->result, b, index, c->node->config);
            head_block_release(b);
        }
        bool over = clock_monotonic_ns(&clock_system) >= end_ns;
        if (code != ERR_NOT_FOUND || !may_wait || over) {
            atomic_fetch_sub(&r->waiting, 1);
            if (code != ERR_NOT_FOUND) return code;
            char *data = arena_printf(c->a, "\"0x%s\"", hex_text(c->a, BYTES_OF(*hash)));
            return node_fail(c, why, RPC_ERROR_NOT_MINED, bytes_from_str(data),
                             "the transaction was sent and is in no block after %llums",
                             (unsigned long long)(may_wait ? timeout_ms : 0));
        }
        rpc_events_wait(r, moves, end_ns);
    }
}

static int send_raw_transaction_sync(struct node_call *c, struct error *why) {
    struct hash hash;
    const struct json *v = node_param(c, 1);
    uint64_t timeout_ms = SYNC_DEFAULT_MS;
    int r = 0;
    if (v) {
        r = json_type_of(v) == JSON_NUMBER ? json_u64(&timeout_ms, v, why)
                                           : json_quantity(&timeout_ms, v, why);
    }
    if (r != 0) return node_bad_params(c, why);
    if (timeout_ms > SYNC_MOST_MS) timeout_ms = SYNC_MOST_MS;
    r = send_raw(c, &hash, why);
    return r == 0 ? wait_for_block(c, &hash, timeout_ms, why) : r;
}

/* ---- txpool_ ---- */

static void put_summary(struct json_writer *w, const char *key, const struct pool_tx *t) {
    char to[64], value[U256_DECIMAL_MAX + 1], price[U256_DECIMAL_MAX + 1];
    if (t->tx.has_to) {
        memcpy(to, "0x", 2);
        hex_encode(to + 2, BYTES_OF(t->tx.to));
        to[42] = '\0';
    } else {
        memcpy(to, "contract creation", 18);
    }
    u256_to_decimal(value, t->tx.value);
    u256_to_decimal(price, t->tx.max_fee);
    char line[320];
    (void)snprintf(line, sizeof line, "%s: %s wei + %llu gas \u00d7 %s wei", to, value,
                   (unsigned long long)t->tx.gas, price);
    json_add_str(w, key, line);
}

/* {nonce: object or summary} of the run of transactions of one sender from `at`; gives its end. */
static size_t put_sender(struct json_writer *w, const struct txpool_list *l, size_t at, size_t end,
                         bool summaries, bool named) {
    struct address sender = l->items[at]->sender;
    char key[43];
    address_to_text(key, &sender);
    if (named) json_add_key(w, bytes_from_str(key));
    if (named) json_begin_object(w, NULL);
    for (; at < end && address_equal(&l->items[at]->sender, &sender); at++) {
        char nonce[24];
        (void)snprintf(nonce, sizeof nonce, "%llu", (unsigned long long)l->items[at]->tx.nonce);
        if (summaries) {
            put_summary(w, nonce, l->items[at]);
        } else {
            rpc_put_pool_tx(w, nonce, l->items[at]);
        }
    }
    if (named) json_end(w);
    return at;
}

static int put_content(struct node_call *c, const struct address *sender, bool summaries,
                       struct error *why) {
    struct txpool_list l;
    size_t pending;
    struct json_writer *w = c->result;
    int r = txpool_content(c->node->txpool, sender, &l, &pending, why);
    if (r != 0) return r;
    json_begin_object(w, NULL);
    json_begin_object(w, "pending");
    for (size_t at = 0; at < pending;) {
        at = put_sender(w, &l, at, pending, summaries, !sender);
    }
    json_end(w);
    json_begin_object(w, "queued");
    for (size_t at = pending; at < l.count;) {
        at = put_sender(w, &l, at, l.count, summaries, !sender);
    }
    json_end(w);
    json_end(w);
    txpool_list_free(&l);
    return 0;
}

static int content(struct node_call *c, struct error *why) {
    return put_content(c, NULL, false, why);
}

static int inspect(struct node_call *c, struct error *why) {
    return put_content(c, NULL, true, why);
}

static int content_from(struct node_call *c, struct error *why) {
    struct address a;
    int r = rpc_param_address(c, &a, 0, why);
    return r == 0 ? put_content(c, &a, false, why) : r;
}

static int status(struct node_call *c, struct error *why) {
    size_t pending, queued;
    (void)why;
    txpool_count(c->node->txpool, &pending, &queued);
    json_begin_object(c->result, NULL);
    json_add_quantity(c->result, "pending", pending);
    json_add_quantity(c->result, "queued", queued);
    json_end(c->result);
    return 0;
}

/* Accounts are the users' own: nobody's pending transactions are "mine", so all are given. */
static int pending_transactions(struct node_call *c, struct error *why) {
    struct txpool_list l;
    size_t pending;
    int r = txpool_content(c->node->txpool, NULL, &l, &pending, why);
    if (r != 0) return r;
    json_begin_array(c->result, NULL);
    for (size_t i = 0; i < pending; i++) {
        rpc_put_pool_tx(c->result, NULL, l.items[i]);
    }
    json_end(c->result);
    txpool_list_free(&l);
    return 0;
}

static const struct node_method methods[] = {
    {"eth_sendRawTransaction", send_raw_transaction, NODE_USER | NODE_ENGINE},
    {"eth_sendRawTransactionSync", send_raw_transaction_sync, NODE_USER},
    {"eth_pendingTransactions", pending_transactions, NODE_USER},
    {"txpool_content", content, NODE_USER},
    {"txpool_contentFrom", content_from, NODE_USER},
    {"txpool_inspect", inspect, NODE_USER},
    {"txpool_status", status, NODE_USER | NODE_QUICK},
};
RPC_TABLE(rpc_pool_table, methods);
