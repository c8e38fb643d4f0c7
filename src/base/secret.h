/* Secret: bytes that do not reach swap, core dumps, children or logs, and are wiped at the end.
 *
 * Each secret has pages of its own between two guard pages. Compare with secret_equal only.
 * Locking may be refused (RLIMIT_MEMLOCK): `locked` tells, the secret works all the same.
 * Ownership: secret_free wipes and unmaps. Thread: shared reading is safe.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/bytes.h"
#include "base/error.h"

#define SECRET_TEXT "<secret>" /* how every secret is printed */
#define SECRET_BYTES_MAX (1u << 20)

struct secret {
    uint8_t *p; /* NULL when empty */
    size_t n;
    size_t mapped_bytes; /* with the guard pages */
    bool locked;
};

/* secret_init gives n zeroed bytes to fill through s->p.
 * errors   ERR_LIMIT above SECRET_BYTES_MAX, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int secret_init(struct secret *s, size_t n, struct error *why);

/* secret_copy is secret_init and a copy; the caller wipes the source. */
[[gnu::warn_unused_result]] int secret_copy(struct secret *s, struct bytes in, struct error *why);

/* secret_read_file reads a file (one trailing newline removed).
 * errors   ERR_NOT_FOUND, ERR_IO, ERR_LIMIT; ERR_UNTRUSTED when others may read or write it. */
[[gnu::warn_unused_result]] int secret_read_file(struct secret *s, const char *path,
                                                 struct error *why);

/* secret_random fills a new secret of n bytes from the kernel. */
[[gnu::warn_unused_result]] int secret_random(struct secret *s, size_t n, struct error *why);

void secret_free(struct secret *s);

static inline struct bytes secret_view(const struct secret *s) {
    return (struct bytes){s->p, s->n};
}
static inline bool secret_equal(const struct secret *s, struct bytes other) {
    return bytes_equal_secret(secret_view(s), other);
}

#endif
