/* SPDX-License-Identifier: MIT */
#include "node/slots.h"

#include "base/file.h"
#include "base/hex.h"
#include "base/list.h"
#include "chain/engine_versions.h"
#include "chain/head.h"
#include "eth/ssz_json.h"
#include "node/beacon_api.h"
#include "node/dev.h"
#include "node/engine_api.h"
#include "node/payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define UNBLIND_SPARE_NS (20 * NS_PER_MS)
#define SKIP_MAX 10000u
#define REORG_MAX 64u
#define SLOTS_AHEAD_MAX 600u     // a clock may have been set back
#define REMIND_NS (NS_PER_S / 2) // of validators, before the first slot

#define SLOTS_METRICS(X)                                                                           \
    X(SLOTS_PROPOSALS, METRIC_COUNTER, "node_slots_total",                                         \
      "Slots by where their block came from.", "outcome")
METRICS_DECLARE(slots_metric, SLOTS_METRICS)

static uint64_t wall_ns(const struct slots *s) {
    return clock_wall_ns(loop_clock(s->loop));
}

static void arm(struct slots *s, struct loop_timer *t, uint64_t at_wall_ns) {
    struct error why;
    uint64_t now = wall_ns(s), wait = at_wall_ns > now ? at_wall_ns - now : 0;
    if (loop_timer_set(s->loop, t, loop_now_ns(s->loop) + wait, &why) != 0) {
        log_error(s->node->log, "slot_timer_lost", F_ERR(&why));
    }
}

enum consensus_fork slots_fork_at(const struct slots *s, uint64_t slot) {
    enum fork f =
        chain_fork_at(s->node->config, UINT64_MAX - 1, beacon_timestamp(&s->chain, slot), true);
    int consensus = consensus_fork_of((int)f);
    return consensus < 0 ? CONSENSUS_BELLATRIX : (enum consensus_fork)consensus;
}

static void count(struct slots *s, enum slot_outcome outcome) {
    metric_inc(s->proposals[outcome]);
}

// What comes next: attributes for builders, relays, and the own payload

static void register_validators(struct slots *s, uint64_t epoch) {
    struct validators *v = &s->chain.validators;
    struct arena a;
    struct buf out;
    struct error why;
    if (relays_count(s->relays) == 0) return;
    if (s->registered && s->last_registered_epoch == epoch) {
        relays_remind(s->relays);
        return;
    }
    s->registered = true;
    s->last_registered_epoch = epoch;
    arena_init(&a, 0);
    buf_init(&out, 0);
    struct signed_validator_registration *all =
        arena_new_array(&a, struct signed_validator_registration, v->count);
    uint64_t gas_limit = s->node->values->gas_limit;
    const struct head_block *latest = head_latest(s->node->head);
    if (gas_limit == 0) gas_limit = latest->block.header.gas_limit;
    head_block_release(latest);
    int r = all ? 0 : ERR_NO_MEMORY;
    uint64_t now_s = wall_ns(s) / NS_PER_S; // relays refuse what is older than the chain
    if (now_s < s->chain.genesis_s) now_s = s->chain.genesis_s;
    for (size_t i = 0; i < v->count && r == 0; i++) {
        all[i].message = (struct validator_registration){
            .fee_recipient = s->fee_recipient, .gas_limit = gas_limit, .timestamp = now_s};
        r = validators_sign_registration(v, i, &all[i], &a, &why);
    }
    if (r == 0) {
        const struct ssz_list list = {all, v->count};
        ssz_json_encode(&out, &ssz_signed_validator_registrations, &list);
        relays_register(s->relays, buf_view(&out));
    }
    buf_free(&out);
    arena_free(&a);
}

