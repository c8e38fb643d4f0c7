/* SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "base/hex.h"
#include "builder/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TICK_NS (250 * NS_PER_MS)
#define BACKLOG_TURN 1000u // orders that go into the job before the loop looks around

static uint64_t wall_now(void) {
    return clock_wall_ns(&clock_system);
}

/* The pool's orders go into the job by and by, so that the loop is not kept from anything else. */

static void hold_order(void *arg, const struct build_order *o) {
    struct app *a = arg;
    if (a->backlog_count == a->backlog_room) {
        size_t room = a->backlog_room ? 2 * a->backlog_room : 1024;
        const struct build_order **p = realloc(a->backlog, room * sizeof *p);
        if (!p) return; // those that do not fit come with the next slot
        a->backlog = p;
        a->backlog_room = room;
    }
    a->backlog[a->backlog_count++] = build_order_retain(o);
}

static void drop_backlog(struct app *a) {
    loop_timer_clear(a->loop, &a->backlog_turn);
    for (; a->backlog_at < a->backlog_count; a->backlog_at++) {
        build_order_release(a->backlog[a->backlog_at]);
    }
    a->backlog_at = a->backlog_count = 0;
}

static void add_backlog(struct app *a) {
    struct error why;
    for (unsigned i = 0; i < BACKLOG_TURN && a->backlog_at < a->backlog_count; i++) {
        const struct build_order *o = a->backlog[a->backlog_at++];
        int r = 0; // it may have been cancelled meanwhile
        if (order_pool_has(a->pool, o)) {
            r = job_add(a->work->job, o, clock_monotonic_ns(&clock_system), NULL, &why);
        }
        if (r != 0 && r != ERR_CONFLICT) log_warn(a->log, "order_not_added", F_ERR(&why));
        build_order_release(o);
    }
    crew_wake(a->builders);
    if (a->backlog_at == a->backlog_count) {
        drop_backlog(a);
    } else if (loop_timer_set(a->loop, &a->backlog_turn, loop_now_ns(a->loop), &why) != 0) {
        log_error(a->log, "timer_lost", F_ERR(&why));
    }
}

static void backlog_turn(struct loop_timer *t) {
    add_backlog((struct app *)(void *)((char *)t - offsetof(struct app, backlog_turn)));
}

/* The end of a slot. */

struct slot_end {
    struct app *a;
    const struct slot_work *work;
};

static void note_fate(void *arg, const struct job_entry *e) {
    const struct slot_end *end = arg;
    bool used = e->state == ENTRY_FAILED && e->sim.status == COMMIT_NONCE_LOW;
    if (e->cancelled || e->state == ENTRY_QUEUED || e->state == ENTRY_WAITING) {
        order_log_unsimulated(end->a->order_log, e, end->work->slot, end->work->parent_number + 1);
    }
    if (used) order_pool_drop(end->a->pool, e->job.order);
}

static void log_slot(struct app *a) {
    struct job_counts orders = job_counts_now(a->work->job);
    const struct slot_tally *t = &a->tally;
    log_info(a->log, "slot", F_U64("slot", a->work->slot),
             F_U64("block", a->work->parent_number + 1), F_U64("built", t->built),
             F_U64("submitted", t->submitted), F_U64("accepted", t->accepted),
             F_U64("refused", t->refused), F_U256("bid_wei", t->value),
             F_U256("true_value_wei", t->true_value), F_STR("builder", t->builder),
             F_U64("orders", t->orders), F_U64("txs", t->txs), F_U64("gas", t->gas),
             F_U64("ready", orders.ready), F_U64("failed", orders.failed),
             F_U64("waiting", orders.waiting), F_U64("cancelled", orders.cancelled));
}

static void end_work(struct app *a) {
    if (!a->work) return;
    loop_timer_clear(a->loop, &a->slot_end);
    drop_backlog(a);
    crew_end(a->builders);
    for (size_t i = 0; i < a->relay_count; i++) {
        relay_link_drop(a->relays[i]);
    }
    log_slot(a);
    built_block_release(a->newest);
    a->newest = NULL;
    struct slot_work *work = a->work;
    a->work = NULL; // what the pool drops now is no job's any more
    struct slot_end end = {a, work};
    job_each(work->job, note_fate, &end);
    slot_work_release(work);
}

