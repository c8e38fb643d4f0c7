/* What orders come to in a block, as a table: orders of every kind on real transactions and
 * contracts, and the block that the greedy algorithm makes of them. Every block is executed again
 * from nothing.
 * SPDX-License-Identifier: MIT */
#include "builder/testing.h"
#include "crypto/kzg.h"

#include "test/harness/test.h"

#include <stdio.h>

struct scenario {
    const char *name;
    const char *orders;   /* separated by ; */
    const char *block;    /* what stands in it */
    const char *statuses; /* of each order alone, or "refused" */
    uint64_t finney;      /* what the builder earns */
};

static const struct scenario scenarios[] = {
    /* Transactions. */
    {"a transaction pays", "tx a.pay:10", "a0", "done", 10},
    {"tips count", "tx a.tip^10", "a0", "done", 0},
    {"a public transaction that fails stays", "tx a.revert", "a0!", "done", 0},
    {"the better comes first", "tx a.pay:1; tx b.pay:5", "b0 a0", "done done", 6},
    {"nonces keep their order", "tx a.pay:1; tx a.pay:50", "a0 a1", "done done", 51},
    {"a nonce that is too low", "tx a.pay:1; tx b.pay:2@0; tx b.pay:9@0", "b0 a0", "done done done",
     10},
    {"a nonce that nobody brings", "tx a.pay:1@3", "", "nonce_high", 0},
    {"a gap is filled by a later order", "tx a.pay:9@1; tx a.pay:1@0", "a0 a1", "done done", 10},
    {"no money", "tx p.pay:1", "", "invalid", 0},
    {"less than the base fee", "tx a.cheap", "", "invalid", 0},
    {"more gas than the block has", "tx a.gas:31000", "", "gas_left", 0},
    {"a listed receiver", "tx a.list", "", "listed", 0},
    {"a listed address deep inside", "tx a.deep", "", "listed", 0},
    {"blobs fit", "tx a.blob:9", "a0", "done", 0},
    {"blobs that do not fit beside", "tx a.blob:6; tx b.blob:6", "?0", "done done", 0},
    {"more blobs than a block has", "tx a.blob:10", "", "blob_gas_left", 0},
    /* Bundles. */
    {"all of a bundle", "bundle a.pay:1 b.pay:2", "a0 b0", "done", 3},
    {"a bundle is atomic: a failure", "bundle a.pay:5 b.revert", "", "reverted", 0},
    {"a bundle is atomic: not valid", "bundle a.pay:5 p.pay:1", "", "invalid", 0},
    {"nothing of a failed bundle stays", "bundle a.pay:5 b.revert; tx a.pay:1@0", "a0",
     "reverted done", 1},
    {"reverting allowed", "bundle a.pay:5 b.revert rev=2", "a0 b0!", "done", 5},
    {"reverting allowed, and it does not", "bundle a.pay:5 b.pay:1 rev=2", "a0 b0", "done", 6},
    {"reverting allowed leaves out what is not valid", "bundle a.pay:5 p.pay:1 rev=2", "a0", "done",
     5},
    {"only the named one may revert", "bundle a.revert b.revert rev=1", "", "reverted", 0},
    {"dropping: what fails is left out", "bundle a.pay:5 b.revert drop=2", "a0", "done", 5},
    {"dropping: what is not valid is left out", "bundle p.pay:1 a.pay:5 drop=1", "a0", "done", 5},
    {"dropping: what succeeds stays", "bundle a.pay:5 b.pay:1 drop=2", "a0 b0", "done", 6},
    {"dropping wins over reverting", "bundle a.pay:5 b.revert rev=2 drop=2", "a0", "done", 5},
    {"dropping the first brings a nonce gap", "bundle a.revert a.pay:5 drop=1", "", "nonce_high",
     0},
    {"all dropped is nothing", "bundle a.revert b.revert drop=1,2", "", "empty", 0},
    {"a dropped listed one", "bundle a.list b.pay:3 drop=1", "b0", "done", 3},
    {"a listed one fails the bundle", "bundle a.list b.pay:3", "", "listed", 0},
    {"order inside a bundle matters", "bundle a.set b.back:7", "a0 b0", "done", 7},
    {"the wrong order inside a bundle", "bundle b.back:7 a.set", "", "reverted", 0},
    {"twice the same bundle's sender", "bundle a.pay:1 a.pay:2 a.pay:3", "a0 a1 a2", "done", 6},
    {"a bundle with blobs", "bundle a.blob:2 b.pay:1", "a0 b0", "done", 1},
    {"a bundle too large for the block", "bundle a.gas:16000 b.gas:16000", "a0 b0", "done", 0},
    {"gas limits are kept for each", "bundle a.gas:29990 b.gas:29990", "", "gas_left", 0},
    /* Blocks and times. */
    {"its block", "bundle a.pay:1 block=100", "a0", "done", 1},
    {"an earlier block", "bundle a.pay:1 block=99", "", "block_range", 0},
    {"a later block", "bundle a.pay:1 block=101", "", "block_range", 0},
    {"any block", "bundle a.pay:1 block=0", "a0", "done", 1},
    {"within its time", "bundle a.pay:1 min=4000 max=6000", "a0", "done", 1},
    {"exactly its time", "bundle a.pay:1 min=5000 max=5000", "a0", "done", 1},
    {"too early", "bundle a.pay:1 min=5001", "", "time_range", 0},
    {"too late", "bundle a.pay:1 max=4999", "", "time_range", 0},
    {"a maximum of 0 is none", "bundle a.pay:1 max=0", "a0", "done", 1},
    /* Refunds. */
    {"half is paid back to the first sender", "bundle a.pay:10 pct=50", "a0 >a", "done", 5},
    {"to a recipient", "bundle a.pay:10 pct=50 to=c", "a0 >c", "done", 5},
    {"of the last transaction", "bundle a.pay:10 b.pay:20 pct=50 to=c", "a0 b0 >c", "done", 20},
    {"of the named transaction", "bundle a.pay:10 b.pay:20 pct=50 to=c of=1", "a0 b0 >c", "done",
     25},
    {"99 of 100", "bundle a.pay:100 pct=99 to=c", "a0 >c", "done", 1},
    {"to a contract that costs more gas", "bundle a.pay:10 pct=50 to=D", "a0 >D", "done", 5},
    {"to a contract that refuses", "bundle a.pay:10 pct=50 to=X", "", "refund_failed", 0},
    {"less than the payout's gas", "bundle a.pay:0 pct=50 to=c", "", "refund_too_small", 0},
    {"the refunded one was dropped", "bundle a.pay:10 b.revert pct=50 drop=2", "",
     "refund_too_small", 0},
    {"a delayed refund is not paid now, and kept", "bundle a.pay:10 pct=50 to=c delayed", "a0",
     "done", 5},
    {"what a delayed refund leaves is less",
     "bundle a.once:10 pct=90 to=c delayed; bundle b.once:2", "b0", "done done", 2},
    {"two refunds", "bundle a.pay:10 pct=50 to=c; bundle b.pay:20 pct=50 to=d", "b0 >d a0 >c",
     "done done", 15},
    /* Nonces that an order brings itself, and those of transactions that it can do without. */
    {"what may revert brings the next nonce", "bundle a.pay:1 a.pay:5 rev=1", "a0 a1", "done", 6},
    {"what reverts and stays does too", "bundle a.revert a.pay:5 rev=1", "a0! a1", "done", 5},
    {"what may be dropped and is not", "bundle a.pay:1 a.pay:5 drop=1", "a0 a1", "done", 6},
    {"an item that may revert", "share a.pay:1? a.pay:5", "a0 a1", "done", 6},
    {"an item that may be dropped", "share a.pay:1! a.pay:5", "a0 a1", "done", 6},
    {"the rest of a bundle whose first was there before",
     "tx a.pay:9; bundle a.pay:9@0 a.pay:5@1 drop=1", "a0 a1", "done done", 14},
    {"the same with its nonce to come", "tx a.pay:1; tx a.pay:2; bundle a.pay:2@1 a.pay:5@2 rev=1",
     "a0 a1 a2", "done done done", 8},
    {"one that may be dropped waits for its nonce", "tx a.pay:1; bundle a.pay:5 drop=1; tx a.pay:7",
     "a0 a1 a2", "done done done", 13},
    {"and is not waited for where there is more", "bundle a.pay:5@1 b.pay:1 drop=1", "b0", "done",
     1},
    {"nobody brings it", "bundle a.pay:5@1 drop=1", "", "nonce_high", 0},
    {"what was left out brings no nonce",
     "bundle a.revert b.pay:3 drop=1; tx a.pay:2@1; tx a.pay:1@0", "b0 a0 a1", "done done done", 6},
    {"what is needed has been used", "tx a.pay:9; tx a.pay:8; bundle b.pay:1 a.pay:1@0", "a0 a1",
     "done done done", 17},
    {"the same transaction twice", "bundle a.pay:1 a.pay:1@0", "", "nonce_low", 0},
    {"a shared transaction stands once", "bundle a.pay:3 b.pay:4; bundle a.pay:3@0 c.pay:9 rev=1",
     "a0 c0", "done done", 12},
    /* Authorizations use nonces up. */
    {"an authorization brings its signer's nonce", "bundle a.allowb b.pay:5", "a0 b1", "done", 5},
    {"the sender's own", "bundle a.allowa a.pay:5", "a0 a2", "done", 5},
    {"the sender's own, and another order", "tx a.allowa; tx a.pay:5", "a0 a2", "done done", 5},
    {"one that is not valid brings nothing", "tx b.pay:2; bundle a.allowb@0 b.pay:5@3", "b0",
     "done nonce_high", 2},
    {"a nonce that was used up meanwhile", "tx a.allowb; tx b.pay:5@0", "b0 a0", "done done", 5},
    {"a bundle that waits for its first nonce", "tx b.pay:1; bundle a.allowb b.pay:5", "b0 a0 b2",
     "done done", 6},
    /* Conflicts. */
    {"one of two", "tx a.once:5; tx b.once:9", "b0 a0!", "done done", 9},
    {"one of two bundles", "bundle a.once:5; bundle b.once:9", "b0", "done done", 9},
    {"the loser's other part goes too", "bundle a.once:5 c.pay:1; bundle b.once:9", "b0",
     "done done", 9},
    {"a nonce is shared", "bundle a.pay:5@0; bundle a.pay:9@0 b.pay:1", "a0 b0", "done done", 10},
    {"a bundle around a public transaction", "tx a.set; bundle a.set@0 b.back:8", "a0 b0",
     "done done", 8},
    {"what needs another order is tried after it", "tx a.set^50; tx b.back:8^1", "a0 b0",
     "done done", 8},
    /* Share bundles. */
    {"a share bundle", "share a.pay:1 b.pay:2", "a0 b0", "done", 3},
    {"a share bundle is atomic", "share a.pay:1 b.revert", "", "reverted", 0},
    {"an item may revert", "share a.pay:1 b.revert?", "a0 b0!", "done", 1},
    {"an item is dropped when it reverts", "share a.pay:1 b.revert!", "a0", "done", 1},
    {"an item that is not valid is left out", "share a.pay:1 p.pay:1?", "a0", "done", 1},
    {"a backrun pays the user back", "share a.set b.back:10 refund=0:90", "a0 b0 >a", "done", 1},
    {"what the refunded pays is not shared", "share a.pay:10 b.pay:10 refund=0:50", "a0 b0 >a",
     "done", 15},
    {"a tree", "share (a.set) b.back:10 refund=0:50", "a0 b0 >a", "done", 5},
    {"shared out by configuration", "share (a.set cfg=c:60 cfg=d:40) b.back:10 refund=0:50",
     "a0 b0 >c >d", "done", 5},
    {"a configuration further down", "share ((a.set cfg=c:100)) b.back:10 refund=0:50", "a0 b0 >c",
     "done", 5},
    {"less than all is configured", "share (a.set cfg=c:60) b.back:10 refund=0:50", "a0 b0 >c",
     "done", 7},
    {"refunds of both levels to one address are one payout",
     "share (a.set b.back:10 refund=0:50) c.pay:10 refund=0:50", "a0 b0 c0 >a", "done", 10},
    {"an inner bundle may fail", "share a.pay:1 (b.revert c.pay:5)?", "a0", "done", 1},
    {"an inner bundle that may not", "share a.pay:1 (b.revert c.pay:5)", "", "reverted", 0},
    {"what an inner bundle owed goes with it",
     "share a.pay:10 ((b.set c.back:10 refund=0:50) d.revert)?", "a0", "done", 10},
    {"a range of blocks", "share a.pay:1 block=98..101", "a0", "done", 1},
    {"a range that has passed", "share a.pay:1 block=90..99", "", "block_range", 0},
    {"a range to come", "share a.pay:1 block=101..105", "", "block_range", 0},
    {"a refund below its gas", "share a.set b.back:0 c.pay:0 refund=0:50", "a0 b0 c0", "done", 0},
    /* What is refused before it comes to a block. */
    {"v1 knows no dropping", "bundle a.pay:1 v=v1 drop=1", "", "refused", 0},
    {"v1 knows no refunds", "bundle a.pay:1 v=v1 pct=10", "", "refused", 0},
    {"v1 as it is", "bundle a.pay:1 v=v1 rev=1", "a0", "done", 1},
    {"no third version", "bundle a.pay:1 v=v3", "", "refused", 0},
    {"all is no refund", "bundle a.pay:1 pct=100", "", "refused", 0},
    {"two refunded transactions", "bundle a.pay:1 b.pay:1 pct=10 of=1,2", "", "refused", 0},
    {"no transactions and no key", "bundle block=100", "", "refused", 0},
    {"a key without its nonce", "bundle a.pay:1 uuid=1 signer=a", "", "refused", 0},
    {"a key without its signer", "bundle a.pay:1 uuid=1 nonce=1", "", "refused", 0},
    {"a key with both", "bundle a.pay:1 uuid=1 nonce=1 signer=a", "a0", "done", 1},
    {"a maximum before the minimum", "bundle a.pay:1 min=10 max=9", "", "refused", 0},
    {"a share bundle of another version", "share a.pay:1 v=v2", "", "refused", 0},
    {"an empty inner bundle", "share a.pay:1 ()", "", "refused", 0},
    {"six levels", "share (((((a.pay:1)))))", "a0", "done", 1},
    {"seven levels", "share ((((((a.pay:1))))))", "", "refused", 0},
    {"refunds above all", "share a.set b.back:1 refund=0:60 refund=1:50", "", "refused", 0},
    {"a refund to nobody", "share a.set b.back:1 refund=2:60", "", "refused", 0},
    {"shares above all", "share a.set cfg=a:60 cfg=b:50", "", "refused", 0},
    {"a range that ends before it begins", "share a.pay:1 block=100..99", "", "refused", 0},
};

