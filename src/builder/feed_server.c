/* The socket of the order feed (eth/order_feed.h): sessions of the orderflow program.
 *
 * What a session has sent is remembered by its number, so that a new connection of the same
 * session goes on where the old one broke off.
 *
 * SPDX-License-Identifier: MIT */
#include "builder/app.h"

#include "net/conn.h"
#include "net/socket.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECTIONS_MAX 16u
#define SESSIONS_MAX 64u

struct feed_session {
    uint64_t id, last; // the last sequence that was taken
};

struct feed_conn {
    struct feed_server *f;
    struct conn conn;
    struct buf in;
    struct arena memory;
    struct feed_session *session; // after its hello
    bool used;
    bool owes; // an acknowledgement
};

struct feed_server {
    struct app *a;
    char path[108];
    int fd;
    struct loop_fd watch;
    struct feed_conn conns[CONNECTIONS_MAX];
    struct feed_session sessions[SESSIONS_MAX];
    size_t session_at;
};

static void close_conn(struct feed_conn *c) {
    conn_close(&c->conn);
    buf_free(&c->in);
    arena_free(&c->memory);
    c->used = false;
}

static struct feed_session *session_of(struct feed_server *f, uint64_t id) {
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        if (f->sessions[i].id == id && id != 0) return &f->sessions[i];
    }
    struct feed_session *s = &f->sessions[f->session_at];
    f->session_at = (f->session_at + 1) % SESSIONS_MAX;
    *s = (struct feed_session){id, 0};
    return s;
}

/* One order; refusals go back, nothing else does. */
static void take_order(struct feed_conn *c, const struct feed_frame *frame) {
    struct feed_order o;
    struct error why;
    if (frame->sequence <= c->session->last) return; // a repeat after a broken connection
    int r = feed_order_decode(&o, frame->body, &c->memory, &why);
    if (r == 0) r = intake_order(c->f->a, &o, BUILD_FROM_FEED, NULL, &why);
    arena_reset(&c->memory);
    c->session->last = frame->sequence;
    c->owes = true;
    if (r == 0 || r == ERR_CONFLICT) return;
    feed_put_refuse(conn_queue(&c->conn), frame->sequence, r, why.text);
}

static int take_frame(struct feed_conn *c, const struct feed_frame *frame, struct error *why) {
    switch (frame->kind) {
    case FEED_HELLO:
        c->session = session_of(c->f, frame->session);
        feed_put_welcome(conn_queue(&c->conn), frame->session, c->session->last);
        log_info(c->f->a->log, "feed_connected", F_U64("session", frame->session),
                 F_U64("last", c->session->last));
        return 0;
    case FEED_ORDER:
        if (!c->session) return error_set(why, ERR_INVALID, "an order before the hello");
        take_order(c, frame);
        return 0;
    case FEED_WELCOME:
    case FEED_ACKNOWLEDGE:
    case FEED_REFUSE:
        break;
    }
    return error_set(why, ERR_INVALID, "a frame of the other side");
}

static void on_end(struct feed_conn *c, const struct error *why) {
    log_warn(c->f->a->log, "feed_lost", F_ERR(why));
    close_conn(c);
}

// All frames that are whole; one acknowledgement for all of them.
static int take_frames(struct feed_conn *c, struct error *why) {
    size_t at = 0;
    int r = 0;
    while (r == 0) {
        struct feed_frame frame;
        r = feed_frame_parse(&frame, bytes_slice(buf_view(&c->in), at, c->in.n), why);
        if (r == 0) r = take_frame(c, &frame, why);
        if (r == 0) at += frame.bytes;
    }
    buf_drop_front(&c->in, at);
    if (r != ERR_AGAIN) return r;
    if (c->owes) feed_put_acknowledge(conn_queue(&c->conn), c->session->last);
    c->owes = false;
    r = conn_queued(&c->conn);
    return r == ERR_AGAIN ? 0 : r;
}

