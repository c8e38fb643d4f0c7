/* SPDX-License-Identifier: MIT */
#include "eth/loose_number.h"
#include "eth/rpc_json.h"
#include "eth/tx_check.h"

static int get_loose(struct u256 *ret, const struct json *object, const char *key,
                     struct error *why) {
    int r = loose_number_json(ret, json_get(object, key), why);
    return r != 0 ? error_wrap(why, "%s", key) : 0;
}

/* A QUANTITY that may be missing: 0 then. */

static int get_quantity256_or_zero(struct u256 *ret, const struct json *object, const char *key,
                                   struct error *why) {
    if (!json_is_null(json_get(object, key))) return json_get_quantity256(ret, object, key, why);
    *ret = U256_ZERO;
    return 0;
}

static int list_memory(void **ret, const struct json *in, size_t size, struct arena *a,
                       struct error *why) {
    int r = json_expect(in, JSON_ARRAY, why);
    if (r != 0) return r;
    *ret = arena_alloc_array(a, json_count(in), size);
    return *ret ? 0 : json_error(why, ERR_LIMIT, in, "list does not fit its memory limit");
}

static int hash_list(const struct hash **ret, size_t *ret_count, const struct json *in,
                     struct arena *a, struct error *why) {
    void *memory;
    int r = list_memory(&memory, in, sizeof(struct hash), a, why);
    if (r != 0) return r;
    struct hash *hashes = memory;
    size_t n = 0;
    json_each(item, in) {
        r = json_hash(&hashes[n++], item, why);
        if (r != 0) return r;
    }
    *ret = hashes;
    *ret_count = n;
    return 0;
}

int access_list_json_decode(const struct tx_access **ret, size_t *ret_count, const struct json *in,
                            struct arena *a, struct error *why) {
    void *memory;
    int r = list_memory(&memory, in, sizeof(struct tx_access), a, why);
    if (r != 0) return error_wrap(why, "accessList");
    struct tx_access *access = memory;
    size_t n = 0;
    json_each(item, in) {
        struct tx_access *entry = &access[n++];
        r = json_get_address(&entry->address, item, "address", why);
        if (r != 0) return r;
        r = hash_list(&entry->keys, &entry->key_count, json_get(item, "storageKeys"), a, why);
        if (r != 0) return error_wrap(why, "storageKeys");
    }
    *ret = access;
    *ret_count = n;
    return 0;
}

static int authorization_decode(struct tx_authorization *ret, const struct json *in,
                                struct error *why) {
    struct u256 parity = U256_ZERO, r_number, s_number;
    bool has_parity = !json_is_null(json_get(in, "yParity"));
    int r = get_loose(&ret->chain_id, in, "chainId", why);
    if (r == 0) r = json_get_address(&ret->address, in, "address", why);
    struct u256 nonce = U256_ZERO;
    if (r == 0) r = get_loose(&nonce, in, "nonce", why);
    if (r == 0) r = get_loose(&parity, in, has_parity ? "yParity" : "v", why);
    if (r == 0) r = get_loose(&r_number, in, "r", why);
    if (r == 0) r = get_loose(&s_number, in, "s", why);
    if (r != 0) return r;
    if (!u256_fits_u64(nonce) || !u256_fits_u64(parity) || parity.w[0] > UINT8_MAX) {
        return json_error(why, ERR_RANGE, in, "authorization: nonce or y parity is too large");
    }
    ret->nonce = nonce.w[0];
    ret->signature.y_parity = (uint8_t)parity.w[0];
    u256_store_be(ret->signature.r, r_number);
    u256_store_be(ret->signature.s, s_number);
    return 0;
}

int authorizations_json_decode(const struct tx_authorization **ret, size_t *ret_count,
                               const struct json *in, struct arena *a, struct error *why) {
    void *memory;
    int r = list_memory(&memory, in, sizeof(struct tx_authorization), a, why);
    if (r != 0) return error_wrap(why, "authorizationList");
    struct tx_authorization *auth = memory;
    size_t n = 0;
    json_each(item, in) {
        r = authorization_decode(&auth[n++], item, why);
        if (r != 0) return error_wrap(why, "authorizationList");
    }
    *ret = auth;
    *ret_count = n;
    return 0;
}

static int type_of(enum tx_type *ret, const struct json *in, struct error *why) {
    uint64_t type = TX_LEGACY;
    if (!json_is_null(json_get(in, "type"))) {
        int r = json_get_quantity(&type, in, "type", why);
        if (r != 0) return r;
    } else if (json_get(in, "authorizationList")) {
        type = TX_SET_CODE;
    } else if (json_get(in, "blobVersionedHashes")) {
        type = TX_BLOB;
    } else if (json_get(in, "maxFeePerGas")) {
        type = TX_FEE_MARKET;
    } else if (json_get(in, "accessList")) {
        type = TX_ACCESS_LIST;
    }
    if (type > TX_SET_CODE && type != TX_DEPOSIT) {
        return json_error(why, ERR_UNSUPPORTED, in, "transaction type is unknown");
    }
    *ret = (enum tx_type)type;
    return 0;
}

