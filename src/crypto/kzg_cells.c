/* Cells of extended blobs (EIP-7594).
 *
 * Cell i holds the polynomial's values on the coset h_i <w>, w the 64th root of unity, h_i the
 * 8192nd root to the power of i's seven bits reversed. Its proof is the commitment of the quotient
 * by X^64 - h_i^64.
 *
 * All 128 proofs at once (Feist and Khovratovich, eprint 2023/033): with H_t the commitment of
 * the polynomial divided by X^(64 t), rest dropped, the proof of the coset with c = h^64 is the
 * sum of c^(t-1) H_t, which is a Fourier transform of length 128 in G1. The H_t themselves are 64
 * products of a Toeplitz matrix of coefficients with powers of tau, one for each residue of the
 * exponent mod 64; a Toeplitz product is a pointwise product between transforms, and those of the
 * powers of tau are made once (cell_table).
 *
 * SPDX-License-Identifier: MIT */
#include "crypto/bls_scalar.h"
#include "crypto/kzg_setup.h"
#include "crypto/sha256.h"

#include <stdlib.h>

#define CIRCLE 128 /* length of the transforms, and by chance the count of cells */

struct g1_circle {
    struct bls_g1 point[CIRCLE];
    struct bls_g1_affine affine[CIRCLE];
    struct bls_fp scratch[CIRCLE];
};

/* In place, natural order in and out. The inverse leaves out the factor 1/128. */
static void g1_fft(const struct kzg *k, struct g1_circle *c, bool inverse) {
    for (size_t i = 0; i < CIRCLE; i++) {
        size_t j = kzg_reverse_bits(i, CIRCLE);
        if (i < j) {
            struct bls_g1 t = c->point[i];
            c->point[i] = c->point[j];
            c->point[j] = t;
        }
    }
    for (size_t half = 1; half < CIRCLE; half *= 2) {
        size_t stride = KZG_EXTENDED / (2 * half);
        bls_g1_to_affine_many(c->affine, c->point, CIRCLE, c->scratch);
        for (size_t at = 0; at < CIRCLE; at++) {
            size_t i = at & (2 * half - 1);
            if (i >= half) continue;
            struct bls_g1 *x = &c->point[at], *y = x + half, t = *y, minus;
            if (i) {
                struct u256 root;
                bls_fr_to_u256(&root, &k->roots[inverse ? KZG_EXTENDED - i * stride : i * stride]);
                bls_g1_mul(&t, &c->affine[at + half], &root);
            }
            bls_g1_neg(&minus, &t);
            bls_g1_add(y, x, &minus);
            bls_g1_add(x, x, &t);
        }
    }
}

int kzg_cell_table_make(struct kzg *k, struct error *why) {
    struct g1_circle *c = malloc(sizeof *c);
    k->cell_table = calloc(CIRCLE * KZG_CELL_SIZE, sizeof *k->cell_table);
    if (!c || !k->cell_table) {
        free(c);
        return error_set(why, ERR_NO_MEMORY, "no memory for the KZG setup");
    }
    for (size_t j = 0; j < KZG_CELL_SIZE; j++) {
        memset(c->point, 0, sizeof c->point);
        for (size_t a = 0; a < KZG_SIZE / KZG_CELL_SIZE; a++) {
            bls_g1_from_affine(&c->point[63 - a], &k->powers[a * KZG_CELL_SIZE + j]);
        }
        g1_fft(k, c, false);
        bls_g1_to_affine_many(c->affine, c->point, CIRCLE, c->scratch);
        for (size_t i = 0; i < CIRCLE; i++)
            k->cell_table[i * KZG_CELL_SIZE + j] = c->affine[i];
    }
    free(c);
    return 0;
}

/* The polynomial's coefficients followed by as many zeros, and room for its values. */
struct extended {
    struct bls_fr coefficient[KZG_EXTENDED];
    struct bls_fr value[KZG_EXTENDED];
    struct bls_fr work[KZG_EXTENDED];
    struct bls_fr spectrum[KZG_CELL_SIZE][CIRCLE];
    struct g1_circle circle;
};

