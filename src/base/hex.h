/* Hex: bytes to digits and back, and the two hex forms of the Ethereum JSON-RPC.
 *
 * DATA is "0x" and two digits a byte. QUANTITY is "0x" and the shortest digits, "0x0" for zero.
 * Strict: "0X", a missing prefix, odd digits, leading zeros and spaces are refused; both cases of
 * letters are read, lower case is written. AVX2 where the processor has it.
 *
 * Source: ethereum/execution-apis, "hex value encoding". Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/u256.h"

/* hex_encode writes 2 * in.n lower-case digits to ret; no prefix, no NUL. */
void hex_encode(char *ret, struct bytes in);

/* hex_decode reads digits without a prefix.
 * ret      digits.n / 2 bytes; its content after an error is unspecified. May be NULL when empty.
 * errors   ERR_SYNTAX: odd count, or not a digit (why->at = its offset). */
[[gnu::warn_unused_result]] int hex_decode(uint8_t *ret, struct bytes digits, struct error *why);

/* hex_decode_fixed reads DATA of exactly n bytes ("0x" and 2 n digits).
 * errors   ERR_SYNTAX (offset counts from the "0"), ERR_RANGE when it has another length. */
[[gnu::warn_unused_result]] int hex_decode_fixed(uint8_t *ret, size_t n, struct bytes text,
                                                 struct error *why);

/* hex_decode_data reads DATA of any length into the arena; ret->p points there.
 * errors   ERR_SYNTAX, ERR_LIMIT (arena). */
[[gnu::warn_unused_result]] int hex_decode_data(struct bytes *ret, struct arena *a,
                                                struct bytes text, struct error *why);

/* Typed forms of hex_decode_fixed. */
[[gnu::warn_unused_result]] int hex_decode_hash(struct hash *ret, struct bytes text,
                                                struct error *why);
[[gnu::warn_unused_result]] int hex_decode_address(struct address *ret, struct bytes text,
                                                   struct error *why);

/* hex_decode_u64 / hex_decode_u256 read a QUANTITY.
 * errors   ERR_SYNTAX (no prefix, no digit, leading zero, not a digit), ERR_RANGE (too large). */
[[gnu::warn_unused_result]] int hex_decode_u64(uint64_t *ret, struct bytes text, struct error *why);
[[gnu::warn_unused_result]] int hex_decode_u256(struct u256 *ret, struct bytes text,
                                                struct error *why);

/* hex_append appends digits; hex_append_data appends "0x" and digits. */
void hex_append(struct buf *b, struct bytes in);
void hex_append_data(struct buf *b, struct bytes in);

/* hex_text gives digits as a NUL-terminated string in the arena; NULL without memory. */
char *hex_text(struct arena *a, struct bytes in);

#endif
