/* Subscriptions: eth_subscribe on connections that stay. A notification is written once and sent to
 * all who want the same. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "base/random.h"
#include "node/rpc_internal.h"

#include <stdlib.h>

#define SUBSCRIPTIONS_MAX 16384u
#define SUBSCRIPTIONS_PER_PEER_MAX 256u
#define SUBSCRIPTION_MEMORY_MAX (256u << 10)

enum subscription_kind { SUBSCRIBE_HEADS, SUBSCRIBE_LOGS, SUBSCRIBE_TXS, SUBSCRIBE_SYNCING };

struct subscription {
    bool used, active; // active: its id is known to the peer
    enum subscription_kind kind;
    bool full_txs;
    uint64_t peer;
    uint8_t id[16];
    struct log_filter logs;
    struct log_filter_bits bits;
    struct arena memory;
    struct rpc *rpc;
    struct subscription *next; // all that were ever made; they are used again
};

struct rpc_subscriptions {
    pthread_mutex_t lock;
    struct subscription *all;
    unsigned made, used;
    struct buf result, message; // of the notification that is being written
};

/* ---- notifications ---- */

/* Sends `result` of the notification to one subscriber. */
static void notify(struct rpc_subscriptions *s, const struct subscription *to) {
    struct json_writer w;
    buf_clear(&s->message);
    json_writer_init(&w, &s->message, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "jsonrpc", "2.0");
    json_add_str(&w, "method", "eth_subscription");
    json_begin_object(&w, "params");
    json_add_data(&w, "subscription", bytes_make(to->id, sizeof to->id));
    json_add_raw(&w, "result", buf_view(&s->result));
    json_end(&w);
    json_end(&w);
    if (!s->message.failed && !s->result.failed) {
        node_notify(to->rpc->node, to->peer, buf_view(&s->message));
    }
}

static struct json_writer begin_result(struct rpc_subscriptions *s) {
    struct json_writer w;
    buf_clear(&s->result);
    json_writer_init(&w, &s->result, 0);
    return w;
}

static void notify_kind(struct rpc_subscriptions *s, enum subscription_kind kind, bool full) {
    for (struct subscription *x = s->all; x; x = x->next) {
        bool wanted = x->used && x->active && x->kind == kind;
        if (wanted && (kind != SUBSCRIBE_TXS || x->full_txs == full)) notify(s, x);
    }
}

/* Each log is a notification of its own. */
static void notify_logs(struct rpc_subscriptions *s, const struct subscription *to,
                        const struct head_block *b, bool removed) {
    if (!log_filter_may_match(&to->bits, &b->block.header.bloom)) return;
    uint64_t index = 0;
    for (size_t i = 0; i < b->block.tx_count; i++) {
        struct receipt_place place = {.tx = {.in_block = true,
                                             .block_hash = b->hash,
                                             .block_number = b->block.header.number,
                                             .block_timestamp = b->block.header.timestamp,
                                             .index = i},
                                      .tx_hash = b->block.txs[i].hash};
        for (size_t k = 0; k < b->receipts[i].log_count; k++, index++) {
            const struct event_log *l = &b->receipts[i].logs[k];
            if (!log_filter_matches(&to->logs, l)) continue;
            struct json_writer w = begin_result(s);
            if (removed) {
                log_json_encode_removed(&w, NULL, l, &place, index);
            } else {
                log_json_encode(&w, NULL, l, &place, index);
            }
            notify(s, to);
        }
    }
}

static void take_head(struct rpc_subscriptions *s, const struct rpc_event *e) {
    for (size_t i = 0; i < e->added_count; i++) {
        struct json_writer w = begin_result(s);
        rpc_put_header(&w, NULL, e->added[i]);
        notify_kind(s, SUBSCRIBE_HEADS, false);
    }
    for (struct subscription *x = s->all; x; x = x->next) {
        if (!x->used || !x->active || x->kind != SUBSCRIBE_LOGS) continue;
        for (size_t i = 0; i < e->removed_count; i++) {
            notify_logs(s, x, e->removed[i], true);
        }
        for (size_t i = 0; i < e->added_count; i++) {
            notify_logs(s, x, e->added[i], false);
        }
    }
}

