/* SPDX-License-Identifier: MIT */
#include "crypto/kzg.h"

#include "crypto/bls_scalar.h"
#include "crypto/kzg_setup.h"
#include "crypto/sha256.h"

#include <stdlib.h>

#define G2_POINTS 65
#define POWERS_AT (G2_POINTS * 96)
#define LAGRANGE_AT (POWERS_AT + KZG_SIZE * 48)
#define POWERS_TO_VERIFY KZG_CELL_SIZE

extern const uint8_t kzg_setup_bytes[LAGRANGE_AT + KZG_SIZE * 48];

size_t kzg_reverse_bits(size_t i, size_t n) {
    uint64_t r = __builtin_bswap64(i);
    r = (r >> 4 & 0x0f0f0f0f0f0f0f0f) | (r & 0x0f0f0f0f0f0f0f0f) << 4;
    r = (r >> 2 & 0x3333333333333333) | (r & 0x3333333333333333) << 2;
    r = (r >> 1 & 0x5555555555555555) | (r & 0x5555555555555555) << 1;
    return n > 1 ? r >> (64 - __builtin_ctzll(n)) : 0;
}

static int open_g2(struct bls_lines *ret, size_t power, struct error *why) {
    struct bls_g2_affine p;
    int r = bls_g2_decompress(&p, kzg_setup_bytes + power * 96, why);
    if (r < 0) return error_set(why, ERR_INTERNAL, "KZG setup: G2 point %zu is damaged", power);
    bls_lines_make(ret, &p);
    return 0;
}

static int open_g1(struct bls_g1_affine **ret, size_t at, size_t n, bool reversed,
                   struct error *why) {
    struct bls_g1_affine *points = calloc(n, sizeof *points);
    if (!points) return error_set(why, ERR_NO_MEMORY, "no memory for the KZG setup");
    *ret = points;
    for (size_t i = 0; i < n; i++) {
        size_t to = reversed ? kzg_reverse_bits(i, n) : i;
        if (bls_g1_decompress(&points[to], kzg_setup_bytes + at + i * 48, why) < 0) {
            return error_set(why, ERR_INTERNAL, "KZG setup: G1 point %zu is damaged", i);
        }
    }
    return 0;
}

static void make_roots(struct kzg *k) {
    struct bls_fr root;
    bls_fr_root(&root, KZG_EXTENDED);
    bls_fr_from_u64(&k->size_inverse, KZG_SIZE);
    bls_fr_inv(&k->size_inverse, &k->size_inverse);
    k->roots[0] = bls_fr_one;
    for (size_t i = 1; i < KZG_EXTENDED; i++)
        bls_fr_mul(&k->roots[i], &k->roots[i - 1], &root);
    for (size_t i = 0; i < KZG_SIZE; i++) {
        k->domain[i] = k->roots[2 * kzg_reverse_bits(i, KZG_SIZE)];
    }
}

int kzg_open(struct kzg **ret, enum kzg_use use, struct error *why) {
    struct kzg *k = calloc(1, sizeof *k);
    if (!k) return error_set(why, ERR_NO_MEMORY, "no memory for the KZG setup");
    k->use = use;
    make_roots(k);
    int r;
    if ((r = open_g2(&k->g2, 0, why)) < 0 || (r = open_g2(&k->tau_g2, 1, why)) < 0 ||
        (r = open_g2(&k->tau64_g2, 64, why)) < 0) {
        goto fail;
    }
    size_t powers = use == KZG_CELL_PROOFS ? KZG_SIZE : POWERS_TO_VERIFY;
    if ((r = open_g1(&k->powers, POWERS_AT, powers, false, why)) < 0) goto fail;
    if (use >= KZG_PROVE) {
        if ((r = open_g1(&k->lagrange, LAGRANGE_AT, KZG_SIZE, true, why)) < 0) goto fail;
    }
    if (use >= KZG_CELL_PROOFS && (r = kzg_cell_table_make(k, why)) < 0) goto fail;
    *ret = k;
    return 0;
fail:
    kzg_close(k);
    return r;
}

void kzg_close(struct kzg *k) {
    if (!k) return;
    free(k->powers);
    free(k->lagrange);
    free(k->cell_table);
    free(k);
}

