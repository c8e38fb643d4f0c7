/* SPDX-License-Identifier: MIT */
#include "eth/tx.h"

#include "crypto/keccak.h"
#include "eth/rlp.h"

#define AUTHORIZATION_MAGIC 0x05 /* EIP-7702 */

/* RLP of the shortest items: numbers of one byte, empty lists. */
#define ACCESS_MIN (1 + 21 + 1)
#define HASH_ITEM 33
#define AUTHORIZATION_MIN (1 + 1 + 21 + 4)

static void read_to(struct rlp_reader *r, struct tx *t) {
    struct bytes to = rlp_string(r, "to");
    if (to.n == 20) {
        t->has_to = true;
        memcpy(t->to.b, to.p, 20);
    } else if (to.n != 0) {
        rlp_fail(r, ERR_SYNTAX, "to: has the wrong length");
    }
}

static void read_access_list(struct rlp_reader *r, struct tx *t, struct arena *a) {
    struct rlp_reader list = rlp_list(r, "access list");
    struct tx_access *access =
        rlp_array(&list, &t->access_count, SIZE_MAX, ACCESS_MIN, sizeof *access, a, "access list");
    for (size_t i = 0; i < t->access_count; i++) {
        struct rlp_reader entry = rlp_list(&list, "access list entry");
        rlp_fixed(&entry, access[i].address.b, 20, "access list address");
        struct rlp_reader keys = rlp_list(&entry, "access list keys");
        struct hash *key = rlp_array(&keys, &access[i].key_count, SIZE_MAX, HASH_ITEM, sizeof *key,
                                     a, "access list keys");
        for (size_t k = 0; k < access[i].key_count; k++) {
            rlp_fixed(&keys, key[k].b, 32, "access list key");
        }
        access[i].keys = key;
        rlp_end(&entry, "access list entry");
    }
    t->access = access;
}

static void read_blob_hashes(struct rlp_reader *r, struct tx *t, struct arena *a) {
    struct rlp_reader list = rlp_list(r, "blob hashes");
    struct hash *hash =
        rlp_array(&list, &t->blob_count, SIZE_MAX, HASH_ITEM, sizeof *hash, a, "blob hashes");
    for (size_t i = 0; i < t->blob_count; i++) {
        rlp_fixed(&list, hash[i].b, 32, "blob hash");
    }
    t->blob_hashes = hash;
}

static void read_signature_numbers(struct rlp_reader *r, struct ecdsa_signature *s) {
    u256_store_be(s->r, rlp_u256(r, "signature r"));
    u256_store_be(s->s, rlp_u256(r, "signature s"));
}

static void read_authorizations(struct rlp_reader *r, struct tx *t, struct arena *a) {
    struct rlp_reader list = rlp_list(r, "authorization list");
    struct tx_authorization *auth =
        rlp_array(&list, &t->authorization_count, SIZE_MAX, AUTHORIZATION_MIN, sizeof *auth, a,
                  "authorization list");
    for (size_t i = 0; i < t->authorization_count; i++) {
        struct rlp_reader entry = rlp_list(&list, "authorization");
        auth[i].chain_id = rlp_u256(&entry, "authorization chain id");
        rlp_fixed(&entry, auth[i].address.b, 20, "authorization address");
        auth[i].nonce = rlp_u64(&entry, "authorization nonce");
        uint64_t parity = rlp_u64(&entry, "authorization y parity");
        if (parity > UINT8_MAX) rlp_fail(&entry, ERR_RANGE, "authorization y parity: too large");
        auth[i].signature.y_parity = (uint8_t)parity;
        read_signature_numbers(&entry, &auth[i].signature);
        rlp_end(&entry, "authorization");
    }
    t->authorizations = auth;
}

