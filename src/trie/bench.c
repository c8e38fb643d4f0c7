/* State roots in a trie of mainnet's size, of which only what a block touches is known, as a
 * builder sees it: an account trie of 300 million leaves; 20 contracts with 5 million slots, 680
 * with 2,000. limit_ns is what the node hashes alone cost in this processor's lanes, measured in
 * the same run.
 *
 * SPDX-License-Identifier: MIT */
#include "trie/bench.h"

#include "crypto/keccak.h"
#include "test/harness/bench.h"
#include "trie/state_root.h"
#include "trie/trie_node.h"

#include <stdio.h>
#include <stdlib.h>

/* What a block touches. */
struct shape {
    size_t accounts, hot, hot_slots, warm, slots;
};
static const struct shape large = {1000, 20, 100, 680, 5000};
static const struct shape block = {350, 10, 40, 140, 1200};

#define ACCOUNTS_MAX 1000
#define SLOTS_MAX 5000

static uint64_t seed = 42;
static uint64_t next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void random_bytes(uint8_t *to, size_t n) {
    for (size_t i = 0; i < n; i++) {
        to[i] = (uint8_t)next();
    }
}

static void check(int r, const struct error *why) {
    if (r == 0) return;
    (void)fprintf(stderr, "bench: %s\n", why->text);
    exit(1);
}

/* Nodes of the world, found by their reference. */
struct node {
    struct hash hash;
    uint16_t n;
    uint8_t rlp[TRIE_NODE_MAX];
};
static struct node *nodes;
static size_t node_n, node_capacity;
static uint32_t *node_index; // by the hash's first bytes, open addressing
#define INDEX_SIZE (1u << 18)

static struct hash add_node(const uint8_t *rlp, size_t n) {
    if (node_n == node_capacity) {
        node_capacity = node_capacity ? 2 * node_capacity : 1024;
        nodes = realloc(nodes, node_capacity * sizeof *nodes);
        if (!nodes) abort();
    }
    struct node *to = &nodes[node_n++];
    to->hash = keccak256(bytes_make(rlp, n));
    to->n = (uint16_t)n;
    memcpy(to->rlp, rlp, n);
    size_t i = load_le64(to->hash.b) % INDEX_SIZE;
    while (node_index[i]) {
        i = (i + 1) % INDEX_SIZE;
    }
    node_index[i] = (uint32_t)node_n;
    return to->hash;
}

static int get_node(void *arg, const struct hash *owner, const struct trie_path *path,
                    const struct trie_ref *ref, struct bytes *ret, struct error *why) {
    (void)arg;
    (void)owner;
    (void)path;
    for (size_t i = load_le64(ref->b) % INDEX_SIZE; node_index[i]; i = (i + 1) % INDEX_SIZE) {
        const struct node *n = &nodes[node_index[i] - 1];
        if (memcmp(n->hash.b, ref->b, 32) != 0) continue;
        *ret = bytes_make(n->rlp, n->n);
        return 0;
    }
    return error_set(why, ERR_NOT_FOUND, "no such node");
}

struct leaf {
    struct hash key;
    uint8_t value[TRIE_VALUE_MAX];
    size_t value_n;
};

static int compare_leaves(const void *a, const void *b) {
    return memcmp(((const struct leaf *)a)->key.b, ((const struct leaf *)b)->key.b, 32);
}

// The part of a random trie of about 16^depth leaves that leads to the given ones: full branches
// with unknown neighbours down to `depth`, leaves below. Gives the subtree's hash.
static struct hash grow(struct trie_pool *pool, const struct leaf *leaf, size_t n, unsigned at,
                        unsigned depth) {
    uint8_t rlp[TRIE_NODE_MAX];
    if (n == 1 && at >= depth) {
        uint32_t node = trie_node_new(pool, TRIE_LEAF);
        struct trie_leaf *l = trie_leaf_at(pool, node);
        memcpy(l->key, leaf->key.b, 32);
        l->value_n = (uint8_t)leaf->value_n;
        memcpy(l->value, leaf->value, leaf->value_n);
        size_t size = trie_node_encode(rlp, pool, node, at);
        trie_node_free(pool, node);
        return add_node(rlp, size);
    }
    uint32_t node = trie_node_new(pool, TRIE_BRANCH);
    struct trie_branch *b = trie_branch_at(pool, node);
    trie_branch_init(b);
    for (unsigned i = 0; i < 16; i++) {
        size_t k = 0;
        while (k < n && trie_nibble(leaf[k].key.b, at) == i) {
            k++;
        }
        // Above the last level every place is taken.
        if (k || at + 1 < depth || next() % 2) {
            b->ref_n[i] = 32;
            random_bytes(trie_branch_ref(b, i), 32);
        }
        if (k) {
            struct hash h = grow(pool, leaf, k, at + 1, depth);
            b = trie_branch_at(pool, node);
            memcpy(trie_branch_ref(b, i), h.b, 32);
        }
        leaf += k;
        n -= k;
    }
    size_t size = trie_node_encode(rlp, pool, node, at);
    trie_node_free(pool, node);
    return add_node(rlp, size);
}

