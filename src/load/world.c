/* SPDX-License-Identifier: MIT */
#include "load/world.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "crypto/keccak.h"
#include "eth/dev_accounts.h"

#include <stdio.h>
#include <string.h>

#define SETUP_NS (60 * NS_PER_S)
#define SETUP_GAS 3000000u
#define CREATE_GAS 5000000u
#define TRANSFER_GAS 21000u
#define DEFAULT_POOL "spammers"

static int too_large(struct error *why) {
    return error_set(why, ERR_LIMIT, "the scenario is too large");
}

// Accounts

static int init_account(struct world *w, struct account *k, struct error *why) {
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
    if (w->pool_count == WORLD_POOLS_MAX) return too_large(why);
    struct pool_of *p = *ret = &w->pools[w->pool_count++];
    *p = (struct pool_of){.name = name, .count = w->s->accounts};
    p->accounts = arena_new_array(w->arena, struct account, p->count);
    if (!p->accounts) return too_large(why);
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
        int r = init_account(w, &p->accounts[i], why);
        if (r < 0) return r;
    }
    return 0;
}

static int open_funder(struct world *w, struct error *why) {
    struct bytes digits = secret_view(&w->s->key);
    if (bytes_starts_with(digits, BYTES_LIT("0x"))) digits = bytes_slice(digits, 2, digits.n);
    if (digits.n == 0) {
        dev_account_key(&w->funder.key, 0);
    } else if (digits.n != 64 || hex_decode(w->funder.key.b, digits, NULL) < 0) {
        return error_set(why, ERR_SYNTAX, "key: 64 hex digits are needed");
    }
    int r = init_account(w, &w->funder, why);
    return r == 0 ? rpc_nonce(&w->funder.nonce, &w->rpc, &w->funder.address, "pending", why) : r;
}

// Texts with names in them

static const struct contract *find_contract(const struct world *w, struct bytes name) {
    for (size_t i = 0; i < w->contract_count; i++) {
        if (bytes_equal(w->contracts[i].name, name)) return &w->contracts[i];
    }
    return NULL;
}

// "{name}" in `text` replaced. `bare`: addresses without 0x (inside bytecode).
static int fill(struct world *w, struct bytes *ret, struct bytes text, const struct address *sender,
                bool bare, struct error *why) {
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
    if (r == 0) *ret = arena_copy(w->arena, buf_view(&out));
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
    if (!f->args) return too_large(why);
    for (size_t i = 0; i < t->arg_count; i++) {
        f->uses_sender |= has_sender(t->args[i]);
        int r = fill(w, &f->args[i], t->args[i], sender, false, why);
        if (r < 0) return r;
    }
    return 0;
}

static int fill_access(struct world *w, struct form *f, const struct address *sender,
                       struct error *why) {
    const struct scenario_tx *t = f->tx;
    f->access = arena_new_array(w->arena, struct tx_access, t->access_count);
    if (!f->access) return too_large(why);
    f->access_count = t->access_count;
    for (size_t i = 0; i < t->access_count; i++) {
        struct hash *keys = arena_new_array(w->arena, struct hash, t->access[i].key_count);
        struct bytes text;
        int r = keys ? fill(w, &text, t->access[i].address, sender, false, why) : too_large(why);
        if (r == 0) r = read_address(&f->access[i].address, text, why);
        for (size_t k = 0; r == 0 && k < t->access[i].key_count; k++) {
            struct u256 n;
            r = fill(w, &text, t->access[i].keys[k], sender, false, why);
            if (r == 0) r = scenario_amount(&n, text, why);
            if (r == 0) u256_store_be(keys[k].b, n);
        }
        if (r < 0) return r;
        f->access[i].keys = keys;
        f->access[i].key_count = t->access[i].key_count;
    }
    return 0;
}

