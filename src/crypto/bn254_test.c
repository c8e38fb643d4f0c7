/* bn254 against the slow model, by algebraic laws, and both builds of the core against each other.
 * SPDX-License-Identifier: MIT */
#include "base/cpu.h"
#include "crypto/bn254.h"
#include "crypto/bn254_constants.h"
#include "crypto/bn254_impl.h"
#include "crypto/bn254_model.h"
#include "crypto/testing.h"
#include "test/harness/test.h"

static const char p_hex[] = "30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47";
static const char g2_hex[] = "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
                             "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
                             "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
                             "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa";

static size_t cores(const struct bn254_core *ret[2]) {
    ret[0] = &bn254_core_plain;
#if defined(__x86_64__)
    ret[1] = &bn254_core_adx;
    if (cpu_has(CPU_ADX | CPU_BMI2)) return 2;
#endif
    return 1;
}

static void generator_g1(uint8_t ret[64]) {
    memset(ret, 0, 64);
    ret[31] = 1;
    ret[63] = 2;
}

// A random multiple of the generator.
static struct bn254_g1 random_g1(uint64_t *seed) {
    uint8_t bytes[64], scalar[32];
    struct bn254_g1 p;
    struct error why;
    generator_g1(bytes);
    fill_random(scalar, 32, seed);
    CHECK_OK(bn254_g1_parse(&p, bytes, &why), &why);
    bn254_g1_mul(&p, &p, scalar);
    return p;
}

static struct bn254_g2 generator_g2(void) {
    uint8_t bytes[128];
    struct bn254_g2 q;
    struct error why;
    (void)from_hex(bytes, g2_hex);
    CHECK_OK(bn254_g2_parse(&q, bytes, &why), &why);
    return q;
}

static void scalar_of(uint8_t ret[32], const mpz_t k) {
    size_t n = (mpz_sizeinbase(k, 2) + 7) / 8;
    memset(ret, 0, 32);
    if (mpz_sgn(k) != 0) mpz_export(ret + 32 - n, NULL, 1, 1, 1, 0, k);
}

// A random point of G2, made by the model.
static struct bn254_g2 random_g2(const struct bn254_model *m, uint64_t *seed) {
    struct bn254_model_point q;
    uint8_t bytes[128], scalar[32];
    mpz_t k;
    struct bn254_g2 ret;
    struct error why;
    mpz_init(k);
    bn254_model_point_init(&q);
    (void)from_hex(bytes, g2_hex);
    bn254_model_load_g2(m, &q, bytes);
    fill_random(scalar, 8, seed);
    mpz_import(k, 8, 1, 1, 1, 0, scalar);
    bn254_model_mul(m, &q, &q, k);
    bn254_model_store_g2(m, bytes, &q);
    CHECK_OK(bn254_g2_parse(&ret, bytes, &why), &why);
    bn254_model_point_clear(&q);
    mpz_clear(k);
    return ret;
}

static void check_number(const mpz_t expected, const uint64_t *words) {
    mpz_t got;
    mpz_init(got);
    mpz_import(got, 4, -1, 8, 0, 0, words);
    CHECK(mpz_cmp(got, expected) == 0);
    mpz_clear(got);
}

TEST(bn254_constants_follow_from_u) {
    struct bn254_model m;
    mpz_t t, big;
    bn254_model_init(&m);
    mpz_inits(t, big, NULL);
    check_number(m.p, bn254_p.w);
    check_number(m.r, bn254_order.w);
    mpz_ui_pow_ui(big, 2, 256);
    mpz_mod(t, big, m.p);
    check_number(t, bn254_one.w);
    mpz_mul_ui(t, t, 3);
    mpz_mod(t, t, m.p);
    check_number(t, bn254_b.w);
    mpz_mul(t, big, big);
    mpz_mod(t, t, m.p);
    check_number(t, bn254_r2.w);
    mpz_mul(t, t, big);
    mpz_mod(t, t, m.p);
    check_number(t, bn254_r3.w);
    mpz_set_ui(t, 2);
    mpz_invert(t, t, m.p);
    mpz_mul(t, t, big);
    mpz_mod(t, t, m.p);
    check_number(t, bn254_half.w);
    CHECK_U64(bn254_p.w[0] * BN254_P_INVERSE, UINT64_MAX);
    // beta^3 = 1, beta != 1
    mpz_t beta;
    mpz_init(beta);
    mpz_import(beta, 4, -1, 8, 0, 0, bn254_beta.w);
    mpz_invert(t, big, m.p);
    mpz_mul(beta, beta, t);
    mpz_mod(beta, beta, m.p);
    CHECK(mpz_cmp_ui(beta, 1) != 0);
    mpz_powm_ui(t, beta, 3, m.p);
    CHECK(mpz_cmp_ui(t, 1) == 0);
    mpz_clears(t, big, beta, NULL);
    // the digits give 6u+2 and u back
    uint64_t loop = 1, u = 1;
    __int128 wide_loop = 1;
    (void)loop;
    for (size_t i = 0; i < sizeof bn254_loop; i++) {
        wide_loop = 2 * wide_loop + bn254_loop[i];
    }
    for (size_t i = 0; i < sizeof bn254_u_digits; i++) {
        u = 2 * u + (uint64_t)(int64_t)bn254_u_digits[i];
    }
    CHECK_U64(u, 4965661367192848881u);
    CHECK(wide_loop == (__int128)6 * 4965661367192848881 + 2);
    bn254_model_clear(&m);
}