static int signature_decode(struct tx *t, const struct json *in, struct error *why) {
    struct u256 v = U256_ZERO, r_number, s_number;
    bool has_parity = !json_is_null(json_get(in, "yParity"));
    const char *parity = t->type != TX_LEGACY && has_parity ? "yParity" : "v";
    int r = get_loose(&v, in, parity, why);
    if (r == 0) r = get_loose(&r_number, in, "r", why);
    if (r == 0) r = get_loose(&s_number, in, "s", why);
    if (r != 0) return r;
    uint64_t number = v.w[0];
    bool fits = u256_fits_u64(v);
    if (t->type != TX_LEGACY) {
        if (!fits || number > 1) return json_error(why, ERR_RANGE, in, "yParity: above 1");
    } else if (fits && (number == 27 || number == 28)) {
        number -= 27;
        t->chain_id = 0; // some nodes name their chain in every object
    } else if (fits && number >= 35) {
        t->protected = true;
        t->chain_id = (number - 35) / 2;
        number = (number - 35) % 2;
    } else {
        return json_error(why, ERR_RANGE, in, "v: none of 27, 28, 35 and above");
    }
    t->signature.y_parity = (uint8_t)number;
    u256_store_be(t->signature.r, r_number);
    u256_store_be(t->signature.s, s_number);
    return 0;
}

static int fees_decode(struct tx *t, const struct json *in, struct error *why) {
    if (t->type < TX_FEE_MARKET) {
        int r = json_get_quantity256(&t->max_fee, in, "gasPrice", why);
        t->max_priority_fee = t->max_fee;
        return r;
    }
    int r = json_get_quantity256(&t->max_fee, in, "maxFeePerGas", why);
    if (r == 0) r = json_get_quantity256(&t->max_priority_fee, in, "maxPriorityFeePerGas", why);
    return r;
}

static int deposit_decode(struct tx *t, const struct json *in, struct error *why) {
    const struct json *system = json_get(in, "isSystemTx");
    int r = json_get_hash(&t->deposit.source, in, "sourceHash", why);
    if (r == 0) r = json_get_address(&t->deposit.from, in, "from", why);
    if (r == 0) r = get_quantity256_or_zero(&t->deposit.mint, in, "mint", why);
    if (r == 0 && !json_is_null(system)) r = json_bool(&t->deposit.is_system, system, why);
    return r;
}

/* Members of the signed types beyond those of all. */
static int typed_decode(struct tx *t, const struct json *in, struct arena *a, struct error *why) {
    int r = json_get_quantity(&t->nonce, in, "nonce", why);
    if (r == 0) r = fees_decode(t, in, why);
    if (r == 0 && t->type != TX_LEGACY) {
        r = json_get_quantity(&t->chain_id, in, "chainId", why);
        const struct json *list = json_get(in, "accessList");
        if (r == 0 && !json_is_null(list)) {
            r = access_list_json_decode(&t->access, &t->access_count, list, a, why);
        }
    }
    if (r == 0 && t->type == TX_BLOB) {
        r = json_get_quantity256(&t->max_blob_fee, in, "maxFeePerBlobGas", why);
        if (r == 0) {
            r = hash_list(&t->blob_hashes, &t->blob_count, json_get(in, "blobVersionedHashes"), a,
                          why);
        }
    }
    if (r == 0 && t->type == TX_SET_CODE) {
        r = authorizations_json_decode(&t->authorizations, &t->authorization_count,
                                       json_get(in, "authorizationList"), a, why);
    }
    return r != 0 ? r : signature_decode(t, in, why);
}

int tx_json_decode(struct tx *ret, const struct json *in, struct arena *a, struct error *why) {
    struct tx t = {.type = TX_LEGACY};
    int r = json_expect(in, JSON_OBJECT, why);
    if (r == 0) r = type_of(&t.type, in, why);
    if (r != 0) return r;
    t.protected = t.type != TX_LEGACY;
    r = json_get_quantity(&t.gas, in, "gas", why);
    if (r == 0) r = get_quantity256_or_zero(&t.value, in, "value", why);
    if (r == 0) r = json_get_data(&t.data, in, json_get(in, "input") ? "input" : "data", a, why);
    t.has_to = !json_is_null(json_get(in, "to"));
    if (r == 0 && t.has_to) r = json_get_address(&t.to, in, "to", why);
    if (r == 0)
        r = t.type == TX_DEPOSIT ? deposit_decode(&t, in, why) : typed_decode(&t, in, a, why);
    if (r == 0) r = tx_seal(&t, a, why);
    if (r != 0) return r;
    struct hash named;
    if (!json_is_null(json_get(in, "hash"))) {
        r = json_get_hash(&named, in, "hash", why);
        if (r != 0) return r;
        if (!hash_equal(&named, &t.hash)) {
            return json_error(why, ERR_INVALID, in, "transaction: its hash is not of its fields");
        }
    }
    *ret = t;
    return 0;
}

