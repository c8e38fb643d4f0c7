/* SPDX-License-Identifier: MIT */
#include "node/peers.h"

#include "base/list.h"
#include "net/ws.h"
#include "json/split.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LISTENERS_MAX 8

struct peer {
    uint64_t id;
    struct peers *peers;
    struct ws *ws;     // one of both
    struct conn *conn; // Unix socket
    struct server *server;
    struct json_split split;
    struct buf in;
    unsigned where, jobs;
    size_t bytes_max, job_bytes;
    bool paused;
};

struct letter {
    struct list_node node;
    uint64_t peer;
    struct buf text;
    size_t instead; // bytes at the end of the text
};

struct peers {
    struct peers_options options;
    struct map map; // id -> struct peer
    uint64_t next_id;
    struct {
        void (*gone)(void *context, uint64_t peer);
        void *context;
    } listeners[LISTENERS_MAX];
    size_t listener_count;
    int fd; // readable when letters wait
    struct loop_fd watch;
    bool watching;
    pthread_mutex_t lock; // of the letters
    struct list letters;
};

static struct peer *find(const struct peers *p, uint64_t id) {
    return map_get(&p->map, bytes_make(&id, sizeof id));
}

static struct peer *add(struct peers *p, unsigned where, size_t bytes_max) {
    struct peer *q = calloc(1, sizeof *q);
    if (!q) return NULL;
    q->id = ++p->next_id;
    q->peers = p;
    q->where = where;
    q->bytes_max = bytes_max;
    buf_init(&q->in, bytes_max + LOOP_SCRATCH_BYTES);
    struct error why;
    if (map_put(&p->map, bytes_make(&q->id, sizeof q->id), q, NULL, &why) != 0) {
        free(q);
        return NULL;
    }
    return q;
}

static void tell_gone(const struct peers *p, uint64_t id) {
    for (size_t i = 0; i < p->listener_count; i++) {
        p->listeners[i].gone(p->listeners[i].context, id);
    }
}

// The connection is gone or given up already; everybody else hears of it.
static void forget(struct peer *q) {
    struct peers *p = q->peers;
    (void)map_remove(&p->map, bytes_make(&q->id, sizeof q->id));
    tell_gone(p, q->id);
    buf_free(&q->in);
    free(q);
}

static void cut(struct peer *q) {
    if (q->ws) ws_drop(q->ws);
    if (q->conn) server_drop(q->server, q->conn);
    forget(q);
}

// What is kept of the peer's messages, for the server's bound.
static void tell_kept(struct peer *q) {
    if (q->ws) ws_lent(q->ws, q->job_bytes);
    if (q->conn) q->conn->held = q->in.capacity + q->job_bytes;
}

static void give(struct peer *q, struct bytes data, bool local) {
    struct peers *p = q->peers;
    q->jobs++;
    q->job_bytes += data.n;
    tell_kept(q);
    if ((q->jobs >= PEER_JOBS_MAX || q->job_bytes >= q->bytes_max) && !q->paused) {
        q->paused = true;
        if (q->ws) ws_pause(q->ws);
        if (q->conn) conn_pause(q->conn);
    }
    p->options.message(p->options.context, q->id, data, q->where, local);
}

// WebSocket

static void ws_message(struct ws *w, void *context, bool text, struct bytes data) {
    (void)w;
    (void)text;
    give(context, data, false);
}

static void ws_closed(struct ws *w, void *context, unsigned close_code, const struct error *why) {
    (void)w;
    (void)close_code;
    (void)why;
    struct peer *q = context;
    q->ws = NULL;
    forget(q);
}

static const struct ws_events ws_events = {.message = ws_message, .closed = ws_closed};

void peers_accept_ws(struct peers *p, struct exchange *x, unsigned where, size_t bytes_max) {
    struct error why;
    struct peer *q = add(p, where, bytes_max);
    const struct ws_options o = {.message_bytes_max = bytes_max};
    if (!q) {
        exchange_respond_text(x, 503, "text/plain; charset=utf-8", BYTES_LIT("no memory\n"));
        return;
    }
    q->server = exchange_server(x);
    if (ws_accept(&q->ws, x, &o, &ws_events, q, &why) != 0) {
        q->ws = NULL;
        forget(q);
    }
}

// Unix socket: JSON values one after the other

static void ipc_read(struct peer *q) {
    uint8_t *p = loop_scratch(q->conn->loop);
    struct peers *all = q->peers;
    uint64_t id = q->id;
    while (!q->paused) {
        ssize_t n = conn_read(q->conn, p, LOOP_SCRATCH_BYTES);
        if (n == ERR_AGAIN) return;
        bool room = n <= 0 || server_room(q->server, q->conn, (size_t)n);
        if (n > 0 && room) buf_append(&q->in, bytes_make(p, (size_t)n));
        if (n <= 0 || !room || q->in.failed) {
            cut(q);
            return;
        }
        struct bytes message;
        int r;
        while ((r = json_split_next(&q->split, &message, buf_view(&q->in))) > 0) {
            give(q, message, true);
            if (find(all, id) != q) return;
            json_split_take(&q->split, &q->in);
        }
        tell_kept(q);
        if (r < 0 || q->in.n > q->bytes_max) {
            cut(q);
            return;
        }
    }
}

static void ipc_open(struct conn *c) {
    (void)c;
}

static void ipc_readable(struct conn *c) {
    ipc_read(c->owner);
}

static void ipc_closed(struct conn *c, const struct error *why) {
    (void)c;
    (void)why;
    cut(c->owner);
}

static const struct conn_events ipc_events = {ipc_open, ipc_readable, NULL, ipc_closed};

