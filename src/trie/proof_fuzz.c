/* What a proof shows, a sparse trie shows that is given the same nodes. The input is a list of
 * nodes, each with its length before it in two bytes, the deepest first: 32 bytes of 0xee in a node
 * stand for the hash of the one before it, so that chains of any form can be made. As JSON, it is
 * read as an eth_getProof result.
 * SPDX-License-Identifier: MIT */
#include "trie/proof.h"

#include "crypto/keccak.h"
#include "trie/trie.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NODES 16

struct nodes {
    uint8_t bytes[NODES][700];
    struct bytes node[NODES]; /* root first */
    size_t n;
};

static void set_references(uint8_t *node, size_t n, const struct hash *below) {
    uint8_t mark[32];
    memset(mark, 0xee, sizeof mark);
    for (size_t i = 0; i + 32 <= n; i++) {
        if (memcmp(node + i, mark, 32) == 0) memcpy(node + i, below->b, 32);
    }
}

static void read_nodes(struct nodes *l, struct bytes in) {
    struct hash below = {{0}};
    l->n = 0;
    while (in.n >= 2 && l->n < NODES) {
        size_t n = load_be16(in.p) % 700;
        in = bytes_slice(in, 2, SIZE_MAX);
        if (n > in.n) n = in.n;
        uint8_t *to = l->bytes[l->n++];
        memcpy(to, in.p, n);
        set_references(to, n, &below);
        memmove(l->node + 1, l->node, (l->n - 1) * sizeof *l->node);
        l->node[0] = bytes_make(to, n);
        below = keccak256(l->node[0]);
        in = bytes_slice(in, n, SIZE_MAX);
    }
}

static int get_node(void *arg, const struct trie_path *path, const struct trie_ref *ref,
                    struct bytes *ret, struct error *why) {
    const struct nodes *l = arg;
    (void)path;
    for (size_t i = 0; i < l->n; i++) {
        struct hash h = keccak256(l->node[i]);
        *ret = l->node[i];
        if (memcmp(h.b, ref->b, 32) == 0) return 0;
    }
    return error_set(why, ERR_NOT_FOUND, "not in the proof");
}

static void check_json(struct bytes in) {
    struct arena a;
    const struct json *doc;
    struct account_proof p;
    arena_init(&a, 4 << 20);
    if (json_parse(&doc, in, &a, NULL, NULL) == 0 && account_proof_decode(&p, doc, &a, NULL) == 0) {
        struct hash root = p.proof.count ? keccak256(p.proof.nodes[0]) : TRIE_EMPTY_ROOT;
        (void)!account_proof_check(NULL, &p, &root, NULL);
    }
    arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct nodes l;
    if (size && data[0] == '{') check_json(bytes_make(data, size));
    struct hash key = {{0}};
    if (size) key.b[0] = data[0];
    read_nodes(&l, bytes_slice(bytes_make(data, size), 1, SIZE_MAX));
    struct hash root = l.n ? keccak256(l.node[0]) : TRIE_EMPTY_ROOT;
    const struct proof proof = {l.node, l.n};
    struct bytes value, other;
    struct trie_pool *pool;
    struct trie t;
    if (proof_check(&value, &root, &key, &proof, NULL) != 0) return 0;
    if (trie_pool_create(&pool, 0, NULL) != 0) return 0;
    const struct trie_source source = {.get = get_node, .arg = &l};
    trie_init(&t, &root);
    int r = trie_get(pool, &t, &key, &source, &other, NULL, NULL);
    // A sparse trie refuses values longer than states have.
    if (r == ERR_LIMIT ? value.n <= TRIE_VALUE_MAX && value.n : r != 0) abort();
    if (r == 0 && !bytes_equal(value, other)) abort();
    trie_pool_free(pool);
    return 0;
}
