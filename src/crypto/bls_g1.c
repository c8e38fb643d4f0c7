/* SPDX-License-Identifier: MIT */
#include "crypto/bls_group.h"
#include "crypto/bls_group_ifma.h"
#include "crypto/bls_scalar.h"

#include "crypto/bls_g1_constants.h"

#define G(name) bls_g1_##name
#define F(name) bls_fp_##name
#define POINT struct bls_g1
#define AFFINE struct bls_g1_affine
#define FIELD struct bls_fp
#define FIELD_ONE bls_fp_one
#define PARTS 2
#define PART_BITS 128

static void mul_b3(struct bls_fp *ret, const struct bls_fp *a) {
    struct bls_fp t; // 12 a
    bls_fp_double(&t, a);
    bls_fp_add(&t, &t, a);
    bls_fp_double(&t, &t);
    bls_fp_double(ret, &t);
}

/* [x^2]a = -phi(a) on the subgroup, phi(X, Y) = (beta X, Y). */
static void endo_affine(struct bls_g1_affine *ret, const struct bls_g1_affine *a) {
    bls_fp_mul(&ret->x, &a->x, &g1_beta);
    bls_fp_neg(&ret->y, &a->y);
    ret->infinity = a->infinity;
}

static void endo_projective(struct bls_g1 *ret, const struct bls_g1 *a) {
    bls_fp_mul(&ret->x, &a->x, &g1_beta);
    bls_fp_neg(&ret->y, &a->y);
    ret->z = a->z;
}

static void double_times(struct bls_g1 *a, unsigned times) {
    while (times-- > 0)
        bls_g1_double(a, a);
}

#define split_scalar(parts, k) bls_scalar_split2_public((parts)->w, k)
#define split_scalar_secret(parts, k) bls_scalar_split2((parts)->w, k)

#include "crypto/bls_group_template.h"

const struct bls_g1_affine bls_g1_generator = {
    .x = {{0x5cb38790fd530c16, 0x7817fc679976fff5, 0x154f95c7143ba1c1, 0xf0ae6acdf3d0e747,
           0xedce6ecc21dbf440, 0x120177419e0bfb75}},
    .y = {{0xbaac93d50ce72271, 0x8c22631a7918fd8e, 0xdd595f13570725ce, 0x51ac582950405194,
           0x0e1c8c3fad0059c0, 0x0bbc3efc5008a26a}},
};

/* A point of the curve is in G1 exactly when phi(a) = -[x^2]a (Scott, eprint 2021/1130). */
bool bls_g1_in_subgroup(const struct bls_g1_affine *a) {
    if (a->infinity) return true;
    struct bls_g1_affine image;
    struct bls_g1 t;
    endo_affine(&image, a);
    mul_x_affine(&t, a);
    bls_g1_mul_x(&t, &t);
    return equal_affine(&t, &image);
}

#if BLS_HAVE_X86
/* t = [|x|]t for eight points; affine: the same ones, which are cheaper to add, or NULL. */
static void mul_x_eight(struct bls_g1 t[8], const struct bls_g1_affine *affine) {
    static const unsigned runs[] = BLS_X_RUNS;
    struct bls_g1 base[8];
    memcpy(base, t, sizeof base);
    for (size_t run = 0; run < sizeof runs / sizeof runs[0]; run++) {
        for (int i = 0; run && i < 8; i++) {
            if (affine) {
                bls_g1_add_affine(&t[i], &t[i], &affine[i]);
            } else {
                bls_g1_add(&t[i], &t[i], &base[i]);
            }
        }
        bls_g1_double_eight_ifma(t, runs[run]);
    }
}

/* n <= 8; the lanes that are left take infinity. */
static bool eight_in_subgroup(const struct bls_g1_affine *a, size_t n) {
    struct bls_g1_affine points[8], image;
    struct bls_g1 t[8];
    bool all = true;
    for (size_t i = 0; i < 8; i++) {
        points[i] = i < n ? a[i] : (struct bls_g1_affine){.infinity = true};
        bls_g1_from_affine(&t[i], &points[i]);
    }
    mul_x_eight(t, points);
    mul_x_eight(t, NULL);
    for (size_t i = 0; i < n; i++) {
        endo_affine(&image, &a[i]);
        all &= a[i].infinity || equal_affine(&t[i], &image);
    }
    return all;
}
#endif