static void slot_over(struct loop_timer *t) {
    end_work((struct app *)(void *)((char *)t - offsetof(struct app, slot_end)));
}

/* The beginning. */

static const struct relay_duty *duty_of(struct app *a, uint64_t slot) {
    const struct relay_duty *first = NULL;
    for (size_t i = 0; i < a->relay_count; i++) {
        const struct relay_duty *d = relay_link_duty(a->relays[i], slot);
        if (d && !first) first = d; // they stand by priority
    }
    return first;
}

static bool asked_to_win(const struct app *a, uint64_t block) {
    for (size_t i = 0; i < sizeof a->must_win / sizeof *a->must_win; i++) {
        if (a->must_win[i] == block) return true;
    }
    return false;
}

static void set_times(const struct app *a, struct slot_work *w) {
    const struct builder_values *v = &a->values;
    uint64_t after = v->bids_after_ns ? v->bids_after_ns : v->slot_ns / 3;
    w->bids_until_ns = w->slot_start_ns + after;
    w->bids_from_ns = v->bids_before_ns ? w->slot_start_ns - v->bids_before_ns : 0;
}

// All of it while nobody would know after a restart: bids that cost nothing may leave.
static struct u256 spent_day(struct app *a) {
    struct error why;
    if (own_funds_retry(&a->own_funds, &why) == 0) return own_funds_day(&a->own_funds, wall_now());
    log_error(a->log, "own_funds_not_kept", F_ERR(&why));
    return U256_MAX;
}

static int make_work(struct app *a, const struct slot_attributes *s, const struct relay_duty *d,
                     const struct head_block *parent, struct error *why) {
    struct slot_work w = {
        .slot = s->slot,
        .slot_start_ns = s->start_ns,
        .virtual_clock = s->virtual_clock,
        .parent_hash = s->parent_hash,
        .parent_number = parent->block.header.number,
        .attributes = {.timestamp = s->timestamp,
                       .prev_randao = s->prev_randao,
                       .fee_recipient = a->setup.keys.address,
                       .withdrawals = s->withdrawals,
                       .withdrawal_count = s->withdrawal_count,
                       .parent_beacon_root = s->parent_beacon_root,
                       .gas_limit = d->gas_limit,
                       .extra_data = bytes_from_str(a->values.extra_data)},
        .proposer = d->fee_recipient,
        .proposer_pubkey = d->pubkey,
        .listed = a->listed,
        .must_win = asked_to_win(a, parent->block.header.number + 1),
        .halted = !a->enabled,
        .spent_day = spent_day(a),
    };
    enum fork fork = chain_fork_at(&a->genesis.config, w.parent_number + 1, s->timestamp, true);
    int consensus = consensus_fork_of((int)fork);
    if (consensus < 0) return error_set(why, ERR_UNSUPPORTED, "a fork without payloads");
    w.fork = (enum consensus_fork)consensus;
    set_times(a, &w);
    int r = job_new(&w.job, (size_t)a->values.effects_bytes, why);
    if (r == 0) job_check_blobs(w.job, a->kzg);
    if (r == 0) r = slot_work_new(&a->work, &w, why);
    if (r != 0) job_free(w.job);
    return r;
}

static int begin_work(struct app *a, const struct slot_attributes *s, const struct relay_duty *d,
                      const struct head_block *parent, struct error *why) {
    end_work(a);
    bid_book_forget(&a->bids, s->slot); // they hold their slots' orders
    int r = make_work(a, s, d, parent, why);
    if (r != 0) return r;
    struct slot_work *w = a->work;
    a->tally = (struct slot_tally){0};
    a->last_begun_ns = loop_now_ns(a->loop);
    crew_begin(a->builders, w); // an empty block is bid before all orders are there
    order_pool_each(a->pool, w->parent_number + 1, hold_order, a);
    add_backlog(a);
    telemetry_slot(&a->telemetry);
    uint64_t now = wall_now();
    uint64_t left = w->bids_until_ns > now ? w->bids_until_ns - now : 0;
    log_debug(a->log, "slot_begun", F_U64("slot", s->slot), F_U64("block", w->parent_number + 1),
              F_DURATION("left", left));
    return loop_timer_set(a->loop, &a->slot_end, loop_now_ns(a->loop) + left, why);
}

