/* An execution client that is followed, by builders and by other nodes: its blocks become ours, its
 * pool's transactions too.
 *
 * Over one WebSocket: newHeads, then debug_getRawBlock of each (or eth_getBlockBy*, where the
 * client does not give that to its users); what is missing in between is asked for, by number when
 * it is much, by parent when it is a branch. Blocks are executed on a thread of their own and the
 * head is set as the client says; the state is one's own, so that no one waits for the client's
 * disk. Pending transactions are asked for in network form, with blobs. A broken connection is
 * opened again, for ever. A client whose chain begins with another block is not followed, and said
 * so.
 *
 * Thread: the loop's; blocks are imported on the link's thread.
 * Source: geth's pubsub and debug namespaces. SPDX-License-Identifier: MIT */
#ifndef CHAIN_NODE_LINK_H
#define CHAIN_NODE_LINK_H

#include "base/log.h"
#include "chain/head.h"
#include "net/client.h"

struct node_link;

struct node_link_options {
    struct loop *loop;
    const char *url; /* ws://HOST:PORT[/path] */
    struct resolver *names;
    struct tls *tls;
    struct log *log;
    struct head *head;
    bool transactions; /* follow the pool */
    bool marks;        /* and the safe and finalized blocks */
    struct bytes key;  /* of the tokens that an authenticated port wants; empty: none */
    /* The head is another one now. */
    void (*head_changed)(void *context);
    /* A pending transaction, in network form, so long after its hash came; the bytes live during
     * the call. */
    void (*transaction)(void *context, struct bytes raw, uint64_t took_ns);
    void *context;
};

[[gnu::warn_unused_result]] int
node_link_new(struct node_link **ret, const struct node_link_options *options, struct error *why);
void node_link_free(struct node_link *n);

/* node_link_send gives the client a transaction in network form; nothing happens while there is no
 * connection. */
void node_link_send(struct node_link *n, struct bytes raw);

/* node_link_ready: connected, and the head is the client's.
 * errors  ERR_CONFLICT (the client is on another genesis; nothing is followed), ERR_BUSY. */
[[gnu::warn_unused_result]] int node_link_ready(const struct node_link *n, struct error *why);

#endif
