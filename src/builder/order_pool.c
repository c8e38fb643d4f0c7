/* SPDX-License-Identifier: MIT */
#include "builder/order_pool.h"

#include "base/list.h"
#include "base/map.h"

#include <stdlib.h>

struct pooled {
    struct list_node link;     // by arrival, in `publics` or `privates`
    struct list_node key_link; // among those of one key
    struct key_state *key;     // NULL: none
    const struct build_order *order;
    bool far; // counted in `far_count`
    uint64_t added_ns;
    uint64_t until; // last block, by the head at arrival where the order names none
};

/* One replacement key: its living order and what is known of it. */
struct key_state {
    uint8_t key[36]; // uuid, signer
    struct list orders;
    uint64_t nonce; // the highest that was seen
    bool cancelled; // that nonce was a cancellation
    uint64_t touched_ns;
    struct list_node link; // in `idle_keys`, as long as no order of it lives
};

struct order_pool {
    struct order_pool_options o;
    struct map by_id;
    struct map keys;
    struct list publics, privates; // oldest first
    struct list idle_keys;         // oldest first
    size_t far_count, far_bytes;
    struct map recent_ids;
    struct hash *recent; // ring
    size_t recent_at, recent_count;
    uint64_t head;
    struct order_pool_counts counts;
};

int order_pool_new(struct order_pool **ret, const struct order_pool_options *options,
                   struct error *why) {
    struct order_pool *p = calloc(1, sizeof *p);
    if (!p || !(p->recent = calloc(POOL_RECENT_MAX, sizeof *p->recent))) {
        free(p);
        return error_set(why, ERR_NO_MEMORY, "no memory for the order pool");
    }
    p->o = *options;
    if (p->o.orders_max == 0) p->o.orders_max = 100000;
    if (p->o.bytes_max == 0) p->o.bytes_max = (size_t)1 << 30;
    if (p->o.public_age_ns == 0) p->o.public_age_ns = UINT64_C(60000000000);
    map_init(&p->by_id, 0);
    map_init(&p->keys, 0);
    map_init(&p->recent_ids, 0);
    list_init(&p->publics);
    list_init(&p->privates);
    list_init(&p->idle_keys);
    *ret = p;
    return 0;
}

static void forget_oldest_key(struct order_pool *p) {
    struct key_state *k = LIST_ENTRY(list_first(&p->idle_keys), struct key_state, link);
    (void)map_remove(&p->keys, bytes_make(k->key, sizeof k->key));
    list_remove(&k->link);
    free(k);
}

const char *pool_removal_name(enum pool_removal reason) {
    static const char *const names[] = {
        [POOL_REPLACED] = "replaced", [POOL_CANCELLED] = "cancelled",
        [POOL_EVICTED] = "evicted",   [POOL_EXPIRED] = "expired",
        [POOL_AGED] = "aged",         [POOL_NONCE_USED] = "nonce_used"};
    return names[reason];
}

static void forget_far(struct order_pool *p, struct pooled *one) {
    if (!one->far) return;
    one->far = false;
    p->far_count--;
    p->far_bytes -= one->order->bytes;
}

static void remove_one(struct order_pool *p, struct pooled *one, bool tell,
                       enum pool_removal reason) {
    const struct build_order *o = one->order;
    (void)map_remove(&p->by_id, BYTES_OF(o->id));
    list_remove(&one->link);
    list_remove(&one->key_link);
    if (one->key && list_is_empty(&one->key->orders)) {
        list_push_back(&p->idle_keys, &one->key->link);
    }
    forget_far(p, one);
    p->counts.bytes -= o->bytes;
    if (o->kind == BUILD_TX) {
        p->counts.txs--;
    } else {
        p->counts.bundles--;
    }
    if (tell && p->o.removed) p->o.removed(p->o.context, o, reason);
    build_order_release(o);
    free(one);
}

