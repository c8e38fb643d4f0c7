/* The tree of blocks and the fork choice. SPDX-License-Identifier: MIT */
#include "chain/head.h"

#include "base/log.h"
#include "chain/head_internal.h"

#include <stdlib.h>

/* Look-ups. */

struct head_node *head_find(struct head *h, const struct hash *hash) {
    return map_get(&h->tree, BYTES_OF(*hash));
}

const struct chain_config *head_config(const struct head *h) {
    return &h->genesis.config;
}

struct evm_code_cache *head_codes(struct head *h) {
    return h->codes;
}

const struct precompiles *head_precompiles(const struct head *h) {
    return h->precompiles;
}

// A canonical block of the tree; `lock` is held.
static struct head_node *find_number(struct head *h, uint64_t number) {
    struct head_node *n = h->latest;
    if (number > n->block.block.header.number) return NULL;
    while (n && n->block.block.header.number > number) {
        n = n->parent;
    }
    return n;
}

static int read_block(struct head *h, const struct head_block **ret, uint64_t number,
                      struct error *why) {
    struct head_node *n;
    int r = head_store_read(h, &n, number, why);
    if (r == 0) *ret = &n->block;
    return r;
}

int head_block_by_number(struct head *h, const struct head_block **ret, uint64_t number,
                         struct error *why) {
    (void)pthread_rwlock_rdlock(&h->lock);
    struct head_node *n = find_number(h, number);
    if (n) *ret = head_block_retain(&n->block);
    bool above = number > h->latest->block.block.header.number;
    (void)pthread_rwlock_unlock(&h->lock);
    if (n) return 0;
    if (above) {
        return error_set(why, ERR_NOT_FOUND, "no block %llu", (unsigned long long)number);
    }
    return read_block(h, ret, number, why);
}

int head_block_by_hash(struct head *h, const struct head_block **ret, const struct hash *hash,
                       struct error *why) {
    (void)pthread_rwlock_rdlock(&h->lock);
    struct head_node *n = head_find(h, hash);
    if (n) *ret = head_block_retain(&n->block);
    (void)pthread_rwlock_unlock(&h->lock);
    if (n) return 0;
    uint64_t number;
    int r = head_store_number(h, &number, hash, why);
    if (r == 0) r = read_block(h, ret, number, why);
    if (r == 0 && !hash_equal(&(*ret)->hash, hash)) {
        head_block_release(*ret);
        r = ERR_NOT_FOUND;
    }
    return r == ERR_NOT_FOUND ? error_set(why, r, "unknown block") : r;
}

const struct head_block *head_latest(struct head *h) {
    (void)pthread_rwlock_rdlock(&h->lock);
    const struct head_block *b = head_block_retain(&h->latest->block);
    (void)pthread_rwlock_unlock(&h->lock);
    return b;
}

static const struct head_block *marked(struct head *h, const struct hash *mark) {
    (void)pthread_rwlock_rdlock(&h->lock);
    struct hash hash = *mark;
    (void)pthread_rwlock_unlock(&h->lock);
    const struct head_block *b;
    if (hash_is_zero(&hash) || head_block_by_hash(h, &b, &hash, NULL) != 0) return NULL;
    return b;
}

const struct head_block *head_safe(struct head *h) {
    return marked(h, &h->safe);
}

const struct head_block *head_finalized(struct head *h) {
    return marked(h, &h->finalized);
}

const struct head_block *head_genesis(struct head *h) {
    return marked(h, &h->genesis_hash);
}

int head_hash_of(struct head *h, struct hash *ret, uint64_t number, struct error *why) {
    (void)pthread_rwlock_rdlock(&h->lock);
    const struct head_node *n = find_number(h, number);
    if (n) *ret = n->block.hash;
    (void)pthread_rwlock_unlock(&h->lock);
    return n ? 0 : head_store_hash(h, ret, number, why);
}

