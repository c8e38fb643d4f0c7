/* The fields against the slow model, on both paths. SPDX-License-Identifier: MIT */
#include "crypto/bls_cyclotomic.h"
#include "crypto/bls_fr.h"
#include "crypto/bls_model.h"
#include "crypto/bls_pairing_ifma.h"
#include "crypto/testing.h"
#include "test/harness/test.h"

static uint64_t seed = 88172645463325252;

/* Random numbers with the edges of the range among them. */
static struct bls_fp random_fp(void) {
    struct bls_fp r;
    uint8_t bytes[64];
    fill_random(bytes, sizeof bytes, &seed);
    bls_fp_reduce_be64(&r, bytes);
    switch (next_random(&seed) % 16) {
    case 0:
        return (struct bls_fp){{0}};
    case 1:
        return bls_fp_one;
    case 2: // p - 1 in Montgomery form's words
        r = bls_fp_modulus;
        r.w[0]--;
        return r;
    case 3:
        return (struct bls_fp){{1, 0, 0, 0, 0, 0}};
    default:
        return r;
    }
}

static struct bls_fp2 random_fp2(void) {
    return (struct bls_fp2){random_fp(), random_fp()};
}

static struct bls_fp12 random_fp12(void) {
    return (struct bls_fp12){{random_fp2(), random_fp2(), random_fp2()},
                             {random_fp2(), random_fp2(), random_fp2()}};
}

/* Runs a check on the plain path and on the chosen one. */
static void on_both_paths(void (*check)(void)) {
    bls_model_start();
    check();
#if BLS_HAVE_X86
    bool adx = bls_fp_use_adx, ifma = bls_use_ifma;
    bls_fp_use_adx = bls_use_ifma = false;
    check();
    bls_fp_use_adx = adx;
    bls_use_ifma = ifma;
#endif
}

static void check_equal(const struct bls_fp *got, const mpz_t expected) {
    mpz_t t;
    mpz_init(t);
    bls_model_from_fp(t, got);
    CHECK(mpz_cmp(t, expected) == 0);
    mpz_clear(t);
}

static void check_fp(void) {
    mpz_t a, b, t;
    mpz_inits(a, b, t, NULL);
    for (int i = 0; i < 300; i++) {
        struct bls_fp x = random_fp(), y = random_fp(), r;
        bls_model_from_fp(a, &x);
        bls_model_from_fp(b, &y);
        bls_fp_mul(&r, &x, &y);
        mpz_mul(t, a, b);
        mpz_mod(t, t, bls_model_p);
        check_equal(&r, t);
        bls_fp_sqr(&r, &x);
        mpz_mul(t, a, a);
        mpz_mod(t, t, bls_model_p);
        check_equal(&r, t);
        bls_fp_add(&r, &x, &y);
        mpz_add(t, a, b);
        mpz_mod(t, t, bls_model_p);
        check_equal(&r, t);
        bls_fp_sub(&r, &x, &y);
        mpz_sub(t, a, b);
        mpz_mod(t, t, bls_model_p);
        check_equal(&r, t);
        bls_fp_half(&r, &x);
        bls_fp_double(&r, &r);
        CHECK(bls_fp_equal(&r, &x));
        CHECK(bls_fp_is_odd(&x) == (mpz_odd_p(a) != 0));
        mpz_mul_ui(t, a, 2);
        CHECK(bls_fp_is_large(&x) == (mpz_cmp(t, bls_model_p) > 0));
    }
    mpz_clears(a, b, t, NULL);
}

TEST(fp_agrees_with_the_model) {
    on_both_paths(check_fp);
}

