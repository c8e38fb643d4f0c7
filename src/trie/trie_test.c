/* The sparse trie against the plain one, over random histories.
 * SPDX-License-Identifier: MIT */
#include "trie/trie.h"

#include "crypto/keccak.h"
#include "test/harness/test.h"
#include "trie/account.h"
#include "trie/team.h"
#include "trie/trie_node.h"
#include "trie/trie_plain.h"

#include <stdlib.h>

#define KEYS 400

static uint64_t seed;

static uint64_t next(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* A model: keys, and what stands at them. */
struct model {
    struct hash key[KEYS];
    uint8_t value[KEYS][TRIE_VALUE_MAX];
    uint8_t value_n[KEYS];
};

static bool is_new(const struct model *m, size_t i) {
    for (size_t k = 0; k < i; k++) {
        if (hash_equal(&m->key[k], &m->key[i])) return false;
    }
    return true;
}

// Keys in clusters that share long prefixes, so that extensions and short nodes appear.
static void model_init(struct model *m, uint64_t s) {
    seed = s;
    memset(m, 0, sizeof *m);
    for (size_t i = 0; i < KEYS; i += is_new(m, i)) {
        for (int k = 0; k < 32; k++) {
            m->key[i].b[k] = (uint8_t)next();
        }
        unsigned shared = (unsigned)(next() % 70);
        if (i == 0 || shared >= 64) continue;
        const struct hash base = m->key[next() % i];
        for (unsigned k = 0; k < shared; k++) {
            unsigned mask = k % 2 ? 15 : 0xf0;
            m->key[i].b[k / 2] = (uint8_t)((m->key[i].b[k / 2] & ~mask) | (base.b[k / 2] & mask));
        }
    }
}

static struct hash model_root(const struct model *m) {
    struct trie_pair pair[KEYS];
    struct error why;
    struct hash root;
    for (size_t i = 0; i < KEYS; i++) {
        pair[i] = (struct trie_pair){BYTES_OF(m->key[i]), {m->value[i], m->value_n[i]}};
    }
    CHECK_OK(trie_plain_root(&root, pair, KEYS, false, &why), &why);
    return root;
}

// Chooses changes (some of them remove, some remove what is not there), makes them in the model.
static size_t model_change(struct model *m, struct trie_change *c, size_t most, unsigned removes) {
    size_t n = 0;
    bool taken[KEYS] = {false};
    for (size_t want = 1 + next() % most; n < want; n++) {
        size_t i = next() % KEYS;
        if (taken[i]) break;
        taken[i] = true;
        c[n] = (struct trie_change){.key = m->key[i]};
        if (next() % 100 >= removes) {
            c[n].value_n = (uint8_t)(1 + next() % (next() % 3 ? 4 : TRIE_VALUE_MAX));
            for (int k = 0; k < c[n].value_n; k++) {
                c[n].value[k] = (uint8_t)next();
            }
        }
        m->value_n[i] = c[n].value_n;
        memcpy(m->value[i], c[n].value, c[n].value_n);
    }
    qsort(c, n, sizeof *c, trie_change_compare);
    return n;
}

static struct hash hash_trie(struct trie_pool *pool, struct trie *t, struct trie_team *team) {
    struct error why;
    CHECK_OK(trie_hash(pool, &t, 1, team, NULL, &why), &why);
    return trie_root(t);
}

static void check_root(const struct hash *got, const struct hash *expected) {
    CHECK_BYTES(BYTES_OF(*got), BYTES_OF(*expected));
}

TEST(trie_follows_the_plain_one) {
    struct error why;
    struct trie_pool *pool;
    CHECK_OK(trie_pool_create(&pool, 0, &why), &why);
    struct trie_team *team;
    CHECK_OK(trie_team_create(&team, 3, &why), &why);
    static struct model m;
    static struct trie_change c[KEYS];
    for (uint64_t s = 1; s <= 12; s++) {
        model_init(&m, s * 7919);
        struct trie t;
        trie_init(&t, &TRIE_EMPTY_ROOT);
        for (int round = 0; round < 40; round++) {
            size_t n = model_change(&m, c, round % 7 == 0 ? KEYS : 12, round % 3 ? 45 : 90);
            CHECK_OK(trie_apply(pool, &t, c, n, NULL, NULL, &why), &why);
            struct hash got = hash_trie(pool, &t, s % 2 ? team : NULL), expected = model_root(&m);
            check_root(&got, &expected);
        }
        trie_release(pool, &t);
    }
    trie_team_free(team);
    trie_pool_free(pool);
}

// Makes the changes as a candidate's are made: first those that keep the trie's shape, then the
// rest.
// The ways to keys are kept as long as nothing else was changed.
static struct hash overwrite(struct trie_pool *pool, struct trie *t, struct trie_change *c,
                             size_t n, bool each, const struct model *m,
                             struct trie_way known[KEYS], struct trie_work *work, size_t *done) {
    static struct trie_batch batch[KEYS];
    struct trie_way *ways[KEYS];
    struct error why;
    size_t batches = each ? n : 1, left = 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (!hash_equal(&m->key[k], &c[i].key)) {
            k++;
        }
        ways[i] = &known[k];
    }
    for (size_t i = 0; i < batches; i++) {
        batch[i] = (struct trie_batch){t, c + i, each ? 1 : n, ways + i, false};
    }
    CHECK_OK(trie_overwrite(pool, batch, batches, work, &why), &why);
    for (size_t i = 0; i < batches; i++) {
        *done += batch[i].done ? batch[i].count : 0;
        for (size_t k = 0; k < batch[i].count; k++) {
            if (batch[i].done) {
                CHECK(c[i + k].old_known);
            } else {
                CHECK(!c[i + k].old_known);
                c[left++] = c[i + k];
            }
        }
    }
    CHECK_OK(trie_apply(pool, t, c, left, NULL, NULL, &why), &why);
    if (left) memset(known, 0, KEYS * sizeof *known);
    if (t->dirty) {
        trie_work_reset(work);
        CHECK_OK(trie_list(pool, t, work, &why), &why);
    }
    trie_hash_listed(pool, &work, 1, NULL, NULL);
    return trie_root(t);
}

