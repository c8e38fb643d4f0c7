/* BLS signatures of Ethereum: BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_.
 *
 * Public keys are points of G1 (48 bytes compressed), signatures points of G2 (96 bytes). For
 * builder and relay signing roots, validator registrations and the consensus layer. Not here: key
 * derivation and keystores (bls_keystore.h), the EVM's precompiles (bls_precompile.h), blobs
 * (kzg.h). What a message is, its domain and its signing root, belongs to src/eth.
 *
 * Specification: draft-irtf-cfrg-bls-signature-04, RFC 9380; encodings: the ZCash format. Values
 * only: no function keeps a pointer, none has state, any thread. Functions that take a secret key
 * run in constant time in it. A parsed public key is checked once and may be kept: verifying with
 * it costs two Miller loops, one final exponentiation and one hash to the curve.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_BLS_H
#define CRYPTO_BLS_H

#include "base/error.h"
#include "base/u256.h"

/* A number from 1 to r - 1. The owner wipes it (bytes_wipe). */
struct bls_secret_key {
    struct u256 k;
};

/* A point of G1 that passed KeyValidate: on the curve, in the subgroup, not infinity. */
struct bls_public_key {
    uint64_t x[6], y[6]; /* Montgomery form */
};

/* bls_secret_key_load reads 32 big-endian bytes. errors: ERR_RANGE (0, or r and above). */
[[gnu::warn_unused_result]] int bls_secret_key_load(struct bls_secret_key *ret,
                                                    const uint8_t in[32], struct error *why);
void bls_secret_key_store(uint8_t ret[32], const struct bls_secret_key *sk);

/* bls_secret_key_generate: KeyGen of the draft, section 2.3.
 * ikm       secret bytes, at least 32.   info  optional context, at most 256 bytes.
 * errors    ERR_RANGE (one of these), ERR_INTERNAL, ERR_NO_MEMORY (libcrypto). */
[[gnu::warn_unused_result]] int bls_secret_key_generate(struct bls_secret_key *ret,
                                                        struct bytes ikm, struct bytes info,
                                                        struct error *why);

/* bls_public_key_of: the compressed public key of sk. */
void bls_public_key_of(struct bytes48 *ret, const struct bls_secret_key *sk);

/* bls_public_key_parse decompresses and does KeyValidate.
 * errors    ERR_SYNTAX (encoding), ERR_INVALID (no point, not in G1, infinity). */
[[gnu::warn_unused_result]] int bls_public_key_parse(struct bls_public_key *ret,
                                                     const struct bytes48 *in, struct error *why);
void bls_public_key_compress(struct bytes48 *ret, const struct bls_public_key *pk);

/* bls_sign: the signature of a message of any length. Constant time in sk (not in the message). */
void bls_sign(struct bytes96 *ret, const struct bls_secret_key *sk, struct bytes message);

/* bls_verify: 0 when the signature is right.
 * errors    ERR_SYNTAX (encoding), ERR_INVALID (not in G2, or simply wrong). */
[[gnu::warn_unused_result]] int bls_verify(const struct bls_public_key *pk, struct bytes message,
                                           const struct bytes96 *signature, struct error *why);

/* bls_signature_check: the encoding is that of a point of G2 (infinity included). Errors as
 * bls_verify. */
[[gnu::warn_unused_result]] int bls_signature_check(const struct bytes96 *signature,
                                                    struct error *why);

/* bls_aggregate adds n >= 1 signatures. errors: ERR_RANGE (n = 0), as bls_signature_check.
 * bls_aggregate_public_keys adds n >= 1 keys. errors: ERR_RANGE (n = 0), ERR_INVALID (the sum is
 * infinity). */
[[gnu::warn_unused_result]] int bls_aggregate(struct bytes96 *ret, const struct bytes96 *signatures,
                                              size_t n, struct error *why);
[[gnu::warn_unused_result]] int bls_aggregate_public_keys(struct bls_public_key *ret,
                                                          const struct bls_public_key *pks,
                                                          size_t n, struct error *why);

/* bls_aggregate_verify: one signature over n >= 1 (key, message) pairs. Messages may repeat: in
 * this suite every key's owner has proved possession of its secret.
 * errors    ERR_RANGE (n = 0), ERR_SYNTAX, ERR_INVALID. */
[[gnu::warn_unused_result]] int bls_aggregate_verify(const struct bls_public_key *pks,
                                                     const struct bytes *messages, size_t n,
                                                     const struct bytes96 *signature,
                                                     struct error *why);

/* bls_fast_aggregate_verify: one signature of n >= 1 keys over one message. Errors as above.
 * bls_fast_aggregate_verify_eth also accepts no keys with the signature at infinity, as the
 * consensus specification's eth_fast_aggregate_verify does. */
[[gnu::warn_unused_result]] int bls_fast_aggregate_verify(const struct bls_public_key *pks,
                                                          size_t n, struct bytes message,
                                                          const struct bytes96 *signature,
                                                          struct error *why);
[[gnu::warn_unused_result]] int bls_fast_aggregate_verify_eth(const struct bls_public_key *pks,
                                                              size_t n, struct bytes message,
                                                              const struct bytes96 *signature,
                                                              struct error *why);

/* One signature of a batch; all is borrowed for the call. */
struct bls_signed {
    const struct bls_public_key *pk;
    struct bytes message;
    const struct bytes96 *signature;
};

/* bls_verify_batch: 0 when all n signatures are right, at two thirds of the cost of one
 * by one. Each is weighted with 64 random bits of the kernel, so that wrong ones cannot cancel
 * (chance 2^-64). n = 0 is right. Says only that one is wrong, not which: verify one by one then.
 * errors ERR_SYNTAX, ERR_INVALID, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int bls_verify_batch(const struct bls_signed *items, size_t n,
                                                 struct error *why);

#endif
