/* Differential: the vector paths against a table-free reading, digit by digit.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int digit(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *out = malloc(size / 2 + 1);
    char *text = malloc(2 * size + 1);
    if (!out || !text) abort();
    struct error why = {0};
    int r = hex_decode(out, bytes_make(data, size), &why);
    size_t bad = size;
    for (size_t i = 0; i < size && bad == size; i++) {
        if (digit(data[i]) < 0) bad = i;
    }
    if ((r == 0) != (size % 2 == 0 && bad == size)) abort();
    if (r && size % 2 == 0 && why.at != bad) abort();
    for (size_t i = 0; r == 0 && i < size / 2; i++) {
        if (out[i] != (digit(data[2 * i]) << 4 | digit(data[2 * i + 1]))) abort();
    }
    hex_encode(text, bytes_make(data, size));
    for (size_t i = 0; i < size; i++) {
        if (digit((uint8_t)text[2 * i]) != data[i] >> 4) abort();
        if (digit((uint8_t)text[2 * i + 1]) != (data[i] & 15)) abort();
    }
    struct u256 q;
    uint64_t v;
    if (hex_decode_u256(&q, bytes_make(data, size), NULL) == 0) {
        char again[67];
        size_t n = u256_to_hex(again, q);
        if (n != size) abort();
        if (u256_fits_u64(q) != (hex_decode_u64(&v, bytes_make(data, size), NULL) == 0)) abort();
    }
    free(out);
    free(text);
    return 0;
}
