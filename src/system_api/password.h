/* The operator's password: how it is stored, checked, and how often it may be tried.
 *
 * Stored forms, a file without newline:
 *   64 hex digits                     SHA-256(password || salt), the deployed program's
 *   scrypt$N$r$p$SALT_HEX$HASH_HEX    RFC 7914; what is written now
 * An old form that a password matches should be rewritten (password_check says so).
 * Checking costs tens of milliseconds and 16 MiB by design: do it on a worker. A password that
 * matched is remembered as a keyed hash in this process, so that it is paid once.
 * Thread: password_derive and password_matches any; struct password_gate one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SYSTEM_API_PASSWORD_H
#define SYSTEM_API_PASSWORD_H

#include "base/buf.h"
#include "base/map.h"

#define PASSWORD_STORED_MAX 256
#define PASSWORD_BYTES_MAX 4096

/* A stored hash. An empty text is "no password". */
struct password_hash {
    char text[PASSWORD_STORED_MAX];
};

/* password_read reads the file.  A missing file is made, empty, mode 0600, and reads as none.
 * errors  ERR_SYNTAX (neither form: a trailing newline too), ERR_IO. */
[[gnu::warn_unused_result]] int password_read(struct password_hash *ret, const char *path,
                                              struct error *why);
/* password_write replaces the file durably, mode 0600. errors  ERR_IO. */
[[gnu::warn_unused_result]] int password_write(const char *path, const struct password_hash *h,
                                               struct error *why);

static inline bool password_is_set(const struct password_hash *h) {
    return h->text[0] != '\0';
}
/* password_is_old: the form that wants an upgrade. */
bool password_is_old(const struct password_hash *h);

/* password_derive makes a hash of a new password with a random salt. */
[[gnu::warn_unused_result]] int password_derive(struct password_hash *ret, struct bytes password,
                                                struct error *why);

/* password_matches checks in time that does not depend on where they differ.
 * salt  of the old form.  errors  ERR_INTERNAL, ERR_NO_MEMORY (libcrypto). */
[[gnu::warn_unused_result]] int password_matches(bool *ret, const struct password_hash *h,
                                                 struct bytes password, const char *salt,
                                                 struct error *why);

/* Slows down guessing: after PASSWORD_FREE_TRIES failures of one client each further one doubles
 * the wait, up to a minute; success or ten quiet minutes forget it. Checks under way count as
 * though they failed just now, so that many guesses at once are no way around it. */
#define PASSWORD_FREE_TRIES 5
struct password_gate;

enum password_outcome {
    PASSWORD_WRONG,
    PASSWORD_RIGHT,
    PASSWORD_UNKNOWN, /* the check did not come to an end */
};

/* errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int password_gate_new(struct password_gate **ret, struct error *why);
void password_gate_free(struct password_gate *g);

/* password_gate_wait_ns: how long this client (16 address bytes) must wait now; 0: it may try. */
uint64_t password_gate_wait_ns(const struct password_gate *g, const uint8_t client[16],
                               uint64_t now_ns);
/* password_gate_begin notes that a check of this client is under way, password_gate_end how it
 * ended; one for each. Clients past 4096 that all fail now are not kept. */
void password_gate_begin(struct password_gate *g, const uint8_t client[16], uint64_t now_ns);
void password_gate_end(struct password_gate *g, const uint8_t client[16],
                       enum password_outcome outcome, uint64_t now_ns);

#endif
