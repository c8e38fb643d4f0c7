/* Submissions of all forks, in all forms; the network they are for. SPDX-License-Identifier: MIT */
#include "relay/submission.h"

#include "base/clock.h"
#include "eth/beacon_block.h"
#include "eth/ssz_json.h"
#include "relay/testing.h"
#include "test/harness/test.h"

#include <stdio.h>

#define SLOT_NS (12 * NS_PER_S)

static struct testing_block a_block(void) {
    struct testing_block b = {.slot = 77,
                              .timestamp = 1000 + 77 * 12,
                              .value = 123456789,
                              .gas_limit = 30000000,
                              .txs = 3,
                              .tx_bytes = 150};
    memset(b.parent.b, 1, 32);
    memset(b.block_hash.b, 2, 32);
    memset(b.proposer.b, 3, 48);
    return b;
}

struct made {
    struct arena a;
    struct network n;
    struct submit_block_request *request;
    const struct consensus_types *types;
    struct buf ssz, json;
};

static struct made make(enum consensus_fork fork) {
    struct made m = {.n = testing_network(fork, 1000, SLOT_NS), .types = consensus_types_of(fork)};
    const struct testing_block block = a_block();
    const struct bid_signer builder = testing_key(9);
    arena_init(&m.a, 0);
    m.request = arena_new(&m.a, struct submit_block_request);
    testing_submission(m.request, &m.n, fork, &block, &builder, &m.a);
    ssz_encode(&m.ssz, m.types->submit_request, m.request);
    ssz_json_encode(&m.json, m.types->submit_request, m.request);
    return m;
}

static void drop(struct made *m) {
    buf_free(&m->ssz);
    buf_free(&m->json);
    arena_free(&m->a);
}

TEST(every_fork_decodes_from_json_and_ssz_to_the_same) {
    for (int f = 0; f < CONSENSUS_FORK_COUNT; f++) {
        struct made m = make((enum consensus_fork)f);
        struct submission a, b;
        struct error why;
        const struct submission_input ssz = {.body = buf_view(&m.ssz), .ssz = true};
        const struct submission_input json = {.body = buf_view(&m.json)};
        CHECK_OK(submission_decode(&a, &ssz, &m.n, &m.a, &why), &why);
        CHECK_OK(submission_decode(&b, &json, &m.n, &m.a, &why), &why);
        CHECK_I64(a.fork, f);
        CHECK_OK(submission_complete(&a, &m.a, &why), &why);
        CHECK_OK(submission_complete(&b, &m.a, &why), &why);
        CHECK_BYTES(a.ssz, b.ssz);
        CHECK_BYTES(BYTES_OF(a.header.transactions_root), BYTES_OF(b.header.transactions_root));
        CHECK_U64(a.num_txs, 3);
        struct submission again;
        CHECK_OK(submission_reload(&again, a.ssz, a.fork, &m.n, &m.a, &why), &why);
        CHECK_BYTES(BYTES_OF(again.header.transactions_root), BYTES_OF(a.header.transactions_root));
        drop(&m);
    }
}

TEST(a_version_that_is_named_counts_and_a_wrong_one_fails) {
    struct made m = make(CONSENSUS_DENEB);
    struct submission s;
    struct error why;
    struct submission_input in = {
        .body = buf_view(&m.ssz), .ssz = true, .version = BYTES_LIT("deneb")};
    CHECK_OK(submission_decode(&s, &in, &m.n, &m.a, &why), &why);
    in.version = BYTES_LIT("capella");
    CHECK_ERR(submission_decode(&s, &in, &m.n, &m.a, &why), ERR_SYNTAX);
    in.version = BYTES_LIT("gloas");
    CHECK_ERR(submission_decode(&s, &in, &m.n, &m.a, &why), ERR_INVALID);
    drop(&m);
}

TEST(bodies_that_are_cut_off_or_too_long_fail) {
    struct made m = make(CONSENSUS_ELECTRA);
    struct submission s;
    struct error why;
    for (size_t n = 0; n < m.ssz.n; n += n < 600 ? 1 : 97) {
        const struct submission_input in = {.body = bytes_make(m.ssz.p, n), .ssz = true};
        CHECK_ERR(submission_decode(&s, &in, &m.n, &m.a, &why), ERR_SYNTAX);
    }
    struct buf big;
    buf_init(&big, 0);
    buf_append_fill(&big, ' ', SUBMISSION_BYTES_MAX + 1);
    const struct submission_input in = {.body = buf_view(&big)};
    CHECK_ERR(submission_decode(&s, &in, &m.n, &m.a, &why), ERR_LIMIT);
    buf_free(&big);
    drop(&m);
}

