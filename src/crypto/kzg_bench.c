/* SPDX-License-Identifier: MIT */
#include "crypto/bls_bench.h"

#include "crypto/kzg.h"
#include "crypto/testing.h"

#include <string.h>

#define CELLS 128
#define BLOBS 6

struct bench {
    struct kzg *k;
    uint8_t blobs[BLOBS * KZG_BLOB_BYTES], cells[CELLS * KZG_CELL_BYTES];
    struct bytes48 commitments[BLOBS], proofs[BLOBS];
    struct bytes48 cell_commitments[CELLS], cell_proofs[CELLS];
    uint64_t indices[CELLS];
    uint8_t input[KZG_POINT_EVALUATION_INPUT], output[64];
    volatile int sink;
};

static void body_point_evaluation(void *arg) {
    struct bench *b = arg;
    b->sink = kzg_point_evaluation(b->k, b->output, bytes_make(b->input, sizeof b->input), NULL);
}
static void body_verify_blob(void *arg) {
    struct bench *b = arg;
    b->sink = kzg_verify_blob(b->k, b->blobs, b->commitments, b->proofs, NULL);
}
static void body_verify_blobs(void *arg) {
    struct bench *b = arg;
    b->sink = kzg_verify_blobs(b->k, b->blobs, b->commitments, b->proofs, BLOBS, NULL);
}
static void body_commit(void *arg) {
    struct bench *b = arg;
    b->sink = kzg_commit(b->k, b->commitments, b->blobs, NULL);
}
static void body_cells(void *arg) {
    struct bench *b = arg;
    b->sink = kzg_cells(b->k, b->cells, b->blobs, NULL);
}
static void body_cells_and_proofs(void *arg) {
    struct bench *b = arg;
    b->sink = kzg_cells_and_proofs(b->k, b->cells, b->cell_proofs, b->blobs, NULL);
}
static void body_verify_cells(void *arg) {
    struct bench *b = arg;
    b->sink = kzg_verify_cells(b->k, b->cell_commitments, b->indices, b->cells, b->cell_proofs,
                               CELLS, NULL);
}

static int prepare(struct bench *b) {
    uint64_t seed = 77;
    int r = kzg_open(&b->k, KZG_CELL_PROOFS, NULL);
    fill_random(b->blobs, sizeof b->blobs, &seed);
    for (size_t i = 0; i < sizeof b->blobs; i += 32)
        b->blobs[i] &= 0x3f;
    for (size_t i = 0; i < BLOBS && r == 0; i++) {
        const uint8_t *blob = b->blobs + i * KZG_BLOB_BYTES;
        r = kzg_commit(b->k, &b->commitments[i], blob, NULL);
        if (r == 0) r = kzg_prove_blob(b->k, &b->proofs[i], blob, &b->commitments[i], NULL);
    }
    if (r == 0) r = kzg_cells_and_proofs(b->k, b->cells, b->cell_proofs, b->blobs, NULL);
    for (size_t i = 0; i < CELLS; i++) {
        b->cell_commitments[i] = b->commitments[0];
        b->indices[i] = i;
    }
    struct hash versioned = kzg_versioned_hash(&b->commitments[0]);
    memcpy(b->input, versioned.b, 32);
    b->input[32 + 31] = 9; // z
    memcpy(b->input + 96, b->commitments[0].b, 48);
    struct bytes48 proof;
    if (r == 0) r = kzg_prove(b->k, &proof, b->input + 64, b->blobs, b->input + 32, NULL);
    memcpy(b->input + 144, proof.b, 48);
    return r;
}

unsigned kzg_bench(const char *only, unsigned budget_ms) {
    static struct bench b;
    static const char *const names[] = {
        "kzg_point_evaluation", "kzg_verify_blob", "kzg_verify_blobs_6",
        "kzg_commit",           "kzg_cells",       "kzg_cells_and_proofs",
        "kzg_verify_cells_128"};
    struct bls_parts costs;
    unsigned ran = 0;
    bool any = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        any |= strstr(names[i], only) != NULL;
    }
    if (!any || prepare(&b) < 0) return 0; // the setup takes a second
    bls_measure_costs(&costs, budget_ms);
    // Counted once in an instrumented build.
#define CASE(name, inner, unit, body, ...)                                                         \
    ran += bls_case(only, budget_ms, name, inner, unit, body, &b, &costs,                          \
                    (struct bls_parts){__VA_ARGS__})
    CASE(names[0], 1, "proofs", body_point_evaluation, 6413, 2953, 8778, 5854);
    CASE(names[1], 1, "blobs", body_verify_blob, 6765, 3085, 8778, 5854, 20483, 2050);
    CASE(names[2], BLOBS, "blobs", body_verify_blobs, 19262, 16811, 8778, 5864, 122942, 12316);
    CASE(names[3], 1, "blobs", body_commit, 956304, 351321, 0, 2, 8192);
    CASE(names[4], 1, "blobs", body_cells, 0, 0, 0, 0, 94629);
    CASE(names[5], 1, "blobs", body_cells_and_proofs, 4503066, 1975779, 0, 256, 136652);
    CASE(names[6], CELLS, "cells", body_verify_cells, 195829, 183630, 8778, 5981, 111809, 4226);
#undef CASE
    kzg_close(b.k);
    return ran;
}