// One letter stands for any: which of two equal orders is taken is the ids' matter.
static void check_block(const char *name, const char *got, const char *expected) {
    size_t n = strlen(expected);
    bool same = strlen(got) == n;
    for (size_t i = 0; same && i < n; i++) {
        same = expected[i] == '?' || expected[i] == got[i];
    }
    if (!same) FAIL("%s: got \"%s\", expected \"%s\"", name, got, expected);
}

static const char *next_part(const char **at, char separator, char *ret, size_t room) {
    const char *end = strchr(*at, separator);
    size_t n = end ? (size_t)(end - *at) : strlen(*at);
    CHECK(n < room);
    memcpy(ret, *at, n);
    ret[n] = 0;
    *at = end ? end + 1 : *at + n;
    return ret;
}

static void add_orders(struct world *w, const struct scenario *s,
                       const struct job_entry *entries[8], size_t *ret_count) {
    const char *at = s->orders, *statuses = s->statuses;
    size_t n = 0;
    while (*at) {
        char order[256], status[32];
        struct build_request request;
        struct error why;
        (void)next_part(&at, ';', order, sizeof order);
        (void)next_part(&statuses, ' ', status, sizeof status);
        entries[n] = NULL;
        if (strcmp(status, "refused") == 0) {
            if (world_order(w, &request, order, &why) == 0) FAIL("%s: not refused", s->name);
            CHECK(why.text[0]);
        } else {
            entries[n] = world_add(w, order);
        }
        n++;
    }
    *ret_count = n;
}

