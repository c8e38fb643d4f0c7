/* SPDX-License-Identifier: MIT */
#include "eth/containers.h"

#include "eth/beacon_block.h"
#include "eth/fork.h"

#include <stddef.h>

/* Limits of the mainnet preset; of the minimal one where they differ. */
#define TRANSACTION_BYTES_MAX (1u << 30)
#define TRANSACTIONS_MAX (1u << 20)
#define WITHDRAWALS_MAX 16
#define WITHDRAWALS_MAX_MINIMAL 4
#define EXTRA_DATA_MAX 32
#define COMMITMENTS_MAX 4096
#define CELL_PROOFS_MAX (8192ull * COMMITMENTS_MAX)
#define DEPOSIT_REQUESTS_MAX 8192
#define WITHDRAWAL_REQUESTS_MAX 16
#define CONSOLIDATION_REQUESTS_MAX 2
#define VALIDATORS_PER_COMMITTEE_MAX 2048
#define COMMITTEES_PER_SLOT_MAX 64
#define REGISTRATIONS_MAX (1ull << 40)

static const struct ssz_type uint64 = {.kind = SSZ_UINT64, .memory = 8};
static const struct ssz_type uint256 = {.kind = SSZ_UINT256, .memory = 32};
#define FIXED(NAME, N)                                                                             \
    static const struct ssz_type NAME = {.kind = SSZ_BYTES, .limit = (N), .memory = (N)}
FIXED(bytes8_bits, 8); // bit vector of 64: the committees of an attestation
FIXED(bytes4_bits, 4); // bit vector of 32: the sync committee of the minimal preset
FIXED(bytes20, 20);
FIXED(bytes32, 32);
FIXED(bytes48, 48);
FIXED(bytes64_bits, 64); // bit vector of 512: the sync committee
FIXED(bytes96, 96);
FIXED(bytes256, 256);
FIXED(blob_bytes, BLOB_BYTES);

static const struct ssz_type extra_data = {
    .kind = SSZ_BYTE_LIST, .limit = EXTRA_DATA_MAX, .memory = sizeof(struct bytes)};
static const struct ssz_type transaction = {
    .kind = SSZ_BYTE_LIST, .limit = TRANSACTION_BYTES_MAX, .memory = sizeof(struct bytes)};

#define LIST(ELEMENT, LIMIT)                                                                       \
    { .kind = SSZ_LIST, .limit = (LIMIT), .memory = sizeof(struct ssz_list), .element = &(ELEMENT) }
#define CONTAINER(STRUCT, FIELDS)                                                                  \
    {                                                                                              \
        .kind = SSZ_CONTAINER, .memory = sizeof(STRUCT), .name = #STRUCT, .fields = (FIELDS),      \
        .field_count = sizeof(FIELDS) / sizeof *(FIELDS)                                           \
    }