struct world {
    const struct shape *shape;
    struct state_account_change change[ACCOUNTS_MAX];
    struct state_slot_change slot[SLOTS_MAX];
    struct hash root;
};

// Gives account i its slots and the leaf that it has in the parent.
static void grow_account(struct world *w, struct trie_pool *pool, size_t i, size_t slots,
                         struct state_slot_change *next_slot, struct leaf *ret) {
    static struct leaf slot[SLOTS_MAX];
    struct state_account_change *c = &w->change[i];
    random_bytes(c->address.b, 20);
    c->nonce = 1 + i;
    c->balance = (struct u256){{next(), next() % 1024, 0, 0}};
    c->code_hash = keccak256(bytes_make(&i, sizeof i));
    c->slots = next_slot;
    c->slot_count = slots;
    struct account a = {c->nonce, c->balance, TRIE_EMPTY_ROOT, c->code_hash};
    for (size_t k = 0; k < slots; k++, next_slot++) {
        random_bytes(next_slot->key.b, 32);
        slot[k].key = keccak256(BYTES_OF(next_slot->key));
        slot[k].value[0] = 0x88;
        random_bytes(slot[k].value + 1, 8);
        slot[k].value[1] |= 1;
        slot[k].value_n = 9;
    }
    if (slots) {
        qsort(slot, slots, sizeof slot[0], compare_leaves);
        a.storage_root = grow(pool, slot, slots, 0, i < w->shape->hot ? 6 : 3);
    }
    struct buf b;
    buf_init(&b, 0);
    account_encode(&b, &a);
    ret->key = keccak256(BYTES_OF(c->address));
    memcpy(ret->value, b.p, b.n);
    ret->value_n = b.n;
    buf_free(&b);
}

// Another candidate: the last `accounts` and the first `slots` get new values.
static void new_values(struct world *w, size_t accounts, size_t slots) {
    for (size_t i = 0; i < accounts; i++) {
        w->change[w->shape->accounts - 1 - i].balance.w[0] = next() | 1;
    }
    for (size_t i = 0; i < slots; i++) {
        w->slot[i].value = (struct u256){{next() | 1, next(), 0, 0}};
    }
}

static void build_world(struct world *w, const struct shape *shape) {
    static struct leaf account[ACCOUNTS_MAX];
    struct trie_pool *pool;
    struct error why;
    *w = (struct world){.shape = shape};
    check(trie_pool_create(&pool, 0, &why), &why);
    struct state_slot_change *next_slot = w->slot;
    size_t left = shape->slots - shape->hot * shape->hot_slots;
    for (size_t i = 0; i < shape->accounts; i++) {
        size_t slots = 0;
        if (i < shape->hot) {
            slots = shape->hot_slots;
        } else if (i < shape->hot + shape->warm) {
            slots = left / (shape->hot + shape->warm - i);
            left -= slots;
        }
        grow_account(w, pool, i, slots, next_slot, &account[i]);
        next_slot += slots;
    }
    qsort(account, shape->accounts, sizeof account[0], compare_leaves);
    w->root = grow(pool, account, shape->accounts, 0, 7);
    trie_pool_free(pool);
    new_values(w, shape->accounts, shape->slots);
}

/* One way of computing candidates. */
struct run {
    const char *only;
    unsigned budget_ms, ran;
    struct world *world;
    struct state_root *s;
    struct trie_team *team;
    double permutation_ns; /* on the path in use */
};

