/* The way of a submission. SPDX-License-Identifier: MIT */
#include "base/list.h"
#include "relay/relay.h"

#include <stdlib.h>

#define SHUN_NS (200 * NS_PER_MS)

struct submit {
    struct relay *relay;
    struct exchange *x; /* held; NULL once answered */
    struct pool_task task;
    struct loop_timer timer; /* pause of a shunned builder */
    struct arena arena;      /* body and what it decodes to, until the bid is made */
    struct submission_input input;
    struct submission s;
    struct network network; /* a copy for the workers */
    bool header_first, cancellations, optimistic, urgent;
    bool below_floor; /* seen before the signature was checked: nothing more is made then */
    uint64_t sequence, received_ns, began_ns;
    struct bls_public_key key; /* the builder's */
    bool key_parsed;
    struct simulation_terms terms;
    struct hash parent_root;
    struct buf simulation;
    struct bid *bid;
    int status; /* of the worker's part */
    bool bad_key, bad_signature;
    struct error why;
};

static void finish(struct submit *j, int status, const char *message, const char *outcome) {
    struct relay *r = j->relay;
    if (j->x) {
        if (!message) {
            relay_answer_empty(j->x, status);
        } else {
            relay_refuse(j->x, status, message);
        }
        exchange_release(j->x);
        j->x = NULL;
        relay_count(r, RELAY_SUBMISSIONS, outcome);
        metric_observe_ns(
            metrics_get(r->metrics, &relay_metric_table[RELAY_SUBMISSION_SECONDS], &outcome),
            clock_monotonic_ns(loop_clock(r->loop)) - j->began_ns);
    }
    if (log_enabled(r->log, LOG_DEBUG)) {
        log_debug(r->log, "submission_answered", F_STR("outcome", outcome), F_U64("status", status),
                  F_STR("text", message));
    }
}

static void drop(struct submit *j) {
    if (j->x) exchange_release(j->x);
    loop_timer_clear(j->relay->loop, &j->timer);
    arena_free(&j->arena);
    buf_free(&j->simulation);
    bid_release(j->bid);
    free(j);
}

static void refuse(struct submit *j, int status, const char *message, const char *outcome) {
    finish(j, status, message, outcome);
    drop(j);
}

static void on_shunned_long_enough(struct loop_timer *t) {
    refuse(LIST_ENTRY(t, struct submit, timer), 200, NULL, "shunned");
}

static void shun(struct submit *j) {
    struct loop *l = j->relay->loop;
    struct error why;
    j->timer.fire = on_shunned_long_enough;
    if (loop_timer_set(l, &j->timer, loop_now_ns(l) + SHUN_NS, &why) != 0) {
        refuse(j, 200, NULL, "shunned");
    }
}

// ---- the end: committed, and into the auction

/* Why the bid cannot be taken any more, NULL when it can; *ret_quiet: answered with 200. */
static const char *too_late(struct submit *j, struct auction *b, bool *ret_quiet) {
    const struct bid *bid = j->bid;
    *ret_quiet = false;
    if (bid->trace.slot <= j->relay->delivered_slot) {
        return "payload for this slot was already delivered";
    }
    if (bid->trace.slot <= j->relay->head_slot) return "submission for past slot";
    if (!b) return NULL;
    if (j->cancellations && auction_is_overtaken(b, bid)) return "already using a newer payload";
    *ret_quiet = !auction_admits(b, bid->trace.value, j->cancellations);
    return *ret_quiet ? "at or below the floor" : NULL;
}

static void on_committed(void *context, int status, const struct error *failed) {
    struct submit *j = context;
    struct relay *r = j->relay;
    struct auction *b = NULL;
    struct error why;
    bool quiet;
    (void)failed;
    if (status != 0) {
        refuse(j, 500, "failed saving and updating bid", "not_stored");
        return;
    }
    j->bid->stored = j->bid->storing;
    j->bid->storing = false;
    if (j->bid->refused) { // optimistic, and the simulation was quicker than the disk
        refuse(j, 400, "the block was refused meanwhile", "invalid");
        return;
    }
    b = auctions_find(&r->auctions, j->bid->trace.slot, &j->bid->trace.parent_hash,
                      &j->bid->trace.proposer_pubkey);
    const char *late = too_late(j, b, &quiet);
    if (late) {
        refuse(j, quiet ? 200 : 400, quiet ? NULL : late, quiet ? "not_needed" : "late");
        return;
    }
    int code = auctions_open(&b, &r->auctions, &j->bid->trace, &why);
    if (code == 0) code = auction_put(b, j->bid, &why);
    if (code != 0) {
        log_error(r->log, "bid_not_taken", F_ERR(&why));
        refuse(j, 500, "failed saving and updating bid", "not_stored");
        return;
    }
    live_bid(r->live, j->bid);
    relay_settle(r, b);
    finish(j, 200, NULL, "accepted");
    drop(j);
}

