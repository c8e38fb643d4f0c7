/* SPDX-License-Identifier: MIT */
#include "base/walk.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define NAME_ROOM 4096

static bool has_suffix(const char *s, const char *suffix) {
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && strcmp(s + n - m, suffix) == 0;
}

static bool is_tar(const char *path) {
    return has_suffix(path, ".tar") || has_suffix(path, ".tar.gz") || has_suffix(path, ".tgz") ||
           has_suffix(path, ".tar.zst");
}

/* The content of the current entry, kept for the next one. */
struct block {
    uint8_t *p;
    size_t room, n;
};

// NULL, or why it cannot be read; *ret_fatal when nothing of the archive can be any more.
static const char *read_entry(struct archive *a, struct block *b, bool *ret_fatal) {
    b->n = 0;
    *ret_fatal = true;
    for (;;) {
        if (b->n > WALK_FILE_MAX) {
            *ret_fatal = false;
            return "is larger than 256 MiB";
        }
        if (b->n == b->room) {
            size_t more = b->room ? 2 * b->room : 1u << 20;
            uint8_t *p = realloc(b->p, more);
            if (!p) return "no memory";
            b->p = p;
            b->room = more;
        }
        la_ssize_t got = archive_read_data(a, b->p + b->n, b->room - b->n);
        if (got == 0) return NULL;
        if (got < 0) {
            const char *text = archive_error_string(a);
            return text ? text : "cannot be read";
        }
        b->n += (size_t)got;
    }
}

static struct archive *open_archive(const char *path, bool tar, int *ret_code) {
    struct archive *a = archive_read_new();
    if (!a) return NULL;
    if (tar) {
        (void)archive_read_support_format_tar(a);
    } else {
        (void)archive_read_support_format_raw(a);
        (void)archive_read_support_format_empty(a);
    }
    if (has_suffix(path, ".gz") || has_suffix(path, ".tgz")) {
        (void)archive_read_support_filter_gzip(a);
    }
    if (has_suffix(path, ".zst")) (void)archive_read_support_filter_zstd(a);
    *ret_code = archive_read_open_filename(a, path, 1u << 16);
    return a;
}

// The name of a member; in bytes that are none of this place's, as they stand.
static void name_entry(char name[NAME_ROOM], const char *path, bool tar, struct archive_entry *e) {
    const char *member = tar ? archive_entry_pathname(e) : "";
    if (!member) member = archive_entry_pathname_utf8(e);
    (void)snprintf(name, NAME_ROOM, "%s%s%s", path, tar ? "/" : "", member ? member : "?");
}

static bool visit_file(const char *path, const struct walk_visitor *v) {
    bool tar = is_tar(path), go_on = true, fatal = false, any = false;
    int r = ARCHIVE_FATAL;
    struct block block = {0};
    struct archive *a = open_archive(path, tar, &r);
    struct archive_entry *e;
    while (go_on && !fatal && r == ARCHIVE_OK) {
        r = archive_read_next_header(a, &e);
        if (r == ARCHIVE_WARN) r = ARCHIVE_OK; // its name, or what is no content
        if (r != ARCHIVE_OK || (tar && archive_entry_filetype(e) != AE_IFREG)) continue;
        char name[NAME_ROOM];
        any = true;
        name_entry(name, path, tar, e);
        const char *reason = read_entry(a, &block, &fatal);
        go_on = reason ? v->unreadable(v->arg, fatal ? path : name, reason)
                       : v->file(v->arg, name, (struct bytes){block.p, block.n});
        fatal &= reason != NULL;
    }
    if (go_on && !fatal && r != ARCHIVE_EOF) {
        const char *text = a ? archive_error_string(a) : NULL;
        go_on = v->unreadable(v->arg, path, text ? text : "cannot be read");
    }
    // An empty file is a file: what it should have held is missing.
    if (!tar && !any && r == ARCHIVE_EOF) go_on = v->file(v->arg, path, (struct bytes){0});
    free(block.p);
    if (a) (void)archive_read_free(a);
    return go_on;
}

/* Folders, and where links among them lead. */

struct folder {
    dev_t device;
    ino_t inode;
};

struct walk {
    const struct walk_visitor *visitor;
    void *folders; /* tree of struct folder: those walked already */
    unsigned depth;
};

static int compare_folders(const void *a, const void *b) {
    const struct folder *x = a, *y = b;
    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static bool skip(const struct walk *w, const char *path, const char *reason) {
    return !w->visitor->skipped || w->visitor->skipped(w->visitor->arg, path, reason);
}

static bool cannot_read(const struct walk *w, const char *path, const char *reason) {
    return w->visitor->unreadable(w->visitor->arg, path, reason);
}

static bool visit(struct walk *w, const char *path);

static bool visit_folder(struct walk *w, const char *path) {
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    if (n < 0) return cannot_read(w, path, strerror(errno));
    bool go_on = true;
    w->depth++;
    for (int i = 0; i < n; i++) {
        char sub[NAME_ROOM];
        bool fits = snprintf(sub, sizeof sub, "%s/%s", path, names[i]->d_name) < NAME_ROOM;
        if (go_on && names[i]->d_name[0] != '.') {
            go_on = fits ? visit(w, sub) : cannot_read(w, path, "a name in it is too long");
        }
        free(names[i]);
    }
    w->depth--;
    free(names);
    return go_on;
}

static bool visit_folder_once(struct walk *w, const char *path, const struct stat *st) {
    if (w->depth == WALK_DEPTH_MAX) return cannot_read(w, path, "is nested too deep");
    struct folder *folder = malloc(sizeof *folder), *const *kept = NULL;
    if (folder) {
        *folder = (struct folder){st->st_dev, st->st_ino};
        kept = tsearch(folder, &w->folders, compare_folders);
    }
    if (kept && *kept == folder) return visit_folder(w, path);
    free(folder);
    return kept ? skip(w, path, "a folder that was walked already")
                : cannot_read(w, path, "no memory");
}

static bool visit(struct walk *w, const char *path) {
    struct stat st;
    if (stat(path, &st) != 0) return cannot_read(w, path, strerror(errno));
    if (S_ISDIR(st.st_mode)) return visit_folder_once(w, path, &st);
    if (w->depth && !S_ISREG(st.st_mode)) return skip(w, path, "no regular file");
    return visit_file(path, w->visitor);
}

bool walk_path(const char *path, const struct walk_visitor *visitor) {
    struct walk w = {.visitor = visitor};
    bool go_on = visit(&w, path);
    while (w.folders) {
        struct folder *folder = *(struct folder **)w.folders;
        (void)tdelete(folder, &w.folders, compare_folders);
        free(folder);
    }
    return go_on;
}
