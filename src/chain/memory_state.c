/* SPDX-License-Identifier: MIT */
#include "chain/memory_state.h"

#include "crypto/keccak.h"
#include "trie/trie_plain.h"

#include <stdlib.h>

#define ACCOUNTS_FIRST 64u
#define SLOTS_FIRST 8u
#define CODES_FIRST 32u

// Known numbers: what is in here is the caller's own, and it is visited in the tables' order.
static const struct state_seed seed = {
    {0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9, 0xff51afd7ed558ccd}};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a state");
}

void memory_state_init(struct memory_state *m) {
    *m = (struct memory_state){0};
    arena_init(&m->memory, 0);
}

void memory_state_clear(struct memory_state *m) {
    for (uint32_t i = 0; m->accounts && i <= m->account_mask; i++) {
        if (m->accounts[i]) free(m->accounts[i]->slots);
    }
    if (m->accounts) memset(m->accounts, 0, (m->account_mask + 1u) * sizeof *m->accounts);
    if (m->codes) memset(m->codes, 0, (m->code_mask + 1u) * sizeof *m->codes);
    m->account_count = m->code_count = 0;
    arena_reset(&m->memory);
}

void memory_state_free(struct memory_state *m) {
    memory_state_clear(m);
    free(m->accounts);
    free(m->codes);
    arena_free(&m->memory);
    *m = (struct memory_state){0};
}

/* Accounts. */

static struct memory_account *find(const struct memory_state *m, const struct address *address) {
    if (!m->accounts) return NULL;
    uint32_t i = state_hash_address(&seed, address) & m->account_mask;
    struct memory_account *a;
    while ((a = m->accounts[i]) != NULL && !address_equal(&a->address, address)) {
        i = (i + 1) & m->account_mask;
    }
    return a;
}

const struct memory_account *memory_state_find(const struct memory_state *m,
                                               const struct address *address) {
    const struct memory_account *a = find(m, address);
    return a && a->fields.exists ? a : NULL;
}

static bool grow_accounts(struct memory_state *m) {
    uint32_t mask = m->accounts ? 2 * m->account_mask + 1 : ACCOUNTS_FIRST - 1;
    struct memory_account **at = calloc((size_t)mask + 1, sizeof(struct memory_account *));
    if (!at) return false;
    for (uint32_t i = 0; m->accounts && i <= m->account_mask; i++) {
        if (!m->accounts[i]) continue;
        uint32_t j = state_hash_address(&seed, &m->accounts[i]->address) & mask;
        while (at[j]) {
            j = (j + 1) & mask;
        }
        at[j] = m->accounts[i];
    }
    free(m->accounts);
    m->accounts = at;
    m->account_mask = mask;
    return true;
}

static struct memory_account *find_or_add(struct memory_state *m, const struct address *address) {
    struct memory_account *a = find(m, address);
    if (a) return a;
    bool full = !m->accounts || 4 * (size_t)(m->account_count + 1) > 3 * (size_t)m->account_mask;
    if (full && !grow_accounts(m)) return NULL;
    a = arena_new(&m->memory, struct memory_account);
    if (!a) return NULL;
    a->address = *address;
    a->fields.code_hash = STATE_EMPTY_CODE_HASH;
    uint32_t i = state_hash_address(&seed, address) & m->account_mask;
    while (m->accounts[i]) {
        i = (i + 1) & m->account_mask;
    }
    m->accounts[i] = a;
    m->account_count++;
    return a;
}

void memory_state_each(const struct memory_state *m,
                       void (*each)(void *arg, const struct memory_account *a), void *arg) {
    for (uint32_t i = 0; m->accounts && i <= m->account_mask; i++) {
        if (m->accounts[i] && m->accounts[i]->fields.exists) each(arg, m->accounts[i]);
    }
}

/* Slots. */

static struct memory_slot *find_slot(const struct memory_account *a, const struct u256 *key) {
    if (!a->slots) return NULL;
    uint32_t i = state_hash_key(&seed, key) & a->slot_mask;
    while (a->slots[i].used && !u256_equal(a->slots[i].key, *key)) {
        i = (i + 1) & a->slot_mask;
    }
    return &a->slots[i];
}

static bool grow_slots(struct memory_account *a) {
    struct memory_account bigger = {.slot_mask = a->slots ? 2 * a->slot_mask + 1 : SLOTS_FIRST - 1};
    bigger.slots = calloc((size_t)bigger.slot_mask + 1, sizeof *bigger.slots);
    if (!bigger.slots) return false;
    uint32_t count = 0;
    for (uint32_t i = 0; a->slots && i <= a->slot_mask; i++) {
        if (!a->slots[i].used || u256_is_zero(a->slots[i].value)) continue;
        *find_slot(&bigger, &a->slots[i].key) = a->slots[i];
        count++;
    }
    free(a->slots);
    a->slots = bigger.slots;
    a->slot_mask = bigger.slot_mask;
    a->slot_count = count;
    return true;
}