TEST(bn254_g1_equals_the_slow_model) {
    const struct bn254_core *core[2];
    size_t core_count = cores(core);
    struct bn254_model m;
    struct bn254_model_point a, b, sum;
    mpz_t k;
    uint64_t seed = 1;
    bn254_model_init(&m);
    mpz_init(k);
    bn254_model_point_init(&a);
    bn254_model_point_init(&b);
    bn254_model_point_init(&sum);
    for (int i = 0; i < 12; i++) {
        uint8_t in[2][64], scalar[32], expected[64], got[64];
        struct bn254_g1 p = random_g1(&seed), q = random_g1(&seed), r;
        if (i == 1) q = p;
        bn254_g1_write(in[0], &p);
        bn254_g1_write(in[1], &q);
        if (i == 2) memset(in[1], 0, 64);
        if (i == 3) memset(in[0], 0, 64);
        fill_random(scalar, 32, &seed);
        if (i == 4) memset(scalar, 0, 32);
        if (i == 5) memset(scalar, 0xff, 32);
        if (i == 6) scalar_of(scalar, m.r);
        if (i == 7) memset(scalar, 0, 31);
        bn254_model_load_g1(&m, &a, in[0]);
        bn254_model_load_g1(&m, &b, in[1]);
        mpz_import(k, 32, 1, 1, 1, 0, scalar);
        for (size_t c = 0; c < core_count; c++) {
            CHECK(core[c]->g1_load(&p, in[0]));
            CHECK(core[c]->g1_load(&q, in[1]));
            bn254_model_add(&m, &sum, &a, &b);
            CHECK(bn254_model_on_curve(&m, &sum));
            bn254_model_store_g1(expected, &sum);
            core[c]->g1_add(&r, &p, &q);
            core[c]->g1_store(got, &r);
            CHECK_BYTES(bytes_make(got, 64), bytes_make(expected, 64));
            bn254_model_mul(&m, &sum, &a, k);
            bn254_model_store_g1(expected, &sum);
            core[c]->g1_mul(&r, &p, scalar);
            core[c]->g1_store(got, &r);
            CHECK_BYTES(bytes_make(got, 64), bytes_make(expected, 64));
        }
    }
    bn254_model_point_clear(&a);
    bn254_model_point_clear(&b);
    bn254_model_point_clear(&sum);
    mpz_clear(k);
    bn254_model_clear(&m);
}

TEST(bn254_pairing_equals_the_slow_model) {
    const struct bn254_core *core[2];
    size_t core_count = cores(core);
    struct bn254_model m;
    struct bn254_model_point a, b;
    mpz_t extra, t;
    uint64_t seed = 2;
    bn254_model_init(&m);
    bn254_model_point_init(&a);
    bn254_model_point_init(&b);
    mpz_inits(extra, t, NULL);
    mpz_mul_ui(extra, m.u, 6); // 2u (6u^2 + 3u + 1): what the fast final power adds
    mpz_add_ui(extra, extra, 3);
    mpz_mul(extra, extra, m.u);
    mpz_add_ui(extra, extra, 1);
    mpz_mul(extra, extra, m.u);
    mpz_mul_ui(extra, extra, 2);
    for (int i = 0; i < 2; i++) {
        struct bn254_g1 p = random_g1(&seed);
        struct bn254_g2 q = random_g2(&m, &seed);
        uint8_t in[64], in2[128], expected[12][32], got[12][32];
        bn254_g1_write(in, &p);
        bn254_g2_write(in2, &q);
        bn254_model_load_g1(&m, &a, in);
        bn254_model_load_g2(&m, &b, in2);
        CHECK(bn254_model_on_curve(&m, &b));
        bn254_model_pairing(&m, expected, &a, &b, extra);
        for (size_t c = 0; c < core_count; c++) {
            bool on_curve;
            CHECK(core[c]->g1_load(&p, in));
            CHECK(core[c]->g2_load(&q, in2, &on_curve));
            core[c]->pairing(got, &p, &q);
            CHECK_BYTES(bytes_make(got, sizeof got), bytes_make(expected, sizeof expected));
        }
    }
    bn254_model_point_clear(&a);
    bn254_model_point_clear(&b);
    mpz_clears(extra, t, NULL);
    bn254_model_clear(&m);
}

