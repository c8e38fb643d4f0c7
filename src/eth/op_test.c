/* The OP Stack's arithmetic: numbers of the specification, and published ones where they are at
 * hand. SPDX-License-Identifier: MIT */
#include "eth/op.h"

#include "base/hex.h"
#include "eth/testing.h"

static struct arena a;
static struct error why;

static struct op_config chain(enum op_fork last, uint32_t denominator, uint32_t elasticity) {
    struct op_config c = {.enabled = true,
                          .elasticity = elasticity,
                          .denominator = OP_DENOMINATOR,
                          .denominator_canyon = denominator};
    for (unsigned f = 0; f < OP_FORK_COUNT; f++) {
        c.activation[f] = f <= last ? 0 : UINT64_MAX;
    }
    return c;
}

TEST(op_forks_by_time) {
    struct op_config c = chain(OP_CANYON, 250, 6);
    c.activation[OP_ECOTONE] = 100;
    CHECK_I64(op_fork_at(&c, 99), OP_CANYON);
    CHECK_I64(op_fork_at(&c, 100), OP_ECOTONE);
}

TEST(op_sizes_of_fastlz) {
    uint8_t same[1000];
    memset(same, 1, sizeof same);
    CHECK_U64(op_fastlz_size((struct bytes){NULL, 0}), 0);
    CHECK_U64(op_fastlz_size(bytes_make(same, 1)), 2);
    CHECK_U64(op_fastlz_size(bytes_make(same, 12)), 13);
    CHECK_U64(op_fastlz_size(bytes_make(same, 1000)), 21);
}

TEST(op_extra_data_there_and_back) {
    struct op_config c = chain(OP_HOLOCENE, 80, 60);
    struct op_base_fee p = {8, 8, false, 0}, read;
    uint8_t out[OP_EXTRA_DATA_MAX];
    size_t n;
    CHECK_OK(op_extra_data(out, &n, &c, 1, &p, &why), &why);
    CHECK_BYTES(bytes_make(out, n), BYTES_LIT("\0\0\0\0\x08\0\0\0\x08"));
    p.denominator = p.elasticity = 0;
    CHECK_OK(op_extra_data(out, &n, &c, 1, &p, &why), &why);
    CHECK_BYTES(bytes_make(out, n), BYTES_LIT("\0\0\0\0\x50\0\0\0\x3c"));
    CHECK_OK(op_extra_data_read(&read, &c, 1, bytes_make(out, n), &why), &why);
    CHECK_U64(read.denominator, 80);
    CHECK_U64(read.elasticity, 60);
    p.elasticity = 1;
    CHECK_ERR(op_extra_data(out, &n, &c, 1, &p, &why), ERR_INVALID);
    CHECK_ERR(op_extra_data_read(&read, &c, 1, bytes_make(out, 8), &why), ERR_INVALID);
    CHECK_ERR(op_extra_data_read(&read, &c, 1, BYTES_LIT("\0\0\0\0\0\0\0\0\x08"), &why),
              ERR_INVALID);
    CHECK_ERR(op_extra_data_read(&read, &c, 1, BYTES_LIT("\1\0\0\0\x08\0\0\0\x08"), &why),
              ERR_INVALID);

    c = chain(OP_JOVIAN, 80, 60);
    p = (struct op_base_fee){8, 8, true, 257};
    CHECK_OK(op_extra_data(out, &n, &c, 1, &p, &why), &why);
    CHECK_BYTES(bytes_make(out, n), BYTES_LIT("\1\0\0\0\x08\0\0\0\x08\0\0\0\0\0\0\x01\x01"));
    CHECK_OK(op_extra_data_read(&read, &c, 1, bytes_make(out, n), &why), &why);
    CHECK_U64(read.minimum, 257);
    p.has_minimum = false;
    CHECK_ERR(op_extra_data(out, &n, &c, 1, &p, &why), ERR_INVALID);

    c = chain(OP_ISTHMUS, 250, 6);
    c.activation[OP_HOLOCENE] = c.activation[OP_ISTHMUS] = 100;
    CHECK_OK(op_base_fee_after(&read, &c, 99, BYTES_LIT("anything"), 101, &why), &why);
    CHECK_U64(read.denominator, 250);
    CHECK_ERR(op_base_fee_after(&read, &c, 100, BYTES_LIT("anything"), 101, &why), ERR_INVALID);
}

TEST(op_base_fee_moves) {
    struct op_base_fee p = {50, 6, false, 0};
    struct u256 gwei = u256_from_u64(1000000000);
    CHECK_U64(op_base_fee_next(&p, gwei, 30000000, 5000000).w[0], 1000000000);
    CHECK_U64(op_base_fee_next(&p, gwei, 30000000, 4000000).w[0], 996000000);
    CHECK_U64(op_base_fee_next(&p, U256_ONE, 30000000, 5000001).w[0], 2); // at least by one
    CHECK_U64(op_base_fee_next(&p, gwei, 3, 3).w[0], 1000000000);         // a target of nothing
    p = (struct op_base_fee){50, 6, true, 2000000000};
    CHECK_U64(op_base_fee_next(&p, gwei, 30000000, 0).w[0], 2000000000);
}

