/* Whole small files: read with a limit, written so that a crash leaves the old or the new one.
 *
 * Blocking; for start-up, tools and the collateral store's own thread, never on an event loop.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_FILES_H
#define ATTEST_FILES_H

#include "base/arena.h"
#include "base/error.h"

#define FILES_BYTES_MAX (64u << 20)

/* files_read reads a whole file into the arena; "-" is standard input.
 * errors  ERR_NOT_FOUND, ERR_IO (os), ERR_LIMIT (more than limit bytes), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int files_read(struct bytes *ret, const char *path, size_t limit,
                                           struct arena *a, struct error *why);

/* files_write replaces a file: a new one beside it, synced, then renamed over it.
 * mode    of a new file, as 0600 for secrets. errors  ERR_IO (os), ERR_LIMIT (path). */
[[gnu::warn_unused_result]] int files_write(const char *path, struct bytes content, unsigned mode,
                                            struct error *why);

/* files_make_folder makes a folder and those above it; an existing one is fine. */
[[gnu::warn_unused_result]] int files_make_folder(const char *path, unsigned mode,
                                                  struct error *why);

#endif
