/* SPDX-License-Identifier: MIT */
#include "crypto/bls_bench.h"

#include "crypto/bls.h"
#include "crypto/bls_map.h"
#include "crypto/bls_pairing.h"
#include "test/harness/bench.h"

#include <string.h>

#define BARE 1000
#define BATCH 64

struct bench {
    struct bls_fp a, b;
    struct bls_wide wide;
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

void bls_measure_costs(struct bls_costs *ret, unsigned budget_ms) {
    static struct bench b;
    b.a = bls_g1_generator.x;
    b.b = bls_g1_generator.y;
    ret->mul = bench_best_ns(body_mul, &b, budget_ms / 8) / BARE;
    ret->sqr = bench_best_ns(body_sqr, &b, budget_ms / 8) / BARE;
    ret->mul_wide = bench_best_ns(body_mul_wide, &b, budget_ms / 8) / BARE;
    ret->redc = bench_best_ns(body_redc, &b, budget_ms / 8) / BARE;
}

unsigned bls_case(const char *only, unsigned budget_ms, const char *name, double inner,
                  const char *unit, void (*body)(void *arg), void *arg,
                  const struct bls_costs *costs, struct bls_counts count) {
    if (!strstr(name, only)) return 0;
    double limit = count.mul * costs->mul + count.sqr * costs->sqr +
                   count.mul_wide * costs->mul_wide + count.redc * costs->redc;
    bench_emit(name, inner, unit, bench_best_ns(body, arg, budget_ms), limit * inner);
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
    b->sink = bls_g1_msm(&r, b->g1, b->scalars, 128, NULL);
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
    struct bls_costs costs;
    unsigned ran = 0;
    if (prepare(&b) < 0) return 0;
    bls_measure_costs(&costs, budget_ms);
#define CASE(name, inner, unit, body, ...)                                                         \
    ran += bls_case(only, budget_ms, name, inner, unit, body, &b, &costs,                          \
                    (struct bls_counts){__VA_ARGS__})
    CASE("bls_fp_mul", BARE, "products", body_mul, 0);
    CASE("bls_g1_mul", 1, "products", body_g1_mul, 727, 804, 0, 0);
    CASE("bls_g1_msm_128", 128, "products", body_g1_msm, 0);
    CASE("bls_g2_hash", 1, "messages", body_hash, 1871, 1522, 1467, 986);
    CASE("bls_pairing", 1, "pairings", body_pairing, 5082, 12, 8136, 5424);
    CASE("bls_public_key_parse", 1, "keys", body_parse, 464, 1044, 0, 1);
    CASE("bls_sign", 1, "signatures", body_sign, 2130, 1524, 5721, 3826);
    CASE("bls_verify", 1, "signatures", body_verify, 8881, 2289, 13557, 9048);
    CASE("bls_verify_batch_64", BATCH, "signatures", body_verify_batch, 0);
#undef CASE
    return ran;
}
