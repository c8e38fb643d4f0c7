/* SSZ: the serialisation and the Merkle roots of Ethereum's consensus layer, driven by
 * descriptions.
 *
 * A `struct ssz_type` describes a container once: its C struct, its fields, their limits. From it
 * follow strict decoding, encoding, hash_tree_root (here and in ssz_root.c) and the JSON of the
 * beacon, builder and relay APIs (ssz_json.h). containers.h has the descriptions.
 *
 * What a kind is in C:
 *   SSZ_UINT64     uint64_t                       SSZ_UINT256  struct u256
 *   SSZ_BOOL       bool                           SSZ_BYTES    uint8_t[limit] (bit vectors too)
 *   SSZ_BYTE_LIST  struct bytes                   SSZ_BIT_LIST struct bytes, with the length bit
 *   SSZ_LIST       SSZ_LIST_OF(element)           SSZ_VECTOR   element[limit], all of fixed size
 *   SSZ_CONTAINER  its struct
 * Decoded byte lists, bit lists and lists of SSZ_BYTES point into the input; all else is copied,
 * lists into the arena.
 *
 * Source: ethereum/consensus-specs, ssz/simple-serialize.md. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_SSZ_H
#define ETH_SSZ_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/u256.h"

#define SSZ_DEPTH_MAX 48 /* levels of a Merkle tree */

enum ssz_kind {
    SSZ_UINT64,
    SSZ_UINT256,
    SSZ_BOOL,
    SSZ_BYTES,
    SSZ_BYTE_LIST,
    SSZ_BIT_LIST,
    SSZ_LIST,
    SSZ_VECTOR,
    SSZ_CONTAINER,
};

struct ssz_type;

struct ssz_field {
    const char *name; /* as in the JSON of the APIs */
    size_t offset;    /* in the C struct */
    const struct ssz_type *type;
};

struct ssz_type {
    enum ssz_kind kind;
    uint32_t field_count; /* SSZ_CONTAINER */
    uint64_t limit;       /* bytes, bits or elements; exact for SSZ_BYTES and SSZ_VECTOR */
    size_t memory;        /* sizeof of the C value */
    const char *name;     /* SSZ_CONTAINER */
    const struct ssz_type *element; /* SSZ_LIST, SSZ_VECTOR */
    const struct ssz_field *fields; /* SSZ_CONTAINER */
};

/* Any list as this code sees it. */
struct ssz_list {
    const void *items;
    size_t count;
};
#define SSZ_LIST_OF(TYPE)                                                                          \
    struct {                                                                                       \
        const TYPE *items;                                                                         \
        size_t count;                                                                              \
    }

/* ssz_fixed_size gives the serialised size of a type whose values all have one, else 0. */
size_t ssz_fixed_size(const struct ssz_type *type);

/* ssz_size gives the serialised size of a value. */
size_t ssz_size(const struct ssz_type *type, const void *value);

/* ssz_encode appends the serialisation. */
void ssz_encode(struct buf *out, const struct ssz_type *type, const void *value);

/* ssz_decode reads exactly one value.
 * ret     type->memory bytes; unspecified after an error.
 * errors  ERR_SYNTAX (sizes, offsets, bits that must be 0; why->at: where), ERR_LIMIT (a list
 *         longer than its type allows; the arena). */
[[gnu::warn_unused_result]] int ssz_decode(void *ret, const struct ssz_type *type, struct bytes in,
                                           struct arena *a, struct error *why);

/* ssz_root gives the hash_tree_root. SHA-256 runs over whole levels at once.
 * a       scratch; as it was before when the call returns.  errors  ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int ssz_root(struct hash *ret, const struct ssz_type *type,
                                         const void *value, struct arena *a, struct error *why);

/* Domains and signing roots (consensus-specs, phase0 beacon-chain.md; builder-specs). */
enum ssz_domain {
    SSZ_DOMAIN_BEACON_PROPOSER, /* 0x00000000 */
    SSZ_DOMAIN_BUILDER,         /* 0x00000001: with the genesis version and no validators root */
};

/* ssz_domain_compute: the type || the first 28 bytes of the root of {version, validators root}.
 * genesis_validators_root  NULL for zeros. */
struct hash ssz_domain_compute(enum ssz_domain domain, const uint8_t fork_version[4],
                               const struct hash *genesis_validators_root);

/* ssz_signing_root: what is signed for an object's root in a domain. */
struct hash ssz_signing_root(const struct hash *object_root, const struct hash *domain);

#endif
