/* Trie nodes to RLP and back.
 * SPDX-License-Identifier: MIT */
#include "crypto/keccak.h"
#include "eth/rlp.h"
#include "trie/trie_node.h"

#include <assert.h>

// Writes a list header for a payload below 2^16 bytes; gives its length.
static size_t put_list_header(uint8_t *out, size_t payload) {
    if (payload < 56) {
        out[0] = (uint8_t)(0xc0 + payload);
        return 1;
    }
    if (payload < 256) {
        out[0] = 0xf8;
        out[1] = (uint8_t)payload;
        return 2;
    }
    out[0] = 0xf9;
    store_be16(out + 1, (uint16_t)payload);
    return 3;
}

#define EACH_BYTE(n) ((n) * (uint64_t)0x0101010101010101)

void trie_branch_init(struct trie_branch *b) {
    memset(b, 0, sizeof *b);
    (void)put_list_header(b->rlp, TRIE_NODE_MAX - 3);
    for (unsigned i = 0; i < 16; i++) {
        trie_branch_ref(b, i)[-1] = 0xa0;
    }
    b->rlp[TRIE_NODE_MAX - 1] = 0x80; // the value, which keys of one length never have
    keccak_pad_end(b->rlp, TRIE_NODE_MAX);
}

size_t trie_branch_encode(uint8_t *out, const struct trie_branch *b) {
    if (trie_branch_full(b)) {
        memcpy(out, b->rlp, TRIE_NODE_MAX);
        return TRIE_NODE_MAX;
    }
    uint64_t n[2];
    memcpy(n, b->ref_n, sizeof n);
    if (((n[0] | n[1]) & ~EACH_BYTE(32)) == 0) { // no child is short
        size_t children = ((n[0] + n[1]) / 32 * EACH_BYTE(1)) >> 56;
        uint8_t *p = out + put_list_header(out, 17 + 32 * children);
        // Which children are there is chance: the hash is written in any case, and kept or not.
        const uint8_t *ref = b->rlp + 4;
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++, ref += 33) {
            size_t kept = n[i / 8] >> (8 * (i % 8)) & 32;
            *p++ = (uint8_t)(0x80 + kept);
            memcpy(p, ref, 32);
            p += kept;
        }
        *p++ = 0x80;
        return (size_t)(p - out);
    }
    size_t payload = 1;
    for (int i = 0; i < 16; i++) {
        payload += b->ref_n[i] ? b->ref_n[i] : 1u;
        payload += b->ref_n[i] == 32;
    }
    uint8_t *p = out + put_list_header(out, payload);
    for (int i = 0; i < 16; i++) {
        const uint8_t *ref = b->rlp + 4 + 33 * i;
        if (b->ref_n[i] == 32) {
            memcpy(p, ref - 1, 33);
            p += 33;
        } else if (b->ref_n[i]) {
            memcpy(p, ref, b->ref_n[i]);
            p += b->ref_n[i];
        } else {
            *p++ = 0x80;
        }
    }
    *p++ = 0x80;
    return (size_t)(p - out);
}

// How long put_path's string is, its header included.
static size_t path_size(unsigned nibbles) {
    return nibbles < 2 ? 1 : nibbles / 2 + 2;
}

// Hex-prefix form of nibbles [from, to) of key as an RLP string; gives its length, at most 34.
static size_t put_path(uint8_t *out, const uint8_t key[32], unsigned from, unsigned to,
                       unsigned flag) {
    unsigned count = to - from, n = count / 2 + 1;
    uint8_t *p = n == 1 ? out : out + 1;
    if (n > 1) out[0] = (uint8_t)(0x80 + n);
    if (count % 2) {
        *p++ = (uint8_t)((flag + 1) << 4 | trie_nibble(key, from++));
    } else {
        *p++ = (uint8_t)(flag << 4);
    }
    if (from % 2 == 0) {
        memcpy(p, key + from / 2, (to - from) / 2);
        p += (to - from) / 2;
    } else {
        for (; from < to; from += 2) {
            *p++ = (uint8_t)(trie_nibble(key, from) << 4 | trie_nibble(key, from + 1));
        }
    }
    return (size_t)(p - out);
}

