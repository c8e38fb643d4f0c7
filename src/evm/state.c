/* SPDX-License-Identifier: MIT */
#include "evm/state.h"

#include "base/random.h"
#include "crypto/keccak.h"

#include <stdlib.h>

const struct hash STATE_EMPTY_CODE_HASH = {{0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c,
                                            0x92, 0x7e, 0x7d, 0xb2, 0xdc, 0xc7, 0x03, 0xc0,
                                            0xe5, 0x00, 0xb6, 0x53, 0xca, 0x82, 0x27, 0x3b,
                                            0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85, 0xa4, 0x70}};

static int no_account(void *ctx, struct state_base_account *ret, const struct address *address,
                      struct error *why) {
    (void)ctx, (void)address, (void)why;
    *ret = (struct state_base_account){.code_hash = STATE_EMPTY_CODE_HASH};
    return 0;
}

static int no_slot(void *ctx, struct u256 *ret, const struct address *address,
                   const struct u256 *key, struct error *why) {
    (void)ctx, (void)address, (void)key, (void)why;
    *ret = U256_ZERO;
    return 0;
}

static int no_code(void *ctx, struct bytes *ret, const struct hash *hash, struct error *why) {
    (void)ctx, (void)hash;
    *ret = (struct bytes){NULL, 0};
    return error_set(why, ERR_NOT_FOUND, "there is no code");
}

const struct state_reader STATE_NOTHING = {NULL, no_account, no_slot, no_code};

#define ACCOUNTS_FIRST 256u
#define SLOTS_FIRST 8u

static void fail_memory(struct state *s) {
    if (s->failed.code == 0) error_set(&s->failed, ERR_NO_MEMORY, "no memory for the state");
}

static void fail_reader(struct state *s, int code, const struct error *why) {
    if (s->failed.code != 0) return;
    s->failed = *why;
    s->failed.code = (enum err)code;
}

void state_seed_init(struct state_seed *ret) {
    random_bytes(ret, sizeof *ret);
}

int state_init(struct state *s, struct state_reader reader, struct evm_code_cache *codes,
               struct error *why) {
    *s = (struct state){.reader = reader, .codes = codes, .epoch = 1, .next_generation = 1};
    state_seed_init(&s->seed);
    arena_init(&s->memory, 0);
    buf_init(&s->log_data, 0);
    s->accounts = calloc(ACCOUNTS_FIRST, sizeof *s->accounts);
    s->account_mask = ACCOUNTS_FIRST - 1;
    s->lost = calloc(1, sizeof *s->lost);
    s->lost_slot = calloc(1, sizeof *s->lost_slot);
    if (!s->accounts || !s->lost || !s->lost_slot) {
        state_free(s);
        return error_set(why, ERR_NO_MEMORY, "no memory for a state");
    }
    s->lost->now.code_hash = STATE_EMPTY_CODE_HASH;
    s->lost_slot->account = s->lost;
    if (codes) evm_code_user_join(codes, &s->code_user);
    return 0;
}

static void free_tables(struct state *s) {
    for (uint32_t i = 0; s->accounts && i <= s->account_mask; i++) {
        if (s->accounts[i]) free(s->accounts[i]->slots.at);
    }
    free(s->transients.at);
}

void state_free(struct state *s) {
    if (s->codes) evm_code_user_leave(s->codes, &s->code_user);
    free_tables(s);
    free(s->accounts);
    free(s->lost);
    free(s->lost_slot);
    free(s->journal);
    free(s->logs);
    free(s->touched);
    free(s->destructed);
    free(s->entered);
    free(s->slots);
    buf_free(&s->log_data);
    arena_free(&s->memory);
    *s = (struct state){0};
}

void state_reset(struct state *s, struct state_reader reader) {
    free_tables(s);
    if (s->accounts) memset(s->accounts, 0, (s->account_mask + 1u) * sizeof *s->accounts);
    s->account_count = 0;
    s->transients = (struct state_slots){0};
    s->reader = reader;
    s->journal_count = s->log_count = 0;
    s->touched_count = s->destructed_count = s->entered_count = s->slot_count = 0;
    s->dirty_accounts = NULL;
    s->dirty_slots = NULL;
    s->failed.code = 0;
    s->refund = 0;
    s->epoch++;
    buf_clear(&s->log_data);
    arena_reset(&s->memory);
    if (s->codes) evm_code_user_pass(s->codes, &s->code_user);
}

int state_check(const struct state *s, struct error *why) {
    if (s->failed.code == 0) return 0;
    if (why) *why = s->failed;
    return s->failed.code;
}

/* Growth of the lists. */

