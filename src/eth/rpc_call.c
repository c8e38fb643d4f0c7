/* SPDX-License-Identifier: MIT */
#include "eth/rpc_call.h"

#include "eth/loose_number.h"
#include "eth/rpc_json.h"

#include <stdlib.h>

#define WITHDRAWALS_MAX 1024

static bool has(const struct json *object, const char *key) {
    return !json_is_null(json_get(object, key));
}

/* ---- block parameters ---- */

static int tag_decode(struct block_param *ret, const struct json *in, struct error *why) {
    static const struct {
        const char *name;
        enum block_param_kind kind;
    } tags[] = {
        {"latest", BLOCK_PARAM_LATEST},       {"pending", BLOCK_PARAM_PENDING},
        {"earliest", BLOCK_PARAM_EARLIEST},   {"safe", BLOCK_PARAM_SAFE},
        {"finalized", BLOCK_PARAM_FINALIZED},
    };
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (!bytes_equal_str(json_text(in), tags[i].name)) continue;
        *ret = (struct block_param){.kind = tags[i].kind};
        return 0;
    }
    struct bytes text = json_text(in);
    if (text.n < 2 || text.p[0] != '0' || (text.p[1] | 0x20) != 'x') {
        return json_error(why, ERR_SYNTAX, in, "block: neither a number in hex nor a known tag");
    }
    uint64_t number;
    int r = json_quantity(&number, in, why);
    if (r == 0) *ret = (struct block_param){.kind = BLOCK_PARAM_NUMBER, .number = number};
    return r != 0 ? error_wrap(why, "block") : 0;
}

int block_param_decode_number(struct block_param *ret, const struct json *in,
                              enum block_param_kind otherwise, struct error *why) {
    if (json_is_null(in)) {
        *ret = (struct block_param){.kind = otherwise};
        return 0;
    }
    if (json_type_of(in) != JSON_STRING) {
        return json_error(why, ERR_INVALID, in, "block: a string is needed, not a %s",
                          json_type_name(json_type_of(in)));
    }
    return tag_decode(ret, in, why);
}

static int hash_param(struct block_param *ret, const struct json *in, struct error *why) {
    struct block_param p = {.kind = BLOCK_PARAM_HASH};
    int r = json_hash(&p.hash, in, why);
    if (r == 0) *ret = p;
    return r != 0 ? error_wrap(why, "block") : 0;
}

int block_param_decode(struct block_param *ret, const struct json *in,
                       enum block_param_kind otherwise, struct error *why) {
    enum json_type type = json_type_of(in);
    if (type == JSON_STRING && json_text(in).n == 2 + 64) return hash_param(ret, in, why);
    if (type != JSON_OBJECT) return block_param_decode_number(ret, in, otherwise, why);
    const struct json *number = json_get(in, "blockNumber"), *hash = json_get(in, "blockHash");
    if (json_is_null(number) == json_is_null(hash)) {
        return json_error(why, ERR_INVALID, in,
                          "block: one of blockNumber and blockHash is needed");
    }
    if (json_is_null(hash)) return block_param_decode_number(ret, number, otherwise, why);
    int r = hash_param(ret, hash, why);
    const struct json *canonical = json_get(in, "requireCanonical");
    if (r == 0 && !json_is_null(canonical)) {
        r = json_bool(&ret->require_canonical, canonical, why);
    }
    return r;
}

int storage_key_decode(struct hash *ret, const struct json *in, struct error *why) {
    int r = json_expect(in, JSON_STRING, why);
    if (r != 0) return r;
    struct u256 number;
    r = json_text(in).n > 2 ? loose_number_parse(&number, json_text(in), NULL) : ERR_SYNTAX;
    if (r == ERR_RANGE) return json_error(why, r, in, "storage key: longer than 32 bytes");
    if (r != 0) return json_error(why, r, in, "storage key: not hex digits after 0x");
    u256_store_be(ret->b, number);
    return 0;
}

/* ---- call objects ---- */

static int take_u64(bool *ret_has, uint64_t *ret, const struct json *in, const char *key,
                    struct error *why) {
    *ret_has = has(in, key);
    return *ret_has ? json_get_quantity(ret, in, key, why) : 0;
}

static int take_u256(bool *ret_has, struct u256 *ret, const struct json *in, const char *key,
                     struct error *why) {
    *ret_has = has(in, key);
    return *ret_has ? json_get_quantity256(ret, in, key, why) : 0;
}

