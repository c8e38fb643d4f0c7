/* Frames of a server that got three requests. SPDX-License-Identifier: MIT */
#include "net/http2_fuzzing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct buf in;
    buf_init(&in, 0);
    buf_append(&in, BYTES_LIT("\0\0\0\4\0\0\0\0\0"));
    buf_append(&in, bytes_make(data, n));
    http2_compare(false, buf_view(&in));
    buf_free(&in);
    return 0;
}
