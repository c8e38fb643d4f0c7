/* What happens to the auctions: heads, tops, demotions, and the bids of before a restart.
 * SPDX-License-Identifier: MIT */
#include "relay/records_read.h"
#include "relay/relay.h"

#include <stdlib.h>

void relay_head(void *context, uint64_t slot) {
    struct relay *r = context;
    if (slot <= r->head_slot && r->head_slot) return;
    r->head_slot = slot;
    // The slot before stays: its proposer may still ask for the payload.
    auctions_drop_before(&r->auctions, slot);
    relay_duties_changed(r);
    live_slot(r->live, slot);
}

void relay_attributes(void *context, const struct payload_attributes *p) {
    struct relay *r = context;
    duties_add_attributes(&r->duties, p);
    log_debug(r->log, "payload_attributes", F_U64("slot", p->slot),
              F_HEX("parent", BYTES_OF(p->parent_hash)));
}

void relay_duties_changed(void *context) {
    struct relay *r = context;
    uint64_t epoch = network_epoch_of(&r->network, r->head_slot + 1);
    buf_clear(&r->validators_json);
    duties_write_validators(&r->duties, &r->validators_json, epoch * r->network.slots_per_epoch,
                            2 * r->network.slots_per_epoch);
}

/* A bid became the highest before its payload was stored (another one was cancelled). */
struct storing {
    struct relay *relay;
    struct bid *bid;
};

static void on_stored(void *context, int status, const struct error *why) {
    struct storing *s = context;
    const struct bid_trace *t = &s->bid->trace;
    (void)why;
    s->bid->storing = false;
    s->bid->stored = status == 0;
    struct auction *b =
        auctions_find(&s->relay->auctions, t->slot, &t->parent_hash, &t->proposer_pubkey);
    if (b && status == 0) relay_settle(s->relay, b);
    bid_release(s->bid);
    free(s);
}

static void store(struct relay *r, struct bid *bid) {
    struct storing *s = malloc(sizeof *s);
    struct error why;
    if (!s) return;
    *s = (struct storing){r, bid};
    if (records_payload(r->records, bid, on_stored, s, &why) != 0) {
        log_error(r->log, "payload_not_stored", F_ERR(&why));
        free(s);
        return;
    }
    bid->storing = true;
    (void)bid_hold(bid);
}

void relay_settle(struct relay *r, struct auction *b) {
    struct bid *wanted;
    bool changed = auction_settle(&r->auctions, b, &wanted);
    if (wanted) store(r, wanted);
    if (changed) live_top(r->live, b);
}

void relay_mark(struct relay *r, struct bid *bid, enum records_mark mark) {
    struct error why;
    if (records_mark(r->records, bid, mark, NULL, NULL, &why) != 0) {
        log_error(r->log, "mark_not_stored", F_ERR(&why));
    }
}

bool relay_passes(const struct relay *r, enum simulation_result result, const char *text) {
    if (result != SIMULATION_INVALID) return result == SIMULATION_VALID;
    return r->values->ignore_known_blocks &&
           (strcmp(text, "simulation failed: block already known") == 0 ||
            strcmp(text, "simulation failed: block requires a reorg") == 0);
}

static void note_standing(void *context, struct builder *changed) {
    struct relay *r = context;
    struct error why;
    metric_inc(metrics_get(r->metrics, &relay_metric_table[RELAY_DEMOTIONS], NULL));
    if (records_builder(r->records, changed, NULL, NULL, &why) != 0) {
        log_error(r->log, "demotion_not_stored", F_ERR(&why));
    }
}

void relay_demote(struct relay *r, struct bid *bid, const char *reason) {
    struct builder *who = builders_find(&r->builders, &bid->trace.builder_pubkey);
    struct error why;
    log_error(r->log, "builder_demoted", F_HEX("builder", BYTES_OF(bid->trace.builder_pubkey)),
              F_U64("slot", bid->trace.slot), F_HEX("block", BYTES_OF(bid->trace.block_hash)),
              F_STR("reason", reason));
    bid->refused = true;
    relay_mark(r, bid, RECORDS_WITHDRAWN);
    if (who) builders_demote(&r->builders, who, note_standing, r);
    if (records_demotion(r->records, bid, reason, relay_now(r), &why) != 0) {
        log_error(r->log, "demotion_not_stored", F_ERR(&why));
    }
    struct auction *b = auctions_find(&r->auctions, bid->trace.slot, &bid->trace.parent_hash,
                                      &bid->trace.proposer_pubkey);
    if (!b) return;
    auction_remove(b, bid);
    relay_settle(r, b);
}

static int reload_one(struct relay *r, const struct records_payload_row *row, struct arena *a,
                      struct error *why) {
    struct submission s;
    struct bid *bid;
    struct auction *b;
    const struct submission_input in = {
        .body = row->body, .ssz = true, .version = bytes_from_str(consensus_fork_name(row->fork))};
    int code = row->header_only ? submission_decode_header(&s, &in, &r->network, a, why)
                                : submission_reload(&s, row->body, row->fork, &r->network, a, why);
    if (code == 0) code = bid_make(&bid, &s, &r->network, &r->signer, a, why);
    if (code != 0) return code;
    bid->stored = true;
    bid->cancellable = row->cancellable;
    bid->received_ns = row->received_ns;
    bid->sequence = row->sequence;
    code = auctions_open(&b, &r->auctions, &bid->trace, why);
    if (code == 0) code = auction_put(b, bid, why);
    if (code == 0) relay_settle(r, b);
    bid_release(bid);
    return code;
}

static int reload(void *context, const struct records_payload_row *row, struct error *why) {
    struct relay *r = context;
    struct arena a;
    arena_init(&a, SUBMISSION_ARENA_MAX);
    // One row that cannot be read keeps nobody from the others.
    if (reload_one(r, row, &a, why) != 0) log_warn(r->log, "stored_bid_refused", F_ERR(why));
    arena_free(&a);
    return 0;
}

int relay_reload_bids(struct relay *r, struct error *why) {
    uint64_t slot = network_slot_at(&r->network, relay_now(r));
    return records_each_payload(r->records, slot, reload, r, why);
}
