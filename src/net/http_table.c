/* Sixteen bytes a step with SSE2, which every x86-64 processor has; eight with plain words
 * elsewhere would gain little on values this short, so the rest goes byte by byte.
 * SPDX-License-Identifier: MIT */
#include "net/http_table.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define LETTERS(lower)                                                                             \
    lower('a', 'A'), lower('b', 'B'), lower('c', 'C'), lower('d', 'D'), lower('e', 'E'),           \
        lower('f', 'F'), lower('g', 'G'), lower('h', 'H'), lower('i', 'I'), lower('j', 'J'),       \
        lower('k', 'K'), lower('l', 'L'), lower('m', 'M'), lower('n', 'N'), lower('o', 'O'),       \
        lower('p', 'P'), lower('q', 'Q'), lower('r', 'R'), lower('s', 'S'), lower('t', 'T'),       \
        lower('u', 'U'), lower('v', 'V'), lower('w', 'W'), lower('x', 'X'), lower('y', 'Y'),       \
        lower('z', 'Z')
#define BOTH_CASES(small, large) [small] = (small), [large] = (small)
#define SELF(c) [c] = (c)

const uint8_t http_token_lower[256] = {
    LETTERS(BOTH_CASES), SELF('0'), SELF('1'), SELF('2'),  SELF('3'), SELF('4'), SELF('5'),
    SELF('6'),           SELF('7'), SELF('8'), SELF('9'),  SELF('!'), SELF('#'), SELF('$'),
    SELF('%'),           SELF('&'), SELF('*'), SELF('\''), SELF('+'), SELF('-'), SELF('.'),
    SELF('^'),           SELF('_'), SELF('`'), SELF('|'),  SELF('~'),
};

static bool is_value(uint8_t c) {
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

size_t http_value_span(const uint8_t *p, size_t n) {
    size_t i = 0;
#ifdef __SSE2__
    const __m128i low = _mm_set1_epi8(0x1f);
    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i control = _mm_cmpeq_epi8(_mm_max_epu8(v, low), low);
        __m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
        __m128i bad =
            _mm_or_si128(_mm_andnot_si128(tab, control), _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
        unsigned mask = (unsigned)_mm_movemask_epi8(bad);
        if (mask) return i + (unsigned)__builtin_ctz(mask);
    }
#endif
    while (i < n && is_value(p[i])) {
        i++;
    }
    return i;
}

size_t http_target_span(const uint8_t *p, size_t n) {
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        /* Signed: bytes of 0x80 and above are negative and fall with the controls. */
        __m128i good = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8(0x20)),
                                     _mm_cmplt_epi8(v, _mm_set1_epi8(0x7f)));
        unsigned mask = (unsigned)_mm_movemask_epi8(good) ^ 0xffffu;
        if (mask) return i + (unsigned)__builtin_ctz(mask);
    }
#endif
    while (i < n && p[i] > 0x20 && p[i] < 0x7f) {
        i++;
    }
    return i;
}
