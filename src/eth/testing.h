/* Published values for the tests of eth. Not for programs. SPDX-License-Identifier: MIT */
#ifndef ETH_TESTING_H
#define ETH_TESTING_H

#include "test/harness/test.h"
#include "json/json.h"

#include <stdlib.h>

/* vectors_json reads a JSON file of the vectors into the arena; the case is skipped without it. */
static inline const struct json *vectors_json(const char *path, struct arena *a) {
    struct bytes text = test_read_file(test_vectors(path));
    struct bytes kept = arena_copy(a, text);
    free((void *)text.p);
    const struct json *doc;
    struct error why;
    CHECK_OK(json_parse(&doc, kept, a, NULL, &why), &why);
    return doc;
}

#endif