static bool set_slot(struct memory_account *a, const struct u256 *key, const struct u256 *value) {
    struct memory_slot *slot = find_slot(a, key);
    if (!slot || !slot->used) {
        if (u256_is_zero(*value)) return true;
        bool full = !a->slots || 4 * (size_t)(a->slot_count + 1) > 3 * (size_t)a->slot_mask;
        if (full && !grow_slots(a)) return false;
        slot = find_slot(a, key);
        slot->used = true;
        slot->key = *key;
        a->slot_count++;
    }
    slot->value = *value;
    return true;
}

static void clear_slots(struct memory_account *a) {
    free(a->slots);
    a->slots = NULL;
    a->slot_mask = a->slot_count = 0;
}

static bool has_storage(const struct memory_account *a) {
    for (uint32_t i = 0; a->slots && i <= a->slot_mask; i++) {
        if (a->slots[i].used && !u256_is_zero(a->slots[i].value)) return true;
    }
    return false;
}

/* Code. */

static struct memory_code *find_code(const struct memory_state *m, const struct hash *hash) {
    if (!m->codes) return NULL;
    uint32_t i = load_le32(hash->b) & m->code_mask;
    while (m->codes[i].bytes.p && !hash_equal(&m->codes[i].hash, hash)) {
        i = (i + 1) & m->code_mask;
    }
    return &m->codes[i];
}

struct bytes memory_state_code(const struct memory_state *m, const struct hash *hash) {
    const struct memory_code *c = find_code(m, hash);
    return c ? c->bytes : (struct bytes){0};
}

static bool grow_codes(struct memory_state *m) {
    struct memory_state bigger = {.code_mask = m->codes ? 2 * m->code_mask + 1 : CODES_FIRST - 1};
    bigger.codes = calloc((size_t)bigger.code_mask + 1, sizeof *bigger.codes);
    if (!bigger.codes) return false;
    for (uint32_t i = 0; m->codes && i <= m->code_mask; i++) {
        if (m->codes[i].bytes.p) *find_code(&bigger, &m->codes[i].hash) = m->codes[i];
    }
    free(m->codes);
    m->codes = bigger.codes;
    m->code_mask = bigger.code_mask;
    return true;
}

int memory_state_set_code(struct memory_state *m, const struct hash *hash, struct bytes code,
                          struct error *why) {
    if (code.n == 0) return 0;
    bool full = !m->codes || 4 * (size_t)(m->code_count + 1) > 3 * (size_t)m->code_mask;
    if (full && !grow_codes(m)) return no_memory(why);
    struct memory_code *c = find_code(m, hash);
    if (c->bytes.p) return 0;
    struct bytes copy = arena_copy(&m->memory, code);
    if (!copy.p) return no_memory(why);
    *c = (struct memory_code){*hash, copy};
    m->code_count++;
    return 0;
}

/* Content. */

int memory_state_set_fields(struct memory_state *m, const struct address *address,
                            const struct state_fields *fields, struct error *why) {
    struct memory_account *a = find_or_add(m, address);
    if (!a) return no_memory(why);
    a->fields = *fields;
    return 0;
}

int memory_state_set_account(struct memory_state *m, const struct address *address,
                             struct u256 balance, uint64_t nonce, struct bytes code,
                             struct error *why) {
    struct state_fields fields = {balance, nonce, STATE_EMPTY_CODE_HASH, true};
    if (code.n) fields.code_hash = keccak256(code);
    int r = memory_state_set_code(m, &fields.code_hash, code, why);
    return r != 0 ? r : memory_state_set_fields(m, address, &fields, why);
}

int memory_state_set_slot(struct memory_state *m, const struct address *address, struct u256 key,
                          struct u256 value, struct error *why) {
    struct memory_account *a = find_or_add(m, address);
    return a && set_slot(a, &key, &value) ? 0 : no_memory(why);
}

static int apply_account(struct memory_state *m, const struct state *s,
                         const struct state_account *a, struct error *why) {
    struct memory_account *to = find_or_add(m, &a->address);
    if (!to) return no_memory(why);
    to->fields = a->now;
    if (a->generation != 0 || !a->now.exists) clear_slots(to);
    if (!a->now.exists) {
        to->fields = (struct state_fields){.code_hash = STATE_EMPTY_CODE_HASH};
        return 0;
    }
    if (hash_equal(&a->now.code_hash, &a->base.code_hash) ||
        hash_equal(&a->now.code_hash, &STATE_EMPTY_CODE_HASH)) {
        return 0;
    }
    const struct evm_code *code = evm_code_find(s->codes, &a->now.code_hash);
    if (!code) return error_set(why, ERR_INTERNAL, "changed code is not in the code cache");
    return memory_state_set_code(m, &code->hash, (struct bytes){code->bytes, code->size}, why);
}

