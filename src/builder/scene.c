/* SPDX-License-Identifier: MIT */
#include "builder/scene.h"

#include "base/file.h"
#include "base/hex.h"
#include "builder/commit.h"
#include "eth/rpc_json.h"

#include <stdio.h>

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a recorded block");
}

int scene_init(struct scene *ret, struct error *why) {
    *ret = (struct scene){0};
    arena_init(&ret->memory, 0);
    memory_state_init(&ret->pre);
    ret->codes = evm_code_cache_new();
    int r = precompiles_new(&ret->precompiles, why);
    if (r == 0 && !ret->codes) r = no_memory(why);
    if (r != 0) scene_free(ret);
    return r;
}

void scene_free(struct scene *s) {
    memory_state_free(&s->pre);
    arena_free(&s->memory);
    if (s->codes) evm_code_cache_free(s->codes);
    precompiles_free(s->precompiles);
    *s = (struct scene){0};
}

/* Files. */

// The first of the places where a file of that name is; ERR_NOT_FOUND for none.
static int read_json(const struct json **ret, struct scene *s, const char *folder, const char *name,
                     struct error *why) {
    static const char *const places[] = {"", "../", "../../"};
    static const struct json_limits limits = {JSON_BYTES_MAX, JSON_DEPTH_MAX, JSON_VALUES_MAX,
                                              true};
    int r = ERR_NOT_FOUND;
    for (size_t i = 0; r == ERR_NOT_FOUND && i < sizeof places / sizeof *places; i++) {
        char path[4096];
        struct buf text;
        (void)snprintf(path, sizeof path, "%s/%s%s", folder, places[i], name);
        buf_init(&text, 0);
        r = file_read(&text, path, why);
        if (r == 0) {
            struct bytes copy = arena_copy(&s->memory, buf_view(&text));
            r = copy.p ? json_parse(ret, copy, &s->memory, &limits, why) : no_memory(why);
            if (r != 0) (void)error_wrap(why, "%s", path);
        }
        buf_free(&text);
    }
    return r == ERR_NOT_FOUND ? error_set(why, r, "no %s there or above", name) : r;
}

static int load_codes(struct scene *s, const struct json *codes, struct error *why) {
    json_members(key, value, codes) {
        struct hash hash;
        struct bytes code;
        int r = hex_decode_hash(&hash, json_text(key), why);
        if (r == 0) r = json_data(&code, value, &s->memory, why);
        if (r == 0 && code.n) r = memory_state_set_code(&s->pre, &hash, code, why);
        if (r != 0) return r;
    }
    return 0;
}

// Slots are written short: QUANTITY, with or without leading zeros.
static int slot_number(struct u256 *ret, const struct json *v, struct error *why) {
    struct bytes text = json_text(v);
    uint8_t word[32] = {0};
    char digits[65];
    if (text.n < 3 || text.n > 66) return json_error(why, ERR_RANGE, v, "not a number");
    size_t n = text.n - 2;
    memset(digits, '0', 64);
    memcpy(digits + 64 - n, text.p + 2, n);
    int r = hex_decode(word, bytes_make(digits, 64), why);
    if (r == 0) *ret = u256_load_be(word);
    return r;
}

static int load_account(struct scene *s, const struct json *key, const struct json *account,
                        struct error *why) {
    struct address address;
    struct state_fields f = {.code_hash = STATE_EMPTY_CODE_HASH};
    int r = hex_decode_address(&address, json_text(key), why);
    if (r == 0) r = slot_number(&f.balance, json_get(account, "balance"), why);
    if (r == 0) r = json_get_u64(&f.nonce, account, "nonce", why);
    if (r == 0 && !json_is_null(json_get(account, "code_hash"))) {
        r = json_get_hash(&f.code_hash, account, "code_hash", why);
    }
    // What is listed only because it was looked at does not exist.
    f.exists = f.nonce != 0 || !u256_is_zero(f.balance) ||
               !hash_equal(&f.code_hash, &STATE_EMPTY_CODE_HASH);
    if (r == 0) r = memory_state_set_fields(&s->pre, &address, &f, why);
    json_members(slot, value, json_get(account, "storage")) {
        struct u256 k, v;
        if (r == 0) r = slot_number(&k, slot, why);
        if (r == 0) r = slot_number(&v, value, why);
        if (r == 0) r = memory_state_set_slot(&s->pre, &address, k, v, why);
    }
    return r;
}

static int block_hash(void *ctx, struct hash *ret, uint64_t number, struct error *why) {
    const struct scene *s = ctx;
    char name[24];
    if (number + 1 == s->block.header.number) {
        *ret = s->block.header.parent_hash;
        return 0;
    }
    (void)snprintf(name, sizeof name, "%llu", (unsigned long long)number);
    return json_get_hash(ret, s->hashes, name, why);
}

