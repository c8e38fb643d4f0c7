/* Listeners of the node: HTTP, WebSocket and Unix socket for users, HTTP and WebSocket with a token
 * for the Engine API. What comes in becomes a message, is answered on a worker, and goes out again
 * through the outbox in the order in which it was given in.
 * Thread: the loop's, but for node_notify. SPDX-License-Identifier: MIT */
#ifndef NODE_LISTENERS_H
#define NODE_LISTENERS_H

#include "node/node.h"

struct service;

/* node_listeners_open opens the metrics' listener; node_listeners_start, when all methods are
 * there, the others that the settings name. The servers are handed to the service, which drains
 * them. node_listeners_close (NULL is allowed) closes all; the workers must have ended. errors  as
 * socket_listen; ERR_SYNTAX (an address); those of the key file. */
[[gnu::warn_unused_result]] int node_listeners_open(struct node_listeners **ret, struct node *n,
                                                    struct service *service, struct error *why);
[[gnu::warn_unused_result]] int node_listeners_start(struct node_listeners *l,
                                                     struct service *service, struct error *why);
void node_listeners_close(struct node_listeners *l);

/* Inside of methods.c, for messages that are parsed before it is known where they run. */
[[gnu::warn_unused_result]] int node_parse(struct node *n, struct jsonrpc_batch *ret,
                                           const struct node_message *m, struct arena *a,
                                           struct buf *out, struct error *why);
unsigned node_flags_of(const struct node *n, const struct node_message *m,
                       const struct jsonrpc_batch *batch);
void node_answer_batch(struct node *n, const struct node_message *m,
                       const struct jsonrpc_batch *batch, struct arena *a, struct buf *out,
                       void (**ret_then)(void *), void **ret_arg);

#endif
