/* Records of the file of what the builder was given, as a crash or a failing disk may leave them:
 * those that are read say what was written. SPDX-License-Identifier: MIT */
#include "orderflow/given.h"

#include "crypto/sha256.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* With its check mended every record is read, but one without a session. */
static void check(struct bytes in) {
    uint8_t mended[GIVEN_RECORD];
    struct given_record r;
    if (given_read_record(&r, in) && (in.n != GIVEN_RECORD || r.session == 0)) abort();
    if (in.n != GIVEN_RECORD) return;
    memcpy(mended, in.p, sizeof mended);
    struct hash h = sha256(bytes_make(mended + 8, GIVEN_RECORD - 8));
    memcpy(mended, h.b, 8);
    bool read = given_read_record(&r, bytes_make(mended, sizeof mended));
    if (read != (load_be64(mended + 8) != 0)) abort();
    if (read && (r.sequence != load_be64(mended + 16) || memcmp(r.id.b, mended + 32, 32) != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes in = {data, size};
    for (size_t at = 0; at < size; at += GIVEN_RECORD) {
        check(bytes_slice(in, at, GIVEN_RECORD));
    }
    return 0;
}
