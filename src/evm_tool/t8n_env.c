/* SPDX-License-Identifier: MIT */
#include "evm_tool/t8n_env.h"

#include "chain/header_check.h"
#include "eth/fees.h"
#include "evm_tool/fixture.h"

#include <stdio.h>

static int block_hash(void *ctx, struct hash *ret, uint64_t number, struct error *why) {
    const struct t8n_hashes *h = ctx;
    json_members(key, value, h->list) {
        uint64_t n;
        int r = fixture_u64(&n, key, why);
        if (r != 0) return r;
        if (n == number) return fixture_fixed(ret->b, 32, value, why);
    }
    if (number + 1 == h->number && !hash_is_zero(&h->previous)) {
        *ret = h->previous;
        return 0;
    }
    return error_set(why, ERR_NOT_FOUND, "the hash of block %llu is not given",
                     (unsigned long long)number);
}

static int withdrawals(struct block_env *ret, const struct json *list, struct arena *a,
                       struct error *why) {
    struct withdrawal *all = arena_new_array(a, struct withdrawal, json_count(list) + 1);
    if (!all) return error_set(why, ERR_NO_MEMORY, "no memory");
    json_each(item, list) {
        struct withdrawal *w = &all[ret->withdrawal_count++];
        int r = fixture_get_u64(&w->index, item, "index", why);
        if (r == 0) r = fixture_get_u64(&w->validator_index, item, "validatorIndex", why);
        if (r == 0) r = fixture_get_address(&w->address, item, "address", why);
        if (r == 0) r = fixture_get_u64(&w->amount_gwei, item, "amount", why);
        if (r != 0) return r;
    }
    ret->withdrawals = all;
    return 0;
}

static int ommers(struct block_env *ret, const struct json *list, struct arena *a,
                  struct error *why) {
    struct header *all = arena_new_array(a, struct header, json_count(list) + 1);
    if (!all) return error_set(why, ERR_NO_MEMORY, "no memory");
    json_each(item, list) {
        struct header *h = &all[ret->ommer_count++];
        uint64_t delta;
        int r = fixture_get_u64(&delta, item, "delta", why);
        if (r == 0) r = fixture_get_address(&h->coinbase, item, "address", why);
        if (r == 0 && (delta < 1 || delta > 7 || delta > ret->number)) {
            r = json_error(why, ERR_RANGE, item, "an ommer's delta");
        }
        if (r != 0) return r;
        h->number = ret->number - delta;
    }
    ret->ommers = all;
    return 0;
}

static bool given(const struct json *env, const char *name) {
    return !json_is_null(json_get(env, name));
}

// What the fork's blocks cannot be without, or have no more.
static int check_names(const struct json *env, enum fork fork, bool state_test, struct error *why) {
    struct u256 difficulty;
    int r = fixture_get_u256(&difficulty, env, "currentDifficulty", why);
    if (r != 0 || fork < FORK_PARIS) return r;
    if (!given(env, "currentRandom")) {
        return error_set(why, ERR_INVALID, "post-merge requires currentRandom");
    }
    if (!u256_is_zero(difficulty)) {
        return error_set(why, ERR_INVALID, "post-merge difficulty must be zero or omitted");
    }
    if (state_test) return 0;
    if (fork >= FORK_SHANGHAI && !given(env, "withdrawals")) {
        return error_set(why, ERR_INVALID, "the fork needs withdrawals");
    }
    if (fork >= FORK_CANCUN && !given(env, "parentBeaconBlockRoot")) {
        return error_set(why, ERR_INVALID, "the fork needs parentBeaconBlockRoot");
    }
    return 0;
}

// Difficulty, base fee and excess blob gas are given, or follow from the parent's numbers.
static int difficulty(struct block_env *ret, const struct json *env, struct error *why) {
    if (ret->fork >= FORK_PARIS)
        return fixture_get_u256(&ret->prevrandao, env, "currentRandom", why);
    if (given(env, "currentDifficulty")) {
        return fixture_get_u256(&ret->prevrandao, env, "currentDifficulty", why);
    }
    if (!given(env, "parentDifficulty") || ret->number == 0) {
        return error_set(why, ERR_INVALID, "currentDifficulty or parentDifficulty is needed");
    }
    struct header parent = {.number = ret->number - 1, .ommers_hash = BLOCK_EMPTY_OMMERS};
    int r = fixture_get_u256(&parent.difficulty, env, "parentDifficulty", why);
    if (r == 0) r = fixture_get_u64(&parent.timestamp, env, "parentTimestamp", why);
    if (r == 0 && given(env, "parentUncleHash")) {
        r = fixture_get_hash(&parent.ommers_hash, env, "parentUncleHash", why);
        if (hash_is_zero(&parent.ommers_hash)) parent.ommers_hash = BLOCK_EMPTY_OMMERS;
    }
    if (r == 0 && ret->timestamp <= parent.timestamp) {
        return error_set(why, ERR_INVALID, "currentTimestamp is not after parentTimestamp");
    }
    if (r == 0) ret->prevrandao = header_difficulty(ret->fork, ret->timestamp, &parent);
    return r;
}

