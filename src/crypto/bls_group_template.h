/* The group functions of bls_group.h, written once for both groups: bls_g1.c and bls_g2.c include
 * this after they have defined
 *
 *     G(name)     bls_g1_name or bls_g2_name
 *     POINT, AFFINE, FIELD     their struct types
 *     F(name)     bls_fp_name or bls_fp2_name
 *     FIELD_ONE   the field's 1
 *     PARTS, PART_BITS    a scalar k splits into PARTS numbers k_i below 2^PART_BITS with
 *                 k = sum of k_i B^i, and multiplication by B is an easy map
 *     static void endo_affine(AFFINE *, const AFFINE *)      a -> [B]a on the subgroup
 *     static void endo_projective(POINT *, const POINT *)    the same for homogeneous x = X/Z
 *     static void double_times(POINT *, unsigned)            a -> [2^n]a in place
 *     static void mul_b3(FIELD *, const FIELD *)             times 3 b, b the curve's constant
 *
 * SPDX-License-Identifier: MIT */

#include <stdlib.h>

bool G(is_infinity)(const POINT *a) {
    return F(is_zero)(&a->z);
}

void G(from_affine)(POINT *ret, const AFFINE *a) {
    if (a->infinity) {
        *ret = (POINT){0};
        return;
    }
    *ret = (POINT){a->x, a->y, FIELD_ONE};
}

static void to_affine_with_inverse(AFFINE *ret, const POINT *a, const FIELD *z_inverse) {
    FIELD zz, zzz;
    F(sqr)(&zz, z_inverse);
    F(mul)(&zzz, &zz, z_inverse);
    F(mul)(&ret->x, &a->x, &zz);
    F(mul)(&ret->y, &a->y, &zzz);
    ret->infinity = false;
}

void G(to_affine)(AFFINE *ret, const POINT *a) {
    if (G(is_infinity)(a)) {
        *ret = (AFFINE){.infinity = true};
        return;
    }
    FIELD zi;
    F(inv)(&zi, &a->z);
    to_affine_with_inverse(ret, a, &zi);
}

void G(to_affine_many)(AFFINE *ret, const POINT *a, size_t n, FIELD *scratch) {
    FIELD product = FIELD_ONE, t;
    for (size_t i = 0; i < n; i++) {
        scratch[i] = product;
        if (!G(is_infinity)(&a[i])) F(mul)(&product, &product, &a[i].z);
    }
    F(inv)(&product, &product);
    for (size_t i = n; i-- > 0;) {
        if (G(is_infinity)(&a[i])) {
            ret[i] = (AFFINE){.infinity = true};
            continue;
        }
        F(mul)(&t, &product, &scratch[i]);
        F(mul)(&product, &product, &a[i].z);
        to_affine_with_inverse(&ret[i], &a[i], &t);
    }
}

bool G(equal)(const POINT *a, const POINT *b) {
    bool ia = G(is_infinity)(a), ib = G(is_infinity)(b);
    if (ia || ib) return ia && ib;
    FIELD aa, bb, s, t;
    F(sqr)(&aa, &a->z);
    F(sqr)(&bb, &b->z);
    F(mul)(&s, &a->x, &bb);
    F(mul)(&t, &b->x, &aa);
    if (!F(equal)(&s, &t)) return false;
    F(mul)(&aa, &aa, &a->z);
    F(mul)(&bb, &bb, &b->z);
    F(mul)(&s, &a->y, &bb);
    F(mul)(&t, &b->y, &aa);
    return F(equal)(&s, &t);
}

/* a equals the affine point b, which is not infinity. */
static bool equal_affine(const POINT *a, const AFFINE *b) {
    if (G(is_infinity)(a)) return false;
    FIELD zz, t;
    F(sqr)(&zz, &a->z);
    F(mul)(&t, &b->x, &zz);
    if (!F(equal)(&t, &a->x)) return false;
    F(mul)(&zz, &zz, &a->z);
    F(mul)(&t, &b->y, &zz);
    return F(equal)(&t, &a->y);
}

