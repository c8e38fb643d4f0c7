/* SPDX-License-Identifier: MIT */
#include "eth/wyhash.h"

#define P0 0xa0761d6478bd642fu
#define P1 0xe7037ed1a0b428dbu
#define P2 0x8ebc6af09c88c6e3u
#define P3 0x589965cc75374cc3u
#define P4 0x1d8e4e27c47d124fu
#define P5 0xeb44accab455d165u

static uint64_t mum(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

/* Eight bytes with their halves swapped. */
static uint64_t swapped(const uint8_t *d) {
    return (uint64_t)load_le32(d) << 32 | load_le32(d + 4);
}

/* The last 1 to 8 bytes. */
static uint64_t tail(const uint8_t *d, size_t n) {
    switch (n) {
    case 1:
        return d[0];
    case 2:
        return load_le16(d);
    case 3:
        return (uint64_t)load_le16(d) << 8 | d[2];
    case 4:
        return load_le32(d);
    case 5:
        return (uint64_t)load_le32(d) << 8 | d[4];
    case 6:
        return (uint64_t)load_le32(d) << 16 | load_le16(d + 4);
    case 7:
        return (uint64_t)load_le32(d) << 24 | (uint64_t)load_le16(d + 4) << 8 | d[6];
    default:
        return swapped(d);
    }
}

static uint64_t mix_rest(uint64_t h, const uint8_t *d, size_t n) {
    if (n <= 8) return mum(h, tail(d, n) ^ P1);
    if (n <= 16) return mum(swapped(d) ^ h, tail(d + 8, n - 8) ^ P2);
    uint64_t low = mum(swapped(d) ^ h, swapped(d + 8) ^ P2);
    if (n <= 24) return low ^ mum(h, tail(d + 16, n - 16) ^ P3);
    return low ^ mum(swapped(d + 16) ^ h, tail(d + 24, n - 24) ^ P4);
}

void wyhash_write(struct wyhash *w, struct bytes in) {
    uint64_t h = w->h;
    w->n += in.n;
    for (; in.n >= 32; in.p += 32, in.n -= 32) {
        h = mum(h ^ P0, mum(load_le64(in.p) ^ P1, load_le64(in.p + 8) ^ P2) ^
                            mum(load_le64(in.p + 16) ^ P3, load_le64(in.p + 24) ^ P4));
    }
    h ^= P0;
    w->h = in.n > 0 ? mix_rest(h, in.p, in.n) : h;
}

void wyhash_write_u64(struct wyhash *w, uint64_t v) {
    uint8_t le[8];
    store_le64(le, v);
    wyhash_write(w, bytes_make(le, sizeof le));
}

uint64_t wyhash_value(const struct wyhash *w) {
    return mum(w->h, w->n ^ P5);
}