#define FIELD(STRUCT, NAME, TYPE)                                                                  \
    { #NAME, offsetof(STRUCT, NAME), &(TYPE) }

const struct ssz_type ssz_transactions = LIST(transaction, TRANSACTIONS_MAX);

static const struct ssz_field withdrawal_fields[] = {
    FIELD(struct withdrawal, index, uint64),
    FIELD(struct withdrawal, validator_index, uint64),
    FIELD(struct withdrawal, address, bytes20),
    {"amount", offsetof(struct withdrawal, amount_gwei), &uint64},
};
static const struct ssz_type withdrawal = CONTAINER(struct withdrawal, withdrawal_fields);
const struct ssz_type ssz_withdrawals = LIST(withdrawal, WITHDRAWALS_MAX);
static const struct ssz_type withdrawals_minimal = LIST(withdrawal, WITHDRAWALS_MAX_MINIMAL);

/* Payloads and their headers begin alike. */
#define PAYLOAD_HEAD(S)                                                                            \
    FIELD(S, parent_hash, bytes32), FIELD(S, fee_recipient, bytes20),                              \
        FIELD(S, state_root, bytes32), FIELD(S, receipts_root, bytes32),                           \
        FIELD(S, logs_bloom, bytes256), FIELD(S, prev_randao, bytes32),                            \
        FIELD(S, block_number, uint64), FIELD(S, gas_limit, uint64), FIELD(S, gas_used, uint64),   \
        FIELD(S, timestamp, uint64), FIELD(S, extra_data, extra_data),                             \
        FIELD(S, base_fee_per_gas, uint256), FIELD(S, block_hash, bytes32)
#define PAYLOAD_BLOB_GAS(S) FIELD(S, blob_gas_used, uint64), FIELD(S, excess_blob_gas, uint64)

#define P struct execution_payload
#define H struct execution_payload_header
static const struct ssz_field payload_bellatrix_fields[] = {
    PAYLOAD_HEAD(P), FIELD(P, transactions, ssz_transactions)};
static const struct ssz_field payload_capella_fields[] = {PAYLOAD_HEAD(P),
                                                          FIELD(P, transactions, ssz_transactions),
                                                          FIELD(P, withdrawals, ssz_withdrawals)};
static const struct ssz_field payload_minimal_fields[] = {
    PAYLOAD_HEAD(P), FIELD(P, transactions, ssz_transactions),
    FIELD(P, withdrawals, withdrawals_minimal)};
static const struct ssz_field payload_deneb_fields[] = {
    PAYLOAD_HEAD(P), FIELD(P, transactions, ssz_transactions),
    FIELD(P, withdrawals, ssz_withdrawals), PAYLOAD_BLOB_GAS(P)};
static const struct ssz_field header_bellatrix_fields[] = {PAYLOAD_HEAD(H),
                                                           FIELD(H, transactions_root, bytes32)};
static const struct ssz_field header_capella_fields[] = {
    PAYLOAD_HEAD(H), FIELD(H, transactions_root, bytes32), FIELD(H, withdrawals_root, bytes32)};
static const struct ssz_field header_deneb_fields[] = {
    PAYLOAD_HEAD(H), FIELD(H, transactions_root, bytes32), FIELD(H, withdrawals_root, bytes32),
    PAYLOAD_BLOB_GAS(H)};
static const struct ssz_type payload_bellatrix = CONTAINER(P, payload_bellatrix_fields);
static const struct ssz_type payload_capella = CONTAINER(P, payload_capella_fields);
static const struct ssz_type payload_minimal = CONTAINER(P, payload_minimal_fields);
static const struct ssz_type payload_deneb = CONTAINER(P, payload_deneb_fields);
static const struct ssz_type header_bellatrix = CONTAINER(H, header_bellatrix_fields);
static const struct ssz_type header_capella = CONTAINER(H, header_capella_fields);
static const struct ssz_type header_deneb = CONTAINER(H, header_deneb_fields);
#undef P
#undef H

static const struct ssz_field bid_trace_fields[] = {
    FIELD(struct bid_trace, slot, uint64),
    FIELD(struct bid_trace, parent_hash, bytes32),
    FIELD(struct bid_trace, block_hash, bytes32),
    FIELD(struct bid_trace, builder_pubkey, bytes48),
    FIELD(struct bid_trace, proposer_pubkey, bytes48),
    FIELD(struct bid_trace, proposer_fee_recipient, bytes20),
    FIELD(struct bid_trace, gas_limit, uint64),
    FIELD(struct bid_trace, gas_used, uint64),
    FIELD(struct bid_trace, value, uint256),
};
const struct ssz_type ssz_bid_trace = CONTAINER(struct bid_trace, bid_trace_fields);

const struct ssz_type ssz_commitments = LIST(bytes48, COMMITMENTS_MAX);
static const struct ssz_type cell_proofs = LIST(bytes48, CELL_PROOFS_MAX);
static const struct ssz_type blobs = LIST(blob_bytes, COMMITMENTS_MAX);
static const struct ssz_field bundle_deneb_fields[] = {
    FIELD(struct blobs_bundle, commitments, ssz_commitments),
    FIELD(struct blobs_bundle, proofs, ssz_commitments),
    FIELD(struct blobs_bundle, blobs, blobs),
};
static const struct ssz_field bundle_fulu_fields[] = {
    FIELD(struct blobs_bundle, commitments, ssz_commitments),
    FIELD(struct blobs_bundle, proofs, cell_proofs),
    FIELD(struct blobs_bundle, blobs, blobs),
};
static const struct ssz_type bundle_deneb = CONTAINER(struct blobs_bundle, bundle_deneb_fields);
static const struct ssz_type bundle_fulu = CONTAINER(struct blobs_bundle, bundle_fulu_fields);

static const struct ssz_field deposit_request_fields[] = {
    FIELD(struct deposit_request, pubkey, bytes48),
    FIELD(struct deposit_request, withdrawal_credentials, bytes32),
    FIELD(struct deposit_request, amount, uint64),
    FIELD(struct deposit_request, signature, bytes96),
    FIELD(struct deposit_request, index, uint64),
};
static const struct ssz_field withdrawal_request_fields[] = {
    FIELD(struct withdrawal_request, source_address, bytes20),
    FIELD(struct withdrawal_request, validator_pubkey, bytes48),
    FIELD(struct withdrawal_request, amount, uint64),
};
static const struct ssz_field consolidation_request_fields[] = {
    FIELD(struct consolidation_request, source_address, bytes20),
    FIELD(struct consolidation_request, source_pubkey, bytes48),
    FIELD(struct consolidation_request, target_pubkey, bytes48),
};
static const struct ssz_type deposit_request =
    CONTAINER(struct deposit_request, deposit_request_fields);
static const struct ssz_type withdrawal_request =
    CONTAINER(struct withdrawal_request, withdrawal_request_fields);
static const struct ssz_type consolidation_request =
    CONTAINER(struct consolidation_request, consolidation_request_fields);
static const struct ssz_type deposit_requests = LIST(deposit_request, DEPOSIT_REQUESTS_MAX);
static const struct ssz_type withdrawal_requests =
    LIST(withdrawal_request, WITHDRAWAL_REQUESTS_MAX);
static const struct ssz_type consolidation_requests =
    LIST(consolidation_request, CONSOLIDATION_REQUESTS_MAX);
static const struct ssz_field execution_requests_fields[] = {
    FIELD(struct execution_requests, deposits, deposit_requests),
    FIELD(struct execution_requests, withdrawals, withdrawal_requests),
    FIELD(struct execution_requests, consolidations, consolidation_requests),
};
const struct ssz_type ssz_execution_requests =
    CONTAINER(struct execution_requests, execution_requests_fields);

#define S struct submit_block_request
static const struct ssz_field submit_bellatrix_fields[] = {
    FIELD(S, message, ssz_bid_trace), FIELD(S, execution_payload, payload_bellatrix),
    FIELD(S, signature, bytes96)};
static const struct ssz_field submit_capella_fields[] = {
    FIELD(S, message, ssz_bid_trace), FIELD(S, execution_payload, payload_capella),
    FIELD(S, signature, bytes96)};
static const struct ssz_field submit_minimal_fields[] = {
    FIELD(S, message, ssz_bid_trace), FIELD(S, execution_payload, payload_minimal),
    FIELD(S, signature, bytes96)};
static const struct ssz_field submit_deneb_fields[] = {
    FIELD(S, message, ssz_bid_trace), FIELD(S, execution_payload, payload_deneb),
    FIELD(S, blobs_bundle, bundle_deneb), FIELD(S, signature, bytes96)};
static const struct ssz_field submit_electra_fields[] = {
    FIELD(S, message, ssz_bid_trace), FIELD(S, execution_payload, payload_deneb),
    FIELD(S, blobs_bundle, bundle_deneb), FIELD(S, execution_requests, ssz_execution_requests),
    FIELD(S, signature, bytes96)};
static const struct ssz_field submit_fulu_fields[] = {
    FIELD(S, message, ssz_bid_trace), FIELD(S, execution_payload, payload_deneb),
    FIELD(S, blobs_bundle, bundle_fulu), FIELD(S, execution_requests, ssz_execution_requests),
    FIELD(S, signature, bytes96)};
static const struct ssz_type submit_bellatrix = CONTAINER(S, submit_bellatrix_fields);
static const struct ssz_type submit_capella = CONTAINER(S, submit_capella_fields);
static const struct ssz_type submit_minimal = CONTAINER(S, submit_minimal_fields);
static const struct ssz_type submit_deneb = CONTAINER(S, submit_deneb_fields);
static const struct ssz_type submit_electra = CONTAINER(S, submit_electra_fields);
static const struct ssz_type submit_fulu = CONTAINER(S, submit_fulu_fields);
#undef S

#define B struct builder_bid
#define SB struct signed_builder_bid
#define BID(FORK, HEADER, ...)                                                                     \
    static const struct ssz_field bid_##FORK##_fields[] = {FIELD(B, header, HEADER),               \
                                                           __VA_ARGS__ FIELD(B, value, uint256),   \
                                                           FIELD(B, pubkey, bytes48)};             \
    static const struct ssz_type bid_##FORK = CONTAINER(B, bid_##FORK##_fields);                   \
    static const struct ssz_field signed_bid_##FORK##_fields[] = {FIELD(SB, message, bid_##FORK),  \
                                                                  FIELD(SB, signature, bytes96)};  \
    static const struct ssz_type signed_bid_##FORK = CONTAINER(SB, signed_bid_##FORK##_fields)
