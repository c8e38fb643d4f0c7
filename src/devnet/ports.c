/* SPDX-License-Identifier: MIT */
#include "devnet/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

void ports_init(struct ports *p, unsigned base) {
    p->count = 0;
    p->next = base;
}

#define PAIR_TRIES 100

// port 0: the kernel's choice.
static int reserve(unsigned *ret, struct ports *p, unsigned port, struct error *why) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    int one = 1;
    if (p->count == PORTS_MAX) return error_set(why, ERR_LIMIT, "more than %d ports", PORTS_MAX);
    a.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (const struct sockaddr *)&a, sizeof a) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) < 0) {
        int os = errno;
        (void)close(fd);
        return error_set_os(why, os == EADDRINUSE ? ERR_CONFLICT : ERR_IO, os, "port %u", port);
    }
    p->fds[p->count++] = fd;
    *ret = ntohs(a.sin_port);
    return 0;
}

int ports_reserve(unsigned *ret, struct ports *p, struct error *why) {
    int r = reserve(ret, p, p->next, why);
    if (r == 0 && p->next) p->next++;
    return r;
}

int ports_reserve_pair(unsigned *ret, struct ports *p, struct error *why) {
    unsigned second;
    for (int i = 0;; i++) {
        int r = ports_reserve(ret, p, why);
        if (r == 0)
            r = p->next ? ports_reserve(&second, p, why) : reserve(&second, p, *ret + 1, why);
        // The kernel gave a port whose neighbour is somebody's: another one, and that stays unused.
        if (r != ERR_CONFLICT || p->next || i == PAIR_TRIES) return r;
    }
}

unsigned ports_number(const struct ports *p, size_t i) {
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t n = sizeof a;
    (void)getsockname(p->fds[i], (struct sockaddr *)&a, &n);
    return ntohs(a.sin_port);
}

void ports_release(struct ports *p) {
    for (size_t i = 0; i < p->count; i++) {
        (void)close(p->fds[i]);
    }
    p->count = 0;
}
