/* SPDX-License-Identifier: MIT */
#include "crypto/bls_precompile.h"

#include "crypto/bls_group.h"
#include "test/harness/test.h"

#include <stdlib.h>

/* The encodings of [k]G1 and [k]G2, through the contracts themselves. */
static void encode_fp(uint8_t *ret, const struct bls_fp *a) {
    memset(ret, 0, 16);
    bls_fp_store_be(ret + 16, a);
}

static void g1_generator(uint8_t ret[128]) {
    encode_fp(ret, &bls_g1_generator.x);
    encode_fp(ret + 64, &bls_g1_generator.y);
}

static void g2_generator(uint8_t ret[256]) {
    encode_fp(ret, &bls_g2_generator.x.c0);
    encode_fp(ret + 64, &bls_g2_generator.x.c1);
    encode_fp(ret + 128, &bls_g2_generator.y.c0);
    encode_fp(ret + 192, &bls_g2_generator.y.c1);
}

static void g1_times(uint8_t ret[128], uint64_t k) {
    uint8_t in[160] = {0};
    struct error why;
    g1_generator(in);
    store_be64(in + 152, k);
    CHECK_OK(bls_precompile_g1_msm(ret, bytes_make(in, 160), NULL, &why), &why);
}

static void g2_times(uint8_t ret[256], uint64_t k) {
    uint8_t in[288] = {0};
    struct error why;
    g2_generator(in);
    store_be64(in + 280, k);
    CHECK_OK(bls_precompile_g2_msm(ret, bytes_make(in, 288), NULL, &why), &why);
}

TEST(addition_agrees_with_multiplication) {
    uint8_t in[512], out[256], expected[256];
    struct error why;
    g1_times(in, 7);
    g1_times(in + 128, 11);
    CHECK_OK(bls_precompile_g1_add(out, bytes_make(in, 256), &why), &why);
    g1_times(expected, 18);
    CHECK_BYTES(bytes_make(out, 128), bytes_make(expected, 128));
    g2_times(in, 7);
    g2_times(in + 256, 7);
    CHECK_OK(bls_precompile_g2_add(out, bytes_make(in, 512), &why), &why);
    g2_times(expected, 14);
    CHECK_BYTES(bytes_make(out, 256), bytes_make(expected, 256));
}

TEST(scalars_above_the_order_are_reduced) {
    uint8_t in[160], out[128], expected[128];
    struct error why;
    g1_generator(in);
    memset(in + 128, 0xff, 32); // 2^256 - 1 = 2r + rest
    CHECK_OK(bls_precompile_g1_msm(out, bytes_make(in, 160), NULL, &why), &why);
    struct u256 rest = u256_sub(u256_sub(U256_MAX, BLS_ORDER), BLS_ORDER);
    u256_store_be(in + 128, rest);
    CHECK_OK(bls_precompile_g1_msm(expected, bytes_make(in, 160), NULL, &why), &why);
    CHECK_BYTES(bytes_make(out, 128), bytes_make(expected, 128));
}

TEST(pairing_is_bilinear) {
    uint8_t in[768], out[32];
    struct error why;
    // e(6 G1, G2) e(-(2 G1), 3 G2) = 1
    g1_times(in, 6);
    g2_times(in + 128, 1);
    g1_times(in + 384, 2);
    struct bls_fp y;
    CHECK(bls_fp_load_be(&y, in + 384 + 64 + 16));
    bls_fp_neg(&y, &y);
    encode_fp(in + 384 + 64, &y);
    g2_times(in + 384 + 128, 3);
    CHECK_OK(bls_precompile_pairing_check(out, bytes_make(in, 768), NULL, &why), &why);
    CHECK_U64(out[31], 1);
    g2_times(in + 384 + 128, 4);
    CHECK_OK(bls_precompile_pairing_check(out, bytes_make(in, 768), NULL, &why), &why);
    CHECK_U64(out[31], 0);
    memset(in, 0, 128); // infinity
    memset(in + 512, 0, 256);
    CHECK_OK(bls_precompile_pairing_check(out, bytes_make(in, 768), NULL, &why), &why);
    CHECK_U64(out[31], 1);
}

TEST(wrong_lengths_fail) {
    uint8_t in[1024] = {0}, out[256];
    struct error why;
    CHECK_ERR(bls_precompile_g1_add(out, bytes_make(in, 255), &why), ERR_SYNTAX);
    CHECK_ERR(bls_precompile_g2_add(out, bytes_make(in, 513), &why), ERR_SYNTAX);
    CHECK_ERR(bls_precompile_g1_msm(out, bytes_make(in, 0), NULL, &why), ERR_SYNTAX);
    CHECK_ERR(bls_precompile_g1_msm(out, bytes_make(in, 161), NULL, &why), ERR_SYNTAX);
    CHECK_ERR(bls_precompile_g2_msm(out, bytes_make(in, 0), NULL, &why), ERR_SYNTAX);
    CHECK_ERR(bls_precompile_g2_msm(out, bytes_make(in, 287), NULL, &why), ERR_SYNTAX);
    CHECK_ERR(bls_precompile_pairing_check(out, bytes_make(in, 0), NULL, &why), ERR_SYNTAX);
    CHECK_ERR(bls_precompile_pairing_check(out, bytes_make(in, 383), NULL, &why), ERR_SYNTAX);
    CHECK_ERR(bls_precompile_map_fp_to_g1(out, bytes_make(in, 63), &why), ERR_SYNTAX);
    CHECK_ERR(bls_precompile_map_fp2_to_g2(out, bytes_make(in, 64), &why), ERR_SYNTAX);
}

