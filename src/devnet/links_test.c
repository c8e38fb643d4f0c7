/* The relays between roles, with real sockets: an echo behind a front. SPDX-License-Identifier: MIT
 */
#include "devnet/links.h"

#include "base/file.h"
#include "devnet/ports.h"
#include "devnet/record.h"
#include "net/socket.h"
#include "test/harness/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct world {
    struct links *links;
    struct ports ports;
    unsigned front, port;
    int listener;
    pthread_t echo;
    char source[SOCKET_TEXT_MAX]; // whom the last connection came from
};

static void *echo(void *arg) {
    struct world *w = arg;
    for (;;) {
        struct socket_address peer = {.n = sizeof peer.v6};
        int fd = accept(w->listener, &peer.any, &peer.n);
        if (fd < 0) return NULL;
        (void)socket_address_host(w->source, &peer);
        uint8_t data[4096];
        ssize_t n;
        while ((n = read(fd, data, sizeof data)) > 0) {
            if (write(fd, data, (size_t)n) != n) break;
        }
        (void)close(fd);
    }
}

static void open_world(struct world *w) {
    struct error why = {0};
    struct socket_address a;
    char text[32];
    ports_init(&w->ports, 0);
    CHECK_OK(ports_reserve(&w->front, &w->ports, &why), &why);
    CHECK_OK(ports_reserve(&w->port, &w->ports, &why), &why);
    (void)snprintf(text, sizeof text, "127.0.0.1:%u", w->port);
    CHECK_OK(socket_address_parse(&a, bytes_from_str(text), 0, &why), &why);
    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    CHECK(setsockopt(w->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK(bind(w->listener, &a.any, a.n) == 0 && listen(w->listener, 16) == 0);
    CHECK(pthread_create(&w->echo, NULL, echo, w) == 0);
    CHECK_OK(links_new(&w->links, NULL, 1, NULL, &why), &why);
    links_role(w->links, "client", getpid(), 11);
    CHECK_OK(links_front(w->links, "server", w->front, w->port, &why), &why);
}

static void close_world(struct world *w) {
    links_free(w->links);
    (void)shutdown(w->listener, SHUT_RDWR);
    (void)pthread_join(w->echo, NULL);
    (void)close(w->listener);
    ports_release(&w->ports);
}

static int dial(const struct world *w) {
    struct socket_address a;
    char text[32];
    struct timeval limit = {.tv_sec = 5};
    (void)snprintf(text, sizeof text, "127.0.0.1:%u", w->front);
    CHECK(socket_address_parse(&a, bytes_from_str(text), 0, NULL) == 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    CHECK(connect(fd, &a.any, a.n) == 0);
    return fd;
}

// Sends and gets the echo; how long it took, UINT64_MAX when it did not come back whole.
static uint64_t round_trip(int fd, const char *text, char *ret, size_t n) {
    uint64_t begin = clock_monotonic_ns(&clock_system);
    size_t got = 0;
    if (write(fd, text, n) != (ssize_t)n) return UINT64_MAX;
    while (got < n) {
        ssize_t m = read(fd, ret + got, n - got);
        if (m <= 0) return UINT64_MAX;
        got += (size_t)m;
    }
    return clock_monotonic_ns(&clock_system) - begin;
}

static void set_fault(struct world *w, const char *text) {
    struct fault_list list = {.count = 0};
    struct error why = {0};
    if (*text) {
        CHECK_OK(fault_parse(&list.faults[0], bytes_from_str(text), &why), &why);
        list.count = 1;
    }
    links_faults(w->links, &list);
    (void)usleep(20000); // cuts are made on the relays' thread
}

TEST(bytes_pass_from_the_roles_own_address) {
    struct world w = {.front = 0};
    struct link_pair pairs[4];
    char got[8] = "";
    open_world(&w);
    int fd = dial(&w);
    CHECK(round_trip(fd, "hello", got, 5) != UINT64_MAX);
    CHECK_STR(got, "hello");
    CHECK_STR(w.source, "127.0.0.11");
    CHECK_U64(links_pairs(w.links, pairs, 4), 1);
    CHECK_STR(pairs[0].from, "client");
    CHECK_STR(pairs[0].to, "server");
    CHECK(pairs[0].connections == 1 && pairs[0].up_bytes == 5 && pairs[0].down_bytes == 5);
    (void)close(fd);
    close_world(&w);
}

TEST(a_megabyte_passes_both_ways) {
    struct world w = {.front = 0};
    enum { N = 1 << 20 };
    char *out = malloc(N), *in = malloc(N);
    CHECK(out && in);
    for (size_t i = 0; i < N; i++) {
        out[i] = (char)(i * 2654435761u >> 13);
    }
    open_world(&w);
    int fd = dial(&w);
    for (size_t at = 0; at < N; at += 65536) {
        CHECK(round_trip(fd, out + at, in + at, 65536) != UINT64_MAX);
    }
    CHECK(memcmp(in, out, N) == 0);
    (void)close(fd);
    close_world(&w);
    free(out);
    free(in);
}

TEST(delays_are_kept_and_end) {
    struct world w = {.front = 0};
    char got[4];
    open_world(&w);
    set_fault(&w, "client->server delay 60ms");
    int fd = dial(&w);
    uint64_t took = round_trip(fd, "abc", got, 3);
    CHECK(took != UINT64_MAX && took >= 60 * NS_PER_MS);
    set_fault(&w, "client<->server delay 60ms");
    CHECK(round_trip(fd, "abc", got, 3) >= 120 * NS_PER_MS);
    set_fault(&w, "");
    took = round_trip(fd, "abc", got, 3);
    CHECK(took < 60 * NS_PER_MS);
    (void)close(fd);
    close_world(&w);
}

TEST(a_cut_ends_and_refuses_connections) {
    struct world w = {.front = 0};
    struct link_pair pairs[4];
    char got[4];
    open_world(&w);
    int fd = dial(&w);
    CHECK(round_trip(fd, "abc", got, 3) != UINT64_MAX);
    set_fault(&w, "server->client cut");
    CHECK(round_trip(fd, "abc", got, 3) == UINT64_MAX);
    (void)close(fd);
    fd = dial(&w);
    CHECK(round_trip(fd, "abc", got, 3) == UINT64_MAX);
    (void)close(fd);
    CHECK(links_pairs(w.links, pairs, 4) == 1 && pairs[0].refused == 1 && pairs[0].open == 0);
    set_fault(&w, "");
    fd = dial(&w);
    CHECK(round_trip(fd, "abc", got, 3) != UINT64_MAX);
    (void)close(fd);
    close_world(&w);
}

TEST(faults_hold_in_their_slots_only) {
    struct world w = {.front = 0};
    char got[4];
    open_world(&w);
    links_slot(w.links, 4);
    set_fault(&w, "client->server delay 80ms slots 5-5");
    int fd = dial(&w);
    CHECK(round_trip(fd, "abc", got, 3) < 80 * NS_PER_MS);
    links_slot(w.links, 5);
    CHECK(round_trip(fd, "abc", got, 3) >= 80 * NS_PER_MS);
    links_slot(w.links, 6);
    CHECK(round_trip(fd, "abc", got, 3) < 80 * NS_PER_MS);
    (void)close(fd);
    close_world(&w);
}

TEST(bytes_are_flipped_and_connections_reset) {
    struct world w = {.front = 0};
    char got[16] = "";
    open_world(&w);
    set_fault(&w, "client->server corrupt 100%");
    int fd = dial(&w);
    CHECK(round_trip(fd, "aaaaaaaa", got, 8) != UINT64_MAX);
    unsigned bits = 0;
    for (unsigned i = 0; i < 8; i++) {
        bits += (unsigned)__builtin_popcount((unsigned)(unsigned char)(got[i] ^ 'a'));
    }
    CHECK_U64(bits, 1);
    set_fault(&w, "client->server reset 100%");
    CHECK(round_trip(fd, "aaaaaaaa", got, 8) == UINT64_MAX);
    (void)close(fd);
    close_world(&w);
}

TEST(rates_and_stalls_slow_down) {
    struct world w = {.front = 0};
    char got[2000], out[2000] = "";
    open_world(&w);
    set_fault(&w, "client->server rate 20000");
    int fd = dial(&w);
    CHECK(round_trip(fd, out, got, sizeof out) >= 90 * NS_PER_MS); // 2,000 of 20,000 a second
    set_fault(&w, "client->server stall");
    CHECK(write(fd, "x", 1) == 1);
    struct timeval soon = {.tv_usec = 200000};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon) == 0);
    CHECK(read(fd, got, 1) < 0);
    set_fault(&w, "");
    struct timeval later = {.tv_sec = 5};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &later, sizeof later) == 0);
    CHECK(read(fd, got, 1) == 1 && got[0] == 'x');
    (void)close(fd);
    close_world(&w);
}

