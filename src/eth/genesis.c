/* SPDX-License-Identifier: MIT */
#include "eth/genesis.h"

#include "base/hex.h"
#include "eth/fees.h"
#include "eth/loose_number.h"

#define GENESIS_GAS_LIMIT 4712388u /* geth's, where the file names none */

static const struct hash empty_trie_root = {{0x56, 0xe8, 0x1f, 0x17, 0x1b, 0xcc, 0x55, 0xa6,
                                             0xff, 0x83, 0x45, 0xe6, 0x92, 0xc0, 0xf8, 0x6e,
                                             0x5b, 0x48, 0xe0, 0x1b, 0x99, 0x6c, 0xad, 0xc0,
                                             0x01, 0x62, 0x2f, 0xb5, 0xe3, 0x63, 0xb4, 0x21}};

/* Hex with or without leading zeros, decimal text, or a JSON number. */
static int number256(struct u256 *ret, const struct json *in, struct error *why) {
    if (json_type_of(in) == JSON_NUMBER) return json_u256(ret, in, why);
    struct bytes text;
    int r = json_string(&text, in, why);
    if (r != 0) return r;
    if (!bytes_starts_with(text, BYTES_LIT("0x"))) {
        if (u256_from_decimal(ret, text)) return 0;
        return json_error(why, ERR_SYNTAX, in, "is not a number");
    }
    return loose_number_json(ret, in, why);
}

/* A slot's number or value. Text is hex here with and without 0x, as in geth, never decimal. */
static int storage_word(struct u256 *ret, const struct json *in, struct error *why) {
    struct bytes text = json_text(in);
    if (json_type_of(in) != JSON_STRING || bytes_starts_with(text, BYTES_LIT("0x"))) {
        return number256(ret, in, why);
    }
    int r = loose_number_digits(ret, text, why);
    if (r != 0 && why) why->at += in->at + 1;
    return r;
}

/* A member's number; `otherwise` where it is missing or null. */
static int get256(struct u256 *ret, const struct json *in, const char *key, struct u256 otherwise,
                  struct error *why) {
    const struct json *v = json_get(in, key);
    if (json_is_null(v)) {
        *ret = otherwise;
        return 0;
    }
    int r = number256(ret, v, why);
    return r != 0 ? error_wrap(why, "%s", key) : 0;
}

static int get64(uint64_t *ret, const struct json *in, const char *key, uint64_t otherwise,
                 struct error *why) {
    struct u256 v = U256_ZERO;
    int r = get256(&v, in, key, u256_from_u64(otherwise), why);
    if (r != 0) return r;
    if (!u256_fits_u64(v))
        return json_error(why, ERR_RANGE, json_get(in, key), "%s: too large", key);
    *ret = v.w[0];
    return 0;
}

static const struct {
    const char *name;
    enum fork fork;
} activations[] = {
    {"homesteadBlock", FORK_HOMESTEAD},
    {"eip150Block", FORK_TANGERINE},
    {"eip158Block", FORK_SPURIOUS},
    {"byzantiumBlock", FORK_BYZANTIUM},
    {"constantinopleBlock", FORK_CONSTANTINOPLE},
    {"petersburgBlock", FORK_PETERSBURG},
    {"istanbulBlock", FORK_ISTANBUL},
    {"berlinBlock", FORK_BERLIN},
    {"londonBlock", FORK_LONDON},
    {"mergeNetsplitBlock", FORK_PARIS},
    {"shanghaiTime", FORK_SHANGHAI},
    {"cancunTime", FORK_CANCUN},
    {"pragueTime", FORK_PRAGUE},
    {"osakaTime", FORK_OSAKA},
};

