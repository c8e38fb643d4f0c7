/* SPDX-License-Identifier: MIT */
#include "evm_tool/witness.h"

#include "base/map.h"
#include "crypto/keccak.h"
#include "eth/rlp.h"
#include "trie/state_root.h"

#include <stdlib.h>

#define ITEMS_MAX (1u << 20) /* of one list */

/* A code or a node, by its hash. */
struct piece {
    struct hash hash;
    struct bytes bytes;
};

struct witness {
    struct arena memory;
    struct header *headers;
    struct hash *hashes; /* theirs */
    size_t header_count;
    struct map pieces;       /* struct piece */
    struct state_root *read; /* the parent's state */
};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a witness");
}

/* Reading. */

static int take_headers(struct witness *w, struct rlp_reader *all, struct error *why) {
    struct rlp_reader list = rlp_list(all, "headers");
    size_t n = rlp_count(&list, ITEMS_MAX, "headers");
    w->headers = arena_new_array(&w->memory, struct header, n + 1);
    w->hashes = arena_new_array(&w->memory, struct hash, n + 1);
    if (!w->headers || !w->hashes) return no_memory(why);
    while (rlp_more(&list)) {
        struct bytes one = rlp_raw(&list, "header");
        int r = header_decode(&w->headers[w->header_count], one, why);
        if (r != 0) return r;
        w->hashes[w->header_count++] = keccak256(one);
    }
    return 0;
}

static int take_pieces(struct witness *w, struct rlp_reader *all, const char *what,
                       struct error *why) {
    struct rlp_reader list = rlp_list(all, what);
    size_t n = rlp_count(&list, ITEMS_MAX, what);
    struct piece *pieces = arena_new_array(&w->memory, struct piece, n + 1);
    if (!pieces) return no_memory(why);
    for (struct piece *p = pieces; rlp_more(&list); p++) {
        p->bytes = rlp_string(&list, what);
        p->hash = keccak256(p->bytes);
        int r = map_put(&w->pieces, BYTES_OF(p->hash), p, NULL, why);
        if (r != 0) return r;
    }
    return 0;
}

static int find(const struct witness *w, struct bytes *ret, const void *hash, struct error *why) {
    const struct piece *p = map_get(&w->pieces, bytes_make(hash, 32));
    if (!p) return error_set(why, ERR_NOT_FOUND, "the witness lacks a code or a node");
    *ret = p->bytes;
    return 0;
}

static int find_node(void *arg, const struct hash *owner, const struct trie_path *path,
                     const struct trie_ref *ref, struct bytes *ret, struct error *why) {
    (void)owner, (void)path;
    if (ref->n != 32) return error_set(why, ERR_NOT_FOUND, "a node that has no hash");
    return find(arg, ret, ref->b, why);
}

static int open_root(struct witness *w, struct state_root **ret, struct error *why) {
    const struct state_root_options options = {.source = {.get = find_node, .arg = w}};
    return state_root_create(ret, &witness_parent(w)->state_root, &options, why);
}

int witness_open(struct witness **ret, struct bytes rlp, struct error *why) {
    struct witness *w = calloc(1, sizeof *w);
    struct rlp_source source;
    if (!w) return no_memory(why);
    arena_init(&w->memory, 0);
    map_init(&w->pieces, 0);
    struct rlp_reader top = rlp_open(&source, rlp, why), all = rlp_list(&top, "witness");
    int r = take_headers(w, &all, why);
    if (r == 0) r = take_pieces(w, &all, "codes", why);
    if (r == 0) r = take_pieces(w, &all, "nodes", why);
    while (r == 0 && rlp_more(&all)) {
        (void)rlp_raw(&all, "what else it has");
    }
    if (r == 0) r = rlp_finish(&top, "witness");
    if (r == 0 && w->header_count == 0) r = error_set(why, ERR_INVALID, "a witness has no header");
    if (r == 0) r = open_root(w, &w->read, why);
    if (r != 0) {
        witness_close(w);
        return r;
    }
    *ret = w;
    return 0;
}

void witness_close(struct witness *w) {
    if (!w) return;
    state_root_free(w->read);
    map_free(&w->pieces);
    arena_free(&w->memory);
    free(w);
}

// The newest of the headers.
const struct header *witness_parent(const struct witness *w) {
    const struct header *newest = &w->headers[0];
    for (size_t i = 1; i < w->header_count; i++) {
        if (w->headers[i].number > newest->number) newest = &w->headers[i];
    }
    return newest;
}

/* The state. */

static void ignore(void *arg, struct bytes node) {
    (void)arg, (void)node;
}

static int read_path(struct witness *w, const struct address *address, const struct hash *slot,
                     bool *ret_exists, struct account *ret, struct u256 *ret_value,
                     struct error *why) {
    static const struct state_proof_sink sink = {ignore, ignore, NULL};
    return state_root_prove(w->read, address, slot, ret_exists, ret, ret_value, &sink, why);
}

static int read_account(void *ctx, struct state_base_account *ret, const struct address *address,
                        struct error *why) {
    struct account a;
    struct u256 unused;
    bool exists;
    int r = read_path(ctx, address, NULL, &exists, &a, &unused, why);
    if (r != 0 && r != ERR_NOT_FOUND) return r;
    *ret = (struct state_base_account){.code_hash = STATE_EMPTY_CODE_HASH};
    if (r != 0 || !exists) return 0;
    *ret = (struct state_base_account){a.balance, a.nonce, a.code_hash, true,
                                       !hash_equal(&a.storage_root, &TRIE_EMPTY_ROOT)};
    return 0;
}

static int read_slot(void *ctx, struct u256 *ret, const struct address *address,
                     const struct u256 *key, struct error *why) {
    struct account a;
    struct hash slot;
    bool exists;
    u256_store_be(slot.b, *key);
    return read_path(ctx, address, &slot, &exists, &a, ret, why);
}

static int read_code(void *ctx, struct bytes *ret, const struct hash *hash, struct error *why) {
    return find(ctx, ret, hash->b, why);
}

struct state_reader witness_reader(struct witness *w) {
    return (struct state_reader){w, read_account, read_slot, read_code};
}

int witness_block_hash(void *ctx, struct hash *ret, uint64_t number, struct error *why) {
    const struct witness *w = ctx;
    for (size_t i = 0; i < w->header_count; i++) {
        bool its = w->headers[i].number == number;
        if (!its && w->headers[i].number != number + 1) continue;
        *ret = its ? w->hashes[i] : w->headers[i].parent_hash;
        return 0;
    }
    return error_set(why, ERR_NOT_FOUND, "the witness has no hash of block %llu",
                     (unsigned long long)number);
}

int witness_root(struct witness *w, struct hash *ret, const struct state_changes *changes,
                 struct error *why) {
    struct state_root *root = NULL;
    int r = open_root(w, &root, why);
    if (r == 0) {
        r = state_root_compute(root, ret, changes->accounts, changes->count, NULL, NULL, NULL, why);
    }
    state_root_free(root);
    return r;
}
