/* Transfers of ether as logs, as eth_simulateV1 shows them: a tracer that notes every call,
 * creation and self-destruction with value, and forgets those that were undone. Source:
 * ethereum/execution-apis (ethsimulatev1-notes, "ETH transfer logs"). One thread.
 * SPDX-License-Identifier: MIT */
#ifndef NODE_RPC_TRANSFERS_H
#define NODE_RPC_TRANSFERS_H

#include "eth/receipt.h"
#include "evm/trace.h"

#define TRANSFERS_MAX 65536u

struct transfer {
    struct address from, to;
    struct u256 value;
    size_t log_count; /* logs that the state had before it */
};

struct transfers {
    struct evm_tracer tracer;
    struct transfer *items;
    size_t count, room;
    size_t *marks; /* one a frame: what was there before it */
    size_t depth, depth_room;
    bool failed; /* a limit or memory */
};

void transfers_init(struct transfers *t);
void transfers_free(struct transfers *t);
void transfers_clear(struct transfers *t);
struct evm_tracer *transfers_tracer(struct transfers *t);

/* A log that stands for a transfer; `log` points into the struct. */
struct transfer_log {
    struct event_log log;
    uint8_t value[32];
};
void transfer_log_make(struct transfer_log *ret, const struct transfer *t);

#endif