/* Words where carries run all the way, which random numbers seldom have. */
TEST(paths_agree_on_long_carries) {
#if BLS_HAVE_X86
    if (!bls_fp_use_adx) SKIP("the processor has no ADX");
    for (unsigned i = 0; i < 4096; i++) {
        struct bls_fp a, b, r, s;
        struct bls_wide v, w;
        for (int j = 0; j < 6; j++) {
            a.w[j] = i >> j & 1 ? UINT64_MAX : next_random(&seed) & 1;
            b.w[j] = i >> (j + 6) & 1 ? UINT64_MAX : next_random(&seed) & 1;
        }
        a.w[5] &= 0x19ffffffffffffff;
        b.w[5] &= 0x19ffffffffffffff;
        bls_fp_mul_adx(&r, &a, &b);
        bls_fp_mul_plain(&s, &a, &b);
        CHECK(bls_fp_equal(&r, &s));
        bls_fp_sqr_adx(&r, &a);
        bls_fp_sqr_plain(&s, &a);
        CHECK(bls_fp_equal(&r, &s));
        bls_fp_mul_wide_adx(&v, &a, &b);
        bls_fp_mul_wide_plain(&w, &a, &b);
        CHECK(memcmp(&v, &w, sizeof v) == 0);
        bls_fp_redc_adx(&r, &v);
        bls_fp_redc_plain(&s, &w);
        CHECK(bls_fp_equal(&r, &s));
        bls_fp_add_x86(&r, &a, &b);
        bls_fp_add_plain(&s, &a, &b);
        CHECK(bls_fp_equal(&r, &s));
        bls_fp_sub_x86(&r, &a, &b);
        bls_fp_sub_plain(&s, &a, &b);
        CHECK(bls_fp_equal(&r, &s));
        bls_fp_mul_wide_adx(&w, &b, &b);
        struct bls_wide x, y;
        bls_wide_sub_x86(&x, &v, &w);
        bls_wide_sub_plain(&y, &v, &w);
        CHECK(memcmp(&x, &y, sizeof x) == 0);
    }
#else
    SKIP("one path only");
#endif
}

static void check_inverse(void) {
    for (int i = 0; i < 300; i++) {
        struct bls_fp x = random_fp(), r, s;
        bls_fp_inv(&r, &x);
        bls_fp_mul(&s, &r, &x);
        CHECK(bls_fp_is_zero(&x) ? bls_fp_is_zero(&r) : bls_fp_equal(&s, &bls_fp_one));
    }
}

TEST(inverses_multiply_to_one) {
    on_both_paths(check_inverse);
}

static void check_roots(void) {
    unsigned squares = 0;
    for (int i = 0; i < 40; i++) {
        struct bls_fp x = random_fp(), r, s;
        bool square = bls_fp_sqrt(&r, &x);
        bls_fp_sqr(&s, &r);
        if (!square) bls_fp_neg(&s, &s);
        CHECK(bls_fp_equal(&s, &x));
        squares += square;
        struct bls_fp2 a = random_fp2(), b, c;
        bls_fp2_sqr(&b, &a);
        CHECK(bls_fp2_sqrt(&c, &b));
        bls_fp2_sqr(&c, &c);
        CHECK(bls_fp2_equal(&c, &b));
        if (bls_fp2_sqrt(&c, &a)) {
            bls_fp2_sqr(&c, &c);
            CHECK(bls_fp2_equal(&c, &a));
        } else { // xi is no square, so xi a is one
            bls_fp2_mul_xi(&b, &a);
            CHECK(bls_fp2_sqrt(&c, &b));
        }
    }
    CHECK(squares > 5 && squares < 38);
}

TEST(square_roots_square_back) {
    on_both_paths(check_roots);
}

TEST(bytes_outside_the_field_are_refused) {
    uint8_t bytes[48];
    struct bls_fp r;
    for (int i = 0; i < 6; i++)
        store_be64(bytes + 8 * i, bls_fp_modulus.w[5 - i]);
    CHECK(!bls_fp_load_be(&r, bytes));
    bytes[47]--;
    CHECK(bls_fp_load_be(&r, bytes));
    bls_fp_add(&r, &r, &bls_fp_one);
    CHECK(bls_fp_is_zero(&r));
    memset(bytes, 0xff, sizeof bytes);
    CHECK(!bls_fp_load_be(&r, bytes));
}

TEST(wide_bytes_are_reduced) {
    bls_model_start();
    mpz_t t;
    mpz_init(t);
    for (int i = 0; i < 50; i++) {
        uint8_t bytes[64];
        struct bls_fp r;
        if (i == 0) {
            memset(bytes, 0xff, sizeof bytes);
        } else {
            fill_random(bytes, sizeof bytes, &seed);
        }
        bls_fp_reduce_be64(&r, bytes);
        mpz_import(t, 64, 1, 1, 1, 0, bytes);
        mpz_mod(t, t, bls_model_p);
        check_equal(&r, t);
    }
    mpz_clear(t);
}

struct tower {
    struct bls_model12 a, b, t, got;
};

static void expect12(struct tower *m, const struct bls_fp12 *got) {
    bls_model12_from_fp12(&m->got, got);
    CHECK(bls_model12_equal(&m->got, &m->t));
}