// Sets the task of a slot on a parent, begins the own payload and tells the builders.
static void prepare(struct slots *s, uint64_t slot) {
    struct slot_task *t = &s->task;
    unsigned around = atomic_exchange(&s->reorg, 0);
    const struct beacon_record *parent = beacon_ancestor(&s->chain, around);
    struct error why;
    if (!parent) parent = beacon_head(&s->chain);
    *t = (struct slot_task){.slot = slot,
                            .proposer = beacon_proposer(&s->chain, slot),
                            .consensus = slots_fork_at(s, slot),
                            .parent = *parent};
    uint64_t timestamp = beacon_timestamp(&s->chain, slot);
    atomic_store(&s->node->next_timestamp, timestamp);
    t->fork = engine_fork_at(s->node, parent->exec_number + 1, timestamp);
    t->attributes = (struct engine_attributes){
        .timestamp = timestamp,
        .prev_randao = parent->mix,
        .fee_recipient = s->fee_recipient,
        .has_withdrawals = t->fork >= FORK_SHANGHAI,
        .has_beacon_root = t->fork >= FORK_CANCUN,
        .beacon_root = parent->root,
    };
    int r = engine_payload_id_of(&t->id, &parent->exec_hash, &t->attributes,
                                 (uint8_t)engine_forkchoice_version(t->fork), &why);
    if (r == 0) {
        r = payloads_start(s->node->payloads, &t->id, &parent->exec_hash, &t->attributes, &why);
    }
    t->ready = r == 0;
    if (r != 0) log_error(s->node->log, "slot_not_prepared", F_U64("slot", slot), F_ERR(&why));
    beacon_api_tell_attributes(s->api, t);
    register_validators(s, beacon_epoch_of(&s->chain, slot));
}

static void on_prepare(struct loop_timer *timer) {
    struct slots *s = LIST_ENTRY(timer, struct slots, prepare_timer);
    if (s->task.slot <= s->slot) {
        prepare(s, s->slot + 1); // the slot that is on stayed empty
    } else if (s->waits) {       // relays that came up meanwhile know the first slots' proposers
        register_validators(s, beacon_epoch_of(&s->chain, s->task.slot));
        arm(s, timer, wall_ns(s) + REMIND_NS);
    }
}

// A block becomes the head

static void record(struct slots *s, const struct blinded_beacon_block *m, const struct hash *root,
                   const struct hash *body_root, const struct bytes96 *signature,
                   const struct beacon_record *parent) {
    const struct execution_payload_header *h = &m->body.execution_payload_header;
    struct beacon_record r = {.slot = m->slot,
                              .proposer = m->proposer_index,
                              .root = *root,
                              .parent_root = m->parent_root,
                              .state_root = m->state_root,
                              .body_root = *body_root,
                              .exec_hash = h->block_hash,
                              .exec_number = h->block_number,
                              .signature = *signature};
    bool epoch = beacon_epoch_of(&s->chain, m->slot) != beacon_epoch_of(&s->chain, parent->slot);
    r.mix = beacon_mix(&parent->mix, &m->body.randao_reveal);
    beacon_add(&s->chain, &r);
    beacon_api_tell_head(s->api, &r, epoch);
}

static int move_head(struct slots *s, struct error *why) {
    const struct beacon_record *justified, *finalized;
    beacon_marks(&s->chain, &justified, &finalized);
    return head_set(s->node->head, &beacon_head(&s->chain)->exec_hash, &justified->exec_hash,
                    &finalized->exec_hash, why);
}

