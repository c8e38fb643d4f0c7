/* Hub client: keeps what a node needs from its hub, and what the hub must know of the node.
 *
 *     hub_source_http(&source, loop, &(struct hub_http_options){.transport = {.url = proxy}}, why);
 *     hub_client_new(&hub, loop, source, &options, why);
 *     hub_client_watch(hub, &watcher);                   peers and configuration, on change
 *     hub_client_enrol(hub, &registration, why);         kept registered from then on
 *
 * It polls: the first answer at once, then each `every`; after a failure sooner, with growing and
 * jittered waits, up to `every`. Callbacks come only for changes: the same list in another order
 * is none. What was last good stays in force while the hub is away. A refusal (403) is told apart
 * from an outage: it means that this node is switched off.
 *
 * Registrations are sent until the hub took them, again when they change, and again after the hub
 * was away or refused (it may have lost them or been replaced). Several watchers share one client,
 * so that a process asks once. Everything on the loop's thread; callbacks may call back in, but
 * not free the client.
 *
 * SPDX-License-Identifier: MIT */
#ifndef HUB_CLIENT_HUB_CLIENT_H
#define HUB_CLIENT_HUB_CLIENT_H

#include "base/list.h"
#include "base/log.h"
#include "base/metrics.h"
#include "hub_client/source.h"

struct hub_client;

enum hub_state {
    HUB_UNKNOWN, /* no answer came yet */
    HUB_OK,
    HUB_REFUSED, /* 403: not active, or the image is not allowed */
    HUB_AWAY,    /* no usable answer */
};

#define HUB_POLL_DEFAULT_NS (30 * NS_PER_S)
#define HUB_REGISTRATIONS_MAX 16

struct hub_client_options {
    struct log *log;                 /* NULL: none */
    struct metrics *metrics;         /* NULL: none */
    uint64_t peers_every_ns;         /* 0: HUB_POLL_DEFAULT_NS; UINT64_MAX: never */
    uint64_t configuration_every_ns; /* UINT64_MAX or 0: never */
    uint64_t retry_first_ns;         /* first wait after a failure; 0: 250 ms */
};

/* Who wants to know. Any of the functions may be NULL. Embedded in the caller's struct. */
struct hub_watcher {
    /* The list changed, or this is the first one. Valid until the next change. */
    void (*peers)(struct hub_watcher *w, const struct hub_peers *now);
    /* The document changed (byte by byte), or this is the first one. It holds secrets: valid during
     * the call only; copies are the caller's to wipe. */
    void (*configuration)(struct hub_watcher *w, struct bytes document);
    /* The hub's answers changed their kind. why: NULL when all is well. */
    void (*state)(struct hub_watcher *w, enum hub_state state, const struct error *why);
    /* A registration was taken by the hub. */
    void (*enrolled)(struct hub_watcher *w, const char *service);
    struct list_node link;
    /* The list was asked for and did not come, or could not be read: each time. */
    void (*peers_failed)(struct hub_watcher *w, const struct error *why);
};

/* hub_client_new takes the source over (also on failure). hub_client_free ends everything without
 * a callback. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int hub_client_new(struct hub_client **ret, struct loop *l,
                                               struct hub_source *source,
                                               const struct hub_client_options *options,
                                               struct error *why);
void hub_client_free(struct hub_client *c);

/* hub_client_watch adds a watcher; what is known already is told at the end of this turn. */
void hub_client_watch(struct hub_client *c, struct hub_watcher *w);
void hub_client_unwatch(struct hub_client *c, struct hub_watcher *w);

/* hub_client_enrol keeps a service registered; the same service again replaces what was said. All
 * is copied. errors  ERR_LIMIT (HUB_REGISTRATIONS_MAX), ERR_INVALID (nothing to register, no
 * service), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int
hub_client_enrol(struct hub_client *c, const struct hub_registration *r, struct error *why);

/* hub_client_refresh asks now, without waiting for the next turn of the poll. */
void hub_client_refresh(struct hub_client *c);

enum hub_state hub_client_state(const struct hub_client *c);
const char *hub_state_name(enum hub_state state);
/* hub_client_peers: the last good list; empty before the first. Valid until the next change. */
const struct hub_peers *hub_client_peers(const struct hub_client *c);
/* hub_client_enrolled: the hub took this service's last registration, and has not refused this node
 * since. An outage changes nothing. */
bool hub_client_enrolled(const struct hub_client *c, const char *service);

#endif
