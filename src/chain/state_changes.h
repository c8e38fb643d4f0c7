/* What a state has changed since it began or was committed, in the form that roots, layers and
 * stores take. SPDX-License-Identifier: MIT */
#ifndef CHAIN_STATE_CHANGES_H
#define CHAIN_STATE_CHANGES_H

#include "evm/state.h"
#include "trie/state_root.h"

struct state_changes {
    const struct state_account_change *accounts; /* each once; only what differs from the base */
    size_t count;
    const struct hash *codes; /* of accounts whose code is another than in the base */
    size_t code_count;
};

/* state_changes_of lists the changes of s; everything stands in the arena.
 * errors  ERR_LIMIT (arena), ERR_NO_MEMORY.   cost  the slots that changed accounts were asked for.
 * thread  that of the state. */
[[gnu::warn_unused_result]] int state_changes_of(struct state_changes *ret, const struct state *s,
                                                 struct arena *a, struct error *why);

#endif
