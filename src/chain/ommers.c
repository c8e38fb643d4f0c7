/* SPDX-License-Identifier: MIT */
#include "chain/ommers.h"

#include "chain/header_check.h"
#include "crypto/keccak.h"
#include "eth/rlp.h"

int ommers_check_hash(const struct block *block, struct error *why) {
    struct buf out;
    buf_init(&out, 0);
    size_t begin = rlp_list_begin(&out);
    for (size_t i = 0; i < block->ommer_count; i++) {
        header_encode(&out, &block->ommers[i]);
    }
    rlp_list_close(&out, begin);
    struct hash h = keccak256(buf_view(&out));
    int r = buf_check(&out, why);
    buf_free(&out);
    if (r != 0 || hash_equal(&h, &block->header.ommers_hash)) return r;
    return error_set(why, ERR_INVALID, "ommers are not those of the header");
}

static bool included(const struct block *block, const struct hash *hash) {
    for (size_t i = 0; i < block->ommer_count; i++) {
        struct hash h;
        if (header_hash(&h, &block->ommers[i], NULL) == 0 && hash_equal(&h, hash)) return true;
    }
    return false;
}

static int check_one(const struct chain_config *c, const struct header *ommer,
                     const struct ommer_ancestor *ancestors, size_t count, struct error *why) {
    struct hash hash;
    const struct header *parent = NULL;
    int r = header_hash(&hash, ommer, why);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (hash_equal(&ancestors[i].hash, &hash)) {
            r = error_set(why, ERR_INVALID, "an ommer is an ancestor");
        } else if (i < OMMER_DEPTH_MAX && included(ancestors[i].block, &hash)) {
            r = error_set(why, ERR_INVALID, "an ommer was included before");
        } else if (i > 0 && hash_equal(&ancestors[i].hash, &ommer->parent_hash)) {
            parent = &ancestors[i].block->header;
        }
    }
    if (r == 0 && !parent) {
        r = error_set(why, ERR_INVALID, "an ommer's parent is no close ancestor");
    }
    // Total difficulty decides only around the merge, after which there are no ommers.
    static const struct u256 none;
    return r == 0 ? header_check(c, ommer, parent, &none, why) : r;
}

int ommers_check(const struct chain_config *c, const struct block *block,
                 const struct ommer_ancestor *ancestors, size_t count, struct error *why) {
    int r = ommers_check_hash(block, why);
    if (r != 0) return r;
    bool merged = u256_is_zero(block->header.difficulty);
    if (block->ommer_count > (merged ? 0 : OMMERS_MAX)) {
        return error_set(why, ERR_INVALID, "too many ommers");
    }
    for (size_t i = 0; i < block->ommer_count; i++) {
        struct hash a, b;
        r = header_hash(&a, &block->ommers[i], why);
        for (size_t k = 0; r == 0 && k < i; k++) {
            r = header_hash(&b, &block->ommers[k], why);
            if (r == 0 && hash_equal(&a, &b)) {
                r = error_set(why, ERR_INVALID, "an ommer is there twice");
            }
        }
        if (r == 0) r = check_one(c, &block->ommers[i], ancestors, count, why);
        if (r != 0) return error_wrap(why, "ommer %zu", i);
    }
    return 0;
}
