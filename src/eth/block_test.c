/* SPDX-License-Identifier: MIT */
#include "eth/block.h"

#include "crypto/keccak.h"
#include "eth/rlp.h"
#include "test/harness/test.h"

static const enum header_form forms[] = {HEADER_FRONTIER, HEADER_LONDON, HEADER_SHANGHAI,
                                         HEADER_CANCUN, HEADER_PRAGUE};

static struct header sample_header(enum header_form form) {
    struct header h = {.parent_hash = {{1}},
                       .ommers_hash = BLOCK_EMPTY_OMMERS,
                       .number = 300,
                       .difficulty = U256_MAX,
                       .gas_limit = UINT64_MAX,
                       .timestamp = 1,
                       .extra_data = BYTES_LIT("extra"),
                       .mix_hash = {{2}},
                       .nonce = {3},
                       .form = form};
    if (form >= HEADER_LONDON) h.base_fee = u256_from_u64(1000000000);
    if (form >= HEADER_SHANGHAI) h.withdrawals_root = (struct hash){{4}};
    if (form >= HEADER_CANCUN) h.blob_gas_used = 131072, h.excess_blob_gas = 7;
    if (form >= HEADER_PRAGUE) h.requests_hash = (struct hash){{5}};
    return h;
}

TEST(headers_of_every_fork_read_back) {
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct header h = sample_header(forms[i]), back;
        struct buf b;
        struct error why;
        struct hash hash;
        buf_init(&b, 0);
        header_encode(&b, &h);
        CHECK_OK(header_decode(&back, buf_view(&b), &why), &why);
        CHECK(back.form == h.form && back.number == h.number &&
              back.blob_gas_used == h.blob_gas_used);
        CHECK(u256_equal(back.base_fee, h.base_fee) && u256_equal(back.difficulty, h.difficulty));
        CHECK_BYTES(back.extra_data, h.extra_data);
        CHECK_OK(header_hash(&hash, &back, &why), &why);
        struct hash expected = keccak256(buf_view(&b));
        CHECK_BYTES(BYTES_OF(hash), BYTES_OF(expected));
        for (size_t n = 0; n < b.n; n++) {
            CHECK_ERR(header_decode(&back, bytes_make(b.p, n), &why), ERR_SYNTAX);
        }
        buf_free(&b);
    }
    struct hash ommers = keccak256(BYTES_LIT("\xc0"));
    CHECK(hash_equal(&ommers, &BLOCK_EMPTY_OMMERS));
}

TEST(headers_with_a_number_of_fields_of_no_fork_are_refused) {
    struct header h = sample_header(HEADER_CANCUN), back;
    struct buf b;
    struct error why;
    buf_init(&b, 0);
    header_encode(&b, &h);
    // Take the last field (33 bytes) off; the list header stays two bytes of length.
    b.n -= 33;
    store_be16(b.p + 1, (uint16_t)(b.n - 3));
    CHECK_ERR(header_decode(&back, buf_view(&b), &why), ERR_SYNTAX);
    CHECK(strstr(why.text, "parent beacon root") != NULL);
    buf_free(&b);
}

static const struct tx txs[2] = {
    {.type = TX_LEGACY, .gas = 21000, .signature = {.r = {[31] = 1}, .s = {[31] = 1}}},
    {.type = TX_FEE_MARKET,
     .protected = true,
     .chain_id = 1,
     .has_to = true,
     .gas = 21000,
     .signature = {.r = {[31] = 1}, .s = {[31] = 1}}},
};
static const struct withdrawal withdrawals[2] = {{1, 2, {{3}}, 4}, {UINT64_MAX, 0, {{0}}, 0}};