TEST(trie_overwritten_in_place_follows_the_plain_one) {
    struct error why;
    struct trie_pool *pool;
    struct trie_work *work;
    CHECK_OK(trie_pool_create(&pool, 0, &why), &why);
    CHECK_OK(trie_work_create(&work, &why), &why);
    static struct model m;
    static struct trie_change c[KEYS], kept[KEYS];
    static struct trie_way known[KEYS];
    size_t done = 0;
    for (uint64_t s = 1; s <= 12; s++) {
        model_init(&m, s * 104729);
        struct trie t;
        trie_init(&t, &TRIE_EMPTY_ROOT);
        memset(known, 0, sizeof known);
        for (int round = 0; round < 60; round++) {
            size_t n = model_change(&m, c, round % 7 == 0 ? KEYS : 12, round % 5 ? 0 : 30);
            memcpy(kept, c, n * sizeof *c);
            struct hash got = overwrite(pool, &t, c, n, round % 2, &m, known, work, &done);
            struct hash expected = model_root(&m);
            check_root(&got, &expected);
            if (s % 2) continue;
            // Nothing is left to be hashed, and the same again changes nothing.
            memcpy(c, kept, n * sizeof *c);
            struct trie_stats stats = {0};
            struct trie *tries[1] = {&t};
            CHECK_OK(trie_apply(pool, &t, c, n, NULL, NULL, &why), &why);
            CHECK_OK(trie_hash(pool, tries, 1, NULL, &stats, &why), &why);
            CHECK_I64((int64_t)stats.nodes_hashed, 0);
            memset(known, 0, sizeof known);
        }
        trie_release(pool, &t);
    }
    CHECK(done > 300);
    trie_work_free(work);
    trie_pool_free(pool);
}

