/* What the parts of the running program share. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_APP_H
#define ORDERFLOW_APP_H

#include "attested/setup.h"
#include "hub_client/hub_client.h"
#include "net/resolver.h"
#include "net/service.h"
#include "orderflow/fair.h"
#include "orderflow/forward_metrics.h"
#include "orderflow/intake.h"
#include "orderflow/orderflow.h"
#include "orderflow/replies.h"
#include "orderflow/share.h"

#define APP_ROUTES_MAX 8
#define APP_PROXIES_MAX 64
#define APP_STATUSES 8u

struct app;

/* One listener of orders. */
struct door {
    struct app *app;
    enum intake_door kind;
    bool first;      /* the first generation's manners of HTTP */
    size_t body_max; /* of a request */
    struct server *server;
    struct route routes[APP_ROUTES_MAX];
    size_t route_count;
    struct socket_address address;
    struct metric *requests, *rate_limited, *rate_limited_first[2], *duplicates, *body_bytes,
        *refused;
    struct metric *http[APP_STATUSES]; /* durations of answers by status, the kinds in use */
};

/* How the builder is. */
enum app_builder {
    APP_BUILDER_UNKNOWN, /* not asked yet */
    APP_BUILDER_READY,
    APP_BUILDER_NOT_READY,
    APP_BUILDER_AWAY,
};

struct app {
    struct config *config;
    struct orderflow_values *values;
    struct log *log;
    struct loop *loop;
    struct metrics *metrics;
    struct service *service;
    struct resolver *names;
    struct pool *pool;
    struct pool_mailbox mailbox;
    struct loop_fd mailbox_watch;

    struct flow_identity identity;
    struct buf cert_pem, key_pem; /* this node's certificate; empty: none */
    struct tls *user_tls, *system_tls;

    struct sender_cache *signers, *senders;
    struct gate *gate;
    struct fair_crowd crowd;       /* of users */
    struct fair *fair[POOL_LANES]; /* users' requests wait by client; NULL for the first lane */
    struct list late;              /* answers that wait, of clients that ask too much */
    uint64_t late_due_ns;          /* of the last of them */
    struct loop_timer late_timer;
    bool late_ends;
    struct book *book;
    struct peers *peers;
    struct tip *tip;
    struct trace *trace;
    struct journal *journal;
    struct custody *custody;
    struct local *local;
    struct given *given;         /* NULL: no journal */
    struct attested_setup setup; /* evidence between nodes */
    struct attested *attested;   /* NULL: peers are known by their certificates alone */
    struct share *share;
    struct loop_timer share_timer; /* at the end */
    uint64_t share_end_ns;
    struct archive *archive;
    struct intake *intake;
    struct replies *replies;
    bool (*archive_full)(struct app *a); /* NULL: no history */
    /* Of the peers' listener, when streams and frames are taken too. */
    void (*system_admit)(struct server *s, struct conn *c, void *context);
    void *system_admit_context;

    struct door user, system;
    struct server *cert_server, *metrics_server, *stats_server;
    struct route cert_route, metrics_routes[APP_ROUTES_MAX], stats_routes[2];
    struct socket_block proxies[APP_PROXIES_MAX];
    size_t proxy_count;

    struct hub_client *hub;
    struct hub_watcher hub_watcher;
    void (*certificate_changed)(struct app *a);                        /* NULL: nobody else */
    void (*peers_changed)(struct app *a, const struct hub_peers *now); /* NULL: nobody else */
    bool hub_seen; /* its list came at least once */

    struct metric *hub_errors;
    struct metric *shared[2][ORDER_LOW + 1][2];                  /* transaction, priority, big */
    struct metric *peers_order[ORDER_LOW + 1][FORWARD_TYPES][2]; /* priority, type, big */
    struct metric *delivered[2][ORDER_LOW + 1][2][2]; /* transaction, priority, from peer, big */

