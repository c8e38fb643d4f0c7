/* What a transaction read and did, apart from the state it ran on: the result cache of block
 * building and the result of a thread that ran ahead.
 *
 * Recorded from the state's own lists after transact_run. The effects may be applied to any state
 * on which everything that was read is still the same (effects_hold): the outcome is then what
 * running the transaction there would give. What only received value, as the coinbase does, is
 * kept as a sum to add and is no read.
 * The block's environment and the fork are not recorded: effects are good within one block's.
 * Ownership: everything lives in the arena given. One thread per state; effects are read-only.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_EFFECTS_H
#define CHAIN_EFFECTS_H

#include "chain/transact.h"

struct effects_account {
    struct address address;
    uint8_t reads;       /* enum state_read: what must be as in `before` */
    bool written, wiped; /* wiped: its storage was emptied first */
    bool empty_before;   /* what STATE_READ_EMPTINESS saw */
    struct state_fields before, after;
    struct u256 added;     /* to the balance, when that was not read */
    struct evm_code *code; /* of after.code_hash when that changed; the cache's */
};

struct effects_slot {
    uint32_t account; /* index */
    bool written;
    struct u256 key, before, after;
};

struct effects {
    struct transact_result result; /* output copied; log_first is 0 */
    const struct effects_account *accounts;
    size_t account_count;
    const struct effects_slot *slots;
    size_t slot_count;
    const struct state_log *logs; /* data_at is into log_data */
    struct bytes log_data;
};

/* effects_record takes what the last transaction did on `s`; it must have been valid.
 * errors  ERR_NO_MEMORY, ERR_LIMIT (arena). */
[[gnu::warn_unused_result]] int effects_record(struct effects *ret, const struct state *s,
                                               const struct transact_result *result,
                                               struct arena *a, struct error *why);

/* effects_hold: everything that was read is the same on `s`. cost  about 20 ns per entry. */
bool effects_hold(const struct effects *e, struct state *s);

/* effects_apply makes the changes on `s` as a transaction of its own; ret gets the result with the
 * place of its logs. errors  those of the state. */
[[gnu::warn_unused_result]] int effects_apply(const struct effects *e, struct state *s,
                                              struct transact_result *ret, struct error *why);

#endif
