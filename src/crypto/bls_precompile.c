/* SPDX-License-Identifier: MIT */
#include "crypto/bls_precompile.h"

#include "crypto/bls_map.h"
#include "crypto/bls_pairing.h"
#include "crypto/bls_scalar.h"

#include <stdlib.h>

#define G1_SCALAR (BLS_G1_ENCODED + 32)
#define G2_SCALAR (BLS_G2_ENCODED + 32)
#define PAIR (BLS_G1_ENCODED + BLS_G2_ENCODED)

static int check_length(struct bytes in, size_t expected, struct error *why) {
    if (in.n == expected) return 0;
    return error_set(why, ERR_SYNTAX, "input of %zu bytes where %zu are due", in.n, expected);
}

/* At least one item of `size` bytes, and nothing else. */
static int check_items(struct bytes in, size_t size, struct error *why) {
    if (in.n > 0 && in.n % size == 0) return 0;
    return error_set(why, ERR_SYNTAX, "input of %zu bytes is not one or more times %zu", in.n,
                     size);
}

static int go_on(const atomic_bool *stop, struct error *why) {
    return stop_asked(stop) ? error_set(why, ERR_CANCELLED, "stopped") : 0;
}

static int read_fp(struct bls_fp *ret, const uint8_t *in, struct error *why) {
    uint8_t padding = 0;
    for (int i = 0; i < 16; i++)
        padding |= in[i];
    if (padding) return error_set(why, ERR_SYNTAX, "field element's first 16 bytes are not zero");
    if (!bls_fp_load_be(ret, in + 16)) {
        return error_set(why, ERR_SYNTAX, "field element is not below the modulus");
    }
    return 0;
}

static void write_fp(uint8_t *ret, const struct bls_fp *a) {
    memset(ret, 0, 16);
    bls_fp_store_be(ret + 16, a);
}

static int read_g1(struct bls_g1_affine *ret, const uint8_t *in, bool subgroup, struct error *why) {
    int r;
    if ((r = read_fp(&ret->x, in, why)) < 0 || (r = read_fp(&ret->y, in + 64, why)) < 0) return r;
    ret->infinity = bls_fp_is_zero(&ret->x) && bls_fp_is_zero(&ret->y);
    if (!bls_g1_on_curve(ret)) return error_set(why, ERR_INVALID, "G1 point is not on the curve");
    if (subgroup && !bls_g1_in_subgroup(ret)) {
        return error_set(why, ERR_INVALID, "G1 point is not in the subgroup");
    }
    return 0;
}

static int read_fp2(struct bls_fp2 *ret, const uint8_t *in, struct error *why) {
    int r = read_fp(&ret->c0, in, why);
    return r < 0 ? r : read_fp(&ret->c1, in + 64, why);
}

static int read_g2(struct bls_g2_affine *ret, const uint8_t *in, bool subgroup, struct error *why) {
    int r;
    if ((r = read_fp2(&ret->x, in, why)) < 0 || (r = read_fp2(&ret->y, in + 128, why)) < 0) {
        return r;
    }
    ret->infinity = bls_fp2_is_zero(&ret->x) && bls_fp2_is_zero(&ret->y);
    if (!bls_g2_on_curve(ret)) return error_set(why, ERR_INVALID, "G2 point is not on the curve");
    if (subgroup && !bls_g2_in_subgroup(ret)) {
        return error_set(why, ERR_INVALID, "G2 point is not in the subgroup");
    }
    return 0;
}

static void write_g1(uint8_t ret[BLS_G1_ENCODED], const struct bls_g1 *a) {
    struct bls_g1_affine p;
    bls_g1_to_affine(&p, a);
    memset(ret, 0, BLS_G1_ENCODED);
    if (p.infinity) return;
    write_fp(ret, &p.x);
    write_fp(ret + 64, &p.y);
}

static void write_g2(uint8_t ret[BLS_G2_ENCODED], const struct bls_g2 *a) {
    struct bls_g2_affine p;
    bls_g2_to_affine(&p, a);
    memset(ret, 0, BLS_G2_ENCODED);
    if (p.infinity) return;
    write_fp(ret, &p.x.c0);
    write_fp(ret + 64, &p.x.c1);
    write_fp(ret + 128, &p.y.c0);
    write_fp(ret + 192, &p.y.c1);
}

int bls_precompile_g1_add(uint8_t ret[BLS_G1_ENCODED], struct bytes in, struct error *why) {
    struct bls_g1_affine a, b;
    struct bls_g1 sum;
    int r = check_length(in, 2 * BLS_G1_ENCODED, why);
    if (r < 0 || (r = read_g1(&a, in.p, false, why)) < 0 ||
        (r = read_g1(&b, in.p + BLS_G1_ENCODED, false, why)) < 0) {
        return r;
    }
    bls_g1_from_affine(&sum, &a);
    bls_g1_add_affine(&sum, &sum, &b);
    write_g1(ret, &sum);
    return 0;
}

