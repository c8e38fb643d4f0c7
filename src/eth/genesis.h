/* Genesis files in geth's format: {config, nonce, timestamp, extraData, gasLimit, difficulty,
 * mixHash, coinbase, alloc, baseFeePerGas?, excessBlobGas?, blobGasUsed?, number?, ...}.
 *
 * Gives the chain configuration, the genesis header but for its state root, and the accounts; the
 * caller computes the state root (trie/) and puts it into the header.
 * Source: ethereum/go-ethereum, core/genesis.go and params/config.go for the names. Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_GENESIS_H
#define ETH_GENESIS_H

#include "eth/block.h"
#include "eth/fork.h"
#include "json/json.h"

struct genesis_slot {
    struct hash key;
    struct u256 value;
};

struct genesis_account {
    struct address address;
    uint64_t nonce;
    struct u256 balance;
    struct bytes code;
    const struct genesis_slot *slots;
    size_t slot_count;
};

struct genesis {
    struct chain_config config;
    struct header header;                   /* of the form of its fork; state_root is zero */
    const struct genesis_account *accounts; /* in the order of the file */
    size_t account_count;
};

/* genesis_decode reads a genesis object; its parts live in the arena.
 * Numbers may be hex, decimal strings or JSON numbers, as in geth; in storage, text is hex with
 * and without 0x. Configuration members that only matter to other clients are passed over.
 * errors  ERR_NOT_FOUND, ERR_INVALID, ERR_SYNTAX, ERR_RANGE, ERR_LIMIT. */
[[gnu::warn_unused_result]] int genesis_decode(struct genesis *ret, const struct json *in,
                                               struct arena *a, struct error *why);

/* genesis_alloc_decode reads the `alloc` object alone: {address: {balance, nonce, code, storage}}.
 */
[[gnu::warn_unused_result]] int genesis_alloc_decode(const struct genesis_account **ret,
                                                     size_t *ret_count, const struct json *in,
                                                     struct arena *a, struct error *why);

/* chain_config_decode reads the `config` object alone. */
[[gnu::warn_unused_result]] int chain_config_decode(struct chain_config *ret, const struct json *in,
                                                    struct error *why);

#endif
