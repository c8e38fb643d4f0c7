/* Histories of a sparse trie against the plain one; each state's proofs hold.
 *
 * Two bytes make an update: which of 256 keys (in clusters with long common prefixes) and what
 * value; a value byte of 0 removes, keys from 0xf0 on end a batch or do something else.
 * SPDX-License-Identifier: MIT */
#include "trie/trie.h"

#include "crypto/keccak.h"
#include "trie/account.h"
#include "trie/proof.h"
#include "trie/trie_plain.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEYS 240

struct model {
    uint8_t n[KEYS];
    uint8_t value[KEYS][TRIE_VALUE_MAX];
};

// The nibbles of i, one behind another with runs of zeros between them.
static struct hash key_of(unsigned i) {
    struct hash h = {{0}};
    h.b[0] = (uint8_t)(i & 3);
    h.b[i & 4 ? 15 : 1] = (uint8_t)((i & 0x18) | 1);
    h.b[31] = (uint8_t)(i >> 5);
    return h;
}

static void set_value(struct model *m, unsigned i, uint8_t v) {
    m->n[i] = v < TRIE_VALUE_MAX ? v : (uint8_t)(v % 4 + 1);
    memset(m->value[i], v | 1, m->n[i]);
}

static int compare(const void *a, const void *b) {
    return trie_change_compare(a, b);
}

// The keys of a batch, each once with its last value.
static size_t make_changes(struct trie_change *c, const struct model *m, const bool *touched) {
    size_t n = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        if (!touched[i]) continue;
        c[n] = (struct trie_change){.key = key_of(i), .value_n = m->n[i]};
        memcpy(c[n++].value, m->value[i], m->n[i]);
    }
    qsort(c, n, sizeof *c, compare);
    return n;
}

static struct hash plain_root(const struct model *m) {
    static struct trie_pair pair[KEYS];
    static struct hash key[KEYS];
    struct hash root;
    for (unsigned i = 0; i < KEYS; i++) {
        key[i] = key_of(i);
        pair[i] = (struct trie_pair){BYTES_OF(key[i]), {m->value[i], m->n[i]}};
    }
    if (trie_plain_root(&root, pair, KEYS, false, NULL) != 0) abort();
    return root;
}

struct nodes {
    uint8_t bytes[PROOF_NODES_MAX][TRIE_NODE_MAX];
    struct bytes node[PROOF_NODES_MAX];
    size_t n;
};

static void collect(void *arg, struct bytes node) {
    struct nodes *l = arg;
    if (l->n == PROOF_NODES_MAX) abort();
    memcpy(l->bytes[l->n], node.p, node.n);
    l->node[l->n] = bytes_make(l->bytes[l->n], node.n);
    l->n++;
}

static void check_proof(struct trie_pool *pool, struct trie *t, const struct model *m, unsigned i) {
    static struct nodes l;
    struct hash key = key_of(i), root = trie_root(t);
    struct bytes value;
    l.n = 0;
    if (trie_prove(pool, t, &key, NULL, collect, &l, NULL) != 0) abort();
    const struct proof proof = {l.node, l.n};
    if (proof_check(&value, &root, &key, &proof, NULL) != 0) abort();
    if (!bytes_equal(value, bytes_make(m->value[i], m->n[i]))) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct trie_change changes[KEYS];
    struct model m = {0};
    bool touched[KEYS] = {false};
    struct trie_pool *pool;
    struct trie t;
    if (trie_pool_create(&pool, 0, NULL) != 0) return 0;
    trie_init(&t, &TRIE_EMPTY_ROOT);
    unsigned batches = 0;
    for (size_t at = 0; at + 1 < size && batches < 40; at += 2) {
        if (data[at] < KEYS) {
            set_value(&m, data[at], data[at + 1]);
            touched[data[at]] = true;
            if (at + 3 < size) continue;
        }
        size_t n = make_changes(changes, &m, touched);
        memset(touched, 0, sizeof touched);
        batches++;
        if (trie_apply(pool, &t, changes, n, NULL, NULL, NULL) != 0) abort();
        if (data[at + 1] % 4 == 0) continue; // hash several batches at once
        struct trie *tries[1] = {&t};
        if (trie_hash(pool, tries, 1, NULL, NULL, NULL) != 0) abort();
        struct hash expected = plain_root(&m), got = trie_root(&t);
        if (!hash_equal(&expected, &got)) abort();
        check_proof(pool, &t, &m, data[at + 1] % KEYS);
    }
    trie_pool_free(pool);
    return 0;
}
