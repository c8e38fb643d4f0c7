/* Rpc: JSON-RPC calls that wait, for what is done before and after a run. Answers lie in the
 * arena that is given. Thread: one at a time. SPDX-License-Identifier: MIT */
#ifndef LOAD_RPC_H
#define LOAD_RPC_H

#include "base/arena.h"
#include "base/u256.h"
#include "json/json.h"

struct rpc {
    const char *url;
    uint64_t timeout_ns;
};

/* rpc_call calls a method, params being JSON text ("[…]").
 * errors  ERR_INVALID (the server's error, with its message), and those of client_ask. */
[[gnu::warn_unused_result]] int rpc_call(const struct json **ret, const struct rpc *r,
                                         const char *method, struct bytes params, struct arena *a,
                                         struct error *why);

/* Typed forms. block: "latest", "pending". */
[[gnu::warn_unused_result]] int rpc_quantity(uint64_t *ret, const struct rpc *r, const char *method,
                                             const char *params, struct error *why);
[[gnu::warn_unused_result]] int rpc_nonce(uint64_t *ret, const struct rpc *r,
                                          const struct address *who, const char *block,
                                          struct error *why);

/* rpc_send_raw sends a transaction. */
[[gnu::warn_unused_result]] int rpc_send_raw(const struct rpc *r, struct bytes raw,
                                             struct error *why);

/* rpc_wait_for waits until a transaction is on the chain; contract (may be NULL): what it made.
 * errors  ERR_TIMEOUT, ERR_INVALID (it reverted). */
[[gnu::warn_unused_result]] int rpc_wait_for(const struct rpc *r, const struct hash *tx,
                                             struct address *contract, uint64_t limit_ns,
                                             struct error *why);

#endif
