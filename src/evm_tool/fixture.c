/* SPDX-License-Identifier: MIT */
#include "evm_tool/fixture.h"

#include "eth/block.h"
#include "eth/tx.h"

#include <strings.h>

static int digit_of(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// The digits behind "0x"; *ret_hex is false for a decimal number.
static struct bytes digits_of(const struct json *v, bool *ret_hex) {
    struct bytes text = json_text(v);
    if (bytes_starts_with(text, BYTES_LIT("0x:bigint "))) text = bytes_slice(text, 10, text.n);
    bool prefix =
        bytes_starts_with(text, BYTES_LIT("0x")) || bytes_starts_with(text, BYTES_LIT("0X"));
    *ret_hex = prefix;
    return prefix ? bytes_slice(text, 2, text.n) : text;
}

// Hex digits, right-aligned into n bytes.
static int hex_right(uint8_t *ret, size_t n, struct bytes digits, const struct json *v,
                     struct error *why) {
    memset(ret, 0, n);
    while (digits.n > 0 && digits.p[0] == '0' && digits.n > 2 * n) {
        digits = bytes_slice(digits, 1, digits.n);
    }
    if (digits.n > 2 * n) return json_error(why, ERR_RANGE, v, "more than %zu bytes", n);
    for (size_t i = 0; i < digits.n; i++) {
        int d = digit_of(digits.p[digits.n - 1 - i]);
        if (d < 0) return json_error(why, ERR_SYNTAX, v, "not a hexadecimal number");
        ret[n - 1 - i / 2] |= (uint8_t)(d << (4 * (i % 2)));
    }
    return 0;
}

int fixture_u256(struct u256 *ret, const struct json *v, struct error *why) {
    bool hex;
    struct bytes digits = digits_of(v, &hex);
    *ret = U256_ZERO;
    if (digits.n == 0 || json_is_null(v)) return 0;
    if (!hex) {
        if (u256_from_decimal(ret, digits)) return 0;
        return json_error(why, ERR_SYNTAX, v, "not a number of 256 bits");
    }
    uint8_t word[32];
    int r = hex_right(word, sizeof word, digits, v, why);
    if (r == 0) *ret = u256_load_be(word);
    return r;
}

int fixture_u64(uint64_t *ret, const struct json *v, struct error *why) {
    struct u256 wide;
    int r = fixture_u256(&wide, v, why);
    if (r != 0) return r;
    if (!u256_fits_u64(wide)) return json_error(why, ERR_RANGE, v, "above 64 bits");
    *ret = wide.w[0];
    return 0;
}

int fixture_fixed(uint8_t *ret, size_t n, const struct json *v, struct error *why) {
    bool hex;
    return hex_right(ret, n, json_is_null(v) ? (struct bytes){0} : digits_of(v, &hex), v, why);
}

int fixture_bytes(struct bytes *ret, const struct json *v, struct arena *a, struct error *why) {
    bool hex;
    struct bytes digits = digits_of(v, &hex);
    *ret = (struct bytes){0};
    if (digits.n == 0 || json_is_null(v)) return 0;
    size_t n = (digits.n + 1) / 2;
    uint8_t *p = arena_alloc_raw(a, n);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory");
    int r = hex_right(p, n, digits, v, why);
    if (r == 0) *ret = (struct bytes){p, n};
    return r;
}

int fixture_get_u256(struct u256 *ret, const struct json *object, const char *key,
                     struct error *why) {
    int r = fixture_u256(ret, json_get(object, key), why);
    return r == 0 ? 0 : error_wrap(why, "%s", key);
}

int fixture_get_u64(uint64_t *ret, const struct json *object, const char *key, struct error *why) {
    int r = fixture_u64(ret, json_get(object, key), why);
    return r == 0 ? 0 : error_wrap(why, "%s", key);
}

int fixture_get_hash(struct hash *ret, const struct json *object, const char *key,
                     struct error *why) {
    int r = fixture_fixed(ret->b, 32, json_get(object, key), why);
    return r == 0 ? 0 : error_wrap(why, "%s", key);
}

int fixture_get_address(struct address *ret, const struct json *object, const char *key,
                        struct error *why) {
    int r = fixture_fixed(ret->b, 20, json_get(object, key), why);
    return r == 0 ? 0 : error_wrap(why, "%s", key);
}

int fixture_get_bytes(struct bytes *ret, const struct json *object, const char *key,
                      struct arena *a, struct error *why) {
    int r = fixture_bytes(ret, json_get(object, key), a, why);
    return r == 0 ? 0 : error_wrap(why, "%s", key);
}

static int storage(struct memory_state *m, const struct address *address, const struct json *object,
                   struct error *why) {
    json_members(key, value, object) {
        struct u256 k, v;
        int r = fixture_u256(&k, key, why);
        if (r == 0) r = fixture_u256(&v, value, why);
        if (r == 0) r = memory_state_set_slot(m, address, k, v, why);
        if (r != 0) return r;
    }
    return 0;
}

int fixture_accounts(struct memory_state *m, const struct json *object, struct arena *a,
                     struct error *why) {
    json_members(key, account, object) {
        struct address address;
        struct u256 balance;
        uint64_t nonce;
        struct bytes code;
        int r = fixture_fixed(address.b, 20, key, why);
        if (r == 0) r = fixture_get_u256(&balance, account, "balance", why);
        if (r == 0) r = fixture_get_u64(&nonce, account, "nonce", why);
        if (r == 0) r = fixture_get_bytes(&code, account, "code", a, why);
        if (r == 0) r = memory_state_set_account(m, &address, balance, nonce, code, why);
        if (r == 0) r = storage(m, &address, json_get(account, "storage"), why);
        if (r != 0) return r;
    }
    return 0;
}

int fixture_hashes(const struct hash **ret, size_t *ret_count, const struct json *list,
                   struct arena *a, struct error *why) {
    struct hash *hashes = arena_new_array(a, struct hash, json_count(list) + 1);
    size_t n = 0;
    if (!hashes) return error_set(why, ERR_NO_MEMORY, "no memory");
    json_each(item, list) {
        int r = fixture_fixed(hashes[n++].b, 32, item, why);
        if (r != 0) return r;
    }
    *ret = hashes;
    *ret_count = n;
    return 0;
}

int fixture_access_list(const struct tx_access **ret, size_t *ret_count, const struct json *list,
                        struct arena *a, struct error *why) {
    struct tx_access *entries = arena_new_array(a, struct tx_access, json_count(list) + 1);
    size_t n = 0;
    if (!entries) return error_set(why, ERR_NO_MEMORY, "no memory");
    json_each(item, list) {
        struct tx_access *e = &entries[n++];
        int r = fixture_get_address(&e->address, item, "address", why);
        if (r == 0) {
            r = fixture_hashes(&e->keys, &e->key_count, json_get(item, "storageKeys"), a, why);
        }
        if (r != 0) return r;
    }
    *ret = entries;
    *ret_count = n;
    return 0;
}

static int authorization(struct tx_authorization *ret, const struct json *item, struct error *why) {
    struct u256 r, s, parity;
    const struct json *v = json_get(item, "yParity");
    if (!v) v = json_get(item, "v");
    int code = fixture_get_u256(&ret->chain_id, item, "chainId", why);
    if (code == 0) code = fixture_get_address(&ret->address, item, "address", why);
    if (code == 0) code = fixture_get_u64(&ret->nonce, item, "nonce", why);
    if (code == 0) code = fixture_get_u256(&r, item, "r", why);
    if (code == 0) code = fixture_get_u256(&s, item, "s", why);
    if (code == 0) code = fixture_u256(&parity, v, why);
    if (code != 0) return code;
    if (!u256_fits_u64(parity) || parity.w[0] > UINT8_MAX) {
        return json_error(why, ERR_RANGE, item, "y parity above 8 bits");
    }
    u256_store_be(ret->signature.r, r);
    u256_store_be(ret->signature.s, s);
    ret->signature.y_parity = (uint8_t)parity.w[0];
    return 0;
}

int fixture_authorizations(const struct tx_authorization **ret, size_t *ret_count,
                           const struct json *list, struct arena *a, struct error *why) {
    struct tx_authorization *all =
        arena_new_array(a, struct tx_authorization, json_count(list) + 1);
    size_t n = 0;
    if (!all) return error_set(why, ERR_NO_MEMORY, "no memory");
    json_each(item, list) {
        int r = authorization(&all[n++], item, why);
        if (r != 0) return r;
    }
    *ret = all;
    *ret_count = n;
    return 0;
}

static enum header_form form_of(const struct json *o) {
    if (json_get(o, "requestsHash")) return HEADER_PRAGUE;
    if (json_get(o, "parentBeaconBlockRoot")) return HEADER_CANCUN;
    if (json_get(o, "withdrawalsRoot")) return HEADER_SHANGHAI;
    return json_get(o, "baseFeePerGas") ? HEADER_LONDON : HEADER_FRONTIER;
}

static int header_fields(struct header *h, const struct json *o, struct arena *a,
                         struct error *why) {
    const struct {
        const char *name;
        struct hash *to;
    } hashes[] = {{"parentHash", &h->parent_hash},
                  {"uncleHash", &h->ommers_hash},
                  {"stateRoot", &h->state_root},
                  {"transactionsTrie", &h->transactions_root},
                  {"receiptTrie", &h->receipts_root},
                  {"mixHash", &h->mix_hash},
                  {"withdrawalsRoot", &h->withdrawals_root},
                  {"parentBeaconBlockRoot", &h->parent_beacon_root},
                  {"requestsHash", &h->requests_hash}};
    const struct {
        const char *name;
        uint64_t *to;
    } numbers[] = {{"number", &h->number},
                   {"gasLimit", &h->gas_limit},
                   {"gasUsed", &h->gas_used},
                   {"timestamp", &h->timestamp},
                   {"blobGasUsed", &h->blob_gas_used},
                   {"excessBlobGas", &h->excess_blob_gas}};
    int r = fixture_get_address(&h->coinbase, o, "coinbase", why);
    for (size_t i = 0; r == 0 && i < sizeof hashes / sizeof *hashes; i++) {
        r = fixture_get_hash(hashes[i].to, o, hashes[i].name, why);
    }
    for (size_t i = 0; r == 0 && i < sizeof numbers / sizeof *numbers; i++) {
        r = fixture_get_u64(numbers[i].to, o, numbers[i].name, why);
    }
    if (r == 0) r = fixture_fixed(h->bloom.b, sizeof h->bloom.b, json_get(o, "bloom"), why);
    if (r == 0) r = fixture_fixed(h->nonce, sizeof h->nonce, json_get(o, "nonce"), why);
    if (r == 0) r = fixture_get_u256(&h->difficulty, o, "difficulty", why);
    if (r == 0) r = fixture_get_u256(&h->base_fee, o, "baseFeePerGas", why);
    return r == 0 ? fixture_get_bytes(&h->extra_data, o, "extraData", a, why) : r;
}

int fixture_header(struct header *ret, const struct json *object, struct arena *a,
                   struct error *why) {
    struct header h = {.form = form_of(object)};
    struct hash hash, expected;
    int r = header_fields(&h, object, a, why);
    if (r == 0) r = header_hash(&hash, &h, why);
    if (r == 0) r = fixture_get_hash(&expected, object, "hash", why);
    if (r != 0) return r;
    if (json_get(object, "hash") && !hash_equal(&hash, &expected)) {
        return json_error(why, ERR_INVALID, object, "the header has another hash");
    }
    *ret = h;
    return 0;
}

int fixture_chain_id(uint64_t *ret, const struct json *config, struct error *why) {
    return json_get(config, "chainid") ? fixture_get_u64(ret, config, "chainid", why) : 0;
}

int fixture_blob_params(struct blob_params *ret, const struct json *row, uint64_t from,
                        struct error *why) {
    uint64_t target, max, fraction;
    int r = fixture_get_u64(&target, row, "target", why);
    if (r == 0) r = fixture_get_u64(&max, row, "max", why);
    if (r == 0) r = fixture_get_u64(&fraction, row, "baseFeeUpdateFraction", why);
    if (r != 0) return r;
    if (target > max || max > UINT32_MAX || fraction == 0) {
        return json_error(why, ERR_RANGE, row, "blob schedule");
    }
    *ret = (struct blob_params){from, (uint32_t)target, (uint32_t)max, fraction};
    return 0;
}

int fixture_blob_schedule(struct chain_config *c, const struct json *config, struct bytes name,
                          uint64_t from, struct error *why) {
    json_members(key, row, json_get(config, "blobSchedule")) {
        struct bytes text = json_text(key);
        if (text.n != name.n ||
            strncasecmp((const char *)text.p, (const char *)name.p, name.n) != 0)
            continue;
        struct blob_params p;
        int r = fixture_blob_params(&p, row, from, why);
        if (r != 0) return r;
        if (!chain_config_add_blobs(c, p)) {
            return json_error(why, ERR_LIMIT, row, "too many blob schedules");
        }
    }
    return 0;
}
