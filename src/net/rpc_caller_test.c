/* Calls that are waited for, over HTTP and over a Unix socket, by many threads.
 * SPDX-License-Identifier: MIT */
#include "net/rpc_caller.h"

#include "net/server.h"
#include "net/testing.h"
#include "json/split.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A server with three methods: "add" gives its params' sum, "silent" no answer, "cut" closes. */

static int add(void *context, const struct jsonrpc_request *r, struct json_writer *result,
               struct arena *a, struct error *why) {
    uint64_t sum = 0;
    (void)context, (void)a;
    json_each(item, r->params) {
        uint64_t n;
        int code = json_u64(&n, item, why);
        if (code != 0) return code;
        sum += n;
    }
    json_add_u64(result, NULL, sum);
    return 0;
}
static const struct jsonrpc_method methods[] = {{BYTES_LIT("add"), add}};

static void answer(struct buf *out, struct bytes in) {
    struct arena a;
    struct error why;
    arena_init(&a, 0);
    CHECK_OK(jsonrpc_serve(out, methods, 1, NULL, in, &a, NULL, &why), &why);
    arena_free(&a);
}

static bool says(struct bytes in, const char *word) {
    return memmem(in.p, in.n, word, strlen(word)) != NULL;
}

/* HTTP. */

struct http_side {
    struct loop *loop;
    struct server *server;
    struct route route;
    pthread_t thread;
    char url[SOCKET_TEXT_MAX + 16];
};

static void on_request(struct exchange *x, void *context) {
    struct buf out;
    (void)context;
    if (says(exchange_body(x), "\"busy\"")) {
        exchange_respond_text(x, 503, "text/plain", BYTES_LIT("later"));
        return;
    }
    buf_init(&out, 0);
    answer(&out, exchange_body(x));
    exchange_respond_text(x, 200, "application/json", buf_view(&out));
    buf_free(&out);
}

static void *turn(void *arg) {
    struct error why;
    CHECK_OK(loop_run(arg, &why), &why);
    return NULL;
}

static void http_open(struct http_side *s) {
    struct error why;
    struct socket_address bound;
    struct server_listener listener = {.http2 = false};
    char text[SOCKET_TEXT_MAX];
    s->route = (struct route){.methods = "POST", .path = "/rpc", .handle = on_request};
    const struct server_options options = {.routes = &s->route, .route_count = 1};
    CHECK_OK(loop_new(&s->loop, NULL, &why), &why);
    CHECK_OK(server_new(&s->server, s->loop, &options, &why), &why);
    CHECK_OK(socket_address_parse(&listener.address, BYTES_LIT("127.0.0.1:0"), 0, &why), &why);
    CHECK_OK(server_listen(s->server, &bound, &listener, &why), &why);
    (void)socket_address_text(text, &bound);
    (void)snprintf(s->url, sizeof s->url, "http://%s/rpc", text);
    CHECK(pthread_create(&s->thread, NULL, turn, s->loop) == 0);
}

static void http_close(struct http_side *s) {
    loop_stop(s->loop);
    loop_wake(s->loop);
    CHECK(pthread_join(s->thread, NULL) == 0);
    server_free(s->server);
    loop_free(s->loop);
}

/* Unix socket: one thread a connection. */

struct local_side {
    char path[64];
    int fd;
    pthread_t thread;
    atomic_uint connections;
};

static void *local_serve(void *arg) {
    int fd = (int)(intptr_t)arg;
    struct json_split split = {0};
    struct bytes value;
    struct buf in, out;
    bool more = true;
    buf_init(&in, 0);
    buf_init(&out, 0);
    while (more) {
        uint8_t *room = buf_reserve(&in, 4096);
        ssize_t n = read(fd, room, 4096);
        if (n <= 0) break;
        buf_commit(&in, (size_t)n);
        while (more && json_split_next(&split, &value, buf_view(&in)) > 0) {
            more = !says(value, "\"cut\"");
            buf_clear(&out);
            if (more && !says(value, "\"silent\"")) answer(&out, value);
            for (size_t at = 0; at < out.n; at += 7) { // in pieces
                struct bytes piece = bytes_slice(buf_view(&out), at, 7);
                CHECK(write(fd, piece.p, piece.n) == (ssize_t)piece.n);
            }
            json_split_take(&split, &in);
        }
    }
    buf_free(&in);
    buf_free(&out);
    (void)close(fd);
    return NULL;
}

static void *local_accept(void *arg) {
    struct local_side *s = arg;
    for (;;) {
        pthread_t thread;
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0) return NULL;
        (void)atomic_fetch_add(&s->connections, 1);
        CHECK(pthread_create(&thread, NULL, local_serve, (void *)(intptr_t)fd) == 0);
        CHECK(pthread_detach(thread) == 0);
    }
}

