/* PE files, partition tables and TDVF firmware.
 * SPDX-License-Identifier: MIT */
#include "attest/image.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct image_prediction p;
    struct bytes in = {data, size}, none = {NULL, 0}, gpt;
    struct arena a;
    uint8_t digest[48];
    enum image_stub stub;
    arena_init(&a, 1u << 20);
    (void)!image_predict(&p, in, none, none, IMAGE_STUB_254, NULL);
    (void)!image_gpt_event(&gpt, in, &a, NULL);
    (void)!image_cfv(digest, in, NULL);
    (void)!image_stub_parse(&stub, in, NULL);
    arena_free(&a);
    return 0;
}
