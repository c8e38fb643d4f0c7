/* Proposer API: getPayload, that is, blinded blocks. SPDX-License-Identifier: MIT */
#include "base/list.h"
#include "eth/ssz_json.h"
#include "relay/fetch_payload.h"
#include "relay/records_read.h"
#include "relay/unblind.h"

#include <stdio.h>
#include <stdlib.h>

struct get_payload_job {
    struct relay *relay;
    struct exchange *x; /* held; NULL once answered */
    bool v2, published_now;
    enum relay_media media;
    struct pool_task task;
    struct loop_timer timer;
    struct arena arena;
    struct network network;
    struct unblind_input input;
    struct unblind_block block;
    struct bytes48 proposer;
    struct unblind_output output;
    struct bid *bid;
    uint64_t received_ns, began_ns;
    int64_t into_slot_ns; /* at decoding */
    int status;
    struct error why;
};

static void drop(struct get_payload_job *j) {
    if (j->x) exchange_release(j->x);
    loop_timer_clear(j->relay->loop, &j->timer);
    arena_free(&j->arena);
    unblind_output_free(&j->output);
    bid_release(j->bid);
    free(j);
}

static void answered(struct get_payload_job *j, const char *outcome) {
    struct relay *r = j->relay;
    exchange_release(j->x);
    j->x = NULL;
    relay_count(r, RELAY_PAYLOADS, outcome);
    metric_observe_ns(metrics_get(r->metrics, &relay_metric_table[RELAY_PAYLOAD_SECONDS], NULL),
                      clock_monotonic_ns(loop_clock(r->loop)) - j->began_ns);
}

static void refuse(struct get_payload_job *j, int status, const char *text) {
    log_warn(j->relay->log, "payload_refused", F_U64("slot", j->block.slot), F_STR("text", text),
             F_U64("proposer_index", j->block.proposer_index));
    relay_refuse(j->x, status, text);
    answered(j, "refused");
    drop(j);
}

// ---- the end: publish and answer

static void give(struct get_payload_job *j) {
    relay_answer(j->x, j->media, j->block.fork, &j->output.json, &j->output.ssz);
    answered(j, "delivered");
    drop(j);
}

static void on_waited(struct loop_timer *t) {
    give(LIST_ENTRY(t, struct get_payload_job, timer));
}

// v1 gives the payload to the proposer only after the network had a little time to see the block.
static void on_published(void *context, int status, const struct error *why) {
    struct get_payload_job *j = context;
    struct relay *r = j->relay;
    struct error ignored;
    if (status != 0) {
        log_error(r->log, "publishing_failed", F_U64("slot", j->block.slot), F_ERR(why));
        if (j->v2) {
            drop(j);
        } else {
            refuse(j, 400, "failed to publish block");
        }
        return;
    }
    log_info(r->log, "block_published", F_U64("slot", j->block.slot),
             F_HEX("block", BYTES_OF(j->block.block_hash)), F_U256("value", j->bid->trace.value));
    if (j->v2) {
        drop(j);
        return;
    }
    uint64_t delay = r->values->payload_delay_ns;
    j->timer.fire = on_waited;
    if (delay == 0 ||
        loop_timer_set(r->loop, &j->timer, loop_now_ns(r->loop) + delay, &ignored) != 0) {
        give(j);
    }
}

// Nothing has to be simulated once a block is out, but a builder that cheated must be known.
static void on_simulated(void *context, enum simulation_result result, const char *text,
                         uint64_t took_ns) {
    struct get_payload_job *j = context;
    (void)took_ns;
    bool invalid = result == SIMULATION_INVALID && !relay_passes(j->relay, result, text);
    if (invalid) relay_demote(j->relay, j->bid, text);
    drop(j);
}

static void simulate_delivered(struct relay *r, struct get_payload_job *from) {
    struct get_payload_job *j = calloc(1, sizeof *j);
    struct error why;
    if (!j) return;
    j->relay = r;
    j->bid = bid_hold(from->bid);
    if (simulate(r->simulators, &from->output.simulation, SIMULATION_LATER, on_simulated, j,
                 &why) != 0) {
        log_warn(r->log, "delivered_not_simulated", F_ERR(&why));
        drop(j);
    }
}

static void publish(struct get_payload_job *j) {
    struct relay *r = j->relay;
    struct error why;
    if (j->output.simulation.n) simulate_delivered(r, j);
    int code =
        beacon_publish(r->beacon, buf_view(&j->output.block), j->block.fork, on_published, j, &why);
    if (j->v2) {
        relay_answer_empty(j->x, 202);
        answered(j, "delivered");
    }
    if (code == 0) return;
    log_error(r->log, "publishing_failed", F_U64("slot", j->block.slot), F_ERR(&why));
    if (j->v2) {
        drop(j);
    } else {
        refuse(j, 400, "failed to publish block");
    }
}

