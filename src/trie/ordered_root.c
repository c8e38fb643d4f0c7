/* SPDX-License-Identifier: MIT */
#include "trie/ordered_root.h"

#include "crypto/keccak.h"
#include "eth/rlp.h"
#include "trie/account.h"
#include "trie/trie.h"

#define HEIGHTS 10 // a key has at most 4 bytes, 8 nibbles; a leaf, and one node for each

/* A node over the values [first, end) in the order of their keys. */
struct node {
    struct trie_ref ref;
    uint32_t next;      // of the same height
    uint32_t child[16]; // 1 + index, 0: none; an extension has child[0]
    uint32_t value;     // of a leaf
    uint32_t at, size;  // in the encodings of its height
    uint8_t depth, end; // nibbles: where it begins; where a leaf's or extension's path ends
    bool leaf, branch;
};

struct build {
    const struct bytes *values;
    struct hash *leaves; // NULL: none are known
    size_t count;
    struct node *nodes;
    uint32_t node_count;
    uint32_t heights[HEIGHTS]; // 1 + index of the first node
    unsigned top;
};

struct key {
    uint8_t b[4];
    uint8_t nibbles;
};

// The index of the k-th key in their order: single bytes from 1, the empty string for 0, longer.
static uint32_t index_at(size_t count, size_t k) {
    size_t single = count < 128 ? count - 1 : 127; // indices 1 to 127
    if (k < single) return (uint32_t)k + 1;
    return k == single ? 0 : (uint32_t)k;
}

static struct key key_of(uint32_t index) {
    if (index == 0) return (struct key){{0x80}, 2};
    if (index < 0x80) return (struct key){{(uint8_t)index}, 2};
    if (index < 0x100) return (struct key){{0x81, (uint8_t)index}, 4};
    if (index < 0x10000) return (struct key){{0x82, (uint8_t)(index >> 8), (uint8_t)index}, 6};
    return (struct key){{0x83, (uint8_t)(index >> 16), (uint8_t)(index >> 8), (uint8_t)index}, 8};
}

static unsigned nibble(const struct key *k, unsigned i) {
    uint8_t byte = k->b[i / 2];
    return i % 2 ? byte & 15u : byte >> 4;
}

static struct key key_at(const struct build *b, size_t k) {
    return key_of(index_at(b->count, k));
}

/* The shape. */

static uint32_t add_node(struct build *b, struct node node, unsigned height) {
    uint32_t i = b->node_count++;
    node.next = b->heights[height];
    b->nodes[i] = node;
    b->heights[height] = i + 1;
    if (height > b->top) b->top = height;
    return i + 1;
}

// Adds the nodes over [first, end) that share `depth` nibbles; *ret_height is the top one's.
static uint32_t shape(struct build *b, size_t first, size_t end, unsigned depth,
                      unsigned *ret_height) {
    struct key low = key_at(b, first), high = key_at(b, end - 1);
    if (end - first == 1) {
        *ret_height = 0;
        const struct node leaf = {.leaf = true,
                                  .value = index_at(b->count, first),
                                  .depth = (uint8_t)depth,
                                  .end = low.nibbles};
        return add_node(b, leaf, 0);
    }
    unsigned split = depth;
    while (nibble(&low, split) == nibble(&high, split)) {
        split++;
    }
    struct node branch = {.branch = true, .depth = (uint8_t)split};
    unsigned height = 0;
    for (size_t at = first, to; at < end; at = to) {
        struct key k = key_at(b, at);
        unsigned digit = nibble(&k, split), below;
        for (to = at + 1; to < end; to++) {
            struct key other = key_at(b, to);
            if (nibble(&other, split) != digit) break;
        }
        branch.child[digit] = shape(b, at, to, split + 1, &below);
        if (below + 1 > height) height = below + 1;
    }
    uint32_t i = add_node(b, branch, height);
    if (split > depth) {
        // All keys below have the path; the first one gives it.
        const struct node extension = {.child = {i},
                                       .value = index_at(b->count, first),
                                       .depth = (uint8_t)depth,
                                       .end = (uint8_t)split};
        i = add_node(b, extension, ++height);
    }
    *ret_height = height;
    return i;
}

/* Encodings. */

static void put_path(struct buf *out, const struct node *n) {
    struct key k = key_of(n->value);
    uint8_t path[5];
    size_t size = 0;
    unsigned at = n->depth, flag = n->leaf ? 2 : 0;
    if ((n->end - at) % 2) {
        path[size++] = (uint8_t)((flag + 1) << 4 | nibble(&k, at++));
    } else {
        path[size++] = (uint8_t)(flag << 4);
    }
    for (; at < n->end; at += 2) {
        path[size++] = (uint8_t)(nibble(&k, at) << 4 | nibble(&k, at + 1));
    }
    rlp_put_string(out, bytes_make(path, size));
}

