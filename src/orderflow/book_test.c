/* SPDX-License-Identifier: MIT */
#include "orderflow/book.h"

#include "orderflow/testing.h"

#include <stdio.h>

static struct error why;
static struct book_before before;
static uint64_t nonce;

static struct flow_order *bundle(const char *tx, uint64_t n) {
    char param[300];
    (void)snprintf(param, sizeof param, "{\"txs\":[%s],\"replacementUuid\":\"" TEST_UUID "\"}", tx);
    return test_order("eth_sendBundle", param, n, 100 * NS_PER_S);
}

static enum book_verdict admit(struct book *b, struct flow_order *o, bool defaulted, uint64_t now) {
    return book_admit(b, o, defaulted, now, &nonce, &before);
}

TEST(an_order_is_new_once) {
    struct book *b;
    CHECK_OK(book_new(&b, &(struct book_options){.ids_max = 0}, &why), &why);
    struct flow_order *o = test_order("eth_sendBundle", "{\"txs\":[\"0x01\"]}", 0, 90 * NS_PER_S);
    struct flow_order *same = test_order("eth_sendBundle", "{\"txs\":[\"0x01\"]}", 0, 5);
    struct flow_order *other = test_order("eth_sendBundle", "{\"txs\":[\"0x02\"]}", 0, 5);
    CHECK(hash_equal(&o->id, &same->id) && !hash_equal(&o->id, &other->id));
    CHECK_U64(admit(b, o, false, 1), BOOK_NEW);
    CHECK_U64(admit(b, same, false, 2), BOOK_DUPLICATE);
    CHECK_U64(admit(b, other, false, 2), BOOK_NEW);
    CHECK_U64(admit(b, same, false, 80 * NS_PER_S), BOOK_DUPLICATE); // until it expires
    CHECK_U64(admit(b, same, false, 91 * NS_PER_S), BOOK_NEW);
    struct book_stats s = book_stats(b);
    CHECK_U64(s.duplicate, 2);
    CHECK_U64(s.ids, 1);
    CHECK_U64(s.forgotten, 0);
    flow_order_release(o);
    flow_order_release(same);
    flow_order_release(other);
    book_free(b);
}

TEST(the_highest_nonce_is_in_force_whatever_the_order_of_arrival) {
    struct book *b;
    struct flow_order *o[5];
    CHECK_OK(book_new(&b, &(struct book_options){.ids_max = 0}, &why), &why);
    for (uint64_t n = 0; n < 5; n++) {
        o[n] = bundle(n == 2 ? "\"0x00\"" : n % 2 ? "\"0x01\"" : "\"0x00\"", 10 + n);
    }
    CHECK_U64(admit(b, o[0], false, 1), BOOK_NEW);
    CHECK(hash_is_zero(&before.id) && before.expires_ns == 0);
    CHECK_U64(admit(b, o[1], false, 1), BOOK_NEW);
    CHECK(hash_equal(&before.id, &o[0]->id));
    CHECK_U64(admit(b, o[2], false, 1), BOOK_NEW); // A, B, A
    CHECK(!book_in_force(b, o[0]) && book_in_force(b, o[2]));
    CHECK_U64(admit(b, o[4], false, 1), BOOK_NEW);
    CHECK_U64(admit(b, o[3], false, 1), BOOK_STALE); // late
    CHECK_U64(admit(b, o[2], false, 1), BOOK_DUPLICATE);
    CHECK_U64(admit(b, o[4], false, 1), BOOK_DUPLICATE);
    struct flow_order *twin = bundle("\"0x09\"", 14); // an equal nonce is ignored
    CHECK_U64(admit(b, twin, false, 1), BOOK_STALE);
    CHECK_U64(admit(b, twin, true, 1), BOOK_RENUMBER);
    CHECK_U64(nonce, 15);
    flow_order_release(twin);
    for (size_t n = 0; n < 5; n++) {
        flow_order_release(o[n]);
    }
    book_free(b);
}

TEST(nothing_comes_after_a_final_cancel) {
    struct book *b;
    CHECK_OK(book_new(&b, &(struct book_options){.ids_max = 0}, &why), &why);
    struct flow_order *cancel =
        test_order("eth_cancelBundle", "{\"replacementUuid\":\"" TEST_UUID "\"}", 0, 50);
    struct flow_order *late = bundle("\"0x01\"", 7);
    CHECK_U64(admit(b, cancel, false, 1), BOOK_NEW);
    CHECK_U64(admit(b, cancel, false, 1), BOOK_NEW); // never a duplicate
    CHECK_U64(admit(b, late, true, 1), BOOK_STALE);
    CHECK_U64(admit(b, late, false, 1), BOOK_STALE);
    flow_order_release(cancel);
    flow_order_release(late);
    book_free(b);
}

