/* SPDX-License-Identifier: MIT */
#include "chain/blob_check.h"

#include "crypto/sha256.h"

#include <pthread.h>
#include <stdlib.h>

struct blob_memory {
    pthread_mutex_t lock;
    struct hash slot[BLOB_MEMORY_SLOTS]; // by its first bytes; a newer one takes an older's place
};

int blob_memory_new(struct blob_memory **ret, struct error *why) {
    struct blob_memory *m = calloc(1, sizeof *m);
    if (!m) return error_set(why, ERR_NO_MEMORY, "no memory for blobs that were seen");
    (void)pthread_mutex_init(&m->lock, NULL);
    *ret = m;
    return 0;
}

void blob_memory_free(struct blob_memory *m) {
    if (!m) return;
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

static struct hash *slot_of(struct blob_memory *m, const struct hash *digest) {
    return &m->slot[load_le32(digest->b) % BLOB_MEMORY_SLOTS];
}

static bool remembers(struct blob_memory *m, const struct hash *digest) {
    (void)pthread_mutex_lock(&m->lock);
    bool found = hash_equal(slot_of(m, digest), digest);
    (void)pthread_mutex_unlock(&m->lock);
    return found;
}

static void remember(struct blob_memory *m, const struct hash *digest) {
    (void)pthread_mutex_lock(&m->lock);
    *slot_of(m, digest) = *digest;
    (void)pthread_mutex_unlock(&m->lock);
}

/* How many proofs there are is part of it: the length of all else is fixed. */
static struct hash digest_of(const struct tx_sidecar *s, size_t i, size_t proofs) {
    struct sha256 h;
    sha256_init(&h);
    sha256_update(&h, BYTES_OF(s->commitments[i]));
    sha256_update(&h, bytes_make(s->blobs[i], BLOB_BYTES));
    sha256_update(&h, bytes_make(&s->proofs[i * proofs], proofs * sizeof *s->proofs));
    return sha256_final(&h);
}

static int check_cells(const struct kzg *kzg, const struct tx_sidecar *s, size_t i,
                       struct error *why) {
    struct bytes48 commitments[CELLS_PER_BLOB];
    uint64_t indices[CELLS_PER_BLOB];
    uint8_t *cells = malloc((size_t)KZG_CELLS * KZG_CELL_BYTES);
    if (!cells) return error_set(why, ERR_NO_MEMORY, "no memory for cells");
    for (size_t j = 0; j < CELLS_PER_BLOB; j++) {
        commitments[j] = s->commitments[i];
        indices[j] = j;
    }
    int r = kzg_cells(kzg, cells, s->blobs[i], why);
    if (r == 0) {
        r = kzg_verify_cells(kzg, commitments, indices, cells, s->proofs + i * CELLS_PER_BLOB,
                             CELLS_PER_BLOB, why);
    }
    free(cells);
    return r;
}

int blob_proofs_check(const struct kzg *kzg, struct blob_memory *memory, const struct tx_sidecar *s,
                      const struct fork_rules *rules, struct error *why) {
    int wanted = rules->cell_proofs ? 1 : 0, r = 0;
    size_t proofs = wanted ? CELLS_PER_BLOB : 1;
    if (s->version != wanted) {
        return error_set(why, ERR_INVALID, "unexpected sidecar version, want: %d, got: %d", wanted,
                         s->version);
    }
    for (size_t i = 0; i < s->blob_count && r == 0; i++) {
        struct hash digest;
        if (memory) {
            digest = digest_of(s, i, proofs);
            if (remembers(memory, &digest)) continue;
        }
        r = wanted ? check_cells(kzg, s, i, why)
                   : kzg_verify_blob(kzg, s->blobs[i], &s->commitments[i], &s->proofs[i], why);
        if (r == 0 && memory) remember(memory, &digest);
    }
    return r == 0 ? 0 : error_wrap(why, "invalid blob proof");
}