static int base_fee(struct block_env *ret, const struct json *env, struct error *why) {
    if (ret->fork < FORK_LONDON) return 0;
    if (given(env, "currentBaseFee")) {
        return fixture_get_u256(&ret->base_fee, env, "currentBaseFee", why);
    }
    struct u256 fee;
    uint64_t used, limit;
    if (!given(env, "parentBaseFee")) {
        return error_set(why, ERR_INVALID, "the fork needs currentBaseFee or parentBaseFee");
    }
    int r = fixture_get_u256(&fee, env, "parentBaseFee", why);
    if (r == 0) r = fixture_get_u64(&used, env, "parentGasUsed", why);
    if (r == 0) r = fixture_get_u64(&limit, env, "parentGasLimit", why);
    if (r == 0) {
        ret->base_fee = base_fee_next(limit, used, fee, BASE_FEE_ELASTICITY, BASE_FEE_DENOMINATOR);
    }
    return r;
}

static int excess(struct block_env *ret, const struct json *env, struct error *why) {
    if (ret->fork < FORK_CANCUN) return 0;
    if (given(env, "currentExcessBlobGas")) {
        return fixture_get_u64(&ret->excess_blob_gas, env, "currentExcessBlobGas", why);
    }
    uint64_t parent_excess, parent_used;
    struct u256 parent_fee;
    const struct blob_params *blobs = chain_blobs_at(ret->config, ret->timestamp);
    int r = fixture_get_u64(&parent_excess, env, "parentExcessBlobGas", why);
    if (r == 0) r = fixture_get_u64(&parent_used, env, "parentBlobGasUsed", why);
    if (r == 0) r = fixture_get_u256(&parent_fee, env, "parentBaseFee", why);
    if (r == 0 && blobs) {
        ret->excess_blob_gas = excess_blob_gas_next(parent_excess, parent_used, parent_fee, blobs,
                                                    ret->fork >= FORK_OSAKA);
    }
    return r;
}

int t8n_env(struct block_env *ret, struct t8n_hashes *ret_hashes, const struct json *env,
            struct chain_config *config, enum fork fork, bool state_test, struct arena *a,
            struct error *why) {
    *ret = (struct block_env){.config = config, .fork = fork};
    *ret_hashes = (struct t8n_hashes){.list = json_get(env, "blockHashes")};
    int r = check_names(env, fork, state_test, why);
    if (r == 0) r = fixture_get_address(&ret->coinbase, env, "currentCoinbase", why);
    if (r == 0) r = fixture_get_u64(&ret->number, env, "currentNumber", why);
    if (r == 0) r = fixture_get_u64(&ret->timestamp, env, "currentTimestamp", why);
    if (r == 0) r = fixture_get_u64(&ret->gas_limit, env, "currentGasLimit", why);
    if (r == 0) r = fixture_get_hash(&ret->parent_beacon_root, env, "parentBeaconBlockRoot", why);
    if (r == 0) r = fixture_get_hash(&ret_hashes->previous, env, "previousHash", why);
    if (r == 0) r = difficulty(ret, env, why);
    if (r == 0) r = base_fee(ret, env, why);
    if (r == 0) r = excess(ret, env, why);
    if (r == 0) r = withdrawals(ret, json_get(env, "withdrawals"), a, why);
    if (r == 0) r = ommers(ret, json_get(env, "ommers"), a, why);
    if (r != 0) return r;
    ret_hashes->number = ret->number;
    ret->block_hash = block_hash;
    ret->block_hash_ctx = ret_hashes;
    if (fork >= FORK_PRAGUE && ret->number > 0) {
        // Asked for by the history contract: a missing one counts as zeros.
        if (block_hash(ret_hashes, &ret->parent_hash, ret->number - 1, NULL) != 0) {
            ret->parent_hash = (struct hash){{0}};
        }
    }
    return 0;
}

/* Transactions. */