void peers_admit(struct server *s, struct conn *c, void *context) {
    struct peers *p = context;
    struct peer *q = add(p, NODE_USER, p->options.node->values->body_bytes);
    if (!q) {
        server_drop(s, c);
        return;
    }
    q->conn = c;
    q->server = s;
    conn_rebind(c, &ipc_events, q);
    ipc_read(q);
}

// Outbox

void peers_send(struct peers *p, uint64_t peer, struct bytes message, struct bytes instead) {
    struct letter *l = calloc(1, sizeof *l);
    if (!l) return; // the peer misses it; there is nobody to tell
    l->peer = peer;
    buf_init(&l->text, 0);
    buf_append(&l->text, message);
    buf_append(&l->text, instead);
    l->instead = instead.n;
    if (l->text.failed) {
        buf_free(&l->text);
        free(l);
        return;
    }
    (void)pthread_mutex_lock(&p->lock);
    bool first = list_is_empty(&p->letters);
    list_push_back(&p->letters, &l->node);
    (void)pthread_mutex_unlock(&p->lock);
    uint64_t one = 1;
    if (first && write(p->fd, &one, sizeof one) < 0) return; // full: readable already
}

static size_t unread_by(const struct peer *q) {
    return q->ws ? ws_pending(q->ws) : conn_pending(q->conn);
}

// Sends, or cuts the peer off. Its text is followed by what is said instead of it.
static void deliver(struct peers *p, struct letter *l) {
    struct peer *q = find(p, l->peer);
    if (!q || (!q->ws && !q->conn)) return;
    struct bytes all = buf_view(&l->text), text = bytes_slice(all, 0, all.n - l->instead);
    bool room = server_room(q->server, NULL, text.n);
    q = find(p, l->peer);
    if (!q) return;
    size_t unread = unread_by(q);
    if (unread > PEER_PENDING_BYTES_MAX || (!room && !l->instead && unread)) {
        log_info(p->options.node->log, "peer_too_slow", F_U64("bytes", unread));
        cut(q);
        return;
    }
    if (!room && l->instead) text = bytes_slice(all, text.n, all.n);
    int r = 0;
    if (q->ws) {
        r = ws_send(q->ws, true, text);
    } else {
        r = conn_write(q->conn, text);
        if (r == 0 || r == ERR_AGAIN) r = conn_write(q->conn, BYTES_LIT("\n"));
    }
    q = find(p, l->peer);
    if (q && r != 0 && r != ERR_AGAIN) cut(q);
}

static void on_letters(struct loop_fd *watch, unsigned events) {
    (void)events;
    struct peers *p = LIST_ENTRY(watch, struct peers, watch);
    uint64_t count;
    if (read(p->fd, &count, sizeof count) < 0) return;
    struct list mine;
    list_init(&mine);
    (void)pthread_mutex_lock(&p->lock);
    for (struct list_node *n; (n = list_pop_front(&p->letters)) != NULL;) {
        list_push_back(&mine, n);
    }
    (void)pthread_mutex_unlock(&p->lock);
    for (struct list_node *n; (n = list_pop_front(&mine)) != NULL;) {
        struct letter *l = LIST_ENTRY(n, struct letter, node);
        deliver(p, l);
        buf_free(&l->text);
        free(l);
    }
}

void peers_done(struct peers *p, uint64_t peer, size_t bytes) {
    struct peer *q = find(p, peer);
    if (!q) {
        tell_gone(p, peer); // what this message began after the peer had gone ends as well
        return;
    }
    q->jobs--;
    q->job_bytes -= bytes;
    tell_kept(q);
    if (!q->paused || q->jobs >= PEER_JOBS_MAX / 2 || q->job_bytes > q->bytes_max / 2) return;
    q->paused = false;
    if (q->ws) ws_resume(q->ws);
    if (!q->ws && q->conn) {
        conn_resume(q->conn);
        struct bytes message;
        while (!q->paused && json_split_next(&q->split, &message, buf_view(&q->in)) > 0) {
            give(q, message, true); // what was read before the pause
            if (find(p, peer) != q) return;
            json_split_take(&q->split, &q->in);
        }
    }
}

int peers_on_gone(struct peers *p, void (*gone)(void *context, uint64_t peer), void *context,
                  struct error *why) {
    if (p->listener_count == LISTENERS_MAX) {
        return error_set(why, ERR_LIMIT, "too many listen for peers that go");
    }
    p->listeners[p->listener_count].gone = gone;
    p->listeners[p->listener_count++].context = context;
    return 0;
}

// Life

int peers_open(struct peers **ret, const struct peers_options *o, struct error *why) {
    struct peers *p = calloc(1, sizeof *p);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for peers");
    p->options = *o;
    map_init(&p->map, 0);
    list_init(&p->letters);
    (void)pthread_mutex_init(&p->lock, NULL);
    *ret = p;
    p->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (p->fd < 0) return error_set_os(why, ERR_IO, errno, "eventfd");
    p->watch = (struct loop_fd){p->fd, LOOP_READ, on_letters};
    int r = loop_fd_add(o->node->loop, &p->watch, why);
    p->watching = r == 0;
    return r;
}

void peers_close(struct peers *p) {
    if (!p) return;
    size_t at = 0;
    struct bytes key;
    void *value;
    while (map_next(&p->map, &at, &key, &value)) {
        forget(value); // its connection went with the server
        at = 0;
    }
    if (p->watching) loop_fd_remove(p->options.node->loop, &p->watch);
    for (struct list_node *n; (n = list_pop_front(&p->letters)) != NULL;) {
        struct letter *l = LIST_ENTRY(n, struct letter, node);
        buf_free(&l->text);
        free(l);
    }
    if (p->fd >= 0) (void)close(p->fd);
    map_free(&p->map);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}
