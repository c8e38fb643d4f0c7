/* Typed data never crashes and hashes the same twice. SPDX-License-Identifier: MIT */
#include "eth/typed_data.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a;
    const struct json *doc;
    struct typed_data_hashes one, two;
    arena_init(&a, 16u << 20);
    if (json_parse(&doc, (struct bytes){data, size}, &a, NULL, NULL) == 0) {
        int r = typed_data_hash(&one, doc, &a, NULL);
        if (r != typed_data_hash(&two, doc, &a, NULL)) abort();
        if (r == 0 && memcmp(&one, &two, sizeof one) != 0) abort();
    }
    arena_free(&a);
    return 0;
}
