/* SPDX-License-Identifier: MIT */
#include "chain/blob_check.h"

#include <stdlib.h>

static int check_cell_proofs(const struct kzg *kzg, const struct tx_sidecar *s, struct error *why) {
    struct bytes48 *commitments = malloc(CELLS_PER_BLOB * sizeof *commitments);
    uint8_t *cells = malloc((size_t)KZG_CELLS * KZG_CELL_BYTES);
    uint64_t indices[CELLS_PER_BLOB];
    int r = commitments && cells ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for cells");
    for (size_t i = 0; i < s->blob_count && r == 0; i++) {
        for (size_t j = 0; j < CELLS_PER_BLOB; j++) {
            commitments[j] = s->commitments[i];
            indices[j] = j;
        }
        r = kzg_cells(kzg, cells, s->blobs[i], why);
        if (r != 0) break;
        r = kzg_verify_cells(kzg, commitments, indices, cells, s->proofs + i * CELLS_PER_BLOB,
                             CELLS_PER_BLOB, why);
    }
    free(commitments);
    free(cells);
    return r;
}

int blob_proofs_check(const struct kzg *kzg, const struct tx_sidecar *s,
                      const struct fork_rules *rules, struct error *why) {
    int wanted = rules->cell_proofs ? 1 : 0, r = 0;
    if (s->version != wanted) {
        return error_set(why, ERR_INVALID, "unexpected sidecar version, want: %d, got: %d", wanted,
                         s->version);
    }
    if (s->version == 1) r = check_cell_proofs(kzg, s, why);
    for (size_t i = 0; i < s->blob_count && s->version == 0 && r == 0; i++) {
        r = kzg_verify_blob(kzg, s->blobs[i], &s->commitments[i], &s->proofs[i], why);
    }
    return r == 0 ? 0 : error_wrap(why, "invalid blob proof");
}