/* A bid that is about to be replaced by its builder must not come back after a crash. */
static void withdraw_open(struct submit *j, struct auction *b, const struct bytes48 *builder) {
    struct bid *open = auction_open_bid(b, builder);
    if (open && open->cancellable && (open->stored || open->storing)) {
        relay_mark(j->relay, open, RECORDS_WITHDRAWN);
    }
}

static void take_bid(struct submit *j, uint64_t simulated_ns) {
    struct relay *r = j->relay;
    struct bid *bid = j->bid;
    struct auction *b = auctions_find(&r->auctions, bid->trace.slot, &bid->trace.parent_hash,
                                      &bid->trace.proposer_pubkey);
    const struct records_simulation simulation = {.took_ns = simulated_ns};
    struct error why;
    bool quiet;
    const char *late = too_late(j, b, &quiet);
    if (late && !quiet) {
        refuse(j, 400, late, "late");
        return;
    }
    if (j->cancellations) withdraw_open(j, b, &bid->trace.builder_pubkey);
    bid->storing = !quiet && auction_leads(b, &bid->trace);
    if (records_submission(r->records, bid, bid->storing, &simulation, on_committed, j, &why) !=
        0) {
        log_error(r->log, "bid_not_stored", F_ERR(&why));
        refuse(j, 500, "failed saving and updating bid", "not_stored");
    }
}

// ---- simulation

static void note_failure(struct submit *j, const char *text, uint64_t took_ns) {
    const struct records_simulation simulation = {.error = text, .took_ns = took_ns};
    struct error why;
    if (records_submission(j->relay->records, j->bid, false, &simulation, NULL, NULL, &why) != 0) {
        log_error(j->relay->log, "bid_not_stored", F_ERR(&why));
    }
}

static void on_simulated(void *context, enum simulation_result result, const char *text,
                         uint64_t took_ns) {
    struct submit *j = context;
    if (relay_passes(j->relay, result, text)) {
        take_bid(j, took_ns);
        return;
    }
    if (result == SIMULATION_TIMEOUT) text = "validation request timeout";
    log_info(j->relay->log, "simulation_failed", F_STR("text", text),
             F_U64("slot", j->bid->trace.slot), F_HEX("block", BYTES_OF(j->bid->trace.block_hash)),
             F_HEX("builder", BYTES_OF(j->bid->trace.builder_pubkey)));
    note_failure(j, text, took_ns);
    refuse(j, result == SIMULATION_TIMEOUT ? 504 : 400, text,
           result == SIMULATION_INVALID ? "invalid" : "not_simulated");
}

/* An optimistic bid is in the auction already when its simulation ends. */
struct later {
    struct relay *relay;
    struct bid *bid;
};

static void on_simulated_later(void *context, enum simulation_result result, const char *text,
                               uint64_t took_ns) {
    struct later *l = context;
    (void)took_ns;
    bool good = relay_passes(l->relay, result, text);
    const struct bid_trace *t = &l->bid->trace;
    struct auction *b =
        auctions_find(&l->relay->auctions, t->slot, &t->parent_hash, &t->proposer_pubkey);
    if (!good) {
        relay_demote(l->relay, l->bid,
                     result == SIMULATION_TIMEOUT ? "validation request timeout" : text);
    } else {
        relay_mark(l->relay, l->bid, RECORDS_PROVEN);
        l->bid->unproven = false;
        if (b && auction_holds(b, l->bid)) auction_prove(b, l->bid);
    }
    bid_release(l->bid);
    free(l);
}

static bool simulate_later(struct submit *j) {
    struct later *l = malloc(sizeof *l);
    struct error why;
    if (!l) return false;
    *l = (struct later){j->relay, j->bid};
    if (simulate(j->relay->simulators, &j->simulation, SIMULATION_LATER, on_simulated_later, l,
                 &why) != 0) {
        free(l);
        return false;
    }
    (void)bid_hold(j->bid);
    return true;
}

static void go_simulate(struct submit *j) {
    struct relay *r = j->relay;
    struct error why;
    if (j->header_first || (j->optimistic && simulate_later(j))) {
        take_bid(j, 0); // nobody validated it yet
    } else if (simulate(r->simulators, &j->simulation,
                        j->urgent ? SIMULATION_URGENT : SIMULATION_AWAITED, on_simulated, j,
                        &why) != 0) {
        refuse(j, 503, "request timeout hit before processing", "busy");
    }
}

