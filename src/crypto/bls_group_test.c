/* The groups and the pairing against the slow model, and their laws.
 * SPDX-License-Identifier: MIT */
#include "crypto/bls_group_ifma.h"
#include "crypto/bls_map.h"
#include "crypto/bls_model.h"
#include "crypto/bls_pairing.h"
#include "crypto/bls_scalar.h"
#include "crypto/testing.h"
#include "test/harness/test.h"

#include <stdlib.h>

static uint64_t seed = 2463534242;

static struct u256 random_scalar(void) {
    uint8_t bytes[32];
    struct u256 k;
    fill_random(bytes, sizeof bytes, &seed);
    bls_scalar_reduce(&k, u256_load_be(bytes));
    return k;
}

/* Scalars where a decomposition or a window might slip. */
static struct u256 edge_scalar(unsigned i) {
    struct u256 x = u256_from_u64(BLS_X_ABS), x2 = u256_mul(x, x);
    switch (i) {
    case 0:
        return U256_ZERO;
    case 1:
        return U256_ONE;
    case 2:
        return u256_sub(BLS_ORDER, U256_ONE);
    case 3:
        return x;
    case 4:
        return u256_sub(x, U256_ONE);
    case 5:
        return x2;
    case 6:
        return u256_sub(x2, U256_ONE);
    case 7:
        return u256_mul(x2, x);
    case 8:
        return u256_sub(u256_mul(x2, x), U256_ONE);
    case 9:
        return (struct u256){{0xaaaaaaaaaaaaaaaa, 0x8888888888888888, 0x1111111111111111, 0x5555}};
    default:
        return random_scalar();
    }
}
#define EDGES 10

static void to_mpz(mpz_t ret, const struct u256 *k) {
    mpz_import(ret, 4, -1, 8, 0, 0, k->w);
}

static struct bls_g1_affine random_g1(void) {
    struct bls_g1 p;
    struct bls_g1_affine a;
    struct u256 k = random_scalar();
    bls_g1_mul(&p, &bls_g1_generator, &k);
    bls_g1_to_affine(&a, &p);
    return a;
}

static struct bls_g2_affine random_g2(void) {
    struct bls_g2 p;
    struct bls_g2_affine a;
    struct u256 k = random_scalar();
    bls_g2_mul(&p, &bls_g2_generator, &k);
    bls_g2_to_affine(&a, &p);
    return a;
}

struct points {
    struct bls_model_point a, b, got;
    mpz_t k;
};

static void points_init(struct points *m) {
    bls_model_start();
    bls_model_point_init(&m->a);
    bls_model_point_init(&m->b);
    bls_model_point_init(&m->got);
    mpz_init(m->k);
}

static void points_clear(struct points *m) {
    bls_model_point_clear(&m->a);
    bls_model_point_clear(&m->b);
    bls_model_point_clear(&m->got);
    mpz_clear(m->k);
}

static void expect_g1(struct points *m, const struct bls_g1 *got,
                      const struct bls_model_point *want) {
    struct bls_g1_affine a;
    bls_g1_to_affine(&a, got);
    CHECK(bls_g1_on_curve(&a));
    bls_model_point_from_g1(&m->got, &a);
    CHECK(bls_model_point_equal(&m->got, want));
}

static void expect_g2(struct points *m, const struct bls_g2 *got,
                      const struct bls_model_point *want) {
    struct bls_g2_affine a;
    bls_g2_to_affine(&a, got);
    CHECK(bls_g2_on_curve(&a));
    bls_model_point_from_g2(&m->got, &a);
    CHECK(bls_model_point_equal(&m->got, want));
}

TEST(generators_have_order_r) {
    struct points m;
    points_init(&m);
    bls_model_point_from_g1(&m.a, &bls_g1_generator);
    CHECK(bls_model_point_on_curve(&m.a));
    bls_model_point_mul(&m.b, &m.a, bls_model_r);
    CHECK(m.b.infinity);
    bls_model_point_from_g2(&m.a, &bls_g2_generator);
    CHECK(bls_model_point_on_curve(&m.a));
    bls_model_point_mul(&m.b, &m.a, bls_model_r);
    CHECK(m.b.infinity);
    points_clear(&m);
}

