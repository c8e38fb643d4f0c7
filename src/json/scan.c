/* SPDX-License-Identifier: MIT */
#include "json/scan.h"

#include "base/cpu.h"

static inline bool special(uint8_t c) {
    return c < 0x20 || c >= 0x80 || c == '"' || c == '\\';
}

#if defined(__x86_64__)
#include <immintrin.h>

[[gnu::target("avx2")]] static size_t scan_avx2(const uint8_t *p, size_t at, size_t n) {
    const __m256i quote = _mm256_set1_epi8('"');
    const __m256i backslash = _mm256_set1_epi8('\\');
    const __m256i space = _mm256_set1_epi8(0x20);
    for (; at + 32 <= n; at += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(p + at));
        // Signed: bytes of 0x80 and above are negative, so below a space like the controls.
        __m256i hit = _mm256_or_si256(
            _mm256_cmpgt_epi8(space, v),
            _mm256_or_si256(_mm256_cmpeq_epi8(v, quote), _mm256_cmpeq_epi8(v, backslash)));
        uint32_t mask = (uint32_t)_mm256_movemask_epi8(hit);
        if (mask) return at + (size_t)__builtin_ctz(mask);
    }
    return at;
}

size_t json_scan(const uint8_t *p, size_t at, size_t n) {
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(0x20);
    size_t wide_from = at + 64;
    for (; at + 16 <= n; at += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + at));
        __m128i hit =
            _mm_or_si128(_mm_cmplt_epi8(v, space),
                         _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)));
        uint32_t mask = (uint32_t)_mm_movemask_epi8(hit);
        if (mask) return at + (size_t)__builtin_ctz(mask);
        // Long strings (hex data) go on with wider steps.
        if (at == wide_from && n - at >= 64 && cpu_has(CPU_AVX2)) at = scan_avx2(p, at, n) - 16;
    }
    while (at < n && !special(p[at])) {
        at++;
    }
    return at;
}
#else
size_t json_scan(const uint8_t *p, size_t at, size_t n) {
    while (at < n && !special(p[at])) {
        at++;
    }
    return at;
}
#endif
