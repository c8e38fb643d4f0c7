/* Groups and pairing of bn254 over the field of bn254_field.h. Compiled twice, see there.
 * SPDX-License-Identifier: MIT */
#include "crypto/bn254_impl.h"
#include "crypto/bn254_tower.h"

/* G1 in Jacobian coordinates: (x/z^2, y/z^3); infinity has z = 0. */
struct jacobian {
    struct bn254_fp x, y, z;
};

static inline bool g1_is_infinity(const struct bn254_g1 *p) {
    return fp_is_zero(&p->x) && fp_is_zero(&p->y);
}

static bool g1_on_curve(const struct bn254_g1 *p) {
    struct bn254_fp left, right;
    fp_sqr(&left, &p->y);
    fp_sqr(&right, &p->x);
    fp_mul(&right, &right, &p->x);
    fp_add(&right, &right, &bn254_b);
    return fp_equal(&left, &right);
}

static bool g1_load(struct bn254_g1 *ret, const uint8_t in[64]) {
    fp_load(&ret->x, in);
    fp_load(&ret->y, in + 32);
    return g1_is_infinity(ret) || g1_on_curve(ret);
}

static void g1_store(uint8_t ret[64], const struct bn254_g1 *p) {
    fp_store(ret, &p->x);
    fp_store(ret + 32, &p->y);
}

// The sum with a known slope: x3 = m^2 - xa - xb, y3 = m (xa - x3) - ya.
static void g1_chord(struct bn254_g1 *ret, const struct bn254_fp *slope, const struct bn254_g1 *a,
                     const struct bn254_fp *xb) {
    struct bn254_fp x, y;
    fp_sqr(&x, slope);
    fp_sub(&x, &x, &a->x);
    fp_sub(&x, &x, xb);
    fp_sub(&y, &a->x, &x);
    fp_mul(&y, &y, slope);
    fp_sub(&ret->y, &y, &a->y);
    ret->x = x;
}

static void g1_add(struct bn254_g1 *ret, const struct bn254_g1 *a, const struct bn254_g1 *b) {
    if (g1_is_infinity(a) || g1_is_infinity(b)) {
        *ret = g1_is_infinity(a) ? *b : *a;
        return;
    }
    struct bn254_fp over, under;
    if (!fp_equal(&a->x, &b->x)) {
        fp_sub(&over, &b->y, &a->y);
        fp_sub(&under, &b->x, &a->x);
    } else if (fp_equal(&a->y, &b->y)) { // no point of this group has y = 0
        fp_sqr(&over, &a->x);
        fp_double(&under, &over);
        fp_add(&over, &over, &under);
        fp_double(&under, &a->y);
    } else {
        memset(ret, 0, sizeof *ret);
        return;
    }
    fp_inverse(&under, &under);
    fp_mul(&over, &over, &under);
    g1_chord(ret, &over, a, &b->x);
}

// With m = 3x^2/2: x3 = m^2 - 2xy^2, y3 = m (xy^2 - x3) - y^4, z3 = yz. Infinity stays infinity.
static void jacobian_double(struct jacobian *p) {
    struct bn254_fp m, s, d, minus_s, t;
    fp_sqr(&m, &p->x);
    fp_sqr(&s, &p->y);
    fp_double(&t, &m);
    fp_add(&m, &m, &t);
    fp_half(&m, &m);
    fp_mul(&p->z, &p->y, &p->z);
    fp_mul(&d, &p->x, &s);
    fp_sqr(&t, &m);
    fp_sub(&t, &t, &d);
    fp_sub(&p->x, &t, &d);
    fp_sub(&d, &d, &p->x);
    fp_neg_loose(&minus_s, &s);
    fp_mul_sum(&p->y, &m, &d, &s, &minus_s);
}

