/* SPDX-License-Identifier: MIT */
#include "chain/state_changes.h"

static bool fields_equal(const struct state_fields *a, const struct state_fields *b) {
    return a->nonce == b->nonce && a->exists == b->exists && u256_equal(a->balance, b->balance) &&
           hash_equal(&a->code_hash, &b->code_hash);
}

// A slot that is not what the base has, or what an emptied storage has.
static bool slot_changed(const struct state_account *a, const struct state_slot *slot) {
    if (slot->generation != a->generation) return false;
    return a->generation ? !u256_is_zero(slot->value) : !u256_equal(slot->value, slot->base);
}

static bool counts(const struct state_slot *slot) {
    const struct state_account *a = slot->account;
    return a->now.exists && slot_changed(a, slot);
}

/* The changed slots of all accounts, each account's together: its part ends, when all are in, where
 * a->changes says. What was written and taken back is in the chain too. */
static struct state_slot_change *list_slots(const struct state *s, struct arena *a) {
    uint32_t total = 0;
    for (struct state_account *d = s->dirty_accounts; d; d = d->next_dirty) {
        d->changes = 0;
    }
    for (struct state_slot *slot = s->dirty_slots; slot; slot = slot->next_dirty) {
        slot->account->changes += counts(slot);
    }
    for (struct state_account *d = s->dirty_accounts; d; d = d->next_dirty) {
        uint32_t from = total;
        total += d->changes;
        d->changes = from;
    }
    struct state_slot_change *all = arena_new_array(a, struct state_slot_change, total + 1);
    for (struct state_slot *slot = all ? s->dirty_slots : NULL; slot; slot = slot->next_dirty) {
        if (!counts(slot)) continue;
        struct state_slot_change *c = &all[slot->account->changes++];
        u256_store_be(c->key.b, slot->key);
        c->value = slot->value;
    }
    return all;
}

int state_changes_of(struct state_changes *ret, const struct state *s, struct arena *a,
                     struct error *why) {
    size_t most = 0, count = 0, code_count = 0;
    for (const struct state_account *d = s->dirty_accounts; d; d = d->next_dirty) {
        most++;
    }
    struct state_account_change *all = arena_new_array(a, struct state_account_change, most);
    struct hash *codes = arena_new_array(a, struct hash, most);
    struct state_slot_change *slots = list_slots(s, a);
    uint32_t from = 0;
    if (!all || !codes || !slots)
        return error_set(why, ERR_NO_MEMORY, "no memory for a block's changes");
    for (const struct state_account *d = s->dirty_accounts; d; d = d->next_dirty) {
        uint32_t first = from;
        from = d->changes;
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
        c->slots = slots + first;
        c->slot_count = d->changes - first;
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
