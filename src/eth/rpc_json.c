/* SPDX-License-Identifier: MIT */
#include "eth/rpc_json.h"

#include "base/hex.h"
#include "eth/tx_check.h"

static bool has(const struct json *object, const char *key) {
    return !json_is_null(json_get(object, key));
}

/* The optional members, in the order of the forks that brought them. */
static int optional_fields(struct header *h, const struct json *in, struct error *why) {
    int r = 0;
    if (has(in, "baseFeePerGas")) {
        h->form = HEADER_LONDON;
        r = json_get_quantity256(&h->base_fee, in, "baseFeePerGas", why);
    }
    if (r == 0 && has(in, "withdrawalsRoot")) {
        h->form = HEADER_SHANGHAI;
        r = json_get_hash(&h->withdrawals_root, in, "withdrawalsRoot", why);
    }
    if (r == 0 && has(in, "blobGasUsed")) {
        h->form = HEADER_CANCUN;
        r = json_get_quantity(&h->blob_gas_used, in, "blobGasUsed", why);
        if (r == 0) r = json_get_quantity(&h->excess_blob_gas, in, "excessBlobGas", why);
        if (r == 0) r = json_get_hash(&h->parent_beacon_root, in, "parentBeaconBlockRoot", why);
    }
    if (r == 0 && has(in, "requestsHash")) {
        h->form = HEADER_PRAGUE;
        r = json_get_hash(&h->requests_hash, in, "requestsHash", why);
    }
    return r;
}

int header_json_decode(struct header *ret, const struct json *in, struct arena *a,
                       struct error *why) {
    struct header h = {.form = HEADER_FRONTIER};
    int r = json_expect(in, JSON_OBJECT, why);
    if (r == 0) r = json_get_hash(&h.parent_hash, in, "parentHash", why);
    if (r == 0) r = json_get_hash(&h.ommers_hash, in, "sha3Uncles", why);
    if (r == 0) r = json_get_address(&h.coinbase, in, "miner", why);
    if (r == 0) r = json_get_hash(&h.state_root, in, "stateRoot", why);
    if (r == 0) r = json_get_hash(&h.transactions_root, in, "transactionsRoot", why);
    if (r == 0) r = json_get_hash(&h.receipts_root, in, "receiptsRoot", why);
    if (r == 0) r = json_get_fixed(h.bloom.b, sizeof h.bloom.b, in, "logsBloom", why);
    if (r == 0) r = json_get_quantity256(&h.difficulty, in, "difficulty", why);
    if (r == 0) r = json_get_quantity(&h.number, in, "number", why);
    if (r == 0) r = json_get_quantity(&h.gas_limit, in, "gasLimit", why);
    if (r == 0) r = json_get_quantity(&h.gas_used, in, "gasUsed", why);
    if (r == 0) r = json_get_quantity(&h.timestamp, in, "timestamp", why);
    if (r == 0) r = json_get_data(&h.extra_data, in, "extraData", a, why);
    if (r == 0) r = json_get_hash(&h.mix_hash, in, "mixHash", why);
    if (r == 0) r = json_get_fixed(h.nonce, sizeof h.nonce, in, "nonce", why);
    if (r == 0) r = optional_fields(&h, in, why);
    if (r != 0) return r;
    struct hash named, hash;
    if (has(in, "hash")) {
        r = json_get_hash(&named, in, "hash", why);
        if (r == 0) r = header_hash(&hash, &h, why);
        if (r != 0) return r;
        if (!hash_equal(&named, &hash)) {
            return json_error(why, ERR_INVALID, in, "header: its hash is not of its fields");
        }
    }
    *ret = h;
    return 0;
}

int withdrawal_json_decode(struct withdrawal *ret, const struct json *in, struct error *why) {
    struct withdrawal w;
    int r = json_get_quantity(&w.index, in, "index", why);
    if (r == 0) r = json_get_quantity(&w.validator_index, in, "validatorIndex", why);
    if (r == 0) r = json_get_address(&w.address, in, "address", why);
    if (r == 0) r = json_get_quantity(&w.amount_gwei, in, "amount", why);
    if (r == 0) *ret = w;
    return r;
}

static int decode_txs(struct block *b, const struct json *in, struct arena *a, struct error *why) {
    int r = json_expect(in, JSON_ARRAY, why);
    if (r != 0) return error_wrap(why, "transactions");
    struct tx *txs = arena_new_array(a, struct tx, json_count(in));
    if (!txs) return json_error(why, ERR_LIMIT, in, "block does not fit its memory limit");
    json_each(item, in) {
        r = tx_json_decode(&txs[b->tx_count], item, a, why);
        if (r != 0) return error_wrap(why, "transaction %zu", b->tx_count);
        b->tx_count++;
    }
    b->txs = txs;
    return 0;
}

