/* A node without listeners on a chain to play with (chain/play.h), for tests and benchmarks of the
 * user's JSON-RPC. One thread. SPDX-License-Identifier: MIT */
#ifndef NODE_RPC_TESTING_H
#define NODE_RPC_TESTING_H

#include "chain/play.h"
#include "chain/txpool.h"
#include "node/node.h"
#include "node/rpc.h"

struct rpc_fixture {
    struct play play;
    struct head *head;
    struct head_view *view; /* that the pool reads */
    struct producer *producer;
    struct txpool *txpool;
    struct node_values values;
    struct node node;
    struct clock_fake clock; /* of its loop */
    struct arena arena;      /* of blocks and answers */
    uint64_t peer;           /* of the calls; 0: HTTP */
    struct buf notified;     /* what was sent to peers: "PEER:MESSAGE" a line */
    void (*on_gone)(void *context, uint64_t peer);
    void *on_gone_context;
};

/* rpc_fixture_open makes it at the genesis. rpc_fixture_close ends it. rpc_fixture_start is the
 * second half of open, for a genesis that was changed after play_init.  errors  of the parts. */
[[gnu::warn_unused_result]] int rpc_fixture_open(struct rpc_fixture *f, enum fork fork,
                                                 struct error *why);
[[gnu::warn_unused_result]] int rpc_fixture_start(struct rpc_fixture *f, struct error *why);
void rpc_fixture_close(struct rpc_fixture *f);

/* rpc_fixture_extend adds a block of up to `txs` random transactions and makes it the head. */
[[gnu::warn_unused_result]] int rpc_fixture_extend(struct rpc_fixture *f, size_t txs,
                                                   struct error *why);

/* rpc_fixture_mine adds a block of the pool's transactions. */
[[gnu::warn_unused_result]] int rpc_fixture_mine(struct rpc_fixture *f, struct error *why);

/* rpc_fixture_send signs a transaction of a sender with its next nonce and gives it to the pool. */
[[gnu::warn_unused_result]] int rpc_fixture_send(struct rpc_fixture *f, unsigned sender,
                                                 struct tx *t, struct error *why);

/* rpc_fixture_ask gives the answer to one message, in the fixture's arena. */
struct bytes rpc_fixture_ask(struct rpc_fixture *f, struct bytes message);

#endif
