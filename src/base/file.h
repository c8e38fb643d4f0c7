/* File: bounded reads and writes that survive a crash. Blocking: not for event loops.
 * Thread: any.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"

#include <sys/types.h>

/* file_read appends the whole file to a buf, whose limit holds.
 * errors  ERR_NOT_FOUND, ERR_IO, ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int file_read(struct buf *out, const char *path, struct error *why);

/* file_read_operand reads what a command line names: a file, or for "-" standard input, whatever it
 * is (a socket cannot be opened as /dev/stdin). Errors as file_read. */
[[gnu::warn_unused_result]] int file_read_operand(struct buf *out, const char *path,
                                                  struct error *why);

struct file_write_options {
    mode_t mode;    /* of the file; 0: 0600 */
    bool set_owner; /* chown to uid, gid */
    uid_t uid;
    gid_t gid;
};

/* file_write_atomic replaces a file's content: temporary file beside it, fsync, rename, fsync of
 * the folder. After 0 the new content survives a crash; on error the old is untouched and the
 * temporary file is gone. A symbolic link at `path` is replaced, not followed.
 * options  NULL: mode 0600. errors  ERR_NOT_FOUND (folder), ERR_IO. */
[[gnu::warn_unused_result]] int file_write_atomic(const char *path, struct bytes content,
                                                  const struct file_write_options *options,
                                                  struct error *why);

/* file_write_all writes everything to a descriptor, again after EINTR and short writes. ERR_IO. */
[[gnu::warn_unused_result]] int file_write_all(int fd, struct bytes content, struct error *why);

/* file_check_room tells whether the disk of `path` has at least `bytes` left for this process.
 * errors  ERR_LIMIT (less), ERR_NOT_FOUND, ERR_IO. */
[[gnu::warn_unused_result]] int file_check_room(const char *path, uint64_t bytes,
                                                struct error *why);

/* file_sync_folder makes creations, renames and removals in the folder of `path` durable. */
[[gnu::warn_unused_result]] int file_sync_folder(const char *path, struct error *why);

#endif