static void on_delivery_noted(void *context, int status, const struct error *why) {
    struct get_payload_job *j = context;
    struct relay *r = j->relay;
    (void)why;
    if (status != 0) {
        refuse(j, status == ERR_CONFLICT ? 400 : 500,
               status == ERR_CONFLICT ? "another payload for this slot was already delivered"
                                      : "the delivery could not be stored");
        return;
    }
    if (j->block.slot >= r->delivered_slot) {
        r->delivered_slot = j->block.slot;
        r->delivered_hash = j->block.block_hash;
    }
    live_delivered(r->live, j->bid);
    publish(j);
}

// ---- the block, whole again: on a worker

static void assemble_run(void *context) {
    struct get_payload_job *j = context;
    j->status = unblind_assemble(&j->output, &j->block, j->bid, &j->network, &j->arena, &j->why);
}

static void assemble_done(void *context) {
    struct get_payload_job *j = context;
    struct relay *r = j->relay;
    struct error why;
    if (j->status != 0) {
        log_error(r->log, "block_not_assembled", F_ERR(&j->why));
        refuse(j, 500, "failed to convert signed blinded beacon block to beacon block");
        return;
    }
    if (records_delivered(r->records, j->bid, relay_now(r), buf_view(&j->output.blinded),
                          on_delivery_noted, j, &why) != 0) {
        refuse(j, 500, "the delivery could not be stored");
    }
}

static void assemble(struct get_payload_job *j) {
    j->task.run = assemble_run;
    j->task.done = assemble_done;
    if (!relay_run(j->relay, &j->task)) refuse(j, 503, "the relay is busy");
}

static void on_fetched(void *context, struct bid *full, const char *why) {
    struct get_payload_job *j = context;
    if (!full) {
        log_error(j->relay->log, "payload_not_fetched", F_STR("text", why));
        refuse(j, 400, "no execution payload for this request");
        return;
    }
    bid_release(j->bid);
    j->bid = full;
    j->output.want_simulation = true;
    assemble(j);
}

// ---- the checks that need the bid

static void go_on_in_time(struct get_payload_job *j) {
    struct relay *r = j->relay;
    const struct bid *bid = j->bid;
    struct error why;
    if (!hash_equal(&bid->header_root, &j->block.roots.header) ||
        !hash_equal(&bid->commitments_root, &j->block.roots.commitments) ||
        !hash_equal(&bid->requests_root, &j->block.roots.requests)) {
        refuse(j, 400, "invalid execution payload header");
        return;
    }
    if (!bid->header_only) {
        assemble(j);
    } else if (fetch_payload(r, j->bid, on_fetched, j, &why) != 0) {
        relay_demote(r, j->bid, why.text);
        refuse(j, 400, "no execution payload for this request");
    }
}

static void on_slot_began(struct loop_timer *t) {
    go_on_in_time(LIST_ENTRY(t, struct get_payload_job, timer));
}

static void check_time(struct get_payload_job *j) {
    struct relay *r = j->relay;
    uint64_t cutoff =
        r->values->payload_cutoff_ns ? r->values->payload_cutoff_ns : r->network.slot_ns / 3;
    struct error why;
    int64_t into = network_into_slot_ns(&r->network, j->block.slot, relay_now(r));
    if (into < 0) {
        j->timer.fire = on_slot_began;
        uint64_t wait = (uint64_t) - (into + 1) + 1;
        if (wait < 10 * r->network.slot_ns &&
            loop_timer_set(r->loop, &j->timer, loop_now_ns(r->loop) + wait, &why) == 0) {
            return;
        }
        refuse(j, 400, "the slot is too far in the future");
    } else if (j->into_slot_ns > 0 && (uint64_t)j->into_slot_ns > cutoff) {
        char text[64];
        (void)snprintf(text, sizeof text, "sent too late - %lld ms into slot",
                       (long long)(j->into_slot_ns / (int64_t)NS_PER_MS));
        if (records_late(r->records, j->bid, j->into_slot_ns, &why) != 0) {
            log_warn(r->log, "late_not_stored", F_ERR(&why));
        }
        refuse(j, 400, text);
    } else {
        go_on_in_time(j);
    }
}

static void go_on_with_bid(struct get_payload_job *j) {
    const struct relay *r = j->relay;
    if (j->block.slot < r->delivered_slot) {
        refuse(j, 400, "payload for this slot was already delivered");
    } else if (j->block.slot == r->delivered_slot &&
               !hash_equal(&j->block.block_hash, &r->delivered_hash)) {
        refuse(j, 400, "another payload for this slot was already delivered");
    } else {
        check_time(j);
    }
}

static bool is_right(const struct get_payload_job *j, const struct bid *b) {
    return b && b->trace.slot == j->block.slot &&
           memcmp(b->trace.proposer_pubkey.b, j->proposer.b, 48) == 0;
}

