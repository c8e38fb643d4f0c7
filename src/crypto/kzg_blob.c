/* Blobs as polynomials: commitments, openings, proofs of whole blobs.
 * SPDX-License-Identifier: MIT */
#include "crypto/bls_scalar.h"
#include "crypto/kzg_setup.h"
#include "crypto/sha256.h"

#include <stdlib.h>

/* A blob's values with room to work, too large for a stack. */
struct polynomial {
    struct bls_fr value[KZG_SIZE], work[KZG_SIZE], scratch[KZG_SIZE];
    struct u256 plain[KZG_SIZE];
};

static int polynomial_read(struct polynomial **ret, const uint8_t *blob, struct error *why) {
    struct polynomial *p = malloc(sizeof *p);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for a blob");
    int r = kzg_read_scalars(p->value, blob, KZG_SIZE, why);
    if (r < 0) {
        free(p);
        return r;
    }
    *ret = p;
    return 0;
}

void kzg_challenge(uint8_t ret[32], const uint8_t *blob, const struct bytes48 *commitment) {
    uint8_t degree[16] = {0};
    struct sha256 s;
    struct u256 t;
    store_be64(degree + 8, KZG_SIZE);
    sha256_init(&s);
    sha256_update(&s, BYTES_LIT("FSBLOBVERIFY_V1_"));
    sha256_update(&s, bytes_make(degree, sizeof degree));
    sha256_update(&s, bytes_make(blob, KZG_BLOB_BYTES));
    sha256_update(&s, BYTES_OF(*commitment));
    struct hash h = sha256_final(&s);
    bls_scalar_reduce(&t, u256_load_be(h.b));
    u256_store_be(ret, t);
}

/* The index of z among the roots, or KZG_SIZE. */
static size_t find_root(const struct kzg *k, const struct bls_fr *z) {
    size_t i = 0;
    while (i < KZG_SIZE && !bls_fr_equal(&k->domain[i], z))
        i++;
    return i;
}

/* p(z) = (z^n - 1)/n * sum of p_i w_i / (z - w_i), unless z is root number *ret_root (KZG_SIZE: it
 * is none). The denominators' product is z^n - 1 itself, so the sum's numerator over n is all. */
static void evaluate(const struct kzg *k, struct bls_fr *ret, size_t *ret_root,
                     const struct polynomial *p, const struct bls_fr *z) {
    struct bls_fr n, d;
    bls_fr_fractions(&n, &d, p->value, k->domain, KZG_SIZE, z);
    *ret_root = bls_fr_is_zero(&d) ? find_root(k, z) : KZG_SIZE;
    if (*ret_root < KZG_SIZE) {
        *ret = p->value[*ret_root];
    } else {
        bls_fr_mul(ret, &n, &k->size_inverse);
    }
}

static int check_use(const struct kzg *k, enum kzg_use use, struct error *why) {
    if (k->use >= use) return 0;
    return error_set(why, ERR_UNSUPPORTED, "this KZG setup was opened for less");
}

/* The point sum of value[i] [l_i(tau)], compressed. */
static int commit_values(const struct kzg *k, struct bytes48 *ret, struct polynomial *p,
                         const struct bls_fr *value, struct error *why) {
    struct bls_g1 sum;
    struct bls_g1_affine affine;
    for (size_t i = 0; i < KZG_SIZE; i++)
        bls_fr_to_u256(&p->plain[i], &value[i]);
    int r = bls_g1_msm(&sum, k->lagrange, p->plain, KZG_SIZE, NULL, why);
    if (r < 0) return r;
    bls_g1_to_affine(&affine, &sum);
    bls_g1_compress(ret->b, &affine);
    return 0;
}

int kzg_commit(const struct kzg *k, struct bytes48 *ret, const uint8_t *blob, struct error *why) {
    struct polynomial *p;
    int r;
    if ((r = check_use(k, KZG_PROVE, why)) < 0) return r;
    if ((r = polynomial_read(&p, blob, why)) < 0) return r;
    r = commit_values(k, ret, p, p->value, why);
    free(p);
    return r;
}