TEST(sums_agree_with_the_model) {
    struct points m;
    points_init(&m);
    for (int i = 0; i < 8; i++) {
        struct bls_g1_affine p = random_g1(), q = random_g1();
        struct bls_g2_affine s = random_g2(), t = random_g2();
        if (i == 1) q = p, t = s;
        if (i == 2) bls_g1_neg_affine(&q, &p), bls_g2_neg_affine(&t, &s);
        if (i == 3) q.infinity = t.infinity = true;
        if (i == 4) p.infinity = s.infinity = true;
        struct bls_g1 a, b, r;
        struct bls_g2 c, d, v;
        bls_model_point_from_g1(&m.a, &p);
        bls_model_point_from_g1(&m.b, &q);
        bls_model_point_add(&m.b, &m.a, &m.b);
        bls_g1_from_affine(&a, &p);
        bls_g1_from_affine(&b, &q);
        bls_g1_add(&r, &a, &b);
        expect_g1(&m, &r, &m.b);
        bls_g1_add_affine(&r, &a, &q);
        expect_g1(&m, &r, &m.b);
        bls_g1_double(&r, &a);
        bls_model_point_add(&m.b, &m.a, &m.a);
        expect_g1(&m, &r, &m.b);
        bls_g1_add(&b, &r, &a); // Z is not 1 now
        bls_model_point_add(&m.b, &m.b, &m.a);
        expect_g1(&m, &b, &m.b);
        bls_model_point_from_g2(&m.a, &s);
        bls_model_point_from_g2(&m.b, &t);
        bls_model_point_add(&m.b, &m.a, &m.b);
        bls_g2_from_affine(&c, &s);
        bls_g2_from_affine(&d, &t);
        bls_g2_add(&v, &c, &d);
        expect_g2(&m, &v, &m.b);
        bls_g2_add_affine(&v, &c, &t);
        expect_g2(&m, &v, &m.b);
        bls_g2_double(&v, &c);
        bls_model_point_add(&m.b, &m.a, &m.a);
        expect_g2(&m, &v, &m.b);
        bls_g2_add(&d, &v, &c);
        bls_model_point_add(&m.b, &m.b, &m.a);
        expect_g2(&m, &d, &m.b);
    }
    points_clear(&m);
}

TEST(products_agree_with_the_model) {
    struct points m;
    points_init(&m);
    for (unsigned i = 0; i < EDGES + 2; i++) {
        struct u256 k = edge_scalar(i);
        struct bls_g1_affine p = random_g1();
        struct bls_g2_affine q = random_g2();
        struct bls_g1 r;
        struct bls_g2 s;
        to_mpz(m.k, &k);
        bls_g1_mul(&r, &p, &k);
        bls_model_point_from_g1(&m.a, &p);
        bls_model_point_mul(&m.b, &m.a, m.k);
        expect_g1(&m, &r, &m.b);
        if (!u256_is_zero(k)) {
            struct bls_g1_affine secret;
            bls_g1_mul_secret(&secret, &p, &k);
            bls_g1_from_affine(&r, &secret);
            expect_g1(&m, &r, &m.b);
        }
        bls_g2_mul(&s, &q, &k);
        bls_model_point_from_g2(&m.a, &q);
        bls_model_point_mul(&m.b, &m.a, m.k);
        expect_g2(&m, &s, &m.b);
        if (!u256_is_zero(k)) {
            struct bls_g2_affine secret;
            bls_g2_mul_secret(&secret, &q, &k);
            bls_g2_from_affine(&s, &secret);
            expect_g2(&m, &s, &m.b);
        }
    }
    points_clear(&m);
}

