/* SPDX-License-Identifier: MIT */
#include "crypto/kzg.h"

#include "crypto/kzg_setup.h"
#include "crypto/testing.h"
#include "test/harness/test.h"

#include <stdlib.h>

static uint64_t seed = 0x9e3779b97f4a7c15;

/* One setup for all cases of the program. */
static const struct kzg *setup(void) {
    static struct kzg *k;
    struct error why;
    if (!k) CHECK_OK(kzg_open(&k, KZG_CELL_PROOFS, &why), &why);
    return k;
}

static uint8_t *random_blob(void) {
    static uint8_t blob[KZG_BLOB_BYTES];
    fill_random(blob, sizeof blob, &seed);
    for (size_t i = 0; i < sizeof blob; i += 32)
        blob[i] &= 0x3f;
    return blob;
}

static struct bytes48 infinity_point(void) {
    return (struct bytes48){{0xc0}};
}

/* e([tau^(i+1)]_1, [1]_2) = e([tau^i]_1, [tau]_2) for all i at once, with random weights; the
 * Lagrange points against the powers by a random polynomial; [tau^64]_2 against [tau^64]_1. */
TEST(setup_is_one_geometric_series) {
    const struct kzg *k = setup();
    struct u256 *w = calloc(KZG_SIZE, sizeof *w);
    struct bls_fr *c = calloc(KZG_SIZE, sizeof *c);
    struct bls_g1 low, high, t;
    struct error why;
    for (size_t i = 0; i < KZG_SIZE; i++)
        w[i] = u256_from_u64(next_random(&seed));
    CHECK_OK(bls_g1_msm(&low, k->powers, w, KZG_SIZE - 1, NULL, &why), &why);
    CHECK_OK(bls_g1_msm(&high, k->powers + 1, w, KZG_SIZE - 1, NULL, &why), &why);
    CHECK_OK(kzg_check_pairs(k, &high, &low, &k->tau_g2, &why), &why);
    bls_g1_from_affine(&low, &k->powers[0]);
    bls_g1_from_affine(&high, &k->powers[64]);
    CHECK_OK(kzg_check_pairs(k, &high, &low, &k->tau64_g2, &why), &why);
    CHECK(bls_fp_equal(&k->powers[0].x, &bls_g1_generator.x));
    CHECK(bls_fp_equal(&k->powers[0].y, &bls_g1_generator.y));
    // coefficients w committed by powers, their values by the Lagrange points
    for (size_t i = 0; i < KZG_SIZE; i++)
        bls_fr_from_u256(&c[i], &w[i]);
    CHECK_OK(bls_g1_msm(&low, k->powers, w, KZG_SIZE, NULL, &why), &why);
    bls_fr_fft(c, KZG_SIZE, k->roots, KZG_EXTENDED, false);
    for (size_t i = 0; i < KZG_SIZE; i++) {
        bls_fr_to_u256(&w[kzg_reverse_bits(i, KZG_SIZE)], &c[i]);
    }
    CHECK_OK(bls_g1_msm(&t, k->lagrange, w, KZG_SIZE, NULL, &why), &why);
    CHECK(bls_g1_equal(&low, &t));
    free(w);
    free(c);
}

TEST(openings_verify_at_any_point) {
    const struct kzg *k = setup();
    uint8_t *blob = random_blob(), z[32] = {0}, y[32];
    struct bytes48 c, proof;
    struct error why;
    CHECK_OK(kzg_commit(k, &c, blob, &why), &why);
    for (int i = 0; i < 4; i++) {
        if (i == 1) bls_fr_store_be(z, &k->domain[0]); // the points of the domain are special
        if (i == 2) bls_fr_store_be(z, &k->domain[77]);
        if (i == 3) z[31] ^= 1;
        CHECK_OK(kzg_prove(k, &proof, y, blob, z, &why), &why);
        if (i == 2) CHECK(memcmp(y, blob + (size_t)77 * 32, 32) == 0);
        CHECK_OK(kzg_verify_proof(k, &c, z, y, &proof, &why), &why);
        y[31] ^= 1;
        CHECK_ERR(kzg_verify_proof(k, &c, z, y, &proof, &why), ERR_INVALID);
    }
}

TEST(malformed_input_is_not_merely_wrong) {
    const struct kzg *k = setup();
    struct bytes48 c = infinity_point(), proof = infinity_point(), bad;
    uint8_t z[32] = {0}, y[32] = {0}, large[32];
    struct error why;
    CHECK_OK(kzg_verify_proof(k, &c, z, y, &proof, &why), &why); // the zero polynomial
    y[31] = 1;
    CHECK_ERR(kzg_verify_proof(k, &c, z, y, &proof, &why), ERR_INVALID);
    from_hex(large, "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001");
    CHECK_ERR(kzg_verify_proof(k, &c, large, y, &proof, &why), ERR_RANGE);
    CHECK_ERR(kzg_verify_proof(k, &c, z, large, &proof, &why), ERR_RANGE);
    bad = c;
    bad.b[0] = 0x40;
    CHECK_ERR(kzg_verify_proof(k, &bad, z, y, &proof, &why), ERR_SYNTAX);
    CHECK_ERR(kzg_verify_proof(k, &c, z, y, &bad, &why), ERR_SYNTAX);
    unsigned outside = 0;
    for (uint8_t x = 0; x < 12; x++) { // on no point, or outside the subgroup
        bad = (struct bytes48){{0x80}};
        bad.b[47] = x;
        CHECK_ERR(kzg_verify_proof(k, &bad, z, y, &proof, &why), ERR_SYNTAX);
        outside += strstr(why.text, "subgroup") != NULL;
    }
    CHECK(outside > 0);
}