TEST(header_submissions_decode_with_and_without_adjustment_data) {
    for (int adjustable = 0; adjustable < 2; adjustable++) {
        struct made m = make(CONSENSUS_FULU);
        struct submission s, whole;
        struct error why;
        struct buf body;
        buf_init(&body, 0);
        testing_header_submission(&body, m.request, m.types, "http://127.0.0.1:1/get_payload_v3",
                                  adjustable, &m.a);
        const struct submission_input in = {.body = buf_view(&body), .ssz = true};
        CHECK_OK(submission_decode_header(&s, &in, &m.n, &m.a, &why), &why);
        CHECK(s.header_only);
        CHECK_U64(s.num_txs, 3);
        CHECK_BYTES(s.url, BYTES_LIT("http://127.0.0.1:1/get_payload_v3"));
        const struct submission_input ssz = {.body = buf_view(&m.ssz), .ssz = true};
        CHECK_OK(submission_decode(&whole, &ssz, &m.n, &m.a, &why), &why);
        CHECK_OK(submission_complete(&whole, &m.a, &why), &why);
        CHECK_BYTES(BYTES_OF(s.header.transactions_root), BYTES_OF(whole.header.transactions_root));
        for (size_t n = 0; n < body.n - 15; n++) {
            const struct submission_input cut = {.body = bytes_make(body.p, n), .ssz = true};
            CHECK(submission_decode_header(&s, &cut, &m.n, &m.a, &why) != 0);
        }
        buf_free(&body);
        drop(&m);
    }
}

TEST(a_bid_is_signed_over_its_header) {
    for (int f = 0; f < CONSENSUS_FORK_COUNT; f++) {
        struct made m = make((enum consensus_fork)f);
        struct submission s;
        struct error why;
        struct bid *b;
        const struct bid_signer relay = testing_key(42);
        const struct submission_input in = {.body = buf_view(&m.ssz), .ssz = true};
        CHECK_OK(submission_decode(&s, &in, &m.n, &m.a, &why), &why);
        CHECK_OK(submission_complete(&s, &m.a, &why), &why);
        CHECK_OK(bid_make(&b, &s, &m.n, &relay, &m.a, &why), &why);
        struct signed_builder_bid *bid = arena_new(&m.a, struct signed_builder_bid);
        CHECK_OK(ssz_decode(bid, m.types->signed_builder_bid, buf_view(&b->ssz), &m.a, &why), &why);
        struct hash root;
        struct bls_public_key key;
        CHECK_OK(ssz_root(&root, m.types->builder_bid, &bid->message, &m.a, &why), &why);
        root = ssz_signing_root(&root, &m.n.builder_domain);
        CHECK_OK(bls_public_key_parse(&key, &relay.pubkey, &why), &why);
        CHECK_OK(bls_verify(&key, BYTES_OF(root), &bid->signature, &why), &why);
        CHECK(u256_equal(bid->message.value, s.request.message.value));
        bid_release(b);
        drop(&m);
    }
}

TEST(block_and_blinded_block_have_one_root) {
    for (int f = 0; f < CONSENSUS_FORK_COUNT; f++) {
        struct made m = make((enum consensus_fork)f);
        struct signed_beacon_block *block = arena_new(&m.a, struct signed_beacon_block);
        struct blinded_beacon_block *blinded = arena_new(&m.a, struct blinded_beacon_block);
        struct error why;
        struct hash a, b;
        block->message.slot = blinded->slot = 77;
        block->message.body.execution_payload = m.request->execution_payload;
        CHECK_OK(payload_header_of_types(&blinded->body.execution_payload_header,
                                         &m.request->execution_payload, m.types, &m.a, &why),
                 &why);
        const struct ssz_type *whole = m.types->signed_block->fields[0].type;
        CHECK_OK(ssz_root(&a, whole, &block->message, &m.a, &why), &why);
        CHECK_OK(ssz_root(&b, m.types->blinded_block, blinded, &m.a, &why), &why);
        CHECK_BYTES(BYTES_OF(a), BYTES_OF(b));
        drop(&m);
    }
}

// ---- the network

