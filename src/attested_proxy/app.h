/* What the verbs of the attested proxy share: the parts of a running process.
 * SPDX-License-Identifier: MIT */
#ifndef ATTESTED_PROXY_APP_H
#define ATTESTED_PROXY_APP_H

#include "attested_proxy/attested_proxy.h"
#include "net/client.h"
#include "net/proxy.h"
#include "net/resolver.h"
#include "net/service.h"

struct app {
    struct proxy_settings settings;
    struct log *log;
    struct loop *loop;
    struct metrics *metrics;
    struct service *service;
    struct attested_setup setup;
    struct attested *attested;
    struct tls *tls;        /* of the attested side */
    struct tls *target_tls; /* server: to an https target */
    struct resolver *names;
    struct client *origin;
    struct client *upgrades; /* to the same target by HTTP/1.1 only; NULL: origin takes them */
    struct server *server, *health;
    struct proxy *proxy;
    char target[512]; /* URL of the origin */
    char address[SOCKET_TEXT_MAX];
};

/* app_open makes everything up to the attested side. settled: see attested_options. The service
 * (signals) and the sandbox come before any thread.
 * errors  of the parts. app_close frees what there is. */
[[gnu::warn_unused_result]] int app_open(struct app *a, const struct service_options *service,
                                         void (*settled)(void *context, struct conn *c,
                                                         const struct error *why),
                                         struct error *why);
void app_close(struct app *a);

/* app_tls_make makes (or, when there is one, reloads) the attested side's TLS context. */
[[gnu::warn_unused_result]] int app_tls_make(struct app *a, const struct proxy_settings *s,
                                             struct error *why);

/* app_client makes the client to the target: plain for a server, attested otherwise.
 * admit  of the attested one, or NULL: what the form asks for. */
[[gnu::warn_unused_result]] int
app_client(struct app *a, void (*admit)(struct client *c, struct conn *conn, void *context),
           struct error *why);

#endif
