/* Keccak's inner parts, shared by the keccak files only.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_KECCAK_IMPL_H
#define CRYPTO_KECCAK_IMPL_H

#include "crypto/keccak.h"

#define KECCAK_LANES_MAX 8

/* keccak_permute: one state, the best scalar code of this processor. */
void keccak_permute(uint64_t state[25]);

/* keccak_finish takes in the rest of a message with its padding; the hash is the first 32 bytes. */
void keccak_finish(uint64_t state[25], struct bytes in);

/* What one lane takes in: KECCAK_RATE bytes of a message, or its last n < KECCAK_RATE bytes, to
 * which the padding is added. p is not read when n is 0. */
struct keccak_block {
    const uint8_t *p;
    size_t n;
};

/* Several states at once: word w of lane l stands at state[w * lanes + l], 64-byte aligned. Each
 * function takes in one block a lane and permutes. Lanes whose bit is set in `fresh` begin with an
 * empty state, whatever stands there. */
typedef void keccak_absorb(uint64_t *state, const struct keccak_block *blocks, unsigned fresh);

/* Whole messages of `blocks` padded blocks, one a lane; 32 bytes to each of rets. The states stay
 * in registers. The lines of `soon` are asked for from memory meanwhile, a share with each block.
 */
typedef void keccak_whole(const uint8_t *const *messages, uint8_t *const *rets, unsigned blocks,
                          struct keccak_soon soon);

/* keccak_ask asks for the share of block b of `blocks`. */
static inline void keccak_ask(const struct keccak_soon *soon, unsigned b, unsigned blocks) {
    for (size_t i = soon->n * b / blocks, end = soon->n * (b + 1) / blocks; i < end; i++) {
        __builtin_prefetch(soon->line[i], 1);
    }
}

/* The 24 constants of iota. */
extern const uint64_t keccak_round_constants[24];

#if defined(__x86_64__)
/* keccak_permute_avx512x8: eight states, 25 * 8 words, 64-byte aligned. Lines of memory are asked
 * for in each round. */
#define KECCAK_LINES 48 /* two a round */
void keccak_permute_avx512x8(uint64_t *state, const void *const line[KECCAK_LINES]);
void keccak_whole_avx2x4(const uint8_t *const *messages, uint8_t *const *rets, unsigned blocks,
                         struct keccak_soon soon);
void keccak_whole_avx512x8(const uint8_t *const *messages, uint8_t *const *rets, unsigned blocks,
                           struct keccak_soon soon);
void keccak_absorb_avx2x4(uint64_t *state, const struct keccak_block *blocks, unsigned fresh);
void keccak_absorb_avx512x8(uint64_t *state, const struct keccak_block *blocks, unsigned fresh);
#endif

#endif
