/* SPDX-License-Identifier: MIT */
#include "crypto/bls_map.h"

#include "crypto/bls_map_constants.h"
#include "crypto/sha256.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void hash_pieces(uint8_t ret[32], const struct bytes *piece, size_t n) {
    struct sha256 s;
    sha256_init(&s);
    for (size_t i = 0; i < n; i++)
        sha256_update(&s, piece[i]);
    struct hash h = sha256_final(&s);
    memcpy(ret, h.b, 32);
}

void bls_expand_message_xmd(uint8_t *ret, size_t n, struct bytes message, struct bytes dst) {
    static const uint8_t block[64];
    uint8_t long_dst[32], b0[32], b[32], length[3], index, dst_length;
    if (dst.n > 255) {
        hash_pieces(long_dst, (struct bytes[]){BYTES_LIT("H2C-OVERSIZE-DST-"), dst}, 2);
        dst = bytes_make(long_dst, sizeof long_dst);
    }
    dst_length = (uint8_t)dst.n;
    store_be16(length, (uint16_t)n);
    length[2] = 0;
    hash_pieces(b0,
                (struct bytes[]){bytes_make(block, 64), message, bytes_make(length, 3), dst,
                                 bytes_make(&dst_length, 1)},
                5);
    memset(b, 0, sizeof b);
    for (index = 1; n > 0; index++) {
        for (int i = 0; i < 32; i++)
            b[i] ^= b0[i];
        hash_pieces(b,
                    (struct bytes[]){bytes_make(b, 32), bytes_make(&index, 1), dst,
                                     bytes_make(&dst_length, 1)},
                    4);
        size_t take = n < 32 ? n : 32;
        memcpy(ret, b, take);
        ret += take;
        n -= take;
    }
}

/* Simplified SWU to the isogenous curve (section 6.6.2), as the fraction x_num / x_den and y. */

static void map_to_e1(struct bls_fp *ret_x, struct bls_fp *ret_y, const struct bls_fp *u) {
    struct bls_fp zu2, t, x1, gx1, y;
    bls_fp_sqr(&zu2, u);
    bls_fp_mul(&zu2, &zu2, &g1_sswu_z);
    bls_fp_sqr(&t, &zu2);
    bls_fp_add(&t, &t, &zu2);
    if (bls_fp_is_zero(&t)) {
        x1 = g1_sswu_b_over_za;
    } else {
        bls_fp_inv(&t, &t);
        bls_fp_add(&t, &t, &bls_fp_one);
        bls_fp_mul(&x1, &t, &g1_sswu_minus_b_over_a);
    }
    bls_fp_sqr(&gx1, &x1);
    bls_fp_add(&gx1, &gx1, &g1_iso_a);
    bls_fp_mul(&gx1, &gx1, &x1);
    bls_fp_add(&gx1, &gx1, &g1_iso_b);
    if (!bls_fp_sqrt(&y, &gx1)) {
        // y^2 = -gx1; x2 = Z u^2 x1 has gx2 = Z^3 u^6 gx1 = (sqrt(-Z^3) u^3 y)^2
        bls_fp_mul(&x1, &x1, &zu2);
        bls_fp_sqr(&t, u);
        bls_fp_mul(&t, &t, u);
        bls_fp_mul(&t, &t, &g1_sswu_sqrt_minus_z3);
        bls_fp_mul(&y, &y, &t);
    }
    if (bls_fp_is_odd(u) != bls_fp_is_odd(&y)) bls_fp_neg(&y, &y);
    *ret_x = x1;
    *ret_y = y;
}

static void map_to_e2(struct bls_fp2 *ret_x, struct bls_fp2 *ret_y, const struct bls_fp2 *u) {
    struct bls_fp2 zu2, t, x1, gx1;
    struct bls_fp norm, norm_u;
    bls_fp2_sqr(&zu2, u);
    bls_fp2_mul(&zu2, &zu2, &g2_sswu_z);
    bls_fp2_sqr(&t, &zu2);
    bls_fp2_add(&t, &t, &zu2);
    if (bls_fp2_is_zero(&t)) {
        x1 = g2_sswu_b_over_za;
    } else {
        bls_fp2_inv(&t, &t);
        bls_fp2_add(&t, &t, &bls_fp2_one);
        bls_fp2_mul(&x1, &t, &g2_sswu_minus_b_over_a);
    }
    bls_fp2_sqr(&gx1, &x1);
    bls_fp2_add(&gx1, &gx1, &g2_iso_a);
    bls_fp2_mul(&gx1, &gx1, &x1);
    bls_fp2_add(&gx1, &gx1, &g2_iso_b);
    bls_fp2_norm(&norm, &gx1);
    if (!bls_fp_sqrt(&norm, &norm)) {
        // no square: x2 = Z u^2 x1, gx2 = (Z u^2)^3 gx1. The root found is one of -N(gx1), so
        // that sqrt(-N(Z)^3) N(u)^3 times it is one of N(gx2).
        bls_fp2_mul(&x1, &x1, &zu2);
        bls_fp2_sqr(&t, &zu2);
        bls_fp2_mul(&t, &t, &zu2);
        bls_fp2_mul(&gx1, &gx1, &t);
        bls_fp2_norm(&norm_u, u);
        bls_fp_mul(&norm, &norm, &norm_u);
        bls_fp_sqr(&norm_u, &norm_u);
        bls_fp_mul(&norm, &norm, &norm_u);
        bls_fp_mul(&norm, &norm, &g2_sswu_sqrt_minus_norm3);
    }
    bls_fp2_sqrt_norm(ret_y, &gx1, &norm);
    if (bls_fp2_sgn0(u) != bls_fp2_sgn0(ret_y)) bls_fp2_neg(ret_y, ret_y);
    *ret_x = x1;
}

