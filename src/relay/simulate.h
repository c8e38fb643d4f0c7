/* Simulate: execution nodes that say whether a submitted block is valid.
 *
 * A request goes to the node with the fewest at work; when that node cannot tell (it is gone, lacks
 * the parent, has no time), to the next one. The answer of one that can tell counts. Requests above
 * what the nodes may have at work wait, by rank; those that somebody waits for time out there too.
 *
 * Source: flashbots_validateBuilderSubmissionV1 to V5 of the validation nodes. Thread: the loop's.
 * SPDX-License-Identifier: MIT */
#ifndef RELAY_SIMULATE_H
#define RELAY_SIMULATE_H

#include "base/log.h"
#include "base/metrics.h"
#include "net/client.h"
#include "relay/duties.h"
#include "relay/submission.h"

#define SIMULATORS_MAX 16u

struct simulators;

struct simulators_options {
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    struct resolver *names;
    struct tls *tls;
    const char *const *urls;
    size_t url_count; /* 0: nothing is simulated, every block passes */
    uint64_t timeout_ns;
    unsigned at_work_max; /* requests at one node; 0: 16 */
    unsigned waiting_max; /* 0: 1024 */
};

[[gnu::warn_unused_result]] int
simulators_new(struct simulators **ret, const struct simulators_options *o, struct error *why);
/* simulators_free ends every simulation with SIMULATION_UNKNOWN. */
void simulators_free(struct simulators *s);

enum simulation_result {
    SIMULATION_VALID,
    SIMULATION_INVALID, /* text: "simulation failed: …" */
    SIMULATION_TIMEOUT, /* no node answered in time */
    SIMULATION_UNKNOWN, /* no node could tell; text: why */
};
typedef void simulation_done(void *context, enum simulation_result result, const char *text,
                             uint64_t took_ns);

struct simulation;

enum simulation_rank {
    SIMULATION_URGENT, /* before all others */
    SIMULATION_AWAITED,
    SIMULATION_LATER, /* nobody waits (optimistic bids): behind all others, and its time begins when
                         a node has it, so that nobody is blamed for the queue */
};
#define SIMULATION_RANKS 3

/* simulate takes a request's body (simulation_write; it is taken over). done comes later, never
 * during the call. errors  ERR_BUSY, ERR_NO_MEMORY: nothing is called; the body is freed. */
[[gnu::warn_unused_result]] int simulate(struct simulators *s, struct buf *body,
                                         enum simulation_rank rank, simulation_done *done,
                                         void *context, struct error *why);

/* simulation_write writes the JSON-RPC request for a submission. Any thread.
 * blobs  false: the bundle goes without its blobs. errors  the buf's. */
struct simulation_terms {
    uint64_t registered_gas_limit;
    const struct hash *parent_beacon_root; /* NULL: null */
    struct hash withdrawals_root;
    bool blobs;
};
[[gnu::warn_unused_result]] int simulation_write(struct buf *out, const struct submission *s,
                                                 const struct simulation_terms *terms,
                                                 struct error *why);

#endif