// Doubles an array when it is full; false when there is no memory.
static bool room_for_one(void **array, size_t count, size_t *room, size_t size) {
    if (count < *room) return true;
    size_t more = *room ? 2 * *room : 64;
    void *p = realloc(*array, more * size);
    if (!p) return false;
    *array = p;
    *room = more;
    return true;
}
#define ROOM(S, ARRAY, COUNT, ROOM_)                                                               \
    room_for_one((void **)&(S)->ARRAY, (S)->COUNT, &(S)->ROOM_, sizeof *(S)->ARRAY)

struct state_journal *state_journal_grow(struct state *s) {
    if (!ROOM(s, journal, journal_count, journal_room)) {
        fail_memory(s);
        return &s->spare;
    }
    return &s->journal[s->journal_count++];
}

static void list_touched(struct state *s, struct state_account *a) {
    if (!ROOM(s, touched, touched_count, touched_room)) {
        fail_memory(s);
        return;
    }
    s->touched[s->touched_count++] = a;
}

static void mark_dirty(struct state *s, struct state_account *a) {
    if (a->dirty) return;
    a->dirty = true;
    a->next_dirty = s->dirty_accounts;
    s->dirty_accounts = a;
}

/* Accounts. */

static bool grow_accounts(struct state *s) {
    uint32_t mask = 2 * s->account_mask + 1;
    struct state_account **at = calloc((size_t)mask + 1, sizeof(struct state_account *));
    if (!at) return false;
    for (uint32_t i = 0; i <= s->account_mask; i++) {
        struct state_account *a = s->accounts[i];
        if (!a) continue;
        uint32_t j = state_hash_address(&s->seed, &a->address) & mask;
        while (at[j]) {
            j = (j + 1) & mask;
        }
        at[j] = a;
    }
    free(s->accounts);
    s->accounts = at;
    s->account_mask = mask;
    return true;
}

struct state_account *state_account_load(struct state *s, const struct address *address) {
    if (4 * (size_t)(s->account_count + 1) > 3 * (size_t)s->account_mask && !grow_accounts(s)) {
        fail_memory(s);
        return s->lost;
    }
    struct state_account *a = arena_new(&s->memory, struct state_account);
    if (!a) {
        fail_memory(s);
        return s->lost;
    }
    a->address = *address;
    a->base.code_hash = STATE_EMPTY_CODE_HASH;
    struct state_base_account base;
    struct error why = {0};
    int r = s->reader.account(s->reader.ctx, &base, address, &why);
    if (r != 0) {
        fail_reader(s, r, &why);
    } else if (base.exists) {
        a->base = (struct state_fields){base.balance, base.nonce, base.code_hash, true};
        a->has_storage = base.has_storage;
    }
    a->now = a->base;
    uint32_t i = state_hash_address(&s->seed, address) & s->account_mask;
    while (s->accounts[i]) {
        i = (i + 1) & s->account_mask;
    }
    s->accounts[i] = a;
    s->account_count++;
    return a;
}

void state_account_enter(struct state *s, struct state_account *a) {
    a->epoch = s->epoch;
    a->reads = 0;
    a->start = a->now;
    a->start_generation = a->generation;
    if (!ROOM(s, entered, entered_count, entered_room)) {
        fail_memory(s);
        return;
    }
    a->place = (uint32_t)s->entered_count;
    s->entered[s->entered_count++] = a;
}

/* Slots. */

typedef uint32_t slot_hash(const struct state_seed *seed, const struct state_slot *slot);

static bool grow_slots(struct state_slots *t, const struct state_seed *seed, slot_hash *hash) {
    uint32_t mask = t->at ? 2 * t->mask + 1 : SLOTS_FIRST - 1;
    struct state_slot **at = calloc((size_t)mask + 1, sizeof(struct state_slot *));
    if (!at) return false;
    for (uint32_t i = 0; t->at && i <= t->mask; i++) {
        struct state_slot *slot = t->at[i];
        if (!slot) continue;
        uint32_t j = hash(seed, slot) & mask;
        while (at[j]) {
            j = (j + 1) & mask;
        }
        at[j] = slot;
    }
    free(t->at);
    t->at = at;
    t->mask = mask;
    return true;
}

static uint32_t hash_slot(const struct state_seed *seed, const struct state_slot *slot) {
    return state_hash_key(seed, &slot->key);
}

static uint32_t hash_transient(const struct state_seed *seed, const struct state_slot *slot) {
    return state_hash_key(seed, &slot->key) ^ state_hash_address(seed, &slot->account->address);
}

