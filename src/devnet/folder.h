/* Folder: where one network keeps everything, and the lock that says who runs it.
 *
 * Only folders that a devnet made are ever emptied or removed: they hold a file `devnet.lock`,
 * which the running network has locked. Nothing outside the folder is touched.
 *
 * Thread: one at a time. SPDX-License-Identifier: MIT */
#ifndef DEVNET_FOLDER_H
#define DEVNET_FOLDER_H

#include "base/arena.h"
#include "base/error.h"

#include <stdbool.h>

/* Where, below the folder, that of an ended network is until the new one has begun. */
#define FOLDER_ENDED "ended"

struct folder {
    char *path; /* absolute */
    int lock_fd;
    bool replaces; /* it held something that is set aside */
};

/* folder_name_is_good: 1 to 40 letters, digits, ".", "_", "-", the first no ".": a name that stays
 * one part of a path. Networks are named so. */
bool folder_name_is_good(const char *name);

/* folder_default: $XDG_STATE_HOME/buildernet/NAME, else ~/.local/state/buildernet/NAME; in the
 * arena, NULL without a home or memory. */
char *folder_default(struct arena *a, const char *name);

/* folder_open makes the folder (and its parents) and locks it. What an ended network left there
 * stays (keep_content), or is set aside in FOLDER_ENDED until folder_settle; what a start that was
 * killed had set aside is given back before. errors  ERR_CONFLICT (a network runs there, or it is
 * not a devnet's folder and not empty), ERR_IO. */
[[gnu::warn_unused_result]] int folder_open(struct folder *ret, struct arena *a, const char *path,
                                            bool keep_content, struct error *why);

/* folder_settle removes what is set aside: the new network has begun. folder_restore gives it back
 * in place of what came since: it could not begin. */
void folder_settle(struct folder *f);
void folder_restore(struct folder *f);

/* folder_close unlocks; remove: takes the folder and all in it away. */
void folder_close(struct folder *f, bool remove);

/* folder_is_running: somebody has the lock. */
bool folder_is_running(const char *path);

/* folder_make makes one below it, with parents ("node-1/etc"). */
[[gnu::warn_unused_result]] int folder_make(const struct folder *f, const char *name,
                                            struct error *why);

/* folder_make_path makes a folder anywhere, with parents; folder_remove takes one away with all in
 * it, for those that this program made. */
[[gnu::warn_unused_result]] int folder_make_path(const char *path, struct error *why);
void folder_remove(const char *path);

#endif
