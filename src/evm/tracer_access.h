/* Access lists: what code looks at, as eth_createAccessList and the accesslist tracer give it.
 *
 * Only what instructions name counts: slots of SLOAD and SSTORE, addresses of calls, of code and
 * balance queries and of SELFDESTRUCT; sender, recipient and the machine's own contracts are warm
 * anyway and are listed only for their slots.
 * Source: EIP-2930; ethereum/execution-apis. One thread. SPDX-License-Identifier: MIT */
#ifndef EVM_TRACER_ACCESS_H
#define EVM_TRACER_ACCESS_H

#include "eth/tx.h"
#include "evm/state.h"
#include "evm/trace.h"

#define ACCESS_ADDRESSES_MAX 4096u
#define ACCESS_SLOTS_MAX 16384u

struct access_entry {
    struct address address;
    bool listed;  /* by itself, not only for its slots */
    size_t slots; /* how many of them */
};

struct access_list {
    struct evm_tracer tracer;
    struct arena *a;
    enum fork fork;
    struct address from, to;
    struct access_entry *entries;
    size_t count;
    struct {
        size_t entry;
        struct u256 key;
    } * slots; /* in the order of their finding */
    size_t slot_count;
    /* Where in entries and slots something stands, plus one; 0: nowhere. Open addressing. */
    uint16_t *entry_at; /* 2 ACCESS_ADDRESSES_MAX places */
    uint16_t *slot_at;  /* 2 ACCESS_SLOTS_MAX places */
    struct state_seed seed;
    bool failed; /* a limit or memory */
};

/* access_list_begin makes an empty list whose memory is the arena's. */
void access_list_begin(struct access_list *l, struct arena *a, enum fork fork,
                       const struct address *from, const struct address *to);

/* access_list_add puts in what a transaction lists already. errors  ERR_LIMIT. */
[[gnu::warn_unused_result]] int access_list_add(struct access_list *l, const struct tx_access *list,
                                                size_t count, struct error *why);

/* access_list_tracer is what is set as the machine's tracer. access_list_step is what it does at
 * each instruction, for a tracer that watches more. */
struct evm_tracer *access_list_tracer(struct access_list *l);
void access_list_step(struct access_list *l, const struct evm_step *s);

/* access_list_end gives the list, in the arena. errors  ERR_LIMIT. */
[[gnu::warn_unused_result]] int access_list_end(struct access_list *l, const struct tx_access **ret,
                                                size_t *ret_count, struct error *why);

/* access_list_equal: the same addresses with the same slots in the same order. A list that was
 * begun with another one and found nothing more is equal to it. */
bool access_list_equal(const struct tx_access *a, size_t a_count, const struct tx_access *b,
                       size_t b_count);

#endif
