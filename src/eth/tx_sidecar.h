/* Blob sidecars and the network form of blob transactions: what eth_sendRawTransaction and bundles
 * carry, and blocks do not.
 *
 * 0x03 || rlp([fields, blobs, commitments, proofs])              version 0 (EIP-4844)
 * 0x03 || rlp([fields, 0x01, blobs, commitments, cell proofs])   version 1 (EIP-7594)
 *
 * Blobs stay in place (128 KiB each), commitments and proofs are gathered into arrays. The KZG
 * proofs themselves are checked by crypto/kzg. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_TX_SIDECAR_H
#define ETH_TX_SIDECAR_H

#include "eth/tx.h"

#define BLOB_BYTES 131072u
#define CELLS_PER_BLOB 128u
#define SIDECAR_BLOBS_MAX 4096u /* limit of the consensus layer's list of commitments */

struct tx_sidecar {
    bool present;                      /* false: the transaction came without */
    uint8_t version;                   /* 0: a proof a blob; 1: CELLS_PER_BLOB cell proofs a blob */
    size_t blob_count;                 /* of blobs and commitments */
    const uint8_t *const *blobs;       /* BLOB_BYTES each */
    const struct bytes48 *commitments; /* KZG, compressed G1 */
    size_t proof_count;
    const struct bytes48 *proofs;
};

/* tx_decode_network reads a transaction as users and peers send it: an envelope, or a blob
 * transaction with its sidecar. ret->raw is the envelope, without the sidecar (copied into the
 * arena where it is not contiguous); ret->hash its hash.
 * errors  as tx_decode; ERR_SYNTAX too where the counts of blobs, commitments and proofs differ.
 *         Both results are untouched on error. */
[[gnu::warn_unused_result]] int tx_decode_network(struct tx *ret, struct tx_sidecar *ret_sidecar,
                                                  struct bytes in, struct arena *a,
                                                  struct error *why);

/* tx_encode_network appends the network form; without a sidecar the envelope. */
void tx_encode_network(struct buf *out, const struct tx *t, const struct tx_sidecar *sidecar);

/* tx_sidecar_check: the sidecar belongs to the transaction: as many blobs, and each versioned hash
 * is of its commitment. Proofs are not looked at. errors  ERR_INVALID. */
[[gnu::warn_unused_result]] int
tx_sidecar_check(const struct tx *t, const struct tx_sidecar *sidecar, struct error *why);

#endif