// A bid of before a restart, or of another process with the same database: on the reading thread.
static int take_stored(void *context, const struct records_payload_row *row, struct error *why) {
    struct get_payload_job *j = context;
    struct submission s;
    const struct submission_input in = {
        .body = row->body, .ssz = true, .version = bytes_from_str(consensus_fork_name(row->fork))};
    int r = row->header_only
                ? submission_decode_header(&s, &in, &j->network, &j->arena, why)
                : submission_reload(&s, row->body, row->fork, &j->network, &j->arena, why);
    return r == 0 ? bid_make(&j->bid, &s, &j->network, &j->relay->signer, &j->arena, why) : r;
}

static void load_run(void *context) {
    struct get_payload_job *j = context;
    j->status = records_find_payload(j->relay->records, &j->block.block_hash, j->block.slot,
                                     take_stored, j, &j->why);
}

static void load_done(void *context) {
    struct get_payload_job *j = context;
    if (j->status == 0 && is_right(j, j->bid)) {
        go_on_with_bid(j);
    } else if (j->status == ERR_NOT_FOUND || j->status == 0) {
        refuse(j, 400,
               "no execution payload for this request - block was never seen by this relay");
    } else {
        log_error(j->relay->log, "payload_not_loaded", F_ERR(&j->why));
        refuse(j, 400, "no execution payload for this request");
    }
}

static void find_bid(struct get_payload_job *j) {
    struct bid *b = auctions_find_block(&j->relay->auctions, &j->block.block_hash);
    if (is_right(j, b)) {
        j->bid = bid_hold(b);
        go_on_with_bid(j);
        return;
    }
    j->task.run = load_run;
    j->task.done = load_done;
    if (!relay_read(j->relay, &j->task)) {
        refuse(j, 503, "the relay is busy");
    }
}

// ---- decoding and the proposer's signature

static void verify_run(void *context) {
    struct get_payload_job *j = context;
    j->status = unblind_verify(&j->block, &j->proposer, &j->network, &j->arena, &j->why);
}

static void verify_done(void *context) {
    struct get_payload_job *j = context;
    if (j->status != 0) {
        refuse(j, 400, "could not verify payload signature");
        return;
    }
    find_bid(j);
}

static void decode_done(void *context) {
    struct get_payload_job *j = context;
    struct relay *r = j->relay;
    if (j->status != 0) {
        refuse(j, 400, j->why.text);
        return;
    }
    j->into_slot_ns = network_into_slot_ns(&r->network, j->block.slot, j->received_ns);
    const struct duty *duty = duties_at(&r->duties, j->block.slot);
    const struct validator *v = duties_by_index(&r->duties, j->block.proposer_index);
    if (v) j->proposer = v->pubkey;
    // Duties change with the beacon node's head: what was offered to this one is kept to.
    bool offered = v && is_right(j, auctions_find_block(&r->auctions, &j->block.block_hash));
    if (duty && duty->validator_index != j->block.proposer_index && !offered) {
        refuse(j, 400, "not the expected proposer index");
        return;
    }
    if (!v) {
        refuse(j, 400, "could not match proposer index to pubkey");
        return;
    }
    j->task.run = verify_run;
    j->task.done = verify_done;
    if (!relay_run(r, &j->task)) refuse(j, 503, "the relay is busy");
}

static void decode_run(void *context) {
    struct get_payload_job *j = context;
    j->status = unblind_decode(&j->block, &j->input, &j->network, &j->arena, &j->why);
}

// ---- arrival

static void start(struct relay *r, struct exchange *x, bool v2) {
    if (relay_refuse_unready(r, x)) return;
    enum relay_media content = relay_content(x), accepted = v2 ? MEDIA_JSON : relay_accepts(x);
    if (content == MEDIA_NONE || accepted == MEDIA_NONE) {
        relay_refuse(x, content == MEDIA_NONE ? 415 : 406, "unsupported media type");
        return;
    }
    struct get_payload_job *j = calloc(1, sizeof *j);
    if (!j) {
        relay_refuse(x, 503, "the relay is busy");
        return;
    }
    arena_init(&j->arena, SUBMISSION_ARENA_MAX);
    exchange_hold(x);
    j->relay = r;
    j->x = x;
    j->v2 = v2;
    j->media = accepted;
    j->network = r->network;
    j->received_ns = relay_now(r);
    j->began_ns = clock_monotonic_ns(loop_clock(r->loop));
    j->input.body = arena_copy(&j->arena, exchange_body(x));
    j->input.version = arena_copy(&j->arena, exchange_header(x, "eth-consensus-version"));
    j->input.ssz = content == MEDIA_SSZ;
    j->task = (struct pool_task){
        .run = decode_run, .done = decode_done, .context = j, .home = &r->mailbox};
    if (!relay_run(r, &j->task)) refuse(j, 503, "the relay is busy");
}

void relay_on_blinded_v1(struct exchange *x, void *context) {
    start(context, x, false);
}

void relay_on_blinded_v2(struct exchange *x, void *context) {
    start(context, x, true);
}
