/* Accounts before a transaction, and what it made of them. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "evm/tracer_internal.h"

void tracer_add_word(struct json_writer *w, const struct u256 *v) {
    uint8_t word[32];
    u256_store_be(word, *v);
    json_add_data(w, NULL, (struct bytes){word, 32});
}

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

/* What is written, and from what: slots by account, those of entered[i] up to end[i]. */
struct prestate {
    const struct tracer_options *options;
    const struct state *s;
    struct json_writer w;
    const struct state_slot **slots;
    size_t *end;
};

static bool group_slots(struct prestate *p, struct arena *memory) {
    const struct state *s = p->s;
    p->slots = arena_new_array(memory, const struct state_slot *, s->slot_count + 1);
    p->end = arena_new_array(memory, size_t, s->entered_count + 1);
    if (!p->slots || !p->end) return false;
    // Counted one place on and added up, end[i] is where the slots of i begin; each that is put
    // there moves it on.
    for (size_t i = 0; i < s->slot_count; i++) {
        if (!s->slots[i]->transient) p->end[s->slots[i]->account->place + 1]++;
    }
    for (size_t i = 1; i < s->entered_count; i++) {
        p->end[i] += p->end[i - 1];
    }
    for (size_t i = 0; i < s->slot_count; i++) {
        if (!s->slots[i]->transient) p->slots[p->end[s->slots[i]->account->place]++] = s->slots[i];
    }
    return true;
}

static size_t first_slot(const struct prestate *p, const struct state_account *a) {
    return a->place ? p->end[a->place - 1] : 0;
}

/* Slots of an account as they were (all; in a diff the changed ones, but for zeros) or as they
 * are (the changed ones, but for zeros). */
static void put_slots(struct prestate *p, const struct state_account *a, bool after) {
    bool open = false;
    for (size_t i = first_slot(p, a); i < p->end[a->place]; i++) {
        const struct state_slot *slot = p->slots[i];
        struct u256 value = after ? slot_now(slot) : slot->original;
        if (p->options->diff && (!slot_changed(slot) || u256_is_zero(value))) continue;
        if (!open) json_begin_object(&p->w, "storage");
        open = true;
        tracer_add_word_key(&p->w, &slot->key);
        tracer_add_word(&p->w, &value);
    }
    if (open) json_end(&p->w);
}

static void put_before(struct prestate *p, const struct state_account *a) {
    tracer_add_address_key(&p->w, &a->address);
    json_begin_object(&p->w, NULL);
    json_add_quantity256(&p->w, "balance", a->start.balance);
    if (a->start.nonce) json_add_u64(&p->w, "nonce", a->start.nonce);
    bool has_code = !hash_equal(&a->start.code_hash, &STATE_EMPTY_CODE_HASH);
    if (has_code && !p->options->no_code) put_code(&p->w, p->s, &a->start.code_hash);
    if (!p->options->no_storage) put_slots(p, a, false);
    json_end(&p->w);
}

static bool code_changed(const struct prestate *p, const struct state_account *a) {
    return !p->options->no_code && !hash_equal(&a->start.code_hash, &a->now.code_hash);
}

static bool changed(const struct prestate *p, const struct state_account *a) {
    bool any = !u256_equal(a->start.balance, a->now.balance) || a->start.nonce != a->now.nonce ||
               code_changed(p, a);
    for (size_t i = first_slot(p, a); i < p->end[a->place] && !p->options->no_storage; i++) {
        any |= slot_changed(p->slots[i]);
    }
    return any;
}

/* Only what differs; of an account that is gone nothing. */
static void put_after(struct prestate *p, const struct state_account *a) {
    tracer_add_address_key(&p->w, &a->address);
    json_begin_object(&p->w, NULL);
    if (!u256_equal(a->start.balance, a->now.balance)) {
        json_add_quantity256(&p->w, "balance", a->now.balance);
    }
    if (a->start.nonce != a->now.nonce) json_add_u64(&p->w, "nonce", a->now.nonce);
    if (code_changed(p, a)) put_code(&p->w, p->s, &a->now.code_hash);
    if (!p->options->no_storage) put_slots(p, a, true);
    json_end(&p->w);
}

void tracer_prestate_end(struct tracer *t, const struct state *s) {
    struct prestate p = {.options = &t->options, .s = s};
    bool diff = t->options.diff;
    if (!group_slots(&p, &t->memory)) {
        t->failed = true;
        return;
    }
    json_writer_init(&p.w, t->out, 0);
    json_begin_object(&p.w, NULL);
    if (diff) json_begin_object(&p.w, "pre");
    for (size_t i = 0; i < s->entered_count; i++) {
        const struct state_account *a = s->entered[i];
        bool left_out = is_empty(&a->start) && !t->options.include_empty;
        if (!left_out && (!diff || changed(&p, a))) put_before(&p, a);
    }
    if (diff) json_end(&p.w);
    if (diff) json_begin_object(&p.w, "post");
    for (size_t i = 0; i < s->entered_count && diff; i++) {
        const struct state_account *a = s->entered[i];
        if (a->now.exists && changed(&p, a)) put_after(&p, a);
    }
    if (diff) json_end(&p.w);
    json_end(&p.w);
}