TEST(trie_overwrite_leaves_what_is_not_listed) {
    struct error why;
    struct trie_pool *pool;
    struct trie_work *work;
    CHECK_OK(trie_pool_create(&pool, 0, &why), &why);
    CHECK_OK(trie_work_create(&work, &why), &why);
    struct trie_change c[2] = {{.key = {{1}}, .value_n = 1, .value = {1}},
                               {.key = {{2}}, .value_n = 1, .value = {2}}};
    struct trie t;
    trie_init(&t, &TRIE_EMPTY_ROOT);
    CHECK_OK(trie_apply(pool, &t, c, 2, NULL, NULL, &why), &why);
    c[0].value[0] = c[1].value[0] = 3;
    struct trie_batch batch[2] = {{&t, c, 1, NULL, true}, {&t, c + 1, 1, NULL, true}};
    CHECK_OK(trie_overwrite(pool, batch, 2, work, &why), &why);
    CHECK(!batch[0].done && !batch[1].done);
    struct hash before = hash_trie(pool, &t, NULL);
    // Now it is up to date; two batches of one trie list its root once.
    CHECK_OK(trie_overwrite(pool, batch, 2, work, &why), &why);
    CHECK(batch[0].done && batch[1].done);
    struct trie_stats stats = {0};
    trie_hash_listed(pool, &work, 1, NULL, &stats);
    CHECK_I64((int64_t)stats.nodes_hashed, 4);
    struct hash after = trie_root(&t);
    CHECK(!hash_equal(&before, &after));
    trie_work_free(work);
    trie_pool_free(pool);
}

TEST(trie_taken_back_gives_the_root_before) {
    struct error why;
    struct trie_pool *pool;
    CHECK_OK(trie_pool_create(&pool, 0, &why), &why);
    static struct model m;
    static struct trie_change c[KEYS];
    model_init(&m, 4242);
    struct trie t;
    trie_init(&t, &TRIE_EMPTY_ROOT);
    CHECK_OK(trie_apply(pool, &t, c, model_change(&m, c, KEYS, 20), NULL, NULL, &why), &why);
    struct hash before = hash_trie(pool, &t, NULL);
    for (int round = 0; round < 100; round++) {
        struct model kept = m;
        size_t n = model_change(&m, c, 30, 50);
        CHECK_OK(trie_apply(pool, &t, c, n, NULL, NULL, &why), &why);
        (void)hash_trie(pool, &t, NULL);
        for (size_t i = 0; i < n; i++) {
            CHECK(c[i].old_known);
            struct trie_change back = {.key = c[i].key, .value_n = c[i].old_n};
            memcpy(back.value, c[i].old, c[i].old_n);
            c[i] = back;
        }
        CHECK_OK(trie_apply(pool, &t, c, n, NULL, NULL, &why), &why);
        struct hash after = hash_trie(pool, &t, NULL);
        check_root(&after, &before);
        m = kept;
    }
    trie_release(pool, &t);
    trie_pool_free(pool);
}

/* A store of nodes by path, as simple as can be. */
#define STORED_MAX 4096
struct stored {
    struct trie_path path;
    uint8_t n;
    bool in_use;
    uint16_t size;
    uint8_t node[TRIE_NODE_MAX];
};
static struct stored store[STORED_MAX];
static size_t stored_n;

static struct stored *store_find(const struct trie_path *path) {
    for (size_t i = 0; i < stored_n; i++) {
        if (store[i].path.depth == path->depth && !memcmp(store[i].path.key, path->key, 32)) {
            return &store[i];
        }
    }
    return NULL;
}

static int store_put(void *arg, const struct trie_path *path, struct bytes node,
                     struct error *why) {
    (void)arg;
    (void)why;
    struct stored *s = store_find(path);
    if (!s && node.n) {
        CHECK(stored_n < STORED_MAX);
        s = &store[stored_n++];
        s->path = *path;
    }
    if (s) {
        s->size = (uint16_t)node.n;
        if (node.n) memcpy(s->node, node.p, node.n);
    }
    return 0;
}

static int store_get(void *arg, const struct trie_path *path, const struct trie_ref *ref,
                     struct bytes *ret, struct error *why) {
    (void)arg;
    (void)ref;
    const struct stored *s = store_find(path);
    if (!s || !s->size) return error_set(why, ERR_NOT_FOUND, "not in the store");
    *ret = bytes_make(s->node, s->size);
    return 0;
}

