/* Server: connections whose PROXY header has not come yet. The header is looked at in the socket's
 * own queue and taken out to the byte, so that what follows it, plain or TLS, is whole.
 *
 * SPDX-License-Identifier: MIT */
#include "net/proxy_header.h"
#include "net/server_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct announced {
    struct loop_fd watch; /* its descriptor is owned */
    struct listener *listener;
    struct socket_address peer; /* the balancer */
    uint64_t deadline_ns;
    ssize_t seen; /* bytes of the header at the last look */
    struct announced *next, **link;
};

static void forget(struct announced *a) {
    struct server *s = a->listener->server;
    loop_fd_remove(s->loop, &a->watch);
    *a->link = a->next;
    if (a->next) a->next->link = a->link;
    s->announced_count--;
    free(a);
}

static void drop(struct announced *a, const char *reason) {
    metric_inc(server_refused(a->listener->server, reason));
    close(a->watch.fd);
    forget(a);
}

/* Wakes only when more than n bytes wait: level-triggered, the same bytes would wake for ever. */
static bool wait_for_more(int fd, int n) {
    int least = n + 1;
    return setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least) == 0;
}

static void pass_on(struct announced *a, const struct proxy_header *h, size_t header_bytes) {
    uint8_t taken[PROXY_HEADER_BYTES_MAX];
    struct listener *ln = a->listener;
    int fd = a->watch.fd;
    if (recv(fd, taken, header_bytes, 0) != (ssize_t)header_bytes || !wait_for_more(fd, 0)) {
        drop(a, "proxy_header");
        return;
    }
    struct socket_address client = h->local ? a->peer : h->source;
    forget(a);
    server_accept(ln, fd, &client);
}

static void on_announced(struct loop_fd *w, unsigned events) {
    struct announced *a = (struct announced *)((char *)w - offsetof(struct announced, watch));
    uint8_t seen[PROXY_HEADER_BYTES_MAX];
    struct proxy_header h;
    struct error why = {0};
    size_t n = 0;
    (void)events;
    ssize_t got = recv(w->fd, seen, sizeof seen, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        drop(a, "proxy_header");
        return;
    }
    int r = proxy_header_parse(&h, &n, bytes_make(seen, (size_t)got), &why);
    // Woken without more bytes: the peer has closed its direction in the middle.
    if (r == ERR_AGAIN && got > a->seen && wait_for_more(w->fd, (int)got)) {
        a->seen = got;
        return;
    }
    if (r < 0) {
        log_debug(a->listener->server->options.log, "proxy_header_refused", F_ERR(&why));
        drop(a, "proxy_header");
        return;
    }
    pass_on(a, &h, n);
}

int server_await_header(struct listener *ln, int fd, const struct socket_address *peer) {
    struct server *s = ln->server;
    struct announced *a = s->announced_count < s->limits.connections ? calloc(1, sizeof *a) : NULL;
    if (!a) {
        metric_inc(server_refused(s, "connections"));
        close(fd);
        return s->announced_count < s->limits.connections ? ERR_NO_MEMORY : 0;
    }
    a->watch = (struct loop_fd){fd, LOOP_READ, on_announced};
    a->listener = ln;
    a->peer = *peer;
    a->deadline_ns = loop_now_ns(s->loop) + s->limits.header_ns;
    if (loop_fd_add(s->loop, &a->watch, NULL) < 0) {
        close(fd);
        free(a);
        return ERR_NO_MEMORY;
    }
    a->next = s->announced;
    a->link = &s->announced;
    if (a->next) a->next->link = &a->next;
    s->announced = a;
    s->announced_count++;
    return 0;
}

void server_sweep_headers(struct server *s, uint64_t now_ns) {
    struct announced *next;
    for (struct announced *a = s->announced; a; a = next) {
        next = a->next;
        if (now_ns >= a->deadline_ns) drop(a, "slow");
    }
}