static struct state_slot *add_slot(struct state *s, struct state_slots *t, struct state_account *a,
                                   const struct u256 *key, slot_hash *hash) {
    bool full = !t->at || 4 * (size_t)(t->count + 1) > 3 * (size_t)t->mask;
    if (full && !grow_slots(t, &s->seed, hash)) return NULL;
    struct state_slot *slot = arena_new(&s->memory, struct state_slot);
    if (!slot) return NULL;
    slot->key = *key;
    slot->account = a;
    uint32_t i = hash(&s->seed, slot) & t->mask;
    while (t->at[i]) {
        i = (i + 1) & t->mask;
    }
    t->at[i] = slot;
    t->count++;
    return slot;
}

// The value below all changes; read once.
static struct u256 slot_base(struct state *s, struct state_slot *slot) {
    if (slot->base_known) return slot->base;
    slot->base_known = true;
    if (!slot->account->base.exists) return slot->base;
    struct error why = {0};
    int r = s->reader.slot(s->reader.ctx, &slot->base, &slot->account->address, &slot->key, &why);
    if (r != 0) {
        fail_reader(s, r, &why);
        slot->base = U256_ZERO;
    }
    return slot->base;
}

struct state_slot *state_slot_load(struct state *s, struct state_account *a,
                                   const struct u256 *key) {
    struct state_slot *slot = add_slot(s, &a->slots, a, key, hash_slot);
    if (!slot) {
        fail_memory(s);
        return s->lost_slot;
    }
    slot->generation = a->generation;
    if (a->generation == 0) slot->value = slot_base(s, slot);
    return slot;
}

void state_slot_enter(struct state *s, struct state_slot *slot) {
    const struct state_account *a = slot->account;
    if (slot->generation != a->generation) {
        // The value belongs to another life of the account; it may come back by a revert.
        struct state_journal *j = state_journal_add(s, slot, STATE_J_SLOT);
        j->old.value = slot->value;
        j->small = slot->generation;
        slot->generation = a->generation;
        slot->value = a->generation == 0 ? slot_base(s, slot) : U256_ZERO;
        if (slot->epoch == s->epoch) {
            slot->original = slot->value;
            return;
        }
    }
    if (slot->epoch == s->epoch) return;
    slot->epoch = s->epoch;
    slot->original = slot->value;
    if (!ROOM(s, slots, slot_count, slot_room)) {
        fail_memory(s);
        return;
    }
    s->slots[s->slot_count++] = slot;
}

void state_slot_set_slow(struct state *s, struct state_slot *slot) {
    if (slot->transient) return;
    slot->dirty = true;
    slot->next_dirty = s->dirty_slots;
    s->dirty_slots = slot;
    mark_dirty(s, slot->account);
}

static struct state_slot *find_transient(struct state *s, struct state_account *a,
                                         const struct u256 *key) {
    struct state_slots *t = &s->transients;
    if (!t->at) return NULL;
    uint32_t i =
        (state_hash_key(&s->seed, key) ^ state_hash_address(&s->seed, &a->address)) & t->mask;
    for (struct state_slot *slot; (slot = t->at[i]) != NULL; i = (i + 1) & t->mask) {
        if (slot->account == a && u256_equal(slot->key, *key)) return slot;
    }
    return NULL;
}

struct u256 state_transient_get(struct state *s, struct state_account *a, const struct u256 *key) {
    const struct state_slot *slot = find_transient(s, a, key);
    return slot && slot->epoch == s->epoch ? slot->value : U256_ZERO;
}

void state_transient_set(struct state *s, struct state_account *a, const struct u256 *key,
                         struct u256 value) {
    struct state_slot *slot = find_transient(s, a, key);
    if (!slot) {
        slot = add_slot(s, &s->transients, a, key, hash_transient);
        if (!slot) {
            fail_memory(s);
            return;
        }
        slot->transient = true;
    }
    if (slot->epoch != s->epoch) {
        slot->epoch = s->epoch;
        slot->value = U256_ZERO;
    }
    state_slot_set(s, slot, value);
}

/* Code. */

struct evm_code *state_code_load(struct state *s, struct state_account *a) {
    if (hash_equal(&a->now.code_hash, &STATE_EMPTY_CODE_HASH)) {
        a->code = evm_code_empty(s->codes);
        return a->code;
    }
    a->code = evm_code_find(s->codes, &a->now.code_hash);
    if (a->code) return a->code;
    struct bytes code = {0};
    struct error why = {0};
    int r = s->reader.code(s->reader.ctx, &code, &a->now.code_hash, &why);
    if (r != 0) {
        fail_reader(s, r, &why);
        return evm_code_empty(s->codes);
    }
    a->code = evm_code_add(s->codes, &a->now.code_hash, code);
    if (a->code) return a->code;
    fail_memory(s);
    return evm_code_empty(s->codes);
}