BID(bellatrix, header_bellatrix, );
BID(capella, header_capella, );
BID(deneb, header_deneb, FIELD(B, blob_kzg_commitments, ssz_commitments), );
BID(electra, header_deneb, FIELD(B, blob_kzg_commitments, ssz_commitments),
    FIELD(B, execution_requests, ssz_execution_requests), );
#undef B
#undef SB

static const struct ssz_field registration_fields[] = {
    FIELD(struct validator_registration, fee_recipient, bytes20),
    FIELD(struct validator_registration, gas_limit, uint64),
    FIELD(struct validator_registration, timestamp, uint64),
    FIELD(struct validator_registration, pubkey, bytes48),
};
const struct ssz_type ssz_validator_registration =
    CONTAINER(struct validator_registration, registration_fields);
static const struct ssz_field signed_registration_fields[] = {
    FIELD(struct signed_validator_registration, message, ssz_validator_registration),
    FIELD(struct signed_validator_registration, signature, bytes96),
};
const struct ssz_type ssz_signed_validator_registration =
    CONTAINER(struct signed_validator_registration, signed_registration_fields);
const struct ssz_type ssz_signed_validator_registrations =
    LIST(ssz_signed_validator_registration, REGISTRATIONS_MAX);

static const struct ssz_field unblinded_deneb_fields[] = {
    FIELD(struct payload_and_blobs, execution_payload, payload_deneb),
    FIELD(struct payload_and_blobs, blobs_bundle, bundle_deneb),
};
static const struct ssz_field unblinded_fulu_fields[] = {
    FIELD(struct payload_and_blobs, execution_payload, payload_deneb),
    FIELD(struct payload_and_blobs, blobs_bundle, bundle_fulu),
};
static const struct ssz_type unblinded_deneb =
    CONTAINER(struct payload_and_blobs, unblinded_deneb_fields);
