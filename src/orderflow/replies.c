/* SPDX-License-Identifier: MIT */
#include "orderflow/replies.h"

#include "crypto/sha256.h"

#include <stdlib.h>
#include <sys/mman.h>

#define PLACES_DEFAULT 32768u
#define WAYS 4u  /* places that a key may have */
#define LINE 64u /* bytes of the processor's caches */
#define HUGE_PAGE (2u << 20)

struct place {
    _Alignas(LINE) struct hash key; /* with what else is looked at in its first line */
    struct address signer;
    uint16_t n;
    uint8_t text[REPLY_BYTES_MAX];
};

/* What is looked at of all of a set's places, side by side: of the places only one is touched. */
struct set {
    _Alignas(LINE) uint64_t until_ns[WAYS]; /* 0: free */
    uint32_t piece[WAYS];                   /* of the keys */
};

struct replies {
    uint8_t *mapped; /* with the places and the sets */
    size_t mapped_bytes;
    struct place *places; /* WAYS for each set */
    struct set *sets;
    size_t mask;
    uint64_t keep_ns;
};

/* Look-ups go all over it: on huge pages, where there are any, they need no walk of the tables. */
static bool map_memory(struct replies *r, size_t sets) {
    size_t places = sets * WAYS * sizeof *r->places;
    r->mapped_bytes = places + sets * sizeof *r->sets + HUGE_PAGE;
    void *p =
        mmap(NULL, r->mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return false;
    (void)madvise(p, r->mapped_bytes, MADV_HUGEPAGE);
    r->mapped = p;
    uint8_t *at = r->mapped + (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
    r->places = (struct place *)(void *)at;
    r->sets = (struct set *)(void *)(at + places);
    return true;
}

int replies_new(struct replies **ret, size_t places, uint64_t keep_ns, struct error *why) {
    size_t sets = 1;
    while (sets * WAYS < (places > 0 ? places : PLACES_DEFAULT)) {
        sets *= 2;
    }
    struct replies *r = calloc(1, sizeof *r);
    if (!r || !map_memory(r, sets)) {
        free(r);
        return error_set(why, ERR_NO_MEMORY, "no memory for replies");
    }
    r->mask = sets - 1;
    r->keep_ns = keep_ns;
    *ret = r;
    return 0;
}

void replies_free(struct replies *r) {
    if (!r) return;
    (void)munmap(r->mapped, r->mapped_bytes);
    free(r);
}

struct hash replies_key(unsigned door, struct bytes header, struct bytes body) {
    struct sha256 s;
    uint8_t n[8];
    store_le32(n, door);
    store_le32(n + 4, (uint32_t)header.n);
    sha256_init(&s);
    sha256_update(&s, bytes_make(n, sizeof n));
    sha256_update(&s, header);
    sha256_update(&s, body);
    return sha256_final(&s);
}

static size_t set_of(const struct replies *r, const struct hash *key) {
    return load_le64(key->b) & r->mask;
}

static uint32_t piece_of(const struct hash *key) {
    return load_le32(key->b + 8);
}

/* The way of a key in its set; WAYS: none. */
static size_t find(const struct replies *r, size_t set, const struct hash *key) {
    const struct set *s = &r->sets[set];
    for (size_t i = 0; i < WAYS; i++) {
        if (s->until_ns[i] > 0 && s->piece[i] == piece_of(key) &&
            hash_equal(&r->places[set * WAYS + i].key, key)) {
            return i;
        }
    }
    return WAYS;
}

bool replies_get(struct replies *r, struct bytes *ret, struct address *ret_signer,
                 const struct hash *key, uint64_t now_ns) {
    size_t set = set_of(r, key);
    for (size_t i = 0; i < WAYS; i++) {
        __builtin_prefetch(&r->places[set * WAYS + i]); // they come while the set does
    }
    size_t way = find(r, set, key);
    if (way == WAYS || r->sets[set].until_ns[way] <= now_ns) return false;
    const struct place *p = &r->places[set * WAYS + way];
    __builtin_prefetch((const uint8_t *)p + LINE); // to be copied soon
    __builtin_prefetch((const uint8_t *)p + 2 * LINE);
    __builtin_prefetch((const uint8_t *)p + 3 * LINE);
    *ret = bytes_make(p->text, p->n);
    *ret_signer = p->signer;
    return true;
}

void replies_put(struct replies *r, const struct hash *key, const struct address *signer,
                 struct bytes reply, uint64_t now_ns) {
    if (reply.n > REPLY_BYTES_MAX) return;
    size_t set = set_of(r, key), way = find(r, set, key);
    struct set *s = &r->sets[set];
    if (way == WAYS) {
        way = 0;
        for (size_t i = 1; i < WAYS; i++) {
            if (s->until_ns[i] < s->until_ns[way]) way = i; // the one put longest ago
        }
    }
    struct place *p = &r->places[set * WAYS + way];
    s->until_ns[way] = now_ns + r->keep_ns;
    s->piece[way] = piece_of(key);
    p->key = *key;
    p->signer = *signer;
    p->n = (uint16_t)reply.n;
    memcpy(p->text, reply.p, reply.n);
}
