/* KZG: outside bytes never crash, what is proved verifies, and a changed proof does not.
 * SPDX-License-Identifier: MIT */
#include "crypto/kzg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(cond)                                                                              \
    do {                                                                                           \
        if (!(cond)) abort();                                                                      \
    } while (0)

static struct kzg *k;

/* A blob whose first scalars come from the input. */
static void prove_and_verify(const uint8_t *data, size_t size) {
    static uint8_t blob[KZG_BLOB_BYTES];
    struct bytes48 commitment, proof;
    uint8_t z[32] = {0}, y[32];
    struct error why;
    size_t n = size > 32 ? size - 32 : 0;
    memset(blob, 0, sizeof blob);
    memcpy(z, data, size < 32 ? size : 32);
    z[0] &= 0x3f;
    for (size_t i = 0; i < n && i < sizeof blob; i++)
        blob[i] = data[32 + i];
    for (size_t i = 0; i < sizeof blob; i += 32)
        blob[i] &= 0x3f;
    REQUIRE(kzg_commit(k, &commitment, blob, &why) == 0);
    REQUIRE(kzg_prove(k, &proof, y, blob, z, &why) == 0);
    REQUIRE(kzg_verify_proof(k, &commitment, z, y, &proof, &why) == 0);
    y[31] ^= 1;
    int r = kzg_verify_proof(k, &commitment, z, y, &proof, &why);
    REQUIRE(r == ERR_INVALID || r == ERR_RANGE);
    REQUIRE(kzg_prove_blob(k, &proof, blob, &commitment, &why) == 0);
    REQUIRE(kzg_verify_blob(k, blob, &commitment, &proof, &why) == 0);
    blob[31 + 32 * (z[31] % 100)] ^= 1;
    REQUIRE(kzg_verify_blob(k, blob, &commitment, &proof, &why) == ERR_INVALID);
}

static void outside_bytes(const uint8_t *data, size_t size) {
    uint8_t in[KZG_POINT_EVALUATION_INPUT] = {0}, out[64];
    struct bytes48 commitment;
    struct error why;
    memcpy(in, data, size < sizeof in ? size : sizeof in);
    memcpy(commitment.b, in + 96, 48);
    struct hash versioned = kzg_versioned_hash(&commitment);
    memcpy(in, versioned.b, 32); // else nothing gets past the first check
    (void)!kzg_point_evaluation(k, out, bytes_make(in, sizeof in), &why);
    (void)!kzg_point_evaluation(k, out, bytes_make(data, size), &why);
}

static void cells(const uint8_t *data, size_t size) {
    static uint8_t some[4 * KZG_CELL_BYTES];
    struct bytes48 commitments[4], proofs[4];
    uint64_t indices[4];
    struct error why;
    uint8_t head[4 * (48 + 48 + 1)] = {0};
    memcpy(head, data, size < sizeof head ? size : sizeof head);
    memset(some, 0, sizeof some);
    if (size > sizeof head) memcpy(some, data + sizeof head, size - sizeof head);
    for (int i = 0; i < 4; i++) {
        memcpy(commitments[i].b, head + i * 97, 48);
        memcpy(proofs[i].b, head + i * 97 + 48, 48);
        indices[i] = head[i * 97 + 96];
    }
    (void)!kzg_verify_cells(k, commitments, indices, some, proofs, 4, &why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 4096) return 0;
    struct error why;
    if (!k) REQUIRE(kzg_open(&k, KZG_PROVE, &why) == 0);
    switch (data[0] % 8) {
    case 0:
        prove_and_verify(data + 1, size - 1);
        break;
    case 1:
    case 2:
        cells(data + 1, size - 1);
        break;
    default:
        outside_bytes(data + 1, size - 1);
    }
    return 0;
}
