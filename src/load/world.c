/* SPDX-License-Identifier: MIT */
#include "load/world_internal.h"

#include "base/hex.h"
#include "crypto/keccak.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_POOL "spammers"

int world_too_large(struct error *why) {
    return error_set(why, ERR_LIMIT, "the scenario is too large");
}

// Accounts

int world_init_account(struct world *w, struct account *k, struct error *why) {
    struct ecdsa_public_key public;
    int r = ecdsa_public_key_of(w->signer, &public, &k->key, why);
    if (r == 0) k->address = ecdsa_address(&public);
    return r;
}

static int make_pool(struct world *w, struct pool_of **ret, struct bytes name, struct error *why) {
    for (size_t i = 0; i < w->pool_count; i++) {
        *ret = &w->pools[i];
        if (bytes_equal((*ret)->name, name)) return 0;
    }
    if (w->pool_count == WORLD_POOLS_MAX) return world_too_large(why);
    struct pool_of *p = *ret = &w->pools[w->pool_count++];
    *p = (struct pool_of){.name = name, .count = w->s->accounts};
    p->accounts = arena_new_array(w->arena, struct account, p->count);
    if (!p->accounts) return world_too_large(why);
    for (size_t i = 0; i < p->count; i++) {
        struct keccak k;
        uint8_t number[8];
        store_le64(number, i);
        keccak_init(&k);
        keccak_update(&k, bytes_make(w->seed, sizeof w->seed));
        keccak_update(&k, BYTES_LIT("\0"));
        keccak_update(&k, name);
        keccak_update(&k, BYTES_LIT("\0"));
        keccak_update(&k, bytes_make(number, sizeof number));
        struct hash h = keccak_final(&k);
        memcpy(p->accounts[i].key.b, h.b, 32);
        int r = world_init_account(w, &p->accounts[i], why);
        if (r < 0) return r;
    }
    return 0;
}

// Texts with names in them

static const struct contract *find_contract(const struct world *w, struct bytes name) {
    for (size_t i = 0; i < w->contract_count; i++) {
        if (bytes_equal(w->contracts[i].name, name)) return &w->contracts[i];
    }
    return NULL;
}

// "{name}" in `text` replaced. `bare`: addresses without 0x (inside bytecode).
int world_fill(const struct world *w, struct bytes *ret, struct bytes text,
               const struct address *sender, bool bare, struct arena *a, struct error *why) {
    struct buf out;
    int r = 0;
    buf_init(&out, SCENARIO_BYTES_MAX);
    while (text.n && r == 0) {
        const uint8_t *open = memchr(text.p, '{', text.n);
        const uint8_t *close = open ? memchr(open, '}', text.n - (size_t)(open - text.p)) : NULL;
        size_t before = close ? (size_t)(open - text.p) : text.n;
        buf_append(&out, bytes_slice(text, 0, before));
        if (!close) break;
        struct bytes name = {open + 1, (size_t)(close - open) - 1};
        const struct contract *c = find_contract(w, name);
        const struct address *address = c ? &c->address : NULL;
        if (bytes_equal_str(name, "_sender")) address = sender;
        // Overrides of the command line come first.
        struct bytes value = {NULL, 0};
        for (size_t i = 0; !address && !value.p && i < w->s->env.count; i++) {
            const char *pair = w->s->env.items[i], *equal = strchr(pair, '=');
            if (equal && bytes_equal(bytes_make(pair, (size_t)(equal - pair)), name)) {
                value = bytes_from_str(equal + 1);
            }
        }
        for (size_t i = 0; !address && !value.p && i < w->scenario.env_count; i++) {
            if (bytes_equal(w->scenario.env[i].name, name)) value = w->scenario.env[i].value;
        }
        if (address) {
            // A template may have written the prefix itself ("0x{Counter}").
            bool prefixed = out.n >= 2 && memcmp(out.p + out.n - 2, "0x", 2) == 0;
            if (!bare && !prefixed) buf_append_str(&out, "0x");
            hex_append(&out, bytes_make(address->b, 20));
        } else if (value.p) {
            buf_append(&out, value);
        } else {
            r = error_set(why, ERR_NOT_FOUND, "nothing is called {%.*s}",
                          (int)(name.n < 60 ? name.n : 60), (const char *)name.p);
        }
        text = bytes_slice(text, before + name.n + 2, text.n);
    }
    if (r == 0) r = buf_check(&out, why);
    if (r == 0) *ret = arena_copy(a, buf_view(&out));
    buf_free(&out);
    return r;
}

