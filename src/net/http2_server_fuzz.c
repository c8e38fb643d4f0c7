/* Frames of a client, after its preface. SPDX-License-Identifier: MIT */
#include "net/http2_fuzzing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct buf in;
    buf_init(&in, 0);
    buf_append_str(&in, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    buf_append(&in, BYTES_LIT("\0\0\0\4\0\0\0\0\0"));
    buf_append(&in, bytes_make(data, n));
    http2_compare(true, buf_view(&in));
    buf_free(&in);
    return 0;
}
