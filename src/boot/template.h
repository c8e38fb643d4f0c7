/* Template: one file of a service with variables in it, in the Mustache notation.
 *
 *     {{name}}  {{a.b}}       the value, written so that it stays one value in the file's syntax
 *     {{{name}}}  {{&name}}   the value as it is, with its line ends
 *     {{#list}} … {{/list}}   once for each element; {{.}} is the element itself
 *     {{#flag}} … {{/flag}}   when there is a value other than false, null, "" and []
 *     {{^name}} … {{/name}}   when there is none
 *     {{! comment }}          {{=<% %>=}} other delimiters from here on
 *
 * A tag that stands alone on its line takes the line with it. Unlike other Mustache programs, this
 * one never renders a missing name as nothing: names are resolved against the schema when the
 * template is read, and a value that is needed and absent is an error naming template, line, key.
 *
 * How {{name}} is written depends on the file, by its ending: .toml, .json, .yaml, .yml: as the
 * inside of a double-quoted string; .env: as the inside of double quotes for a shell or systemd;
 * any other: as it is, and a value with a control character (a line end) is an error, since it
 * could add a line of its own.
 *
 * Source: mustache(5); BuilderNet's node images. Pure. Thread: any.
 * SPDX-License-Identifier: MIT */
#ifndef BOOT_TEMPLATE_H
#define BOOT_TEMPLATE_H

#include "base/buf.h"
#include "boot/schema.h"

#define TEMPLATE_BYTES_MAX (1u << 20)
#define TEMPLATE_NODES_MAX 65536
#define TEMPLATE_DEPTH_MAX 16
#define RENDERED_BYTES_MAX (16u << 20)

enum template_syntax { TEMPLATE_PLAIN, TEMPLATE_QUOTED, TEMPLATE_SHELL };

/* template_syntax_of: by the name of the file that is made. */
enum template_syntax template_syntax_of(struct bytes file_name);

struct template_node;

struct template {
    const char *name; /* for errors; borrowed */
    enum template_syntax syntax;
    const struct template_node *nodes;
    size_t count;
};

/* template_parse reads a template and resolves its names.
 * in      borrowed as long as the template; NUL bytes are refused.
 * errors  ERR_SYNTAX, ERR_NOT_FOUND (a name that the schema does not list), ERR_LIMIT; the text
 *         names template and line. */
[[gnu::warn_unused_result]] int template_parse(struct template *ret, const char *name,
                                               enum template_syntax syntax, struct bytes in,
                                               const struct schema *s, struct arena *a,
                                               struct error *why);

/* template_render appends the file. The document has passed schema_check.
 * errors  ERR_NOT_FOUND (a value is needed and absent), ERR_INVALID (a control character),
 *         ERR_LIMIT. */
[[gnu::warn_unused_result]] int template_render(struct buf *out, const struct template *t,
                                                const struct json *document, struct error *why);

#endif
