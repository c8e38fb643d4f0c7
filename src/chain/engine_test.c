/* SPDX-License-Identifier: MIT */
#include "chain/engine.h"

#include "base/hex.h"
#include "chain/engine_versions.h"
#include "test/harness/test.h"

static struct error why;

static const struct json *parse(struct arena *a, const char *text) {
    const struct json *doc;
    CHECK_OK(json_parse(&doc, bytes_from_str(text), a, NULL, &why), &why);
    return doc;
}

TEST(payload_identifiers_are_those_of_other_clients) {
    struct arena a;
    struct engine_attributes v;
    struct engine_payload_id id;
    struct hash parent = {{0x35, 0x59}};
    arena_init(&a, 0);
    const char *plain = "{\"timestamp\":\"0x5\",\"prevRandao\":"
                        "\"0x0000000000000000000000000000000000000000000000000000000000000000\","
                        "\"suggestedFeeRecipient\":\"0xa94f5374fce5edbc8e2a8697c15331677e6ebf0b\"}";
    CHECK_OK(engine_attributes_decode(&v, parse(&a, plain), &a, &why), &why);
    CHECK(!v.has_withdrawals && !v.has_beacon_root && !v.has_rollup);
    CHECK_OK(engine_payload_id_of(&id, &parent, &v, 1, &why), &why);
    CHECK_U64(id.b[0], 1);
    struct engine_payload_id other;
    v.timestamp++;
    CHECK_OK(engine_payload_id_of(&other, &parent, &v, 1, &why), &why);
    CHECK(memcmp(id.b, other.b, sizeof id.b) != 0);
    v.timestamp--;
    v.has_withdrawals = true; // an empty list is not the same as none
    CHECK_OK(engine_payload_id_of(&other, &parent, &v, 1, &why), &why);
    CHECK(memcmp(id.b, other.b, sizeof id.b) != 0);
    arena_free(&a);
}

TEST(a_block_and_its_payload_are_the_same_thing) {
    struct arena a;
    struct block b, again;
    struct execution_payload p, read;
    struct hash hash, hash_again;
    unsigned parts, read_parts;
    struct buf out;
    struct json_writer w;
    const struct withdrawal withdrawals[] = {{1, 2, {{3}}, 4}};
    static const uint8_t data[] = {0, 1, 2, 3};
    const struct bytes requests[] = {{data, sizeof data}};
    const struct engine_extra extra = {.has_beacon_root = true,
                                       .beacon_root = {{9}},
                                       .has_requests = true,
                                       .requests = requests,
                                       .request_count = 1};
    arena_init(&a, 0);
    buf_init(&out, 0);
    memset(&p, 0, sizeof p);
    p.block_number = 7;
    p.gas_limit = 30000000;
    p.base_fee_per_gas = u256_from_u64(7);
    p.withdrawals.items = withdrawals;
    p.withdrawals.count = 1;
    p.excess_blob_gas = 131072;
    CHECK_OK(engine_payload_block(&b, &p, ENGINE_WITHDRAWALS | ENGINE_BLOB_GAS, &extra, &a, &why),
             &why);
    CHECK_U64(b.header.form, HEADER_PRAGUE);
    CHECK_OK(header_hash(&hash, &b.header, &why), &why);
    CHECK_OK(engine_payload_of(&read, &parts, &b, &hash, &a, &why), &why);
    json_writer_init(&w, &out, 0);
    engine_payload_encode(&w, NULL, &read, parts);
    buf_append_byte(&out, 0);
    CHECK_OK(engine_payload_decode(&read, &read_parts, parse(&a, (const char *)out.p), &a, &why),
             &why);
    CHECK_U64(read_parts, ENGINE_WITHDRAWALS | ENGINE_BLOB_GAS);
    CHECK_OK(engine_payload_block(&again, &read, read_parts, &extra, &a, &why), &why);
    CHECK_OK(header_hash(&hash_again, &again.header, &why), &why);
    CHECK(hash_equal(&hash, &hash_again) && hash_equal(&hash, &read.block_hash));
    buf_free(&out);
    arena_free(&a);
}

TEST(requests_are_in_order_and_not_empty) {
    struct arena a;
    const struct bytes *r;
    size_t n;
    arena_init(&a, 0);
    CHECK_OK(engine_requests_decode(&r, &n, parse(&a, "[\"0x0001\",\"0x0102\"]"), &a, &why), &why);
    CHECK_U64(n, 2);
    static const char *const bad[] = {"[\"0x00\"]", "[\"0x0101\",\"0x0001\"]",
                                      "[\"0x0001\",\"0x0001\"]", "[\"0x\"]", "{}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_ERR(engine_requests_decode(&r, &n, parse(&a, bad[i]), &a, &why), ERR_INVALID);
    }
    arena_free(&a);
}

TEST(requests_become_containers_and_back) {
    struct arena a;
    struct execution_requests containers;
    uint8_t withdrawal[77] = {1, 0xaa}, consolidation[233] = {2, 0xbb};
    const struct bytes in[] = {{withdrawal, sizeof withdrawal},
                               {consolidation, sizeof consolidation}};
    const struct bytes *out;
    size_t n;
    arena_init(&a, 0);
    CHECK_OK(engine_requests_of(&containers, in, 2, &a, &why), &why);
    CHECK_U64(containers.withdrawals.count, 1);
    CHECK_U64(containers.consolidations.count, 2);
    CHECK_OK(engine_requests_flatten(&out, &n, &containers, &a, &why), &why);
    CHECK_U64(n, 2);
    CHECK(bytes_equal(out[0], in[0]) && bytes_equal(out[1], in[1]));
    const struct bytes unknown = {(const uint8_t *)"\x07\x01", 2}, cut = {withdrawal, 60};
    CHECK_ERR(engine_requests_of(&containers, &unknown, 1, &a, &why), ERR_INVALID);
    CHECK(engine_requests_of(&containers, &cut, 1, &a, &why) < 0);
    arena_free(&a);
}

TEST(versions_belong_to_forks) {
    CHECK_U64(engine_new_payload_version(FORK_LONDON), 0);
    CHECK_U64(engine_new_payload_version(FORK_SHANGHAI), 2);
    CHECK_U64(engine_new_payload_version(FORK_OSAKA), 4);
    CHECK_U64(engine_forkchoice_version(FORK_OSAKA), 3);
    CHECK_U64(engine_get_payload_version(FORK_PRAGUE), 4);
    CHECK_U64(engine_get_payload_version(FORK_OSAKA), 5);
    CHECK(!engine_range_has(engine_new_payload_range(3), FORK_PRAGUE));
    CHECK(engine_range_has(engine_get_payload_range(2), FORK_PARIS));
    CHECK(!engine_new_payload_range(5) && !engine_new_payload_range(0));
}

TEST_MAIN()
