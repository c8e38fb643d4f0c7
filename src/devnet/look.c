/* What the page asks about single slots and blocks: the bids that the relay has of a slot, and what
 * a builder noted when it built a block. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "devnet/shadow.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_TAIL_BYTES (1u << 20) /* of a builder's log; a block's line is looked for in it */

// GET /api/bids/SLOT

struct bids {
    struct exchange *x;
    struct query query;
    struct loop_task end;
    struct buf answer;
    struct error why; // code 0: none
};

// A query cannot be closed inside its own answer.
static void on_bids_end(struct loop_task *t) {
    struct bids *b = LIST_ENTRY(t, struct bids, end);
    if (b->why.code) {
        api_refuse(b->x, 502, b->why.text);
    } else {
        exchange_respond_text(b->x, 200, "application/json", buf_view(&b->answer));
    }
    exchange_release(b->x);
    query_close(&b->query);
    buf_free(&b->answer);
    free(b);
}

static void on_bids(struct query *q, int code, const struct json *doc, const struct error *why) {
    struct bids *b = q->context;
    if (code < 0) {
        b->why = *why;
    } else {
        buf_append(&b->answer, json_raw(doc));
        (void)!buf_check(&b->answer, &b->why);
    }
    loop_defer(exchange_loop(b->x), &b->end);
}

void look_bids(struct net *n, struct exchange *x) {
    struct bytes slot = exchange_param(x, "slot");
    struct bids *b = calloc(1, sizeof *b);
    struct error why = {0};
    char text[160];
    size_t digits = 0;
    while (digits < slot.n && slot.p[digits] >= '0' && slot.p[digits] <= '9') {
        digits++;
    }
    if (!b || digits != slot.n || digits > 18) {
        free(b);
        api_refuse(x, b ? 400 : 500, b ? "not a slot" : "no memory");
        return;
    }
    b->x = x;
    b->end.run = on_bids_end;
    b->query.done = on_bids;
    b->query.context = b;
    buf_init(&b->answer, QUERY_BYTES_MAX);
    int r = query_open(&b->query, n->loop, n->relay_url, &why);
    (void)snprintf(text, sizeof text, "/relay/v1/data/bidtraces/builder_blocks_received?slot=%.*s",
                   (int)slot.n, (const char *)slot.p);
    if (r == 0) r = query_get(&b->query, text, &why);
    if (r < 0) {
        api_refuse(x, 502, why.text);
        query_close(&b->query);
        free(b);
        return;
    }
    exchange_hold(x);
}

// What roles noted in their logs

#define BUILT " event=block_built "
#define SLOT_TAIL_BYTES (1u << 18)

static void read_tail(struct buf *out, const char *path, size_t most) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
    off_t from = size > (off_t)most ? size - (off_t)most : 0;
    uint8_t *place = size > 0 ? buf_reserve(out, (size_t)(size - from)) : NULL;
    ssize_t got = place ? pread(fd, place, (size_t)(size - from), from) : 0;
    if (got > 0) buf_commit(out, (size_t)got);
    if (fd >= 0) (void)close(fd);
}

// The first line of a log that has both texts; n 0: none.
static struct bytes find_line(struct bytes log, const char *event, const char *text) {
    struct bytes rest = log;
    while (rest.n) {
        const uint8_t *end = memchr(rest.p, '\n', rest.n);
        struct bytes line = bytes_slice(rest, 0, end ? (size_t)(end - rest.p) : rest.n);
        if (memmem(line.p, line.n, event, strlen(event)) &&
            memmem(line.p, line.n, text, strlen(text))) {
            return line;
        }
        rest = bytes_slice(rest, line.n + 1 < rest.n ? line.n + 1 : rest.n, rest.n);
    }
    return (struct bytes){NULL, 0};
}

// "time=… level=… key=value …": as members.
static void write_fields(struct json_writer *w, struct bytes line) {
    for (size_t at = 0; at < line.n;) {
        const uint8_t *p = line.p + at;
        const uint8_t *end = memchr(p, ' ', line.n - at);
        size_t n = end ? (size_t)(end - p) : line.n - at;
        const uint8_t *equals = memchr(p, '=', n);
        char key[32];
        if (equals && (size_t)(equals - p) < sizeof key) {
            (void)snprintf(key, sizeof key, "%.*s", (int)(equals - p), (const char *)p);
            json_add_text(w, key, bytes_make(equals + 1, (size_t)(p + n - equals - 1)));
        }
        at += n + 1;
    }
}

// The value of "key=…" in a line, without quotes around it; n 0: none.
static struct bytes value_of(struct bytes line, const char *key) {
    char text[40];
    (void)snprintf(text, sizeof text, " %s=", key);
    const uint8_t *at = line.n ? memmem(line.p, line.n, text, strlen(text)) : NULL;
    if (!at) return (struct bytes){NULL, 0};
    struct bytes v = bytes_slice(line, (size_t)(at - line.p) + strlen(text), line.n);
    bool quoted = v.n && v.p[0] == '"';
    if (quoted) v = bytes_slice(v, 1, v.n);
    const uint8_t *end = v.n ? memchr(v.p, quoted ? '"' : ' ', v.n) : NULL;
    return bytes_slice(v, 0, end ? (size_t)(end - v.p) : v.n);
}

