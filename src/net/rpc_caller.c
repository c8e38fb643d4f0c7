/* SPDX-License-Identifier: MIT */
#include "net/rpc_caller.h"

#include "net/client.h"
#include "net/resolver.h"
#include "net/socket.h"
#include "net/url.h"
#include "json/split.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TIMEOUT_NS (10 * NS_PER_S)
#define ANSWER_BYTES_MAX ((size_t)64 << 20)
#define IDLE_MAX 8u // connections that are kept (Unix socket)
#define READ_BYTES ((size_t)64 << 10)

struct rpc_caller {
    char origin[300], path[300];
    uint64_t timeout_ns;
    size_t answer_bytes_max;
    atomic_uint_least64_t next_id;
    // HTTP
    struct loop *loop;
    struct resolver *names;
    struct client *client;
    pthread_t thread;
    bool started;
    // Unix socket
    bool local;
    struct socket_address address;
    pthread_mutex_t lock; // guards idle
    int idle[IDLE_MAX];
    unsigned idle_count;
};

/* A call over HTTP that its thread waits for. */
struct waiting {
    struct rpc_caller *c;
    struct bytes body;
    struct buf *answer;
    unsigned status;
    int code;
    struct error why;
    pthread_mutex_t lock; // guards done
    pthread_cond_t ended;
    bool done;
};

/* HTTP, on the loop's thread. */

static void finish(struct waiting *w, int code, const struct error *why) {
    (void)pthread_mutex_lock(&w->lock);
    w->code = code;
    if (why) w->why = *why;
    w->done = true;
    (void)pthread_cond_signal(&w->ended);
    (void)pthread_mutex_unlock(&w->lock);
}

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    (void)k;
    ((struct waiting *)context)->status = r->status;
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    struct waiting *w = context;
    struct error why;
    buf_append(w->answer, in);
    if (!w->answer->failed) return;
    call_cancel(k);
    finish(w, buf_check(w->answer, &why), &why);
}

static void on_end(struct client_call *k, void *context) {
    (void)k;
    finish(context, 0, NULL);
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    (void)k;
    finish(context, (int)why->code, why);
}

static const struct client_events events = {
    .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};

static void start(void *arg) {
    struct waiting *w = arg;
    struct http_request q = {.method = HTTP_POST, .path = bytes_from_str(w->c->path)};
    struct arena a;
    struct error why;
    arena_init(&a, 0);
    int r = http_fields_put(&q.fields, &a, HTTP_FIELD_CONTENT_TYPE, BYTES_LIT("application/json"),
                            &why);
    if (r == 0) r = client_start(NULL, w->c->client, &q, w->body, false, &events, w, &why);
    arena_free(&a);
    if (r != 0) finish(w, r, &why);
}

static void *run(void *arg) {
    struct rpc_caller *c = arg;
    struct error why;
    // The kernel refuses to wait: calls fail by their time limit.
    (void)!loop_run(c->loop, &why);
    return NULL;
}

static int call_http(struct rpc_caller *c, struct bytes body, struct buf *answer,
                     struct error *why) {
    struct waiting w = {.c = c, .body = body, .answer = answer};
    (void)pthread_mutex_init(&w.lock, NULL);
    (void)pthread_cond_init(&w.ended, NULL);
    int r = loop_post(c->loop, start, &w);
    if (r == 0) {
        (void)pthread_mutex_lock(&w.lock);
        while (!w.done) { // the client has the time limits
            (void)pthread_cond_wait(&w.ended, &w.lock);
        }
        (void)pthread_mutex_unlock(&w.lock);
        r = w.code;
        if (r != 0 && why) *why = w.why;
    } else {
        (void)error_set(why, r, "too many calls wait");
    }
    (void)pthread_mutex_destroy(&w.lock);
    (void)pthread_cond_destroy(&w.ended);
    if (r == 0 && (w.status < 200 || w.status > 299)) {
        r = error_set(why, w.status == 429 || w.status >= 500 ? ERR_BUSY : ERR_INVALID,
                      "HTTP status %u", w.status);
    }
    return r;
}

/* Unix socket, on the caller's thread. */

