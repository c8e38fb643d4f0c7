/* Bidding: decisions, what relays are told, what their answers mean. SPDX-License-Identifier: MIT
 */
#include "builder/beacon_link.h"
#include "builder/bid_policy.h"
#include "builder/order_params.h"
#include "builder/relay_wire.h"
#include "builder/settings.h"
#include "builder/slot_work.h"

#include "test/harness/test.h"

static struct error why;

static struct u256 eth(const char *text) {
    struct u256 v;
    CHECK_OK(ether_parse(&v, bytes_from_str(text), &why), &why);
    return v;
}

TEST(ether_is_read_to_the_last_wei) {
    struct u256 v;
    CHECK(u256_equal(eth("1"), u256_from_u64(1000000000000000000u)));
    CHECK(u256_equal(eth("0.000000000000000001"), U256_ONE));
    CHECK(u256_equal(eth("12.5"), u256_from_u64(12500000000000000000u)));
    CHECK(u256_equal(eth("0.0"), U256_ZERO));
    CHECK_ERR(ether_parse(&v, BYTES_LIT(""), &why), ERR_SYNTAX);
    CHECK_ERR(ether_parse(&v, BYTES_LIT("."), &why), ERR_SYNTAX);
    CHECK_ERR(ether_parse(&v, BYTES_LIT("-1"), &why), ERR_SYNTAX);
    CHECK_ERR(ether_parse(&v, BYTES_LIT("1e3"), &why), ERR_SYNTAX);
    CHECK_ERR(ether_parse(&v, BYTES_LIT("0.0000000000000000001"), &why), ERR_RANGE);
}

/* One decision: all amounts in ether, "" for none. */
struct decision {
    const char *name;
    enum bid_policy_kind kind;
    uint32_t fraction;
    const char *subsidy, *value, *deficit, *best, *wallet, *spent;
    bool must_win;
    const char *payout; /* "" for no bid */
};

static const struct decision decisions[] = {
    {"all of it", BID_TRUE_VALUE, 0, "0", "2", "", "", "0", "0", false, "2"},
    {"and a subsidy", BID_TRUE_VALUE, 0, "0.1", "2", "", "", "5", "0", false, "2.1"},
    {"nothing is no bid", BID_TRUE_VALUE, 0, "0", "0", "", "", "5", "0", false, ""},
    {"a subsidy alone", BID_TRUE_VALUE, 0, "0.1", "0", "", "", "5", "0", false, "0.1"},
    {"a subsidy covers the payout's gas", BID_TRUE_VALUE, 0, "0.1", "0", "0.01", "", "5", "0",
     false, "0.1"},
    {"no subsidy, no bid below its gas", BID_TRUE_VALUE, 0, "0", "0", "0.01", "", "5", "0", false,
     ""},
    {"the slot's limit", BID_TRUE_VALUE, 0, "3", "2", "", "", "5", "0", false, "2.5"},
    {"the day's limit", BID_TRUE_VALUE, 0, "0.5", "2", "", "", "5", "0.9", false, "2.1"},
    {"the day is spent", BID_TRUE_VALUE, 0, "0.5", "2", "", "", "5", "1", false, "2"},
    {"the wallet's floor", BID_TRUE_VALUE, 0, "0.5", "2", "", "", "1.2", "0", false, "2.2"},
    {"an empty wallet", BID_TRUE_VALUE, 0, "0.5", "2", "", "", "0.5", "0", false, "2"},
    {"half", BID_FRACTION, 500000, "0", "2", "", "", "0", "0", false, "1"},
    {"competition without others", BID_COMPETITION, 250000, "0", "2", "", "", "0", "0", false,
     "0.5"},
    {"just above them", BID_COMPETITION, 250000, "0", "2", "", "1", "0", "0", false, "1.01"},
    {"never above all", BID_COMPETITION, 250000, "0", "2", "", "3", "0", "0", false, "2"},
    {"never below the floor", BID_COMPETITION, 250000, "0", "2", "", "0.1", "0", "0", false, "0.5"},
    {"own funds without others", BID_COMPETITION, 250000, "0.1", "2", "", "", "5", "0", false,
     "0.6"},
    {"no own funds where the block beats them", BID_COMPETITION, 250000, "0.1", "2", "", "1", "5",
     "0", false, "1.01"},
    {"own funds as far as they beat", BID_COMPETITION, 250000, "0.1", "1", "", "1.05", "5", "0",
     false, "1.06"},
    {"all own funds where others bid more", BID_COMPETITION, 250000, "0.1", "1", "", "3", "5", "0",
     false, "1.1"},
    {"must win", BID_TRUE_VALUE, 0, "0", "2", "", "2.3", "5", "0", true, "2.31"},
    {"must win, within the limit", BID_TRUE_VALUE, 0, "0", "2", "", "9", "5", "0", true, "2.5"},
    {"must win without others", BID_TRUE_VALUE, 0, "0", "0", "", "", "5", "0", true,
     "0.000000000000000001"},
};

