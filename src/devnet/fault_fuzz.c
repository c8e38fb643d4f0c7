/* Any text as a fault, and any bytes as a recording: refused, or read and written to the same.
 * SPDX-License-Identifier: MIT */
#include "devnet/fault.h"
#include "devnet/record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
    if (!ok) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fault one, two;
    struct buf text, again;
    struct record r;
    struct bytes in = bytes_make(data, size);
    buf_init(&text, 4096);
    buf_init(&again, 4096);
    if (fault_parse(&one, in, NULL) == 0) {
        fault_text(&text, &one);
        check(fault_parse(&two, buf_view(&text), NULL) == 0);
        fault_text(&again, &two);
        check(bytes_equal(buf_view(&text), buf_view(&again)));
        (void)fault_covers(&one, one.from, one.to, one.slot_from);
    }
    size_t left = in.n;
    while (record_next(&r, &in, NULL) == 1) {
        check(in.n < left && r.content.n <= RECORD_BYTES_MAX);
        left = in.n;
    }
    buf_free(&text);
    buf_free(&again);
    return 0;
}
