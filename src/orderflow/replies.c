/* SPDX-License-Identifier: MIT */
#include "orderflow/replies.h"

#include "crypto/sha256.h"

#include <stdlib.h>

#define PLACES_DEFAULT 32768u

struct place {
    struct hash key;
    uint64_t until_ns; /* 0: free */
    struct address signer;
    uint16_t n;
    uint8_t text[REPLY_BYTES_MAX];
};

struct replies {
    struct place *places;
    size_t mask;
    uint64_t keep_ns;
};

int replies_new(struct replies **ret, size_t places, uint64_t keep_ns, struct error *why) {
    size_t size = 2;
    while (size < (places > 0 ? places : PLACES_DEFAULT)) {
        size *= 2;
    }
    struct replies *r = calloc(1, sizeof *r);
    if (r) r->places = calloc(size, sizeof *r->places);
    if (!r || !r->places) {
        free(r);
        return error_set(why, ERR_NO_MEMORY, "no memory for replies");
    }
    r->mask = size - 1;
    r->keep_ns = keep_ns;
    *ret = r;
    return 0;
}

void replies_free(struct replies *r) {
    if (!r) return;
    free(r->places);
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

static struct place *place_of(const struct replies *r, const struct hash *key) {
    return &r->places[load_le64(key->b) & r->mask];
}

bool replies_get(struct replies *r, struct bytes *ret, struct address *ret_signer,
                 const struct hash *key, uint64_t now_ns) {
    const struct place *p = place_of(r, key);
    if (p->until_ns <= now_ns || !hash_equal(&p->key, key)) return false;
    *ret = bytes_make(p->text, p->n);
    *ret_signer = p->signer;
    return true;
}

void replies_put(struct replies *r, const struct hash *key, const struct address *signer,
                 struct bytes reply, uint64_t now_ns) {
    if (reply.n > REPLY_BYTES_MAX) return;
    struct place *p = place_of(r, key);
    p->key = *key;
    p->until_ns = now_ns + r->keep_ns;
    p->signer = *signer;
    p->n = (uint16_t)reply.n;
    memcpy(p->text, reply.p, reply.n);
}
