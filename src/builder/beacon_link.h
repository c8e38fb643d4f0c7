/* The consensus client's payload_attributes events: what may be built, as soon as it is known.
 *
 * Several clients are merged by the caller. A broken stream is opened again, for ever.
 * Thread: the loop's. Source: ethereum/beacon-APIs, "eventstream". SPDX-License-Identifier: MIT */
#ifndef BUILDER_BEACON_LINK_H
#define BUILDER_BEACON_LINK_H

#include "base/log.h"
#include "eth/block.h"
#include "net/client.h"

struct slot_attributes {
    uint64_t slot, parent_number, timestamp;
    uint64_t start_ns; /* wall time at which the slot begins */
    struct hash parent_hash, prev_randao, parent_beacon_root;
    bool has_beacon_root, has_withdrawals;
    bool virtual_clock; /* timestamps are not the machine's time: runs are to repeat */
    struct address fee_recipient;
    const struct withdrawal *withdrawals;
    size_t withdrawal_count;
};

/* slot_attributes_decode reads an event's data; lists stand in the arena. Numbers are decimal
 * strings. The slot begins at its timestamp, unless the event has slot_start_ms (buildernet node
 * with slots that are no whole seconds, or a clock of its own, which it names). errors
 * ERR_NOT_FOUND, ERR_INVALID, ERR_SYNTAX, ERR_RANGE, ERR_LIMIT. */
[[gnu::warn_unused_result]] int slot_attributes_decode(struct slot_attributes *ret,
                                                       struct bytes data, struct arena *a,
                                                       struct error *why);

struct beacon_link;

struct beacon_link_options {
    struct loop *loop;
    const char *url;
    struct resolver *names;
    struct tls *tls;
    struct log *log;
    uint64_t slot_ns; /* silence of more than two slots opens the stream anew */
    void (*attributes)(void *context, const struct slot_attributes *a);
    void *context;
};

[[gnu::warn_unused_result]] int beacon_link_new(struct beacon_link **ret,
                                                const struct beacon_link_options *options,
                                                struct error *why);
void beacon_link_free(struct beacon_link *b);

#endif
