/* Proposer API: status, getHeader; builder API: the validators. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "relay/relay.h"

#include <stdio.h>

void relay_on_status(struct exchange *x, void *context) {
    struct relay *r = context;
    if (!relay_refuse_unready(r, x)) {
        exchange_respond_text(x, 200, "application/json", BYTES_LIT("{}"));
    }
}

void relay_on_validators(struct exchange *x, void *context) {
    struct relay *r = context;
    if (relay_refuse_unready(r, x)) return;
    exchange_respond_text(x, 200, "application/json", buf_view(&r->validators_json));
}

// The three parts of the path; NULL, or what is wrong.
static const char *read_key(uint64_t *ret_slot, struct hash *ret_parent, struct bytes48 *ret_pubkey,
                            const struct exchange *x) {
    if (!bytes_parse_u64(ret_slot, exchange_param(x, "slot"))) return "invalid slot";
    if (hex_decode_fixed(ret_pubkey->b, 48, exchange_param(x, "pubkey"), NULL) != 0) {
        return "invalid pubkey";
    }
    if (hex_decode_hash(ret_parent, exchange_param(x, "parent_hash"), NULL) != 0) {
        return "invalid hash";
    }
    return NULL;
}

static uint64_t cutoff_of(const struct relay *r) {
    return r->values->header_cutoff_ns ? r->values->header_cutoff_ns : r->network.slot_ns / 4;
}

void relay_on_get_header(struct exchange *x, void *context) {
    struct relay *r = context;
    uint64_t slot;
    struct hash parent;
    struct bytes48 pubkey;
    if (relay_refuse_unready(r, x)) return;
    enum relay_media media = relay_accepts(x);
    const char *wrong = read_key(&slot, &parent, &pubkey, x);
    if (media == MEDIA_NONE) {
        relay_refuse(x, 406, "no acceptable media type");
        return;
    }
    if (!wrong && slot < r->head_slot) wrong = "slot is too old";
    if (wrong) {
        relay_count(r, RELAY_HEADERS, "refused");
        relay_refuse(x, 400, wrong);
        return;
    }
    int64_t into = network_into_slot_ns(&r->network, slot, relay_now(r));
    if (into > 0 && (uint64_t)into > cutoff_of(r)) {
        char text[64];
        (void)snprintf(text, sizeof text, "sent too late - %lld ms into slot",
                       (long long)(into / (int64_t)NS_PER_MS));
        relay_count(r, RELAY_HEADERS, "late");
        relay_refuse(x, 400, text);
        return;
    }
    const struct auction *b = auctions_find(&r->auctions, slot, &parent, &pubkey);
    if (!b || !b->top || slot <= r->delivered_slot) {
        relay_count(r, RELAY_HEADERS, "no_bid");
        relay_answer_empty(x, 204);
        return;
    }
    relay_count(r, RELAY_HEADERS, "delivered");
    relay_answer(x, media, b->top->fork, &b->top->json, &b->top->ssz);
}
