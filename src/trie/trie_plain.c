/* SPDX-License-Identifier: MIT */
#include "trie/trie_plain.h"

#include "base/arena.h"
#include "crypto/keccak.h"
#include "eth/rlp.h"
#include "trie/account.h"

#include <stdlib.h>

/* A pair on its way to its place: where it stood in the input decides between equal keys. */
struct entry {
    struct bytes key;
    struct bytes value;
    size_t order;
};

static unsigned nibble(struct bytes key, size_t i) {
    uint8_t byte = key.p[i / 2];
    return i % 2 ? byte & 15 : byte >> 4;
}

static size_t nibbles(struct bytes key) {
    return 2 * key.n;
}

/* Appends the hex-prefix form of nibbles [from, to) of key as one RLP string. */
static void put_path(struct buf *out, struct bytes key, size_t from, size_t to, bool leaf) {
    uint8_t path[TRIE_PLAIN_KEY_MAX + 1];
    size_t n = 0;
    unsigned flag = leaf ? 2 : 0;
    if ((to - from) % 2) {
        path[n++] = (uint8_t)((flag + 1) << 4 | nibble(key, from));
        from++;
    } else {
        path[n++] = (uint8_t)(flag << 4);
    }
    for (; from < to; from += 2) {
        path[n++] = (uint8_t)(nibble(key, from) << 4 | nibble(key, from + 1));
    }
    rlp_put_string(out, (struct bytes){path, n});
}

static void put_node(struct buf *out, const struct entry *e, size_t count, size_t depth);

/* Appends what a parent holds of the node over these entries: itself if short, else its hash. */
static void put_reference(struct buf *out, const struct entry *e, size_t count, size_t depth) {
    struct buf node;
    buf_init(&node, 0);
    put_node(&node, e, count, depth);
    if (node.failed) {
        out->failed = node.failed;
    } else if (node.n < 32) {
        buf_append(out, buf_view(&node));
    } else {
        struct hash h = keccak256(buf_view(&node));
        rlp_put_string(out, BYTES_OF(h));
    }
    buf_free(&node);
}

/* Nibbles from `depth` on that the first and last (so all) of the sorted entries share. */
static size_t shared_end(const struct entry *e, size_t count, size_t depth) {
    struct bytes a = e[0].key, b = e[count - 1].key;
    size_t end = depth;
    while (end < nibbles(a) && end < nibbles(b) && nibble(a, end) == nibble(b, end)) {
        end++;
    }
    return end;
}

static void put_branch(struct buf *out, const struct entry *e, size_t count, size_t depth) {
    struct bytes value = {NULL, 0};
    if (nibbles(e[0].key) == depth) { // a key that ends here sorts before its extensions
        value = e[0].value;
        e++;
        count--;
    }
    for (unsigned digit = 0; digit < 16; digit++) {
        size_t n = 0;
        while (n < count && nibble(e[n].key, depth) == digit) {
            n++;
        }
        if (n == 0) {
            buf_append_byte(out, 0x80);
        } else {
            put_reference(out, e, n, depth + 1);
        }
        e += n;
        count -= n;
    }
    rlp_put_string(out, value);
}

/* Appends the node over `count` > 0 sorted entries that share their first `depth` nibbles. */
static void put_node(struct buf *out, const struct entry *e, size_t count, size_t depth) {
    size_t list = rlp_list_begin(out);
    size_t end = shared_end(e, count, depth);
    if (count == 1) {
        put_path(out, e[0].key, depth, nibbles(e[0].key), true);
        rlp_put_string(out, e[0].value);
    } else if (end > depth) {
        put_path(out, e[0].key, depth, end, false);
        put_reference(out, e, count, end);
    } else {
        put_branch(out, e, count, depth);
    }
    rlp_list_close(out, list);
}

static int compare_entries(const void *a, const void *b) {
    const struct entry *x = a, *y = b;
    int r = bytes_compare(x->key, y->key);
    if (r != 0) return r;
    return x->order < y->order ? -1 : 1;
}

/* Sorts; of equal keys keeps the last given, and drops it when its value is empty. */
static size_t sort_entries(struct entry *e, size_t count) {
    if (count > 1) qsort(e, count, sizeof *e, compare_entries);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count || !bytes_equal(e[i].key, e[i + 1].key);
        if (last && e[i].value.n > 0) e[kept++] = e[i];
    }
    return kept;
}