static void check_fp2(struct tower *m) {
    struct bls_fp2 x = random_fp2(), y = random_fp2(), r;
    struct bls_fp12 wide = {0};
    bls_model12_from_fp2(&m->a, &x);
    bls_model12_from_fp2(&m->b, &y);
    bls_fp2_mul(&wide.c0.c0, &x, &y);
    bls_model12_mul(&m->t, &m->a, &m->b);
    expect12(m, &wide);
    bls_fp2_sqr(&wide.c0.c0, &x);
    bls_model12_mul(&m->t, &m->a, &m->a);
    expect12(m, &wide);
    bls_fp2_mul_xi(&r, &x);
    struct bls_fp2 xi = {bls_fp_one, bls_fp_one}, s;
    bls_fp2_mul(&s, &x, &xi);
    CHECK(bls_fp2_equal(&r, &s));
    if (bls_fp2_is_zero(&x)) return;
    bls_fp2_inv(&wide.c0.c0, &x);
    bls_model12_inv(&m->t, &m->a);
    expect12(m, &wide);
}

static void check_lines(struct tower *m) {
    struct bls_fp12 f = random_fp12(), g, line = {0};
    line.c0.c0 = random_fp2();
    line.c0.c1 = random_fp2();
    line.c1.c1 = random_fp2();
    bls_model12_from_fp12(&m->a, &f);
    bls_model12_from_fp12(&m->b, &line);
    bls_model12_mul(&m->t, &m->a, &m->b);
    g = f;
    bls_fp12_mul_line(&g, &line.c0.c0, &line.c0.c1, &line.c1.c1);
    expect12(m, &g);
    line.c1.c1 = bls_fp2_one;
    bls_model12_from_fp12(&m->b, &line);
    bls_model12_mul(&m->t, &m->a, &m->b);
    g = f;
    bls_fp12_mul_line_monic(&g, &line.c0.c0, &line.c0.c1);
    expect12(m, &g);
}

static void check_fp12(struct tower *m) {
    struct bls_fp12 x = random_fp12(), y = random_fp12(), r;
    bls_model12_from_fp12(&m->a, &x);
    bls_model12_from_fp12(&m->b, &y);
    bls_fp12_mul(&r, &x, &y);
    bls_model12_mul(&m->t, &m->a, &m->b);
    expect12(m, &r);
    bls_fp12_sqr(&r, &x);
    bls_model12_mul(&m->t, &m->a, &m->a);
    expect12(m, &r);
    bls_fp12_inv(&r, &x);
    bls_model12_inv(&m->t, &m->a);
    expect12(m, &r);
    bls_fp12_frobenius(&r, &x);
    bls_model12_pow(&m->t, &m->a, bls_model_p);
    expect12(m, &r);
    bls_fp12_frobenius_squared(&r, &x);
    bls_model12_pow(&m->t, &m->t, bls_model_p);
    expect12(m, &r);
    // into the cyclotomic subgroup: (p^6 - 1)(p^2 + 1)
    bls_fp12_inv(&y, &x);
    bls_fp12_conjugate(&x, &x);
    bls_fp12_mul(&x, &x, &y);
    bls_fp12_frobenius_squared(&y, &x);
    bls_fp12_mul(&x, &x, &y);
    bls_fp12_sqr_cyclotomic(&r, &x);
    bls_fp12_sqr(&y, &x);
    CHECK(bls_fp12_equal(&r, &y));
    bls_fp12_conjugate(&r, &x);
    bls_fp12_mul(&r, &r, &x);
    CHECK(bls_fp12_is_one(&r));
}

static void check_tower(void) {
    struct tower m;
    bls_model12_init(&m.a);
    bls_model12_init(&m.b);
    bls_model12_init(&m.t);
    bls_model12_init(&m.got);
    for (int i = 0; i < 40; i++)
        check_fp2(&m);
    for (int i = 0; i < 10; i++)
        check_lines(&m);
    for (int i = 0; i < 5; i++)
        check_fp12(&m);
    bls_model12_clear(&m.a);
    bls_model12_clear(&m.b);
    bls_model12_clear(&m.t);
    bls_model12_clear(&m.got);
}

TEST(tower_agrees_with_the_model) {
    on_both_paths(check_tower);
}

/* Words next to 0 and to p, where borrows and carries run far, among random ones. */
static struct bls_fp edge_fp(void) {
    struct bls_fp r = bls_fp_modulus;
    uint64_t which = next_random(&seed) % 8;
    if (which > 3) return random_fp();
    if (which == 3) return bls_fp_one;
    if (which == 2) return (struct bls_fp){{0}};
    r.w[0] -= 1 + which;
    return r;
}