/* Sums of every size class against one product each: the scalars' plain arithmetic decides. */
TEST(sums_of_products_agree_with_single_products) {
    static const size_t sizes[] = {0, 1, 2, 3, 17, 97, 150, 600};
    struct error why;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        size_t n = sizes[s];
        struct bls_g1_affine *p = calloc(n + 1, sizeof *p);
        struct bls_g2_affine *q = calloc(n + 1, sizeof *q);
        struct u256 *k = calloc(n + 1, sizeof *k);
        struct bls_g1 expected = {0}, got, t;
        struct bls_g2 expected2 = {0}, got2, t2;
        for (size_t i = 0; i < n; i++) {
            p[i] = i % 5 == 4 ? p[i - 1] : random_g1();
            q[i] = n > 200 || i % 7 == 6 ? bls_g2_generator : random_g2();
            if (i % 11 == 10) p[i].infinity = q[i].infinity = true;
            k[i] = edge_scalar((unsigned)i % 20);
            bls_g1_mul(&t, &p[i], &k[i]);
            bls_g1_add(&expected, &expected, &t);
            bls_g2_mul(&t2, &q[i], &k[i]);
            bls_g2_add(&expected2, &expected2, &t2);
        }
        CHECK_OK(bls_g1_msm(&got, p, k, n, NULL, &why), &why);
        CHECK(bls_g1_equal(&got, &expected));
        CHECK_OK(bls_g2_msm(&got2, q, k, n, NULL, &why), &why);
        CHECK(bls_g2_equal(&got2, &expected2));
        free(p);
        free(q);
        free(k);
    }
}

TEST(multiplication_distributes) {
    for (int i = 0; i < 20; i++) {
        struct u256 a = random_scalar(), b = random_scalar(), c = u256_add(a, b);
        bls_scalar_reduce(&c, c);
        struct bls_g1_affine p = random_g1();
        struct bls_g1 l, r, t;
        bls_g1_mul(&l, &p, &c);
        bls_g1_mul(&r, &p, &a);
        bls_g1_mul(&t, &p, &b);
        bls_g1_add(&r, &r, &t);
        CHECK(bls_g1_equal(&l, &r));
        struct bls_g2_affine q = random_g2();
        struct bls_g2 u, v, w;
        bls_g2_mul(&u, &q, &c);
        bls_g2_mul(&v, &q, &a);
        bls_g2_mul(&w, &q, &b);
        bls_g2_add(&v, &v, &w);
        CHECK(bls_g2_equal(&u, &v));
    }
}

/* Points of the whole curve, from small x; the quick tests against multiplication by r. */
TEST(subgroup_checks_agree_with_the_order) {
    struct points m;
    points_init(&m);
    uint8_t packed[96] = {0};
    struct error why;
    for (uint8_t x = 0; x < 16; x++) {
        struct bls_g1_affine p;
        struct bls_g2_affine q;
        struct bls_g1 r;
        struct bls_g2 s;
        memset(packed, 0, sizeof packed);
        packed[0] = 0x80;
        packed[47] = x;
        if (bls_g1_decompress(&p, packed, &why) == 0) {
            bls_model_point_from_g1(&m.a, &p);
            CHECK(bls_model_point_on_curve(&m.a));
            bls_model_point_mul(&m.b, &m.a, bls_model_r);
            CHECK(bls_g1_in_subgroup(&p) == m.b.infinity);
            bls_g1_from_affine(&r, &p);
            bls_g1_clear_cofactor(&r, &r);
            bls_g1_to_affine(&p, &r);
            CHECK(bls_g1_in_subgroup(&p));
        }
        packed[47] = 0;
        packed[95] = x;
        if (bls_g2_decompress(&q, packed, &why) == 0) {
            bls_model_point_from_g2(&m.a, &q);
            CHECK(bls_model_point_on_curve(&m.a));
            bls_model_point_mul(&m.b, &m.a, bls_model_r);
            CHECK(bls_g2_in_subgroup(&q) == m.b.infinity);
            bls_g2_from_affine(&s, &q);
            bls_g2_clear_cofactor(&s, &s);
            bls_g2_to_affine(&q, &s);
            CHECK(bls_g2_in_subgroup(&q));
        }
    }
    for (int i = 0; i < 5; i++) {
        struct bls_g1_affine p = random_g1();
        struct bls_g2_affine q = random_g2();
        CHECK(bls_g1_in_subgroup(&p) && bls_g2_in_subgroup(&q));
    }
    points_clear(&m);
}

