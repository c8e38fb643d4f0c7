/* SPDX-License-Identifier: MIT */
#include "net/conn.h"
#include "net/certificate.h"
#include "net/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <unistd.h>

#define LINGER_NS (2 * NS_PER_S)
#define DIRECT_BYTES 16384u /* at least one full record: not worth copying first */

enum {
    CONN_CLOSED,
    CONN_CONNECTING,
    CONN_HANDSHAKE,
    CONN_PAUSED, /* a handshake hook said ERR_AGAIN */
    CONN_OPEN,
    CONN_LINGER, /* own direction closed, the peer's bytes are dropped */
};

static void dispatch(struct conn *c, unsigned events);

static void fail(struct conn *c, enum err code, const char *text, int os) {
    struct error why = {0};
    const struct error *verdict = c->tls ? tls_session_error(c->tls) : NULL;
    if (verdict && verdict->code)
        why = *verdict;
    else if (os)
        error_set_os(&why, code, os, "%s", text);
    else if (code)
        certificate_error(&why, code, "%s", text);
    ERR_clear_error();
    loop_timer_clear(c->loop, &c->linger);
    c->state = CONN_LINGER; // no more reads and writes reach the socket
    c->reading = false;
    c->blocked = true;
    loop_undefer(c->loop, &c->task);
    if (c->watched) {
        loop_fd_remove(c->loop, &c->watch);
        c->watched = false;
    }
    c->events->closed(c, &why);
}

static void watch_update(struct conn *c) {
    unsigned interest = 0;
    if (c->state == CONN_CONNECTING) interest = LOOP_WRITE;
    if (c->state == CONN_HANDSHAKE) interest = SSL_want_write(c->tls) ? LOOP_WRITE : LOOP_READ;
    if (c->state == CONN_OPEN) {
        interest = (c->reading ? LOOP_READ : 0) | (c->blocked ? LOOP_WRITE : 0);
    }
    if (c->state == CONN_LINGER) interest = LOOP_READ;
    if (c->watched) loop_fd_set(c->loop, &c->watch, interest);
}

/* What a call of a session failed of is told by the thread's queue of errors: what others left
 * there (a signature that did not hold, the end of a PEM file) would read as a failure of this
 * session. */
static void forget_errors(void) {
    if (ERR_peek_error()) ERR_clear_error();
}

/* ---- output ---- */

/* Writes some bytes to the socket. Returns bytes, ERR_AGAIN, or ERR_CLOSED. */
static ssize_t put(struct conn *c, const uint8_t *p, size_t n) {
    if (!c->tls) {
        ssize_t r = send(c->watch.fd, p, n, MSG_NOSIGNAL);
        if (r >= 0) return r;
        return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_CLOSED;
    }
    size_t written = 0;
    forget_errors();
    if (SSL_write_ex(c->tls, p, n, &written) == 1) return (ssize_t)written;
    int want = SSL_get_error(c->tls, 0);
    return want == SSL_ERROR_WANT_WRITE || want == SSL_ERROR_WANT_READ ? ERR_AGAIN : ERR_CLOSED;
}

void conn_flush(struct conn *c) {
    while (c->state == CONN_OPEN && !c->blocked && c->out_at < c->out.n) {
        ssize_t r = put(c, c->out.p + c->out_at, c->out.n - c->out_at);
        if (r < 0)
            c->blocked = true; // an error shows again at the next flush
        else
            c->out_at += (size_t)r, c->out_bytes += (size_t)r;
    }
}

static void linger_start(struct conn *c) {
    if (c->tls) SSL_shutdown(c->tls);
    shutdown(c->watch.fd, SHUT_WR);
    c->state = CONN_LINGER;
    c->maybe_more = true;
    ERR_clear_error();
    if (loop_timer_set(c->loop, &c->linger, loop_now_ns(c->loop) + LINGER_NS, NULL) < 0) {
        fail(c, 0, "", 0);
        return;
    }
    watch_update(c);
}

