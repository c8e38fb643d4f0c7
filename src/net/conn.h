/* Conn: one connected byte stream on a loop, plain or TLS, with an output queue.
 *
 * The protocol above is a set of events and an owner pointer, which may be exchanged while the
 * connection lives (attested handshakes, upgrades, tunnels). Output is queued and written in one
 * piece when the callback that queued it returns, or at the end of the loop's turn: many small
 * messages cost one record and one system call.
 *
 * Life: conn_accept or conn_connect, events, at last `closed` (unless the owner closes first);
 * then conn_close, which the owner always calls, also inside any event. A conn is embedded in its
 * owner; one loop's thread only.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "base/buf.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/tls.h"

#include <sys/types.h>

struct conn;

struct conn_events {
    /* The connection stands: TCP is connected and the TLS handshake is done. */
    void (*open)(struct conn *c);
    /* There may be something to read: conn_read until ERR_AGAIN, or pause. */
    void (*readable)(struct conn *c);
    /* The output queue fell to at most CONN_LOW_BYTES after conn_write said ERR_AGAIN, or became
     * empty. May be NULL. */
    void (*drained)(struct conn *c);
    /* The connection failed or is finished after conn_finish (why->code 0 then). */
    void (*closed)(struct conn *c, const struct error *why);
};

#define CONN_HIGH_BYTES (256u << 10) /* above this conn_write says ERR_AGAIN */
#define CONN_LOW_BYTES (64u << 10)

struct conn {
    struct loop *loop;
    void *owner;
    const struct conn_events *events;
    SSL *tls; /* NULL: plain */
    struct loop_fd watch;
    struct loop_task task; /* flushes, and reads what is left */
    struct buf out;
    size_t out_at; /* bytes of out that are written */
    bool *gone;    /* set when the conn is closed inside one of its events */
    uint8_t state;
    bool reading : 1;    /* the owner wants bytes */
    bool maybe_more : 1; /* the next read may find bytes */
    bool blocked : 1;    /* the socket takes no more for now */
    bool full : 1;       /* conn_write said ERR_AGAIN */
    bool brief : 1;      /* conn_write says ERR_AGAIN for whatever the socket did not take, and
                            `drained` comes when it took all; the owner's to set */
    bool finishing : 1;  /* conn_finish was called */
    bool in_event : 1;
    bool watched : 1;
    uint64_t in_bytes, out_bytes; /* payload, since the start */
    size_t held;                  /* bytes that the owner keeps of the peer's; told by the owner */
    struct loop_timer linger;
    struct socket_address peer;
};

/* conn_accept takes over an accepted, non-blocking descriptor and (if not NULL) a session; both
 * are closed by conn_close, also when this fails. `open` comes later, from the loop, except for
 * plain connections, which are open at once (no event).
 * errors   ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int conn_accept(struct conn *c, struct loop *l, int fd, SSL *session,
                                            const struct socket_address *peer,
                                            const struct conn_events *events, void *owner,
                                            struct error *why);

/* conn_connect begins to connect; `open` or `closed` follows. The session is taken over. */
[[gnu::warn_unused_result]] int conn_connect(struct conn *c, struct loop *l,
                                             const struct socket_address *peer, SSL *session,
                                             const struct conn_events *events, void *owner,
                                             struct error *why);

/* conn_close ends the connection now: a TLS closure alert is tried, queued output is dropped. The
 * memory belongs to the owner again. Twice is harmless. */
void conn_close(struct conn *c);

/* conn_finish writes what is queued, closes the own direction, lets the peer read it (up to two
 * seconds, its further bytes are dropped) and then calls `closed`. */
void conn_finish(struct conn *c);

/* conn_read reads at most n bytes.
 * Returns bytes (> 0), 0 at the peer's orderly end, or ERR_AGAIN, ERR_CLOSED (reset, or TLS cut
 * off without its closure alert), ERR_INVALID (broken TLS). After the last three the owner closes.
 */
[[gnu::warn_unused_result]] ssize_t conn_read(struct conn *c, void *ret, size_t n);

/* conn_peek is conn_read that leaves the bytes where they are: who speaks which protocol is told by
 * its first bytes, and the next owner reads them again. */
[[gnu::warn_unused_result]] ssize_t conn_peek(struct conn *c, void *ret, size_t n);

/* conn_pause stops `readable` (the peer is slowed by its window); conn_resume brings it back and
 * also continues a handshake that a hook paused. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);

/* conn_write queues bytes (copied).
 * Returns 0; ERR_AGAIN: queued, and the queue is above CONN_HIGH_BYTES (brief: not empty): wait for
 * `drained`;
 * ERR_NO_MEMORY: not queued, close the connection. */
[[gnu::warn_unused_result]] int conn_write(struct conn *c, struct bytes in);

/* conn_flush writes what is queued now, as far as the socket takes it: before conn_close, so that
 * last words are heard. Failures show at the next write. */
void conn_flush(struct conn *c);

/* conn_queue gives the output queue for appending directly (headers are written in place); follow
 * it with conn_queued, which answers like conn_write. */
static inline struct buf *conn_queue(struct conn *c) {
    if (!c->out.p) loop_buf_take(c->loop, &c->out);
    return &c->out;
}
[[gnu::warn_unused_result]] int conn_queued(struct conn *c);

/* conn_pending: bytes queued and not yet taken by the kernel. */
static inline size_t conn_pending(const struct conn *c) {
    return c->out.n - c->out_at;
}

/* conn_is_open: the handshake is done and the connection was not closed. */
bool conn_is_open(const struct conn *c);

/* conn_of_session: the connection that carries a session, for hooks that pause the handshake. */
struct conn *conn_of_session(const SSL *session);

/* conn_rebind gives the connection to another owner. */
static inline void conn_rebind(struct conn *c, const struct conn_events *events, void *owner) {
    c->events = events;
    c->owner = owner;
}

#endif