int bls_precompile_g2_add(uint8_t ret[BLS_G2_ENCODED], struct bytes in, struct error *why) {
    struct bls_g2_affine a, b;
    struct bls_g2 sum;
    int r = check_length(in, 2 * BLS_G2_ENCODED, why);
    if (r < 0 || (r = read_g2(&a, in.p, false, why)) < 0 ||
        (r = read_g2(&b, in.p + BLS_G2_ENCODED, false, why)) < 0) {
        return r;
    }
    bls_g2_from_affine(&sum, &a);
    bls_g2_add_affine(&sum, &sum, &b);
    write_g2(ret, &sum);
    return 0;
}

int bls_precompile_g1_msm(uint8_t ret[BLS_G1_ENCODED], struct bytes in, const atomic_bool *stop,
                          struct error *why) {
    int r = check_items(in, G1_SCALAR, why);
    if (r < 0) return r;
    size_t n = in.n / G1_SCALAR;
    struct bls_g1_affine *p = calloc(n, sizeof *p);
    struct u256 *k = calloc(n, sizeof *k);
    struct bls_g1 sum;
    if (!p || !k) {
        r = error_set(why, ERR_NO_MEMORY, "no memory for %zu points", n);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *item = in.p + i * G1_SCALAR;
        if ((r = go_on(stop, why)) < 0 || (r = read_g1(&p[i], item, true, why)) < 0) goto out;
        bls_scalar_reduce(&k[i], u256_load_be(item + BLS_G1_ENCODED));
    }
    if ((r = bls_g1_msm(&sum, p, k, n, stop, why)) < 0) goto out;
    write_g1(ret, &sum);
out:
    free(p);
    free(k);
    return r;
}

int bls_precompile_g2_msm(uint8_t ret[BLS_G2_ENCODED], struct bytes in, const atomic_bool *stop,
                          struct error *why) {
    int r = check_items(in, G2_SCALAR, why);
    if (r < 0) return r;
    size_t n = in.n / G2_SCALAR;
    struct bls_g2_affine *p = calloc(n, sizeof *p);
    struct u256 *k = calloc(n, sizeof *k);
    struct bls_g2 sum;
    if (!p || !k) {
        r = error_set(why, ERR_NO_MEMORY, "no memory for %zu points", n);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *item = in.p + i * G2_SCALAR;
        if ((r = go_on(stop, why)) < 0 || (r = read_g2(&p[i], item, true, why)) < 0) goto out;
        bls_scalar_reduce(&k[i], u256_load_be(item + BLS_G2_ENCODED));
    }
    if ((r = bls_g2_msm(&sum, p, k, n, stop, why)) < 0) goto out;
    write_g2(ret, &sum);
out:
    free(p);
    free(k);
    return r;
}

int bls_precompile_pairing_check(uint8_t ret[32], struct bytes in, const atomic_bool *stop,
                                 struct error *why) {
    int r = check_items(in, PAIR, why);
    if (r < 0) return r;
    struct bls_g1_affine p[BLS_PAIRS_AT_ONCE];
    struct bls_g2_affine q[BLS_PAIRS_AT_ONCE];
    struct bls_fp12 f = bls_fp12_one, part;
    size_t n = in.n / PAIR, held = 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *item = in.p + i * PAIR;
        if ((r = go_on(stop, why)) < 0 || (r = read_g1(&p[held], item, true, why)) < 0) return r;
        if ((r = read_g2(&q[held], item + BLS_G1_ENCODED, true, why)) < 0) return r;
        if (++held < BLS_PAIRS_AT_ONCE && i + 1 < n) continue;
        bls_miller_loop(&part, p, q, held);
        bls_fp12_mul(&f, &f, &part);
        held = 0;
    }
    bls_final_exponentiation(&f, &f);
    memset(ret, 0, 32);
    ret[31] = bls_fp12_is_one(&f);
    return 0;
}

int bls_precompile_map_fp_to_g1(uint8_t ret[BLS_G1_ENCODED], struct bytes in, struct error *why) {
    struct bls_fp u;
    struct bls_g1 p;
    int r = check_length(in, 64, why);
    if (r < 0 || (r = read_fp(&u, in.p, why)) < 0) return r;
    bls_g1_map(&p, &u);
    write_g1(ret, &p);
    return 0;
}

int bls_precompile_map_fp2_to_g2(uint8_t ret[BLS_G2_ENCODED], struct bytes in, struct error *why) {
    struct bls_fp2 u;
    struct bls_g2 p;
    int r = check_length(in, 128, why);
    if (r < 0 || (r = read_fp2(&u, in.p, why)) < 0) return r;
    bls_g2_map(&p, &u);
    write_g2(ret, &p);
    return 0;
}
