/* SPDX-License-Identifier: MIT */
#include "relay/bid.h"

#include "eth/ssz_json.h"

#include <stdlib.h>
#include <string.h>

int bid_roots_of(struct bid_roots *ret, const struct execution_payload_header *header,
                 const struct ssz_list *commitments, const struct execution_requests *requests,
                 const struct consensus_types *types, enum consensus_fork fork, struct arena *a,
                 struct error *why) {
    memset(ret, 0, sizeof *ret);
    int r = ssz_root(&ret->header, types->payload_header, header, a, why);
    if (r == 0 && fork >= CONSENSUS_DENEB) {
        r = ssz_root(&ret->commitments, &ssz_commitments, commitments, a, why);
    }
    if (r == 0 && fork >= CONSENSUS_ELECTRA) {
        r = ssz_root(&ret->requests, &ssz_execution_requests, requests, a, why);
    }
    return r;
}

static int write_answers(struct bid *b, const struct signed_builder_bid *signed_bid,
                         const struct consensus_types *types, struct error *why) {
    buf_printf(&b->json, "{\"version\":\"%s\",\"data\":", consensus_fork_name(b->fork));
    ssz_json_encode(&b->json, types->signed_builder_bid, signed_bid);
    buf_append_byte(&b->json, '}');
    ssz_encode(&b->ssz, types->signed_builder_bid, signed_bid);
    int r = buf_check(&b->json, why);
    return r == 0 ? buf_check(&b->ssz, why) : r;
}

static int sign(struct bid *b, const struct submission *s, const struct network *n,
                const struct bid_signer *signer, struct arena *a, struct error *why) {
    struct signed_builder_bid bid = {
        .message = {.header = s->header,
                    .execution_requests = s->request.execution_requests,
                    .value = s->request.message.value,
                    .pubkey = signer->pubkey}};
    bid.message.blob_kzg_commitments.items = s->commitments.items;
    bid.message.blob_kzg_commitments.count = s->commitments.count;
    struct hash root;
    int r = ssz_root(&root, s->types->builder_bid, &bid.message, a, why);
    if (r != 0) return r;
    root = ssz_signing_root(&root, &n->builder_domain);
    bls_sign(&bid.signature, &signer->key, BYTES_OF(root));
    return write_answers(b, &bid, s->types, why);
}

static void describe(struct bid *b, const struct submission *s) {
    b->fork = s->fork;
    b->trace = s->request.message;
    b->signature = s->request.signature;
    b->fee_recipient = s->header.fee_recipient;
    b->block_number = s->header.block_number;
    b->timestamp = s->header.timestamp;
    b->num_txs = s->num_txs;
    b->num_blobs = s->num_blobs;
    b->blob_gas_used = s->header.blob_gas_used;
    b->excess_blob_gas = s->header.excess_blob_gas;
    b->header_only = s->header_only;
}

int bid_make(struct bid **ret, const struct submission *s, const struct network *n,
             const struct bid_signer *signer, struct arena *a, struct error *why) {
    *ret = NULL;
    struct bid *b = calloc(1, sizeof *b);
    if (!b) return error_set(why, ERR_NO_MEMORY, "no memory for a bid");
    b->refs = 1;
    describe(b, s);
    struct bid_roots roots;
    const struct ssz_list commitments = {s->commitments.items, s->commitments.count};
    int r = bid_roots_of(&roots, &s->header, &commitments, &s->request.execution_requests, s->types,
                         s->fork, a, why);
    if (r == 0) {
        b->header_root = roots.header;
        b->commitments_root = roots.commitments;
        b->requests_root = roots.requests;
        r = sign(b, s, n, signer, a, why);
    }
    if (r == 0) {
        buf_append(&b->payload, s->ssz);
        buf_append(&b->url, s->url);
        buf_append_byte(&b->url, '\0');
        r = buf_check(&b->payload, why);
    }
    if (r == 0) r = buf_check(&b->url, why);
    if (r != 0) {
        bid_release(b);
        return r;
    }
    *ret = b;
    return 0;
}

void bid_release(struct bid *b) {
    if (!b || --b->refs) return;
    buf_free(&b->json);
    buf_free(&b->ssz);
    buf_free(&b->payload);
    buf_free(&b->url);
    free(b);
}
