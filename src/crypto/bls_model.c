/* SPDX-License-Identifier: MIT */
#include "crypto/bls_model.h"

mpz_t bls_model_p, bls_model_r;
static mpz_t final_power;
static struct bls_model12 w2_inverse, w3_inverse;

void bls_model12_init(struct bls_model12 *a) {
    for (int i = 0; i < 12; i++)
        mpz_init(a->c[i]);
}

void bls_model12_clear(struct bls_model12 *a) {
    for (int i = 0; i < 12; i++)
        mpz_clear(a->c[i]);
}

static void set(struct bls_model12 *ret, const struct bls_model12 *a) {
    for (int i = 0; i < 12; i++)
        mpz_set(ret->c[i], a->c[i]);
}

static void set_small(struct bls_model12 *ret, unsigned long v) {
    for (int i = 0; i < 12; i++)
        mpz_set_ui(ret->c[i], i == 0 ? v : 0);
}

static bool is_zero(const struct bls_model12 *a) {
    for (int i = 0; i < 12; i++) {
        if (mpz_sgn(a->c[i])) return false;
    }
    return true;
}

void bls_model_start(void) {
    if (mpz_sgn(bls_model_p)) return;
    mpz_init_set_str(bls_model_p,
                     "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153f"
                     "fffb9feffffffffaaab",
                     16);
    mpz_init_set_str(bls_model_r,
                     "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001", 16);
    mpz_init(final_power);
    mpz_pow_ui(final_power, bls_model_p, 12);
    mpz_sub_ui(final_power, final_power, 1);
    mpz_divexact(final_power, final_power, bls_model_r);
    bls_model12_init(&w2_inverse);
    bls_model12_init(&w3_inverse);
    mpz_set_ui(w2_inverse.c[2], 1);
    mpz_set_ui(w3_inverse.c[3], 1);
    bls_model12_inv(&w2_inverse, &w2_inverse);
    bls_model12_inv(&w3_inverse, &w3_inverse);
}

void bls_model12_add(struct bls_model12 *ret, const struct bls_model12 *a,
                     const struct bls_model12 *b) {
    for (int i = 0; i < 12; i++) {
        mpz_add(ret->c[i], a->c[i], b->c[i]);
        mpz_mod(ret->c[i], ret->c[i], bls_model_p);
    }
}

void bls_model12_sub(struct bls_model12 *ret, const struct bls_model12 *a,
                     const struct bls_model12 *b) {
    for (int i = 0; i < 12; i++) {
        mpz_sub(ret->c[i], a->c[i], b->c[i]);
        mpz_mod(ret->c[i], ret->c[i], bls_model_p);
    }
}

void bls_model12_mul(struct bls_model12 *ret, const struct bls_model12 *a,
                     const struct bls_model12 *b) {
    mpz_t t[23];
    for (int i = 0; i < 23; i++)
        mpz_init(t[i]);
    for (int i = 0; i < 12; i++) {
        for (int j = 0; j < 12; j++)
            mpz_addmul(t[i + j], a->c[i], b->c[j]);
    }
    for (int i = 22; i >= 12; i--) { // w^12 = 2 w^6 - 2
        mpz_addmul_ui(t[i - 6], t[i], 2);
        mpz_submul_ui(t[i - 12], t[i], 2);
    }
    for (int i = 0; i < 12; i++)
        mpz_mod(ret->c[i], t[i], bls_model_p);
    for (int i = 0; i < 23; i++)
        mpz_clear(t[i]);
}

/* Solves a x = 1 as twelve linear equations, by elimination. */
void bls_model12_inv(struct bls_model12 *ret, const struct bls_model12 *a) {
    mpz_t m[12][13], f;
    struct bls_model12 column, w;
    bls_model12_init(&column);
    bls_model12_init(&w);
    mpz_init(f);
    set(&column, a);
    mpz_set_ui(w.c[1], 1);
    for (int j = 0; j < 12; j++) { // column j: a w^j
        for (int i = 0; i < 12; i++)
            mpz_init_set(m[i][j], column.c[i]);
        bls_model12_mul(&column, &column, &w);
    }
    for (int i = 0; i < 12; i++)
        mpz_init_set_ui(m[i][12], i == 0);
    for (int j = 0; j < 12; j++) {
        int pivot = j;
        while (pivot < 11 && mpz_sgn(m[pivot][j]) == 0)
            pivot++;
        for (int k = 0; k < 13; k++)
            mpz_swap(m[j][k], m[pivot][k]);
        mpz_invert(f, m[j][j], bls_model_p);
        for (int k = 0; k < 13; k++) {
            mpz_mul(m[j][k], m[j][k], f);
            mpz_mod(m[j][k], m[j][k], bls_model_p);
        }
        for (int i = 0; i < 12; i++) {
            if (i == j) continue;
            mpz_set(f, m[i][j]);
            for (int k = 0; k < 13; k++) {
                mpz_submul(m[i][k], f, m[j][k]);
                mpz_mod(m[i][k], m[i][k], bls_model_p);
            }
        }
    }
    for (int i = 0; i < 12; i++)
        mpz_set(ret->c[i], m[i][12]);
    for (int i = 0; i < 12; i++) {
        for (int k = 0; k < 13; k++)
            mpz_clear(m[i][k]);
    }
    mpz_clear(f);
    bls_model12_clear(&column);
    bls_model12_clear(&w);
}

