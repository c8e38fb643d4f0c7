/* SPDX-License-Identifier: MIT */
#include "devnet/socket_owner.h"

#include <dirent.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel is asked for this one connection: its list of all is read line by line, and with the
 * sockets of a busy machine in it that takes longer than a slot. *ret is 0 when there is none, as
 * when its owner has closed it. False: the kernel cannot be asked. */
static bool ask_inode(unsigned long *ret, const struct sockaddr_in *own,
                      const struct sockaddr_in *other) {
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 body;
    } request = {.head = {.nlmsg_len = sizeof request,
                          .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                          .nlmsg_flags = NLM_F_REQUEST},
                 .body = {.sdiag_family = AF_INET,
                          .sdiag_protocol = IPPROTO_TCP,
                          .idiag_states = ~0u,
                          .id = {.idiag_sport = own->sin_port,
                                 .idiag_dport = other->sin_port,
                                 .idiag_src = {own->sin_addr.s_addr},
                                 .idiag_dst = {other->sin_addr.s_addr},
                                 .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}}};
    struct {
        struct nlmsghdr head;
        union {
            struct inet_diag_msg body;
            struct nlmsgerr fault;
        };
        char rest[1024];
    } answer;
    const struct timeval limit = {.tv_usec = 100000};
    bool asked = false;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    *ret = 0;
    if (fd < 0) return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (send(fd, &request, sizeof request, 0) == (ssize_t)sizeof request) {
        ssize_t n = recv(fd, &answer, sizeof answer, 0);
        bool found = n >= (ssize_t)(sizeof answer.head + sizeof answer.body) &&
                     answer.head.nlmsg_type == SOCK_DIAG_BY_FAMILY;
        bool none = n >= (ssize_t)(sizeof answer.head + sizeof answer.fault) &&
                    answer.head.nlmsg_type == NLMSG_ERROR && answer.fault.error == -ENOENT;
        if (found) *ret = answer.body.idiag_inode;
        asked = found || none;
    }
    (void)close(fd);
    return asked;
}

// The inode of the socket whose local end is `own` and whose remote end is `other`; 0: none.
static unsigned long list_inode(const struct sockaddr_in *own, const struct sockaddr_in *other) {
    FILE *f = fopen("/proc/net/tcp", "re");
    char line[512];
    unsigned long found = 0;
    if (!f) return 0;
    while (!found && fgets(line, sizeof line, f)) {
        unsigned local, local_port, remote, remote_port;
        unsigned long inode;
        // Addresses stand there as the machine's words, ports as numbers.
        // NOLINTNEXTLINE(cert-err34-c): the kernel writes these numbers
        if (sscanf(line, " %*u: %8x:%4x %8x:%4x %*x %*s %*s %*s %*u %*d %lu", &local, &local_port,
                   &remote, &remote_port, &inode) != 5) {
            continue;
        }
        if (local == own->sin_addr.s_addr && local_port == ntohs(own->sin_port) &&
            remote == other->sin_addr.s_addr && remote_port == ntohs(other->sin_port)) {
            found = inode;
        }
    }
    (void)fclose(f);
    return found;
}

static bool has_socket(pid_t pid, const char *name) {
    char path[64];
    bool found = false;
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    if (!d) return false;
    for (const struct dirent *e; !found && (e = readdir(d));) {
        char target[64];
        ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof target - 1);
        if (n <= 0) continue;
        target[n] = '\0';
        found = strcmp(target, name) == 0;
    }
    (void)closedir(d);
    return found;
}

size_t socket_owner(int fd, const pid_t *pids, size_t count) {
    struct sockaddr_in here = {.sin_family = AF_UNSPEC}, there = here;
    socklen_t n = sizeof here, m = sizeof there;
    char name[64];
    if (getsockname(fd, (struct sockaddr *)&here, &n) < 0 ||
        getpeername(fd, (struct sockaddr *)&there, &m) < 0 || there.sin_family != AF_INET) {
        return count;
    }
    unsigned long inode;
    if (!ask_inode(&inode, &there, &here)) inode = list_inode(&there, &here);
    if (!inode) return count;
    (void)snprintf(name, sizeof name, "socket:[%lu]", inode);
    for (size_t i = 0; i < count; i++) {
        if (pids[i] > 0 && has_socket(pids[i], name)) return i;
    }
    return count;
}
