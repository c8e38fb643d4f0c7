/* SPDX-License-Identifier: MIT */
#include "eth/revert.h"

#include "base/u256.h"

static const char *panic_text(uint64_t code) {
    switch (code) {
    case 0x00:
        return "generic panic";
    case 0x01:
        return "assert(false)";
    case 0x11:
        return "arithmetic underflow or overflow";
    case 0x12:
        return "division or modulo by zero";
    case 0x21:
        return "enum overflow";
    case 0x22:
        return "invalid encoded storage byte array accessed";
    case 0x31:
        return "out-of-bounds array access; popping on an empty array";
    case 0x32:
        return "out-of-bounds access of an array or bytesN";
    case 0x41:
        return "out of memory";
    case 0x51:
        return "uninitialized function";
    default:
        return NULL;
    }
}

char *revert_text(struct bytes output, struct arena *a) {
    static const uint8_t error_string[4] = {0x08, 0xc3, 0x79, 0xa0};
    static const uint8_t panic[4] = {0x4e, 0x48, 0x7b, 0x71};
    if (output.n < 4 + 32) return NULL;
    struct u256 first = u256_load_be(output.p + 4);
    if (memcmp(output.p, panic, 4) == 0) {
        const char *known = u256_fits_u64(first) ? panic_text(first.w[0]) : NULL;
        char hex[67];
        (void)u256_to_hex(hex, first);
        return known ? arena_printf(a, "%s", known)
                     : arena_printf(a, "unknown panic code: %s", hex);
    }
    if (memcmp(output.p, error_string, 4) != 0 || !u256_fits_u64(first)) return NULL;
    struct bytes tail = bytes_slice(output, 4, output.n);
    if (first.w[0] > tail.n || tail.n - first.w[0] < 32) return NULL;
    struct u256 length = u256_load_be(tail.p + first.w[0]);
    struct bytes text = bytes_slice(tail, first.w[0] + 32, tail.n);
    if (!u256_fits_u64(length) || length.w[0] > text.n) return NULL;
    return arena_str(a, bytes_slice(text, 0, length.w[0]));
}
