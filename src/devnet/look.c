/* What the page asks about single slots and blocks: the bids that the relay has of a slot, and what
 * a builder noted when it built a block. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "devnet/net.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_TAIL_BYTES (1u << 20) /* of a builder's log; a block's line is looked for in it */

static void refuse(struct exchange *x, int status, const char *text) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out, 0);
    json_begin_object(&w, NULL);
    json_add_bool(&w, "ok", false);
    json_add_str(&w, "error", text);
    json_end(&w);
    exchange_respond_text(x, status, "application/json", buf_view(&out));
    buf_free(&out);
}

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
        refuse(b->x, 502, b->why.text);
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
        refuse(x, b ? 400 : 500, b ? "not a slot" : "no memory");
        return;
    }
    b->x = x;
    b->end.run = on_bids_end;
    b->query.done = on_bids;
    b->query.context = b;
    buf_init(&b->answer, QUERY_BYTES_MAX);
    (void)snprintf(text, sizeof text, "http://127.0.0.1:%u", n->relay_port);
    int r = query_open(&b->query, n->loop, text, &why);
    (void)snprintf(text, sizeof text, "/relay/v1/data/bidtraces/builder_blocks_received?slot=%.*s",
                   (int)slot.n, (const char *)slot.p);
    if (r == 0) r = query_get(&b->query, text, &why);
    if (r < 0) {
        refuse(x, 502, why.text);
        query_close(&b->query);
        free(b);
        return;
    }
    exchange_hold(x);
}

// GET /api/build/HASH

static void read_tail(struct buf *out, const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
    off_t from = size > (off_t)LOG_TAIL_BYTES ? size - (off_t)LOG_TAIL_BYTES : 0;
    uint8_t *place = size > 0 ? buf_reserve(out, (size_t)(size - from)) : NULL;
    ssize_t got = place ? pread(fd, place, (size_t)(size - from), from) : 0;
    if (got > 0) buf_commit(out, (size_t)got);
    if (fd >= 0) (void)close(fd);
}

// The line of the log that tells of the block; n 0: none.
static struct bytes find_line(struct bytes log, struct bytes hash) {
    char text[80];
    int length = snprintf(text, sizeof text, " hash=%.*s ", (int)hash.n, (const char *)hash.p);
    struct bytes rest = log;
    while (rest.n) {
        const uint8_t *end = memchr(rest.p, '\n', rest.n);
        struct bytes line = bytes_slice(rest, 0, end ? (size_t)(end - rest.p) : rest.n);
        if (memmem(line.p, line.n, " event=block_built ", 19) &&
            memmem(line.p, line.n, text, (size_t)length)) {
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

void look_build(struct net *n, struct exchange *x) {
    struct bytes hash = exchange_param(x, "hash");
    struct hash check;
    struct buf log, out;
    struct json_writer w;
    bool found = false;
    if (hex_decode_hash(&check, hash, NULL) < 0) {
        refuse(x, 400, "not a hash");
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
        read_tail(&log, path);
        struct bytes line = find_line(buf_view(&log), hash);
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
        refuse(x, 500, "no memory");
    } else {
        exchange_respond_text(x, 200, "application/json", buf_view(&out));
    }
    buf_free(&log);
    buf_free(&out);
}
