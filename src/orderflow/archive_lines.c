/* SPDX-License-Identifier: MIT */
#include "orderflow/archive_lines.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes up to the last line break, with it. */
static size_t whole_lines(struct bytes b) {
    const uint8_t *last = b.n > 0 ? memrchr(b.p, '\n', b.n) : NULL;
    return last ? (size_t)(last - b.p) + 1 : 0;
}

int archive_lines_append(size_t *ret_written, const char *path, struct bytes lines,
                         struct error *why) {
    struct stat st;
    size_t done = 0;
    *ret_written = 0;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "cannot open %s", path);
    int r = fstat(fd, &st) == 0 ? 0 : error_set_os(why, ERR_IO, errno, "%s", path);
    while (r == 0 && done < lines.n) {
        ssize_t n = write(fd, lines.p + done, lines.n - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            r = error_set_os(why, ERR_IO, n < 0 ? errno : ENOSPC, "cannot write %s", path);
            break;
        }
        done += (size_t)n;
    }
    size_t whole = whole_lines(bytes_slice(lines, 0, done));
    if (done > whole && ftruncate(fd, st.st_size + (off_t)whole) != 0) {
        r = error_set_os(why, ERR_IO, errno, "cannot take half a line off %s", path);
    }
    (void)close(fd);
    *ret_written = whole;
    return r;
}

/* Where the last line of a file ends. */
static off_t end_of_lines(int fd, off_t size) {
    uint8_t piece[16384];
    while (size > 0) {
        size_t n = size > (off_t)sizeof piece ? sizeof piece : (size_t)size;
        if (pread(fd, piece, n, size - (off_t)n) != (ssize_t)n) return -1;
        size_t whole = whole_lines(bytes_make(piece, n));
        if (whole > 0) return size - (off_t)(n - whole);
        size -= (off_t)n;
    }
    return 0;
}

static bool mend(int folder, const char *name) {
    struct stat st;
    int fd = openat(folder, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return false;
    bool torn = false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        off_t end = end_of_lines(fd, st.st_size);
        torn = end >= 0 && end < st.st_size && ftruncate(fd, end) == 0;
    }
    (void)close(fd);
    return torn;
}

static bool is_ours(const char *name) {
    size_t n = strlen(name), prefix = strlen(ARCHIVE_LINES_PREFIX);
    size_t suffix = strlen(ARCHIVE_LINES_SUFFIX);
    return n > prefix + suffix && strncmp(name, ARCHIVE_LINES_PREFIX, prefix) == 0 &&
           strcmp(name + n - suffix, ARCHIVE_LINES_SUFFIX) == 0;
}

unsigned archive_lines_mend(const char *folder) {
    unsigned torn = 0;
    DIR *d = opendir(folder);
    if (!d) return 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (is_ours(e->d_name)) torn += mend(dirfd(d), e->d_name);
    }
    (void)closedir(d);
    return torn;
}
