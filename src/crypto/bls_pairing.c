/* SPDX-License-Identifier: MIT */
#include "crypto/bls_pairing.h"

#include "crypto/bls_cyclotomic.h"
#include "crypto/bls_pairing_ifma.h"

/* The line through points of the twist, carried to E, times w^3 and a factor of Fp2 (which the
 * final exponentiation takes to 1): l = yP w^3 - slope xP w^2 + (slope xT - yT). */

struct line {
    struct bls_fp2 l0, l1, l4; /* l1 and l4 still without xP and yP */
};

/* t (homogeneous: x = X/Z, y = Y/Z) becomes 2t; line: the tangent in t, times 2 Y Z.
 * Costello, Lange, Naehrig, eprint 2009/615, for curves y^2 = x^3 + b. */
static void double_step(struct line *line, struct bls_g2 *t) {
    struct bls_fp2 a, b, c, e, f, g, h, xx;
    bls_fp2_mul(&a, &t->x, &t->y);
    bls_fp2_half(&a, &a);
    bls_fp2_sqr(&b, &t->y);
    bls_fp2_sqr(&c, &t->z);
    bls_fp2_sqr(&xx, &t->x);
    bls_fp2_mul_xi(&e, &c); // 3 b' Z^2 = 12 xi Z^2
    bls_fp2_double(&f, &e);
    bls_fp2_add(&e, &f, &e);
    bls_fp2_double(&e, &e);
    bls_fp2_double(&e, &e);
    bls_fp2_double(&f, &e);
    bls_fp2_add(&f, &f, &e);
    bls_fp2_add(&h, &t->y, &t->z);
    bls_fp2_sqr(&h, &h);
    bls_fp2_sub(&h, &h, &b);
    bls_fp2_sub(&h, &h, &c); // 2 Y Z
    bls_fp2_sub(&g, &b, &f);
    bls_fp2_mul(&t->x, &a, &g);
    bls_fp2_mul(&t->z, &b, &h);
    bls_fp2_add(&g, &b, &f);
    bls_fp2_half(&g, &g);
    bls_fp2_sqr(&g, &g);
    bls_fp2_sqr(&f, &e);
    bls_fp2_sub(&g, &g, &f);
    bls_fp2_double(&f, &f);
    bls_fp2_sub(&t->y, &g, &f);
    bls_fp2_sub(&line->l0, &b, &e);
    bls_fp2_double(&line->l1, &xx);
    bls_fp2_add(&line->l1, &line->l1, &xx);
    bls_fp2_neg(&line->l1, &line->l1);
    line->l4 = h;
}

/* t becomes t + q; line: through both, times X - xq Z. */
static void add_step(struct line *line, struct bls_g2 *t, const struct bls_g2_affine *q) {
    struct bls_fp2 theta, lambda, c, d, e, f, g, h;
    bls_fp2_mul(&theta, &q->y, &t->z);
    bls_fp2_sub(&theta, &t->y, &theta);
    bls_fp2_mul(&lambda, &q->x, &t->z);
    bls_fp2_sub(&lambda, &t->x, &lambda);
    bls_fp2_sqr(&c, &theta);
    bls_fp2_sqr(&d, &lambda);
    bls_fp2_mul(&e, &lambda, &d);
    bls_fp2_mul(&f, &t->z, &c);
    bls_fp2_mul(&g, &t->x, &d);
    bls_fp2_add(&h, &e, &f);
    bls_fp2_sub(&h, &h, &g);
    bls_fp2_sub(&h, &h, &g);
    bls_fp2_mul(&t->x, &lambda, &h);
    bls_fp2_sub(&g, &g, &h);
    bls_fp2_mul(&g, &g, &theta);
    bls_fp2_mul(&f, &e, &t->y);
    bls_fp2_sub(&t->y, &g, &f);
    bls_fp2_mul(&t->z, &t->z, &e);
    bls_fp2_mul(&line->l0, &theta, &q->x);
    bls_fp2_mul(&f, &lambda, &q->y);
    bls_fp2_sub(&line->l0, &line->l0, &f);
    bls_fp2_neg(&line->l1, &theta);
    line->l4 = lambda;
}