    const char *builder_url;
    enum app_builder builder;
    bool any_answer; /* there is no endpoint for readiness: any answer shows that it is there */
    struct client *ready_client;
    struct loop_timer ready_timer, chore_timer;
    unsigned ready_status;
    struct pool_task chore;
    bool chore_runs;
};

/* ---- confine.c: user, files and system calls; before any thread ---- */
[[gnu::warn_unused_result]] int app_confine(struct app *a, struct error *why);

/* ---- identity.c: key and certificate ---- */
[[gnu::warn_unused_result]] int app_open_identity(struct app *a, struct error *why);
void app_close_identity(struct app *a);
/* app_load_certificate reads the certificate again (or makes one at the start) and swaps it in on
 * the listeners; sessions go on. */
[[gnu::warn_unused_result]] int app_load_certificate(struct app *a, struct error *why);

/* ---- doors.c: listeners of orders ---- */
void doors_init(struct app *a);
/* doors_give_up refuses what still waits for its turn, before the workers are stopped. */
void doors_give_up(struct app *a);
[[gnu::warn_unused_result]] int door_open(struct door *d, struct app *a, enum intake_door kind,
                                          struct error *why);

/* ---- side_doors.c: certificate, metrics, builder's statistics ---- */
[[gnu::warn_unused_result]] int side_doors_open(struct app *a, struct error *why);

/* ---- evidence_app.c: what nodes prove to each other ---- */
enum share_evidence app_evidence(const struct orderflow_values *v);
[[gnu::warn_unused_result]] int app_evidence_open(struct app *a, struct error *why);
/* app_evidence_reload makes the judge of new settings; NULL: peers are not judged. */
[[gnu::warn_unused_result]] int app_evidence_reload(struct judge **ret, struct app *a,
                                                    const struct orderflow_values *fresh,
                                                    struct error *why);
/* app_evidence_close after the sharing, whose sessions it holds. */
void app_evidence_close(struct app *a);

/* ---- share_app.c: sharing with peers ---- */
[[gnu::warn_unused_result]] int app_share_open(struct app *a, struct error *why);
/* app_share_stopping: the end has begun: what was taken is still given to the peers, then their
 * sessions end. app_share_close before the listeners are freed. */
void app_share_stopping(void *app);
void app_share_close(struct app *a);

/* ---- archive_app.c: the history ---- */
[[gnu::warn_unused_result]] int app_archive_open(struct app *a, struct error *why);

/* ---- neighbours.c: hub, builder's readiness ---- */
[[gnu::warn_unused_result]] int neighbours_open(struct app *a, struct error *why);
void neighbours_close(struct app *a);
/* app_hub_url: the hub's, by either of its names; NULL: none. */
const char *app_hub_url(const struct orderflow_values *v);
/* neighbours_certificate_changed: the hub is told. */
void neighbours_certificate_changed(struct app *a);
/* app_ready: 0, or ERR_BUSY with the reason. */
[[gnu::warn_unused_result]] int app_ready(void *app, struct error *why);

/* ---- app_metrics.c ---- */
[[gnu::warn_unused_result]] int app_metrics_open(struct app *a, struct error *why);
void door_metrics_open(struct door *d);
/* door_metrics_answered: a request was answered, so long after its head came. */
void door_metrics_answered(struct door *d, int status, uint64_t took_ns);
/* app_metrics_delivered: the builder took an order. */
void app_metrics_delivered(struct app *a, const struct flow_order *o);
/* app_metrics_shared: a peer took an order of a user, at a wall clock's time. */
void app_metrics_shared(struct app *a, const struct flow_order *o, uint64_t at_ns);
void app_metrics_hub_failed(struct app *a, const struct error *why);

/* app_listen opens a listener of a server, whose address is given as text, and logs it. */
[[gnu::warn_unused_result]] int app_listen(struct app *a, struct server *s, const char *name,
                                           const struct server_listener *listener,
                                           const char *address, struct socket_address *ret,
                                           struct error *why);

#endif
