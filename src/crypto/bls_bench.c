/* SPDX-License-Identifier: MIT */
#include "crypto/bls_bench.h"

#include "crypto/bls.h"
#include "crypto/bls_fr.h"
#include "crypto/bls_map.h"
#include "crypto/bls_pairing.h"
#include "crypto/sha256.h"
#include "test/harness/bench.h"

#include <string.h>

#define BARE 1000
#define BATCH 64
#define LANES 8 /* bare products at a time that do not wait for each other */
#define BLOCKS 256

struct bench {
    struct bls_fp a, b;
    struct bls_wide wide;
    struct bls_fr fr[LANES];
    uint8_t blocks[64 * BLOCKS];
    struct bls_secret_key sk;
    struct bls_public_key pk;
    struct bytes48 encoded;
    struct bytes96 signature;
    struct bls_signed items[BATCH];
    struct bls_g1_affine g1[128];
    struct u256 scalars[128];
    struct bls_g1_affine g1_result;
    struct bls_g2_affine g2_result;
    struct bls_fp12 f;
    volatile int sink;
};

static void body_mul(void *arg) {
    struct bench *b = arg;
    for (int i = 0; i < BARE; i++)
        bls_fp_mul(&b->a, &b->a, &b->b);
}
static void body_sqr(void *arg) {
    struct bench *b = arg;
    for (int i = 0; i < BARE; i++)
        bls_fp_sqr(&b->a, &b->a);
}
static void body_mul_wide(void *arg) {
    struct bench *b = arg;
    for (int i = 0; i < BARE; i++)
        bls_fp_mul_wide(&b->wide, &b->a, &b->b);
}
static void body_redc(void *arg) {
    struct bench *b = arg;
    for (int i = 0; i < BARE; i++)
        bls_fp_redc(&b->a, &b->wide);
}

static void body_fr_mul(void *arg) {
    struct bench *b = arg;
    for (int i = 0; i < BARE; i++)
        bls_fr_mul(&b->fr[i % LANES], &b->fr[i % LANES], &bls_fr_one);
}
static void body_sha256(void *arg) {
    struct bench *b = arg;
    b->sink = sha256(bytes_make(b->blocks, sizeof b->blocks)).b[0];
}
// Products of six words and one, each added to a sum.
static void body_word_mul(void *arg) {
    struct bench *b = arg;
    for (int i = 0; i < BARE; i++) {
        unsigned __int128 sum = 0;
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++)
            sum += (unsigned __int128)b->a.w[j] * b->wide.w[i % 12];
        b->wide.w[i % 12] ^= (uint64_t)sum ^ (uint64_t)(sum >> 64);
    }
}

