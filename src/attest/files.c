/* SPDX-License-Identifier: MIT */
#include "attest/files.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, struct bytes *ret, const char *path, size_t limit, struct arena *a,
                    struct error *why) {
    uint8_t *block = NULL;
    size_t n = 0, room = 0;
    for (;;) {
        if (n == room) {
            size_t more = room ? 2 * room : 16384;
            uint8_t *p = arena_alloc_raw(a, more);
            if (!p) return error_set(why, ERR_NO_MEMORY, "%s: no memory", path);
            if (n) memcpy(p, block, n);
            block = p;
            room = more;
        }
        ssize_t got = read(fd, block + n, room - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_set_os(why, ERR_IO, errno, "%s", path);
        if (got == 0) break;
        n += (size_t)got;
        if (n > limit) return error_set(why, ERR_LIMIT, "%s: more than %zu bytes", path, limit);
    }
    *ret = (struct bytes){block, n};
    return 0;
}

int files_read(struct bytes *ret, const char *path, size_t limit, struct arena *a,
               struct error *why) {
    if (strcmp(path, "-") == 0) return read_all(STDIN_FILENO, ret, path, limit, a, why);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set_os(why, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO,
                            errno, "%s", path);
    }
    int code = read_all(fd, ret, path, limit, a, why);
    (void)close(fd);
    return code;
}

int files_write(const char *path, struct bytes content, unsigned mode, struct error *why) {
    struct file_write_options options = {.mode = (mode_t)mode};
    return file_write_atomic(path, content, &options, why);
}

int files_make_folder(const char *path, unsigned mode, struct error *why) {
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n >= sizeof part) return error_set(why, ERR_LIMIT, "path too long");
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != 0) continue;
        char saved = part[i];
        part[i] = 0;
        if (mkdir(part, (mode_t)mode) < 0 && errno != EEXIST) {
            return error_set_os(why, ERR_IO, errno, "%s", part);
        }
        part[i] = saved;
    }
    return 0;
}
