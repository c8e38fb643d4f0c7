/* Payloads of the Engine API and the blocks they are. SPDX-License-Identifier: MIT */
#include "chain/engine.h"

#include "eth/rpc_json.h"
#include "trie/ordered_root.h"

void engine_payload_encode(struct json_writer *w, const char *key,
                           const struct execution_payload *p, unsigned parts) {
    json_begin_object(w, key);
    json_add_data(w, "parentHash", BYTES_OF(p->parent_hash));
    json_add_data(w, "feeRecipient", BYTES_OF(p->fee_recipient));
    json_add_data(w, "stateRoot", BYTES_OF(p->state_root));
    json_add_data(w, "receiptsRoot", BYTES_OF(p->receipts_root));
    json_add_data(w, "logsBloom", BYTES_OF(p->logs_bloom));
    json_add_data(w, "prevRandao", BYTES_OF(p->prev_randao));
    json_add_quantity(w, "blockNumber", p->block_number);
    json_add_quantity(w, "gasLimit", p->gas_limit);
    json_add_quantity(w, "gasUsed", p->gas_used);
    json_add_quantity(w, "timestamp", p->timestamp);
    json_add_data(w, "extraData", p->extra_data);
    json_add_quantity256(w, "baseFeePerGas", p->base_fee_per_gas);
    json_add_data(w, "blockHash", BYTES_OF(p->block_hash));
    json_begin_array(w, "transactions");
    for (size_t i = 0; i < p->transactions.count; i++) {
        json_add_data(w, NULL, p->transactions.items[i]);
    }
    json_end(w);
    if (parts & ENGINE_WITHDRAWALS) {
        json_begin_array(w, "withdrawals");
        for (size_t i = 0; i < p->withdrawals.count; i++) {
            withdrawal_json_encode(w, NULL, &p->withdrawals.items[i]);
        }
        json_end(w);
    }
    if (parts & ENGINE_BLOB_GAS) {
        json_add_quantity(w, "blobGasUsed", p->blob_gas_used);
        json_add_quantity(w, "excessBlobGas", p->excess_blob_gas);
    }
    json_end(w);
}

static int decode_transactions(struct execution_payload *p, const struct json *in, struct arena *a,
                               struct error *why) {
    int r = json_expect(in, JSON_ARRAY, why);
    if (r != 0) return error_wrap(why, "transactions");
    size_t n = 0;
    struct bytes *items = arena_new_array(a, struct bytes, json_count(in) + 1);
    if (!items) return error_set(why, ERR_LIMIT, "too many transactions");
    json_each(item, in) {
        r = json_data(&items[n++], item, a, why);
        if (r != 0) return error_wrap(why, "transactions[%zu]", n - 1);
    }
    p->transactions.items = items;
    p->transactions.count = n;
    return 0;
}

static int decode_withdrawals(const struct withdrawal **ret, size_t *ret_count,
                              const struct json *in, struct arena *a, struct error *why) {
    int r = json_expect(in, JSON_ARRAY, why);
    if (r != 0) return error_wrap(why, "withdrawals");
    size_t n = 0;
    struct withdrawal *items = arena_new_array(a, struct withdrawal, json_count(in) + 1);
    if (!items) return error_set(why, ERR_LIMIT, "too many withdrawals");
    json_each(item, in) {
        r = withdrawal_json_decode(&items[n++], item, why);
        if (r != 0) return error_wrap(why, "withdrawals[%zu]", n - 1);
    }
    *ret = items;
    *ret_count = n;
    return 0;
}

static int decode_optional(struct execution_payload *p, unsigned *ret_parts, const struct json *in,
                           struct arena *a, struct error *why) {
    const struct json *withdrawals = json_get(in, "withdrawals");
    bool used = !json_is_null(json_get(in, "blobGasUsed"));
    bool excess = !json_is_null(json_get(in, "excessBlobGas"));
    int r = 0;
    *ret_parts = 0;
    if (!json_is_null(withdrawals)) {
        r = decode_withdrawals(&p->withdrawals.items, &p->withdrawals.count, withdrawals, a, why);
        *ret_parts |= ENGINE_WITHDRAWALS;
    }
    if (r == 0 && (used || excess)) {
        r = json_get_quantity(&p->blob_gas_used, in, "blobGasUsed", why);
        if (r == 0) r = json_get_quantity(&p->excess_blob_gas, in, "excessBlobGas", why);
        *ret_parts |= ENGINE_BLOB_GAS;
    }
    return r;
}