TEST(encodings_come_back) {
    uint8_t packed[96], again[96];
    struct error why;
    for (int i = 0; i < 20; i++) {
        struct bls_g1_affine p = random_g1(), p2;
        struct bls_g2_affine q = random_g2(), q2;
        if (i == 0) p.infinity = q.infinity = true;
        bls_g1_compress(packed, &p);
        CHECK_OK(bls_g1_decompress(&p2, packed, &why), &why);
        bls_g1_compress(again, &p2);
        CHECK(memcmp(packed, again, 48) == 0 && p.infinity == p2.infinity);
        CHECK(p.infinity || (bls_fp_equal(&p.x, &p2.x) && bls_fp_equal(&p.y, &p2.y)));
        bls_g2_compress(packed, &q);
        CHECK_OK(bls_g2_decompress(&q2, packed, &why), &why);
        bls_g2_compress(again, &q2);
        CHECK(memcmp(packed, again, 96) == 0 && q.infinity == q2.infinity);
        CHECK(q.infinity || (bls_fp2_equal(&q.x, &q2.x) && bls_fp2_equal(&q.y, &q2.y)));
    }
}

TEST(wrong_flags_are_refused) {
    uint8_t packed[96] = {0};
    struct bls_g1_affine p;
    struct bls_g2_affine q;
    struct error why;
    static const uint8_t wrong[] = {0x00, 0x20, 0x40, 0x60, 0xe0};
    for (size_t i = 0; i < sizeof wrong; i++) {
        packed[0] = wrong[i];
        CHECK_ERR(bls_g1_decompress(&p, packed, &why), ERR_SYNTAX);
        CHECK_ERR(bls_g2_decompress(&q, packed, &why), ERR_SYNTAX);
    }
    packed[0] = 0xc0;
    packed[95] = 1;
    CHECK_ERR(bls_g2_decompress(&q, packed, &why), ERR_SYNTAX);
    memset(packed, 0xff, sizeof packed);
    packed[0] = 0x9f;
    CHECK_ERR(bls_g1_decompress(&p, packed, &why), ERR_SYNTAX);
    CHECK_ERR(bls_g2_decompress(&q, packed, &why), ERR_SYNTAX);
    memset(packed, 0, 48);
    packed[0] = 0x80; // c0 too large
    CHECK_ERR(bls_g2_decompress(&q, packed, &why), ERR_SYNTAX);
}

TEST(maps_land_in_the_subgroup) {
    for (int i = 0; i < 12; i++) {
        uint8_t bytes[128];
        struct bls_fp2 u;
        struct bls_g1 p;
        struct bls_g2 q;
        struct bls_g1_affine a;
        struct bls_g2_affine b;
        fill_random(bytes, sizeof bytes, &seed);
        bls_fp_reduce_be64(&u.c0, bytes);
        bls_fp_reduce_be64(&u.c1, bytes + 64);
        if (i == 0) u = (struct bls_fp2){0}; // the exceptional case of the map
        if (i == 1) u.c1 = (struct bls_fp){{0}};
        bls_g1_map(&p, &u.c0);
        bls_g1_to_affine(&a, &p);
        CHECK(bls_g1_on_curve(&a) && bls_g1_in_subgroup(&a) && !a.infinity);
        bls_g2_map(&q, &u);
        bls_g2_to_affine(&b, &q);
        CHECK(bls_g2_on_curve(&b) && bls_g2_in_subgroup(&b) && !b.infinity);
    }
}

static void pair(struct bls_fp12 *ret, const struct bls_g1_affine *p,
                 const struct bls_g2_affine *q) {
    bls_miller_loop(ret, p, q, 1);
    bls_final_exponentiation(ret, ret);
}