void state_set_code(struct state *s, struct state_account *a, struct bytes code) {
    struct state_journal *j = state_journal_add(s, a, STATE_J_CODE);
    j->old.code_hash = a->now.code_hash;
    mark_dirty(s, a);
    state_touch(s, a);
    a->now.code_hash = code.n ? keccak256(code) : STATE_EMPTY_CODE_HASH;
    a->code = code.n ? evm_code_add(s->codes, &a->now.code_hash, code) : evm_code_empty(s->codes);
    if (!a->code) fail_memory(s);
}

/* Changes. */

static void set_exists(struct state *s, struct state_account *a, bool exists) {
    if (a->now.exists == exists) return;
    state_journal_add(s, a, STATE_J_EXISTS)->small = a->now.exists;
    a->now.exists = exists;
    mark_dirty(s, a);
}

void state_touch(struct state *s, struct state_account *a) {
    set_exists(s, a, true);
    if (a->touched_epoch == s->epoch) return;
    state_journal_add(s, a, STATE_J_TOUCHED);
    a->touched_epoch = s->epoch;
    list_touched(s, a);
}

void state_set_balance(struct state *s, struct state_account *a, struct u256 balance) {
    state_touch(s, a);
    if (u256_equal(a->now.balance, balance)) return;
    state_journal_add(s, a, STATE_J_BALANCE)->old.value = a->now.balance;
    a->now.balance = balance;
    mark_dirty(s, a);
}

void state_add_balance(struct state *s, struct state_account *a, struct u256 amount) {
    if (u256_is_zero(amount)) a->reads |= STATE_READ_EMPTINESS; // may be an empty one's end
    state_set_balance(s, a, u256_add(a->now.balance, amount));
}

void state_set_nonce(struct state *s, struct state_account *a, uint64_t nonce) {
    a->reads |= STATE_READ_NONCE;
    state_touch(s, a);
    if (a->now.nonce == nonce) return;
    state_journal_add(s, a, STATE_J_NONCE)->old.number = a->now.nonce;
    a->now.nonce = nonce;
    mark_dirty(s, a);
}

static void wipe_storage(struct state *s, struct state_account *a) {
    if (a->slots.count == 0 && !a->has_storage) return;
    struct state_journal *j = state_journal_add(s, a, STATE_J_STORAGE);
    j->small = a->generation;
    j->old.number = a->has_storage;
    a->generation = s->next_generation++;
    a->has_storage = false;
    mark_dirty(s, a);
}

void state_create(struct state *s, struct state_account *a, uint64_t nonce) {
    wipe_storage(s, a);
    if (!hash_equal(&a->now.code_hash, &STATE_EMPTY_CODE_HASH)) {
        state_set_code(s, a, (struct bytes){0});
    }
    state_touch(s, a);
    state_set_nonce(s, a, nonce);
    if (a->created_epoch == s->epoch) return;
    state_journal_add(s, a, STATE_J_CREATED);
    a->created_epoch = s->epoch;
}

void state_destruct(struct state *s, struct state_account *a) {
    if (a->destructed_epoch == s->epoch) return;
    if (!ROOM(s, destructed, destructed_count, destructed_room)) {
        fail_memory(s);
        return;
    }
    state_journal_add(s, a, STATE_J_DESTRUCTED);
    a->destructed_epoch = s->epoch;
    s->destructed[s->destructed_count++] = a;
}

void state_delete(struct state *s, struct state_account *a) {
    state_set_balance(s, a, U256_ZERO);
    if (a->now.nonce != 0) state_set_nonce(s, a, 0);
    if (!hash_equal(&a->now.code_hash, &STATE_EMPTY_CODE_HASH)) {
        state_set_code(s, a, (struct bytes){0});
    }
    wipe_storage(s, a);
    set_exists(s, a, false);
}

void state_log_add(struct state *s, const struct address *address, const struct hash *topics,
                   uint32_t topic_count, struct bytes data) {
    if (!ROOM(s, logs, log_count, log_room)) {
        fail_memory(s);
        return;
    }
    struct state_log *log = &s->logs[s->log_count++];
    log->address = *address;
    log->topic_count = topic_count;
    for (uint32_t i = 0; i < topic_count; i++) {
        log->topics[i] = topics[i];
    }
    log->data_at = s->log_data.n;
    log->data_size = data.n;
    buf_append(&s->log_data, data);
    if (s->log_data.failed) fail_memory(s);
}

/* Transactions and reverts. */