static void check_statuses(const struct scenario *s, const struct job_entry *const *entries,
                           size_t count) {
    const char *statuses = s->statuses;
    for (size_t i = 0; i < count; i++) {
        char status[32];
        (void)next_part(&statuses, ' ', status, sizeof status);
        if (!entries[i]) continue;
        const char *got = commit_status_name(entries[i]->sim.status);
        if (strcmp(got, status) != 0) FAIL("%s: order %zu: %s, not %s", s->name, i, got, status);
    }
}

static void run_scenario(const struct scenario *s) {
    const struct job_entry *entries[8];
    struct greedy *g;
    struct plan plan = {0};
    struct world w;
    struct error why;
    size_t count;
    world_init(&w);
    world_begin(&w);
    add_orders(&w, s, entries, &count);
    world_simulate(&w);
    check_statuses(s, entries, count);
    CHECK_OK(greedy_new(&g, &why), &why);
    CHECK_OK(job_plan(w.job, &plan, &why), &why);
    for (int pass = 0; pass < 2; pass++) { // the second one finds all steps as they were
        CHECK_OK(greedy_run(g, ALGORITHM_MAX_PROFIT, 1, &w.fill, &plan, NULL, &why), &why);
        check_block(s->name, world_describe(&w, &w.fill), s->block);
        world_verify(&w, &w.fill);
    }
    struct u256 tips = U256_ZERO; // tips are paid on top
    struct u256 profit = fill_profit(&w.fill), expected = world_finney(s->finney);
    for (size_t i = 0; i < w.fill.tx_count; i++) {
        tips = u256_add(tips, w.fill.run->entries[i].fee_to_coinbase);
    }
    if (!u256_equal(u256_sub(profit, tips), expected)) {
        char text[U256_DECIMAL_MAX + 1];
        (void)u256_to_decimal(text, profit);
        FAIL("%s: earns %s wei", s->name, text);
    }
    plan_free(&plan);
    greedy_free(g);
    world_free(&w);
}