static int extended_read(const struct kzg *k, struct extended **ret, const uint8_t *blob,
                         struct error *why) {
    struct extended *x = calloc(1, sizeof *x);
    if (!x) return error_set(why, ERR_NO_MEMORY, "no memory for an extended blob");
    int r = kzg_read_scalars(x->value, blob, KZG_SIZE, why);
    if (r < 0) {
        free(x);
        return r;
    }
    for (size_t i = 0; i < KZG_SIZE; i++) {
        x->coefficient[kzg_reverse_bits(i, KZG_SIZE)] = x->value[i];
    }
    bls_fr_fft(x->coefficient, KZG_SIZE, k->roots, KZG_EXTENDED, true);
    *ret = x;
    return 0;
}

static void write_cells(const struct kzg *k, struct extended *x, uint8_t *ret) {
    memcpy(x->value, x->coefficient, sizeof x->value);
    bls_fr_fft(x->value, KZG_EXTENDED, k->roots, KZG_EXTENDED, false);
    for (size_t i = 0; i < KZG_EXTENDED; i++)
        x->work[i] = x->value[kzg_reverse_bits(i, KZG_EXTENDED)];
    bls_fr_store_be_many(ret, x->work, KZG_EXTENDED);
}

/* Transforms of the coefficients with exponents j, 64 + j, .. for each j, times 1/128. */
static void make_spectra(const struct kzg *k, struct extended *x) {
    struct bls_fr scale;
    bls_fr_from_u64(&scale, CIRCLE);
    bls_fr_inv(&scale, &scale);
    for (size_t j = 0; j < KZG_CELL_SIZE; j++) {
        memset(x->spectrum[j], 0, sizeof x->spectrum[j]);
        for (size_t a = 0; a < KZG_SIZE / KZG_CELL_SIZE; a++) {
            bls_fr_mul(&x->spectrum[j][a], &x->coefficient[a * KZG_CELL_SIZE + j], &scale);
        }
        bls_fr_fft(x->spectrum[j], CIRCLE, k->roots, KZG_EXTENDED, false);
    }
}

static int write_proofs(const struct kzg *k, struct extended *x, struct bytes48 ret[KZG_CELLS],
                        struct error *why) {
    struct g1_circle *c = &x->circle;
    make_spectra(k, x);
    for (size_t i = 0; i < CIRCLE; i++) {
        struct u256 scalars[KZG_CELL_SIZE];
        for (size_t j = 0; j < KZG_CELL_SIZE; j++)
            bls_fr_to_u256(&scalars[j], &x->spectrum[j][i]);
        int r = bls_g1_msm(&c->point[i], k->cell_table + i * KZG_CELL_SIZE, scalars, KZG_CELL_SIZE,
                           NULL, why);
        if (r < 0) return r;
    }
    g1_fft(k, c, true);
    memmove(c->point, c->point + 64, 63 * sizeof c->point[0]); // H_1 .. H_63
    memset(c->point + 63, 0, (CIRCLE - 63) * sizeof c->point[0]);
    g1_fft(k, c, false);
    bls_g1_to_affine_many(c->affine, c->point, CIRCLE, c->scratch);
    for (size_t i = 0; i < KZG_CELLS; i++) {
        bls_g1_compress(ret[i].b, &c->affine[kzg_reverse_bits(i, CIRCLE)]);
    }
    return 0;
}

int kzg_cells(const struct kzg *k, uint8_t *ret_cells, const uint8_t *blob, struct error *why) {
    struct extended *x;
    int r = extended_read(k, &x, blob, why);
    if (r < 0) return r;
    write_cells(k, x, ret_cells);
    free(x);
    return 0;
}

static int check_table(const struct kzg *k, struct error *why) {
    if (k->cell_table) return 0;
    return error_set(why, ERR_UNSUPPORTED, "this KZG setup was opened for less than cell proofs");
}

int kzg_cells_and_proofs(const struct kzg *k, uint8_t *ret_cells,
                         struct bytes48 ret_proofs[KZG_CELLS], const uint8_t *blob,
                         struct error *why) {
    struct extended *x;
    int r;
    if ((r = check_table(k, why)) < 0 || (r = extended_read(k, &x, blob, why)) < 0) return r;
    if ((r = write_proofs(k, x, ret_proofs, why)) == 0) write_cells(k, x, ret_cells);
    free(x);
    return r;
}

/* Verification of many cells with one pairing check: weights are the powers of a hash over all. */

