/* SPDX-License-Identifier: MIT */
#include "relay/unblind.h"

#include "eth/ssz_json.h"
#include "relay/simulate.h"

#include <stdio.h>

#define SSZ_SLOT_AT 100u /* offset 4, signature 96, then the block, which begins with the slot */

// The fork of the block's slot; a header that names another one is refused as the relay does.
static int find_fork(struct unblind_block *b, const struct unblind_input *in, uint64_t slot,
                     const struct network *n, struct error *why) {
    int fork = network_fork_at(n, slot);
    if (fork < 0) {
        return error_set(why, ERR_INVALID,
                         "error checking payload and header version: unknown payload version");
    }
    const char *name = consensus_fork_name((enum consensus_fork)fork);
    if (in->version.n && !bytes_equal_str(in->version, name)) {
        return error_set(why, ERR_INVALID,
                         "error checking payload and header version: %c%s payload with wrong "
                         "consensus version. Expected: %s, Got: %.*s",
                         name[0] - 32, name + 1, name,
                         (int)(in->version.n < 32 ? in->version.n : 32),
                         (const char *)in->version.p);
    }
    b->fork = (enum consensus_fork)fork;
    b->types = network_types_of(n, b->fork);
    return 0;
}

static int decode_json(struct unblind_block *b, const struct unblind_input *in,
                       const struct network *n, struct arena *a, struct error *why) {
    const struct json *doc;
    uint64_t slot;
    int r = json_parse(&doc, in->body, a, NULL, why);
    if (r == 0) r = json_get_decimal(&slot, json_get(doc, "message"), "slot", why);
    if (r != 0) return error_set(why, ERR_SYNTAX, "failed to decode payload");
    r = find_fork(b, in, slot, n, why);
    if (r != 0) return r;
    return ssz_json_decode(b->signed_block, b->types->signed_blinded_block, doc, a, why);
}

static int decode_ssz(struct unblind_block *b, const struct unblind_input *in,
                      const struct network *n, struct arena *a, struct error *why) {
    if (in->body.n < SSZ_SLOT_AT + 8) {
        return error_set(why, ERR_SYNTAX, "failed to decode payload");
    }
    int r = find_fork(b, in, load_le64(in->body.p + SSZ_SLOT_AT), n, why);
    if (r != 0) return r;
    return ssz_decode(b->signed_block, b->types->signed_blinded_block, in->body, a, why);
}

int unblind_decode(struct unblind_block *ret, const struct unblind_input *in,
                   const struct network *n, struct arena *a, struct error *why) {
    *ret = (struct unblind_block){.signed_block = arena_new(a, struct signed_blinded_beacon_block)};
    if (!ret->signed_block) return error_set(why, ERR_NO_MEMORY, "no memory for a block");
    int r = in->ssz ? decode_ssz(ret, in, n, a, why) : decode_json(ret, in, n, a, why);
    if (r != 0) {
        // Once the fork is known, why decoding failed is of no use to a client that compares texts.
        return ret->types ? error_set(why, ERR_SYNTAX, "failed to decode payload") : r;
    }
    const struct blinded_beacon_block *m = &ret->signed_block->message;
    ret->slot = m->slot;
    ret->proposer_index = m->proposer_index;
    ret->block_hash = m->body.execution_payload_header.block_hash;
    return 0;
}

int unblind_verify(struct unblind_block *b, const struct bytes48 *proposer, const struct network *n,
                   struct arena *a, struct error *why) {
    const struct blinded_block_body *body = &b->signed_block->message.body;
    const struct ssz_list commitments = {body->blob_kzg_commitments.items,
                                         body->blob_kzg_commitments.count};
    struct bls_public_key key;
    struct hash root;
    int r = bls_public_key_parse(&key, proposer, why);
    if (r == 0) r = ssz_root(&root, b->types->blinded_block, &b->signed_block->message, a, why);
    if (r != 0) return r;
    root = ssz_signing_root(&root, &n->forks[b->fork].proposer_domain);
    r = bls_verify(&key, BYTES_OF(root), &b->signed_block->signature, why);
    if (r != 0) return r;
    return bid_roots_of(&b->roots, &body->execution_payload_header, &commitments,
                        &body->execution_requests, b->types, b->fork, a, why);
}

static void write_answers(struct unblind_output *o, const struct unblind_block *b,
                          const struct submission *s) {
    struct payload_and_blobs both = {.execution_payload = s->request.execution_payload,
                                     .blobs_bundle = s->request.blobs_bundle};
    const struct ssz_type *type = b->types->payload_and_blobs;
    const void *value = &both;
    if (!type) { // before Deneb the payload alone
        type = b->types->payload;
        value = &both.execution_payload;
    }
    buf_printf(&o->json, "{\"version\":\"%s\",\"data\":", consensus_fork_name(b->fork));
    ssz_json_encode(&o->json, type, value);
    buf_append_byte(&o->json, '}');
    ssz_encode(&o->ssz, type, value);
}

static int write_block(struct unblind_output *o, const struct unblind_block *b,
                       const struct submission *s, struct arena *a, struct error *why) {
    struct block_contents *c = arena_new(a, struct block_contents);
    if (!c) return error_set(why, ERR_NO_MEMORY, "no memory for a block");
    const struct blinded_beacon_block *m = &b->signed_block->message;
    c->signed_block.message.slot = m->slot;
    c->signed_block.message.proposer_index = m->proposer_index;
    c->signed_block.message.parent_root = m->parent_root;
    c->signed_block.message.state_root = m->state_root;
    c->signed_block.message.body.rest = m->body;
    c->signed_block.message.body.execution_payload = s->request.execution_payload;
    c->signed_block.signature = b->signed_block->signature;
    c->kzg_proofs.items = s->request.blobs_bundle.proofs.items;
    c->kzg_proofs.count = s->request.blobs_bundle.proofs.count;
    c->blobs.items = s->request.blobs_bundle.blobs.items;
    c->blobs.count = s->request.blobs_bundle.blobs.count;
    if (b->types->block_contents) {
        ssz_json_encode(&o->block, b->types->block_contents, c);
    } else {
        ssz_json_encode(&o->block, b->types->signed_block, &c->signed_block);
    }
    return buf_check(&o->block, why);
}

int unblind_assemble(struct unblind_output *ret, const struct unblind_block *b,
                     const struct bid *bid, const struct network *n, struct arena *a,
                     struct error *why) {
    struct submission s;
    const struct submission_input in = {.body = buf_view(&bid->payload),
                                        .ssz = true,
                                        .version = bytes_from_str(consensus_fork_name(b->fork))};
    int r = submission_decode(&s, &in, n, a, why);
    if (r == 0) r = write_block(ret, b, &s, a, why);
    if (r != 0) return r;
    write_answers(ret, b, &s);
    ssz_json_encode(&ret->blinded, b->types->signed_blinded_block, b->signed_block);
    if (ret->want_simulation) {
        const struct simulation_terms terms = {.registered_gas_limit = s.header.gas_limit,
                                               .parent_beacon_root =
                                                   &b->signed_block->message.parent_root,
                                               .withdrawals_root = s.header.withdrawals_root,
                                               .blobs = true};
        r = simulation_write(&ret->simulation, &s, &terms, why);
    }
    if (r == 0) r = buf_check(&ret->json, why);
    if (r == 0) r = buf_check(&ret->ssz, why);
    return r == 0 ? buf_check(&ret->blinded, why) : r;
}

void unblind_output_free(struct unblind_output *o) {
    buf_free(&o->block);
    buf_free(&o->json);
    buf_free(&o->ssz);
    buf_free(&o->blinded);
    buf_free(&o->simulation);
}
