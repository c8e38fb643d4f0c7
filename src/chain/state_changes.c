/* SPDX-License-Identifier: MIT */
#include "chain/state_changes.h"

static bool fields_equal(const struct state_fields *a, const struct state_fields *b) {
    return a->nonce == b->nonce && a->exists == b->exists && u256_equal(a->balance, b->balance) &&
           hash_equal(&a->code_hash, &b->code_hash);
}

// A slot that is not what the base has, or what an emptied storage has.
static bool slot_changed(const struct state_account *a, const struct state_slot *slot) {
    if (!slot || !slot->dirty || slot->generation != a->generation) return false;
    return a->generation ? !u256_is_zero(slot->value) : !u256_equal(slot->value, slot->base);
}

static bool add_slots(struct state_account_change *c, const struct state_account *a,
                      struct arena *arena) {
    if (!a->slots.at) return true;
    size_t n = 0;
    for (uint32_t i = 0; i <= a->slots.mask; i++) {
        n += slot_changed(a, a->slots.at[i]);
    }
    struct state_slot_change *slots = arena_new_array(arena, struct state_slot_change, n);
    if (!slots) return false;
    for (uint32_t i = 0; i <= a->slots.mask; i++) {
        const struct state_slot *slot = a->slots.at[i];
        if (!slot_changed(a, slot)) continue;
        u256_store_be(slots[c->slot_count].key.b, slot->key);
        slots[c->slot_count++].value = slot->value;
    }
    c->slots = slots;
    return true;
}

int state_changes_of(struct state_changes *ret, const struct state *s, struct arena *a,
                     struct error *why) {
    size_t most = 0, count = 0, code_count = 0;
    for (const struct state_account *d = s->dirty_accounts; d; d = d->next_dirty) {
        most++;
    }
    struct state_account_change *all = arena_new_array(a, struct state_account_change, most);
    struct hash *codes = arena_new_array(a, struct hash, most);
    if (!all || !codes) return error_set(why, ERR_NO_MEMORY, "no memory for a block's changes");
    for (const struct state_account *d = s->dirty_accounts; d; d = d->next_dirty) {
        if (!d->now.exists && !d->base.exists) continue; // came and went
        struct state_account_change *c = &all[count];
        *c = (struct state_account_change){
            .address = d->address,
            .removed = !d->now.exists,
            .storage_cleared = d->generation != 0 && d->base.exists,
            .nonce = d->now.nonce,
            .balance = d->now.balance,
            .code_hash = d->now.code_hash,
        };
        if (d->now.exists && !add_slots(c, d, a)) {
            return error_set(why, ERR_NO_MEMORY, "no memory for a block's changes");
        }
        bool same = fields_equal(&d->now, &d->base) && !c->storage_cleared && c->slot_count == 0;
        count += !same;
        if (d->now.exists && !hash_equal(&d->now.code_hash, &d->base.code_hash) &&
            !hash_equal(&d->now.code_hash, &STATE_EMPTY_CODE_HASH)) {
            codes[code_count++] = d->now.code_hash;
        }
    }
    *ret = (struct state_changes){all, count, codes, code_count};
    return 0;
}
