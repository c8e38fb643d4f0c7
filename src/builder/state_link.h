/* The state from an execution client: calls, cache, and where the chain begins.
 * Thread: any, but new and free. SPDX-License-Identifier: MIT */
#ifndef BUILDER_STATE_LINK_H
#define BUILDER_STATE_LINK_H

#include "builder/build_order.h"
#include "chain/head.h"
#include "chain/remote_state.h"
#include "net/rpc_caller.h"

struct state_link {
    struct rpc_caller *caller;
    struct remote_state *state;
    struct remote_anchor anchor;
    struct arena memory; /* of the anchor */
};

/* state_link_new reaches the client (it waits some seconds for one that starts) and asks where the
 * chain is. errors  those of rpc_caller_new and remote_state_anchor. */
[[gnu::warn_unused_result]] int state_link_new(struct state_link **ret, const char *url,
                                               struct tls *tls, size_t cache_bytes, struct log *log,
                                               struct error *why);
void state_link_free(struct state_link *s); /* NULL is allowed; after the head */

/* state_link_prefetch asks ahead for what an order names, after the head's newest block. */
void state_link_prefetch(struct state_link *s, struct head *h, const struct build_order *o);

#endif