TEST(op_fees_of_each_fork) {
    struct op_l1 l1 = {.base_fee = u256_from_u64(1000000000),
                       .blob_base_fee = u256_from_u64(10000000),
                       .base_fee_scalar = 2,
                       .blob_base_fee_scalar = 3,
                       .overhead = u256_from_u64(50),
                       .scalar = u256_from_u64(7000000),
                       .operator_fee_scalar = 1439103868,
                       .operator_fee_constant = 1256417826609331460u};
    struct op_weight w = {.zeros = 4, .others = 109, .compressed = 117};
    CHECK_U64(op_l1_fee(OP_REGOLITH, &l1, &w).w[0], 12670000000000);
    CHECK_U64(op_l1_gas(OP_REGOLITH, &l1, &w), 1810);
    CHECK_U64(op_l1_gas(OP_BEDROCK, &l1, &w), 1810 + 16 * 68);
    CHECK_U64(op_l1_fee(OP_FJORD, &l1, &w).w[0], 3203000); // the least one
    CHECK_U64(op_l1_gas(OP_FJORD, &l1, &w), 1600);
    CHECK_U64(op_l1_fee(OP_ECOTONE, &l1, &w).w[0], (16 * 109 + 16) * 32030000000 / 16000000);
    CHECK(u256_is_zero(op_operator_fee(OP_HOLOCENE, &l1, 1000)));
    CHECK_U64(op_operator_fee(OP_ISTHMUS, &l1, 1618).w[0], 1256417826611659930u);
    CHECK_U64(op_operator_fee(OP_JOVIAN, &l1, 10).w[0], 1256417826609331460u + 1439103868000u);
    CHECK_U64(op_da_footprint(&l1, &w), 100 * 400);
    // Ecotone's first block: its numbers are not set yet.
    l1.base_fee_scalar = l1.blob_base_fee_scalar = 0;
    l1.blob_base_fee = U256_ZERO;
    CHECK_U64(op_l1_fee(OP_ECOTONE, &l1, &w).w[0], 12670000000000);
}

/* Published values. */

static uint64_t number(const struct json *in, const char *key) {
    uint64_t v = 0;
    if (json_is_null(json_get(in, key))) return 0;
    CHECK_OK(json_get_u64(&v, in, key, &why), &why);
    return v;
}

static struct op_l1 l1_of(const struct json *in) {
    return (struct op_l1){.base_fee = u256_from_u64(number(in, "l1BaseFee")),
                          .blob_base_fee = u256_from_u64(number(in, "blobBaseFee")),
                          .base_fee_scalar = (uint32_t)number(in, "baseFeeScalar"),
                          .blob_base_fee_scalar = (uint32_t)number(in, "blobBaseFeeScalar"),
                          .overhead = u256_from_u64(number(in, "overhead")),
                          .scalar = u256_from_u64(number(in, "scalar")),
                          .operator_fee_scalar = (uint32_t)number(in, "operatorFeeScalar"),
                          .operator_fee_constant = number(in, "operatorFeeConstant")};
}

static void check_decimal(const struct json *in, const char *key, struct u256 got) {
    struct u256 expected;
    CHECK(u256_from_decimal(&expected, json_text(json_get(in, key))));
    if (!u256_equal(got, expected)) FAIL("%s: got %llu", key, (unsigned long long)got.w[0]);
}

TEST(op_fees_as_executed) {
    arena_init(&a, 0);
    const struct json *list = vectors_json("l2/fees/executed-fees.json", &a);
    json_each(item, list) {
        static const struct {
            const char *name;
            enum op_fork fork;
        } forks[] = {{"regolith", OP_REGOLITH}, {"canyon", OP_CANYON},   {"ecotone", OP_ECOTONE},
                     {"fjord", OP_FJORD},       {"granite", OP_GRANITE}, {"holocene", OP_HOLOCENE},
                     {"isthmus", OP_ISTHMUS}};
        struct bytes raw;
        int fork = -1;
        for (size_t i = 0; i < sizeof forks / sizeof *forks; i++) {
            if (bytes_equal_str(json_text(json_get(item, "fork")), forks[i].name)) {
                fork = (int)forks[i].fork;
            }
        }
        if (fork < 0) continue;
        CHECK_OK(json_get_data(&raw, item, "rawTx", &a, &why), &why);
        struct op_weight w = op_weigh(raw);
        struct op_l1 l1 = l1_of(json_get(item, "l1Params"));
        CHECK_U64(w.compressed, number(item, "fastlzLen"));
        CHECK_U64(w.zeros, number(item, "zeroBytes"));
        check_decimal(item, "l1Fee", op_l1_fee((enum op_fork)fork, &l1, &w));
        check_decimal(item, "operatorFee",
                      op_operator_fee((enum op_fork)fork, &l1, number(item, "gasUsed")));
    }
    arena_free(&a);
}

TEST(op_base_fees_as_published) {
    arena_init(&a, 0);
    const struct json *list = vectors_json("l2/fees/base-fee.json", &a);
    json_each(item, list) {
        struct op_base_fee p = {.denominator = (uint32_t)number(item, "denominator"),
                                .elasticity = (uint32_t)number(item, "elasticity")};
        uint64_t used = number(item, "parentGasUsed"), blob = number(item, "parentBlobGasUsed");
        p.minimum = number(item, "minBaseFee");
        p.has_minimum = p.minimum > 0;
        if (blob > used) used = blob;
        struct u256 fee = op_base_fee_next(&p, u256_from_u64(number(item, "parentBaseFee")),
                                           number(item, "parentGasLimit"), used);
        CHECK_U64(fee.w[0], number(item, "expected"));
    }
    arena_free(&a);
}

TEST(op_sizes_as_published) {
    arena_init(&a, 0);
    const struct json *list = vectors_json("l2/fees/fastlz.json", &a);
    json_each(item, list) {
        struct bytes hex = json_text(json_get(item, "input")), raw;
        if (json_is_null(json_get(item, "input"))) continue; // one byte repeated: above
        uint8_t *out = arena_alloc(&a, hex.n / 2);
        CHECK(out);
        CHECK_OK(hex_decode(out, hex, &why), &why);
        raw = bytes_make(out, hex.n / 2);
        CHECK_U64(op_fastlz_size(raw), number(item, "len"));
    }
    arena_free(&a);
}

TEST_MAIN()
