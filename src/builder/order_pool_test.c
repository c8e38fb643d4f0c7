/* SPDX-License-Identifier: MIT */
#include "builder/order_pool.h"

#include "builder/testing.h"
#include "test/harness/test.h"

#include <stdio.h>

#define SECOND UINT64_C(1000000000)

static struct world w;
static struct order_pool *pool;
static struct error why;
static unsigned added, removed, reasons[POOL_NONCE_USED + 1];

static void on_added(void *context, const struct build_order *o) {
    (void)context;
    (void)o;
    added++;
}

static void on_removed(void *context, const struct build_order *o, enum pool_removal reason) {
    (void)context;
    (void)o;
    reasons[reason]++;
    removed++;
}

static void begin(struct order_pool_options o) {
    world_init(&w);
    added = removed = 0;
    memset(reasons, 0, sizeof reasons);
    o.added = on_added;
    o.removed = on_removed;
    CHECK_OK(order_pool_new(&pool, &o, &why), &why);
}

static void end(void) {
    order_pool_free(pool);
    world_free(&w);
}

/* Adds one order and gives what the pool says. */
static int add(const char *text, enum build_source source) {
    struct build_request r;
    if (world_order(&w, &r, text, &why) != 0) FAIL("%s: %s", text, why.text);
    if (r.kind == BUILD_REQUEST_CANCEL) return order_pool_cancel(pool, &r.cancel, SECOND);
    ((struct build_order *)(uintptr_t)r.order)->source = source;
    int code = order_pool_add(pool, r.order, SECOND, &why);
    build_order_release(r.order);
    return code;
}

static void count_one(void *arg, const struct build_order *o) {
    (void)o;
    (*(unsigned *)arg)++;
}

static unsigned count(uint64_t block) {
    unsigned n = 0;
    order_pool_each(pool, block, count_one, &n);
    return n;
}

TEST(orders_live_until_their_block) {
    begin((struct order_pool_options){0});
    CHECK_OK(add("bundle a.pay:1 block=10", BUILD_FROM_RPC), &why);
    CHECK_OK(add("bundle b.pay:1 block=11", BUILD_FROM_RPC), &why);
    CHECK_OK(add("share c.pay:1 block=10..12", BUILD_FROM_RPC), &why);
    CHECK_OK(add("bundle d.pay:1", BUILD_FROM_RPC), &why);
    CHECK_U64(count(9), 1);
    CHECK_U64(count(10), 3);
    CHECK_U64(count(11), 3);
    CHECK_U64(count(12), 2);
    order_pool_head(pool, 10, 2 * SECOND);
    CHECK_U64(removed, 1);
    CHECK_ERR(add("bundle e.pay:1 block=10", BUILD_FROM_RPC), ERR_STALE);
    order_pool_head(pool, 12, 2 * SECOND);
    CHECK_U64(removed, 3);
    order_pool_head(pool, POOL_OPEN_BLOCKS, 2 * SECOND); // no order waits for ever
    CHECK_U64(removed, 4);
    CHECK_U64(reasons[POOL_EXPIRED], 4);
    CHECK_U64(order_pool_counts_now(pool).bundles, 0);
    CHECK_U64(order_pool_counts_now(pool).bytes, 0);
    end();
}

TEST(repeats_are_known) {
    begin((struct order_pool_options){0});
    CHECK_OK(add("bundle a.pay:1@0 block=10", BUILD_FROM_RPC), &why);
    CHECK_ERR(add("bundle a.pay:1@0 block=10", BUILD_FROM_RPC), ERR_CONFLICT);
    CHECK_OK(add("bundle a.pay:1@0 block=11", BUILD_FROM_RPC), &why); // for another block
    order_pool_head(pool, 10, 2 * SECOND);
    CHECK_U64(added, 2);
    end();
}

