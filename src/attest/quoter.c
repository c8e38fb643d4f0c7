/* SPDX-License-Identifier: MIT */
#include "attest/quoter.h"

#include <string.h>

int quoter_make(struct quoter *q, struct buf *out, const uint8_t report_data[64],
                struct error *why) {
    struct quote quote;
    size_t from = out->n;
    int code = q->make(q, out, report_data, why);
    if (code == 0) code = buf_check(out, why);
    if (code < 0) return code;
    struct bytes made = bytes_slice(buf_view(out), from, out->n);
    if (made.n == 0) {
        return error_set(why, ERR_UNSUPPORTED,
                         "the quote is empty: the host's quote generation "
                         "service is missing or broken");
    }
    if ((code = quote_parse(&quote, made, why)) < 0)
        return error_wrap(why, "quote made here"), code;
    if (memcmp(quote_report_data(&quote), report_data, 64) != 0) {
        return error_set(why, ERR_INVALID, "the quote carries other report data than was asked");
    }
    return 0;
}

void quoter_free(struct quoter *q) {
    if (q) q->release(q);
}