/* Rows of blobSchedule and when each begins; the defaults count where the file has no row. */
static const struct {
    const char *name, *time;
    struct blob_params otherwise;
} blob_rows[] = {
    {"cancun", "cancunTime", {0, 3, 6, 3338477}}, {"prague", "pragueTime", {0, 6, 9, 5007716}},
    {"osaka", "osakaTime", {0, 6, 9, 5007716}},   {"bpo1", "bpo1Time", {0, 10, 15, 8346193}},
    {"bpo2", "bpo2Time", {0, 14, 21, 11684671}},  {"bpo3", "bpo3Time", {0, 21, 32, 20609697}},
    {"bpo4", "bpo4Time", {0, 14, 21, 13739630}},  {"bpo5", "bpo5Time", {0, 0, 0, 0}},
};

static int decode_blobs(struct chain_config *c, const struct json *in, struct error *why) {
    const struct json *schedule = json_get(in, "blobSchedule");
    for (size_t i = 0; i < sizeof blob_rows / sizeof *blob_rows; i++) {
        struct blob_params row = blob_rows[i].otherwise;
        uint64_t target = row.target, max = row.max;
        const struct json *given = json_get(schedule, blob_rows[i].name);
        int r = get64(&row.from, in, blob_rows[i].time, FORK_NEVER, why);
        if (r == 0) r = get64(&target, given, "target", target, why);
        if (r == 0) r = get64(&max, given, "max", max, why);
        if (r == 0) {
            r = get64(&row.update_fraction, given, "baseFeeUpdateFraction", row.update_fraction,
                      why);
        }
        if (r != 0) return error_wrap(why, "blobSchedule: %s", blob_rows[i].name);
        if (row.from == FORK_NEVER) continue;
        if (target > max || max > UINT32_MAX || row.update_fraction == 0) {
            return error_set(why, ERR_RANGE, "blobSchedule: %s has no sensible numbers",
                             blob_rows[i].name);
        }
        row.target = (uint32_t)target;
        row.max = (uint32_t)max;
        (void)chain_config_add_blobs(c, row); // there are fewer names than places
    }
    return 0;
}

static const struct {
    const char *name;
    enum op_fork fork;
} op_activations[] = {
    {"regolithTime", OP_REGOLITH}, {"canyonTime", OP_CANYON},   {"ecotoneTime", OP_ECOTONE},
    {"fjordTime", OP_FJORD},       {"graniteTime", OP_GRANITE}, {"holoceneTime", OP_HOLOCENE},
    {"isthmusTime", OP_ISTHMUS},   {"jovianTime", OP_JOVIAN},
};

static int decode_op(struct op_config *ret, const struct json *in, struct error *why) {
    const struct json *given = json_get(in, "optimism");
    if (json_is_null(given)) return 0;
    struct op_config c = {.enabled = true};
    uint64_t numbers[3] = {0};
    int r = get64(&numbers[0], given, "eip1559Elasticity", OP_ELASTICITY, why);
    if (r == 0) r = get64(&numbers[1], given, "eip1559Denominator", OP_DENOMINATOR, why);
    if (r == 0) {
        r = get64(&numbers[2], given, "eip1559DenominatorCanyon", OP_DENOMINATOR_CANYON, why);
    }
    for (size_t i = 0; r == 0 && i < sizeof op_activations / sizeof *op_activations; i++) {
        r = get64(&c.activation[op_activations[i].fork], in, op_activations[i].name, FORK_NEVER,
                  why);
    }
    for (int i = 0; r == 0 && i < 3; i++) {
        if (numbers[i] == 0 || numbers[i] > UINT32_MAX) {
            r = error_set(why, ERR_RANGE, "optimism: base fee parameters are out of range");
        }
    }
    if (r != 0) return r;
    c.elasticity = (uint32_t)numbers[0];
    c.denominator = (uint32_t)numbers[1];
    c.denominator_canyon = (uint32_t)numbers[2];
    *ret = c;
    return 0;
}