bool head_is_canonical(struct head *h, const struct head_block *b) {
    struct hash hash;
    return head_hash_of(h, &hash, b->block.header.number, NULL) == 0 && hash_equal(&hash, &b->hash);
}

int head_tx_find(struct head *h, const struct head_block **ret, size_t *ret_index,
                 const struct hash *tx, struct error *why) {
    uint64_t number;
    const struct head_block *b;
    int r = head_store_tx(h, &number, ret_index, tx, why);
    if (r == 0) r = head_block_by_number(h, &b, number, why);
    if (r != 0) return r == ERR_NOT_FOUND ? error_set(why, r, "unknown transaction") : r;
    // A reorg may have come between the two.
    if (*ret_index >= b->block.tx_count || !hash_equal(&b->block.txs[*ret_index].hash, tx)) {
        head_block_release(b);
        return error_set(why, ERR_NOT_FOUND, "unknown transaction");
    }
    *ret = b;
    return 0;
}

/* Fork choice. */

/* What head_set is about to do; arrays stand in the head's scratch. */
struct move {
    struct head_node *to;
    struct head_node *base; /* of the tree afterwards */
    const struct head_block **added, **removed;
    size_t added_count, removed_count;
    struct hash safe, finalized;
};

static uint64_t number_of(const struct head_node *n) {
    return n->block.block.header.number;
}

// Blocks that become canonical, oldest first, and that are so no more, newest first.
static int plan_branches(struct head *h, struct move *m, struct error *why) {
    const struct head_node *fork = m->to;
    while (!fork->canonical) {
        m->added_count++;
        fork = fork->parent;
    }
    for (const struct head_node *n = h->latest; n != fork; n = n->parent) {
        m->removed_count++;
    }
    m->added = arena_new_array(&h->scratch, const struct head_block *, m->added_count);
    m->removed = arena_new_array(&h->scratch, const struct head_block *, m->removed_count);
    if (!m->added || !m->removed) return error_set(why, ERR_NO_MEMORY, "no memory for a new head");
    size_t i = m->added_count;
    for (const struct head_node *n = m->to; n != fork; n = n->parent) {
        m->added[--i] = &n->block;
    }
    for (const struct head_node *n = h->latest; n != fork; n = n->parent) {
        m->removed[i++] = &n->block;
    }
    return 0;
}

// The node at a number on the branch of `tip`, NULL below the base.
static struct head_node *ancestor(struct head_node *tip, uint64_t number) {
    while (tip && number_of(tip) > number) {
        tip = tip->parent;
    }
    return tip && number_of(tip) == number ? tip : NULL;
}

// That a mark is an ancestor of the new head, or the head.
static int check_mark(struct head *h, const struct move *m, const struct hash *mark,
                      const char *name, struct error *why) {
    struct hash there;
    uint64_t number = 0;
    struct head_node *n = head_find(h, mark);
    if (n) {
        if (ancestor(m->to, number_of(n)) == n) return 0;
    } else if (head_store_number(h, &number, mark, NULL) == 0 && number < number_of(h->base) &&
               head_store_hash(h, &there, number, NULL) == 0 && hash_equal(&there, mark)) {
        return 0;
    }
    return error_set(why, ERR_CONFLICT, "the %s block is no ancestor of the head", name);
}

static int plan_marks(struct head *h, struct move *m, const struct hash *safe,
                      const struct hash *finalized, struct error *why) {
    static const struct hash none;
    int r = 0;
    if (!safe || hash_is_zero(safe)) safe = &h->safe;
    if (!finalized || hash_is_zero(finalized)) finalized = &h->finalized;
    if (!hash_is_zero(&h->finalized)) {
        r = check_mark(h, m, &h->finalized, "finalized (of before)", why);
    }
    if (r == 0 && !hash_is_zero(finalized)) r = check_mark(h, m, finalized, "finalized", why);
    if (r == 0 && !hash_is_zero(safe)) {
        r = check_mark(h, m, safe, "safe", why);
        if (r != 0 && safe == &h->safe) { // one of a branch that is left behind
            safe = finalized;
            r = 0;
        }
    }
    m->safe = hash_is_zero(safe) ? none : *safe;
    m->finalized = hash_is_zero(finalized) ? none : *finalized;
    return r;
}

