/* The precompiled contracts: which exist in a fork, what they cost, and their running. The
 * cryptography stands in crypto/; here is the calling convention.
 *
 * Specification: Yellow Paper appendix E; EIP-152, 196, 197, 198, 1108, 2537, 2565, 4844, 7823,
 * 7883, 7951. A struct precompiles is made once and then only read; all threads share one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EVM_PRECOMPILE_H
#define EVM_PRECOMPILE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/stop.h"
#include "eth/fork.h"

struct precompiles; /* what the contracts need besides their input: curves, setups */

/* errors  ERR_NO_MEMORY. precompiles_free(NULL) is fine. */
[[gnu::warn_unused_result]] int precompiles_new(struct precompiles **ret, struct error *why);
void precompiles_free(struct precompiles *p);

struct precompile {
    uint16_t address; /* the number that is the address */
    uint8_t since;    /* enum fork; the last row of an address that is not later counts */
    const char *name;
    /* gas of an input; UINT64_MAX: more than any call has. */
    uint64_t (*gas)(struct bytes in);
    /* appends the output; 0, or negative: the call fails and its gas is gone. What comes out once
     * stop (may be NULL) is set means nothing; all then end within 4 ms or so (docs/evm.md). */
    int (*run)(const struct precompiles *p, struct bytes in, const atomic_bool *stop,
               struct buf *out);
};

/* precompile_find gives the contract at an address in a fork, NULL for none. */
const struct precompile *precompile_find(enum fork fork, const struct address *address);

/* precompile_at gives the i-th address that has a contract in a fork; false when there is none. */
bool precompile_at(struct address *ret, enum fork fork, unsigned i);

static inline bool evm_is_precompile(enum fork fork, const struct address *a) {
    if ((load_le64(a->b) | load_le64(a->b + 8)) != 0) return false; // almost always
    return precompile_find(fork, a) != NULL;
}

#endif
