/* KZG commitments of blobs (EIP-4844) and their cells (EIP-7594), on BLS12-381.
 *
 * A blob is 4096 scalars of 32 big-endian bytes, the values of a polynomial at the 4096th roots of
 * unity in bit-reversed order; its commitment and proofs are compressed G1 points. The extended
 * blob's 8192 values form 128 cells of 64.
 *
 * The setup is the public output of the mainnet ceremony and is part of the library (kzg_setup.h).
 * `struct kzg` is made once and only read afterwards: any number of threads. Public data only.
 *
 * Errors of all functions: ERR_SYNTAX when a commitment or proof is no compressed point of G1,
 * ERR_RANGE when a scalar is not below the group order or a count or index is out of range,
 * ERR_NO_MEMORY; verifying functions say ERR_INVALID, and only then, when well-formed input is
 * wrong. Outputs are left alone on error.
 *
 * Specification: consensus-specs deneb/polynomial-commitments.md and
 * fulu/polynomial-commitments-sampling.md. What a sidecar looks like belongs to src/eth.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_KZG_H
#define CRYPTO_KZG_H

#include "base/bytes.h"
#include "base/error.h"

#define KZG_BLOB_BYTES 131072
#define KZG_CELLS 128
#define KZG_CELL_BYTES 2048
#define KZG_POINT_EVALUATION_INPUT 192

struct kzg;

/* What a setup is for; each includes those before it. */
enum kzg_use {
    KZG_VERIFY,      /* about 1 ms, 400 KiB */
    KZG_PROVE,       /* commitments and blob proofs: about 70 ms, 1 MiB */
    KZG_CELL_PROOFS, /* proofs of all cells: about a second more, 2 MiB */
};

/* kzg_open makes a setup; the caller gives it to kzg_close. errors: ERR_NO_MEMORY, ERR_INTERNAL
 * (the embedded points are damaged). A function below that needs a later `use` than the setup
 * was opened for returns ERR_UNSUPPORTED. */
[[gnu::warn_unused_result]] int kzg_open(struct kzg **ret, enum kzg_use use, struct error *why);
void kzg_close(struct kzg *k);

/* kzg_versioned_hash: the version and the last 31 bytes of SHA-256(commitment) (EIP-4844). */
#define KZG_HASH_VERSION 0x01
struct hash kzg_versioned_hash(const struct bytes48 *commitment);

/* kzg_point_evaluation: the precompiled contract 0x0a. in: versioned hash, z, y (32 bytes each),
 * commitment, proof (48 each). ret: the two words 4096 and r. Any error fails the call. */
[[gnu::warn_unused_result]] int kzg_point_evaluation(const struct kzg *k, uint8_t ret[64],
                                                     struct bytes in, struct error *why);

/* kzg_verify_proof: the committed polynomial has value y at z. */
[[gnu::warn_unused_result]] int kzg_verify_proof(const struct kzg *k,
                                                 const struct bytes48 *commitment,
                                                 const uint8_t z[32], const uint8_t y[32],
                                                 const struct bytes48 *proof, struct error *why);

/* kzg_verify_blob: commitment and proof belong to the blob.
 * kzg_verify_blobs: n of them, blobs one after the other, with one pairing check; 0 is right. */
[[gnu::warn_unused_result]] int kzg_verify_blob(const struct kzg *k, const uint8_t *blob,
                                                const struct bytes48 *commitment,
                                                const struct bytes48 *proof, struct error *why);
[[gnu::warn_unused_result]] int kzg_verify_blobs(const struct kzg *k, const uint8_t *blobs,
                                                 const struct bytes48 *commitments,
                                                 const struct bytes48 *proofs, size_t n,
                                                 struct error *why);

/* kzg_challenge: the point at which a blob's proof opens it (compute_challenge). */
void kzg_challenge(uint8_t ret[32], const uint8_t *blob, const struct bytes48 *commitment);

/* KZG_PROVE: the blob's commitment; a proof and the value at z; the proof of kzg_verify_blob. */
[[gnu::warn_unused_result]] int kzg_commit(const struct kzg *k, struct bytes48 *ret,
                                           const uint8_t *blob, struct error *why);
[[gnu::warn_unused_result]] int kzg_prove(const struct kzg *k, struct bytes48 *ret_proof,
                                          uint8_t ret_y[32], const uint8_t *blob,
                                          const uint8_t z[32], struct error *why);
[[gnu::warn_unused_result]] int kzg_prove_blob(const struct kzg *k, struct bytes48 *ret,
                                               const uint8_t *blob,
                                               const struct bytes48 *commitment, struct error *why);

/* kzg_cells: all KZG_CELLS cells of a blob, KZG_CELL_BYTES each (any use).
 * kzg_cells_and_proofs: with their proofs (KZG_CELL_PROOFS). */
[[gnu::warn_unused_result]] int kzg_cells(const struct kzg *k, uint8_t *ret_cells,
                                          const uint8_t *blob, struct error *why);
[[gnu::warn_unused_result]] int kzg_cells_and_proofs(const struct kzg *k, uint8_t *ret_cells,
                                                     struct bytes48 ret_proofs[KZG_CELLS],
                                                     const uint8_t *blob, struct error *why);

/* kzg_verify_cells: n cells one after the other, each with its commitment, index and proof; 0 is
 * right. */
[[gnu::warn_unused_result]] int
kzg_verify_cells(const struct kzg *k, const struct bytes48 *commitments, const uint64_t *indices,
                 const uint8_t *cells, const struct bytes48 *proofs, size_t n, struct error *why);

/* kzg_recover: all cells and proofs from at least half of the cells (KZG_CELL_PROOFS).
 * indices   strictly increasing, below KZG_CELLS.   cells  n of them.
 * errors    also ERR_RANGE when n is out of 64..128 or the order is wrong. Cells that lie on no
 *           blob's polynomial give ERR_INVALID. */
[[gnu::warn_unused_result]] int kzg_recover(const struct kzg *k, uint8_t *ret_cells,
                                            struct bytes48 ret_proofs[KZG_CELLS],
                                            const uint64_t *indices, const uint8_t *cells, size_t n,
                                            struct error *why);

#endif
