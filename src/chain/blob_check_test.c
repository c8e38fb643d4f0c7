/* SPDX-License-Identifier: MIT */
#include "chain/blob_check.h"

#include "test/harness/test.h"

static struct error why;
static struct kzg *kzg;

/* The polynomial 0: its commitment and all its proofs are the point at infinity. */
static uint8_t zero[BLOB_BYTES], other[BLOB_BYTES];
static struct bytes48 infinity[CELLS_PER_BLOB], commitment, proof;

static void begin(void) {
    if (kzg) return;
    CHECK_OK(kzg_open(&kzg, KZG_PROVE, &why), &why);
    for (size_t i = 0; i < CELLS_PER_BLOB; i++) {
        infinity[i].b[0] = 0xc0;
    }
    other[31] = 7;
    CHECK_OK(kzg_commit(kzg, &commitment, other, &why), &why);
    CHECK_OK(kzg_prove_blob(kzg, &proof, other, &commitment, &why), &why);
}

static int check(struct kzg *k, struct blob_memory *m, const uint8_t *blob, const struct bytes48 *c,
                 const struct bytes48 *proofs, bool cells) {
    const uint8_t *const list[] = {blob};
    const struct tx_sidecar s = {.present = true,
                                 .version = cells,
                                 .blob_count = 1,
                                 .blobs = list,
                                 .commitments = c,
                                 .proof_count = cells ? CELLS_PER_BLOB : 1,
                                 .proofs = proofs};
    return blob_proofs_check(k, m, &s, fork_rules_of(cells ? FORK_OSAKA : FORK_CANCUN), &why);
}

TEST(proofs_of_blobs_and_of_cells_are_checked) {
    begin();
    CHECK_OK(check(kzg, NULL, other, &commitment, &proof, false), &why);
    CHECK_OK(check(kzg, NULL, zero, infinity, infinity, true), &why);
    CHECK_ERR(check(kzg, NULL, zero, &commitment, &proof, false), ERR_INVALID);
    CHECK_ERR(check(kzg, NULL, other, infinity, infinity, true), ERR_INVALID);
    const struct bytes48 no_point = {{0x80, 0xff}};
    CHECK_ERR(check(kzg, NULL, other, &commitment, &no_point, false), ERR_SYNTAX);
    const struct tx_sidecar old = {.present = true, .version = 0};
    CHECK_ERR(blob_proofs_check(kzg, NULL, &old, fork_rules_of(FORK_OSAKA), &why), ERR_INVALID);
}

/* Without a setup only what is remembered can be right. */
TEST(what_was_right_is_remembered_and_nothing_else) {
    struct blob_memory *m;
    begin();
    CHECK_OK(blob_memory_new(&m, &why), &why);
    CHECK_OK(check(kzg, m, other, &commitment, &proof, false), &why);
    CHECK_OK(check(NULL, m, other, &commitment, &proof, false), &why);
    CHECK_OK(check(kzg, m, zero, infinity, infinity, true), &why);
    CHECK_OK(check(NULL, m, zero, infinity, infinity, true), &why);
    for (int i = 0; i < 2; i++) { // wrong stays wrong
        other[BLOB_BYTES - 1] ^= 1;
        CHECK_ERR(check(kzg, m, other, &commitment, &proof, false), ERR_INVALID);
        CHECK_ERR(check(kzg, m, other, &commitment, &proof, false), ERR_INVALID);
        other[BLOB_BYTES - 1] ^= 1;
        CHECK_ERR(check(kzg, m, other, &commitment, infinity, false), ERR_INVALID);
        CHECK_ERR(check(kzg, m, other, infinity, &proof, false), ERR_INVALID);
    }
    blob_memory_free(m);
    kzg_close(kzg);
    kzg = NULL;
}

int main(int argc, char **argv) {
    return test_main(argc, argv);
}
