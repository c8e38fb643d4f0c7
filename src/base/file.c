/* SPDX-License-Identifier: MIT */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define READ_STEP (64u << 10)

static int failed(struct error *why, int os, const char *path) {
    return error_set_os(why, os == ENOENT || os == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, os, "%s",
                        path);
}

static int read_all(struct buf *out, int fd, const char *path, struct error *why) {
    struct stat st;
    // One byte more than the size, so that the read that finds the end needs no growth.
    size_t step = fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size < INT_MAX
                      ? (size_t)st.st_size + 1
                      : READ_STEP;
    size_t room =
        out->limit_bytes && out->limit_bytes >= out->n ? out->limit_bytes - out->n : SIZE_MAX;
    int r = 0;
    for (;;) {
        // At the limit one byte decides whether the file is longer.
        uint8_t extra;
        size_t want = step < room ? step : room;
        uint8_t *to = want ? buf_reserve(out, want) : &extra;
        if (!to) {
            r = buf_check(out, why);
            break;
        }
        ssize_t got = read(fd, to, want ? want : 1);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) r = failed(why, errno, path);
        if (got > 0 && !want) {
            r = error_set(why, ERR_LIMIT, "%s: larger than %zu bytes", path, out->limit_bytes);
        }
        if (got <= 0 || r) break;
        buf_commit(out, (size_t)got);
        room -= (size_t)got;
        step = READ_STEP;
    }
    return r;
}

int file_read(struct buf *out, const char *path, struct error *why) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return failed(why, errno, path);
    int r = read_all(out, fd, path, why);
    (void)close(fd);
    return r;
}

int file_read_operand(struct buf *out, const char *path, struct error *why) {
    if (strcmp(path, "-") == 0) return read_all(out, STDIN_FILENO, "standard input", why);
    return file_read(out, path, why);
}

int file_write_all(int fd, struct bytes content, struct error *why) {
    while (content.n) {
        ssize_t n = write(fd, content.p, content.n);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return error_set_os(why, ERR_IO, errno, "write");
        content = bytes_slice(content, (size_t)n, content.n);
    }
    return 0;
}

int file_sync_folder(const char *path, struct error *why) {
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 1;
    if (n >= sizeof folder)
        return error_set(why, ERR_LIMIT, "path of more than %d bytes", PATH_MAX);
    if (slash) {
        memcpy(folder, path, n ? n : 1);
        folder[n ? n : 1] = 0;
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return failed(why, errno, folder);
    int r = fsync(fd) == 0 ? 0 : failed(why, errno, folder);
    (void)close(fd);
    return r;
}

static int fill(int fd, const char *path, struct bytes content,
                const struct file_write_options *options, struct error *why) {
    int r = file_write_all(fd, content, why);
    if (r) return error_wrap(why, "%s", path), r;
    if (options->set_owner && fchown(fd, options->uid, options->gid) != 0) {
        return failed(why, errno, path);
    }
    // After chown, which may clear bits; mkostemp made it 0600.
    if (fchmod(fd, options->mode ? options->mode : 0600) != 0) return failed(why, errno, path);
    return fsync(fd) == 0 ? 0 : failed(why, errno, path);
}

int file_write_atomic(const char *path, struct bytes content,
                      const struct file_write_options *options, struct error *why) {
    static const struct file_write_options private = {0};
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temporary) return error_set(why, ERR_LIMIT, "path too long");
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) return failed(why, errno, path);
    int r = fill(fd, path, content, options ? options : &private, why);
    if (close(fd) != 0 && r == 0) r = failed(why, errno, path);
    if (r == 0 && rename(temporary, path) != 0) r = failed(why, errno, path);
    if (r) {
        (void)unlink(temporary);
        return r;
    }
    return file_sync_folder(path, why);
}

int file_check_room(const char *path, uint64_t bytes, struct error *why) {
    struct statvfs fs;
    if (statvfs(path, &fs) != 0) {
        return error_set_os(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
                            "cannot see the disk of %s", path);
    }
    uint64_t left = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (left >= bytes) return 0;
    return error_set(why, ERR_LIMIT, "the disk of %s is full: %llu KiB are left", path,
                     (unsigned long long)(left >> 10));
}
