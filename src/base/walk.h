/* Files, folders and archives as one stream of named contents, in sorted order.
 *
 * .gz and .zst files and .tar, .tar.gz, .tgz, .tar.zst archives are opened; the members of an
 * archive are named "archive/member". Nothing is written to disk. Needs libarchive; a library of
 * its own (walk_dep), so that only tools link it. One walk belongs to one thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_WALK_H
#define BASE_WALK_H

#include "base/bytes.h"
#include "base/error.h"

#define WALK_DEPTH_MAX 64 /* folders in folders; what is deeper is unreadable */
#define WALK_FILE_MAX                                                                              \
    ((size_t)1 << 28) /* bytes of one file, unpacked; larger ones are unreadable */

struct walk_visitor {
    void *arg;
    /* one file: the content lives during the call; returns false to end the walk. */
    bool (*file)(void *arg, const char *name, struct bytes content);
    /* a file or folder that cannot be read, and why; returns false to end the walk. */
    bool (*unreadable)(void *arg, const char *name, const char *reason);
    /* what is left out, and why: pipes, sockets and devices in a folder; a folder that was walked
     * already, which a link leads to once more. NULL: no one is told; else as the others. */
    bool (*skipped)(void *arg, const char *name, const char *reason);
};

/* walk_path visits every regular file under path, or path itself, whatever it is. Links are
 * followed, each folder is walked once. Names that begin with a dot are left out. Returns false
 * when a visitor ended the walk. */
bool walk_path(const char *path, const struct walk_visitor *visitor);

#endif