static void read_legacy(struct rlp_reader *r, struct tx *t) {
    t->nonce = rlp_u64(r, "nonce");
    t->max_fee = t->max_priority_fee = rlp_u256(r, "gas price");
    t->gas = rlp_u64(r, "gas");
    read_to(r, t);
    t->value = rlp_u256(r, "value");
    t->data = rlp_string(r, "data");
    uint64_t v = rlp_u64(r, "signature v");
    if (v == 27 || v == 28) {
        t->signature.y_parity = (uint8_t)(v - 27);
    } else if (v >= 35) {
        t->protected = true;
        t->chain_id = (v - 35) / 2;
        t->signature.y_parity = (uint8_t)((v - 35) % 2);
    } else {
        rlp_fail(r, ERR_RANGE, "signature v: %llu is none of 27, 28, 35 and above",
                 (unsigned long long)v);
    }
    read_signature_numbers(r, &t->signature);
}

static void read_typed(struct rlp_reader *r, struct tx *t, struct arena *a) {
    t->protected = true;
    t->chain_id = rlp_u64(r, "chain id");
    t->nonce = rlp_u64(r, "nonce");
    t->max_priority_fee = rlp_u256(r, t->type == TX_ACCESS_LIST ? "gas price" : "max priority fee");
    t->max_fee = t->type == TX_ACCESS_LIST ? t->max_priority_fee : rlp_u256(r, "max fee");
    t->gas = rlp_u64(r, "gas");
    read_to(r, t);
    if (!t->has_to && (t->type == TX_BLOB || t->type == TX_SET_CODE)) {
        rlp_fail(r, ERR_SYNTAX, "to: a transaction of this type cannot create");
    }
    t->value = rlp_u256(r, "value");
    t->data = rlp_string(r, "data");
    read_access_list(r, t, a);
    if (t->type == TX_BLOB) {
        t->max_blob_fee = rlp_u256(r, "max blob fee");
        read_blob_hashes(r, t, a);
    } else if (t->type == TX_SET_CODE) {
        read_authorizations(r, t, a);
    }
    t->signature.y_parity = rlp_bool(r, "signature y parity");
    read_signature_numbers(r, &t->signature);
}

static void read_deposit(struct rlp_reader *r, struct tx *t) {
    t->protected = true;
    rlp_fixed(r, t->deposit.source.b, 32, "source hash");
    rlp_fixed(r, t->deposit.from.b, 20, "from");
    read_to(r, t);
    t->deposit.mint = rlp_u256(r, "mint");
    t->value = rlp_u256(r, "value");
    t->gas = rlp_u64(r, "gas");
    t->deposit.is_system = rlp_bool(r, "is system transaction");
    t->data = rlp_string(r, "data");
}

int tx_decode_unhashed(struct tx *ret, struct bytes in, struct arena *a, struct error *why) {
    if (in.n == 0) return error_set_at(why, ERR_SYNTAX, 0, "transaction: no bytes");
    struct tx t = {.raw = in};
    struct bytes list = in;
    if (in.p[0] < 0xc0) {
        if (in.p[0] >= 0x80) {
            return error_set_at(why, ERR_SYNTAX, 0, "transaction: neither a list nor a type");
        }
        t.type = (enum tx_type)in.p[0];
        if (t.type == TX_LEGACY || (t.type > TX_SET_CODE && t.type != TX_DEPOSIT)) {
            return error_set_at(why, ERR_UNSUPPORTED, 0, "transaction: type 0x%02x is unknown",
                                in.p[0]);
        }
        list = bytes_slice(in, 1, SIZE_MAX);
    }
    struct rlp_source source;
    struct rlp_reader outer = rlp_open(&source, list, why);
    source.start = in.p;
    struct rlp_reader r = rlp_list(&outer, "transaction");
    if (t.type == TX_LEGACY) {
        read_legacy(&r, &t);
    } else if (t.type == TX_DEPOSIT) {
        read_deposit(&r, &t);
    } else {
        read_typed(&r, &t, a);
    }
    rlp_end(&r, "transaction");
    int status = rlp_finish(&outer, "transaction");
    if (status == 0) *ret = t;
    return status;
}

int tx_decode(struct tx *ret, struct bytes in, struct arena *a, struct error *why) {
    int status = tx_decode_unhashed(ret, in, a, why);
    if (status == 0) ret->hash = keccak256(in);
    return status;
}

static void put_to(struct buf *out, const struct tx *t) {
    rlp_put_string(out, t->has_to ? BYTES_OF(t->to) : (struct bytes){NULL, 0});
}

