/* SPDX-License-Identifier: MIT */
#include "crypto/bn254_model.h"

typedef struct bn254_model_fp12 fp12;

void bn254_model_init(struct bn254_model *m) {
    mpz_inits(m->u, m->p, m->r, NULL);
    mpz_set_str(m->u, "4965661367192848881", 10);
    static const unsigned p_of_u[5] = {36, 36, 24, 6, 1}, r_of_u[5] = {36, 36, 18, 6, 1};
    for (int i = 0; i < 5; i++) {
        mpz_mul(m->p, m->p, m->u);
        mpz_add_ui(m->p, m->p, p_of_u[i]);
        mpz_mul(m->r, m->r, m->u);
        mpz_add_ui(m->r, m->r, r_of_u[i]);
    }
}

void bn254_model_clear(struct bn254_model *m) {
    mpz_clears(m->u, m->p, m->r, NULL);
}

static void init(fp12 *a) {
    for (int i = 0; i < 12; i++) {
        mpz_init(a->c[i]);
    }
}

static void clear(fp12 *a) {
    for (int i = 0; i < 12; i++) {
        mpz_clear(a->c[i]);
    }
}

static void set(fp12 *ret, const fp12 *a) {
    for (int i = 0; i < 12; i++) {
        mpz_set(ret->c[i], a->c[i]);
    }
}

static void set_ui(fp12 *ret, unsigned long v) {
    for (int i = 0; i < 12; i++) {
        mpz_set_ui(ret->c[i], i == 0 ? v : 0);
    }
}

static bool equal(const fp12 *a, const fp12 *b) {
    for (int i = 0; i < 12; i++) {
        if (mpz_cmp(a->c[i], b->c[i]) != 0) return false;
    }
    return true;
}

static void add(const struct bn254_model *m, fp12 *ret, const fp12 *a, const fp12 *b) {
    for (int i = 0; i < 12; i++) {
        mpz_add(ret->c[i], a->c[i], b->c[i]);
        mpz_mod(ret->c[i], ret->c[i], m->p);
    }
}

static void sub(const struct bn254_model *m, fp12 *ret, const fp12 *a, const fp12 *b) {
    for (int i = 0; i < 12; i++) {
        mpz_sub(ret->c[i], a->c[i], b->c[i]);
        mpz_mod(ret->c[i], ret->c[i], m->p);
    }
}

static void mul(const struct bn254_model *m, fp12 *ret, const fp12 *a, const fp12 *b) {
    mpz_t t[23];
    for (int i = 0; i < 23; i++) {
        mpz_init(t[i]);
    }
    for (int i = 0; i < 12; i++) {
        if (mpz_sgn(a->c[i]) == 0) continue;
        for (int j = 0; j < 12; j++) {
            mpz_addmul(t[i + j], a->c[i], b->c[j]);
        }
    }
    for (int i = 22; i >= 12; i--) { // w^12 = 18 w^6 - 82
        mpz_addmul_ui(t[i - 6], t[i], 18);
        mpz_submul_ui(t[i - 12], t[i], 82);
    }
    for (int i = 0; i < 12; i++) {
        mpz_mod(ret->c[i], t[i], m->p);
    }
    for (int i = 0; i < 23; i++) {
        mpz_clear(t[i]);
    }
}

static void power(const struct bn254_model *m, fp12 *ret, const fp12 *a, const mpz_t e) {
    fp12 base, r;
    init(&base);
    init(&r);
    set(&base, a);
    set_ui(&r, 1);
    for (size_t i = mpz_sizeinbase(e, 2); i-- > 0;) {
        mul(m, &r, &r, &r);
        if (mpz_tstbit(e, i)) mul(m, &r, &r, &base);
    }
    set(ret, &r);
    clear(&base);
    clear(&r);
}

static bool in_base_field(const fp12 *a) {
    for (int i = 1; i < 12; i++) {
        if (mpz_sgn(a->c[i]) != 0) return false;
    }
    return true;
}

/* 1/a by linear algebra: solves a b = 1 for the coefficients of b (Gauss). a is not 0. */
static void invert(const struct bn254_model *m, fp12 *ret, const fp12 *a) {
    if (in_base_field(a)) { // all of G1
        mpz_invert(ret->c[0], a->c[0], m->p);
        for (int i = 1; i < 12; i++) {
            mpz_set_ui(ret->c[i], 0);
        }
        return;
    }
    fp12 row[13], x; // row j: a w^j; row 12 is scratch
    mpz_t matrix[12][13], t;
    mpz_init(t);
    init(&x);
    mpz_set_ui(x.c[1], 1);
    init(&row[0]);
    set(&row[0], a);
    for (int j = 1; j < 12; j++) {
        init(&row[j]);
        mul(m, &row[j], &row[j - 1], &x);
    }
    for (int i = 0; i < 12; i++) {
        for (int j = 0; j < 12; j++) {
            mpz_init_set(matrix[i][j], row[j].c[i]);
        }
        mpz_init_set_ui(matrix[i][12], i == 0);
    }
    for (int k = 0; k < 12; k++) {
        int pivot = k;
        while (mpz_sgn(matrix[pivot][k]) == 0) {
            pivot++;
        }
        for (int j = 0; j < 13; j++) {
            mpz_swap(matrix[k][j], matrix[pivot][j]);
        }
        mpz_invert(t, matrix[k][k], m->p);
        for (int j = k; j < 13; j++) {
            mpz_mul(matrix[k][j], matrix[k][j], t);
            mpz_mod(matrix[k][j], matrix[k][j], m->p);
        }
        for (int i = 0; i < 12; i++) {
            if (i == k || mpz_sgn(matrix[i][k]) == 0) continue;
            mpz_set(t, matrix[i][k]);
            for (int j = k; j < 13; j++) {
                mpz_submul(matrix[i][j], matrix[k][j], t);
                mpz_mod(matrix[i][j], matrix[i][j], m->p);
            }
        }
    }
    for (int i = 0; i < 12; i++) {
        mpz_set(ret->c[i], matrix[i][12]);
        for (int j = 0; j < 13; j++) {
            mpz_clear(matrix[i][j]);
        }
        clear(&row[i]);
    }
    clear(&x);
    mpz_clear(t);
}