TEST(decisions_are_bounded) {
    for (size_t i = 0; i < sizeof decisions / sizeof *decisions; i++) {
        const struct decision *d = &decisions[i];
        const struct bid_policy p = {.kind = d->kind,
                                     .fraction_millionths = d->fraction,
                                     .increment = eth("0.01"),
                                     .subsidy = eth(d->subsidy),
                                     .subsidy_slot_max = eth("0.5"),
                                     .subsidy_day_max = eth("1"),
                                     .wallet_floor = eth("1")};
        const struct bid_situation s = {.value = eth(d->value),
                                        .can_lose = d->deficit[0],
                                        .deficit = d->deficit[0] ? eth(d->deficit) : U256_ZERO,
                                        .has_best = d->best[0],
                                        .best = d->best[0] ? eth(d->best) : U256_ZERO,
                                        .must_win = d->must_win,
                                        .wallet = eth(d->wallet),
                                        .spent_day = eth(d->spent)};
        struct bid_decision r = bid_decide(&p, &s);
        if (r.bid != (d->payout[0] != 0)) FAIL("%s: %s", d->name, r.reason ? r.reason : "a bid");
        if (r.bid && !u256_equal(r.payout, eth(d->payout))) FAIL("%s: another payout", d->name);
        if (!r.bid) CHECK(r.reason != NULL);
        struct u256 own = eth("0.5");
        CHECK(u256_compare(r.own, own) <= 0);
    }
}

TEST(answers_of_relays_are_told_apart) {
    static const struct {
        unsigned status;
        const char *body;
        enum relay_answer answer;
    } cases[] = {
        {200, "", RELAY_ACCEPTED},
        {200, "{}\n", RELAY_ACCEPTED},
        {202, "accepted bid below floor, skipped validation", RELAY_IGNORED},
        {400, "{\"message\":\"payload attributes not (yet) known\"}", RELAY_NOT_YET},
        {400, "block already received", RELAY_IGNORED},
        {400, "submission for past slot", RELAY_SLOT_OVER},
        {400, "payload for this slot was already delivered", RELAY_SLOT_OVER},
        {400, "cancellations are disabled", RELAY_NO_CANCELLATIONS},
        {400, "simulation failed: unknown ancestor", RELAY_OWN_FAULT},
        {400, "simulation failed: missing trie node", RELAY_OWN_FAULT},
        {400, "simulation failed: invalid gas used", RELAY_BLOCK_INVALID},
        {400, "read tcp 10.0.0.1: i/o timeout", RELAY_CONNECTION},
        {504, "validation request timeout", RELAY_CONNECTION},
        {502, "", RELAY_CONNECTION},
        {429, "slow down", RELAY_RATE_LIMITED},
        {400, "incorrect prev_randao", RELAY_REFUSED},
        {401, "", RELAY_REFUSED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum relay_answer a = relay_classify(cases[i].status, bytes_from_str(cases[i].body));
        if (a != cases[i].answer) FAIL("%s: %s", cases[i].body, relay_answer_name(a));
    }
}

static struct slot_offer offer(uint64_t value) {
    return (struct slot_offer){.value = u256_from_u64(value)};
}

TEST(a_block_that_cannot_be_sealed_does_not_lower_the_next_bid) {
    const struct slot_work values = {.slot = 1};
    const struct slot_offer ten = offer(10), eleven = offer(11), twelve = offer(12);
    struct slot_work *w;
    CHECK_OK(slot_work_new(&w, &values, &why), &why);
    CHECK(slot_work_offer(w, &ten, 0));
    slot_work_left(w, &ten);
    CHECK(slot_work_offer(w, &eleven, 0));
    slot_work_retract(w, &eleven);
    CHECK(!slot_work_offer(w, &ten, 0)); // it left: less would take its place
    CHECK(slot_work_offer(w, &eleven, 0));
    CHECK(slot_work_offer(w, &twelve, 0)); // of another builder, at the same time
    slot_work_retract(w, &twelve);
    slot_work_left(w, &eleven);
    CHECK(!slot_work_offer(w, &eleven, 0));
    CHECK(slot_work_offer(w, &twelve, 0));
    slot_work_release(w);
}

// Which of equal offers stays when they come in that order; how many were taken.
static struct slot_offer last_of(bool virtual_clock, const struct slot_offer *offers, size_t count,
                                 const unsigned *order, unsigned *ret_taken) {
    const struct slot_work values = {.slot = 1, .virtual_clock = virtual_clock};
    struct slot_work *w;
    CHECK_OK(slot_work_new(&w, &values, &why), &why);
    *ret_taken = 0;
    for (size_t i = 0; i < count; i++) {
        const struct slot_offer *o = &offers[order[i]];
        if (!slot_work_offer(w, o, 0)) continue;
        slot_work_left(w, o);
        ++*ret_taken;
        CHECK(!slot_work_offer(w, o, 0)); // never the same again
    }
    struct slot_offer best = w->best;
    slot_work_release(w);
    return best;
}

TEST(of_equal_bids_it_is_the_orders_that_decide_when_runs_are_to_repeat) {
    static const unsigned orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}};
    struct slot_offer offers[4];
    unsigned taken;
    for (unsigned i = 0; i < 4; i++) { // two builders, each of two plans
        offers[i] = offer(7);
        offers[i].plan_version = 1 + i / 2;
        offers[i].builder = i % 2;
    }
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct slot_offer best = last_of(true, offers, 4, orders[i], &taken);
        CHECK_U64(best.plan_version, 2);
        CHECK_U64(best.builder, 0);
        (void)last_of(false, offers, 4, orders[i], &taken);
        CHECK_U64(taken, 1); // a relay gains nothing from the others
    }
    offers[1].value = u256_from_u64(8);
    CHECK_U64(last_of(true, offers, 4, orders[0], &taken).plan_version, 1);
}