static int load(struct scene *s, const char *folder, struct error *why) {
    const struct json *block = NULL, *pre = NULL, *codes = NULL;
    int r = read_json(&block, s, folder, "block.json", why);
    if (r == 0) r = read_json(&pre, s, folder, "pre_state.json", why);
    if (r == 0) r = read_json(&codes, s, folder, "codes.json", why);
    if (r == 0) r = load_codes(s, codes, why);
    if (r == 0) r = block_json_decode(&s->block, block, &s->memory, why);
    if (r == 0 && read_json(&s->hashes, s, folder, "block_hashes.json", NULL) != 0) {
        s->hashes = NULL;
    }
    json_members(key, account, pre) {
        if (r == 0) r = load_account(s, key, account, why);
    }
    if (r != 0) return r;
    s->senders = arena_new_array(&s->memory, struct address, s->block.tx_count + 1);
    if (!s->senders) return no_memory(why);
    for (size_t i = 0; r == 0 && i < s->block.tx_count; i++) {
        r = tx_sender(&s->senders[i], &s->block.txs[i], why);
    }
    s->config = *chain_config_named(BYTES_LIT("mainnet"));
    s->env = block_env_of(&s->config, &s->block);
    s->env.block_hash = block_hash;
    s->env.block_hash_ctx = s;
    s->env.replay = true;
    return r;
}

int scene_load(struct scene *ret, const char *path, struct error *why) {
    char folder[4096];
    size_t n = strlen(path);
    static const char file[] = "block.json";
    (void)snprintf(folder, sizeof folder, "%s", path);
    if (n >= sizeof file - 1 && strcmp(path + n - (sizeof file - 1), file) == 0) {
        n -= sizeof file - 1;
        (void)snprintf(folder, sizeof folder, "%.*s", (int)n, n ? path : ".");
        if (n == 0) (void)snprintf(folder, sizeof folder, ".");
    }
    int r = scene_init(ret, why);
    if (r != 0) return r;
    r = load(ret, folder, why);
    if (r != 0) scene_free(ret);
    return r == 0 ? 0 : error_wrap(why, "%s", path);
}

/* Runs. */

int scene_begin(struct scene_run *ret, struct scene *s, struct error *why) {
    *ret = (struct scene_run){0};
    int r = evm_init(&ret->vm, s->codes, s->precompiles, why);
    if (r != 0) return r;
    r = state_init(&ret->state, memory_state_reader(&s->pre), s->codes, why);
    block_run_init(&ret->run, &ret->vm);
    if (r == 0) r = block_run_begin(&ret->run, &ret->state, &s->env, why);
    if (r != 0) scene_end(ret);
    return r;
}

void scene_end(struct scene_run *r) {
    block_run_free(&r->run);
    state_free(&r->state);
    evm_free(&r->vm);
}

static int replay(struct scene_run *r, const struct tx *const *txs, const struct address *senders,
                  size_t count, struct error *why) {
    for (size_t i = 0; i < count; i++) {
        struct transact_result result;
        int code = block_run_tx(&r->run, txs[i], &senders[i], &result, why);
        if (code == 0 && result.fault != TRANSACT_VALID) {
            code = error_set(why, ERR_INVALID, "%s", transact_fault_text(&result));
        }
        if (code != 0) return error_wrap(why, "transaction %zu", i);
    }
    return 0;
}

int scene_replay(struct scene *s, const struct tx *const *txs, const struct address *senders,
                 size_t count, const struct block_outcome *expected, struct u256 *ret_value,
                 struct error *why) {
    struct scene_run run;
    struct block_outcome outcome;
    struct arena a;
    int r = scene_begin(&run, s, why);
    if (r != 0) return r;
    arena_init(&a, 0);
    const struct state_account *coinbase = state_account_find(&run.state, &s->env.coinbase);
    struct u256 before = coinbase->now.balance;
    r = replay(&run, txs, senders, count, why);
    *ret_value = wei_gain(u256_sub(coinbase->now.balance, before));
    if (r == 0) r = block_run_finish(&run.run, &outcome, &a, why);
    if (r == 0 && expected &&
        (outcome.gas_used != expected->gas_used ||
         outcome.blob_gas_used != expected->blob_gas_used ||
         !hash_equal(&outcome.receipts_root, &expected->receipts_root) ||
         memcmp(&outcome.bloom, &expected->bloom, sizeof outcome.bloom) != 0)) {
        r = error_set(why, ERR_INVALID, "execution gives another outcome than building");
    }
    arena_free(&a);
    scene_end(&run);
    return r;
}
