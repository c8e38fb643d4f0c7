/* SPDX-License-Identifier: MIT */
#include "test/harness/http_load.h"

#include "test/harness/bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_BYTES_MAX 4096u
#define DISCARD_BYTES (1u << 20) /* a read */
#define SAMPLES_MAX 2000000u

struct connection {
    int fd;
    bool in_body, beside;
    uint64_t due_ns, asked_ns;
    size_t head_bytes;
    uint64_t body_left;
    char head[HEAD_BYTES_MAX + 1];
};

enum { DUE, ASKED, LATE, OWN, KINDS };

struct run {
    const struct http_load_plan *plan;
    struct connection *connections;
    struct connection *idle[HTTP_LOAD_CONNECTIONS_MAX];
    unsigned idle_count, open_count;
    int epoll_fd;
    size_t next;
    uint64_t begun, done, beside;
    bool over; /* the other request is asked no more */
    uint64_t began_ns, last_ns;
    uint64_t freed_ns;       /* since when a connection has been free */
    uint32_t *sample[KINDS]; /* ns, 4.2 s at most */
    uint8_t *discard;
    const char *why;
};

static bool fail(struct run *r, const char *why) {
    if (!r->why) r->why = why;
    return false;
}

static void keep(struct run *r, int kind, uint64_t at, uint64_t ns) {
    if (at < SAMPLES_MAX) r->sample[kind][at] = ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static bool write_request(struct run *r, struct connection *c, struct bytes request) {
    c->head_bytes = 0;
    c->in_body = false;
    ssize_t n = send(c->fd, request.p, request.n, MSG_NOSIGNAL);
    return n == (ssize_t)request.n || fail(r, "a request could not be written at once");
}

static bool ask(struct run *r, uint64_t due_ns) {
    struct connection *c = r->idle[--r->idle_count];
    struct bytes request = r->plan->requests[r->next++ % r->plan->request_count];
    c->due_ns = due_ns;
    c->asked_ns = bench_now_ns();
    // What waited for a connection is late by the server's doing until one was free.
    uint64_t could_ns = r->freed_ns > due_ns ? r->freed_ns : due_ns;
    keep(r, LATE, r->begun, c->asked_ns - due_ns);
    keep(r, OWN, r->begun, c->asked_ns > could_ns ? c->asked_ns - could_ns : 0);
    r->begun++;
    return write_request(r, c, request);
}

static bool answered(struct run *r, struct connection *c) {
    if (c->beside) {
        r->beside++;
        return r->over || write_request(r, c, r->plan->beside);
    }
    r->last_ns = bench_now_ns();
    keep(r, DUE, r->done, r->last_ns - c->due_ns);
    keep(r, ASKED, r->done, r->last_ns - c->asked_ns);
    r->done++;
    if (r->idle_count == 0) r->freed_ns = r->last_ns;
    r->idle[r->idle_count++] = c;
    return true;
}

// The head is whole: the status and how much of the body is to come.
static bool read_head(struct run *r, struct connection *c, const char *end) {
    size_t head = (size_t)(end - c->head) + 4;
    int status = 0;
    c->body_left = 0;
    (void)sscanf(c->head, "HTTP/1.1 %d", &status);
    if (status != (c->beside ? 200 : r->plan->status))
        return fail(r, "an answer has another status");
    for (const char *line = c->head; line < end; line = strstr(line, "\r\n") + 2) {
        if (strncasecmp(line, "content-length:", 15) == 0) {
            c->body_left = strtoull(line + 15, NULL, 10);
        }
    }
    if (status == 304) c->body_left = 0;
    size_t have = c->head_bytes - head;
    if (have > c->body_left) return fail(r, "an answer is longer than it says");
    c->body_left -= have;
    c->in_body = true;
    return true;
}

static bool readable(struct run *r, struct connection *c) {
    for (;;) {
        ssize_t n = c->in_body ? recv(c->fd, r->discard, DISCARD_BYTES, MSG_TRUNC | MSG_DONTWAIT)
                               : recv(c->fd, c->head + c->head_bytes,
                                      HEAD_BYTES_MAX - c->head_bytes, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return true;
        if (n <= 0) return fail(r, "a connection has ended");
        if (c->in_body) {
            if ((uint64_t)n > c->body_left) return fail(r, "an answer is longer than it says");
            c->body_left -= (uint64_t)n;
        } else {
            c->head_bytes += (size_t)n;
            c->head[c->head_bytes] = 0;
            const char *end = strstr(c->head, "\r\n\r\n");
            if (!end && c->head_bytes == HEAD_BYTES_MAX) return fail(r, "an answer's head is long");
            if (end && !read_head(r, c, end)) return false;
        }
        if (c->in_body && c->body_left == 0) return answered(r, c);
    }
}

static bool poll_once(struct run *r) {
    struct epoll_event events[64];
    int n = epoll_wait(r->epoll_fd, events, 64, 0);
    for (int i = 0; i < n; i++) {
        if (!readable(r, events[i].data.ptr)) return false;
    }
    return n >= 0 || fail(r, "epoll");
}

static bool may_begin(const struct run *r, uint64_t due_ns) {
    const struct http_load_plan *p = r->plan;
    return due_ns < r->began_ns + p->time_ns && (p->count == 0 || r->begun < p->count);
}

static bool ask_beside(struct run *r) {
    for (unsigned i = 0; i < r->plan->beside_connections; i++) {
        struct connection *c = &r->connections[r->plan->connections + i];
        c->beside = true;
        if (!write_request(r, c, r->plan->beside)) return false;
    }
    return true;
}

static bool turn_all(struct run *r) {
    const struct http_load_plan *p = r->plan;
    if (!ask_beside(r)) return false;
    r->began_ns = r->last_ns = bench_now_ns();
    uint64_t n = 0, due = r->began_ns;
    for (;;) {
        uint64_t now = bench_now_ns();
        if (p->rate == 0) due = now;
        while (due <= now && r->idle_count > 0 && may_begin(r, due)) {
            if (!ask(r, due)) return false;
            if (p->rate != 0) due = r->began_ns + (uint64_t)((double)++n * 1e9 / p->rate);
        }
        r->over = !may_begin(r, due); // connections with the other request are cut off
        if (r->over && r->done == r->begun) return true;
        if (!poll_once(r)) return false;
    }
}

static bool open_one(struct run *r, struct connection *c) {
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)r->plan->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) return fail(r, "no socket");
    r->open_count++;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a) != 0 ||
        epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, c->fd, &e) != 0) {
        return fail(r, "the server takes no connection");
    }
    return true;
}

