/* SPDX-License-Identifier: MIT */
#include "system_api/password.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/random.h"
#include "crypto/kdf.h"
#include "crypto/sha256.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SCRYPT_N 16384
#define SCRYPT_R 8
#define SCRYPT_P 1
#define SALT_BYTES 16
#define CLIENTS_MAX 4096
#define FORGET_NS (600 * NS_PER_S)
#define WAIT_MAX_NS (60 * NS_PER_S)

/* The parts of the scrypt form. */
struct parts {
    unsigned long n, r, p;
    uint8_t salt[64];
    size_t salt_n;
    uint8_t hash[32];
};

bool password_is_old(const struct password_hash *h) {
    return password_is_set(h) && strncmp(h->text, "scrypt$", 7) != 0;
}

// Reads a number and the '$' behind it, and moves past them.
static bool take_number(unsigned long *ret, const char **text) {
    char *end;
    if (**text < '0' || **text > '9') return false;
    errno = 0;
    *ret = strtoul(*text, &end, 10);
    if (errno || *end != '$') return false;
    *text = end + 1;
    return true;
}

// Reads "scrypt$N$r$p$SALT$HASH"; false when it is anything else.
static bool parse(struct parts *ret, const char *text) {
    char salt[129], hash[65];
    int end = 0;
    if (strncmp(text, "scrypt$", 7) != 0) return false;
    text += 7;
    if (!take_number(&ret->n, &text) || !take_number(&ret->r, &text) ||
        !take_number(&ret->p, &text) ||
        sscanf(text, "%128[0-9a-f]$%64[0-9a-f]%n", salt, hash, &end) != 2 || text[end] != '\0' ||
        strlen(hash) != 64) {
        return false;
    }
    ret->salt_n = strlen(salt) / 2;
    return hex_decode(ret->salt, bytes_from_str(salt), NULL) == 0 &&
           hex_decode(ret->hash, bytes_from_str(hash), NULL) == 0;
}

static bool is_old_form(struct bytes text) {
    uint8_t hash[32];
    return text.n == 64 && hex_decode(hash, text, NULL) == 0;
}

int password_read(struct password_hash *ret, const char *path, struct error *why) {
    struct buf content;
    buf_init(&content, PASSWORD_STORED_MAX - 1);
    int r = file_read(&content, path, why);
    struct password_hash h = {{0}};
    if (r == ERR_NOT_FOUND) {
        r = password_write(path, &h, why);
    } else if (r == 0) {
        if (content.n) memcpy(h.text, content.p, content.n);
        struct parts parts;
        if (content.n && !is_old_form(buf_view(&content)) && !parse(&parts, h.text)) {
            r = error_set(why, ERR_SYNTAX, "%s holds neither 64 hex digits nor a scrypt hash",
                          path);
        }
    }
    buf_free(&content);
    if (r == 0) *ret = h;
    return r;
}

int password_write(const char *path, const struct password_hash *h, struct error *why) {
    return file_write_atomic(path, bytes_from_str(h->text), NULL, why);
}

int password_derive(struct password_hash *ret, struct bytes password, struct error *why) {
    uint8_t salt[SALT_BYTES], hash[32];
    char salt_hex[2 * SALT_BYTES + 1], hash_hex[65];
    random_bytes(salt, sizeof salt);
    int r = scrypt(hash, sizeof hash, password, bytes_make(salt, sizeof salt), SCRYPT_N, SCRYPT_R,
                   SCRYPT_P, why);
    if (r != 0) return r;
    hex_encode(salt_hex, bytes_make(salt, sizeof salt));
    hex_encode(hash_hex, bytes_make(hash, sizeof hash));
    salt_hex[2 * SALT_BYTES] = hash_hex[64] = '\0';
    (void)snprintf(ret->text, sizeof ret->text, "scrypt$%d$%d$%d$%s$%s", SCRYPT_N, SCRYPT_R,
                   SCRYPT_P, salt_hex, hash_hex);
    bytes_wipe(hash, sizeof hash);
    return 0;
}

static bool matches_old(const struct password_hash *h, struct bytes password, const char *salt) {
    struct sha256 s;
    char text[64];
    sha256_init(&s);
    sha256_update(&s, password);
    sha256_update(&s, bytes_from_str(salt));
    struct hash hash = sha256_final(&s);
    hex_encode(text, BYTES_OF(hash));
    return bytes_equal_secret(bytes_make(text, 64), bytes_make(h->text, 64));
}

