/* Rpc: the methods that users call (eth_, net_, web3_, txpool_, debug_) and their subscriptions.
 * SPDX-License-Identifier: MIT */
#ifndef NODE_RPC_H
#define NODE_RPC_H

#include "base/error.h"

struct node;
struct rpc;

/* rpc_open adds the methods to the node and hangs itself onto head and pool. rpc_close (NULL is
 * allowed) ends that. Before the listeners open, after they closed.
 * errors   as node_add_methods. */
[[gnu::warn_unused_result]] int rpc_open(struct rpc **ret, struct node *n, struct error *why);
void rpc_close(struct rpc *r);

#endif
