/* Building on a state of 200,000 accounts: orders simulated, candidates filled, and the way from a
 * new best order to a sealed, signed bid, with 200 and with 2,000 orders. One thread.
 *
 * Seven of ten orders call one of 60 tokens (four slots each, so that many get in each other's
 * way), the others send money. A block has 45 million gas, room for some 900 of them. Times are the
 * thread's own, so that a busy machine does not count.
 *
 * SPDX-License-Identifier: MIT */
#include "builder/algorithm.h"
#include "builder/seal.h"
#include "chain/play.h"
#include "test/harness/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FILLERS 200000u
#define TOKENS 60u
#define TOKEN_SLOTS 1000u
#define NEW_ORDERS 120u
#define MOST (2000u + NEW_ORDERS)
#define GAS_LIMIT 45000000u
#define GWEI UINT64_C(1000000000)

static struct play play;
static struct head *head;
static struct arena arena;
static struct build_order *orders[MOST];
static struct build_keys keys;
static const struct head_block *parent;
static struct produce_attributes attributes;

static void check(int r, const struct error *why) {
    if (r == 0) return;
    (void)fprintf(stderr, "bench: %s\n", why->text);
    exit(1);
}

static uint64_t cpu_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static void make_world(void) {
    struct error why;
    check(play_init(&play, 1, FORK_PRAGUE, &why), &why);
    check(play_enlarge(&play, FILLERS, TOKENS, TOKEN_SLOTS, &why), &why);
    play.genesis.header.gas_limit = GAS_LIMIT;
    const struct head_options options = {.genesis = &play.genesis};
    check(head_open(&head, &options, &why), &why);
    parent = head_latest(head);
}

/* Order i; the signature is nobody's: its sender is given, as the feed gives it. */
static void make_order(size_t i) {
    struct random_fast *dice = &play.dice;
    const struct build_context c = {1, BUILD_FROM_RPC, NULL};
    struct address sender = play_filler(i * 61 + 7);
    uint8_t data[4 * 32] = {0};
    struct error why;
    uint64_t tip = i >= 2000 ? 100 : 1 + random_fast_below(dice, 50); // new ones are the best
    struct tx t = {.type = TX_FEE_MARKET,
                   .has_to = true,
                   .protected = true,
                   .chain_id = 1,
                   .gas = 100000,
                   .max_fee = u256_from_u64(200 * GWEI),
                   .max_priority_fee = u256_from_u64(tip * GWEI + i)};
    if (random_fast_below(dice, 10) < 7) {
        t.to = play_token(random_fast_below(dice, TOKENS));
        for (size_t k = 0; k < 4; k++) {
            store_be64(data + 32 * k + 24, random_fast_below(dice, TOKEN_SLOTS));
        }
        t.data = bytes_make(data, sizeof data);
    } else {
        t.to = play_filler(random_fast_below(dice, FILLERS));
        t.value = U256_ONE;
    }
    check(tx_sign(&t, play.signer, &play.keys[0], &arena, &why), &why);
    struct address known = sender;
    check(build_order_of_tx(&orders[i], t.raw, &known, &c, &why), &why);
}

static void make_keys(void) {
    struct ecdsa_public_key public;
    struct error why;
    uint8_t secret[32] = {[31] = 9};
    keys.signer = play.signer;
    keys.coinbase = play.keys[1];
    check(ecdsa_public_key_of(keys.signer, &public, &keys.coinbase, &why), &why);
    keys.address = ecdsa_address(&public);
    check(bls_secret_key_load(&keys.relay, secret, &why), &why);
    bls_public_key_of(&keys.relay_pubkey, &keys.relay);
    attributes = (struct produce_attributes){.timestamp = parent->block.header.timestamp + 12,
                                             .fee_recipient = keys.address,
                                             .gas_limit = GAS_LIMIT};
}

/* A bench at work: one simulator, one builder. */
struct site {
    struct slot_work *work;
    struct producer *sim_producer, *producer;
    struct block_fill sim, fill;
    struct sealer sealer;
    struct algorithm *algorithm;
    struct plan plan;
};

static void open_site(struct site *s, bool checked) {
    struct error why;
    struct slot_work w = {.slot = 1,
                          .parent_hash = parent->hash,
                          .attributes = attributes,
                          .proposer = play_address(0xa0, 3),
                          .fork = CONSENSUS_ELECTRA};
    const struct algorithm_settings settings = {.kind = ALGORITHM_GAS_PRICE, .retries = 1};
    *s = (struct site){0};
    check(job_new(&w.job, (size_t)1 << 30, &why), &why);
    check(slot_work_new(&s->work, &w, &why), &why);
    check(producer_new(&s->sim_producer, head, NULL, &why), &why);
    check(producer_new(&s->producer, head, NULL, &why), &why);
    producer_expect_repeats(s->producer);
    check(algorithm_new(&s->algorithm, &settings, &why), &why);
    s->sealer.keys = &keys;
    if (checked) check(producer_new(&s->sealer.check, head, NULL, &why), &why);
    fill_init(&s->sim);
    fill_init(&s->fill);
    const struct fill_options options = {
        .payer = keys.address, .can_pay = true, .allow_skip = true};
    check(producer_begin(s->sim_producer, &parent->hash, &attributes, &why), &why);
    check(producer_begin(s->producer, &parent->hash, &attributes, &why), &why);
    check(fill_begin(&s->sim, producer_run(s->sim_producer), &options, job_effects(s->work->job),
                     &why),
          &why);
    check(
        fill_begin(&s->fill, producer_run(s->producer), &options, job_effects(s->work->job), &why),
        &why);
    check(sealer_begin(&s->sealer, s->work, &s->fill, &why), &why);
    s->fill.options.reserved_gas = s->sealer.payout_gas;
}

