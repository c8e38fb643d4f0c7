/* Bundles as data: the fields of eth_sendBundle (v1, v2) and mev_sendBundle as they stand in JSON.
 *
 * Which fields a sender may set, which defaults they have and what a version forbids are rules of
 * the programs (orderflow, builder); here a field is only present or absent and of its type.
 * Transactions stay raw bytes. null and absent are the same.
 * Source: flashbots docs (eth_sendBundle, mev_sendBundle v0.1). Any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_BUNDLE_H
#define ETH_BUNDLE_H

#include "base/arena.h"
#include "json/json.h"
#include "json/write.h"

#define BUNDLE_DEPTH_MAX 16 /* bundles within mev_sendBundle bodies */

struct uuid {
    uint8_t b[16];
};

enum bundle_field {
    BUNDLE_BLOCK_NUMBER = 1 << 0,
    BUNDLE_MIN_TIMESTAMP = 1 << 1,
    BUNDLE_MAX_TIMESTAMP = 1 << 2,
    BUNDLE_REPLACEMENT_UUID = 1 << 3,
    BUNDLE_VERSION = 1 << 4,
    BUNDLE_REPLACEMENT_NONCE = 1 << 5,
    BUNDLE_SIGNING_ADDRESS = 1 << 6,
    BUNDLE_REFUND_IDENTITY = 1 << 7,
    BUNDLE_UUID = 1 << 8,
    BUNDLE_REFUND_PERCENT = 1 << 9,
    BUNDLE_REFUND_RECIPIENT = 1 << 10,
    BUNDLE_DELAYED_REFUND = 1 << 11,
    BUNDLE_HASH = 1 << 12,
    BUNDLE_TXS = 1 << 13,        /* an array was given, an empty one too */
    BUNDLE_REFUND_TXS = 1 << 14, /* the same of refundTxHashes */
};

struct bundle_txs {
    const struct bytes *items; /* raw signed transactions, network form */
    size_t count;
};

struct bundle_hashes {
    const struct hash *items;
    size_t count; /* 0: absent or empty */
};

struct bundle {
    unsigned fields; /* enum bundle_field: which of the scalars are present */
    struct bundle_txs txs;
    uint64_t block_number;
    uint64_t min_timestamp, max_timestamp; /* seconds */
    struct bundle_hashes reverting, dropping, refund_txs;
    const struct bytes *refund_tx_texts; /* refund_txs as they were written; NULL: lower case */
    struct uuid replacement_uuid, uuid;
    struct bytes version; /* text, "v1" or "v2" where it follows the specification */
    uint64_t replacement_nonce;
    struct address signing_address, refund_identity, refund_recipient;
    uint64_t refund_percent;
    bool delayed_refund;
    struct hash bundle_hash; /* given by the sender, passed on */
};

/* bundle_decode reads one object of eth_sendBundle; members that are not known are passed over.
 * Block numbers may be QUANTITY ("0x" and leading zeros too) or a JSON number, timestamps, nonce
 * and percent likewise. errors  ERR_INVALID, ERR_SYNTAX, ERR_RANGE (the text names the member),
 * ERR_LIMIT (arena). */
[[gnu::warn_unused_result]] int bundle_decode(struct bundle *ret, const struct json *in,
                                              struct arena *a, struct error *why);

/* bundle_encode writes the object, members in the order in which proxies forward them: txs and
 * blockNumber always, the rest where present. */
void bundle_encode(struct json_writer *w, const char *key, const struct bundle *b);

enum revert_mode {
    REVERT_MODE_FAIL, /* also what is not known */
    REVERT_MODE_ALLOW,
    REVERT_MODE_DROP,
};

struct share_refund {
    uint64_t body_index, percent;
};
struct share_refund_config {
    struct address address;
    uint64_t percent;
};

struct share_bundle;

/* One item of a body: a transaction, a bundle, or a hash only. */
struct share_item {
    bool has_hash, has_tx, has_revert_mode, can_revert;
    struct hash hash;
    struct bytes tx;
    const struct share_bundle *bundle; /* NULL: none */
    enum revert_mode revert_mode;
    struct bytes revert_mode_text; /* as it was written */
};

struct share_bundle {
    struct bytes version;
    bool has_replacement_uuid, has_max_block, has_metadata, has_nonce, cancelled;
    bool has_signer, has_privacy;
    struct uuid replacement_uuid;
    uint64_t block, max_block;
    const struct share_item *body;
    size_t body_count;
    const struct share_refund *refunds;
    size_t refund_count;
    const struct share_refund_config *refund_configs;
    size_t refund_config_count;
    struct address signer;
    uint64_t replacement_nonce;
};

/* share_bundle_decode reads one object of mev_sendBundle. errors  as bundle_decode; ERR_LIMIT also
 * for bundles nested deeper than BUNDLE_DEPTH_MAX. */
[[gnu::warn_unused_result]] int share_bundle_decode(struct share_bundle *ret, const struct json *in,
                                                    struct arena *a, struct error *why);

/* share_bundle_encode writes the object. */
void share_bundle_encode(struct json_writer *w, const char *key, const struct share_bundle *b);

/* share_version_is_known: the versions that builders take: "v0.1", and "version-1". */
bool share_version_is_known(struct bytes version);

/* uuid_parse reads what both generations do: 36 characters in either case, the same in braces or
 * after urn:uuid:, the 32 digits alone. uuid_format writes 36 in lower case and a NUL.
 * errors  ERR_SYNTAX. */
[[gnu::warn_unused_result]] int uuid_parse(struct uuid *ret, struct bytes text, struct error *why);
void uuid_format(char ret[37], const struct uuid *u);

#endif
