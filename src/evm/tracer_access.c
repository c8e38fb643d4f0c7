/* SPDX-License-Identifier: MIT */
#include "evm/tracer_access.h"

#include "evm/opcode.h"
#include "evm/precompile.h"

static struct access_entry *find(struct access_list *l, const struct address *address) {
    // The newest first: code works on few contracts at a time.
    for (size_t i = l->count; i-- > 0;) {
        if (address_equal(&l->entries[i].address, address)) return &l->entries[i];
    }
    if (l->count == ACCESS_ADDRESSES_MAX) {
        l->failed = true;
        return NULL;
    }
    struct access_entry *e = &l->entries[l->count++];
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
    for (size_t i = l->slot_count; i-- > 0;) {
        if (l->slots[i].entry == entry && u256_equal(l->slots[i].key, key)) return;
    }
    if (l->slot_count == ACCESS_SLOTS_MAX) {
        l->failed = true;
        return;
    }
    l->slots[l->slot_count].entry = entry;
    l->slots[l->slot_count++].key = key;
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
    l->entries = arena_alloc_array(a, ACCESS_ADDRESSES_MAX, sizeof *l->entries);
    l->slots = arena_alloc_array(a, ACCESS_SLOTS_MAX, sizeof *l->slots);
    l->failed = !l->entries || !l->slots;
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
    size_t n = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct access_entry *e = &l->entries[i];
        if (!e->listed && e->slots == 0) continue;
        struct hash *keys = arena_new_array(l->a, struct hash, e->slots);
        if (!keys) return error_set(why, ERR_LIMIT, "the access list is too long");
        size_t k = 0;
        for (size_t s = 0; s < l->slot_count; s++) {
            if (l->slots[s].entry == i) u256_store_be(keys[k++].b, l->slots[s].key);
        }
        list[n++] = (struct tx_access){e->address, keys, k};
    }
    *ret = list;
    *ret_count = n;
    return 0;
}

static bool has_key(const struct tx_access *e, const struct hash *key) {
    for (size_t i = 0; i < e->key_count; i++) {
        if (hash_equal(&e->keys[i], key)) return true;
    }
    return false;
}

bool access_list_equal(const struct tx_access *a, size_t a_count, const struct tx_access *b,
                       size_t b_count) {
    if (a_count != b_count) return false;
    for (size_t i = 0; i < a_count; i++) {
        size_t at = 0;
        while (at < b_count && !address_equal(&a[i].address, &b[at].address)) {
            at++;
        }
        if (at == b_count || a[i].key_count != b[at].key_count) return false;
        for (size_t k = 0; k < a[i].key_count; k++) {
            if (!has_key(&b[at], &a[i].keys[k])) return false;
        }
    }
    return true;
}