static size_t store_count(void) {
    size_t n = 0;
    for (size_t i = 0; i < stored_n; i++) {
        n += store[i].size != 0;
    }
    return n;
}

TEST(trie_goes_on_from_what_a_store_holds) {
    struct error why;
    struct trie_pool *pool;
    CHECK_OK(trie_pool_create(&pool, 0, &why), &why);
    static struct model m;
    static struct trie_change c[KEYS];
    const struct trie_store_sink sink = {store_put, NULL};
    const struct trie_source source = {store_get, NULL, false};
    for (uint64_t s = 1; s <= 4; s++) {
        model_init(&m, s * 104729);
        stored_n = 0;
        struct hash root = TRIE_EMPTY_ROOT;
        for (int round = 0; round < 25; round++) {
            struct trie t;
            trie_init(&t, &root);
            t.stored = true;
            // Several batches between two stores, so that nodes leave paths and come back.
            for (int batch = 0; batch < 3; batch++) {
                size_t n = model_change(&m, c, round == 0 ? KEYS : 20, round % 5 == 4 ? 95 : 45);
                CHECK_OK(trie_apply(pool, &t, c, n, &source, NULL, &why), &why);
                root = hash_trie(pool, &t, NULL);
            }
            struct hash expected = model_root(&m);
            check_root(&root, &expected);
            CHECK_OK(trie_store_changes(pool, &t, &sink, &why), &why);
            trie_release(pool, &t);
        }
        for (size_t i = 0; i < KEYS; i++) {
            struct trie t;
            struct bytes value;
            trie_init(&t, &root);
            CHECK_OK(trie_get(pool, &t, &m.key[i], &source, &value, NULL, &why), &why);
            CHECK_BYTES(value, bytes_make(m.value[i], m.value_n[i]));
            trie_release(pool, &t);
        }
        // Emptied, nothing may be left behind in the store.
        struct trie t;
        trie_init(&t, &root);
        t.stored = true;
        for (size_t i = 0; i < KEYS; i++) {
            c[i] = (struct trie_change){.key = m.key[i]};
        }
        qsort(c, KEYS, sizeof *c, trie_change_compare);
        CHECK_OK(trie_apply(pool, &t, c, KEYS, &source, NULL, &why), &why);
        root = hash_trie(pool, &t, NULL);
        check_root(&root, &TRIE_EMPTY_ROOT);
        CHECK_OK(trie_store_changes(pool, &t, &sink, &why), &why);
        CHECK_I64((int64_t)store_count(), 0);
        trie_release(pool, &t);
    }
    trie_pool_free(pool);
}

static struct trie_missing wanted[512];
static size_t wanted_n;

static void want(void *arg, const struct trie_missing *missing) {
    (void)arg;
    CHECK(wanted_n < sizeof wanted / sizeof wanted[0]);
    wanted[wanted_n++] = *missing;
}

