/* SPDX-License-Identifier: MIT */
#include "orderflow/given.h"

#include "base/file.h"
#include "crypto/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct given {
    int fd;
    uint64_t session, sequence; // of the newest that was read
    struct given_record *known; // by id; NULL: none
    size_t known_count;
    uint64_t known_until_ns; // the last of them expires
    struct buf fresh;        // records that were taken down, not yet written
    uint64_t fresh_at;       // sequence of the first of them
    uint64_t fresh_next;
};

static uint64_t check_of(struct bytes record) {
    struct hash h = sha256(bytes_slice(record, 8, GIVEN_RECORD - 8));
    return load_be64(h.b);
}

bool given_read_record(struct given_record *ret, struct bytes in) {
    if (in.n != GIVEN_RECORD) return false;
    struct given_record r = {.session = load_be64(in.p + 8),
                             .sequence = load_be64(in.p + 16),
                             .expires_ns = load_be64(in.p + 24)};
    if (r.session == 0 || load_be64(in.p) != check_of(in)) return false;
    memcpy(r.id.b, in.p + 32, sizeof r.id.b);
    *ret = r;
    return true;
}

static int by_id(const void *a, const void *b) {
    const struct given_record *x = a, *y = b;
    return memcmp(x->id.b, y->id.b, sizeof x->id.b);
}

/* What has not expired, by id. Numbers count also of what has: they are not given again. */
static int read_all(struct given *g, struct bytes all, uint64_t now_ns, struct error *why) {
    size_t slots = all.n / GIVEN_RECORD, n = 0;
    if (slots == 0) return 0;
    struct given_record *known = calloc(slots, sizeof *known);
    if (!known) return error_set(why, ERR_NO_MEMORY, "no memory for what the builder was given");
    for (size_t i = 0; i < slots; i++) {
        struct given_record r;
        size_t at = i * GIVEN_RECORD;
        if (!given_read_record(&r, bytes_slice(all, at, GIVEN_RECORD))) continue;
        if (r.sequence % GIVEN_SLOTS != i) continue;
        if (r.sequence > g->sequence) {
            g->sequence = r.sequence;
            g->session = r.session;
        }
        if (r.expires_ns <= now_ns) continue;
        if (r.expires_ns > g->known_until_ns) g->known_until_ns = r.expires_ns;
        known[n++] = r;
    }
    qsort(known, n, sizeof *known, by_id);
    g->known = known;
    g->known_count = n;
    return 0;
}

int given_open(struct given **ret, const char *path, uint64_t now_ns, struct error *why) {
    struct buf all;
    struct given *g = calloc(1, sizeof *g);
    if (!g) return error_set(why, ERR_NO_MEMORY, "no memory for what the builder was given");
    buf_init(&all, (size_t)GIVEN_SLOTS * GIVEN_RECORD);
    buf_init(&g->fresh, 0);
    g->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int r = g->fd < 0 ? error_set_os(why, ERR_IO, errno, "%s", path) : file_read(&all, path, why);
    if (r == 0) r = read_all(g, buf_view(&all), now_ns, why);
    buf_free(&all);
    if (r != 0) {
        given_close(g);
        return r;
    }
    *ret = g;
    return 0;
}

static void forget_all(struct given *g) {
    free(g->known);
    g->known = NULL;
    g->known_count = 0;
}

void given_close(struct given *g) {
    if (!g) return;
    if (g->fd >= 0) (void)close(g->fd);
    forget_all(g);
    buf_free(&g->fresh);
    free(g);
}

uint64_t given_session(const struct given *g) {
    return g->session;
}

uint64_t given_sequence(const struct given *g) {
    return g->sequence;
}

void given_confirm(struct given *g, uint64_t session, uint64_t last) {
    size_t n = 0;
    for (size_t i = 0; i < g->known_count; i++) {
        const struct given_record *r = &g->known[i];
        if (r->session == session && r->sequence <= last) g->known[n++] = *r;
    }
    g->known_count = n;
    if (n == 0) forget_all(g);
}

bool given_has(const struct given *g, const struct hash *id) {
    const struct given_record key = {.id = *id};
    return g->known && bsearch(&key, g->known, g->known_count, sizeof key, by_id) != NULL;
}

void given_forget(struct given *g, uint64_t now_ns) {
    if (g->known && now_ns >= g->known_until_ns) forget_all(g);
}

static void put_record(struct buf *out, uint64_t session, uint64_t sequence,
                       const struct flow_order *o) {
    size_t start = out->n;
    buf_append_be64(out, 0);
    buf_append_be64(out, session);
    buf_append_be64(out, sequence);
    buf_append_be64(out, o->expires_ns);
    buf_append(out, BYTES_OF(o->id));
    if (out->failed) return;
    store_be64(out->p + start, check_of(bytes_make(out->p + start, GIVEN_RECORD)));
}

void given_note(struct given *g, uint64_t session, uint64_t sequence, const struct flow_order *o) {
    if (g->fresh.n > 0 && sequence != g->fresh_next) {
        (void)!given_write(g, NULL); // numbers were left out
    }
    if (g->fresh.n == 0) g->fresh_at = sequence;
    g->fresh_next = sequence + 1;
    put_record(&g->fresh, session, sequence, o);
}

int given_write(struct given *g, struct error *why) {
    int r = buf_check(&g->fresh, why);
    size_t at = 0;
    while (r == 0 && at < g->fresh.n) {
        uint64_t slot = (g->fresh_at + at / GIVEN_RECORD) % GIVEN_SLOTS;
        size_t n = g->fresh.n - at, room = (size_t)(GIVEN_SLOTS - slot) * GIVEN_RECORD;
        if (n > room) n = room;
        off_t to = (off_t)(slot * GIVEN_RECORD + at % GIVEN_RECORD);
        ssize_t wrote = pwrite(g->fd, g->fresh.p + at, n, to);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) r = error_set_os(why, ERR_IO, errno, "what the builder was given");
        if (wrote > 0) at += (size_t)wrote;
    }
    buf_clear(&g->fresh);
    return r;
}
