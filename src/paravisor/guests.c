/* SPDX-License-Identifier: MIT */
#include "paravisor/guests.h"

#include "base/list.h"
#include "net/socket.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER_BYTES 10
#define CONTROL_BYTES 4

// Commands of the control channel, as clients send them; swtpm's manual has them all.
enum { CONTROL_SHUTDOWN = 3, CONTROL_SET_LOCALITY = 5, CONTROL_CANCEL = 9 };

struct guest {
    struct guests *owner;
    struct loop_fd watch; /* fd -1: free */
    bool control;
    size_t have;
    uint8_t in[GUESTS_COMMAND_BYTES_MAX];
};

struct door {
    struct guests *owner;
    struct loop_fd watch;
    bool control;
};

struct guests {
    struct guests_options o;
    struct door doors[2];
    struct guest guests[GUESTS_MAX];
};

static void hang_up(struct guest *k) {
    loop_fd_remove(k->owner->o.loop, &k->watch);
    (void)close(k->watch.fd);
    k->watch.fd = -1;
}

// Answers are small, and whoever asked waits for them: what the socket does not take ends it.
static bool answer(struct guest *k, struct bytes text) {
    return send(k->watch.fd, text.p, text.n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)text.n;
}

/* How many bytes the request has; 0: not known yet; SIZE_MAX: it is none. */
static size_t length_of(const struct guest *k) {
    if (k->control) {
        if (k->have < CONTROL_BYTES) return 0;
        switch (load_be32(k->in)) {
        case CONTROL_SET_LOCALITY:
            return CONTROL_BYTES + 1;
        case CONTROL_SHUTDOWN:
        case CONTROL_CANCEL:
            return CONTROL_BYTES;
        default:
            return SIZE_MAX;
        }
    }
    if (k->have < HEADER_BYTES) return 0;
    size_t n = load_be32(k->in + 2);
    return n < HEADER_BYTES || n > sizeof k->in ? SIZE_MAX : n;
}

static bool serve_command(struct guest *k) {
    struct guests *g = k->owner;
    struct buf response;
    struct error why;
    buf_init(&response, GUESTS_COMMAND_BYTES_MAX);
    int r = g->o.command(g->o.context, &response, bytes_make(k->in, k->have), &why);
    bool good = r == 0 && answer(k, buf_view(&response));
    buf_free(&response);
    if (r < 0) g->o.lost(g->o.context, &why);
    return good;
}

static bool serve_control(struct guest *k) {
    const uint8_t done[CONTROL_BYTES] = {0};
    return answer(k, bytes_make(done, sizeof done));
}

static void on_guest(struct loop_fd *w, unsigned events) {
    struct guest *k = LIST_ENTRY(w, struct guest, watch);
    (void)events;
    ssize_t got = recv(w->fd, k->in + k->have, sizeof k->in - k->have, MSG_DONTWAIT);
    if (got <= 0) {
        hang_up(k);
        return;
    }
    k->have += (size_t)got;
    size_t n = length_of(k);
    if (n == 0 || k->have < n) {
        if (n == SIZE_MAX) hang_up(k);
        return;
    }
    bool good = k->have == n && (k->control ? serve_control(k) : serve_command(k));
    k->have = 0;
    if (!good) hang_up(k);
}

static struct guest *take_place(struct guests *g) {
    for (size_t i = 0; i < GUESTS_MAX; i++) {
        if (g->guests[i].watch.fd < 0) return &g->guests[i];
    }
    return NULL;
}

static void on_door(struct loop_fd *w, unsigned events) {
    struct door *d = LIST_ENTRY(w, struct door, watch);
    (void)events;
    int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    struct guest *k = take_place(d->owner);
    if (k) {
        *k = (struct guest){.owner = d->owner, .control = d->control};
        k->watch = (struct loop_fd){fd, LOOP_READ, on_guest};
        socket_no_delay(fd);
        if (loop_fd_add(d->owner->o.loop, &k->watch, NULL) == 0) return;
        k->watch.fd = -1;
    }
    (void)close(fd);
}

static int open_door(struct guests *g, size_t i, struct error *why) {
    const struct socket_listen_options options = {.backlog = GUESTS_MAX};
    struct socket_address a;
    struct door *d = &g->doors[i];
    int r = socket_address_parse(&a, bytes_from_str(g->o.address), 0, why);
    if (r < 0) return r;
    if (a.any.sa_family != AF_INET) {
        return error_set(why, ERR_SYNTAX, "%s: an IPv4 address and port", g->o.address);
    }
    a.v4.sin_port = htons((uint16_t)(socket_address_port(&a) + i));
    *d = (struct door){.owner = g, .control = i == 1, .watch = {-1, LOOP_READ, on_door}};
    r = socket_listen(&d->watch.fd, &a, &options, why);
    if (r == 0 && (r = loop_fd_add(g->o.loop, &d->watch, why)) < 0) {
        (void)close(d->watch.fd);
        d->watch.fd = -1;
    }
    return r;
}

int guests_open(struct guests **ret, const struct guests_options *o, struct error *why) {
    struct guests *g = calloc(1, sizeof *g);
    if (!g) return error_set(why, ERR_NO_MEMORY, "guests");
    g->o = *o;
    for (size_t i = 0; i < GUESTS_MAX; i++)
        g->guests[i].watch.fd = -1;
    g->doors[0].watch.fd = g->doors[1].watch.fd = -1;
    int r = open_door(g, 0, why);
    if (r == 0) r = open_door(g, 1, why);
    if (r < 0) {
        guests_close(g);
        return r;
    }
    *ret = g;
    return 0;
}

void guests_close(struct guests *g) {
    if (!g) return;
    for (size_t i = 0; i < GUESTS_MAX; i++) {
        if (g->guests[i].watch.fd >= 0) hang_up(&g->guests[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        if (g->doors[i].watch.fd < 0) continue;
        loop_fd_remove(g->o.loop, &g->doors[i].watch);
        (void)close(g->doors[i].watch.fd);
    }
    free(g);
}
