/* SPDX-License-Identifier: MIT */
#include "orderflow/replies.h"

#include "crypto/sha256.h"

#include <stdlib.h>

#define PLACES_DEFAULT 32768u
#define WAYS 4u /* places that a key may have */

struct place {
    struct hash key;
    struct address signer;
    uint16_t n;
    uint8_t text[REPLY_BYTES_MAX];
};

/* What is looked at of all of a set's places, side by side: of the places only one is touched. */
struct set {
    uint64_t until_ns[WAYS]; /* 0: free */
    uint32_t piece[WAYS];    /* of the keys */
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
    size_t set = set_of(r, key), way = find(r, set, key);
    if (way == WAYS || r->sets[set].until_ns[way] <= now_ns) return false;
    const struct place *p = &r->places[set * WAYS + way];
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