static int take_data(struct tx *t, const struct json *in, struct arena *a, struct error *why) {
    struct bytes data;
    int r = 0;
    if (has(in, "data")) r = json_get_data(&t->data, in, "data", a, why);
    if (r != 0 || !has(in, "input")) return r;
    r = json_get_data(&data, in, "input", a, why);
    if (r == 0 && has(in, "data") && !bytes_equal(t->data, data)) {
        return json_error(why, ERR_INVALID, in,
                          "both \"data\" and \"input\" are set and not equal");
    }
    if (r == 0) t->data = data;
    return r;
}

static int take_fees(struct call_object *c, const struct json *in, struct error *why) {
    struct u256 price = U256_ZERO;
    int r = take_u256(&c->has_gas_price, &price, in, "gasPrice", why);
    if (r == 0) r = take_u256(&c->has_max_fee, &c->tx.max_fee, in, "maxFeePerGas", why);
    if (r == 0) {
        r = take_u256(&c->has_priority_fee, &c->tx.max_priority_fee, in, "maxPriorityFeePerGas",
                      why);
    }
    if (r == 0)
        r = take_u256(&c->has_max_blob_fee, &c->tx.max_blob_fee, in, "maxFeePerBlobGas", why);
    if (r != 0) return r;
    if (c->has_gas_price && (c->has_max_fee || c->has_priority_fee)) {
        return json_error(why, ERR_INVALID, in,
                          "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified");
    }
    if (c->has_gas_price) c->tx.max_fee = c->tx.max_priority_fee = price;
    if (c->has_max_fee && c->has_priority_fee &&
        u256_compare(c->tx.max_fee, c->tx.max_priority_fee) < 0) {
        return json_error(why, ERR_INVALID, in, "maxFeePerGas is below maxPriorityFeePerGas");
    }
    return 0;
}

static int take_lists(struct call_object *c, const struct json *in, struct arena *a,
                      struct error *why) {
    struct tx *t = &c->tx;
    int r = 0;
    if (has(in, "accessList")) {
        r = access_list_json_decode(&t->access, &t->access_count, json_get(in, "accessList"), a,
                                    why);
    }
    if (r == 0 && has(in, "authorizationList")) {
        r = authorizations_json_decode(&t->authorizations, &t->authorization_count,
                                       json_get(in, "authorizationList"), a, why);
    }
    const struct json *blobs = json_get(in, "blobVersionedHashes");
    if (r != 0 || json_is_null(blobs)) return r;
    r = json_expect(blobs, JSON_ARRAY, why);
    if (r != 0) return error_wrap(why, "blobVersionedHashes");
    struct hash *hashes = arena_new_array(a, struct hash, json_count(blobs));
    if (!hashes) return json_error(why, ERR_LIMIT, in, "the call does not fit its memory limit");
    json_each(item, blobs) {
        r = json_hash(&hashes[t->blob_count++], item, why);
        if (r != 0) return error_wrap(why, "blobVersionedHashes");
    }
    t->blob_hashes = hashes;
    return 0;
}

/* `type` only has to be a number, as in every node. */
static int check_type(const struct json *in, struct error *why) {
    bool named;
    uint64_t type;
    return take_u64(&named, &type, in, "type", why);
}

void call_object_settle(struct call_object *c, enum fork fork) {
    bool market = c->has_max_fee || c->has_priority_fee;
    if (c->has_authorizations) {
        c->tx.type = TX_SET_CODE;
    } else if (c->has_blob_hashes || (c->has_max_blob_fee && fork < FORK_CANCUN)) {
        c->tx.type = TX_BLOB;
    } else if (market || (!c->has_gas_price && fork >= FORK_LONDON)) {
        c->tx.type = TX_FEE_MARKET;
    } else {
        c->tx.type = c->has_access_list ? TX_ACCESS_LIST : TX_LEGACY;
    }
}

