/* State roots in a trie of mainnet's size, of which only what a block touches is known, as a
 * builder sees it: an account trie of 300 million leaves; 20 contracts with 5 million slots, 680
 * with 2,000. limit_ns is what the node hashes alone cost in this processor's lanes, measured in
 * the same run.
 *
 * SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"
#include "test/harness/bench.h"
#include "trie/state_root.h"
#include "trie/trie_node.h"

#include <stdio.h>
#include <stdlib.h>

#define ACCOUNTS 1000
#define HOT 20
#define HOT_SLOTS 100
#define WARM 680
#define SLOTS 5000

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
    struct state_account_change change[ACCOUNTS];
    struct state_slot_change slot[SLOTS];
    struct hash root;
};
static struct world world;

static void build_world(void) {
    struct trie_pool *pool;
    struct error why;
    check(trie_pool_create(&pool, 0, &why), &why);
    node_index = calloc(INDEX_SIZE, sizeof *node_index);
    if (!node_index) abort();
    static struct leaf account[ACCOUNTS], slot[SLOTS];
    struct state_slot_change *next_slot = world.slot;
    size_t left = SLOTS - HOT * HOT_SLOTS;
    for (size_t i = 0; i < ACCOUNTS; i++) {
        struct state_account_change *c = &world.change[i];
        random_bytes(c->address.b, 20);
        c->nonce = 1 + i;
        c->balance = (struct u256){{next(), next() % 1024, 0, 0}};
        c->code_hash = keccak256(bytes_make(&i, sizeof i));
        c->slots = next_slot;
        if (i < HOT) {
            c->slot_count = HOT_SLOTS;
        } else if (i < HOT + WARM) {
            c->slot_count = left / (HOT + WARM - i);
            left -= c->slot_count;
        }
        struct account a = {c->nonce, c->balance, TRIE_EMPTY_ROOT, c->code_hash};
        for (size_t k = 0; k < c->slot_count; k++, next_slot++) {
            random_bytes(next_slot->key.b, 32);
            slot[k].key = keccak256(BYTES_OF(next_slot->key));
            slot[k].value[0] = 0x88;
            random_bytes(slot[k].value + 1, 8);
            slot[k].value[1] |= 1;
            slot[k].value_n = 9;
        }
        if (c->slot_count) {
            qsort(slot, c->slot_count, sizeof slot[0], compare_leaves);
            a.storage_root = grow(pool, slot, c->slot_count, 0, i < HOT ? 6 : 3);
        }
        struct buf b;
        buf_init(&b, 0);
        account_encode(&b, &a);
        account[i].key = keccak256(BYTES_OF(c->address));
        memcpy(account[i].value, b.p, b.n);
        account[i].value_n = b.n;
        buf_free(&b);
    }
    qsort(account, ACCOUNTS, sizeof account[0], compare_leaves);
    world.root = grow(pool, account, ACCOUNTS, 0, 7);
    trie_pool_free(pool);
}

// Another candidate: the last `accounts` and the first `slots` get new values.
static void new_values(size_t accounts, size_t slots) {
    for (size_t i = 0; i < accounts; i++) {
        world.change[ACCOUNTS - 1 - i].balance.w[0] = next() | 1;
    }
    for (size_t i = 0; i < slots; i++) {
        world.slot[i].value = (struct u256){{next() | 1, next(), 0, 0}};
    }
}

struct run {
    struct state_root *s;
    struct trie_team *team;
    size_t accounts, slots, step;
    struct trie_stats stats;
    double best_ns;
};

// The best of many candidates; making the candidate is not counted.
static void measure(struct run *r, unsigned budget_ms) {
    uint64_t start = bench_now_ns();
    r->best_ns = 1e18;
    do {
        new_values(r->accounts, r->slots);
        struct trie_stats stats = {0};
        struct error why;
        struct hash root;
        uint64_t before = bench_now_ns();
        check(state_root_compute(r->s, &root, world.change, ACCOUNTS, r->team, NULL, &stats, &why),
              &why);
        double ns = (double)(bench_now_ns() - before);
        if (ns < r->best_ns) {
            r->best_ns = ns;
            r->stats = stats;
        }
    } while (bench_now_ns() - start < (uint64_t)budget_ms * 1000000u);
}

// What one permutation costs when branches are hashed and nothing else is done.
struct lanes {
    enum keccak_path path;
    uint8_t node[64][TRIE_NODE_MAX];
    struct hash hash[64];
};
static void hash_nodes(void *arg) {
    struct lanes *l = arg;
    struct keccak_job job[64];
    for (int i = 0; i < 64; i++) {
        job[i] = (struct keccak_job){bytes_make(l->node[i], TRIE_NODE_MAX), &l->hash[i]};
    }
    for (int i = 0; i < 50; i++) {
        keccak256_scatter_by(l->path, job, 64);
    }
}
static double permutation_ns(enum keccak_path path) {
    static struct lanes l;
    l.path = path;
    random_bytes(&l.node[0][0], sizeof l.node);
    return bench_best_ns(hash_nodes, &l, 200) / (50.0 * 64 * (double)keccak_permutations(532));
}

static void report(const char *name, const struct run *r, double permutation) {
    bench_emit(name, (double)r->stats.permutations, "permutations", r->best_ns,
               (double)r->stats.permutations * permutation);
}

int main(void) {
    struct error why;
    build_world();
    struct state_root_options options = {.source = {.get = get_node}};
    struct run r = {.accounts = ACCOUNTS, .slots = SLOTS};
    check(state_root_create(&r.s, &world.root, &options, &why), &why);
    double permutation = permutation_ns(keccak_path_best());
    bench_emit("keccak_permutation_in_lanes", 1, "permutations", permutation, 0);

    measure(&r, 1500);
    report("state_root_1000_5000", &r, permutation);

    check(trie_team_create(&r.team, 2, &why), &why);
    measure(&r, 1500);
    report("state_root_1000_5000_two_threads", &r, permutation);
    trie_team_free(r.team);
    r.team = NULL;

    r.accounts = 20;
    r.slots = 200;
    measure(&r, 1000);
    report("state_root_incremental_200", &r, permutation);

    state_root_free(r.s);
    free(nodes);
    free(node_index);
    return 0;
}