void order_pool_free(struct order_pool *p) {
    if (!p) return;
    while (!list_is_empty(&p->publics)) {
        remove_one(p, LIST_ENTRY(list_first(&p->publics), struct pooled, link), false,
                   POOL_EXPIRED);
    }
    while (!list_is_empty(&p->privates)) {
        remove_one(p, LIST_ENTRY(list_first(&p->privates), struct pooled, link), false,
                   POOL_EXPIRED);
    }
    while (!list_is_empty(&p->idle_keys)) {
        forget_oldest_key(p);
    }
    map_free(&p->by_id);
    map_free(&p->keys);
    map_free(&p->recent_ids);
    free(p->recent);
    free(p);
}

/* Repeats: ids of the last orders, whether they still live or not. */

static bool is_recent(const struct order_pool *p, const struct hash *id) {
    return map_get(&p->recent_ids, BYTES_OF(*id)) != NULL;
}

static void note_recent(struct order_pool *p, const struct hash *id) {
    struct hash *at = &p->recent[p->recent_at];
    if (p->recent_count == POOL_RECENT_MAX) {
        (void)map_remove(&p->recent_ids, BYTES_OF(*at));
    } else {
        p->recent_count++;
    }
    *at = *id;
    p->recent_at = (p->recent_at + 1) % POOL_RECENT_MAX;
    if (map_put(&p->recent_ids, BYTES_OF(*at), at, NULL, NULL) != 0) p->counts.refused++;
}

/* Replacement keys. */

static void key_bytes(uint8_t ret[36], const struct order_replacement *r) {
    memcpy(ret, r->uuid.b, 16);
    memcpy(ret + 16, r->signer.b, 20);
}

static struct key_state *key_of(struct order_pool *p, const struct order_replacement *r,
                                uint64_t now_ns) {
    uint8_t key[36];
    key_bytes(key, r);
    struct key_state *k = map_get(&p->keys, bytes_make(key, sizeof key));
    if (!k) {
        k = calloc(1, sizeof *k);
        if (!k) return NULL;
        memcpy(k->key, key, sizeof key);
        list_init(&k->orders);
        if (map_put(&p->keys, bytes_make(k->key, sizeof k->key), k, NULL, NULL) != 0) {
            free(k);
            return NULL;
        }
    }
    if (list_is_empty(&k->orders)) {
        list_remove(&k->link);
        list_push_back(&p->idle_keys, &k->link);
    }
    k->touched_ns = now_ns;
    while (p->keys.n > POOL_KEYS_MAX && !list_is_empty(&p->idle_keys) &&
           list_first(&p->idle_keys) != &k->link) {
        forget_oldest_key(p);
    }
    return k;
}

static void drop_orders(struct order_pool *p, struct key_state *k, enum pool_removal reason) {
    while (!list_is_empty(&k->orders)) {
        remove_one(p, LIST_ENTRY(list_first(&k->orders), struct pooled, key_link), true, reason);
    }
}

// Whether an order of a key may come in; what it replaces goes.
static int replace(struct order_pool *p, struct key_state *k, uint64_t nonce, struct error *why) {
    bool known = !list_is_empty(&k->orders) || k->cancelled || k->nonce != 0;
    bool newer = !known || nonce > k->nonce;
    if (!newer) {
        return error_set(why, ERR_STALE,
                         k->cancelled ? "the order was cancelled"
                                      : "a newer order of its key is known");
    }
    drop_orders(p, k, POOL_REPLACED);
    k->nonce = nonce;
    k->cancelled = false;
    return 0;
}

bool order_pool_cancel(struct order_pool *p, const struct build_cancel *c, uint64_t now_ns) {
    struct key_state *k = key_of(p, &c->key, now_ns);
    if (!k || (k->nonce > c->key.nonce)) return false;
    bool any = !list_is_empty(&k->orders);
    k->nonce = c->key.nonce;
    k->cancelled = true;
    drop_orders(p, k, POOL_CANCELLED);
    return any;
}

/* Orders. */

static bool has_blobs(const struct build_order *o) {
    for (size_t i = 0; i < o->tx_count; i++) {
        if (o->txs[i].tx.type == TX_BLOB) return true;
    }
    return false;
}

// The same order again under a higher nonce of its key is no repeat.
static bool renews(const struct build_order *old, const struct build_order *o) {
    return o->has_key && old->has_key && o->key.nonce > old->key.nonce &&
           memcmp(&o->key.uuid, &old->key.uuid, sizeof o->key.uuid) == 0 &&
           address_equal(&o->key.signer, &old->key.signer);
}

