/* The algorithms against the optimum, which is found by trying everything; and that they repeat.
 * SPDX-License-Identifier: MIT */
#include "builder/testing.h"

#include "test/harness/test.h"

#include <stdio.h>

static struct u256 run_algorithm(struct world *w, enum algorithm_kind kind, unsigned refine,
                                 const char **ret_block) {
    struct algorithm_settings settings = {.kind = kind, .retries = 1, .seed = 7};
    struct algorithm *a;
    struct plan plan = {0};
    struct error why;
    CHECK_OK(algorithm_new(&a, &settings, &why), &why);
    CHECK_OK(job_plan(w->job, &plan, &why), &why);
    CHECK_OK(algorithm_run(a, &w->fill, &plan, NULL, &why), &why);
    if (refine) CHECK_OK(algorithm_refine(a, &w->fill, &plan, refine, NULL, &why), &why);
    world_verify(w, &w->fill);
    struct u256 profit = fill_profit(&w->fill);
    *ret_block = world_describe(w, &w->fill);
    plan_free(&plan);
    algorithm_free(a);
    return profit;
}

static struct u256 optimum(struct world *w) {
    const struct job_entry *orders[8];
    struct plan plan = {0};
    struct sequence best = {0};
    struct u256 profit;
    struct error why;
    CHECK_OK(job_plan(w->job, &plan, &why), &why);
    CHECK(plan.count <= 8);
    for (size_t i = 0; i < plan.count; i++) {
        orders[i] = plan.orders[i].entry;
    }
    CHECK_OK(exact_run(&best, &profit, &w->fill, orders, plan.count, NULL, &why), &why);
    CHECK_OK(sequence_run(&w->fill, &best, NULL, &why), &why);
    CHECK(u256_equal(fill_profit(&w->fill), profit));
    sequence_free(&best);
    plan_free(&plan);
    return profit;
}

/* A small case: orders that get in each other's way, drawn by a seed. */
static void random_case(struct world *w, uint64_t seed) {
    struct random_fast dice;
    random_fast_seed(&dice, seed);
    world_begin(w);
    memset(w->nonces, 0, sizeof w->nonces);
    for (int i = 0; i < 6; i++) {
        char c = (char)('a' + i);
        char text[128];
        unsigned n = 1 + (unsigned)random_fast_below(&dice, 50);
        unsigned m = 1 + (unsigned)random_fast_below(&dice, 50);
        switch (random_fast_below(&dice, 8)) {
        case 0:
            (void)snprintf(text, sizeof text, "bundle %c.once:%u", c, n);
            break;
        case 1:
            (void)snprintf(text, sizeof text, "bundle %c.set %c.back:%u", c, c, n);
            break;
        case 2:
            (void)snprintf(text, sizeof text, "bundle %c.back:%u %c.pay:%u rev=1", c, n, c, m);
            break;
        case 3:
            (void)snprintf(text, sizeof text, "tx %c.pay:%u", c, n);
            break;
        case 4:
            (void)snprintf(text, sizeof text, "bundle %c.once:%u %c.pay:%u drop=1", c, n, c, m);
            break;
        case 5:
            (void)snprintf(text, sizeof text, "bundle %c.pay:%u x.pay:%u@0", c, n, m);
            break;
        default: // it keeps two others out, which may be worth more together
            (void)snprintf(text, sizeof text, "bundle %c.once:%u x.pay:%u@0", c, n, m);
        }
        (void)world_add(w, text);
    }
    world_simulate(w);
}

/* Orders that ask for more gas than they take, and a block in which not all of them fit. */
static void tight_case(struct world *w, uint64_t seed) {
    struct random_fast dice;
    random_fast_seed(&dice, seed);
    world_begin(w);
    memset(w->nonces, 0, sizeof w->nonces);
    for (int i = 0; i < 6; i++) {
        char c = (char)('a' + i), text[128];
        (void)snprintf(text, sizeof text, "bundle %c.pay:%u %c.gas:%u", c,
                       1 + (unsigned)random_fast_below(&dice, 50), c,
                       30 + (unsigned)random_fast_below(&dice, 300));
        (void)world_add(w, text);
    }
    world_simulate(w);
}