static bool open_all(struct run *r) {
    for (unsigned i = 0; i < r->plan->connections + r->plan->beside_connections; i++) {
        if (!open_one(r, &r->connections[i])) return false;
        if (i < r->plan->connections) r->idle[r->idle_count++] = &r->connections[i];
    }
    return true;
}

static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static struct http_load_times times_of(struct run *r, int kind, uint64_t count) {
    size_t n = count < SAMPLES_MAX ? (size_t)count : SAMPLES_MAX;
    uint32_t *s = r->sample[kind];
    if (n == 0) return (struct http_load_times){0};
    qsort(s, n, sizeof *s, compare);
    size_t half = n / 2, late = n - n / 100 - 1;
    return (struct http_load_times){s[half], s[late], s[n - 1]};
}

bool http_load_run(struct http_load_result *ret, const struct http_load_plan *plan,
                   const char **ret_why) {
    struct run *r = calloc(1, sizeof *r);
    unsigned connections = plan->connections + plan->beside_connections;
    bool ok = r && plan->connections > 0 && connections <= HTTP_LOAD_CONNECTIONS_MAX;
    *ret_why = "no memory, or too many connections";
    if (!ok) goto out;
    r->plan = plan;
    r->next = plan->first;
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r->connections = calloc(connections, sizeof *r->connections);
    r->discard = malloc(DISCARD_BYTES);
    ok = r->epoll_fd >= 0 && r->connections && r->discard;
    for (int k = 0; ok && k < KINDS; k++) {
        r->sample[k] = calloc(SAMPLES_MAX, sizeof *r->sample[k]);
        ok = r->sample[k] != NULL;
        if (ok) memset(r->sample[k], 1, SAMPLES_MAX * sizeof *r->sample[k]); // no faults later
    }
    ok = ok && open_all(r) && turn_all(r);
    if (ok) {
        *ret = (struct http_load_result){.done = r->done, .took_ns = r->last_ns - r->began_ns};
        ret->beside = r->beside;
        ret->due = times_of(r, DUE, r->done);
        ret->asked = times_of(r, ASKED, r->done);
        ret->late = times_of(r, LATE, r->begun);
        ret->own = times_of(r, OWN, r->begun);
    }
    if (r->why) *ret_why = r->why;
    for (unsigned i = 0; i < r->open_count; i++)
        (void)close(r->connections[i].fd);
    for (int k = 0; k < KINDS; k++)
        free(r->sample[k]);
    if (r->epoll_fd >= 0) (void)close(r->epoll_fd);
    free(r->connections);
    free(r->discard);
out:
    free(r);
    return ok;
}

bool http_load_pin(pid_t pid, unsigned which, const cpu_set_t *all) {
    cpu_set_t one;
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (!CPU_ISSET(i, all) || which-- > 0) continue;
        CPU_SET(i, &one);
        return sched_setaffinity(pid, sizeof one, &one) == 0;
    }
    return false;
}