bool bls_g1_all_in_subgroup(const struct bls_g1_affine *a, size_t n) {
    bool all = true;
#if BLS_HAVE_X86
    for (; bls_use_ifma && n > 1 && all; n -= n < 8 ? n : 8) {
        all = eight_in_subgroup(a, n < 8 ? n : 8);
        a += n < 8 ? n : 8;
    }
#endif
    for (size_t i = 0; i < n && all; i++)
        all = bls_g1_in_subgroup(&a[i]);
    return all;
}

/* h_eff = 1 - x */
void bls_g1_clear_cofactor(struct bls_g1 *ret, const struct bls_g1 *a) {
    struct bls_g1 t;
    bls_g1_mul_x(&t, a);
    bls_g1_add(ret, &t, a);
}

void bls_g1_compress(uint8_t ret[48], const struct bls_g1_affine *a) {
    if (a->infinity) {
        memset(ret, 0, 48);
        ret[0] = 0xc0;
        return;
    }
    bls_fp_store_be(ret, &a->x);
    ret[0] |= bls_fp_is_large(&a->y) ? 0xa0 : 0x80;
}

/* Reads x and sets *ret_square to y^2; *ret_large is the flag for y. Infinity has y^2 = 0. */
static int decompress_start(struct bls_g1_affine *ret, struct bls_fp *ret_square, bool *ret_large,
                            const uint8_t in[48], struct error *why) {
    uint8_t flags = in[0] & 0xe0, x_bytes[48];
    struct bls_g1_affine p = {.infinity = (flags & 0x40) != 0};
    struct bls_fp four = bls_fp_one;
    if (!(flags & 0x80)) return error_set_at(why, ERR_SYNTAX, 0, "G1 point is not compressed");
    memcpy(x_bytes, in, 48);
    x_bytes[0] &= 0x1f;
    if (!bls_fp_load_be(&p.x, x_bytes)) {
        return error_set_at(why, ERR_SYNTAX, 0, "G1 x coordinate is not below the modulus");
    }
    if (p.infinity && (flags & 0x20 || !bls_fp_is_zero(&p.x))) {
        return error_set_at(why, ERR_SYNTAX, 0, "G1 infinity with other bits set");
    }
    *ret = p;
    *ret_large = (flags & 0x20) != 0;
    bls_fp_sqr(ret_square, &p.x);
    bls_fp_mul(ret_square, ret_square, &p.x);
    bls_fp_double(&four, &four);
    bls_fp_double(&four, &four);
    bls_fp_add(ret_square, ret_square, &four);
    return 0;
}

/* power: of y^2, by bls_fp_pow_sqrt. */
static int decompress_finish(struct bls_g1_affine *a, const struct bls_fp *square,
                             const struct bls_fp *power, bool large, struct error *why) {
    struct bls_fp check;
    if (a->infinity) return 0;
    bls_fp_mul(&a->y, square, power);
    bls_fp_sqr(&check, &a->y);
    if (!bls_fp_equal(&check, square)) return error_set(why, ERR_INVALID, "G1 x is on no point");
    if (bls_fp_is_large(&a->y) != large) bls_fp_neg(&a->y, &a->y);
    return 0;
}

#define AT_ONCE 8

int bls_g1_decompress_many(struct bls_g1_affine *ret, const struct bytes48 *in, size_t n,
                           struct error *why) {
    struct bls_fp square[AT_ONCE], power[AT_ONCE];
    bool large[AT_ONCE];
    for (size_t from = 0; from < n; from += AT_ONCE) {
        size_t count = n - from < AT_ONCE ? n - from : AT_ONCE;
        for (size_t i = 0; i < count; i++) {
            int r = decompress_start(&ret[from + i], &square[i], &large[i], in[from + i].b, why);
            if (r < 0) return r;
            power[i] = square[i];
        }
        bls_fp_pow_sqrt_many(power, count);
        for (size_t i = 0; i < count; i++) {
            int r = decompress_finish(&ret[from + i], &square[i], &power[i], large[i], why);
            if (r < 0) return r;
        }
    }
    return 0;
}

int bls_g1_decompress(struct bls_g1_affine *ret, const uint8_t in[48], struct error *why) {
    struct bls_g1_affine p;
    struct bytes48 bytes;
    memcpy(bytes.b, in, 48);
    int r = bls_g1_decompress_many(&p, &bytes, 1, why);
    if (r == 0) *ret = p;
    return r;
}