static void take_tx(struct rpc_subscriptions *s, const struct pool_tx *t) {
    struct json_writer w = begin_result(s);
    json_add_data(&w, NULL, BYTES_OF(t->tx.hash));
    notify_kind(s, SUBSCRIBE_TXS, false);
    bool full = false;
    for (struct subscription *x = s->all; x && !full; x = x->next) {
        full = x->used && x->active && x->kind == SUBSCRIBE_TXS && x->full_txs;
    }
    if (!full) return;
    w = begin_result(s);
    rpc_put_pool_tx(&w, NULL, t);
    notify_kind(s, SUBSCRIBE_TXS, true);
}

void rpc_subscriptions_take(struct rpc *r, const struct rpc_event *e) {
    struct rpc_subscriptions *s = r->subscriptions;
    pthread_mutex_lock(&s->lock);
    if (s->used) {
        if (e->tx) take_tx(s, e->tx);
        take_head(s, e);
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- coming and going ---- */

static void drop(struct rpc_subscriptions *s, struct subscription *x) {
    x->used = x->active = false;
    arena_free(&x->memory);
    s->used--;
}

static void peer_gone(void *context, uint64_t peer) {
    struct rpc_subscriptions *s = ((struct rpc *)context)->subscriptions;
    pthread_mutex_lock(&s->lock);
    for (struct subscription *x = s->all; x; x = x->next) {
        if (x->used && x->peer == peer) drop(s, x);
    }
    pthread_mutex_unlock(&s->lock);
}

int rpc_subscriptions_open(struct rpc *r, struct error *why) {
    struct rpc_subscriptions *s = calloc(1, sizeof *s);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for subscriptions");
    pthread_mutex_init(&s->lock, NULL);
    buf_init(&s->result, 0);
    buf_init(&s->message, 0);
    r->subscriptions = s;
    return node_on_peer_gone(r->node, peer_gone, r, why);
}

void rpc_subscriptions_close(struct rpc *r) {
    struct rpc_subscriptions *s = r->subscriptions;
    if (!s) return;
    for (struct subscription *x = s->all, *next; x; x = next) {
        next = x->next;
        if (x->used) arena_free(&x->memory);
        free(x);
    }
    buf_free(&s->result);
    buf_free(&s->message);
    pthread_mutex_destroy(&s->lock);
    free(s);
    r->subscriptions = NULL;
}

/* A free one, or a new one, with the lock held. */
static struct subscription *take_free(struct rpc_subscriptions *s) {
    for (struct subscription *x = s->all; x && s->used < s->made; x = x->next) {
        if (!x->used) return x;
    }
    if (s->made == SUBSCRIPTIONS_MAX) return NULL;
    struct subscription *x = calloc(1, sizeof *x);
    if (!x) return NULL;
    x->next = s->all;
    s->all = x;
    s->made++;
    return x;
}

static unsigned count_of_peer(const struct rpc_subscriptions *s, uint64_t peer) {
    unsigned n = 0;
    for (const struct subscription *x = s->all; x; x = x->next) {
        n += x->used && x->peer == peer;
    }
    return n;
}

/* Its answer is on its way: from now on it may be told things. */
static void activate(void *arg) {
    struct subscription *x = arg;
    struct rpc_subscriptions *s = x->rpc->subscriptions;
    pthread_mutex_lock(&s->lock);
    if (x->used && !x->active) {
        x->active = true;
        if (x->kind == SUBSCRIBE_SYNCING) {
            struct json_writer w = begin_result(s);
            json_add_bool(&w, NULL, false); // a node that is fed its blocks never lags behind them
            notify(s, x);
        }
    }
    pthread_mutex_unlock(&s->lock);
}

/* What is asked for, in *ret; its filter is still in the call's memory. */
static int read_kind(struct node_call *c, struct subscription *ret, struct error *why) {
    static const char *const names[] = {[SUBSCRIBE_HEADS] = "newHeads",
                                        [SUBSCRIBE_LOGS] = "logs",
                                        [SUBSCRIBE_TXS] = "newPendingTransactions",
                                        [SUBSCRIBE_SYNCING] = "syncing"};
    const struct json *name = node_param(c, 0);
    struct bytes text = json_type_of(name) == JSON_STRING ? json_text(name) : rpc_none();
    unsigned kind = 0;
    while (kind <= SUBSCRIBE_SYNCING && !bytes_equal_str(text, names[kind])) {
        kind++;
    }
    if (kind > SUBSCRIBE_SYNCING) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(),
                         "no \"%.*s\" subscription in eth namespace",
                         (int)(text.n < 64 ? text.n : 64), (const char *)text.p);
    }
    ret->kind = (enum subscription_kind)kind;
    if (kind == SUBSCRIBE_TXS) return rpc_param_bool(c, &ret->full_txs, 1, false, why);
    if (kind != SUBSCRIBE_LOGS) return 0;
    int r = log_filter_decode(&ret->logs, node_param(c, 1), c->a, why);
    return r == 0 ? 0 : node_bad_params(c, why);
}