/* (p(X) - y)/(X - z) at root w_i is (p_i - y)/(w_i - z). At z = w_m itself it is
 * sum over i of (p_i - y) w_i / (z (z - w_i)). */
static void quotient(const struct kzg *k, struct polynomial *p, const struct bls_fr *y,
                     const struct bls_fr *z, size_t root) {
    struct bls_fr *q = p->work, t, at_root = {{0}};
    for (size_t i = 0; i < KZG_SIZE; i++) {
        bls_fr_sub(&q[i], z, &k->domain[i]);
    }
    if (root < KZG_SIZE) q[root] = bls_fr_one;
    bls_fr_inv_many(q, q, KZG_SIZE, p->scratch);
    for (size_t i = 0; i < KZG_SIZE; i++) {
        if (i == root) continue;
        bls_fr_sub(&t, y, &p->value[i]);
        bls_fr_mul(&q[i], &q[i], &t); // (y - p_i)/(z - w_i)
        if (root == KZG_SIZE) continue;
        bls_fr_mul(&t, &q[i], &k->domain[i]);
        bls_fr_sub(&at_root, &at_root, &t);
    }
    if (root == KZG_SIZE) return;
    bls_fr_inv(&t, z);
    bls_fr_mul(&q[root], &at_root, &t);
}

static int prove_at(const struct kzg *k, struct bytes48 *ret_proof, struct bls_fr *ret_y,
                    struct polynomial *p, const struct bls_fr *z, struct error *why) {
    size_t root;
    evaluate(k, ret_y, &root, p, z);
    quotient(k, p, ret_y, z, root);
    return commit_values(k, ret_proof, p, p->work, why);
}

int kzg_prove(const struct kzg *k, struct bytes48 *ret_proof, uint8_t ret_y[32],
              const uint8_t *blob, const uint8_t z[32], struct error *why) {
    struct polynomial *p;
    struct bls_fr point, y;
    int r;
    if ((r = check_use(k, KZG_PROVE, why)) < 0) return r;
    if ((r = kzg_read_scalars(&point, z, 1, why)) < 0) return r;
    if ((r = polynomial_read(&p, blob, why)) < 0) return r;
    if ((r = prove_at(k, ret_proof, &y, p, &point, why)) == 0) bls_fr_store_be(ret_y, &y);
    free(p);
    return r;
}

int kzg_prove_blob(const struct kzg *k, struct bytes48 *ret, const uint8_t *blob,
                   const struct bytes48 *commitment, struct error *why) {
    struct bls_g1_affine unused;
    struct polynomial *p;
    struct bls_fr z, y;
    uint8_t challenge[32];
    int r;
    if ((r = check_use(k, KZG_PROVE, why)) < 0) return r;
    if ((r = kzg_read_g1(&unused, commitment, "commitment", why)) < 0) return r;
    if ((r = polynomial_read(&p, blob, why)) < 0) return r;
    kzg_challenge(challenge, blob, commitment);
    (void)bls_fr_load_be(&z, challenge);
    r = prove_at(k, ret, &y, p, &z, why);
    free(p);
    return r;
}

/* The challenge of a blob and its value there. */
static int open_blob(const struct kzg *k, uint8_t z[32], uint8_t y[32], const uint8_t *blob,
                     const struct bytes48 *commitment, struct error *why) {
    struct polynomial *p;
    struct bls_fr point, value;
    size_t root;
    int r = polynomial_read(&p, blob, why);
    if (r < 0) return r;
    kzg_challenge(z, blob, commitment);
    (void)bls_fr_load_be(&point, z);
    evaluate(k, &value, &root, p, &point);
    bls_fr_store_be(y, &value);
    free(p);
    return 0;
}

int kzg_verify_blob(const struct kzg *k, const uint8_t *blob, const struct bytes48 *commitment,
                    const struct bytes48 *proof, struct error *why) {
    uint8_t z[32], y[32];
    int r = open_blob(k, z, y, blob, commitment, why);
    return r < 0 ? r : kzg_verify_proof(k, commitment, z, y, proof, why);
}

/* One opening of a batch. */
struct opening {
    uint8_t z[32], y[32];
};

