/* SPDX-License-Identifier: MIT */
#include "node/beacon_blobs.h"

#include "crypto/kzg.h"

#include <stdlib.h>

static void forget(struct beacon_blobs *b, struct beacon_block_blobs *e) {
    list_remove(&e->node);
    b->count -= e->count;
    free(e->blobs);
    free(e->hashes);
    free(e);
}

void beacon_blobs_init(struct beacon_blobs *b) {
    list_init(&b->blocks);
    b->count = 0;
}

void beacon_blobs_free(struct beacon_blobs *b) {
    while (!list_is_empty(&b->blocks)) {
        forget(b, LIST_ENTRY(list_first(&b->blocks), struct beacon_block_blobs, node));
    }
}

int beacon_blobs_check(const struct bytes48 *commitments, size_t count,
                       const struct blobs_bundle *bundle, struct error *why) {
    if (bundle->blobs.count != count || bundle->commitments.count != count) {
        return error_set(why, ERR_INVALID, "%zu blobs came with a block of %zu",
                         bundle->blobs.count, count);
    }
    for (size_t i = 0; i < count; i++) {
        if (memcmp(&commitments[i], &bundle->commitments.items[i], sizeof *commitments) != 0) {
            return error_set(why, ERR_INVALID, "commitment %zu is not the block's", i);
        }
    }
    return 0;
}

int beacon_blobs_put(struct beacon_blobs *b, const struct hash *root,
                     const struct blobs_bundle *bundle, struct error *why) {
    size_t n = bundle->blobs.count;
    if (n == 0) return 0;
    if (n > BEACON_BLOBS_MAX) return error_set(why, ERR_LIMIT, "too many blobs to keep: %zu", n);
    struct beacon_block_blobs *e = calloc(1, sizeof *e);
    struct blob *blobs = calloc(n, sizeof *blobs);
    struct hash *hashes = calloc(n, sizeof *hashes);
    if (!e || !blobs || !hashes) {
        free(e);
        free(blobs);
        free(hashes);
        return error_set(why, ERR_NO_MEMORY, "no memory for a block's blobs");
    }
    while (b->count + n > BEACON_BLOBS_MAX) {
        forget(b, LIST_ENTRY(list_first(&b->blocks), struct beacon_block_blobs, node));
    }
    *e = (struct beacon_block_blobs){.root = *root, .count = n, .blobs = blobs, .hashes = hashes};
    memcpy(blobs, bundle->blobs.items, n * sizeof *blobs);
    for (size_t i = 0; i < n; i++) {
        hashes[i] = kzg_versioned_hash(&bundle->commitments.items[i]);
    }
    list_push_back(&b->blocks, &e->node);
    b->count += n;
    return 0;
}

const struct beacon_block_blobs *beacon_blobs_find(const struct beacon_blobs *b,
                                                   const struct hash *root) {
    list_each(node, &b->blocks) {
        const struct beacon_block_blobs *e = LIST_ENTRY(node, struct beacon_block_blobs, node);
        if (hash_equal(&e->root, root)) return e;
    }
    return NULL;
}