// Imports the execution block of a signed block and makes both the head.
static int adopt(struct slots *s, const struct signed_blinded_beacon_block *b, struct hash root,
                 const struct block *block, const struct blobs_bundle *blobs, struct error *why) {
    const struct blinded_beacon_block *m = &b->message;
    const struct beacon_record *found = beacon_find(&s->chain, &m->parent_root);
    struct engine_payload_status status;
    struct hash body_root;
    char text[ERROR_TEXT_MAX];
    if (!found) return error_set(why, ERR_INVALID, "the block's parent is not known");
    if (beacon_find(&s->chain, &root)) return 0; // it came by another way already
    const struct beacon_record parent = *found;
    int r = engine_import(s->node, &status, text, block, why);
    if (r == 0 && status.status != ENGINE_VALID) {
        r = error_set(why, ERR_INVALID, "the payload is %s: %s", engine_status_name(status.status),
                      status.error.p ? text : "");
    }
    const struct ssz_type *body = consensus_types_of(slots_fork_at(s, m->slot))->blinded_block;
    for (uint32_t i = 0; i < body->field_count; i++) {
        if (strcmp(body->fields[i].name, "body") == 0) body = body->fields[i].type;
    }
    if (r == 0) r = ssz_root(&body_root, body, &m->body, &s->memory, why);
    if (r == 0) r = beacon_blobs_put(&s->blobs, &root, blobs, why);
    if (r != 0) return r;
    record(s, m, &root, &body_root, &b->signature, &parent);
    s->proposed = true;
    count(s, s->by_relay ? SLOT_RELAY : SLOT_LOCAL);
    log_info(s->node->log, "slot_block", F_U64("slot", m->slot),
             F_STR("by", s->by_relay ? "relay" : "self"), F_U64("number", block->header.number),
             F_U64("txs", block->tx_count));
    r = move_head(s, why);
    if (r == 0) prepare(s, s->slot + 1);
    return r;
}

// Proposing

// Makes the block around a payload's header and signs it.
static int sign(struct slots *s, const struct execution_payload_header *header,
                const struct bytes48 *commitments, size_t commitment_count,
                const struct execution_requests *requests, struct hash *ret_root,
                struct error *why) {
    const struct slot_task *t = &s->task;
    const struct validators *v = &s->chain.validators;
    struct signed_blinded_beacon_block *b =
        arena_new(&s->memory, struct signed_blinded_beacon_block);
    if (!b) return error_set(why, ERR_NO_MEMORY, "no memory for a block");
    struct blinded_beacon_block *m = &b->message;
    m->slot = t->slot;
    m->proposer_index = t->proposer;
    m->parent_root = t->parent.root;
    m->state_root = beacon_state_root(&t->parent.root, t->slot);
    m->body.randao_reveal =
        validators_sign_randao(v, t->proposer, beacon_epoch_of(&s->chain, t->slot), t->consensus);
    (void)memcpy(m->body.graffiti.b, "buildernet slots", 16);
    m->body.sync_aggregate.sync_committee_signature.b[0] = 0xc0; // infinity: nobody signed
    m->body.execution_payload_header = *header;
    m->body.blob_kzg_commitments.items = commitments;
    m->body.blob_kzg_commitments.count = commitment_count;
    m->body.execution_requests = *requests;
    int r = validators_sign_block(v, b, ret_root, t->consensus, &s->memory, why);
    if (r == 0) s->signed_block = b;
    return r;
}

static void lose(struct slots *s, const char *what, const struct error *why) {
    count(s, SLOT_MISSED);
    log_warn(s->node->log, "slot_missed", F_U64("slot", s->slot), F_STR("step", what), F_ERR(why));
}

static int propose_local(struct slots *s, const struct built *b, struct error *why) {
    struct execution_payload payload;
    struct execution_payload_header header;
    struct execution_requests requests;
    struct blobs_bundle blobs;
    const struct tx_sidecar *const *sidecars;
    size_t sidecar_count;
    unsigned parts;
    struct hash root;
    struct arena *a = &s->memory;
    int r = engine_payload_of(&payload, &parts, &b->block, &b->sealed.hash, a, why);
    if (r == 0) r = payload_header_of(&header, &payload, s->task.consensus, a, why);
    if (r == 0) {
        r = engine_requests_of(&requests, b->sealed.requests, b->sealed.request_count, a, why);
    }
    if (r == 0) r = built_sidecars(b, &sidecars, &sidecar_count, a, why);
    if (r == 0) r = engine_blobs_bundle(&blobs, sidecars, sidecar_count, a, why);
    if (r == 0) {
        r = sign(s, &header, blobs.commitments.items, blobs.commitments.count, &requests, &root,
                 why);
    }
    return r == 0 ? adopt(s, s->signed_block, root, &b->block, &blobs, why) : r;
}