static void put_ref(struct buf *out, const struct trie_ref *ref) {
    if (ref->n == 32) buf_append_byte(out, 0xa0);
    buf_append(out, bytes_make(ref->b, ref->n));
}

static void put_node(struct buf *out, const struct build *b, const struct node *n) {
    size_t list = rlp_list_begin(out);
    if (n->branch) {
        for (unsigned i = 0; i < 16; i++) {
            if (n->child[i]) {
                put_ref(out, &b->nodes[n->child[i] - 1].ref);
            } else {
                buf_append_byte(out, 0x80);
            }
        }
        buf_append_byte(out, 0x80);
    } else {
        put_path(out, n);
        if (n->leaf) {
            rlp_put_string(out, b->values[n->value]);
        } else {
            put_ref(out, &b->nodes[n->child[0] - 1].ref);
        }
    }
    rlp_list_close(out, list);
}

// A leaf that is the same node at every index.
static bool is_spent(const struct build *b, const struct node *n) {
    return b->leaves && n->leaf && n->depth == n->end;
}

static bool is_known(const struct build *b, const struct node *n) {
    return is_spent(b, n) && !hash_is_zero(&b->leaves[n->value]);
}

// Encodes and hashes all nodes of one height; those below have their references.
static int hash_height(struct build *b, unsigned height, struct arena *scratch, struct hash *hashes,
                       struct error *why) {
    struct buf out;
    size_t n = 0;
    buf_init(&out, UINT32_MAX);
    size_t most = 0;
    for (uint32_t i = b->heights[height]; i; i = b->nodes[i - 1].next) {
        const struct node *node = &b->nodes[i - 1];
        if (!is_known(b, node)) most += node->leaf ? b->values[node->value].n + 16 : TRIE_NODE_MAX;
    }
    if (most) (void)buf_reserve(&out, most);
    for (uint32_t i = b->heights[height]; i; i = b->nodes[i - 1].next) {
        struct node *node = &b->nodes[i - 1];
        if (is_known(b, node)) continue;
        node->at = (uint32_t)out.n;
        put_node(&out, b, node);
        node->size = (uint32_t)(out.n - node->at);
        n++;
    }
    struct keccak_job *jobs = arena_alloc_raw(scratch, (n ? n : 1) * sizeof *jobs);
    int r = jobs ? buf_check(&out, why) : error_set(why, ERR_NO_MEMORY, "no memory for a trie");
    size_t k = 0;
    for (uint32_t i = b->heights[height]; r == 0 && i; i = b->nodes[i - 1].next) {
        const struct node *node = &b->nodes[i - 1];
        if (is_known(b, node)) continue;
        jobs[k] = (struct keccak_job){bytes_make(out.p + node->at, node->size), &hashes[k]};
        k++;
    }
    if (r == 0) keccak256_scatter(jobs, n);
    k = 0;
    for (uint32_t i = b->heights[height]; r == 0 && i; i = b->nodes[i - 1].next) {
        struct node *node = &b->nodes[i - 1];
        if (is_known(b, node)) {
            node->ref.n = 32;
            memcpy(node->ref.b, b->leaves[node->value].b, 32);
            continue;
        }
        bool short_one = node->size < 32 && height < b->top; // a root is always hashed
        node->ref.n = short_one ? (uint8_t)node->size : 32;
        memcpy(node->ref.b, short_one ? out.p + node->at : hashes[k].b, node->ref.n);
        if (!short_one && is_spent(b, node)) b->leaves[node->value] = hashes[k];
        k++;
    }
    buf_free(&out);
    return r;
}

int trie_ordered_root(struct hash *ret, const struct bytes *values, size_t count,
                      struct arena *scratch, struct error *why) {
    return trie_ordered_root_known(ret, values, count, NULL, scratch, why);
}

int trie_ordered_root_known(struct hash *ret, const struct bytes *values, size_t count,
                            struct hash *leaves, struct arena *scratch, struct error *why) {
    struct build b = {.values = values, .leaves = leaves, .count = count};
    if (count > ORDERED_ROOT_MAX) return error_set(why, ERR_LIMIT, "a list of %zu values", count);
    if (count == 0) {
        *ret = TRIE_EMPTY_ROOT;
        return 0;
    }
    struct arena_mark mark = arena_mark(scratch);
    // A branch has two children at least, and at most one extension above it.
    b.nodes = arena_alloc_raw(scratch, 3 * count * sizeof *b.nodes);
    struct hash *hashes = arena_alloc_raw(scratch, count * sizeof *hashes);
    int r = b.nodes && hashes ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for a trie");
    unsigned height = 0;
    uint32_t top = r == 0 ? shape(&b, 0, count, 0, &height) : 0;
    for (unsigned i = 0; r == 0 && i <= height; i++) {
        r = hash_height(&b, i, scratch, hashes, why);
    }
    if (r == 0) memcpy(ret->b, b.nodes[top - 1].ref.b, 32);
    arena_rewind(scratch, mark);
    return r;
}
