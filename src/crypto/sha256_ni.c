/* SHA-256 with the SHA instructions. Compiled with -msha -msse4.1; called only where the processor
 * has them.
 *
 * The instructions keep the state as two registers, {a,b,e,f} and {c,d,g,h}, and do two rounds at a
 * time. `struct stream` is one message; two of them are interleaved for pairs, because one chain of
 * rounds leaves the unit idle half of the time.
 * SPDX-License-Identifier: MIT */
#include "crypto/sha256_impl.h"

#include <immintrin.h>

struct stream {
    __m128i abef, cdgh;
    __m128i m[4]; /* the last 16 words of the schedule */
};

#define ALWAYS [[gnu::always_inline]] static inline

ALWAYS __m128i load(const void *p) {
    return _mm_loadu_si128((const __m128i *)p);
}

ALWAYS void stream_load(struct stream *s, const uint32_t state[8]) {
    __m128i dcba = load(state), hgfe = load(state + 4);
    __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
    s->abef = _mm_alignr_epi8(cdab, efgh, 8);
    s->cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
}

ALWAYS void stream_store(uint32_t state[8], const struct stream *s) {
    __m128i feba = _mm_shuffle_epi32(s->abef, 0x1b), dchg = _mm_shuffle_epi32(s->cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

ALWAYS void stream_message(struct stream *s, const uint8_t *block) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    for (size_t i = 0; i < 4; i++) {
        s->m[i] = _mm_shuffle_epi8(load(block + 16 * i), swap);
    }
}

// Four rounds with the words k + w.
ALWAYS void stream_rounds(struct stream *s, __m128i kw) {
    s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, kw);
    s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(kw, 0x0e));
}

// The next four words of the schedule, in place of the oldest, which stand in m[i % 4].
ALWAYS void stream_schedule(struct stream *s, int i) {
    __m128i *oldest = &s->m[i & 3];
    const __m128i m1 = s->m[(i + 1) & 3], m2 = s->m[(i + 2) & 3], m3 = s->m[(i + 3) & 3];
    __m128i t = _mm_add_epi32(_mm_sha256msg1_epu32(*oldest, m1), _mm_alignr_epi8(m3, m2, 4));
    *oldest = _mm_sha256msg2_epu32(t, m3);
}

ALWAYS __m128i round_constants(int i) {
    return load(sha256_round_constants + 4 * i);
}

void sha256_compress_ni(uint32_t state[8], const uint8_t *blocks, size_t count) {
    struct stream s;
    stream_load(&s, state);
    for (; count > 0; count--, blocks += 64) {
        const __m128i abef = s.abef, cdgh = s.cdgh;
        stream_message(&s, blocks);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            if (i >= 4) stream_schedule(&s, i);
            stream_rounds(&s, _mm_add_epi32(s.m[i & 3], round_constants(i)));
        }
        s.abef = _mm_add_epi32(s.abef, abef);
        s.cdgh = _mm_add_epi32(s.cdgh, cdgh);
    }
    stream_store(state, &s);
}

// The second block of a 64-byte message is always the same: 0x80, zeros, the length 512.
static const uint8_t padding_block[64] = {0x80, [62] = 0x02};

ALWAYS void two_blocks(struct stream *s, struct stream *t) {
    const __m128i s0 = s->abef, s1 = s->cdgh, t0 = t->abef, t1 = t->cdgh;
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        if (i >= 4) {
            stream_schedule(s, i);
            stream_schedule(t, i);
        }
        stream_rounds(s, _mm_add_epi32(s->m[i & 3], round_constants(i)));
        stream_rounds(t, _mm_add_epi32(t->m[i & 3], round_constants(i)));
    }
    s->abef = _mm_add_epi32(s->abef, s0);
    s->cdgh = _mm_add_epi32(s->cdgh, s1);
    t->abef = _mm_add_epi32(t->abef, t0);
    t->cdgh = _mm_add_epi32(t->cdgh, t1);
}

ALWAYS void stream_hash(struct hash *ret, const struct stream *s) {
    uint32_t state[8];
    stream_store(state, s);
    for (size_t i = 0; i < 8; i++) {
        store_be32(ret->b + 4 * i, state[i]);
    }
}

void sha256_pairs_ni(struct hash *ret, const struct hash *in, size_t count) {
    for (size_t i = 0; i < count; i += 2) {
        struct stream s, t;
        stream_load(&s, sha256_initial_state);
        t = s;
        stream_message(&s, in[2 * i].b);
        stream_message(&t, in[2 * i + 2].b);
        two_blocks(&s, &t);
        stream_message(&s, padding_block);
        stream_message(&t, padding_block);
        two_blocks(&s, &t);
        stream_hash(&ret[i], &s);
        stream_hash(&ret[i + 1], &t);
    }
}