void bn254_model_point_init(struct bn254_model_point *a) {
    init(&a->x);
    init(&a->y);
    a->infinity = true;
}

void bn254_model_point_clear(struct bn254_model_point *a) {
    clear(&a->x);
    clear(&a->y);
}

static void set_point(struct bn254_model_point *ret, const struct bn254_model_point *a) {
    set(&ret->x, &a->x);
    set(&ret->y, &a->y);
    ret->infinity = a->infinity;
}

static void read_number(mpz_t ret, const uint8_t in[32]) {
    mpz_import(ret, 32, 1, 1, 1, 0, in);
}

static void write_number(uint8_t ret[32], const mpz_t a) {
    size_t n = (mpz_sizeinbase(a, 2) + 7) / 8;
    memset(ret, 0, 32);
    if (mpz_sgn(a) != 0) mpz_export(ret + 32 - n, NULL, 1, 1, 1, 0, a);
}

void bn254_model_load_g1(const struct bn254_model *m, struct bn254_model_point *ret,
                         const uint8_t in[64]) {
    (void)m;
    set_ui(&ret->x, 0);
    set_ui(&ret->y, 0);
    read_number(ret->x.c[0], in);
    read_number(ret->y.c[0], in + 32);
    ret->infinity = mpz_sgn(ret->x.c[0]) == 0 && mpz_sgn(ret->y.c[0]) == 0;
}

/* (a + b i) w^k, where i = w^6 - 9. */
static void set_fp2(const struct bn254_model *m, fp12 *ret, const uint8_t a[32],
                    const uint8_t b[32], int k) {
    set_ui(ret, 0);
    read_number(ret->c[k], a);
    read_number(ret->c[k + 6], b);
    mpz_submul_ui(ret->c[k], ret->c[k + 6], 9);
    mpz_mod(ret->c[k], ret->c[k], m->p);
}

void bn254_model_load_g2(const struct bn254_model *m, struct bn254_model_point *ret,
                         const uint8_t in[128]) {
    static const uint8_t zero[128];
    set_fp2(m, &ret->x, in + 32, in, 2); // (x w^2, y w^3) is on the curve itself
    set_fp2(m, &ret->y, in + 96, in + 64, 3);
    ret->infinity = memcmp(in, zero, sizeof zero) == 0;
}

void bn254_model_store_g1(uint8_t ret[64], const struct bn254_model_point *a) {
    memset(ret, 0, 64);
    if (a->infinity) return;
    write_number(ret, a->x.c[0]);
    write_number(ret + 32, a->y.c[0]);
}

static void get_fp2(const struct bn254_model *m, uint8_t ret_a[32], uint8_t ret_b[32],
                    const fp12 *v, int k) {
    mpz_t t;
    mpz_init_set(t, v->c[k]);
    mpz_addmul_ui(t, v->c[k + 6], 9);
    mpz_mod(t, t, m->p);
    write_number(ret_a, t);
    write_number(ret_b, v->c[k + 6]);
    mpz_clear(t);
}

void bn254_model_store_g2(const struct bn254_model *m, uint8_t ret[128],
                          const struct bn254_model_point *a) {
    memset(ret, 0, 128);
    if (a->infinity) return;
    get_fp2(m, ret + 32, ret, &a->x, 2);
    get_fp2(m, ret + 96, ret + 64, &a->y, 3);
}

bool bn254_model_on_curve(const struct bn254_model *m, const struct bn254_model_point *a) {
    if (a->infinity) return true;
    fp12 left, right;
    init(&left);
    init(&right);
    mul(m, &left, &a->y, &a->y);
    mul(m, &right, &a->x, &a->x);
    mul(m, &right, &right, &a->x);
    mpz_add_ui(right.c[0], right.c[0], 3);
    mpz_mod(right.c[0], right.c[0], m->p);
    bool good = equal(&left, &right);
    clear(&left);
    clear(&right);
    return good;
}

