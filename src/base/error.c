/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <stdio.h>
#include <string.h>

static const struct error_class classes[] = {
    [0] = {"ok", 200, 0, 0},
    [-ERR_SYNTAX] = {"syntax", 400, -32700, 65},
    [-ERR_LIMIT] = {"limit", 413, -32005, 65},
    [-ERR_RANGE] = {"range", 400, -32602, 65},
    [-ERR_INVALID] = {"invalid", 400, -32602, 65},
    [-ERR_AUTH] = {"auth", 401, -32001, 77},
    [-ERR_UNTRUSTED] = {"untrusted", 403, -32003, 77},
    [-ERR_NOT_FOUND] = {"not_found", 404, -32004, 66},
    [-ERR_CONFLICT] = {"conflict", 409, -32006, 73},
    [-ERR_STALE] = {"stale", 410, -32007, 65},
    [-ERR_BUSY] = {"busy", 503, -32008, 75},
    [-ERR_AGAIN] = {"again", 503, -32008, 75},
    [-ERR_TIMEOUT] = {"timeout", 504, -32009, 75},
    [-ERR_CLOSED] = {"closed", 502, -32010, 69},
    [-ERR_CANCELLED] = {"cancelled", 499, -32011, 75},
    [-ERR_IO] = {"io", 500, -32603, 74},
    [-ERR_NO_MEMORY] = {"no_memory", 503, -32008, 71},
    [-ERR_UNSUPPORTED] = {"unsupported", 501, -32601, 64},
    [-ERR_INTERNAL] = {"internal", 500, -32603, 70},
};

[[gnu::format(printf, 5, 0)]] static void set(struct error *why, enum err code, uint64_t at, int os,
                                              const char *text, va_list args) {
    why->code = code;
    why->at = at > UINT32_MAX ? UINT32_MAX : (uint32_t)at;
    why->os = os;
    int n = vsnprintf(why->text, sizeof why->text, text, args);
    if (n < 0) why->text[0] = '\0';
}

int(error_set)(struct error *why, enum err code, const char *text, ...) {
    if (why) {
        va_list args;
        va_start(args, text);
        set(why, code, 0, 0, text, args);
        va_end(args);
    }
    return code;
}

int(error_set_at)(struct error *why, enum err code, uint64_t at, const char *text, ...) {
    if (why) {
        va_list args;
        va_start(args, text);
        set(why, code, at, 0, text, args);
        va_end(args);
    }
    return code;
}

int(error_set_os)(struct error *why, enum err code, int os, const char *text, ...) {
    if (why) {
        va_list args;
        va_start(args, text);
        set(why, code, 0, os, text, args);
        va_end(args);
        size_t n = strlen(why->text);
        char reason[80];
        const char *s = strerror_r(os, reason, sizeof reason);
        (void)snprintf(why->text + n, sizeof why->text - n, ": %s", s);
    }
    return code;
}

int(error_wrap)(struct error *why, const char *context, ...) {
    if (!why) return ERR_INTERNAL;
    char old[ERROR_TEXT_MAX];
    memcpy(old, why->text, sizeof old);
    va_list args;
    va_start(args, context);
    int n = vsnprintf(why->text, sizeof why->text, context, args);
    va_end(args);
    if (n < 0) n = 0;
    if ((size_t)n < sizeof why->text) {
        size_t room = sizeof why->text - (size_t)n;
        (void)snprintf(why->text + n, room, ": %.*s", (int)sizeof old, old);
    }
    return why->code;
}

const struct error_class *error_class_of(int code) {
    if (code > 0 || code < ERR_LOWEST) code = ERR_INTERNAL;
    return &classes[-code];
}

const char *error_name(int code) {
    return error_class_of(code)->name;
}
