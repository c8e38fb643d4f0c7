/* SPDX-License-Identifier: MIT */
#include "crypto/bls_group.h"
#include "crypto/bls_group_ifma.h"
#include "crypto/bls_scalar.h"

#include "crypto/bls_g2_constants.h"

#define G(name) bls_g2_##name
#define F(name) bls_fp2_##name
#define POINT struct bls_g2
#define AFFINE struct bls_g2_affine
#define FIELD struct bls_fp2
#define FIELD_ONE bls_fp2_one
#define PARTS 4
#define PART_BITS 64

static void mul_b3(struct bls_fp2 *ret, const struct bls_fp2 *a) {
    struct bls_fp2 t, xi; // 12 xi a
    bls_fp2_mul_xi(&xi, a);
    bls_fp2_double(&t, &xi);
    bls_fp2_add(&t, &t, &xi);
    bls_fp2_double(&t, &t);
    bls_fp2_double(ret, &t);
}

void bls_g2_psi(struct bls_g2_affine *ret, const struct bls_g2_affine *a) {
    bls_fp2_conjugate(&ret->x, &a->x);
    bls_fp2_mul(&ret->x, &ret->x, &g2_psi_x);
    bls_fp2_conjugate(&ret->y, &a->y);
    bls_fp2_mul(&ret->y, &ret->y, &g2_psi_y);
    ret->infinity = a->infinity;
}

/* [|x|]a = -psi(a) on the subgroup. */
static void endo_affine(struct bls_g2_affine *ret, const struct bls_g2_affine *a) {
    bls_g2_psi(ret, a);
    bls_fp2_neg(&ret->y, &ret->y);
}

/* psi for any coordinates where x and y are fractions of z's powers; the sign is the caller's. */
static void psi_coordinates(struct bls_g2 *ret, const struct bls_g2 *a) {
    bls_fp2_conjugate(&ret->x, &a->x);
    bls_fp2_mul(&ret->x, &ret->x, &g2_psi_x);
    bls_fp2_conjugate(&ret->y, &a->y);
    bls_fp2_mul(&ret->y, &ret->y, &g2_psi_y);
    bls_fp2_conjugate(&ret->z, &a->z);
}

static void endo_projective(struct bls_g2 *ret, const struct bls_g2 *a) {
    psi_coordinates(ret, a);
    bls_fp2_neg(&ret->y, &ret->y);
}

#define RUN_FOR_LANES 3 /* measured: shorter runs do not win the change of form back */

static void double_times(struct bls_g2 *a, unsigned times) {
#if BLS_HAVE_X86
    if (bls_use_ifma && times >= RUN_FOR_LANES) {
        bls_g2_double_ifma(a, times);
        return;
    }
#endif
    while (times-- > 0)
        bls_g2_double(a, a);
}

#define split_scalar(parts, k) bls_scalar_split4_public((parts)->w, k)
#define split_scalar_secret(parts, k) bls_scalar_split4((parts)->w, k)

#include "crypto/bls_group_template.h"

const struct bls_g2_affine bls_g2_generator = {
    .x = {{{0xf5f28fa202940a10, 0xb3f5fb2687b4961a, 0xa1a893b53e2ae580, 0x9894999d1a3caee9,
            0x6f67b7631863366b, 0x058191924350bcd7}},
          {{0xa5a9c0759e23f606, 0xaaa0c59dbccd60c3, 0x3bb17e18e2867806, 0x1b1ab6cc8541b367,
            0xc2b6ed0ef2158547, 0x11922a097360edf3}}},
    .y = {{{0x4c730af860494c4a, 0x597cfa1f5e369c5a, 0xe7e6856caa0a635a, 0xbbefb5e96e0d495f,
            0x07d3a975f0ef25a2, 0x0083fd8e7e80dae5}},
          {{0xadc0fc92df64b05d, 0x18aa270a2b1461dc, 0x86adac6a3be4eba0, 0x79495c4ec93da33a,
            0xe7175850a43ccaed, 0x0b2bc2a163de1bf2}}},
};

/* A point of the curve is in G2 exactly when psi(a) = [x]a (Scott, eprint 2021/1130). */
bool bls_g2_in_subgroup(const struct bls_g2_affine *a) {
    if (a->infinity) return true;
    struct bls_g2_affine image;
    struct bls_g2 t;
    endo_affine(&image, a);
    mul_x_affine(&t, a);
    return equal_affine(&t, &image);
}

/* [x^2 - x - 1]a + [x - 1]psi(a) + psi^2(2a) (Budroni and Pintore, eprint 2017/419). */
void bls_g2_clear_cofactor(struct bls_g2 *ret, const struct bls_g2 *a) {
    struct bls_g2 xa, t, psi, sum;
    bls_g2_mul_x(&xa, a);
    bls_g2_neg(&xa, &xa); // [x]a
    psi_coordinates(&psi, a);
    bls_g2_add(&t, &xa, &psi); // [x]a + psi(a)
    bls_g2_mul_x(&sum, &t);
    bls_g2_neg(&sum, &sum); // [x^2]a + [x]psi(a)
    bls_g2_add(&t, &t, a);  // [x]a + psi(a) + a
    bls_g2_neg(&t, &t);
    bls_g2_add(&sum, &sum, &t);
    bls_g2_double(&t, a);
    psi_coordinates(&t, &t);
    psi_coordinates(&t, &t);
    bls_g2_add(ret, &sum, &t);
}

void bls_g2_compress(uint8_t ret[96], const struct bls_g2_affine *a) {
    if (a->infinity) {
        memset(ret, 0, 96);
        ret[0] = 0xc0;
        return;
    }
    bls_fp_store_be(ret, &a->x.c1);
    bls_fp_store_be(ret + 48, &a->x.c0);
    ret[0] |= bls_fp2_is_large(&a->y) ? 0xa0 : 0x80;
}

int bls_g2_decompress(struct bls_g2_affine *ret, const uint8_t in[96], struct error *why) {
    uint8_t flags = in[0] & 0xe0, first[48];
    struct bls_g2_affine p = {.infinity = false};
    struct bls_fp2 t, b;
    if (!(flags & 0x80)) return error_set_at(why, ERR_SYNTAX, 0, "G2 point is not compressed");
    memcpy(first, in, 48);
    first[0] &= 0x1f;
    if (!bls_fp_load_be(&p.x.c1, first) || !bls_fp_load_be(&p.x.c0, in + 48)) {
        return error_set_at(why, ERR_SYNTAX, 0, "G2 x coordinate is not below the modulus");
    }
    if (flags & 0x40) {
        if (flags & 0x20 || !bls_fp2_is_zero(&p.x)) {
            return error_set_at(why, ERR_SYNTAX, 0, "G2 infinity with other bits set");
        }
        *ret = (struct bls_g2_affine){.infinity = true};
        return 0;
    }
    bls_fp2_sqr(&t, &p.x);
    bls_fp2_mul(&t, &t, &p.x);
    bls_fp_double(&b.c0, &bls_fp_one);
    bls_fp_double(&b.c0, &b.c0);
    b.c1 = b.c0;
    bls_fp2_add(&t, &t, &b);
    if (!bls_fp2_sqrt(&p.y, &t)) return error_set(why, ERR_INVALID, "G2 x is on no point");
    if (bls_fp2_is_large(&p.y) != ((flags & 0x20) != 0)) bls_fp2_neg(&p.y, &p.y);
    *ret = p;
    return 0;
}
