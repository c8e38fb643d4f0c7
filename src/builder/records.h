/* Records of landed blocks: what was bid and who gets what back, signed by the builder, one file a
 * block.
 *
 *   {"record": {...}, "address": "0x..", "signature": "0x.."}
 *
 * The signature is that of signed requests (x-flashbots-signature) over the bytes of `record`.
 * Amounts are decimal strings of wei. Files are named NUMBER-HASH.json.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_RECORDS_H
#define BUILDER_RECORDS_H

#include "builder/refunds.h"

#define RECORD_BYTES_MAX (64u << 20)

struct landed_block {
    uint64_t number, slot, timestamp;
    struct hash hash, parent_hash;
    struct address proposer, coinbase;
    struct u256 bid, true_value, own;
    const char *builder;
};

/* record_write appends the whole file's text. errors  ERR_INTERNAL (libcrypto), the buf's. */
[[gnu::warn_unused_result]] int record_write(struct buf *out, const struct landed_block *b,
                                             const struct refund_report *r,
                                             const struct ecdsa_signer *signer,
                                             const struct ecdsa_secret_key *key, struct error *why);

/* record_check verifies a file's signature; *ret_record is its record.
 * errors  ERR_SYNTAX, ERR_INVALID (another signer than it says). */
[[gnu::warn_unused_result]] int record_check(const struct json **ret_record,
                                             struct address *ret_signer, struct bytes text,
                                             struct arena *a, struct error *why);

enum record_form { RECORD_TEXT, RECORD_JSON, RECORD_CSV };

/* record_explain appends a record for people, as its JSON, or as lines of
 * block_number,block_hash,address,amount. errors  ERR_INVALID, ERR_NOT_FOUND (no such record). */
[[gnu::warn_unused_result]] int record_explain(struct buf *out, const struct json *record,
                                               const struct address *signer, enum record_form form,
                                               struct error *why);

#endif
