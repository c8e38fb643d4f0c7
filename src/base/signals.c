/* SPDX-License-Identifier: MIT */
#include "base/signals.h"

#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int signals_open(int *ret_fd, const int *numbers, size_t count, struct error *why) {
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < count; i++) {
        (void)sigaddset(&set, numbers[i]);
    }
    int os = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (os) return error_set_os(why, ERR_IO, os, "signal mask");
    (void)signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "signalfd");
    *ret_fd = fd;
    return 0;
}

int signals_next(int fd) {
    struct signalfd_siginfo info;
    ssize_t n;
    do {
        n = read(fd, &info, sizeof info);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

int notify_send(const char *state, struct error *why) {
    const char *path = getenv("NOTIFY_SOCKET");
    if (!path || !*path) return 0;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || n >= sizeof to.sun_path) {
        return error_set(why, ERR_RANGE, "NOTIFY_SOCKET is no socket path");
    }
    memcpy(to.sun_path, path, n);
    if (path[0] == '@') to.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "notify socket");
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    ssize_t sent =
        sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to, size);
    int os = errno;
    (void)close(fd);
    return sent < 0 ? error_set_os(why, ERR_IO, os, "notify") : 0;
}

int notify_reloading(struct error *why) {
    char state[80];
    (void)snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long)(clock_monotonic_ns(&clock_system) / NS_PER_US));
    return notify_send(state, why);
}

uint64_t notify_watchdog_ns(void) {
    const char *limit = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    if (!limit || (pid && strtoll(pid, NULL, 10) != getpid())) return 0;
    unsigned long long us = strtoull(limit, NULL, 10);
    return us > UINT64_MAX / NS_PER_US ? 0 : us * NS_PER_US / 2;
}
