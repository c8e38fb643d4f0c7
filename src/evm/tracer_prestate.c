/* Accounts before a transaction, and what it made of them. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "evm/tracer_internal.h"

void tracer_add_word_key(struct json_writer *w, const struct u256 *v) {
    uint8_t word[32];
    char hex[66] = "0x";
    u256_store_be(word, *v);
    hex_encode(hex + 2, (struct bytes){word, 32});
    json_add_key(w, bytes_make(hex, sizeof hex));
}

void tracer_add_address_key(struct json_writer *w, const struct address *a) {
    char hex[42] = "0x";
    hex_encode(hex + 2, BYTES_OF(*a));
    json_add_key(w, bytes_make(hex, sizeof hex));
}

static bool is_empty(const struct state_fields *f) {
    return f->nonce == 0 && u256_is_zero(f->balance) &&
           hash_equal(&f->code_hash, &STATE_EMPTY_CODE_HASH);
}

static void put_code(struct json_writer *w, const struct state *s, const struct hash *code_hash) {
    const struct evm_code *code = NULL;
    if (!hash_equal(code_hash, &STATE_EMPTY_CODE_HASH)) code = evm_code_find(s->codes, code_hash);
    json_add_data(w, "code", code ? (struct bytes){code->bytes, code->size} : (struct bytes){0});
}

/* The value of a slot now: it counts only while it belongs to this life of the account. */
static struct u256 slot_now(const struct state_slot *slot) {
    return slot->generation == slot->account->generation ? slot->value : U256_ZERO;
}

static bool slot_changed(const struct state_slot *slot) {
    struct u256 now = slot->account->now.exists ? slot_now(slot) : U256_ZERO;
    return !u256_equal(now, slot->original);
}

/* Slots of an account as they were (all; in a diff the changed ones, but for zeros) or as they
 * are (the changed ones, but for zeros). */
static void put_slots(struct json_writer *w, const struct state *s, const struct state_account *a,
                      bool diff, bool after) {
    bool open = false;
    for (size_t i = 0; i < s->slot_count; i++) {
        const struct state_slot *slot = s->slots[i];
        if (slot->account != a || slot->transient) continue;
        struct u256 value = after ? slot_now(slot) : slot->original;
        if (diff && (!slot_changed(slot) || u256_is_zero(value))) continue;
        if (!open) json_begin_object(w, "storage");
        open = true;
        tracer_add_word_key(w, &slot->key);
        tracer_add_word(w, &value);
    }
    if (open) json_end(w);
}

static void put_before(const struct tracer *t, struct json_writer *w, const struct state *s,
                       const struct state_account *a) {
    tracer_add_address_key(w, &a->address);
    json_begin_object(w, NULL);
    json_add_quantity256(w, "balance", a->start.balance);
    if (a->start.nonce) json_add_u64(w, "nonce", a->start.nonce);
    bool has_code = !hash_equal(&a->start.code_hash, &STATE_EMPTY_CODE_HASH);
    if (has_code && !t->options.no_code) put_code(w, s, &a->start.code_hash);
    if (!t->options.no_storage) put_slots(w, s, a, t->options.diff, false);
    json_end(w);
}

static bool fields_changed(const struct tracer *t, const struct state_account *a) {
    return !u256_equal(a->start.balance, a->now.balance) || a->start.nonce != a->now.nonce ||
           (!t->options.no_code && !hash_equal(&a->start.code_hash, &a->now.code_hash));
}

static bool changed(const struct tracer *t, const struct state *s, const struct state_account *a) {
    bool any = fields_changed(t, a);
    for (size_t i = 0; i < s->slot_count && !any && !t->options.no_storage; i++) {
        any = s->slots[i]->account == a && !s->slots[i]->transient && slot_changed(s->slots[i]);
    }
    return any;
}

/* Only what differs; of an account that is gone nothing. */
static void put_after(const struct tracer *t, struct json_writer *w, const struct state *s,
                      const struct state_account *a) {
    tracer_add_address_key(w, &a->address);
    json_begin_object(w, NULL);
    if (!u256_equal(a->start.balance, a->now.balance)) {
        json_add_quantity256(w, "balance", a->now.balance);
    }
    if (a->start.nonce != a->now.nonce) json_add_u64(w, "nonce", a->now.nonce);
    if (!t->options.no_code && !hash_equal(&a->start.code_hash, &a->now.code_hash)) {
        put_code(w, s, &a->now.code_hash);
    }
    if (!t->options.no_storage) put_slots(w, s, a, true, true);
    json_end(w);
}

void tracer_prestate_end(struct tracer *t, const struct state *s) {
    struct json_writer w;
    bool diff = t->options.diff;
    json_writer_init(&w, t->out, 0);
    json_begin_object(&w, NULL);
    if (diff) json_begin_object(&w, "pre");
    for (size_t i = 0; i < s->entered_count; i++) {
        const struct state_account *a = s->entered[i];
        bool left_out = is_empty(&a->start) && !t->options.include_empty;
        if (!left_out && (!diff || changed(t, s, a))) put_before(t, &w, s, a);
    }
    if (diff) json_end(&w);
    if (diff) json_begin_object(&w, "post");
    for (size_t i = 0; i < s->entered_count && diff; i++) {
        const struct state_account *a = s->entered[i];
        if (a->now.exists && changed(t, s, a)) put_after(t, &w, s, a);
    }
    if (diff) json_end(&w);
    json_end(&w);
}