static struct bls_fp12 edge_fp12(void) {
    struct bls_fp12 r;
    struct bls_fp *all = &r.c0.c0.c0;
    for (int i = 0; i < 12; i++)
        all[i] = edge_fp();
    return r;
}

TEST(lanes_multiply_and_square_like_the_plain_path) {
#if BLS_HAVE_X86
    if (!bls_use_ifma) SKIP("the processor has no AVX-512 IFMA");
    for (unsigned i = 0; i < 3000; i++) {
        struct bls_fp12 a = edge_fp12(), b = edge_fp12(), got, expected;
        bls_fp12_mul_ifma(&got, &a, &b);
        bls_fp12_mul_plain(&expected, &a, &b);
        CHECK(bls_fp12_equal(&got, &expected));
        bls_fp12_sqr_ifma(&got, &a);
        bls_fp12_sqr(&expected, &a);
        CHECK(bls_fp12_equal(&got, &expected));
    }
#else
    SKIP("one path only");
#endif
}

TEST(lanes_raise_to_x_like_the_plain_path) {
#if BLS_HAVE_X86
    if (!bls_use_ifma) SKIP("the processor has no AVX-512 IFMA");
    for (unsigned i = 0; i < 50; i++) {
        struct bls_fp12 a = i ? edge_fp12() : bls_fp12_one, got, expected;
        if (i) bls_final_exponentiation(&a, &a); // into the cyclotomic subgroup
        bls_fp12_pow_x_ifma(&got, &a);
        bls_fp12_pow_x_plain(&expected, &a);
        CHECK(bls_fp12_equal(&got, &expected));
    }
#else
    SKIP("one path only");
#endif
}

static struct bls_fr random_fr(void) {
    struct bls_fr r;
    uint8_t bytes[32];
    do
        fill_random(bytes, sizeof bytes, &seed);
    while (!bls_fr_load_be(&r, bytes));
    return r;
}

static void fr_model(mpz_t ret, const struct bls_fr *a) {
    uint8_t bytes[32];
    bls_fr_store_be(bytes, a);
    mpz_import(ret, 32, 1, 1, 1, 0, bytes);
}

static void check_fr(void) {
    mpz_t a, b, t, got;
    mpz_inits(a, b, t, got, NULL);
    for (int i = 0; i < 300; i++) {
        struct bls_fr x = random_fr(), y = random_fr(), r;
        if (i == 0) x = (struct bls_fr){{0}};
        if (i == 1) bls_fr_sub(&x, &(struct bls_fr){{0}}, &(struct bls_fr){{1, 0, 0, 0}});
        fr_model(a, &x);
        fr_model(b, &y);
        bls_fr_mul(&r, &x, &y);
        mpz_mul(t, a, b);
        mpz_mod(t, t, bls_model_r);
        fr_model(got, &r);
        CHECK(mpz_cmp(t, got) == 0);
        bls_fr_add(&r, &x, &y);
        mpz_add(t, a, b);
        mpz_mod(t, t, bls_model_r);
        fr_model(got, &r);
        CHECK(mpz_cmp(t, got) == 0);
        bls_fr_sub(&r, &x, &y);
        mpz_sub(t, a, b);
        mpz_mod(t, t, bls_model_r);
        fr_model(got, &r);
        CHECK(mpz_cmp(t, got) == 0);
    }
    mpz_clears(a, b, t, got, NULL);
}

TEST(fr_agrees_with_the_model) {
    on_both_paths(check_fr);
}

TEST(transform_evaluates_at_the_roots) {
    enum { N = 16 };
    struct bls_fr root, roots[N], a[N], values[N], x, sum;
    bls_fr_root(&root, N);
    roots[0] = bls_fr_one;
    for (int i = 1; i < N; i++)
        bls_fr_mul(&roots[i], &roots[i - 1], &root);
    bls_fr_mul(&x, &roots[N - 1], &root);
    CHECK(bls_fr_equal(&x, &bls_fr_one) && !bls_fr_equal(&roots[N / 2], &bls_fr_one));
    for (int i = 0; i < N; i++)
        a[i] = values[i] = random_fr();
    bls_fr_fft(values, N, roots, N, false);
    for (int i = 0; i < N; i++) {
        sum = (struct bls_fr){{0}};
        for (int j = N - 1; j >= 0; j--) {
            bls_fr_mul(&sum, &sum, &roots[i]);
            bls_fr_add(&sum, &sum, &a[j]);
        }
        CHECK(bls_fr_equal(&sum, &values[i]));
    }
    bls_fr_fft(values, N, roots, N, true);
    CHECK(memcmp(values, a, sizeof a) == 0);
}

