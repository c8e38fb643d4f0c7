/* SPDX-License-Identifier: MIT */
#include "eth/receipt.h"

#include "eth/rlp.h"
#include "test/harness/test.h"

static struct event_log logs[40];

static void fill_logs(void) {
    for (unsigned i = 0; i < 40; i++) {
        logs[i] = (struct event_log){
            .address = {{(uint8_t)i, 1}}, .topic_count = i % 5, .data = bytes_make(logs, i * 7)};
        for (unsigned t = 0; t < LOG_TOPICS_MAX; t++) {
            logs[i].topics[t].b[31] = (uint8_t)(i + t);
        }
    }
}

TEST(batched_bloom_is_the_bloom_of_each) {
    fill_logs();
    struct bloom one = {{0}}, many = {{0}}, merged = {{0}};
    for (size_t i = 0; i < 40; i++) {
        bloom_add(&one, BYTES_OF(logs[i].address));
        for (unsigned t = 0; t < logs[i].topic_count; t++) {
            bloom_add(&one, BYTES_OF(logs[i].topics[t]));
        }
    }
    bloom_add_logs(&many, logs, 40);
    CHECK_BYTES(BYTES_OF(many), BYTES_OF(one));
    bloom_merge(&merged, &many);
    CHECK_BYTES(BYTES_OF(merged), BYTES_OF(one));
    CHECK(bloom_may_contain(&many, BYTES_OF(logs[3].address)));
    CHECK(!bloom_may_contain(&many, BYTES_LIT("something else")));
}

TEST(receipts_of_every_kind_read_back) {
    fill_logs();
    struct receipt cases[] = {
        {.type = TX_LEGACY, .has_state_root = true, .state_root = {{1}}, .cumulative_gas = 21000},
        {.type = TX_LEGACY, .success = true, .logs = logs, .log_count = 40},
        {.type = TX_BLOB, .success = false, .cumulative_gas = UINT64_MAX},
        {.type = TX_DEPOSIT, .success = true},
        {.type = TX_DEPOSIT, .success = true, .has_deposit_nonce = true, .deposit_nonce = 5},
        {.type = TX_DEPOSIT,
         .success = true,
         .has_deposit_nonce = true,
         .deposit_nonce = 500,
         .has_deposit_version = true,
         .deposit_version = 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a;
        struct buf b, again;
        struct error why;
        struct receipt back;
        arena_init(&a, 0);
        buf_init(&b, 0);
        buf_init(&again, 0);
        receipt_encode(&b, &cases[i]);
        CHECK_OK(receipt_decode(&back, buf_view(&b), &a, &why), &why);
        CHECK(back.success == cases[i].success && back.type == cases[i].type);
        CHECK(back.log_count == cases[i].log_count && back.deposit_nonce == cases[i].deposit_nonce);
        receipt_encode(&again, &back);
        CHECK_BYTES(buf_view(&again), buf_view(&b));
        for (size_t n = 0; n < b.n; n += n < 700 ? 1 : 13) {
            CHECK_ERR(receipt_decode(&back, bytes_make(b.p, n), &a, &why), ERR_SYNTAX);
        }
        buf_free(&b);
        buf_free(&again);
        arena_free(&a);
    }
}

TEST(logs_of_no_bytes_cost_no_memory) {
    enum { COUNT = 100000 };
    static const struct bloom none;
    struct arena a;
    struct buf b;
    struct error why;
    struct receipt r;
    arena_init(&a, 16 * COUNT);
    buf_init(&b, 0);
    size_t receipt = rlp_list_begin(&b);
    rlp_put_u64(&b, 1);
    rlp_put_u64(&b, 21000);
    rlp_put_string(&b, BYTES_OF(none));
    size_t list = rlp_list_begin(&b);
    buf_append_fill(&b, 0xc0, COUNT);
    rlp_list_close(&b, list);
    rlp_list_close(&b, receipt);
    CHECK_ERR(receipt_decode(&r, buf_view(&b), &a, &why), ERR_SYNTAX);
    buf_free(&b);
    arena_free(&a);
}

TEST(refuses_broken_receipts) {
    struct arena a;
    struct error why;
    struct receipt r;
    arena_init(&a, 0);
    CHECK_ERR(receipt_decode(&r, BYTES_LIT("\x05\xc0"), &a, &why), ERR_UNSUPPORTED);
    CHECK_ERR(receipt_decode(&r, BYTES_LIT("\xc1\x02"), &a, &why), ERR_SYNTAX);
    struct buf b;
    buf_init(&b, 0);
    fill_logs();
    logs[0].topic_count = 4;
    receipt_encode(&b, &(struct receipt){.success = true, .logs = logs, .log_count = 40});
    struct arena small;
    arena_init(&small, 100);
    CHECK_ERR(receipt_decode(&r, buf_view(&b), &small, &why), ERR_LIMIT);
    arena_free(&small);
    buf_free(&b);
    arena_free(&a);
}

TEST_MAIN()