static int decode_withdrawals(struct block *b, const struct json *in, struct arena *a,
                              struct error *why) {
    int r = json_expect(in, JSON_ARRAY, why);
    if (r != 0) return error_wrap(why, "withdrawals");
    struct withdrawal *w = arena_new_array(a, struct withdrawal, json_count(in));
    if (!w) return json_error(why, ERR_LIMIT, in, "block does not fit its memory limit");
    json_each(item, in) {
        r = withdrawal_json_decode(&w[b->withdrawal_count], item, why);
        if (r != 0) return error_wrap(why, "withdrawal %zu", b->withdrawal_count);
        b->withdrawal_count++;
    }
    b->has_withdrawals = true;
    b->withdrawals = w;
    return 0;
}

int block_json_decode(struct block *ret, const struct json *in, struct arena *a,
                      struct error *why) {
    struct block b = {.has_withdrawals = false};
    int r = header_json_decode(&b.header, in, a, why);
    if (r != 0) return r;
    r = decode_txs(&b, json_get(in, "transactions"), a, why);
    if (r == 0 && has(in, "withdrawals")) {
        r = decode_withdrawals(&b, json_get(in, "withdrawals"), a, why);
    }
    if (r == 0) *ret = b;
    return r;
}

void header_json_encode(struct json_writer *w, const struct header *h, const struct hash *hash) {
    if (hash) {
        json_add_data(w, "hash", BYTES_OF(*hash));
    } else {
        json_add_null(w, "hash");
    }
    json_add_quantity(w, "number", h->number);
    json_add_data(w, "parentHash", BYTES_OF(h->parent_hash));
    json_add_data(w, "sha3Uncles", BYTES_OF(h->ommers_hash));
    json_add_data(w, "miner", BYTES_OF(h->coinbase));
    json_add_data(w, "stateRoot", BYTES_OF(h->state_root));
    json_add_data(w, "transactionsRoot", BYTES_OF(h->transactions_root));
    json_add_data(w, "receiptsRoot", BYTES_OF(h->receipts_root));
    json_add_data(w, "logsBloom", BYTES_OF(h->bloom));
    json_add_quantity256(w, "difficulty", h->difficulty);
    json_add_quantity(w, "gasLimit", h->gas_limit);
    json_add_quantity(w, "gasUsed", h->gas_used);
    json_add_quantity(w, "timestamp", h->timestamp);
    json_add_data(w, "extraData", h->extra_data);
    json_add_data(w, "mixHash", BYTES_OF(h->mix_hash));
    if (hash) {
        json_add_data(w, "nonce", bytes_make(h->nonce, sizeof h->nonce));
    } else {
        json_add_null(w, "nonce");
    }
    if (h->form >= HEADER_LONDON) json_add_quantity256(w, "baseFeePerGas", h->base_fee);
    if (h->form >= HEADER_SHANGHAI) {
        json_add_data(w, "withdrawalsRoot", BYTES_OF(h->withdrawals_root));
    }
    if (h->form >= HEADER_CANCUN) {
        json_add_quantity(w, "blobGasUsed", h->blob_gas_used);
        json_add_quantity(w, "excessBlobGas", h->excess_blob_gas);
        json_add_data(w, "parentBeaconBlockRoot", BYTES_OF(h->parent_beacon_root));
    }
    if (h->form >= HEADER_PRAGUE) json_add_data(w, "requestsHash", BYTES_OF(h->requests_hash));
}

void withdrawal_json_encode(struct json_writer *w, const char *key, const struct withdrawal *v) {
    json_begin_object(w, key);
    json_add_quantity(w, "index", v->index);
    json_add_quantity(w, "validatorIndex", v->validator_index);
    json_add_data(w, "address", BYTES_OF(v->address));
    json_add_quantity(w, "amount", v->amount_gwei);
    json_end(w);
}

static void put_txs(struct json_writer *w, const struct block *b, const struct hash *hash,
                    const struct address *senders) {
    struct tx_place place = {.in_block = hash != NULL,
                             .block_number = b->header.number,
                             .block_timestamp = b->header.timestamp,
                             .base_fee = b->header.base_fee};
    if (hash) place.block_hash = *hash;
    json_begin_array(w, "transactions");
    for (size_t i = 0; i < b->tx_count; i++) {
        place.index = i;
        if (senders) {
            tx_json_encode(w, NULL, &b->txs[i], &senders[i], &place);
        } else {
            json_add_data(w, NULL, BYTES_OF(b->txs[i].hash));
        }
    }
    json_end(w);
}