TEST(wrong_encodings_fail) {
    uint8_t in[256], out[128];
    struct error why;
    g1_generator(in);
    g1_generator(in + 128);
    in[15] = 1; // padding
    CHECK_ERR(bls_precompile_g1_add(out, bytes_make(in, 256), &why), ERR_SYNTAX);
    g1_generator(in);
    for (int i = 0; i < 6; i++)
        store_be64(in + 16 + 8 * i, bls_fp_modulus.w[5 - i]);
    CHECK_ERR(bls_precompile_g1_add(out, bytes_make(in, 256), &why), ERR_SYNTAX);
    CHECK_ERR(bls_precompile_map_fp_to_g1(out, bytes_make(in, 64), &why), ERR_SYNTAX);
    g1_generator(in);
    in[127] ^= 1;
    CHECK_ERR(bls_precompile_g1_add(out, bytes_make(in, 256), &why), ERR_INVALID);
}

/* The first x at which a curve has a point outside the subgroup (nearly all are). */
TEST(points_outside_the_subgroup_are_added_but_not_multiplied) {
    uint8_t in[768] = {0}, out[256], packed[96] = {0x80};
    struct bls_g1_affine p;
    struct bls_g2_affine q;
    struct error why;
    do
        packed[47]++;
    while (bls_g1_decompress(&p, packed, &why) < 0);
    CHECK(bls_g1_on_curve(&p) && !bls_g1_in_subgroup(&p));
    encode_fp(in, &p.x);
    encode_fp(in + 64, &p.y);
    CHECK_OK(bls_precompile_g1_add(out, bytes_make(in, 256), &why), &why);
    CHECK_ERR(bls_precompile_g1_msm(out, bytes_make(in, 160), NULL, &why), ERR_INVALID);
    CHECK_ERR(bls_precompile_pairing_check(out, bytes_make(in, 384), NULL, &why), ERR_INVALID);
    memset(in, 0, sizeof in);
    packed[47] = 0;
    do
        packed[95]++;
    while (bls_g2_decompress(&q, packed, &why) < 0);
    CHECK(bls_g2_on_curve(&q) && !bls_g2_in_subgroup(&q));
    encode_fp(in + 128, &q.x.c0);
    encode_fp(in + 192, &q.x.c1);
    encode_fp(in + 256, &q.y.c0);
    encode_fp(in + 320, &q.y.c1);
    CHECK_ERR(bls_precompile_pairing_check(out, bytes_make(in, 384), NULL, &why), ERR_INVALID);
    CHECK_OK(bls_precompile_g2_add(out, bytes_make(in + 128, 512), &why), &why);
    CHECK_ERR(bls_precompile_g2_msm(out, bytes_make(in + 128, 288), NULL, &why), ERR_INVALID);
}

TEST(large_sums_agree_with_small_ones) {
    enum { N = 200 };
    uint8_t *in = calloc(N, 160), out[256], expected[128];
    struct error why;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < N; i++) {
        uint64_t k = i * i + 5;
        g1_times(in + i * 160, i + 1);
        store_be64(in + i * 160 + 152, k);
        sum += k * (i + 1);
    }
    CHECK_OK(bls_precompile_g1_msm(out, bytes_make(in, N * 160), NULL, &why), &why);
    g1_times(expected, sum);
    CHECK_BYTES(bytes_make(out, 128), bytes_make(expected, 128));
    const atomic_bool stop = true;
    CHECK_ERR(bls_precompile_g1_msm(out, bytes_make(in, N * 160), &stop, &why), ERR_CANCELLED);
    CHECK_ERR(bls_precompile_g2_msm(out, bytes_make(in, 288), &stop, &why), ERR_CANCELLED);
    CHECK_ERR(bls_precompile_pairing_check(out, bytes_make(in, 384), &stop, &why), ERR_CANCELLED);
    free(in);
}

TEST(sums_of_many_points_can_be_stopped) {
    enum { N = 200 };
    struct bls_g1_affine *p = calloc(N, sizeof *p);
    struct u256 *k = calloc(N, sizeof *k);
    struct bls_g1 sum;
    struct error why;
    const atomic_bool stop = true, go = false;
    for (size_t i = 0; i < N; i++) {
        p[i].infinity = true;
    }
    CHECK_OK(bls_g1_msm(&sum, p, k, N, &go, &why), &why);
    CHECK_ERR(bls_g1_msm(&sum, p, k, N, &stop, &why), ERR_CANCELLED);
    CHECK_ERR(bls_g1_msm(&sum, p, k, 9, &stop, &why), ERR_CANCELLED);
    free(p);
    free(k);
}

TEST_MAIN()