void tx_put_access_list(struct buf *out, const struct tx *t) {
    size_t payload = 0;
    for (size_t i = 0; i < t->access_count; i++) {
        payload += rlp_size_list(21 + rlp_size_list(33 * t->access[i].key_count));
    }
    rlp_put_list_header(out, payload);
    for (size_t i = 0; i < t->access_count; i++) {
        const struct tx_access *entry = &t->access[i];
        rlp_put_list_header(out, 21 + rlp_size_list(33 * entry->key_count));
        rlp_put_string(out, BYTES_OF(entry->address));
        rlp_put_list_header(out, 33 * entry->key_count);
        for (size_t k = 0; k < entry->key_count; k++) {
            rlp_put_string(out, BYTES_OF(entry->keys[k]));
        }
    }
}

static void put_signature_numbers(struct buf *out, const struct ecdsa_signature *s) {
    rlp_put_u256(out, u256_load_be(s->r));
    rlp_put_u256(out, u256_load_be(s->s));
}

void tx_put_authorizations(struct buf *out, const struct tx *t) {
    size_t list = rlp_list_begin(out);
    for (size_t i = 0; i < t->authorization_count; i++) {
        const struct tx_authorization *auth = &t->authorizations[i];
        size_t entry = rlp_list_begin(out);
        rlp_put_u256(out, auth->chain_id);
        rlp_put_string(out, BYTES_OF(auth->address));
        rlp_put_u64(out, auth->nonce);
        rlp_put_u64(out, auth->signature.y_parity);
        put_signature_numbers(out, &auth->signature);
        rlp_list_close(out, entry);
    }
    rlp_list_close(out, list);
}

/* Appends the fields up to the signature. */
static void put_unsigned_fields(struct buf *out, const struct tx *t) {
    if (t->type != TX_LEGACY) rlp_put_u64(out, t->chain_id);
    rlp_put_u64(out, t->nonce);
    if (t->type >= TX_FEE_MARKET) rlp_put_u256(out, t->max_priority_fee);
    rlp_put_u256(out, t->max_fee);
    rlp_put_u64(out, t->gas);
    put_to(out, t);
    rlp_put_u256(out, t->value);
    rlp_put_string(out, t->data);
    if (t->type == TX_LEGACY) return;
    tx_put_access_list(out, t);
    if (t->type == TX_BLOB) {
        rlp_put_u256(out, t->max_blob_fee);
        rlp_put_list_header(out, 33 * t->blob_count);
        for (size_t i = 0; i < t->blob_count; i++) {
            rlp_put_string(out, BYTES_OF(t->blob_hashes[i]));
        }
    } else if (t->type == TX_SET_CODE) {
        tx_put_authorizations(out, t);
    }
}

static void put_deposit(struct buf *out, const struct tx *t) {
    size_t list = rlp_list_begin(out);
    rlp_put_string(out, BYTES_OF(t->deposit.source));
    rlp_put_string(out, BYTES_OF(t->deposit.from));
    put_to(out, t);
    rlp_put_u256(out, t->deposit.mint);
    rlp_put_u256(out, t->value);
    rlp_put_u64(out, t->gas);
    rlp_put_u64(out, t->deposit.is_system);
    rlp_put_string(out, t->data);
    rlp_list_close(out, list);
}

void tx_encode(struct buf *out, const struct tx *t) {
    if (t->type != TX_LEGACY) buf_append_byte(out, (uint8_t)t->type);
    if (t->type == TX_DEPOSIT) {
        put_deposit(out, t);
        return;
    }
    size_t list = rlp_list_begin(out);
    put_unsigned_fields(out, t);
    rlp_put_u256(out, tx_v(t));
    put_signature_numbers(out, &t->signature);
    rlp_list_close(out, list);
}

struct u256 tx_v(const struct tx *t) {
    struct u256 parity = u256_from_u64(t->signature.y_parity);
    if (t->type != TX_LEGACY) return parity;
    if (!t->protected) return u256_add(parity, u256_from_u64(27));
    struct u256 chain = u256_shift_left(u256_from_u64(t->chain_id), 1);
    return u256_add(u256_add(chain, parity), u256_from_u64(35));
}

