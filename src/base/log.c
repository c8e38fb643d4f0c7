/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/hex.h"
#include "base/secret.h"
#include "base/utf8.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REPEAT_WINDOW_NS (10 * NS_PER_S)
#define REPEAT_SLOTS 512 /* events counted apart; more share slots */
#define REPEAT_PROBES 8
#define LINE_TAIL 32 /* room kept for the closing of a cut line */

struct repeat {
    char event[48];
    uint64_t window_start_ns;
    uint32_t written;
    uint32_t suppressed;
};

struct log {
    int fd;
    _Atomic int level;
    _Atomic int format;
    const struct clock *clock;
    const char *program;
    unsigned repeat_limit;
    pthread_mutex_t lock; /* guards repeats */
    struct repeat repeats[REPEAT_SLOTS];
};

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

// A line under construction. Text that does not fit sets `full` and is left out.
struct line {
    char p[LOG_LINE_MAX];
    size_t n;
    bool json;
    bool full;
};

static void put(struct line *o, const char *p, size_t n) {
    if (o->full || n > sizeof o->p - LINE_TAIL - o->n) {
        o->full = true;
        return;
    }
    memcpy(o->p + o->n, p, n);
    o->n += n;
}

static void put_str(struct line *o, const char *s) {
    put(o, s, strlen(s));
}

// Control characters and invalid bytes become \u00XX, so that a line stays one line of UTF-8.
static void put_escaped(struct line *o, struct bytes v) {
    for (size_t i = 0; i < v.n;) {
        uint8_t c = v.p[i];
        size_t length = utf8_decode(NULL, bytes_slice(v, i, 4));
        // U+0080..U+009F are control characters for a terminal.
        bool c1 = length == 2 && c == 0xc2 && v.p[i + 1] < 0xa0;
        if (c == '"' || c == '\\') {
            put(o, (char[]){'\\', (char)c}, 2);
            i++;
        } else if (c == '\n') {
            put(o, "\\n", 2);
            i++;
        } else if (c < 0x20 || c == 0x7f || length == 0 || c1) {
            char escape[8];
            (void)snprintf(escape, sizeof escape, "\\u%04x", c1 ? v.p[i + 1] : c);
            put(o, escape, 6);
            i += c1 ? 2 : 1;
        } else {
            put(o, (const char *)v.p + i, length);
            i += length;
        }
    }
}

// logfmt leaves quotes out where nothing needs them.
static bool plain_word(struct bytes v) {
    if (v.n == 0) return false;
    for (size_t i = 0; i < v.n; i++) {
        uint8_t c = v.p[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\') return false;
    }
    return true;
}

static void put_text(struct line *o, struct bytes v) {
    bool cut = v.n > LOG_VALUE_MAX;
    if (cut) {
        v.n = LOG_VALUE_MAX;
        // Do not cut a character in two.
        while (v.n && (v.p[v.n] & 0xc0) == 0x80) {
            v.n--;
        }
    }
    if (!o->json && !cut && plain_word(v)) {
        put(o, (const char *)v.p, v.n);
        return;
    }
    put_str(o, "\"");
    put_escaped(o, v);
    put_str(o, cut ? "...\"" : "\"");
}

static void put_key(struct line *o, const char *key) {
    if (o->json) {
        put_str(o, o->n == 1 ? "\"" : ",\"");
        put_str(o, key);
        put_str(o, "\":");
    } else {
        if (o->n) put_str(o, " ");
        put_str(o, key);
        put_str(o, "=");
    }
}

static bool names_secret(const char *key) {
    static const char *const words[] = {"password", "passwd",      "secret", "authorization",
                                        "cookie",   "private_key", "token",  "jwt"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasestr(key, words[i])) return true;
    }
    return false;
}

// "https://user:password@host/" is printed as "https://<secret>@host/".
static void put_string(struct line *o, struct bytes v) {
    const uint8_t *scheme = v.n ? memmem(v.p, v.n, "://", 3) : NULL;
    if (scheme) {
        size_t from = (size_t)(scheme - v.p) + 3;
        size_t at = from;
        size_t user_end = 0;
        for (; at < v.n && v.p[at] != '/' && v.p[at] > ' ' && v.p[at] != '?'; at++) {
            if (v.p[at] == '@') user_end = at;
        }
        if (user_end) {
            char masked[LOG_VALUE_MAX + 2];
            int n = snprintf(masked, sizeof masked, "%.*s%s%.*s", (int)(from > 100 ? 100 : from),
                             (const char *)v.p, SECRET_TEXT, (int)(v.n - user_end),
                             (const char *)v.p + user_end);
            size_t length = n < 0 ? 0 : (size_t)n;
            if (length >= sizeof masked) length = sizeof masked - 1;
            put_text(o, (struct bytes){(const uint8_t *)masked, length});
            return;
        }
    }
    put_text(o, v);
}

