/* The block list from a file and from a URL: what is bad changes nothing, what was good is kept.
 * SPDX-License-Identifier: MIT */
#include "builder/block_source.h"

#include "base/file.h"
#include "net/server.h"
#include "test/harness/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ONE "[\"0x00000000000000000000000000000000000000aa\"]"
#define TWO                                                                                        \
    "[\"0x00000000000000000000000000000000000000aa\",\"0x00000000000000000000000000000000000000"   \
    "bb\"]"

static struct error why;
static char folder[64];

/* A server whose answer the test changes. */
static struct {
    struct loop *loop;
    struct server *server;
    struct route route;
    pthread_t thread;
    char url[SOCKET_TEXT_MAX + 16];
    pthread_mutex_t lock;
    pthread_cond_t answered;
    const char *body; // NULL: status 500
    unsigned asked;
} web;

static void on_request(struct exchange *x, void *context) {
    (void)context;
    (void)pthread_mutex_lock(&web.lock);
    const char *body = web.body;
    web.asked++;
    (void)pthread_cond_broadcast(&web.answered);
    (void)pthread_mutex_unlock(&web.lock);
    exchange_respond_text(x, body ? 200 : 500, "application/json",
                          bytes_from_str(body ? body : ""));
}

static void *turn(void *arg) {
    struct error failed;
    CHECK_OK(loop_run(arg, &failed), &failed);
    return NULL;
}

static void web_open(const char *body) {
    struct socket_address bound;
    struct server_listener listener = {.http2 = false};
    char text[SOCKET_TEXT_MAX];
    web.route = (struct route){.methods = "GET", .path = "/list", .handle = on_request};
    const struct server_options options = {.routes = &web.route, .route_count = 1};
    web.body = body;
    web.asked = 0;
    (void)pthread_mutex_init(&web.lock, NULL);
    (void)pthread_cond_init(&web.answered, NULL);
    CHECK_OK(loop_new(&web.loop, NULL, &why), &why);
    CHECK_OK(server_new(&web.server, web.loop, &options, &why), &why);
    CHECK_OK(socket_address_parse(&listener.address, BYTES_LIT("127.0.0.1:0"), 0, &why), &why);
    CHECK_OK(server_listen(web.server, &bound, &listener, &why), &why);
    (void)socket_address_text(text, &bound);
    (void)snprintf(web.url, sizeof web.url, "http://%s/list", text);
    CHECK(pthread_create(&web.thread, NULL, turn, web.loop) == 0);
}

static void web_close(void) {
    loop_stop(web.loop);
    loop_wake(web.loop);
    CHECK(pthread_join(web.thread, NULL) == 0);
    server_free(web.server);
    loop_free(web.loop);
}

static struct block_source *open_source(const char *from, bool required) {
    const struct block_source_options options = {
        .from = from, .folder = folder, .required = required, .refresh_ns = 3600 * NS_PER_S};
    struct block_source *s = NULL;
    CHECK_OK(block_source_new(&s, &options, &why), &why);
    return s;
}

// What a fetch brings: waits for it, ten seconds at most.
static size_t wait_list(struct block_source *s, uint64_t *ret_ns) {
    for (int i = 0; i < 1000; i++) {
        struct block_list *list = block_source_take(s, ret_ns);
        if (list) {
            size_t count = block_list_count(list);
            block_list_release(list);
            return count;
        }
        (void)usleep(10000);
    }
    FAIL("no list came");
}

// Has the URL fetched with another answer, and waits until it was asked for `times` more times, so
// that all answers but the last were dealt with.
static void fetch_again(struct block_source *s, const char *body, unsigned times) {
    for (unsigned i = 0; i < times; i++) {
        (void)pthread_mutex_lock(&web.lock);
        unsigned before = web.asked;
        web.body = body;
        (void)pthread_mutex_unlock(&web.lock);
        CHECK_OK(block_source_reload(s, &why), &why);
        (void)pthread_mutex_lock(&web.lock);
        while (web.asked == before) {
            (void)pthread_cond_wait(&web.answered, &web.lock);
        }
        (void)pthread_mutex_unlock(&web.lock);
    }
}

static void make_folder(void) {
    (void)snprintf(folder, sizeof folder, "/tmp/block_source_test.XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
}

static const char *file_in(const char *name) {
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void drop_folder(void) {
    (void)unlink(file_in("blocklist"));
    (void)unlink(file_in("own"));
    CHECK(rmdir(folder) == 0);
}

TEST(a_file_is_read_again_and_a_bad_one_is_not) {
    uint64_t at_ns = 0;
    make_folder();
    const struct block_source_options options = {.from = file_in("own"), .required = true};
    struct block_source *s = NULL;
    CHECK_ERR(block_source_new(&s, &options, &why), ERR_NOT_FOUND);
    CHECK_OK(file_write_atomic(options.from, BYTES_LIT("[]"), NULL, &why), &why);
    CHECK_ERR(block_source_new(&s, &options, &why), ERR_INVALID);
    CHECK_OK(file_write_atomic(options.from, BYTES_LIT(ONE), NULL, &why), &why);
    CHECK_OK(block_source_new(&s, &options, &why), &why);
    CHECK_U64(wait_list(s, &at_ns), 1);
    CHECK(at_ns > 0 && !block_source_take(s, &at_ns));
    CHECK_OK(file_write_atomic(options.from, BYTES_LIT("[\"0x12\"]"), NULL, &why), &why);
    CHECK(block_source_reload(s, &why) != 0);
    CHECK(!block_source_take(s, &at_ns));
    CHECK_OK(file_write_atomic(options.from, BYTES_LIT(TWO), NULL, &why), &why);
    CHECK_OK(block_source_reload(s, &why), &why);
    CHECK_U64(wait_list(s, &at_ns), 2);
    block_source_free(s);
    drop_folder();
}

TEST(a_fetched_list_outlives_its_server) {
    static const char *const bad[] = {NULL, "", "<html>", "[\"0x12\"]", "{\"a\":1}", "[]"};
    uint64_t first_ns = 0, at_ns = 0;
    make_folder();
    web_open(ONE);
    struct block_source *s = open_source(web.url, true);
    CHECK_U64(wait_list(s, &first_ns), 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fetch_again(s, bad[i], 2);
        if (block_source_take(s, &at_ns)) FAIL("answer %zu became the list", i);
    }
    fetch_again(s, TWO, 1);
    CHECK_U64(wait_list(s, &at_ns), 2);
    CHECK(at_ns > first_ns);
    block_source_free(s);
    web_close();
    s = open_source(web.url, true); // nobody listens there any more
    CHECK_U64(wait_list(s, &first_ns), 2);
    CHECK(first_ns + NS_PER_S > at_ns);
    block_source_free(s);
    drop_folder();
}

TEST(what_is_no_place_of_a_list_is_refused) {
    static const char *const urls[] = {"ftp://h/x", "ws://h/x", "http://", "http://h:99999/"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        const struct block_source_options options = {.from = urls[i]};
        struct block_source *s;
        if (block_source_new(&s, &options, &why) == 0) FAIL("%s was taken", urls[i]);
    }
}

TEST_MAIN()
