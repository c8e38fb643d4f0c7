/* Node: an execution client for devnets and for whoever needs a chain of their own: JSON-RPC over
 * HTTP, WebSocket and a Unix socket, the Engine API, a transaction pool, a stub of the consensus
 * layer. No devp2p: other nodes follow over the Engine API or a block feed.
 *
 *     listeners ─▶ messages ─▶ workers ─▶ methods ─▶ head, txpool
 *     (loop)       (loop)       (pool)      │
 *                     ▲                     ▼
 *                     └────── answers, notifications (outbox)
 *
 * A method is a function in a table; files of this folder bring their tables and add them at start
 * (node_add_methods). It runs on a worker, so it may take its time; what it writes is sent by the
 * loop. One worker serves the Engine API in the order in which calls came; the others everything
 * else.
 *
 * Threads: each function says where it may be called. SPDX-License-Identifier: MIT */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metrics.h"
#include "base/pool.h"
#include "eth/genesis.h"
#include "net/jsonrpc.h"
#include "net/loop.h"
#include "node/settings.h"

#include <pthread.h>
#include <stdatomic.h>

struct head;
struct sender_cache;
struct txpool;
struct payloads;
struct rpc;
struct node_listeners;
struct tls;

#define NODE_CLIENT_NAME "buildernet"

/* What every file of the folder may use. The pointers stand from node_open to node_close. */
struct node {
    const struct node_values *values;
    struct log *log;
    struct metrics *metrics;
    struct loop *loop;
    const struct genesis *genesis;     /* header with its state root */
    const struct chain_config *config; /* = &genesis->config */
    struct hash genesis_hash;
    struct head *head;     /* chain/head.h: any thread */
    struct txpool *txpool; /* chain/txpool.h: any thread */
    struct pool *workers;  /* for calls of users */
    struct pool *engine;   /* one thread: Engine API, in order */
    struct sender_cache *senders;
    struct tls *tls; /* for https relays and wss nodes; NULL: there are none */
    /* any thread */
    struct payloads *payloads;       /* node/payload.h: blocks made here */
    _Atomic uint64_t next_timestamp; /* with --slots: of the next slot; 0: the clock tells */
    struct rpc *rpc;                 /* node/rpc.h */
    struct node_listeners *listeners;
    struct map methods; /* name -> struct method_row; read-only once the listeners are open */
    struct arena memory;
};

/* node_time_after: the timestamp that a block on `parent` would have now. Any thread. */
static inline uint64_t node_time_after(const struct node *n, const struct header *parent) {
    uint64_t slot = atomic_load(&n->next_timestamp), after = parent->timestamp + 1;
    uint64_t s = slot ? slot : clock_wall_ns(&clock_system) / NS_PER_S;
    return s > after ? s : after;
}

/* ---- methods ---- */

/* Where a method is offered, and how it is run. */
#define NODE_USER 1u    /* HTTP, WebSocket, IPC; its namespace must be in --api (IPC: always) */
#define NODE_ENGINE 2u  /* the authenticated port */
#define NODE_QUICK 4u   /* never waits and takes microseconds: runs on the loop */
#define NODE_ORDERED 8u /* one after another in order of arrival (Engine API) */

/* One call. The method writes exactly one value with key NULL to `result`. */
struct node_call {
    struct node *node;
    void *context; /* as given to node_add_methods */
    struct bytes method;
    const struct json *params; /* array or object; NULL: none */
    struct json_writer *result;
    struct arena *a; /* of the message: everything of the call */
    uint64_t peer;   /* connection that can be notified; 0: none (HTTP) */
    /* Filled by node_fail. */
    int error_code;
    struct bytes error_data; /* JSON; empty: none */
    /* Called once the answer is on its way; for notifications that must come after it. */
    void (*then)(void *arg);
    void *then_arg;
};

typedef int node_method_call(struct node_call *c, struct error *why);

struct node_method {
    const char *name; /* "eth_chainId" */
    node_method_call *call;
    unsigned flags;
};

/* node_add_methods adds a table (which must outlive the node). Before the listeners are open.
 * errors  ERR_CONFLICT (a name twice), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int node_add_methods(struct node *n, const struct node_method *table,
                                                 size_t count, void *context, struct error *why);

/* node_fail fails a call with a JSON-RPC error of its own: `return node_fail(c, why, -32000, none,
 * "nonce too low")`. Other failures get the code of base/error.h's table; -32602 is what
 * ERR_SYNTAX, ERR_RANGE, ERR_INVALID and ERR_NOT_FOUND out of json.h mean for params, so give those
 * through node_bad_params. data: JSON in c->a, or empty. */
[[gnu::format(printf, 5, 6)]] int node_fail(struct node_call *c, struct error *why, int code,
                                            struct bytes data, const char *format, ...);
/* node_bad_params makes -32602 out of an error that reading params left in why. */
int node_bad_params(struct node_call *c, struct error *why);
#ifdef __clang_analyzer__ // as in base/error.h
#define node_fail(c, why, code, data, ...)                                                         \
    ((void)(node_fail)(c, why, code, data, __VA_ARGS__), (int)ERR_INVALID)
#define node_bad_params(c, why) ((void)(node_bad_params)(c, why), (int)ERR_INVALID)
#endif

/* node_param gives the i-th positional parameter, NULL when it is missing or null. */
static inline const struct json *node_param(const struct node_call *c, size_t i) {
    const struct json *v = json_type_of(c->params) == JSON_ARRAY ? json_at(c->params, i) : NULL;
    return json_is_null(v) ? NULL : v;
}

/* node_param_count reads the first parameter, how many of something: a JSON number or a QUANTITY;
 * 1 when it is missing or null. Fails the call with -32602, also when it is above `most`. */
int node_param_count(struct node_call *c, uint64_t *ret, uint64_t most, struct error *why);

/* node_answer answers one message (an object or a batch) into `out`; nothing is appended when there
 * is nothing to send. Thread: any but the loop, unless all methods in it are quick.
 * where   NODE_USER or NODE_ENGINE.  local  an IPC peer: every namespace.
 * ret_then, ret_arg  to be called when the answer is on its way, while `a` lives; may be NULL. */
struct node_message {
    struct bytes body; /* outlives the call */
    unsigned where;
    bool local;
    uint64_t peer;
};
void node_answer(struct node *n, const struct node_message *m, struct arena *a, struct buf *out,
                 void (**ret_then)(void *), void **ret_arg);

/* ---- connections that can be notified ---- */

/* node_notify sends one text message to a peer (copied); a peer that does not read is cut off.
 * thread any. Nothing happens when the peer is gone. */
void node_notify(struct node *n, uint64_t peer, struct bytes message);

/* node_on_peer_gone: called on the loop for every peer that has gone. Before the listeners are
 * open. errors ERR_LIMIT (eight). */
[[gnu::warn_unused_result]] int node_on_peer_gone(struct node *n,
                                                  void (*gone)(void *context, uint64_t peer),
                                                  void *context, struct error *why);

/* ---- life ---- */

/* node_open opens everything but the listeners of users, and begins no blocks: for tests, which
 * call node_answer themselves. values and log (NULL: none) outlive the node.
 * errors  those of the parts. node_close: NULL is allowed. */
[[gnu::warn_unused_result]] int node_open(struct node **ret, const struct node_values *values,
                                          struct log *log, struct error *why);
void node_close(struct node *n);

/* node_serve runs the program; gives the exit status. config  read again on SIGHUP. */
int node_serve(struct config *config, const struct node_values *values);

#endif
