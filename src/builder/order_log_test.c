/* What is remembered of orders, and in what words.
 * SPDX-License-Identifier: MIT */
#include "builder/order_log.h"

#include "builder/testing.h"
#include "test/harness/test.h"

#define SECOND UINT64_C(1000000000)
#define NOON (UINT64_C(1700000000) * SECOND)

static struct world w;
static struct order_log *orders;
static struct error why;

static void begin(size_t places) {
    world_init(&w);
    world_begin(&w);
    CHECK_OK(order_log_new(&orders, places, &why), &why);
}

static void end(void) {
    order_log_free(orders);
    world_free(&w);
}

// The answer for a name, parsed; *ret_count how many orders it has.
static const struct json *ask(const struct hash *name, size_t *ret_count) {
    static struct buf out;
    static struct arena a;
    const struct json *doc;
    struct json_writer jw;
    buf_free(&out);
    arena_free(&a);
    buf_init(&out, 0);
    arena_init(&a, 0);
    json_writer_init(&jw, &out, 0);
    *ret_count = order_log_write(orders, name, &jw);
    CHECK_OK(json_parse(&doc, buf_view(&out), &a, NULL, &why), &why);
    CHECK_U64(json_count(doc), *ret_count);
    return doc;
}

static bool is(const struct json *object, const char *key, const char *text) {
    return bytes_equal_str(json_text(json_get(object, key)), text);
}

static const struct job_entry *take(const char *text) {
    const struct job_entry *e = world_add(&w, text);
    CHECK(e);
    order_log_received(orders, e->job.order, NOON);
    return e;
}

TEST(order_log_tells_what_simulations_said) {
    size_t n;
    begin(16);
    const struct job_entry *good = take("bundle a.pay:10 b.pay:2");
    const struct job_entry *bad = take("bundle c.pay:1 d.revert");
    const struct json *first = json_at(ask(&good->job.order->bundle_hash, &n), 0);
    CHECK(is(first, "kind", "bundle") && json_count(json_get(first, "slots")) == 0);
    world_simulate(&w);
    order_log_simulated(orders, good, 7, 100, NOON + SECOND);
    order_log_simulated(orders, bad, 7, 100, NOON + SECOND);
    // By bundle, by id, by any of its transactions.
    const struct build_order *o = good->job.order;
    const struct hash names[] = {o->bundle_hash, o->id, o->txs[0].tx.hash, o->txs[1].tx.hash};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct json *slot = json_at(json_get(json_at(ask(&names[i], &n), 0), "slots"), 0);
        struct u256 profit;
        CHECK_U64(n, 1);
        CHECK(is(slot, "state", "ready") && is(slot, "slot", "7") && is(slot, "bids", "0"));
        CHECK_OK(json_get_quantity256(&profit, slot, "profit", &why), &why);
        CHECK(u256_equal(profit, good->sim.profit) && !u256_is_zero(profit));
    }
    const struct json *slot =
        json_at(json_get(json_at(ask(&bad->job.order->bundle_hash, &n), 0), "slots"), 0);
    struct hash failed;
    CHECK(is(slot, "state", "failed") && is(slot, "reason", "reverted"));
    CHECK_OK(json_get_hash(&failed, slot, "failedTx", &why), &why);
    CHECK(hash_equal(&failed, &bad->job.order->txs[1].tx.hash));
    struct hash unknown = {{1}};
    (void)ask(&unknown, &n);
    CHECK_U64(n, 0);
    end();
}

TEST(order_log_tells_of_bids_and_ends) {
    size_t n;
    struct slot_work work = {.slot = 9};
    begin(16);
    const struct job_entry *in = take("tx a.pay:10"), *out_ = take("tx b.pay:1");
    world_simulate(&w);
    order_log_simulated(orders, in, 9, 100, NOON);
    order_log_simulated(orders, out_, 9, 100, NOON);
    struct left_out left = {out_, COMMIT_GAS_LEFT};
    struct built_block b = {
        .work = &work, .included = &in, .orders = 1, .left = &left, .left_count = 1};
    b.produced.header.number = 100;
    b.produced.hash = (struct hash){{0xbb}};
    order_log_bid(orders, &b, NOON + SECOND);
    order_log_bid(orders, &b, NOON + 2 * SECOND);
    order_log_landed(orders, 9, 100, &in, 1);
    order_log_removed(orders, in->job.order, POOL_NONCE_USED, NOON + 3 * SECOND);
    const struct json *o = json_at(ask(&in->job.order->id, &n), 0);
    const struct json *slot = json_at(json_get(o, "slots"), 0);
    CHECK(is(slot, "bids", "2") && is(slot, "firstBidAt", "2023-11-14T22:13:21.000000Z"));
    CHECK(is(slot, "landed", "true") && is(o, "removed", "nonce_used"));
    struct buf text;
    buf_init(&text, 0);
    CHECK_OK(order_log_explain(&text, ask(&in->job.order->id, &n), &why), &why);
    CHECK(memmem(text.p, text.n, "in 2 bids since 2023", 20));
    CHECK(memmem(text.p, text.n, "landed", 6) && memmem(text.p, text.n, "nonce_used", 10));
    buf_clear(&text);
    CHECK_OK(order_log_explain(&text, ask(&out_->job.order->id, &n), &why), &why);
    CHECK(memmem(text.p, text.n, "not in the last bid: gas_left", 29));
    buf_free(&text);
    end();
}

TEST(order_log_keeps_the_last_slots_and_orders) {
    size_t n;
    begin(4);
    const struct job_entry *e = take("tx a.pay:10");
    world_simulate(&w);
    for (uint64_t slot = 1; slot <= 3 + ORDER_LOG_SLOTS; slot++) {
        order_log_simulated(orders, e, slot, 100, NOON);
    }
    const struct json *slots = json_get(json_at(ask(&e->job.order->id, &n), 0), "slots");
    CHECK_U64(json_count(slots), ORDER_LOG_SLOTS);
    CHECK(is(json_at(slots, 0), "slot", "4"));
    static const char *const others[] = {"tx b.pay:1", "tx c.pay:1", "tx d.pay:1", "tx e.pay:1"};
    for (size_t i = 0; i < 4; i++) {
        (void)ask(&e->job.order->id, &n);
        CHECK_U64(n, 1);
        (void)take(others[i]);
    }
    (void)ask(&e->job.order->id, &n);
    CHECK_U64(n, 0);
    order_log_simulated(orders, e, 9, 100, NOON); // forgotten: nothing happens
    end();
}

TEST(order_log_tells_why_an_order_was_refused) {
    size_t n;
    begin(8);
    struct build_request request;
    struct error reason;
    CHECK_OK(world_order(&w, &request, "bundle a.pay:1", &why), &why);
    (void)error_set(&reason, ERR_LIMIT, "the pool is full");
    order_log_refused(orders, request.order, &reason, NOON);
    CHECK(is(json_at(ask(&request.order->bundle_hash, &n), 0), "refused", "the pool is full"));
    // It comes again and is taken; a repeat of that one is no news.
    order_log_received(orders, request.order, NOON);
    (void)error_set(&reason, ERR_CONFLICT, "the order is known");
    order_log_refused(orders, request.order, &reason, NOON);
    const struct json *all = ask(&request.order->bundle_hash, &n);
    CHECK_U64(n, 2);
    CHECK(json_is_null(json_get(json_at(all, 0), "refused")));
    build_order_release(request.order);
    end();
}

TEST_MAIN()
