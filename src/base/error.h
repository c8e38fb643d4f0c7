/* Errors of the whole project: a small set of codes, with the details beside them.
 *
 * A function that can fail returns `int`: 0, or a negative `enum err`. The details go to a
 * caller-given `struct error`, set only on failure. NULL does where the caller asks only whether it
 * failed: error_wrap has no code to give again then, so who acts on the code gives a struct. One
 * table (error_class) maps a code to HTTP status, JSON-RPC code, exit status.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>
#include <stdint.h>

enum err {
    ERR_SYNTAX = -1,       /* the input is not of its grammar */
    ERR_LIMIT = -2,        /* a named limit (size, depth, count, rate) would be passed */
    ERR_RANGE = -3,        /* a well-formed value outside what is allowed */
    ERR_INVALID = -4,      /* well-formed, in range, and yet wrong: a bad signature, a bad root */
    ERR_AUTH = -5,         /* the caller did not prove who it is */
    ERR_UNTRUSTED = -6,    /* the caller is known and policy refuses it */
    ERR_NOT_FOUND = -7,    /* what was named does not exist */
    ERR_CONFLICT = -8,     /* it exists already, or another change came first */
    ERR_STALE = -9,        /* too old: an expired certificate, a passed block */
    ERR_BUSY = -10,        /* try again later: a full queue, a held lock */
    ERR_AGAIN = -11,       /* nothing is wrong: more input (or room for output) is needed */
    ERR_TIMEOUT = -12,     /* a time limit passed */
    ERR_CLOSED = -13,      /* the other side is gone */
    ERR_CANCELLED = -14,   /* the caller asked to stop */
    ERR_IO = -15,          /* the operating system refused; `os` holds errno */
    ERR_NO_MEMORY = -16,   /* allocation failed */
    ERR_UNSUPPORTED = -17, /* valid, and not offered here */
    ERR_INTERNAL = -18,    /* an invariant of ours is broken */
};

#define ERR_LOWEST (-18)
#define ERROR_TEXT_MAX 240

struct error {
    enum err code;
    uint32_t at;               /* byte offset into the input, where there is one, else 0 */
    int os;                    /* errno, where the operating system said it, else 0 */
    char text[ERROR_TEXT_MAX]; /* one line for a person, NUL-terminated, no secrets */
};

/* Where a code leads when it reaches the outside. */
struct error_class {
    const char *name;  /* "not_found" */
    int http_status;   /* 404 */
    int json_rpc_code; /* -32001 */
    int exit_status;   /* sysexits-like, 1..125 */
};

/* error_set fills *why (if not NULL) and returns `code`, so that `return error_set(...)` reads
 * well. text    printf format; cut at ERROR_TEXT_MAX-1 bytes.  thread  any. */
[[gnu::format(printf, 3, 4)]] int error_set(struct error *why, enum err code, const char *text,
                                            ...);

/* error_set_at is error_set with the byte offset of the offence. */
[[gnu::format(printf, 4, 5)]] int error_set_at(struct error *why, enum err code, uint64_t at,
                                               const char *text, ...);

/* error_set_os is error_set with `os` = the given errno value, whose text is appended. */
[[gnu::format(printf, 4, 5)]] int error_set_os(struct error *why, enum err code, int os,
                                               const char *text, ...);

/* error_wrap puts "context: " before the text that is already there; returns why->code
 * (ERR_INTERNAL when why is NULL), so that `return error_wrap(why, "peer %s", name)` reads well. */
[[gnu::format(printf, 2, 3)]] int error_wrap(struct error *why, const char *context, ...);

/* The analyser does not look into these: it is told what they return, so that it knows which way a
 * caller goes on. */
#ifdef __clang_analyzer__
#define error_set(why, code, ...) ((void)(error_set)(why, code, __VA_ARGS__), (int)(code))
#define error_set_at(why, code, at, ...)                                                           \
    ((void)(error_set_at)(why, code, at, __VA_ARGS__), (int)(code))
#define error_set_os(why, code, os, ...)                                                           \
    ((void)(error_set_os)(why, code, os, __VA_ARGS__), (int)(code))
#define error_wrap(why, ...) ((void)(error_wrap)(why, __VA_ARGS__), (int)ERR_INTERNAL)
#endif

/* error_name gives the stable snake_case name of a code ("syntax", ... ); "ok" for 0. */
const char *error_name(int code);

/* error_class_of gives the table row of a code; unknown codes read as ERR_INTERNAL. */
const struct error_class *error_class_of(int code);

#endif