// The block of a payload that came for a signed header.
static int block_of(struct slots *s, struct block *ret, const struct signed_blinded_beacon_block *b,
                    const struct execution_payload *payload, enum consensus_fork f,
                    struct error *why) {
    struct arena *a = &s->memory;
    struct execution_payload_header header;
    struct engine_extra extra = {.has_beacon_root = f >= CONSENSUS_DENEB,
                                 .beacon_root = b->message.parent_root,
                                 .has_requests = f >= CONSENSUS_ELECTRA};
    unsigned parts = (f >= CONSENSUS_CAPELLA ? ENGINE_WITHDRAWALS : 0) |
                     (f >= CONSENSUS_DENEB ? ENGINE_BLOB_GAS : 0);
    struct hash hash, want, got;
    const struct ssz_type *type = consensus_types_of(f)->payload_header;
    int r = payload_header_of(&header, payload, f, a, why);
    if (r == 0) r = ssz_root(&got, type, &header, a, why);
    if (r == 0) r = ssz_root(&want, type, &b->message.body.execution_payload_header, a, why);
    if (r == 0 && !hash_equal(&want, &got)) {
        r = error_set(why, ERR_INVALID, "the payload is not that of the signed header");
    }
    if (r == 0 && extra.has_requests) {
        r = engine_requests_flatten(&extra.requests, &extra.request_count,
                                    &b->message.body.execution_requests, a, why);
    }
    if (r == 0) r = engine_payload_block(ret, payload, parts, &extra, a, why);
    if (r == 0) r = header_hash(&hash, &ret->header, why);
    if (r == 0 && !hash_equal(&hash, &payload->block_hash)) {
        r = error_set(why, ERR_INVALID, "the payload's block has another hash");
    }
    return r;
}

int slots_take_block(struct slots *s, const struct signed_blinded_beacon_block *b,
                     const struct execution_payload *payload, const struct blobs_bundle *blobs,
                     enum consensus_fork f, struct error *why) {
    struct hash root;
    struct block block;
    uint64_t slot = b->message.slot;
    int r = ssz_root(&root, consensus_types_of(f)->blinded_block, &b->message, &s->memory, why);
    if (r != 0) return r;
    if (beacon_find(&s->chain, &root)) return 0;
    if (slot != s->slot || s->proposed) {
        return error_set(why, ERR_STALE, "slot %llu is not the one that is on",
                         (unsigned long long)slot);
    }
    if (b->message.proposer_index != beacon_proposer(&s->chain, slot)) {
        return error_set(why, ERR_INVALID, "another validator's turn");
    }
    r = validators_check_block(&s->chain.validators, b->message.proposer_index, &root,
                               &b->signature, f, why);
    if (r == 0) {
        r = beacon_blobs_check(b->message.body.blob_kzg_commitments.items,
                               b->message.body.blob_kzg_commitments.count, blobs, why);
    }
    if (r == 0) r = block_of(s, &block, b, payload, f, why);
    return r == 0 ? adopt(s, b, root, &block, blobs, why) : r;
}

static void on_unblinded(void *context, const struct payload_and_blobs *payload,
                         const struct error *failed) {
    struct slots *s = context;
    struct error why;
    if (s->proposed || !s->signed_block) return; // published by the relay meanwhile, or too late
    if (!payload) {
        lose(s, "payload", failed);
        return;
    }
    int r = slots_take_block(s, s->signed_block, &payload->execution_payload,
                             &payload->blobs_bundle, s->task.consensus, &why);
    if (r != 0) {
        lose(s, "import", &why);
        return;
    }
}

static bool is_better(const struct relay_bid *bid, const struct built *local) {
    return bid && (!local || u256_compare(bid->bid.message.value, local->value) >= 0);
}

