/* SPDX-License-Identifier: MIT */
#include "orderflow/listener.h"

#include "net/socket.h"
#include "test/harness/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

static struct error why;

static uint64_t life_of(const char *host, unsigned port) {
    char text[100];
    struct url u;
    (void)snprintf(text, sizeof text, "http://%s:%u", host, port);
    CHECK_OK(url_parse(&u, bytes_from_str(text), &why), &why);
    return listener_life(&u);
}

static int listen_at(const char *host, unsigned *port) {
    struct socket_address a;
    char text[SOCKET_TEXT_MAX];
    struct sockaddr_in in;
    socklen_t n = sizeof in;
    int fd;
    (void)snprintf(text, sizeof text, "%s:%u", host, *port);
    CHECK_OK(socket_address_parse(&a, bytes_from_str(text), 0, &why), &why);
    CHECK_OK(socket_listen(&fd, &a, &(struct socket_listen_options){0}, &why), &why);
    CHECK(getsockname(fd, (struct sockaddr *)(void *)&in, &n) == 0);
    *port = ntohs(in.sin_port);
    return fd;
}

TEST(a_listener_that_is_started_again_has_another_life) {
    unsigned port = 0;
    int fd = listen_at("127.0.0.1", &port);
    uint64_t life = life_of("127.0.0.1", port);
    CHECK(life != 0);
    CHECK_U64(life_of("127.0.0.1", port), life);
    CHECK_U64(life_of("localhost", port), life);
    unsigned other = 0;
    int second = listen_at("127.0.0.1", &other);
    CHECK(life_of("127.0.0.1", other) != life);
    CHECK_U64(life_of("127.0.0.1", port), life);
    (void)close(second);
    (void)close(fd);
    CHECK_U64(life_of("127.0.0.1", port), 0);
    fd = listen_at("127.0.0.1", &port);
    CHECK(life_of("127.0.0.1", port) != 0);
    CHECK(life_of("127.0.0.1", port) != life);
    (void)close(fd);
}

TEST(of_other_machines_and_paths_nothing_is_known) {
    struct url u;
    unsigned port = 0;
    int fd = listen_at("127.0.0.1", &port);
    CHECK_U64(life_of("10.0.0.1", port), 0);
    CHECK_U64(life_of("builder.example", port), 0);
    CHECK_OK(url_parse(&u, BYTES_LIT("unix:/tmp/builder"), &why), &why);
    CHECK_U64(listener_life(&u), 0);
    (void)close(fd);
}

TEST_MAIN()