// The path from the base to the head, one step: the child of `from` towards `to`.
static struct head_node *step(struct head_node *from, struct head_node *to) {
    return ancestor(to, number_of(from) + 1);
}

static int put_mark(struct head *h, const char *name, const struct hash *hash, struct error *why) {
    uint64_t number = 0;
    if (hash_is_zero(hash)) return 0;
    const struct head_node *n = head_find(h, hash);
    int r = 0;
    if (n) {
        number = number_of(n);
    } else {
        r = head_store_number(h, &number, hash, why);
    }
    return r == 0 ? head_store_put_mark(h, name, number, hash, why) : r;
}

// Collects everything that changes on disk.
static int collect(struct head *h, struct move *m, struct error *why) {
    int r = 0;
    for (size_t i = 0; r == 0 && i < m->removed_count; i++) {
        r = head_store_remove(h, m->removed[i], why);
    }
    for (size_t i = 0; r == 0 && i < m->added_count; i++) {
        r = head_store_put(h, m->added[i], why);
    }
    if (r == 0) r = put_mark(h, "latest", &m->to->block.hash, why);
    if (r == 0) r = put_mark(h, "safe", &m->safe, why);
    if (r == 0) r = put_mark(h, "finalized", &m->finalized, why);
    m->base = h->base;
    while (r == 0 && number_of(m->to) - number_of(m->base) > h->depth) {
        m->base = step(m->base, m->to);
        if (!h->remote) r = layer_store(m->base->layer, h->store, why);
    }
    return r;
}

static bool descends(const struct head_node *n, const struct head_node *from) {
    while (n && n != from) {
        n = n->parent;
    }
    return n != NULL;
}

// Layers that the store will have left behind; readers of them must know before it moves.
static void mark_stale(struct head *h, const struct head_node *base, bool stale) {
    struct bytes key;
    void *value;
    for (size_t at = 0; map_next(&h->tree, &at, &key, &value);) {
        const struct head_node *n = value;
        if (!descends(n, base)) atomic_store(&n->layer->stale, stale);
    }
}

static int commit(struct head *h, const struct move *m, struct error *why) {
    bool moves = m->base != h->base;
    struct trie_store_head head = {number_of(m->base), m->base->block.hash,
                                   m->base->block.block.header.state_root};
    if (moves) mark_stale(h, m->base, true);
    int r = trie_store_commit(h->store, moves ? &head : NULL, why);
    if (r != 0 && moves) mark_stale(h, m->base, false);
    return r;
}

// Takes what does not descend from the new base out of the tree.
static void prune(struct head *h, struct head_node *base) {
    size_t n = 0, most = h->tree.n;
    struct head_node **gone = arena_new_array(&h->scratch, struct head_node *, most);
    struct bytes key;
    void *value;
    if (!gone) return; // tried again with the next base
    for (size_t at = 0; map_next(&h->tree, &at, &key, &value);) {
        if (!descends(value, base)) gone[n++] = value;
    }
    for (size_t i = 0; i < n; i++) {
        (void)map_remove(&h->tree, BYTES_OF(gone[i]->block.hash));
    }
    base->parent = NULL;
    h->base = base;
    for (size_t i = 0; i < n; i++) {
        head_node_release(gone[i]);
    }
}

static void apply(struct head *h, const struct move *m) {
    (void)pthread_rwlock_wrlock(&h->lock);
    for (size_t i = 0; i < m->removed_count; i++) {
        head_find(h, &m->removed[i]->hash)->canonical = false;
    }
    for (size_t i = 0; i < m->added_count; i++) {
        head_find(h, &m->added[i]->hash)->canonical = true;
    }
    h->latest = m->to;
    h->safe = m->safe;
    h->finalized = m->finalized;
    if (m->base != h->base) prune(h, m->base);
    (void)pthread_rwlock_unlock(&h->lock);
    head_tips_forget(h, false);
}

