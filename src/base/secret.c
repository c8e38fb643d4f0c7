/* SPDX-License-Identifier: MIT */
#include "base/secret.h"

#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int secret_init(struct secret *s, size_t n, struct error *why) {
    *s = (struct secret){0};
    if (n > SECRET_BYTES_MAX) return error_set(why, ERR_LIMIT, "secret of %zu bytes", n);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t body = (n / page + 1) * page;
    size_t mapped = body + 2 * page;
    uint8_t *p = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return error_set_os(why, ERR_NO_MEMORY, errno, "no memory for a secret");
    if (mprotect(p + page, body, PROT_READ | PROT_WRITE) != 0) {
        int os = errno;
        (void)munmap(p, mapped);
        return error_set_os(why, ERR_NO_MEMORY, os, "no memory for a secret");
    }
    s->locked = mlock(p + page, body) == 0;
    (void)madvise(p + page, body, MADV_DONTDUMP);
    // Children get zeroes, not the secret.
    (void)madvise(p + page, body, MADV_WIPEONFORK);
    // The secret ends where the guard page begins, so that an overrun faults at once.
    s->p = p + page + body - n;
    s->n = n;
    s->mapped_bytes = mapped;
    return 0;
}

void secret_free(struct secret *s) {
    if (s->mapped_bytes) {
        bytes_wipe(s->p, s->n);
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        (void)munmap(s->p + s->n + page - s->mapped_bytes, s->mapped_bytes);
    }
    *s = (struct secret){0};
}

int secret_copy(struct secret *s, struct bytes in, struct error *why) {
    int r = secret_init(s, in.n, why);
    if (r) return r;
    if (in.n) memcpy(s->p, in.p, in.n);
    return 0;
}

int secret_random(struct secret *s, size_t n, struct error *why) {
    int r = secret_init(s, n, why);
    if (r) return r;
    random_bytes(s->p, n);
    return 0;
}

static int read_all(struct secret *s, int fd, size_t size, const char *path, struct error *why) {
    int r = secret_init(s, size, why);
    if (r) return r;
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(fd, s->p + n, size - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            r = error_set_os(why, ERR_IO, errno, "%s", path);
            secret_free(s);
            return r;
        }
        if (got == 0) break;
        n += (size_t)got;
    }
    // The end of the mapping stays where it is: a shorter secret is moved up against it.
    if (n && s->p[n - 1] == '\n') n--;
    memmove(s->p + size - n, s->p, n);
    bytes_wipe(s->p, size - n);
    s->p += size - n;
    s->n = n;
    return 0;
}

int secret_read_file(struct secret *s, const char *path, struct error *why) {
    *s = (struct secret){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return error_set_os(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", path);
    }
    struct stat st;
    int r = 0;
    if (fstat(fd, &st) != 0) {
        r = error_set_os(why, ERR_IO, errno, "%s", path);
    } else if (!S_ISREG(st.st_mode)) {
        r = error_set(why, ERR_IO, "%s: not a regular file", path);
    } else if (st.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) {
        r = error_set(why, ERR_UNTRUSTED, "%s: others may read or change it (mode %03o)", path,
                      (unsigned)st.st_mode & 0777u);
    } else if (st.st_size > SECRET_BYTES_MAX) {
        r = error_set(why, ERR_LIMIT, "%s: larger than %u bytes", path, SECRET_BYTES_MAX);
    } else {
        r = read_all(s, fd, (size_t)st.st_size, path, why);
    }
    (void)close(fd);
    return r;
}