static int wait_for(int fd, short what, uint64_t until_ns, struct error *why) {
    for (;;) {
        uint64_t now = clock_monotonic_ns(&clock_system);
        if (now >= until_ns) return error_set(why, ERR_TIMEOUT, "no answer in time");
        struct pollfd p = {.fd = fd, .events = what};
        int n = poll(&p, 1, (int)((until_ns - now) / NS_PER_MS + 1));
        if (n > 0) return 0;
        if (n < 0 && errno != EINTR) return error_set_os(why, ERR_IO, errno, "poll");
    }
}

static int connect_local(struct rpc_caller *c, int *ret, bool *ret_kept, struct error *why) {
    (void)pthread_mutex_lock(&c->lock);
    *ret_kept = c->idle_count > 0;
    if (*ret_kept) *ret = c->idle[--c->idle_count];
    (void)pthread_mutex_unlock(&c->lock);
    if (*ret_kept) return 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "socket");
    if (connect(fd, &c->address.any, c->address.n) != 0) {
        int failed = errno;
        (void)close(fd);
        return error_set_os(why, ERR_BUSY, failed, "cannot reach the socket %s", c->origin);
    }
    *ret = fd;
    return 0;
}

static void keep_local(struct rpc_caller *c, int fd) {
    (void)pthread_mutex_lock(&c->lock);
    bool kept = c->idle_count < IDLE_MAX;
    if (kept) c->idle[c->idle_count++] = fd;
    (void)pthread_mutex_unlock(&c->lock);
    if (!kept) (void)close(fd);
}

static int write_all(int fd, struct bytes in, uint64_t until_ns, struct error *why) {
    while (in.n) {
        ssize_t n = send(fd, in.p, in.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            in = bytes_slice(in, (size_t)n, SIZE_MAX);
        } else if (errno == EAGAIN) {
            int r = wait_for(fd, POLLOUT, until_ns, why);
            if (r != 0) return r;
        } else if (errno != EINTR) {
            return error_set_os(why, ERR_CLOSED, errno, "the connection broke");
        }
    }
    return 0;
}

static int read_value(int fd, struct buf *answer, uint64_t until_ns, struct error *why) {
    struct json_split split = {0};
    struct bytes value;
    for (;;) {
        uint8_t *room = buf_reserve(answer, READ_BYTES);
        if (!room) return buf_check(answer, why);
        int r = wait_for(fd, POLLIN, until_ns, why);
        if (r != 0) return r;
        ssize_t n = recv(fd, room, READ_BYTES, MSG_DONTWAIT);
        if (n == 0) return error_set(why, ERR_CLOSED, "the connection was closed");
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return error_set_os(why, ERR_CLOSED, errno, "the connection broke");
        }
        if (n < 0) continue;
        buf_commit(answer, (size_t)n);
        r = json_split_next(&split, &value, buf_view(answer));
        if (r < 0) return error_set(why, ERR_SYNTAX, "the answer is no JSON");
        if (r == 1) return 0;
    }
}

static int call_local(struct rpc_caller *c, struct bytes body, struct buf *answer,
                      struct error *why) {
    uint64_t until_ns = clock_monotonic_ns(&clock_system) + c->timeout_ns;
    for (;;) {
        int fd = -1;
        bool kept;
        int r = connect_local(c, &fd, &kept, why);
        if (r != 0) return r;
        buf_clear(answer);
        r = write_all(fd, body, until_ns, why);
        if (r == 0) r = read_value(fd, answer, until_ns, why);
        if (r == 0) {
            keep_local(c, fd);
            return 0;
        }
        (void)close(fd);
        if (r != ERR_CLOSED || !kept) return r; // a kept one may have been dead
    }
}

/* Calls. */

static int read_answer(struct bytes text, uint64_t id, struct arena *a, const struct json **ret,
                       struct error *why) {
    struct jsonrpc_responses all;
    struct bytes copy = arena_copy(a, text);
    if (text.n && !copy.p) return error_set(why, ERR_NO_MEMORY, "no memory for an answer");
    int r = jsonrpc_parse_responses(&all, copy, a, NULL, why);
    if (r != 0) return r;
    const struct jsonrpc_response *in = jsonrpc_response_to(&all, id);
    if (!in) return error_set(why, ERR_SYNTAX, "the answer belongs to no request");
    if (in->result) {
        *ret = in->result;
        return 0;
    }
    (void)!jsonrpc_failure_of(in, why);
    int code = in->code == JSONRPC_METHOD_NOT_FOUND ? ERR_UNSUPPORTED : ERR_INVALID;
    if (why) why->code = (enum err)code;
    return code;
}