TEST(of_a_key_the_highest_nonce_lives) {
    begin((struct order_pool_options){0});
    CHECK_OK(add("bundle a.pay:1@0 uuid=1 nonce=5 signer=a", BUILD_FROM_RPC), &why);
    CHECK_ERR(add("bundle a.pay:2@0 uuid=1 nonce=4 signer=a", BUILD_FROM_RPC), ERR_STALE);
    CHECK_ERR(add("bundle a.pay:2@0 uuid=1 nonce=5 signer=a", BUILD_FROM_RPC), ERR_STALE);
    CHECK_OK(add("bundle a.pay:3@0 uuid=1 nonce=6 signer=a", BUILD_FROM_RPC), &why);
    CHECK_U64(reasons[POOL_REPLACED], 1);
    CHECK_OK(add("bundle a.pay:4@0 uuid=1 nonce=1 signer=b", BUILD_FROM_RPC), &why); // another's
    CHECK_U64(count(1), 2);
    CHECK_I64(add("bundle uuid=1 nonce=6 signer=a", BUILD_FROM_RPC), 1); // a cancellation
    CHECK_U64(count(1), 1);
    CHECK_ERR(add("bundle a.pay:5@0 uuid=1 nonce=6 signer=a", BUILD_FROM_RPC), ERR_STALE);
    CHECK_OK(add("bundle a.pay:6@0 uuid=1 nonce=7 signer=a", BUILD_FROM_RPC), &why); // revived
    CHECK_I64(add("bundle uuid=1 nonce=2 signer=a", BUILD_FROM_RPC), 0); // comes too late
    CHECK_U64(count(1), 2);
    end();
}

TEST(the_same_order_may_be_renewed) {
    begin((struct order_pool_options){0});
    CHECK_OK(add("bundle a.pay:1@0 uuid=1 nonce=5 signer=a", BUILD_FROM_RPC), &why);
    CHECK_ERR(add("bundle a.pay:1@0 uuid=1 nonce=5 signer=a", BUILD_FROM_RPC), ERR_CONFLICT);
    CHECK_OK(add("bundle a.pay:1@0 uuid=1 nonce=6 signer=a", BUILD_FROM_RPC), &why);
    CHECK_U64(count(1), 1);
    CHECK_I64(add("bundle uuid=1 nonce=5 signer=a", BUILD_FROM_RPC), 0); // of the old one
    CHECK_U64(count(1), 1);
    CHECK_I64(add("bundle uuid=1 nonce=6 signer=a", BUILD_FROM_RPC), 1);
    CHECK_U64(count(1), 0);
    end();
}

TEST(a_cancellation_that_comes_first_holds) {
    begin((struct order_pool_options){0});
    struct build_cancel c = {.key = {.nonce = ORDER_NONCE_FINAL}};
    c.key.uuid.b[0] = 9;
    c.key.signer = w.accounts[0];
    CHECK(!order_pool_cancel(pool, &c, SECOND));
    CHECK_ERR(add("bundle a.pay:1 uuid=9 nonce=99 signer=a", BUILD_FROM_RPC), ERR_STALE);
    order_pool_head(pool, 1, SECOND + POOL_CANCEL_KEEP_NS + 1); // and is forgotten after its time
    CHECK_OK(add("bundle a.pay:1 uuid=9 nonce=99 signer=a", BUILD_FROM_RPC), &why);
    end();
}

TEST(a_full_pool_gives_up_public_transactions_first) {
    begin((struct order_pool_options){.orders_max = 3});
    CHECK_OK(add("tx a.pay:1", BUILD_FROM_MEMPOOL), &why);
    CHECK_OK(add("tx b.pay:1", BUILD_FROM_MEMPOOL), &why);
    CHECK_OK(add("bundle c.pay:1", BUILD_FROM_RPC), &why);
    CHECK_OK(add("bundle d.pay:1", BUILD_FROM_RPC), &why);
    CHECK_OK(add("bundle e.pay:1", BUILD_FROM_RPC), &why);
    CHECK_U64(reasons[POOL_EVICTED], 2);
    CHECK_ERR(add("bundle f.pay:1", BUILD_FROM_RPC), ERR_LIMIT);
    CHECK_U64(order_pool_counts_now(pool).evicted, 2);
    CHECK_U64(order_pool_counts_now(pool).refused, 1);
    end();
    begin((struct order_pool_options){.bytes_max = 1000});
    CHECK_ERR(add("tx a.pay:1", BUILD_FROM_RPC), ERR_LIMIT);
    end();
}

static enum pool_worth known_worth;

static uint64_t amount_of(const struct build_order *o) {
    return o->txs[0].tx.value.w[0] / UINT64_C(1000000000000000); // a finney
}

// What a bundle pays first is its price; even amounts are as the test says.
static enum pool_worth worth_of(void *context, const struct build_order *o,
                                struct u256 *ret_price) {
    (void)context;
    *ret_price = o->txs[0].tx.value;
    return amount_of(o) % 2 ? POOL_WORTH_PAYS : known_worth;
}

static void add_paying(unsigned amount) {
    char text[64];
    (void)snprintf(text, sizeof text, "bundle a.pay:%u@0", amount);
    CHECK_OK(add(text, BUILD_FROM_RPC), &why);
}

static void note_amount(void *arg, const struct build_order *o) {
    bool *has = arg;
    has[amount_of(o)] = true;
}