TEST(a_withdrawn_order_is_new_again) {
    struct book *b;
    struct hash none = {{0}};
    CHECK_OK(book_new(&b, &(struct book_options){.ids_max = 0}, &why), &why);
    struct flow_order *first = bundle("\"0x01\"", 5), *second = bundle("\"0x02\"", 6);
    CHECK_U64(admit(b, first, false, 1), BOOK_NEW);
    CHECK_U64(admit(b, second, false, 1), BOOK_NEW);
    book_withdraw(b, second, &before.id);
    CHECK(book_in_force(b, first) && !book_has(b, &second->id) && book_has(b, &first->id));
    CHECK_U64(admit(b, second, false, 1), BOOK_NEW);
    CHECK(hash_equal(&before.id, &first->id));
    book_withdraw(b, second, &before.id);
    book_withdraw(b, first, &none);
    CHECK_U64(book_stats(b).keys, 0);
    CHECK_U64(book_stats(b).ids, 0);
    flow_order_release(first);
    flow_order_release(second);
    book_free(b);
}

TEST(a_key_is_known_as_long_as_what_was_replaced_may_land) {
    static const char of[] = "{\"txs\":[\"0x01\"],\"replacementUuid\":\"" TEST_UUID "\"}";
    struct book *b;
    CHECK_OK(book_new(&b, &(struct book_options){.id_ns = 1, .key_ns = 1}, &why), &why);
    struct flow_order *far = test_order("eth_sendBundle", of, 5, 900 * NS_PER_S);
    struct flow_order *near = test_order("eth_sendBundle", of, 6, 100 * NS_PER_S);
    struct flow_order *next = test_order("eth_sendBundle", of, 7, 100 * NS_PER_S);
    CHECK_U64(admit(b, far, false, 1), BOOK_NEW);
    CHECK(book_journaled(b, far));
    CHECK_U64(admit(b, near, false, 1), BOOK_NEW);
    CHECK_U64(before.expires_ns, 900 * NS_PER_S);
    CHECK_U64(before.journal_ns, 900 * NS_PER_S);
    CHECK_U64(admit(b, next, false, 500 * NS_PER_S), BOOK_NEW);
    CHECK(hash_equal(&before.id, &near->id));
    CHECK_U64(before.expires_ns, 900 * NS_PER_S);
    CHECK(!book_in_force(b, far) && !book_journaled(b, far));
    flow_order_release(far);
    flow_order_release(near);
    flow_order_release(next);
    book_free(b);
}

TEST(a_full_book_forgets_what_is_over_soonest) {
    struct book *b;
    struct flow_order *o[5];
    CHECK_OK(book_new(&b, &(struct book_options){.ids_max = 4, .keys_max = 4, .id_ns = 1}, &why),
             &why);
    for (uint64_t n = 0; n < 5; n++) {
        char param[100];
        (void)snprintf(param, sizeof param, "{\"txs\":[\"0x%02u\"]}", (unsigned)n);
        o[n] = test_order("eth_sendBundle", param, 0, (100 - n) * NS_PER_S);
        CHECK_U64(admit(b, o[n], false, 1), BOOK_NEW);
    }
    CHECK(!book_has(b, &o[3]->id) && book_has(b, &o[0]->id) && book_has(b, &o[4]->id));
    CHECK_U64(book_stats(b).forgotten, 1);
    for (size_t n = 0; n < 5; n++) {
        flow_order_release(o[n]);
    }
    book_free(b);
}

TEST(nonces_rise_and_follow_peers_a_little) {
    struct book *b;
    CHECK_OK(book_new(&b, &(struct book_options){.ids_max = 0}, &why), &why);
    CHECK_U64(book_clock(b, 1000), 1000);
    CHECK_U64(book_clock(b, 1000), 1001);
    CHECK_U64(book_clock(b, 500), 1002);
    book_clock_observe(b, 2000, 1000);
    CHECK_U64(book_clock(b, 1000), 2001);
    book_clock_observe(b, 1001 + BOOK_AHEAD_US, 1000); // a clock that far ahead is wrong
    CHECK_U64(book_clock(b, 1000), 2002);
    book_free(b);
}

TEST(an_order_gives_its_forms_and_keeps_them) {
    const struct flow_body *first, *second, *again, *bitcode, *signed_body;
    struct flow_identity id = {.key = {{1}}};
    struct address signer;
    CHECK_OK(ecdsa_signer_new(&id.signer, &why), &why);
    struct flow_order *o = bundle("\"0x02f8\"", 9);
    CHECK_OK(flow_order_body(&first, o, FLOW_JSON_FIRST, NULL, &why), &why);
    CHECK_OK(flow_order_body(&second, o, FLOW_JSON_SECOND, NULL, &why), &why);
    CHECK_OK(flow_order_body(&again, o, FLOW_JSON_SECOND, NULL, &why), &why);
    CHECK_OK(flow_order_body(&bitcode, o, FLOW_BITCODE, NULL, &why), &why);
    CHECK_OK(flow_order_body(&signed_body, o, FLOW_BITCODE, &id, &why), &why);
    CHECK(second == again && second->signature[0] == '\0');
    CHECK(memmem(first->data.p, first->data.n, "bundleHash", 10) == NULL);
    CHECK(memmem(second->data.p, second->data.n, "bundleHash", 10) != NULL);
    CHECK(bytes_equal(bitcode->data, signed_body->data));
    CHECK_OK(request_signature_verify(&signer, bytes_from_str(signed_body->signature),
                                      signed_body->data, NULL, &why),
             &why);
    ecdsa_signer_free(id.signer);
    flow_order_release(o);
}

TEST_MAIN()
