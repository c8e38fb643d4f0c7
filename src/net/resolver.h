/* Resolver: host names to addresses without blocking a loop: getaddrinfo on a thread of its own,
 * answers posted back to the asking loop, kept for a while.
 *
 * Thread: one resolver may serve several loops. SPDX-License-Identifier: MIT */
#ifndef NET_RESOLVER_H
#define NET_RESOLVER_H

#include "net/loop.h"
#include "net/socket.h"

#define RESOLVER_ADDRESSES_MAX 8
#define RESOLVER_NAME_MAX 254

struct resolver;

struct resolver_query {
    /* Called on the asking loop. count 0: why tells (ERR_NOT_FOUND, ERR_IO, ERR_BUSY). */
    void (*done)(struct resolver_query *q, const struct socket_address *addresses, size_t count,
                 const struct error *why);
    struct loop *loop;
    /* The rest is the resolver's. */
    struct resolver_query *next;
    struct resolver_job *job;
};

/* keep_ns: how long an answer is kept (failures a tenth of it). resolver_free: no query may wait.
 * errors   ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int resolver_new(struct resolver **ret, uint64_t keep_ns,
                                             struct error *why);
void resolver_free(struct resolver *r);

/* resolver_ask: `done` comes later, never during the call. The query stays in place until then or
 * until resolver_cancel. errors  ERR_RANGE (name too long), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int resolver_ask(struct resolver *r, struct resolver_query *q,
                                             const char *host, unsigned port, struct error *why);
void resolver_cancel(struct resolver_query *q);

/* resolver_lookup blocks. */
[[gnu::warn_unused_result]] int resolver_lookup(struct socket_address *ret, size_t *ret_count,
                                                const char *host, unsigned port, struct error *why);

#endif
