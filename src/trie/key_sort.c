/* SPDX-License-Identifier: MIT */
#include "trie/key_sort.h"

#include <stdlib.h>

/* An item by the first eight bytes of its key; the rest is looked at when those are equal. */
struct place {
    uint64_t prefix;
    const uint8_t *item;
};

#define FEW 16         /* items that are sorted as they come */
#define BUCKET_MOST 32 /* more in one bucket are no chance */

static bool before(const struct place *a, const struct place *b) {
    if (a->prefix != b->prefix) return a->prefix < b->prefix;
    return memcmp(a->item, b->item, 32) < 0;
}

static void insertion_sort(struct place *p, size_t n) {
    for (size_t i = 1; i < n; i++) {
        struct place x = p[i];
        size_t k = i;
        for (; k && before(&x, &p[k - 1]); k--) {
            p[k] = p[k - 1];
        }
        p[k] = x;
    }
}

static int compare_places(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (before(x, y)) return -1;
    if (before(y, x)) return 1;
    return x->item < y->item ? -1 : 1; // equal keys: as they came
}

// Deals items out into about as many buckets as there are items, and sorts each bucket.
static bool deal(struct place *to, const struct place *from, size_t count, struct arena *scratch) {
    unsigned bits = 63 - (unsigned)__builtin_clzll(count);
    if (bits > 20) bits = 20;
    uint32_t *start = arena_new_array(scratch, uint32_t, ((size_t)1 << bits) + 1);
    if (!start) return false;
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n = ++start[(from[i].prefix >> (64 - bits)) + 1];
        if (n > most) most = n;
    }
    if (most > BUCKET_MOST) {
        memcpy(to, from, count * sizeof *to);
        qsort(to, count, sizeof *to, compare_places);
        return true;
    }
    for (size_t b = 0; b < (size_t)1 << bits; b++) {
        start[b + 1] += start[b];
    }
    for (size_t i = 0; i < count; i++) {
        to[start[from[i].prefix >> (64 - bits)]++] = from[i];
    }
    insertion_sort(to, count); // nothing moves out of its bucket
    return true;
}

bool key_sort(void *to, const void *from, size_t count, size_t size, struct arena *scratch) {
    struct place few[FEW], *p = few, *sorted = few;
    if (count > FEW) {
        p = arena_alloc_raw(scratch, 2 * count * sizeof *p);
        if (!p) return false;
        sorted = p + count;
    }
    for (size_t i = 0; i < count; i++) {
        const uint8_t *item = (const uint8_t *)from + i * size;
        p[i] = (struct place){load_be64(item), item};
    }
    if (count <= FEW) {
        insertion_sort(p, count);
    } else if (!deal(sorted, p, count, scratch)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy((uint8_t *)to + i * size, sorted[i].item, size);
    }
    return true;
}
