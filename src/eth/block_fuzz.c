/* What decodes as a block, header or receipt encodes to the same bytes.
 * SPDX-License-Identifier: MIT */
#include "eth/block.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_same(struct buf *out, struct bytes in) {
    if (!bytes_equal(buf_view(out), in)) abort();
    buf_clear(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes in = {data, size};
    struct arena a;
    struct buf out;
    struct block b;
    struct header h;
    struct receipt r;
    struct withdrawal w;
    arena_init(&a, 16u << 20);
    buf_init(&out, 0);
    if (block_decode(&b, in, &a, NULL) == 0) {
        if (block_encoded_size(&b) != size) abort();
        block_encode(&out, &b);
        require_same(&out, in);
    }
    if (header_decode(&h, in, NULL) == 0) {
        header_encode(&out, &h);
        require_same(&out, in);
    }
    if (receipt_decode(&r, in, &a, NULL) == 0) {
        receipt_encode(&out, &r);
        require_same(&out, in);
    }
    if (withdrawal_decode(&w, in, NULL) == 0) {
        withdrawal_encode(&out, &w);
        require_same(&out, in);
    }
    buf_free(&out);
    arena_free(&a);
    return 0;
}