TEST(an_equal_block_that_cannot_be_sealed_leaves_the_other_in_place) {
    const struct slot_work values = {.slot = 1, .virtual_clock = true};
    struct slot_offer first = offer(7), second = offer(7);
    struct slot_work *w;
    second.plan_version = 2;
    CHECK_OK(slot_work_new(&w, &values, &why), &why);
    CHECK(slot_work_offer(w, &first, 0));
    slot_work_left(w, &first);
    CHECK(slot_work_offer(w, &second, 0));
    slot_work_retract(w, &second);
    CHECK(!slot_work_offer(w, &first, 0));
    CHECK(slot_work_offer(w, &second, 0));
    slot_work_release(w);
}

TEST(proposers_are_read) {
    static const char body[] =
        "[{\"slot\":\"123\",\"validator_index\":\"7\",\"entry\":{\"message\":{"
        "\"fee_recipient\":\"0xabcf8e0d4e9587369b2301d0790347320302cc09\",\"gas_limit\":"
        "\"36000000\","
        "\"timestamp\":\"1606824023\",\"pubkey\":"
        "\"0x93247f2209abcacf57b75a51dafae777f9dd38bc7053d1af526f220a7489a6d3a2753e5f3e8b1cfe39b56f"
        "43"
        "611df74a\"},\"signature\":\"0x\"}}]";
    const struct relay_duty *d;
    size_t count;
    struct arena a;
    arena_init(&a, 0);
    CHECK_OK(relay_duties_decode(&d, &count, bytes_from_str(body), &a, &why), &why);
    CHECK_U64(count, 1);
    CHECK_U64(d[0].slot, 123);
    CHECK_U64(d[0].gas_limit, 36000000);
    CHECK_U64(d[0].fee_recipient.b[0], 0xab);
    CHECK_OK(relay_duties_decode(&d, &count, BYTES_LIT("[]"), &a, &why), &why);
    CHECK_U64(count, 0);
    CHECK_OK(relay_duties_decode(&d, &count, BYTES_LIT("null"), &a, &why), &why);
    CHECK_ERR(relay_duties_decode(&d, &count, BYTES_LIT("{}"), &a, &why), ERR_INVALID);
    CHECK_ERR(relay_duties_decode(&d, &count, BYTES_LIT("[{\"slot\":\"1\"}]"), &a, &why),
              ERR_NOT_FOUND);
    arena_free(&a);
}

TEST(top_bids_are_read) {
    uint8_t raw[TOP_BID_BYTES] = {0};
    struct top_bid b;
    store_le64(raw, 1700000000123);
    store_le64(raw + 8, 55);
    store_le64(raw + 16, 44);
    raw[56] = 0xaa;
    raw[88] = 0xbb;
    raw[136] = 0xcc;
    store_le64(raw + 156, 7);
    store_le64(raw + 180, 9);
    CHECK_OK(top_bid_decode(&b, bytes_make(raw, sizeof raw), &why), &why);
    CHECK_U64(b.timestamp_ms, 1700000000123);
    CHECK_U64(b.slot, 55);
    CHECK_U64(b.block_number, 44);
    CHECK_U64(b.parent_hash.b[0], 0xaa);
    CHECK_U64(b.builder_pubkey.b[0], 0xbb);
    CHECK_U64(b.fee_recipient.b[0], 0xcc);
    CHECK_U64(b.value.w[0], 7);
    CHECK_U64(b.value.w[3], 9);
    CHECK_ERR(top_bid_decode(&b, bytes_make(raw, 187), &why), ERR_SYNTAX);
}