static int read_address(struct address *ret, struct bytes text, struct error *why) {
    return hex_decode_address(ret, text, why);
}

// Forms

static bool has_sender(struct bytes text) {
    return text.n && memmem(text.p, text.n, "{_sender}", 9) != NULL;
}

static int fill_args(struct world *w, struct form *f, const struct address *sender,
                     struct error *why) {
    const struct scenario_tx *t = f->tx;
    f->args = arena_new_array(w->arena, struct bytes, t->arg_count);
    if (!f->args) return world_too_large(why);
    for (size_t i = 0; i < t->arg_count; i++) {
        f->uses_sender |= has_sender(t->args[i]);
        int r = world_fill(w, &f->args[i], t->args[i], sender, false, w->arena, why);
        if (r < 0) return r;
    }
    return 0;
}

static int fill_access(struct world *w, struct form *f, const struct address *sender,
                       struct error *why) {
    const struct scenario_tx *t = f->tx;
    f->access = arena_new_array(w->arena, struct tx_access, t->access_count);
    if (!f->access) return world_too_large(why);
    f->access_count = t->access_count;
    for (size_t i = 0; i < t->access_count; i++) {
        struct hash *keys = arena_new_array(w->arena, struct hash, t->access[i].key_count);
        struct bytes text;
        int r = keys ? world_fill(w, &text, t->access[i].address, sender, false, w->arena, why)
                     : world_too_large(why);
        if (r == 0) r = read_address(&f->access[i].address, text, why);
        for (size_t k = 0; r == 0 && k < t->access[i].key_count; k++) {
            struct u256 n;
            r = world_fill(w, &text, t->access[i].keys[k], sender, false, w->arena, why);
            if (r == 0) r = scenario_amount(&n, text, why);
            if (r == 0) u256_store_be(keys[k].b, n);
        }
        if (r < 0) return r;
        f->access[i].keys = keys;
        f->access[i].key_count = t->access[i].key_count;
    }
    return 0;
}

int world_make_form(struct world *w, struct form *f, const struct scenario_tx *t,
                    struct error *why) {
    struct bytes text;
    const struct address nobody = {{0}};
    *f = (struct form){.tx = t, .gas = t->gas_limit};
    struct bytes pool = t->from_pool.n ? t->from_pool : BYTES_LIT(DEFAULT_POOL);
    int r = make_pool(w, &f->pool, pool, why);
    f->to_sender = bytes_equal_str(t->to, "{_sender}");
    if (r == 0 && !f->to_sender) {
        r = world_fill(w, &text, t->to, &nobody, false, w->arena, why);
        if (r == 0) r = read_address(&f->to, text, why);
    }
    if (r == 0 && t->value.n) {
        r = world_fill(w, &text, t->value, &nobody, false, w->arena, why);
        if (r == 0) r = scenario_amount(&f->value, text, why);
    }
    f->has_call = t->signature.n > 0;
    if (r == 0 && f->has_call) r = call_form_parse(&f->call, t->signature, w->arena, why);
    if (r == 0) r = fill_args(w, f, &nobody, why);
    if (r == 0) r = fill_access(w, f, &nobody, why);
    if (r == 0 && t->authorization.n) {
        r = world_fill(w, &text, t->authorization, &nobody, false, w->arena, why);
        if (r == 0) r = read_address(&f->authorization, text, why);
    }
    if (r < 0 && t->kind.n) (void)error_wrap(why, "%.*s", (int)t->kind.n, (const char *)t->kind.p);
    return r;
}

// Values that vary

static struct u256 vary(const struct world *w, const struct scenario_fuzz *f, uint64_t i) {
    uint8_t sum[32];
    unsigned carry = 0;
    for (unsigned k = 0; k < 32; k++) { // seed + i, both little-endian
        carry += w->seed[k] + (k < 8 ? (unsigned)(i >> (8 * k)) & 0xff : 0);
        sum[k] = (uint8_t)carry;
        carry >>= 8;
    }
    struct hash h = keccak256(bytes_make(sum, sizeof sum));
    struct u256 n = u256_load_be(h.b), rest, quotient;
    if (!f->bounded) return n;
    struct u256 width = u256_sub(f->max, f->min);
    if (u256_is_zero(width)) return f->min;
    u256_div_mod(&quotient, &rest, n, width);
    return u256_add(f->min, rest);
}

