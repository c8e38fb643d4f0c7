/* Before a run: money, contracts, and what the scenario sets up. SPDX-License-Identifier: MIT */
#include "load/world_internal.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "crypto/keccak.h"
#include "crypto/kzg.h"
#include "eth/dev_accounts.h"

#include <stdio.h>
#include <string.h>

#define SETUP_NS (60 * NS_PER_S)
#define SETUP_GAS 3000000u
#define CREATE_GAS 5000000u
#define TRANSFER_GAS 21000u

static int open_funder(struct world *w, struct error *why) {
    struct bytes digits = secret_view(&w->s->key);
    if (bytes_starts_with(digits, BYTES_LIT("0x"))) digits = bytes_slice(digits, 2, digits.n);
    if (digits.n == 0) {
        dev_account_key(&w->funder.key, 0);
    } else if (digits.n != 64 || hex_decode(w->funder.key.b, digits, NULL) < 0) {
        return error_set(why, ERR_SYNTAX, "key: 64 hex digits are needed");
    }
    int r = world_init_account(w, &w->funder, why);
    return r == 0 ? rpc_nonce(&w->funder.nonce, w->rpc, &w->funder.address, "pending", why) : r;
}

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
    if (r == 0) r = rpc_send_raw(w->rpc, t.raw, why);
    if (r == 0) {
        from->nonce++;
        *ret = t.hash;
    }
    arena_free(&a);
    return r;
}

#define FUNDED_AT_ONCE 100

static int fund_all(struct world *w, struct error *why) {
    struct u256 amount;
    struct hash last = {{0}};
    uint64_t open = 0;
    int r = scenario_amount(&amount, bytes_from_str(w->s->fund), why);
    for (size_t i = 0; r == 0 && i < w->pool_count; i++) {
        for (size_t k = 0; r == 0 && k < w->pools[i].count; k++) {
            const struct tx t = {.has_to = true,
                                 .to = w->pools[i].accounts[k].address,
                                 .gas = TRANSFER_GAS,
                                 .value = amount};
            r = send(w, &t, &w->funder, &last, why);
            open++;
            // A node keeps a bounded number of one sender's.
            if (r == 0 && open % FUNDED_AT_ONCE == 0) {
                r = rpc_wait_for(w->rpc, &last, NULL, SETUP_NS, why);
            }
        }
    }
    if (r == 0 && open % FUNDED_AT_ONCE) r = rpc_wait_for(w->rpc, &last, NULL, SETUP_NS, why);
    for (size_t i = 0; r == 0 && i < w->pool_count; i++) {
        for (size_t k = 0; r == 0 && k < w->pools[i].count; k++) {
            struct account *c = &w->pools[i].accounts[k];
            r = rpc_nonce(&c->nonce, w->rpc, &c->address, "latest", why);
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
        r = world_fill(w, &text, c->bytecode, &w->funder.address, true, w->arena, why);
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
            r = world_fill(w, &args[i], c->args[i], &w->funder.address, false, w->arena, why);
        }
        if (r == 0) r = call_encode(&code, &form, args, c->arg_count, NULL, w->arena, why);
    }
    if (r == 0) r = buf_check(&code, why);
    const struct tx t = {.gas = CREATE_GAS, .data = buf_view(&code)};
    struct contract *k = &w->contracts[w->contract_count];
    if (r == 0) r = send(w, &t, &w->funder, &hash, why);
    if (r == 0) r = rpc_wait_for(w->rpc, &hash, &k->address, SETUP_NS, why);
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
    world_vary_all(w, f, 0, &v);
    struct tx t = {.has_to = true,
                   .to = f->to_sender ? from->address : f->to,
                   .gas = f->gas ? f->gas : SETUP_GAS,
                   .value = f->value};
    int r = world_make_data(w, f, from, &v, &t.data, &a, why);
    if (r == 0) r = send(w, &t, from, ret, why);
    arena_free(&a);
    return r;
}

static int set_up(struct world *w, const struct scenario_tx *t, struct error *why) {
    struct form f;
    struct hash last;
    int r = world_make_form(w, &f, t, why);
    if (r == 0 && !t->for_all_accounts) {
        r = set_up_one(w, &f, &w->funder, &last, why);
        if (r == 0) r = rpc_wait_for(w->rpc, &last, NULL, SETUP_NS, why);
    }
    for (size_t i = 0; r == 0 && t->for_all_accounts && i < f.pool->count; i++) {
        r = set_up_one(w, &f, &f.pool->accounts[i], &last, why);
    }
    if (r == 0 && t->for_all_accounts) r = rpc_wait_for(w->rpc, &last, NULL, SETUP_NS, why);
    if (r < 0) (void)error_wrap(why, "setup %.*s", (int)t->kind.n, (const char *)t->kind.p);
    return r;
}

#define AUTHORIZATION_GAS 25000u // of one authorization (EIP-7702)

