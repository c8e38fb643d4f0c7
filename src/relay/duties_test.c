/* Duties, builders, and the checks in their order. SPDX-License-Identifier: MIT */
#include "relay/duties.h"

#include "base/clock.h"
#include "relay/beacon.h"
#include "relay/check.h"
#include "relay/testing.h"
#include "test/harness/test.h"

struct room {
    struct network n;
    struct duties d;
};

static struct room open_room(void) {
    struct error why;
    struct room r = {.n = testing_network(CONSENSUS_DENEB, 1000, 12 * NS_PER_S)};
    CHECK_OK(duties_init(&r.d, &r.n, &why), &why);
    return r;
}

static struct bytes48 pubkey(uint8_t n) {
    struct bytes48 b = {{n}};
    return b;
}

static bool enlist(struct room *r, uint8_t n, uint64_t timestamp, uint64_t gas_limit) {
    struct error why;
    struct signed_validator_registration reg = {
        .message = {.gas_limit = gas_limit, .timestamp = timestamp, .pubkey = pubkey(n)}};
    bool kept;
    CHECK_OK(duties_register(&r->d, &reg, &kept, &why), &why);
    return kept;
}

TEST(duties_are_kept_for_four_epochs) {
    struct room r = open_room();
    struct bytes48 p = pubkey(1);
    duties_set(&r.d, 10, 7, &p);
    CHECK(duties_at(&r.d, 10) != NULL);
    CHECK_U64(duties_at(&r.d, 10)->validator_index, 7);
    CHECK(duties_at(&r.d, 11) == NULL);
    duties_set(&r.d, 10 + 128, 8, &p);
    CHECK(duties_at(&r.d, 10) == NULL);
    duties_free(&r.d);
}

TEST(validators_are_found_both_ways) {
    struct error why;
    struct room r = open_room();
    struct bytes48 p = pubkey(3);
    CHECK_OK(duties_add_validator(&r.d, 9, &p, &why), &why);
    CHECK_OK(duties_add_validator(&r.d, 9, &p, &why), &why);
    CHECK_U64(r.d.known, 1);
    CHECK(duties_by_index(&r.d, 9) == duties_validator(&r.d, &p));
    CHECK(duties_by_index(&r.d, 8) == NULL);
    duties_free(&r.d);
}

TEST(newer_registrations_replace_older_ones) {
    struct room r = open_room();
    struct bytes48 p = pubkey(1);
    CHECK(enlist(&r, 1, 100, 1));
    CHECK(!enlist(&r, 1, 100, 2));
    CHECK(!enlist(&r, 1, 99, 3));
    CHECK(enlist(&r, 1, 101, 4));
    CHECK_U64(duties_validator(&r.d, &p)->registration->message.gas_limit, 4);
    duties_free(&r.d);
}

TEST(list_of_validators_leaves_out_who_did_not_register) {
    struct room r = open_room();
    struct bytes48 p1 = pubkey(1), p2 = pubkey(2);
    struct buf out;
    buf_init(&out, 0);
    duties_set(&r.d, 32, 1, &p1);
    duties_set(&r.d, 33, 2, &p2);
    (void)enlist(&r, 2, 5, 30);
    duties_write_validators(&r.d, &out, 32, 64);
    buf_append_byte(&out, '\0');
    CHECK(strstr((char *)out.p,
                 "[{\"slot\":\"33\",\"validator_index\":\"2\",\"entry\":{\"message\":"
                 "{\"fee_recipient\":\"0x") == (char *)out.p);
    CHECK(strstr((char *)out.p, "\"gas_limit\":\"30\",\"timestamp\":\"5\"") != NULL);
    buf_free(&out);
    duties_free(&r.d);
}

TEST(attributes_are_read_and_found_by_slot_and_parent) {
    struct room r = open_room();
    struct payload_attributes p;
    struct arena a;
    struct error why;
    arena_init(&a, 0);
    static const char event[] =
        "{\"version\":\"deneb\",\"data\":{\"proposer_index\":\"1\",\"proposal_slot\":\"5\","
        "\"parent_block_number\":\"4\",\"parent_block_root\":\"0x"
        "5555555555555555555555555555555555555555555555555555555555555555\",\"parent_block_hash\":"
        "\"0x9999999999999999999999999999999999999999999999999999999999999999\","
        "\"payload_attributes\":{\"timestamp\":\"1060\",\"prev_randao\":\"0x"
        "7777777777777777777777777777777777777777777777777777777777777777\","
        "\"suggested_fee_recipient\":\"0xfefefefefefefefefefefefefefefefefefefefe\","
        "\"withdrawals\":[],\"parent_beacon_block_root\":\"0x"
        "6666666666666666666666666666666666666666666666666666666666666666\"}}}";
    CHECK_OK(beacon_parse_attributes(&p, bytes_from_str(event), &r.n, &a, &why), &why);
    CHECK_U64(p.timestamp, 1060);
    CHECK(p.has_withdrawals && p.has_parent_root);
    CHECK_U64(p.parent_root.b[0], 0x66);
    // The root of no withdrawals, of sixteen at most.
    static const uint8_t none[4] = {0x79, 0x29, 0x30, 0xbb};
    CHECK_BYTES(bytes_make(p.withdrawals_root.b, 4), bytes_make(none, 4));
    duties_add_attributes(&r.d, &p);
    CHECK(duties_attributes(&r.d, 5, &p.parent_hash) != NULL);
    CHECK(duties_attributes(&r.d, 6, &p.parent_hash) == NULL);
    for (uint64_t slot = 6; slot < 6 + DUTIES_ATTRIBUTES_MAX; slot++) {
        p.slot = slot;
        duties_add_attributes(&r.d, &p);
    }
    CHECK(duties_attributes(&r.d, 5, &p.parent_hash) == NULL);
    CHECK(duties_attributes(&r.d, 6, &p.parent_hash) != NULL);
    CHECK(beacon_parse_attributes(&p, BYTES_LIT("{\"data\":{}}"), &r.n, &a, &why) != 0);
    arena_free(&a);
    duties_free(&r.d);
}

