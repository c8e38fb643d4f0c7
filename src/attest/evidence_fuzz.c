/* Both handshakes' messages. A frame that is read comes out again byte for byte.
 * SPDX-License-Identifier: MIT */
#include "attest/atls.h"
#include "attest/evidence.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes in = {data, size}, nonce;
    struct evidence_message m;
    struct atls_dcap dcap;
    struct arena a;
    size_t used = 0;
    arena_init(&a, 4u << 20);
    if (evidence_frame_read(&m, &used, in, NULL) == 0) {
        struct buf out;
        buf_init(&out, 0);
        if (evidence_frame_write(&out, &m, NULL) == 0 &&
            !bytes_equal(buf_view(&out), bytes_slice(in, 0, used))) {
            abort();
        }
        buf_free(&out);
    }
    (void)!atls_dcap_read(&dcap, in, &a, NULL);
    (void)!atls_nonce_read(&nonce, in, &a, NULL);
    arena_free(&a);
    return 0;
}
