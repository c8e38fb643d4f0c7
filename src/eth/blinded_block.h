/* A block of the consensus layer as a proposer signs it blind: with the header of the execution
 * payload in the payload's place (Bellatrix to Fulu, mainnet preset). Most of it a relay only
 * passes on. containers.h has the descriptions.
 *
 * Source: ethereum/consensus-specs, ethereum/builder-specs. Data only.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_BLINDED_BLOCK_H
#define ETH_BLINDED_BLOCK_H

#include "eth/containers.h"

struct checkpoint {
    uint64_t epoch;
    struct hash root;
};
struct attestation_data {
    uint64_t slot, index;
    struct hash beacon_block_root;
    struct checkpoint source, target;
};
struct attestation {
    struct bytes aggregation_bits;
    struct attestation_data data;
    struct bytes96 signature;
    uint8_t committee_bits[8]; /* Electra */
};
struct indexed_attestation {
    SSZ_LIST_OF(uint64_t) attesting_indices;
    struct attestation_data data;
    struct bytes96 signature;
};
struct attester_slashing {
    struct indexed_attestation attestation_1, attestation_2;
};
struct beacon_header {
    uint64_t slot, proposer_index;
    struct hash parent_root, state_root, body_root;
};
struct signed_beacon_header {
    struct beacon_header message;
    struct bytes96 signature;
};
struct proposer_slashing {
    struct signed_beacon_header signed_header_1, signed_header_2;
};
struct deposit_data {
    struct bytes48 pubkey;
    struct hash withdrawal_credentials;
    uint64_t amount;
    struct bytes96 signature;
};
struct beacon_deposit {
    struct hash proof[33];
    struct deposit_data data;
};
struct signed_voluntary_exit {
    struct {
        uint64_t epoch, validator_index;
    } message;
    struct bytes96 signature;
};
struct signed_bls_change {
    struct {
        uint64_t validator_index;
        struct bytes48 from_bls_pubkey;
        struct address to_execution_address;
    } message;
    struct bytes96 signature;
};
struct blinded_block_body {
    struct bytes96 randao_reveal;
    struct {
        struct hash deposit_root;
        uint64_t deposit_count;
        struct hash block_hash;
    } eth1_data;
    struct hash graffiti;
    SSZ_LIST_OF(struct proposer_slashing) proposer_slashings;
    SSZ_LIST_OF(struct attester_slashing) attester_slashings;
    SSZ_LIST_OF(struct attestation) attestations;
    SSZ_LIST_OF(struct beacon_deposit) deposits;
    SSZ_LIST_OF(struct signed_voluntary_exit) voluntary_exits;
    struct {
        uint8_t sync_committee_bits[64];
        struct bytes96 sync_committee_signature;
    } sync_aggregate;
    struct execution_payload_header execution_payload_header;
    SSZ_LIST_OF(struct signed_bls_change) bls_to_execution_changes; /* Capella */
    SSZ_LIST_OF(struct bytes48) blob_kzg_commitments;               /* Deneb */
    struct execution_requests execution_requests;                   /* Electra */
};
struct blinded_beacon_block {
    uint64_t slot, proposer_index;
    struct hash parent_root, state_root;
    struct blinded_block_body body;
};
struct signed_blinded_beacon_block {
    struct blinded_beacon_block message;
    struct bytes96 signature;
};

#endif