TEST(point_evaluation_is_strict) {
    const struct kzg *k = setup();
    uint8_t in[KZG_POINT_EVALUATION_INPUT + 1] = {0}, out[64];
    struct bytes48 c = infinity_point();
    struct hash h = kzg_versioned_hash(&c);
    struct error why;
    CHECK_U64(h.b[0], 1);
    memcpy(in, h.b, 32);
    memcpy(in + 96, c.b, 48);
    memcpy(in + 144, c.b, 48);
    CHECK_OK(kzg_point_evaluation(k, out, bytes_make(in, 192), &why), &why);
    uint8_t expected[64] = {0};
    expected[30] = 0x10;
    from_hex(expected + 32, "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001");
    CHECK_BYTES(bytes_make(out, 64), bytes_make(expected, 64));
    CHECK_ERR(kzg_point_evaluation(k, out, bytes_make(in, 191), &why), ERR_SYNTAX);
    CHECK_ERR(kzg_point_evaluation(k, out, bytes_make(in, 193), &why), ERR_SYNTAX);
    in[1] ^= 1;
    CHECK_ERR(kzg_point_evaluation(k, out, bytes_make(in, 192), &why), ERR_INVALID);
}

TEST(blobs_verify_alone_and_together) {
    enum { N = 3 };
    const struct kzg *k = setup();
    uint8_t *blobs = malloc((size_t)N * KZG_BLOB_BYTES);
    struct bytes48 c[N], proof[N];
    struct error why;
    for (size_t i = 0; i < N; i++) {
        uint8_t *blob = blobs + i * KZG_BLOB_BYTES;
        memcpy(blob, random_blob(), KZG_BLOB_BYTES);
        CHECK_OK(kzg_commit(k, &c[i], blob, &why), &why);
        CHECK_OK(kzg_prove_blob(k, &proof[i], blob, &c[i], &why), &why);
        CHECK_OK(kzg_verify_blob(k, blob, &c[i], &proof[i], &why), &why);
    }
    CHECK_OK(kzg_verify_blobs(k, blobs, c, proof, 0, &why), &why);
    CHECK_OK(kzg_verify_blobs(k, blobs, c, proof, 1, &why), &why);
    CHECK_OK(kzg_verify_blobs(k, blobs, c, proof, N, &why), &why);
    struct bytes48 kept = proof[0];
    proof[0] = proof[1];
    CHECK_ERR(kzg_verify_blob(k, blobs, &c[0], &proof[0], &why), ERR_INVALID);
    CHECK_ERR(kzg_verify_blobs(k, blobs, c, proof, N, &why), ERR_INVALID);
    proof[0] = kept;
    blobs[KZG_BLOB_BYTES + 31] ^= 1;
    CHECK_ERR(kzg_verify_blobs(k, blobs, c, proof, N, &why), ERR_INVALID);
    memset(blobs + KZG_BLOB_BYTES, 0xff, 32);
    CHECK_ERR(kzg_verify_blobs(k, blobs, c, proof, N, &why), ERR_RANGE);
    CHECK_ERR(kzg_commit(k, &kept, blobs + KZG_BLOB_BYTES, &why), ERR_RANGE);
    free(blobs);
}

/* A proof of every kind of cell by its definition: the quotient's division done by hand. */
TEST(cell_proofs_are_the_quotients_commitments) {
    const struct kzg *k = setup();
    uint8_t *blob = random_blob(), *cells = malloc(KZG_CELLS * KZG_CELL_BYTES);
    struct bytes48 proofs[KZG_CELLS], expected;
    struct bls_fr *f = calloc(KZG_SIZE, sizeof *f), *q = calloc(KZG_SIZE, sizeof *q), t;
    struct u256 *plain = calloc(KZG_SIZE, sizeof *plain);
    struct error why;
    CHECK_OK(kzg_cells_and_proofs(k, cells, proofs, blob, &why), &why);
    CHECK(memcmp(cells, blob, KZG_BLOB_BYTES) == 0); // the first half is the blob itself
    for (size_t i = 0; i < KZG_SIZE; i++) {
        CHECK(bls_fr_load_be(&f[kzg_reverse_bits(i, KZG_SIZE)], blob + i * 32));
    }
    bls_fr_fft(f, KZG_SIZE, k->roots, KZG_EXTENDED, true);
    static const size_t some[] = {0, 1, 64, 127};
    for (size_t s = 0; s < sizeof some / sizeof some[0]; s++) {
        // f = q (X^64 - c) + rest: q's coefficients from the top
        const struct bls_fr *c = &k->roots[kzg_reverse_bits(some[s], 128) * 64];
        memset(q, 0, KZG_SIZE * sizeof *q);
        for (size_t i = KZG_SIZE; i-- > 64;) {
            bls_fr_mul(&t, &q[i], c);
            bls_fr_add(&q[i - 64], &f[i], &t);
        }
        struct bls_g1 p;
        struct bls_g1_affine a;
        for (size_t i = 0; i < KZG_SIZE; i++)
            bls_fr_to_u256(&plain[i], &q[i]);
        CHECK_OK(bls_g1_msm(&p, k->powers, plain, KZG_SIZE, NULL, &why), &why);
        bls_g1_to_affine(&a, &p);
        bls_g1_compress(expected.b, &a);
        CHECK_BYTES(BYTES_OF(proofs[some[s]]), BYTES_OF(expected));
    }
    free(cells);
    free(f);
    free(q);
    free(plain);
}