// The slope of the line through a and b (the tangent if they are equal); false: it is upright.
static bool slope_of(const struct bn254_model *m, fp12 *ret, const struct bn254_model_point *a,
                     const struct bn254_model_point *b) {
    fp12 over, under;
    init(&over);
    init(&under);
    bool upright = false;
    if (!equal(&a->x, &b->x)) {
        sub(m, &over, &b->y, &a->y);
        sub(m, &under, &b->x, &a->x);
    } else if (equal(&a->y, &b->y)) {
        mul(m, &under, &a->x, &a->x);
        add(m, &over, &under, &under);
        add(m, &over, &over, &under);
        add(m, &under, &a->y, &a->y);
    } else {
        upright = true;
    }
    if (!upright) {
        invert(m, &under, &under);
        mul(m, ret, &over, &under);
    }
    clear(&over);
    clear(&under);
    return !upright;
}

void bn254_model_add(const struct bn254_model *m, struct bn254_model_point *ret,
                     const struct bn254_model_point *a, const struct bn254_model_point *b) {
    if (a->infinity || b->infinity) {
        set_point(ret, a->infinity ? b : a);
        return;
    }
    fp12 slope, x, y;
    init(&slope);
    init(&x);
    init(&y);
    ret->infinity = !slope_of(m, &slope, a, b);
    if (!ret->infinity) {
        mul(m, &x, &slope, &slope);
        sub(m, &x, &x, &a->x);
        sub(m, &x, &x, &b->x);
        sub(m, &y, &a->x, &x);
        mul(m, &y, &y, &slope);
        sub(m, &ret->y, &y, &a->y);
        set(&ret->x, &x);
    }
    clear(&slope);
    clear(&x);
    clear(&y);
}

void bn254_model_mul(const struct bn254_model *m, struct bn254_model_point *ret,
                     const struct bn254_model_point *a, const mpz_t k) {
    struct bn254_model_point r, base;
    bn254_model_point_init(&r);
    bn254_model_point_init(&base);
    set_point(&base, a);
    for (size_t i = mpz_sizeinbase(k, 2); i-- > 0;) {
        bn254_model_add(m, &r, &r, &r);
        if (mpz_tstbit(k, i)) bn254_model_add(m, &r, &r, &base);
    }
    set_point(ret, &r);
    bn254_model_point_clear(&r);
    bn254_model_point_clear(&base);
}

// f *= the line through a and b, taken at p: (yp - ya) - slope (xp - xa).
static void multiply_line(const struct bn254_model *m, fp12 *f, const struct bn254_model_point *a,
                          const struct bn254_model_point *b, const struct bn254_model_point *p) {
    fp12 slope, t, l;
    init(&slope);
    init(&t);
    init(&l);
    (void)slope_of(m, &slope, a, b);
    sub(m, &t, &p->x, &a->x);
    mul(m, &t, &t, &slope);
    sub(m, &l, &p->y, &a->y);
    sub(m, &l, &l, &t);
    mul(m, f, f, &l);
    clear(&slope);
    clear(&t);
    clear(&l);
}

// (x^p, y^p).
static void frobenius_point(const struct bn254_model *m, struct bn254_model_point *ret,
                            const struct bn254_model_point *a) {
    power(m, &ret->x, &a->x, m->p);
    power(m, &ret->y, &a->y, m->p);
    ret->infinity = a->infinity;
}

void bn254_model_pairing(const struct bn254_model *m, uint8_t ret[12][32],
                         const struct bn254_model_point *p, const struct bn254_model_point *q,
                         const mpz_t extra) {
    struct bn254_model_point t, image;
    fp12 f;
    mpz_t e, one;
    bn254_model_point_init(&t);
    bn254_model_point_init(&image);
    init(&f);
    mpz_inits(e, one, NULL);
    mpz_set_ui(one, 1);
    set_ui(&f, 1);
    if (!p->infinity && !q->infinity) {
        set_point(&t, q);
        mpz_mul_ui(e, m->u, 6);
        mpz_add_ui(e, e, 2);
        for (size_t i = mpz_sizeinbase(e, 2) - 1; i-- > 0;) {
            mul(m, &f, &f, &f);
            multiply_line(m, &f, &t, &t, p);
            bn254_model_add(m, &t, &t, &t);
            if (!mpz_tstbit(e, i)) continue;
            multiply_line(m, &f, &t, q, p);
            bn254_model_add(m, &t, &t, q);
        }
        frobenius_point(m, &image, q);
        multiply_line(m, &f, &t, &image, p);
        bn254_model_add(m, &t, &t, &image);
        frobenius_point(m, &image, &image);
        fp12 zero;
        init(&zero);
        sub(m, &image.y, &zero, &image.y);
        clear(&zero);
        multiply_line(m, &f, &t, &image, p);
    }
    mpz_pow_ui(e, m->p, 12);
    mpz_sub(e, e, one);
    mpz_divexact(e, e, m->r);
    mpz_mul(e, e, extra);
    power(m, &f, &f, e);
    for (int k = 0; k < 6; k++) {
        get_fp2(m, ret[2 * k], ret[2 * k + 1], &f, k);
    }
    bn254_model_point_clear(&t);
    bn254_model_point_clear(&image);
    clear(&f);
    mpz_clears(e, one, NULL);
}
