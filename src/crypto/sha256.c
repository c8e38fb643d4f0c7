/* SPDX-License-Identifier: MIT */
#include "crypto/sha256.h"
#include "base/cpu.h"
#include "crypto/sha256_impl.h"

const uint32_t sha256_round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

const uint32_t sha256_initial_state[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t turn(uint32_t v, unsigned n) {
    return v >> n | v << (32 - n);
}

static void compress_block(uint32_t state[8], const uint8_t *block) {
    uint32_t w[64];
    for (size_t i = 0; i < 16; i++) {
        w[i] = load_be32(block + 4 * i);
    }
    for (size_t i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ x >> 3) + w[i - 7] +
               (turn(y, 17) ^ turn(y, 19) ^ y >> 10);
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (size_t i = 0; i < 64; i++) {
        uint32_t t1 = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) +
                      sha256_round_constants[i] + w[i];
        uint32_t t2 = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

void sha256_compress_plain(uint32_t state[8], const uint8_t *blocks, size_t count) {
    for (size_t i = 0; i < count; i++) {
        compress_block(state, blocks + 64 * i);
    }
}

static void compress(uint32_t state[8], const uint8_t *blocks, size_t count) {
#if defined(__x86_64__)
    if (cpu_has(CPU_SHA_NI)) {
        sha256_compress_ni(state, blocks, count);
        return;
    }
#endif
    sha256_compress_plain(state, blocks, count);
}

void sha256_init(struct sha256 *s) {
    memcpy(s->state, sha256_initial_state, sizeof s->state);
    s->length = 0;
}

void sha256_update(struct sha256 *s, struct bytes in) {
    if (in.n == 0) return;
    size_t at = s->length % 64;
    s->length += in.n;
    if (at > 0) {
        size_t n = in.n < 64 - at ? in.n : 64 - at;
        memcpy(s->block + at, in.p, n);
        if (at + n < 64) return;
        compress(s->state, s->block, 1);
        in.p += n;
        in.n -= n;
    }
    compress(s->state, in.p, in.n / 64);
    if (in.n % 64 > 0) memcpy(s->block, in.p + in.n / 64 * 64, in.n % 64);
}

static struct hash state_bytes(const uint32_t state[8]) {
    struct hash ret;
    for (size_t i = 0; i < 8; i++) {
        store_be32(ret.b + 4 * i, state[i]);
    }
    return ret;
}

// Pads the rest (fewer than 64 bytes) of a message of `length` bytes and ends the hash.
static struct hash finish(uint32_t state[8], const uint8_t *rest, uint64_t length) {
    uint8_t block[128] = {0};
    size_t n = length % 64;
    if (n > 0) memcpy(block, rest, n);
    block[n] = 0x80;
    size_t blocks = n < 56 ? 1 : 2;
    store_be64(block + 64 * blocks - 8, 8 * length);
    compress(state, block, blocks);
    return state_bytes(state);
}

struct hash sha256_final(struct sha256 *s) {
    return finish(s->state, s->block, s->length);
}

struct hash sha256(struct bytes in) {
    uint32_t state[8];
    memcpy(state, sha256_initial_state, sizeof state);
    compress(state, in.p, in.n / 64);
    return finish(state, in.n % 64 > 0 ? in.p + in.n / 64 * 64 : NULL, in.n);
}

void sha256_pairs(struct hash *ret, const struct hash *in, size_t count) {
    size_t done = 0;
#if defined(__x86_64__)
    if (cpu_has(CPU_SHA_NI)) {
        done = count & ~(size_t)1;
        sha256_pairs_ni(ret, in, done);
    }
#endif
    for (; done < count; done++) {
        ret[done] = sha256(bytes_make(in + 2 * done, 64));
    }
}