// ---- signature, roots, the signed answer: on a worker

static void verify_run(void *context) {
    struct submit *j = context;
    struct hash root;
    if (!j->key_parsed) {
        j->status = bls_public_key_parse(&j->key, &j->s.request.message.builder_pubkey, &j->why);
        j->bad_key = j->status != 0;
        if (j->bad_key) return;
    }
    j->status = ssz_root(&root, &ssz_bid_trace, &j->s.request.message, &j->arena, &j->why);
    if (j->status != 0) return;
    root = ssz_signing_root(&root, &j->network.builder_domain);
    j->bad_signature = bls_verify(&j->key, BYTES_OF(root), &j->s.request.signature, &j->why) != 0;
    if (j->bad_signature || j->below_floor) return;
    j->status = submission_complete(&j->s, &j->arena, &j->why);
    if (j->status == 0) {
        j->status = bid_make(&j->bid, &j->s, &j->network, &j->relay->signer, &j->arena, &j->why);
    }
    if (j->status == 0 && !j->header_first) {
        j->terms.withdrawals_root = j->s.header.withdrawals_root;
        j->status = simulation_write(&j->simulation, &j->s, &j->terms, &j->why);
    }
}

// The answer to a bid that the floor keeps out.
static void refuse_below_floor(struct submit *j, struct auction *b) {
    if (b && j->cancellations) {
        withdraw_open(j, b, &j->s.request.message.builder_pubkey);
        auction_cancel(b, &j->s.request.message.builder_pubkey);
        relay_settle(j->relay, b);
    }
    refuse(j, 202, "accepted bid below floor, skipped validation", "below_floor");
}

static void verify_done(void *context) {
    struct submit *j = context;
    struct relay *r = j->relay;
    const struct bid_trace *t = &j->s.request.message;
    bool right = !j->bad_key && !j->bad_signature;
    // Who can sign is remembered; anybody can make up keys.
    struct builder *builder = right ? builders_get(&r->builders, &t->builder_pubkey) : NULL;
    if (builder && !builder->parsed) {
        builder->key = j->key;
        builder->parsed = true;
    }
    if (j->bad_key || j->bad_signature) {
        refuse(j, 400, j->bad_key ? "failed verifying builder signature" : "invalid signature",
               "bad_signature");
        return;
    }
    if (t->slot <= r->delivered_slot) {
        refuse(j, 400, "payload for this slot was already delivered", "late");
        return;
    }
    struct auction *b = auctions_find(&r->auctions, t->slot, &t->parent_hash, &t->proposer_pubkey);
    if (j->below_floor || !auction_admits(b, t->value, j->cancellations)) {
        refuse_below_floor(j, b);
        return;
    }
    if (j->status != 0) {
        refuse(j, 400, j->why.text, "malformed");
        return;
    }
    j->bid->received_ns = j->received_ns;
    j->bid->sequence = j->sequence;
    j->bid->cancellable = j->cancellations;
    j->bid->optimistic = j->bid->unproven = j->optimistic || j->header_first;
    j->urgent = j->urgent && auction_leads(b, t);
    arena_free(&j->arena); // the bid has what is still needed
    go_simulate(j);
}

// ---- the checks

static bool optimistic_allowed(const struct relay *r, const struct builder *b,
                               const struct bid_trace *t) {
    return b && b->status.optimistic && u256_compare(b->status.collateral, t->value) >= 0 &&
           t->slot == r->head_slot + 1;
}

/* What a header alone needs; NULL when it has it. */
static const char *refuse_header_first(const struct builder *b, const struct bid_trace *t) {
    if (!b || !b->status.header_submissions) {
        return "received v3 submission from builder without header_submissions enabled";
    }
    if (!b->status.optimistic) return "received v3 submission from pessimistic builder";
    if (u256_compare(b->status.collateral, t->value) < 0) {
        return "received v3 submission with value above optimistic collateral";
    }
    return NULL;
}

static bool pass_checks(struct submit *j, struct builder *builder) {
    struct relay *r = j->relay;
    const struct check_view view = {.network = &r->network,
                                    .duties = &r->duties,
                                    .builder = builder,
                                    .head_slot = r->head_slot,
                                    .only_high_priority = r->values->only_high_priority};
    const struct payload_attributes *attributes = NULL;
    const struct validator_registration *registration = NULL;
    switch (check_submission(&view, &j->s, &attributes, &registration, &j->why)) {
    case CHECK_REFUSED:
        refuse(j, 400, j->why.text, "refused");
        return false;
    case CHECK_IGNORED:
        refuse(j, 200, NULL, "ignored");
        return false;
    case CHECK_SHUNNED:
        shun(j);
        return false;
    case CHECK_GO_ON:
        break;
    }
    const char *text = j->header_first ? refuse_header_first(builder, &j->s.request.message) : NULL;
    if (text) {
        refuse(j, 400, text, "refused");
        return false;
    }
    j->parent_root = attributes->parent_root;
    j->terms = (struct simulation_terms){.registered_gas_limit = registration->gas_limit,
                                         .parent_beacon_root =
                                             attributes->has_parent_root ? &j->parent_root : NULL,
                                         .blobs = r->values->validation_blobs};
    return true;
}