int tx_signing_hash(struct hash *ret, const struct tx *t, struct error *why) {
    if (t->type == TX_DEPOSIT) {
        return error_set(why, ERR_UNSUPPORTED, "a deposit transaction is not signed");
    }
    struct buf b;
    buf_init(&b, 0);
    if (t->type != TX_LEGACY) buf_append_byte(&b, (uint8_t)t->type);
    size_t list = rlp_list_begin(&b);
    put_unsigned_fields(&b, t);
    if (t->type == TX_LEGACY && t->protected) {
        rlp_put_u64(&b, t->chain_id);
        rlp_put_u64(&b, 0);
        rlp_put_u64(&b, 0);
    }
    rlp_list_close(&b, list);
    int status = buf_check(&b, why);
    if (status == 0) *ret = keccak256(buf_view(&b));
    buf_free(&b);
    return status;
}

int tx_sender(struct address *ret, const struct tx *t, struct error *why) {
    if (t->type == TX_DEPOSIT) {
        *ret = t->deposit.from;
        return 0;
    }
    struct hash digest;
    int status = tx_signing_hash(&digest, t, why);
    if (status == 0) status = ecdsa_recover_address(ret, &digest, &t->signature, why);
    return status;
}

int tx_sender_cached(struct address *ret, const struct tx *t, struct sender_cache *cache,
                     struct error *why) {
    bool cached = t->type != TX_DEPOSIT;
    if (cached && sender_cache_get(cache, ret, &t->hash, &t->signature)) return 0;
    int status = tx_sender(ret, t, why);
    if (status == 0 && cached) sender_cache_put(cache, ret, &t->hash, &t->signature);
    return status;
}

int tx_seal(struct tx *t, struct arena *a, struct error *why) {
    struct buf b;
    buf_init(&b, 0);
    tx_encode(&b, t);
    int status = buf_check(&b, why);
    if (status == 0) {
        struct bytes raw = arena_copy(a, buf_view(&b));
        if (raw.p) {
            t->raw = raw;
            t->hash = keccak256(raw);
        } else {
            status = error_set(why, ERR_LIMIT, "transaction does not fit its memory limit");
        }
    }
    buf_free(&b);
    return status;
}

int tx_sign(struct tx *t, const struct ecdsa_signer *signer, const struct ecdsa_secret_key *key,
            struct arena *a, struct error *why) {
    struct hash digest;
    int status = tx_signing_hash(&digest, t, why);
    if (status == 0) status = ecdsa_sign(signer, &t->signature, &digest, key, why);
    if (status == 0) status = tx_seal(t, a, why);
    return status;
}

struct hash tx_authorization_hash(const struct tx_authorization *auth) {
    uint8_t memory[96]; // 1 + 1 + 33 + 21 + 9 and what the writer asks to have in reserve
    struct buf b = {.p = memory, .capacity = sizeof memory, .limit_bytes = sizeof memory};
    buf_append_byte(&b, AUTHORIZATION_MAGIC);
    rlp_put_list_header(&b, rlp_size_u256(auth->chain_id) + 21 + rlp_size_u64(auth->nonce));
    rlp_put_u256(&b, auth->chain_id);
    rlp_put_string(&b, BYTES_OF(auth->address));
    rlp_put_u64(&b, auth->nonce);
    return keccak256(buf_view(&b));
}

int tx_authority(struct address *ret, const struct tx_authorization *auth, struct error *why) {
    if (!ecdsa_s_is_low(auth->signature.s)) {
        return error_set(why, ERR_RANGE, "authorization signature: s is above n/2");
    }
    struct hash digest = tx_authorization_hash(auth);
    return ecdsa_recover_address(ret, &digest, &auth->signature, why);
}

struct address tx_create_address(const struct address *sender, uint64_t nonce) {
    uint8_t memory[64];
    struct buf b = {.p = memory, .capacity = sizeof memory, .limit_bytes = sizeof memory};
    rlp_put_list_header(&b, 21 + rlp_size_u64(nonce));
    rlp_put_string(&b, BYTES_OF(*sender));
    rlp_put_u64(&b, nonce);
    struct hash h = keccak256(buf_view(&b));
    struct address ret;
    memcpy(ret.b, h.b + 12, 20);
    return ret;
}