struct cell_batch {
    const struct bytes48 *commitments, *proofs;
    const uint64_t *indices;
    const uint8_t *cells;
    size_t n;
    size_t *row; /* of each cell: which of the distinct commitments it has */
    size_t *first;
    size_t rows;
    struct bls_g1_affine *points; /* proofs, then distinct commitments, then 64 powers of tau */
    struct u256 *left, *right;
    struct bls_fr *weight;
};

static int batch_alloc(struct cell_batch *b, struct error *why) {
    size_t all = 2 * b->n + KZG_CELL_SIZE;
    b->row = calloc(b->n, sizeof *b->row);
    b->first = calloc(b->n, sizeof *b->first);
    b->points = calloc(all, sizeof *b->points);
    b->left = calloc(all, sizeof *b->left);
    b->right = calloc(b->n, sizeof *b->right);
    b->weight = calloc(b->n, sizeof *b->weight);
    if (b->row && b->first && b->points && b->left && b->right && b->weight) return 0;
    return error_set(why, ERR_NO_MEMORY, "no memory for %zu cells", b->n);
}

static void batch_free(struct cell_batch *b) {
    free(b->row);
    free(b->first);
    free(b->points);
    free(b->left);
    free(b->right);
    free(b->weight);
}

static void find_rows(struct cell_batch *b) {
    for (size_t i = 0; i < b->n; i++) {
        size_t row = 0;
        while (row < b->rows &&
               memcmp(b->commitments[b->first[row]].b, b->commitments[i].b, 48) != 0) {
            row++;
        }
        if (row == b->rows) b->first[b->rows++] = i;
        b->row[i] = row;
    }
}

static void hash_u64(struct sha256 *s, uint64_t v) {
    uint8_t be[8];
    store_be64(be, v);
    sha256_update(s, bytes_make(be, 8));
}

static void cell_challenge(struct bls_fr *ret, const struct cell_batch *b) {
    struct sha256 s;
    struct u256 t;
    sha256_init(&s);
    sha256_update(&s, BYTES_LIT("RCKZGCBATCH__V1_"));
    hash_u64(&s, KZG_SIZE);
    hash_u64(&s, KZG_CELL_SIZE);
    hash_u64(&s, b->rows);
    hash_u64(&s, b->n);
    for (size_t i = 0; i < b->rows; i++) {
        sha256_update(&s, BYTES_OF(b->commitments[b->first[i]]));
    }
    for (size_t i = 0; i < b->n; i++) {
        hash_u64(&s, b->row[i]);
        hash_u64(&s, b->indices[i]);
        sha256_update(&s, bytes_make(b->cells + i * KZG_CELL_BYTES, KZG_CELL_BYTES));
        sha256_update(&s, BYTES_OF(b->proofs[i]));
    }
    struct hash h = sha256_final(&s);
    bls_scalar_reduce(&t, u256_load_be(h.b));
    bls_fr_from_u256(ret, &t);
}

/* The exponent of h_i as a power of the 8192nd root. */
static size_t coset_exponent(uint64_t index) {
    return kzg_reverse_bits((size_t)index, KZG_CELLS);
}

/* Subtracts weight times the polynomial through a cell from sum's 64 coefficients. */
static int subtract_interpolated(const struct kzg *k, struct bls_fr sum[KZG_CELL_SIZE],
                                 const uint8_t *cell, uint64_t index, const struct bls_fr *weight,
                                 struct error *why) {
    struct bls_fr in[KZG_CELL_SIZE], c[KZG_CELL_SIZE];
    int r = kzg_read_scalars(in, cell, KZG_CELL_SIZE, why);
    if (r < 0) return r;
    for (size_t i = 0; i < KZG_CELL_SIZE; i++)
        c[kzg_reverse_bits(i, KZG_CELL_SIZE)] = in[i];
    bls_fr_fft(c, KZG_CELL_SIZE, k->roots, KZG_EXTENDED, true);
    size_t h = coset_exponent(index);
    for (size_t i = 0; i < KZG_CELL_SIZE; i++) {
        bls_fr_mul(&c[i], &c[i], &k->roots[(KZG_EXTENDED - h * i) % KZG_EXTENDED]);
        bls_fr_mul(&c[i], &c[i], weight);
        bls_fr_sub(&sum[i], &sum[i], &c[i]);
    }
    return 0;
}