static const struct ssz_type unblinded_fulu =
    CONTAINER(struct payload_and_blobs, unblinded_fulu_fields);

/* Blinded blocks. */
static const struct ssz_field checkpoint_fields[] = {FIELD(struct checkpoint, epoch, uint64),
                                                     FIELD(struct checkpoint, root, bytes32)};
static const struct ssz_type checkpoint = CONTAINER(struct checkpoint, checkpoint_fields);
static const struct ssz_field attestation_data_fields[] = {
    FIELD(struct attestation_data, slot, uint64),
    FIELD(struct attestation_data, index, uint64),
    FIELD(struct attestation_data, beacon_block_root, bytes32),
    FIELD(struct attestation_data, source, checkpoint),
    FIELD(struct attestation_data, target, checkpoint),
};
static const struct ssz_type attestation_data =
    CONTAINER(struct attestation_data, attestation_data_fields);

static const struct ssz_field beacon_header_fields[] = {
    FIELD(struct beacon_header, slot, uint64),
    FIELD(struct beacon_header, proposer_index, uint64),
    FIELD(struct beacon_header, parent_root, bytes32),
    FIELD(struct beacon_header, state_root, bytes32),
    FIELD(struct beacon_header, body_root, bytes32),
};
static const struct ssz_type beacon_header = CONTAINER(struct beacon_header, beacon_header_fields);
static const struct ssz_field signed_beacon_header_fields[] = {
    FIELD(struct signed_beacon_header, message, beacon_header),
    FIELD(struct signed_beacon_header, signature, bytes96),
};
static const struct ssz_type signed_beacon_header =
    CONTAINER(struct signed_beacon_header, signed_beacon_header_fields);
static const struct ssz_field proposer_slashing_fields[] = {
    FIELD(struct proposer_slashing, signed_header_1, signed_beacon_header),
    FIELD(struct proposer_slashing, signed_header_2, signed_beacon_header),
};
static const struct ssz_type proposer_slashing =
    CONTAINER(struct proposer_slashing, proposer_slashing_fields);

static const struct ssz_type proof = {
    .kind = SSZ_VECTOR, .limit = 33, .memory = 33 * 32, .element = &bytes32};