static uint64_t number_of(struct bytes line, const char *key) {
    char text[24];
    struct bytes v = value_of(line, key);
    if (!v.n || v.n >= sizeof text) return UINT64_MAX;
    (void)snprintf(text, sizeof text, "%.*s", (int)v.n, (const char *)v.p);
    return strtoull(text, NULL, 10);
}

// Durations as logs have them: 93.005us, 2.103ms, 1.2s.
static uint64_t duration_of(struct bytes line, const char *key) {
    char text[24], *unit;
    struct bytes v = value_of(line, key);
    if (!v.n || v.n >= sizeof text) return UINT64_MAX;
    (void)snprintf(text, sizeof text, "%.*s", (int)v.n, (const char *)v.p);
    double n = strtod(text, &unit);
    double scale = strcmp(unit, "s") == 0    ? 1e9
                   : strcmp(unit, "ms") == 0 ? 1e6
                   : strcmp(unit, "us") == 0 ? 1e3
                                             : 1;
    return (uint64_t)(n * scale);
}

static void note_winner(struct slot_record *r, struct bytes log) {
    char text[80] = " hash=0x";
    hex_encode(text + strlen(text), BYTES_OF(r->hash));
    struct bytes built = find_line(log, BUILT, text);
    if (!built.n) return;
    r->root_ns = duration_of(built, "root");
    r->seal_ns = duration_of(built, "seal");
    (void)snprintf(text, sizeof text, " slot=%llu ", (unsigned long long)r->slot);
    struct bytes all = find_line(log, " event=slot ", text);
    uint64_t ready = number_of(all, "ready"), failed = number_of(all, "failed");
    uint64_t waiting = number_of(all, "waiting");
    if (!all.n || ready == UINT64_MAX || failed == UINT64_MAX || waiting == UINT64_MAX) return;
    r->landed = number_of(built, "orders");
    r->received = ready + failed + waiting;
}

static void note_missed(struct slot_record *r, struct bytes log) {
    char text[40];
    (void)snprintf(text, sizeof text, " slot=%llu", (unsigned long long)r->slot);
    size_t n = strlen(text);
    struct bytes line = find_line(log, " event=slot_skipped", text);
    const uint8_t *at = line.n ? memmem(line.p, line.n, text, n) : NULL;
    if (at && (at + n == line.p + line.n || at[n] == ' ')) {
        (void)snprintf(r->reason, sizeof r->reason, "the proposer was told to miss it");
        return;
    }
    text[n] = ' ';
    text[n + 1] = '\0';
    line = find_line(log, " event=slot_missed ", text);
    struct bytes step = value_of(line, "step"), why = value_of(line, "error");
    if (!line.n) return;
    (void)snprintf(r->reason, sizeof r->reason, "%.*s: %.*s", (int)(step.n < 40 ? step.n : 40),
                   (const char *)step.p, (int)(why.n < 110 ? why.n : 110), (const char *)why.p);
}

void look_slot(void *net, struct slot_record *r) {
    const struct net *n = net;
    struct buf log;
    char path[PATH_MAX];
    shadow_look(n, r);
    if (n->shadow || (!r->missed && !r->by_relay)) return;
    (void)snprintf(path, sizeof path, "%s/logs/%s%s.log", n->folder.path,
                   r->missed ? "chain" : r->winner, r->missed ? "" : ".builder");
    if (!r->missed && strchr(r->winner, '/')) return; // a name of somebody's choice
    buf_init(&log, SLOT_TAIL_BYTES + 1);
    read_tail(&log, path, SLOT_TAIL_BYTES);
    (r->missed ? note_missed : note_winner)(r, buf_view(&log));
    buf_free(&log);
}

// GET /api/build/HASH

void look_build(struct net *n, struct exchange *x) {
    struct bytes hash = exchange_param(x, "hash");
    struct hash check;
    struct buf log, out;
    struct json_writer w;
    char text[80];
    bool found = false;
    (void)snprintf(text, sizeof text, " hash=%.*s ", (int)(hash.n < 70 ? hash.n : 70),
                   (const char *)hash.p);
    if (hex_decode_hash(&check, hash, NULL) < 0) {
        api_refuse(x, 400, "not a hash");
        return;
    }
    buf_init(&log, LOG_TAIL_BYTES + 1);
    buf_init(&out, 1u << 16);
    json_writer_init(&w, &out, 0);
    json_begin_object(&w, NULL);
    for (size_t i = 0; !found && i < n->node_count; i++) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof path, "%s/logs/%s.builder.log", n->folder.path,
                       n->nodes[i].name);
        buf_clear(&log);
        read_tail(&log, path, LOG_TAIL_BYTES);
        struct bytes line = find_line(buf_view(&log), BUILT, text);
        if (!line.n) continue;
        found = true;
        json_add_str(&w, "node", n->nodes[i].name);
        json_begin_object(&w, "built");
        write_fields(&w, line);
        json_end(&w);
    }
    if (!found) json_add_null(&w, "node");
    json_end(&w);
    if (buf_check(&out, NULL) < 0) {
        api_refuse(x, 500, "no memory");
    } else {
        exchange_respond_text(x, 200, "application/json", buf_view(&out));
    }
    buf_free(&log);
    buf_free(&out);
}