TEST(blocks_read_back) {
    struct arena a;
    struct error why;
    arena_init(&a, 0);
    struct header ommer = sample_header(HEADER_FRONTIER);
    struct block in = {sample_header(HEADER_PRAGUE), txs, 2, &ommer, 1, true, withdrawals, 2};
    struct buf b, again;
    buf_init(&b, 0);
    buf_init(&again, 0);
    block_encode(&b, &in);
    struct block out;
    CHECK_OK(block_decode(&out, buf_view(&b), &a, &why), &why);
    CHECK(out.tx_count == 2 && out.ommer_count == 1 && out.withdrawal_count == 2);
    CHECK(out.txs[1].type == TX_FEE_MARKET && out.withdrawals[1].index == UINT64_MAX);
    for (size_t i = 0; i < 2; i++) {
        struct hash h = keccak256(out.txs[i].raw);
        CHECK(hash_equal(&h, &out.txs[i].hash));
    }
    block_encode(&again, &out);
    CHECK_BYTES(buf_view(&again), buf_view(&b));
    CHECK_U64(block_encoded_size(&out), b.n);
    for (size_t n = 0; n < b.n; n++) {
        CHECK_ERR(block_decode(&out, bytes_make(b.p, n), &a, &why), ERR_SYNTAX);
    }
    struct arena small;
    arena_init(&small, 100);
    CHECK_ERR(block_decode(&out, buf_view(&b), &small, &why), ERR_LIMIT);
    arena_free(&small);
    buf_free(&b);
    buf_free(&again);
    arena_free(&a);
}

TEST(errors_tell_where_in_the_block_they_are) {
    struct header h = sample_header(HEADER_PRAGUE);
    struct block got, block = {.header = h, .txs = txs, .tx_count = 2};
    struct buf b;
    struct arena a;
    struct error why;
    buf_init(&b, 0);
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < 2; i++) {
        block.tx_count = i + 1;
        buf_clear(&b);
        block_encode(&b, &block);
        // The transaction's last byte, s of its signature, stands before the empty list of ommers.
        b.p[b.n - 2] = 0;
        CHECK_ERR(block_decode(&got, buf_view(&b), &a, &why), ERR_SYNTAX);
        CHECK(strstr(why.text, i ? "transaction 1: " : "transaction 0: ") != NULL);
        CHECK_U64(why.at, b.n - 2);
    }
    buf_free(&b);
    arena_free(&a);
}

TEST(lists_of_small_wrong_items_cost_no_memory) {
    enum { COUNT = 100000 };
    struct header h = sample_header(HEADER_SHANGHAI);
    struct block got;
    struct buf b;
    struct arena a;
    struct error why;
    buf_init(&b, 0);
    for (size_t wrong = 0; wrong < 3; wrong++) { // transactions, ommers, withdrawals
        arena_init(&a, 64 * COUNT);
        buf_clear(&b);
        size_t block = rlp_list_begin(&b);
        header_encode(&b, &h);
        for (size_t i = 0; i < 3; i++) {
            size_t list = rlp_list_begin(&b);
            if (i == wrong) buf_append_fill(&b, 0xc0, COUNT);
            rlp_list_close(&b, list);
        }
        rlp_list_close(&b, block);
        CHECK_ERR(block_decode(&got, buf_view(&b), &a, &why), ERR_SYNTAX);
        CHECK_U64(why.at, b.n - (2 - wrong) - COUNT + 1);
        arena_free(&a);
    }
    buf_free(&b);
}

TEST(withdrawals_read_back_alone) {
    for (size_t i = 0; i < 2; i++) {
        struct buf b;
        struct error why;
        struct withdrawal w;
        buf_init(&b, 0);
        withdrawal_encode(&b, &withdrawals[i]);
        CHECK_OK(withdrawal_decode(&w, buf_view(&b), &why), &why);
        CHECK(w.index == withdrawals[i].index && w.amount_gwei == withdrawals[i].amount_gwei);
        CHECK_ERR(withdrawal_decode(&w, bytes_make(b.p, b.n - 1), &why), ERR_SYNTAX);
        buf_free(&b);
    }
}

TEST(requests_without_data_do_not_count) {
    struct hash none = requests_hash(NULL, 0);
    CHECK_U64(load_be32(none.b), 0xe3b0c442);
    const struct bytes types[3] = {BYTES_LIT("\x00"), BYTES_LIT("\x01"), BYTES_LIT("\x02")};
    struct hash empty = requests_hash(types, 3);
    CHECK(hash_equal(&none, &empty));
    const struct bytes some[2] = {BYTES_LIT("\x00"), BYTES_LIT("\x01xyz")};
    struct hash a = requests_hash(some, 2), b = requests_hash(some + 1, 1);
    CHECK(hash_equal(&a, &b) && !hash_equal(&a, &none));
}

TEST_MAIN()
