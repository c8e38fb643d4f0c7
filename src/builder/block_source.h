/* Block source: where the block list comes from, and again and again.
 *
 * A file is read at the start and when reload is asked for. A list at a URL is fetched on a thread
 * of its own: at the start, every `refresh_ns`, and when reload is asked for; what came last and
 * was good is kept beside the builder's data, so that a restart has it before the server answers.
 * An answer that is too long, no list, or empty where that is not allowed changes nothing.
 *
 *     file ──────────────┐
 *     URL ──thread──▶ newest good list ──block_source_take──▶ next slot
 *                        └──▶ copy
 *
 * Source: flashbots/rbuilder (blocklist, blocklist_url_max_age_hours, require_non_empty_blocklist).
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_BLOCK_SOURCE_H
#define BUILDER_BLOCK_SOURCE_H

#include "base/log.h"
#include "builder/block_list.h"

#define BLOCK_SOURCE_BYTES_MAX ((size_t)64 << 20)

struct block_source;

struct block_source_options {
    const char *from;    /* path, "http://…" or "https://…" */
    const char *folder;  /* of the copy of a fetched list; NULL or "": none is kept */
    bool required;       /* an empty list is no list */
    uint64_t refresh_ns; /* between fetches */
    struct log *log;
};

/* block_source_new: a file is read before it returns; a URL's copy too, and its first fetch begins.
 * Strings are borrowed.
 * errors  those of block_list_parse and file_read (file), ERR_SYNTAX, ERR_UNSUPPORTED, ERR_LIMIT
 *         (URL), ERR_INVALID (empty), ERR_IO (no thread), ERR_NO_MEMORY.
 * block_source_free waits for a fetch under way, ten seconds at most. NULL is allowed. */
[[gnu::warn_unused_result]] int block_source_new(struct block_source **ret,
                                                 const struct block_source_options *options,
                                                 struct error *why);
void block_source_free(struct block_source *s);

/* block_source_reload reads the file again (errors as above; the list in force stays), or has the
 * URL fetched now. */
[[gnu::warn_unused_result]] int block_source_reload(struct block_source *s, struct error *why);

/* block_source_take gives a list that came since the last call, and when it was current (wall
 * clock: the file's time of change, the fetch's); NULL when there is none. */
struct block_list *block_source_take(struct block_source *s, uint64_t *ret_ns);

#endif
