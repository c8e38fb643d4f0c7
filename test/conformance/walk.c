/* Files, folders and archives as one stream of named contents.
 * SPDX-License-Identifier: MIT */
#include "test/conformance/conformance.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef void each_file(const char *path, struct bytes content, struct tally *t, void *arg);

static bool has_suffix(const char *s, const char *suffix) {
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && strcmp(s + n - m, suffix) == 0;
}

// Reads the rest of the current entry into a growing block; false when it cannot be read.
static bool read_entry(struct archive *a, uint8_t **block, size_t *room, size_t *ret_n) {
    size_t n = 0;
    for (;;) {
        if (n == *room) {
            size_t more = *room ? 2 * *room : 1u << 20;
            uint8_t *p = realloc(*block, more);
            if (!p) return false;
            *block = p;
            *room = more;
        }
        la_ssize_t got = archive_read_data(a, *block + n, *room - n);
        if (got < 0) return false;
        if (got == 0) break;
        n += (size_t)got;
    }
    *ret_n = n;
    return true;
}

static void run_file(const char *path, struct tally *t, each_file *each, void *arg) {
    struct archive *a = archive_read_new();
    bool tar = strstr(path, ".tar") != NULL;
    if (tar) archive_read_support_format_tar(a);
    archive_read_support_format_raw(a);
    if (has_suffix(path, ".gz") || has_suffix(path, ".tgz")) archive_read_support_filter_gzip(a);
    if (has_suffix(path, ".zst")) archive_read_support_filter_zstd(a);
    archive_read_support_format_empty(a);
    uint8_t *block = NULL;
    size_t room = 0;
    t->file = path;
    int r = archive_read_open_filename(a, path, 1u << 16);
    struct archive_entry *e;
    while (r == ARCHIVE_OK && (r = archive_read_next_header(a, &e)) == ARCHIVE_OK) {
        if (tar && archive_entry_filetype(e) != AE_IFREG) continue;
        size_t n;
        if (!read_entry(a, &block, &room, &n)) {
            r = ARCHIVE_FATAL;
            break;
        }
        char name[4096];
        (void)snprintf(name, sizeof name, "%s%s%s", path, tar ? "/" : "",
                       tar ? archive_entry_pathname(e) : "");
        t->file = name;
        each(name, (struct bytes){block, n}, t, arg);
        t->file = path;
    }
    if (r != ARCHIVE_EOF) {
        const char *text = archive_error_string(a);
        tally_fail(t, "-", "cannot be read: %s", text ? text : "unknown error");
    }
    free(block);
    (void)archive_read_free(a);
    t->file = NULL;
}

void conformance_walk(const char *path, struct tally *t, each_file *each, void *arg) {
    struct stat st;
    if (stat(path, &st) != 0) {
        t->file = path;
        tally_fail(t, "-", "does not exist");
        return;
    }
    if (!S_ISDIR(st.st_mode)) {
        run_file(path, t, each, arg);
        return;
    }
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char sub[4096];
        if (names[i]->d_name[0] != '.' &&
            snprintf(sub, sizeof sub, "%s/%s", path, names[i]->d_name) < (int)sizeof sub) {
            conformance_walk(sub, t, each, arg);
        }
        free(names[i]);
    }
    if (n >= 0) free(names);
}
