/* Keccak-256 as Ethereum uses it: rate 136 bytes, padding 0x01 .. 0x80 (not SHA-3's 0x06).
 *
 * Three ways in: one message at once (keccak256), a message in pieces (keccak_init, _update,
 * _final), and many messages at once (keccak256_batch, keccak256_scatter), which fill the lanes of
 * AVX2 (4 states) or AVX-512 (8 states) and take the next message into a lane as soon as the one
 * in it ends. Which code runs is chosen by the processor at run time; the results are the same.
 * Not for secrets: nothing is wiped, though no branch or address depends on content.
 *
 * Specification: The Keccak reference 3.0 (keccak-f[1600], multi-rate padding). Nothing is
 * allocated; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef CRYPTO_KECCAK_H
#define CRYPTO_KECCAK_H

#include "base/bytes.h"

#define KECCAK_RATE 136 /* bytes a permutation takes in */

/* keccak256 hashes one message of any length. */
struct hash keccak256(struct bytes in);

/* A message that comes in pieces. A plain value: a copy continues on its own. */
struct keccak {
    uint64_t a[25];
    unsigned at; /* bytes taken in since the last permutation, below KECCAK_RATE */
};

void keccak_init(struct keccak *k);
void keccak_update(struct keccak *k, struct bytes in);
/* keccak_final gives the hash; k must be initialised again before its next use. */
struct hash keccak_final(struct keccak *k);

/* keccak_permutations gives how many permutations a message of n bytes costs. */
static inline size_t keccak_permutations(size_t n) {
    return n / KECCAK_RATE + 1;
}

/* One message of a batch whose hashes go to places of the caller's choice. */
struct keccak_job {
    struct bytes in;
    struct hash *ret;
};

/* keccak256_batch hashes `count` messages of any lengths into ret[0..count).
 * keccak256_scatter does the same with a place for each; ret may lie inside another message only
 * if that one is not in the same call (order is not promised).
 * Best for 8 messages and more; fewer are hashed with as many lanes as pay. */
void keccak256_batch(struct hash *ret, const struct bytes *in, size_t count);
void keccak256_scatter(const struct keccak_job *jobs, size_t count);

/* keccak_pad puts the padding behind a message of n bytes, which makes it
 * keccak_permutations(n) * KECCAK_RATE bytes long. There must be room for n + KECCAK_RATE bytes:
 * clearing a known number of them is some instructions. keccak_pad_end does it where the bytes
 * behind the message are zero. */
static inline void keccak_pad_end(uint8_t *message, size_t n) {
    size_t end = keccak_permutations(n) * KECCAK_RATE;
    message[n] = 0x01;
    message[end - 1] = n == end - 1 ? 0x81 : 0x80; // nothing is read back: it waits in no store
}
static inline void keccak_pad(uint8_t *message, size_t n) {
    // In pieces, or compilers take a string instruction, which begins slowly.
    memset(message + n, 0, 64);
    memset(message + n + 64, 0, 64);
    memset(message + n + 128, 0, KECCAK_RATE - 128);
    keccak_pad_end(message, n);
}

/* keccak256_padded hashes messages that carry their padding (keccak_pad) and are all `blocks`
 * blocks of KECCAK_RATE bytes long, each to 32 bytes at rets[i]: the least work a permutation, for
 * callers that make such messages themselves. Best in multiples of 8. */
void keccak256_padded(const uint8_t *const *messages, uint8_t *const *rets, size_t count,
                      unsigned blocks);

/* The code paths, for tests, benchmarks and reports. */
enum keccak_path {
    KECCAK_PLAIN,    /* one state, any processor */
    KECCAK_AVX2X4,   /* four states in 256-bit registers */
    KECCAK_AVX512X8, /* eight states in 512-bit registers */
};

/* keccak_path_best gives what batches use on this processor; keccak_path_usable whether a path can
 * run here; keccak_path_name "plain", "avx2x4", "avx512x8". */
enum keccak_path keccak_path_best(void);
bool keccak_path_usable(enum keccak_path path);
const char *keccak_path_name(enum keccak_path path);

/* keccak256_scatter_by and keccak256_padded_by do the work on one path, which must be usable. */
void keccak256_scatter_by(enum keccak_path path, const struct keccak_job *jobs, size_t count);
void keccak256_padded_by(enum keccak_path path, const uint8_t *const *messages,
                         uint8_t *const *rets, size_t count, unsigned blocks);

/* Memory that the caller will want next: an address in each cache line. */
struct keccak_soon {
    const void *const *line;
    size_t n;
};

/* keccak_soon_take gives the next `most` lines of those that are left, or all. */
static inline struct keccak_soon keccak_soon_take(struct keccak_soon *left, size_t most) {
    struct keccak_soon taken = {left->line, left->n < most ? left->n : most};
    if (taken.n) left->line += taken.n; // nothing is added to no place
    left->n -= taken.n;
    return taken;
}

/* keccak256_padded_soon is keccak256_padded_by that also asks for lines from memory, spread over
 * the work, so that they come while the processor is busy. About KECCAK_SOON lines a permutation of
 * full lanes are had for nothing. Addresses may be any: nothing is read. */
#define KECCAK_SOON 48
void keccak256_padded_soon(enum keccak_path path, const uint8_t *const *messages,
                           uint8_t *const *rets, size_t count, unsigned blocks,
                           struct keccak_soon soon);

/* keccak_path_lanes gives how many messages a path hashes at once. */
static inline size_t keccak_path_lanes(enum keccak_path path) {
    return path == KECCAK_AVX512X8 ? 8 : path == KECCAK_AVX2X4 ? 4 : 1;
}

#endif
