/* Rpc_caller: JSON-RPC calls that are waited for, from any thread, at one server.
 *
 * For threads that compute and need an answer to go on; a loop uses net/client.h. Over HTTP(S)
 * with kept connections (a loop of its own on a thread of its own), or over the Unix socket of an
 * execution client (its IPC: JSON values without framing), where each caller has a connection.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_RPC_CALLER_H
#define NET_RPC_CALLER_H

#include "net/jsonrpc.h"
#include "net/tls.h"

struct rpc_caller;

struct rpc_caller_options {
    const char *url;         /* "http://HOST:PORT[/path]", "https://…", or the path of a socket */
    struct tls *tls;         /* for https (held); NULL: those fail */
    uint64_t timeout_ns;     /* of one call; 0: 10 s */
    size_t answer_bytes_max; /* 0: 64 MiB */
};

/* rpc_caller_new: connects nothing yet, starts its thread (HTTP).
 * errors  ERR_SYNTAX, ERR_INVALID, ERR_UNSUPPORTED (url), ERR_IO, ERR_NO_MEMORY.
 * rpc_caller_free: no call may be under way. NULL is allowed. */
[[gnu::warn_unused_result]] int rpc_caller_new(struct rpc_caller **ret,
                                               const struct rpc_caller_options *options,
                                               struct error *why);
void rpc_caller_free(struct rpc_caller *c);

/* rpc_caller_call makes one call and waits. params  a JSON array. ret  lies in the arena.
 * errors  ERR_UNSUPPORTED (the server does not have the method), ERR_INVALID (it answered with an
 *         error, which is in the text), ERR_TIMEOUT, ERR_CLOSED, ERR_IO, ERR_BUSY (not reached),
 *         ERR_SYNTAX, ERR_LIMIT (its answer), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int rpc_caller_call(struct rpc_caller *c, const char *method,
                                                struct bytes params, struct arena *a,
                                                const struct json **ret, struct error *why);

#endif