static void local_open(struct local_side *s) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    (void)snprintf(s->path, sizeof s->path, "/tmp/rpc_caller_test.%d", (int)getpid());
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", s->path);
    (void)unlink(s->path);
    s->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    atomic_init(&s->connections, 0);
    CHECK(bind(s->fd, (const struct sockaddr *)&a, sizeof a) == 0 && listen(s->fd, 16) == 0);
    CHECK(pthread_create(&s->thread, NULL, local_accept, s) == 0);
}

static void local_close(struct local_side *s) {
    (void)shutdown(s->fd, SHUT_RDWR);
    CHECK(pthread_join(s->thread, NULL) == 0);
    (void)close(s->fd);
    (void)unlink(s->path);
}

/* Calls. */

static struct rpc_caller *caller_of(const char *url) {
    const struct rpc_caller_options options = {
        .url = url, .timeout_ns = NS_PER_S / 2, .answer_bytes_max = 1 << 20};
    struct rpc_caller *c;
    struct error why;
    CHECK_OK(rpc_caller_new(&c, &options, &why), &why);
    return c;
}

static int call(struct rpc_caller *c, const char *method, uint64_t x, uint64_t y, uint64_t *ret,
                struct error *why) {
    const struct json *result;
    struct arena a;
    char params[64];
    (void)snprintf(params, sizeof params, "[%llu,%llu]", (unsigned long long)x,
                   (unsigned long long)y);
    arena_init(&a, 0);
    int r = rpc_caller_call(c, method, bytes_from_str(params), &a, &result, why);
    if (r == 0) r = json_u64(ret, result, why);
    arena_free(&a);
    return r;
}

static void *many(void *arg) {
    for (uint64_t i = 0; i < 200; i++) {
        struct error why;
        uint64_t sum;
        CHECK_OK(call(arg, "add", i, 1000 * i, &sum, &why), &why);
        CHECK_U64(sum, 1001 * i);
    }
    return NULL;
}

static void many_threads(struct rpc_caller *c) {
    pthread_t threads[6];
    for (int i = 0; i < 6; i++) {
        CHECK(pthread_create(&threads[i], NULL, many, c) == 0);
    }
    for (int i = 0; i < 6; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

TEST(rpc_caller_over_http) {
    struct http_side s;
    struct error why;
    uint64_t sum;
    http_open(&s);
    struct rpc_caller *c = caller_of(s.url);
    many_threads(c);
    CHECK_ERR(call(c, "subtract", 1, 2, &sum, &why), ERR_UNSUPPORTED);
    CHECK_ERR(call(c, "busy", 1, 2, &sum, &why), ERR_BUSY);
    CHECK_OK(call(c, "add", 1, 2, &sum, &why), &why);
    rpc_caller_free(c);
    http_close(&s);
}

TEST(rpc_caller_over_a_socket) {
    struct local_side s;
    struct error why;
    uint64_t sum;
    local_open(&s);
    struct rpc_caller *c = caller_of(s.path);
    for (uint64_t i = 0; i < 10; i++) {
        CHECK_OK(call(c, "add", i, 2, &sum, &why), &why);
    }
    CHECK_U64(atomic_load(&s.connections), 1);
    many_threads(c);
    CHECK_ERR(call(c, "subtract", 1, 2, &sum, &why), ERR_UNSUPPORTED);
    CHECK_ERR(call(c, "silent", 1, 2, &sum, &why), ERR_TIMEOUT);
    CHECK_ERR(call(c, "cut", 1, 2, &sum, &why), ERR_CLOSED);
    CHECK_OK(call(c, "add", 1, 2, &sum, &why), &why);
    rpc_caller_free(c);
    local_close(&s);
}

TEST(rpc_caller_without_a_server) {
    static const char *const bad[] = {"ftp://127.0.0.1:1", "ws://127.0.0.1:1", "127.0.0.1:1", ""};
    struct error why;
    uint64_t sum;
    struct rpc_caller *c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct rpc_caller_options options = {.url = bad[i]};
        CHECK(rpc_caller_new(&c, &options, &why) != 0);
    }
    c = caller_of("http://127.0.0.1:1");
    CHECK(call(c, "add", 1, 2, &sum, &why) != 0);
    rpc_caller_free(c);
    c = caller_of("/tmp/no.such.socket");
    CHECK_ERR(call(c, "add", 1, 2, &sum, &why), ERR_BUSY);
    rpc_caller_free(c);
}

TEST_MAIN()
