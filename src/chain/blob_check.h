/* Proofs of blob sidecars, by the fork's form: one a blob (EIP-4844) or one a cell (EIP-7594).
 * Any thread. SPDX-License-Identifier: MIT */
#ifndef CHAIN_BLOB_CHECK_H
#define CHAIN_BLOB_CHECK_H

#include "crypto/kzg.h"
#include "eth/fork.h"
#include "eth/tx_sidecar.h"

/* blob_proofs_check: the sidecar is of the fork's version and each proof is right. That it belongs
 * to its transaction is tx_sidecar_check's matter.
 * errors  ERR_INVALID, ERR_SYNTAX (a point that is none), ERR_NO_MEMORY.
 * cost    about 1 ms a blob; with cell proofs some 10 ms. */
[[gnu::warn_unused_result]] int blob_proofs_check(const struct kzg *kzg, const struct tx_sidecar *s,
                                                  const struct fork_rules *rules,
                                                  struct error *why);

#endif
