/* Log: one line an event, logfmt or JSON from the same call, written with one write(2).
 *
 *     log_info(l, "bid_rejected", F_STR("relay", name), F_U64("slot", slot), F_ERR(why));
 *
 * Event names are stable (snake_case); operators search for them. Level error means that an
 * operator must act. Values are escaped and cut at LOG_VALUE_MAX bytes; values of keys that name
 * secrets (password, authorization, ...) and the user part of URLs are masked. An event that
 * repeats more often than the limit is counted instead, and its next line carries `suppressed=N`.
 * A NULL log takes everything and writes nothing. Thread: any; a lock guards only the counts.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/u256.h"

#define LOG_VALUE_MAX 256
#define LOG_LINE_MAX 8192

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_LOGFMT, LOG_JSON };

enum log_kind {
    LOG_FIELD_END, /* ends a list, skipped */
    LOG_FIELD_STR,
    LOG_FIELD_U64,
    LOG_FIELD_I64,
    LOG_FIELD_BOOL,
    LOG_FIELD_DOUBLE,
    LOG_FIELD_HEX,
    LOG_FIELD_U256,
    LOG_FIELD_DURATION,
    LOG_FIELD_ERR,
    LOG_FIELD_SECRET,
};

struct log_field {
    const char *key; /* ASCII snake_case literal */
    enum log_kind kind;
    union {
        struct bytes bytes;
        uint64_t u64;
        int64_t i64;
        double number;
        const struct error *error;
        struct u256 u256;
    };
};

/* Fields. F_STR takes a C string (NULL reads as ""), F_BYTES text with a length, F_HEX bytes that
 * are printed as 0x digits, F_DURATION nanoseconds, F_ERR a struct error (key "error", and
 * "error_code"). Views are read during the call only. */
#define F_STR(k, v)                                                                                \
    ((struct log_field){.key = (k), .kind = LOG_FIELD_STR, .bytes = bytes_from_str(v)})
#define F_BYTES(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_STR, .bytes = (v)})
#define F_U64(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_U64, .u64 = (uint64_t)(v)})
#define F_I64(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_I64, .i64 = (int64_t)(v)})
#define F_BOOL(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_BOOL, .u64 = (v) ? 1 : 0})
#define F_DOUBLE(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_DOUBLE, .number = (v)})
#define F_HEX(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_HEX, .bytes = (v)})
#define F_U256(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_U256, .u256 = (v)})
#define F_DURATION(k, ns)                                                                          \
    ((struct log_field){.key = (k), .kind = LOG_FIELD_DURATION, .u64 = (uint64_t)(ns)})
#define F_ERR(why) ((struct log_field){.key = "error", .kind = LOG_FIELD_ERR, .error = (why)})
#define F_SECRET(k) ((struct log_field){.key = (k), .kind = LOG_FIELD_SECRET})

struct log;

struct log_options {
    int fd; /* borrowed; usually 2 */
    enum log_level level;
    enum log_format format;
    const struct clock *clock;       /* NULL: clock_system */
    const char *program;             /* printed in every line; NULL: none. Borrowed. */
    unsigned repeat_limit_per_event; /* lines an event may write each 10 s; 0: no limit */
};

/* log_open: errors ERR_NO_MEMORY. log_close frees (not the fd) after log_flush. */
[[gnu::warn_unused_result]] int log_open(struct log **ret, const struct log_options *options,
                                         struct error *why);
void log_close(struct log *l);

/* log_flush writes one line for every event that still has uncounted repeats. */
void log_flush(struct log *l);

/* log_set changes level and format while others log (reload). */
void log_set(struct log *l, enum log_level level, enum log_format format);

/* log_enabled: a line of this level would be written. For fields that are dear to compute. */
bool log_enabled(const struct log *l, enum log_level level);

/* log_write is what the macros call; fields[0] is skipped, count includes it. */
void log_write(struct log *l, enum log_level level, const char *event,
               const struct log_field *fields, size_t count);

#define LOG_AT(l, level, event, ...)                                                               \
    log_write((l), (level), (event), (const struct log_field[]){{0}, ##__VA_ARGS__},               \
              sizeof((const struct log_field[]){{0}, ##__VA_ARGS__}) / sizeof(struct log_field))
#define log_debug(l, event, ...) LOG_AT(l, LOG_DEBUG, event, ##__VA_ARGS__)
#define log_info(l, event, ...) LOG_AT(l, LOG_INFO, event, ##__VA_ARGS__)
#define log_warn(l, event, ...) LOG_AT(l, LOG_WARN, event, ##__VA_ARGS__)
#define log_error(l, event, ...) LOG_AT(l, LOG_ERROR, event, ##__VA_ARGS__)

/* Names: "debug", "info", "warn", "error", "off"; "logfmt", "json". ERR_SYNTAX otherwise. */
[[gnu::warn_unused_result]] int log_level_parse(enum log_level *ret, struct bytes name,
                                                struct error *why);
[[gnu::warn_unused_result]] int log_format_parse(enum log_format *ret, struct bytes name,
                                                 struct error *why);
const char *log_level_name(enum log_level level);

#endif