int memory_state_apply(struct memory_state *m, const struct state *s, struct error *why) {
    for (const struct state_account *a = s->dirty_accounts; a; a = a->next_dirty) {
        int r = apply_account(m, s, a, why);
        if (r != 0) return r;
    }
    for (const struct state_slot *slot = s->dirty_slots; slot; slot = slot->next_dirty) {
        const struct state_account *a = slot->account;
        if (!a->now.exists || slot->generation != a->generation) continue;
        struct memory_account *to = find(m, &a->address);
        if (!to || !set_slot(to, &slot->key, &slot->value)) return no_memory(why);
    }
    return 0;
}

int memory_state_copy(struct memory_state *m, const struct memory_state *from, struct error *why) {
    int r = 0;
    for (uint32_t i = 0; r == 0 && from->codes && i <= from->code_mask; i++) {
        if (!from->codes[i].bytes.p) continue;
        r = memory_state_set_code(m, &from->codes[i].hash, from->codes[i].bytes, why);
    }
    for (uint32_t i = 0; r == 0 && from->accounts && i <= from->account_mask; i++) {
        const struct memory_account *a = from->accounts[i];
        if (!a || !a->fields.exists) continue;
        r = memory_state_set_fields(m, &a->address, &a->fields, why);
        for (uint32_t k = 0; r == 0 && a->slots && k <= a->slot_mask; k++) {
            if (!a->slots[k].used) continue;
            r = memory_state_set_slot(m, &a->address, a->slots[k].key, a->slots[k].value, why);
        }
    }
    return r;
}

/* The reader. */

static int read_account(void *ctx, struct state_base_account *ret, const struct address *address,
                        struct error *why) {
    (void)why;
    const struct memory_account *a = memory_state_find(ctx, address);
    *ret = (struct state_base_account){.code_hash = STATE_EMPTY_CODE_HASH};
    if (!a) return 0;
    *ret = (struct state_base_account){a->fields.balance, a->fields.nonce, a->fields.code_hash,
                                       true, has_storage(a)};
    return 0;
}

static int read_slot(void *ctx, struct u256 *ret, const struct address *address,
                     const struct u256 *key, struct error *why) {
    (void)why;
    const struct memory_account *a = memory_state_find(ctx, address);
    const struct memory_slot *slot = a ? find_slot(a, key) : NULL;
    *ret = slot && slot->used ? slot->value : U256_ZERO;
    return 0;
}

static int read_code(void *ctx, struct bytes *ret, const struct hash *code_hash,
                     struct error *why) {
    *ret = memory_state_code(ctx, code_hash);
    if (ret->n == 0) return error_set(why, ERR_NOT_FOUND, "code of an account is not known");
    return 0;
}

struct state_reader memory_state_reader(struct memory_state *m) {
    return (struct state_reader){m, read_account, read_slot, read_code};
}

/* Root. */

static int storage_pairs(struct trie_plain_account *ret, const struct memory_account *a,
                         struct arena *scratch, struct error *why) {
    if (!a->slots) return 0;
    struct trie_plain_slot *slots =
        arena_new_array(scratch, struct trie_plain_slot, (size_t)a->slot_mask + 1);
    if (!slots) return no_memory(why);
    for (uint32_t i = 0; i <= a->slot_mask; i++) {
        if (!a->slots[i].used || u256_is_zero(a->slots[i].value)) continue;
        u256_store_be(slots[ret->slot_count].key.b, a->slots[i].key);
        slots[ret->slot_count++].value = a->slots[i].value;
    }
    ret->slots = slots;
    return 0;
}

int memory_state_root(struct hash *ret, const struct memory_state *m, struct error *why) {
    struct arena scratch;
    arena_init(&scratch, 0);
    size_t count = 0;
    struct trie_plain_account *all =
        arena_new_array(&scratch, struct trie_plain_account, (size_t)m->account_count + 1);
    int r = all ? 0 : no_memory(why);
    for (uint32_t i = 0; r == 0 && m->accounts && i <= m->account_mask; i++) {
        const struct memory_account *a = m->accounts[i];
        if (!a || !a->fields.exists) continue;
        all[count] = (struct trie_plain_account){.address = a->address,
                                                 .nonce = a->fields.nonce,
                                                 .balance = a->fields.balance,
                                                 .code_hash = a->fields.code_hash};
        r = storage_pairs(&all[count++], a, &scratch, why);
    }
    if (r == 0) r = trie_plain_state_root(ret, all, count, why);
    arena_free(&scratch);
    return r;
}