void bls_measure_costs(struct bls_parts *ret, unsigned budget_ms) {
    static struct bench b;
    b.a = bls_g1_generator.x;
    b.b = bls_g1_generator.y;
    for (int i = 0; i < LANES; i++)
        bls_fr_from_u64(&b.fr[i], (uint64_t)i + 2);
    const struct {
        double *ret;
        void (*body)(void *arg);
        double inner;
    } parts[] = {
        {&ret->mul, body_mul, BARE},
        {&ret->sqr, body_sqr, BARE},
        {&ret->mul_wide, body_mul_wide, BARE},
        {&ret->redc, body_redc, BARE},
        {&ret->fr_mul, body_fr_mul, BARE},
        {&ret->sha256_block, body_sha256, BLOCKS + 1},
        {&ret->word_mul, body_word_mul, 6 * BARE},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        *parts[i].ret = bench_best_ns(parts[i].body, &b, budget_ms / 8) / parts[i].inner;
}

unsigned bls_case(const char *only, unsigned budget_ms, const char *name, double inner,
                  const char *unit, void (*body)(void *arg), void *arg,
                  const struct bls_parts *costs, struct bls_parts count) {
    if (!strstr(name, only)) return 0;
    double limit = count.mul * costs->mul + count.sqr * costs->sqr +
                   count.mul_wide * costs->mul_wide + count.redc * costs->redc +
                   count.fr_mul * costs->fr_mul + count.sha256_block * costs->sha256_block +
                   count.word_mul * costs->word_mul;
    bench_emit(name, inner, unit, bench_best_ns(body, arg, budget_ms), limit);
    return 1;
}

static void body_pairing(void *arg) {
    struct bench *b = arg;
    bls_miller_loop(&b->f, &bls_g1_generator, &bls_g2_generator, 1);
    bls_final_exponentiation(&b->f, &b->f);
}
static void body_sign(void *arg) {
    struct bench *b = arg;
    bls_sign(&b->signature, &b->sk, BYTES_LIT("bench"));
}
static void body_verify(void *arg) {
    struct bench *b = arg;
    b->sink = bls_verify(&b->pk, BYTES_LIT("bench"), &b->signature, NULL);
}
static void body_verify_batch(void *arg) {
    struct bench *b = arg;
    b->sink = bls_verify_batch(b->items, BATCH, NULL);
}
static void body_parse(void *arg) {
    struct bench *b = arg;
    b->sink = bls_public_key_parse(&b->pk, &b->encoded, NULL);
}
static void body_hash(void *arg) {
    struct bench *b = arg;
    bls_g2_hash(&b->g2_result, BYTES_LIT("bench"), BYTES_LIT("tag"));
}
static void body_g1_mul(void *arg) {
    struct bench *b = arg;
    struct bls_g1 r;
    bls_g1_mul(&r, &b->g1[1], &b->scalars[1]);
    b->sink = bls_g1_is_infinity(&r);
}
static void body_g1_msm(void *arg) {
    struct bench *b = arg;
    struct bls_g1 r;
    b->sink = bls_g1_msm(&r, b->g1, b->scalars, 128, NULL, NULL);
}

static int prepare(struct bench *b) {
    struct bls_g1 p;
    b->sk.k = (struct u256){{0x123456789abcdef1, 0xfedcba9876543210, 0x1111222233334444, 0x5555}};
    bls_public_key_of(&b->encoded, &b->sk);
    bls_sign(&b->signature, &b->sk, BYTES_LIT("bench"));
    for (size_t i = 0; i < 128; i++) {
        b->scalars[i] = u256_mul(b->sk.k, u256_from_u64(2 * i + 1));
        b->scalars[i].w[3] >>= 2;
        bls_g1_mul(&p, &bls_g1_generator, &b->scalars[i]);
        bls_g1_to_affine(&b->g1[i], &p);
    }
    for (size_t i = 0; i < BATCH; i++) {
        b->items[i] = (struct bls_signed){&b->pk, BYTES_LIT("bench"), &b->signature};
    }
    return bls_public_key_parse(&b->pk, &b->encoded, NULL);
}

unsigned bls_bench(const char *only, unsigned budget_ms) {
    static struct bench b;
    struct bls_parts costs;
    unsigned ran = 0;
    if (prepare(&b) < 0) return 0;
    bls_measure_costs(&costs, budget_ms);
    // Counted once in an instrumented build. A whole product takes 36 of words, its reduction too.
#define CASE(name, inner, unit, body, ...)                                                         \
    ran += bls_case(only, budget_ms, name, inner, unit, body, &b, &costs,                          \
                    (struct bls_parts){__VA_ARGS__})
    CASE("bls_fp_mul", BARE, "products", body_mul, .word_mul = 72.0 * BARE);
    CASE("bls_g1_mul", 1, "products", body_g1_mul, 669, 761);
    CASE("bls_g1_msm_128", 128, "products", body_g1_msm, 47753, 17757);
    CASE("bls_g2_hash", 1, "messages", body_hash, 1866, 1519, 1458, 980);
    CASE("bls_pairing", 1, "pairings", body_pairing, 5082, 12, 8136, 5424);
    CASE("bls_public_key_parse", 1, "keys", body_parse, 464, 1044, 0, 1);
    CASE("bls_sign", 1, "signatures", body_sign, 2125, 1521, 5712, 3820);
    CASE("bls_verify", 1, "signatures", body_verify, 8876, 2286, 13548, 9042);
    CASE("bls_verify_batch_64", BATCH, "signatures", body_verify_batch, 280936, 163160, 420288,
         280847);
#undef CASE
    return ran;
}
