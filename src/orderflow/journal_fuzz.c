/* A journal's file, as a crash or a failing disk may leave it: records that are given out lie
 * inside and say what they are. SPDX-License-Identifier: MIT */
#include "orderflow/journal.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes rest = {data, size};
    struct journal_record r;
    size_t n;
    while (journal_read_record(&r, &n, rest, NULL) == 0) {
        size_t head = JOURNAL_HEAD + (rest.p[45] & JOURNAL_KEPT ? 8 : 0);
        if (n < head || n > rest.n || r.data.n != n - head) abort();
        if (r.expires_ns > r.kept_ns) abort();
        if (r.method >= ORDER_METHOD_COUNT || r.priority > ORDER_LOW) abort();
        rest = bytes_slice(rest, n, rest.n);
    }
    return 0;
}
