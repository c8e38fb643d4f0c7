/* Objects of the Ethereum JSON-RPC: transactions, receipts, logs, headers, blocks, withdrawals.
 *
 * Integers are QUANTITY, bytes DATA. Readers take what nodes give (members they do not know are
 * passed over); r, s and v may have leading zeros, which some nodes write.
 * Source: ethereum/execution-apis (openrpc schemas); OP Stack members: ethereum-optimism/specs.
 * Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_RPC_JSON_H
#define ETH_RPC_JSON_H

#include "eth/block.h"
#include "json/json.h"
#include "json/write.h"

/* Where a transaction stands, for those members that are not its own. */
struct tx_place {
    bool in_block; /* false: pending, the members are null */
    struct hash block_hash;
    uint64_t block_number;
    uint64_t block_timestamp; /* 0: not written */
    uint64_t index;
    struct u256 base_fee; /* for gasPrice of types 2 and above: the effective price */
    uint64_t deposit_nonce;
};

/* tx_json_decode reads a transaction object, and its hash from its fields (a `hash` member that
 * differs is an error). `type` decides the form; without it gasPrice means legacy, or type 1 with
 * an access list.
 * ret     its lists and raw stand in the arena.
 * errors  ERR_NOT_FOUND, ERR_INVALID, ERR_RANGE, ERR_SYNTAX, ERR_UNSUPPORTED, ERR_LIMIT. */
[[gnu::warn_unused_result]] int tx_json_decode(struct tx *ret, const struct json *in,
                                               struct arena *a, struct error *why);

/* tx_json_encode writes a transaction object. from  its sender; place  NULL for pending. */
void tx_json_encode(struct json_writer *w, const char *key, const struct tx *t,
                    const struct address *from, const struct tx_place *place);

/* header_json_decode reads a header: the members of eth_getBlockBy* that a header has. Which
 * optional members are there decides its form. A `hash` member that differs is an error.
 * errors  as tx_json_decode. */
[[gnu::warn_unused_result]] int header_json_decode(struct header *ret, const struct json *in,
                                                   struct arena *a, struct error *why);

/* block_json_decode reads a block with full transaction objects. Ommers are hashes there and are
 * left out: ommer_count is 0 whatever the header's ommers_hash says. */
[[gnu::warn_unused_result]] int block_json_decode(struct block *ret, const struct json *in,
                                                  struct arena *a, struct error *why);

/* header_json_encode writes the header's members into the open object, hash included; hash NULL: a
 * header that is not sealed, whose hash and nonce are null. */
void header_json_encode(struct json_writer *w, const struct header *h, const struct hash *hash);

/* block_json_encode writes a block object.
 * hash     NULL: a block that is not sealed; hash and nonce are null.
 * senders  of each transaction, whose objects are written then; NULL: only their hashes. */
void block_json_encode(struct json_writer *w, const char *key, const struct block *b,
                       const struct hash *hash, const struct address *senders);
/* block_json_members writes them into the open object. */
void block_json_members(struct json_writer *w, const struct block *b, const struct hash *hash,
                        const struct address *senders);

/* withdrawal_json_encode / _decode: {index, validatorIndex, address, amount}. */
void withdrawal_json_encode(struct json_writer *w, const char *key, const struct withdrawal *v);
[[gnu::warn_unused_result]] int withdrawal_json_decode(struct withdrawal *ret,
                                                       const struct json *in, struct error *why);

/* What a receipt object has beyond the receipt. */
struct receipt_place {
    struct tx_place tx;
    struct hash tx_hash;
    struct address from;
    bool has_to;
    struct address to;
    bool has_contract;
    struct address contract;
    uint64_t gas_used;
    struct u256 effective_price;
    uint64_t blob_gas_used; /* with blob_price: types with blobs only */
    struct u256 blob_price;
    uint64_t first_log; /* index of the receipt's first log in the block */
};

void receipt_json_encode(struct json_writer *w, const char *key, const struct receipt *r,
                         const struct receipt_place *place);
void log_json_encode(struct json_writer *w, const char *key, const struct event_log *l,
                     const struct receipt_place *place, uint64_t index);
/* log_json_encode_removed: the same of a log whose block left the chain. */
void log_json_encode_removed(struct json_writer *w, const char *key, const struct event_log *l,
                             const struct receipt_place *place, uint64_t index);

/* Parts that other objects have too. access_list_json_encode writes the array. */
void access_list_json_encode(struct json_writer *w, const char *key, const struct tx_access *list,
                             size_t count);
[[gnu::warn_unused_result]] int access_list_json_decode(const struct tx_access **ret,
                                                        size_t *ret_count, const struct json *in,
                                                        struct arena *a, struct error *why);
[[gnu::warn_unused_result]] int authorizations_json_decode(const struct tx_authorization **ret,
                                                           size_t *ret_count, const struct json *in,
                                                           struct arena *a, struct error *why);

#endif
