/* The pool's tables: who stands where, who becomes pending, who leaves. What lets a transaction in
 * stands in txpool_check.c. SPDX-License-Identifier: MIT */
#include "chain/txpool_internal.h"

#include "base/list.h"
#include "crypto/kzg.h"
#include "eth/tx_check.h"

#include <stdlib.h>
#include <unistd.h>

#define PENDING_DEFAULT 8192u
#define QUEUED_DEFAULT 2048u
#define PENDING_PER_SENDER_DEFAULT 256u
#define QUEUED_PER_SENDER_DEFAULT 64u
#define BLOBS_PER_SENDER_DEFAULT 16u
#define BYTES_DEFAULT (256u << 20)
#define QUEUED_S_DEFAULT (3u * 3600)
#define DELEGATION_BYTES 23u

#define POOL_METRICS(X)                                                                            \
    X(POOL_PENDING, METRIC_GAUGE, "txpool_pending", "Transactions that may be included now.",      \
      NULL)                                                                                        \
    X(POOL_QUEUED, METRIC_GAUGE, "txpool_queued", "Transactions that wait for another.", NULL)     \
    X(POOL_ADDED, METRIC_COUNTER, "txpool_added_total", "Transactions taken.", NULL)               \
    X(POOL_REFUSED, METRIC_COUNTER, "txpool_refused_total", "Transactions refused.", NULL)         \
    X(POOL_EVICTED, METRIC_COUNTER, "txpool_evicted_total", "Transactions that made room.", NULL)
METRICS_DECLARE(pool_metric, POOL_METRICS)

// Entries

struct pool_tx *pool_tx_hold(struct pool_tx *t) {
    (void)atomic_fetch_add_explicit(&t->references, 1, memory_order_relaxed);
    return t;
}

void pool_tx_release(struct pool_tx *t) {
    if (!t || atomic_fetch_sub_explicit(&t->references, 1, memory_order_acq_rel) != 1) return;
    arena_free(&t->memory);
    free(t);
}

struct u256 pool_tip(const struct pool_tx *t, struct u256 base_fee) {
    struct u256 room;
    if (u256_sub_borrow(&room, t->tx.max_fee, base_fee)) return U256_ZERO;
    return u256_compare(room, t->tx.max_priority_fee) < 0 ? room : t->tx.max_priority_fee;
}

static void add_news(struct pool_news *news, struct pool_tx *t) {
    if (t->told) return;
    if (news->count == news->room) {
        size_t room = news->room ? 2 * news->room : 8;
        struct pool_tx **grown = realloc(news->items, room * sizeof *grown);
        if (!grown) return; // subscribers miss one
        news->items = grown;
        news->room = room;
    }
    news->items[news->count++] = pool_tx_hold(t);
    t->told = true;
}

void pool_news_tell(struct txpool *p, struct pool_news *news) {
    (void)pthread_rwlock_rdlock(&p->subscriber_lock);
    for (size_t i = 0; i < news->count; i++) {
        for (size_t j = 0; j < p->subscriber_count; j++) {
            p->subscribers[j].pending(p->subscribers[j].context, news->items[i]);
        }
    }
    (void)pthread_rwlock_unlock(&p->subscriber_lock);
    for (size_t i = 0; i < news->count; i++) {
        pool_tx_release(news->items[i]);
    }
    free(news->items);
}

// Accounts

struct pool_account *pool_account_find(const struct txpool *p, const struct address *address) {
    return map_get(&p->by_sender, bytes_make(address, sizeof *address));
}

