/* Render: a folder of templates becomes a folder of files, all of them or none.
 *
 * Each file below the templates folder named NAME.mustache[_MODE] makes NAME at the same place
 * below the target; MODE is octal, 0600 without. schema.toml beside them says which variables there
 * are (schema.h). Everything is rendered in memory first; then files that changed are replaced one
 * by one, atomically, and the version that is replaced stays beside it as NAME.previous. Other
 * files in the target are left alone.
 *
 * Blocking file work. Thread: one at a time. SPDX-License-Identifier: MIT */
#ifndef BOOT_RENDER_H
#define BOOT_RENDER_H

#include "boot/template.h"

#define RENDER_FILES_MAX 256
#define RENDER_SCHEMA "schema.toml"

struct rendered_file;

struct render {
    struct arena arena;
    struct schema schema;
    struct rendered_file *files; /* sorted by name */
    size_t count;
};

/* render_open reads schema and templates and checks one against the other.
 * errors  ERR_NOT_FOUND (folder, schema), and those of schema_parse and template_parse. */
[[gnu::warn_unused_result]] int render_open(struct render *ret, const char *templates,
                                            struct error *why);
void render_close(struct render *r);

/* render_make renders everything in memory. The document is checked first.
 * errors  those of schema_check and template_render. What was made before stays on an error. */
[[gnu::warn_unused_result]] int render_make(struct render *r, const struct json *document,
                                            struct error *why);

/* render_store writes what was made and differs from what is there.
 * stored  called for each file that was replaced, with its name; NULL: not wanted.
 * errors  ERR_IO. */
[[gnu::warn_unused_result]] int render_store(struct render *r, const char *target,
                                             void (*stored)(void *context, const char *name),
                                             void *context, struct error *why);

/* render_name: the names of the files that are made, in order; NULL at the end. */
const char *render_name(const struct render *r, size_t i);

#endif