/* Ours is the conjugate's cube of the model's: x is negative, and the final power is tripled. */
TEST(pairing_agrees_with_the_model) {
    struct points m;
    struct bls_model12 e, ours, cube, one;
    points_init(&m);
    bls_model12_init(&e);
    bls_model12_init(&ours);
    bls_model12_init(&cube);
    bls_model12_init(&one);
    mpz_set_ui(one.c[0], 1);
    struct bls_g1_affine p = random_g1();
    struct bls_g2_affine q = random_g2();
    struct bls_fp12 f;
    pair(&f, &p, &q);
    CHECK(!bls_fp12_is_one(&f));
    bls_model12_from_fp12(&ours, &f);
    bls_model_point_from_g1(&m.a, &p);
    bls_model_point_from_g2(&m.b, &q);
    bls_model_pairing(&e, &m.a, &m.b);
    bls_model12_mul(&cube, &e, &e);
    bls_model12_mul(&cube, &cube, &e);
    bls_model12_mul(&cube, &cube, &ours);
    CHECK(bls_model12_equal(&cube, &one));
    bls_model12_pow(&ours, &ours, bls_model_r);
    CHECK(bls_model12_equal(&ours, &one));
    bls_model12_clear(&e);
    bls_model12_clear(&ours);
    bls_model12_clear(&cube);
    bls_model12_clear(&one);
    points_clear(&m);
}

TEST(pairing_is_bilinear) {
    for (int i = 0; i < 4; i++) {
        struct u256 a = u256_from_u64(next_random(&seed)), b = u256_from_u64(next_random(&seed)),
                    ab = u256_mul(a, b);
        bls_scalar_reduce(&ab, ab);
        struct bls_g1_affine p = random_g1(), ap;
        struct bls_g2_affine q = random_g2(), bq;
        struct bls_g1 t;
        struct bls_g2 u;
        struct bls_fp12 l, r;
        bls_g1_mul(&t, &p, &a);
        bls_g1_to_affine(&ap, &t);
        bls_g2_mul(&u, &q, &b);
        bls_g2_to_affine(&bq, &u);
        pair(&l, &ap, &bq);
        bls_g1_mul(&t, &p, &ab);
        bls_g1_to_affine(&ap, &t);
        pair(&r, &ap, &q);
        CHECK(bls_fp12_equal(&l, &r));
    }
}

TEST(many_pairs_are_the_product_of_single_ones) {
    enum { N = BLS_PAIRS_AT_ONCE + 3 };
    struct bls_g1_affine p[N];
    struct bls_g2_affine q[N];
    struct bls_lines lines[3];
    struct bls_fp12 f, part, product = bls_fp12_one;
    for (int i = 0; i < N; i++) {
        p[i] = random_g1();
        q[i] = random_g2();
        if (i == 4) p[i].infinity = true;
        if (i == 6) q[i].infinity = true;
        pair(&part, &p[i], &q[i]);
        CHECK(bls_fp12_is_one(&part) == (i == 4 || i == 6));
        bls_fp12_mul(&product, &product, &part);
    }
    bls_miller_loop(&f, p, q, N);
    bls_final_exponentiation(&f, &f);
    CHECK(bls_fp12_equal(&f, &product));
    bls_lines_make(&lines[0], &q[0]);
    bls_lines_make(&lines[1], &q[6]); // infinity
    bls_lines_make(&lines[2], &q[2]);
    const struct bls_g1_affine some[3] = {p[0], p[6], p[2]};
    bls_miller_loop_lines(&f, some, (const struct bls_lines *const[]){lines, lines + 1, lines + 2},
                          3);
    bls_final_exponentiation(&f, &f);
    pair(&part, &p[0], &q[0]);
    pair(&product, &p[2], &q[2]);
    bls_fp12_mul(&product, &product, &part);
    CHECK(bls_fp12_equal(&f, &product));
}

/* The lanes' lines differ by factors that the final exponentiation takes away. */
TEST(lanes_walk_like_the_plain_path) {
#if BLS_HAVE_X86
    if (!bls_use_ifma) SKIP("the processor has no AVX-512 IFMA");
    struct bls_g1_affine p[BLS_PAIRS_AT_ONCE];
    struct bls_g2_affine q[BLS_PAIRS_AT_ONCE];
    static struct bls_lines lines[BLS_PAIRS_AT_ONCE];
    const struct bls_lines *prepared[BLS_PAIRS_AT_ONCE];
    for (size_t n = 1; n <= BLS_PAIRS_AT_ONCE; n++) {
        struct bls_fp12 got[2], expected[2];
        p[n - 1] = random_g1();
        q[n - 1] = random_g2();
        bls_lines_make(&lines[n - 1], &q[n - 1]);
        prepared[n - 1] = &lines[n - 1];
        bls_miller_loop(&got[0], p, q, n);
        bls_miller_loop_lines(&got[1], p, prepared, n);
        for (int i = 0; i < 2; i++)
            bls_final_exponentiation(&got[i], &got[i]);
        bls_use_ifma = false;
        bls_miller_loop(&expected[0], p, q, n);
        bls_miller_loop_lines(&expected[1], p, prepared, n);
        for (int i = 0; i < 2; i++) {
            bls_final_exponentiation(&expected[i], &expected[i]);
            CHECK(bls_fp12_equal(&got[i], &expected[i]));
        }
        bls_use_ifma = true;
    }
#else
    SKIP("one path only");
#endif
}

