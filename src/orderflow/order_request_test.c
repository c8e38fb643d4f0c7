/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "crypto/keccak.h"
#include "eth/request_signature.h"
#include "orderflow/order_envelope.h"
#include "orderflow/priority.h"

#include "test/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define HASH_A "\"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""
#define ADDRESS_A "\"0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""
#define UUID_A "\"3255ceb4-fdc5-592d-a501-2183727ca3df\""

static struct arena a;
static struct error why;

/* The refusal's text for a parameter of a method; "" when it is accepted. */
static const char *judge(const char *method, const char *param, const struct order_context *c,
                         struct order *ret) {
    const struct json *doc;
    why.text[0] = 0;
    CHECK_OK(json_parse(&doc, bytes_from_str(param), &a, NULL, &why), &why);
    int r = order_from_param(ret, bytes_from_str(method), doc, c, &a, &why);
    return r == 0 ? "" : why.text;
}

TEST(first_generation_says_why) {
    static const struct {
        const char *method, *param, *text;
        bool system;
    } cases[] = {
        {"eth_sendBundle", "{\"uuid\":" UUID_A ",\"replacementUuid\":" UUID_A "}",
         "one of uuid or replacementUuid fields should be empty", false},
        {"eth_sendBundle", "{\"signingAddress\":" ADDRESS_A "}",
         "signing address field should not be set", false},
        {"eth_sendBundle", "{\"version\":\"v3\"}", "invalid version", false},
        {"eth_sendBundle", "{\"refundTxHashes\":[" HASH_A "," HASH_A "]}",
         "no more than one refund tx hash is allowed", false},
        // A peer is told one byte of it: 810 would be 42 there.
        {"eth_sendBundle", "{\"refundPercent\":810}", "refundPercent: is above 255", false},
        {"eth_sendBundle", "{\"version\":\"v2\",\"refundPercent\":256}",
         "refundPercent: is above 255", true},
        {"eth_sendBundle", "{}", "version field should be set", true},
        {"eth_sendBundle", "{\"version\":\"v1\",\"droppingTxHashes\":[" HASH_A "]}",
         "dropping tx hashes field should not be set", true},
        {"eth_sendBundle", "{\"version\":\"v1\",\"refundPercent\":1}",
         "refund percent field should not be set", true},
        {"eth_sendBundle", "{\"version\":\"v1\",\"refundRecipient\":" ADDRESS_A "}",
         "refund recipient field should not be set", true},
        {"eth_sendBundle", "{\"version\":\"v1\",\"refundTxHashes\":[" HASH_A "]}",
         "refund tx hashes field should not be set", true},
        {"eth_cancelBundle", "{\"replacementUuid\":" UUID_A ",\"signingAddress\":" ADDRESS_A "}",
         "signing address field should not be set", false},
        {"bid_subsidiseBlock", "5", "subsidy can only be called on system API", false},
        {"bid_subsidiseBlock", "5", "subsidy can only be called by Flashbots", true},
        {"eth_foo", "5", "method not found", true},
    };
    struct order o;
    arena_init(&a, 1u << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct order_context c = {.generation = ORDER_FIRST, .system = cases[i].system};
        CHECK_STR(judge(cases[i].method, cases[i].param, &c, &o), cases[i].text);
    }
    arena_free(&a);
}

TEST(second_generation_names_the_field) {
    static const struct {
        const char *param, *text;
    } cases[] = {
        {"{}", "txs: are empty, and no uuid is given"},
        {"{\"txs\":[\"0x\"]}", "txs[0]: is empty"},
        {"{\"version\":\"v1\",\"txs\":[\"0x01\"],\"delayedRefund\":false}",
         "delayedRefund: is not supported by version v1"},
        {"{\"version\":\"v1\",\"txs\":[\"0x01\"],\"refundTxHashes\":[]}",
         "refundTxHashes: is not supported by version v1"},
        {"{\"version\":\"v9\",\"txs\":[\"0x01\"]}", "version: \"v9\" is not supported"},
        {"{\"txs\":[\"0x01\"],\"refundPercent\":256}", "refundPercent: is above 255"},
        {"{\"txs\":[\"0x01\",\"0x02\",\"0x03\"]}", "txs: 3 are more than 2"},
    };
    struct order o;
    struct order_context c = {.generation = ORDER_SECOND, .now_us = 7, .txs_max = 2};
    arena_init(&a, 1u << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_STR(judge("eth_sendBundle", cases[i].param, &c, &o), cases[i].text);
    }
    CHECK_STR(judge("eth_sendBundle", "{\"txs\":null,\"uuid\":" UUID_A "}", &c, &o), "");
    CHECK(o.cancels && o.replaces);
    CHECK_U64(o.replacement.nonce, 7);
    CHECK_U64(order_priority_of(&o, 9), ORDER_HIGH);
    c.system = true;
    CHECK_STR(judge("eth_sendBundle", "{\"uuid\":" UUID_A "}", &c, &o),
              "replacementNonce: is missing");
    CHECK_STR(judge("eth_sendBundle", "{\"uuid\":" UUID_A ",\"replacementNonce\":1}", &c, &o),
              "signingAddress: is missing");
    arena_free(&a);
}