size_t trie_leaf_encode(uint8_t *out, const struct trie_leaf *l, unsigned depth) {
    bool single = l->value_n == 1 && l->value[0] < 0x80;
    size_t value_header = single ? 0 : l->value_n < 56 ? 1 : 2;
    size_t payload = path_size(TRIE_DEPTH_MAX - depth) + value_header + l->value_n;
    uint8_t *p = out + put_list_header(out, payload);
    // As put_path does it; the path ends with the key, so whole bytes are left of it.
    unsigned count = TRIE_DEPTH_MAX - depth;
    if (count > 1) *p++ = (uint8_t)(0x80 + count / 2 + 1);
    *p++ = count % 2 ? (uint8_t)(0x30 | trie_nibble(l->key, depth)) : 0x20;
    memcpy(p, (const uint8_t *)l + (depth + 1) / 2, sizeof l->key); // what is too much goes
    p += count / 2;
    if (value_header == 2) *p++ = 0xb8;
    if (value_header) *p++ = (uint8_t)(value_header == 2 ? l->value_n : 0x80 + l->value_n);
    trie_value_copy(p, l->value, l->value_n); // there is room
    return (size_t)(p - out) + l->value_n;
}

size_t trie_extension_encode(uint8_t *out, const struct trie_extension *e, unsigned depth) {
    uint8_t body[80];
    uint8_t *p = body + put_path(body, e->key, depth, e->end, 0);
    if (e->ref.n == 32) *p++ = 0xa0;
    memcpy(p, e->ref.b, e->ref.n);
    p += e->ref.n;
    size_t payload = (size_t)(p - body), header = put_list_header(out, payload);
    memcpy(out + header, body, payload);
    return header + payload;
}

size_t trie_node_encode(uint8_t *out, const struct trie_pool *pool, uint32_t node, unsigned depth) {
    switch (trie_kind(node)) {
    case TRIE_LEAF:
        return trie_leaf_encode(out, trie_leaf_at(pool, node), depth);
    case TRIE_EXTENSION:
        return trie_extension_encode(out, trie_extension_at(pool, node), depth);
    case TRIE_BRANCH:
        return trie_branch_encode(out, trie_branch_at(pool, node));
    case TRIE_NONE:
        break;
    }
    assert(false);
    return 0;
}

// A child as it stands in its parent: nothing, a short node in place, or a hash.
static int decode_reference(uint8_t *ret_n, uint8_t *ret, const struct rlp_item *item,
                            struct error *why) {
    struct bytes ref = item->is_list ? item->encoding : item->payload;
    bool ok = item->is_list ? ref.n < 32 : ref.n == 32 || ref.n == 0;
    if (!ok) return error_set(why, ERR_SYNTAX, "trie node: a child reference of %zu bytes", ref.n);
    *ret_n = (uint8_t)ref.n;
    if (ref.n) memcpy(ret, ref.p, ref.n);
    return 0;
}

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a trie node");
}

static int decode_branch(uint32_t *ret, struct trie_pool *pool, const struct rlp_item item[17],
                         struct error *why) {
    if (item[16].is_list || item[16].payload.n) {
        return error_set(why, ERR_SYNTAX, "trie node: a branch with a value among 32-byte keys");
    }
    uint32_t node = trie_node_new(pool, TRIE_BRANCH);
    if (!node) return no_memory(why);
    struct trie_branch *b = trie_branch_at(pool, node);
    trie_branch_init(b);
    unsigned children = 0;
    for (unsigned i = 0; i < 16; i++) {
        int r = decode_reference(&b->ref_n[i], trie_branch_ref(b, i), &item[i], why);
        if (r != 0) {
            trie_node_free(pool, node);
            return r;
        }
        children += b->ref_n[i] != 0;
    }
    if (children < 2) {
        trie_node_free(pool, node);
        return error_set(why, ERR_SYNTAX, "trie node: a branch with %u children", children);
    }
    *ret = node;
    return 0;
}