static void close_site(struct site *s) {
    fill_free(&s->sim);
    fill_free(&s->fill);
    plan_free(&s->plan);
    algorithm_free(s->algorithm);
    producer_free(s->sealer.check);
    sealer_free(&s->sealer);
    producer_free(s->sim_producer);
    producer_free(s->producer);
    slot_work_release(s->work);
}

static void add(struct site *s, size_t from, size_t to) {
    struct error why;
    for (size_t i = from; i < to; i++) {
        check(job_add(s->work->job, orders[i], bench_now_ns(), NULL, &why), &why);
    }
}

static void simulate(struct site *s) {
    const struct job_entry *e;
    struct error why;
    do {
        check(job_simulate(s->work->job, &s->sim, bench_now_ns(), &e, &why), &why);
    } while (e);
}

static void fill(struct site *s) {
    struct error why;
    check(job_plan(s->work->job, &s->plan, &why), &why);
    check(algorithm_run(s->algorithm, &s->fill, &s->plan, NULL, &why), &why);
}

static void extend(struct site *s) {
    struct error why;
    bool done;
    check(job_plan(s->work->job, &s->plan, &why), &why);
    check(algorithm_extend(s->algorithm, &s->fill, &s->plan, &done, &why), &why);
    if (!done) abort();
}

static int compare(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void emit(const char *what, size_t count, const char *quantile, double work,
                 const char *unit, double ns) {
    char name[96];
    (void)snprintf(name, sizeof name, "build_%s_%zu%s", what, count, quantile);
    bench_emit(name, work, unit, ns, 0);
}

static void emit_quantiles(const char *what, size_t count, uint64_t *ns, size_t n) {
    qsort(ns, n, sizeof *ns, compare);
    uint64_t half = ns[n / 2], most = ns[n * 99 / 100];
    emit(what, count, "_p50", 1, "bids", (double)half);
    emit(what, count, "_p99", 1, "bids", (double)most);
}

// A new best order after another: simulated, filled, sealed, signed.
static void new_orders(size_t count, bool checked) {
    static uint64_t whole[NEW_ORDERS], seal[NEW_ORDERS];
    struct site s;
    size_t n = 0;
    open_site(&s, checked);
    add(&s, 0, count);
    simulate(&s);
    fill(&s);
    for (size_t i = 0; i < NEW_ORDERS; i++) {
        struct built_block *built;
        const char *reason;
        struct error why;
        uint64_t begin = cpu_ns();
        add(&s, 2000 + i, 2000 + i + 1);
        simulate(&s);
        extend(&s);
        uint64_t filled = cpu_ns();
        check(seal_candidate(&s.sealer, s.producer, &s.fill, &built, &reason, &why), &why);
        uint64_t sealed = cpu_ns();
        if (!built) {
            (void)fprintf(stderr, "bench: no bid: %s\n", reason);
            exit(1);
        }
        if (i >= 5) { // the first ones find cold tries
            whole[n] = sealed - begin;
            seal[n++] = sealed - filled;
        }
        built_block_release(built);
        fill(&s); // as the builders do after their first answer
    }
    emit_quantiles(checked ? "new_order_to_checked_bid" : "new_order_to_bid", count, whole, n);
    if (!checked) emit_quantiles("finalize_and_sign", count, seal, n);
    close_site(&s);
}

static void fills(size_t count) {
    struct site s;
    struct error why;
    open_site(&s, false);
    uint64_t begin = cpu_ns();
    add(&s, 0, count);
    simulate(&s);
    emit("simulate_cold", count, "", (double)count, "orders", (double)(cpu_ns() - begin));
    begin = cpu_ns();
    for (size_t i = 0; i < count; i++) { // each alone, with its outcome known
        const struct commit_result *r;
        const struct job_entry *e = job_find(s.work->job, orders[i]);
        fill_restart(&s.sim);
        check(fill_step(&s.sim, &e->job, &U256_ZERO, &r, &why), &why);
    }
    emit("simulate_warm", count, "", (double)count, "orders", (double)(cpu_ns() - begin));
    fill(&s);
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < 20; round++) { // the whole block again, from nothing
        fill_restart(&s.fill);
        fill_end(&s.fill);
        begin = cpu_ns();
        fill(&s);
        uint64_t ns = cpu_ns() - begin;
        if (ns < best) best = ns;
    }
    emit("fill", count, "", (double)s.fill.tx_count, "txs", (double)best);
    close_site(&s);
}

int main(void) {
    static const size_t counts[] = {200, 2000};
    arena_init(&arena, 0);
    make_world();
    make_keys();
    for (size_t i = 0; i < MOST; i++) {
        make_order(i);
    }
    for (size_t i = 0; i < 2; i++) {
        fills(counts[i]);
        new_orders(counts[i], false);
        new_orders(counts[i], true);
    }
    for (size_t i = 0; i < MOST; i++) {
        build_order_release(orders[i]);
    }
    head_block_release(parent);
    head_close(head);
    play_free(&play);
    arena_free(&arena);
    return 0;
}