int engine_payload_decode(struct execution_payload *ret, unsigned *ret_parts, const struct json *in,
                          struct arena *a, struct error *why) {
    struct execution_payload p = {0};
    int r = json_expect(in, JSON_OBJECT, why);
    if (r == 0) r = json_get_hash(&p.parent_hash, in, "parentHash", why);
    if (r == 0) r = json_get_address(&p.fee_recipient, in, "feeRecipient", why);
    if (r == 0) r = json_get_hash(&p.state_root, in, "stateRoot", why);
    if (r == 0) r = json_get_hash(&p.receipts_root, in, "receiptsRoot", why);
    if (r == 0) r = json_get_fixed(p.logs_bloom.b, sizeof p.logs_bloom.b, in, "logsBloom", why);
    if (r == 0) r = json_get_hash(&p.prev_randao, in, "prevRandao", why);
    if (r == 0) r = json_get_quantity(&p.block_number, in, "blockNumber", why);
    if (r == 0) r = json_get_quantity(&p.gas_limit, in, "gasLimit", why);
    if (r == 0) r = json_get_quantity(&p.gas_used, in, "gasUsed", why);
    if (r == 0) r = json_get_quantity(&p.timestamp, in, "timestamp", why);
    if (r == 0) r = json_get_data(&p.extra_data, in, "extraData", a, why);
    if (r == 0 && p.extra_data.n > 32) {
        r = error_set(why, ERR_LIMIT, "extraData is longer than 32 bytes");
    }
    if (r == 0) r = json_get_quantity256(&p.base_fee_per_gas, in, "baseFeePerGas", why);
    if (r == 0) r = json_get_hash(&p.block_hash, in, "blockHash", why);
    if (r == 0) r = decode_transactions(&p, json_get(in, "transactions"), a, why);
    if (r == 0) r = decode_optional(&p, ret_parts, in, a, why);
    if (r == 0) *ret = p;
    return r;
}

static int withdrawals_root(struct hash *ret, const struct withdrawal *items, size_t count,
                            struct arena *a, struct error *why) {
    struct bytes *values = arena_new_array(a, struct bytes, count + 1);
    struct buf out;
    if (!values) return error_set(why, ERR_NO_MEMORY, "no memory for withdrawals");
    buf_init(&out, 0);
    for (size_t i = 0; i < count; i++) {
        buf_clear(&out);
        withdrawal_encode(&out, &items[i]);
        values[i] = arena_copy(a, buf_view(&out));
    }
    int r = buf_check(&out, why);
    buf_free(&out);
    return r == 0 ? trie_ordered_root(ret, values, count, a, why) : r;
}

static int fill_header(struct header *h, const struct execution_payload *p, unsigned parts,
                       const struct engine_extra *extra, struct arena *a, struct error *why) {
    *h = (struct header){
        .parent_hash = p->parent_hash,
        .ommers_hash = BLOCK_EMPTY_OMMERS,
        .coinbase = p->fee_recipient,
        .state_root = p->state_root,
        .receipts_root = p->receipts_root,
        .bloom = p->logs_bloom,
        .number = p->block_number,
        .gas_limit = p->gas_limit,
        .gas_used = p->gas_used,
        .timestamp = p->timestamp,
        .extra_data = p->extra_data,
        .mix_hash = p->prev_randao,
        .form = HEADER_LONDON,
        .base_fee = p->base_fee_per_gas,
    };
    int r = trie_ordered_root(&h->transactions_root, p->transactions.items, p->transactions.count,
                              a, why);
    if (r == 0 && (parts & ENGINE_WITHDRAWALS)) {
        h->form = HEADER_SHANGHAI;
        r = withdrawals_root(&h->withdrawals_root, p->withdrawals.items, p->withdrawals.count, a,
                             why);
    }
    if (extra->has_beacon_root) {
        h->form = HEADER_CANCUN;
        h->blob_gas_used = p->blob_gas_used;
        h->excess_blob_gas = p->excess_blob_gas;
        h->parent_beacon_root = extra->beacon_root;
    }
    if (extra->has_requests) {
        h->form = HEADER_PRAGUE;
        h->requests_hash = requests_hash(extra->requests, extra->request_count);
    }
    return r;
}