// Gas of a form without a limit: estimated once and half more.
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
    world_vary_all(w, f, 0, &v);
    int r = world_make_data(w, f, from, &v, &data, &a, why);
    (void)u256_to_hex(value, v.has_value ? v.value : f->value);
    buf_append_str(&params, "[{\"from\":\"");
    hex_append_data(&params, bytes_make(from->address.b, 20));
    buf_append_str(&params, "\",\"to\":\"");
    hex_append_data(&params, bytes_make(to->b, 20));
    buf_printf(&params, "\",\"value\":\"%s\",\"data\":\"", value);
    hex_append_data(&params, data);
    buf_append_str(&params, "\"}");
    if (f->tx->authorization.n) { // the sender runs the code that it is about to name (EIP-7702)
        buf_append_str(&params, ",\"latest\",{\"");
        hex_append_data(&params, bytes_make(from->address.b, 20));
        buf_append_str(&params, "\":{\"code\":\"0xef0100");
        hex_append(&params, bytes_make(f->authorization.b, 20));
        buf_append_str(&params, "\"}}");
    }
    buf_append_byte(&params, ']');
    buf_append_byte(&params, '\0');
    if (r == 0) r = buf_check(&params, why);
    if (r == 0) r = rpc_quantity(&f->gas, w->rpc, "eth_estimateGas", (const char *)params.p, why);
    // What depends on the time of the block may cost more later: two slots written for the first
    // time.
    f->gas += f->gas / 2;
    if (f->tx->authorization.n) f->gas += AUTHORIZATION_GAS;
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
        if (!g->forms) return world_too_large(why);
        w->weights += s->weight;
        for (size_t k = 0; k < s->tx_count; k++) {
            int r = world_make_form(w, &g->forms[k], &s->txs[k], why);
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
        return w->kzg ? 0 : world_too_large(why);
    }
    // 31 bytes a field element, the first stays 0.
    if (digits.n / 2 > 31 || hex_decode(blob + 1, digits, NULL) < 0) {
        return error_set(why, ERR_INVALID, "blob_data: at most 31 bytes of hex");
    }
    int r = kzg_open(&w->kzg, KZG_CELL_PROOFS, why);
    if (r == 0) r = kzg_commit(w->kzg, commitment, blob, why);
    if (r == 0) r = kzg_cells_and_proofs(w->kzg, cells, proofs, blob, why);
    blobs[0] = blob;
    w->blob_hash = kzg_versioned_hash(commitment);
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

// What the command line must say for this scenario, asked before anything costs ether.
static int check_settings(const struct world *w, struct bytes text, struct error *why) {
    const struct load_settings *s = w->s;
    if (!s->count && !s->per_block && (double)s->duration_ns * (double)s->rate < 1e9) {
        return error_set(why, ERR_RANGE, "--duration: too short for one order");
    }
    for (size_t i = 0; i < w->scenario.spam_count; i++) {
        if (!w->scenario.spams[i].bundle || s->orders_urls.count) continue;
        return error_set(why, ERR_UNSUPPORTED, "this scenario sends bundles: give --orders-url");
    }
    for (size_t i = 0; i < s->env.count; i++) {
        char name[64];
        const char *pair = s->env.items[i], *equal = strchr(pair, '=');
        if (!equal) return error_set(why, ERR_SYNTAX, "--set: %.40s is not NAME=VALUE", pair);
        int n = snprintf(name, sizeof name, "{%.*s}", (int)(equal - pair), pair);
        if (n >= (int)sizeof name || !memmem(text.p, text.n, name, (size_t)n)) {
            return error_set(why, ERR_NOT_FOUND, "--set: nothing in the scenario is called %s",
                             name);
        }
    }
    return 0;
}

static int read_scenario(struct world *w, struct error *why) {
    struct bytes text;
    struct buf file;
    if (scenario_builtin(&text, w->s->scenario)) {
        int r = scenario_parse(&w->scenario, text, w->arena, why);
        return r == 0 ? check_settings(w, text, why) : r;
    }
    buf_init(&file, SCENARIO_BYTES_MAX);
    int r = file_read(&file, w->s->scenario, why);
    text = arena_copy(w->arena, buf_view(&file));
    buf_free(&file);
    if (r == 0) r = scenario_parse(&w->scenario, text, w->arena, why);
    if (r < 0) return error_wrap(why, "scenario %s", w->s->scenario);
    return check_settings(w, text, why);
}

static int read_chain(struct world *w, struct error *why) {
    struct arena a;
    const struct json *doc;
    uint64_t price;
    struct bytes client = {NULL, 0};
    arena_init(&a, 1u << 20);
    int r = rpc_quantity(&w->chain_id, w->rpc, "eth_chainId", "[]", why);
    if (r == 0) r = scenario_amount(&w->priority_fee, bytes_from_str(w->s->priority_fee), why);
    if (r == 0) r = rpc_quantity(&price, w->rpc, "eth_gasPrice", "[]", why);
    if (r == 0 &&
        rpc_caller_call(w->rpc, "web3_clientVersion", BYTES_LIT("[]"), &a, &doc, NULL) == 0) {
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
    const struct rpc_caller_options chain = {.url = s->url, .timeout_ns = s->rpc_timeout_ns};
    *w = (struct world){.s = s, .arena = a};
    struct hash h = keccak256(bytes_from_str(s->seed));
    memcpy(w->seed, h.b, sizeof w->seed);
    int r = rpc_caller_new(&w->rpc, &chain, why);
    if (r == 0) r = ecdsa_signer_new(&w->signer, why);
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
    rpc_caller_free(w->rpc);
    w->rpc = NULL;
    w->signer = NULL;
    w->kzg = NULL;
}