size_t pool_account_place(const struct pool_account *a, uint64_t nonce) {
    size_t low = 0, high = a->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (a->txs[middle]->tx.nonce < nonce) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

// From `at` on nothing is pending any more.
static void cut_pending(struct txpool *p, struct pool_account *a, size_t at) {
    if (at >= a->pending) return;
    p->queued += a->pending - at;
    p->pending -= a->pending - at;
    for (; a->pending > at; a->pending--) {
        struct u256 cost;
        (void)tx_max_cost(&cost, &a->txs[a->pending - 1]->tx);
        a->left = u256_add(a->left, cost);
    }
}

static int load_account(struct txpool *p, struct pool_account *a, struct error *why) {
    const struct state_reader *reader = &p->head.reader;
    struct state_base_account base = {.code_hash = STATE_EMPTY_CODE_HASH};
    int r = reader->account(reader->ctx, &base, &a->address, why);
    if (r != 0) return r;
    cut_pending(p, a, 0);
    a->nonce = base.exists ? base.nonce : 0;
    a->left = a->balance = base.exists ? base.balance : U256_ZERO;
    a->delegated = a->has_code = false;
    if (base.exists && !hash_equal(&base.code_hash, &STATE_EMPTY_CODE_HASH)) {
        struct bytes code;
        r = reader->code(reader->ctx, &code, &base.code_hash, why);
        if (r != 0) return r;
        static const uint8_t prefix[] = {0xef, 0x01, 0x00};
        a->delegated = code.n == DELEGATION_BYTES && memcmp(code.p, prefix, sizeof prefix) == 0;
        a->has_code = !a->delegated && code.n > 0;
    }
    a->known = true;
    return 0;
}

static void put_in(struct pool_place *q, struct heap *h, uint64_t key) {
    if (q->heap && q->heap == h) {
        heap_move(h, &q->node, key);
        return;
    }
    if (q->heap) heap_remove(q->heap, &q->node);
    // Without memory it is not found when room is needed; its next change tries again.
    q->heap = h && heap_add(h, &q->node, key, NULL) == 0 ? h : NULL;
}

// After each change of a sender's transactions, and of the base fee.
static void rank(struct txpool *p, struct pool_account *a) {
    const struct pool_tx *last = a->count ? a->txs[a->count - 1] : NULL;
    struct u256 tip = last ? pool_tip(last, p->head.base_fee) : U256_ZERO;
    uint64_t key = u256_fits_u64(tip) ? tip.w[0] : UINT64_MAX;
    bool local = last && last->local;
    put_in(&a->last, last ? &p->cheapest.all[local] : NULL, key);
    put_in(&a->last_queued, a->pending < a->count ? &p->cheapest.queued[local] : NULL, key);
}

static void drop_account(struct txpool *p, struct pool_account *a) {
    (void)map_remove(&p->by_sender, BYTES_OF(a->address));
    free(a->txs);
    free(a);
}

static int get_account(struct txpool *p, const struct address *address, struct pool_account **ret,
                       struct error *why) {
    struct pool_account *a = pool_account_find(p, address);
    int r = 0;
    if (!a) {
        a = calloc(1, sizeof *a);
        if (!a) return error_set(why, ERR_NO_MEMORY, "no memory for a sender");
        a->address = *address;
        r = map_put(&p->by_sender, BYTES_OF(a->address), a, NULL, why);
        if (r != 0) {
            free(a);
            return r;
        }
    }
    if (!a->known) r = load_account(p, a, why);
    if (r != 0 && a->count == 0) drop_account(p, a);
    *ret = r == 0 ? a : NULL;
    return r;
}

size_t pool_authority_count(const struct txpool *p, const struct address *address) {
    const struct pool_authority *q = map_get(&p->authorities, bytes_make(address, sizeof *address));
    return q ? q->count : 0;
}

static void count_authorities(struct txpool *p, const struct pool_tx *t, bool up) {
    for (size_t i = 0; i < t->authority_count; i++) {
        struct pool_authority *q = map_get(&p->authorities, BYTES_OF(t->authorities[i]));
        if (!q && up) {
            q = calloc(1, sizeof *q);
            if (!q) continue;
            q->address = t->authorities[i];
            if (map_put(&p->authorities, BYTES_OF(q->address), q, NULL, NULL) != 0) {
                free(q);
                continue;
            }
        }
        if (!q) continue;
        q->count += up ? 1 : (size_t)-1;
        if (q->count) continue;
        (void)map_remove(&p->authorities, BYTES_OF(q->address));
        free(q);
    }
}

static void count_blobs(struct txpool *p, struct pool_tx *t, bool up) {
    for (size_t i = 0; i < t->tx.blob_count && t->sidecar.present; i++) {
        struct bytes key = BYTES_OF(t->tx.blob_hashes[i]);
        struct pool_blob *b = map_get(&p->blobs, key);
        if (up && !b) {
            b = calloc(1, sizeof *b);
            if (!b) continue;
            *b = (struct pool_blob){t->tx.blob_hashes[i], t, i};
            if (map_put(&p->blobs, BYTES_OF(b->versioned), b, NULL, NULL) != 0) free(b);
        } else if (!up && b && b->tx == t) {
            (void)map_remove(&p->blobs, key);
            free(b);
        }
    }
}

// What is pending: the run of nonces that the balance covers. It only grows here.
static void renew_account(struct txpool *p, struct pool_account *a, struct pool_news *news) {
    while (a->pending < a->count) {
        struct pool_tx *t = a->txs[a->pending];
        struct u256 cost, left;
        if (t->tx.nonce != a->nonce + a->pending || t->tx.gas > p->head.gas_limit) break;
        if (!tx_max_cost(&cost, &t->tx) || u256_sub_borrow(&left, a->left, cost)) break;
        a->left = left;
        a->pending++;
        p->pending++;
        p->queued--;
        add_news(news, t);
    }
    rank(p, a);
}

static int insert(struct txpool *p, struct pool_account *a, struct pool_tx *t, struct error *why) {
    if (a->count == a->room) {
        size_t room = a->room ? 2 * a->room : 4;
        struct pool_tx **grown = realloc(a->txs, room * sizeof(struct pool_tx *));
        if (!grown) return error_set(why, ERR_NO_MEMORY, "no memory for a transaction");
        a->txs = grown;
        a->room = room;
    }
    int r = map_put(&p->by_hash, BYTES_OF(t->tx.hash), t, NULL, why);
    if (r != 0) return r;
    size_t at = pool_account_place(a, t->tx.nonce);
    cut_pending(p, a, at);
    memmove(a->txs + at + 1, a->txs + at, (a->count - at) * sizeof(struct pool_tx *));
    a->txs[at] = pool_tx_hold(t);
    a->count++;
    p->queued++;
    rank(p, a);
    p->bytes += t->network.n;
    count_authorities(p, t, true);
    count_blobs(p, t, true);
    (void)atomic_fetch_add(&p->version, 1);
    return 0;
}

static void take_out(struct txpool *p, struct pool_account *a, size_t at) {
    struct pool_tx *t = a->txs[at];
    cut_pending(p, a, at); // those behind it have a gap before them now
    memmove(a->txs + at, a->txs + at + 1, (a->count - at - 1) * sizeof(struct pool_tx *));
    a->count--;
    p->queued--;
    rank(p, a);
    p->bytes -= t->network.n;
    (void)map_remove(&p->by_hash, BYTES_OF(t->tx.hash));
    count_authorities(p, t, false);
    count_blobs(p, t, false);
    (void)atomic_fetch_add(&p->version, 1);
    pool_tx_release(t);
}

static void tell_sizes(struct txpool *p) {
    metric_set(p->metric_pending, (double)p->pending);
    metric_set(p->metric_queued, (double)p->queued);
}

// Room: the last transaction of the sender whose last one pays least gives way, remote ones first.

static struct pool_account *find_cheapest(struct txpool *p, bool queued_only, bool local,
                                          struct u256 *ret_tip) {
    const struct heap *h = queued_only ? &p->cheapest.queued[local] : &p->cheapest.all[local];
    struct heap_node *first = heap_first(h);
    if (!first) return NULL;
    struct pool_account *a = queued_only ? LIST_ENTRY(first, struct pool_account, last_queued.node)
                                         : LIST_ENTRY(first, struct pool_account, last.node);
    *ret_tip = pool_tip(a->txs[a->count - 1], p->head.base_fee);
    return a;
}

static bool make_room_once(struct txpool *p, const struct pool_tx *t, bool queued_only) {
    struct u256 tip, offered = pool_tip(t, p->head.base_fee);
    for (int local = 0; local <= (t->local ? 1 : 0); local++) {
        struct pool_account *a = find_cheapest(p, queued_only, local != 0, &tip);
        if (!a) continue;
        if (!(t->local && !local) && u256_compare(tip, offered) >= 0) continue;
        take_out(p, a, a->count - 1);
        metric_inc(p->metric_evicted);
        if (a->count == 0) drop_account(p, a);
        return true;
    }
    return false;
}

// The sender's own account gives nothing away, and hides nobody who pays less: it stands aside.
// Instead of `old`, if there is one, only what the new one is larger by needs room.
static int make_room(struct txpool *p, struct pool_account *own, const struct pool_tx *t,
                     const struct pool_tx *old, struct error *why) {
    const struct txpool_limits *l = &p->options.limits;
    bool full = false, gap = t->tx.nonce > own->nonce + own->pending;
    uint64_t freed = old ? old->network.n : 0;
    put_in(&own->last, NULL, 0);
    put_in(&own->last_queued, NULL, 0);
    while (!full && p->bytes - freed + t->network.n > l->bytes) {
        full = !make_room_once(p, t, false);
    }
    while (!full && !old && gap && p->queued >= l->queued) {
        full = !make_room_once(p, t, true);
    }
    while (!full && !old && !gap && p->pending + p->queued >= l->pending + l->queued) {
        full = !make_room_once(p, t, false);
    }
    rank(p, own);
    return full ? error_set(why, ERR_LIMIT, "txpool is full") : 0;
}

// Adding

static int add_locked(struct txpool *p, struct pool_tx *t, struct pool_news *news,
                      struct error *why) {
    struct pool_account *a = NULL;
    struct pool_tx *old = NULL;
    if (map_get(&p->by_hash, BYTES_OF(t->tx.hash))) {
        return error_set(why, ERR_CONFLICT, "already known");
    }
    int r = get_account(p, &t->sender, &a, why);
    if (r != 0) return r;
    t->sequence = p->next_sequence++;
    t->arrived_s = clock_wall_ns(p->clock) / NS_PER_S;
    r = pool_check_account(p, a, t, &old, why);
    if (r == 0) r = make_room(p, a, t, old, why);
    if (r == 0) {
        if (old) take_out(p, a, pool_account_place(a, t->tx.nonce));
        r = insert(p, a, t, why);
        renew_account(p, a, news);
    }
    if (a->count == 0) drop_account(p, a);
    tell_sizes(p);
    return r;
}

static int refuse(struct txpool *p, int r) {
    if (r != ERR_CONFLICT) metric_inc(p->metric_refused);
    return r;
}

int txpool_add(struct txpool *p, struct bytes network, bool local, struct hash *ret_hash,
               struct error *why) {
    struct pool_tx *t;
    struct pool_news news = {0};
    struct txpool_head head;
    int r = pool_tx_new(&t, p, network, local, why);
    if (r != 0) return refuse(p, r);
    *ret_hash = t->tx.hash;
    (void)pthread_mutex_lock(&p->lock);
    bool ready = p->has_head, known = map_get(&p->by_hash, BYTES_OF(t->tx.hash)) != NULL;
    head = p->head;
    (void)pthread_mutex_unlock(&p->lock);
    if (!ready) r = error_set(why, ERR_BUSY, "the pool has no head yet");
    if (r == 0 && known) r = error_set(why, ERR_CONFLICT, "already known");
    if (r == 0) r = pool_check_static(p, t, &head, why);
    if (r == 0) {
        (void)pthread_mutex_lock(&p->lock);
        r = add_locked(p, t, &news, why);
        (void)pthread_mutex_unlock(&p->lock);
    }
    if (r == 0) r = pool_journal_append(p, t, why);
    if (r == 0) metric_inc(p->metric_added);
    pool_news_tell(p, &news);
    pool_tx_release(t);
    return r == 0 ? 0 : refuse(p, r);
}

// A new head

static void remember(struct txpool *p, struct pool_tx *t) {
    if (t->tx.type != TX_BLOB) return;
    pool_tx_release(p->limbo[p->limbo_next]);
    p->limbo[p->limbo_next] = pool_tx_hold(t);
    p->limbo_next = (p->limbo_next + 1) % TXPOOL_LIMBO;
}

// At a fork some lose what made them valid.
static void drop_outdated(struct txpool *p, struct pool_account *a) {
    const struct fork_rules *rules = fork_rules_of(p->head.fork);
    for (size_t i = a->count; i-- > 0;) {
        const struct pool_tx *t = a->txs[i];
        bool good = tx_check_static(&t->tx, rules, p->options.config->chain_id) == TX_VALID &&
                    (!t->sidecar.present || t->sidecar.version == (rules->cell_proofs ? 1 : 0));
        if (!good) take_out(p, a, i);
    }
}

static int renew_account_now(struct txpool *p, struct pool_account *a, struct pool_news *news,
                             bool forked, struct error *why) {
    uint64_t now_s = clock_wall_ns(p->clock) / NS_PER_S, age = p->options.limits.queued_s;
    int r = load_account(p, a, why);
    if (r != 0) return r;
    if (forked) drop_outdated(p, a);
    while (a->count && a->txs[0]->tx.nonce < a->nonce) {
        remember(p, a->txs[0]);
        take_out(p, a, 0);
    }
    renew_account(p, a, news);
    while (a->count > a->pending && !a->txs[a->count - 1]->local &&
           a->txs[a->count - 1]->arrived_s + age < now_s) {
        take_out(p, a, a->count - 1);
    }
    return 0;
}

// Those that end up empty go when all are seen: however many a block takes, each is read once.
static int renew_all(struct txpool *p, struct pool_news *news, bool forked, struct error *why) {
    struct pool_account *empty = NULL;
    size_t at = 0;
    struct bytes key;
    void *value;
    int r = 0;
    while (r == 0 && map_next(&p->by_sender, &at, &key, &value)) {
        struct pool_account *a = value;
        r = renew_account_now(p, a, news, forked, why);
        if (a->count) continue;
        a->next_empty = empty;
        empty = a;
    }
    for (struct pool_account *next; empty; empty = next) {
        next = empty->next_empty;
        drop_account(p, empty);
    }
    return r;
}

// Blob transactions lost their sidecar in the block; the pool may still have it.
static bool back_of(struct txpool *p, struct buf *network, const struct tx *t) {
    if (t->type != TX_BLOB) {
        buf_append(network, t->raw);
        return true;
    }
    for (size_t i = 0; i < TXPOOL_LIMBO; i++) {
        if (!p->limbo[i] || !hash_equal(&p->limbo[i]->tx.hash, &t->hash)) continue;
        buf_append(network, p->limbo[i]->network);
        return true;
    }
    return false;
}

static void bring_back(struct txpool *p, const struct tx *t, struct pool_news *news) {
    struct buf network;
    struct pool_tx *entry = NULL;
    struct error why;
    buf_init(&network, 0);
    int r = t->type != TX_DEPOSIT && back_of(p, &network, t) ? 0 : ERR_NOT_FOUND;
    if (r == 0) r = pool_tx_new(&entry, p, buf_view(&network), false, &why);
    if (r == 0) (void)!add_locked(p, entry, news, &why); // what is not taken is gone
    if (entry) pool_tx_release(entry);
    buf_free(&network);
}

int txpool_set_head(struct txpool *p, const struct txpool_head *head, const struct tx *const *back,
                    size_t back_count, struct error *why) {
    struct pool_news news = {0};
    (void)pthread_mutex_lock(&p->lock);
    bool forked = p->has_head && p->head.fork != head->fork;
    p->head = *head;
    p->has_head = true;
    int r = renew_all(p, &news, forked, why);
    for (size_t i = 0; i < back_count && r == 0; i++) {
        bring_back(p, back[i], &news);
    }
    (void)atomic_fetch_add(&p->version, 1);
    tell_sizes(p);
    (void)pthread_mutex_unlock(&p->lock);
    pool_news_tell(p, &news);
    return r == 0 ? pool_journal_rewrite(p, why) : r;
}

// Looking

struct pool_tx *txpool_get(struct txpool *p, const struct hash *hash) {
    (void)pthread_mutex_lock(&p->lock);
    struct pool_tx *t = map_get(&p->by_hash, bytes_make(hash, sizeof *hash));
    if (t) (void)pool_tx_hold(t);
    (void)pthread_mutex_unlock(&p->lock);
    return t;
}

struct pool_tx *txpool_blob(struct txpool *p, const struct hash *versioned, size_t *ret_index) {
    (void)pthread_mutex_lock(&p->lock);
    const struct pool_blob *b = map_get(&p->blobs, bytes_make(versioned, sizeof *versioned));
    struct pool_tx *t = b ? pool_tx_hold(b->tx) : NULL;
    if (b) *ret_index = b->index;
    (void)pthread_mutex_unlock(&p->lock);
    return t;
}

bool txpool_remove(struct txpool *p, const struct hash *hash) {
    (void)pthread_mutex_lock(&p->lock);
    const struct pool_tx *t = map_get(&p->by_hash, bytes_make(hash, sizeof *hash));
    if (t) {
        struct pool_account *a = pool_account_find(p, &t->sender);
        take_out(p, a, pool_account_place(a, t->tx.nonce));
        if (a->count == 0) drop_account(p, a);
        tell_sizes(p);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return t != NULL;
}

void txpool_count(struct txpool *p, size_t *ret_pending, size_t *ret_queued) {
    (void)pthread_mutex_lock(&p->lock);
    *ret_pending = p->pending;
    *ret_queued = p->queued;
    (void)pthread_mutex_unlock(&p->lock);
}

int txpool_nonce(struct txpool *p, const struct address *sender, uint64_t *ret, struct error *why) {
    (void)pthread_mutex_lock(&p->lock);
    struct pool_account *a, asked = {.address = *sender};
    int r = 0;
    a = pool_account_find(p, sender);
    if (!a || !a->known) {
        r = p->has_head ? load_account(p, &asked, why)
                        : error_set(why, ERR_BUSY, "the pool has no head yet");
        a = &asked;
    }
    if (r == 0) *ret = a->nonce + a->pending;
    (void)pthread_mutex_unlock(&p->lock);
    return r;
}

uint64_t txpool_version(struct txpool *p) {
    return atomic_load(&p->version);
}

// Subscribers

int txpool_subscribe(struct txpool *p, void (*pending)(void *context, struct pool_tx *t),
                     void *context, struct error *why) {
    (void)pthread_rwlock_wrlock(&p->subscriber_lock);
    int id = ERR_LIMIT;
    if (p->subscriber_count < TXPOOL_SUBSCRIBERS_MAX) {
        id = ++p->next_subscriber;
        p->subscribers[p->subscriber_count++] = (struct pool_subscriber){id, pending, context};
    }
    (void)pthread_rwlock_unlock(&p->subscriber_lock);
    return id > 0 ? id : error_set(why, ERR_LIMIT, "too many subscribers of the pool");
}

void txpool_unsubscribe(struct txpool *p, int id) {
    (void)pthread_rwlock_wrlock(&p->subscriber_lock);
    for (size_t i = 0; i < p->subscriber_count; i++) {
        if (p->subscribers[i].id == id) p->subscribers[i] = p->subscribers[--p->subscriber_count];
    }
    (void)pthread_rwlock_unlock(&p->subscriber_lock);
}

// Life

static void set_default(uint64_t *value, uint64_t otherwise) {
    if (*value == 0) *value = otherwise;
}

static void open_metrics(struct txpool *p, struct metrics *m) {
    if (!m) return;
    p->metric_pending = metrics_get(m, &pool_metric_table[POOL_PENDING], NULL);
    p->metric_queued = metrics_get(m, &pool_metric_table[POOL_QUEUED], NULL);
    p->metric_added = metrics_get(m, &pool_metric_table[POOL_ADDED], NULL);
    p->metric_refused = metrics_get(m, &pool_metric_table[POOL_REFUSED], NULL);
    p->metric_evicted = metrics_get(m, &pool_metric_table[POOL_EVICTED], NULL);
}

int txpool_open(struct txpool **ret, const struct txpool_options *o, struct error *why) {
    struct txpool *p = calloc(1, sizeof *p);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for a pool");
    p->options = *o;
    p->clock = o->clock ? o->clock : &clock_system;
    p->journal_fd = -1;
    struct txpool_limits *l = &p->options.limits;
    set_default(&l->pending, PENDING_DEFAULT);
    set_default(&l->queued, QUEUED_DEFAULT);
    set_default(&l->pending_per_sender, PENDING_PER_SENDER_DEFAULT);
    set_default(&l->queued_per_sender, QUEUED_PER_SENDER_DEFAULT);
    set_default(&l->blobs_per_sender, BLOBS_PER_SENDER_DEFAULT);
    set_default(&l->bytes, BYTES_DEFAULT);
    set_default(&l->queued_s, QUEUED_S_DEFAULT);
    map_init(&p->by_hash, 0);
    map_init(&p->by_sender, 0);
    map_init(&p->authorities, 0);
    map_init(&p->blobs, 0);
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_mutex_init(&p->journal_lock, NULL);
    (void)pthread_rwlock_init(&p->subscriber_lock, NULL);
    open_metrics(p, o->metrics);
    int r = kzg_open(&p->kzg, KZG_VERIFY, why);
    if (r != 0) {
        txpool_close(p);
        return r;
    }
    *ret = p;
    return 0;
}

void txpool_close(struct txpool *p) {
    if (!p) return;
    size_t at = 0;
    struct bytes key;
    void *value;
    while (map_next(&p->by_sender, &at, &key, &value)) {
        struct pool_account *a = value;
        while (a->count) {
            take_out(p, a, a->count - 1);
        }
        free(a->txs);
        free(a);
    }
    for (size_t i = 0; i < TXPOOL_LIMBO; i++) {
        pool_tx_release(p->limbo[i]);
    }
    for (int i = 0; i < 2; i++) {
        heap_free(&p->cheapest.all[i]);
        heap_free(&p->cheapest.queued[i]);
    }
    map_free(&p->by_hash);
    map_free(&p->by_sender);
    map_free(&p->authorities);
    map_free(&p->blobs);
    if (p->journal_fd >= 0) (void)close(p->journal_fd);
    kzg_close(p->kzg);
    (void)pthread_mutex_destroy(&p->lock);
    (void)pthread_mutex_destroy(&p->journal_lock);
    (void)pthread_rwlock_destroy(&p->subscriber_lock);
    free(p);
}
