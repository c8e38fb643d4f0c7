/* SPDX-License-Identifier: MIT */
#include "relay/auction.h"

#include "relay/testing.h"
#include "test/harness/test.h"

struct room {
    struct auctions all;
    struct auction *b;
};

// In place: the list inside points to itself.
static void open_room(struct room *r) {
    struct error why;
    struct bid_trace trace = {.slot = 5};
    auctions_init(&r->all);
    CHECK_OK(auctions_open(&r->b, &r->all, &trace, &why), &why);
}

static struct bid *bid(struct room *r, unsigned builder, uint64_t value, bool cancellable,
                       bool stored) {
    struct error why;
    static uint64_t clock;
    struct bid *b = testing_bid(5, builder, value, cancellable, ++clock), *wanted;
    b->stored = stored;
    CHECK_OK(auction_put(r->b, b, &why), &why);
    (void)auction_settle(&r->all, r->b, &wanted);
    bid_release(b); // the auction has its own
    return b;
}

static uint64_t top(const struct room *r) {
    return r->b->top ? r->b->top->trace.value.w[0] : 0;
}

TEST(highest_bid_is_the_top) {
    struct room r;
    open_room(&r);
    (void)bid(&r, 1, 10, false, true);
    (void)bid(&r, 2, 30, true, true);
    (void)bid(&r, 3, 20, true, true);
    CHECK_U64(top(&r), 30);
    auctions_free(&r.all);
}

TEST(of_equal_bids_the_earlier_stays) {
    struct room r;
    open_room(&r);
    (void)bid(&r, 1, 10, true, true);
    (void)bid(&r, 2, 10, true, true);
    CHECK_U64(load_be32(r.b->top->trace.builder_pubkey.b), 1);
    auctions_free(&r.all);
}

TEST(floor_never_sinks_and_keeps_lower_bids_out) {
    struct room r;
    open_room(&r);
    CHECK(auction_admits(NULL, u256_from_u64(1), false));
    (void)bid(&r, 1, 10, false, true);
    CHECK(!auction_admits(r.b, u256_from_u64(10), false));
    CHECK(auction_admits(r.b, u256_from_u64(10), true));
    CHECK(!auction_admits(r.b, u256_from_u64(9), true));
    CHECK(auction_admits(r.b, u256_from_u64(11), false));
    (void)bid(&r, 1, 12, true, true); // the builder's own bid with cancellation replaces it
    CHECK_U64(top(&r), 12);
    struct bid *wanted;
    auction_cancel(r.b, &r.b->top->trace.builder_pubkey);
    CHECK(auction_settle(&r.all, r.b, &wanted));
    CHECK_U64(top(&r), 10); // the floor holds
    auctions_free(&r.all);
}

TEST(cancellation_lets_the_lower_bid_count) {
    struct room r;
    open_room(&r);
    (void)bid(&r, 1, 100, true, true);
    (void)bid(&r, 1, 50, true, true);
    CHECK_U64(top(&r), 50);
    auctions_free(&r.all);
}

TEST(only_stored_payloads_are_offered) {
    struct room r;
    open_room(&r);
    struct bid *wanted = NULL;
    (void)bid(&r, 1, 10, true, true);
    struct bid *high = bid(&r, 2, 20, true, false);
    CHECK_U64(top(&r), 10);
    CHECK(!auction_settle(&r.all, r.b, &wanted));
    CHECK(wanted == high); // it is to be stored
    high->storing = true;
    (void)auction_settle(&r.all, r.b, &wanted);
    CHECK(wanted == NULL);
    high->stored = true;
    CHECK(auction_settle(&r.all, r.b, &wanted));
    CHECK_U64(top(&r), 20);
    auctions_free(&r.all);
}

TEST(unproven_bids_make_no_floor_until_they_are) {
    struct error why;
    struct room r;
    open_room(&r);
    struct bid *b = testing_bid(5, 1, 40, false, 1), *wanted;
    b->stored = b->unproven = true;
    (void)bid(&r, 2, 30, false, true);
    CHECK_OK(auction_put(r.b, b, &why), &why);
    (void)auction_settle(&r.all, r.b, &wanted);
    CHECK_U64(top(&r), 40);
    CHECK(auction_admits(r.b, u256_from_u64(35), false));
    auction_prove(r.b, b);
    CHECK(!auction_admits(r.b, u256_from_u64(35), false));
    auction_remove(r.b, b);
    CHECK(auction_settle(&r.all, r.b, &wanted));
    CHECK_U64(top(&r), 30);
    bid_release(b);
    auctions_free(&r.all);
}

TEST(overtaken_by_time_or_by_the_builders_count) {
    struct room r;
    open_room(&r);
    struct bid *open = bid(&r, 1, 10, true, true);
    struct bid *early = testing_bid(5, 1, 20, true, 0),
               *late = testing_bid(5, 1, 5, true, 1u << 30);
    CHECK(auction_is_overtaken(r.b, early));
    CHECK(!auction_is_overtaken(r.b, late));
    open->sequence = 7;
    late->sequence = 6;
    early->sequence = 8;
    CHECK(auction_is_overtaken(r.b, late));
    CHECK(!auction_is_overtaken(r.b, early));
    bid_release(early);
    bid_release(late);
    auctions_free(&r.all);
}

TEST(tops_are_found_by_block_until_their_slot_is_dropped) {
    struct room r;
    open_room(&r);
    struct bid *first = bid_hold(bid(&r, 1, 10, true, true));
    (void)bid(&r, 1, 20, true, true);
    CHECK(auctions_find_block(&r.all, &first->trace.block_hash) == first);
    auctions_drop_before(&r.all, 5);
    CHECK(auctions_find_block(&r.all, &first->trace.block_hash) == first);
    auctions_drop_before(&r.all, 6);
    CHECK(auctions_find_block(&r.all, &first->trace.block_hash) == NULL);
    struct hash parent = {{0}};
    struct bytes48 proposer = {{0}};
    CHECK(auctions_find(&r.all, 5, &parent, &proposer) == NULL);
    CHECK_U64(first->refs, 1);
    bid_release(first);
    auctions_free(&r.all);
}

TEST(leads_looks_at_the_others) {
    struct room r;
    open_room(&r);
    struct bid_trace trace = {.value = u256_from_u64(5)};
    CHECK(auction_leads(NULL, &trace));
    (void)bid(&r, 1, 10, true, true);
    store_be32(trace.builder_pubkey.b, 1);
    CHECK(auction_leads(r.b, &trace)); // it would replace its own
    store_be32(trace.builder_pubkey.b, 2);
    CHECK(!auction_leads(r.b, &trace));
    trace.value = u256_from_u64(11);
    CHECK(auction_leads(r.b, &trace));
    auctions_free(&r.all);
}

TEST_MAIN()