void access_list_json_encode(struct json_writer *w, const char *key, const struct tx_access *list,
                             size_t count) {
    json_begin_array(w, key);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(w, NULL);
        json_add_data(w, "address", BYTES_OF(list[i].address));
        json_begin_array(w, "storageKeys");
        for (size_t k = 0; k < list[i].key_count; k++) {
            json_add_data(w, NULL, BYTES_OF(list[i].keys[k]));
        }
        json_end(w);
        json_end(w);
    }
    json_end(w);
}

static void put_signature(struct json_writer *w, const struct ecdsa_signature *s) {
    json_add_quantity256(w, "r", u256_load_be(s->r));
    json_add_quantity256(w, "s", u256_load_be(s->s));
}

static void put_authorizations(struct json_writer *w, const struct tx *t) {
    json_begin_array(w, "authorizationList");
    for (size_t i = 0; i < t->authorization_count; i++) {
        const struct tx_authorization *auth = &t->authorizations[i];
        json_begin_object(w, NULL);
        json_add_quantity256(w, "chainId", auth->chain_id);
        json_add_data(w, "address", BYTES_OF(auth->address));
        json_add_quantity(w, "nonce", auth->nonce);
        json_add_quantity(w, "yParity", auth->signature.y_parity);
        put_signature(w, &auth->signature);
        json_end(w);
    }
    json_end(w);
}

static void put_place(struct json_writer *w, const struct tx_place *place) {
    if (place && place->in_block) {
        json_add_data(w, "blockHash", BYTES_OF(place->block_hash));
        json_add_quantity(w, "blockNumber", place->block_number);
        json_add_quantity(w, "transactionIndex", place->index);
        if (place->block_timestamp) json_add_quantity(w, "blockTimestamp", place->block_timestamp);
    } else {
        json_add_null(w, "blockHash");
        json_add_null(w, "blockNumber");
        json_add_null(w, "transactionIndex");
        json_add_null(w, "blockTimestamp");
    }
}

static void put_deposit(struct json_writer *w, const struct tx *t, const struct tx_place *place) {
    json_add_quantity(w, "nonce", place ? place->deposit_nonce : 0);
    json_add_data(w, "sourceHash", BYTES_OF(t->deposit.source));
    json_add_quantity256(w, "mint", t->deposit.mint);
    json_add_bool(w, "isSystemTx", t->deposit.is_system);
    json_add_quantity(w, "gasPrice", 0);
    json_add_quantity(w, "v", 0);
    json_add_quantity(w, "r", 0);
    json_add_quantity(w, "s", 0);
}

static void put_signed_fields(struct json_writer *w, const struct tx *t,
                              const struct tx_place *place) {
    json_add_quantity(w, "nonce", t->nonce);
    bool mined = place && place->in_block;
    json_add_quantity256(w, "gasPrice",
                         mined ? tx_effective_price(t, place->base_fee) : t->max_fee);
    if (t->type >= TX_FEE_MARKET) {
        json_add_quantity256(w, "maxFeePerGas", t->max_fee);
        json_add_quantity256(w, "maxPriorityFeePerGas", t->max_priority_fee);
    }
    if (t->protected) json_add_quantity(w, "chainId", t->chain_id);
    if (t->type != TX_LEGACY) {
        access_list_json_encode(w, "accessList", t->access, t->access_count);
    }
    if (t->type == TX_BLOB) {
        json_add_quantity256(w, "maxFeePerBlobGas", t->max_blob_fee);
        json_begin_array(w, "blobVersionedHashes");
        for (size_t i = 0; i < t->blob_count; i++) {
            json_add_data(w, NULL, BYTES_OF(t->blob_hashes[i]));
        }
        json_end(w);
    }
    if (t->type == TX_SET_CODE) put_authorizations(w, t);
    json_add_quantity256(w, "v", tx_v(t));
    if (t->type != TX_LEGACY) json_add_quantity(w, "yParity", t->signature.y_parity);
    put_signature(w, &t->signature);
}

void tx_json_encode(struct json_writer *w, const char *key, const struct tx *t,
                    const struct address *from, const struct tx_place *place) {
    json_begin_object(w, key);
    put_place(w, place);
    json_add_data(w, "hash", BYTES_OF(t->hash));
    json_add_quantity(w, "type", t->type);
    json_add_data(w, "from", BYTES_OF(*from));
    if (t->has_to) {
        json_add_data(w, "to", BYTES_OF(t->to));
    } else {
        json_add_null(w, "to");
    }
    json_add_quantity(w, "gas", t->gas);
    json_add_quantity256(w, "value", t->value);
    json_add_data(w, "input", t->data);
    if (t->type == TX_DEPOSIT) {
        put_deposit(w, t, place);
    } else {
        put_signed_fields(w, t, place);
    }
    json_end(w);
}