static void on_readable(struct conn *conn) {
    struct feed_conn *c = conn->owner;
    struct error why = {.text = ""};
    for (;;) {
        uint8_t *room = buf_reserve(&c->in, LOOP_SCRATCH_BYTES);
        ssize_t n = room ? conn_read(conn, room, LOOP_SCRATCH_BYTES) : ERR_LIMIT;
        if (n == ERR_AGAIN) return;
        if (n <= 0) {
            if (n == 0) (void)error_set(&why, ERR_CLOSED, "the other side is gone");
            if (n < 0) (void)error_set(&why, (enum err)n, "%s", error_name((int)n));
            on_end(c, &why);
            return;
        }
        buf_commit(&c->in, (size_t)n);
        if (take_frames(c, &why) != 0) {
            on_end(c, &why);
            return;
        }
    }
}

static void on_open(struct conn *conn) {
    (void)conn;
}

static void on_closed(struct conn *conn, const struct error *why) {
    on_end(conn->owner, why);
}

static const struct conn_events events = {
    .open = on_open, .readable = on_readable, .closed = on_closed};

static void on_connection(struct loop_fd *watch, unsigned what) {
    struct feed_server *f =
        (struct feed_server *)(void *)((char *)watch - offsetof(struct feed_server, watch));
    (void)what;
    int fd = accept4(f->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        struct feed_conn *c = &f->conns[i];
        const struct socket_address peer = {.local = {.sun_family = AF_UNIX},
                                            .n = sizeof(sa_family_t)};
        struct error why;
        if (c->used) continue;
        c->f = f;
        c->session = NULL;
        c->owes = false;
        c->used = true;
        buf_init(&c->in, FEED_FRAME_MAX + (1u << 20));
        arena_init(&c->memory, 4 * (size_t)FEED_FRAME_MAX);
        if (conn_accept(&c->conn, f->a->loop, fd, NULL, &peer, &events, c, &why) == 0) return;
        log_warn(f->a->log, "feed_refused", F_ERR(&why));
        close_conn(c);
        return;
    }
    log_warn(f->a->log, "feed_refused", F_STR("reason", "too many connections"));
    (void)close(fd);
}

// A file that stands at the path and is no socket left over is somebody's: it stays.
static int listen_at(struct feed_server *f, struct error *why) {
    struct socket_address address;
    char text[sizeof f->path + 8];
    int n = snprintf(text, sizeof text, "unix:%s", f->path);
    int r = socket_address_parse(&address, bytes_make(text, (size_t)n), 0, why);
    if (r == 0) r = socket_listen(&f->fd, &address, NULL, why);
    if (r != 0) return error_wrap(why, "orders-socket");
    f->watch = (struct loop_fd){f->fd, LOOP_READ, on_connection};
    r = loop_fd_add(f->a->loop, &f->watch, why);
    if (r != 0) (void)unlink(f->path);
    return r;
}

int feed_server_new(struct feed_server **ret, struct app *a, const char *path, struct error *why) {
    struct feed_server *f = calloc(1, sizeof *f);
    if (!f) return error_set(why, ERR_NO_MEMORY, "no memory for the order feed");
    f->a = a;
    f->fd = -1;
    if (strlen(path) >= sizeof f->path) {
        free(f);
        return error_set(why, ERR_RANGE, "orders-socket: longer than a socket's path");
    }
    memcpy(f->path, path, strlen(path));
    int r = listen_at(f, why);
    if (r != 0) {
        if (f->fd >= 0) (void)close(f->fd);
        free(f);
        return r;
    }
    *ret = f;
    return 0;
}

void feed_server_free(struct feed_server *f) {
    if (!f) return;
    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (f->conns[i].used) close_conn(&f->conns[i]);
    }
    loop_fd_remove(f->a->loop, &f->watch);
    (void)close(f->fd);
    (void)unlink(f->path);
    free(f);
}