// Orders for blocks far ahead wait long: they must not fill the pool by and by.
static bool is_far(const struct order_pool *p, const struct build_order *o) {
    return p->head && o->last_block > p->head && o->last_block - p->head > POOL_OPEN_BLOCKS;
}

static bool has_far_room(const struct order_pool *p, const struct build_order *o) {
    return p->far_count < p->o.orders_max / POOL_FAR_PART &&
           p->far_bytes + o->bytes <= p->o.bytes_max / POOL_FAR_PART;
}

/* Eviction. */

struct candidate {
    struct pooled *one;
    enum pool_worth worth;
    struct u256 price;
};

// Equals by id: nobody knows beforehand who of the untried goes.
static int by_worth(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->worth != y->worth) return x->worth < y->worth ? -1 : 1;
    int order = u256_compare(x->price, y->price);
    if (order) return order;
    return memcmp(x->one->order->id.b, y->one->order->id.b, sizeof(struct hash));
}

// Of the sorted, those that pay most go behind all others.
static void save_best(struct candidate *list, size_t n) {
    size_t from = 0, to, best = POOL_BEST_KEPT < n / 2 ? POOL_BEST_KEPT : n / 2;
    while (from < n && list[from].worth < POOL_WORTH_PAYS)
        from++;
    for (to = from; to < n && list[to].worth == POOL_WORTH_PAYS;)
        to++;
    if (to - from < best) best = to - from;
    for (size_t i = 0; i < best; i++) {
        list[to - 1 - i].worth = POOL_WORTH_BEST;
    }
    if (best && to < n) qsort(list, n, sizeof *list, by_worth);
}

static void evict(struct order_pool *p, struct pooled *one) {
    p->counts.evicted++;
    remove_one(p, one, true, POOL_EVICTED);
}

static bool evict_least(struct order_pool *p) {
    size_t n = 0, room = p->counts.txs + p->counts.bundles;
    if (!p->o.worth || list_is_empty(&p->privates)) return false;
    struct candidate *list = calloc(room, sizeof *list);
    if (!list) return false;
    list_each(node, &p->privates) {
        struct candidate *c = &list[n++];
        c->one = LIST_ENTRY(node, struct pooled, link);
        c->worth = p->o.worth(p->o.context, c->one->order, &c->price);
    }
    qsort(list, n, sizeof *list, by_worth);
    save_best(list, n);
    for (size_t i = 0; i < n && i <= n / POOL_EVICT_PART; i++) {
        evict(p, list[i].one);
    }
    free(list);
    return true;
}

static bool make_room(struct order_pool *p, const struct build_order *o) {
    if (o->bytes > p->o.bytes_max) return false;
    while (p->counts.txs + p->counts.bundles >= p->o.orders_max ||
           p->counts.bytes + o->bytes > p->o.bytes_max) {
        if (list_is_empty(&p->publics)) {
            if (!evict_least(p)) return false;
        } else {
            evict(p, LIST_ENTRY(list_first(&p->publics), struct pooled, link));
        }
    }
    return true;
}

static int admit(struct order_pool *p, const struct build_order *o, struct error *why) {
    if (p->o.ignore_cancellable && o->has_key) {
        return error_set(why, ERR_UNSUPPORTED, "orders with a replacement key are not taken");
    }
    if (p->o.ignore_blobs && has_blobs(o)) {
        return error_set(why, ERR_UNSUPPORTED, "orders with blobs are not taken");
    }
    if (o->last_block != 0 && o->last_block <= p->head) {
        return error_set(why, ERR_STALE, "block %llu has passed",
                         (unsigned long long)o->last_block);
    }
    const struct pooled *known = map_get(&p->by_id, BYTES_OF(o->id));
    bool repeat = known ? !renews(known->order, o) : !o->has_key && is_recent(p, &o->id);
    if (repeat) {
        return error_set(why, ERR_CONFLICT, "the order is known");
    }
    if (is_far(p, o) && !has_far_room(p, o)) {
        return error_set(why, ERR_LIMIT, "too many orders are for blocks far ahead");
    }
    if (!make_room(p, o)) return error_set(why, ERR_LIMIT, "the pool is full");
    return 0;
}

