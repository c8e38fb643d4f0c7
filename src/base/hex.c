/* SPDX-License-Identifier: MIT */
#include "base/hex.h"

#include "base/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define BAD 0xff

// Digit values by character; BAD elsewhere.
static const uint8_t value_of[256] = {
    [0 ... 47] = BAD,  ['0'] = 0,           ['1'] = 1,  ['2'] = 2,  ['3'] = 3,  ['4'] = 4,
    ['5'] = 5,         ['6'] = 6,           ['7'] = 7,  ['8'] = 8,  ['9'] = 9,  [58 ... 64] = BAD,
    ['A'] = 10,        ['B'] = 11,          ['C'] = 12, ['D'] = 13, ['E'] = 14, ['F'] = 15,
    [71 ... 96] = BAD, ['a'] = 10,          ['b'] = 11, ['c'] = 12, ['d'] = 13, ['e'] = 14,
    ['f'] = 15,        [103 ... 255] = BAD,
};

#if defined(__x86_64__)
// Both return how many input characters or bytes they did; the plain loop does the rest.
[[gnu::target("avx2")]] static size_t encode_avx2(char *ret, struct bytes in) {
    const __m256i digits = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'));
    const __m256i low = _mm256_set1_epi16(0x0f00);
    size_t i = 0;
    for (; i + 16 <= in.n; i += 16) {
        __m256i x = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(in.p + i)));
        __m256i n = _mm256_or_si256(_mm256_srli_epi16(x, 4),
                                    _mm256_and_si256(_mm256_slli_epi16(x, 8), low));
        _mm256_storeu_si256((__m256i *)(ret + 2 * i), _mm256_shuffle_epi8(digits, n));
    }
    return i;
}

// Nibbles of 32 characters; *bad collects lanes that hold no digit.
[[gnu::target("avx2")]] static inline __m256i nibbles(__m256i v, __m256i *bad) {
    const __m256i nine = _mm256_set1_epi8(9);
    __m256i d = _mm256_sub_epi8(v, _mm256_set1_epi8('0'));
    __m256i a = _mm256_sub_epi8(_mm256_or_si256(v, _mm256_set1_epi8(0x20)), _mm256_set1_epi8('a'));
    __m256i is_digit = _mm256_cmpeq_epi8(_mm256_min_epu8(d, nine), d);
    __m256i is_alpha = _mm256_cmpeq_epi8(_mm256_min_epu8(a, _mm256_set1_epi8(5)), a);
    *bad = _mm256_or_si256(
        *bad, _mm256_andnot_si256(_mm256_or_si256(is_digit, is_alpha), _mm256_set1_epi8(-1)));
    return _mm256_add_epi8(_mm256_and_si256(v, _mm256_set1_epi8(0x0f)),
                           _mm256_and_si256(is_alpha, nine));
}

[[gnu::target("avx2")]] static size_t decode_avx2(uint8_t *ret, struct bytes digits) {
    const __m256i weights = _mm256_set1_epi16(0x0110);
    size_t i = 0;
    for (; i + 64 <= digits.n; i += 64) {
        __m256i bad = _mm256_setzero_si256();
        __m256i x = nibbles(_mm256_loadu_si256((const __m256i *)(digits.p + i)), &bad);
        __m256i y = nibbles(_mm256_loadu_si256((const __m256i *)(digits.p + i + 32)), &bad);
        if (!_mm256_testz_si256(bad, bad)) break;
        __m256i packed =
            _mm256_packus_epi16(_mm256_maddubs_epi16(x, weights), _mm256_maddubs_epi16(y, weights));
        _mm256_storeu_si256((__m256i *)(ret + i / 2), _mm256_permute4x64_epi64(packed, 0xd8));
    }
    return i;
}
#endif

void hex_encode(char *ret, struct bytes in) {
    static const char digits[] = "0123456789abcdef";
    size_t i = 0;
#if defined(__x86_64__)
    if (in.n >= 16 && cpu_has(CPU_AVX2)) i = encode_avx2(ret, in);
#endif
    for (; i < in.n; i++) {
        ret[2 * i] = digits[in.p[i] >> 4];
        ret[2 * i + 1] = digits[in.p[i] & 15];
    }
}

