/* Rpc: typed JSON-RPC calls that wait, for what is done before and after a run. Errors are those of
 * rpc_caller_call. Thread: any. SPDX-License-Identifier: MIT */
#ifndef LOAD_RPC_H
#define LOAD_RPC_H

#include "base/u256.h"
#include "net/rpc_caller.h"

/* rpc_quantity: params is JSON text ("[…]"). rpc_nonce: block is "latest" or "pending". */
[[gnu::warn_unused_result]] int rpc_quantity(uint64_t *ret, struct rpc_caller *c,
                                             const char *method, const char *params,
                                             struct error *why);
[[gnu::warn_unused_result]] int rpc_nonce(uint64_t *ret, struct rpc_caller *c,
                                          const struct address *who, const char *block,
                                          struct error *why);

/* rpc_send_raw sends a transaction. */
[[gnu::warn_unused_result]] int rpc_send_raw(struct rpc_caller *c, struct bytes raw,
                                             struct error *why);

/* rpc_wait_for waits until a transaction is on the chain; contract (may be NULL): what it made.
 * errors  also ERR_TIMEOUT (it is not), ERR_INVALID (it reverted). */
[[gnu::warn_unused_result]] int rpc_wait_for(struct rpc_caller *c, const struct hash *tx,
                                             struct address *contract, uint64_t limit_ns,
                                             struct error *why);

#endif
