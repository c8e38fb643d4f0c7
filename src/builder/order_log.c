/* SPDX-License-Identifier: MIT */
#include "builder/order_log.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWERS_MAX 64u
#define REFUSAL_BYTES 120u

/* An order in one slot. */
struct stay {
    uint64_t slot, block;
    uint64_t simulated_ns; // 0: not yet
    enum entry_state state;
    bool cancelled, landed, left_out;
    enum commit_status status; // FAILED: of the simulation
    enum commit_status place;  // left_out: at its place in the last bid
    uint32_t tx;               // that decided a failure
    const char *fault;         // literal; NULL: none
    struct u256 profit;
    uint64_t gas, bids, first_bid_ns;
    struct hash last_bid; // block
};

struct traced {
    struct hash id, bundle; // the id is the key
    bool used;
    enum build_kind kind;
    enum build_source source;
    uint64_t received_ns, removed_ns; // 0: still there
    const char *removal;
    char refusal[REFUSAL_BYTES]; // empty: it was taken
    struct hash *txs;
    size_t tx_count;
    unsigned stays; // ever; the last ORDER_LOG_SLOTS are kept
    struct stay stay[ORDER_LOG_SLOTS];
};

struct order_log {
    pthread_mutex_t lock;
    struct traced *ring;
    size_t places, next;
    struct map by_id;
};

/* Life. */

int order_log_new(struct order_log **ret, size_t places, struct error *why) {
    struct order_log *l = calloc(1, sizeof *l);
    if (l) l->ring = calloc(places, sizeof *l->ring);
    if (!l || !l->ring) {
        free(l);
        return error_set(why, ERR_NO_MEMORY, "no memory for a log of orders");
    }
    l->places = places;
    (void)pthread_mutex_init(&l->lock, NULL);
    map_init(&l->by_id, 0);
    *ret = l;
    return 0;
}

void order_log_free(struct order_log *l) {
    if (!l) return;
    for (size_t i = 0; i < l->places; i++) {
        free(l->ring[i].txs);
    }
    map_free(&l->by_id);
    (void)pthread_mutex_destroy(&l->lock);
    free(l->ring);
    free(l);
}

/* Events. The lock is held by the functions below. */

static struct traced *find(struct order_log *l, const struct build_order *o) {
    return map_get(&l->by_id, BYTES_OF(o->id));
}

static void forget(struct order_log *l, struct traced *t) {
    if (t->used && map_get(&l->by_id, BYTES_OF(t->id)) == t) {
        (void)map_remove(&l->by_id, BYTES_OF(t->id));
    }
    free(t->txs);
    *t = (struct traced){.used = false};
}

// A place of its own, in that of the oldest. An order that comes again is another one.
static struct traced *begin(struct order_log *l, const struct build_order *o, uint64_t now_ns) {
    struct traced *t = &l->ring[l->next];
    forget(l, t);
    t->txs = calloc(o->tx_count + 1, sizeof *t->txs);
    if (!t->txs) return NULL;
    for (size_t i = 0; i < o->tx_count; i++) {
        t->txs[i] = o->txs[i].tx.hash;
    }
    t->tx_count = o->tx_count;
    t->id = o->id;
    t->bundle = o->bundle_hash;
    t->kind = o->kind;
    t->source = o->source;
    t->received_ns = o->received_ns ? o->received_ns : now_ns;
    t->used = true;
    if (map_get(&l->by_id, BYTES_OF(t->id))) (void)map_remove(&l->by_id, BYTES_OF(t->id));
    if (map_put(&l->by_id, BYTES_OF(t->id), t, NULL, NULL) != 0) {
        forget(l, t);
        return NULL;
    }
    l->next = (l->next + 1) % l->places;
    return t;
}

static struct stay *stay_of(struct traced *t, uint64_t slot, uint64_t block) {
    struct stay *last = t->stays ? &t->stay[(t->stays - 1) % ORDER_LOG_SLOTS] : NULL;
    if (last && last->slot == slot && last->block == block) return last;
    struct stay *s = &t->stay[t->stays++ % ORDER_LOG_SLOTS];
    *s = (struct stay){.slot = slot, .block = block, .state = ENTRY_QUEUED};
    return s;
}

/* Events. */

void order_log_received(struct order_log *l, const struct build_order *o, uint64_t now_ns) {
    if (!l) return;
    (void)pthread_mutex_lock(&l->lock);
    (void)begin(l, o, now_ns);
    (void)pthread_mutex_unlock(&l->lock);
}

void order_log_refused(struct order_log *l, const struct build_order *o, const struct error *why,
                       uint64_t now_ns) {
    if (!l) return;
    (void)pthread_mutex_lock(&l->lock);
    // A repeat of an order that is there changes nothing about it.
    struct traced *t = why->code == ERR_CONFLICT && find(l, o) ? NULL : begin(l, o, now_ns);
    if (t) (void)snprintf(t->refusal, sizeof t->refusal, "%s", why->text);
    (void)pthread_mutex_unlock(&l->lock);
}

