/* ABI: types of contract interfaces, and values to words and back.
 *
 * Types are parsed from text ("(address,uint256[],(bytes,bool)[2])"), values are trees over them.
 * The decoder refuses offsets and lengths outside of the data, padding that is not zero, and more
 * values than a limit, since offsets may point many times at the same bytes; offsets in another
 * order than our encoder's are accepted, as other encoders write them.
 *
 * Source: Solidity documentation, "Contract ABI Specification". fixedMxN is left out, which
 * Solidity can declare but not assign. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_ABI_H
#define ETH_ABI_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/u256.h"

#define ABI_DEPTH_MAX 16
#define ABI_TYPES_MAX 4096   /* types in one text */
#define ABI_VALUES_MAX 65536 /* values in one decoded tree */

enum abi_kind {
    ABI_UINT,
    ABI_INT, /* number is its two's complement in 256 bits */
    ABI_ADDRESS,
    ABI_BOOL,
    ABI_FIXED_BYTES, /* bytes1 .. bytes32, function */
    ABI_BYTES,
    ABI_STRING,
    ABI_ARRAY, /* T[] and T[n] */
    ABI_TUPLE,
};

struct abi_type {
    enum abi_kind kind;
    uint16_t size;                /* bits of UINT and INT, bytes of FIXED_BYTES */
    bool is_function;             /* FIXED_BYTES: an address and a selector, 24 bytes */
    bool has_length;              /* ARRAY: T[n] */
    uint64_t length;              /* ARRAY: n */
    struct bytes name;            /* of a tuple's component or event's parameter; may be empty */
    const struct abi_type *parts; /* ARRAY: the one element type; TUPLE: its components */
    size_t part_count;
};

struct abi_value {
    struct u256 number;            /* UINT, INT, BOOL (0 or 1) */
    struct address address;        /* ADDRESS */
    struct bytes bytes;            /* FIXED_BYTES (exactly its size), BYTES, STRING */
    const struct abi_value *items; /* ARRAY, TUPLE */
    size_t count;
};

/* abi_type_parse reads one type. `uint` and `int` mean 256 bits. Names of components and the words
 * indexed, memory, calldata, payable are accepted behind a type.
 * errors  ERR_SYNTAX (why->at), ERR_LIMIT (depth, types, arena). */
[[gnu::warn_unused_result]] int abi_type_parse(struct abi_type *ret, struct bytes text,
                                               struct arena *a, struct error *why);

/* abi_function_parse reads "name(types)" (the word function in front is allowed).
 * ret_name points into text; ret_inputs is a tuple. Errors as abi_type_parse. */
[[gnu::warn_unused_result]] int abi_function_parse(struct bytes *ret_name,
                                                   struct abi_type *ret_inputs, struct bytes text,
                                                   struct arena *a, struct error *why);

/* abi_type_format appends the canonical text, without names. */
void abi_type_format(struct buf *out, const struct abi_type *type);

/* abi_signature_hash: keccak256 of name and canonical types: the first four bytes are a function's
 * or error's selector, all are an event's first topic. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int abi_signature_hash(struct hash *ret, struct bytes name,
                                                   const struct abi_type *inputs,
                                                   struct error *why);

/* abi_encode appends a tuple's content, as call data has it behind the selector.
 * errors  ERR_RANGE (a number that its type cannot hold, a wrong count or size), ERR_INVALID (type
 *         is no tuple). The buf keeps its own failures. */
[[gnu::warn_unused_result]] int abi_encode(struct buf *out, const struct abi_type *type,
                                           const struct abi_value *value, struct error *why);

/* abi_decode reads a tuple's content from all of `in`; byte strings point into it, lists stand in
 * the arena. Bytes behind the last value that is used are accepted.
 * errors  ERR_SYNTAX (why->at), ERR_RANGE, ERR_LIMIT, ERR_INVALID (type is no tuple). */
[[gnu::warn_unused_result]] int abi_decode(struct abi_value *ret, const struct abi_type *type,
                                           struct bytes in, struct arena *a, struct error *why);

#endif
