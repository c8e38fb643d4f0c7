/* SPDX-License-Identifier: MIT */
#include "evm/tracer_access.h"

#include "evm/opcode.h"
#include "evm/precompile.h"

#define ENTRY_PLACES (2 * ACCESS_ADDRESSES_MAX)
#define SLOT_PLACES (2 * ACCESS_SLOTS_MAX)
_Static_assert(ACCESS_ADDRESSES_MAX < UINT16_MAX && ACCESS_SLOTS_MAX < UINT16_MAX, "places count");

static struct access_entry *find(struct access_list *l, const struct address *address) {
    size_t at = state_hash_address(&l->seed, address) % ENTRY_PLACES;
    for (; l->entry_at[at]; at = (at + 1) % ENTRY_PLACES) {
        struct access_entry *e = &l->entries[l->entry_at[at] - 1];
        if (address_equal(&e->address, address)) return e;
    }
    if (l->count == ACCESS_ADDRESSES_MAX) {
        l->failed = true;
        return NULL;
    }
    struct access_entry *e = &l->entries[l->count++];
    l->entry_at[at] = (uint16_t)l->count;
    *e = (struct access_entry){.address = *address};
    return e;
}

static void add_address(struct access_list *l, const struct address *address) {
    bool warm = address_equal(address, &l->from) || address_equal(address, &l->to) ||
                evm_is_precompile(l->fork, address);
    if (warm || l->failed) return;
    struct access_entry *e = find(l, address);
    if (e) e->listed = true;
}

static void add_slot(struct access_list *l, const struct address *address, struct u256 key) {
    if (l->failed) return;
    struct access_entry *e = find(l, address);
    if (!e) return;
    size_t entry = (size_t)(e - l->entries);
    size_t at = (state_hash_key(&l->seed, &key) + entry * 0x9e3779b1u) % SLOT_PLACES;
    for (; l->slot_at[at]; at = (at + 1) % SLOT_PLACES) {
        size_t i = l->slot_at[at] - 1u;
        if (l->slots[i].entry == entry && u256_equal(l->slots[i].key, key)) return;
    }
    if (l->slot_count == ACCESS_SLOTS_MAX) {
        l->failed = true;
        return;
    }
    l->slots[l->slot_count].entry = entry;
    l->slots[l->slot_count++].key = key;
    l->slot_at[at] = (uint16_t)l->slot_count;
    e->slots++;
}

void access_list_step(struct access_list *l, const struct evm_step *s) {
    size_t n = s->stack_count;
    struct address address;
    switch (s->op) {
    case OP_SLOAD:
    case OP_SSTORE:
        if (n >= 1) add_slot(l, s->self, s->stack[n - 1]);
        return;
    case OP_BALANCE:
    case OP_EXTCODESIZE:
    case OP_EXTCODECOPY:
    case OP_EXTCODEHASH:
    case OP_SELFDESTRUCT:
        if (n < 1) return;
        address = u256_to_address(&s->stack[n - 1]);
        add_address(l, &address);
        return;
    case OP_CALL:
    case OP_CALLCODE:
    case OP_DELEGATECALL:
    case OP_STATICCALL:
        if (n < 5) return;
        address = u256_to_address(&s->stack[n - 2]);
        add_address(l, &address);
        return;
    default:
        return;
    }
}

static void step(void *ctx, struct evm *vm, const struct evm_step *s) {
    (void)vm;
    access_list_step(ctx, s);
}

void access_list_begin(struct access_list *l, struct arena *a, enum fork fork,
                       const struct address *from, const struct address *to) {
    *l = (struct access_list){.a = a, .fork = fork, .from = *from, .to = *to};
    l->tracer = (struct evm_tracer){.ctx = l, .wants_steps = true, .step = step};
    l->entries = arena_alloc_raw(a, ACCESS_ADDRESSES_MAX * sizeof *l->entries);
    l->slots = arena_alloc_raw(a, ACCESS_SLOTS_MAX * sizeof *l->slots);
    l->entry_at = arena_new_array(a, uint16_t, ENTRY_PLACES);
    l->slot_at = arena_new_array(a, uint16_t, SLOT_PLACES);
    state_seed_init(&l->seed);
    l->failed = !l->entries || !l->slots || !l->entry_at || !l->slot_at;
}

int access_list_add(struct access_list *l, const struct tx_access *list, size_t count,
                    struct error *why) {
    for (size_t i = 0; i < count && !l->failed; i++) {
        add_address(l, &list[i].address);
        for (size_t k = 0; k < list[i].key_count; k++) {
            add_slot(l, &list[i].address, u256_load_be(list[i].keys[k].b));
        }
    }
    return l->failed ? error_set(why, ERR_LIMIT, "the access list is too long") : 0;
}

struct evm_tracer *access_list_tracer(struct access_list *l) {
    return &l->tracer;
}

int access_list_end(struct access_list *l, const struct tx_access **ret, size_t *ret_count,
                    struct error *why) {
    struct tx_access *list = l->failed ? NULL : arena_new_array(l->a, struct tx_access, l->count);
    if (!list) return error_set(why, ERR_LIMIT, "the access list is too long");
    size_t *next = arena_new_array(l->a, size_t, l->count + 1); // of each entry's keys
    struct hash *keys = arena_new_array(l->a, struct hash, l->slot_count + 1);
    if (!next || !keys) return error_set(why, ERR_LIMIT, "the access list is too long");
    size_t n = 0, first = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct access_entry *e = &l->entries[i];
        next[i] = first;
        if (e->listed || e->slots)
            list[n++] = (struct tx_access){e->address, keys + first, e->slots};
        first += e->slots;
    }
    for (size_t s = 0; s < l->slot_count; s++) {
        u256_store_be(keys[next[l->slots[s].entry]++].b, l->slots[s].key);
    }
    *ret = list;
    *ret_count = n;
    return 0;
}

bool access_list_equal(const struct tx_access *a, size_t a_count, const struct tx_access *b,
                       size_t b_count) {
    if (a_count != b_count) return false;
    for (size_t i = 0; i < a_count; i++) {
        if (!address_equal(&a[i].address, &b[i].address) || a[i].key_count != b[i].key_count) {
            return false;
        }
        for (size_t k = 0; k < a[i].key_count; k++) {
            if (!hash_equal(&a[i].keys[k], &b[i].keys[k])) return false;
        }
    }
    return true;
}
