/* SPDX-License-Identifier: MIT */
#include "crypto/bls_group.h"
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

#define split_scalar(parts, k) bls_scalar_split2((parts)->w, k)
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
    bls_g1_from_affine(&t, a);
    for (int i = 62; i >= 0; i--) {
        bls_g1_double(&t, &t);
        if (BLS_X_ABS >> i & 1) bls_g1_add_affine(&t, &t, a);
    }
    bls_g1_mul_x(&t, &t);
    return equal_affine(&t, &image);
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

int bls_g1_decompress(struct bls_g1_affine *ret, const uint8_t in[48], struct error *why) {
    uint8_t flags = in[0] & 0xe0, x_bytes[48];
    struct bls_g1_affine p = {.infinity = false};
    struct bls_fp t;
    if (!(flags & 0x80)) return error_set_at(why, ERR_SYNTAX, 0, "G1 point is not compressed");
    memcpy(x_bytes, in, 48);
    x_bytes[0] &= 0x1f;
    if (!bls_fp_load_be(&p.x, x_bytes)) {
        return error_set_at(why, ERR_SYNTAX, 0, "G1 x coordinate is not below the modulus");
    }
    if (flags & 0x40) {
        if (flags & 0x20 || !bls_fp_is_zero(&p.x)) {
            return error_set_at(why, ERR_SYNTAX, 0, "G1 infinity with other bits set");
        }
        *ret = (struct bls_g1_affine){.infinity = true};
        return 0;
    }
    bls_fp_sqr(&t, &p.x);
    bls_fp_mul(&t, &t, &p.x);
    struct bls_fp four = bls_fp_one;
    bls_fp_double(&four, &four);
    bls_fp_double(&four, &four);
    bls_fp_add(&t, &t, &four);
    if (!bls_fp_sqrt(&p.y, &t)) return error_set(why, ERR_INVALID, "G1 x is on no point");
    if (bls_fp_is_large(&p.y) != ((flags & 0x20) != 0)) bls_fp_neg(&p.y, &p.y);
    *ret = p;
    return 0;
}