static void put_hex(struct line *o, struct bytes v) {
    char text[2 * (LOG_VALUE_MAX / 2) + 8] = "0x";
    bool cut = v.n > LOG_VALUE_MAX / 2;
    if (cut) v.n = LOG_VALUE_MAX / 2;
    hex_encode(text + 2, v);
    memcpy(text + 2 + 2 * v.n, cut ? "..." : "", cut ? 4 : 1);
    if (o->json) put_str(o, "\"");
    put_str(o, text);
    if (o->json) put_str(o, "\"");
}

// Durations as a person reads them: 850ns, 1.500us, 12.345ms, 3.000s.
static void put_duration(struct line *o, uint64_t ns) {
    char text[40];
    double v = (double)ns;
    if (ns < NS_PER_US) {
        (void)snprintf(text, sizeof text, "%lluns", (unsigned long long)ns);
    } else if (ns < NS_PER_MS) {
        (void)snprintf(text, sizeof text, "%.3fus", v / 1e3);
    } else if (ns < NS_PER_S) {
        (void)snprintf(text, sizeof text, "%.3fms", v / 1e6);
    } else {
        (void)snprintf(text, sizeof text, "%.3fs", v / 1e9);
    }
    put_text(o, bytes_from_str(text));
}

static void put_number(struct line *o, const struct log_field *f) {
    char text[U256_DECIMAL_MAX + 32];
    bool quoted = false;
    switch (f->kind) {
    case LOG_FIELD_U64:
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)f->u64);
        break;
    case LOG_FIELD_I64:
        (void)snprintf(text, sizeof text, "%lld", (long long)f->i64);
        break;
    case LOG_FIELD_U256:
        (void)u256_to_decimal(text, f->u256);
        quoted = o->json;
        break;
    default:
        (void)snprintf(text, sizeof text, "%.9g", f->number);
        // JSON has no NaN and no infinity.
        quoted = o->json && !(f->number - f->number == 0);
        break;
    }
    if (quoted) put_str(o, "\"");
    put_str(o, text);
    if (quoted) put_str(o, "\"");
}

static void put_error(struct line *o, const struct error *e) {
    put_key(o, "error");
    put_string(o, e ? bytes_from_str(e->text) : bytes_from_str("unknown"));
    if (!e || e->code == 0) return;
    put_key(o, "error_code");
    put_text(o, bytes_from_str(error_name(e->code)));
}

static void put_field(struct line *o, const struct log_field *f) {
    size_t before = o->n;
    if (f->kind == LOG_FIELD_ERR) {
        put_error(o, f->error);
    } else if (f->kind != LOG_FIELD_END) {
        put_key(o, f->key);
        if (f->kind == LOG_FIELD_SECRET ||
            (f->kind != LOG_FIELD_U64 && f->kind != LOG_FIELD_BOOL && names_secret(f->key))) {
            put_text(o, bytes_from_str(SECRET_TEXT));
        } else if (f->kind == LOG_FIELD_STR) {
            put_string(o, f->bytes);
        } else if (f->kind == LOG_FIELD_BOOL) {
            put_str(o, f->u64 ? "true" : "false");
        } else if (f->kind == LOG_FIELD_HEX) {
            put_hex(o, f->bytes);
        } else if (f->kind == LOG_FIELD_DURATION) {
            put_duration(o, f->u64);
        } else {
            put_number(o, f);
        }
    }
    // A field that does not fit is left out whole.
    if (o->full) o->n = before;
}

static void write_line(struct log *l, enum log_level level, const char *event,
                       const struct log_field *fields, size_t count, uint64_t suppressed) {
    struct line o;
    o.n = 0;
    o.full = false;
    o.json = atomic_load_explicit(&l->format, memory_order_relaxed) == LOG_JSON;
    if (o.json) put_str(&o, "{");
    char time[CLOCK_TEXT_MAX];
    size_t time_n = clock_format(time, clock_wall_ns(l->clock), 6);
    put_key(&o, "time");
    put_text(&o, bytes_make(time, time_n));
    put_key(&o, "level");
    put_text(&o, bytes_from_str(level_names[level]));
    if (l->program) {
        put_key(&o, "program");
        put_text(&o, bytes_from_str(l->program));
    }
    put_key(&o, "event");
    put_text(&o, bytes_from_str(event));
    if (suppressed) put_field(&o, &F_U64("suppressed", suppressed));
    for (size_t i = 0; i < count && !o.full; i++) {
        put_field(&o, &fields[i]);
    }
    const char *end =
        o.json ? (o.full ? ",\"cut\":true}\n" : "}\n") : (o.full ? " cut=true\n" : "\n");
    memcpy(o.p + o.n, end, strlen(end));
    o.n += strlen(end);
    // A log that cannot be written has nowhere to complain.
    while (write(l->fd, o.p, o.n) < 0 && errno == EINTR) {
    }
}

