/* Blocks that others publish: a relay, when a proposer gave it a signed header.
 * SPDX-License-Identifier: MIT */
#include "node/beacon_api.h"

#include "eth/beacon_block.h"
#include "eth/ssz_json.h"
#include "net/server.h"
#include "json/write.h"

#define BLOCK_ARENA_BYTES (256u << 20)

static int decode(struct block_contents *ret, struct exchange *x, enum consensus_fork f,
                  struct arena *a, struct error *why) {
    const struct consensus_types *types = consensus_types_of(f);
    const struct ssz_type *type =
        types->block_contents ? types->block_contents : types->signed_block;
    void *into = types->block_contents ? (void *)ret : (void *)&ret->signed_block;
    struct bytes kind = exchange_header(x, "content-type"), body = exchange_body(x);
    const struct json *doc;
    if (kind.n >= 24 && memmem(kind.p, kind.n, "application/octet-stream", 24)) {
        return ssz_decode(into, type, body, a, why);
    }
    int r = json_parse(&doc, body, a, NULL, why);
    return r == 0 ? ssz_json_decode(into, type, doc, a, why) : r;
}

// The same block with the payload's header in its place: what was signed, root for root.
static int blind(struct signed_blinded_beacon_block *ret, const struct signed_beacon_block *b,
                 enum consensus_fork f, struct arena *a, struct error *why) {
    struct blinded_beacon_block *m = &ret->message;
    m->slot = b->message.slot;
    m->proposer_index = b->message.proposer_index;
    m->parent_root = b->message.parent_root;
    m->state_root = b->message.state_root;
    m->body = b->message.body.rest;
    ret->signature = b->signature;
    return payload_header_of(&m->body.execution_payload_header, &b->message.body.execution_payload,
                             f, a, why);
}

static int take(struct slots *s, struct exchange *x, enum consensus_fork f, struct error *why) {
    struct arena a;
    arena_init(&a, BLOCK_ARENA_BYTES);
    struct block_contents *c = arena_new(&a, struct block_contents);
    struct signed_blinded_beacon_block *b = arena_new(&a, struct signed_blinded_beacon_block);
    int r = c && b ? decode(c, x, f, &a, why) : error_set(why, ERR_NO_MEMORY, "no memory");
    if (r == 0) r = blind(b, &c->signed_block, f, &a, why);
    if (r == 0) {
        const struct blobs_bundle blobs = {
            .commitments = {b->message.body.blob_kzg_commitments.items,
                            b->message.body.blob_kzg_commitments.count},
            .proofs = {c->kzg_proofs.items, c->kzg_proofs.count},
            .blobs = {c->blobs.items, c->blobs.count},
        };
        r = slots_take_block(s, b, &c->signed_block.message.body.execution_payload, &blobs, f, why);
    }
    arena_free(&a);
    return r;
}

void beacon_api_publish(struct exchange *x, struct slots *s) {
    struct error why = {0};
    struct bytes named = exchange_header(x, "eth-consensus-version");
    enum consensus_fork f = slots_fork_at(s, s->slot);
    if (named.p && consensus_fork_parse(named) != (int)f) {
        exchange_respond_text(x, 400, "application/json",
                              BYTES_LIT("{\"code\":400,\"message\":\"another fork is on\"}"));
        return;
    }
    int r = take(s, x, f, &why);
    log_info(s->node->log, "block_published", F_BOOL("taken", r == 0),
             F_STR("error", r == 0 ? NULL : why.text));
    if (r == 0) {
        exchange_respond(x, 200, (struct bytes){NULL, 0});
        return;
    }
    struct buf out;
    buf_init(&out, 0);
    buf_append_str(&out, "{\"code\":400,\"message\":");
    json_append_string(&out, bytes_from_str(why.text), 0);
    buf_append_byte(&out, '}');
    exchange_respond_text(x, 400, "application/json", buf_view(&out));
    buf_free(&out);
}