int call_object_decode(struct call_object *ret, const struct json *in, struct arena *a,
                       struct error *why) {
    struct call_object c = {.tx = {.protected = true}};
    int r = json_expect(in, JSON_OBJECT, why);
    if (r != 0) return r;
    c.has_from = has(in, "from");
    c.tx.has_to = has(in, "to");
    bool has_value;
    if (c.has_from) r = json_get_address(&c.from, in, "from", why);
    if (r == 0 && c.tx.has_to) r = json_get_address(&c.tx.to, in, "to", why);
    if (r == 0) r = take_u64(&c.has_gas, &c.tx.gas, in, "gas", why);
    if (r == 0) r = take_u64(&c.has_nonce, &c.tx.nonce, in, "nonce", why);
    if (r == 0) r = take_u64(&c.has_chain_id, &c.tx.chain_id, in, "chainId", why);
    if (r == 0) r = take_u256(&has_value, &c.tx.value, in, "value", why);
    if (r == 0) r = take_data(&c.tx, in, a, why);
    if (r == 0) r = take_fees(&c, in, why);
    if (r == 0) r = take_lists(&c, in, a, why);
    if (r == 0) r = check_type(in, why);
    if (r != 0) return r;
    c.has_access_list = has(in, "accessList");
    c.has_blob_hashes = has(in, "blobVersionedHashes");
    c.has_authorizations = has(in, "authorizationList");
    call_object_settle(&c, FORK_COUNT);
    *ret = c;
    return 0;
}

/* ---- overrides ---- */

static int slots_decode(struct account_override *o, const struct json *in, struct arena *a,
                        struct error *why) {
    int r = json_expect(in, JSON_OBJECT, why);
    if (r != 0) return r;
    if (json_count(in) > STATE_OVERRIDES_MAX) {
        return json_error(why, ERR_LIMIT, in, "more than %u slots are overridden",
                          STATE_OVERRIDES_MAX);
    }
    struct slot_override *slots = arena_new_array(a, struct slot_override, json_count(in));
    if (!slots)
        return json_error(why, ERR_LIMIT, in, "the overrides do not fit their memory limit");
    json_members(key, value, in) {
        struct slot_override *s = &slots[o->slot_count++];
        struct hash word;
        r = storage_key_decode(&s->key, key, why);
        if (r == 0) r = storage_key_decode(&word, value, why);
        if (r != 0) return r;
        s->value = u256_load_be(word.b);
    }
    o->slots = slots;
    return 0;
}

static int account_decode(struct account_override *o, const struct json *in, struct arena *a,
                          struct error *why) {
    int r = json_expect(in, JSON_OBJECT, why);
    if (r != 0) return r;
    r = take_u256(&o->has_balance, &o->balance, in, "balance", why);
    if (r == 0) r = take_u64(&o->has_nonce, &o->nonce, in, "nonce", why);
    o->has_code = has(in, "code");
    o->has_move = has(in, "movePrecompileToAddress");
    if (r == 0 && o->has_code) r = json_get_data(&o->code, in, "code", a, why);
    if (r == 0 && o->has_move) {
        r = json_get_address(&o->move_to, in, "movePrecompileToAddress", why);
    }
    if (r != 0) return r;
    const struct json *whole = json_get(in, "state"), *diff = json_get(in, "stateDiff");
    if (!json_is_null(whole) && !json_is_null(diff)) {
        return json_error(why, ERR_INVALID, in, "both \"state\" and \"stateDiff\" are set");
    }
    o->replaces_storage = !json_is_null(whole);
    if (!json_is_null(whole)) return slots_decode(o, whole, a, why);
    return json_is_null(diff) ? 0 : slots_decode(o, diff, a, why);
}

static int compare_addresses(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct address));
}

/* JSON knows no address twice only where its digits are of the same case. */
static int check_distinct(const struct account_override *list, size_t n, const struct json *in,
                          struct arena *a, struct error *why) {
    struct arena_mark mark = arena_mark(a);
    struct address *sorted = arena_new_array(a, struct address, n);
    if (!sorted)
        return json_error(why, ERR_LIMIT, in, "the overrides do not fit their memory limit");
    for (size_t i = 0; i < n; i++) {
        sorted[i] = list[i].address;
    }
    qsort(sorted, n, sizeof *sorted, compare_addresses);
    bool distinct = true;
    for (size_t i = 1; i < n; i++) {
        distinct &= !address_equal(&sorted[i - 1], &sorted[i]);
    }
    arena_rewind(a, mark);
    return distinct ? 0 : json_error(why, ERR_INVALID, in, "an address is overridden twice");
}