static void multiply_line(struct bls_fp12 *f, struct line *line, const struct bls_g1_affine *p) {
    bls_fp2_mul_fp(&line->l1, &line->l1, &p->x);
    bls_fp2_mul_fp(&line->l4, &line->l4, &p->y);
    bls_fp12_mul_line(f, &line->l0, &line->l1, &line->l4);
}

static void miller_group(struct bls_fp12 *ret, const struct bls_g1_affine *p,
                         const struct bls_g2_affine *q, size_t n) {
#if BLS_HAVE_X86
    if (bls_use_ifma) {
        bls_miller_loop_ifma(ret, p, q, n);
        return;
    }
#endif
    struct bls_g2 t[BLS_PAIRS_AT_ONCE];
    struct line line;
    struct bls_fp12 f = bls_fp12_one;
    for (size_t j = 0; j < n; j++)
        t[j] = (struct bls_g2){q[j].x, q[j].y, bls_fp2_one};
    for (int i = 62; i >= 0; i--) {
        if (i != 62) bls_fp12_sqr(&f, &f);
        for (size_t j = 0; j < n; j++) {
            double_step(&line, &t[j]);
            multiply_line(&f, &line, &p[j]);
        }
        if (!(BLS_X_ABS >> i & 1)) continue;
        for (size_t j = 0; j < n; j++) {
            add_step(&line, &t[j], &q[j]);
            multiply_line(&f, &line, &p[j]);
        }
    }
    bls_fp12_conjugate(ret, &f); // x is negative
}

void bls_miller_loop(struct bls_fp12 *ret, const struct bls_g1_affine *p,
                     const struct bls_g2_affine *q, size_t n) {
    struct bls_g1_affine gp[BLS_PAIRS_AT_ONCE];
    struct bls_g2_affine gq[BLS_PAIRS_AT_ONCE];
    struct bls_fp12 f = bls_fp12_one, part;
    size_t held = 0;
    for (size_t i = 0; i < n; i++) {
        if (!p[i].infinity && !q[i].infinity) {
            gp[held] = p[i];
            gq[held++] = q[i];
        }
        if (held == BLS_PAIRS_AT_ONCE || (i + 1 == n && held)) {
            miller_group(&part, gp, gq, held);
            bls_fp12_mul(&f, &f, &part);
            held = 0;
        }
    }
    *ret = f;
}

/* Walks t over the loop's points, writing slope and constant of each line divided by l4. */
void bls_lines_make(struct bls_lines *ret, const struct bls_g2_affine *q) {
    struct line lines[BLS_LINES];
    struct bls_fp2 before[BLS_LINES], product = bls_fp2_one, inverse;
    *ret = (struct bls_lines){.infinity = q->infinity};
    if (q->infinity) return;
    struct bls_g2 t = {q->x, q->y, bls_fp2_one};
    size_t at = 0;
    for (int i = 62; i >= 0; i--) {
        double_step(&lines[at++], &t);
        if (BLS_X_ABS >> i & 1) add_step(&lines[at++], &t, q);
    }
    for (size_t i = 0; i < BLS_LINES; i++) {
        before[i] = product;
        bls_fp2_mul(&product, &product, &lines[i].l4);
    }
    bls_fp2_inv(&product, &product);
    for (size_t i = BLS_LINES; i-- > 0;) {
        bls_fp2_mul(&inverse, &product, &before[i]);
        bls_fp2_mul(&product, &product, &lines[i].l4);
        bls_fp2_mul(&ret->line[i].slope, &lines[i].l1, &inverse);
        bls_fp2_mul(&ret->line[i].constant, &lines[i].l0, &inverse);
    }
}

/* x/y and 1/y of n points with one inversion; y is never 0, for the group has odd order. */
static void divide_by_y(struct bls_fp *x_over_y, struct bls_fp *y_inverse,
                        const struct bls_g1_affine *const *p, size_t n) {
    struct bls_fp product = bls_fp_one;
    for (size_t i = 0; i < n; i++) {
        y_inverse[i] = product;
        bls_fp_mul(&product, &product, &p[i]->y);
    }
    bls_fp_inv(&product, &product);
    for (size_t i = n; i-- > 0;) {
        bls_fp_mul(&y_inverse[i], &y_inverse[i], &product);
        bls_fp_mul(&product, &product, &p[i]->y);
        bls_fp_mul(&x_over_y[i], &p[i]->x, &y_inverse[i]);
    }
}