int engine_payload_block(struct block *ret, const struct execution_payload *p, unsigned parts,
                         const struct engine_extra *extra, struct arena *a, struct error *why) {
    struct block b = {.has_withdrawals = (parts & ENGINE_WITHDRAWALS) != 0,
                      .withdrawals = p->withdrawals.items,
                      .withdrawal_count = p->withdrawals.count,
                      .tx_count = p->transactions.count};
    struct tx *txs = arena_new_array(a, struct tx, b.tx_count + 1);
    if (!txs) return error_set(why, ERR_NO_MEMORY, "no memory for transactions");
    for (size_t i = 0; i < b.tx_count; i++) {
        int r = p->transactions.items[i].n == 0
                    ? error_set(why, ERR_SYNTAX, "it is empty")
                    : tx_decode(&txs[i], p->transactions.items[i], a, why);
        if (r != 0) return error_wrap(why, "transaction %zu", i);
    }
    b.txs = txs;
    int r = fill_header(&b.header, p, parts, extra, a, why);
    if (r == 0) *ret = b;
    return r;
}

int engine_payload_of(struct execution_payload *ret, unsigned *ret_parts, const struct block *b,
                      const struct hash *hash, struct arena *a, struct error *why) {
    const struct header *h = &b->header;
    struct bytes *txs = arena_new_array(a, struct bytes, b->tx_count + 1);
    if (!txs) return error_set(why, ERR_NO_MEMORY, "no memory for transactions");
    for (size_t i = 0; i < b->tx_count; i++) {
        txs[i] = b->txs[i].raw;
    }
    *ret = (struct execution_payload){
        .parent_hash = h->parent_hash,
        .fee_recipient = h->coinbase,
        .state_root = h->state_root,
        .receipts_root = h->receipts_root,
        .logs_bloom = h->bloom,
        .prev_randao = h->mix_hash,
        .block_number = h->number,
        .gas_limit = h->gas_limit,
        .gas_used = h->gas_used,
        .timestamp = h->timestamp,
        .extra_data = h->extra_data,
        .base_fee_per_gas = h->base_fee,
        .block_hash = *hash,
        .blob_gas_used = h->blob_gas_used,
        .excess_blob_gas = h->excess_blob_gas,
    };
    ret->transactions.items = txs;
    ret->transactions.count = b->tx_count;
    ret->withdrawals.items = b->withdrawals;
    ret->withdrawals.count = b->withdrawal_count;
    *ret_parts = (b->has_withdrawals ? ENGINE_WITHDRAWALS : 0) |
                 (h->form >= HEADER_CANCUN ? ENGINE_BLOB_GAS : 0);
    return 0;
}

void engine_body_encode(struct json_writer *w, const char *key, const struct block *b) {
    json_begin_object(w, key);
    json_begin_array(w, "transactions");
    for (size_t i = 0; i < b->tx_count; i++) {
        json_add_data(w, NULL, b->txs[i].raw);
    }
    json_end(w);
    if (b->has_withdrawals) {
        json_begin_array(w, "withdrawals");
        for (size_t i = 0; i < b->withdrawal_count; i++) {
            withdrawal_json_encode(w, NULL, &b->withdrawals[i]);
        }
        json_end(w);
    } else {
        json_add_null(w, "withdrawals");
    }
    json_end(w);
}