static double ratio(struct u256 a, struct u256 b) {
    return u256_is_zero(b) ? 1
                           : ((double)a.w[0] + (double)a.w[1] * 0x1p64) /
                                 ((double)b.w[0] + (double)b.w[1] * 0x1p64);
}

enum { GREEDY, GREEDY_REFINED, MERGED, MERGED_REFINED, WAYS };

/* What each way reaches of the optimum, on average. */
static void share_of_optimum(double ret[WAYS], const char *name,
                             void (*draw)(struct world *w, uint64_t seed), uint64_t gas_limit) {
    struct world w;
    const int cases = 40;
    const char *block;
    double sum[WAYS] = {0};
    world_init(&w);
    if (gas_limit) w.scene.env.gas_limit = gas_limit;
    for (int i = 0; i < cases; i++) {
        draw(&w, (uint64_t)i);
        struct u256 best = optimum(&w);
        for (int way = 0; way < WAYS; way++) {
            struct u256 got =
                run_algorithm(&w, way < MERGED ? ALGORITHM_MAX_PROFIT : ALGORITHM_MERGE,
                              way == GREEDY || way == MERGED ? 0 : 300, &block);
            CHECK(u256_compare(got, best) <= 0);
            sum[way] += ratio(got, best);
        }
    }
    for (int way = 0; way < WAYS; way++) {
        ret[way] = sum[way] / cases;
    }
    printf("%s, %d cases, of the optimum: greedy %.4f, refined %.4f; merging %.4f, refined %.4f\n",
           name, cases, ret[GREEDY], ret[GREEDY_REFINED], ret[MERGED], ret[MERGED_REFINED]);
    world_free(&w);
}

TEST(the_optimum_is_nearly_reached) {
    double of[WAYS];
    share_of_optimum(of, "orders in each other's way", random_case, 0);
    CHECK(of[GREEDY] >= 0.80 && of[GREEDY_REFINED] >= 0.995);
    CHECK(of[MERGED] >= 0.995 && of[MERGED_REFINED] >= 0.995);
}

TEST(the_optimum_is_nearly_reached_where_not_all_fit) {
    double of[WAYS];
    share_of_optimum(of, "not all fit", tight_case, 400000);
    CHECK(of[GREEDY] >= 0.80 && of[GREEDY_REFINED] >= 0.995);
    CHECK(of[MERGED] >= 0.80 && of[MERGED_REFINED] >= 0.995);
}

TEST(the_same_seed_gives_the_same_block) {
    const char *first, *second;
    struct world w;
    world_init(&w);
    for (int kind = 0; kind < ALGORITHM_KIND_COUNT; kind++) {
        random_case(&w, 3);
        (void)run_algorithm(&w, (enum algorithm_kind)kind, 50, &first);
        random_case(&w, 3);
        (void)run_algorithm(&w, (enum algorithm_kind)kind, 50, &second);
        CHECK_STR(second, first);
    }
    world_free(&w);
}

TEST(types_and_lengths_come_first) {
    const char *block;
    struct world w;
    world_init(&w);
    world_begin(&w);
    (void)world_add(&w, "tx a.pay:9");
    (void)world_add(&w, "bundle b.pay:3");
    (void)world_add(&w, "bundle c.pay:1 d.tip e.tip");
    world_simulate(&w);
    (void)run_algorithm(&w, ALGORITHM_MAX_PROFIT, 0, &block);
    CHECK_STR(block, "a0 b0 c0 d0 e0");
    (void)run_algorithm(&w, ALGORITHM_TYPE_MAX_PROFIT, 0, &block);
    CHECK_STR(block, "b0 c0 d0 e0 a0");
    (void)run_algorithm(&w, ALGORITHM_LENGTH_MAX_PROFIT, 0, &block);
    CHECK_STR(block, "c0 d0 e0 a0 b0");
    (void)run_algorithm(&w, ALGORITHM_LENGTH_GAS_PRICE, 0, &block);
    CHECK_STR(block, "c0 d0 e0 a0 b0");
    (void)run_algorithm(&w, ALGORITHM_GAS_PRICE, 0, &block);
    CHECK_STR(block, "a0 b0 c0 d0 e0");
    world_free(&w);
}