static void take_bid(struct slots *s, const struct relay_bid *bid) {
    const struct builder_bid *b = &bid->bid.message;
    struct hash root;
    struct error why;
    int r = sign(s, &b->header, b->blob_kzg_commitments.items, b->blob_kzg_commitments.count,
                 &b->execution_requests, &root, &why);
    if (r != 0) {
        lose(s, "sign", &why);
        return;
    }
    s->by_relay = true;
    log_info(s->node->log, "bid_taken", F_U64("slot", s->slot),
             F_STR("relay", relays_url(s->relays, bid->relay)), F_U256("value", b->value),
             F_HEX("hash", BYTES_OF(b->header.block_hash)));
    // The answer counts as long as the slot is on.
    uint64_t end_ns = beacon_start_ns(&s->chain, s->slot + 1), now_ns = wall_ns(s);
    uint64_t left_ns = end_ns > now_ns + UNBLIND_SPARE_NS ? end_ns - now_ns - UNBLIND_SPARE_NS : 1;
    relays_unblind(s->relays, bid->relay, s->signed_block, s->task.consensus, left_ns, on_unblinded,
                   s);
}

static void on_bids(void *context, const struct relay_bid *best) {
    struct slots *s = context;
    struct built *local = NULL;
    struct error why = {0};
    if (s->proposed || s->task.slot != s->slot) return;
    int r = s->task.ready ? payloads_get(s->node->payloads, &s->task.id, &local, &why)
                          : error_set(&why, ERR_NOT_FOUND, "no payload was begun");
    if (is_better(best, local)) {
        take_bid(s, best);
    } else {
        if (r == 0) r = propose_local(s, local, &why);
        if (r != 0) lose(s, "propose", &why);
    }
    built_release(local);
}

// The clock

static void begin_slot(struct slots *s) {
    struct slot_task *t = &s->task;
    s->waits = false;
    arena_free(&s->memory);
    arena_init(&s->memory, 0);
    s->signed_block = NULL;
    s->proposed = s->by_relay = false;
    unsigned skip = atomic_load(&s->skip);
    if (skip) {
        (void)atomic_fetch_sub(&s->skip, 1);
        count(s, SLOT_SKIPPED);
        log_info(s->node->log, "slot_skipped", F_U64("slot", s->slot));
        return;
    }
    if (t->slot != s->slot) prepare(s, s->slot); // the slot before was late
    const struct bid_terms terms = {.slot = s->slot,
                                    .fork = t->consensus,
                                    .parent_hash = t->parent.exec_hash,
                                    .proposer = s->chain.validators.items[t->proposer].pubkey,
                                    .timestamp = t->attributes.timestamp,
                                    .number = t->parent.exec_number + 1,
                                    .prev_randao = t->attributes.prev_randao};
    if (relays_count(s->relays)) {
        // A relay gives payloads until a third of the slot: what is signed later would be lost.
        uint64_t most_ns = s->chain.slot_ns / 4, wait_ns = s->node->values->relay_wait_ns;
        relays_ask(s->relays, &terms, wait_ns < most_ns ? wait_ns : most_ns, on_bids, s);
    } else {
        on_bids(s, NULL);
    }
}

static void on_slot(struct loop_timer *timer) {
    struct slots *s = LIST_ENTRY(timer, struct slots, slot_timer);
    uint64_t slot = beacon_slot_at(&s->chain, wall_ns(s));
    if (slot > s->slot && slot > beacon_head(&s->chain)->slot) {
        s->slot = slot;
        begin_slot(s);
    }
    arm(s, &s->prepare_timer, beacon_start_ns(&s->chain, slot) + s->chain.slot_ns / 3);
    arm(s, &s->slot_timer, beacon_start_ns(&s->chain, slot + 1));
}

// Methods

// dev_skipSlots([count]): the next slots stay empty.
static int call_skip(struct node_call *c, struct error *why) {
    struct slots *s = c->context;
    uint64_t n;
    int r = node_param_count(c, &n, SKIP_MAX, why);
    if (r != 0) return r;
    atomic_store(&s->skip, (unsigned)n);
    json_add_bool(c->result, NULL, true);
    return 0;
}

