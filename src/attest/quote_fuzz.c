/* Quotes: whatever parses has its parts inside the input, and a TD body survives a round trip.
 * SPDX-License-Identifier: MIT */
#include "attest/quote.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct bytes part, const uint8_t *data, size_t size) {
    if (part.n > 0 && (part.p < data || part.p + part.n > data + size)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes in = {data, size};
    struct quote q;
    struct td_report td;
    inside(quote_find_chain(in), data, size);
    (void)!tdreport_parse(&td, in, NULL);
    if (quote_parse(&q, in, NULL) < 0) return 0;
    inside(q.signed_bytes, data, size);
    inside(q.cert_data, data, size);
    inside(q.qe_auth, data, size);
    if (q.signature_data_bytes + q.trailing_bytes + q.signed_bytes.n + 4 != size) abort();
    if (q.body_type == QUOTE_BODY_SGX) return 0;
    uint8_t written[QUOTE_TD15_BODY_BYTES];
    size_t n = q.body_type == QUOTE_BODY_TD15 ? QUOTE_TD15_BODY_BYTES : QUOTE_TD10_BODY_BYTES;
    td_report_write(written, n, &q.td);
    if (memcmp(written, q.signed_bytes.p + q.signed_bytes.n - n, n) != 0) abort();
    return 0;
}
