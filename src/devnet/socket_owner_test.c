/* Whose connection it is. SPDX-License-Identifier: MIT */
#include "devnet/socket_owner.h"

#include "test/harness/test.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define OTHERS 300

static uint64_t own_time_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int listen_on(struct sockaddr_in *ret) {
    socklen_t n = sizeof *ret;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)ret, sizeof *ret) == 0 && listen(fd, 16) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)ret, &n) == 0);
    return fd;
}

static int dial(const struct sockaddr_in *to) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof *to) == 0);
    return fd;
}

static uint64_t ns_of_list(void) {
    static char text[65536];
    uint64_t begun = own_time_ns();
    FILE *f = fopen("/proc/net/tcp", "re");
    CHECK(f != NULL);
    while (fread(text, 1, sizeof text, f) > 0) {
    }
    (void)fclose(f);
    return own_time_ns() - begun;
}

TEST(the_process_that_connected_is_found) {
    struct sockaddr_in at;
    const pid_t pids[] = {0, 1, getpid()};
    int listener = listen_on(&at), client = dial(&at), fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    CHECK_U64(socket_owner(fd, pids, 3), 2);
    CHECK_U64(socket_owner(fd, pids, 2), 2); // none of these
    (void)close(client);
    (void)close(fd);
    (void)close(listener);
}

/* Whoever connects and is gone must not cost the list of all connections of the machine. */
TEST(a_connection_that_is_gone_is_nobodys_and_cheap) {
    struct sockaddr_in at;
    const pid_t pids[] = {getpid()};
    int clients[OTHERS], fds[OTHERS], listener = listen_on(&at);
    uint64_t list = UINT64_MAX, asked = UINT64_MAX;
    for (int i = 0; i < OTHERS; i++) {
        clients[i] = dial(&at);
        fds[i] = accept(listener, NULL, NULL);
        CHECK(fds[i] >= 0);
    }
    int client = dial(&at), fd = accept(listener, NULL, NULL);
    (void)close(client);
    for (int i = 0; i < 20; i++) {
        uint64_t took = ns_of_list(), begun = own_time_ns();
        CHECK_U64(socket_owner(fd, pids, 1), 1);
        uint64_t mine = own_time_ns() - begun;
        if (took < list) list = took;
        if (mine < asked) asked = mine;
    }
    CHECK(asked < list / 2);
    for (int i = 0; i < OTHERS; i++) {
        (void)close(clients[i]);
        (void)close(fds[i]);
    }
    (void)close(fd);
    (void)close(listener);
}

TEST_MAIN()
