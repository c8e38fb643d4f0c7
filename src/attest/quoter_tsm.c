/* Linux's configfs-tsm: a folder per request with the files provider, generation, inblob, outblob.
 * SPDX-License-Identifier: MIT */
#include "attest/quoter.h"
#include "base/clock.h"
#include "base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define POLL_MS 10
#define TRIES 5

struct tsm_quoter {
    struct quoter base;
    char root[PATH_MAX / 2];
    uint64_t wait_ms;
};

static int open_in(const char *folder, const char *name, int flags, struct error *why) {
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, flags | O_CLOEXEC);
    return fd >= 0 ? fd : error_set_os(why, errno == EBUSY ? ERR_BUSY : ERR_IO, errno, "%s", path);
}

// The whole of a small attribute file; EBUSY (a quote is being made) is waited for.
static int read_attribute(const char *folder, const char *name, struct buf *out,
                          uint64_t deadline_ns, struct error *why) {
    int fd = open_in(folder, name, O_RDONLY, why);
    if (fd < 0) return fd;
    int code = 0;
    for (;;) {
        uint8_t *to = buf_reserve(out, 4096);
        if (!to) {
            code = buf_check(out, why);
            break;
        }
        ssize_t n = read(fd, to, 4096);
        if (n > 0) {
            buf_commit(out, (size_t)n);
        } else if (n == 0) {
            break;
        } else if (errno == EBUSY || errno == EINTR || errno == EAGAIN) {
            if (clock_monotonic_ns(&clock_system) > deadline_ns) {
                code = error_set(why, ERR_TIMEOUT, "%s/%s: no answer in time", folder, name);
                break;
            }
            struct timespec pause = {0, (long)(POLL_MS * NS_PER_MS)};
            (void)nanosleep(&pause, NULL);
        } else {
            code = error_set_os(why, ERR_IO, errno, "%s/%s", folder, name);
            break;
        }
    }
    (void)close(fd);
    return code;
}

static int read_generation(const char *folder, uint64_t *ret, uint64_t deadline_ns,
                           struct error *why) {
    struct buf text;
    buf_init(&text, 64);
    int code = read_attribute(folder, "generation", &text, deadline_ns, why);
    if (code == 0) {
        buf_append_byte(&text, 0);
        code = buf_check(&text, why);
    }
    if (code == 0) *ret = strtoull((const char *)text.p, NULL, 10);
    buf_free(&text);
    return code;
}

// One write of all 64 bytes, without O_TRUNC, which some kernels refuse.
static int write_input(const char *folder, const uint8_t data[64], struct error *why) {
    int fd = open_in(folder, "inblob", O_WRONLY, why);
    if (fd < 0) return fd;
    ssize_t n = write(fd, data, 64);
    int os = errno;
    (void)close(fd);
    if (n == 64) return 0;
    return error_set_os(why, n < 0 && os == EBUSY ? ERR_BUSY : ERR_IO, n < 0 ? os : EIO,
                        "%s/inblob", folder);
}

// ERR_CONFLICT when someone else used the entry between our write and the end of our read.
static int one_try(const char *folder, struct buf *out, const uint8_t data[64],
                   uint64_t deadline_ns, struct error *why) {
    uint64_t before = 0, after = 0;
    int code = read_generation(folder, &before, deadline_ns, why);
    if (code == 0) code = write_input(folder, data, why);
    if (code == 0) code = read_attribute(folder, "outblob", out, deadline_ns, why);
    if (code == 0) code = read_generation(folder, &after, deadline_ns, why);
    if (code == 0 && after != before + 1) {
        code = error_set(why, ERR_CONFLICT, "%s: generation %llu after %llu", folder,
                         (unsigned long long)after, (unsigned long long)before);
    }
    return code;
}

static int check_provider(const char *folder, uint64_t deadline_ns, struct error *why) {
    struct buf text;
    buf_init(&text, 256);
    int code = read_attribute(folder, "provider", &text, deadline_ns, why);
    if (code == 0 && !bytes_starts_with(buf_view(&text), BYTES_LIT("tdx_guest"))) {
        code = error_set(why, ERR_UNSUPPORTED, "%s: the provider is not tdx_guest", folder);
    }
    buf_free(&text);
    return code;
}

static int make(struct quoter *base, struct buf *out, const uint8_t report_data[64],
                struct error *why) {
    struct tsm_quoter *q = (struct tsm_quoter *)base;
    char folder[PATH_MAX - 64];
    uint64_t deadline = clock_monotonic_ns(&clock_system) + q->wait_ms * NS_PER_MS;
    (void)snprintf(folder, sizeof folder, "%s/buildernet-%d-%08x", q->root, (int)getpid(),
                   (unsigned)random_u64());
    if (mkdir(folder, 0700) < 0) return error_set_os(why, ERR_IO, errno, "%s", folder);
    size_t from = out->n;
    int code = check_provider(folder, deadline, why);
    for (int i = 0; code == 0 && i < TRIES; i++) {
        out->n = from;
        code = one_try(folder, out, report_data, deadline, why);
        if (code != ERR_CONFLICT && code != ERR_BUSY) break;
        if (i + 1 < TRIES) code = 0;
    }
    (void)rmdir(folder);
    return code;
}

static void release(struct quoter *base) {
    free(base);
}

int quoter_tsm(struct quoter **ret, const char *root, enum attestation_type type, uint64_t wait_ms,
               struct error *why) {
    struct stat st;
    if (stat(root, &st) < 0 || !S_ISDIR(st.st_mode)) {
        return error_set_os(why, ERR_NOT_FOUND, errno, "%s", root);
    }
    struct tsm_quoter *q = calloc(1, sizeof *q);
    if (!q || strlen(root) >= sizeof q->root) {
        free(q);
        return error_set(why, ERR_NO_MEMORY, "quoter");
    }
    q->base = (struct quoter){type, make, release};
    memcpy(q->root, root, strlen(root) + 1);
    q->wait_ms = wait_ms;
    *ret = &q->base;
    return 0;
}
