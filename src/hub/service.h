/* What the files of the serving process share. SPDX-License-Identifier: MIT */
#ifndef HUB_SERVICE_H
#define HUB_SERVICE_H

#include "base/list.h"
#include "base/pool.h"
#include "hub/attested_door.h"
#include "hub/hub.h"
#include "hub/program.h"
#include "hub/retention.h"
#include "net/loop.h"
#include "net/server.h"

#include <pthread.h>
#include <stdatomic.h>

#define LISTENERS 3
#define PROXIES_MAX 64

struct service;

struct door {
    struct service *service;
    enum hub_listener listener;
    struct route route;
    struct server *server;
};

/* A recurring task on a worker. */
struct chore {
    struct service *service;
    struct loop_timer timer;
    struct pool_task task;
    uint64_t every_ns;
    int (*work)(struct service *s, struct error *why);
    const char *failed; /* event name */
    bool running, again;
};
enum { CHORE_FLUSH, CHORE_REFRESH, CHORE_PRUNE, CHORE_REMOVE, CHORES };

/* Settings in force; older ones are freed when others have come. */
struct service_settings {
    struct config *config;
    struct hub_values values;
};

struct service_proxies {
    struct socket_block block[PROXIES_MAX];
    size_t count;
};

struct service {
    const struct hub_values *values;   /* the loop's */
    struct config *config;             /* that they come from */
    struct service_settings *reloaded; /* holds both; NULL: the caller's of hub_serve */
    struct hub *hub;
    struct log *log;
    struct metrics *metrics;
    struct loop *loop;
    struct pool *pool;          /* for what asks the store */
    struct pool *chore_pool;    /* for what nobody waits for, a worker each */
    struct pool *secrets_pool;  /* for what asks the backend of the secrets */
    struct pool *password_pool; /* for passwords, so that guessing them delays no node */
    struct pool_mailbox mailbox;
    struct loop_fd mailbox_watch;
    struct door doors[LISTENERS];
    struct tls *admin_tls; /* NULL: plain */
    struct door attested_route;
    struct attested_door *attested; /* NULL: none */
    struct server *metrics_server;
    struct route metrics_route;
    struct service_proxies proxies;
    struct list held; /* struct held: drain requests that are kept open */
    struct chore chores[CHORES];
    _Atomic uint64_t keep_events_ns, keep_credentials_ns;
    struct retention retention;
    char *dsn; /* of the listener thread; NULL: not PostgreSQL */
    pthread_t listener_thread;
    bool listener_runs;
    int cancel_fd;
    atomic_bool stopping;
    atomic_bool ending; /* told to: no password is checked any more */
    unsigned draining;
    struct reload *reload; /* one that runs */
};

/* serving_read_proxies: errors ERR_SYNTAX, ERR_LIMIT. */
[[gnu::warn_unused_result]] int serving_read_proxies(struct service_proxies *ret,
                                                     const struct hub_values *values,
                                                     struct error *why);
/* serving_admin_tls makes the admin listener's TLS, or reloads the one that is there. */
[[gnu::warn_unused_result]] int serving_admin_tls(struct tls **tls, const struct hub_values *values,
                                                  struct error *why);
/* serving_hurry runs a chore now. Loop's thread. */
void serving_hurry(struct service *s, int chore);

/* SIGHUP: a worker reads everything again; the loop takes it when all of it is good. */
void serving_reload(void *service, int signo);
/* serving_reload_free ends what has run and was not taken. */
void serving_reload_free(struct service *s);

/* serving_send answers with a text that stays in one piece of memory; the caller keeps its hold. */
void serving_send(struct exchange *x, int status, struct shared_text *text);

#endif
