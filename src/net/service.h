/* Service: what every program of the project has: /livez, /readyz, /metrics, an orderly end on
 * SIGTERM and SIGINT, reload on SIGHUP, and the service manager told of all of it.
 *
 *     service_new(&svc, loop, &options, why);
 *     routes[n++] = service_routes(svc)[0..SERVICE_ROUTES-1];   or a listener of its own
 *     server_new(&srv, ...); service_add_server(svc, srv);
 *     return service_run(svc, why);
 *
 * The end: readiness falls, after `lame_ns` listeners close, running requests finish (at most
 * drain_ns), then service_run returns. A second SIGTERM ends it at once.
 * Thread: the loop's. SPDX-License-Identifier: MIT */
#ifndef NET_SERVICE_H
#define NET_SERVICE_H

#include "net/server.h"

#define SERVICE_ROUTES 3
#define SERVICE_SERVERS_MAX 16

struct service;

struct service_options {
    const char *name;
    struct log *log;
    struct metrics *metrics; /* shown at /metrics; NULL: 404 there */
    uint64_t drain_ns;       /* 0: 30 s */
    uint64_t lame_ns;        /* between "not ready" and closed listeners, for balancers; 0: none */
    /* Ready: 0, or a negative code with the reason in why. NULL: ready while not draining. */
    int (*ready)(void *context, struct error *why);
    /* SIGHUP: on error the old configuration stays, and the error is logged. NULL: ignored. */
    int (*reload)(void *context, struct error *why);
    /* Called once when the end begins, before the servers drain. NULL: nothing. */
    void (*stopping)(void *context);
    void *context;
};

/* service_new blocks SIGTERM, SIGINT, SIGHUP in this thread: before other threads are made.
 * errors   ERR_IO, ERR_NO_MEMORY.  service_free after service_run; the servers stay the caller's.
 */
[[gnu::warn_unused_result]] int service_new(struct service **ret, struct loop *l,
                                            const struct service_options *options,
                                            struct error *why);
void service_free(struct service *v);

/* service_routes: SERVICE_ROUTES rows (GET /livez, /readyz, /metrics) that live with the service.
 */
const struct route *service_routes(const struct service *v);

/* service_add_server: drained at the end. errors  ERR_LIMIT. */
[[gnu::warn_unused_result]] int service_add_server(struct service *v, struct server *s,
                                                   struct error *why);

/* service_run tells the manager READY=1 and turns the loop until the end. 0 after an orderly one.
 */
[[gnu::warn_unused_result]] int service_run(struct service *v, struct error *why);

/* service_stop begins the end, as SIGTERM does. service_reload does what SIGHUP does. */
void service_stop(struct service *v);
void service_reload(struct service *v);

#endif