static void prepare_anew(void *context) {
    struct slots *s = context;
    if (s->task.slot > s->slot) prepare(s, s->task.slot); // else the slot's end prepares
}

// dev_reorg([depth]): the next block is built around that many of the newest.
static int call_reorg(struct node_call *c, struct error *why) {
    struct slots *s = c->context;
    uint64_t n;
    int r = node_param_count(c, &n, REORG_MAX, why);
    if (r != 0) return r;
    atomic_store(&s->reorg, (unsigned)n);
    r = loop_post(s->loop, prepare_anew, s);
    if (r != 0) return error_set(why, ERR_BUSY, "the slots are busy");
    json_add_bool(c->result, NULL, true);
    return 0;
}

static const struct node_method methods[] = {
    {"dev_skipSlots", call_skip, NODE_USER | NODE_QUICK},
    {"dev_reorg", call_reorg, NODE_USER | NODE_QUICK},
};

// Life

// A time of the chain's first start: as it stands in the data folder, else `now`, which is kept.
static int keep_time(const struct slots *s, const char *name, uint64_t now, uint64_t *ret,
                     struct error *why) {
    const struct node_values *v = s->node->values;
    char path[4096], text[32];
    struct buf file;
    *ret = now;
    if (!v->data_folder || !*v->data_folder) return 0;
    (void)snprintf(path, sizeof path, "%s/%s", v->data_folder, name);
    buf_init(&file, 64);
    if (file_read(&file, path, NULL) == 0) {
        buf_append_byte(&file, 0);
        *ret = strtoull((const char *)file.p, NULL, 10);
        buf_free(&file);
        return *ret ? 0 : error_set(why, ERR_SYNTAX, "%s: no number", path);
    }
    buf_free(&file);
    int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)*ret);
    return file_write_atomic(path, bytes_make(text, (size_t)n), NULL, why);
}

// Slot 0 begins when the chain did, or with a virtual clock so much later than the program.
static int find_times(struct slots *s, struct beacon_chain *c, struct error *why) {
    const struct node_values *v = s->node->values;
    uint64_t now_s = wall_ns(s) / NS_PER_S, zero_ms = 0;
    int r = 0;
    c->genesis_s = v->genesis_time ? v->genesis_time : s->node->genesis->header.timestamp;
    if (!c->genesis_s && v->virtual_clock_ns) {
        return error_set(why, ERR_INVALID,
                         "--virtual-clock needs a genesis time: --genesis-time, or the timestamp "
                         "of the genesis file");
    }
    if (!c->genesis_s) r = keep_time(s, "genesis-time", now_s + 1, &c->genesis_s, why);
    if (r == 0 && c->genesis_s > UINT64_MAX / NS_PER_S / 2) {
        return error_set(why, ERR_RANGE, "the genesis time is out of range");
    }
    c->zero_ns = c->genesis_s * NS_PER_S;
    if (r != 0 || !v->virtual_clock_ns) return r;
    zero_ms = (wall_ns(s) + v->virtual_clock_ns) / NS_PER_MS;
    r = keep_time(s, "slot-zero", zero_ms, &zero_ms, why);
    c->zero_ns = zero_ms * NS_PER_MS;
    c->virtual_clock = true;
    return r;
}