int rpc_caller_call(struct rpc_caller *c, const char *method, struct bytes params, struct arena *a,
                    const struct json **ret, struct error *why) {
    struct buf body, answer;
    struct json_writer w;
    uint64_t id = atomic_fetch_add(&c->next_id, 1) + 1;
    buf_init(&body, 0);
    buf_init(&answer, c->answer_bytes_max);
    json_writer_init(&w, &body, 0);
    jsonrpc_begin_request(&w, id, method);
    json_add_raw(&w, NULL, params);
    jsonrpc_end_request(&w);
    int r = buf_check(&body, why);
    if (r == 0) {
        r = c->local ? call_local(c, buf_view(&body), &answer, why)
                     : call_http(c, buf_view(&body), &answer, why);
    }
    if (r == 0) r = read_answer(buf_view(&answer), id, a, ret, why);
    buf_free(&body);
    buf_free(&answer);
    return r == 0 ? 0 : error_wrap(why, "%s", method);
}

/* Life. */

static int open_http(struct rpc_caller *c, const struct rpc_caller_options *o, struct error *why) {
    struct url u;
    int r = url_parse(&u, bytes_from_str(o->url), why);
    if (r != 0) return r;
    if (u.scheme != URL_HTTP && u.scheme != URL_HTTPS) {
        return error_set(why, ERR_UNSUPPORTED, "neither http, https nor the path of a socket");
    }
    if (u.target.n >= sizeof c->path) return error_set(why, ERR_LIMIT, "the URL is too long");
    (void)snprintf(c->path, sizeof c->path, "%.*s", (int)u.target.n, (const char *)u.target.p);
    r = url_origin(c->origin, sizeof c->origin, &u, why);
    if (r == 0) r = loop_new(&c->loop, NULL, why);
    if (r == 0) r = resolver_new(&c->names, 30 * NS_PER_S, why);
    const struct client_options client = {.url = c->origin,
                                          .tls = o->tls,
                                          .names = c->names,
                                          .connect_ns = c->timeout_ns,
                                          .response_ns = c->timeout_ns,
                                          .body_ns = c->timeout_ns,
                                          .retry_any = true};
    if (r == 0) r = client_new(&c->client, c->loop, &client, why);
    if (r != 0) return r;
    int failed = pthread_create(&c->thread, NULL, run, c);
    if (failed) return error_set_os(why, ERR_IO, failed, "thread");
    c->started = true;
    return 0;
}

static int open_local(struct rpc_caller *c, const char *path, struct error *why) {
    char text[sizeof c->origin];
    (void)snprintf(c->origin, sizeof c->origin, "%s", path);
    (void)snprintf(text, sizeof text, "unix:%s", path);
    c->local = true;
    return socket_address_parse(&c->address, bytes_from_str(text), 0, why);
}

int rpc_caller_new(struct rpc_caller **ret, const struct rpc_caller_options *options,
                   struct error *why) {
    struct rpc_caller *c = calloc(1, sizeof *c);
    if (!c) return error_set(why, ERR_NO_MEMORY, "no memory for calls");
    c->timeout_ns = options->timeout_ns ? options->timeout_ns : TIMEOUT_NS;
    c->answer_bytes_max = options->answer_bytes_max ? options->answer_bytes_max : ANSWER_BYTES_MAX;
    (void)pthread_mutex_init(&c->lock, NULL);
    int r = options->url[0] == '/' ? open_local(c, options->url, why) : open_http(c, options, why);
    if (r != 0) {
        rpc_caller_free(c);
        return error_wrap(why, "%s", options->url);
    }
    *ret = c;
    return 0;
}

static void stop(void *arg) {
    loop_stop(arg);
}

void rpc_caller_free(struct rpc_caller *c) {
    if (!c) return;
    if (c->started) {
        // A full queue empties by itself.
        while (loop_post(c->loop, stop, c->loop) != 0) {
            (void)usleep(1000);
        }
        (void)pthread_join(c->thread, NULL);
    }
    client_free(c->client);
    resolver_free(c->names);
    loop_free(c->loop);
    for (unsigned i = 0; i < c->idle_count; i++) {
        (void)close(c->idle[i]);
    }
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}
