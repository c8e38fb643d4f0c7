/* Blocks: headers of every fork, bodies, withdrawals, requests.
 *
 * Wire forms: header rlp([15 fields, baseFee?, withdrawalsRoot?, blobGasUsed?, excessBlobGas?,
 * parentBeaconRoot?, requestsHash?]); block rlp([header, transactions, ommers, withdrawals?]) with
 * typed transactions as strings (EIP-2718, 1559, 4895, 4844, 4788, 7685).
 * Whether a block is valid on its chain is chain/'s matter; roots of its lists are trie/'s.
 * Decoded values point into their input and arena. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_BLOCK_H
#define ETH_BLOCK_H

#include "base/arena.h"
#include "eth/receipt.h"
#include "eth/tx.h"

/* How far the optional fields of a header go; the value is their count. */
enum header_form {
    HEADER_FRONTIER = 0,
    HEADER_LONDON = 1,   /* base fee */
    HEADER_SHANGHAI = 2, /* withdrawals root */
    HEADER_CANCUN = 5,   /* blob gas used, excess blob gas, parent beacon root */
    HEADER_PRAGUE = 6,   /* requests hash */
};

struct header {
    struct hash parent_hash;
    struct hash ommers_hash;
    struct address coinbase;
    struct hash state_root;
    struct hash transactions_root;
    struct hash receipts_root;
    struct bloom bloom;
    struct u256 difficulty;
    uint64_t number;
    uint64_t gas_limit;
    uint64_t gas_used;
    uint64_t timestamp;
    struct bytes extra_data;
    struct hash mix_hash; /* prev_randao from Paris on */
    uint8_t nonce[8];
    enum header_form form;
    struct u256 base_fee;
    struct hash withdrawals_root;
    uint64_t blob_gas_used;
    uint64_t excess_blob_gas;
    struct hash parent_beacon_root;
    struct hash requests_hash;
};

struct withdrawal {
    uint64_t index;
    uint64_t validator_index;
    struct address address;
    uint64_t amount_gwei;
};

struct block {
    struct header header;
    const struct tx *txs; /* without sidecars */
    size_t tx_count;
    const struct header *ommers;
    size_t ommer_count;
    bool has_withdrawals; /* Shanghai */
    const struct withdrawal *withdrawals;
    size_t withdrawal_count;
};

extern const struct hash BLOCK_EMPTY_OMMERS; /* keccak256 of the empty list */

/* header_encode appends the RLP. header_hash gives the block's hash (about 600 bytes hashed). */
void header_encode(struct buf *out, const struct header *h);
[[gnu::warn_unused_result]] int header_hash(struct hash *ret, const struct header *h,
                                            struct error *why);

/* header_decode reads exactly one header; extra_data points into `in`.
 * errors  ERR_SYNTAX (also for a number of fields that no fork has), ERR_RANGE. */
[[gnu::warn_unused_result]] int header_decode(struct header *ret, struct bytes in,
                                              struct error *why);

/* block_decode reads exactly one block; transaction hashes are made in one batch.
 * a       holds the lists: a struct tx for each transaction, of at least 10 bytes in `in`.
 * errors  ERR_SYNTAX, ERR_RANGE, ERR_UNSUPPORTED, ERR_LIMIT (arena). *ret untouched on error. */
[[gnu::warn_unused_result]] int block_decode(struct block *ret, struct bytes in, struct arena *a,
                                             struct error *why);

/* block_encode appends the RLP; each transaction's raw is used where it has one. */
void block_encode(struct buf *out, const struct block *b);

/* block_encoded_size is the count of bytes block_encode appends, where every transaction has its
 * raw (as decoded and signed ones do): for the size limit of EIP-7934. */
size_t block_encoded_size(const struct block *b);

/* Withdrawals; the RLP is also the trie's value. errors  ERR_SYNTAX, ERR_RANGE. */
void withdrawal_encode(struct buf *out, const struct withdrawal *w);
[[gnu::warn_unused_result]] int withdrawal_decode(struct withdrawal *ret, struct bytes in,
                                                  struct error *why);

/* requests_hash of EIP-7685: requests are type || data in the order of their types; those without
 * data do not count. */
struct hash requests_hash(const struct bytes *requests, size_t count);

#endif