int chain_config_decode(struct chain_config *ret, const struct json *in, struct error *why) {
    struct chain_config c = {.dao_block = FORK_NEVER};
    int r = json_expect(in, JSON_OBJECT, why);
    if (r == 0) r = get64(&c.chain_id, in, "chainId", 1, why);
    for (size_t i = 0; r == 0 && i < sizeof activations / sizeof *activations; i++) {
        r = get64(&c.activation[activations[i].fork], in, activations[i].name, FORK_NEVER, why);
    }
    // Constantinople without its own Petersburg block has both at once, as in geth.
    if (json_is_null(json_get(in, "petersburgBlock"))) {
        c.activation[FORK_PETERSBURG] = c.activation[FORK_CONSTANTINOPLE];
    }
    bool dao = false;
    if (r == 0 && !json_is_null(json_get(in, "daoForkSupport"))) {
        r = json_get_bool(&dao, in, "daoForkSupport", why);
    }
    if (r == 0 && dao) r = get64(&c.dao_block, in, "daoForkBlock", FORK_NEVER, why);
    c.has_terminal_total_difficulty = !json_is_null(json_get(in, "terminalTotalDifficulty"));
    if (r == 0) {
        r = get256(&c.terminal_total_difficulty, in, "terminalTotalDifficulty", U256_ZERO, why);
    }
    const struct json *deposit = json_get(in, "depositContractAddress");
    c.deposit_contract = chain_config_named(BYTES_LIT("mainnet"))->deposit_contract;
    if (r == 0 && !json_is_null(deposit)) r = json_address(&c.deposit_contract, deposit, why);
    if (r == 0) r = decode_blobs(&c, in, why);
    if (r == 0) r = decode_op(&c.op, in, why);
    if (r == 0) *ret = c;
    return r;
}

/* An address as geth writes it in alloc: with or without 0x. */
static int alloc_address(struct address *ret, const struct json *key, struct error *why) {
    struct bytes text = json_text(key);
    if (bytes_starts_with(text, BYTES_LIT("0x"))) text = bytes_slice(text, 2, SIZE_MAX);
    if (text.n != 40) return json_error(why, ERR_SYNTAX, key, "is not an address");
    int r = hex_decode(ret->b, text, why);
    if (r != 0 && why) why->at += key->at + 1 + (uint32_t)(json_text(key).n - text.n);
    return r;
}

static int alloc_storage(struct genesis_account *ret, const struct json *in, struct arena *a,
                         struct error *why) {
    int r = json_expect(in, JSON_OBJECT, why);
    if (r != 0) return r;
    struct genesis_slot *slots = arena_new_array(a, struct genesis_slot, json_count(in));
    if (!slots) return json_error(why, ERR_LIMIT, in, "alloc does not fit its memory limit");
    json_members(key, value, in) {
        struct u256 number;
        r = storage_word(&number, key, why);
        if (r == 0) r = storage_word(&slots[ret->slot_count].value, value, why);
        if (r != 0) return error_wrap(why, "storage");
        u256_store_be(slots[ret->slot_count++].key.b, number);
    }
    ret->slots = slots;
    return 0;
}

static int alloc_account(struct genesis_account *ret, const struct json *key, const struct json *in,
                         struct arena *a, struct error *why) {
    const struct json *code = json_get(in, "code"), *storage = json_get(in, "storage");
    int r = alloc_address(&ret->address, key, why);
    if (r == 0) r = json_expect(in, JSON_OBJECT, why);
    if (r == 0) r = get64(&ret->nonce, in, "nonce", 0, why);
    if (r == 0) r = get256(&ret->balance, in, "balance", U256_ZERO, why);
    if (r == 0 && !json_is_null(code)) r = json_data(&ret->code, code, a, why);
    if (r == 0 && !json_is_null(storage)) r = alloc_storage(ret, storage, a, why);
    return r;
}