static int fields(struct tx *t, const struct json *in, struct arena *a, struct error *why) {
    uint64_t type;
    const struct json *data = json_get(in, "input") ? json_get(in, "input") : json_get(in, "data");
    int r = fixture_get_u64(&type, in, "type", why);
    if (r != 0) return r;
    if (type > TX_SET_CODE) return json_error(why, ERR_UNSUPPORTED, in, "transaction type");
    t->type = (enum tx_type)type;
    t->has_to = json_text(json_get(in, "to")).n > 0 && !json_is_null(json_get(in, "to"));
    r = fixture_get_u64(&t->nonce, in, "nonce", why);
    if (r == 0) {
        r = fixture_u64(&t->gas, json_get(in, json_get(in, "gas") ? "gas" : "gasLimit"), why);
    }
    if (r == 0) r = fixture_get_u256(&t->value, in, "value", why);
    if (r == 0) r = fixture_bytes(&t->data, data, a, why);
    if (r == 0 && t->has_to) r = fixture_get_address(&t->to, in, "to", why);
    if (r == 0) {
        r = fixture_get_u256(&t->max_fee, in, type >= 2 ? "maxFeePerGas" : "gasPrice", why);
    }
    if (r == 0) {
        r = fixture_get_u256(&t->max_priority_fee, in,
                             type >= 2 ? "maxPriorityFeePerGas" : "gasPrice", why);
    }
    if (r == 0 && type >= 1) {
        r = fixture_access_list(&t->access, &t->access_count, json_get(in, "accessList"), a, why);
    }
    if (r == 0 && type == TX_BLOB) {
        r = fixture_get_u256(&t->max_blob_fee, in, "maxFeePerBlobGas", why);
        if (r == 0) {
            r = fixture_hashes(&t->blob_hashes, &t->blob_count, json_get(in, "blobVersionedHashes"),
                               a, why);
        }
    }
    if (r == 0 && type == TX_SET_CODE) {
        r = fixture_authorizations(&t->authorizations, &t->authorization_count,
                                   json_get(in, "authorizationList"), a, why);
    }
    return r;
}

static int signature(struct tx *t, const struct json *in, uint64_t chain_id, struct error *why) {
    struct u256 v, r, s;
    const struct json *parity = json_get(in, "yParity");
    int code = fixture_u256(&v, parity ? parity : json_get(in, "v"), why);
    if (code == 0) code = fixture_get_u256(&r, in, "r", why);
    if (code == 0) code = fixture_get_u256(&s, in, "s", why);
    if (code == 0) code = fixture_get_u64(&t->chain_id, in, "chainId", why);
    if (code != 0) return code;
    u256_store_be(t->signature.r, r);
    u256_store_be(t->signature.s, s);
    t->protected = true;
    if (!json_get(in, "chainId")) t->chain_id = chain_id;
    if (t->type == TX_LEGACY) {
        t->protected = u256_fits_u64(v) && v.w[0] >= 35;
        t->chain_id = t->protected ? (v.w[0] - 35) / 2 : 0;
        v.w[0] = t->protected ? (v.w[0] - 35) % 2 : v.w[0] - 27;
    }
    if (!u256_fits_u64(v) || v.w[0] > 1) return json_error(why, ERR_RANGE, in, "v of a signature");
    t->signature.y_parity = (uint8_t)v.w[0];
    return 0;
}

static int sign(struct tx *t, struct workbench *w, const struct json *in, uint64_t chain_id,
                enum fork fork, struct error *why) {
    struct ecdsa_secret_key key;
    bool protected = true;
    if (json_get(in, "protected") && json_bool(&protected, json_get(in, "protected"), why) != 0) {
        return why->code;
    }
    protected &= fork_rules_of(fork)->replay_protection;
    t->protected = t->type != TX_LEGACY || protected;
    t->chain_id = t->protected ? chain_id : 0;
    int r = fixture_fixed(key.b, sizeof key.b, json_get(in, "secretKey"), why);
    return r == 0 ? tx_sign(t, w->signer, &key, &w->arena, why) : r;
}

static int read_tx(struct tx *t, struct workbench *w, const struct json *in, uint64_t chain_id,
                   enum fork fork, struct error *why) {
    if (json_type_of(in) == JSON_STRING) {
        struct bytes raw;
        int r = fixture_bytes(&raw, in, &w->arena, why);
        return r == 0 ? tx_decode(t, raw, &w->arena, why) : r;
    }
    struct u256 r_given;
    int r = fields(t, in, &w->arena, why);
    if (r == 0) r = fixture_get_u256(&r_given, in, "r", why);
    if (r != 0) return r;
    if (json_get(in, "secretKey") && u256_is_zero(r_given)) {
        return sign(t, w, in, chain_id, fork, why);
    }
    r = signature(t, in, chain_id, why);
    return r == 0 ? tx_seal(t, &w->arena, why) : r;
}

int t8n_tx(struct tx *ret, struct address *ret_sender, struct workbench *w, const struct json *in,
           const struct chain_config *config, enum fork fork, struct error *ret_why_not,
           struct error *why) {
    struct tx t = {.type = TX_LEGACY};
    ret_why_not->text[0] = '\0';
    int r = read_tx(&t, w, in, config->chain_id, fork, ret_why_not);
    if (r == 0) r = tx_sender(ret_sender, &t, ret_why_not);
    *ret = t;
    if (r == ERR_NO_MEMORY) return error_set(why, ERR_NO_MEMORY, "no memory");
    return 0;
}