static const struct ssz_field deposit_data_fields[] = {
    FIELD(struct deposit_data, pubkey, bytes48),
    FIELD(struct deposit_data, withdrawal_credentials, bytes32),
    FIELD(struct deposit_data, amount, uint64),
    FIELD(struct deposit_data, signature, bytes96),
};
static const struct ssz_type deposit_data = CONTAINER(struct deposit_data, deposit_data_fields);
static const struct ssz_field beacon_deposit_fields[] = {
    FIELD(struct beacon_deposit, proof, proof), FIELD(struct beacon_deposit, data, deposit_data)};
static const struct ssz_type beacon_deposit =
    CONTAINER(struct beacon_deposit, beacon_deposit_fields);

/* Messages that stand only inside their signed form. */
#define EXIT struct signed_voluntary_exit
static const struct ssz_field exit_fields[] = {
    {"epoch", 0, &uint64},
    {"validator_index", offsetof(EXIT, message.validator_index) - offsetof(EXIT, message), &uint64},
};
static const struct ssz_type exit_message = {.kind = SSZ_CONTAINER,
                                             .memory = sizeof(((EXIT *)0)->message),
                                             .name = "voluntary_exit",
                                             .fields = exit_fields,
                                             .field_count = 2};
static const struct ssz_field signed_exit_fields[] = {FIELD(EXIT, message, exit_message),
                                                      FIELD(EXIT, signature, bytes96)};
static const struct ssz_type signed_exit = CONTAINER(EXIT, signed_exit_fields);
#undef EXIT
#define CHANGE struct signed_bls_change
#define CHANGE_OFFSET(NAME) (offsetof(CHANGE, message.NAME) - offsetof(CHANGE, message))
static const struct ssz_field change_fields[] = {
    {"validator_index", CHANGE_OFFSET(validator_index), &uint64},
    {"from_bls_pubkey", CHANGE_OFFSET(from_bls_pubkey), &bytes48},
    {"to_execution_address", CHANGE_OFFSET(to_execution_address), &bytes20},
};
static const struct ssz_type change_message = {.kind = SSZ_CONTAINER,
                                               .memory = sizeof(((CHANGE *)0)->message),
                                               .name = "bls_to_execution_change",
                                               .fields = change_fields,
                                               .field_count = 3};
static const struct ssz_field signed_change_fields[] = {FIELD(CHANGE, message, change_message),
                                                        FIELD(CHANGE, signature, bytes96)};
static const struct ssz_type signed_change = CONTAINER(CHANGE, signed_change_fields);
#undef CHANGE