/* Root of entries that may be reordered. */
static int root_of(struct hash *ret, struct entry *e, size_t count, struct error *why) {
    count = sort_entries(e, count);
    if (count == 0) {
        *ret = TRIE_EMPTY_ROOT;
        return 0;
    }
    struct buf node;
    buf_init(&node, 0);
    put_node(&node, e, count, 0);
    int status = buf_check(&node, why);
    if (status == 0) *ret = keccak256(buf_view(&node));
    buf_free(&node);
    return status;
}

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a trie");
}

int trie_plain_root(struct hash *ret, const struct trie_pair *pairs, size_t count, bool secure,
                    struct error *why) {
    struct arena a;
    arena_init(&a, 0);
    struct entry *e = arena_new_array(&a, struct entry, count);
    struct hash *hashed = arena_new_array(&a, struct hash, secure ? count : 0);
    int status = e && hashed ? 0 : no_memory(why);
    for (size_t i = 0; i < count && status == 0; i++) {
        e[i] = (struct entry){.key = pairs[i].key, .value = pairs[i].value, .order = i};
        if (secure) {
            hashed[i] = keccak256(pairs[i].key);
            e[i].key = BYTES_OF(hashed[i]);
        } else if (pairs[i].key.n > TRIE_PLAIN_KEY_MAX) {
            status = error_set(why, ERR_LIMIT, "a trie key of %zu bytes", pairs[i].key.n);
        }
    }
    if (status == 0) status = root_of(ret, e, count, why);
    arena_free(&a);
    return status;
}

int trie_plain_ordered_root(struct hash *ret, const struct bytes *values, size_t count,
                            struct error *why) {
    struct arena a;
    arena_init(&a, 0);
    struct entry *e = arena_new_array(&a, struct entry, count);
    struct buf keys;
    buf_init(&keys, 0);
    // All keys are written before any is pointed at: the buffer moves while it grows.
    for (size_t i = 0; i < count; i++) {
        rlp_put_u64(&keys, i);
    }
    int status = e ? buf_check(&keys, why) : no_memory(why);
    size_t at = 0;
    for (size_t i = 0; i < count && status == 0; i++) {
        size_t n = rlp_size_u64(i);
        e[i] = (struct entry){.key = {keys.p + at, n}, .value = values[i], .order = i};
        at += n;
    }
    if (status == 0) status = root_of(ret, e, count, why);
    buf_free(&keys);
    arena_free(&a);
    return status;
}

int trie_plain_storage_root(struct hash *ret, const struct trie_plain_slot *slots, size_t count,
                            struct error *why) {
    struct arena a;
    arena_init(&a, 0);
    struct trie_pair *pairs = arena_new_array(&a, struct trie_pair, count);
    uint8_t(*values)[33] = arena_alloc_array(&a, count, sizeof *values);
    if (!pairs || !values) {
        arena_free(&a);
        return no_memory(why);
    }
    for (size_t i = 0; i < count; i++) {
        pairs[i].key = BYTES_OF(slots[i].key);
        if (u256_is_zero(slots[i].value)) continue;
        uint8_t be[32], *to = values[i];
        u256_store_be(be, slots[i].value);
        size_t n = (u256_bit_length(slots[i].value) + 7) / 8;
        if (n > 1 || be[31] >= 0x80) *to++ = (uint8_t)(0x80 + n);
        memcpy(to, be + 32 - n, n);
        pairs[i].value = (struct bytes){values[i], (size_t)(to - values[i]) + n};
    }
    int status = trie_plain_root(ret, pairs, count, true, why);
    arena_free(&a);
    return status;
}

int trie_plain_state_root(struct hash *ret, const struct trie_plain_account *accounts, size_t count,
                          struct error *why) {
    struct arena a;
    arena_init(&a, 0);
    struct trie_pair *pairs = arena_new_array(&a, struct trie_pair, count);
    int status = pairs ? 0 : no_memory(why);
    struct buf b;
    buf_init(&b, 0);
    for (size_t i = 0; i < count && status == 0; i++) {
        const struct trie_plain_account *from = &accounts[i];
        struct account value = {
            .nonce = from->nonce, .balance = from->balance, .code_hash = from->code_hash};
        status = trie_plain_storage_root(&value.storage_root, from->slots, from->slot_count, why);
        if (status != 0) break;
        buf_clear(&b);
        account_encode(&b, &value);
        status = buf_check(&b, why);
        pairs[i].key = BYTES_OF(from->address);
        pairs[i].value = arena_copy(&a, buf_view(&b));
        if (status == 0 && !pairs[i].value.p) status = no_memory(why);
    }
    if (status == 0) status = trie_plain_root(ret, pairs, count, true, why);
    buf_free(&b);
    arena_free(&a);
    return status;
}
