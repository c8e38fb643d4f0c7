/* SPDX-License-Identifier: MIT */
#include "eth/rpc_json.h"

#include "test/harness/test.h"

#include <stdlib.h>

static const struct hash hashes[2] = {{{1, 1}}, {{1, 2}}};
static const struct tx_access access_list[2] = {{{{0xaa}}, hashes, 2}, {{{0xbb}}, NULL, 0}};
static const struct tx_authorization authorizations[2] = {
    {U256_ONE, {{5}}, 2, {{1}, {2}, 1}}, {U256_MAX, {{0}}, UINT64_MAX, {{3}, {4}, 255}}};

static struct tx sample(enum tx_type type) {
    struct tx t = {.type = type,
                   .protected = true,
                   .has_to = true,
                   .to = {{7}},
                   .gas = 21000,
                   .value = U256_MAX,
                   .data = BYTES_LIT("data"),
                   .signature = {.r = {[31] = 1}, .s = {[31] = 2}, .y_parity = 1}};
    t.max_fee = t.max_priority_fee = u256_from_u64(7);
    t.chain_id = 1;
    t.nonce = 300;
    if (type != TX_LEGACY) t.access = access_list, t.access_count = 2;
    if (type >= TX_FEE_MARKET) t.max_fee = u256_from_u64(1000);
    if (type == TX_BLOB) t.blob_hashes = hashes, t.blob_count = 2, t.max_blob_fee = U256_ONE;
    if (type == TX_SET_CODE) t.authorizations = authorizations, t.authorization_count = 2;
    if (type == TX_DEPOSIT) {
        t = (struct tx){.type = type,
                        .protected = true,
                        .gas = 5,
                        .deposit = {{{1}}, {{2}}, u256_from_u64(3), true}};
    }
    return t;
}

static const enum tx_type types[] = {TX_LEGACY, TX_ACCESS_LIST, TX_FEE_MARKET,
                                     TX_BLOB,   TX_SET_CODE,    TX_DEPOSIT};

TEST(transactions_of_every_type_read_back) {
    struct error why;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct arena a;
        struct buf text;
        arena_init(&a, 0);
        buf_init(&text, 0);
        struct tx t = sample(types[i]), back;
        CHECK_OK(tx_seal(&t, &a, &why), &why);
        struct json_writer w;
        json_writer_init(&w, &text, 0);
        tx_json_encode(&w, NULL, &t, &t.deposit.from, NULL);
        const struct json *doc;
        CHECK_OK(json_parse(&doc, buf_view(&text), &a, NULL, &why), &why);
        CHECK_OK(tx_json_decode(&back, doc, &a, &why), &why);
        CHECK_BYTES(back.raw, t.raw);
        CHECK(hash_equal(&back.hash, &t.hash));
        buf_free(&text);
        arena_free(&a);
    }
}

static int parse_tx(const char *text, struct error *why) {
    struct arena a;
    arena_init(&a, 0);
    const struct json *doc;
    struct tx t;
    int r = json_parse(&doc, bytes_from_str(text), &a, NULL, why);
    if (r == 0) r = tx_json_decode(&t, doc, &a, why);
    arena_free(&a);
    return r;
}

#define FIELDS                                                                                     \
    "\"nonce\":\"0x1\",\"gas\":\"0x5208\",\"input\":\"0x\",\"gasPrice\":\"0x1\",\"to\":null,"      \
    "\"r\":\"0x01\",\"s\":\"0x0000000000000000000000000000000000000000000000000000000000000002\""

TEST(refuses_objects_that_do_not_fit) {
    struct error why;
    CHECK_OK(parse_tx("{" FIELDS ",\"v\":\"0x1b\"}", &why), &why);
    CHECK_OK(parse_tx("{" FIELDS ",\"v\":\"0x25\"}", &why), &why);
    CHECK_OK(parse_tx("{" FIELDS ",\"accessList\":[],\"chainId\":\"0x1\",\"v\":\"0x0\"}", &why),
             &why);
    CHECK_ERR(parse_tx("{" FIELDS ",\"v\":\"0x1d\"}", &why), ERR_RANGE);
    CHECK_ERR(parse_tx("{" FIELDS ",\"v\":\"27\"}", &why), ERR_SYNTAX);
    CHECK_ERR(parse_tx("{" FIELDS ",\"type\":\"0x1\",\"chainId\":\"0x1\",\"v\":\"0x2\"}", &why),
              ERR_RANGE);
    CHECK_ERR(parse_tx("{" FIELDS ",\"type\":\"0x5\"}", &why), ERR_UNSUPPORTED);
    CHECK_ERR(parse_tx("{" FIELDS "}", &why), ERR_NOT_FOUND);
    CHECK_ERR(parse_tx("[]", &why), ERR_INVALID);
    CHECK_ERR(parse_tx("{" FIELDS
                       ",\"v\":\"0x1b\",\"hash\":\"0x000000000000000000000000000000000000"
                       "0000000000000000000000000000\"}",
                       &why),
              ERR_INVALID);
}

TEST(headers_read_back) {
    static const enum header_form forms[] = {HEADER_FRONTIER, HEADER_LONDON, HEADER_SHANGHAI,
                                             HEADER_CANCUN, HEADER_PRAGUE};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct arena a;
        struct buf text;
        struct error why;
        arena_init(&a, 0);
        buf_init(&text, 0);
        struct header h = {.number = 5, .extra_data = BYTES_LIT("x"), .form = forms[i]}, back;
        struct hash hash, hash2;
        if (forms[i] >= HEADER_LONDON) h.base_fee = u256_from_u64(7);
        CHECK_OK(header_hash(&hash, &h, &why), &why);
        struct json_writer w;
        json_writer_init(&w, &text, 0);
        json_begin_object(&w, NULL);
        header_json_encode(&w, &h, &hash);
        json_end(&w);
        const struct json *doc;
        CHECK_OK(json_parse(&doc, buf_view(&text), &a, NULL, &why), &why);
        CHECK_OK(header_json_decode(&back, doc, &a, &why), &why);
        CHECK_OK(header_hash(&hash2, &back, &why), &why);
        CHECK(hash_equal(&hash, &hash2));
        text.p[12] = text.p[12] == '1' ? '2' : '1'; // a digit of the hash
        CHECK_ERR(header_json_decode(&back, doc, &a, &why), ERR_INVALID);
        buf_free(&text);
        arena_free(&a);
    }
}

TEST(receipts_are_written_whole) {
    struct arena a;
    struct buf text;
    struct error why;
    arena_init(&a, 0);
    buf_init(&text, 0);
    const struct event_log l = {.address = {{1}}, .topic_count = 1, .data = BYTES_LIT("d")};
    struct receipt r = {.type = TX_BLOB, .success = true, .logs = &l, .log_count = 1};
    struct receipt_place place = {.tx = {.in_block = true, .block_number = 9}, .first_log = 4};
    struct json_writer w;
    json_writer_init(&w, &text, 0);
    receipt_json_encode(&w, NULL, &r, &place);
    const struct json *doc;
    uint64_t v;
    CHECK_OK(json_parse(&doc, buf_view(&text), &a, NULL, &why), &why);
    CHECK_OK(json_get_quantity(&v, doc, "status", &why), &why);
    CHECK_U64(v, 1);
    CHECK_OK(json_get_quantity(&v, json_at(json_get(doc, "logs"), 0), "logIndex", &why), &why);
    CHECK_U64(v, 4);
    CHECK(json_get(doc, "blobGasPrice") && json_is_null(json_get(doc, "contractAddress")));
    buf_free(&text);
    arena_free(&a);
}

TEST_MAIN()