TEST(trie_tells_what_is_missing_and_goes_on_when_it_is_revealed) {
    struct error why;
    struct trie_pool *pool;
    CHECK_OK(trie_pool_create(&pool, 0, &why), &why);
    static struct model m;
    static struct trie_change c[KEYS];
    const struct trie_store_sink sink = {store_put, NULL};
    const struct trie_missing_sink missing = {want, NULL};
    model_init(&m, 31337);
    stored_n = 0;
    struct trie t;
    trie_init(&t, &TRIE_EMPTY_ROOT);
    t.stored = true;
    CHECK_OK(trie_apply(pool, &t, c, model_change(&m, c, KEYS, 10), NULL, NULL, &why), &why);
    struct hash root = hash_trie(pool, &t, NULL);
    CHECK_OK(trie_store_changes(pool, &t, &sink, &why), &why);
    trie_release(pool, &t);

    const struct model parent = m;
    for (int round = 0; round < 60; round++) {
        m = parent;
        trie_init(&t, &root);
        size_t n = model_change(&m, c, 40, 60);
        int status, asked = 0;
        for (;;) {
            wanted_n = 0;
            status = trie_apply(pool, &t, c, n, NULL, &missing, &why);
            if (status != ERR_NOT_FOUND) break;
            CHECK(wanted_n > 0 && asked++ < 100);
            for (size_t i = 0; i < wanted_n; i++) {
                const struct stored *s = store_find(&wanted[i].path);
                CHECK(s != NULL);
                CHECK_OK(trie_reveal(pool, &t, &s->path, bytes_make(s->node, s->size), &why), &why);
            }
        }
        CHECK_OK(status, &why);
        struct hash got = hash_trie(pool, &t, NULL), expected = model_root(&m);
        check_root(&got, &expected);
        // Old values are those of the parent, however often the batch was tried.
        for (size_t i = 0; i < n; i++) {
            for (size_t k = 0; k < KEYS; k++) {
                if (!hash_equal(&c[i].key, &parent.key[k])) continue;
                CHECK_BYTES(bytes_make(c[i].old, c[i].old_n),
                            bytes_make(parent.value[k], parent.value_n[k]));
            }
        }
        trie_release(pool, &t);
    }
    // A node that is not the one is refused.
    trie_init(&t, &root);
    struct trie_path top = {.depth = 0};
    CHECK_ERR(trie_reveal(pool, &t, &top, BYTES_LIT("\xc2\x20\x01"), &why), ERR_INVALID);
    trie_pool_free(pool);
}

struct proof {
    uint8_t node[64][TRIE_NODE_MAX];
    size_t n[64], count;
};

static void proof_add(void *arg, struct bytes node) {
    struct proof *p = arg;
    CHECK(p->count < 64);
    memcpy(p->node[p->count], node.p, node.n);
    p->n[p->count++] = node.n;
}

TEST(trie_proofs_lead_from_the_root) {
    struct error why;
    struct trie_pool *pool;
    CHECK_OK(trie_pool_create(&pool, 0, &why), &why);
    static struct model m;
    static struct trie_change c[KEYS];
    model_init(&m, 99);
    struct trie t;
    trie_init(&t, &TRIE_EMPTY_ROOT);
    CHECK_OK(trie_apply(pool, &t, c, model_change(&m, c, KEYS, 30), NULL, NULL, &why), &why);
    static struct proof proof;
    CHECK_ERR(trie_prove(pool, &t, &m.key[0], NULL, proof_add, &proof, &why), ERR_INTERNAL);
    struct hash root = hash_trie(pool, &t, NULL);
    for (size_t i = 0; i < KEYS; i++) {
        proof.count = 0;
        CHECK_OK(trie_prove(pool, &t, &m.key[i], NULL, proof_add, &proof, &why), &why);
        CHECK(proof.count > 0);
        struct hash first = keccak256(bytes_make(proof.node[0], proof.n[0]));
        check_root(&first, &root);
        for (size_t k = 0; k + 1 < proof.count; k++) {
            struct hash h = keccak256(bytes_make(proof.node[k + 1], proof.n[k + 1]));
            CHECK(memmem(proof.node[k], proof.n[k], h.b, 32) != NULL);
        }
    }
    trie_pool_free(pool);
}

TEST(trie_keeps_its_memory_limit) {
    struct error why;
    struct trie_pool *pool;
    CHECK_OK(trie_pool_create(&pool, 3 << 20, &why), &why);
    static struct trie_change c[20000];
    for (size_t i = 0; i < 20000; i++) {
        c[i] = (struct trie_change){.key = keccak256(bytes_make(&i, sizeof i)), .value_n = 1};
        c[i].value[0] = 1;
    }
    qsort(c, 20000, sizeof *c, trie_change_compare);
    struct trie t;
    trie_init(&t, &TRIE_EMPTY_ROOT);
    CHECK_ERR(trie_apply(pool, &t, c, 20000, NULL, NULL, &why), ERR_NO_MEMORY);
    CHECK(trie_pool_bytes(pool) <= 3 << 20);
    trie_pool_free(pool);
}

TEST_MAIN()