static bool is_at_hand(const struct app *a, const struct slot_attributes *s) {
    const struct slot_work *w = a->work;
    return w && w->slot == s->slot && hash_equal(&w->parent_hash, &s->parent_hash) &&
           hash_equal(&w->attributes.prev_randao, &s->prev_randao) &&
           w->attributes.timestamp == s->timestamp;
}

static void pass_over(struct app *a, struct kept_attributes *k, const char *reason) {
    k->used = true;
    log_info(a->log, "slot_passed_over", F_U64("slot", k->a.slot), F_STR("reason", reason));
}

// Begins with attributes when all that is needed is there.
static void try_begin(struct app *a, struct kept_attributes *k) {
    const struct head_block *parent;
    struct error why;
    if (k->used || !k->taken || a->stopping || is_at_hand(a, &k->a)) return;
    uint64_t after = a->values.bids_after_ns ? a->values.bids_after_ns : a->values.slot_ns / 3;
    if (wall_now() >= k->a.start_ns + after) {
        k->used = true;
        return;
    }
    const struct relay_duty *d = duty_of(a, k->a.slot);
    if (!d) return;
    if (block_list_has(a->listed, &d->fee_recipient)) {
        pass_over(a, k, "the proposer's fee recipient is on the block list");
        return;
    }
    if (head_block_by_hash(a->head, &parent, &k->a.parent_hash, NULL) != 0) return;
    k->used = true;
    int r = begin_work(a, &k->a, d, parent, &why);
    head_block_release(parent);
    if (r != 0) log_error(a->log, "slot_failed", F_U64("slot", k->a.slot), F_ERR(&why));
}

// Newest attributes first: those of a head that was left are of no use.
static void try_all(struct app *a) {
    for (size_t i = 0; i < ATTRIBUTES_KEPT; i++) {
        size_t at = (a->attributes_at + ATTRIBUTES_KEPT - 1 - i) % ATTRIBUTES_KEPT;
        struct kept_attributes *k = &a->attributes[at];
        bool older = a->work && k->a.slot < a->work->slot;
        if (!older) try_begin(a, k);
        if (k->taken && k->used && k->a.slot == (a->work ? a->work->slot : 0)) break;
    }
}

static bool same_attributes(const struct slot_attributes *x, const struct slot_attributes *y) {
    return x->slot == y->slot && x->timestamp == y->timestamp && x->start_ns == y->start_ns &&
           hash_equal(&x->parent_hash, &y->parent_hash) &&
           hash_equal(&x->prev_randao, &y->prev_randao) &&
           x->withdrawal_count == y->withdrawal_count;
}

void build_slots_attributes(void *app, const struct slot_attributes *s) {
    struct app *a = app;
    for (size_t i = 0; i < ATTRIBUTES_KEPT; i++) {
        if (a->attributes[i].taken && same_attributes(&a->attributes[i].a, s)) return;
    }
    struct kept_attributes *k = &a->attributes[a->attributes_at];
    a->attributes_at = (a->attributes_at + 1) % ATTRIBUTES_KEPT;
    arena_reset(&k->memory);
    size_t bytes = s->withdrawal_count * sizeof(struct withdrawal);
    struct bytes list = arena_copy(&k->memory, bytes_make(s->withdrawals, bytes));
    k->taken = !bytes || list.p;
    k->used = k->refused_logged = false;
    k->a = *s;
    k->a.withdrawals = (const struct withdrawal *)(const void *)list.p;
    try_begin(a, k);
}

/* The line of a head, from block to block. */
struct line {
    struct app *a;
    const struct head_block *at; // held
};

static const struct head_block *parent_of(void *line, const struct head_block *b) {
    struct line *l = line;
    const struct head_block *parent = NULL;
    if (head_block_by_hash(l->a->head, &parent, &b->block.header.parent_hash, NULL) != 0) {
        parent = NULL;
    }
    head_block_release(l->at);
    l->at = parent;
    return parent;
}

static void note_spent(struct app *a, uint64_t timestamp, struct u256 wei) {
    struct error why;
    if (own_funds_landed(&a->own_funds, timestamp, wei, wall_now(), &why) != 0) {
        log_error(a->log, "own_funds_not_kept", F_ERR(&why));
    }
}