static int batch_read(struct cell_batch *b, struct error *why) {
    for (size_t i = 0; i < b->n; i++) {
        if (b->indices[i] < KZG_CELLS) continue;
        return error_set(why, ERR_RANGE, "cell index %llu", (unsigned long long)b->indices[i]);
    }
    int r = kzg_read_g1_many(b->points, b->proofs, b->n, "proof", why);
    if (r < 0) return r;
    find_rows(b);
    for (size_t i = 0; i < b->rows; i++) {
        r = kzg_read_g1(&b->points[b->n + i], &b->commitments[b->first[i]], "commitment", why);
        if (r < 0) return r;
    }
    return 0;
}

/* e(sum of w_i (C_i - I_i + h_i^64 proof_i), [1]_2) = e(sum of w_i proof_i, [tau^64]_2), I_i the
 * commitment of the polynomial through cell i. */
static int batch_check(const struct kzg *k, struct cell_batch *b, struct error *why) {
    struct bls_fr sum[KZG_CELL_SIZE] = {{{0}}}, row_weight, t, challenge;
    struct bls_g1 left, right;
    int r;
    cell_challenge(&challenge, b);
    b->weight[0] = bls_fr_one;
    for (size_t i = 1; i < b->n; i++)
        bls_fr_mul(&b->weight[i], &b->weight[i - 1], &challenge);
    for (size_t i = 0; i < b->n; i++) {
        const uint8_t *cell = b->cells + i * KZG_CELL_BYTES;
        r = subtract_interpolated(k, sum, cell, b->indices[i], &b->weight[i], why);
        if (r < 0) return r;
        bls_fr_to_u256(&b->right[i], &b->weight[i]);
        size_t h64 = coset_exponent(b->indices[i]) * KZG_CELL_SIZE;
        bls_fr_mul(&t, &b->weight[i], &k->roots[h64]);
        bls_fr_to_u256(&b->left[i], &t);
    }
    for (size_t row = 0; row < b->rows; row++) {
        row_weight = (struct bls_fr){{0}};
        for (size_t i = 0; i < b->n; i++) {
            if (b->row[i] == row) bls_fr_add(&row_weight, &row_weight, &b->weight[i]);
        }
        bls_fr_to_u256(&b->left[b->n + row], &row_weight);
    }
    size_t at = b->n + b->rows;
    for (size_t i = 0; i < KZG_CELL_SIZE; i++) {
        b->points[at + i] = k->powers[i];
        bls_fr_to_u256(&b->left[at + i], &sum[i]);
    }
    if ((r = bls_g1_msm(&left, b->points, b->left, at + KZG_CELL_SIZE, NULL, why)) < 0) return r;
    if ((r = bls_g1_msm(&right, b->points, b->right, b->n, NULL, why)) < 0) return r;
    return kzg_check_pairs(k, &left, &right, &k->tau64_g2, why);
}

int kzg_verify_cells(const struct kzg *k, const struct bytes48 *commitments,
                     const uint64_t *indices, const uint8_t *cells, const struct bytes48 *proofs,
                     size_t n, struct error *why) {
    struct cell_batch b = {
        .commitments = commitments, .proofs = proofs, .indices = indices, .cells = cells, .n = n};
    if (n == 0) return 0;
    int r = batch_alloc(&b, why);
    if (r == 0) r = batch_read(&b, why);
    if (r == 0) r = batch_check(k, &b, why);
    batch_free(&b);
    return r;
}

/* Recovery: with Z the polynomial that vanishes on the missing cells, P Z is known everywhere on
 * the domain; away from the domain it can be divided by Z. */

static int read_known(struct extended *x, bool present[KZG_CELLS], const uint64_t *indices,
                      const uint8_t *cells, size_t n, struct error *why) {
    if (n < KZG_CELLS / 2 || n > KZG_CELLS) {
        return error_set(why, ERR_RANGE, "%zu cells; recovery needs 64 to 128", n);
    }
    for (size_t i = 0; i < n; i++) {
        if (indices[i] >= KZG_CELLS || (i && indices[i] <= indices[i - 1])) {
            return error_set(why, ERR_RANGE, "cell indices are not increasing below 128");
        }
        present[indices[i]] = true;
        struct bls_fr value[KZG_CELL_SIZE];
        int r = kzg_read_scalars(value, cells + i * KZG_CELL_BYTES, KZG_CELL_SIZE, why);
        if (r < 0) return r;
        for (size_t j = 0; j < KZG_CELL_SIZE; j++) {
            x->value[kzg_reverse_bits(indices[i] * KZG_CELL_SIZE + j, KZG_EXTENDED)] = value[j];
        }
    }
    return 0;
}