static int make_form(struct world *w, struct form *f, const struct scenario_tx *t,
                     struct error *why) {
    struct bytes text;
    const struct address nobody = {{0}};
    *f = (struct form){.tx = t, .gas = t->gas_limit};
    struct bytes pool = t->from_pool.n ? t->from_pool : BYTES_LIT(DEFAULT_POOL);
    int r = make_pool(w, &f->pool, pool, why);
    f->to_sender = bytes_equal_str(t->to, "{_sender}");
    if (r == 0 && !f->to_sender) {
        r = fill(w, &text, t->to, &nobody, false, why);
        if (r == 0) r = read_address(&f->to, text, why);
    }
    if (r == 0 && t->value.n) {
        r = fill(w, &text, t->value, &nobody, false, why);
        if (r == 0) r = scenario_amount(&f->value, text, why);
    }
    f->has_call = t->signature.n > 0;
    if (r == 0 && f->has_call) r = call_form_parse(&f->call, t->signature, w->arena, why);
    if (r == 0) r = fill_args(w, f, &nobody, why);
    if (r == 0) r = fill_access(w, f, &nobody, why);
    if (r == 0 && t->authorization.n) {
        r = fill(w, &text, t->authorization, &nobody, false, why);
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

struct varied {
    struct u256 numbers[CALL_ARGS_MAX];
    const struct u256 *places[CALL_ARGS_MAX];
    struct u256 value, priority_fee;
    bool has_value, has_priority_fee;
};

static void vary_all(const struct world *w, const struct form *f, uint64_t i, struct varied *v) {
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

static int make_data(struct world *w, const struct form *f, const struct account *from,
                     const struct varied *v, struct bytes *ret, struct arena *a,
                     struct error *why) {
    struct bytes args[CALL_ARGS_MAX];
    struct buf out;
    *ret = (struct bytes){NULL, 0};
    if (!f->has_call) return 0;
    if (f->tx->arg_count > CALL_ARGS_MAX) return too_large(why);
    for (size_t i = 0; i < f->tx->arg_count; i++) {
        args[i] = f->args[i];
        if (!f->uses_sender || !has_sender(f->tx->args[i])) continue;
        int r = fill(w, &args[i], f->tx->args[i], &from->address, false, why);
        if (r < 0) return r;
    }
    buf_init(&out, 1u << 20);
    int r = call_encode(&out, &f->call, args, f->tx->arg_count, v->places, a, why);
    if (r == 0) *ret = arena_copy(a, buf_view(&out));
    buf_free(&out);
    return r;
}

static int add_authorization(struct world *w, const struct form *f, const struct account *from,
                             uint64_t nonce, struct tx *t, struct arena *a, struct error *why) {
    struct tx_authorization *auth = arena_new(a, struct tx_authorization);
    if (!auth) return too_large(why);
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

int world_tx(struct world *w, const struct form *f, const struct account *from, uint64_t nonce,
             uint64_t i, uint64_t bump, struct bytes *ret_raw, struct hash *ret_hash,
             struct arena *a, struct error *why) {
    struct varied v;
    vary_all(w, f, i, &v);
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
    int r = make_data(w, f, from, &v, &t.data, a, why);
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

// Preparing

static int send(struct world *w, const struct tx *wanted, struct account *from, struct hash *ret,
                struct error *why) {
    struct arena a;
    struct tx t = *wanted;
    arena_init(&a, 4u << 20);
    t.type = TX_FEE_MARKET;
    t.protected = true;
    t.chain_id = w->chain_id;
    t.nonce = from->nonce;
    t.max_fee = w->max_fee;
    t.max_priority_fee = w->priority_fee;
    int r = tx_sign(&t, w->signer, &from->key, &a, why);
    if (r == 0) r = rpc_send_raw(&w->rpc, t.raw, why);
    if (r == 0) {
        from->nonce++;
        *ret = t.hash;
    }
    arena_free(&a);
    return r;
}

static int fund_all(struct world *w, struct error *why) {
    struct u256 amount;
    struct hash last = {{0}};
    bool any = false;
    int r = scenario_amount(&amount, bytes_from_str(w->s->fund), why);
    for (size_t i = 0; r == 0 && i < w->pool_count; i++) {
        for (size_t k = 0; r == 0 && k < w->pools[i].count; k++) {
            const struct tx t = {.has_to = true,
                                 .to = w->pools[i].accounts[k].address,
                                 .gas = TRANSFER_GAS,
                                 .value = amount};
            r = send(w, &t, &w->funder, &last, why);
            any = true;
        }
    }
    if (r == 0 && any) r = rpc_wait_for(&w->rpc, &last, NULL, SETUP_NS, why);
    for (size_t i = 0; r == 0 && i < w->pool_count; i++) {
        for (size_t k = 0; r == 0 && k < w->pools[i].count; k++) {
            struct account *c = &w->pools[i].accounts[k];
            r = rpc_nonce(&c->nonce, &w->rpc, &c->address, "latest", why);
        }
    }
    if (r < 0) (void)error_wrap(why, "funding");
    return r;
}

static int create(struct world *w, const struct scenario_create *c, struct error *why) {
    struct buf code;
    struct hash hash;
    struct bytes text = c->bytecode;
    int r = 0;
    buf_init(&code, 4u << 20);
    if (c->is_code) {
        buf_append(&code, c->bytecode);
    } else {
        r = fill(w, &text, c->bytecode, &w->funder.address, true, why);
        if (r == 0 && bytes_starts_with(text, BYTES_LIT("0x"))) text = bytes_slice(text, 2, text.n);
        uint8_t *to = r == 0 ? buf_reserve(&code, text.n / 2) : NULL;
        if (to) r = hex_decode(to, text, why);
        if (to && r == 0) buf_commit(&code, text.n / 2);
    }
    if (r == 0 && c->signature.n) {
        struct call_form form;
        struct bytes args[CALL_ARGS_MAX];
        r = call_form_parse(&form, c->signature, w->arena, why);
        for (size_t i = 0; r == 0 && i < c->arg_count && i < CALL_ARGS_MAX; i++) {
            r = fill(w, &args[i], c->args[i], &w->funder.address, false, why);
        }
        if (r == 0) r = call_encode(&code, &form, args, c->arg_count, NULL, w->arena, why);
    }
    if (r == 0) r = buf_check(&code, why);
    const struct tx t = {.gas = CREATE_GAS, .data = buf_view(&code)};
    struct contract *k = &w->contracts[w->contract_count];
    if (r == 0) r = send(w, &t, &w->funder, &hash, why);
    if (r == 0) r = rpc_wait_for(&w->rpc, &hash, &k->address, SETUP_NS, why);
    if (r == 0) {
        k->name = c->name;
        w->contract_count++;
    }
    buf_free(&code);
    if (r < 0) (void)error_wrap(why, "contract %.*s", (int)c->name.n, (const char *)c->name.p);
    return r;
}

static int set_up_one(struct world *w, const struct form *f, struct account *from, struct hash *ret,
                      struct error *why) {
    struct arena a;
    struct varied v;
    arena_init(&a, 4u << 20);
    vary_all(w, f, 0, &v);
    struct tx t = {.has_to = true,
                   .to = f->to_sender ? from->address : f->to,
                   .gas = f->gas ? f->gas : SETUP_GAS,
                   .value = f->value};
    int r = make_data(w, f, from, &v, &t.data, &a, why);
    if (r == 0) r = send(w, &t, from, ret, why);
    arena_free(&a);
    return r;
}

static int set_up(struct world *w, const struct scenario_tx *t, struct error *why) {
    struct form f;
    struct hash last;
    int r = make_form(w, &f, t, why);
    if (r == 0 && !t->for_all_accounts) {
        r = set_up_one(w, &f, &w->funder, &last, why);
        if (r == 0) r = rpc_wait_for(&w->rpc, &last, NULL, SETUP_NS, why);
    }
    for (size_t i = 0; r == 0 && t->for_all_accounts && i < f.pool->count; i++) {
        r = set_up_one(w, &f, &f.pool->accounts[i], &last, why);
    }
    if (r == 0 && t->for_all_accounts) r = rpc_wait_for(&w->rpc, &last, NULL, SETUP_NS, why);
    if (r < 0) (void)error_wrap(why, "setup %.*s", (int)t->kind.n, (const char *)t->kind.p);
    return r;
}

// Gas of a form without a limit: estimated once and a third more.
static int estimate(struct world *w, struct form *f, struct error *why) {
    struct arena a;
    struct varied v;
    struct bytes data;
    struct buf params;
    char value[67];
    const struct account *from = &f->pool->accounts[0];
    const struct address *to = f->to_sender ? &from->address : &f->to;
    if (f->gas) return 0;
    arena_init(&a, 4u << 20);
    buf_init(&params, 4u << 20);
    vary_all(w, f, 0, &v);
    int r = make_data(w, f, from, &v, &data, &a, why);
    (void)u256_to_hex(value, v.has_value ? v.value : f->value);
    buf_append_str(&params, "[{\"from\":\"");
    hex_append_data(&params, bytes_make(from->address.b, 20));
    buf_append_str(&params, "\",\"to\":\"");
    hex_append_data(&params, bytes_make(to->b, 20));
    buf_printf(&params, "\",\"value\":\"%s\",\"data\":\"", value);
    hex_append_data(&params, data);
    buf_append_str(&params, "\"}]");
    buf_append_byte(&params, '\0');
    if (r == 0) r = buf_check(&params, why);
    if (r == 0) r = rpc_quantity(&f->gas, &w->rpc, "eth_estimateGas", (const char *)params.p, why);
    f->gas += f->gas / 3;
    buf_free(&params);
    arena_free(&a);
    return r;
}

static int make_groups(struct world *w, struct error *why) {
    for (size_t i = 0; i < w->scenario.spam_count; i++) {
        const struct scenario_spam *s = &w->scenario.spams[i];
        struct form_group *g = &w->groups[w->group_count++];
        *g = (struct form_group){.spam = s, .count = s->tx_count};
        g->forms = arena_new_array(w->arena, struct form, s->tx_count);
        if (!g->forms) return too_large(why);
        w->weights += s->weight;
        for (size_t k = 0; k < s->tx_count; k++) {
            int r = make_form(w, &g->forms[k], &s->txs[k], why);
            if (r < 0) return r;
        }
    }
    return w->weights ? 0 : error_set(why, ERR_INVALID, "all weights are 0");
}

static int estimate_all(struct world *w, struct error *why) {
    for (size_t i = 0; i < w->group_count; i++) {
        for (size_t k = 0; k < w->groups[i].count; k++) {
            int r = estimate(w, &w->groups[i].forms[k], why);
            if (r < 0) return r;
        }
    }
    return 0;
}

// One blob for all: its commitment and cell proofs are dear, and nobody looks at the content.
static int make_blob(struct world *w, const struct scenario_tx *t, struct error *why) {
    struct bytes digits = t->blob_data;
    if (bytes_starts_with(digits, BYTES_LIT("0x"))) digits = bytes_slice(digits, 2, digits.n);
    uint8_t *blob = arena_alloc(w->arena, BLOB_BYTES);
    struct bytes48 *commitment = arena_new(w->arena, struct bytes48);
    struct bytes48 *proofs = arena_new_array(w->arena, struct bytes48, CELLS_PER_BLOB);
    const uint8_t **blobs = arena_alloc(w->arena, sizeof *blobs);
    uint8_t *cells = arena_alloc(w->arena, (size_t)KZG_CELLS * KZG_CELL_BYTES);
    if (!blob || !commitment || !proofs || !blobs || !cells || w->kzg) {
        return w->kzg ? 0 : too_large(why);
    }
    // 31 bytes a field element, the first stays 0.
    if (digits.n / 2 > 31 || hex_decode(blob + 1, digits, NULL) < 0) {
        return error_set(why, ERR_INVALID, "blob_data: at most 31 bytes of hex");
    }
    int r = kzg_open(&w->kzg, KZG_CELL_PROOFS, why);
    if (r == 0) r = kzg_commit(w->kzg, commitment, blob, why);
    if (r == 0) r = kzg_cells_and_proofs(w->kzg, cells, proofs, blob, why);
    blobs[0] = blob;
    w->blob_hash = blob_versioned_hash(commitment);
    w->sidecar = (struct tx_sidecar){.present = true,
                                     .version = 1,
                                     .blob_count = 1,
                                     .blobs = blobs,
                                     .commitments = commitment,
                                     .proof_count = CELLS_PER_BLOB,
                                     .proofs = proofs};
    return r;
}

static int make_blobs(struct world *w, struct error *why) {
    for (size_t i = 0; i < w->scenario.spam_count; i++) {
        for (size_t k = 0; k < w->scenario.spams[i].tx_count; k++) {
            const struct scenario_tx *t = &w->scenario.spams[i].txs[k];
            int r = t->has_blob ? make_blob(w, t, why) : 0;
            if (r < 0) return r;
        }
    }
    return 0;
}

const struct form_group *world_group(const struct world *w, uint64_t i) {
    uint64_t at = i % w->weights;
    for (size_t k = 0; k < w->group_count; k++) {
        if (at < w->groups[k].spam->weight) return &w->groups[k];
        at -= w->groups[k].spam->weight;
    }
    return &w->groups[0];
}

static int read_scenario(struct world *w, struct error *why) {
    struct bytes text;
    struct buf file;
    if (scenario_builtin(&text, w->s->scenario)) {
        return scenario_parse(&w->scenario, text, w->arena, why);
    }
    buf_init(&file, SCENARIO_BYTES_MAX);
    int r = file_read(&file, w->s->scenario, why);
    text = arena_copy(w->arena, buf_view(&file));
    buf_free(&file);
    if (r == 0) r = scenario_parse(&w->scenario, text, w->arena, why);
    if (r < 0) (void)error_wrap(why, "scenario %s", w->s->scenario);
    return r;
}

static int read_chain(struct world *w, struct error *why) {
    struct arena a;
    const struct json *doc;
    uint64_t price;
    struct bytes client = {NULL, 0};
    arena_init(&a, 1u << 20);
    int r = rpc_quantity(&w->chain_id, &w->rpc, "eth_chainId", "[]", why);
    if (r == 0) r = scenario_amount(&w->priority_fee, bytes_from_str(w->s->priority_fee), why);
    if (r == 0) r = rpc_quantity(&price, &w->rpc, "eth_gasPrice", "[]", why);
    if (r == 0 && rpc_call(&doc, &w->rpc, "web3_clientVersion", BYTES_LIT("[]"), &a, NULL) == 0) {
        (void)!json_string(&client, doc, NULL);
    }
    (void)snprintf(w->client, sizeof w->client, "%.*s", (int)client.n, (const char *)client.p);
    // Room for a base fee that grows sixteenfold.
    if (r == 0) {
        w->max_fee = u256_add(u256_mul(u256_from_u64(price), u256_from_u64(16)), w->priority_fee);
    }
    arena_free(&a);
    return r;
}

int world_open(struct world *w, const struct load_settings *s, struct arena *a,
               void (*progress)(const char *line), struct error *why) {
    *w = (struct world){.s = s, .arena = a, .rpc = {s->url, s->rpc_timeout_ns}};
    struct hash h = keccak256(bytes_from_str(s->seed));
    memcpy(w->seed, h.b, sizeof w->seed);
    int r = ecdsa_signer_new(&w->signer, why);
    if (r == 0) r = read_scenario(w, why);
    if (r == 0) r = read_chain(w, why);
    if (r == 0) r = open_funder(w, why);
    if (r == 0) r = make_blobs(w, why);
    if (r == 0 && progress && w->scenario.create_count) progress("making contracts");
    for (size_t i = 0; r == 0 && i < w->scenario.create_count; i++) {
        r = create(w, &w->scenario.creates[i], why);
    }
    if (r == 0) r = make_groups(w, why);
    if (r == 0 && progress) progress("funding accounts");
    if (r == 0) r = fund_all(w, why);
    if (r == 0 && progress && w->scenario.setup_count) progress("preparing");
    for (size_t i = 0; r == 0 && i < w->scenario.setup_count; i++) {
        r = set_up(w, &w->scenario.setups[i], why);
    }
    if (r == 0) r = estimate_all(w, why);
    if (r < 0) world_close(w);
    return r;
}

void world_close(struct world *w) {
    for (size_t i = 0; i < w->pool_count; i++) {
        for (size_t k = 0; w->pools[i].accounts && k < w->pools[i].count; k++) {
            bytes_wipe(&w->pools[i].accounts[k].key, sizeof w->funder.key);
        }
    }
    bytes_wipe(&w->funder.key, sizeof w->funder.key);
    kzg_close(w->kzg);
    ecdsa_signer_free(w->signer);
    w->signer = NULL;
    w->kzg = NULL;
}
