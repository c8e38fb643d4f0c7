/* PROXY headers: what was read is written, in both versions, so that it reads the same.
 * SPDX-License-Identifier: MIT */
#include "net/fuzzing.h"
#include "net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    uint8_t *copy = fuzz_copy(bytes_make(data, n));
    struct proxy_header h, again;
    size_t taken, back;
    int r = proxy_header_parse(&h, &taken, bytes_make(copy, n), NULL);
    MUST(r == 0 || r == ERR_AGAIN || r == ERR_SYNTAX || r == ERR_LIMIT);
    MUST(r != ERR_AGAIN || n < PROXY_HEADER_BYTES_MAX);
    for (unsigned version = 1; r == 0 && version <= 2; version++) {
        struct buf out;
        char a[SOCKET_TEXT_MAX], b[SOCKET_TEXT_MAX];
        MUST(taken <= n);
        buf_init(&out, 0);
        proxy_header_write(&out, version, &h);
        MUST(proxy_header_parse(&again, &back, buf_view(&out), NULL) == 0 && back == out.n);
        if (!again.local) {
            size_t length = socket_address_text(a, &h.source);
            MUST(bytes_equal(bytes_make(a, length),
                             bytes_make(b, socket_address_text(b, &again.source))));
        }
        MUST(!h.local || again.local);
        buf_free(&out);
    }
    free(copy);
    return 0;
}
