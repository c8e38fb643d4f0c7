/* SPDX-License-Identifier: MIT */
#include "relay/check.h"

#include "base/hex.h"
#include "eth/fork.h"
#include "eth/tx_sidecar.h"

static enum check_result refuse(struct error *why, const char *text) {
    (void)error_set(why, ERR_INVALID, "%s", text);
    return CHECK_REFUSED;
}

static enum check_result refuse_hashes(struct error *why, const char *what, const struct hash *got,
                                       const struct hash *expected) {
    char texts[2][65] = {{0}};
    hex_encode(texts[0], BYTES_OF(*got));
    hex_encode(texts[1], BYTES_OF(*expected));
    (void)error_set(why, ERR_INVALID, "incorrect %s - got: 0x%s, expected: 0x%s", what, texts[0],
                    texts[1]);
    return CHECK_REFUSED;
}

static enum check_result refuse_timestamp(struct error *why, uint64_t got, uint64_t expected) {
    (void)error_set(why, ERR_INVALID, "incorrect timestamp. got %llu, expected %llu",
                    (unsigned long long)got, (unsigned long long)expected);
    return CHECK_REFUSED;
}

static enum check_result check_slot(const struct check_view *v, const struct submission *s,
                                    struct error *why) {
    uint64_t slot = s->request.message.slot, expected = network_timestamp(v->network, slot);
    int fork = network_fork_at(v->network, slot);
    if (fork != (int)s->fork) {
        (void)error_set(why, ERR_INVALID, "not %s payload",
                        fork < 0 ? "a" : consensus_fork_name((enum consensus_fork)fork));
        return CHECK_REFUSED;
    }
    if (slot <= v->head_slot) return refuse(why, "submission for past slot");
    if (s->header.timestamp != expected) {
        return refuse_timestamp(why, s->header.timestamp, expected);
    }
    return CHECK_GO_ON;
}

static enum check_result check_builder(const struct check_view *v) {
    bool blacklisted = v->builder && v->builder->status.blacklisted;
    bool high = v->builder && v->builder->status.high_priority;
    return blacklisted || (v->only_high_priority && !high) ? CHECK_SHUNNED : CHECK_GO_ON;
}

static enum check_result check_duty(const struct check_view *v, const struct submission *s,
                                    const struct validator_registration **ret, struct error *why) {
    const struct duty *duty = duties_at(v->duties, s->request.message.slot);
    const struct validator *who = duty ? duties_validator(v->duties, &duty->pubkey) : NULL;
    if (!who || !who->registration) return refuse(why, "could not find slot duty");
    *ret = &who->registration->message;
    if (!address_equal(&(*ret)->fee_recipient, &s->request.message.proposer_fee_recipient)) {
        return refuse(why, "fee recipient does not match");
    }
    if (memcmp(duty->pubkey.b, s->request.message.proposer_pubkey.b, 48) != 0) {
        return refuse(why, "proposer public key does not match");
    }
    return CHECK_GO_ON;
}

// A block whose blobs are not all there can be signed for, but nobody takes it then. Whether they
// are the right ones is the simulation's to say: to a node, a bundle without any is one left out.
static bool has_its_blobs(const struct submission *s) {
    uint64_t n = s->commitments.count, proofs = s->fork >= CONSENSUS_FULU ? n * CELLS_PER_BLOB : n;
    if (!s->types->blobs_bundle) return true;
    if (s->header.blob_gas_used != n * GAS_PER_BLOB) return false;
    return s->header_only || (s->num_blobs == n && s->request.blobs_bundle.proofs.count == proofs);
}

// Trace and payload tell the same.
static enum check_result check_trace(const struct submission *s, struct error *why) {
    const struct bid_trace *t = &s->request.message;
    if (!hash_equal(&t->block_hash, &s->header.block_hash)) {
        return refuse(why, "blockHash mismatch");
    }
    if (!hash_equal(&t->parent_hash, &s->header.parent_hash)) {
        return refuse(why, "parentHash mismatch");
    }
    if (t->gas_limit != s->header.gas_limit) return refuse(why, "gasLimit mismatch");
    if (t->gas_used != s->header.gas_used) return refuse(why, "gasUsed mismatch");
    if (!has_its_blobs(s)) return refuse(why, "blobs bundle does not match the blob gas used");
    return CHECK_GO_ON;
}

static enum check_result check_attributes(const struct check_view *v, const struct submission *s,
                                          const struct payload_attributes **ret,
                                          struct error *why) {
    const struct payload_attributes *p =
        duties_attributes(v->duties, s->request.message.slot, &s->request.message.parent_hash);
    if (!p) return refuse(why, "payload attributes not (yet) known");
    *ret = p;
    if (!hash_equal(&s->header.prev_randao, &p->prev_randao)) {
        return refuse_hashes(why, "prev_randao", &s->header.prev_randao, &p->prev_randao);
    }
    if (s->types->withdrawals && p->has_withdrawals &&
        !hash_equal(&s->header.withdrawals_root, &p->withdrawals_root)) {
        return refuse_hashes(why, "withdrawals root", &s->header.withdrawals_root,
                             &p->withdrawals_root);
    }
    if (s->header.timestamp != p->timestamp) {
        return refuse_timestamp(why, s->header.timestamp, p->timestamp);
    }
    return CHECK_GO_ON;
}

enum check_result check_submission(const struct check_view *v, const struct submission *s,
                                   const struct payload_attributes **ret_attributes,
                                   const struct validator_registration **ret_registration,
                                   struct error *why) {
    enum check_result r = check_slot(v, s, why);
    if (r == CHECK_GO_ON) r = check_builder(v);
    if (r == CHECK_GO_ON) r = check_duty(v, s, ret_registration, why);
    if (r != CHECK_GO_ON) return r;
    if (u256_is_zero(s->request.message.value) || s->num_txs == 0) return CHECK_IGNORED;
    r = check_trace(s, why);
    return r == CHECK_GO_ON ? check_attributes(v, s, ret_attributes, why) : r;
}