static uint32_t hash_event(const char *s) {
    uint32_t h = 2166136261u;
    for (; *s; s++) {
        h = (h ^ (uint8_t)*s) * 16777619u;
    }
    return h ^ h >> 15;
}

static struct repeat *find_repeat(struct log *l, const char *event) {
    uint32_t h = hash_event(event);
    struct repeat *r = NULL;
    for (uint32_t i = 0; i < REPEAT_PROBES; i++) {
        r = &l->repeats[(h + i) % REPEAT_SLOTS];
        if (r->event[0] == 0) {
            (void)snprintf(r->event, sizeof r->event, "%s", event);
            return r;
        }
        if (strncmp(r->event, event, sizeof r->event - 1) == 0) return r;
    }
    return r;
}

// True when the line may be written; *ret_suppressed is what to report with it.
static bool admit(struct log *l, const char *event, uint64_t *ret_suppressed) {
    *ret_suppressed = 0;
    if (l->repeat_limit == 0) return true;
    uint64_t now = clock_monotonic_ns(l->clock);
    (void)pthread_mutex_lock(&l->lock);
    struct repeat *r = find_repeat(l, event);
    if (r->written == 0 || now - r->window_start_ns >= REPEAT_WINDOW_NS) {
        *ret_suppressed = r->suppressed;
        r->window_start_ns = now;
        r->written = 0;
        r->suppressed = 0;
    }
    bool ok = r->written < l->repeat_limit;
    if (ok) {
        r->written++;
    } else {
        r->suppressed++;
    }
    (void)pthread_mutex_unlock(&l->lock);
    return ok;
}

bool log_enabled(const struct log *l, enum log_level level) {
    return l && (int)level >= atomic_load_explicit(&l->level, memory_order_relaxed) &&
           level < LOG_OFF;
}

void log_write(struct log *l, enum log_level level, const char *event,
               const struct log_field *fields, size_t count) {
    uint64_t suppressed = 0;
    if (!log_enabled(l, level) || !admit(l, event, &suppressed)) return;
    int keep = errno;
    write_line(l, level, event, fields + 1, count - 1, suppressed);
    errno = keep;
}

void log_flush(struct log *l) {
    if (!l) return;
    for (size_t i = 0; i < REPEAT_SLOTS; i++) {
        (void)pthread_mutex_lock(&l->lock);
        struct repeat r = l->repeats[i];
        l->repeats[i].suppressed = 0;
        (void)pthread_mutex_unlock(&l->lock);
        if (!r.suppressed) continue;
        struct log_field f = F_STR("of", r.event);
        write_line(l, LOG_INFO, "log_suppressed", &f, 1, r.suppressed);
    }
}

int log_open(struct log **ret, const struct log_options *options, struct error *why) {
    struct log *l = calloc(1, sizeof *l);
    if (!l) return error_set(why, ERR_NO_MEMORY, "no memory for a log");
    l->fd = options->fd;
    l->clock = options->clock ? options->clock : &clock_system;
    l->program = options->program;
    l->repeat_limit = options->repeat_limit_per_event;
    log_set(l, options->level, options->format);
    (void)pthread_mutex_init(&l->lock, NULL);
    *ret = l;
    return 0;
}

void log_close(struct log *l) {
    if (!l) return;
    log_flush(l);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

void log_set(struct log *l, enum log_level level, enum log_format format) {
    if (!l) return;
    atomic_store_explicit(&l->level, (int)level, memory_order_relaxed);
    atomic_store_explicit(&l->format, (int)format, memory_order_relaxed);
}

int log_level_parse(enum log_level *ret, struct bytes name, struct error *why) {
    for (int i = LOG_DEBUG; i <= LOG_OFF; i++) {
        if (!bytes_equal_str(name, level_names[i])) continue;
        *ret = (enum log_level)i;
        return 0;
    }
    return error_set(why, ERR_SYNTAX, "log level is one of debug, info, warn, error, off");
}

int log_format_parse(enum log_format *ret, struct bytes name, struct error *why) {
    if (!bytes_equal_str(name, "json") && !bytes_equal_str(name, "logfmt")) {
        return error_set(why, ERR_SYNTAX, "log format is one of logfmt, json");
    }
    *ret = bytes_equal_str(name, "json") ? LOG_JSON : LOG_LOGFMT;
    return 0;
}

const char *log_level_name(enum log_level level) {
    return level <= LOG_OFF ? level_names[level] : "off";
}