TEST(lanes_double_like_the_plain_path) {
#if BLS_HAVE_X86
    if (!bls_use_ifma) SKIP("the processor has no AVX-512 IFMA");
    for (unsigned i = 0; i < 40; i++) {
        struct bls_g2_affine q = random_g2();
        struct bls_g2 got, expected;
        if (i == 0) q.infinity = true;
        bls_g2_from_affine(&got, &q);
        expected = got;
        bls_g2_double_ifma(&got, i);
        for (unsigned j = 0; j < i; j++)
            bls_g2_double(&expected, &expected);
        CHECK(memcmp(&got, &expected, sizeof got) == 0);
        bls_g2_double_ifma(&got, 3); // of other coordinates than Z = 1
        for (unsigned j = 0; j < 3; j++)
            bls_g2_double(&expected, &expected);
        CHECK(memcmp(&got, &expected, sizeof got) == 0);
    }
#else
    SKIP("one path only");
#endif
}

TEST(scalars_split_and_join) {
    mpz_t k, sum, x, part;
    bls_model_start();
    mpz_inits(k, sum, x, part, NULL);
    for (unsigned i = 0; i < 200; i++) {
        struct u256 s = edge_scalar(i);
        uint64_t two[2][2], four[4][1];
        to_mpz(k, &s);
        bls_scalar_split2(two, &s);
        mpz_set_ui(x, BLS_X_ABS);
        mpz_mul(x, x, x);
        mpz_import(sum, 2, -1, 8, 0, 0, two[1]);
        mpz_mul(sum, sum, x);
        mpz_import(part, 2, -1, 8, 0, 0, two[0]);
        mpz_add(sum, sum, part);
        CHECK(mpz_cmp(sum, k) == 0 && mpz_cmp(part, x) < 0);
        bls_scalar_split4(four, &s);
        mpz_set_ui(sum, 0);
        for (int j = 3; j >= 0; j--) {
            mpz_mul_ui(sum, sum, BLS_X_ABS);
            mpz_add_ui(sum, sum, four[j][0]);
            CHECK(j == 3 || four[j][0] < BLS_X_ABS);
        }
        CHECK(mpz_cmp(sum, k) == 0);
    }
    mpz_clears(k, sum, x, part, NULL);
}

/* Also where a word of the quotient is guessed too large: remainders next to 0 and to x^2. */
TEST(public_scalars_split_as_secret_ones) {
    struct u256 x = u256_from_u64(BLS_X_ABS), x2 = u256_mul(x, x);
    for (unsigned i = 0; i < 20000; i++) {
        struct u256 s = i < 200 ? edge_scalar(i) : random_scalar();
        uint64_t two[2][2], expected2[2][2], four[4][1], expected4[4][1];
        if (i >= 10000) {
            s.w[2] = i & 1 ? s.w[2] : UINT64_MAX;
            s = u256_mul(u256_shift_right(s, 129), x2);
            s = i & 2 ? u256_add(s, u256_from_u64(i & 4)) : u256_sub(s, u256_from_u64(i & 4));
            bls_scalar_reduce(&s, s);
        }
        bls_scalar_split2(expected2, &s);
        bls_scalar_split2_public(two, &s);
        CHECK(memcmp(two, expected2, sizeof two) == 0);
        bls_scalar_split4(expected4, &s);
        bls_scalar_split4_public(four, &s);
        CHECK(memcmp(four, expected4, sizeof four) == 0);
    }
}

TEST_MAIN()