static void publish(struct head *h, const struct move *m) {
    struct head_event event = {
        .head = &m->to->block,
        .added = m->added,
        .added_count = m->added_count,
        .removed = m->removed,
        .removed_count = m->removed_count,
    };
    list_each_safe(node, &h->subscribers) {
        const struct head_subscriber *s = LIST_ENTRY(node, struct head_subscriber, link);
        s->changed(s->arg, &event);
    }
}

// Blocks that are told of stay until subscribers have seen them, whatever is pruned.
static void hold(const struct move *m, bool retain) {
    for (size_t i = 0; i < m->added_count + m->removed_count; i++) {
        const struct head_block *b =
            i < m->added_count ? m->added[i] : m->removed[i - m->added_count];
        if (retain) {
            (void)head_block_retain(b);
        } else {
            head_block_release(b);
        }
    }
}

static int find_target(struct head *h, struct move *m, const struct hash *hash, struct error *why) {
    uint64_t number;
    m->to = head_find(h, hash);
    if (m->to) return 0;
    int r = head_store_number(h, &number, hash, why);
    if (r == ERR_NOT_FOUND) return error_set(why, ERR_NOT_FOUND, "the head is not known");
    return r != 0 ? r : error_set(why, ERR_STALE, "the head is deeper than %u blocks", h->depth);
}

static void note_stored(struct head *h, int code, const struct error *why) {
    (void)pthread_rwlock_wrlock(&h->lock);
    h->unstored = code == 0 || !why ? (struct error){.code = code} : *why;
    (void)pthread_rwlock_unlock(&h->lock);
}

int head_health(struct head *h, struct error *why) {
    (void)pthread_rwlock_rdlock(&h->lock);
    struct error unstored = h->unstored;
    (void)pthread_rwlock_unlock(&h->lock);
    if (unstored.code == 0) return 0;
    if (why) *why = unstored;
    return error_wrap(why, "the newest block is not stored");
}

static int set(struct head *h, struct move *m, const struct hash *head, const struct hash *safe,
               const struct hash *finalized, struct error *why) {
    arena_reset(&h->scratch);
    int r = find_target(h, m, head, why);
    if (r == 0) r = plan_branches(h, m, why);
    if (r == 0) r = plan_marks(h, m, safe, finalized, why);
    if (r != 0) return r;
    r = collect(h, m, why);
    if (r == 0) {
        r = commit(h, m, why);
    } else {
        trie_store_abort(h->store);
    }
    note_stored(h, r, why);
    if (r != 0) return r;
    if (evm_code_cache_bytes(h->codes) > HEAD_CODES_MAX) {
        evm_code_cache_trim(h->codes, HEAD_CODES_MAX / 4 * 3);
    }
    hold(m, true);
    apply(h, m);
    publish(h, m);
    hold(m, false);
    return 0;
}

int head_set(struct head *h, const struct hash *head, const struct hash *safe,
             const struct hash *finalized, struct error *why) {
    struct move m = {0};
    (void)pthread_mutex_lock(&h->work);
    int r = set(h, &m, head, safe, finalized, why);
    (void)pthread_mutex_unlock(&h->work);
    return r;
}

void head_subscribe(struct head *h, struct head_subscriber *s) {
    (void)pthread_mutex_lock(&h->work);
    list_push_back(&h->subscribers, &s->link);
    (void)pthread_mutex_unlock(&h->work);
}

void head_unsubscribe(struct head *h, struct head_subscriber *s) {
    (void)pthread_mutex_lock(&h->work);
    list_remove(&s->link);
    (void)pthread_mutex_unlock(&h->work);
}