// A block of ours is in the chain: what it cost is spent.
static void note_landed(void *line, const struct kept_bid *bid) {
    struct app *a = ((struct line *)line)->a;
    const struct landed_block *b = &bid->landed;
    note_spent(a, b->timestamp, b->own);
    telemetry_landed(&a->telemetry, b->own);
    log_info(a->log, "block_landed", F_U64("block", b->number), F_HEX("hash", BYTES_OF(b->hash)),
             F_U256("bid_wei", b->bid), F_U256("own_wei", b->own));
    order_log_landed(a->order_log, b->slot, b->number, bid->included, bid->orders);
    if (a->accounts) accounts_landed(a->accounts, bid->work, b, bid->included, bid->orders);
}

// What became of bids that the book does not know: those of an earlier process.
static void settle_bids(struct app *a, const struct header *h, uint64_t depth) {
    struct own_funds *f = &a->own_funds;
    for (size_t i = f->bid_count; i-- > 0;) {
        const struct own_funds_bid bid = f->bids[i];
        if (bid.number != h->number) continue;
        bool ours = address_equal(&h->coinbase, &a->setup.keys.address);
        if (ours && h->timestamp == bid.timestamp) {
            note_spent(a, bid.timestamp, bid.wei);
        } else if (depth >= BID_SLOTS_KEPT) {
            own_funds_lost(f, bid.timestamp);
        }
    }
}

static void settle_line(struct app *a, const struct head_block *newest) {
    struct line line = {a, head_block_retain(newest)};
    const struct head_block *at = newest;
    for (uint64_t depth = 0; at && a->own_funds.bid_count && depth < BID_DEPTH_MAX; depth++) {
        settle_bids(a, &at->block.header, depth);
        at = parent_of(&line, at);
    }
    head_block_release(line.at);
}

void build_slots_head(void *app) {
    struct app *a = app;
    const struct head_block *b = head_latest(a->head);
    uint64_t number = b->block.header.number;
    struct line line = {a, head_block_retain(b)};
    bid_book_landed(&a->bids, b, &(struct bid_book_calls){parent_of, note_landed, &line});
    head_block_release(line.at);
    settle_line(a, b);
    head_block_release(b);
    if (a->work && number > a->work->parent_number) end_work(a); // its height is taken
    order_pool_head(a->pool, number, loop_now_ns(a->loop));
    telemetry_block(&a->telemetry, number);
    try_all(a);
}

/* Built blocks. */

static void keep_bid(struct app *a, const struct built_block *b) {
    const struct landed_block landed = {
        .number = b->produced.header.number,
        .slot = b->work->slot,
        .timestamp = b->produced.header.timestamp,
        .hash = b->produced.hash,
        .parent_hash = b->work->parent_hash,
        .proposer = b->work->proposer,
        .coinbase = a->setup.keys.address,
        .bid = b->value,
        .true_value = b->true_value,
        .own = b->own,
        .builder = b->builder,
    };
    struct error why;
    if (!u256_is_zero(b->own)) telemetry_subsidy(&a->telemetry, b->own);
    if (bid_book_add(&a->bids, &landed, b->work, b->included, b->orders, &why) != 0) {
        log_error(a->log, "bid_not_kept", F_HEX("hash", BYTES_OF(b->produced.hash)), F_ERR(&why));
    }
}

static void log_built(struct app *a, const struct built_block *b) {
    log_info(a->log, "block_built", F_U64("slot", b->work->slot),
             F_U64("block", b->produced.header.number), F_HEX("hash", BYTES_OF(b->produced.hash)),
             F_STR("builder", b->builder), F_U256("bid_wei", b->value),
             F_U256("true_value_wei", b->true_value), F_U64("orders", b->orders),
             F_U64("txs", b->txs), F_U64("gas", b->gas), F_DURATION("fill", b->fill_ns),
             F_DURATION("seal", b->seal_ns), F_DURATION("outcome", b->produced.times.outcome_ns),
             F_DURATION("root", b->produced.times.root_ns),
             F_DURATION("header", b->produced.times.header_ns), F_DURATION("check", b->check_ns),
             F_U64("checked", b->checked), F_DURATION("sign", b->sign_ns));
}

