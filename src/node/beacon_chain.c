/* SPDX-License-Identifier: MIT */
#include "node/beacon_chain.h"

#include "crypto/sha256.h"

#include <stdlib.h>

static struct hash hash_two(const struct hash *a, const struct hash *b) {
    uint8_t text[64];
    memcpy(text, a->b, 32);
    memcpy(text + 32, b->b, 32);
    return sha256(bytes_make(text, sizeof text));
}

static struct hash hash_number(const struct hash *a, uint64_t n) {
    struct hash number = {{0}};
    store_le64(number.b, n);
    return hash_two(a, &number);
}

int beacon_chain_init(struct beacon_chain *c, uint64_t timestamp, const struct hash *exec_hash,
                      uint64_t exec_number, struct error *why) {
    if (c->slots_per_epoch == 0 || c->slots_per_epoch > BEACON_EPOCH_MAX) {
        return error_set(why, ERR_RANGE, "an epoch has 1 to %u slots", BEACON_EPOCH_MAX);
    }
    if (c->slot_ns < BEACON_SLOT_NS_MIN || c->slot_ns > BEACON_SLOT_NS_MAX ||
        c->slot_ns % NS_PER_MS != 0) {
        return error_set(why, ERR_RANGE, "a slot is 100ms to 1h, in whole milliseconds");
    }
    c->step_s = (c->slot_ns + NS_PER_S - 1) / NS_PER_S;
    uint64_t slot = beacon_slot_of(c, timestamp);
    c->records = calloc(BEACON_RECORDS, sizeof *c->records);
    if (!c->records) return error_set(why, ERR_NO_MEMORY, "no memory for beacon blocks");
    struct beacon_record first = {.slot = slot,
                                  .exec_hash = *exec_hash,
                                  .exec_number = exec_number,
                                  .root = hash_number(exec_hash, slot),
                                  .mix = *exec_hash};
    first.state_root = beacon_state_root(&first.root, slot);
    beacon_add(c, &first);
    return 0;
}

void beacon_chain_free(struct beacon_chain *c) {
    free(c->records);
    c->records = NULL;
    validators_free(&c->validators);
}

uint64_t beacon_slot_at(const struct beacon_chain *c, uint64_t wall_ns) {
    return wall_ns > c->zero_ns ? (wall_ns - c->zero_ns) / c->slot_ns : 0;
}

size_t beacon_proposer(const struct beacon_chain *c, uint64_t slot) {
    struct hash h = hash_number(&c->validators.root, slot);
    return (size_t)(load_le64(h.b) % c->validators.count);
}

const struct beacon_record *beacon_find(const struct beacon_chain *c, const struct hash *root) {
    for (size_t i = 1; i <= BEACON_RECORDS; i++) { // newest first
        const struct beacon_record *r =
            &c->records[(c->next + BEACON_RECORDS - i) % BEACON_RECORDS];
        if (!r->used) return NULL;
        if (hash_equal(&r->root, root)) return r;
    }
    return NULL;
}

const struct beacon_record *beacon_head(const struct beacon_chain *c) {
    return beacon_find(c, &c->head);
}

const struct beacon_record *beacon_ancestor(const struct beacon_chain *c, unsigned back) {
    const struct beacon_record *r = beacon_head(c);
    for (; back && r; back--) {
        r = beacon_find(c, &r->parent_root);
    }
    return r;
}

const struct beacon_record *beacon_at(const struct beacon_chain *c, uint64_t slot) {
    const struct beacon_record *r = beacon_head(c), *oldest = r;
    while (r && r->slot > slot) {
        oldest = r;
        r = beacon_find(c, &r->parent_root);
    }
    return r ? r : oldest;
}

void beacon_marks(const struct beacon_chain *c, const struct beacon_record **ret_justified,
                  const struct beacon_record **ret_finalized) {
    uint64_t epoch = beacon_epoch_of(c, beacon_head(c)->slot);
    uint64_t justified = epoch > 1 ? epoch - 1 : 0, finalized = epoch > 2 ? epoch - 2 : 0;
    *ret_justified = beacon_at(c, justified * c->slots_per_epoch);
    *ret_finalized = beacon_at(c, finalized * c->slots_per_epoch);
}

void beacon_add(struct beacon_chain *c, const struct beacon_record *r) {
    c->records[c->next] = *r;
    c->records[c->next].used = true;
    c->next = (c->next + 1) % BEACON_RECORDS;
    c->head = r->root;
}

struct hash beacon_mix(const struct hash *before, const struct bytes96 *reveal) {
    struct hash h = sha256(bytes_make(reveal->b, sizeof reveal->b));
    for (size_t i = 0; i < 32; i++) {
        h.b[i] ^= before->b[i];
    }
    return h;
}

struct hash beacon_state_root(const struct hash *parent_root, uint64_t slot) {
    return hash_number(parent_root, ~slot);
}