/* The weights' seed, a hash over all that is verified (verify_kzg_proof_batch). */
static void batch_challenge(struct bls_fr *ret, const struct opening *o,
                            const struct bytes48 *commitments, const struct bytes48 *proofs,
                            size_t n) {
    uint8_t sizes[16];
    struct sha256 s;
    struct u256 t;
    store_be64(sizes, KZG_SIZE);
    store_be64(sizes + 8, n);
    sha256_init(&s);
    sha256_update(&s, BYTES_LIT("RCKZGBATCH___V1_"));
    sha256_update(&s, bytes_make(sizes, sizeof sizes));
    for (size_t i = 0; i < n; i++) {
        sha256_update(&s, BYTES_OF(commitments[i]));
        sha256_update(&s, bytes_make(o[i].z, 32));
        sha256_update(&s, bytes_make(o[i].y, 32));
        sha256_update(&s, BYTES_OF(proofs[i]));
    }
    struct hash h = sha256_final(&s);
    bls_scalar_reduce(&t, u256_load_be(h.b));
    bls_fr_from_u256(ret, &t);
}

/* e(sum of w_i (C_i - y_i [1]_1 + z_i proof_i), [1]_2) = e(sum of w_i proof_i, [tau]_2), with
 * weights w_i the powers of the challenge. points: n proofs, n commitments and room for one. */
static int check_openings(const struct kzg *k, const struct opening *o,
                          struct bls_g1_affine *points, const struct bls_fr *challenge, size_t n,
                          struct error *why) {
    struct u256 *left = calloc(2 * n + 1, sizeof *left), *right = calloc(n, sizeof *right);
    struct bls_g1 a, b;
    struct bls_fr weight = bls_fr_one, t, y_sum = {{0}};
    int r = ERR_NO_MEMORY;
    if (!left || !right) {
        r = error_set(why, ERR_NO_MEMORY, "no memory for %zu openings", n);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        bls_fr_to_u256(&right[i], &weight);
        left[n + i] = right[i];
        (void)bls_fr_load_be(&t, o[i].z);
        bls_fr_mul(&t, &t, &weight);
        bls_fr_to_u256(&left[i], &t);
        (void)bls_fr_load_be(&t, o[i].y);
        bls_fr_mul(&t, &t, &weight);
        bls_fr_sub(&y_sum, &y_sum, &t);
        bls_fr_mul(&weight, &weight, challenge);
    }
    points[2 * n] = bls_g1_generator;
    bls_fr_to_u256(&left[2 * n], &y_sum);
    if ((r = bls_g1_msm(&a, points, left, 2 * n + 1, NULL, why)) < 0) goto out;
    if ((r = bls_g1_msm(&b, points, right, n, NULL, why)) < 0) goto out;
    r = kzg_check_pairs(k, &a, &b, &k->tau_g2, why);
out:
    free(left);
    free(right);
    return r;
}

int kzg_verify_blobs(const struct kzg *k, const uint8_t *blobs, const struct bytes48 *commitments,
                     const struct bytes48 *proofs, size_t n, struct error *why) {
    if (n == 0) return 0;
    if (n == 1) return kzg_verify_blob(k, blobs, commitments, proofs, why);
    struct opening *o = calloc(n, sizeof *o);
    struct bls_g1_affine *points = calloc(2 * n + 1, sizeof *points);
    struct bls_fr challenge;
    int r;
    if (!o || !points) {
        r = error_set(why, ERR_NO_MEMORY, "no memory for %zu openings", n);
        goto out;
    }
    if ((r = kzg_read_g1_many(points, proofs, n, "proof", why)) < 0 ||
        (r = kzg_read_g1_many(points + n, commitments, n, "commitment", why)) < 0) {
        goto out;
    }
    for (size_t i = 0; i < n && r == 0; i++)
        r = open_blob(k, o[i].z, o[i].y, blobs + i * KZG_BLOB_BYTES, &commitments[i], why);
    if (r < 0) goto out;
    batch_challenge(&challenge, o, commitments, proofs, n);
    r = check_openings(k, o, points, &challenge, n, why);
out:
    free(o);
    free(points);
    return r;
}
