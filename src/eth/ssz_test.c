/* SPDX-License-Identifier: MIT */
#include "eth/ssz.h"

#include "base/hex.h"
#include "crypto/sha256.h"
#include "eth/blinded_block.h"
#include "eth/fork.h"
#include "eth/ssz_json.h"
#include "test/harness/test.h"

#include <stdlib.h>

static struct hash hash_pair(struct hash a, struct hash b) {
    struct hash two[2] = {a, b};
    return sha256(bytes_make(two, 64));
}

static struct hash leaf(uint64_t v) {
    struct hash h = {{0}};
    store_le64(h.b, v);
    return h;
}

TEST(known_domains) {
    static const struct {
        uint8_t version[4];
        const char *domain;
    } cases[] = {
        {{0, 0, 0, 0}, "00000001f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a9"},
        {{0x90, 0, 0, 0x69}, "00000001d3010778cd08ee514b08fe67b6c503b510987a4ce43f42306d97c67c"},
        {{0x20, 0, 0, 0x89}, "00000001e4b3c03845c9cd15780441feed2a67053b9cc4ae1547af5747433120"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hash d = ssz_domain_compute(SSZ_DOMAIN_BUILDER, cases[i].version, NULL), expected;
        struct error why;
        CHECK_OK(hex_decode(expected.b, bytes_from_str(cases[i].domain), &why), &why);
        CHECK_BYTES(BYTES_OF(d), BYTES_OF(expected));
    }
    struct hash root = {{1}};
    struct hash d = ssz_domain_compute(SSZ_DOMAIN_BEACON_PROPOSER, cases[1].version, &root);
    CHECK_U64(load_be32(d.b), 0);
}

TEST(sizes_are_those_of_the_specification) {
    CHECK_U64(ssz_fixed_size(&ssz_bid_trace), 236);
    CHECK_U64(ssz_fixed_size(&ssz_signed_validator_registration), 84 + 96);
    static const size_t fixed[CONSENSUS_FORK_COUNT] = {508, 512, 528, 528, 528};
    for (int f = 0; f < CONSENSUS_FORK_COUNT; f++) {
        struct execution_payload p = {.block_number = 1};
        const struct ssz_type *type = consensus_types_of((enum consensus_fork)f)->payload;
        CHECK_U64(ssz_fixed_size(type), 0);
        CHECK_U64(ssz_size(type, &p), fixed[f]);
    }
}

TEST(roots_by_hand) {
    struct arena a;
    struct error why;
    arena_init(&a, 0);
    // Registration: four leaves, the key's of two chunks.
    struct validator_registration v = {{{1}}, 2, 3, {{4}}};
    struct hash address = {{1}}, key = {{4}}, zero = {{0}}, root;
    struct hash expected =
        hash_pair(hash_pair(address, leaf(2)), hash_pair(leaf(3), hash_pair(key, zero)));
    CHECK_OK(ssz_root(&root, &ssz_validator_registration, &v, &a, &why), &why);
    CHECK_BYTES(BYTES_OF(root), BYTES_OF(expected));
    // An empty list of withdrawals: the empty tree of 16 places and its length.
    SSZ_LIST_OF(struct withdrawal) none = {NULL, 0};
    struct hash empty = zero;
    for (int i = 0; i < 4; i++) {
        empty = hash_pair(empty, empty);
    }
    expected = hash_pair(empty, leaf(0));
    CHECK_OK(ssz_root(&root, &ssz_withdrawals, &none, &a, &why), &why);
    CHECK_BYTES(BYTES_OF(root), BYTES_OF(expected));
    CHECK_U64(a.used_bytes, 0);
    struct arena small;
    arena_init(&small, 8);
    CHECK_ERR(ssz_root(&root, &ssz_validator_registration, &v, &small, &why), ERR_LIMIT);
    arena_free(&small);
    arena_free(&a);
}

/* A value of a type with every list filled, from a counter. */
static void fill(const struct ssz_type *type, uint8_t *value, struct arena *a, uint8_t *count) {
    switch (type->kind) {
    case SSZ_BOOL:
        *value = 1;
        break;
    case SSZ_UINT64:
    case SSZ_UINT256:
    case SSZ_BYTES:
        memset(value, ++*count, type->memory);
        break;
    case SSZ_BYTE_LIST:
    case SSZ_BIT_LIST: {
        size_t n = type->limit < 40 ? (size_t)type->limit : 40;
        uint8_t *p = arena_alloc(a, n);
        memset(p, ++*count, n);
        p[n - 1] |= 1;
        *(struct bytes *)(void *)value = bytes_make(p, n);
        break;
    }
    case SSZ_LIST: {
        size_t n = type->limit < 3 ? (size_t)type->limit : 3;
        uint8_t *items = arena_alloc_array(a, n, type->element->memory);
        for (size_t i = 0; i < n; i++) {
            fill(type->element, items + i * type->element->memory, a, count);
        }
        *(struct ssz_list *)(void *)value = (struct ssz_list){items, n};
        break;
    }
    case SSZ_VECTOR:
        for (size_t i = 0; i < type->limit; i++) {
            fill(type->element, value + i * type->element->memory, a, count);
        }
        break;
    case SSZ_CONTAINER:
        for (uint32_t i = 0; i < type->field_count; i++) {
            fill(type->fields[i].type, value + type->fields[i].offset, a, count);
        }
    }
}

static void check_type(const struct ssz_type *type) {
    struct arena a;
    struct error why;
    struct buf ssz, again, text;
    arena_init(&a, 0);
    buf_init(&ssz, 0);
    buf_init(&again, 0);
    buf_init(&text, 0);
    uint8_t count = 0, *value = arena_alloc(&a, type->memory),
            *back = arena_alloc(&a, type->memory);
    fill(type, value, &a, &count);
    ssz_encode(&ssz, type, value);
    CHECK_U64(ssz.n, ssz_size(type, value));
    CHECK_OK(ssz_decode(back, type, buf_view(&ssz), &a, &why), &why);
    ssz_encode(&again, type, back);
    CHECK_BYTES(buf_view(&again), buf_view(&ssz));
    struct hash r1, r2;
    CHECK_OK(ssz_root(&r1, type, value, &a, &why), &why);
    CHECK_OK(ssz_root(&r2, type, back, &a, &why), &why);
    CHECK(hash_equal(&r1, &r2));
    // JSON and back.
    ssz_json_encode(&text, type, value);
    const struct json *doc;
    CHECK_OK(json_parse(&doc, buf_view(&text), &a, NULL, &why), &why);
    CHECK_OK(ssz_json_decode(back, type, doc, &a, &why), &why);
    buf_clear(&again);
    ssz_encode(&again, type, back);
    CHECK_BYTES(buf_view(&again), buf_view(&ssz));
    // A shorter input is refused, or is the encoding of another value.
    for (size_t n = 0; n < ssz.n && n < 3000; n++) {
        struct arena_mark mark = arena_mark(&a);
        if (ssz_decode(back, type, bytes_make(ssz.p, n), &a, &why) == 0) {
            buf_clear(&again);
            ssz_encode(&again, type, back);
            CHECK_BYTES(buf_view(&again), bytes_make(ssz.p, n));
        }
        arena_rewind(&a, mark);
    }
    CHECK_ERR(ssz_decode(back, type, bytes_make(ssz.p, 3), &a, &why), ERR_SYNTAX);
    buf_free(&ssz);
    buf_free(&again);
    buf_free(&text);
    arena_free(&a);
}

TEST(containers_of_every_fork_read_back_from_ssz_and_json) {
    check_type(&ssz_bid_trace);
    check_type(&ssz_execution_requests);
    check_type(&ssz_signed_validator_registration);
    for (int f = 0; f < CONSENSUS_FORK_COUNT; f++) {
        const struct consensus_types *t = consensus_types_of((enum consensus_fork)f);
        const struct ssz_type *all[6] = {t->payload,           t->payload_header,
                                         t->submit_request,    t->signed_builder_bid,
                                         t->payload_and_blobs, t->signed_blinded_block};
        for (size_t i = 0; i < 6; i++) {
            if (all[i]) check_type(all[i]);
        }
        CHECK_I64(consensus_fork_parse(bytes_from_str(consensus_fork_name((enum consensus_fork)f))),
                  f);
    }
    CHECK_I64(consensus_fork_parse(BYTES_LIT("altair")), -1);
    CHECK_I64(consensus_fork_of(FORK_LONDON), -1);
    CHECK_I64(consensus_fork_of(FORK_OSAKA), CONSENSUS_FULU);
}

TEST(offsets_are_checked) {
    struct arena a;
    struct error why;
    struct buf b;
    arena_init(&a, 1u << 20);
    buf_init(&b, 0);
    static const uint8_t tx[5] = {1, 2, 3, 4, 5};
    const struct bytes txs[2] = {{tx, 5}, {tx, 3}};
    struct ssz_list list = {txs, 2}, back;
    ssz_encode(&b, &ssz_transactions, &list);
    static const struct {
        size_t at;
        uint8_t value;
        int code;
    } cases[] = {
        {0, 7, ERR_SYNTAX},   // not whole offsets
        {0, 0, ERR_SYNTAX},   // no offsets, but bytes
        {0, 200, ERR_SYNTAX}, // beyond the end
        {4, 7, ERR_SYNTAX},   // goes back
        {4, 200, ERR_SYNTAX}, // beyond the end
        {7, 1, ERR_SYNTAX},   // far beyond
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t was = b.p[cases[i].at];
        b.p[cases[i].at] = cases[i].value;
        CHECK_ERR(ssz_decode(&back, &ssz_transactions, buf_view(&b), &a, &why), cases[i].code);
        CHECK_U64(why.at, cases[i].at / 4 * 4);
        b.p[cases[i].at] = was;
    }
    CHECK_OK(ssz_decode(&back, &ssz_transactions, buf_view(&b), &a, &why), &why);
    // A list over its limit, and a container whose first offset is off.
    uint8_t many[44 * 17] = {0};
    CHECK_ERR(ssz_decode(&back, &ssz_withdrawals, bytes_make(many, sizeof many), &a, &why),
              ERR_LIMIT);
    CHECK_ERR(ssz_decode(&back, &ssz_withdrawals, bytes_make(many, 45), &a, &why), ERR_SYNTAX);
    struct execution_requests none = {.deposits = {NULL, 0}};
    buf_clear(&b);
    ssz_encode(&b, &ssz_execution_requests, &none);
    CHECK_U64(b.n, 12);
    b.p[0] = 11;
    CHECK_ERR(ssz_decode(&none, &ssz_execution_requests, buf_view(&b), &a, &why), ERR_SYNTAX);
    b.p[0] = 12, b.p[4] = 13;
    CHECK_ERR(ssz_decode(&none, &ssz_execution_requests, buf_view(&b), &a, &why), ERR_SYNTAX);
    CHECK_U64(why.at, 4);
    buf_free(&b);
    arena_free(&a);
}

TEST(payload_header_has_the_payloads_roots) {
    struct arena a;
    struct error why;
    arena_init(&a, 0);
    struct execution_payload p = {.block_number = 7, .blob_gas_used = 5};
    struct execution_payload_header h;
    for (int f = 0; f < CONSENSUS_FORK_COUNT; f++) {
        CHECK_OK(payload_header_of(&h, &p, (enum consensus_fork)f, &a, &why), &why);
        const struct consensus_types *t = consensus_types_of((enum consensus_fork)f);
        struct hash r1, r2; // a container's root is also that of its header
        CHECK_OK(ssz_root(&r1, t->payload, &p, &a, &why), &why);
        CHECK_OK(ssz_root(&r2, t->payload_header, &h, &a, &why), &why);
        CHECK(hash_equal(&r1, &r2));
    }
    arena_free(&a);
}

TEST_MAIN()