void G(neg)(POINT *ret, const POINT *a) {
    *ret = *a;
    F(neg)(&ret->y, &ret->y);
}

void G(neg_affine)(AFFINE *ret, const AFFINE *a) {
    *ret = *a;
    F(neg)(&ret->y, &ret->y);
}

bool G(on_curve)(const AFFINE *a) {
    if (a->infinity) return true;
    FIELD l, r, b3, three, one = FIELD_ONE;
    F(sqr)(&l, &a->y);
    F(sqr)(&r, &a->x);
    F(mul)(&r, &r, &a->x);
    F(sub)(&l, &l, &r); // b, to be held against 3b / 3
    F(double)(&three, &l);
    F(add)(&three, &three, &l);
    mul_b3(&b3, &one);
    return F(equal)(&three, &b3);
}

/* dbl-2009-l: 2 products, 5 squarings. Infinity stays infinity. */
void G(double)(POINT *ret, const POINT *p) {
    FIELD a, b, c, d, e, f;
    F(sqr)(&a, &p->x);
    F(sqr)(&b, &p->y);
    F(sqr)(&c, &b);
    F(add)(&d, &p->x, &b);
    F(sqr)(&d, &d);
    F(sub)(&d, &d, &a);
    F(sub)(&d, &d, &c);
    F(double)(&d, &d);
    F(double)(&e, &a);
    F(add)(&e, &e, &a);
    F(sqr)(&f, &e);
    F(mul)(&ret->z, &p->y, &p->z);
    F(double)(&ret->z, &ret->z);
    F(sub)(&f, &f, &d);
    F(sub)(&ret->x, &f, &d);
    F(sub)(&d, &d, &ret->x);
    F(mul)(&d, &d, &e);
    F(double)(&c, &c);
    F(double)(&c, &c);
    F(double)(&c, &c);
    F(sub)(&ret->y, &d, &c);
}

/* The common end of both additions: h = U2 - U1, r = S2 - S1 (not doubled), u1, s1, z3 = Z1 Z2 h.
 */
static void add_finish(POINT *ret, const FIELD *h, const FIELD *r, const FIELD *u1,
                       const FIELD *s1) {
    FIELD hh, hhh, v, t;
    F(sqr)(&hh, h);
    F(mul)(&hhh, &hh, h);
    F(mul)(&v, u1, &hh);
    F(sqr)(&t, r);
    F(sub)(&t, &t, &hhh);
    F(sub)(&t, &t, &v);
    F(sub)(&t, &t, &v);
    F(sub)(&v, &v, &t);
    F(mul)(&v, &v, r);
    F(mul)(&hhh, &hhh, s1);
    ret->x = t;
    F(sub)(&ret->y, &v, &hhh);
}

void G(add)(POINT *ret, const POINT *a, const POINT *b) {
    if (G(is_infinity)(a)) {
        *ret = *b;
        return;
    }
    if (G(is_infinity)(b)) {
        *ret = *a;
        return;
    }
    FIELD aa, bb, u1, u2, s1, s2;
    F(sqr)(&aa, &a->z);
    F(sqr)(&bb, &b->z);
    F(mul)(&u1, &a->x, &bb);
    F(mul)(&u2, &b->x, &aa);
    F(mul)(&s1, &a->y, &b->z);
    F(mul)(&s1, &s1, &bb);
    F(mul)(&s2, &b->y, &a->z);
    F(mul)(&s2, &s2, &aa);
    F(sub)(&u2, &u2, &u1);
    F(sub)(&s2, &s2, &s1);
    if (F(is_zero)(&u2)) {
        if (F(is_zero)(&s2)) {
            G(double)(ret, a);
        } else {
            *ret = (POINT){0};
        }
        return;
    }
    F(mul)(&aa, &a->z, &b->z);
    F(mul)(&ret->z, &aa, &u2);
    add_finish(ret, &u2, &s2, &u1, &s1);
}

