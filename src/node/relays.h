/* Relays: the proposer's side of the builder API: registers validators, asks all relays for their
 * best bid and judges them, sends the signed blinded block to the one whose bid was taken.
 * Source: ethereum/builder-specs. Thread: the loop's. SPDX-License-Identifier: MIT */
#ifndef NODE_RELAYS_H
#define NODE_RELAYS_H

#include "base/log.h"
#include "base/metrics.h"
#include "eth/blinded_block.h"
#include "net/loop.h"
#include "net/tls.h"

#define RELAYS_MAX 16u

struct relays;

struct relays_options {
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    const char *const *urls; /* http[s]://[0xPUBKEY@]HOST:PORT */
    size_t url_count;
    struct tls *tls; /* for https; may be NULL without such urls */
    struct hash builder_domain;
    uint64_t min_bid_wei;
};

/* errors  ERR_SYNTAX (a url), ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int relays_open(struct relays **ret, const struct relays_options *o,
                                            struct error *why);
void relays_close(struct relays *r); /* NULL is allowed; no answer comes any more */
size_t relays_count(const struct relays *r);
const char *relays_url(const struct relays *r, size_t i);

/* relays_register sends registrations (the JSON array, copied) to all; relays_remind sends them
 * again to those that have not taken them. What fails is logged. */
void relays_register(struct relays *r, struct bytes registrations);
void relays_remind(struct relays *r);

/* What a bid must be for. */
struct bid_terms {
    uint64_t slot;
    enum consensus_fork fork;
    struct hash parent_hash;
    struct bytes48 proposer;
    uint64_t timestamp, number;
    struct hash prev_randao;
};

/* A bid that was found good. Lives in the memory of its asking until relays_forget. */
struct relay_bid {
    size_t relay;
    struct signed_builder_bid bid;
};

/* relays_ask asks all; `done` comes once, later: with the best good bid or NULL, when all have
 * answered or the time is over. One asking at a time; a new one ends the old without a call. */
void relays_ask(struct relays *r, const struct bid_terms *terms, uint64_t timeout_ns,
                void (*done)(void *context, const struct relay_bid *best), void *context);
void relays_forget(struct relays *r);

/* relays_unblind sends a signed blinded block to the relay of a bid; `done` comes once, later.
 * payload  NULL when it failed (why tells); in memory that lives during the call. */
void relays_unblind(struct relays *r, size_t relay, const struct signed_blinded_beacon_block *block,
                    enum consensus_fork fork, uint64_t timeout_ns,
                    void (*done)(void *context, const struct payload_and_blobs *payload,
                                 const struct error *why),
                    void *context);

/* relay_bid_judge: signature, parent, time, randomness, number, least value.
 * pinned  the relay's key, NULL: whichever signed. errors  ERR_INVALID. */
[[gnu::warn_unused_result]] int
relay_bid_judge(const struct signed_builder_bid *bid, const struct bid_terms *terms,
                const struct bytes48 *pinned, const struct hash *builder_domain,
                uint64_t min_bid_wei, struct arena *a, struct error *why);

#endif