static void decode_done(void *context) {
    struct submit *j = context;
    struct relay *r = j->relay;
    const struct bid_trace *t = &j->s.request.message;
    if (j->status != 0) {
        refuse(j, 400, j->why.text, "malformed");
        return;
    }
    struct builder *builder = builders_find(&r->builders, &t->builder_pubkey);
    if (!pass_checks(j, builder)) return;
    if (builder && builder->parsed) {
        j->key = builder->key;
        j->key_parsed = true;
    }
    j->optimistic = optimistic_allowed(r, builder, t);
    j->urgent = builder && builder->status.high_priority;
    struct auction *b = auctions_find(&r->auctions, t->slot, &t->parent_hash, &t->proposer_pubkey);
    j->below_floor = !auction_admits(b, t->value, j->cancellations);
    j->task.run = verify_run;
    j->task.done = verify_done;
    if (!relay_run(r, &j->task)) refuse(j, 503, "the relay is busy", "busy");
}

static void decode_run(void *context) {
    struct submit *j = context;
    j->status = j->header_first
                    ? submission_decode_header(&j->s, &j->input, &j->network, &j->arena, &j->why)
                    : submission_decode(&j->s, &j->input, &j->network, &j->arena, &j->why);
}

// ---- arrival

// 0 without one.
static bool read_sequence(uint64_t *ret, struct bytes text) {
    *ret = 0;
    return text.n == 0 || bytes_parse_u64(ret, text);
}

static int take_request(struct submit *j, struct exchange *x, struct error *why) {
    const struct http_request *q = exchange_request(x);
    enum relay_media media = relay_content(x);
    if (media == MEDIA_NONE) return error_set(why, ERR_UNSUPPORTED, "unsupported content type");
    int r = coding_of(&j->input.coding, &q->fields, why);
    if (r == 0 && !read_sequence(&j->sequence, exchange_header(x, "x-sequence"))) {
        r = error_set(why, ERR_SYNTAX, "invalid x-sequence header");
    }
    if (r != 0) return r;
    j->input.ssz = media == MEDIA_SSZ;
    j->input.body = arena_copy(&j->arena, exchange_body(x));
    j->input.version = arena_copy(&j->arena, exchange_header(x, "eth-consensus-version"));
    bool copied = j->input.body.n == exchange_body(x).n;
    return copied ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for the body");
}

static void start(struct relay *r, struct exchange *x, bool header_first) {
    bool cancellations = bytes_equal_str(exchange_query_get(x, "cancellations"), "1");
    struct error why;
    if (header_first && beacon_ready(r->beacon, NULL) != 0) {
        relay_refuse(x, 503, "temporarily unable to verify builder v3 eligibility");
        return;
    }
    if (relay_refuse_unready(r, x)) return;
    if (cancellations && !r->values->cancellations) {
        relay_refuse(x, 400, "cancellations are disabled");
        return;
    }
    struct submit *j = calloc(1, sizeof *j);
    if (!j) {
        relay_refuse(x, 503, "the relay is busy");
        return;
    }
    j->relay = r;
    j->network = r->network;
    j->header_first = header_first;
    j->cancellations = cancellations;
    j->received_ns = relay_now(r);
    j->began_ns = clock_monotonic_ns(loop_clock(r->loop));
    arena_init(&j->arena, SUBMISSION_ARENA_MAX);
    exchange_hold(x);
    j->x = x;
    j->task = (struct pool_task){
        .run = decode_run, .done = decode_done, .context = j, .home = &r->mailbox, .lane = 1};
    int code = take_request(j, x, &why);
    if (code != 0) {
        refuse(j, code == ERR_UNSUPPORTED ? 415 : 400, why.text, "malformed");
    } else if (!relay_run(r, &j->task)) {
        refuse(j, 503, "the relay is busy", "busy");
    }
}

void relay_on_blocks(struct exchange *x, void *context) {
    start(context, x, false);
}

void relay_on_headers(struct exchange *x, void *context) {
    start(context, x, true);
}
