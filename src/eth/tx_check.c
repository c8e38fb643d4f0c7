/* SPDX-License-Identifier: MIT */
#include "eth/tx_check.h"

#include "crypto/kzg.h"

#define TX_GAS 21000u              /* every transaction */
#define CALLDATA_ZERO_GAS 4u       /* a zero byte */
#define ACCESS_ADDRESS_GAS 2400u   /* EIP-2930 */
#define ACCESS_KEY_GAS 1900u       /* EIP-2930 */
#define AUTHORIZATION_GAS 25000u   /* EIP-7702 */
#define TOKENS_PER_NONZERO_BYTE 4u /* EIP-7623 */

static const struct {
    const char *name, *text;
} faults[TX_FAULT_COUNT] = {
    [TX_VALID] = {"valid", "valid"},
    [TX_FAULT_TYPE] = {"type", "transaction type not supported"},
    [TX_FAULT_REPLAY_PROTECTION] = {"replay_protection",
                                    "transaction names a chain, which this fork does not know"},
    [TX_FAULT_CHAIN_ID] = {"chain_id", "invalid chain id for signer"},
    [TX_FAULT_SIGNATURE] = {"signature", "invalid transaction v, r, s values"},
    [TX_FAULT_SIGNATURE_HIGH_S] = {"signature_high_s",
                                   "invalid transaction v, r, s values: s is above n/2"},
    [TX_FAULT_NONCE_MAX] = {"nonce_max", "nonce has max value"},
    [TX_FAULT_GAS_CAP] = {"gas_cap", "transaction gas limit too high"},
    [TX_FAULT_PRIORITY_ABOVE_MAX] = {"priority_above_max",
                                     "max priority fee per gas higher than max fee per gas"},
    [TX_FAULT_FEE_BELOW_BASE] = {"fee_below_base", "max fee per gas less than block base fee"},
    [TX_FAULT_BLOB_TO] = {"blob_to", "blob transaction of type create"},
    [TX_FAULT_BLOB_NONE] = {"blob_none", "blob transaction missing blob hashes"},
    [TX_FAULT_BLOB_COUNT] = {"blob_count", "blob transaction has too many blobs"},
    [TX_FAULT_BLOB_VERSION] = {"blob_version", "blob has invalid hash version"},
    [TX_FAULT_BLOB_FEE_BELOW_BASE] = {"blob_fee_below_base",
                                      "max fee per blob gas less than block blob gas fee"},
    [TX_FAULT_BLOB_GAS_LEFT] = {"blob_gas_left", "blob gas would exceed maximum allowance"},
    [TX_FAULT_SET_CODE_TO] = {"set_code_to",
                              "EIP-7702 transaction cannot be used to create contract"},
    [TX_FAULT_SET_CODE_NONE] = {"set_code_none", "EIP-7702 transaction with empty auth list"},
    [TX_FAULT_INITCODE] = {"initcode", "max initcode size exceeded"},
    [TX_FAULT_GAS_LEFT] = {"gas_left", "gas limit reached"},
    [TX_FAULT_COST_OVERFLOW] = {"cost_overflow",
                                "insufficient funds for gas * price + value: required balance "
                                "exceeds 256 bits"},
    [TX_FAULT_INTRINSIC_GAS] = {"intrinsic_gas", "intrinsic gas too low"},
    [TX_FAULT_FLOOR_GAS] = {"floor_gas", "insufficient gas for floor data gas cost"},
};

const char *tx_fault_text(enum tx_fault f) {
    return faults[f].text;
}

const char *tx_fault_name(enum tx_fault f) {
    return faults[f].name;
}

static size_t zero_bytes(struct bytes data) {
    size_t n = 0;
    for (size_t i = 0; i < data.n; i++) {
        n += data.p[i] == 0;
    }
    return n;
}

uint64_t tx_intrinsic_gas(const struct tx *t, const struct fork_rules *rules) {
    uint64_t zeros = zero_bytes(t->data);
    uint64_t gas =
        TX_GAS + CALLDATA_ZERO_GAS * zeros + (uint64_t)rules->nonzero_gas * (t->data.n - zeros);
    if (!t->has_to) {
        gas += rules->create_gas + (uint64_t)rules->initcode_word_gas * ((t->data.n + 31) / 32);
    }
    for (size_t i = 0; i < t->access_count; i++) {
        gas += ACCESS_ADDRESS_GAS + (uint64_t)ACCESS_KEY_GAS * t->access[i].key_count;
    }
    return gas + (uint64_t)AUTHORIZATION_GAS * t->authorization_count;
}

uint64_t tx_floor_gas(const struct tx *t, const struct fork_rules *rules) {
    if (rules->floor_token_gas == 0) return 0;
    uint64_t zeros = zero_bytes(t->data);
    uint64_t tokens = zeros + TOKENS_PER_NONZERO_BYTE * (t->data.n - zeros);
    return TX_GAS + tokens * rules->floor_token_gas;
}