static int add(struct order_pool *p, const struct build_order *o, uint64_t now_ns,
               struct error *why) {
    struct key_state *k = NULL;
    int r = admit(p, o, why);
    if (r == 0 && o->has_key) {
        k = key_of(p, &o->key, now_ns);
        r = k ? replace(p, k, o->key.nonce, why)
              : error_set(why, ERR_NO_MEMORY, "no memory for an order");
    }
    if (r != 0) return r;
    struct pooled *one = calloc(1, sizeof *one);
    if (!one) return error_set(why, ERR_NO_MEMORY, "no memory for an order");
    one->order = o;
    one->added_ns = now_ns;
    one->until = o->last_block ? o->last_block : p->head + POOL_OPEN_BLOCKS;
    r = map_put(&p->by_id, BYTES_OF(o->id), one, NULL, why);
    if (r != 0) {
        free(one);
        return r;
    }
    (void)build_order_retain(o);
    list_push_back(o->source == BUILD_FROM_MEMPOOL ? &p->publics : &p->privates, &one->link);
    if (k) {
        one->key = k;
        list_remove(&k->link);
        list_push_back(&k->orders, &one->key_link);
    }
    if (is_far(p, o)) {
        one->far = true;
        p->far_count++;
        p->far_bytes += o->bytes;
    }
    p->counts.bytes += o->bytes;
    if (o->kind == BUILD_TX) {
        p->counts.txs++;
    } else {
        p->counts.bundles++;
    }
    note_recent(p, &o->id);
    if (p->o.added) p->o.added(p->o.context, o);
    return 0;
}

int order_pool_add(struct order_pool *p, const struct build_order *o, uint64_t now_ns,
                   struct error *why) {
    int r = add(p, o, now_ns, why);
    if (r != 0) p->counts.refused++;
    return r;
}

void order_pool_drop(struct order_pool *p, const struct build_order *o) {
    struct pooled *one = map_get(&p->by_id, BYTES_OF(o->id));
    if (one) remove_one(p, one, true, POOL_NONCE_USED);
}

void order_pool_head(struct order_pool *p, uint64_t number, uint64_t now_ns) {
    p->head = number;
    struct list *lists[] = {&p->publics, &p->privates};
    for (size_t i = 0; i < 2; i++) {
        list_each_safe(node, lists[i]) {
            struct pooled *one = LIST_ENTRY(node, struct pooled, link);
            bool old = i == 0 && now_ns > one->added_ns + p->o.public_age_ns;
            bool over = one->until <= number;
            if (!is_far(p, one->order)) forget_far(p, one);
            if (old || over) remove_one(p, one, true, over ? POOL_EXPIRED : POOL_AGED);
        }
    }
    while (!list_is_empty(&p->idle_keys)) {
        const struct key_state *k = LIST_ENTRY(list_first(&p->idle_keys), struct key_state, link);
        if (now_ns < k->touched_ns + POOL_CANCEL_KEEP_NS) break;
        forget_oldest_key(p);
    }
}

bool order_pool_has(const struct order_pool *p, const struct build_order *o) {
    const struct pooled *one = map_get(&p->by_id, BYTES_OF(o->id));
    return one && one->order == o;
}

void order_pool_each(const struct order_pool *p, uint64_t block,
                     void (*each)(void *arg, const struct build_order *o), void *arg) {
    const struct list *lists[] = {&p->privates, &p->publics};
    for (size_t i = 0; i < 2; i++) {
        list_each(node, lists[i]) {
            const struct build_order *o = LIST_ENTRY(node, struct pooled, link)->order;
            bool fits = (o->first_block == 0 || block >= o->first_block) &&
                        (o->last_block == 0 || block <= o->last_block);
            if (fits) each(arg, o);
        }
    }
}

struct order_pool_counts order_pool_counts_now(const struct order_pool *p) {
    struct order_pool_counts c = p->counts;
    c.keys = p->keys.n;
    return c;
}
