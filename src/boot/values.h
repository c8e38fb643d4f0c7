/* Values: a node's configuration document, made ready for templates.
 *
 * Members whose name ends in "#base64" lose that ending and their text is decoded, at any depth:
 * so that a document can carry text with line ends and quotes safely. Everything else stays as it
 * is. The document holds secrets: values_free wipes it.
 *
 * Source: BuilderNet's node images (render-config). Thread: any, one at a time.
 * SPDX-License-Identifier: MIT */
#ifndef BOOT_VALUES_H
#define BOOT_VALUES_H

#include "base/buf.h"
#include "json/json.h"

#define VALUES_BYTES_MAX (4u << 20)

struct values {
    struct arena arena;
    struct buf text; /* the document after decoding */
    const struct json *root;
};

/* values_read reads a document. errors  ERR_SYNTAX, ERR_LIMIT, ERR_INVALID (no object, a name
 * twice), with the member's name where base64 is wrong. */
[[gnu::warn_unused_result]] int values_read(struct values *ret, struct bytes document,
                                            struct error *why);
void values_free(struct values *v);

#endif