TEST(bn254_group_laws) {
    uint64_t seed = 3;
    for (int i = 0; i < 20; i++) {
        struct bn254_g1 a = random_g1(&seed), b = random_g1(&seed), c = random_g1(&seed), x, y;
        bn254_g1_add(&x, &a, &b);
        bn254_g1_add(&y, &b, &a);
        CHECK_BYTES(bytes_make(&x, sizeof x), bytes_make(&y, sizeof y));
        bn254_g1_add(&x, &x, &c); // (a + b) + c = a + (b + c)
        bn254_g1_add(&y, &b, &c);
        bn254_g1_add(&y, &a, &y);
        CHECK_BYTES(bytes_make(&x, sizeof x), bytes_make(&y, sizeof y));
        // k (a + b) = k a + k b
        uint8_t k[32], one[32] = {[31] = 1};
        fill_random(k, 32, &seed);
        bn254_g1_add(&x, &a, &b);
        bn254_g1_mul(&x, &x, k);
        bn254_g1_mul(&a, &a, k);
        bn254_g1_mul(&b, &b, k);
        bn254_g1_add(&y, &a, &b);
        CHECK_BYTES(bytes_make(&x, sizeof x), bytes_make(&y, sizeof y));
        bn254_g1_mul(&y, &x, one);
        CHECK_BYTES(bytes_make(&x, sizeof x), bytes_make(&y, sizeof y));
    }
}

TEST(bn254_small_multiples_are_sums) {
    uint64_t seed = 4;
    struct bn254_g1 p = random_g1(&seed), sum = {0}, product;
    for (unsigned k = 0; k < 600; k++) {
        uint8_t scalar[32] = {0};
        scalar[30] = (uint8_t)(k >> 8);
        scalar[31] = (uint8_t)k;
        bn254_g1_mul(&product, &p, scalar);
        CHECK_BYTES(bytes_make(&product, sizeof product), bytes_make(&sum, sizeof sum));
        bn254_g1_add(&sum, &sum, &p);
    }
}

// e(a P, b Q) e(-ab P, Q) = 1, with other groups of pairs around.
TEST(bn254_pairing_is_bilinear) {
    struct bn254_model m;
    uint64_t seed = 5;
    bn254_model_init(&m);
    mpz_t a, b, ab;
    mpz_inits(a, b, ab, NULL);
    for (int i = 0; i < 3; i++) {
        uint8_t bytes[128], scalar[32];
        struct bn254_model_point q;
        struct bn254_g1 p = random_g1(&seed), ps[4];
        struct bn254_g2 g2 = random_g2(&m, &seed), qs[4];
        struct error why;
        fill_random(scalar, 32, &seed);
        mpz_import(a, 32, 1, 1, 1, 0, scalar);
        bn254_g1_mul(&ps[0], &p, scalar);
        mpz_set_ui(b, next_random(&seed) >> 32);
        bn254_model_point_init(&q);
        bn254_g2_write(bytes, &g2);
        bn254_model_load_g2(&m, &q, bytes);
        bn254_model_mul(&m, &q, &q, b);
        bn254_model_store_g2(&m, bytes, &q);
        CHECK_OK(bn254_g2_parse(&qs[0], bytes, &why), &why);
        mpz_mul(ab, a, b);
        mpz_neg(ab, ab);
        mpz_mod(ab, ab, m.r);
        scalar_of(scalar, ab);
        bn254_g1_mul(&ps[1], &p, scalar);
        qs[1] = g2;
        CHECK(bn254_pairing_check(ps, qs, 2, NULL));
        CHECK(!bn254_pairing_check(ps, qs, 1, NULL));
        // infinity on either side counts as one
        memset(&ps[2], 0, sizeof ps[2]);
        qs[2] = g2;
        ps[3] = p;
        memset(&qs[3], 0, sizeof qs[3]);
        CHECK(bn254_pairing_check(ps, qs, 4, NULL));
        CHECK(bn254_pairing_check(ps + 2, qs + 2, 2, NULL));
        mpz_add_ui(ab, ab, 1);
        scalar_of(scalar, ab);
        bn254_g1_mul(&ps[1], &p, scalar);
        CHECK(!bn254_pairing_check(ps, qs, 2, NULL));
        bn254_model_point_clear(&q);
    }
    mpz_clears(a, b, ab, NULL);
    bn254_model_clear(&m);
}