int state_overrides_decode(struct state_overrides *ret, const struct json *in, struct arena *a,
                           struct error *why) {
    if (json_is_null(in)) {
        *ret = (struct state_overrides){NULL, 0};
        return 0;
    }
    int r = json_expect(in, JSON_OBJECT, why);
    if (r != 0) return error_wrap(why, "state overrides");
    if (json_count(in) > STATE_OVERRIDES_MAX) {
        return json_error(why, ERR_LIMIT, in, "more than %u accounts are overridden",
                          STATE_OVERRIDES_MAX);
    }
    struct account_override *list = arena_new_array(a, struct account_override, json_count(in));
    if (!list) return json_error(why, ERR_LIMIT, in, "the overrides do not fit their memory limit");
    size_t n = 0;
    json_members(key, value, in) {
        struct account_override *o = &list[n++];
        r = json_address(&o->address, key, why);
        if (r == 0) r = account_decode(o, value, a, why);
        if (r != 0) return error_wrap(why, "state overrides");
    }
    r = check_distinct(list, n, in, a, why);
    if (r == 0) *ret = (struct state_overrides){list, n};
    return r != 0 ? error_wrap(why, "state overrides") : 0;
}

static int withdrawals_decode(struct block_overrides *o, const struct json *in, struct arena *a,
                              struct error *why) {
    int r = json_expect(in, JSON_ARRAY, why);
    if (r != 0) return error_wrap(why, "withdrawals");
    if (json_count(in) > WITHDRAWALS_MAX) {
        return json_error(why, ERR_LIMIT, in, "more than %d withdrawals", WITHDRAWALS_MAX);
    }
    struct withdrawal *list = arena_new_array(a, struct withdrawal, json_count(in));
    if (!list) return json_error(why, ERR_LIMIT, in, "the overrides do not fit their memory limit");
    json_each(item, in) {
        r = withdrawal_json_decode(&list[o->withdrawal_count++], item, why);
        if (r != 0) return error_wrap(why, "withdrawals");
    }
    o->withdrawals = list;
    return 0;
}

/* The name of a member of which geth knows an older one too. */
static const char *either(const struct json *in, const char *name, const char *old) {
    return has(in, name) ? name : old;
}

static int randao_decode(struct block_overrides *o, const struct json *in, struct error *why) {
    struct hash word;
    const char *name = either(in, "prevRandao", "random");
    o->has_prevrandao = has(in, name);
    if (!o->has_prevrandao) return 0;
    int r = storage_key_decode(&word, json_get(in, name), why);
    if (r == 0) o->prevrandao = u256_load_be(word.b);
    return r != 0 ? error_wrap(why, "%s", name) : 0;
}

int block_overrides_decode(struct block_overrides *ret, const struct json *in, struct arena *a,
                           struct error *why) {
    struct block_overrides o = {.has_number = false};
    *ret = o;
    if (json_is_null(in)) return 0;
    int r = json_expect(in, JSON_OBJECT, why);
    if (r != 0) return error_wrap(why, "block overrides");
    const char *coinbase = either(in, "feeRecipient", "coinbase");
    r = take_u64(&o.has_number, &o.number, in, "number", why);
    if (r == 0) r = take_u64(&o.has_time, &o.time, in, either(in, "time", "timestamp"), why);
    if (r == 0) r = take_u64(&o.has_gas_limit, &o.gas_limit, in, "gasLimit", why);
    o.has_coinbase = has(in, coinbase);
    if (r == 0 && o.has_coinbase) r = json_get_address(&o.coinbase, in, coinbase, why);
    if (r == 0) r = randao_decode(&o, in, why);
    if (r == 0) {
        r = take_u256(&o.has_base_fee, &o.base_fee, in, either(in, "baseFeePerGas", "baseFee"),
                      why);
    }
    if (r == 0) r = take_u256(&o.has_blob_base_fee, &o.blob_base_fee, in, "blobBaseFee", why);
    o.has_beacon_root = has(in, "beaconRoot");
    if (r == 0 && o.has_beacon_root) r = json_get_hash(&o.beacon_root, in, "beaconRoot", why);
    o.has_withdrawals = has(in, "withdrawals");
    if (r == 0 && o.has_withdrawals) {
        r = withdrawals_decode(&o, json_get(in, "withdrawals"), a, why);
    }
    if (r == 0) *ret = o;
    return r != 0 ? error_wrap(why, "block overrides") : 0;
}
