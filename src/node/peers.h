/* Peers: connections that stay (WebSocket, Unix socket), and the outbox through which everything
 * goes to them. SPDX-License-Identifier: MIT */
#ifndef NODE_PEERS_H
#define NODE_PEERS_H

#include "net/server.h"
#include "node/node.h"

#define PEER_PENDING_BYTES_MAX (32u << 20) /* unread when the next comes: that cuts it off */
#define PEER_JOBS_MAX 64u                  /* at work for one peer; then it is not read from */

struct peers;

struct peers_options {
    struct node *node;
    /* One message came: work on it and call peers_done with the peer's id when that is over.
     * data is valid during the call. */
    void (*message)(void *context, uint64_t peer, struct bytes data, unsigned where, bool local);
    void *context;
};

/* peers_open: errors ERR_IO, ERR_NO_MEMORY. peers_close: after the servers are freed. */
[[gnu::warn_unused_result]] int peers_open(struct peers **ret, const struct peers_options *o,
                                           struct error *why);
void peers_close(struct peers *p);

/* peers_accept_ws answers a WebSocket handshake. where  NODE_USER or NODE_ENGINE.
 * bytes_max  of a message; as much again may be at work, then the peer is not read from. */
void peers_accept_ws(struct peers *p, struct exchange *x, unsigned where, size_t bytes_max);
/* peers_admit is the `admit` hook of the Unix socket's listener; its context is the peers. */
void peers_admit(struct server *s, struct conn *c, void *context);

/* peers_send queues a message for a peer. thread  any.
 * instead  what is sent when the server has no room for the message (server_room); empty: the peer
 *          is cut off then, if it has not read what came before, else it gets the message all the
 *          same. */
void peers_send(struct peers *p, uint64_t peer, struct bytes message, struct bytes instead);
/* peers_done: a message of the peer, of that many bytes, is answered. thread  the loop's. */
void peers_done(struct peers *p, uint64_t peer, size_t bytes);

/* peers_on_gone: `gone` is called when a peer goes, and again with each message of it that is
 * answered only after that. Before there are peers. errors ERR_LIMIT. */
[[gnu::warn_unused_result]] int peers_on_gone(struct peers *p,
                                              void (*gone)(void *context, uint64_t peer),
                                              void *context, struct error *why);

#endif