int kzg_read_g1_many(struct bls_g1_affine *ret, const struct bytes48 *in, size_t n,
                     const char *what, struct error *why) {
    if (bls_g1_decompress_many(ret, in, n, why) < 0) {
        (void)error_wrap(why, "KZG %s", what);
        if (why) why->code = ERR_SYNTAX;
        return ERR_SYNTAX;
    }
    if (!bls_g1_all_in_subgroup(ret, n)) {
        return error_set(why, ERR_SYNTAX, "KZG %s is not in the subgroup", what);
    }
    return 0;
}

int kzg_read_g1(struct bls_g1_affine *ret, const struct bytes48 *in, const char *what,
                struct error *why) {
    return kzg_read_g1_many(ret, in, 1, what, why);
}

int kzg_read_scalars(struct bls_fr *ret, const uint8_t *in, size_t n, struct error *why) {
    size_t good = bls_fr_load_be_many(ret, in, n);
    if (good == n) return 0;
    return error_set_at(why, ERR_RANGE, good * 32, "scalar %zu is not below the order", good);
}

int kzg_check_pairs(const struct kzg *k, const struct bls_g1 *a, const struct bls_g1 *b,
                    const struct bls_lines *q, struct error *why) {
    struct bls_g1 sides[2] = {*a};
    struct bls_g1_affine affine[2];
    struct bls_fp scratch[2];
    struct bls_fp12 f;
    bls_g1_neg(&sides[1], b);
    bls_g1_to_affine_many(affine, sides, 2, scratch);
    bls_miller_loop_lines(&f, affine, (const struct bls_lines *const[]){&k->g2, q}, 2);
    bls_final_exponentiation(&f, &f);
    if (!bls_fp12_is_one(&f)) return error_set(why, ERR_INVALID, "KZG proof is wrong");
    return 0;
}

struct hash kzg_versioned_hash(const struct bytes48 *commitment) {
    struct hash h = sha256(BYTES_OF(*commitment));
    h.b[0] = KZG_HASH_VERSION;
    return h;
}

/* e(C - y [1]_1 + z proof, [1]_2) = e(proof, [tau]_2), which keeps both G2 points fixed. */
int kzg_verify_proof(const struct kzg *k, const struct bytes48 *commitment, const uint8_t z[32],
                     const uint8_t y[32], const struct bytes48 *proof, struct error *why) {
    struct bls_g1_affine c, points[2];
    struct bls_g1 sum, right;
    struct u256 scalars[2];
    int r;
    if (!bls_scalar_load_be(&scalars[0], y) || !bls_scalar_load_be(&scalars[1], z)) {
        return error_set(why, ERR_RANGE, "KZG scalar is not below the order");
    }
    if ((r = kzg_read_g1(&c, commitment, "commitment", why)) < 0 ||
        (r = kzg_read_g1(&points[1], proof, "proof", why)) < 0) {
        return r;
    }
    bls_g1_neg_affine(&points[0], &bls_g1_generator);
    if ((r = bls_g1_msm(&sum, points, scalars, 2, NULL, why)) < 0) return r;
    bls_g1_add_affine(&sum, &sum, &c);
    bls_g1_from_affine(&right, &points[1]);
    return kzg_check_pairs(k, &sum, &right, &k->tau_g2, why);
}

int kzg_point_evaluation(const struct kzg *k, uint8_t ret[64], struct bytes in, struct error *why) {
    struct bytes48 commitment, proof;
    if (in.n != KZG_POINT_EVALUATION_INPUT) {
        return error_set(why, ERR_SYNTAX, "input of %zu bytes where 192 are due", in.n);
    }
    memcpy(commitment.b, in.p + 96, 48);
    memcpy(proof.b, in.p + 144, 48);
    struct hash versioned = kzg_versioned_hash(&commitment);
    if (memcmp(versioned.b, in.p, 32) != 0) {
        return error_set(why, ERR_INVALID, "versioned hash is not the commitment's");
    }
    int r = kzg_verify_proof(k, &commitment, in.p + 32, in.p + 64, &proof, why);
    if (r < 0) return r;
    u256_store_be(ret, u256_from_u64(KZG_SIZE));
    u256_store_be(ret + 32, BLS_ORDER);
    return 0;
}