/* On the processor: what else the machine does is no cost. */
static uint64_t own_time_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* n transactions, all listed behind n - 1 other hashes. */
static uint64_t ns_for_priority(size_t n) {
    struct bytes *txs = calloc(n, sizeof *txs);
    struct hash *hashes = calloc(n, sizeof *hashes);
    struct order o = {.method = ORDER_SEND_BUNDLE};
    CHECK(txs && hashes);
    for (size_t i = 0; i < n; i++) {
        txs[i] = BYTES_LIT("\x01");
        store_be64(hashes[i].b, i);
    }
    hashes[n - 1] = keccak256(txs[0]);
    o.bundle.txs.items = txs;
    o.bundle.reverting.items = hashes;
    o.bundle.txs.count = o.bundle.reverting.count = n;
    uint64_t begun = own_time_ns();
    CHECK_U64(order_priority_of(&o, 9), ORDER_HIGH);
    uint64_t took = own_time_ns() - begun;
    txs[n / 2] = BYTES_LIT("\x02");
    CHECK_U64(order_priority_of(&o, 9), ORDER_LOW);
    free(txs);
    free(hashes);
    return took;
}

/* The first generation has no limit on transactions: one bundle may not hold a worker for minutes.
 */
TEST(the_priority_of_a_huge_bundle_costs_no_more_for_each_of_its_transactions) {
    uint64_t few = ns_for_priority(2000), many = ns_for_priority(32000);
    CHECK(many < 80 * few); // each with each: 256 times
}

TEST(share_bundles_of_unknown_versions_are_refused) {
    static const char wrong[] = "Incorrect version: v0.1 or version-1 is expected";
    static const struct {
        const char *version, *inner, *says;
    } cases[] = {{"\"v0.1\"", "\"version-1\"", ""}, {"\"version-1\"", "\"v0.1\"", ""},
                 {"\"beta-1\"", "\"v0.1\"", wrong}, {"\"v0.1\"", "\"v0.2\"", wrong},
                 {"\"\"", "\"v0.1\"", wrong},       {"\"V0.1\"", "\"v0.1\"", wrong}};
    struct order_context c = {.generation = ORDER_FIRST, .signer = {{1}}};
    struct order o;
    char param[400];
    arena_init(&a, 1u << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)snprintf(
            param, sizeof param,
            "{\"version\":%s,\"inclusion\":{\"block\":\"0x1\"},\"replacementUuid\":" UUID_A
            ",\"body\":[{\"bundle\":{\"version\":%s,\"inclusion\":{\"block\":\"0x1\"},"
            "\"body\":[]}}]}",
            cases[i].version, cases[i].inner);
        c.system = false;
        CHECK_STR(judge("mev_sendBundle", param, &c, &o), cases[i].says);
        c.system = true; // a peer's is the builder's to judge
        CHECK_STR(judge("mev_sendBundle", param, &c, &o), "");
    }
    c.system = false;
    CHECK(*judge("mev_sendBundle", "{\"inclusion\":{\"block\":\"0x1\"},\"body\":[]}", &c, &o));
    CHECK(*judge("mev_sendBundle", "{\"version\":1,\"inclusion\":{\"block\":\"0x1\"},\"body\":[]}",
                 &c, &o));
    arena_free(&a);
}

