/* SPDX-License-Identifier: MIT */
#include "eth/loose_number.h"

#include "base/hex.h"

int loose_number_digits(struct u256 *ret, struct bytes digits, struct error *why) {
    char padded[64];
    uint8_t be[32];
    if (digits.n > sizeof padded) return error_set_at(why, ERR_RANGE, 0, "is above 2^256-1");
    size_t zeros = sizeof padded - digits.n;
    memset(padded, '0', zeros);
    if (digits.n) memcpy(padded + zeros, digits.p, digits.n);
    int r = hex_decode(be, bytes_make(padded, sizeof padded), why);
    if (r == 0) *ret = u256_load_be(be);
    if (r != 0 && why) why->at -= (uint32_t)zeros;
    return r;
}

int loose_number_parse(struct u256 *ret, struct bytes text, struct error *why) {
    if (!bytes_starts_with(text, BYTES_LIT("0x"))) {
        return error_set_at(why, ERR_SYNTAX, 0, "is not a hex number");
    }
    int r = loose_number_digits(ret, bytes_slice(text, 2, SIZE_MAX), why);
    if (r != 0 && why) why->at += 2;
    return r;
}

int loose_number_json(struct u256 *ret, const struct json *in, struct error *why) {
    struct bytes text;
    int r = json_string(&text, in, why);
    if (r != 0) return r;
    r = loose_number_parse(ret, text, why);
    if (r != 0 && why) why->at += in->at + 1; // behind the quote
    return r;
}
