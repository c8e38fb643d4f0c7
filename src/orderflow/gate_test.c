/* SPDX-License-Identifier: MIT */
#include "orderflow/gate.h"

#include "base/clock.h"
#include "test/harness/test.h"

#define S(x) ((uint64_t)(x)*NS_PER_S)

static struct error why;
static const struct address alice = {{1}}, bob = {{2}};
static const uint8_t ip[16] = {9}, other_ip[16] = {8};
static const struct bytes no_key = {NULL, 0};

static void load(struct gate *g, const char *text) {
    struct rules *r;
    CHECK_OK(rules_parse(&r, bytes_from_str(text), "test", &why), &why);
    gate_set_rules(g, r);
}

TEST(a_signer_has_a_sliding_window) {
    struct gate *g;
    CHECK_OK(
        gate_new(&g, &(struct gate_options){.signer_count = 3, .signer_window_ns = S(1)}, &why),
        &why);
    for (int i = 0; i < 3; i++) {
        CHECK(i % 2 ? gate_signer_again(g, &alice, S(10)) : !gate_signer(g, &alice, S(10)).over);
    }
    CHECK(gate_claimed(g, &alice, S(10)).over);
    CHECK(gate_signer(g, &alice, S(10)).over && !gate_signer_again(g, &alice, S(10)));
    CHECK(!gate_signer(g, &bob, S(10)).over);
    CHECK(!gate_claimed(g, &alice, S(12)).over);
    CHECK(!gate_signer(g, &alice, S(12)).over);
    CHECK_U64(gate_entities(g), 2);
    gate_free(g);
}

TEST(asking_whom_a_header_claims_counts_nothing) {
    struct gate *g;
    CHECK_OK(gate_new(&g, &(struct gate_options){.signer_count = 3}, &why), &why);
    for (int i = 0; i < 100; i++) {
        CHECK(!gate_claimed(g, &alice, S(5)).over);
    }
    CHECK_U64(gate_entities(g), 0);
    CHECK(!gate_signer(g, &alice, S(5)).over);
    gate_free(g);
}

TEST(who_asks_much_beside_others_is_greedy) {
    struct gate *g;
    unsigned greedy = 0;
    CHECK_OK(gate_new(&g, &(struct gate_options){.client_per_second = 0}, &why), &why);
    for (int i = 0; i < 2000; i++) { // alone: nobody is harmed
        CHECK(!gate_client(g, ip, no_key, S(5)).greedy);
    }
    uint64_t later = S(6);
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t now = later + i * NS_PER_MS / 10;
        if (i % 100 == 0) CHECK(!gate_client(g, other_ip, no_key, now).greedy);
        greedy += gate_client(g, ip, no_key, now).greedy;
    }
    CHECK(greedy > 600 && greedy <= 800); // not before there is much
    later = S(7);
    for (uint64_t i = 0; i < 1000; i++) { // both ask alike
        CHECK(!gate_client(g, other_ip, no_key, later).greedy);
        CHECK(!gate_client(g, ip, no_key, later).greedy);
    }
    CHECK(!gate_client(g, ip, no_key, S(8)).greedy); // forgotten
    gate_free(g);
}

TEST(a_client_has_a_bucket_of_two_seconds) {
    struct gate *g;
    int taken = 0;
    CHECK_OK(gate_new(&g, &(struct gate_options){.client_per_second = 10}, &why), &why);
    for (int i = 0; i < 100; i++) {
        taken += !gate_client(g, ip, no_key, S(5)).over;
    }
    CHECK_I64(taken, 21);
    struct gate_pass p = gate_client(g, ip, no_key, S(5));
    CHECK(p.over && p.retry_ns > 0 && p.retry_ns <= NS_PER_S);
    CHECK(!gate_client(g, other_ip, no_key, S(5)).over);
    CHECK(!gate_client(g, ip, no_key, S(5) + p.retry_ns).over);
    gate_free(g);
}

TEST(all_users_share_one_bucket) {
    struct gate *g;
    int taken = 0;
    CHECK_OK(gate_new(&g, &(struct gate_options){.total_per_second = 50}, &why), &why);
    for (int i = 0; i < 200; i++) {
        uint8_t one[16] = {(uint8_t)i};
        taken += !gate_client(g, one, no_key, S(5)).over;
    }
    CHECK_I64(taken, 51);
    gate_free(g);
}