TEST(a_flood_of_orders_keeps_none_out_and_those_that_pay_most_in) {
    static const enum pool_worth worths[] = {POOL_WORTH_NONE, POOL_WORTH_WAITS, POOL_WORTH_PAYS,
                                             POOL_WORTH_UNKNOWN};
    for (size_t k = 0; k < 4; k++) {
        bool has[2000] = {false};
        known_worth = worths[k];
        begin((struct order_pool_options){.orders_max = 64, .worth = worth_of});
        add_paying(1999);
        add_paying(1997);
        for (unsigned i = 1; i < 400; i++) {
            add_paying(i);
            CHECK(count(1) <= 64);
        }
        add_paying(1995);
        CHECK_U64(order_pool_counts_now(pool).refused, 0);
        order_pool_each(pool, 1, note_amount, has);
        CHECK(has[1999] && has[1997] && has[1995] && has[399]);
        CHECK(!has[1] || known_worth < POOL_WORTH_PAYS);
        end();
    }
    begin((struct order_pool_options){.bytes_max = 10, .worth = worth_of});
    CHECK_ERR(add("bundle a.pay:1", BUILD_FROM_RPC), ERR_LIMIT); // nobody goes for what never fits
    end();
}

TEST(keys_are_forgotten_whatever_lives_longer) {
    struct build_cancel c = {.key = {.nonce = 1}};
    begin((struct order_pool_options){0});
    CHECK_OK(add("bundle a.pay:1 uuid=1 nonce=1 signer=a block=1000", BUILD_FROM_RPC), &why);
    for (uint32_t i = 0; i < POOL_KEYS_MAX + 10; i++) { // a flood between two blocks
        store_le32(c.key.uuid.b + 4, i);
        CHECK(!order_pool_cancel(pool, &c, SECOND));
    }
    CHECK_U64(order_pool_counts_now(pool).keys, POOL_KEYS_MAX);
    CHECK_ERR(add("bundle a.pay:2@0 uuid=1 nonce=1 signer=a", BUILD_FROM_RPC), ERR_STALE);
    order_pool_head(pool, 1, 2 * SECOND + POOL_CANCEL_KEEP_NS);
    CHECK_U64(order_pool_counts_now(pool).keys, 1); // of the order that lives
    order_pool_head(pool, 1000, 3 * SECOND + POOL_CANCEL_KEEP_NS);
    CHECK_U64(order_pool_counts_now(pool).keys, 0);
    end();
}

TEST(orders_for_blocks_far_ahead_do_not_fill_the_pool) {
    begin((struct order_pool_options){.orders_max = 4 * POOL_FAR_PART});
    order_pool_head(pool, 10, SECOND);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_OK(add("bundle a.pay:1 block=1000", BUILD_FROM_RPC), &why);
    }
    CHECK_ERR(add("bundle a.pay:1 block=1000", BUILD_FROM_RPC), ERR_LIMIT);
    CHECK_ERR(add("share a.pay:1 block=11..1000", BUILD_FROM_RPC), ERR_LIMIT);
    CHECK_OK(add("bundle a.pay:1 block=11", BUILD_FROM_RPC), &why);
    order_pool_head(pool, 999, SECOND); // they are near now
    CHECK_OK(add("bundle a.pay:1 block=2000", BUILD_FROM_RPC), &why);
    CHECK_U64(count(1000), 4);
    end();
}

TEST(what_is_ignored_is_not_taken) {
    begin((struct order_pool_options){.ignore_cancellable = true, .ignore_blobs = true});
    CHECK_ERR(add("bundle a.pay:1@0 uuid=1 nonce=1 signer=a", BUILD_FROM_RPC), ERR_UNSUPPORTED);
    CHECK_ERR(add("tx a.blob:1@0", BUILD_FROM_RPC), ERR_UNSUPPORTED);
    CHECK_OK(add("tx a.pay:1@0", BUILD_FROM_RPC), &why);
    end();
}

TEST(public_transactions_age) {
    begin((struct order_pool_options){.public_age_ns = 10 * SECOND});
    CHECK_OK(add("tx a.pay:1", BUILD_FROM_MEMPOOL), &why);
    CHECK_OK(add("tx b.pay:1", BUILD_FROM_RPC), &why);
    order_pool_head(pool, 1, 11 * SECOND);
    CHECK_U64(removed, 0);
    order_pool_head(pool, 2, 12 * SECOND);
    CHECK_U64(reasons[POOL_AGED], 1);
    CHECK_U64(count(3), 1);
    end();
}

TEST_MAIN()
