/* Presign: orders that are made before their time: a ring of those that come next, signed by worker
 * threads, so that sending never waits for signatures.
 *
 * The main thread chooses group, account and nonce in the order of the schedule; a worker makes the
 * transactions and what is sent. A bundle is signed for the block that is expected and the one
 * behind it, as its target is known only when it is sent. Where a nonce came into doubt meanwhile,
 * or no account was free, or the workers are behind, the order is made when its time has come, and
 * counted so.
 *
 * Thread: the main one, and the workers within. SPDX-License-Identifier: MIT */
#ifndef LOAD_PRESIGN_H
#define LOAD_PRESIGN_H

#include "load/order.h"

struct presign;

/* What is sent of one order: a transaction, or one bundle of a conflict or replacement. */
struct presign_request {
    struct hash tx;      /* its first transaction */
    struct bytes body;   /* until the next presign_take */
    struct bytes header; /* X-Flashbots-Signature; empty without --orders-url */
    uint64_t target;     /* of a bundle */
};

/* An order whose time has come. */
struct presign_order {
    const struct form_group *group;
    struct account *account; /* NULL: none was free */
    uint64_t variants;       /* requests */
};

/* presign_open starts the workers. errors  ERR_NO_MEMORY, ERR_IO. */
[[gnu::warn_unused_result]] int presign_open(struct presign **ret, struct run *r,
                                             struct error *why);
/* presign_close waits for what is being made. NULL is allowed. */
void presign_close(struct presign *a);

/* presign_fill makes orders until the window behind r->at is full; wait: until they are made. */
void presign_fill(struct presign *a, bool wait);

/* presign_take gives order number r->at; it stays the account's until it is sent: of a transaction,
 * account->at_work has been counted, and its nonce is used up; of a bundle, the order is the
 * account's holder. */
void presign_take(struct presign *a, struct presign_order *ret);

/* presign_request gives the v-th request of the order that was taken, of a bundle for that block.
 * errors  why it could not be made. */
[[gnu::warn_unused_result]] int presign_request(struct presign *a, uint64_t v, uint64_t target,
                                                struct presign_request *ret, struct error *why);

#endif
