/* Beacon: what the relay learns from beacon nodes, and the blocks that it publishes through them.
 *
 * At start genesis and specification are asked for, then validators, duties and the head; after
 * that head and payload attributes come by server-sent events of every node, duties and validators
 * are asked for again as epochs pass. Several nodes are asked one after the other until one
 * answers; a block goes to all. A node that knows no payload_attributes events gives its head only.
 *
 * Source: ethereum/beacon-APIs. Thread: the loop's. SPDX-License-Identifier: MIT */
#ifndef RELAY_BEACON_H
#define RELAY_BEACON_H

#include "base/log.h"
#include "base/metrics.h"
#include "base/pool.h"
#include "net/client.h"
#include "relay/duties.h"

#define BEACON_NODES_MAX 16u

struct beacon;

struct beacon_events {
    /* Genesis and specification are known: called once, before all others. The duties that later
     * events fill are the caller's and must be ready after it. errors end the program. */
    int (*network)(void *context, const struct network *n, struct error *why);
    void (*head)(void *context, uint64_t slot);
    void (*attributes)(void *context, const struct payload_attributes *p);
    void (*duties)(void *context); /* duties or validators changed */
    void (*failed)(void *context, const struct error *why);
    void *context;
};

struct beacon_options {
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    struct pool *pool; /* parses long answers */
    struct pool_mailbox *mailbox;
    struct resolver *names;
    struct tls *tls;
    const char *const *urls;
    size_t url_count;
    uint64_t slot_ns; /* 0: as the nodes say */
    struct duties *duties;
    const char *publish_path; /* NULL: /eth/v2/beacon/blocks */
};

/* beacon_start begins to ask. errors  ERR_SYNTAX (a url), ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int beacon_start(struct beacon **ret, const struct beacon_options *o,
                                             const struct beacon_events *events, struct error *why);
void beacon_stop(struct beacon *b);

/* beacon_ready: network, validators and the duties of this epoch are known, and some node is on the
 * chain that the relay began with. errors  ERR_BUSY, ERR_CONFLICT. */
[[gnu::warn_unused_result]] int beacon_ready(const struct beacon *b, struct error *why);

/* beacon_publish gives a signed block (JSON) to all nodes. done: status 0 when one took it (200 or
 * 202); once all refused, the last reason. */
typedef void beacon_published(void *context, int status, const struct error *why);
[[gnu::warn_unused_result]] int beacon_publish(struct beacon *b, struct bytes json,
                                               enum consensus_fork fork, beacon_published *done,
                                               void *context, struct error *why);

/* beacon_parse_attributes reads the data of a payload_attributes event.
 * errors  as json/json.h and ssz_json.h. */
[[gnu::warn_unused_result]] int beacon_parse_attributes(struct payload_attributes *ret,
                                                        struct bytes data, const struct network *n,
                                                        struct arena *a, struct error *why);

#endif