int hex_decode(uint8_t *ret, struct bytes digits, struct error *why) {
    if (digits.n % 2) return error_set_at(why, ERR_SYNTAX, digits.n, "odd count of hex digits");
    size_t i = 0;
#if defined(__x86_64__)
    if (digits.n >= 64 && cpu_has(CPU_AVX2)) i = decode_avx2(ret, digits);
#endif
    for (; i < digits.n; i += 2) {
        uint8_t hi = value_of[digits.p[i]];
        uint8_t lo = value_of[digits.p[i + 1]];
        if ((hi | lo) & 0xf0) {
            return error_set_at(why, ERR_SYNTAX, i + (hi != BAD), "not a hex digit");
        }
        ret[i / 2] = (uint8_t)(hi << 4 | lo);
    }
    return 0;
}

static int skip_prefix(struct bytes *text, struct error *why) {
    if (text->n < 2 || text->p[0] != '0' || text->p[1] != 'x') {
        return error_set_at(why, ERR_SYNTAX, 0, "hex value without 0x");
    }
    *text = (struct bytes){text->p + 2, text->n - 2};
    return 0;
}

static int decode_after_prefix(uint8_t *ret, struct bytes digits, struct error *why) {
    int r = hex_decode(ret, digits, why);
    if (r && why) why->at += 2;
    return r;
}

int hex_decode_fixed(uint8_t *ret, size_t n, struct bytes text, struct error *why) {
    int r = skip_prefix(&text, why);
    if (r) return r;
    if (text.n != 2 * n) {
        return error_set_at(why, ERR_RANGE, 0, "%zu hex digits where %zu are needed", text.n,
                            2 * n);
    }
    return decode_after_prefix(ret, text, why);
}

int hex_decode_data(struct bytes *ret, struct arena *a, struct bytes text, struct error *why) {
    int r = skip_prefix(&text, why);
    if (r) return r;
    uint8_t *p = arena_alloc_raw(a, text.n / 2);
    if (!p) return error_set(why, ERR_LIMIT, "no room for %zu bytes of hex data", text.n / 2);
    r = decode_after_prefix(p, text, why);
    if (r) return r;
    *ret = (struct bytes){p, text.n / 2};
    return 0;
}

int hex_decode_hash(struct hash *ret, struct bytes text, struct error *why) {
    return hex_decode_fixed(ret->b, sizeof ret->b, text, why);
}

int hex_decode_address(struct address *ret, struct bytes text, struct error *why) {
    return hex_decode_fixed(ret->b, sizeof ret->b, text, why);
}

int hex_decode_u256(struct u256 *ret, struct bytes text, struct error *why) {
    int r = skip_prefix(&text, why);
    if (r) return r;
    if (text.n == 0) return error_set_at(why, ERR_SYNTAX, 2, "hex quantity without digits");
    if (text.n > 1 && text.p[0] == '0') {
        return error_set_at(why, ERR_SYNTAX, 2, "hex quantity with a leading zero");
    }
    struct u256 v = U256_ZERO;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t d = value_of[text.p[i]];
        if (d == BAD) return error_set_at(why, ERR_SYNTAX, i + 2, "not a hex digit");
        if (i >= 64) continue;
        size_t bit = 4 * ((text.n < 64 ? text.n : 64) - 1 - i);
        v.w[bit / 64] |= (uint64_t)d << (bit % 64);
    }
    if (text.n > 64) return error_set(why, ERR_RANGE, "hex quantity above 2^256-1");
    *ret = v;
    return 0;
}

int hex_decode_u64(uint64_t *ret, struct bytes text, struct error *why) {
    struct u256 v;
    int r = hex_decode_u256(&v, text, why);
    if (r) return r;
    if (!u256_fits_u64(v)) return error_set(why, ERR_RANGE, "hex quantity above 2^64-1");
    *ret = v.w[0];
    return 0;
}

void hex_append(struct buf *b, struct bytes in) {
    if (in.n > SIZE_MAX / 4) {
        b->failed = b->failed ? b->failed : ERR_LIMIT;
        return;
    }
    char *to = (char *)buf_reserve(b, 2 * in.n);
    if (!to) return;
    hex_encode(to, in);
    buf_commit(b, 2 * in.n);
}

void hex_append_data(struct buf *b, struct bytes in) {
    buf_append_str(b, "0x");
    hex_append(b, in);
}

char *hex_text(struct arena *a, struct bytes in) {
    if (in.n > SIZE_MAX / 4) return NULL;
    char *p = arena_alloc_raw(a, 2 * in.n + 1);
    if (!p) return NULL;
    hex_encode(p, in);
    p[2 * in.n] = 0;
    return p;
}
