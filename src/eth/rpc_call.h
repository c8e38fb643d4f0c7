/* What callers of the Ethereum JSON-RPC hand in: block parameters, call objects, and overrides of
 * state and block.
 *
 * Readers are strict: QUANTITY and DATA in their one form, members of the wrong type refused;
 * null counts as absent; members nobody knows are passed over, as every node does.
 * Decoded values point into their input and arena. Source: ethereum/execution-apis
 * (BlockNumberOrTagOrHash, GenericTransaction, StateOverrides, BlockOverrides); EIP-1898. Any
 * thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_RPC_CALL_H
#define ETH_RPC_CALL_H

#include "eth/block.h"
#include "eth/fees.h"
#include "json/json.h"

enum block_param_kind {
    BLOCK_PARAM_NUMBER,
    BLOCK_PARAM_HASH,
    BLOCK_PARAM_EARLIEST,
    BLOCK_PARAM_LATEST,
    BLOCK_PARAM_SAFE,
    BLOCK_PARAM_FINALIZED,
    BLOCK_PARAM_PENDING,
};

struct block_param {
    enum block_param_kind kind;
    uint64_t number;        /* BLOCK_PARAM_NUMBER */
    struct hash hash;       /* BLOCK_PARAM_HASH */
    bool require_canonical; /* EIP-1898 */
};

/* block_param_decode reads a number, a tag, a hash, or an EIP-1898 object; null or absent gives
 * `otherwise`. errors  ERR_INVALID, ERR_SYNTAX, ERR_RANGE. */
[[gnu::warn_unused_result]] int block_param_decode(struct block_param *ret, const struct json *in,
                                                   enum block_param_kind otherwise,
                                                   struct error *why);

/* block_param_decode_number is that without hashes (BlockNumberOrTag). */
[[gnu::warn_unused_result]] int block_param_decode_number(struct block_param *ret,
                                                          const struct json *in,
                                                          enum block_param_kind otherwise,
                                                          struct error *why);

/* storage_key_decode reads a slot number as clients write it: "0x" and 1 to 64 digits, leading
 * zeros allowed. errors  ERR_SYNTAX, ERR_INVALID, ERR_RANGE. */
[[gnu::warn_unused_result]] int storage_key_decode(struct hash *ret, const struct json *in,
                                                   struct error *why);

/* A transaction that nobody signed. `tx` has what was given; the type follows from the members, and
 * `type` is passed over, as the specification's tests have it. Fees: types 0 and 1 have max_fee ==
 * max_priority_fee == gasPrice. */
struct call_object {
    struct address from; /* zero when absent */
    struct tx tx;        /* protected; chain_id 0 when absent; no raw, no hash */
    bool has_from, has_gas, has_nonce, has_chain_id;
    bool has_gas_price, has_max_fee, has_priority_fee, has_max_blob_fee;
    bool has_access_list, has_blob_hashes, has_authorizations;
};

/* call_object_decode: `input` wins over `data`; both must be equal when both are there.
 * errors  ERR_INVALID (gasPrice beside maxFeePerGas, another JSON type than expected), ERR_SYNTAX,
 *         ERR_RANGE, ERR_LIMIT. */
[[gnu::warn_unused_result]] int call_object_decode(struct call_object *ret, const struct json *in,
                                                   struct arena *a, struct error *why);

/* call_object_settle sets the type that the members make in a fork: what has no fees is of type 2
 * from London on, legacy before; a price of blobs without blobs counts for nothing where blobs are
 * known. (call_object_decode has done so for the newest fork.) */
void call_object_settle(struct call_object *c, enum fork fork);

struct slot_override {
    struct hash key;
    struct u256 value;
};

struct account_override {
    struct address address;
    bool has_balance, has_nonce, has_code, has_move;
    bool replaces_storage; /* `state`: all other slots are empty; else `stateDiff` or nothing */
    struct u256 balance;
    uint64_t nonce;
    struct bytes code;
    struct address move_to; /* movePrecompileToAddress */
    const struct slot_override *slots;
    size_t slot_count;
};

struct state_overrides {
    const struct account_override *accounts;
    size_t count;
};

#define STATE_OVERRIDES_MAX 16384u /* accounts, and slots of each account */

/* state_overrides_decode reads {address: {balance, nonce, code, movePrecompileToAddress, state |
 * stateDiff}}; null gives none. errors  ERR_INVALID (state and stateDiff; an address twice),
 * ERR_SYNTAX, ERR_RANGE, ERR_LIMIT. */
[[gnu::warn_unused_result]] int state_overrides_decode(struct state_overrides *ret,
                                                       const struct json *in, struct arena *a,
                                                       struct error *why);

struct block_overrides {
    bool has_number, has_time, has_gas_limit, has_coinbase, has_prevrandao, has_base_fee,
        has_blob_base_fee, has_withdrawals, has_beacon_root;
    uint64_t number, time, gas_limit;
    struct address coinbase;
    struct u256 prevrandao, base_fee, blob_base_fee;
    const struct withdrawal *withdrawals;
    size_t withdrawal_count;
    struct hash beacon_root;
};

/* block_overrides_decode reads {number, time, gasLimit, feeRecipient, prevRandao, baseFeePerGas,
 * blobBaseFee, withdrawals, beaconRoot}, and the names that geth's eth_call had before (coinbase,
 * random, baseFee, difficulty is passed over); null gives none. errors  as above. */
[[gnu::warn_unused_result]] int block_overrides_decode(struct block_overrides *ret,
                                                       const struct json *in, struct arena *a,
                                                       struct error *why);

#endif
