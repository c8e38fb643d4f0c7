/* Fields, groups and encodings of BLS12-381 against the slow model.
 * SPDX-License-Identifier: MIT */
#include "crypto/bls_map.h"
#include "crypto/bls_model.h"
#include "crypto/bls_pairing.h"
#include "crypto/bls_precompile.h"
#include "crypto/bls_scalar.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(cond)                                                                              \
    do {                                                                                           \
        if (!(cond)) abort();                                                                      \
    } while (0)

struct input {
    const uint8_t *p;
    size_t n;
};

/* The next n bytes, zeros where the input has ended. */
static void take(struct input *in, uint8_t *ret, size_t n) {
    size_t have = in->n < n ? in->n : n;
    memset(ret, 0, n);
    if (have) memcpy(ret, in->p, have);
    in->p += have;
    in->n -= have;
}

static struct bls_fp take_fp(struct input *in) {
    uint8_t bytes[64] = {0};
    struct bls_fp r;
    take(in, bytes + 16, 48);
    bls_fp_reduce_be64(&r, bytes);
    return r;
}

static struct bls_fp2 take_fp2(struct input *in) {
    struct bls_fp a = take_fp(in), b = take_fp(in);
    return (struct bls_fp2){a, b};
}

static struct u256 take_scalar(struct input *in) {
    uint8_t bytes[32];
    struct u256 k;
    take(in, bytes, sizeof bytes);
    bls_scalar_reduce(&k, u256_load_be(bytes));
    return k;
}

static void expect(const struct bls_fp *got, mpz_t want) {
    mpz_t t;
    mpz_init(t);
    mpz_mod(want, want, bls_model_p);
    bls_model_from_fp(t, got);
    REQUIRE(mpz_cmp(t, want) == 0);
    mpz_clear(t);
}

/* Any words below p are an element. */
static void fuzz_fp(struct input *in) {
    struct bls_fp a, b, r, s;
    struct bls_wide v, w;
    mpz_t x, y, t;
    take(in, (uint8_t *)a.w, 48);
    take(in, (uint8_t *)b.w, 48);
    a.w[5] %= 0x1a0111ea397fe69a;
    b.w[5] %= 0x1a0111ea397fe69a;
    mpz_inits(x, y, t, NULL);
    bls_model_from_fp(x, &a);
    bls_model_from_fp(y, &b);
    bls_fp_mul(&r, &a, &b);
    mpz_mul(t, x, y);
    expect(&r, t);
    bls_fp_mul_plain(&s, &a, &b);
    REQUIRE(bls_fp_equal(&r, &s));
    bls_fp_sqr(&r, &a);
    mpz_mul(t, x, x);
    expect(&r, t);
    bls_fp_add(&r, &a, &b);
    mpz_add(t, x, y);
    expect(&r, t);
    bls_fp_sub(&r, &a, &b);
    mpz_sub(t, x, y);
    expect(&r, t);
    bls_fp_mul_wide(&v, &a, &b);
    bls_fp_mul_wide_plain(&w, &a, &b);
    REQUIRE(memcmp(&v, &w, sizeof v) == 0);
    bls_fp_redc(&r, &v);
    REQUIRE(bls_fp_equal(&r, &s));
    bls_fp_inv(&r, &a);
    bls_fp_mul(&s, &r, &a);
    REQUIRE(bls_fp_is_zero(&a) ? bls_fp_is_zero(&r) : bls_fp_equal(&s, &bls_fp_one));
    bool square = bls_fp_sqrt(&r, &a);
    REQUIRE(square == (mpz_legendre(x, bls_model_p) >= 0));
    mpz_clears(x, y, t, NULL);
}

static void fuzz_tower(struct input *in) {
    struct bls_fp12 a = {{take_fp2(in), take_fp2(in), take_fp2(in)},
                         {take_fp2(in), take_fp2(in), take_fp2(in)}};
    struct bls_fp12 b = {{take_fp2(in), take_fp2(in), take_fp2(in)},
                         {take_fp2(in), take_fp2(in), take_fp2(in)}},
                    r;
    struct bls_model12 x, y, t, got;
    bls_model12_init(&x);
    bls_model12_init(&y);
    bls_model12_init(&t);
    bls_model12_init(&got);
    bls_model12_from_fp12(&x, &a);
    bls_model12_from_fp12(&y, &b);
    bls_model12_mul(&t, &x, &y);
    bls_fp12_mul(&r, &a, &b);
    bls_model12_from_fp12(&got, &r);
    REQUIRE(bls_model12_equal(&t, &got));
    bls_model12_mul(&t, &x, &x);
    bls_fp12_sqr(&r, &a);
    bls_model12_from_fp12(&got, &r);
    REQUIRE(bls_model12_equal(&t, &got));
    struct bls_fp2 s, q = a.c0.c0;
    if (bls_fp2_sqrt(&s, &q)) {
        bls_fp2_sqr(&s, &s);
        REQUIRE(bls_fp2_equal(&s, &q));
    }
    bls_model12_clear(&x);
    bls_model12_clear(&y);
    bls_model12_clear(&t);
    bls_model12_clear(&got);
}

