/* Tip: the number of the newest block, asked from the execution client now and then, and what
 * follows from it: until when an order may still land.
 *
 * Without an execution client (or while it is away) times alone decide. tip_number and tip_expiry
 * are for any thread, the rest is the loop's. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_TIP_H
#define ORDERFLOW_TIP_H

#include "base/log.h"
#include "net/client.h"
#include "orderflow/order_request.h"

struct tip;

struct tip_options {
    struct loop *loop;
    struct log *log;
    const struct clock *clock; /* NULL: clock_system */
    struct resolver *names;
    const char *url;      /* JSON-RPC of the execution client; NULL: none */
    uint64_t block_ns;    /* between blocks; 0: 12 s */
    uint64_t every_ns;    /* between questions; 0: 3 s */
    uint64_t lifetime_ns; /* of an order whose block says nothing; 0: 10 blocks */
};

#define TIP_LIFETIME_MAX_NS (3600 * NS_PER_S)

[[gnu::warn_unused_result]] int tip_new(struct tip **ret, const struct tip_options *options,
                                        struct error *why);
void tip_free(struct tip *t);

/* tip_number: of the newest block; 0 when it is not known (or not lately). */
uint64_t tip_number(const struct tip *t);

/* tip_set tells a number, as an answer does. For tests, and for who learns it otherwise. */
void tip_set(struct tip *t, uint64_t number);

/* tip_is_for_next: a bundle that names no block is for the next one. */
bool tip_is_for_next(const struct order *o);

/* tip_expiry: wall ns when the last block an order may come into has surely passed. */
uint64_t tip_expiry(const struct tip *t, const struct order *o, uint64_t received_ns);

#endif