static void submit_to(struct app *a, struct relay_link *r, struct built_block *b) {
    const struct relay_duty *d = relay_link_duty(r, b->work->slot);
    bool agrees = d && address_equal(&d->fee_recipient, &b->work->proposer) &&
                  memcmp(&d->pubkey, &b->work->proposer_pubkey, sizeof d->pubkey) == 0;
    if (!agrees || !relay_link_settings(r)->submits) return;
    relay_link_submit(r, b);
    telemetry_submitted(&a->telemetry, relay_link_settings(r)->optimistic);
    a->tally.submitted++;
}

// What the bid may cost is on disk before it leaves: it may land when we are gone.
static bool own_funds_hold(struct app *a, const struct built_block *b) {
    const struct header *h = &b->produced.header;
    struct error why;
    int r = own_funds_bid_leaves(&a->own_funds, h->timestamp, h->number, b->own, wall_now(), &why);
    if (r != 0) log_error(a->log, "own_funds_not_kept", F_ERR(&why));
    return r == 0;
}

static void submit(struct app *a, struct built_block *b) {
    // Another builder's better block was sealed faster; with cancellations this one would replace
    // it.
    if (a->newest && !slot_work_beats(a->work, &b->offer, &a->newest->offer)) return;
    if (!own_funds_hold(a, b)) return;
    built_block_release(a->newest);
    a->newest = built_block_retain(b);
    for (size_t i = 0; i < a->relay_count; i++) {
        submit_to(a, a->relays[i], b);
    }
}

void build_slots_duties(void *app, struct relay_link *r) {
    struct app *a = app;
    try_all(a);
    // Another relay may have told earlier whose slot it is: what was built goes to this one as
    // well.
    if (a->newest && a->enabled && !relay_link_offered(r, a->newest)) {
        submit_to(a, r, a->newest);
    }
}

static void take_built(void *arg) {
    struct built_block *b = arg;
    struct app *a = b->app;
    bool late = !a->work || b->work != a->work || wall_now() >= b->work->bids_until_ns;
    if (!late && !a->stopping) {
        a->tally.built++;
        a->tally.value = b->value;
        a->tally.true_value = b->true_value;
        a->tally.orders = b->orders;
        a->tally.txs = b->txs;
        a->tally.gas = b->gas;
        a->tally.builder = b->builder;
        log_built(a, b);
        telemetry_built(&a->telemetry, b);
        keep_bid(a, b);
        if (!a->values.dry_run && a->enabled) {
            order_log_bid(a->order_log, b, clock_wall_ns(&clock_system));
        }
        if (!a->values.dry_run && a->enabled) submit(a, b);
    }
    built_block_release(b);
}

void build_slots_built(void *app, struct built_block *b) {
    struct app *a = app;
    b->app = a;
    if (loop_post(a->loop, take_built, b) != 0) built_block_release(b);
}

// What a relay found invalid is kept for whoever looks into it.
static void keep_refused(struct app *a, const struct built_block *b) {
    const char *folder = a->values.error_folder;
    char path[4096], hash[65] = "";
    struct error why;
    if (!folder || !*folder) return;
    hex_encode(hash, BYTES_OF(b->produced.hash));
    (void)snprintf(path, sizeof path, "%s/%llu-0x%s.rlp", folder, (unsigned long long)b->work->slot,
                   hash);
    if (file_write_atomic(path, b->produced.rlp, NULL, &why) != 0) {
        log_warn(a->log, "refused_block_not_kept", F_ERR(&why));
    }
}

void build_slots_answered(void *app, struct relay_link *r, const struct built_block *b,
                          enum relay_answer answer, struct bytes text, uint64_t took_ns) {
    struct app *a = app;
    const struct relay_settings *s = relay_link_settings(r);
    bool at_hand = a->work == b->work;
    struct bytes shown = bytes_slice(text, 0, 256);
    telemetry_answered(&a->telemetry, s->name, s->optimistic, answer, took_ns);
    if (at_hand && answer == RELAY_ACCEPTED) a->tally.accepted++;
    bool bad = answer == RELAY_REFUSED || answer == RELAY_BLOCK_INVALID ||
               answer == RELAY_OWN_FAULT || answer == RELAY_CONNECTION ||
               answer == RELAY_RATE_LIMITED;
    if (at_hand && bad) a->tally.refused++;
    if (answer == RELAY_BLOCK_INVALID) {
        log_error(a->log, "relay_says_invalid", F_STR("relay", s->name),
                  F_HEX("hash", BYTES_OF(b->produced.hash)), F_BYTES("text", shown));
        keep_refused(a, b);
    } else if (bad) {
        log_warn(a->log, "bid_refused", F_STR("relay", s->name),
                 F_STR("class", relay_answer_name(answer)), F_BYTES("text", shown));
    } else {
        log_debug(a->log, "bid_answered", F_STR("relay", s->name),
                  F_STR("class", relay_answer_name(answer)), F_DURATION("took", took_ns));
    }
}