struct curve {
    struct bls_model_point a, b, got;
    mpz_t k;
};

static void fuzz_groups(struct input *in) {
    struct u256 j = take_scalar(in), k = take_scalar(in);
    struct bls_fp2 u = take_fp2(in);
    struct curve m;
    struct bls_g1 p, r;
    struct bls_g2 q, s;
    struct bls_g1_affine pa = {0}, ra;
    struct bls_g2_affine qa = {0}, sa;
    struct error why;
    bls_model_point_init(&m.a);
    bls_model_point_init(&m.b);
    bls_model_point_init(&m.got);
    mpz_init(m.k);
    mpz_import(m.k, 4, -1, 8, 0, 0, k.w);
    bls_g1_map(&p, &u.c0);
    bls_g1_to_affine(&pa, &p);
    bls_g2_map(&q, &u);
    bls_g2_to_affine(&qa, &q);
    REQUIRE(bls_g1_on_curve(&pa) && bls_g1_in_subgroup(&pa));
    REQUIRE(bls_g2_on_curve(&qa) && bls_g2_in_subgroup(&qa));
    // k P against the model, then j P + k G by a sum of products against single products
    bls_g1_mul(&r, &pa, &k);
    bls_g1_to_affine(&ra, &r);
    bls_model_point_from_g1(&m.a, &pa);
    bls_model_point_mul(&m.b, &m.a, m.k);
    bls_model_point_from_g1(&m.got, &ra);
    REQUIRE(bls_model_point_equal(&m.got, &m.b));
    bls_g2_mul(&s, &qa, &k);
    bls_g2_to_affine(&sa, &s);
    bls_model_point_from_g2(&m.a, &qa);
    bls_model_point_mul(&m.b, &m.a, m.k);
    bls_model_point_from_g2(&m.got, &sa);
    REQUIRE(bls_model_point_equal(&m.got, &m.b));
    if (!u256_is_zero(k)) {
        struct bls_g1_affine secret;
        struct bls_g2_affine secret2;
        bls_g1_mul_secret(&secret, &pa, &k);
        REQUIRE(bls_fp_equal(&secret.x, &ra.x) && bls_fp_equal(&secret.y, &ra.y));
        bls_g2_mul_secret(&secret2, &qa, &k);
        REQUIRE(bls_fp2_equal(&secret2.x, &sa.x) && bls_fp2_equal(&secret2.y, &sa.y));
    }
    struct bls_g1_affine two[2] = {pa, bls_g1_generator};
    struct u256 scalars[2] = {j, k};
    struct bls_g1 sum, t;
    REQUIRE(bls_g1_msm(&sum, two, scalars, 2, NULL, &why) == 0);
    bls_g1_mul(&r, &pa, &j);
    bls_g1_mul(&t, &bls_g1_generator, &k);
    bls_g1_add(&r, &r, &t);
    REQUIRE(bls_g1_equal(&r, &sum));
    bls_model_point_clear(&m.a);
    bls_model_point_clear(&m.b);
    bls_model_point_clear(&m.got);
    mpz_clear(m.k);
}

/* What decompresses compresses to itself. */
static void fuzz_encodings(struct input *in) {
    uint8_t bytes[96], again[96];
    struct bls_g1_affine p;
    struct bls_g2_affine q;
    struct error why;
    take(in, bytes, sizeof bytes);
    if (bls_g1_decompress(&p, bytes, &why) == 0) {
        REQUIRE(bls_g1_on_curve(&p));
        bls_g1_compress(again, &p);
        REQUIRE(memcmp(bytes, again, 48) == 0);
    }
    if (bls_g2_decompress(&q, bytes, &why) == 0) {
        REQUIRE(bls_g2_on_curve(&q));
        bls_g2_compress(again, &q);
        REQUIRE(memcmp(bytes, again, 96) == 0);
    }
}

static void fuzz_precompiles(struct input *in) {
    uint8_t out[256];
    struct error why;
    struct bytes b = bytes_make(in->p, in->n);
    (void)!bls_precompile_g1_add(out, b, &why);
    (void)!bls_precompile_g2_add(out, b, &why);
    (void)!bls_precompile_g1_msm(out, b, NULL, &why);
    (void)!bls_precompile_g2_msm(out, b, NULL, &why);
    (void)!bls_precompile_pairing_check(out, b, NULL, &why);
    (void)!bls_precompile_map_fp_to_g1(out, b, &why);
    (void)!bls_precompile_map_fp2_to_g2(out, b, &why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const kinds[])(struct input *) = {fuzz_fp, fuzz_tower, fuzz_groups,
                                                    fuzz_encodings, fuzz_precompiles};
    if (size < 1 || size > 4096) return 0;
    bls_model_start();
    struct input in = {data + 1, size - 1};
    kinds[data[0] % (sizeof kinds / sizeof kinds[0])](&in);
    return 0;
}
