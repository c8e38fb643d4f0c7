/* What a consensus client and a builder API say to each other: the call of getHeader, blinded
 * blocks and their answers, of both presets. Bids and registrations are evm_relay.c's.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "crypto/bls.h"
#include "eth/beacon_block.h"
#include "eth/ssz_json.h"
#include "test/conformance/evm.h"

#include <string.h>

#define HEADER_PATH "/eth/v1/builder/header/"

/* JSON to SSZ, back, and to JSON again: the same. */
static int check_both_ways(const struct evm_file *f, const struct ssz_type *type, void *value,
                           const struct json *in, struct error *why) {
    void *again = arena_alloc(f->a, type->memory), *third = arena_alloc(f->a, type->memory);
    const struct json *doc = NULL;
    struct buf ssz, text;
    struct hash a = {{0}}, b = {{0}}, c = {{0}};
    buf_init(&ssz, 0);
    buf_init(&text, 0);
    int r = ssz_json_decode(value, type, in, f->a, why);
    if (r == 0) {
        ssz_encode(&ssz, type, value);
        ssz_json_encode(&text, type, value);
        r = ssz_decode(again, type, buf_view(&ssz), f->a, why);
    }
    if (r == 0) r = json_parse(&doc, buf_view(&text), f->a, NULL, why);
    if (r == 0) r = ssz_json_decode(third, type, doc, f->a, why);
    if (r == 0) r = ssz_root(&a, type, value, f->a, why);
    if (r == 0) r = ssz_root(&b, type, again, f->a, why);
    if (r == 0) r = ssz_root(&c, type, third, f->a, why);
    if (r == 0 && (!hash_equal(&a, &b) || !hash_equal(&a, &c))) {
        r = error_set(why, ERR_INVALID, "SSZ or JSON reads back as another value");
    }
    buf_free(&ssz);
    buf_free(&text);
    return r;
}

static void count(struct tally *t, const char *what, int r, const struct error *why) {
    if (r == 0) {
        tally_pass(t, what);
    } else {
        tally_fail(t, what, "%s", why->text);
    }
}

static enum consensus_fork fork_of_body(const struct json *body) {
    const struct json *header = json_get(body, "execution_payload_header");
    if (json_get(body, "execution_requests")) return CONSENSUS_ELECTRA;
    if (json_get(header, "blob_gas_used")) return CONSENSUS_DENEB;
    return json_get(header, "withdrawals_root") ? CONSENSUS_CAPELLA : CONSENSUS_BELLATRIX;
}

static void run_blinded(const struct evm_file *f, struct tally *t) {
    const struct json *body = json_get(json_get(f->json, "message"), "body");
    struct bytes bits =
        json_text(json_get(json_get(body, "sync_aggregate"), "sync_committee_bits"));
    enum consensus_preset preset = bits.n == 2 + 2 * 4 ? CONSENSUS_MINIMAL : CONSENSUS_MAINNET;
    const struct consensus_types *types = consensus_types_of_preset(preset, fork_of_body(body));
    struct signed_blinded_beacon_block *block = arena_new(f->a, struct signed_blinded_beacon_block);
    struct error why;
    if (!types) {
        tally_skip(t, "blinded", "the fork is not described for this preset");
        return;
    }
    int r = check_both_ways(f, types->signed_blinded_block, block, f->json, &why);
    count(t, "blinded", r, &why);
    if (r != 0) return;
    f->memory->blinded_types = types;
    f->memory->blinded_block = block->message.body.execution_payload_header.block_hash;
    r = ssz_root(&f->memory->blinded_header, types->payload_header,
                 &block->message.body.execution_payload_header, f->a, &why);
    count(t, "header", r, &why);
}

/* The payload is that of the header in the blinded block before it. */
static void run_payload(const struct evm_file *f, struct tally *t, const struct json *in,
                        int fork) {
    const struct consensus_types *types = f->memory->blinded_types;
    struct execution_payload *payload = arena_new(f->a, struct execution_payload);
    struct execution_payload_header header;
    struct error why;
    struct hash root;
    if (!types) types = consensus_types_of((enum consensus_fork)fork);
    int r = check_both_ways(f, types->payload, payload, in, &why);
    count(t, "payload", r, &why);
    if (r != 0) return;
    if (!f->memory->blinded_types || !hash_equal(&f->memory->blinded_block, &payload->block_hash)) {
        tally_skip(t, "header", "its blinded block did not come before it");
        return;
    }
    r = payload_header_of_types(&header, payload, types, f->a, &why);
    if (r == 0) r = ssz_root(&root, types->payload_header, &header, f->a, &why);
    if (r == 0 && !hash_equal(&root, &f->memory->blinded_header)) {
        r = error_set(&why, ERR_INVALID, "the header of the payload is not the signed one");
    }
    count(t, "header", r, &why);
}

/* A path with the slot, the parent's hash and the proposer's key. */
static void run_path(const struct evm_file *f, struct tally *t) {
    struct bytes rest = bytes_slice(f->content, sizeof HEADER_PATH - 1, f->content.n);
    while (rest.n && rest.p[rest.n - 1] <= ' ') {
        rest.n--;
    }
    const uint8_t *slash = rest.n ? memchr(rest.p, '/', rest.n) : NULL;
    struct bytes tail = slash ? bytes_slice(rest, (size_t)(slash - rest.p) + 1, rest.n) : rest;
    struct bls_public_key key;
    struct bytes48 pubkey;
    struct hash parent;
    struct error why;
    int r = slash && tail.n == 66 + 1 + 98 ? 0 : error_set(&why, ERR_SYNTAX, "not three parts");
    if (r == 0) r = hex_decode_hash(&parent, bytes_slice(tail, 0, 66), &why);
    if (r == 0) r = hex_decode_fixed(pubkey.b, 48, bytes_slice(tail, 67, 98), &why);
    if (r == 0) r = bls_public_key_parse(&key, &pubkey, &why);
    count(t, "path", r, &why);
}

bool evm_run_builder_api(const struct evm_file *f, struct tally *t) {
    const struct json *data = json_get(f->json, "data");
    if (bytes_starts_with(f->content, BYTES_LIT(HEADER_PATH))) {
        run_path(f, t);
    } else if (json_get(json_get(json_get(f->json, "message"), "body"),
                        "execution_payload_header")) {
        run_blinded(f, t);
    } else if (json_get(data, "block_hash") && json_get(data, "transactions")) {
        run_payload(f, t, data, consensus_fork_parse(json_text(json_get(f->json, "version"))));
    } else if (json_get(f->json, "user-agent")) {
        tally_skip(t, "-", "a request's header fields");
    } else if (bytes_starts_with(f->content, BYTES_LIT("PRESET_BASE:"))) {
        tally_skip(t, "-", "parameters of a network");
    } else {
        return false;
    }
    return true;
}