/* Writes the queue. False when the connection is gone (the event was called). */
static bool flush(struct conn *c) {
    while (c->out_at < c->out.n) {
        ssize_t r = put(c, c->out.p + c->out_at, c->out.n - c->out_at);
        if (r == ERR_AGAIN) {
            c->blocked = true;
            break;
        }
        if (r < 0) {
            fail(c, ERR_CLOSED, "connection lost while writing", 0);
            return false;
        }
        c->blocked = false;
        c->out_at += (size_t)r;
        c->out_bytes += (size_t)r;
    }
    if (c->out_at == c->out.n) {
        c->blocked = false;
        c->out_at = 0;
        loop_buf_give(c->loop, &c->out); // an idle connection holds no buffer
    } else if (c->out_at > CONN_LOW_BYTES) {
        buf_drop_front(&c->out, c->out_at);
        c->out_at = 0;
    }
    return true;
}

/* After an event: write, tell the owner about room, finish. */
static void settle(struct conn *c) {
    bool gone = false, *outer = c->gone;
    if (c->state != CONN_OPEN) return;
    if (c->out.n && !c->blocked && !flush(c)) return;
    size_t low = c->brief ? 0 : CONN_LOW_BYTES;
    bool drained = c->out.n == 0 || (c->full && conn_pending(c) <= low);
    if (drained && c->full) {
        c->full = false;
        if (c->events->drained && !c->finishing) {
            c->gone = &gone;
            c->events->drained(c);
            if (gone) {
                if (outer) *outer = true;
                return;
            }
            c->gone = outer;
            if (c->state != CONN_OPEN) return;
            if (c->out.n && !c->blocked && !flush(c)) return;
        }
    }
    if (c->finishing && c->out.n == 0) {
        linger_start(c);
        return;
    }
    watch_update(c);
}

static void later(struct conn *c) {
    if (!c->in_event) loop_defer(c->loop, &c->task);
}

int conn_queued(struct conn *c) {
    if (c->out.failed) return ERR_NO_MEMORY;
    later(c);
    if (conn_pending(c) <= (c->brief ? 0 : CONN_HIGH_BYTES)) return 0;
    c->full = true;
    return ERR_AGAIN;
}

int conn_write(struct conn *c, struct bytes in) {
    if (c->state != CONN_OPEN) return 0; // on its way out; the owner hears of it
    if (in.n >= DIRECT_BYTES && !c->blocked) {
        conn_flush(c); // everything queued goes first, then what the socket takes without a copy
        if (c->out_at == c->out.n) {
            c->out.n = c->out_at = 0;
            while (in.n && !c->blocked) {
                ssize_t r = put(c, in.p, in.n);
                if (r < 0)
                    c->blocked = true;
                else
                    in = bytes_slice(in, (size_t)r, in.n), c->out_bytes += (size_t)r;
            }
        }
    }
    if (in.n) buf_append(conn_queue(c), in);
    return conn_queued(c);
}

/* ---- input ---- */

/* What a read of the session that gave nothing stands for. */
static ssize_t read_failed(struct conn *c) {
    c->maybe_more = false;
    int want = SSL_get_error(c->tls, 0);
    if (want == SSL_ERROR_WANT_READ || want == SSL_ERROR_WANT_WRITE) return ERR_AGAIN;
    if (want == SSL_ERROR_ZERO_RETURN) return 0;
    bool cut = want == SSL_ERROR_SYSCALL ||
               ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    ERR_clear_error();
    return cut ? ERR_CLOSED : ERR_INVALID;
}

ssize_t conn_peek(struct conn *c, void *ret, size_t n) {
    if (c->state != CONN_OPEN || !c->maybe_more) return ERR_AGAIN;
    if (!c->tls) {
        ssize_t r = recv(c->watch.fd, ret, n, MSG_PEEK);
        if (r >= 0) return r;
        return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_CLOSED;
    }
    size_t got = 0;
    forget_errors();
    if (SSL_peek_ex(c->tls, ret, n, &got) == 1) return (ssize_t)got;
    return read_failed(c);
}

ssize_t conn_read(struct conn *c, void *ret, size_t n) {
    if (c->state != CONN_OPEN || !c->maybe_more) return ERR_AGAIN;
    if (!c->tls) {
        ssize_t r = recv(c->watch.fd, ret, n, 0);
        // A short read has emptied the socket; the level-triggered watch tells of more.
        c->maybe_more = r == (ssize_t)n;
        if (r >= 0) {
            c->in_bytes += (size_t)r;
            return r;
        }
        return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_CLOSED;
    }
    size_t got = 0;
    forget_errors();
    if (SSL_read_ex(c->tls, ret, n, &got) == 1) {
        c->maybe_more = SSL_has_pending(c->tls) == 1;
        c->in_bytes += got;
        return (ssize_t)got;
    }
    return read_failed(c);
}