void bls_miller_loop_lines(struct bls_fp12 *ret, const struct bls_g1_affine *p,
                           const struct bls_lines *const *q, size_t n) {
    struct bls_fp x_over_y[BLS_PAIRS_AT_ONCE], y_inverse[BLS_PAIRS_AT_ONCE];
    const struct bls_g1_affine *points[BLS_PAIRS_AT_ONCE];
    const struct bls_lines *lines[BLS_PAIRS_AT_ONCE];
    struct bls_fp12 f = bls_fp12_one;
    struct bls_fp2 l0, l1;
    size_t held = 0, at = 0;
    for (size_t j = 0; j < n; j++) {
        if (p[j].infinity || q[j]->infinity) continue;
        points[held] = &p[j];
        lines[held++] = q[j];
    }
    divide_by_y(x_over_y, y_inverse, points, held);
#if BLS_HAVE_X86
    if (bls_use_ifma) {
        bls_miller_loop_lines_ifma(ret, x_over_y, y_inverse, lines, held);
        return;
    }
#endif
    for (int i = 62; i >= 0 && held; i--) {
        if (i != 62) bls_fp12_sqr(&f, &f);
        for (int add = 0; add <= (int)(BLS_X_ABS >> i & 1); add++, at++) {
            for (size_t j = 0; j < held; j++) {
                bls_fp2_mul_fp(&l1, &lines[j]->line[at].slope, &x_over_y[j]);
                bls_fp2_mul_fp(&l0, &lines[j]->line[at].constant, &y_inverse[j]);
                bls_fp12_mul_line_monic(&f, &l0, &l1);
            }
        }
    }
    bls_fp12_conjugate(ret, &f);
}

/* First to (p^6 - 1)(p^2 + 1), then to (x-1)^2 (x+p) (x^2+p^2-1) + 3, which is three times
 * (p^4 - p^2 + 1) / r (Hayashida, Hayasaka, Teruya, eprint 2020/875). */
void bls_final_exponentiation(struct bls_fp12 *ret, const struct bls_fp12 *f) {
    struct bls_fp12 m, t, s, a;
    bls_fp12_inv(&t, f);
    bls_fp12_conjugate(&m, f);
    bls_fp12_mul(&m, &m, &t);
    bls_fp12_frobenius_squared(&t, &m);
    bls_fp12_mul(&m, &m, &t);

    bls_fp12_pow_x(&t, &m);
    bls_fp12_conjugate(&s, &m);
    bls_fp12_mul(&t, &t, &s); // m^(x-1)
    bls_fp12_pow_x(&a, &t);
    bls_fp12_conjugate(&s, &t);
    bls_fp12_mul(&a, &a, &s); // m^((x-1)^2)
    bls_fp12_pow_x(&t, &a);
    bls_fp12_frobenius(&s, &a);
    bls_fp12_mul(&a, &t, &s); // ^(x+p)
    bls_fp12_pow_x(&t, &a);
    bls_fp12_pow_x(&t, &t);
    bls_fp12_frobenius_squared(&s, &a);
    bls_fp12_mul(&t, &t, &s);
    bls_fp12_conjugate(&s, &a);
    bls_fp12_mul(&t, &t, &s); // ^(x^2+p^2-1)
    bls_fp12_sqr_cyclotomic(&s, &m);
    bls_fp12_mul(&s, &s, &m);
    bls_fp12_mul(ret, &t, &s);
}

bool bls_pairing_is_one(const struct bls_g1_affine *p, const struct bls_g2_affine *q, size_t n) {
    struct bls_fp12 f;
    bls_miller_loop(&f, p, q, n);
    bls_final_exponentiation(&f, &f);
    return bls_fp12_is_one(&f);
}