void block_json_members(struct json_writer *w, const struct block *b, const struct hash *hash,
                        const struct address *senders) {
    header_json_encode(w, &b->header, hash);
    json_add_quantity(w, "size", block_encoded_size(b));
    put_txs(w, b, hash, senders);
    json_begin_array(w, "uncles");
    for (size_t i = 0; i < b->ommer_count; i++) {
        struct hash ommer;
        if (header_hash(&ommer, &b->ommers[i], NULL) != 0) {
            w->out->failed = ERR_NO_MEMORY;
            return;
        }
        json_add_data(w, NULL, BYTES_OF(ommer));
    }
    json_end(w);
    if (!b->has_withdrawals) return;
    json_begin_array(w, "withdrawals");
    for (size_t i = 0; i < b->withdrawal_count; i++) {
        withdrawal_json_encode(w, NULL, &b->withdrawals[i]);
    }
    json_end(w);
}

void block_json_encode(struct json_writer *w, const char *key, const struct block *b,
                       const struct hash *hash, const struct address *senders) {
    json_begin_object(w, key);
    block_json_members(w, b, hash, senders);
    json_end(w);
}

static void put_log(struct json_writer *w, const char *key, const struct event_log *l,
                    const struct receipt_place *place, uint64_t index, bool removed) {
    json_begin_object(w, key);
    json_add_data(w, "address", BYTES_OF(l->address));
    json_begin_array(w, "topics");
    for (unsigned i = 0; i < l->topic_count; i++) {
        json_add_data(w, NULL, BYTES_OF(l->topics[i]));
    }
    json_end(w);
    json_add_data(w, "data", l->data);
    json_add_data(w, "blockHash", BYTES_OF(place->tx.block_hash));
    json_add_quantity(w, "blockNumber", place->tx.block_number);
    json_add_data(w, "transactionHash", BYTES_OF(place->tx_hash));
    json_add_quantity(w, "transactionIndex", place->tx.index);
    if (place->tx.block_timestamp) {
        json_add_quantity(w, "blockTimestamp", place->tx.block_timestamp);
    }
    json_add_quantity(w, "logIndex", index);
    json_add_bool(w, "removed", removed);
    json_end(w);
}

void log_json_encode(struct json_writer *w, const char *key, const struct event_log *l,
                     const struct receipt_place *place, uint64_t index) {
    put_log(w, key, l, place, index, false);
}

void log_json_encode_removed(struct json_writer *w, const char *key, const struct event_log *l,
                             const struct receipt_place *place, uint64_t index) {
    put_log(w, key, l, place, index, true);
}

static void add_address(struct json_writer *w, const char *key, bool present,
                        const struct address *v) {
    if (present) {
        json_add_data(w, key, BYTES_OF(*v));
    } else {
        json_add_null(w, key);
    }
}

void receipt_json_encode(struct json_writer *w, const char *key, const struct receipt *r,
                         const struct receipt_place *place) {
    json_begin_object(w, key);
    json_add_quantity(w, "type", r->type);
    if (r->has_state_root) {
        json_add_data(w, "root", BYTES_OF(r->state_root));
    } else {
        json_add_quantity(w, "status", r->success);
    }
    json_add_quantity(w, "cumulativeGasUsed", r->cumulative_gas);
    json_add_data(w, "logsBloom", BYTES_OF(r->bloom));
    json_begin_array(w, "logs");
    for (size_t i = 0; i < r->log_count; i++) {
        log_json_encode(w, NULL, &r->logs[i], place, place->first_log + i);
    }
    json_end(w);
    json_add_data(w, "transactionHash", BYTES_OF(place->tx_hash));
    json_add_quantity(w, "transactionIndex", place->tx.index);
    json_add_data(w, "blockHash", BYTES_OF(place->tx.block_hash));
    json_add_quantity(w, "blockNumber", place->tx.block_number);
    json_add_data(w, "from", BYTES_OF(place->from));
    add_address(w, "to", place->has_to, &place->to);
    add_address(w, "contractAddress", place->has_contract, &place->contract);
    json_add_quantity(w, "gasUsed", place->gas_used);
    json_add_quantity256(w, "effectiveGasPrice", place->effective_price);
    if (r->type == TX_BLOB) {
        json_add_quantity(w, "blobGasUsed", place->blob_gas_used);
        json_add_quantity256(w, "blobGasPrice", place->blob_price);
    }
    if (r->has_deposit_nonce) json_add_quantity(w, "depositNonce", r->deposit_nonce);
    if (r->has_deposit_version) {
        json_add_quantity(w, "depositReceiptVersion", r->deposit_version);
    }
    json_end(w);
}
