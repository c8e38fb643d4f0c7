/* Refunds of small blocks, and their signed records. SPDX-License-Identifier: MIT */
#include "builder/records.h"
#include "builder/testing.h"

#include "test/harness/test.h"

#include <stdio.h>

static struct world w;
static struct arena a;
static struct error why;
static bool each_its_own; // each order has an identity of its own

static void name_identity(const struct job_entry *e, size_t n) {
    struct build_order *o = (struct build_order *)(uintptr_t)e->job.order;
    o->has_refund_identity = true;
    store_be64(o->refund_identity.b, n);
}

/* Orders, built by profit; then the refunds of that block. */
static struct refund_report report_of(const char *const *orders, size_t count, uint64_t kept) {
    const struct algorithm_settings settings = {.kind = ALGORITHM_MAX_PROFIT, .retries = 1};
    struct sequence landed = {0};
    struct refund_report r;
    struct algorithm *alg;
    struct plan plan = {0};
    world_init(&w);
    arena_init(&a, 0);
    world_begin(&w);
    for (size_t i = 0; i < count; i++) {
        const struct job_entry *e = world_add(&w, orders[i]);
        if (each_its_own || count > REFUND_IDENTITIES_MAX) name_identity(e, i);
    }
    world_simulate(&w);
    CHECK_OK(algorithm_new(&alg, &settings, &why), &why);
    CHECK_OK(job_plan(w.job, &plan, &why), &why);
    CHECK_OK(algorithm_run(alg, &w.fill, &plan, NULL, &why), &why);
    CHECK_OK(sequence_of_fill(&landed, &w.fill, &why), &why);
    CHECK_OK(refunds_compute(&r, alg, &w.fill, &landed, &plan, world_finney(kept), &a, &why), &why);
    sequence_free(&landed);
    plan_free(&plan);
    algorithm_free(alg);
    return r;
}

static void end(void) {
    world_free(&w);
    arena_free(&a);
}

static const struct refund_party *party_of(const struct refund_report *r, char account) {
    for (size_t i = 0; i < r->party_count; i++) {
        if (address_equal(&r->parties[i].identity, &w.accounts[account - 'a'])) {
            return &r->parties[i];
        }
    }
    return NULL;
}

static void check_party(const struct refund_report *r, char account, uint64_t paid, uint64_t delta,
                        uint64_t refund) {
    const struct refund_party *p = party_of(r, account);
    CHECK(p != NULL);
    CHECK(u256_equal(p->paid, world_finney(paid)));
    CHECK(u256_equal(p->delta, world_finney(delta)));
    CHECK(u256_equal(p->refund, world_finney(refund)));
}

TEST(who_is_alone_gets_its_share) {
    static const char *const orders[] = {"bundle a.pay:30 signer=a", "bundle b.pay:10 signer=b"};
    struct refund_report r = report_of(orders, 2, 20);
    CHECK(u256_equal(r.value, world_finney(40)));
    CHECK_U64(r.party_count, 2);
    check_party(&r, 'a', 30, 30, 15);
    check_party(&r, 'b', 10, 10, 5);
    CHECK_U64(r.joint_count, 0);
    end();
}

TEST(never_more_than_was_paid) {
    static const char *const orders[] = {"bundle a.pay:30 signer=a", "bundle b.pay:10 signer=b"};
    struct refund_report r = report_of(orders, 2, 1000);
    check_party(&r, 'a', 30, 30, 30);
    check_party(&r, 'b', 10, 10, 10);
    end();
}

TEST(competition_lowers_the_contribution) {
    // b would have been there for 20: a contributed 10 of its 30.
    static const char *const orders[] = {"bundle a.once:30 signer=a", "bundle b.once:20 signer=b",
                                         "bundle c.pay:10 signer=c"};
    struct refund_report r = report_of(orders, 3, 10);
    CHECK_U64(r.party_count, 2);
    check_party(&r, 'a', 30, 10, 5);
    check_party(&r, 'c', 10, 10, 5);
    end();
}

TEST(two_who_need_each_other_share_one_contribution) {
    // Without a's flag b pays nothing, and without b the flag is worth nothing.
    static const char *const orders[] = {"bundle a.set a.pay:1 signer=a",
                                         "bundle b.back:40 signer=b", "bundle c.pay:9 signer=c"};
    struct refund_report r = report_of(orders, 3, 50);
    // b's bundle fails alone, so that only a and c landed.
    CHECK_U64(r.party_count, 2);
    check_party(&r, 'a', 1, 1, 1);
    end();
}

TEST(pairs_are_bounded_by_what_they_bring_together) {
    // Each of two would do as well: together they bring 30, alone nothing is lost.
    static const char *const orders[] = {"bundle a.once:30 signer=a",
                                         "bundle b.once:30 x.pay:5@0 signer=b",
                                         "bundle x.pay:5@0 signer=c"};
    struct refund_report r = report_of(orders, 3, 100);
    struct u256 sum = U256_ZERO;
    for (size_t i = 0; i < r.party_count; i++) {
        sum = u256_add(sum, r.parties[i].refund);
    }
    CHECK(u256_compare(sum, r.value) <= 0);
    for (size_t i = 0; i < r.joint_count; i++) {
        struct u256 two =
            u256_add(r.parties[r.joints[i].first].refund, r.parties[r.joints[i].second].refund);
        CHECK(u256_compare(two, r.joints[i].delta) <= 0);
    }
    end();
}

