/* SPDX-License-Identifier: MIT */
#include "eth/loose_number.h"

#include "base/hex.h"

int loose_number_parse(struct u256 *ret, struct bytes text, struct error *why) {
    char digits[64];
    uint8_t be[32];
    if (!bytes_starts_with(text, BYTES_LIT("0x"))) {
        return error_set(why, ERR_SYNTAX, "is not a hex number");
    }
    struct bytes given = bytes_slice(text, 2, SIZE_MAX);
    if (given.n > sizeof digits) return error_set(why, ERR_RANGE, "is above 2^256");
    size_t zeros = sizeof digits - given.n;
    memset(digits, '0', zeros);
    if (given.n) memcpy(digits + zeros, given.p, given.n);
    int r = hex_decode(be, bytes_make(digits, sizeof digits), why);
    if (r == 0) *ret = u256_load_be(be);
    return r;
}