void bls_model12_pow(struct bls_model12 *ret, const struct bls_model12 *a, const mpz_t e) {
    struct bls_model12 r, base;
    bls_model12_init(&r);
    bls_model12_init(&base);
    set_small(&r, 1);
    set(&base, a);
    for (size_t i = mpz_sizeinbase(e, 2); i-- > 0;) {
        bls_model12_mul(&r, &r, &r);
        if (mpz_tstbit(e, i)) bls_model12_mul(&r, &r, &base);
    }
    set(ret, &r);
    bls_model12_clear(&r);
    bls_model12_clear(&base);
}

bool bls_model12_equal(const struct bls_model12 *a, const struct bls_model12 *b) {
    for (int i = 0; i < 12; i++) {
        if (mpz_cmp(a->c[i], b->c[i])) return false;
    }
    return true;
}

void bls_model_from_fp(mpz_t ret, const struct bls_fp *a) {
    uint8_t bytes[48];
    bls_fp_store_be(bytes, a);
    mpz_import(ret, 48, 1, 1, 1, 0, bytes);
}

/* Adds (c0 + c1 u) w^k, u = w^6 - 1. */
static void add_fp2(struct bls_model12 *ret, const struct bls_fp2 *a, int k) {
    mpz_t t;
    mpz_init(t);
    bls_model_from_fp(t, &a->c0);
    mpz_add(ret->c[k], ret->c[k], t);
    bls_model_from_fp(t, &a->c1);
    mpz_sub(ret->c[k], ret->c[k], t);
    mpz_add(ret->c[k + 6], ret->c[k + 6], t);
    mpz_mod(ret->c[k], ret->c[k], bls_model_p);
    mpz_mod(ret->c[k + 6], ret->c[k + 6], bls_model_p);
    mpz_clear(t);
}

void bls_model12_from_fp2(struct bls_model12 *ret, const struct bls_fp2 *a) {
    set_small(ret, 0);
    add_fp2(ret, a, 0);
}

void bls_model12_from_fp12(struct bls_model12 *ret, const struct bls_fp12 *a) {
    set_small(ret, 0);
    add_fp2(ret, &a->c0.c0, 0);
    add_fp2(ret, &a->c1.c0, 1);
    add_fp2(ret, &a->c0.c1, 2);
    add_fp2(ret, &a->c1.c1, 3);
    add_fp2(ret, &a->c0.c2, 4);
    add_fp2(ret, &a->c1.c2, 5);
}

void bls_model_point_init(struct bls_model_point *a) {
    bls_model12_init(&a->x);
    bls_model12_init(&a->y);
    a->infinity = true;
}

void bls_model_point_clear(struct bls_model_point *a) {
    bls_model12_clear(&a->x);
    bls_model12_clear(&a->y);
}

void bls_model_point_from_g1(struct bls_model_point *ret, const struct bls_g1_affine *a) {
    set_small(&ret->x, 0);
    set_small(&ret->y, 0);
    ret->infinity = a->infinity;
    if (a->infinity) return;
    bls_model_from_fp(ret->x.c[0], &a->x);
    bls_model_from_fp(ret->y.c[0], &a->y);
}

void bls_model_point_from_g2(struct bls_model_point *ret, const struct bls_g2_affine *a) {
    set_small(&ret->x, 0);
    set_small(&ret->y, 0);
    ret->infinity = a->infinity;
    if (a->infinity) return;
    bls_model12_from_fp2(&ret->x, &a->x);
    bls_model12_mul(&ret->x, &ret->x, &w2_inverse);
    bls_model12_from_fp2(&ret->y, &a->y);
    bls_model12_mul(&ret->y, &ret->y, &w3_inverse);
}

/* The slope of the line through a and b (their tangent when equal); false when it is vertical. */
static bool slope(struct bls_model12 *ret, const struct bls_model_point *a,
                  const struct bls_model_point *b) {
    struct bls_model12 n, d;
    bool ok = true;
    bls_model12_init(&n);
    bls_model12_init(&d);
    if (bls_model12_equal(&a->x, &b->x)) {
        bls_model12_add(&d, &a->y, &b->y);
        ok = !is_zero(&d);
        bls_model12_mul(&n, &a->x, &a->x);
        for (int i = 0; i < 12; i++)
            mpz_mul_ui(n.c[i], n.c[i], 3);
    } else {
        bls_model12_sub(&n, &a->y, &b->y);
        bls_model12_sub(&d, &a->x, &b->x);
    }
    if (ok) {
        bls_model12_inv(&d, &d);
        bls_model12_mul(ret, &n, &d);
    }
    bls_model12_clear(&n);
    bls_model12_clear(&d);
    return ok;
}