#define HASH "\"0x1111111111111111111111111111111111111111111111111111111111111111\""

TEST(attributes_are_read) {
    static const char event[] =
        "{\"version\":\"deneb\",\"data\":{\"proposer_index\":\"1\",\"proposal_slot\":\"10\","
        "\"parent_block_number\":\"9\",\"parent_block_root\":" HASH ",\"parent_block_hash\":" HASH
        ",\"payload_attributes\":{\"timestamp\":\"1234\",\"prev_randao\":" HASH
        ",\"suggested_fee_recipient\":\"0x2222222222222222222222222222222222222222\","
        "\"withdrawals\":[{\"index\":\"5\",\"validator_index\":\"6\",\"address\":"
        "\"0x3333333333333333333333333333333333333333\",\"amount\":\"7\"}],"
        "\"parent_beacon_block_root\":" HASH "}}}";
    struct slot_attributes s;
    struct arena a;
    arena_init(&a, 0);
    CHECK_OK(slot_attributes_decode(&s, bytes_from_str(event), &a, &why), &why);
    CHECK_U64(s.slot, 10);
    CHECK_U64(s.parent_number, 9);
    CHECK_U64(s.timestamp, 1234);
    CHECK(s.has_beacon_root && s.has_withdrawals);
    CHECK_U64(s.withdrawal_count, 1);
    CHECK_U64(s.withdrawals[0].amount_gwei, 7);
    CHECK_U64(s.start_ns, 1234 * NS_PER_S);
    CHECK(!s.virtual_clock);
    struct buf own;
    buf_init(&own, 0);
    buf_append_str(&own, "{\"data\":{\"slot_start_ms\":\"98765\",\"virtual_clock\":true,");
    buf_append(&own, bytes_slice(bytes_from_str(event), strlen("{\"version\":\"deneb\",\"data\":{"),
                                 strlen(event)));
    CHECK_OK(slot_attributes_decode(&s, buf_view(&own), &a, &why), &why);
    CHECK_U64(s.timestamp, 1234);
    CHECK_U64(s.start_ns, 98765 * NS_PER_MS);
    CHECK(s.virtual_clock);
    buf_free(&own);
    CHECK_ERR(slot_attributes_decode(&s, BYTES_LIT("{\"data\":{}}"), &a, &why), ERR_NOT_FOUND);
    CHECK_ERR(slot_attributes_decode(&s, BYTES_LIT("[1"), &a, &why), ERR_SYNTAX);
    arena_free(&a);
}

static unsigned seen;

static int see(void *arg, const struct feed_order *o, struct error *w) {
    (void)arg;
    (void)w;
    seen += (unsigned)o->method;
    return 0;
}

TEST(files_of_orders_are_read) {
    static const char array[] =
        "[{\"method\":\"eth_sendRawTransaction\",\"params\":[\"0x01\"],\"receivedAt\":5},"
        "{\"method\":\"bid_subsidiseBlock\",\"params\":[7]}]";
    static const char lines[] = "{\"method\":\"eth_sendBundle\",\"params\":[{\"txs\":[]}]}\n\n"
                                "{\"method\":\"eth_cancelBundle\",\"params\":[{\"replacementUuid\":"
                                "\"3255ceb4-fdc5-592d-a501-2183727ca3df\"}]}\n";
    seen = 0;
    CHECK_OK(order_params_each(bytes_from_str(array), see, NULL, &why), &why);
    CHECK_U64(seen, FEED_SEND_RAW_TX + FEED_SUBSIDISE);
    seen = 0;
    CHECK_OK(order_params_each(bytes_from_str(lines), see, NULL, &why), &why);
    CHECK_U64(seen, FEED_SEND_BUNDLE + FEED_CANCEL);
    CHECK_ERR(order_params_each(BYTES_LIT("{\"method\":\"x\",\"params\":[1]}"), see, NULL, &why),
              ERR_NOT_FOUND);
    CHECK_ERR(order_params_each(BYTES_LIT("\n{"), see, NULL, &why), ERR_SYNTAX);
    CHECK(strstr(why.text, "line 1") != NULL);
}

TEST_MAIN()