void G(add_affine)(POINT *ret, const POINT *a, const AFFINE *b) {
    if (b->infinity) {
        *ret = *a;
        return;
    }
    if (G(is_infinity)(a)) {
        G(from_affine)(ret, b);
        return;
    }
    FIELD zz, h, r, x = a->x, y = a->y;
    F(sqr)(&zz, &a->z);
    F(mul)(&h, &b->x, &zz);
    F(mul)(&r, &b->y, &zz);
    F(mul)(&r, &r, &a->z);
    F(sub)(&h, &h, &x);
    F(sub)(&r, &r, &y);
    if (F(is_zero)(&h)) {
        if (F(is_zero)(&r)) {
            G(double)(ret, a);
        } else {
            *ret = (POINT){0};
        }
        return;
    }
    F(mul)(&ret->z, &a->z, &h);
    add_finish(ret, &h, &r, &x, &y);
}

void G(mul_x)(POINT *ret, const POINT *a) {
    static const unsigned runs[] = BLS_X_RUNS;
    POINT base = *a, r = *a;
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        if (i) G(add)(&r, &r, &base);
        double_times(&r, runs[i]);
    }
    *ret = r;
}

static void mul_x_affine(POINT *ret, const AFFINE *a) {
    static const unsigned runs[] = BLS_X_RUNS;
    G(from_affine)(ret, a);
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        if (i) G(add_affine)(ret, ret, a);
        double_times(ret, runs[i]);
    }
}

/* Scalars in parts. */

struct parts {
    uint64_t w[PARTS][PART_BITS / 64];
};

/* Width-5 signed digits, least significant first: each is 0 or odd in -15..15. A part has at most
 * PART_BITS + 1 of them. Returns how many. */
#define DIGITS_MAX (PART_BITS + 1)
static int signed_digits(int8_t ret[DIGITS_MAX], const uint64_t part[PART_BITS / 64]) {
    unsigned __int128 v = part[0];
    if (PART_BITS > 64) v |= (unsigned __int128)part[PART_BITS / 64 - 1] << 64;
    int n = 0, top = 0;
    bool over = false; // the value has grown to 2^128 + v
    while (v || over) {
        int d = 0;
        if (v & 1) {
            d = (int)(v & 31);
            if (d > 15) d -= 32;
            if (d >= 0) {
                v -= (unsigned)d;
            } else {
                unsigned __int128 before = v;
                v += (unsigned)-d;
                over |= v < before;
            }
            top = n + 1;
        }
        ret[n++] = (int8_t)d;
        v = v >> 1 | (unsigned __int128)over << 127;
        over = false;
    }
    return top;
}

#define TABLE 8 /* odd multiples 1, 3, .. 15 */

struct stream {
    const AFFINE *table;
    int8_t digits[DIGITS_MAX];
    int count;
};

static void sum_streams(POINT *ret, const struct stream *s, size_t n, const atomic_bool *stop) {
    POINT r = {0};
    int top = 0;
    for (size_t i = 0; i < n; i++)
        top = s[i].count > top ? s[i].count : top;
    for (int bit = top - 1; bit >= 0 && !stop_asked(stop); bit--) {
        G(double)(&r, &r);
        for (size_t i = 0; i < n; i++) {
            if (bit >= s[i].count || s[i].digits[bit] == 0) continue;
            int d = s[i].digits[bit];
            AFFINE t = s[i].table[(d < 0 ? -d : d) / 2];
            if (d < 0) F(neg)(&t.y, &t.y);
            G(add_affine)(&r, &r, &t);
        }
    }
    *ret = r;
}

static void odd_multiples(POINT ret[TABLE], const AFFINE *a) {
    POINT twice;
    G(from_affine)(&ret[0], a);
    G(double)(&twice, &ret[0]);
    for (int i = 1; i < TABLE; i++)
        G(add)(&ret[i], &ret[i - 1], &twice);
}

