/* What a reverted call says of itself, in the two forms that compilers of contracts give.
 * Source: Solidity documentation, "Panic via assert and Error via require"; the texts of panics are
 * those that clients show. Pure; any thread. SPDX-License-Identifier: MIT */
#ifndef ETH_REVERT_H
#define ETH_REVERT_H

#include "base/arena.h"
#include "base/bytes.h"

/* revert_text writes the reason of Error(string) or Panic(uint256) to `a`; NULL for other outputs,
 * or when there is no memory. */
char *revert_text(struct bytes output, struct arena *a);

#endif
