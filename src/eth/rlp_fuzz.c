/* Whatever rlp_check accepts is the one encoding of its content: written again item by item it
 * gives the same bytes. SPDX-License-Identifier: MIT */
#include "eth/rlp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void copy_item(struct buf *out, struct bytes *in) {
    struct rlp_item item;
    if (rlp_next(&item, in, NULL) != 0) abort();
    if (!item.is_list) {
        rlp_put_string(out, item.payload);
        if (item.payload.n > 0 && item.payload.n <= 32 && item.payload.p[0] != 0) {
            struct rlp_source s;
            struct rlp_reader r = rlp_open(&s, item.encoding, NULL);
            size_t before = out->n;
            struct u256 v = rlp_u256(&r, "integer");
            rlp_put_u256(out, v);
            if (s.failed || out->n - before != item.encoding.n ||
                rlp_size_u256(v) != item.encoding.n ||
                memcmp(out->p + before, item.encoding.p, item.encoding.n) != 0) {
                abort();
            }
            out->n = before;
        }
        return;
    }
    size_t mark = rlp_list_begin(out);
    while (item.payload.n > 0) {
        copy_item(out, &item.payload);
    }
    rlp_list_close(out, mark);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes in = {data, size};
    struct bytes rest = in;
    struct rlp_item first;
    int shallow = rlp_next(&first, &rest, NULL);
    if (rlp_check(in, 64, 0, NULL) != 0) return 0;
    if (shallow != 0 || rest.n != 0) abort();
    struct buf out;
    buf_init(&out, 0);
    struct bytes again = in;
    copy_item(&out, &again);
    if (again.n != 0 || !bytes_equal(buf_view(&out), in)) abort();
    buf_free(&out);
    return 0;
}