void conn_pause(struct conn *c) {
    c->reading = false;
    if (c->state == CONN_OPEN && !c->in_event) watch_update(c);
}

static void paused_handshake_go(struct conn *c) {
    c->state = CONN_HANDSHAKE;
    loop_defer(c->loop, &c->task);
}

void conn_resume(struct conn *c) {
    if (c->state == CONN_PAUSED) {
        paused_handshake_go(c);
        return;
    }
    if (c->reading || c->state != CONN_OPEN) return;
    c->reading = true;
    c->maybe_more = true;
    if (!c->watched) {
        c->watched = loop_fd_add(c->loop, &c->watch, NULL) == 0;
    }
    if (!c->in_event) watch_update(c);
    // Bytes may wait inside the TLS session, of which the kernel knows nothing.
    loop_defer(c->loop, &c->task);
}

/* The own direction is closed: drop what still comes until the peer's end. */
static void linger_read(struct conn *c) {
    for (int i = 0; i < 16; i++) {
        ssize_t r = recv(c->watch.fd, loop_scratch(c->loop), LOOP_SCRATCH_BYTES, 0);
        if (r > 0) continue;
        if (r < 0 && (errno == EAGAIN || errno == EINTR)) return;
        fail(c, 0, "", 0);
        return;
    }
}

static void linger_over(struct loop_timer *t) {
    struct conn *c = (struct conn *)((char *)t - offsetof(struct conn, linger));
    fail(c, 0, "", 0);
}

/* ---- handshake ---- */

static void handshake(struct conn *c) {
    int r = SSL_do_handshake(c->tls);
    if (r == 1) {
        c->state = CONN_OPEN;
        c->maybe_more = SSL_has_pending(c->tls) == 1;
        c->events->open(c);
        return;
    }
    int want = SSL_get_error(c->tls, r);
    if (want == SSL_ERROR_WANT_READ || want == SSL_ERROR_WANT_WRITE) return;
    if (want == SSL_ERROR_WANT_X509_LOOKUP || want == SSL_ERROR_WANT_CLIENT_HELLO_CB) {
        c->state = CONN_PAUSED;
        return;
    }
    int os = want == SSL_ERROR_SYSCALL ? errno : 0;
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        tls_session_unidentified(c->tls);
    }
    bool refused = tls_session_error(c->tls)->code != 0;
    fail(c,
         refused                     ? ERR_UNTRUSTED
         : want == SSL_ERROR_SYSCALL ? ERR_CLOSED
                                     : ERR_INVALID,
         "TLS handshake failed", os);
}

static void connected(struct conn *c) {
    int os = socket_error(c->watch.fd);
    if (os) {
        fail(c, ERR_IO, "cannot connect", os);
        return;
    }
    if (c->tls) {
        c->state = CONN_HANDSHAKE;
        handshake(c);
        return;
    }
    c->state = CONN_OPEN;
    c->maybe_more = true;
    c->events->open(c);
}

/* ---- events ---- */

static void open_events(struct conn *c, unsigned events) {
    if (events & LOOP_READ) c->maybe_more = true;
    if ((events & LOOP_HANGUP) && !c->reading) {
        // Nobody reads and the peer is gone both ways: a level-triggered watch would spin. Writes
        // tell the error; a later resume still reads what the kernel holds.
        loop_fd_remove(c->loop, &c->watch);
        c->watched = false;
        c->blocked = false;
        if (c->out.n == 0 && socket_error(c->watch.fd)) fail(c, ERR_CLOSED, "connection reset", 0);
        return;
    }
    if (events & LOOP_HANGUP) c->maybe_more = true;
    if ((events & LOOP_WRITE) || (c->tls && (events & LOOP_READ))) c->blocked = false;
    if (c->reading && c->maybe_more) c->events->readable(c);
}