TEST(news_are_answered_before_all_is_looked_at_again) {
    const struct algorithm_settings settings = {.kind = ALGORITHM_MAX_PROFIT, .retries = 1};
    struct algorithm *a;
    struct plan plan = {0};
    struct world w;
    struct error why;
    bool done;
    world_init(&w);
    w.scene.env.gas_limit = 330000; // room for three calls with a limit of 100,000
    world_begin(&w);
    (void)world_add(&w, "bundle a.pay:9");
    (void)world_add(&w, "bundle b.pay:5");
    (void)world_add(&w, "bundle c.pay:1 c.gas:210");
    world_simulate(&w);
    CHECK_OK(algorithm_new(&a, &settings, &why), &why);
    CHECK_OK(job_plan(w.job, &plan, &why), &why);
    CHECK_OK(algorithm_extend(a, &w.fill, &plan, &done, &why), &why);
    CHECK(!done); // there is no candidate yet
    CHECK_OK(algorithm_run(a, &w.fill, &plan, NULL, &why), &why);
    CHECK_STR(world_describe(&w, &w.fill), "a0 b0 c0 c1");
    (void)world_add(&w, "bundle d.pay:7 d.gas:150");
    world_simulate(&w);
    CHECK_OK(job_plan(w.job, &plan, &why), &why);
    CHECK_OK(algorithm_extend(a, &w.fill, &plan, &done, &why), &why);
    CHECK(done);
    CHECK_STR(world_describe(&w, &w.fill), "a0 b0 d0 d1"); // in place of what pays least
    world_verify(&w, &w.fill);
    CHECK_OK(algorithm_run(a, &w.fill, &plan, NULL, &why), &why);
    CHECK_STR(world_describe(&w, &w.fill), "a0 d0 d1 b0");
    for (int i = 0; i < 5; i++) {
        (void)world_add(&w, "bundle e.tip");
    }
    world_simulate(&w);
    CHECK_OK(job_plan(w.job, &plan, &why), &why);
    CHECK_OK(algorithm_extend(a, &w.fill, &plan, &done, &why), &why);
    CHECK(!done); // too much is new
    plan_free(&plan);
    algorithm_free(a);
    world_free(&w);
}

TEST(long_rows_of_nonces_are_merged) {
    const char *block;
    struct world w;
    world_init(&w);
    world_begin(&w);
    for (int i = 99; i >= 0; i--) { // the last one comes first, and pays most
        char text[32];
        (void)snprintf(text, sizeof text, "tx a.pay:%d@%d", i + 1, i);
        (void)world_add(&w, text);
    }
    world_simulate(&w);
    struct u256 profit = run_algorithm(&w, ALGORITHM_MERGE, 0, &block);
    CHECK(u256_equal(profit, world_finney(5050)));
    profit = run_algorithm(&w, ALGORITHM_MAX_PROFIT, 0, &block);
    CHECK(u256_equal(profit, world_finney(5050)));
    world_free(&w);
}

TEST(cancelled_orders_leave_every_plan) {
    const char *block;
    struct world w;
    world_init(&w);
    world_begin(&w);
    const struct job_entry *a = world_add(&w, "tx a.pay:9");
    (void)world_add(&w, "bundle b.pay:3");
    world_simulate(&w);
    uint64_t version = job_version(w.job);
    (void)run_algorithm(&w, ALGORITHM_MERGE, 0, &block);
    CHECK_STR(block, "a0 b0");
    CHECK(job_cancel(w.job, a->job.order));
    CHECK(!job_cancel(w.job, a->job.order));
    CHECK(job_version(w.job) > version);
    (void)run_algorithm(&w, ALGORITHM_MERGE, 0, &block);
    CHECK_STR(block, "b0");
    (void)run_algorithm(&w, ALGORITHM_MAX_PROFIT, 0, &block);
    CHECK_STR(block, "b0");
    world_free(&w);
}

/* Adds, simulates and takes out again, as a worker and the pool do. */
static const struct job_entry *try_and_cancel(struct world *w, const char *text) {
    const struct job_entry *e = world_add(w, text), *done;
    struct error why;
    do {
        CHECK_OK(job_simulate(w->job, &w->sim, 0, &done, &why), &why);
        if (done) job_let_go(w->job, done);
    } while (done);
    CHECK(job_cancel(w->job, e->job.order));
    return e;
}