TEST(rules_give_priority_and_rate) {
    struct gate *g;
    int taken = 0;
    CHECK_OK(gate_new(&g, &(struct gate_options){.client_per_second = 1, .signer_count = 1}, &why),
             &why);
    load(g, "[[sender]]\nname = \"a\"\nkey = \"0123456789abcdef\"\npriority = \"HIGH\"\n"
            "requests_per_second = 0\n"
            "[[sender]]\nsigner = \"0x0200000000000000000000000000000000000000\"\n"
            "priority = \"low\"\nrequests_per_second = 5\n");
    for (int i = 0; i < 50; i++) {
        struct gate_pass p = gate_client(g, ip, BYTES_LIT("0123456789abcdef"), S(5));
        CHECK(!p.over && p.priority == ORDER_HIGH);
    }
    for (int i = 0; i < 50; i++) {
        struct gate_pass p = gate_signer(g, &bob, S(5));
        CHECK_I64(p.priority, ORDER_LOW);
        taken += !p.over;
    }
    CHECK_I64(taken, 6);
    CHECK_I64(gate_client(g, ip, BYTES_LIT("an unknown api key"), S(5)).priority, -1);
    gate_free(g);
}

TEST(rules_are_read_strictly) {
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"[[sender]]\nname = \"a\"\n", "has a key or a signer"},
        {"[[sender]]\nkey = \"short\"\n", "at least 16"},
        {"[[sender]]\nsigner = \"0x12\"\n", "no address"},
        {"[[sender]]\nkey_sha256 = \"12\"\n", "64 hexadecimal"},
        {"[[sender]]\nkey = \"0123456789abcdef\"\npriority = \"top\"\n", "one of high"},
        {"[[sender]]\nkey = \"0123456789abcdef\"\nrequests_per_second = -1\n", "not within"},
        {"[[sender]]\nkey = \"0123456789abcdef\"\n[[sender]]\nkey = \"0123456789abcdef\"\n",
         "named twice"},
        {"[[sender]]\nbogus = 1\n", "unknown member \"bogus\""},
        {"[other]\n", "only [[sender]]"},
        {"sender = 5\n", "is no array"},
        {"[[sender]]\nname = \"\"\nkey = \"0123456789abcdef\"\n", "1 to 63"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rules *r = NULL;
        CHECK(rules_parse(&r, bytes_from_str(cases[i].text), "test", &why) < 0);
        if (!strstr(why.text, cases[i].reason)) FAIL("%s: %s", cases[i].text, why.text);
    }
    struct rules *none;
    CHECK_ERR(rules_load(&none, "/nonexistent/rules", &why), ERR_NOT_FOUND);
}

TEST(spam_raises_the_score_and_worth_lowers_it) {
    struct gate *g;
    CHECK_OK(gate_new(&g, &(struct gate_options){.signer_count = 0}, &why), &why);
    for (int i = 0; i < 1000; i++) {
        (void)gate_signer(g, &alice, S(8));
        gate_count_invalid(g, &alice, S(8));
    }
    CHECK(gate_claimed(g, &alice, S(8)).score > 7.9);
    CHECK(gate_claimed(g, &bob, S(8)).score == 0);
    gate_count_worth(g, &alice, 1000, 0, 0, S(8));
    CHECK(gate_claimed(g, &alice, S(8)).score < 0);
    CHECK(gate_claimed(g, &alice, S(100)).score == 0); // a minute later all is forgotten
    gate_free(g);
}

TEST(forged_signatures_make_a_client_suspect_for_a_while) {
    struct gate *g;
    CHECK_OK(gate_new(&g, &(struct gate_options){.signer_count = 0}, &why), &why);
    for (int i = 0; i < 4; i++) {
        gate_count_forged(g, ip, S(5));
        CHECK(!gate_client(g, ip, no_key, S(5)).suspect);
    }
    for (int i = 0; i < 1000; i++) {
        gate_count_forged(g, ip, S(5));
    }
    CHECK(gate_client(g, ip, no_key, S(5)).suspect);
    CHECK(gate_client(g, ip, no_key, S(14)).suspect);
    CHECK(!gate_client(g, other_ip, no_key, S(5)).suspect);
    CHECK(!gate_client(g, ip, no_key, S(15)).suspect);
    CHECK(!gate_claimed(g, &alice, S(5)).known);
    (void)gate_signer(g, &alice, S(5));
    CHECK(gate_claimed(g, &alice, S(5)).known);
    gate_free(g);
}

TEST(strangers_do_not_fill_the_memory) {
    struct gate *g;
    CHECK_OK(gate_new(&g, &(struct gate_options){.signer_count = 0}, &why), &why);
    for (uint32_t i = 0; i < GATE_ENTRIES_MAX + 100; i++) {
        struct address a = {{0}};
        store_be32(a.b, i);
        (void)gate_signer(g, &a, S(8));
    }
    CHECK_U64(gate_entities(g), GATE_ENTRIES_MAX);
    gate_free(g);
}

TEST_MAIN()