/* p += q (affine). ret_ratio, if not NULL, is z after / z before, for sums that are not special. */
static void jacobian_add(struct jacobian *p, const struct bn254_g1 *q, struct bn254_fp *ret_ratio) {
    if (fp_is_zero(&p->z)) {
        *p = (struct jacobian){q->x, q->y, bn254_one};
        return;
    }
    struct bn254_fp zz, h, r, hh, hhh, v;
    fp_sqr(&zz, &p->z);
    fp_mul(&h, &q->x, &zz);
    fp_sub(&h, &h, &p->x);
    fp_mul(&r, &q->y, &zz);
    fp_mul(&r, &r, &p->z);
    fp_sub(&r, &r, &p->y);
    if (fp_is_zero(&h)) {
        if (fp_is_zero(&r)) {
            jacobian_double(p);
        } else {
            memset(p, 0, sizeof *p);
        }
        return;
    }
    fp_sqr(&hh, &h);
    fp_mul(&hhh, &hh, &h);
    fp_mul(&v, &p->x, &hh);
    fp_mul(&p->z, &p->z, &h);
    fp_sqr(&p->x, &r);
    fp_sub(&p->x, &p->x, &hhh);
    fp_sub(&p->x, &p->x, &v);
    fp_sub(&p->x, &p->x, &v);
    fp_sub(&v, &v, &p->x);
    fp_neg_loose(&hhh, &hhh);
    fp_mul_sum(&p->y, &r, &v, &p->y, &hhh);
    if (ret_ratio) *ret_ratio = h;
}

static void jacobian_to_affine(struct bn254_g1 *ret, const struct jacobian *p) {
    if (fp_is_zero(&p->z)) {
        memset(ret, 0, sizeof *ret);
        return;
    }
    struct bn254_fp z, zz;
    fp_inverse(&z, &p->z);
    fp_sqr(&zz, &z);
    fp_mul(&ret->x, &p->x, &zz);
    fp_mul(&zz, &zz, &z);
    fp_mul(&ret->y, &p->y, &zz);
}

/* p, 3p, 5p .. 15p as affine points of an isomorphic curve, on which the point (x, y) stands for
 * (x/z^2, y/z^3) of ours with one common z; the formulas above do not use b, so they serve there
 * as well. Saves the inversions that eight affine points would need. p is not infinity. */
#define TABLE 8
static void odd_multiples(struct bn254_g1 table[TABLE], struct bn254_fp *ret_z,
                          const struct bn254_g1 *p) {
    struct jacobian twice = {p->x, p->y, bn254_one};
    jacobian_double(&twice);
    // On the curve where 2p is affine with z = 1, p is (x z^2, y z^3).
    struct bn254_g1 step = {twice.x, twice.y};
    struct bn254_fp zz, ratio[TABLE];
    struct jacobian at;
    fp_sqr(&zz, &twice.z);
    fp_mul(&at.x, &p->x, &zz);
    fp_mul(&zz, &zz, &twice.z);
    fp_mul(&at.y, &p->y, &zz);
    at.z = bn254_one;
    for (int i = 0; i < TABLE; i++) {
        if (i > 0) jacobian_add(&at, &step, &ratio[i]);
        table[i] = (struct bn254_g1){at.x, at.y};
    }
    // Bring all to the z of the last one.
    struct bn254_fp z = bn254_one;
    for (int i = TABLE - 2; i >= 0; i--) {
        fp_mul(&z, &z, &ratio[i + 1]);
        fp_sqr(&zz, &z);
        fp_mul(&table[i].x, &table[i].x, &zz);
        fp_mul(&zz, &zz, &z);
        fp_mul(&table[i].y, &table[i].y, &zz);
    }
    fp_mul(ret_z, &at.z, &twice.z);
}

#define DIGITS 132 /* more than the bits of a half scalar and a carry */

/* The width-5 non-adjacent form of a number below 2^130: odd digits in [-15, 15], at least four
 * zeros after each. Returns the count of digits. */
static int wnaf(int8_t ret[DIGITS], struct u256 k) {
    int n = 0;
    memset(ret, 0, DIGITS);
    for (int i = 0; !u256_is_zero(k); i++) {
        if (k.w[0] & 1) {
            int digit = (int)(k.w[0] & 31);
            if (digit > 16) digit -= 32;
            ret[i] = (int8_t)digit;
            n = i + 1;
            k = digit > 0 ? u256_sub(k, u256_from_u64((uint64_t)digit))
                          : u256_add(k, u256_from_u64((uint64_t)-digit));
        }
        k.w[0] = k.w[0] >> 1 | k.w[1] << 63;
        k.w[1] = k.w[1] >> 1 | k.w[2] << 63;
        k.w[2] = k.w[2] >> 1 | k.w[3] << 63;
        k.w[3] >>= 1;
    }
    return n;
}

// The upper half of a 512-bit product.
static struct u256 mul_high(const struct u256 *a, const struct u256 *b) {
    uint64_t t[8] = {0};
    for (int i = 0; i < 4; i++) {
        uint64_t carry = 0;
        for (int j = 0; j < 4; j++) {
            wide s = (wide)a->w[i] * b->w[j] + t[i + j] + carry;
            t[i + j] = (uint64_t)s;
            carry = (uint64_t)(s >> 64);
        }
        t[i + 4] = carry;
    }
    return (struct u256){{t[4], t[5], t[6], t[7]}};
}