void bls_model_point_add(struct bls_model_point *ret, const struct bls_model_point *a,
                         const struct bls_model_point *b) {
    struct bls_model12 l, x, y;
    if (a->infinity || b->infinity) {
        const struct bls_model_point *other = a->infinity ? b : a;
        set(&ret->x, &other->x);
        set(&ret->y, &other->y);
        ret->infinity = other->infinity;
        return;
    }
    bls_model12_init(&l);
    bls_model12_init(&x);
    bls_model12_init(&y);
    bool finite = slope(&l, a, b);
    if (finite) {
        bls_model12_mul(&x, &l, &l);
        bls_model12_sub(&x, &x, &a->x);
        bls_model12_sub(&x, &x, &b->x);
        bls_model12_sub(&y, &a->x, &x);
        bls_model12_mul(&y, &y, &l);
        bls_model12_sub(&y, &y, &a->y);
    }
    set(&ret->x, &x);
    set(&ret->y, &y);
    ret->infinity = !finite;
    bls_model12_clear(&l);
    bls_model12_clear(&x);
    bls_model12_clear(&y);
}

void bls_model_point_mul(struct bls_model_point *ret, const struct bls_model_point *a,
                         const mpz_t k) {
    struct bls_model_point r, base;
    bls_model_point_init(&r);
    bls_model_point_init(&base);
    set(&base.x, &a->x);
    set(&base.y, &a->y);
    base.infinity = a->infinity;
    for (size_t i = mpz_sizeinbase(k, 2); i-- > 0;) {
        bls_model_point_add(&r, &r, &r);
        if (mpz_tstbit(k, i)) bls_model_point_add(&r, &r, &base);
    }
    set(&ret->x, &r.x);
    set(&ret->y, &r.y);
    ret->infinity = r.infinity;
    bls_model_point_clear(&r);
    bls_model_point_clear(&base);
}

bool bls_model_point_equal(const struct bls_model_point *a, const struct bls_model_point *b) {
    if (a->infinity || b->infinity) return a->infinity && b->infinity;
    return bls_model12_equal(&a->x, &b->x) && bls_model12_equal(&a->y, &b->y);
}

bool bls_model_point_on_curve(const struct bls_model_point *a) {
    struct bls_model12 s, t, four;
    if (a->infinity) return true;
    bls_model12_init(&s);
    bls_model12_init(&t);
    bls_model12_init(&four);
    set_small(&four, 4);
    bls_model12_mul(&s, &a->x, &a->x);
    bls_model12_mul(&s, &s, &a->x);
    bls_model12_add(&s, &s, &four);
    bls_model12_mul(&t, &a->y, &a->y);
    bool ok = bls_model12_equal(&s, &t);
    bls_model12_clear(&s);
    bls_model12_clear(&t);
    bls_model12_clear(&four);
    return ok;
}

/* f *= the line through t and q, at p. */
static void multiply_line(struct bls_model12 *f, const struct bls_model_point *t,
                          const struct bls_model_point *q, const struct bls_model_point *p) {
    struct bls_model12 l, d;
    bls_model12_init(&l);
    bls_model12_init(&d);
    if (slope(&l, t, q)) {
        bls_model12_sub(&d, &p->x, &t->x);
        bls_model12_mul(&l, &l, &d);
        bls_model12_sub(&d, &p->y, &t->y);
        bls_model12_sub(&l, &d, &l);
    } else {
        bls_model12_sub(&l, &p->x, &t->x);
    }
    bls_model12_mul(f, f, &l);
    bls_model12_clear(&l);
    bls_model12_clear(&d);
}

void bls_model_pairing(struct bls_model12 *ret, const struct bls_model_point *p,
                       const struct bls_model_point *q) {
    struct bls_model_point t;
    struct bls_model12 f;
    bls_model12_init(&f);
    set_small(&f, 1);
    if (!p->infinity && !q->infinity) {
        bls_model_point_init(&t);
        set(&t.x, &q->x);
        set(&t.y, &q->y);
        t.infinity = false;
        for (int i = 62; i >= 0; i--) {
            bls_model12_mul(&f, &f, &f);
            multiply_line(&f, &t, &t, p);
            bls_model_point_add(&t, &t, &t);
            if (0xd201000000010000 >> i & 1) {
                multiply_line(&f, &t, q, p);
                bls_model_point_add(&t, &t, q);
            }
        }
        bls_model_point_clear(&t);
    }
    bls_model12_pow(ret, &f, final_power);
    bls_model12_clear(&f);
}