void world_vary_all(const struct world *w, const struct form *f, uint64_t i, struct varied *v) {
    *v = (struct varied){.has_value = false};
    for (size_t k = 0; k < f->tx->fuzz_count; k++) {
        const struct scenario_fuzz *z = &f->tx->fuzz[k];
        struct u256 n = vary(w, z, i * 31 + k);
        if (z->value) {
            v->value = n;
            v->has_value = true;
        } else if (z->priority_fee) {
            v->priority_fee = n;
            v->has_priority_fee = true;
        } else {
            size_t place = f->has_call ? call_parameter(&f->call, z->param) : SIZE_MAX;
            if (place >= CALL_ARGS_MAX) continue;
            v->numbers[place] = n;
            v->places[place] = &v->numbers[place];
        }
    }
}

int world_make_data(const struct world *w, const struct form *f, const struct account *from,
                    const struct varied *v, struct bytes *ret, struct arena *a, struct error *why) {
    struct bytes args[CALL_ARGS_MAX];
    struct buf out;
    *ret = (struct bytes){NULL, 0};
    if (!f->has_call) return 0;
    if (f->tx->arg_count > CALL_ARGS_MAX) return world_too_large(why);
    for (size_t i = 0; i < f->tx->arg_count; i++) {
        args[i] = f->args[i];
        if (!f->uses_sender || !has_sender(f->tx->args[i])) continue;
        int r = world_fill(w, &args[i], f->tx->args[i], &from->address, false, a, why);
        if (r < 0) return r;
    }
    buf_init(&out, 1u << 20);
    int r = call_encode(&out, &f->call, args, f->tx->arg_count, v->places, a, why);
    if (r == 0) *ret = arena_copy(a, buf_view(&out));
    buf_free(&out);
    return r;
}

static int add_authorization(const struct world *w, const struct form *f,
                             const struct account *from, uint64_t nonce, struct tx *t,
                             struct arena *a, struct error *why) {
    struct tx_authorization *auth = arena_new(a, struct tx_authorization);
    if (!auth) return world_too_large(why);
    // The sender is its own authority: its nonce counts up for the transaction first.
    *auth = (struct tx_authorization){
        .chain_id = u256_from_u64(w->chain_id), .address = f->authorization, .nonce = nonce + 1};
    struct hash digest = tx_authorization_hash(auth);
    int r = ecdsa_sign(w->signer, &auth->signature, &digest, &from->key, why);
    t->type = TX_SET_CODE;
    t->authorizations = auth;
    t->authorization_count = 1;
    return r;
}

int world_tx(const struct world *w, const struct form *f, const struct account *from,
             uint64_t nonce, uint64_t i, uint64_t bump, struct bytes *ret_raw,
             struct hash *ret_hash, struct arena *a, struct error *why) {
    struct varied v;
    world_vary_all(w, f, i, &v);
    struct tx t = {.type = TX_FEE_MARKET,
                   .has_to = true,
                   .protected = true,
                   .chain_id = w->chain_id,
                   .nonce = nonce,
                   .gas = f->gas,
                   .max_fee = w->max_fee,
                   .max_priority_fee = v.has_priority_fee ? v.priority_fee : w->priority_fee,
                   .to = f->to_sender ? from->address : f->to,
                   .value = v.has_value ? v.value : f->value,
                   .access = f->access,
                   .access_count = f->access_count};
    t.max_priority_fee = u256_add(t.max_priority_fee, u256_from_u64(bump));
    if (u256_compare(t.max_fee, t.max_priority_fee) < 0) t.max_fee = t.max_priority_fee;
    int r = world_make_data(w, f, from, &v, &t.data, a, why);
    if (r == 0 && f->tx->authorization.n) r = add_authorization(w, f, from, nonce, &t, a, why);
    if (r == 0 && f->tx->has_blob) {
        t.type = TX_BLOB;
        t.blob_hashes = &w->blob_hash;
        t.blob_count = 1;
        t.max_blob_fee = w->max_fee;
    }
    if (r == 0) r = tx_sign(&t, w->signer, &from->key, a, why);
    if (r < 0) return r;
    *ret_hash = t.hash;
    *ret_raw = t.raw;
    if (!f->tx->has_blob) return 0;
    struct buf out;
    buf_init(&out, 1u << 20);
    tx_encode_network(&out, &t, &w->sidecar);
    r = buf_check(&out, why);
    if (r == 0) *ret_raw = arena_copy(a, buf_view(&out));
    buf_free(&out);
    return r;
}

const struct form_group *world_group(const struct world *w, uint64_t i) {
    uint64_t at = i % w->weights;
    for (size_t k = 0; k < w->group_count; k++) {
        if (at < w->groups[k].spam->weight) return &w->groups[k];
        at -= w->groups[k].spam->weight;
    }
    return &w->groups[0];
}