static void count(void *context, struct builder *changed) {
    (void)changed;
    ++*(unsigned *)context;
}

TEST(demotion_takes_all_keys_of_an_owner) {
    struct builders b;
    builders_init(&b);
    struct bytes48 k1 = pubkey(1), k2 = pubkey(2), k3 = pubkey(3);
    struct builder *one = builders_get(&b, &k1), *two = builders_get(&b, &k2),
                   *three = builders_get(&b, &k3);
    one->status = two->status = (struct builder_status){.optimistic = true, .id = "x"};
    three->status = (struct builder_status){.optimistic = true};
    unsigned n = 0;
    builders_demote(&b, one, count, &n);
    CHECK_U64(n, 2);
    CHECK(!one->status.optimistic && !two->status.optimistic && three->status.optimistic);
    builders_demote(&b, one, count, &n);
    CHECK_U64(n, 2);
    builders_free(&b);
}

// ---- the checks, each by what it says when it is the first that fails

struct checked {
    struct room room;
    struct submission s;
    struct check_view view;
    struct builder builder;
};

static void fill(struct checked *c) {
    struct payload_attributes p = {.slot = 20, .timestamp = 1240};
    struct bytes48 key = pubkey(5);
    *c = (struct checked){.room = open_room()};
    memset(p.parent_hash.b, 9, 32);
    duties_add_attributes(&c->room.d, &p);
    duties_set(&c->room.d, 20, 1, &key);
    (void)enlist(&c->room, 5, 1, 30000000);
    c->s.fork = CONSENSUS_DENEB;
    c->s.types = consensus_types_of(CONSENSUS_DENEB);
    c->s.num_txs = 1;
    c->s.request.message = (struct bid_trace){
        .slot = 20, .parent_hash = p.parent_hash, .proposer_pubkey = key, .value = U256_ONE};
    c->s.header.parent_hash = p.parent_hash;
    c->s.header.timestamp = 1240;
    c->view = (struct check_view){
        .network = &c->room.n, .duties = &c->room.d, .builder = &c->builder, .head_slot = 19};
}

static enum check_result run(struct checked *c, char text[ERROR_TEXT_MAX]) {
    const struct payload_attributes *p;
    const struct validator_registration *r;
    struct error why = {.text = ""};
    enum check_result result = check_submission(&c->view, &c->s, &p, &r, &why);
    memcpy(text, why.text, ERROR_TEXT_MAX);
    duties_free(&c->room.d);
    return result;
}

TEST(a_right_submission_passes) {
    struct checked c;
    char text[ERROR_TEXT_MAX];
    fill(&c);
    CHECK_I64(run(&c, text), CHECK_GO_ON);
}

TEST(each_check_refuses_with_its_text) {
    static const char *const texts[] = {
        "not deneb payload",
        "submission for past slot",
        "incorrect timestamp. got 1241, expected 1240",
        "could not find slot duty",
        "fee recipient does not match",
        "proposer public key does not match",
        "blockHash mismatch",
        "parentHash mismatch",
        "gasLimit mismatch",
        "gasUsed mismatch",
        "payload attributes not (yet) known",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct checked c;
        char text[ERROR_TEXT_MAX];
        fill(&c);
        switch (i) {
        case 0:
            c.s.fork = CONSENSUS_CAPELLA;
            break;
        case 1:
            c.view.head_slot = 20;
            break;
        case 2:
            c.s.header.timestamp = 1241;
            break;
        case 3:
            c.room.d.slots[20 % c.room.d.ring_size].known = false;
            break;
        case 4:
            c.s.request.message.proposer_fee_recipient.b[0] = 1;
            break;
        case 5:
            c.s.request.message.proposer_pubkey = pubkey(6);
            break;
        case 6:
            c.s.request.message.block_hash.b[0] = 1;
            break;
        case 7:
            c.s.header.parent_hash.b[0] = 1;
            break;
        case 8:
            c.s.header.gas_limit = 1;
            break;
        case 9:
            c.s.header.gas_used = 1;
            break;
        default:
            c.s.request.message.parent_hash.b[0] = c.s.header.parent_hash.b[0] = 1;
        }
        CHECK_I64(run(&c, text), CHECK_REFUSED);
        CHECK_STR(text, texts[i]);
    }
}

TEST(worthless_and_unwelcome_submissions_are_ignored) {
    struct checked c;
    char text[ERROR_TEXT_MAX];
    fill(&c);
    c.s.request.message.value = U256_ZERO;
    CHECK_I64(run(&c, text), CHECK_IGNORED);
    fill(&c);
    c.builder.status.blacklisted = true;
    CHECK_I64(run(&c, text), CHECK_SHUNNED);
    fill(&c);
    c.view.only_high_priority = true;
    CHECK_I64(run(&c, text), CHECK_SHUNNED);
    fill(&c);
    c.view.only_high_priority = c.builder.status.high_priority = true;
    CHECK_I64(run(&c, text), CHECK_GO_ON);
}

TEST(short_slots_have_timestamps_a_second_apart) {
    struct checked c;
    char text[ERROR_TEXT_MAX];
    fill(&c);
    c.room.n.slot_ns = 200 * NS_PER_MS;
    CHECK_I64(run(&c, text), CHECK_REFUSED);
    CHECK_STR(text, "incorrect timestamp. got 1240, expected 1020");
}

TEST_MAIN()