TEST(cells_verify_and_recover) {
    const struct kzg *k = setup();
    uint8_t *blob = random_blob(), *cells = malloc(KZG_CELLS * KZG_CELL_BYTES),
            *half = malloc(KZG_CELLS * KZG_CELL_BYTES), *again = malloc(KZG_CELLS * KZG_CELL_BYTES);
    struct bytes48 c[KZG_CELLS], proofs[KZG_CELLS], proofs_again[KZG_CELLS];
    uint64_t indices[KZG_CELLS];
    struct error why;
    CHECK_OK(kzg_commit(k, &c[0], blob, &why), &why);
    CHECK_OK(kzg_cells_and_proofs(k, cells, proofs, blob, &why), &why);
    for (size_t i = 0; i < KZG_CELLS; i++) {
        c[i] = c[0];
        indices[i] = i;
    }
    CHECK_OK(kzg_verify_cells(k, c, indices, cells, proofs, 0, &why), &why);
    CHECK_OK(kzg_verify_cells(k, c, indices, cells, proofs, KZG_CELLS, &why), &why);
    indices[5] = 6;
    CHECK_ERR(kzg_verify_cells(k, c, indices, cells, proofs, KZG_CELLS, &why), ERR_INVALID);
    indices[5] = KZG_CELLS;
    CHECK_ERR(kzg_verify_cells(k, c, indices, cells, proofs, KZG_CELLS, &why), ERR_RANGE);
    indices[5] = 5;
    cells[99] ^= 1;
    CHECK_ERR(kzg_verify_cells(k, c, indices, cells, proofs, KZG_CELLS, &why), ERR_INVALID);
    cells[99] ^= 1;
    proofs[9].b[0] = 0;
    CHECK_ERR(kzg_verify_cells(k, c, indices, cells, proofs, KZG_CELLS, &why), ERR_SYNTAX);
    proofs[9].b[0] = 0xc0;
    size_t n = 0;
    for (size_t i = 0; i < KZG_CELLS; i++) {
        if (next_random(&seed) % 2 && n + (KZG_CELLS - i) > 64) continue;
        indices[n] = i;
        memcpy(half + n++ * KZG_CELL_BYTES, cells + i * KZG_CELL_BYTES, KZG_CELL_BYTES);
    }
    CHECK_OK(kzg_recover(k, again, proofs_again, indices, half, n, &why), &why);
    CHECK(memcmp(again, cells, KZG_CELLS * KZG_CELL_BYTES) == 0);
    CHECK(memcmp(proofs_again[0].b, proofs[0].b, 48) == 0);
    CHECK_ERR(kzg_recover(k, again, proofs_again, indices, half, 63, &why), ERR_RANGE);
    indices[1] = indices[0];
    CHECK_ERR(kzg_recover(k, again, proofs_again, indices, half, n, &why), ERR_RANGE);
    for (size_t i = 0; i < 128; i++)
        indices[i] = i;
    cells[70] ^= 1; // 128 cells that lie on no polynomial
    CHECK_ERR(kzg_recover(k, again, proofs_again, indices, cells, 128, &why), ERR_INVALID);
    free(cells);
    free(half);
    free(again);
}

TEST(a_smaller_setup_refuses_what_it_cannot_do) {
    struct kzg *k;
    struct bytes48 c = infinity_point(), proofs[KZG_CELLS];
    uint8_t *blob = random_blob(), *cells = malloc(KZG_CELLS * KZG_CELL_BYTES), z[32] = {0}, y[32];
    struct error why;
    CHECK_OK(kzg_open(&k, KZG_VERIFY, &why), &why);
    CHECK_OK(kzg_cells(k, cells, blob, &why), &why);
    CHECK_ERR(kzg_commit(k, &c, blob, &why), ERR_UNSUPPORTED);
    CHECK_ERR(kzg_prove(k, &c, y, blob, z, &why), ERR_UNSUPPORTED);
    CHECK_ERR(kzg_prove_blob(k, &c, blob, &c, &why), ERR_UNSUPPORTED);
    CHECK_ERR(kzg_cells_and_proofs(k, cells, proofs, blob, &why), ERR_UNSUPPORTED);
    kzg_close(k);
    kzg_close(NULL);
    free(cells);
}

TEST_MAIN()