void state_begin(struct state *s) {
    s->epoch++;
    s->refund = 0;
    s->touched_count = s->destructed_count = s->entered_count = s->slot_count = 0;
}

void state_end(struct state *s, bool clear_empty) {
    for (size_t i = 0; i < s->destructed_count; i++) {
        state_delete(s, s->destructed[i]);
    }
    if (!clear_empty) return;
    for (size_t i = 0, n = s->touched_count; i < n; i++) {
        struct state_account *a = s->touched[i];
        if (u256_is_zero(a->now.balance)) a->reads |= STATE_READ_NONCE | STATE_READ_CODE;
        if (a->now.exists && state_account_is_empty(a)) state_delete(s, a);
    }
}

struct state_mark state_mark_now(const struct state *s) {
    return (struct state_mark){s->journal_count, s->log_count,        s->log_data.n,
                               s->touched_count, s->destructed_count, s->refund};
}

static bool is_ripemd(const struct address *a) {
    static const struct address ripemd = {{[19] = 3}};
    return address_equal(a, &ripemd);
}

static void undo(struct state *s, const struct state_journal *j, bool *ripemd_touched) {
    struct state_account *a = j->what;
    struct state_slot *slot = j->what;
    switch ((enum state_journal_kind)j->kind) {
    case STATE_J_BALANCE:
        a->now.balance = j->old.value;
        break;
    case STATE_J_NONCE:
        a->now.nonce = j->old.number;
        break;
    case STATE_J_CODE:
        a->now.code_hash = j->old.code_hash;
        a->code = NULL;
        break;
    case STATE_J_EXISTS:
        a->now.exists = j->small != 0;
        break;
    case STATE_J_SLOT:
        slot->value = j->old.value;
        slot->generation = j->small;
        break;
    case STATE_J_WARM_ACCOUNT:
        a->warm_epoch = 0;
        break;
    case STATE_J_WARM_SLOT:
        slot->warm_epoch = 0;
        break;
    case STATE_J_TOUCHED:
        *ripemd_touched |= a->touched_epoch == s->epoch && is_ripemd(&a->address);
        a->touched_epoch = 0;
        break;
    case STATE_J_CREATED:
        a->created_epoch = 0;
        break;
    case STATE_J_DESTRUCTED:
        a->destructed_epoch = 0;
        break;
    case STATE_J_STORAGE:
        a->generation = j->small;
        a->has_storage = j->old.number != 0;
        break;
    }
}

void state_revert(struct state *s, struct state_mark mark) {
    bool ripemd_touched = false;
    while (s->journal_count > mark.journal) {
        undo(s, &s->journal[--s->journal_count], &ripemd_touched);
    }
    s->log_count = mark.logs;
    s->log_data.n = mark.log_data;
    if (s->touched_count > mark.touched) s->touched_count = mark.touched;
    if (s->destructed_count > mark.destructed) s->destructed_count = mark.destructed;
    s->refund = mark.refund;
    // A rule of history (mainnet block 2,675,119): precompile 3 stays touched when its frame fails,
    // and when those around it fail: so the touch is an entry again.
    if (ripemd_touched) {
        static const struct address ripemd = {{[19] = 3}};
        struct state_account *a = state_account_find(s, &ripemd);
        state_journal_add(s, a, STATE_J_TOUCHED);
        a->touched_epoch = s->epoch;
        list_touched(s, a);
    }
}

static void commit_account(struct state_account *a) {
    bool any = a->has_storage;
    for (uint32_t i = 0; a->slots.at && i <= a->slots.mask; i++) {
        struct state_slot *slot = a->slots.at[i];
        if (!slot) continue;
        if (slot->generation != a->generation) slot->value = U256_ZERO;
        bool known = slot->generation == a->generation || a->generation != 0;
        if (!known) slot->value = slot->base;
        slot->base = slot->value;
        slot->base_known = slot->base_known || known;
        slot->generation = 0;
        any |= !u256_is_zero(slot->value);
    }
    a->generation = 0;
    a->has_storage = any;
    a->base = a->now;
    a->dirty = false;
}

void state_commit(struct state *s) {
    for (struct state_slot *slot = s->dirty_slots, *next; slot; slot = next) {
        next = slot->next_dirty;
        slot->dirty = false;
        slot->next_dirty = NULL;
    }
    for (struct state_account *a = s->dirty_accounts, *next; a; a = next) {
        next = a->next_dirty;
        commit_account(a);
        a->next_dirty = NULL;
    }
    s->dirty_accounts = NULL;
    s->dirty_slots = NULL;
    s->journal_count = 0;
    s->log_count = 0;
    buf_clear(&s->log_data);
    s->touched_count = s->destructed_count = 0;
}