/* Attestations: committees were counted one by one before Electra, all of a slot together after. */
#define ATTESTATIONS(ERA, BITS, ...)                                                               \
    static const struct ssz_type bits_##ERA = {                                                    \
        .kind = SSZ_BIT_LIST, .limit = (BITS), .memory = sizeof(struct bytes)};                    \
    static const struct ssz_type indices_##ERA = LIST(uint64, BITS);                               \
    static const struct ssz_field attestation_##ERA##_fields[] = {                                 \
        FIELD(struct attestation, aggregation_bits, bits_##ERA),                                   \
        FIELD(struct attestation, data, attestation_data),                                         \
        FIELD(struct attestation, signature, bytes96), __VA_ARGS__};                               \
    static const struct ssz_type attestation_##ERA =                                               \
        CONTAINER(struct attestation, attestation_##ERA##_fields);                                 \
    static const struct ssz_field indexed_##ERA##_fields[] = {                                     \
        FIELD(struct indexed_attestation, attesting_indices, indices_##ERA),                       \
        FIELD(struct indexed_attestation, data, attestation_data),                                 \
        FIELD(struct indexed_attestation, signature, bytes96)};                                    \
    static const struct ssz_type indexed_##ERA =                                                   \
        CONTAINER(struct indexed_attestation, indexed_##ERA##_fields);                             \
    static const struct ssz_field slashing_##ERA##_fields[] = {                                    \
        FIELD(struct attester_slashing, attestation_1, indexed_##ERA),                             \
        FIELD(struct attester_slashing, attestation_2, indexed_##ERA)};                            \
    static const struct ssz_type slashing_##ERA =                                                  \
        CONTAINER(struct attester_slashing, slashing_##ERA##_fields)
ATTESTATIONS(phase0, VALIDATORS_PER_COMMITTEE_MAX, );
ATTESTATIONS(electra, VALIDATORS_PER_COMMITTEE_MAX *COMMITTEES_PER_SLOT_MAX,
             FIELD(struct attestation, committee_bits, bytes8_bits));

#define BODY struct blinded_block_body
#define BODY_OFFSET(OUTER, NAME) (offsetof(BODY, OUTER.NAME) - offsetof(BODY, OUTER))
static const struct ssz_field eth1_data_fields[] = {
    {"deposit_root", BODY_OFFSET(eth1_data, deposit_root), &bytes32},
    {"deposit_count", BODY_OFFSET(eth1_data, deposit_count), &uint64},
    {"block_hash", BODY_OFFSET(eth1_data, block_hash), &bytes32},
};
static const struct ssz_type eth1_data = {.kind = SSZ_CONTAINER,
                                          .memory = sizeof(((BODY *)0)->eth1_data),
                                          .name = "eth1_data",
                                          .fields = eth1_data_fields,
                                          .field_count = 3};
static const struct ssz_field sync_aggregate_fields[] = {
    {"sync_committee_bits", BODY_OFFSET(sync_aggregate, sync_committee_bits), &bytes64_bits},
    {"sync_committee_signature", BODY_OFFSET(sync_aggregate, sync_committee_signature), &bytes96},
};
static const struct ssz_field sync_aggregate_minimal_fields[] = {
    {"sync_committee_bits", BODY_OFFSET(sync_aggregate, sync_committee_bits), &bytes4_bits},
    {"sync_committee_signature", BODY_OFFSET(sync_aggregate, sync_committee_signature), &bytes96},
};
static const struct ssz_type sync_aggregate_minimal = {.kind = SSZ_CONTAINER,
                                                       .memory =
                                                           sizeof(((BODY *)0)->sync_aggregate),
                                                       .name = "sync_aggregate",
                                                       .fields = sync_aggregate_minimal_fields,
                                                       .field_count = 2};
static const struct ssz_type sync_aggregate = {.kind = SSZ_CONTAINER,
                                               .memory = sizeof(((BODY *)0)->sync_aggregate),
                                               .name = "sync_aggregate",
                                               .fields = sync_aggregate_fields,
                                               .field_count = 2};
static const struct ssz_type proposer_slashings = LIST(proposer_slashing, 16);
static const struct ssz_type slashings_phase0 = LIST(slashing_phase0, 2);
static const struct ssz_type slashings_electra = LIST(slashing_electra, 1);
static const struct ssz_type attestations_phase0 = LIST(attestation_phase0, 128);
static const struct ssz_type attestations_electra = LIST(attestation_electra, 8);
static const struct ssz_type beacon_deposits = LIST(beacon_deposit, 16);
static const struct ssz_type signed_exits = LIST(signed_exit, 16);
static const struct ssz_type signed_changes = LIST(signed_change, 16);

/* Blocks and blinded blocks differ in one field, which carries the payload or its header. In C a
 * whole body is a blinded one with the payload behind it. */
#define FULL struct beacon_block_body
#define BODY_FIELD(S, PREFIX, NAME, TYPE)                                                          \
    { #NAME, offsetof(S, PREFIX NAME), &(TYPE) }
#define BODY_HEAD(S, PREFIX, ERA, SYNC)                                                            \
    BODY_FIELD(S, PREFIX, randao_reveal, bytes96), BODY_FIELD(S, PREFIX, eth1_data, eth1_data),    \
        BODY_FIELD(S, PREFIX, graffiti, bytes32),                                                  \
        BODY_FIELD(S, PREFIX, proposer_slashings, proposer_slashings),                             \
        BODY_FIELD(S, PREFIX, attester_slashings, slashings_##ERA),                                \
        BODY_FIELD(S, PREFIX, attestations, attestations_##ERA),                                   \
        BODY_FIELD(S, PREFIX, deposits, beacon_deposits),                                          \
        BODY_FIELD(S, PREFIX, voluntary_exits, signed_exits),                                      \
        BODY_FIELD(S, PREFIX, sync_aggregate, SYNC)
#define BODY_TAIL_bellatrix(S, PREFIX)
#define BODY_TAIL_capella(S, PREFIX) BODY_FIELD(S, PREFIX, bls_to_execution_changes, signed_changes)
#define BODY_TAIL_deneb(S, PREFIX)                                                                 \
    BODY_TAIL_capella(S, PREFIX), BODY_FIELD(S, PREFIX, blob_kzg_commitments, ssz_commitments)
#define BODY_TAIL_electra(S, PREFIX)                                                               \
    BODY_TAIL_deneb(S, PREFIX), BODY_FIELD(S, PREFIX, execution_requests, ssz_execution_requests)
#define BLOCK_FIELDS(S, BODY_TYPE)                                                                 \
    FIELD(S, slot, uint64), FIELD(S, proposer_index, uint64), FIELD(S, parent_root, bytes32),      \
        FIELD(S, state_root, bytes32), FIELD(S, body, BODY_TYPE)
#define BLOCK_TYPES(NAME, FORK, ERA, SYNC, HEADER, PAYLOAD)                                        \
    static const struct ssz_field body_##NAME##_fields[] = {                                       \
        BODY_HEAD(BODY, , ERA, SYNC), FIELD(BODY, execution_payload_header, HEADER),               \
        BODY_TAIL_##FORK(BODY, )};                                                                 \
    static const struct ssz_type body_##NAME = CONTAINER(BODY, body_##NAME##_fields);              \
    static const struct ssz_field blinded_##NAME##_fields[] = {                                    \
        BLOCK_FIELDS(struct blinded_beacon_block, body_##NAME)};                                   \
    static const struct ssz_type blinded_##NAME =                                                  \
        CONTAINER(struct blinded_beacon_block, blinded_##NAME##_fields);                           \
    static const struct ssz_field signed_blinded_##NAME##_fields[] = {                             \
        FIELD(struct signed_blinded_beacon_block, message, blinded_##NAME),                        \
        FIELD(struct signed_blinded_beacon_block, signature, bytes96)};                            \
    static const struct ssz_type signed_blinded_##NAME =                                           \
        CONTAINER(struct signed_blinded_beacon_block, signed_blinded_##NAME##_fields);             \
    static const struct ssz_field full_body_##NAME##_fields[] = {                                  \
        BODY_HEAD(FULL, rest., ERA, SYNC), FIELD(FULL, execution_payload, PAYLOAD),                \
        BODY_TAIL_##FORK(FULL, rest.)};                                                            \
    static const struct ssz_type full_body_##NAME = CONTAINER(FULL, full_body_##NAME##_fields);    \
    static const struct ssz_field block_##NAME##_fields[] = {                                      \
        BLOCK_FIELDS(struct beacon_block, full_body_##NAME)};                                      \
    static const struct ssz_type block_##NAME =                                                    \
        CONTAINER(struct beacon_block, block_##NAME##_fields);                                     \
    static const struct ssz_field signed_block_##NAME##_fields[] = {                               \
        FIELD(struct signed_beacon_block, message, block_##NAME),                                  \
        FIELD(struct signed_beacon_block, signature, bytes96)};                                    \
    static const struct ssz_type signed_block_##NAME =                                             \
        CONTAINER(struct signed_beacon_block, signed_block_##NAME##_fields)
BLOCK_TYPES(bellatrix, bellatrix, phase0, sync_aggregate, header_bellatrix, payload_bellatrix);
BLOCK_TYPES(capella, capella, phase0, sync_aggregate, header_capella, payload_capella);
BLOCK_TYPES(deneb, deneb, phase0, sync_aggregate, header_deneb, payload_deneb);
BLOCK_TYPES(electra, electra, electra, sync_aggregate, header_deneb, payload_deneb);
BLOCK_TYPES(bellatrix_minimal, bellatrix, phase0, sync_aggregate_minimal, header_bellatrix,
            payload_bellatrix);
BLOCK_TYPES(capella_minimal, capella, phase0, sync_aggregate_minimal, header_capella,
            payload_minimal);

/* What is published from Deneb on: the blobs go along. */
#define CONTENTS struct block_contents
#define CONTENTS_TYPE(FORK, BLOCK, PROOFS)                                                         \
    static const struct ssz_field contents_##FORK##_fields[] = {                                   \
        FIELD(CONTENTS, signed_block, BLOCK), FIELD(CONTENTS, kzg_proofs, PROOFS),                 \
        FIELD(CONTENTS, blobs, blobs)};                                                            \
    static const struct ssz_type contents_##FORK = CONTAINER(CONTENTS, contents_##FORK##_fields)
CONTENTS_TYPE(deneb, signed_block_deneb, ssz_commitments);
CONTENTS_TYPE(electra, signed_block_electra, ssz_commitments);
CONTENTS_TYPE(fulu, signed_block_electra, cell_proofs);

/* One row a fork. P: payload and submission, H: header and bids, X: blobs, B: blocks. */
#define ROW(P, H, HB, X, U, S, B, C, W)                                                            \
    {                                                                                              \
        .payload = &payload_##P, .payload_header = &header_##H, .blobs_bundle = (X),               \
        .submit_request = &submit_##S, .builder_bid = &bid_##HB,                                   \
        .signed_builder_bid = &signed_bid_##HB, .payload_and_blobs = (U),                          \
        .blinded_block = &blinded_##B, .signed_blinded_block = &signed_blinded_##B,                \
        .signed_block = &signed_block_##B, .block_contents = (C), .withdrawals = (W)               \
    }
static const struct consensus_types types[CONSENSUS_PRESET_COUNT][CONSENSUS_FORK_COUNT] =
    {
        [CONSENSUS_MAINNET] =
            {
                [CONSENSUS_BELLATRIX] = ROW(bellatrix, bellatrix, bellatrix, NULL, NULL, bellatrix,
                                            bellatrix, NULL, NULL),
                [CONSENSUS_CAPELLA] = ROW(capella, capella, capella, NULL, NULL, capella, capella,
                                          NULL, &ssz_withdrawals),
                [CONSENSUS_DENEB] = ROW(deneb, deneb, deneb, &bundle_deneb, &unblinded_deneb, deneb,
                                        deneb, &contents_deneb, &ssz_withdrawals),
                [CONSENSUS_ELECTRA] = ROW(deneb, deneb, electra, &bundle_deneb, &unblinded_deneb,
                                          electra, electra, &contents_electra, &ssz_withdrawals),
                [CONSENSUS_FULU] = ROW(deneb, deneb, electra, &bundle_fulu, &unblinded_fulu,
                                       fulu, electra, &contents_fulu, &ssz_withdrawals),
            },
        [CONSENSUS_MINIMAL] =
            {
                [CONSENSUS_BELLATRIX] = ROW(bellatrix, bellatrix, bellatrix, NULL, NULL, bellatrix,
                                            bellatrix_minimal, NULL, NULL),
                [CONSENSUS_CAPELLA] =
                    ROW(minimal, capella, capella, NULL, NULL, minimal, capella_minimal, NULL,
                        &withdrawals_minimal),
            },
};

const struct consensus_types *consensus_types_of_preset(enum consensus_preset p,
                                                        enum consensus_fork f) {
    return types[p][f].payload ? &types[p][f] : NULL;
}

const struct consensus_types *consensus_types_of(enum consensus_fork f) {
    return &types[CONSENSUS_MAINNET][f];
}

static const char *const names[CONSENSUS_FORK_COUNT] = {"bellatrix", "capella", "deneb", "electra",
                                                        "fulu"};

const char *consensus_fork_name(enum consensus_fork f) {
    return names[f];
}

int consensus_fork_parse(struct bytes name) {
    for (int f = 0; f < CONSENSUS_FORK_COUNT; f++) {
        if (bytes_equal_str(name, names[f])) return f;
    }
    return -1;
}

int consensus_fork_of(int execution_fork) {
    int f = execution_fork - FORK_PARIS + CONSENSUS_BELLATRIX;
    return f >= 0 && f < CONSENSUS_FORK_COUNT ? f : -1;
}

int payload_header_of(struct execution_payload_header *ret, const struct execution_payload *p,
                      enum consensus_fork f, struct arena *a, struct error *why) {
    return payload_header_of_types(ret, p, &types[CONSENSUS_MAINNET][f], a, why);
}

int payload_header_of_types(struct execution_payload_header *ret, const struct execution_payload *p,
                            const struct consensus_types *t, struct arena *a, struct error *why) {
    bool deneb = t->blobs_bundle != NULL;
    struct execution_payload_header h = {
        .parent_hash = p->parent_hash,
        .fee_recipient = p->fee_recipient,
        .state_root = p->state_root,
        .receipts_root = p->receipts_root,
        .logs_bloom = p->logs_bloom,
        .prev_randao = p->prev_randao,
        .block_number = p->block_number,
        .gas_limit = p->gas_limit,
        .gas_used = p->gas_used,
        .timestamp = p->timestamp,
        .extra_data = p->extra_data,
        .base_fee_per_gas = p->base_fee_per_gas,
        .block_hash = p->block_hash,
        .blob_gas_used = deneb ? p->blob_gas_used : 0,
        .excess_blob_gas = deneb ? p->excess_blob_gas : 0,
    };
    int r = ssz_root(&h.transactions_root, &ssz_transactions, &p->transactions, a, why);
    if (r == 0 && t->withdrawals) {
        r = ssz_root(&h.withdrawals_root, t->withdrawals, &p->withdrawals, a, why);
    }
    if (r == 0) *ret = h;
    return r;
}