/* Z's coefficients: the product of X - h_i^64 over the missing cells, in X^64. */
static void vanishing(const struct kzg *k, struct bls_fr z[KZG_EXTENDED],
                      const bool present[KZG_CELLS]) {
    struct bls_fr t;
    size_t degree = 0;
    memset(z, 0, KZG_EXTENDED * sizeof *z);
    z[0] = bls_fr_one;
    for (size_t i = 0; i < KZG_CELLS; i++) {
        if (present[i]) continue;
        const struct bls_fr *root = &k->roots[coset_exponent(i) * KZG_CELL_SIZE];
        degree++;
        for (size_t j = degree + 1; j-- > 0;) {
            bls_fr_mul(&t, &z[j * KZG_CELL_SIZE], root);
            z[j * KZG_CELL_SIZE] = j ? z[(j - 1) * KZG_CELL_SIZE] : (struct bls_fr){{0}};
            bls_fr_sub(&z[j * KZG_CELL_SIZE], &z[j * KZG_CELL_SIZE], &t);
        }
    }
}

/* a(X) to a(s X). */
static void scale_argument(struct bls_fr *a, const struct bls_fr *s) {
    struct bls_fr power = bls_fr_one;
    for (size_t i = 0; i < KZG_EXTENDED; i++) {
        bls_fr_mul(&a[i], &a[i], &power);
        bls_fr_mul(&power, &power, s);
    }
}

static void divide_out(const struct kzg *k, struct extended *x, const bool present[KZG_CELLS]) {
    struct bls_fr shift, *z = x->work, *p = x->coefficient;
    vanishing(k, z, present);
    memcpy(p, z, sizeof x->coefficient);
    bls_fr_fft(p, KZG_EXTENDED, k->roots, KZG_EXTENDED, false);
    for (size_t i = 0; i < KZG_EXTENDED; i++)
        bls_fr_mul(&p[i], &p[i], &x->value[i]);
    bls_fr_fft(p, KZG_EXTENDED, k->roots, KZG_EXTENDED, true); // coefficients of P Z
    bls_fr_from_u64(&shift, 7); // generates the group: no power of it below r - 1 is a root
    scale_argument(p, &shift);
    scale_argument(z, &shift);
    bls_fr_fft(p, KZG_EXTENDED, k->roots, KZG_EXTENDED, false);
    bls_fr_fft(z, KZG_EXTENDED, k->roots, KZG_EXTENDED, false);
    bls_fr_inv_many(z, z, KZG_EXTENDED, x->value);
    for (size_t i = 0; i < KZG_EXTENDED; i++)
        bls_fr_mul(&p[i], &p[i], &z[i]);
    bls_fr_fft(p, KZG_EXTENDED, k->roots, KZG_EXTENDED, true);
    bls_fr_inv(&shift, &shift);
    scale_argument(p, &shift);
}

int kzg_recover(const struct kzg *k, uint8_t *ret_cells, struct bytes48 ret_proofs[KZG_CELLS],
                const uint64_t *indices, const uint8_t *cells, size_t n, struct error *why) {
    bool present[KZG_CELLS] = {false};
    int r = check_table(k, why);
    if (r < 0) return r;
    struct extended *x = calloc(1, sizeof *x);
    if (!x) return error_set(why, ERR_NO_MEMORY, "no memory for an extended blob");
    if ((r = read_known(x, present, indices, cells, n, why)) < 0) goto out;
    divide_out(k, x, present);
    for (size_t i = KZG_SIZE; i < KZG_EXTENDED; i++) {
        if (bls_fr_is_zero(&x->coefficient[i])) continue;
        r = error_set(why, ERR_INVALID, "the cells are not of one blob");
        goto out;
    }
    if ((r = write_proofs(k, x, ret_proofs, why)) == 0) write_cells(k, x, ret_cells);
out:
    free(x);
    return r;
}