static int subscribe(struct node_call *c, struct error *why) {
    struct rpc *r = rpc_of(c);
    struct rpc_subscriptions *s = r->subscriptions;
    struct subscription wanted = {.peer = c->peer, .used = true, .rpc = r};
    if (c->peer == 0) {
        return node_fail(c, why, JSONRPC_METHOD_NOT_FOUND, rpc_none(),
                         "notifications not supported");
    }
    int code = read_kind(c, &wanted, why);
    if (code != 0) return code;
    random_bytes(wanted.id, sizeof wanted.id);
    arena_init(&wanted.memory, SUBSCRIPTION_MEMORY_MAX);
    if (wanted.kind == SUBSCRIBE_LOGS) {
        struct log_filter decoded = wanted.logs;
        code = log_filter_copy(&wanted.logs, &decoded, &wanted.memory, why);
        if (code != 0) return node_bad_params(c, why);
        log_filter_bits_init(&wanted.bits, &wanted.logs);
    }
    rpc_events_drain(r); // it tells of what comes after it
    pthread_mutex_lock(&s->lock);
    bool room = count_of_peer(s, c->peer) < SUBSCRIPTIONS_PER_PEER_MAX;
    struct subscription *x = room ? take_free(s) : NULL;
    if (x) {
        wanted.next = x->next;
        *x = wanted;
        s->used++;
    }
    pthread_mutex_unlock(&s->lock);
    if (!x) {
        arena_free(&wanted.memory);
        return node_fail(c, why, RPC_ERROR_LIMIT, rpc_none(), "too many subscriptions");
    }
    json_add_data(c->result, NULL, bytes_make(wanted.id, sizeof wanted.id));
    c->then = activate;
    c->then_arg = x;
    return 0;
}

static int unsubscribe(struct node_call *c, struct error *why) {
    struct rpc_subscriptions *s = rpc_of(c)->subscriptions;
    uint8_t id[16];
    bool found = false;
    const struct json *v = node_param(c, 0);
    if (!v || json_fixed(id, sizeof id, v, why) != 0) {
        return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "subscription not found");
    }
    pthread_mutex_lock(&s->lock);
    for (struct subscription *x = s->all; x && !found; x = x->next) {
        found = x->used && x->peer == c->peer && memcmp(x->id, id, sizeof id) == 0;
        if (found) drop(s, x);
    }
    pthread_mutex_unlock(&s->lock);
    if (!found) return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "subscription not found");
    json_add_bool(c->result, NULL, true);
    return 0;
}

static const struct node_method methods[] = {
    {"eth_subscribe", subscribe, NODE_USER | NODE_ENGINE},
    {"eth_unsubscribe", unsubscribe, NODE_USER | NODE_ENGINE},
};
RPC_TABLE(rpc_subscription_table, methods);