TEST(envelopes_answer_as_each_generation_does) {
    static const struct {
        const char *body;
        enum order_fault first, second;
    } cases[] = {
        {"{", ORDER_FAULT_SYNTAX, ORDER_FAULT_SYNTAX},
        {"[]", ORDER_FAULT_SYNTAX, ORDER_FAULT_SYNTAX},
        {"{\"id\":1,\"jsonrpc\":\"1.0\"}", ORDER_FAULT_VERSION, ORDER_FAULT_VERSION},
        {"{\"id\":{},\"jsonrpc\":\"2.0\"}", ORDER_FAULT_ID, ORDER_FAULT_ID},
        {"{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"x\"}", ORDER_FAULT_METHOD, ORDER_FAULT_METHOD},
        {"{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"eth_sendBundle\"}", ORDER_ACCEPTED,
         ORDER_FAULT_COUNT},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"eth_sendBundle\",\"params\":[{}]}", ORDER_ACCEPTED,
         ORDER_FAULT_ID},
        {"{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"eth_sendBundle\",\"params\":[{},{}]}",
         ORDER_FAULT_COUNT, ORDER_FAULT_COUNT},
        {"{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"mev_sendBundle\",\"params\":[{}]}",
         ORDER_ACCEPTED, ORDER_FAULT_METHOD},
    };
    arena_init(&a, 1u << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct order_envelope e;
        enum order_fault fault;
        struct bytes body = bytes_from_str(cases[i].body);
        int r = order_envelope_parse(&e, &fault, body, ORDER_FIRST, &a, &why);
        CHECK_U64(fault, cases[i].first);
        CHECK((r == 0) == (fault == ORDER_ACCEPTED));
        r = order_envelope_parse(&e, &fault, body, ORDER_SECOND, &a, &why);
        CHECK_U64(fault, cases[i].second);
        CHECK((r == 0) == (fault == ORDER_ACCEPTED));
    }
    struct order_refusal x =
        order_refusal_of(ORDER_FAULT_METHOD, ORDER_SECOND, BYTES_LIT("eth_foo"), &why, &a);
    CHECK_STR(x.message, "Method not found: eth_foo");
    CHECK_I64(x.http_status, 404);
    arena_free(&a);
}

TEST(signatures_round_trip_through_a_cache) {
    struct ecdsa_signer *signer;
    struct ecdsa_secret_key key = {{1}};
    struct sender_cache *cache;
    struct address who;
    struct buf out;
    CHECK_OK(ecdsa_signer_new(&signer, &why), &why);
    CHECK_OK(sender_cache_new(&cache, 512, &why), &why);
    buf_init(&out, 0);
    CHECK_OK(request_signature_make(&out, signer, &key, BYTES_LIT("{}"), &why), &why);
    CHECK_U64(out.n, REQUEST_SIGNATURE_HEADER_BYTES);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(request_signature_verify(&who, buf_view(&out), BYTES_LIT("{}"), cache, &why),
                 &why);
    }
    CHECK_ERR(request_signature_verify(&who, buf_view(&out), BYTES_LIT("[]"), cache, &why),
              ERR_INVALID);
    CHECK_ERR(request_signature_verify(&who, BYTES_LIT(""), BYTES_LIT("[]"), cache, &why),
              ERR_AUTH);
    static const char *const wrong[] = {"x", "x:", "x:00", "x:0x", "x:0x0", "x:0x05", "x:0xzz"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_ERR(
            request_signature_verify(&who, bytes_from_str(wrong[i]), BYTES_LIT("[]"), cache, &why),
            ERR_SYNTAX);
    }
    buf_free(&out);
    sender_cache_free(cache);
    ecdsa_signer_free(signer);
}

TEST(scores_forget) {
    static struct score_tracker t;
    const struct score_settings s = SCORE_SETTINGS_DEFAULT;
    score_at(&t, &s, 1000)->requests = 1000;
    CHECK(score_now(&t, &s, 1001) > 2.9);
    CHECK(score_now(&t, &s, 1059) > 2.9);
    CHECK(!score_is_idle(&t, &s, 1059));
    CHECK(score_is_idle(&t, &s, 1060));
    CHECK_I64(order_priority_parse(BYTES_LIT("MEDIUM")), ORDER_MEDIUM);
    CHECK_I64(order_priority_parse(BYTES_LIT("mediu")), -1);
}

TEST_MAIN()