// Makes a two's complement number positive; true when it was negative.
static bool absolute(struct u256 *k) {
    if (!(k->w[3] >> 63)) return false;
    *k = u256_sub(U256_ZERO, *k);
    return true;
}

/* k = k1 + k2 lambda modulo the order, both halves short; see bn254_constants.h. */
static void split_scalar(struct u256 half[2], bool negative[2], struct u256 k) {
    while (u256_compare(k, bn254_order) >= 0) { // at most five times
        k = u256_sub(k, bn254_order);
    }
    struct u256 q1 = mul_high(&k, &bn254_split_g1), q2 = mul_high(&k, &bn254_split_g2);
    half[0] = u256_sub(k, u256_add(u256_mul(q1, bn254_split_v11), u256_mul(q2, bn254_split_v21)));
    half[1] =
        u256_sub(U256_ZERO, u256_add(u256_mul(q1, bn254_split_v12), u256_mul(q2, bn254_split_v22)));
    negative[0] = absolute(&half[0]);
    negative[1] = absolute(&half[1]);
}

// at += digit * (the table's base), its sign turned by `negative`.
static void add_digit(struct jacobian *at, const struct bn254_g1 table[TABLE], int digit,
                      bool negative) {
    if (digit == 0) return;
    struct bn254_g1 p = table[(digit < 0 ? -digit : digit) / 2];
    if ((digit < 0) != negative) fp_neg(&p.y, &p.y);
    jacobian_add(at, &p, NULL);
}

static void g1_mul(struct bn254_g1 *ret, const struct bn254_g1 *p, const uint8_t scalar[32]) {
    if (g1_is_infinity(p)) {
        *ret = *p;
        return;
    }
    struct u256 half[2];
    bool negative[2];
    int8_t digits[2][DIGITS];
    split_scalar(half, negative, u256_load_be(scalar));
    int n0 = wnaf(digits[0], half[0]), n1 = wnaf(digits[1], half[1]);

    struct bn254_g1 table[TABLE], turned[TABLE];
    struct bn254_fp z;
    odd_multiples(table, &z, p);
    for (int i = 0; i < TABLE; i++) {
        turned[i].y = table[i].y;
        fp_mul(&turned[i].x, &table[i].x, &bn254_beta);
    }
    struct jacobian at = {0};
    for (int i = (n0 > n1 ? n0 : n1) - 1; i >= 0; i--) {
        jacobian_double(&at);
        add_digit(&at, table, digits[0][i], negative[0]);
        add_digit(&at, turned, digits[1][i], negative[1]);
    }
    fp_mul(&at.z, &at.z, &z);
    jacobian_to_affine(ret, &at);
}

static inline bool g2_is_infinity(const struct bn254_g2 *q) {
    return fp2_is_zero(&q->x) && fp2_is_zero(&q->y);
}

static bool g2_on_curve(const struct bn254_g2 *q) {
    fp2 left, right;
    fp2_sqr(&left, &q->y);
    fp2_sqr(&right, &q->x);
    fp2_mul(&right, &right, &q->x);
    fp2_add(&right, &right, &bn254_twist_b);
    return fp2_equal(&left, &right);
}

// The Frobenius map carried over to the twist: (x, y) -> (x^p xi^((p-1)/3), y^p xi^((p-1)/2)).
static void g2_frobenius(struct bn254_g2 *ret, const struct bn254_g2 *q) {
    fp2_conjugate(&ret->x, &q->x);
    fp2_mul(&ret->x, &ret->x, &bn254_gamma[2]);
    fp2_conjugate(&ret->y, &q->y);
    fp2_mul(&ret->y, &ret->y, &bn254_gamma[3]);
}

/* G2 in homogeneous coordinates: (x/z, y/z); infinity has z = 0. */
struct projective {
    fp2 x, y, z;
};

/* A line through points of the twist, to be taken at a point of G1: c0 yP + c3 xP w + c4 w^3. */
struct line {
    fp2 c0, c3, c4;
};

/* t = 2t and the tangent. Costello, Lange, Naehrig, "Faster pairing computations on curves with
 * high-degree twists" (2010). */
