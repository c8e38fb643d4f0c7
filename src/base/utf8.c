/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

size_t utf8_check(struct bytes in) {
    size_t at = 0;
    while (at < in.n) {
        // Eight ASCII characters at a time.
        while (at + 8 <= in.n && !(load_le64(in.p + at) & UINT64_C(0x8080808080808080))) {
            at += 8;
        }
        if (at == in.n) break;
        size_t n = utf8_decode(NULL, bytes_slice(in, at, 4));
        if (n == 0) break;
        at += n;
    }
    return at;
}