#if BLS_HAVE_X86
/* Runs `body` in lanes, then `other` on the plain path. */
#define IN_BOTH(body, other)                                                                       \
    do {                                                                                           \
        body;                                                                                      \
        bls_use_ifma = false;                                                                      \
        other;                                                                                     \
        bls_use_ifma = true;                                                                       \
    } while (0)

#define FFT_MAX 32768 /* where the lanes' bounds end */

static struct bls_fr edge_fr(void) {
    struct bls_fr r = {{0}};
    if (next_random(&seed) % 2) return random_fr();
    if (next_random(&seed) % 2) bls_fr_sub(&r, &r, &(struct bls_fr){{1, 0, 0, 0}}); // all but full
    return r;
}
#endif

TEST(lanes_transform_like_the_plain_path) {
#if BLS_HAVE_X86
    if (!bls_use_ifma) SKIP("the processor has no AVX-512 IFMA");
    static struct bls_fr roots[FFT_MAX], a[FFT_MAX], b[FFT_MAX];
    struct bls_fr root, largest = {{0}};
    bls_fr_root(&root, FFT_MAX);
    roots[0] = bls_fr_one;
    for (size_t i = 1; i < FFT_MAX; i++)
        bls_fr_mul(&roots[i], &roots[i - 1], &root);
    bls_fr_sub(&largest, &largest, &(struct bls_fr){{1, 0, 0, 0}});
    for (size_t n = 1; n <= FFT_MAX; n *= 2) {
        for (int inverse = 0; inverse < 4; inverse++) {
            for (size_t i = 0; i < n; i++)
                a[i] = b[i] = inverse < 2 ? edge_fr() : largest;
            IN_BOTH(bls_fr_fft(a, n, roots, FFT_MAX, inverse % 2),
                    bls_fr_fft(b, n, roots, FFT_MAX, inverse % 2));
            CHECK(memcmp(a, b, n * sizeof a[0]) == 0);
        }
    }
#else
    SKIP("one path only");
#endif
}

TEST(lanes_sum_fractions_like_the_plain_path) {
#if BLS_HAVE_X86
    if (!bls_use_ifma) SKIP("the processor has no AVX-512 IFMA");
    struct bls_fr a[100], w[100], z, quotient[2], n[2], d[2];
    for (size_t count = 0; count <= 100; count++) {
        for (size_t i = 0; i < count; i++) {
            a[i] = edge_fr();
            w[i] = edge_fr();
        }
        z = count && count % 8 == 0 ? w[count / 2] : edge_fr();
        IN_BOTH(bls_fr_fractions(&n[0], &d[0], a, w, count, &z),
                bls_fr_fractions(&n[1], &d[1], a, w, count, &z));
        CHECK(bls_fr_equal(&d[0], &d[1]));
        bls_fr_mul(&quotient[0], &n[0], &d[1]);
        bls_fr_mul(&quotient[1], &n[1], &d[0]);
        CHECK(bls_fr_equal(&quotient[0], &quotient[1]));
        CHECK(bls_fr_equal(&n[0], &n[1]));
    }
#else
    SKIP("one path only");
#endif
}

TEST(many_scalars_load_up_to_the_first_wrong_one) {
    struct bls_fr a[40], expected;
    uint8_t bytes[40 * 32] = {0}, back[40 * 32];
    for (size_t n = 0; n <= 40; n++) {
        for (size_t i = 0; i < n; i++) {
            struct bls_fr x = random_fr();
            bls_fr_store_be(bytes + 32 * i, &x);
        }
        CHECK(bls_fr_load_be_many(a, bytes, n) == n);
        for (size_t i = 0; i < n; i++)
            CHECK(bls_fr_load_be(&expected, bytes + 32 * i) && bls_fr_equal(&expected, &a[i]));
        bls_fr_store_be_many(back, a, n);
        CHECK(memcmp(back, bytes, 32 * n) == 0);
        if (n == 0) continue;
        size_t wrong = next_random(&seed) % n;
        u256_store_be(bytes + 32 * wrong, BLS_ORDER);
        CHECK(bls_fr_load_be_many(a, bytes, n) == wrong);
        bytes[32 * wrong + 31]--;
        CHECK(bls_fr_load_be_many(a, bytes, n) == n);
        memset(bytes + 32 * wrong, 0xff, 32);
        CHECK(bls_fr_load_be_many(a, bytes, n) == wrong);
    }
}

TEST_MAIN()