TEST(every_scenario_comes_to_its_block) {
    size_t count = sizeof scenarios / sizeof *scenarios;
    CHECK(count >= 60);
    for (size_t i = 0; i < count; i++) {
        run_scenario(&scenarios[i]);
    }
}

TEST(steps_are_taken_back_to_where_decisions_differ) {
    struct world w;
    struct error why;
    const struct commit_result *r;
    world_init(&w);
    world_begin(&w);
    const struct job_entry *a = world_add(&w, "bundle a.pay:1"),
                           *b = world_add(&w, "bundle b.pay:2"),
                           *c = world_add(&w, "bundle c.pay:4");
    world_simulate(&w);
    const struct job_entry *first[] = {a, b, c}, *second[] = {a, c, b};
    for (int round = 0; round < 3; round++) {
        const struct job_entry *const *order = round == 1 ? second : first;
        fill_restart(&w.fill);
        for (int i = 0; i < 3; i++) {
            CHECK_OK(fill_step(&w.fill, &order[i]->job, &U256_ZERO, &r, &why), &why);
            CHECK_U64(r->status, COMMIT_DONE);
        }
        fill_end(&w.fill);
        CHECK_STR(world_describe(&w, &w.fill), round == 1 ? "a0 c0 b0" : "a0 b0 c0");
        CHECK(u256_equal(fill_profit(&w.fill), world_finney(7)));
    }
    fill_restart(&w.fill); // fewer decisions: the rest goes
    CHECK_OK(fill_step(&w.fill, &a->job, &U256_ZERO, &r, &why), &why);
    fill_end(&w.fill);
    CHECK_STR(world_describe(&w, &w.fill), "a0");
    struct u256 more = world_finney(3); // asked to pay more than it does
    CHECK_OK(fill_step(&w.fill, &b->job, &more, &r, &why), &why);
    CHECK_U64(r->status, COMMIT_PROFIT_TOO_LOW);
    CHECK(u256_equal(r->profit, world_finney(2)));
    CHECK_STR(world_describe(&w, &w.fill), "a0");
    world_free(&w);
}

