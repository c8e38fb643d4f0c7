/* Proofs of blob sidecars, by the fork's form: one a blob (EIP-4844) or one a cell (EIP-7594).
 * Any thread. SPDX-License-Identifier: MIT */
#ifndef CHAIN_BLOB_CHECK_H
#define CHAIN_BLOB_CHECK_H

#include "crypto/kzg.h"
#include "eth/fork.h"
#include "eth/tx_sidecar.h"

/* Blobs whose proofs were right: the same blob comes with every bid of a slot. Known by SHA-256
 * over commitment, blob and proofs; the newest of about BLOB_MEMORY_SLOTS (32 KiB). Any thread. */
#define BLOB_MEMORY_SLOTS 1024u
struct blob_memory;

/* errors  ERR_NO_MEMORY. blob_memory_free: NULL is allowed. */
[[gnu::warn_unused_result]] int blob_memory_new(struct blob_memory **ret, struct error *why);
void blob_memory_free(struct blob_memory *m);

/* blob_proofs_check: the sidecar is of the fork's version and each proof is right. That it belongs
 * to its transaction is tx_sidecar_check's matter.
 * memory  NULL: nothing is remembered.
 * errors  ERR_INVALID, ERR_SYNTAX (a point that is none), ERR_NO_MEMORY.
 * cost    about 1 ms a blob; with cell proofs some 10 ms; 0.1 ms when it is remembered. */
[[gnu::warn_unused_result]] int blob_proofs_check(const struct kzg *kzg, struct blob_memory *memory,
                                                  const struct tx_sidecar *s,
                                                  const struct fork_rules *rules,
                                                  struct error *why);

#endif
