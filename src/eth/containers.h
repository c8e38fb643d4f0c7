/* The consensus layer's containers that builders, relays and proposers exchange, as C structs with
 * their SSZ descriptions (Bellatrix to Fulu, mainnet preset).
 *
 * One struct serves all forks of a container: it has the fields of the newest, and each fork's
 * description names those that it has. Fields outside the fork are left as they are by decoders
 * and not looked at by encoders.
 *
 * Source: ethereum/consensus-specs, ethereum/builder-specs, flashbots/relay-specs. Constant data;
 * any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_CONTAINERS_H
#define ETH_CONTAINERS_H

#include "eth/block.h"
#include "eth/ssz.h"
#include "eth/tx_sidecar.h"

struct blob {
    uint8_t b[BLOB_BYTES];
};

/* Forks of the consensus layer. */
enum consensus_fork {
    CONSENSUS_BELLATRIX,
    CONSENSUS_CAPELLA,
    CONSENSUS_DENEB,
    CONSENSUS_ELECTRA,
    CONSENSUS_FULU,
    CONSENSUS_FORK_COUNT,
};

/* consensus_fork_name gives "bellatrix", ... as in the Eth-Consensus-Version header;
 * consensus_fork_parse reads it (-1 for others); consensus_fork_of gives the fork that goes with
 * one of the execution layer (-1 before Paris). */
const char *consensus_fork_name(enum consensus_fork f);
int consensus_fork_parse(struct bytes name);
int consensus_fork_of(int execution_fork);

/* Presets: limits that a network is built with. */
enum consensus_preset {
    CONSENSUS_MAINNET,
    CONSENSUS_MINIMAL,
    CONSENSUS_PRESET_COUNT,
};

struct execution_payload {
    struct hash parent_hash;
    struct address fee_recipient;
    struct hash state_root;
    struct hash receipts_root;
    struct bloom logs_bloom;
    struct hash prev_randao;
    uint64_t block_number;
    uint64_t gas_limit;
    uint64_t gas_used;
    uint64_t timestamp;
    struct bytes extra_data;
    struct u256 base_fee_per_gas;
    struct hash block_hash;
    SSZ_LIST_OF(struct bytes) transactions;     /* envelopes */
    SSZ_LIST_OF(struct withdrawal) withdrawals; /* Capella */
    uint64_t blob_gas_used, excess_blob_gas;    /* Deneb */
};

struct execution_payload_header {
    struct hash parent_hash;
    struct address fee_recipient;
    struct hash state_root;
    struct hash receipts_root;
    struct bloom logs_bloom;
    struct hash prev_randao;
    uint64_t block_number;
    uint64_t gas_limit;
    uint64_t gas_used;
    uint64_t timestamp;
    struct bytes extra_data;
    struct u256 base_fee_per_gas;
    struct hash block_hash;
    struct hash transactions_root;
    struct hash withdrawals_root;            /* Capella */
    uint64_t blob_gas_used, excess_blob_gas; /* Deneb */
};

struct bid_trace {
    uint64_t slot;
    struct hash parent_hash, block_hash;
    struct bytes48 builder_pubkey, proposer_pubkey;
    struct address proposer_fee_recipient;
    uint64_t gas_limit, gas_used;
    struct u256 value; /* wei */
};

struct blobs_bundle {
    SSZ_LIST_OF(struct bytes48) commitments;
    SSZ_LIST_OF(struct bytes48) proofs; /* a blob one; from Fulu on CELLS_PER_BLOB */
    SSZ_LIST_OF(struct blob) blobs;
};

struct deposit_request {
    struct bytes48 pubkey;
    struct hash withdrawal_credentials;
    uint64_t amount;
    struct bytes96 signature;
    uint64_t index;
};

struct withdrawal_request {
    struct address source_address;
    struct bytes48 validator_pubkey;
    uint64_t amount;
};

struct consolidation_request {
    struct address source_address;
    struct bytes48 source_pubkey, target_pubkey;
};

struct execution_requests {
    SSZ_LIST_OF(struct deposit_request) deposits;
    SSZ_LIST_OF(struct withdrawal_request) withdrawals;
    SSZ_LIST_OF(struct consolidation_request) consolidations;
};

/* What a builder submits to a relay. */
struct submit_block_request {
    struct bid_trace message;
    struct execution_payload execution_payload;
    struct blobs_bundle blobs_bundle;             /* Deneb */
    struct execution_requests execution_requests; /* Electra */
    struct bytes96 signature;
};

/* What a relay offers to a proposer. */
struct builder_bid {
    struct execution_payload_header header;
    SSZ_LIST_OF(struct bytes48) blob_kzg_commitments; /* Deneb */
    struct execution_requests execution_requests;     /* Electra */
    struct u256 value;                                /* wei */
    struct bytes48 pubkey;
};
struct signed_builder_bid {
    struct builder_bid message;
    struct bytes96 signature;
};

struct validator_registration {
    struct address fee_recipient;
    uint64_t gas_limit;
    uint64_t timestamp;
    struct bytes48 pubkey;
};
struct signed_validator_registration {
    struct validator_registration message;
    struct bytes96 signature;
};

/* The answer to a blinded block: payload and, from Deneb on, blobs. */
struct payload_and_blobs {
    struct execution_payload execution_payload;
    struct blobs_bundle blobs_bundle;
};

/* Descriptions without forks. */
extern const struct ssz_type ssz_bid_trace, ssz_execution_requests, ssz_validator_registration,
    ssz_signed_validator_registration, ssz_signed_validator_registrations, ssz_transactions,
    ssz_commitments, ssz_withdrawals;

/* Descriptions by fork; NULL where the fork has none of the kind. ssz_transactions and
 * `withdrawals` give the roots that stand in a payload's header. A block is published as
 * block_contents where there is one, else as signed_block (beacon_block.h). */
struct consensus_types {
    const struct ssz_type *payload, *payload_header, *blobs_bundle, *submit_request, *builder_bid,
        *signed_builder_bid, *payload_and_blobs, *blinded_block, *signed_blinded_block,
        *signed_block, *block_contents, *withdrawals;
};
/* consensus_types_of is that of the mainnet preset; consensus_types_of_preset gives NULL for what
 * is not described (minimal from Deneb on). */
const struct consensus_types *consensus_types_of(enum consensus_fork f);
const struct consensus_types *consensus_types_of_preset(enum consensus_preset p,
                                                        enum consensus_fork f);

/* payload_header_of fills the header that goes with a payload (mainnet preset);
 * payload_header_of_types does for any. a  scratch.  errors  ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int payload_header_of(struct execution_payload_header *ret,
                                                  const struct execution_payload *payload,
                                                  enum consensus_fork f, struct arena *a,
                                                  struct error *why);
[[gnu::warn_unused_result]] int payload_header_of_types(struct execution_payload_header *ret,
                                                        const struct execution_payload *payload,
                                                        const struct consensus_types *t,
                                                        struct arena *a, struct error *why);

#endif
