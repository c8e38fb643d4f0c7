/* A whole state in memory: for tests, tools, devnets, and as the base of parallel execution.
 *
 * Accounts, slots and code by address and hash, read through a state_reader, changed by taking
 * over what a `struct state` has changed. Roots are computed from the whole content each time
 * (trie_plain.h): for states of some thousand accounts.
 * Threads: any number of readers, as long as nobody changes it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CHAIN_MEMORY_STATE_H
#define CHAIN_MEMORY_STATE_H

#include "base/arena.h"
#include "evm/state.h"

struct memory_slot {
    struct u256 key, value; /* value 0: the place is free to be used again */
    bool used;
};

struct memory_account {
    struct address address;
    struct state_fields fields; /* exists = false: was removed */
    struct memory_slot *slots;  /* open addressing */
    uint32_t slot_mask, slot_count;
};

struct memory_code {
    struct hash hash;
    struct bytes bytes;
};

struct memory_state {
    struct arena memory;
    struct memory_account **accounts; /* open addressing */
    uint32_t account_mask, account_count;
    struct memory_code *codes; /* open addressing; bytes.p NULL: free */
    uint32_t code_mask, code_count;
};

/* memory_state_init makes an empty state; allocates nothing. memory_state_free ends it;
 * memory_state_clear empties it. */
void memory_state_init(struct memory_state *m);
void memory_state_free(struct memory_state *m);
void memory_state_clear(struct memory_state *m);

/* memory_state_reader gives the interface for state_init; m must stay where it is. */
struct state_reader memory_state_reader(struct memory_state *m);

/* Setting content. errors  ERR_NO_MEMORY. set_account makes the account exist; code is copied. */
[[gnu::warn_unused_result]] int memory_state_set_account(struct memory_state *m,
                                                         const struct address *address,
                                                         struct u256 balance, uint64_t nonce,
                                                         struct bytes code, struct error *why);
[[gnu::warn_unused_result]] int memory_state_set_slot(struct memory_state *m,
                                                      const struct address *address,
                                                      struct u256 key, struct u256 value,
                                                      struct error *why);
/* memory_state_set_code puts code in under a hash that the caller vouches for. */
[[gnu::warn_unused_result]] int memory_state_set_code(struct memory_state *m,
                                                      const struct hash *hash, struct bytes code,
                                                      struct error *why);
/* memory_state_set_fields sets an account whose code was given by memory_state_set_code. */
[[gnu::warn_unused_result]] int memory_state_set_fields(struct memory_state *m,
                                                        const struct address *address,
                                                        const struct state_fields *fields,
                                                        struct error *why);

/* memory_state_apply takes over what `s` has changed since it began or was committed. The caller
 * commits `s` after. errors  ERR_NO_MEMORY (the content is then incomplete). */
[[gnu::warn_unused_result]] int memory_state_apply(struct memory_state *m, const struct state *s,
                                                   struct error *why);

/* memory_state_find gives an account that exists, NULL for none. memory_state_each visits all that
 * exist, in the order of the table. memory_state_code gives code by hash (n = 0: none). */
const struct memory_account *memory_state_find(const struct memory_state *m,
                                               const struct address *address);
void memory_state_each(const struct memory_state *m,
                       void (*each)(void *arg, const struct memory_account *a), void *arg);
struct bytes memory_state_code(const struct memory_state *m, const struct hash *hash);

/* memory_state_copy copies all content of `from` into an empty `m`. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int
memory_state_copy(struct memory_state *m, const struct memory_state *from, struct error *why);

/* memory_state_root computes the state root. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int memory_state_root(struct hash *ret, const struct memory_state *m,
                                                  struct error *why);

#endif
