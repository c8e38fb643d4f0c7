/* SPDX-License-Identifier: MIT */
#include "relay/duties.h"

#include "eth/ssz_json.h"
#include "json/write.h"

#include <stdlib.h>

int duties_init(struct duties *d, const struct network *n, struct error *why) {
    memset(d, 0, sizeof *d);
    d->ring_size = 4 * n->slots_per_epoch;
    d->slots = calloc(d->ring_size, sizeof *d->slots);
    map_init(&d->by_key, 0);
    map_init(&d->by_index, 0);
    return d->slots ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for duties");
}

void duties_free(struct duties *d) {
    size_t at = 0;
    struct bytes key;
    void *value;
    while (map_next(&d->by_key, &at, &key, &value)) {
        free(((struct validator *)value)->registration);
        free(value);
    }
    map_free(&d->by_key);
    map_free(&d->by_index);
    free(d->slots);
}

void duties_set(struct duties *d, uint64_t slot, uint64_t index, const struct bytes48 *pubkey) {
    d->slots[slot % d->ring_size] =
        (struct duty){.slot = slot, .validator_index = index, .pubkey = *pubkey, .known = true};
}

const struct duty *duties_at(const struct duties *d, uint64_t slot) {
    const struct duty *duty = &d->slots[slot % d->ring_size];
    return duty->known && duty->slot == slot ? duty : NULL;
}

static int find_or_make(struct validator **ret, struct duties *d, const struct bytes48 *pubkey,
                        struct error *why) {
    *ret = map_get(&d->by_key, BYTES_OF(*pubkey));
    if (*ret) return 0;
    struct validator *v = calloc(1, sizeof *v);
    if (!v) return error_set(why, ERR_NO_MEMORY, "no memory for a validator");
    v->pubkey = *pubkey;
    int r = map_put(&d->by_key, BYTES_OF(v->pubkey), v, NULL, why);
    if (r != 0) {
        free(v);
        return r;
    }
    *ret = v;
    return 0;
}

int duties_add_validator(struct duties *d, uint64_t index, const struct bytes48 *pubkey,
                         struct error *why) {
    struct validator *v;
    int r = find_or_make(&v, d, pubkey, why);
    if (r != 0 || v->indexed) return r;
    store_le64(v->index, index);
    r = map_put(&d->by_index, bytes_make(v->index, sizeof v->index), v, NULL, why);
    if (r != 0) return r;
    v->indexed = true;
    d->known++;
    return 0;
}

struct validator *duties_validator(const struct duties *d, const struct bytes48 *pubkey) {
    return map_get(&d->by_key, BYTES_OF(*pubkey));
}

const struct validator *duties_by_index(const struct duties *d, uint64_t index) {
    uint8_t key[8];
    store_le64(key, index);
    return map_get(&d->by_index, bytes_make(key, sizeof key));
}

int duties_register(struct duties *d, const struct signed_validator_registration *reg,
                    bool *ret_kept, struct error *why) {
    struct validator *v;
    *ret_kept = false;
    int r = find_or_make(&v, d, &reg->message.pubkey, why);
    if (r != 0) return r;
    if (v->registration && v->registration->message.timestamp >= reg->message.timestamp) return 0;
    if (!v->registration) v->registration = malloc(sizeof *v->registration);
    if (!v->registration) return error_set(why, ERR_NO_MEMORY, "no memory for a registration");
    *v->registration = *reg;
    *ret_kept = true;
    return 0;
}

void duties_add_attributes(struct duties *d, const struct payload_attributes *p) {
    for (size_t i = 0; i < DUTIES_ATTRIBUTES_MAX; i++) {
        struct payload_attributes *old = &d->attributes[i];
        if (old->slot == p->slot && hash_equal(&old->parent_hash, &p->parent_hash)) {
            *old = *p;
            return;
        }
    }
    d->attributes[d->attributes_at++ % DUTIES_ATTRIBUTES_MAX] = *p;
}

const struct payload_attributes *duties_attributes(const struct duties *d, uint64_t slot,
                                                   const struct hash *parent) {
    for (size_t i = 0; i < DUTIES_ATTRIBUTES_MAX; i++) {
        const struct payload_attributes *p = &d->attributes[i];
        if (p->slot == slot && slot && hash_equal(&p->parent_hash, parent)) return p;
    }
    return NULL;
}

void duties_write_validators(const struct duties *d, struct buf *out, uint64_t first,
                             uint64_t count) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_begin_array(&w, NULL);
    for (uint64_t slot = first; slot - first < count; slot++) {
        const struct duty *duty = duties_at(d, slot);
        const struct validator *v = duty ? duties_validator(d, &duty->pubkey) : NULL;
        if (!v || !v->registration) continue;
        json_begin_object(&w, NULL);
        json_add_decimal(&w, "slot", slot);
        json_add_decimal(&w, "validator_index", duty->validator_index);
        json_add_raw(&w, "entry", (struct bytes){NULL, 0});
        ssz_json_encode(out, &ssz_signed_validator_registration, v->registration);
        json_end(&w);
    }
    json_end(&w);
}