TEST(records_are_signed_and_read_back) {
    static const char *const orders[] = {"bundle a.pay:30 signer=a", "bundle b.pay:10 signer=b"};
    struct refund_report r = report_of(orders, 2, 20);
    const struct landed_block b = {.number = 77,
                                   .slot = 88,
                                   .hash = {{1}},
                                   .bid = world_finney(20),
                                   .true_value = world_finney(40),
                                   .builder = "mp-ordering"};
    const struct json *record;
    struct address signer;
    struct buf out, text;
    buf_init(&out, 0);
    buf_init(&text, 0);
    CHECK_OK(record_write(&out, &b, &r, w.signer, &w.keys[3], &why), &why);
    CHECK_OK(record_check(&record, &signer, buf_view(&out), &a, &why), &why);
    CHECK(address_equal(&signer, &w.accounts[3]));
    CHECK_OK(record_explain(&text, record, &signer, RECORD_TEXT, &why), &why);
    buf_append_byte(&text, 0);
    CHECK(strstr((const char *)text.p, "paid 0.030000000") != NULL);
    CHECK(strstr((const char *)text.p, "gets back 0.015000000 ETH") != NULL);
    buf_clear(&text);
    CHECK_OK(record_explain(&text, record, &signer, RECORD_CSV, &why), &why);
    buf_append_byte(&text, 0);
    CHECK(strstr((const char *)text.p, "77,0x01000000") != NULL);
    CHECK(strstr((const char *)text.p, ",15000000000000000\n") != NULL);
    uint8_t *digit = memmem(out.p, out.n, "\"slot\":88", 9);
    CHECK(digit != NULL);
    digit[8] = '9'; // a record that was changed
    int code = record_check(&record, &signer, buf_view(&out), &a, &why);
    CHECK(code == ERR_INVALID);
    buf_free(&out);
    buf_free(&text);
    end();
}

TEST(many_who_pay_little_keep_nobody_from_a_refund) {
    enum { COUNT = REFUND_IDENTITIES_MAX + 1 };
    static char texts[COUNT][32];
    static const char *orders[COUNT];
    size_t tried = 0;
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "bundle %c.pay:%d", (int)('a' + i % 15),
                       i == 500 ? 50 : 1);
        orders[i] = texts[i];
    }
    struct refund_report r = report_of(orders, COUNT, 50);
    CHECK_U64(r.party_count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        tried += r.parties[i].tried;
    }
    CHECK_U64(tried, REFUND_IDENTITIES_MAX);
    CHECK(r.parties[500].tried && u256_equal(r.parties[500].delta, world_finney(50)));
    CHECK(u256_compare(r.parties[500].refund, world_finney(4)) > 0);
    end();
}

TEST(pairs_that_bring_nothing_together_are_bounded_too) {
    // Each order has a double of another identity: nothing is lost without any two.
    enum { NONCES = 40, COUNT = 2 * NONCES };
    static char texts[COUNT][48];
    static const char *orders[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "bundle a.pay:1@%zu min=%zu", i / 2, 1 + i % 2);
        orders[i] = texts[i];
    }
    each_its_own = true;
    struct refund_report r = report_of(orders, COUNT, 30);
    each_its_own = false;
    CHECK_U64(r.party_count, NONCES);
    CHECK_U64(r.joint_count, 0);
    CHECK_U64(r.pairs_tried, REFUND_PAIRS_MAX);
    end();
}

TEST(an_identity_of_many_orders_takes_memory_for_each_once) {
    enum { COUNT = 300 };
    static char texts[COUNT][32];
    static const char *orders[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "bundle %c.pay:1 signer=a", (int)('a' + i % 15));
        orders[i] = texts[i];
    }
    struct refund_report r = report_of(orders, COUNT, 10);
    CHECK_U64(r.party_count, 1);
    CHECK_U64(r.parties[0].order_count, COUNT);
    CHECK(a.used_bytes < (1u << 20));
    end();
}

TEST(delayed_refunds_are_due_besides) {
    static const char *const orders[] = {"bundle a.pay:30 pct=50 to=c signer=a delayed",
                                         "bundle b.pay:10 signer=b"};
    struct refund_report r = report_of(orders, 2, 0);
    const struct landed_block b = {.number = 77, .builder = "mp-ordering"};
    const struct json *record;
    struct address signer;
    struct buf out, text;
    CHECK(u256_equal(r.value, world_finney(25))); // what may be bid
    check_party(&r, 'a', 15, 15, 0);
    CHECK(u256_equal(party_of(&r, 'a')->orders[0].delayed, world_finney(15)));
    CHECK(u256_is_zero(party_of(&r, 'b')->orders[0].delayed));
    buf_init(&out, 0);
    buf_init(&text, 0);
    CHECK_OK(record_write(&out, &b, &r, w.signer, &w.keys[3], &why), &why);
    CHECK_OK(record_check(&record, &signer, buf_view(&out), &a, &why), &why);
    CHECK_OK(record_explain(&text, record, &signer, RECORD_TEXT, &why), &why);
    CHECK_OK(record_explain(&text, record, &signer, RECORD_CSV, &why), &why);
    buf_append_byte(&text, 0);
    CHECK(strstr((const char *)text.p, "its refund is due: 0.015000000") != NULL);
    CHECK(strstr((const char *)text.p, ",15000000000000000\n") != NULL);
    buf_free(&out);
    buf_free(&text);
    end();
}

TEST_MAIN()
