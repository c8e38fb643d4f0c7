/* Keccak's inner parts, shared by the keccak files only.
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_KECCAK_IMPL_H
#define CRYPTO_KECCAK_IMPL_H

#include <stdint.h>

#define KECCAK_LANES_MAX 8

/* keccak_permute: one state, the best scalar code of this processor. */
void keccak_permute(uint64_t state[25]);

/* Several states at once: word w of lane l stands at state[w * lanes + l], 64-byte aligned. Each
 * function takes in one 136-byte block a lane (blocks[l], any alignment) and permutes. */
typedef void keccak_absorb(uint64_t *state, const uint8_t *const *blocks);

/* Whole messages of `blocks` padded blocks, one a lane; 32 bytes to each of rets. The states stay
 * in registers. */
typedef void keccak_whole(const uint8_t *const *messages, uint8_t *const *rets, unsigned blocks);

#if defined(__x86_64__)
void keccak_whole_avx2x4(const uint8_t *const *messages, uint8_t *const *rets, unsigned blocks);
void keccak_whole_avx512x8(const uint8_t *const *messages, uint8_t *const *rets, unsigned blocks);
void keccak_absorb_avx2x4(uint64_t *state, const uint8_t *const *blocks);
void keccak_absorb_avx512x8(uint64_t *state, const uint8_t *const *blocks);
#endif

#endif