TEST(what_passes_is_recorded) {
    struct world w = {.front = 0};
    struct error why = {0};
    char path[] = "/tmp/buildernet-links-XXXXXX", got[8];
    int made = mkstemp(path);
    CHECK(made >= 0);
    (void)close(made);
    open_world(&w);
    CHECK_OK(links_record(w.links, path, &why), &why);
    int fd = dial(&w);
    CHECK(round_trip(fd, "hello", got, 5) != UINT64_MAX);
    (void)close(fd);
    (void)usleep(100000);
    CHECK_OK(links_record_end(w.links, &why), &why);
    CHECK_I64(links_record_end(w.links, &why), ERR_NOT_FOUND);
    close_world(&w);
    struct buf text;
    struct record r;
    buf_init(&text, 0);
    CHECK_OK(file_read(&text, path, &why), &why);
    (void)unlink(path);
    struct bytes in = buf_view(&text);
    CHECK_OK(record_begin(&in, &why), &why);
    CHECK_I64(record_next(&r, &in, &why), 1);
    CHECK_BYTES(r.content, BYTES_LIT("client server"));
    CHECK_I64(record_next(&r, &in, &why), 1);
    CHECK(r.kind == RECORD_UP);
    CHECK_BYTES(r.content, BYTES_LIT("hello"));
    CHECK_I64(record_next(&r, &in, &why), 1);
    CHECK(r.kind == RECORD_DOWN);
    CHECK_I64(record_next(&r, &in, &why), 1);
    CHECK(r.kind == RECORD_END);
    buf_free(&text);
}

TEST_MAIN()
