/* SPDX-License-Identifier: MIT */
#include "orderflow/replies.h"

#include "crypto/sha256.h"

#include <stdlib.h>

#define PLACES_DEFAULT 32768u
#define WAYS 4u /* places that a key may have */

struct place {
    struct hash key;
    uint64_t until_ns; /* 0: free */
    struct address signer;
    uint16_t n;
    uint8_t text[REPLY_BYTES_MAX];
};

/* Pieces of the keys of a set's places, side by side: a look-up touches one of the places. */
struct set {
    uint32_t piece[WAYS];
};

struct replies {
    struct place *places; /* WAYS for each set */
    struct set *sets;
    size_t mask;
    uint64_t keep_ns;
};

int replies_new(struct replies **ret, size_t places, uint64_t keep_ns, struct error *why) {
    size_t sets = 1;
    while (sets * WAYS < (places > 0 ? places : PLACES_DEFAULT)) {
        sets *= 2;
    }
    struct replies *r = calloc(1, sizeof *r);
    if (r) r->places = calloc(sets * WAYS, sizeof *r->places);
    if (r) r->sets = calloc(sets, sizeof *r->sets);
    if (!r || !r->places || !r->sets) {
        replies_free(r);
        return error_set(why, ERR_NO_MEMORY, "no memory for replies");
    }
    r->mask = sets - 1;
    r->keep_ns = keep_ns;
    *ret = r;
    return 0;
}

void replies_free(struct replies *r) {
    if (!r) return;
    free(r->places);
    free(r->sets);
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

static struct place *find(const struct replies *r, const struct hash *key) {
    size_t set = set_of(r, key);
    for (size_t i = 0; i < WAYS; i++) {
        struct place *p = &r->places[set * WAYS + i];
        if (r->sets[set].piece[i] == piece_of(key) && hash_equal(&p->key, key)) return p;
    }
    return NULL;
}

bool replies_get(struct replies *r, struct bytes *ret, struct address *ret_signer,
                 const struct hash *key, uint64_t now_ns) {
    const struct place *p = find(r, key);
    if (!p || p->until_ns <= now_ns) return false;
    *ret = bytes_make(p->text, p->n);
    *ret_signer = p->signer;
    return true;
}

void replies_put(struct replies *r, const struct hash *key, const struct address *signer,
                 struct bytes reply, uint64_t now_ns) {
    if (reply.n > REPLY_BYTES_MAX) return;
    size_t set = set_of(r, key), way = 0;
    struct place *all = &r->places[set * WAYS], *p = find(r, key);
    for (size_t i = 0; !p && i < WAYS; i++) {
        if (all[i].until_ns < all[way].until_ns) way = i; // the one put longest ago
    }
    if (!p) p = &all[way];
    r->sets[set].piece[p - all] = piece_of(key);
    p->key = *key;
    p->until_ns = now_ns + r->keep_ns;
    p->signer = *signer;
    p->n = (uint16_t)reply.n;
    memcpy(p->text, reply.p, reply.n);
}