static void g2_double(struct projective *t, struct line *ret) {
    fp2 a, b, c, e, f, g, h, j;
    fp2_mul(&a, &t->x, &t->y);
    fp2_mul_fp(&a, &a, &bn254_half);
    fp2_sqr(&b, &t->y);
    fp2_sqr(&c, &t->z);
    fp2_mul(&e, &c, &bn254_twist_3b);
    fp2_double(&f, &e);
    fp2_add(&f, &f, &e);
    fp2_add(&h, &t->y, &t->z);
    fp2_sqr(&h, &h);
    fp2_sub(&h, &h, &b);
    fp2_sub(&h, &h, &c); // h = 2 y z
    fp2_sqr(&j, &t->x);
    fp2_neg(&ret->c0, &h);
    fp2_double(&ret->c3, &j);
    fp2_add(&ret->c3, &ret->c3, &j);
    fp2_sub(&ret->c4, &e, &b);
    fp2_add(&g, &b, &f);
    fp2_mul_fp(&g, &g, &bn254_half);
    fp2_sub(&f, &b, &f);
    fp2_mul(&t->x, &a, &f);
    fp2_sqr(&g, &g);
    fp2_sqr(&e, &e);
    fp2_sub(&g, &g, &e);
    fp2_double(&e, &e);
    fp2_sub(&t->y, &g, &e);
    fp2_mul(&t->z, &b, &h);
}

// t = t + q and the chord; t is neither q, -q nor infinity.
static void g2_add(struct projective *t, struct line *ret, const struct bn254_g2 *q) {
    fp2 theta, lambda, c, d, e, f, g, h, x;
    fp2_mul(&theta, &q->y, &t->z);
    fp2_sub(&theta, &t->y, &theta);
    fp2_mul(&lambda, &q->x, &t->z);
    fp2_sub(&lambda, &t->x, &lambda);
    fp2_sqr(&c, &theta);
    fp2_sqr(&d, &lambda);
    fp2_mul(&e, &lambda, &d);
    fp2_mul(&f, &t->z, &c);
    fp2_mul(&g, &t->x, &d);
    fp2_add(&h, &e, &f);
    fp2_sub(&h, &h, &g);
    fp2_sub(&h, &h, &g);
    fp2_mul(&t->x, &lambda, &h);
    fp2_sub(&g, &g, &h);
    fp2_mul(&g, &g, &theta);
    fp2_mul(&x, &e, &t->y);
    fp2_sub(&t->y, &g, &x);
    fp2_mul(&t->z, &t->z, &e);
    ret->c0 = lambda;
    fp2_neg(&ret->c3, &theta);
    fp2_mul(&ret->c4, &theta, &q->x);
    fp2_mul(&x, &lambda, &q->y);
    fp2_sub(&ret->c4, &ret->c4, &x);
}

/* Complete addition for the subgroup check, where any case can come up. */
static void g2_add_any(struct projective *t, const struct bn254_g2 *q) {
    struct line unused;
    if (fp2_is_zero(&t->z)) {
        *t = (struct projective){q->x, q->y, {bn254_one, {{0}}}};
        return;
    }
    fp2 x, y;
    fp2_mul(&x, &q->x, &t->z);
    fp2_mul(&y, &q->y, &t->z);
    if (!fp2_equal(&x, &t->x)) {
        g2_add(t, &unused, q);
    } else if (fp2_equal(&y, &t->y)) {
        g2_double(t, &unused);
    } else {
        memset(t, 0, sizeof *t);
        t->y.c0 = bn254_one;
    }
}

static bool projective_to_affine(struct bn254_g2 *ret, const struct projective *t) {
    if (fp2_is_zero(&t->z)) return false;
    fp2 z;
    fp2_inverse(&z, &t->z);
    fp2_mul(&ret->x, &t->x, &z);
    fp2_mul(&ret->y, &t->y, &z);
    return true;
}

/* Whether a point of the twist is in the subgroup of order r: psi(q) = 6u^2 q, where psi is
 * g2_frobenius. psi solves X^2 - tX + p = 0 on the whole group, and the resultant of that with
 * X - 6u^2 has no factor but r in common with the group's order r (2p - r); so only the subgroup
 * passes. 6u^2 q is computed as u (u (6 q)). */
