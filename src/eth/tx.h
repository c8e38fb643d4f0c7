/* Transactions: types 0 to 4 and the OP Stack's deposit (0x7E), as values.
 *
 * Decoding is strict and copies only what is not contiguous on the wire (lists of keys, hashes,
 * authorizations); calldata stays in place. Validity is tx_check.h, blob sidecars tx_sidecar.h,
 * JSON forms rpc_json.h.
 *
 * Wire forms: legacy rlp([nonce, gasPrice, gas, to, value, data, v, r, s]); typed
 * type || rlp([...]) (EIP-2718, 2930, 1559, 4844, 7702; OP deposits: specs, deposits.md). The
 * "envelope" is that, without a blob sidecar: what is hashed and what stands in blocks.
 *
 * A decoded transaction points into its input and its arena and lives as long as both. Pure; any
 * thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_TX_H
#define ETH_TX_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/u256.h"
#include "crypto/ecdsa.h"
#include "crypto/sender_cache.h"

enum tx_type {
    TX_LEGACY = 0,
    TX_ACCESS_LIST = 1, /* EIP-2930 */
    TX_FEE_MARKET = 2,  /* EIP-1559 */
    TX_BLOB = 3,        /* EIP-4844 */
    TX_SET_CODE = 4,    /* EIP-7702 */
    TX_DEPOSIT = 0x7e,  /* OP Stack */
};

struct tx_access {
    struct address address;
    const struct hash *keys;
    size_t key_count;
};

/* One tuple of a set-code transaction; out-of-range values are kept as they came, they only make
 * the tuple be skipped. */
struct tx_authorization {
    struct u256 chain_id;
    struct address address;
    uint64_t nonce;
    struct ecdsa_signature signature; /* y_parity may be above 1 */
};

struct tx {
    enum tx_type type;
    bool has_to;       /* false: creates a contract */
    bool protected;    /* legacy: signed for a chain (EIP-155); true for all other types */
    uint64_t chain_id; /* 0 for an unprotected legacy transaction and for deposits */
    uint64_t nonce;
    uint64_t gas;
    struct u256 max_fee;          /* wei a gas; types 0 and 1: the gas price */
    struct u256 max_priority_fee; /* wei a gas; types 0 and 1: the gas price too */
    struct address to;            /* zero when !has_to */
    struct u256 value;            /* wei */
    struct bytes data;
    const struct tx_access *access;
    size_t access_count;
    struct u256 max_blob_fee;       /* wei a blob gas */
    const struct hash *blob_hashes; /* versioned hashes */
    size_t blob_count;
    const struct tx_authorization *authorizations;
    size_t authorization_count;
    struct ecdsa_signature signature; /* all zero in deposits */
    struct {                          /* TX_DEPOSIT only */
        struct hash source;
        struct address from;
        struct u256 mint;
        bool is_system;
    } deposit;
    struct bytes raw; /* the envelope; empty in a transaction that was not decoded or signed */
    struct hash hash; /* keccak256 of the envelope; zero as long as raw is empty */
};

/* tx_decode reads one envelope, without a byte left over, and its hash.
 * a       holds the lists: about in.n; at most twice that for access lists, five times for
 *         authorizations (of numbers near zero). What the lists hold that is wrong costs no more.
 * errors  ERR_SYNTAX, ERR_RANGE (why->at: where), ERR_UNSUPPORTED (unknown type), ERR_LIMIT or
 *         ERR_NO_MEMORY (arena). *ret untouched on error.
 * cost    one pass, one Keccak-256. */
[[gnu::warn_unused_result]] int tx_decode(struct tx *ret, struct bytes in, struct arena *a,
                                          struct error *why);

/* tx_decode_unhashed is tx_decode without the hash, for callers that hash many in one batch. */
[[gnu::warn_unused_result]] int tx_decode_unhashed(struct tx *ret, struct bytes in, struct arena *a,
                                                   struct error *why);

/* tx_encode appends the envelope, from the fields (raw is not looked at). */
void tx_encode(struct buf *out, const struct tx *t);

/* tx_put_access_list and tx_put_authorizations append these lists as they stand in the envelope. */
void tx_put_access_list(struct buf *out, const struct tx *t);
void tx_put_authorizations(struct buf *out, const struct tx *t);

/* tx_signing_hash gives what the sender signs. errors  ERR_NO_MEMORY, ERR_UNSUPPORTED (deposit). */
[[gnu::warn_unused_result]] int tx_signing_hash(struct hash *ret, const struct tx *t,
                                                struct error *why);

/* tx_sender recovers who signed; of a deposit gives its `from`. Both halves of s are taken (see
 * tx_check.h). errors  ERR_RANGE, ERR_INVALID, ERR_NO_MEMORY.  cost  about 40 us. */
[[gnu::warn_unused_result]] int tx_sender(struct address *ret, const struct tx *t,
                                          struct error *why);

/* tx_sender_cached is tx_sender through a cache of what was recovered before, by the hash of the
 * transaction: it was decoded or sealed. */
[[gnu::warn_unused_result]] int tx_sender_cached(struct address *ret, const struct tx *t,
                                                 struct sender_cache *cache, struct error *why);

/* tx_sign signs the transaction of the given fields and fills signature, raw and hash; raw stands
 * in the arena. Legacy: `protected` and chain_id decide about EIP-155.
 * errors  ERR_RANGE (key), ERR_UNSUPPORTED (deposit), ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int tx_sign(struct tx *t, const struct ecdsa_signer *signer,
                                        const struct ecdsa_secret_key *key, struct arena *a,
                                        struct error *why);

/* tx_seal fills raw and hash from the fields; raw stands in the arena.
 * errors  ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int tx_seal(struct tx *t, struct arena *a, struct error *why);

/* tx_authority recovers who signed an authorization (EIP-7702). errors  ERR_RANGE (s above n/2
 * too), ERR_INVALID.  cost  about 40 us. */
[[gnu::warn_unused_result]] int
tx_authority(struct address *ret, const struct tx_authorization *auth, struct error *why);

/* tx_authorization_hash gives what an authority signs: keccak256(0x05 || rlp([chain, address,
 * nonce])). */
struct hash tx_authorization_hash(const struct tx_authorization *auth);

/* tx_v gives the v of a legacy transaction's signature, y_parity for all other types. */
struct u256 tx_v(const struct tx *t);

/* tx_create_address gives the address of the contract that a sender creates at a nonce. */
struct address tx_create_address(const struct address *sender, uint64_t nonce);

#endif