TEST(outcomes_are_applied_where_they_hold) {
    struct world w;
    struct error why;
    const struct commit_result *r;
    world_init(&w);
    world_begin(&w);
    const struct job_entry *a = world_add(&w, "bundle a.once:1"),
                           *b = world_add(&w, "bundle b.once:2");
    world_simulate(&w);
    uint64_t executed = w.fill.executed;
    CHECK_OK(fill_step(&w.fill, &a->job, &U256_ZERO, &r, &why), &why);
    CHECK_U64(w.fill.executed, executed); // simulation knows it
    CHECK_U64(w.fill.applied, 1);
    CHECK_OK(fill_step(&w.fill, &b->job, &U256_ZERO, &r, &why), &why);
    CHECK_U64(w.fill.executed, executed + 1); // on another state it is executed
    CHECK_U64(r->status, COMMIT_REVERTED);
    fill_end(&w.fill);
    world_verify(&w, &w.fill);
    world_free(&w);
}

TEST(forged_blobs_are_found_before_they_are_built) {
    struct world w;
    struct kzg *kzg;
    struct error why;
    world_init(&w);
    CHECK_OK(kzg_open(&kzg, KZG_VERIFY, &why), &why);
    world_begin(&w);
    job_check_blobs(w.job, kzg);
    const struct job_entry *good = world_add(&w, "bundle a.blob:2 b.pay:1"),
                           *bad = world_add(&w, "bundle c.blob:1 d.blobforged:1"),
                           *none = world_add(&w, "bundle e.pay:1");
    world_simulate(&w);
    CHECK_U64(good->state, ENTRY_READY);
    CHECK_U64(none->state, ENTRY_READY);
    CHECK_U64(bad->state, ENTRY_FAILED);
    CHECK_STR(commit_status_name(bad->sim.status), "blob_proof");
    CHECK_U64(build_order_blobs(good->job.order), BUILD_BLOBS_GOOD);
    CHECK_U64(build_order_blobs(bad->job.order), BUILD_BLOBS_BAD);
    world_free(&w);
    kzg_close(kzg);
}