static int read(struct network *n, const char *spec, uint64_t slot_ns) {
    struct arena a;
    const struct json *genesis, *doc;
    struct error why;
    arena_init(&a, 0);
    CHECK_OK(json_parse(&genesis,
                        BYTES_LIT("{\"genesis_time\":\"1000\",\"genesis_fork_version\":"
                                  "\"0x20000089\",\"genesis_validators_root\":\"0x11111111111111"
                                  "11111111111111111111111111111111111111111111111111\"}"),
                        &a, NULL, &why),
             &why);
    CHECK_OK(json_parse(&doc, bytes_from_str(spec), &a, NULL, &why), &why);
    int r = network_read(n, genesis, doc, slot_ns, &why);
    arena_free(&a);
    return r;
}

#define FORKS                                                                                      \
    "\"SLOTS_PER_EPOCH\":\"8\",\"CAPELLA_FORK_EPOCH\":\"0\",\"CAPELLA_FORK_VERSION\":"             \
    "\"0x20000091\",\"DENEB_FORK_EPOCH\":\"2\",\"DENEB_FORK_VERSION\":\"0x20000092\""

TEST(slot_times_may_be_fractions) {
    struct network n;
    CHECK_I64(read(&n, "{\"SECONDS_PER_SLOT\":\"12\"," FORKS "}", 0), 0);
    CHECK_U64(n.slot_ns, 12 * NS_PER_S);
    CHECK_U64(network_timestamp(&n, 3), 1036);
    CHECK_I64(read(&n, "{\"SECONDS_PER_SLOT\":\"0.2\"," FORKS "}", 0), 0);
    CHECK_U64(n.slot_ns, 200 * NS_PER_MS);
    CHECK_U64(network_timestamp(&n, 3), 1003); // the chain's own time: a second a slot
    CHECK_U64(network_slot_start_ns(&n, 5), 1001 * NS_PER_S);
    CHECK_U64(network_slot_at(&n, 1001 * NS_PER_S + 1), 5);
    CHECK_I64(network_into_slot_ns(&n, 5, 1001 * NS_PER_S - 7), -7);
    CHECK_I64(read(&n, "{\"SECONDS_PER_SLOT\":1,\"SLOT_DURATION_MS\":\"150\"," FORKS "}", 0), 0);
    CHECK_U64(n.slot_ns, 150 * NS_PER_MS);
    CHECK_I64(read(&n, "{\"SECONDS_PER_SLOT\":2,\"SLOT_DURATION_MS\":\"1500\"," FORKS "}", 0), 0);
    CHECK_U64(network_timestamp(&n, 4), 1008);
    CHECK_U64(network_slot_start_ns(&n, 4), 1006 * NS_PER_S);
    CHECK_U64(network_timestamp(&n, UINT64_MAX), UINT64_MAX);
    CHECK_I64(read(&n, "{\"SECONDS_PER_SLOT\":\"12\"," FORKS "}", 2 * NS_PER_S), 0);
    CHECK_U64(n.slot_ns, 2 * NS_PER_S);
    CHECK_I64(read(&n, "{\"SECONDS_PER_SLOT\":\"1e3\"," FORKS "}", 0), ERR_SYNTAX);
    CHECK_I64(read(&n, "{\"SECONDS_PER_SLOT\":\"0\"," FORKS "}", 0), ERR_RANGE);
    CHECK_I64(read(&n, "{" FORKS "}", 0), ERR_NOT_FOUND);
}

TEST(configured_genesis_version_counts_more_than_the_endpoints) {
    struct network n;
    CHECK_I64(read(&n, "{\"SECONDS_PER_SLOT\":\"12\"," FORKS "}", 0), 0);
    CHECK_U64(n.genesis_version[3], 0x89);
    CHECK_I64(
        read(&n, "{\"SECONDS_PER_SLOT\":\"12\",\"GENESIS_FORK_VERSION\":\"0x00000001\"," FORKS "}",
             0),
        0);
    CHECK_U64(n.genesis_version[0], 0);
    CHECK_U64(n.genesis_version[3], 1);
}

TEST(forks_follow_their_epochs) {
    struct network n;
    CHECK_I64(read(&n, "{\"SECONDS_PER_SLOT\":\"12\"," FORKS "}", 0), 0);
    CHECK_I64(network_fork_at(&n, 15), CONSENSUS_CAPELLA);
    CHECK_I64(network_fork_at(&n, 16), CONSENSUS_DENEB);
    CHECK_I64(read(&n, "{\"SECONDS_PER_SLOT\":\"6\",\"PRESET_BASE\":\"minimal\"," FORKS "}", 0),
              ERR_UNSUPPORTED); // Deneb is not described for the minimal preset
    CHECK_U64(network_slot_start_ns(&n, UINT64_MAX), UINT64_MAX);
}

TEST_MAIN()
