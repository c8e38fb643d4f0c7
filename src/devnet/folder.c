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
#define PART FOLDER_ENDED ".part" /* while it is set aside or given back */
#define GONE FOLDER_ENDED ".gone" /* while it is removed */

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

static int remove_any(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st;
    (void)where;
    (void)(type == FTW_DP ? rmdir(path) : unlink(path));
    return 0;
}

void folder_remove(const char *path) {
    (void)nftw(path, remove_any, 16, FTW_DEPTH | FTW_PHYS);
}

// What stands in a folder, but for the lock: that goes last, with the folder; its name is the mark
// that the folder is ours.
static void each(const char *path, void (*act)(const char *path, const char *name)) {
    DIR *d = opendir(path);
    if (!d) return;
    for (const struct dirent *e; (e = readdir(d));) {
        bool none = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        if (!none && strcmp(e->d_name, LOCK) != 0) act(path, e->d_name);
    }
    (void)closedir(d);
}

static void remove_entry(const char *path, const char *name) {
    char entry[PATH_MAX];
    if (snprintf(entry, sizeof entry, "%s/%s", path, name) < (int)sizeof entry) {
        folder_remove(entry);
    }
}

static bool holds(const char *path, const char *name) {
    char entry[PATH_MAX];
    return snprintf(entry, sizeof entry, "%s/%s", path, name) < (int)sizeof entry &&
           access(entry, F_OK) == 0;
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

// What an ended network left is set aside until the new one has begun. A process that is killed
// meanwhile loses nothing: whatever stands beside PART is as old as what is in it, whatever stands
// beside FOLDER_ENDED is new.

static void move_entry(const char *path, const char *from, const char *to, const char *name) {
    char old[PATH_MAX], fresh[PATH_MAX];
    int a = snprintf(old, sizeof old, "%s/%s%s", path, from, name);
    int b = snprintf(fresh, sizeof fresh, "%s/%s%s", path, to, name);
    if (a < (int)sizeof old && b < (int)sizeof fresh) (void)rename(old, fresh);
}

static void set_aside(const char *path, const char *name) {
    if (strcmp(name, PART) != 0) move_entry(path, "", PART "/", name);
}

static void remove_new(const char *path, const char *name) {
    if (strcmp(name, FOLDER_ENDED) != 0) remove_entry(path, name);
}

static void give_back(const char *part, const char *name) {
    move_entry(part, "", "../", name);
}

static int begin_anew(struct folder *f, struct error *why) {
    int r = folder_make(f, PART, why);
    if (r < 0) return r;
    each(f->path, set_aside);
    char part[PATH_MAX];
    (void)snprintf(part, sizeof part, "%s/" PART, f->path); // folder_make had room for it
    f->replaces = rmdir(part) < 0;                          // it is not empty
    if (f->replaces) move_entry(f->path, PART, FOLDER_ENDED, "");
    return 0;
}

static void recover(const char *path) {
    char part[PATH_MAX];
    if (snprintf(part, sizeof part, "%s/" PART, path) >= (int)sizeof part) return;
    remove_entry(path, GONE);
    if (holds(path, FOLDER_ENDED)) {
        each(path, remove_new);
        move_entry(path, FOLDER_ENDED, PART, "");
    }
    if (!holds(path, PART)) return;
    each(part, give_back);
    (void)rmdir(part);
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
    bool made = false;
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
    recover(f.path);
    if (!keep_content) r = begin_anew(&f, why);
    if (r < 0) {
        folder_close(&f, made);
        return r;
    }
    *ret = f;
    return 0;
}

void folder_settle(struct folder *f) {
    move_entry(f->path, FOLDER_ENDED, GONE, "");
    remove_entry(f->path, GONE);
    f->replaces = false;
}

void folder_restore(struct folder *f) {
    recover(f->path);
}

void folder_close(struct folder *f, bool remove) {
    if (f->lock_fd < 0) return;
    if (remove) {
        char name[PATH_MAX];
        each(f->path, remove_entry);
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