TEST(forced_transactions_come_first) {
    struct world w;
    struct error why;
    const struct commit_result *r;
    struct build_request forced, failing, other;
    world_init(&w);
    CHECK_OK(world_order(&w, &forced, "tx a.pay:3", &why), &why);
    CHECK_OK(world_order(&w, &failing, "tx a.revert", &why), &why);
    CHECK_OK(world_order(&w, &other, "tx b.pay:1@7", &why), &why);
    world_begin(&w);
    const struct job_tx first = {.t = forced.order->txs}, second = {.t = failing.order->txs},
                        third = {.t = other.order->txs};
    CHECK_OK(fill_force(&w.fill, &first, &why), &why);
    CHECK_OK(fill_force(&w.fill, &second, &why), &why);
    CHECK_ERR(fill_force(&w.fill, &third, &why), ERR_INVALID);
    const struct job_entry *e = world_add(&w, "bundle c.pay:5");
    CHECK_OK(fill_step(&w.fill, &e->job, &U256_ZERO, &r, &why), &why);
    fill_end(&w.fill);
    CHECK_STR(world_describe(&w, &w.fill), "a0 a1! c0");
    CHECK(u256_equal(fill_profit(&w.fill), world_finney(5)));
    CHECK_ERR(fill_force(&w.fill, &first, &why), ERR_CONFLICT);
    CHECK_OK(fill_check(&w.fill, &why), &why);
    fill_restart(&w.fill); // orders go, they stay
    fill_end(&w.fill);
    CHECK_STR(world_describe(&w, &w.fill), "a0 a1!");
    fill_unpay(&w.fill); // there was no payment
    CHECK_STR(world_describe(&w, &w.fill), "a0 a1!");
    build_order_release(forced.order);
    build_order_release(failing.order);
    build_order_release(other.order);
    world_free(&w);
}