static int open_chain(struct slots *s, struct error *why) {
    const struct node_values *v = s->node->values;
    struct beacon_chain *c = &s->chain;
    uint8_t version[4];
    struct bytes digits = bytes_from_str(v->fork_version);
    if (bytes_starts_with(digits, BYTES_LIT("0x"))) digits = bytes_slice(digits, 2, digits.n);
    if (digits.n != 8 || hex_decode(version, digits, NULL) < 0) {
        return error_set(why, ERR_SYNTAX, "--genesis-fork-version is 4 bytes in hex");
    }
    c->slot_ns = v->slot_ns;
    c->slots_per_epoch = v->slots_per_epoch;
    int r = find_times(s, c, why);
    if (r == 0) {
        r = validators_make(&c->validators, v->validator_seed, (size_t)v->validators, version, why);
    }
    if (r != 0) return r;
    const struct head_block *latest = head_latest(s->node->head);
    const struct header *h = &latest->block.header;
    r = beacon_chain_init(c, h->timestamp, &latest->hash, h->number, why);
    if (r == 0) s->slot = beacon_head(c)->slot;
    if (r == 0 && s->slot > beacon_slot_at(c, wall_ns(s)) + SLOTS_AHEAD_MAX) {
        r = error_set(why, ERR_INVALID,
                      "the chain's head is of slot %llu, far ahead of the clock: --slots or "
                      "--genesis-time are not what they were",
                      (unsigned long long)s->slot);
    }
    head_block_release(latest);
    return r;
}

int slots_open(struct slots **ret, struct node *n, struct error *why) {
    static const char *const outcomes[] = {"local", "relay", "missed", "skipped"};
    struct slots *s = calloc(1, sizeof *s);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for slots");
    s->node = n;
    s->slot_timer.fire = on_slot;
    s->prepare_timer.fire = on_prepare;
    arena_init(&s->memory, 0);
    beacon_blobs_init(&s->blobs);
    *ret = s;
    for (size_t i = 0; i < 4; i++) {
        s->proposals[i] = metrics_get(n->metrics, &slots_metric_table[SLOTS_PROPOSALS],
                                      (const char *[]){outcomes[i]});
    }
    int r = loop_new(&s->loop, &(struct loop_options){0}, why);
    if (r == 0) r = node_fee_recipient(n, &s->fee_recipient, why);
    if (r == 0) r = open_chain(s, why);
    if (r != 0) return r;
    const struct relays_options o = {.loop = s->loop,
                                     .log = n->log,
                                     .metrics = n->metrics,
                                     .urls = n->values->relays.items,
                                     .url_count = n->values->relays.count,
                                     .tls = n->tls,
                                     .builder_domain = s->chain.validators.builder_domain,
                                     .min_bid_wei = n->values->min_bid};
    r = relays_open(&s->relays, &o, why);
    if (r == 0) r = beacon_api_open(&s->api, s, why);
    return r == 0 ? node_add_methods(n, methods, sizeof methods / sizeof methods[0], s, why) : r;
}

static void *run(void *context) {
    struct slots *s = context;
    struct error why;
    s->waits = true;
    prepare(s, beacon_slot_at(&s->chain, wall_ns(s)) + 1);
    arm(s, &s->slot_timer, beacon_start_ns(&s->chain, s->task.slot));
    arm(s, &s->prepare_timer, wall_ns(s) + REMIND_NS);
    if (loop_run(s->loop, &why) != 0) log_error(s->node->log, "slots_ended", F_ERR(&why));
    return NULL;
}

int slots_start(struct slots *s, struct error *why) {
    log_info(s->node->log, "slots", F_U64("genesis_time", s->chain.genesis_s),
             F_DURATION("slot", s->chain.slot_ns), F_U64("validators", s->chain.validators.count),
             F_U64("relays", relays_count(s->relays)));
    int os = pthread_create(&s->thread, NULL, run, s);
    if (os != 0) return error_set_os(why, ERR_IO, os, "cannot start the slots");
    s->started = true;
    return 0;
}

void slots_close(struct slots *s) {
    if (!s) return;
    if (s->started) {
        loop_stop(s->loop);
        (void)pthread_join(s->thread, NULL);
    }
    if (s->loop) {
        loop_timer_clear(s->loop, &s->slot_timer);
        loop_timer_clear(s->loop, &s->prepare_timer);
    }
    relays_close(s->relays);
    beacon_api_close(s->api);
    beacon_blobs_free(&s->blobs);
    beacon_chain_free(&s->chain);
    arena_free(&s->memory);
    loop_free(s->loop);
    free(s);
}