static void dispatch(struct conn *c, unsigned events) {
    bool gone = false;
    c->gone = &gone;
    c->in_event = true;
    switch (c->state) {
    case CONN_CONNECTING:
        connected(c);
        break;
    case CONN_HANDSHAKE:
        handshake(c);
        break;
    case CONN_PAUSED:
        // The hook's answer has nobody to go to, and the kernel would tell of the end all the time.
        if (events & LOOP_HANGUP) fail(c, ERR_CLOSED, "connection lost in the handshake", 0);
        break;
    case CONN_OPEN:
        open_events(c, events);
        break;
    case CONN_LINGER:
        linger_read(c);
        break;
    default:
        break;
    }
    if (gone) return;
    c->in_event = false;
    // Bytes that the session holds already (the owner has had enough for now, or they came with
    // the handshake's end) would wait for ever: the kernel knows nothing of them.
    if (c->state == CONN_OPEN && c->reading && c->maybe_more && c->tls) {
        loop_defer(c->loop, &c->task);
    }
    settle(c);
    if (gone) return;
    c->gone = NULL;
    if (c->state != CONN_OPEN && c->watched) watch_update(c);
}

static void on_ready(struct loop_fd *w, unsigned events) {
    dispatch((struct conn *)((char *)w - offsetof(struct conn, watch)), events);
}

static void on_task(struct loop_task *t) {
    struct conn *c = (struct conn *)((char *)t - offsetof(struct conn, task));
    dispatch(c, 0);
}

/* ---- life ---- */

static int begin(struct conn *c, struct loop *l, int fd, SSL *session,
                 const struct socket_address *peer, struct error *why) {
    c->loop = l;
    c->tls = session;
    c->watch = (struct loop_fd){fd, LOOP_READ, on_ready};
    c->task.run = on_task;
    c->linger.fire = linger_over;
    c->reading = true;
    if (peer) c->peer = *peer;
    if (!session) return 0;
    tls_session_data(session)->conn = c;
    return tls_session_bind(session, fd, why);
}

struct conn *conn_of_session(const SSL *session) {
    return tls_session_data(session)->conn;
}

int conn_accept(struct conn *c, struct loop *l, int fd, SSL *session,
                const struct socket_address *peer, const struct conn_events *events, void *owner,
                struct error *why) {
    memset(c, 0, sizeof *c);
    conn_rebind(c, events, owner);
    c->state = session ? CONN_HANDSHAKE : CONN_OPEN;
    int r = begin(c, l, fd, session, peer, why);
    if (r == 0) r = loop_fd_add(l, &c->watch, why);
    c->watched = r == 0;
    if (r < 0) conn_close(c);
    return r;
}

int conn_connect(struct conn *c, struct loop *l, const struct socket_address *peer, SSL *session,
                 const struct conn_events *events, void *owner, struct error *why) {
    int fd;
    memset(c, 0, sizeof *c);
    int r = socket_connect(&fd, peer, why);
    if (r < 0) {
        tls_session_free(session);
        return r;
    }
    conn_rebind(c, events, owner);
    c->state = CONN_CONNECTING;
    r = begin(c, l, fd, session, peer, why);
    c->watch.interest = LOOP_WRITE;
    if (r == 0) r = loop_fd_add(l, &c->watch, why);
    c->watched = r == 0;
    if (r < 0) conn_close(c);
    return r;
}

void conn_close(struct conn *c) {
    if (c->state == CONN_CLOSED) return;
    if (c->gone) *c->gone = true;
    c->gone = NULL;
    loop_undefer(c->loop, &c->task);
    loop_timer_clear(c->loop, &c->linger);
    if (c->watched) loop_fd_remove(c->loop, &c->watch);
    if (c->tls && c->state == CONN_OPEN) SSL_shutdown(c->tls);
    ERR_clear_error();
    tls_session_free(c->tls);
    c->tls = NULL;
    close(c->watch.fd);
    buf_free(&c->out);
    c->out_at = 0;
    c->watched = false;
    c->state = CONN_CLOSED;
}

void conn_finish(struct conn *c) {
    if (c->state != CONN_OPEN || c->finishing) {
        if (c->state == CONN_OPEN) return;
        if (c->state != CONN_LINGER && c->state != CONN_CLOSED) c->finishing = true;
        return;
    }
    c->finishing = true;
    c->reading = false;
    loop_defer(c->loop, &c->task);
}

bool conn_is_open(const struct conn *c) {
    return c->state == CONN_OPEN;
}
