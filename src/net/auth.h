/* Auth: what the Authorization field carries: Basic, Bearer, and JSON Web Tokens of the Engine API.
 *
 * Parsing only tells what the caller claims: compare user, password and token with
 * bytes_equal_secret. jwt_verify proves the token.
 *
 * Source: RFC 7617, RFC 6750; RFC 7515, 7519 (HS256 only, compact form);
 * ethereum/execution-apis, engine/authentication.md. Thread: any; no shared state.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_AUTH_H
#define NET_AUTH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/secret.h"

#define AUTH_BASIC_BYTES_MAX 8192u /* of the field's value */

struct auth_basic {
    struct secret text;          /* "user:password" */
    struct bytes user, password; /* in it */
};

/* auth_basic_parse reads "Basic <base64 of user:password>".
 * ret     free with auth_basic_free, which wipes it.
 * errors  ERR_AUTH (another scheme, or none), ERR_SYNTAX (base64, no colon, control characters),
 *         ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int auth_basic_parse(struct auth_basic *ret, struct bytes value,
                                                 struct error *why);
void auth_basic_free(struct auth_basic *b);

/* auth_basic_write appends "Basic ..." for a client's request.
 * errors  ERR_INVALID (a colon in the user's name, control characters), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int auth_basic_write(struct buf *out, struct bytes user,
                                                 struct bytes password, struct error *why);

/* auth_bearer gives the token of "Bearer <token>"; it lies in `value`.
 * errors  ERR_AUTH (another scheme, or none), ERR_SYNTAX (characters no token has). */
[[gnu::warn_unused_result]] int auth_bearer(struct bytes *ret, struct bytes value,
                                            struct error *why);

/* ---- JSON Web Tokens with HMAC-SHA-256 ---- */

#define JWT_KEY_BYTES 32u
#define JWT_BYTES_MAX 4096u /* of a token */
#define JWT_WINDOW_S 60     /* how far iat may be from now, either way */

struct jwt_claims {
    int64_t iat;          /* seconds since 1970 */
    struct bytes id, clv; /* "id" and "clv" of the Engine API; empty: none */
    struct bytes payload; /* all claims, as JSON text */
};

/* jwt_verify proves a token and its time: the signature first, in constant time, then alg HS256,
 * iat within JWT_WINDOW_S of now, exp and nbf when they are there.
 * ret      may be NULL; points into `a`.  key  at least JWT_KEY_BYTES.
 * now_s    wall clock, seconds since 1970.
 * errors   ERR_SYNTAX (no token), ERR_UNSUPPORTED (another alg, or crit), ERR_AUTH (signature),
 *          ERR_STALE (iat, exp, nbf), ERR_INVALID (claims; a short key), ERR_LIMIT. */
[[gnu::warn_unused_result]] int jwt_verify(struct jwt_claims *ret, struct bytes token,
                                           struct bytes key, uint64_t now_s, struct arena *a,
                                           struct error *why);

/* jwt_write appends a token that says iat = now_s.  errors  ERR_INVALID (key), the buf's. */
[[gnu::warn_unused_result]] int jwt_write(struct buf *out, struct bytes key, uint64_t now_s,
                                          struct error *why);

/* jwt_key_read reads a key file of the Engine API: 64 hex digits, "0x" before them allowed.
 * errors  as secret_read_file; ERR_SYNTAX. */
[[gnu::warn_unused_result]] int jwt_key_read(struct secret *ret, const char *path,
                                             struct error *why);

#endif