/* Horner's rule; monic: a leading 1 stands above the given coefficients. */
static void evaluate_fp(struct bls_fp *ret, const struct bls_fp *k, size_t n, bool monic,
                        const struct bls_fp *x) {
    struct bls_fp r = monic ? bls_fp_one : k[--n];
    while (n-- > 0) {
        bls_fp_mul(&r, &r, x);
        bls_fp_add(&r, &r, &k[n]);
    }
    *ret = r;
}

static void evaluate_fp2(struct bls_fp2 *ret, const struct bls_fp2 *k, size_t n, bool monic,
                         const struct bls_fp2 *x) {
    struct bls_fp2 r = monic ? bls_fp2_one : k[--n];
    while (n-- > 0) {
        bls_fp2_mul(&r, &r, x);
        bls_fp2_add(&r, &r, &k[n]);
    }
    *ret = r;
}

/* The isogeny (x, y) -> (x_num/x_den, y y_num/y_den), into Jacobian coordinates with
 * Z = x_den y_den. A zero denominator gives Z = 0, which is infinity, as the RFC asks. */
static void isogeny_g1(struct bls_g1 *ret, const struct bls_fp *x, const struct bls_fp *y) {
    struct bls_fp xn, xd, yn, yd, t;
    evaluate_fp(&xn, g1_iso_x_num, COUNT(g1_iso_x_num), false, x);
    evaluate_fp(&xd, g1_iso_x_den, COUNT(g1_iso_x_den), true, x);
    evaluate_fp(&yn, g1_iso_y_num, COUNT(g1_iso_y_num), false, x);
    evaluate_fp(&yd, g1_iso_y_den, COUNT(g1_iso_y_den), true, x);
    bls_fp_mul(&ret->z, &xd, &yd);
    bls_fp_mul(&t, &xn, &yd);
    bls_fp_mul(&ret->x, &t, &ret->z); // xn/xd Z^2
    bls_fp_sqr(&t, &ret->z);
    bls_fp_mul(&t, &t, &xd); // Z^3 / yd
    bls_fp_mul(&yn, &yn, y);
    bls_fp_mul(&ret->y, &t, &yn);
}

static void isogeny_g2(struct bls_g2 *ret, const struct bls_fp2 *x, const struct bls_fp2 *y) {
    struct bls_fp2 xn, xd, yn, yd, t;
    evaluate_fp2(&xn, g2_iso_x_num, COUNT(g2_iso_x_num), false, x);
    evaluate_fp2(&xd, g2_iso_x_den, COUNT(g2_iso_x_den), true, x);
    evaluate_fp2(&yn, g2_iso_y_num, COUNT(g2_iso_y_num), false, x);
    evaluate_fp2(&yd, g2_iso_y_den, COUNT(g2_iso_y_den), true, x);
    bls_fp2_mul(&ret->z, &xd, &yd);
    bls_fp2_mul(&t, &xn, &yd);
    bls_fp2_mul(&ret->x, &t, &ret->z);
    bls_fp2_sqr(&t, &ret->z);
    bls_fp2_mul(&t, &t, &xd);
    bls_fp2_mul(&yn, &yn, y);
    bls_fp2_mul(&ret->y, &t, &yn);
}

static void map_g1(struct bls_g1 *ret, const struct bls_fp *u) {
    struct bls_fp x, y;
    map_to_e1(&x, &y, u);
    isogeny_g1(ret, &x, &y);
}

static void map_g2(struct bls_g2 *ret, const struct bls_fp2 *u) {
    struct bls_fp2 x, y;
    map_to_e2(&x, &y, u);
    isogeny_g2(ret, &x, &y);
}

void bls_g1_map(struct bls_g1 *ret, const struct bls_fp *u) {
    map_g1(ret, u);
    bls_g1_clear_cofactor(ret, ret);
}

void bls_g2_map(struct bls_g2 *ret, const struct bls_fp2 *u) {
    map_g2(ret, u);
    bls_g2_clear_cofactor(ret, ret);
}

void bls_g1_hash(struct bls_g1_affine *ret, struct bytes message, struct bytes dst) {
    uint8_t uniform[2 * 64];
    struct bls_fp u;
    struct bls_g1 a, b;
    bls_expand_message_xmd(uniform, sizeof uniform, message, dst);
    bls_fp_reduce_be64(&u, uniform);
    map_g1(&a, &u);
    bls_fp_reduce_be64(&u, uniform + 64);
    map_g1(&b, &u);
    bls_g1_add(&a, &a, &b);
    bls_g1_clear_cofactor(&a, &a);
    bls_g1_to_affine(ret, &a);
}

void bls_g2_hash(struct bls_g2_affine *ret, struct bytes message, struct bytes dst) {
    uint8_t uniform[4 * 64];
    struct bls_fp2 u;
    struct bls_g2 a, b;
    bls_expand_message_xmd(uniform, sizeof uniform, message, dst);
    bls_fp_reduce_be64(&u.c0, uniform);
    bls_fp_reduce_be64(&u.c1, uniform + 64);
    map_g2(&a, &u);
    bls_fp_reduce_be64(&u.c0, uniform + 128);
    bls_fp_reduce_be64(&u.c1, uniform + 192);
    map_g2(&b, &u);
    bls_g2_add(&a, &a, &b);
    bls_g2_clear_cofactor(&a, &a);
    bls_g2_to_affine(ret, &a);
}