int password_matches(bool *ret, const struct password_hash *h, struct bytes password,
                     const char *salt, struct error *why) {
    if (password_is_old(h)) {
        *ret = matches_old(h, password, salt);
        return 0;
    }
    struct parts parts;
    uint8_t hash[32];
    if (!parse(&parts, h->text)) return error_set(why, ERR_INTERNAL, "no password hash");
    int r = scrypt(hash, sizeof hash, password, bytes_make(parts.salt, parts.salt_n), parts.n,
                   parts.r, parts.p, why);
    if (r == 0) *ret = bytes_equal_secret(bytes_make(hash, 32), bytes_make(parts.hash, 32));
    bytes_wipe(hash, sizeof hash);
    return r;
}

// The gate

struct client {
    uint8_t address[16];
    unsigned failures, under_way;
    uint64_t last_ns; // of its newest failure, or of its first check
};

struct password_gate {
    struct map clients;
};

int password_gate_new(struct password_gate **ret, struct error *why) {
    struct password_gate *g = calloc(1, sizeof *g);
    if (!g) return error_set(why, ERR_NO_MEMORY, "no memory for the password gate");
    map_init(&g->clients, CLIENTS_MAX);
    *ret = g;
    return 0;
}

static struct client *find(const struct password_gate *g, const uint8_t client[16]) {
    return map_get(&g->clients, bytes_make(client, 16));
}

static void forget(struct password_gate *g, struct client *c) {
    (void)map_remove(&g->clients, bytes_make(c->address, 16));
    free(c);
}

static void forget_quiet(struct password_gate *g, uint64_t before_ns) {
    // Removing moves entries: begin again after each.
    for (;;) {
        size_t at = 0;
        struct bytes key;
        void *value;
        struct client *quiet = NULL;
        while (!quiet && map_next(&g->clients, &at, &key, &value)) {
            struct client *c = value;
            if (!c->under_way && c->last_ns < before_ns) quiet = c;
        }
        if (!quiet) return;
        forget(g, quiet);
    }
}

void password_gate_free(struct password_gate *g) {
    if (!g) return;
    size_t at = 0;
    struct bytes key;
    void *value;
    while (map_next(&g->clients, &at, &key, &value)) {
        free(value);
    }
    map_free(&g->clients);
    free(g);
}

uint64_t password_gate_wait_ns(const struct password_gate *g, const uint8_t client[16],
                               uint64_t now_ns) {
    const struct client *c = find(g, client);
    if (!c || c->failures + c->under_way < PASSWORD_FREE_TRIES) return 0;
    unsigned doublings = c->failures + c->under_way - PASSWORD_FREE_TRIES;
    uint64_t wait = doublings < 6 ? NS_PER_S << doublings : WAIT_MAX_NS;
    uint64_t until = (c->under_way ? now_ns : c->last_ns) + wait;
    return until > now_ns ? until - now_ns : 0;
}

void password_gate_begin(struct password_gate *g, const uint8_t client[16], uint64_t now_ns) {
    struct client *c = find(g, client);
    if (!c) {
        if (g->clients.n == CLIENTS_MAX) {
            forget_quiet(g, now_ns > FORGET_NS ? now_ns - FORGET_NS : 0);
        }
        c = calloc(1, sizeof *c);
        if (!c) return;
        memcpy(c->address, client, 16);
        c->last_ns = now_ns;
        if (map_put(&g->clients, bytes_make(c->address, 16), c, NULL, NULL) != 0) {
            free(c); // full of clients that fail now: the slow hash itself is the brake
            return;
        }
    }
    c->under_way++;
}

void password_gate_end(struct password_gate *g, const uint8_t client[16],
                       enum password_outcome outcome, uint64_t now_ns) {
    struct client *c = find(g, client);
    if (!c) return;
    if (c->under_way) c->under_way--;
    if (outcome == PASSWORD_RIGHT) c->failures = 0;
    if (outcome == PASSWORD_WRONG) {
        if (now_ns - c->last_ns > FORGET_NS) c->failures = 0;
        c->failures++;
        c->last_ns = now_ns;
    }
    if (!c->failures && !c->under_way) forget(g, c);
}