TEST(a_refund_buys_no_more_gas_than_it_pays_for) {
    struct world w;
    struct error why;
    const struct commit_result *r;
    world_init(&w);
    world_begin(&w);
    // A recipient whose code never ends: half a finney pays for 500,000 gas at 1 gwei.
    const struct job_entry *e = world_add(&w, "bundle a.pay:1 pct=50 to=L");
    CHECK_OK(fill_step(&w.fill, &e->job, &U256_ZERO, &r, &why), &why);
    CHECK_STR(commit_status_name(r->status), "refund_too_small");
    CHECK(w.fill.sought_gas <= 500000);
    CHECK_STR(world_describe(&w, &w.fill), "");
    world_free(&w);
}

TEST(the_proposer_is_paid_last) {
    struct world w;
    struct error why;
    const struct commit_result *r;
    bool paid, possible;
    uint64_t gas;
    world_init(&w);
    world_begin(&w);
    const struct job_entry *a = world_add(&w, "bundle a.pay:10");
    world_simulate(&w);
    CHECK_OK(fill_step(&w.fill, &a->job, &U256_ZERO, &r, &why), &why);
    fill_end(&w.fill);
    struct address proposer = w.accounts[2];
    struct u256 nine = world_finney(9), much = world_finney(11);
    CHECK_OK(fill_payout_gas(&w.fill, &proposer, UINT64_MAX, &gas, &possible, &why), &why);
    CHECK(possible && gas == 21000);
    CHECK_OK(fill_pay(&w.fill, &proposer, &nine, gas, &paid, &why), &why);
    CHECK(paid);
    CHECK_STR(world_describe(&w, &w.fill), "a0 >c");
    world_verify(&w, &w.fill);
    fill_unpay(&w.fill);
    CHECK_STR(world_describe(&w, &w.fill), "a0");
    CHECK_OK(fill_pay(&w.fill, &proposer, &much, gas, &paid, &why), &why);
    CHECK(!paid); // more than there is
    CHECK_STR(world_describe(&w, &w.fill), "a0");
    struct address refuses = {{0xc0, [19] = 8}}, dear = {{0xc0, [19] = 7}};
    CHECK_OK(fill_payout_gas(&w.fill, &refuses, UINT64_MAX, &gas, &possible, &why), &why);
    CHECK(!possible);
    CHECK_OK(fill_payout_gas(&w.fill, &dear, UINT64_MAX, &gas, &possible, &why), &why);
    CHECK(possible && gas > 41000);
    CHECK_OK(fill_pay(&w.fill, &dear, &nine, gas, &paid, &why), &why);
    CHECK(paid);
    world_free(&w);
}

TEST_MAIN()
