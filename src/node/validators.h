/* Validators: the BLS keys of the consensus stub, and what they sign.
 * Source: consensus-specs (phase0, interop keys of eth2.0-pm), builder-specs. Not for keys of
 * value: they follow from a text. Thread: read-only once made, any.
 * SPDX-License-Identifier: MIT */
#ifndef NODE_VALIDATORS_H
#define NODE_VALIDATORS_H

#include "crypto/bls.h"
#include "eth/blinded_block.h"

#define VALIDATORS_MAX 4096u

struct validator {
    struct bls_secret_key secret;
    struct bytes48 pubkey;
};

struct validators {
    struct validator *items;
    size_t count;
    uint8_t genesis_version[4]; /* later forks count up its last byte, as playgrounds do */
    struct hash root;           /* stands for genesis_validators_root */
    struct hash builder_domain;
};

/* validators_make makes `count` keys. seed  "interop": the keys that every consensus client knows
 * for tests; another text: keys that follow from it.
 * errors  ERR_RANGE (count), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int validators_make(struct validators *ret, const char *seed,
                                                size_t count, const uint8_t genesis_version[4],
                                                struct error *why);
void validators_free(struct validators *v); /* wipes the keys */

/* validators_fork_version: altair is 1, bellatrix 2, ... after the genesis version. */
void validators_fork_version(const struct validators *v, enum consensus_fork f, uint8_t ret[4]);

/* Signatures. a  scratch. errors  ERR_NO_MEMORY. */
struct bytes96 validators_sign_randao(const struct validators *v, size_t index, uint64_t epoch,
                                      enum consensus_fork f);
[[gnu::warn_unused_result]] int validators_sign_block(const struct validators *v,
                                                      struct signed_blinded_beacon_block *block,
                                                      struct hash *ret_root, enum consensus_fork f,
                                                      struct arena *a, struct error *why);
[[gnu::warn_unused_result]] int
validators_sign_registration(const struct validators *v, size_t index,
                             struct signed_validator_registration *r, struct arena *a,
                             struct error *why);

/* validators_check_block: the proposer's signature over a block's root. errors  ERR_INVALID. */
[[gnu::warn_unused_result]] int validators_check_block(const struct validators *v, size_t index,
                                                       const struct hash *root,
                                                       const struct bytes96 *signature,
                                                       enum consensus_fork f, struct error *why);

#endif
