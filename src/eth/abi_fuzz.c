/* Type text up to the first newline, data behind it. A type's canonical text parses to itself; what
 * decodes encodes to a form that decodes and encodes to the same.
 * SPDX-License-Identifier: MIT */
#include "eth/abi.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) abort();
}

static void check_text(const struct abi_type *type, struct arena *a) {
    struct buf once, twice;
    struct abi_type back;
    buf_init(&once, 0);
    buf_init(&twice, 0);
    abi_type_format(&once, type);
    require(abi_type_parse(&back, buf_view(&once), a, NULL) == 0);
    abi_type_format(&twice, &back);
    require(bytes_equal(buf_view(&once), buf_view(&twice)));
    buf_free(&once);
    buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
    if (!end || end - data > 256) return 0;
    struct bytes text = {data, (size_t)(end - data)};
    struct bytes words = {end + 1, size - text.n - 1};
    struct arena a;
    struct abi_type type;
    struct abi_value value, back;
    arena_init(&a, 64u << 20);
    if (abi_type_parse(&type, text, &a, NULL) == 0) {
        check_text(&type, &a);
        if (abi_decode(&value, &type, words, &a, NULL) == 0) {
            struct buf once, twice;
            buf_init(&once, 16u << 20);
            buf_init(&twice, 16u << 20);
            require(abi_encode(&once, &type, &value, NULL) == 0);
            if (!once.failed) {
                require(abi_decode(&back, &type, buf_view(&once), &a, NULL) == 0);
                require(abi_encode(&twice, &type, &back, NULL) == 0);
                require(bytes_equal(buf_view(&once), buf_view(&twice)));
            }
            buf_free(&once);
            buf_free(&twice);
        }
    }
    arena_free(&a);
    return 0;
}
