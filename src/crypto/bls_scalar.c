/* SPDX-License-Identifier: MIT */
#include "crypto/bls_scalar.h"

#include "base/buf.h"
#include "crypto/bls_group.h"
#include "crypto/kdf.h"
#include "crypto/sha256.h"

typedef unsigned __int128 u128;

/* *ret = k - r when that is not negative, without a branch; tells whether k was below r. */
static bool subtract_order(struct u256 *ret, struct u256 k) {
    struct u256 less;
    bool below = u256_sub_borrow(&less, k, BLS_ORDER);
    uint64_t keep = 0 - (uint64_t)below;
    for (int i = 0; i < 4; i++)
        ret->w[i] = (k.w[i] & keep) | (less.w[i] & ~keep);
    return below;
}

void bls_scalar_reduce(struct u256 *ret, struct u256 k) {
    *ret = k;
    for (int i = 0; i < 2; i++)
        (void)subtract_order(ret, *ret); // 2^256 < 3 r
}

bool bls_scalar_load_be(struct u256 *ret, const uint8_t in[32]) {
    return subtract_order(ret, u256_load_be(in));
}

/* k / d and k % d bit by bit, d with its top bit set: constant time, about a microsecond. */
static u128 divide_128(u128 *ret_remainder, const struct u256 *k, u128 d) {
    u128 rest = 0, quotient = 0;
    for (int i = 255; i >= 0; i--) {
        u128 top = rest >> 127;
        rest = rest << 1 | (k->w[i / 64] >> (i % 64) & 1);
        // subtract when 2^128 top + rest >= d
        u128 difference = rest - d;
        u128 below = (u128)(rest < d) & (top ^ 1);
        u128 keep = 0 - below;
        rest = (rest & keep) | (difference & ~keep);
        quotient = quotient << 1 | (below ^ 1);
    }
    *ret_remainder = rest;
    return quotient;
}

void bls_scalar_split2(uint64_t ret[2][2], const struct u256 *k) {
    u128 low, high = divide_128(&low, k, (u128)BLS_X_ABS * BLS_X_ABS);
    ret[0][0] = (uint64_t)low;
    ret[0][1] = (uint64_t)(low >> 64);
    ret[1][0] = (uint64_t)high;
    ret[1][1] = (uint64_t)(high >> 64);
}

/* v / |x| and v % |x| the same way. */
static uint64_t divide_64(uint64_t *ret_remainder, u128 v) {
    uint64_t rest = 0, quotient = 0;
    for (int i = 127; i >= 0; i--) {
        uint64_t top = rest >> 63;
        rest = rest << 1 | (uint64_t)(v >> i & 1);
        uint64_t difference = rest - BLS_X_ABS;
        uint64_t below = (uint64_t)(rest < BLS_X_ABS) & (top ^ 1);
        uint64_t keep = 0 - below;
        rest = (rest & keep) | (difference & ~keep);
        quotient = quotient << 1 | (below ^ 1);
    }
    *ret_remainder = rest;
    return quotient;
}

void bls_scalar_split4(uint64_t ret[4][1], const struct u256 *k) {
    u128 low, high = divide_128(&low, k, (u128)BLS_X_ABS * BLS_X_ABS);
    ret[1][0] = divide_64(&ret[0][0], low);
    ret[3][0] = divide_64(&ret[2][0], high);
}

/* One word of a quotient (Knuth, The Art of Computer Programming 4.3.1, algorithm D):
 * (high 2^64 + low) / d, where high < d and d has its top bit set. */
static uint64_t divide_step(u128 *ret_remainder, u128 high, uint64_t low, u128 d) {
    uint64_t d1 = (uint64_t)(d >> 64), d0 = (uint64_t)d;
    // the word from the upper halves alone is right or up to two too large
    uint64_t top = (uint64_t)(high >> 64);
    uint64_t word = top >= d1 ? UINT64_MAX : (uint64_t)(high / d1);
    u128 rest = high - (u128)word * d1; // below 2^64 + d1
    u128 less = (u128)word * d0;
    while (rest >> 64 == 0 && less > (rest << 64 | low)) {
        word--;
        less -= d0;
        rest += d1;
    }
    *ret_remainder = (rest << 64 | low) - less;
    return word;
}

void bls_scalar_split2_public(uint64_t ret[2][2], const struct u256 *k) {
    const u128 d = (u128)BLS_X_ABS * BLS_X_ABS;
    u128 rest = (u128)k->w[3] << 64 | k->w[2]; // below d, for k is below r = x^4 - x^2 + 1
    ret[1][1] = divide_step(&rest, rest, k->w[1], d);
    ret[1][0] = divide_step(&rest, rest, k->w[0], d);
    ret[0][0] = (uint64_t)rest;
    ret[0][1] = (uint64_t)(rest >> 64);
}

void bls_scalar_split4_public(uint64_t ret[4][1], const struct u256 *k) {
    uint64_t half[2][2];
    bls_scalar_split2_public(half, k);
    for (int i = 0; i < 2; i++) {
        u128 v = (u128)half[i][1] << 64 | half[i][0];
        ret[2 * i][0] = (uint64_t)(v % BLS_X_ABS);
        ret[2 * i + 1][0] = (uint64_t)(v / BLS_X_ABS);
    }
}

void bls_scalar_reduce_wide(struct u256 *ret, const uint8_t *in, size_t n) {
    struct u256 r = U256_ZERO;
    for (size_t i = 0; i < n; i++) {
        for (int bit = 7; bit >= 0; bit--) {
            // r < 2^255, so that the doubled value fits
            for (int w = 3; w > 0; w--)
                r.w[w] = r.w[w] << 1 | r.w[w - 1] >> 63;
            r.w[0] = r.w[0] << 1 | (in[i] >> bit & 1);
            (void)subtract_order(&r, r);
        }
    }
    *ret = r;
    bytes_wipe(&r, sizeof r);
}

#define KEY_BYTES 48 /* ceil(1.5 * bits of r / 8) */
#define INFO_MAX 256

int bls_scalar_from_hkdf(struct u256 *ret, struct bytes ikm, struct bytes info, struct error *why) {
    if (info.n > INFO_MAX) return error_set(why, ERR_RANGE, "key info above %d bytes", INFO_MAX);
    struct hash salt = sha256(BYTES_LIT("BLS-SIG-KEYGEN-SALT-")), prk;
    uint8_t okm[KEY_BYTES], info_and_length[INFO_MAX + 2];
    struct buf secret;
    buf_init(&secret, 0);
    (void)buf_reserve(&secret, ikm.n + 1); // no copy is left behind by growing
    buf_append(&secret, ikm);
    buf_append_byte(&secret, 0);
    if (info.n) memcpy(info_and_length, info.p, info.n);
    store_be16(info_and_length + info.n, KEY_BYTES);
    struct u256 k = U256_ZERO;
    int r = buf_check(&secret, why);
    while (r == 0 && u256_is_zero(k)) {
        r = hkdf_sha256_extract(&prk, BYTES_OF(salt), buf_view(&secret), why);
        if (r == 0) {
            r = hkdf_sha256_expand(okm, sizeof okm, &prk, bytes_make(info_and_length, info.n + 2),
                                   why);
        }
        if (r == 0) bls_scalar_reduce_wide(&k, okm, sizeof okm);
        salt = sha256(BYTES_OF(salt));
    }
    if (r == 0) *ret = k;
    if (secret.p) bytes_wipe(secret.p, secret.n);
    buf_free(&secret);
    bytes_wipe(okm, sizeof okm);
    bytes_wipe(&prk, sizeof prk);
    bytes_wipe(&k, sizeof k);
    return r;
}
