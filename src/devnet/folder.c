/* SPDX-License-Identifier: MIT */
#include "devnet/folder.h"

#include "devnet/devnet.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK "devnet.lock"

bool folder_name_is_good(const char *name) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strlen(name);
    return n > 0 && n <= 40 && name[0] != '.' && strspn(name, allowed) == n;
}

char *folder_default(struct arena *a, const char *name) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && *state == '/') return arena_printf(a, "%s/buildernet/%s", state, name);
    return home && *home == '/' ? arena_printf(a, "%s/.local/state/buildernet/%s", home, name)
                                : NULL;
}

static int make_path(char *path, struct error *why) {
    for (char *p = path + 1;; p++) {
        char c = *p;
        if (c != '/' && c != '\0') continue;
        *p = '\0';
        int failed = mkdir(path, 0700) < 0 && errno != EEXIST ? errno : 0;
        *p = c;
        if (failed) return error_set_os(why, ERR_IO, failed, "%s", path);
        if (c == '\0') return 0;
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st;
    // The lock goes last, with the folder; its name is the mark that the folder is ours.
    if (where->level == 0 || (where->level == 1 && strcmp(path + where->base, LOCK) == 0)) return 0;
    (void)(type == FTW_DP ? rmdir(path) : unlink(path));
    return 0;
}

static void empty(const char *path) {
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int remove_any(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st;
    (void)where;
    (void)(type == FTW_DP ? rmdir(path) : unlink(path));
    return 0;
}

void folder_remove(const char *path) {
    (void)nftw(path, remove_any, 16, FTW_DEPTH | FTW_PHYS);
}

static bool is_empty(const char *path) {
    DIR *d = opendir(path);
    bool found = false;
    if (!d) return false;
    for (const struct dirent *e; (e = readdir(d));) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) found = true;
    }
    (void)closedir(d);
    return !found;
}

static int open_lock(struct folder *f, struct arena *a, bool *ret_made, struct error *why) {
    char *name = arena_printf(a, "%s/" LOCK, f->path);
    if (!name) return error_set(why, ERR_NO_MEMORY, "no memory");
    *ret_made = access(name, F_OK) < 0;
    if (*ret_made && !is_empty(f->path)) {
        return error_set(why, ERR_CONFLICT, "%s is not empty and no devnet's folder", f->path);
    }
    f->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->lock_fd < 0) return error_set_os(why, ERR_IO, errno, "%s", name);
    if (flock(f->lock_fd, LOCK_EX | LOCK_NB) == 0) return 0;
    (void)close(f->lock_fd);
    f->lock_fd = -1;
    return error_set(why, ERR_CONFLICT, "a devnet runs in %s already", f->path);
}

int folder_open(struct folder *ret, struct arena *a, const char *path, bool keep_content,
                struct error *why) {
    struct folder f = {.lock_fd = -1};
    char *absolute = NULL;
    bool made;
    if (*path == '/') {
        f.path = arena_str(a, bytes_from_str(path));
    } else if ((absolute = getcwd(NULL, 0))) {
        f.path = arena_printf(a, "%s/%s", absolute, path);
        free(absolute);
    }
    if (!f.path) return error_set(why, ERR_NO_MEMORY, "no memory");
    int r = make_path(f.path, why);
    if (r == 0) r = open_lock(&f, a, &made, why);
    if (r < 0) return r;
    if (!keep_content) empty(f.path);
    *ret = f;
    return 0;
}

void folder_close(struct folder *f, bool remove) {
    if (f->lock_fd < 0) return;
    if (remove) {
        char name[PATH_MAX];
        empty(f->path);
        if (snprintf(name, sizeof name, "%s/" LOCK, f->path) < (int)sizeof name) {
            (void)unlink(name);
            (void)rmdir(f->path);
        }
    }
    (void)close(f->lock_fd);
    f->lock_fd = -1;
}

bool folder_is_running(const char *path) {
    char name[PATH_MAX];
    if (snprintf(name, sizeof name, "%s/" LOCK, path) >= (int)sizeof name) return false;
    int fd = open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    bool held = flock(fd, LOCK_EX | LOCK_NB) < 0;
    (void)close(fd);
    return held;
}

int folder_make_path(const char *path, struct error *why) {
    char copy[PATH_MAX];
    if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy) {
        return error_set(why, ERR_LIMIT, "%s: name too long", path);
    }
    return make_path(copy, why);
}

int folder_make(const struct folder *f, const char *name, struct error *why) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", f->path, name) >= (int)sizeof path) {
        return error_set(why, ERR_LIMIT, "%s: name too long", name);
    }
    return make_path(path, why);
}