/* Tables and digits of one scalar: tables[PARTS][TABLE], of which the first is filled already. */
static void prepare_streams(struct stream s[PARTS], AFFINE tables[PARTS][TABLE],
                            const struct u256 *k) {
    struct parts parts = {0};
    split_scalar(&parts, k);
    for (int i = 0; i < PARTS; i++) {
        for (int j = 0; i > 0 && j < TABLE; j++)
            endo_affine(&tables[i][j], &tables[i - 1][j]);
        s[i].table = tables[i];
        s[i].count = signed_digits(s[i].digits, parts.w[i]);
    }
}

void G(mul)(POINT *ret, const AFFINE *a, const struct u256 *k) {
    POINT multiples[TABLE];
    AFFINE tables[PARTS][TABLE];
    FIELD scratch[TABLE];
    struct stream s[PARTS];
    if (a->infinity || u256_is_zero(*k)) {
        *ret = (POINT){0};
        return;
    }
    odd_multiples(multiples, a);
    G(to_affine_many)(tables[0], multiples, TABLE, scratch);
    prepare_streams(s, tables, k);
    sum_streams(ret, s, PARTS, NULL);
}

/* Few points: all share the doublings (Straus). */

static int msm_straus(POINT *ret, const AFFINE *a, const struct u256 *k, size_t n,
                      const atomic_bool *stop, struct error *why) {
    POINT *multiples = calloc(n * TABLE, sizeof *multiples);
    FIELD *scratch = calloc(n * TABLE, sizeof *scratch);
    AFFINE *first = calloc(n * TABLE, sizeof *first);
    AFFINE(*tables)[PARTS][TABLE] = calloc(n, sizeof *tables);
    struct stream *streams = calloc(n * PARTS, sizeof *streams);
    int status = 0;
    if (!multiples || !scratch || !first || !tables || !streams) {
        status = error_set(why, ERR_NO_MEMORY, "no memory for a sum of %zu points", n);
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        odd_multiples(multiples + i * TABLE, &a[i]);
    G(to_affine_many)(first, multiples, n * TABLE, scratch);
    for (size_t i = 0; i < n; i++) {
        memcpy(tables[i][0], first + i * TABLE, sizeof tables[i][0]);
        prepare_streams(streams + i * PARTS, tables[i], &k[i]);
    }
    sum_streams(ret, streams, n * PARTS, stop);
out:
    free(multiples);
    free(scratch);
    free(first);
    free(tables);
    free(streams);
    return status;
}

/* Many points: Pippenger's buckets with signed windows. */
struct pippenger {
    AFFINE *points;  /* n * PARTS */
    int32_t *digits; /* [windows][n * PARTS] */
    POINT *buckets;  /* 2^(c-1) */
    unsigned windows, c;
    size_t count;
};

static unsigned window_bits(size_t points) {
    unsigned best = 2;
    double least = 0;
    for (unsigned c = 2; c <= 16; c++) {
        unsigned windows = (PART_BITS + c) / c;
        double cost = (double)windows * ((double)points * 11 + (double)(1u << c) * 16);
        if (c == 2 || cost < least) {
            least = cost;
            best = c;
        }
    }
    return best;
}

/* Digits of one part in -2^(c-1) .. 2^(c-1), written with stride w->count from `at`. */
static void window_digits(struct pippenger *w, size_t at, const uint64_t part[PART_BITS / 64]) {
    unsigned __int128 v = part[0];
    if (PART_BITS > 64) v |= (unsigned __int128)part[PART_BITS / 64 - 1] << 64;
    int32_t carry = 0, half = 1 << (w->c - 1);
    for (unsigned i = 0; i < w->windows; i++) {
        int32_t d = (int32_t)(v & ((1u << w->c) - 1)) + carry;
        v >>= w->c;
        carry = d > half;
        if (carry) d -= 1 << w->c;
        w->digits[i * w->count + at] = d;
    }
}

static void sum_window(POINT *ret, struct pippenger *w, unsigned window) {
    size_t half = (size_t)1 << (w->c - 1);
    memset(w->buckets, 0, half * sizeof *w->buckets);
    for (size_t i = 0; i < w->count; i++) {
        int32_t d = w->digits[window * w->count + i];
        if (d == 0) continue;
        AFFINE t = w->points[i];
        if (d < 0) F(neg)(&t.y, &t.y);
        POINT *bucket = &w->buckets[(d < 0 ? -d : d) - 1];
        G(add_affine)(bucket, bucket, &t);
    }
    POINT running = {0}, sum = {0};
    for (size_t i = half; i-- > 0;) {
        G(add)(&running, &running, &w->buckets[i]);
        G(add)(&sum, &sum, &running);
    }
    *ret = sum;
}

static int msm_pippenger(POINT *ret, const AFFINE *a, const struct u256 *k, size_t n,
                         const atomic_bool *stop, struct error *why) {
    struct pippenger w = {.count = n * PARTS};
    w.c = window_bits(w.count);
    w.windows = PART_BITS / w.c + 1;
    w.points = calloc(w.count, sizeof *w.points);
    w.digits = calloc(w.count * w.windows, sizeof *w.digits);
    w.buckets = calloc((size_t)1 << (w.c - 1), sizeof *w.buckets);
    int status = 0;
    if (!w.points || !w.digits || !w.buckets) {
        status = error_set(why, ERR_NO_MEMORY, "no memory for a sum of %zu points", n);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        struct parts parts = {0};
        split_scalar(&parts, &k[i]);
        for (size_t j = 0; j < PARTS; j++) {
            AFFINE *p = &w.points[i * PARTS + j];
            if (j == 0) {
                *p = a[i];
            } else {
                endo_affine(p, p - 1);
            }
            window_digits(&w, i * PARTS + j, parts.w[j]);
        }
    }
    POINT r = {0}, t;
    for (unsigned i = w.windows; i-- > 0;) {
        for (unsigned j = 0; j < w.c; j++)
            G(double)(&r, &r);
        if (stop_asked(stop)) break;
        sum_window(&t, &w, i);
        G(add)(&r, &r, &t);
    }
    *ret = r;
out:
    free(w.points);
    free(w.digits);
    free(w.buckets);
    return status;
}

#define STRAUS_MAX 96 /* measured: from here on the buckets win */

int G(msm)(POINT *ret, const AFFINE *a, const struct u256 *k, size_t n, const atomic_bool *stop,
           struct error *why) {
    *ret = (POINT){0};
    if (n == 0) return 0;
    if (n == 1) {
        G(mul)(ret, &a[0], &k[0]);
        return 0;
    }
    int r = n <= STRAUS_MAX ? msm_straus(ret, a, k, n, stop, why)
                            : msm_pippenger(ret, a, k, n, stop, why);
    if (r == 0 && stop_asked(stop)) r = error_set(why, ERR_CANCELLED, "stopped");
    return r;
}

/* Secret scalars: complete formulas in homogeneous coordinates (Renes, Costello, Batina, eprint
 * 2015/1060, algorithms 7 and 9), four-bit windows, every table entry read. */

static void complete_add(POINT *ret, const POINT *p, const POINT *q) {
    FIELD xx, yy, zz, xy, yz, xz, s, t;
    F(mul)(&xx, &p->x, &q->x);
    F(mul)(&yy, &p->y, &q->y);
    F(mul)(&zz, &p->z, &q->z);
    F(add)(&s, &p->x, &p->y);
    F(add)(&t, &q->x, &q->y);
    F(mul)(&xy, &s, &t);
    F(sub)(&xy, &xy, &xx);
    F(sub)(&xy, &xy, &yy);
    F(add)(&s, &p->y, &p->z);
    F(add)(&t, &q->y, &q->z);
    F(mul)(&yz, &s, &t);
    F(sub)(&yz, &yz, &yy);
    F(sub)(&yz, &yz, &zz);
    F(add)(&s, &p->x, &p->z);
    F(add)(&t, &q->x, &q->z);
    F(mul)(&xz, &s, &t);
    F(sub)(&xz, &xz, &xx);
    F(sub)(&xz, &xz, &zz);
    F(double)(&s, &xx);
    F(add)(&xx, &s, &xx); // 3 x1 x2
    mul_b3(&zz, &zz);
    mul_b3(&xz, &xz);
    F(add)(&s, &yy, &zz);
    F(sub)(&t, &yy, &zz);
    F(mul)(&ret->x, &xy, &t);
    F(mul)(&yy, &yz, &xz);
    F(sub)(&ret->x, &ret->x, &yy);
    F(mul)(&ret->y, &t, &s);
    F(mul)(&yy, &xz, &xx);
    F(add)(&ret->y, &ret->y, &yy);
    F(mul)(&ret->z, &s, &yz);
    F(mul)(&yy, &xx, &xy);
    F(add)(&ret->z, &ret->z, &yy);
}

static void complete_double(POINT *ret, const POINT *p) {
    FIELD yy, z8, yz, zz, s, t, xy;
    F(sqr)(&yy, &p->y);
    F(mul)(&xy, &p->x, &p->y);
    F(double)(&z8, &yy);
    F(double)(&z8, &z8);
    F(double)(&z8, &z8);
    F(mul)(&yz, &p->y, &p->z);
    F(sqr)(&zz, &p->z);
    mul_b3(&zz, &zz);
    F(add)(&t, &yy, &zz);
    F(mul)(&ret->z, &yz, &z8);
    F(mul)(&s, &zz, &z8);
    F(sub)(&yy, &yy, &zz);
    F(double)(&zz, &zz);
    F(sub)(&yy, &yy, &zz);
    F(mul)(&t, &t, &yy);
    F(add)(&ret->y, &s, &t);
    F(mul)(&t, &yy, &xy);
    F(double)(&ret->x, &t);
}

static void lookup(POINT *ret, const POINT table[16], unsigned digit) {
    *ret = table[0];
    for (unsigned i = 1; i < 16; i++) {
        // all ones when i == digit: neither branch nor address depends on digit
        uint64_t mask = 0 - (((uint64_t)(i ^ digit) - 1) >> 63);
        F(select)(&ret->x, &table[i].x, mask);
        F(select)(&ret->y, &table[i].y, mask);
        F(select)(&ret->z, &table[i].z, mask);
    }
}

void G(mul_secret)(AFFINE *ret, const AFFINE *a, const struct u256 *k) {
    POINT table[PARTS][16], r, t;
    struct parts parts = {0};
    split_scalar_secret(&parts, k);
    table[0][0] = (POINT){.y = FIELD_ONE};
    table[0][1] = (POINT){a->x, a->y, FIELD_ONE};
    for (int i = 2; i < 16; i++)
        complete_add(&table[0][i], &table[0][i - 1], &table[0][1]);
    for (int i = 1; i < PARTS; i++) {
        for (int j = 0; j < 16; j++)
            endo_projective(&table[i][j], &table[i - 1][j]);
    }
    r = table[0][0];
    for (int nibble = PART_BITS / 4 - 1; nibble >= 0; nibble--) {
        for (int i = 0; i < 4; i++)
            complete_double(&r, &r);
        for (int i = 0; i < PARTS; i++) {
            unsigned digit = (unsigned)(parts.w[i][nibble / 16] >> (nibble % 16 * 4) & 15);
            lookup(&t, table[i], digit);
            complete_add(&r, &r, &t);
        }
    }
    F(inv)(&t.z, &r.z);
    F(mul)(&ret->x, &r.x, &t.z);
    F(mul)(&ret->y, &r.y, &t.z);
    ret->infinity = false;
    bytes_wipe(&parts, sizeof parts);
    bytes_wipe(&r, sizeof r);
    bytes_wipe(&t, sizeof t);
}
