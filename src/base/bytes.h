/* Views of bytes, fixed-size values of the field, and byte order.
 *
 * `struct bytes` borrows: it is valid as long as what it points into. The fixed-size types are
 * plain values in wire order (big-endian where the field reads them as numbers). Byte order is
 * handled only here, at the edge. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *p; /* may be NULL only when n is 0 */
    size_t n;
};

/* Fixed-size values. `struct hash` is any 32-byte value: Keccak-256, SHA-256, root, slot key. */
struct address {
    uint8_t b[20];
};
struct hash {
    uint8_t b[32];
};
struct bytes48 {
    uint8_t b[48];
};
struct bytes96 {
    uint8_t b[96];
};

/* A view of a string literal, without its NUL. */
#define BYTES_LIT(literal) ((struct bytes){(const uint8_t *)("" literal), sizeof(literal) - 1})
/* A view of a whole fixed-size value (`struct hash h; BYTES_OF(h)`). */
#define BYTES_OF(fixed) ((struct bytes){(fixed).b, sizeof((fixed).b)})

static inline struct bytes bytes_make(const void *p, size_t n) {
    return (struct bytes){(const uint8_t *)p, n};
}

static inline struct bytes bytes_from_str(const char *s) {
    return (struct bytes){(const uint8_t *)s, s ? strlen(s) : 0};
}

static inline bool bytes_equal(struct bytes a, struct bytes b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool bytes_equal_str(struct bytes a, const char *s) {
    return bytes_equal(a, bytes_from_str(s));
}

/* bytes_compare orders like memcmp, a prefix before what it begins. */
static inline int bytes_compare(struct bytes a, struct bytes b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int r = n ? memcmp(a.p, b.p, n) : 0;
    if (r != 0) return r;
    return a.n < b.n ? -1 : a.n > b.n;
}

static inline bool bytes_starts_with(struct bytes a, struct bytes prefix) {
    return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}

/* bytes_slice gives at most n bytes from offset `from`; what lies outside is left out. */
static inline struct bytes bytes_slice(struct bytes a, size_t from, size_t n) {
    if (from >= a.n) return (struct bytes){a.p ? a.p + a.n : NULL, 0};
    if (n > a.n - from) n = a.n - from;
    return (struct bytes){a.p + from, n};
}

/* bytes_trim leaves out spaces and tabs at both ends. */
static inline struct bytes bytes_trim(struct bytes a) {
    while (a.n && (a.p[0] == ' ' || a.p[0] == '\t')) {
        a.p++;
        a.n--;
    }
    while (a.n && (a.p[a.n - 1] == ' ' || a.p[a.n - 1] == '\t')) {
        a.n--;
    }
    return a;
}

/* bytes_parse_u64 reads text that is 1 to 19 decimal digits and nothing else; leading zeros are
 * allowed. false, and *ret as it was, for any other text: also for numbers of twenty digits. */
bool bytes_parse_u64(uint64_t *ret, struct bytes text);

/* bytes_equal_secret compares in time that depends on the lengths only. For everything secret. */
bool bytes_equal_secret(struct bytes a, struct bytes b);

/* bytes_wipe zeroes memory in a way that the compiler keeps. */
void bytes_wipe(void *p, size_t n);

static inline bool hash_equal(const struct hash *a, const struct hash *b) {
    return memcmp(a->b, b->b, 32) == 0;
}

static inline bool address_equal(const struct address *a, const struct address *b) {
    return memcmp(a->b, b->b, 20) == 0;
}

static inline bool hash_is_zero(const struct hash *a) {
    static const struct hash zero;
    return memcmp(a->b, zero.b, 32) == 0;
}

static inline bool address_is_zero(const struct address *a) {
    static const struct address zero;
    return memcmp(a->b, zero.b, 20) == 0;
}

/* Unaligned loads and stores, named by byte order and width in bits. */
static inline uint16_t load_be16(const void *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}
static inline uint32_t load_be32(const void *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}
static inline uint64_t load_be64(const void *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}
static inline uint16_t load_le16(const void *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint32_t load_le32(const void *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline uint64_t load_le64(const void *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void store_be16(void *p, uint16_t v) {
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof v);
}
static inline void store_be32(void *p, uint32_t v) {
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}
static inline void store_be64(void *p, uint64_t v) {
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}
static inline void store_le16(void *p, uint16_t v) {
    memcpy(p, &v, sizeof v);
}
static inline void store_le32(void *p, uint32_t v) {
    memcpy(p, &v, sizeof v);
}
static inline void store_le64(void *p, uint64_t v) {
    memcpy(p, &v, sizeof v);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "only little-endian hosts are supported");

#endif
