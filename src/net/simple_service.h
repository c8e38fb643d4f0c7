/* Simple service: what a program of one listener starts and ends with: loop, metrics, service,
 * TLS from two files, one server whose routes stand beside the service's own.
 *
 *     simple_open(&s, &options, why);       signals are blocked from here on
 *     ... workers and other parts of the program ...
 *     simple_listen(&s, routes, n, &limits, why);
 *     service_run(s.service, why);
 *     simple_close(&s);                     also after an error of any step
 *
 * Thread: the loop's. SPDX-License-Identifier: MIT */
#ifndef NET_SIMPLE_SERVICE_H
#define NET_SIMPLE_SERVICE_H

#include "net/service.h"

#define SIMPLE_ROUTES_MAX 16

struct simple_options {
    const char *name; /* of the service and the server */
    struct log *log;
    const char *listen_addr;
    const char *tls_certificate, *tls_key; /* PEM files; NULL certificate: plain HTTP */
    int (*reload)(void *context, struct error *why);
    void *context; /* of reload */
};

struct simple_service {
    struct simple_options options;
    struct loop *loop;
    struct metrics *metrics;
    struct service *service;
    struct tls *tls;
    struct server *server;
    struct route routes[SIMPLE_ROUTES_MAX + SERVICE_ROUTES];
    char address[SOCKET_TEXT_MAX]; /* that was bound */
};

/* simple_open: errors  ERR_INVALID (a certificate without its key), those of the parts. The
 * options' texts must outlive the service. */
[[gnu::warn_unused_result]] int
simple_open(struct simple_service *s, const struct simple_options *options, struct error *why);

/* simple_listen makes the server, with an access log, and listens.
 * errors  ERR_LIMIT: more than SIMPLE_ROUTES_MAX routes; those of the parts. */
[[gnu::warn_unused_result]] int simple_listen(struct simple_service *s, const struct route *routes,
                                              size_t count, const struct server_limits *limits,
                                              struct error *why);

/* simple_close frees what there is; a zeroed one is fine. */
void simple_close(struct simple_service *s);

#endif
