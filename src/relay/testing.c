/* SPDX-License-Identifier: MIT */
#include "relay/testing.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

struct network testing_network(enum consensus_fork fork, uint64_t genesis_s, uint64_t slot_ns) {
    struct network n = {.preset = CONSENSUS_MAINNET,
                        .genesis_s = genesis_s,
                        .zero_ns = genesis_s * NS_PER_S,
                        .slot_ns = slot_ns,
                        .slots_per_epoch = 32,
                        .genesis_version = {0x20, 0, 0, 0x89}};
    memset(n.genesis_validators_root.b, 0x11, 32);
    n.builder_domain = ssz_domain_compute(SSZ_DOMAIN_BUILDER, n.genesis_version, NULL);
    for (int f = 0; f < CONSENSUS_FORK_COUNT; f++) {
        n.forks[f].epoch = f <= (int)fork ? 0 : NETWORK_NEVER;
        n.forks[f].version[0] = 0x20;
        n.forks[f].version[3] = (uint8_t)(0x90 + f);
        n.forks[f].proposer_domain = ssz_domain_compute(
            SSZ_DOMAIN_BEACON_PROPOSER, n.forks[f].version, &n.genesis_validators_root);
    }
    return n;
}

struct bid_signer testing_key(unsigned n) {
    struct bid_signer s;
    uint8_t key[32] = {0};
    store_be32(key + 28, n);
    if (bls_secret_key_load(&s.key, key, NULL) != 0) abort();
    bls_public_key_of(&s.pubkey, &s.key);
    return s;
}

static void fill_payload(struct execution_payload *p, const struct testing_block *b,
                         struct arena *a) {
    struct bytes *txs = arena_new_array(a, struct bytes, b->txs);
    struct withdrawal *w = arena_new(a, struct withdrawal);
    uint8_t *tx = arena_alloc(a, b->tx_bytes);
    if (!txs || !w || !tx) abort();
    for (size_t i = 0; i < b->tx_bytes; i++) {
        tx[i] = (uint8_t)(i * 31);
    }
    for (size_t i = 0; i < b->txs; i++) {
        txs[i] = bytes_make(tx, b->tx_bytes);
    }
    *w = (struct withdrawal){.index = 1, .validator_index = 2, .amount_gwei = 1000};
    *p = (struct execution_payload){.parent_hash = b->parent,
                                    .prev_randao = b->randao,
                                    .block_number = b->slot,
                                    .gas_limit = b->gas_limit,
                                    .gas_used = 21000,
                                    .timestamp = b->timestamp,
                                    .extra_data = BYTES_LIT("test"),
                                    .base_fee_per_gas = u256_from_u64(7),
                                    .block_hash = b->block_hash};
    p->transactions.items = txs;
    p->transactions.count = b->txs;
    p->withdrawals.items = w;
    p->withdrawals.count = 1;
}

void testing_submission(struct submit_block_request *ret, const struct network *n,
                        enum consensus_fork fork, const struct testing_block *b,
                        const struct bid_signer *builder, struct arena *a) {
    struct hash root;
    (void)fork;
    memset(ret, 0, sizeof *ret);
    fill_payload(&ret->execution_payload, b, a);
    ret->message = (struct bid_trace){.slot = b->slot,
                                      .parent_hash = b->parent,
                                      .block_hash = b->block_hash,
                                      .builder_pubkey = builder->pubkey,
                                      .proposer_pubkey = b->proposer,
                                      .proposer_fee_recipient = b->fee_recipient,
                                      .gas_limit = b->gas_limit,
                                      .gas_used = 21000,
                                      .value = u256_from_u64(b->value)};
    if (ssz_root(&root, &ssz_bid_trace, &ret->message, a, NULL) != 0) abort();
    root = ssz_signing_root(&root, &n->builder_domain);
    bls_sign(&ret->signature, &builder->key, BYTES_OF(root));
}

static void put_offset(struct buf *out, uint32_t v) {
    uint8_t b[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    buf_append(out, bytes_make(b, 4));
}

void testing_header_submission(struct buf *out, const struct submit_block_request *r,
                               const struct consensus_types *types, const char *url,
                               bool adjustable, struct arena *a) {
    struct execution_payload_header header;
    if (payload_header_of_types(&header, &r->execution_payload, types, a, NULL) != 0) abort();
    size_t url_bytes = strlen(url), header_bytes = ssz_size(types->payload_header, &header);
    size_t request_bytes = ssz_size(&ssz_execution_requests, &r->execution_requests);
    size_t commitment_bytes = 48 * r->blobs_bundle.commitments.count;
    uint32_t fixed = adjustable ? 252 : 248;
    put_offset(out, 12);
    put_offset(out, (uint32_t)r->execution_payload.transactions.count);
    put_offset(out, (uint32_t)(12 + url_bytes));
    buf_append(out, bytes_make(url, url_bytes));
    put_offset(out, 100);
    buf_append(out, BYTES_OF(r->signature));
    ssz_encode(out, &ssz_bid_trace, &r->message);
    put_offset(out, fixed);
    put_offset(out, (uint32_t)(fixed + header_bytes));
    put_offset(out, (uint32_t)(fixed + header_bytes + request_bytes));
    if (adjustable) {
        put_offset(out, (uint32_t)(fixed + header_bytes + request_bytes + commitment_bytes));
    }
    ssz_encode(out, types->payload_header, &header);
    ssz_encode(out, &ssz_execution_requests, &r->execution_requests);
    ssz_encode(out, &ssz_commitments, &r->blobs_bundle.commitments);
    if (adjustable) buf_append_str(out, "adjustment data");
}

struct bid *testing_bid(uint64_t slot, unsigned builder, uint64_t value, bool cancellable,
                        uint64_t received_ns) {
    struct bid *b = calloc(1, sizeof *b);
    if (!b) abort();
    b->refs = 1;
    b->fork = CONSENSUS_DENEB;
    b->trace.slot = slot;
    b->trace.value = u256_from_u64(value);
    store_be32(b->trace.builder_pubkey.b, builder);
    store_be64(b->trace.block_hash.b, value);
    store_be64(b->trace.block_hash.b + 8, slot);
    store_be32(b->trace.block_hash.b + 16, builder);
    b->cancellable = cancellable;
    b->received_ns = received_ns;
    buf_append_str(&b->payload, "payload");
    return b;
}