void order_log_removed(struct order_log *l, const struct build_order *o, enum pool_removal reason,
                       uint64_t now_ns) {
    if (!l) return;
    (void)pthread_mutex_lock(&l->lock);
    struct traced *t = find(l, o);
    if (t) {
        t->removed_ns = now_ns;
        t->removal = pool_removal_name(reason);
    }
    (void)pthread_mutex_unlock(&l->lock);
}

void order_log_simulated(struct order_log *l, const struct job_entry *e, uint64_t slot,
                         uint64_t block, uint64_t now_ns) {
    if (!l) return;
    (void)pthread_mutex_lock(&l->lock);
    struct traced *t = find(l, e->job.order);
    if (t) {
        struct stay *s = stay_of(t, slot, block);
        s->simulated_ns = now_ns;
        s->state = e->state;
        s->profit = e->sim.profit;
        s->gas = e->sim.gas_used;
        s->status = e->sim.status;
        s->tx = e->sim.tx;
        bool faulty = e->sim.status != COMMIT_DONE && e->sim.why.fault != TRANSACT_VALID;
        s->fault = faulty ? transact_fault_text(&e->sim.why) : NULL;
    }
    (void)pthread_mutex_unlock(&l->lock);
}

void order_log_unsimulated(struct order_log *l, const struct job_entry *e, uint64_t slot,
                           uint64_t block) {
    if (!l) return;
    (void)pthread_mutex_lock(&l->lock);
    struct traced *t = find(l, e->job.order);
    if (t) {
        struct stay *s = stay_of(t, slot, block);
        s->state = e->state;
        s->cancelled = e->cancelled;
    }
    (void)pthread_mutex_unlock(&l->lock);
}

void order_log_bid(struct order_log *l, const struct built_block *b, uint64_t now_ns) {
    if (!l) return;
    uint64_t slot = b->work->slot, block = b->produced.header.number;
    (void)pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < b->orders; i++) {
        struct traced *t = find(l, b->included[i]->job.order);
        if (!t) continue;
        struct stay *s = stay_of(t, slot, block);
        if (!s->first_bid_ns) s->first_bid_ns = now_ns;
        s->bids++;
        s->last_bid = b->produced.hash;
        s->left_out = false;
    }
    for (size_t i = 0; i < b->left_count; i++) {
        struct traced *t = find(l, b->left[i].entry->job.order);
        if (!t) continue;
        struct stay *s = stay_of(t, slot, block);
        s->left_out = true;
        s->place = b->left[i].status;
    }
    (void)pthread_mutex_unlock(&l->lock);
}

void order_log_landed(struct order_log *l, uint64_t slot, uint64_t block,
                      const struct job_entry *const *included, size_t count) {
    if (!l) return;
    (void)pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < count; i++) {
        struct traced *t = find(l, included[i]->job.order);
        if (t) stay_of(t, slot, block)->landed = true;
    }
    (void)pthread_mutex_unlock(&l->lock);
}

/* Questions. */

static void write_time(struct json_writer *w, const char *key, uint64_t ns) {
    char text[CLOCK_TEXT_MAX];
    if (!ns) {
        json_add_null(w, key);
        return;
    }
    (void)clock_format(text, ns, 6);
    json_add_str(w, key, text);
}

static void write_stay(struct json_writer *w, const struct traced *t, const struct stay *s) {
    static const char *const states[] = {[ENTRY_QUEUED] = "queued",
                                         [ENTRY_WAITING] = "waiting",
                                         [ENTRY_READY] = "ready",
                                         [ENTRY_FAILED] = "failed"};
    json_begin_object(w, NULL);
    json_add_u64(w, "slot", s->slot);
    json_add_u64(w, "block", s->block);
    json_add_str(w, "state", s->cancelled ? "cancelled" : states[s->state]);
    write_time(w, "simulatedAt", s->simulated_ns);
    if (s->state == ENTRY_READY) {
        json_add_quantity256(w, "profit", s->profit);
        json_add_quantity(w, "gasUsed", s->gas);
    }
    if (s->state == ENTRY_FAILED) {
        json_add_str(w, "reason", commit_status_name(s->status));
        json_add_str(w, "text", s->fault ? s->fault : commit_status_text(s->status));
        if (s->tx < t->tx_count) json_add_data(w, "failedTx", BYTES_OF(t->txs[s->tx]));
    }
    json_add_u64(w, "bids", s->bids);
    write_time(w, "firstBidAt", s->first_bid_ns);
    if (s->bids) json_add_data(w, "lastBid", BYTES_OF(s->last_bid));
    if (s->left_out) json_add_str(w, "leftOut", commit_status_name(s->place));
    json_add_bool(w, "landed", s->landed);
    json_end(w);
}