TEST(a_flood_does_not_close_a_job) {
    struct world w;
    struct plan plan = {0};
    struct error why;
    char text[64];
    world_init(&w);
    world_begin(&w);
    job_limit(w.job, 16);
    // One that a plan showed, though it is cancelled, and one that another stands on.
    const struct job_entry *shown = world_add(&w, "bundle a.pay:7@0");
    world_simulate(&w);
    CHECK_OK(job_plan(w.job, &plan, &why), &why);
    CHECK_U64(plan.count, 1);
    CHECK(job_cancel(w.job, shown->job.order));
    const struct job_entry *parent = world_add(&w, "bundle b.pay:7@0");
    const struct job_entry *child = world_add(&w, "bundle b.pay:7@1");
    world_simulate(&w);
    CHECK(child->state == ENTRY_READY && child->parent_count == 1);
    job_let_go(w.job, shown);
    job_let_go(w.job, parent);
    CHECK(job_cancel(w.job, parent->job.order));
    for (unsigned i = 0; i < 300; i++) {
        // Good ones, some that fail, and some that wait for a nonce.
        (void)snprintf(text, sizeof text, "bundle %s:%u@%u", i % 3 ? "c.pay" : "c.revert", i + 1,
                       i % 7 == 0 ? 5 : 0);
        (void)try_and_cancel(&w, text);
    }
    CHECK(job_find(w.job, shown->job.order) == shown);
    CHECK(job_find(w.job, parent->job.order) == parent);
    CHECK_U64(job_counts_now(w.job).cancelled, 302);
    // What is forgotten brings nobody's nonce, and may come again.
    const struct job_entry *late = world_add(&w, "bundle c.pay:9@1");
    world_simulate(&w);
    CHECK_U64(late->state, ENTRY_WAITING);
    world_add(&w, "bundle c.pay:2@0");
    world_simulate(&w);
    CHECK_U64(late->state, ENTRY_READY);
    CHECK_OK(job_plan(w.job, &plan, &why), &why);
    CHECK_U64(plan.count, 3);
    plan_free(&plan);
    world_free(&w);
}

TEST(a_job_of_live_orders_is_full) {
    struct world w;
    struct error why = {0};
    struct build_request request;
    world_init(&w);
    world_begin(&w);
    job_limit(w.job, 2);
    world_add(&w, "bundle a.pay:1@0");
    world_add(&w, "bundle b.pay:1@0");
    CHECK_OK(world_order(&w, &request, "bundle c.pay:1@0", &why), &why);
    CHECK_ERR(job_add(w.job, request.order, 0, NULL, &why), ERR_LIMIT);
    build_order_release(request.order);
    world_free(&w);
}

TEST(safe_sorting_keeps_better_refunds_first) {
    struct world w;
    struct sequence s = {0};
    struct error why;
    world_init(&w);
    world_begin(&w);
    const struct job_entry *good = world_add(&w, "bundle a.set@0 b.back:10 pct=90 to=c");
    const struct job_entry *bad = world_add(&w, "bundle a.set@0 d.back:10 pct=10 to=c");
    const struct job_entry *other = world_add(&w, "bundle e.pay:10 pct=95 to=c");
    world_simulate(&w);
    CHECK_OK(sequence_add(&s, other, &why), &why);
    CHECK_OK(sequence_add(&s, good, &why), &why);
    CHECK_OK(sequence_add(&s, bad, &why), &why);
    CHECK(refunds_in_order(&s));
    s.at[1] = bad;
    s.at[2] = good;
    CHECK(!refunds_in_order(&s));
    s.at[0] = good;
    s.at[2] = other;
    CHECK(refunds_in_order(&s));
    sequence_free(&s);
    world_free(&w);
}

TEST(names_are_the_deployed_ones_too) {
    CHECK_I64(algorithm_find(BYTES_LIT("mp-ordering")), ALGORITHM_MAX_PROFIT);
    CHECK_I64(algorithm_find(BYTES_LIT("mev-gas-price")), ALGORITHM_GAS_PRICE);
    CHECK_I64(algorithm_find(BYTES_LIT("parallel-builder")), ALGORITHM_MERGE);
    CHECK_I64(algorithm_find(BYTES_LIT("random")), -1);
}

TEST_MAIN()
