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

int ports_reserve(unsigned *ret, struct ports *p, struct error *why) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    int one = 1;
    if (p->count == PORTS_MAX) return error_set(why, ERR_LIMIT, "more than %d ports", PORTS_MAX);
    a.sin_port = htons((uint16_t)p->next);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (const struct sockaddr *)&a, sizeof a) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) < 0) {
        int os = errno;
        (void)close(fd);
        return error_set_os(why, os == EADDRINUSE ? ERR_CONFLICT : ERR_IO, os, "port %u", p->next);
    }
    if (p->next) p->next++;
    p->fds[p->count++] = fd;
    *ret = ntohs(a.sin_port);
    return 0;
}

void ports_release(struct ports *p) {
    for (size_t i = 0; i < p->count; i++) {
        (void)close(p->fds[i]);
    }
    p->count = 0;
}