TEST(bn254_pairing_of_many_pairs) {
    // Pairs (k P, Q) for k = 1..n and one (-n(n+1)/2 P, Q): more than are taken at once.
    enum { MOST = 40 };
    struct bn254_g1 ps[MOST + 1], sum = {0};
    struct bn254_g2 qs[MOST + 1];
    uint64_t seed = 6;
    struct bn254_g1 p = random_g1(&seed);
    struct bn254_g2 q = generator_g2();
    const struct bn254_core *core[2];
    size_t core_count = cores(core);
    for (size_t n = 1; n <= MOST; n++) {
        uint8_t scalar[32] = {0}, bytes[64], minus[32];
        scalar[31] = (uint8_t)n;
        bn254_g1_mul(&ps[n - 1], &p, scalar);
        bn254_g1_add(&sum, &sum, &ps[n - 1]);
        qs[n - 1] = qs[n] = q;
        if (n != 1 && n != 7 && n != 8 && n != 15 && n != MOST) continue;
        bn254_g1_write(bytes, &sum); // -sum: y becomes p - y
        mpz_t y, prime;
        mpz_init_set_str(prime, p_hex, 16);
        mpz_init(y);
        mpz_import(y, 32, 1, 1, 1, 0, bytes + 32);
        mpz_sub(y, prime, y);
        scalar_of(minus, y);
        memcpy(bytes + 32, minus, 32);
        mpz_clears(y, prime, NULL);
        struct error why;
        CHECK_OK(bn254_g1_parse(&ps[n], bytes, &why), &why);
        for (size_t c = 0; c < core_count; c++) {
            CHECK(core[c]->pairing_check(ps, qs, n + 1, NULL));
            CHECK(!core[c]->pairing_check(ps, qs, n, NULL));
        }
    }
    CHECK(bn254_pairing_check(ps, qs, 0, NULL));
    const atomic_bool stop = true, go = false;
    CHECK(bn254_pairing_check(ps, qs, MOST + 1, &go));
    CHECK(!bn254_pairing_check(ps, qs, MOST + 1, &stop));
}

TEST(bn254_reads_and_writes_points) {
    struct bn254_model m;
    uint64_t seed = 7;
    bn254_model_init(&m);
    for (int i = 0; i < 3; i++) {
        uint8_t bytes[64], again[64], bytes2[128], again2[128];
        struct bn254_g1 p = random_g1(&seed);
        struct bn254_g2 q = random_g2(&m, &seed);
        struct error why;
        bn254_g1_write(bytes, &p);
        CHECK_OK(bn254_g1_parse(&p, bytes, &why), &why);
        bn254_g1_write(again, &p);
        CHECK_BYTES(bytes_make(again, 64), bytes_make(bytes, 64));
        bn254_g2_write(bytes2, &q);
        CHECK_OK(bn254_g2_parse(&q, bytes2, &why), &why);
        bn254_g2_write(again2, &q);
        CHECK_BYTES(bytes_make(again2, 128), bytes_make(bytes2, 128));
    }
    uint8_t zero[128] = {0};
    struct bn254_g1 p;
    struct bn254_g2 q;
    struct error why;
    CHECK_OK(bn254_g1_parse(&p, zero, &why), &why);
    CHECK_OK(bn254_g2_parse(&q, zero, &why), &why);
    bn254_model_clear(&m);
}

TEST(bn254_refuses_bad_g1) {
    uint8_t bytes[64];
    struct bn254_g1 p;
    struct error why;
    generator_g1(bytes);
    bytes[63] = 3;
    CHECK_ERR(bn254_g1_parse(&p, bytes, &why), ERR_INVALID);
    generator_g1(bytes);
    (void)from_hex(bytes, p_hex);
    CHECK_ERR(bn254_g1_parse(&p, bytes, &why), ERR_RANGE);
    generator_g1(bytes);
    memset(bytes + 32, 0xff, 32);
    CHECK_ERR(bn254_g1_parse(&p, bytes, &why), ERR_RANGE);
    memset(bytes, 0, 64); // zero that is not reduced
    (void)from_hex(bytes, p_hex);
    CHECK_ERR(bn254_g1_parse(&p, bytes, &why), ERR_RANGE);
}

