/* Files that operators write (JSON, TOML, YAML), read as JSON.
 *
 * The ending decides: .toml, .yaml or .yml, anything else is JSON. YAML: one document of the core
 * schema without anchors, tags and merge keys; what a plain scalar means is what YAML 1.2 says, so
 * that `no` is a text. TOML times are texts.
 *
 * SPDX-License-Identifier: MIT */
#ifndef HUB_STATE_FILE_H
#define HUB_STATE_FILE_H

#include "base/buf.h"

#define STATE_FILE_BYTES_MAX (16u << 20)
#define STATE_FILE_DEPTH_MAX 32

/* state_file_read appends the file's content as JSON text. path "-": standard input, as JSON.
 * errors  ERR_IO, ERR_NOT_FOUND, ERR_LIMIT; ERR_SYNTAX, ERR_INVALID with line and column. */
[[gnu::warn_unused_result]] int state_file_read(struct buf *out, const char *path,
                                                struct error *why);

/* The same for text at hand. state_file_kind tells by a name. */
enum state_file_kind { STATE_FILE_JSON, STATE_FILE_TOML, STATE_FILE_YAML };
enum state_file_kind state_file_kind(const char *name);
[[gnu::warn_unused_result]] int state_file_convert(struct buf *out, enum state_file_kind kind,
                                                   struct bytes text, struct error *why);

#endif