// The best of many candidates in which so many accounts and slots differ from the one before;
// making the candidate is not counted.
static void measure(struct run *r, const char *name, size_t accounts, size_t slots) {
    if (!strstr(name, r->only)) return;
    uint64_t start = bench_now_ns();
    double best_ns = 1e18;
    struct trie_stats best = {0};
    // The first one makes all nodes known; not counted either. One is, whatever the budget.
    for (unsigned n = 0; n < 2 || bench_now_ns() - start < (uint64_t)r->budget_ms * 1000000u; n++) {
        struct trie_stats stats = {0};
        struct error why;
        struct hash root;
        new_values(r->world, accounts, slots);
        uint64_t before = bench_now_ns();
        check(state_root_compute(r->s, &root, r->world->change, r->world->shape->accounts, r->team,
                                 NULL, &stats, &why),
              &why);
        double ns = (double)(bench_now_ns() - before);
        if (n == 0 || ns >= best_ns) continue;
        best_ns = ns;
        best = stats;
    }
    bench_emit(name, (double)best.permutations, "permutations", best_ns,
               (double)best.permutations * r->permutation_ns);
    r->ran++;
}

// What one permutation costs when branches are hashed and nothing else is done.
struct lanes {
    enum keccak_path path;
    uint8_t node[64][TRIE_BRANCH_BLOCKS * KECCAK_RATE];
    struct hash hash[64];
};
static void hash_nodes(void *arg) {
    struct lanes *l = arg;
    const uint8_t *message[64];
    uint8_t *ret[64];
    for (int i = 0; i < 64; i++) {
        message[i] = l->node[i];
        ret[i] = l->hash[i].b;
    }
    for (int i = 0; i < 50; i++) {
        keccak256_padded_by(l->path, message, ret, 64, TRIE_BRANCH_BLOCKS);
    }
}
static double permutation_ns(enum keccak_path path) {
    static struct lanes l;
    l.path = path;
    random_bytes(&l.node[0][0], sizeof l.node);
    return bench_best_ns(hash_nodes, &l, 200) / (50.0 * 64 * TRIE_BRANCH_BLOCKS);
}

static const struct {
    enum keccak_path path;
    unsigned lanes;
    const char *suffix;
} paths[] = {
    {KECCAK_AVX512X8, 8, "_avx512"}, {KECCAK_AVX2X4, 4, "_avx2"}, {KECCAK_PLAIN, 1, "_plain"}};

static void open_state(struct run *r, struct world *w, unsigned lanes) {
    struct error why;
    struct state_root_options options = {.source = {.get = get_node}, .hash_lanes = lanes};
    r->world = w;
    check(state_root_create(&r->s, &w->root, &options, &why), &why);
}

// The cases of one path; the processor's best one has the plain names.
static void run_path(struct run *r, struct world *worlds, size_t path) {
    char name[96];
    bool best = paths[path].path == keccak_path_best();
    const char *suffix = best ? "" : paths[path].suffix;
    r->permutation_ns = permutation_ns(paths[path].path);
    open_state(r, &worlds[0], paths[path].lanes);
    (void)snprintf(name, sizeof name, "state_root_1000_5000%s", suffix);
    measure(r, name, large.accounts, large.slots);
    if (best) {
        struct error why;
        check(trie_team_create(&r->team, 2, &why), &why);
        measure(r, "state_root_1000_5000_two_threads", large.accounts, large.slots);
        trie_team_free(r->team);
        r->team = NULL;
        measure(r, "state_root_incremental_200", 20, 200);
    }
    state_root_free(r->s);
    open_state(r, &worlds[1], paths[path].lanes);
    (void)snprintf(name, sizeof name, "state_root_block_350_1200%s", suffix);
    measure(r, name, block.accounts, block.slots);
    (void)snprintf(name, sizeof name, "state_root_block_incremental_100%s", suffix);
    measure(r, name, 20, 100);
    state_root_free(r->s);
}

unsigned trie_bench(const char *only, unsigned budget_ms) {
    struct run r = {.only = only, .budget_ms = budget_ms};
    struct world *worlds = calloc(2, sizeof *worlds);
    node_index = calloc(INDEX_SIZE, sizeof *node_index);
    if (!worlds || !node_index) abort();
    build_world(&worlds[0], &large);
    build_world(&worlds[1], &block);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (keccak_path_usable(paths[i].path)) run_path(&r, worlds, i);
    }
    free(worlds);
    free(nodes);
    free(node_index);
    nodes = NULL;
    node_n = node_capacity = 0;
    return r.ran;
}