// A point of the twist from x = k + i, by a square root in Fp2; false when there is none.
static bool twist_point(const struct bn254_model *m, uint8_t ret[128], unsigned k) {
    // y^2 = x^3 + 3/(9+i) in Fp2, with plain formulas for a + bi
    mpz_t xa, xb, a, b, t, n, e;
    mpz_inits(xa, xb, a, b, t, n, e, NULL);
    mpz_set_ui(xa, k);
    mpz_set_ui(xb, 1);
    // x^3 = (a^3 - 3ab^2) + (3a^2 b - b^3) i
    mpz_set_ui(a, k * k * k - 3 * k);
    mpz_set_ui(b, 3 * k * k - 1);
    mpz_set_ui(t, 82); // 3/(9+i) = 3(9-i)/82
    mpz_invert(t, t, m->p);
    mpz_addmul_ui(a, t, 27);
    mpz_submul_ui(b, t, 3);
    mpz_mod(a, a, m->p);
    mpz_mod(b, b, m->p);
    // sqrt(a+bi): n = sqrt(a^2+b^2), ya = sqrt((a+n)/2), yb = b/(2 ya)
    bool found = false;
    mpz_mul(n, a, a);
    mpz_addmul(n, b, b);
    mpz_mod(n, n, m->p);
    mpz_add_ui(e, m->p, 1);
    mpz_fdiv_q_2exp(e, e, 2);
    if (mpz_legendre(n, m->p) == 1) {
        mpz_powm(n, n, e, m->p);
        for (int sign = 0; sign < 2 && !found; sign++) {
            mpz_add(t, a, n);
            if (mpz_odd_p(t)) mpz_add(t, t, m->p);
            mpz_fdiv_q_2exp(t, t, 1);
            mpz_mod(t, t, m->p);
            if (mpz_legendre(t, m->p) == 1) {
                mpz_powm(t, t, e, m->p); // ya
                found = true;
            } else {
                mpz_sub(n, m->p, n);
            }
        }
    }
    if (found) {
        mpz_mul_ui(n, t, 2);
        mpz_invert(n, n, m->p);
        mpz_mul(n, n, b);
        mpz_mod(n, n, m->p);
        scalar_of(ret, xb);
        scalar_of(ret + 32, xa);
        scalar_of(ret + 64, n);
        scalar_of(ret + 96, t);
    }
    mpz_clears(xa, xb, a, b, t, n, e, NULL);
    return found;
}

TEST(bn254_refuses_bad_g2) {
    uint8_t bytes[128];
    struct bn254_g2 q;
    struct error why;
    (void)from_hex(bytes, g2_hex);
    bytes[127] ^= 1;
    CHECK_ERR(bn254_g2_parse(&q, bytes, &why), ERR_INVALID);
    for (int i = 0; i < 4; i++) {
        (void)from_hex(bytes, g2_hex);
        (void)from_hex(bytes + 32 * i, p_hex);
        CHECK_ERR(bn254_g2_parse(&q, bytes, &why), ERR_RANGE);
    }
}

TEST(bn254_g2_outside_of_the_subgroup) {
    // On the twist and outside of the subgroup, and after multiplication by the cofactor inside.
    struct bn254_model m;
    struct bn254_model_point a;
    mpz_t cofactor;
    bn254_model_init(&m);
    bn254_model_point_init(&a);
    mpz_init(cofactor);
    mpz_mul_ui(cofactor, m.p, 2);
    mpz_sub(cofactor, cofactor, m.r);
    unsigned found = 0;
    for (unsigned k = 1; found < 4 && k < 60; k++) {
        uint8_t bytes[128];
        struct bn254_g2 q;
        struct error why;
        if (!twist_point(&m, bytes, k)) continue;
        found++;
        bn254_model_load_g2(&m, &a, bytes);
        CHECK(bn254_model_on_curve(&m, &a));
        CHECK_ERR(bn254_g2_parse(&q, bytes, &why), ERR_INVALID);
        if (found > 1) continue; // the model takes its time
        bn254_model_mul(&m, &a, &a, cofactor);
        bn254_model_store_g2(&m, bytes, &a);
        CHECK_OK(bn254_g2_parse(&q, bytes, &why), &why);
        bn254_model_mul(&m, &a, &a, m.r);
        CHECK(a.infinity);
    }
    CHECK_U64(found, 4);
    mpz_clear(cofactor);
    bn254_model_point_clear(&a);
    bn254_model_clear(&m);
}

TEST_MAIN()
