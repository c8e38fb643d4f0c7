/* SPDX-License-Identifier: MIT */
#include "crypto/sha256.h"
#include "eth/ssz.h"

/* Roots of one call: the roots of empty trees by height, made as far as they are needed. */
struct hasher {
    struct arena *a;
    struct hash empty[SSZ_DEPTH_MAX + 1]; // empty[0] is a chunk of zeros
    unsigned empty_count;
    int failed;
};

static struct hash pair(const struct hash *left, const struct hash *right) {
    struct hash two[2] = {*left, *right}, root;
    sha256_pairs(&root, two, 1);
    return root;
}

static const struct hash *empty_root(struct hasher *h, unsigned height) {
    for (; h->empty_count <= height; h->empty_count++) {
        const struct hash *below = &h->empty[h->empty_count - 1];
        h->empty[h->empty_count] = pair(below, below);
    }
    return &h->empty[height];
}

static unsigned depth_for(uint64_t chunks) {
    return chunks <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(chunks - 1);
}

/* Root of the tree of the given depth over chunks[0..count); the chunks are used up. There is room
 * for one more chunk behind them. */
static struct hash merkleize(struct hasher *h, struct hash *chunks, size_t count, unsigned depth) {
    if (count == 0) return *empty_root(h, depth);
    unsigned height = 0;
    for (; count > 1; height++) {
        if (count % 2) chunks[count++] = *empty_root(h, height);
        count /= 2;
        sha256_pairs(chunks, chunks, count);
    }
    for (; height < depth; height++) {
        chunks[0] = pair(&chunks[0], empty_root(h, height));
    }
    return chunks[0];
}

static struct hash *chunk_memory(struct hasher *h, size_t count) {
    struct hash *chunks = arena_alloc_array(h->a, count + 1, sizeof *chunks);
    if (!chunks) h->failed = ERR_LIMIT;
    return chunks;
}

/* Root of bytes, zero-padded to chunks, in a tree with room for limit_bytes. */
static struct hash bytes_root(struct hasher *h, struct bytes in, uint64_t limit_bytes) {
    struct hash zero = {{0}};
    size_t count = (in.n + 31) / 32;
    struct arena_mark mark = arena_mark(h->a);
    struct hash *chunks = chunk_memory(h, count);
    if (!chunks) return zero;
    if (in.n) memcpy(chunks, in.p, in.n); // the arena's memory is zeroed
    struct hash root = merkleize(h, chunks, count, depth_for((limit_bytes + 31) / 32));
    arena_rewind(h->a, mark);
    return root;
}

static struct hash with_length(struct hash root, uint64_t length) {
    struct hash l = {{0}};
    store_le64(l.b, length);
    return pair(&root, &l);
}

static struct hash root_of(struct hasher *h, const struct ssz_type *type, const void *value);

static struct hash bit_list_root(struct hasher *h, const struct ssz_type *type, struct bytes in) {
    struct hash zero = {{0}};
    struct arena_mark mark = arena_mark(h->a);
    uint8_t *bits = arena_alloc(h->a, in.n);
    if (!bits || in.n == 0) {
        h->failed = ERR_LIMIT;
        return zero;
    }
    memcpy(bits, in.p, in.n);
    unsigned top = 31 - (unsigned)__builtin_clz(bits[in.n - 1] | 1u);
    bits[in.n - 1] ^= (uint8_t)(1u << top);
    uint64_t count = 8 * (in.n - 1) + top;
    struct hash root = bytes_root(h, bytes_make(bits, (count + 7) / 8), (type->limit + 7) / 8);
    arena_rewind(h->a, mark);
    return with_length(root, count);
}

/* Basic elements are packed into chunks; all others give a chunk each. */
static struct hash elements_root(struct hasher *h, const struct ssz_type *element,
                                 const void *items, size_t count, uint64_t limit) {
    if (element->kind == SSZ_UINT64 || element->kind == SSZ_UINT256) {
        return bytes_root(h, bytes_make(items, count * element->memory), limit * element->memory);
    }
    struct hash root = {{0}};
    struct arena_mark mark = arena_mark(h->a);
    struct hash *chunks = chunk_memory(h, count);
    if (!chunks) return root;
    for (size_t i = 0; i < count; i++) {
        chunks[i] = root_of(h, element, (const uint8_t *)items + i * element->memory);
    }
    root = merkleize(h, chunks, count, depth_for(limit));
    arena_rewind(h->a, mark);
    return root;
}

static struct hash container_root(struct hasher *h, const struct ssz_type *type,
                                  const void *value) {
    struct hash chunks[65];
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct ssz_field *f = &type->fields[i];
        chunks[i] = root_of(h, f->type, (const uint8_t *)value + f->offset);
    }
    return merkleize(h, chunks, type->field_count, depth_for(type->field_count));
}

static struct hash root_of(struct hasher *h, const struct ssz_type *type, const void *value) {
    struct hash chunk = {{0}};
    switch (type->kind) {
    case SSZ_UINT64:
    case SSZ_UINT256:
    case SSZ_BOOL:
        memcpy(chunk.b, value, type->memory);
        return chunk;
    case SSZ_BYTES:
        return bytes_root(h, bytes_make(value, type->memory), type->limit);
    case SSZ_BYTE_LIST: {
        struct bytes in = *(const struct bytes *)value;
        return with_length(bytes_root(h, in, type->limit), in.n);
    }
    case SSZ_BIT_LIST:
        return bit_list_root(h, type, *(const struct bytes *)value);
    case SSZ_LIST: {
        const struct ssz_list *l = value;
        return with_length(elements_root(h, type->element, l->items, l->count, type->limit),
                           l->count);
    }
    case SSZ_VECTOR:
        return elements_root(h, type->element, value, (size_t)type->limit, type->limit);
    case SSZ_CONTAINER:
        return container_root(h, type, value);
    }
    return chunk;
}

int ssz_root(struct hash *ret, const struct ssz_type *type, const void *value, struct arena *a,
             struct error *why) {
    struct hasher h = {.a = a, .empty_count = 1};
    struct arena_mark mark = arena_mark(a);
    struct hash root = root_of(&h, type, value);
    arena_rewind(a, mark);
    if (h.failed) return error_set(why, ERR_LIMIT, "no memory left for a hash tree root");
    *ret = root;
    return 0;
}

struct hash ssz_domain_compute(enum ssz_domain domain, const uint8_t fork_version[4],
                               const struct hash *genesis_validators_root) {
    struct hash version = {{0}}, none = {{0}};
    memcpy(version.b, fork_version, 4);
    struct hash root = pair(&version, genesis_validators_root ? genesis_validators_root : &none);
    struct hash ret = {{0}};
    ret.b[3] = domain == SSZ_DOMAIN_BUILDER ? 1 : 0;
    memcpy(ret.b + 4, root.b, 28);
    return ret;
}

struct hash ssz_signing_root(const struct hash *object_root, const struct hash *domain) {
    return pair(object_root, domain);
}