int genesis_alloc_decode(const struct genesis_account **ret, size_t *ret_count,
                         const struct json *in, struct arena *a, struct error *why) {
    int r = json_expect(in, JSON_OBJECT, why);
    if (r != 0) return error_wrap(why, "alloc");
    struct genesis_account *accounts = arena_new_array(a, struct genesis_account, json_count(in));
    if (!accounts) return json_error(why, ERR_LIMIT, in, "alloc does not fit its memory limit");
    size_t n = 0;
    json_members(key, value, in) {
        r = alloc_account(&accounts[n], key, value, a, why);
        if (r != 0) return error_wrap(why, "alloc of account %zu", n);
        n++;
    }
    *ret = accounts;
    *ret_count = n;
    return 0;
}

/* Bytes of exactly n, zero where the member is missing. */
static int get_fixed(uint8_t *ret, size_t n, const struct json *in, const char *key,
                     struct error *why) {
    if (json_is_null(json_get(in, key))) return 0;
    return json_get_fixed(ret, n, in, key, why);
}

/* The members that a fork brings, with their values at the beginning of a chain. */
static int fork_fields(struct genesis *g, const struct json *in, struct error *why) {
    struct header *h = &g->header;
    enum fork fork =
        chain_fork_at(&g->config, h->number, h->timestamp, u256_is_zero(h->difficulty));
    int r = 0;
    if (fork >= FORK_LONDON) {
        h->form = HEADER_LONDON;
        r = get256(&h->base_fee, in, "baseFeePerGas", u256_from_u64(BASE_FEE_INITIAL), why);
    }
    if (fork >= FORK_SHANGHAI) {
        h->form = HEADER_SHANGHAI;
        h->withdrawals_root = empty_trie_root;
    }
    if (r == 0 && fork >= FORK_CANCUN) {
        h->form = HEADER_CANCUN;
        r = get64(&h->blob_gas_used, in, "blobGasUsed", 0, why);
        if (r == 0) r = get64(&h->excess_blob_gas, in, "excessBlobGas", 0, why);
        if (r == 0) r = get_fixed(h->parent_beacon_root.b, 32, in, "parentBeaconBlockRoot", why);
    }
    if (fork >= FORK_PRAGUE) {
        h->form = HEADER_PRAGUE;
        h->requests_hash = requests_hash(NULL, 0);
    }
    return r;
}

int genesis_decode(struct genesis *ret, const struct json *in, struct arena *a, struct error *why) {
    struct genesis g = {.account_count = 0};
    struct header *h = &g.header;
    h->ommers_hash = BLOCK_EMPTY_OMMERS;
    h->transactions_root = h->receipts_root = empty_trie_root;
    uint64_t nonce = 0;
    int r = chain_config_decode(&g.config, json_get(in, "config"), why);
    if (r != 0) return error_wrap(why, "config");
    r = get64(&nonce, in, "nonce", 0, why);
    if (r == 0) r = get64(&h->timestamp, in, "timestamp", 0, why);
    if (r == 0) r = get64(&h->gas_limit, in, "gasLimit", GENESIS_GAS_LIMIT, why);
    if (r == 0) r = get64(&h->gas_used, in, "gasUsed", 0, why);
    if (r == 0) r = get64(&h->number, in, "number", 0, why);
    if (r == 0) r = get256(&h->difficulty, in, "difficulty", U256_ZERO, why);
    if (r == 0) r = get_fixed(h->mix_hash.b, 32, in, "mixHash", why);
    if (r == 0) r = get_fixed(h->parent_hash.b, 32, in, "parentHash", why);
    if (r == 0) r = get_fixed(h->coinbase.b, 20, in, "coinbase", why);
    if (r == 0 && !json_is_null(json_get(in, "extraData"))) {
        r = json_get_data(&h->extra_data, in, "extraData", a, why);
    }
    store_be64(h->nonce, nonce);
    if (r == 0) r = fork_fields(&g, in, why);
    if (r == 0) {
        r = genesis_alloc_decode(&g.accounts, &g.account_count, json_get(in, "alloc"), a, why);
    }
    if (r == 0) *ret = g;
    return r;
}