/* The auction. */

static bool is_own_key(const struct app *a, const struct bytes48 *key) {
    const struct build_keys *k = &a->setup.keys;
    return memcmp(key, &k->relay_pubkey, sizeof *key) == 0 ||
           (k->has_optimistic && memcmp(key, &k->optimistic_pubkey, sizeof *key) == 0);
}

void build_slots_best_bid(struct app *a, const struct top_bid *bid) {
    struct slot_work *w = a->work;
    if (!w || bid->slot != w->slot || !hash_equal(&bid->parent_hash, &w->parent_hash)) return;
    if (is_own_key(a, &bid->builder_pubkey)) return;
    if (slot_work_note_best(w, bid->value)) crew_wake(a->builders);
}

void build_slots_must_win(struct app *a, uint64_t block) {
    a->must_win[a->must_win_at] = block;
    a->must_win_at = (a->must_win_at + 1) % (sizeof a->must_win / sizeof *a->must_win);
    if (!a->work || a->work->parent_number + 1 != block) return;
    slot_work_must_win(a->work);
    crew_wake(a->builders);
}

/* Now and then: the enable file, gauges, the day's own funds. */

static void check_enabled(struct app *a) {
    const char *file = a->values.enable_file;
    bool enabled = !file || !*file || access(file, F_OK) == 0;
    uint64_t age = a->values.block_list_age_ns;
    if (a->block_source && !a->listed) enabled = false; // it has not come yet
    if (age && a->listed_at_ns && wall_now() > a->listed_at_ns + age) enabled = false;
    if (enabled == a->enabled) return;
    a->enabled = enabled;
    log_info(a->log, enabled ? "bidding_enabled" : "bidding_disabled");
    if (a->work) slot_work_halt(a->work, !enabled);
    crew_wake(a->builders);
}

static void on_tick(struct loop_timer *t) {
    struct app *a = (struct app *)(void *)((char *)t - offsetof(struct app, tick));
    struct order_pool_counts c = order_pool_counts_now(a->pool);
    struct error why;
    app_take_block_list(a);
    check_enabled(a);
    telemetry_pool(&a->telemetry, c.txs, c.bundles);
    if (!a->work) try_all(a); // a relay may have learnt meanwhile whose slot it is
    if (a->state) {
        struct remote_counts counts;
        remote_state_count(a->state->state, &counts);
        telemetry_state(&a->telemetry, &counts);
    }
    if (loop_timer_set(a->loop, &a->tick, loop_now_ns(a->loop) + TICK_NS, &why) != 0) {
        log_error(a->log, "timer_lost", F_ERR(&why));
    }
}

int build_slots_start(struct app *a, struct error *why) {
    a->slot_end.fire = slot_over;
    a->tick.fire = on_tick;
    a->backlog_turn.fire = backlog_turn;
    a->enabled = true;
    for (size_t i = 0; i < ATTRIBUTES_KEPT; i++) {
        arena_init(&a->attributes[i].memory, 0);
    }
    int r = own_funds_open(&a->own_funds, a->values.data_folder, why);
    return r == 0 ? loop_timer_set(a->loop, &a->tick, loop_now_ns(a->loop), why) : r;
}

void build_slots_stop(struct app *a) {
    a->stopping = true;
    if (a->work) end_work(a);
    if (a->loop && a->tick.fire) loop_timer_clear(a->loop, &a->tick);
    for (size_t i = 0; i < ATTRIBUTES_KEPT; i++) {
        arena_free(&a->attributes[i].memory);
    }
    bid_book_forget(&a->bids, UINT64_MAX);
    own_funds_close(&a->own_funds);
    free(a->backlog);
    a->backlog = NULL;
    a->backlog_room = 0;
}
