/* SPDX-License-Identifier: MIT */
#include "hub/admins.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BCRYPT_BYTES 60 /* "$2y$10$", 22 digits of salt, 31 of hash */
#define COST_MAX 31

struct account {
    char user[ADMINS_USER_BYTES_MAX + 1];
    char bcrypt[BCRYPT_BYTES + 1];
};

struct admins {
    struct account items[ADMINS_MAX];
    size_t count;
    bool named;
};

int admins_new(struct admins **ret, struct error *why) {
    *ret = calloc(1, sizeof **ret);
    return *ret ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for accounts");
}

void admins_free(struct admins *a) {
    if (!a) return;
    bytes_wipe(a->items, sizeof a->items);
    free(a);
}

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

static bool is_salt_digit(uint8_t c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '/';
}

static bool is_version(uint8_t c) {
    return c == 'a' || c == 'b' || c == 'x' || c == 'y';
}

// What is wrong with it, never the hash itself.
static const char *bcrypt_fault(struct bytes h) {
    if (h.n < 4 || h.p[0] != '$' || h.p[1] != '2' || !is_version(h.p[2]) || h.p[3] != '$') {
        return "it does not begin with $2a$, $2b$, $2x$ or $2y$";
    }
    if (h.n != BCRYPT_BYTES) return "it has another length than 60 characters";
    if (!is_digit(h.p[4]) || !is_digit(h.p[5]) || h.p[6] != '$') return "its cost is no number";
    int cost = 10 * (h.p[4] - '0') + h.p[5] - '0';
    if (cost < 4 || cost > COST_MAX) return "its cost is not between 04 and 31";
    for (size_t i = 7; i < h.n; i++) {
        if (!is_salt_digit(h.p[i])) return "it has characters that are no digits of bcrypt";
    }
    return NULL;
}

static bool user_is_good(struct bytes user) {
    for (size_t i = 0; i < user.n; i++) {
        if (user.p[i] == ':' || user.p[i] < 0x20 || user.p[i] == 0x7f) return false;
    }
    return user.n && user.n <= ADMINS_USER_BYTES_MAX;
}

int admins_add(struct admins *a, struct bytes user, struct bytes bcrypt, struct error *why) {
    if (!user_is_good(user)) {
        return error_set(why, ERR_SYNTAX, "an account's name has 1 to %d bytes without a colon",
                         ADMINS_USER_BYTES_MAX);
    }
    const char *fault = bcrypt_fault(bcrypt);
    if (fault) {
        return error_set(why, ERR_SYNTAX, "the password of %.*s is no bcrypt hash: %s", (int)user.n,
                         (const char *)user.p, fault);
    }
    if (admins_hash(a, user)) {
        return error_set(why, ERR_CONFLICT, "the account %.*s is there twice", (int)user.n,
                         (const char *)user.p);
    }
    if (a->count == ADMINS_MAX) {
        return error_set(why, ERR_LIMIT, "more than %d accounts", ADMINS_MAX);
    }
    struct account *item = &a->items[a->count++];
    (void)snprintf(item->user, sizeof item->user, "%.*s", (int)user.n, (const char *)user.p);
    memcpy(item->bcrypt, bcrypt.p, bcrypt.n);
    return 0;
}

static struct bytes next_line(struct bytes *rest) {
    const uint8_t *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
    struct bytes line = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
    *rest = bytes_slice(*rest, line.n + (end ? 1 : 0), rest->n);
    while (line.n && strchr(" \t\r", line.p[line.n - 1]))
        line.n--;
    return line;
}

int admins_parse(struct admins *a, struct bytes text, struct error *why) {
    size_t before = a->count;
    for (unsigned number = 1; text.n; number++) {
        struct bytes line = next_line(&text);
        if (line.n == 0 || line.p[0] == '#') continue;
        const uint8_t *colon = memchr(line.p, ':', line.n);
        size_t n = colon ? (size_t)(colon - line.p) : line.n;
        int r = colon
                    ? admins_add(a, bytes_slice(line, 0, n), bytes_slice(line, n + 1, line.n), why)
                    : error_set(why, ERR_SYNTAX, "it is not NAME:HASH");
        if (r != 0) return error_wrap(why, "line %u", number);
    }
    a->named = true;
    return a->count > before ? 0 : error_set(why, ERR_SYNTAX, "there is no account in it");
}

int admins_read(struct admins *a, const char *path, struct error *why) {
    struct buf text;
    buf_init(&text, ADMINS_FILE_BYTES_MAX);
    int r = file_read(&text, path, why);
    if (r == 0) r = admins_parse(a, buf_view(&text), why);
    if (r != 0) r = error_wrap(why, "accounts %s", path);
    if (text.p) bytes_wipe(text.p, text.n);
    buf_free(&text);
    return r;
}

const char *admins_hash(const struct admins *a, struct bytes user) {
    const char *found = NULL;
    for (size_t i = 0; i < a->count; i++) {
        if (bytes_equal_secret(user, bytes_from_str(a->items[i].user))) found = a->items[i].bcrypt;
    }
    return found;
}

const char *admins_any_hash(const struct admins *a) {
    return a->count ? a->items[0].bcrypt : NULL;
}

bool admins_are_named(const struct admins *a) {
    return a->named;
}