static bool g2_in_subgroup(const struct bn254_g2 *q) {
    struct bn254_g2 base, image;
    struct projective t = {q->x, q->y, {bn254_one, {{0}}}};
    struct line unused;
    g2_double(&t, &unused); // 6q = 2 (2q + q)
    g2_add_any(&t, q);
    g2_double(&t, &unused);
    for (int turn = 0; turn < 2; turn++) {
        struct bn254_g2 minus;
        if (!projective_to_affine(&base, &t)) return false;
        minus = base;
        fp2_neg(&minus.y, &minus.y);
        for (size_t i = 0; i < sizeof bn254_u_digits; i++) {
            g2_double(&t, &unused);
            if (bn254_u_digits[i] != 0) g2_add_any(&t, bn254_u_digits[i] > 0 ? &base : &minus);
        }
    }
    g2_frobenius(&image, q);
    fp2 x, y;
    fp2_mul(&x, &image.x, &t.z);
    fp2_mul(&y, &image.y, &t.z);
    return !fp2_is_zero(&t.z) && fp2_equal(&x, &t.x) && fp2_equal(&y, &t.y);
}

static bool g2_load(struct bn254_g2 *ret, const uint8_t in[128], bool *ret_on_curve) {
    fp_load(&ret->x.c1, in);
    fp_load(&ret->x.c0, in + 32);
    fp_load(&ret->y.c1, in + 64);
    fp_load(&ret->y.c0, in + 96);
    *ret_on_curve = true;
    if (g2_is_infinity(ret)) return true;
    *ret_on_curve = g2_on_curve(ret);
    return *ret_on_curve && g2_in_subgroup(ret);
}

static void g2_store(uint8_t ret[128], const struct bn254_g2 *q) {
    fp_store(ret, &q->x.c1);
    fp_store(ret + 32, &q->x.c0);
    fp_store(ret + 64, &q->y.c1);
    fp_store(ret + 96, &q->y.c0);
}

/* One pair on its way through the loop. */
struct pair {
    struct projective t;
    struct bn254_g2 q, minus_q;
    struct bn254_g1 p;
};

static void multiply_line(struct fp12 *f, struct line *l, const struct bn254_g1 *p) {
    fp2_mul_fp(&l->c0, &l->c0, &p->y);
    fp2_mul_fp(&l->c3, &l->c3, &p->x);
    fp12_mul_line(f, f, &l->c0, &l->c3, &l->c4);
}

/* f *= the Miller functions of the pairs, which share the squarings. Optimal ate (Vercauteren,
 * "Optimal pairings", 2010): the loop over 6u+2, then two lines through the images of q. */
static void miller_loop(struct fp12 *f, struct pair *pairs, size_t count) {
    struct line l;
    memset(f, 0, sizeof *f);
    f->c0.c0.c0 = bn254_one;
    for (size_t i = 0; i < sizeof bn254_loop; i++) {
        if (i > 0) fp12_sqr(f, f);
        for (size_t j = 0; j < count; j++) {
            struct pair *a = &pairs[j];
            g2_double(&a->t, &l);
            multiply_line(f, &l, &a->p);
            if (bn254_loop[i] == 0) continue;
            g2_add(&a->t, &l, bn254_loop[i] > 0 ? &a->q : &a->minus_q);
            multiply_line(f, &l, &a->p);
        }
    }
    for (size_t j = 0; j < count; j++) {
        struct pair *a = &pairs[j];
        struct bn254_g2 image;
        g2_frobenius(&image, &a->q);
        g2_add(&a->t, &l, &image);
        multiply_line(f, &l, &a->p);
        g2_frobenius(&image, &image);
        fp2_neg(&image.y, &image.y);
        g2_add(&a->t, &l, &image);
        multiply_line(f, &l, &a->p);
    }
}

// a^-u of an element of the cyclotomic subgroup.
static void power_minus_u(struct fp12 *ret, const struct fp12 *a) {
    struct fp12 base = *a, inverse, r = *a;
    fp12_conjugate(&inverse, a);
    for (size_t i = 0; i < sizeof bn254_u_digits; i++) {
        fp12_sqr_cyclotomic(&r, &r);
        if (bn254_u_digits[i] != 0) fp12_mul(&r, &r, bn254_u_digits[i] > 0 ? &base : &inverse);
    }
    fp12_conjugate(ret, &r);
}

/* f^((p^12-1)/r * 2u(6u^2+3u+1)): the extra factor is prime to r and saves work. The hard part is
 * Fuentes-Castaneda, Knapp, Rodriguez-Henriquez, "Faster hashing to G2" (2011), section 5. */
