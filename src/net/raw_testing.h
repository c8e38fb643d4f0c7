/* Both ends of what the tests of servers and proxies send: a peer that says bytes and keeps what it
 * hears, and a handler whose answer is longer than what fits a socket. Not for programs.
 * SPDX-License-Identifier: MIT */
#ifndef NET_RAW_TESTING_H
#define NET_RAW_TESTING_H

#include "net/server.h"
#include "net/testing.h"

/* ---- the peer ---- */

struct raw {
    struct conn conn;
    struct buf heard;
    bool closed;
};

static inline void raw_opened(struct conn *c) {
    (void)c;
}
static inline void raw_readable(struct conn *c) {
    struct raw *r = c->owner;
    uint8_t *p = loop_scratch(c->loop);
    ssize_t n;
    while ((n = conn_read(c, p, 4096)) > 0)
        buf_append(&r->heard, bytes_make(p, (size_t)n));
    if (n != ERR_AGAIN) {
        r->closed = true;
        conn_close(c);
    }
}
static inline void raw_closed(struct conn *c, const struct error *why) {
    (void)why;
    ((struct raw *)c->owner)->closed = true;
    conn_close(c);
}
static const struct conn_events raw_events = {raw_opened, raw_readable, NULL, raw_closed};

/* raw_open connects and waits until that is done. raw_free closes. */
static inline void raw_open(struct raw *r, struct loop *l, const struct socket_address *to) {
    struct error why = {0};
    memset(r, 0, sizeof *r);
    CHECK_OK(conn_connect(&r->conn, l, to, NULL, &raw_events, r, &why), &why);
    TURN_UNTIL(l, conn_is_open(&r->conn) || r->closed);
}
static inline void raw_say(struct raw *r, const char *text) {
    CHECK(conn_write(&r->conn, bytes_from_str(text)) == 0);
}
static inline void raw_free(struct raw *r) {
    conn_close(&r->conn);
    buf_free(&r->heard);
}

/* ---- the handler ---- */

static inline void long_drained(struct exchange *x, void *context) {
    static const uint8_t block[16384];
    (void)context;
    int r = 0;
    while (r == 0 && exchange_left(x) > 0) {
        size_t n = exchange_left(x) < sizeof block ? (size_t)exchange_left(x) : sizeof block;
        r = exchange_write(x, bytes_make(block, n));
    }
    if (exchange_left(x) == 0) exchange_end(x);
}
static const struct exchange_events long_events = {NULL, long_drained, NULL};

/* long_answer answers with that many zeros, as fast as the other side takes them. */
static inline void long_answer(struct exchange *x, int64_t bytes, void *context) {
    exchange_set_events(x, &long_events, context);
    exchange_begin(x, 200, bytes);
    long_drained(x, context);
}

#endif
