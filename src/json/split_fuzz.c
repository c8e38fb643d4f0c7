/* What comes over the Unix socket, cut anywhere: the same values come out however it is cut.
 * SPDX-License-Identifier: MIT */
#include "json/split.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Counts values and sums where they end; stops at what is no value. */
static uint64_t split(const uint8_t *data, size_t size, size_t piece) {
    struct json_split s = {0};
    struct buf in;
    uint64_t sum = 0;
    size_t taken = 0;
    buf_init(&in, 0);
    for (size_t at = 0; at < size; at += piece) {
        struct bytes value;
        int r;
        buf_append(&in, bytes_slice(bytes_make(data, size), at, piece));
        while ((r = json_split_next(&s, &value, buf_view(&in))) > 0) {
            if (value.n < 2 || (value.p[0] != '{' && value.p[0] != '[')) abort();
            taken += s.at;
            sum = sum * 31 + taken;
            json_split_take(&s, &in);
        }
        if (r < 0) break;
    }
    buf_free(&in);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 1u << 16) return 0;
    uint64_t whole = split(data, size, size ? size : 1);
    if (split(data, size, 1) != whole || split(data, size, 7) != whole) abort();
    return 0;
}