bool tx_max_cost(struct u256 *ret, const struct tx *t) {
    struct u256 gas, blobs;
    bool over = u256_mul_overflow(&gas, u256_from_u64(t->gas), t->max_fee);
    over |= u256_mul_overflow(&blobs, u256_from_u64(tx_blob_gas(t)), t->max_blob_fee);
    over |= u256_add_carry(&gas, gas, blobs);
    over |= u256_add_carry(ret, gas, t->value);
    return !over;
}

struct u256 tx_effective_price(const struct tx *t, struct u256 base_fee) {
    struct u256 price;
    bool over = u256_add_carry(&price, base_fee, t->max_priority_fee);
    return over || u256_compare(price, t->max_fee) > 0 ? t->max_fee : price;
}

static bool type_known(const struct tx *t, const struct fork_rules *rules) {
    switch (t->type) {
    case TX_LEGACY:
        return true;
    case TX_ACCESS_LIST:
        return rules->typed_1;
    case TX_FEE_MARKET:
        return rules->typed_2;
    case TX_BLOB:
        return rules->typed_3;
    case TX_SET_CODE:
        return rules->typed_4;
    default:
        return false;
    }
}

static enum tx_fault check_signature(const struct tx *t, const struct fork_rules *rules) {
    static const struct u256 n = {
        {0xbfd25e8cd0364141, 0xbaaedce6af48a03b, 0xfffffffffffffffe, 0xffffffffffffffff}};
    struct u256 r = u256_load_be(t->signature.r), s = u256_load_be(t->signature.s);
    if (u256_is_zero(r) || u256_is_zero(s) || u256_compare(r, n) >= 0 || u256_compare(s, n) >= 0) {
        return TX_FAULT_SIGNATURE;
    }
    if (rules->low_s && !ecdsa_s_is_low(t->signature.s)) return TX_FAULT_SIGNATURE_HIGH_S;
    return TX_VALID;
}

static enum tx_fault check_blobs(const struct tx *t, const struct fork_rules *rules) {
    if (!t->has_to) return TX_FAULT_BLOB_TO;
    if (t->blob_count == 0) return TX_FAULT_BLOB_NONE;
    if (rules->blobs_per_tx_max && t->blob_count > rules->blobs_per_tx_max) {
        return TX_FAULT_BLOB_COUNT;
    }
    for (size_t i = 0; i < t->blob_count; i++) {
        if (t->blob_hashes[i].b[0] != KZG_HASH_VERSION) return TX_FAULT_BLOB_VERSION;
    }
    return TX_VALID;
}

static enum tx_fault check_gas(const struct tx *t, const struct fork_rules *rules) {
    struct u256 price;
    if (!t->has_to && rules->initcode_max && t->data.n > rules->initcode_max) {
        return TX_FAULT_INITCODE;
    }
    if (u256_mul_overflow(&price, u256_from_u64(t->gas), t->max_fee)) return TX_FAULT_COST_OVERFLOW;
    if (t->gas < tx_intrinsic_gas(t, rules)) return TX_FAULT_INTRINSIC_GAS;
    if (t->gas < tx_floor_gas(t, rules)) return TX_FAULT_FLOOR_GAS;
    return TX_VALID;
}

enum tx_fault tx_check_static(const struct tx *t, const struct fork_rules *rules,
                              uint64_t chain_id) {
    if (!type_known(t, rules)) return TX_FAULT_TYPE;
    if (t->type == TX_LEGACY && t->protected && !rules->replay_protection) {
        return TX_FAULT_REPLAY_PROTECTION;
    }
    if (t->protected && t->chain_id != chain_id) return TX_FAULT_CHAIN_ID;
    enum tx_fault fault = check_signature(t, rules);
    if (fault != TX_VALID) return fault;
    if (t->nonce == UINT64_MAX) return TX_FAULT_NONCE_MAX;
    if (rules->gas_max && t->gas > rules->gas_max) return TX_FAULT_GAS_CAP;
    if (u256_compare(t->max_priority_fee, t->max_fee) > 0) return TX_FAULT_PRIORITY_ABOVE_MAX;
    if (t->type == TX_BLOB) fault = check_blobs(t, rules);
    if (t->type == TX_SET_CODE) {
        if (!t->has_to) fault = TX_FAULT_SET_CODE_TO;
        if (t->authorization_count == 0) fault = TX_FAULT_SET_CODE_NONE;
    }
    return fault != TX_VALID ? fault : check_gas(t, rules);
}

enum tx_fault tx_check_room(const struct tx *t, const struct tx_room *room) {
    if (u256_compare(t->max_fee, room->base_fee) < 0) return TX_FAULT_FEE_BELOW_BASE;
    if (t->type == TX_BLOB) {
        if (u256_compare(t->max_blob_fee, room->blob_base_fee) < 0) {
            return TX_FAULT_BLOB_FEE_BELOW_BASE;
        }
        if (t->blob_count > room->blob_gas_left / GAS_PER_BLOB) return TX_FAULT_BLOB_GAS_LEFT;
    }
    return t->gas > room->gas_left ? TX_FAULT_GAS_LEFT : TX_VALID;
}