static void final_exponentiation(struct fp12 *ret, const struct fp12 *f) {
    struct fp12 a, b, c, d, e, x;
    fp12_inverse(&x, f); // easy part: f^((p^6-1)(p^2+1))
    fp12_conjugate(&a, f);
    fp12_mul(&a, &a, &x);
    fp12_frobenius(&x, &a);
    fp12_frobenius(&x, &x);
    fp12_mul(&a, &a, &x);

    power_minus_u(&b, &a);
    fp12_sqr_cyclotomic(&b, &b); // b = a^-2u
    fp12_sqr_cyclotomic(&c, &b);
    fp12_mul(&c, &c, &b);  // c = a^-6u
    power_minus_u(&d, &c); // d = a^6u^2
    fp12_sqr_cyclotomic(&e, &d);
    power_minus_u(&e, &e); // e = a^-12u^3
    fp12_conjugate(&c, &c);
    fp12_conjugate(&e, &e);
    fp12_mul(&e, &e, &d);
    fp12_mul(&e, &e, &c); // e = a^(12u^3+6u^2+6u)
    fp12_mul(&b, &e, &b); // b = a^(12u^3+6u^2+4u)
    fp12_mul(&d, &e, &d);
    fp12_mul(&d, &d, &a); // d = a^(12u^3+12u^2+6u+1)
    fp12_frobenius(&x, &b);
    fp12_mul(&d, &d, &x);
    fp12_frobenius(&e, &e);
    fp12_frobenius(&e, &e);
    fp12_mul(&d, &d, &e);
    fp12_conjugate(&a, &a);
    fp12_mul(&b, &b, &a);
    fp12_frobenius(&b, &b);
    fp12_frobenius(&b, &b);
    fp12_frobenius(&b, &b);
    fp12_mul(ret, &d, &b);
}

#define PAIRS_AT_ONCE 8

// The unreduced product of all pairs, in groups that share squarings.
static void miller_product(struct fp12 *ret, const struct bn254_g1 *p, const struct bn254_g2 *q,
                           size_t count, const atomic_bool *stop) {
    struct pair pairs[PAIRS_AT_ONCE];
    size_t n = 0;
    bool empty = true;
    for (size_t i = 0; i < count; i++) {
        if (!g1_is_infinity(&p[i]) && !g2_is_infinity(&q[i])) {
            struct pair *a = &pairs[n++];
            a->p = p[i];
            a->q = q[i];
            a->minus_q = q[i];
            fp2_neg(&a->minus_q.y, &a->minus_q.y);
            a->t = (struct projective){q[i].x, q[i].y, {bn254_one, {{0}}}};
        }
        if (n == PAIRS_AT_ONCE || (i + 1 == count && n > 0)) {
            struct fp12 f;
            if (stop_asked(stop)) break;
            miller_loop(&f, pairs, n);
            if (empty) {
                *ret = f;
            } else {
                fp12_mul(ret, ret, &f);
            }
            empty = false;
            n = 0;
        }
    }
    if (empty) {
        memset(ret, 0, sizeof *ret);
        ret->c0.c0.c0 = bn254_one;
    }
}

static bool pairing_check(const struct bn254_g1 *p, const struct bn254_g2 *q, size_t count,
                          const atomic_bool *stop) {
    struct fp12 f;
    miller_product(&f, p, q, count, stop);
    if (stop_asked(stop)) return false;
    final_exponentiation(&f, &f);
    return fp12_is_one(&f);
}

static void pairing(uint8_t ret[12][32], const struct bn254_g1 *p, const struct bn254_g2 *q) {
    struct fp12 f;
    miller_product(&f, p, q, 1, NULL);
    final_exponentiation(&f, &f);
    const fp2 *c[6] = {&f.c0.c0, &f.c1.c0, &f.c0.c1, &f.c1.c1, &f.c0.c2, &f.c1.c2};
    for (int k = 0; k < 6; k++) {
        fp_store(ret[2 * k], &c[k]->c0);
        fp_store(ret[2 * k + 1], &c[k]->c1);
    }
}

static void field_work(struct bn254_fp x[8], size_t products, size_t sums) {
    for (size_t i = 0; i < products; i++) {
        fp_mul(&x[i % 8], &x[i % 8], &bn254_r2);
    }
    for (size_t i = 0; i < sums; i++) {
        fp_mul_sum(&x[i % 8], &x[i % 8], &bn254_r2, &x[i % 8], &bn254_r3);
    }
}

#if defined(BN254_ADX)
const struct bn254_core bn254_core_adx = {
#else
const struct bn254_core bn254_core_plain = {
#endif
    g1_load, g2_load, g1_store, g2_store, g1_add, g1_mul, pairing_check, pairing, field_work,
};
