/* Identifiers of orders, byte by byte as both public generations compute them.
 *
 *   dedup key      of the first generation: UUID over an order's fields (order_key_*)
 *   bundle hash    keccak256 of the transactions' hashes
 *   bundle UUID    of that and some fields; the two readings differ in their defaults
 *   share hash     of a mev_sendBundle
 *   bundleHash     of the second generation, by wyhash: what senders get back (order_flow_hash)
 *
 * Dedup keys and bundleHash are not collision-resistant: compatible, never trusted from a peer.
 * Source: both deployed proxies, flashbots/go-utils (rpctypes). Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_ORDER_ID_H
#define ETH_ORDER_ID_H

#include "eth/bundle.h"

/* Whose defaults hold. */
enum order_reading {
    ORDER_READING_GO,   /* go-utils: no version is v1, maxTimestamp 0 is 0 */
    ORDER_READING_RUST, /* rbuilder, FlowProxy: no version is v2, maxTimestamp 0 is unset */
};

/* The dedup keys. The bundle is given with its defaults filled in (signer, nonce).
 * a       scratch: sorted copies of the hashes. errors  ERR_LIMIT (arena). */
[[gnu::warn_unused_result]] int order_key_bundle(struct uuid *ret, const struct bundle *b,
                                                 struct arena *a, struct error *why);
struct uuid order_key_share(const struct share_bundle *b);
struct uuid order_key_raw_tx(struct bytes raw);
struct uuid order_key_cancel(const struct uuid *replacement, const struct address *signer);
struct uuid order_key_subsidy(uint64_t amount);

/* order_bundle_hash: keccak256(hashes one after the other). */
struct hash order_bundle_hash(const struct hash *tx_hashes, size_t count);

/* order_bundle_uuid gives the UUID of a bundle whose transactions have these hashes.
 * first_sender  of the first transaction: the default refund recipient; NULL when there is none.
 * errors  ERR_UNSUPPORTED (version), ERR_INVALID (a refund and no transactions), ERR_LIMIT. */
[[gnu::warn_unused_result]] int order_bundle_uuid(struct uuid *ret, const struct bundle *b,
                                                  enum order_reading reading,
                                                  const struct hash *tx_hashes, size_t count,
                                                  const struct address *first_sender,
                                                  struct arena *a, struct error *why);

/* order_share_hash gives the hash of a mev_sendBundle: keccak256 of the children's hashes; in the
 * second reading a single child's hash stands for the whole.
 * errors  ERR_INVALID ("bundle with no txs", "mev bundle with unmatched tx", "mev bundle too deep",
 *         a transaction that does not decode), ERR_LIMIT. */
[[gnu::warn_unused_result]] int order_share_hash(struct hash *ret, const struct share_bundle *b,
                                                 enum order_reading reading, struct arena *a,
                                                 struct error *why);

/* order_flow_hash gives the bundleHash of a bundle with version and nonce filled in;
 * order_flow_double_hash its keccak256, as the index stores it. */
struct hash order_flow_hash(const struct bundle *b);
struct hash order_flow_double_hash(const struct hash *flow_hash);

/* What a later order replaces: the same uuid of the same signer. The higher nonce wins, an equal
 * one is ignored. */
struct order_replacement {
    struct uuid uuid;
    struct address signer;
    uint64_t nonce;
};

#define ORDER_NONCE_FINAL UINT64_MAX /* of eth_cancelBundle: nothing comes after it */

/* order_replacement_of gives the bundle's key; false when it has no uuid. */
bool order_replacement_of(struct order_replacement *ret, const struct bundle *b);

#endif