static void write_order(struct json_writer *w, const struct traced *t) {
    static const char *const kinds[] = {
        [BUILD_TX] = "transaction", [BUILD_BUNDLE] = "bundle", [BUILD_SHARE] = "shareBundle"};
    static const char *const sources[] = {[BUILD_FROM_RPC] = "rpc",
                                          [BUILD_FROM_FEED] = "feed",
                                          [BUILD_FROM_MEMPOOL] = "pool",
                                          [BUILD_FROM_FILE] = "file"};
    json_begin_object(w, NULL);
    json_add_data(w, "id", BYTES_OF(t->id));
    json_add_data(w, "bundleHash", BYTES_OF(t->bundle));
    json_add_str(w, "kind", kinds[t->kind]);
    json_add_str(w, "source", sources[t->source]);
    write_time(w, "receivedAt", t->received_ns);
    if (t->refusal[0]) json_add_str(w, "refused", t->refusal);
    json_begin_array(w, "txs");
    for (size_t i = 0; i < t->tx_count; i++) {
        json_add_data(w, NULL, BYTES_OF(t->txs[i]));
    }
    json_end(w);
    write_time(w, "removedAt", t->removed_ns);
    if (t->removal) json_add_str(w, "removed", t->removal);
    json_begin_array(w, "slots");
    unsigned count = t->stays < ORDER_LOG_SLOTS ? t->stays : ORDER_LOG_SLOTS;
    for (unsigned i = t->stays - count; i < t->stays; i++) {
        write_stay(w, t, &t->stay[i % ORDER_LOG_SLOTS]);
    }
    json_end(w);
    json_end(w);
}

static bool is_named(const struct traced *t, const struct hash *name) {
    if (!t->used) return false;
    if (hash_equal(&t->id, name) || hash_equal(&t->bundle, name)) return true;
    for (size_t i = 0; i < t->tx_count; i++) {
        if (hash_equal(&t->txs[i], name)) return true;
    }
    return false;
}

size_t order_log_write(struct order_log *l, const struct hash *name, struct json_writer *w) {
    size_t n = 0;
    json_begin_array(w, NULL);
    (void)pthread_mutex_lock(&l->lock);
    for (size_t i = 0; i < l->places && n < ANSWERS_MAX; i++) {
        const struct traced *t = &l->ring[(l->next + 2 * l->places - 1 - i) % l->places];
        if (!is_named(t, name)) continue;
        write_order(w, t);
        n++;
    }
    (void)pthread_mutex_unlock(&l->lock);
    json_end(w);
    return n;
}

/* For a person. */

static const char *text_of(char ret[256], const struct json *object, const char *key) {
    struct bytes t = json_text(json_get(object, key));
    (void)snprintf(ret, 256, "%.*s", (int)(t.n < 255 ? t.n : 255), (const char *)t.p);
    return ret;
}

static bool has(const struct json *object, const char *key) {
    return !json_is_null(json_get(object, key));
}

static void explain_stay(struct buf *out, const struct json *s) {
    char a[256], b[256];
    uint64_t bids = 0;
    bool landed = false;
    (void)!json_get_u64(&bids, s, "bids", NULL);
    (void)!json_get_bool(&landed, s, "landed", NULL);
    buf_printf(out, "  slot %s, block %s: ", text_of(a, s, "slot"), text_of(b, s, "block"));
    buf_append_str(out, text_of(a, s, "state"));
    if (has(s, "simulatedAt")) buf_printf(out, ", simulated at %s", text_of(a, s, "simulatedAt"));
    if (has(s, "profit")) {
        buf_printf(out, ", profit %s wei, gas %s", text_of(a, s, "profit"),
                   text_of(b, s, "gasUsed"));
    }
    if (has(s, "reason")) {
        buf_printf(out, ": %s (%s)", text_of(a, s, "text"), text_of(b, s, "reason"));
        if (has(s, "failedTx")) buf_printf(out, ", transaction %s", text_of(a, s, "failedTx"));
    }
    if (bids) {
        buf_printf(out, "\n    in %llu bid%s since %s, last in block %s", (unsigned long long)bids,
                   bids == 1 ? "" : "s", text_of(a, s, "firstBidAt"), text_of(b, s, "lastBid"));
    }
    if (has(s, "leftOut")) {
        buf_printf(out, "\n    not in the last bid: %s", text_of(a, s, "leftOut"));
    } else if (!bids && bytes_equal_str(json_text(json_get(s, "state")), "ready")) {
        buf_append_str(out, "\n    in no bid: others were worth more in its place");
    }
    buf_append_str(out, landed ? "\n    landed\n" : "\n");
}

int order_log_explain(struct buf *out, const struct json *orders, struct error *why) {
    char a[256], b[256], c[256];
    int r = json_expect(orders, JSON_ARRAY, why);
    if (r != 0) return r;
    json_each(o, orders) {
        r = json_expect(o, JSON_OBJECT, why);
        if (r != 0) return r;
        buf_printf(out, "%s %s from %s", text_of(a, o, "kind"), text_of(b, o, "bundleHash"),
                   text_of(c, o, "source"));
        buf_printf(out, ", received at %s\n", text_of(a, o, "receivedAt"));
        if (has(o, "refused")) buf_printf(out, "  refused: %s\n", text_of(a, o, "refused"));
        json_each(s, json_get(o, "slots")) {
            explain_stay(out, s);
        }
        if (has(o, "removed")) {
            buf_printf(out, "  left the pool at %s: %s\n", text_of(a, o, "removedAt"),
                       text_of(b, o, "removed"));
        }
    }
    return buf_check(out, why);
}