// Puts the nibbles of a hex-prefix path behind the first `depth` of key; gives where they end.
static int decode_path(uint8_t key[32], unsigned depth, struct bytes path, unsigned *ret_end,
                       bool *ret_leaf, struct error *why) {
    if (path.n == 0 || path.p[0] >> 4 > 3 || (!(path.p[0] & 0x10) && path.p[0] & 15)) {
        return error_set(why, ERR_SYNTAX, "trie node: not a hex-prefix path");
    }
    bool odd = path.p[0] & 0x10;
    size_t count = 2 * (path.n - 1) + odd;
    *ret_leaf = path.p[0] & 0x20;
    if (count > TRIE_DEPTH_MAX - depth) {
        return error_set(why, ERR_SYNTAX, "trie node: a path longer than its key");
    }
    for (size_t i = 0; i < count; i++) {
        size_t at = odd ? i + 1 : i + 2; // nibble of the encoded path
        unsigned nibble = at % 2 ? path.p[at / 2] & 15u : path.p[at / 2] >> 4;
        trie_nibble_set(key, depth + (unsigned)i, nibble);
    }
    *ret_end = depth + (unsigned)count;
    return 0;
}

static int decode_short(uint32_t *ret, struct trie_pool *pool, const uint8_t key[32],
                        unsigned depth, const struct rlp_item item[2], struct error *why) {
    uint8_t full[32];
    memcpy(full, key, sizeof full);
    unsigned end = depth;
    bool leaf = false;
    if (item[0].is_list) return error_set(why, ERR_SYNTAX, "trie node: a path that is a list");
    int r = decode_path(full, depth, item[0].payload, &end, &leaf, why);
    if (r != 0) return r;
    if (leaf) {
        if (end != TRIE_DEPTH_MAX || item[1].is_list || item[1].payload.n == 0) {
            return error_set(why, ERR_SYNTAX, "trie node: a leaf of a key of %u nibbles", end);
        }
        if (item[1].payload.n > TRIE_VALUE_MAX) {
            return error_set(why, ERR_LIMIT, "trie node: a value of %zu bytes, %u are the most",
                             item[1].payload.n, TRIE_VALUE_MAX);
        }
        uint32_t node = trie_node_new(pool, TRIE_LEAF);
        if (!node) return no_memory(why);
        struct trie_leaf *l = trie_leaf_at(pool, node);
        memcpy(l->key, full, 32);
        l->unsaved = false;
        l->value_n = (uint8_t)item[1].payload.n;
        memcpy(l->value, item[1].payload.p, l->value_n);
        *ret = node;
        return 0;
    }
    struct trie_ref ref = {0};
    r = decode_reference(&ref.n, ref.b, &item[1], why);
    if (r != 0) return r;
    if (end == depth || end == TRIE_DEPTH_MAX || ref.n == 0) {
        return error_set(why, ERR_SYNTAX, "trie node: an extension of no use");
    }
    uint32_t node = trie_node_new(pool, TRIE_EXTENSION);
    if (!node) return no_memory(why);
    struct trie_extension *e = trie_extension_at(pool, node);
    *e = (struct trie_extension){.end = (uint8_t)end, .ref = ref};
    memcpy(e->key, full, 32);
    *ret = node;
    return 0;
}

int trie_node_decode(uint32_t *ret, struct trie_pool *pool, const uint8_t key[32], unsigned depth,
                     struct bytes rlp, struct error *why) {
    struct rlp_item list, item[17];
    int r = rlp_next(&list, &rlp, why);
    if (r != 0) return r;
    if (!list.is_list || rlp.n) return error_set(why, ERR_SYNTAX, "trie node: not one list");
    struct bytes rest = list.payload;
    unsigned n = 0;
    while (rest.n) {
        if (n == 17) return error_set(why, ERR_SYNTAX, "trie node: more than 17 items");
        r = rlp_next(&item[n], &rest, why);
        if (r != 0) return r;
        n++;
    }
    if (n == 17 && depth < TRIE_DEPTH_MAX) return decode_branch(ret, pool, item, why);
    if (n == 2) return decode_short(ret, pool, key, depth, item, why);
    return error_set(why, ERR_SYNTAX, "trie node: %u items at depth %u", n, depth);
}
