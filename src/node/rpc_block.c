/* Blocks, transactions and receipts as users see them. SPDX-License-Identifier: MIT */
#include "eth/fees.h"
#include "eth/tx_check.h"
#include "node/rpc_internal.h"

/* ---- objects ---- */

static struct tx_place place_of(const struct head_block *b, size_t index) {
    const struct header *h = &b->block.header;
    struct tx_place p = {.in_block = true,
                         .block_hash = b->hash,
                         .block_number = h->number,
                         .block_timestamp = h->timestamp,
                         .index = index,
                         .base_fee = h->base_fee};
    const struct receipt *r = &b->receipts[index];
    if (r->has_deposit_nonce) p.deposit_nonce = r->deposit_nonce;
    return p;
}

void rpc_put_tx(struct json_writer *w, const struct head_block *b, size_t index) {
    struct tx_place place = place_of(b, index);
    tx_json_encode(w, NULL, &b->block.txs[index], &b->senders[index], &place);
}

void rpc_put_pool_tx(struct json_writer *w, const char *key, const struct pool_tx *t) {
    tx_json_encode(w, key, &t->tx, &t->sender, NULL);
}

void rpc_put_header(struct json_writer *w, const char *key, const struct head_block *b) {
    json_begin_object(w, key);
    header_json_encode(w, &b->block.header, &b->hash);
    json_end(w);
}

/* What a receipt object needs beside the receipt. */
static struct receipt_place receipt_place_of(const struct head_block *b, size_t index,
                                             const struct chain_config *config) {
    const struct tx *t = &b->block.txs[index];
    struct receipt_place p = {
        .tx = place_of(b, index),
        .tx_hash = t->hash,
        .from = b->senders[index],
        .has_to = t->has_to,
        .to = t->to,
        .has_contract = !t->has_to,
        .gas_used = head_receipt_gas(b, index),
        .effective_price = tx_effective_price(t, b->block.header.base_fee),
        .blob_gas_used = tx_blob_gas(t),
    };
    if (!t->has_to) {
        const struct receipt *r = &b->receipts[index];
        uint64_t nonce = r->has_deposit_nonce ? r->deposit_nonce : t->nonce;
        p.contract = tx_create_address(&b->senders[index], nonce);
    }
    if (t->type == TX_BLOB) p.blob_price = rpc_blob_base_fee(config, &b->block.header);
    for (size_t i = 0; i < index; i++) {
        p.first_log += b->receipts[i].log_count;
    }
    return p;
}

void rpc_put_receipt(struct json_writer *w, const struct head_block *b, size_t index,
                     const struct chain_config *config) {
    struct receipt_place place = receipt_place_of(b, index, config);
    receipt_json_encode(w, NULL, &b->receipts[index], &place);
}

bool rpc_block_logs(struct json_writer *w, const struct head_block *b, const struct log_filter *f,
                    const struct log_filter_bits *bits, bool removed, uint64_t *count,
                    uint64_t limit) {
    uint64_t index = 0;
    if (!log_filter_may_match(bits, &b->block.header.bloom)) return true;
    for (size_t i = 0; i < b->block.tx_count; i++) {
        const struct receipt *r = &b->receipts[i];
        struct receipt_place place = {.tx = place_of(b, i), .tx_hash = b->block.txs[i].hash};
        for (size_t k = 0; k < r->log_count; k++, index++) {
            if (!log_filter_matches(f, &r->logs[k])) continue;
            if (++*count > limit) return false;
            if (removed) {
                log_json_encode_removed(w, NULL, &r->logs[k], &place, index);
            } else {
                log_json_encode(w, NULL, &r->logs[k], &place, index);
            }
        }
    }
    return true;
}

/* ---- blocks ---- */

/* A parameter that names a block by hash alone. */
static int by_hash(struct node_call *c, const struct head_block **ret, struct error *why) {
    struct block_param p = {.kind = BLOCK_PARAM_HASH};
    int r = rpc_param_hash(c, &p.hash, 0, why);
    return r == 0 ? rpc_find_block(c, ret, &p, why) : r;
}

static int by_number(struct node_call *c, const struct head_block **ret, struct block_param *ret_p,
                     struct error *why) {
    struct block_param p;
    int r = rpc_expect_params(c, 1, why);
    if (r != 0) return r;
    if (block_param_decode_number(&p, node_param(c, 0), BLOCK_PARAM_LATEST, why) != 0) {
        error_wrap(why, "invalid argument 0");
        return node_bad_params(c, why);
    }
    r = rpc_find_block(c, ret, &p, why);
    if (r == 0 && ret_p) *ret_p = p;
    return r;
}

static void put_block(struct node_call *c, const struct head_block *b, bool full) {
    if (b) {
        block_json_encode(c->result, NULL, &b->block, &b->hash, full ? b->senders : NULL);
    } else {
        json_add_null(c->result, NULL);
    }
}

static int get_block_by_hash(struct node_call *c, struct error *why) {
    const struct head_block *b;
    bool full;
    int r = rpc_param_bool(c, &full, 1, false, why);
    if (r == 0) r = by_hash(c, &b, why);
    if (r != 0) return r;
    put_block(c, b, full);
    head_block_release(b);
    return 0;
}

static int get_block_by_number(struct node_call *c, struct error *why) {
    const struct head_block *b;
    struct block_param p;
    bool full;
    int r = rpc_param_bool(c, &full, 1, false, why);
    if (r == 0) r = by_number(c, &b, &p, why);
    if (r != 0) return r;
    if (p.kind == BLOCK_PARAM_PENDING) {
        struct block next;
        const struct address *senders;
        head_block_release(b);
        r = rpc_pending_block(c, &next, &senders, why);
        if (r == 0) block_json_encode(c->result, NULL, &next, NULL, full ? senders : NULL);
        return r;
    }
    put_block(c, b, full);
    head_block_release(b);
    return 0;
}

static void put_header(struct node_call *c, const struct head_block *b) {
    if (b) {
        rpc_put_header(c->result, NULL, b);
    } else {
        json_add_null(c->result, NULL);
    }
    head_block_release(b);
}

static int get_header_by_hash(struct node_call *c, struct error *why) {
    const struct head_block *b;
    int r = by_hash(c, &b, why);
    if (r == 0) put_header(c, b);
    return r;
}

static int get_header_by_number(struct node_call *c, struct error *why) {
    const struct head_block *b;
    struct block_param p;
    int r = by_number(c, &b, &p, why);
    if (r != 0) return r;
    if (p.kind == BLOCK_PARAM_PENDING) {
        head_block_release(b);
        b = NULL;
    }
    put_header(c, b);
    return 0;
}

/* ---- counts ---- */

static void put_count(struct node_call *c, const struct head_block *b, size_t n) {
    if (b) {
        json_add_quantity(c->result, NULL, n);
    } else {
        json_add_null(c->result, NULL);
    }
    head_block_release(b);
}

static int tx_count_by_hash(struct node_call *c, struct error *why) {
    const struct head_block *b;
    int r = by_hash(c, &b, why);
    if (r == 0) put_count(c, b, b ? b->block.tx_count : 0);
    return r;
}

static int tx_count_by_number(struct node_call *c, struct error *why) {
    const struct head_block *b;
    struct block_param p;
    int r = by_number(c, &b, &p, why);
    if (r != 0) return r;
    if (p.kind == BLOCK_PARAM_PENDING) {
        struct block next;
        head_block_release(b);
        r = rpc_pending_block(c, &next, NULL, why);
        if (r == 0) json_add_quantity(c->result, NULL, next.tx_count);
        return r;
    }
    put_count(c, b, b ? b->block.tx_count : 0);
    return 0;
}

static int uncle_count_by_hash(struct node_call *c, struct error *why) {
    const struct head_block *b;
    int r = by_hash(c, &b, why);
    if (r == 0) put_count(c, b, b ? b->block.ommer_count : 0);
    return r;
}

static int uncle_count_by_number(struct node_call *c, struct error *why) {
    const struct head_block *b;
    int r = by_number(c, &b, NULL, why);
    if (r == 0) put_count(c, b, b ? b->block.ommer_count : 0);
    return r;
}

static int put_uncle(struct node_call *c, const struct head_block *b, struct error *why) {
    uint64_t index;
    int r = rpc_param_quantity(c, &index, 1, why);
    if (r == 0 && b && index < b->block.ommer_count) {
        struct block uncle = {.header = b->block.ommers[index]};
        struct hash hash;
        r = header_hash(&hash, &uncle.header, why);
        if (r == 0) block_json_encode(c->result, NULL, &uncle, &hash, NULL);
    } else if (r == 0) {
        json_add_null(c->result, NULL);
    }
    head_block_release(b);
    return r;
}

static int uncle_by_hash(struct node_call *c, struct error *why) {
    const struct head_block *b;
    int r = by_hash(c, &b, why);
    return r == 0 ? put_uncle(c, b, why) : r;
}

static int uncle_by_number(struct node_call *c, struct error *why) {
    const struct head_block *b;
    int r = by_number(c, &b, NULL, why);
    return r == 0 ? put_uncle(c, b, why) : r;
}

/* ---- transactions ---- */

static int put_indexed(struct node_call *c, const struct head_block *b, bool raw,
                       struct error *why) {
    uint64_t index;
    int r = rpc_param_quantity(c, &index, 1, why);
    if (r == 0 && b && index < b->block.tx_count) {
        if (raw) {
            json_add_data(c->result, NULL, b->block.txs[index].raw);
        } else {
            rpc_put_tx(c->result, b, index);
        }
    } else if (r == 0) {
        json_add_null(c->result, NULL);
    }
    head_block_release(b);
    return r;
}

static int tx_by_block_hash(struct node_call *c, struct error *why) {
    const struct head_block *b;
    int r = by_hash(c, &b, why);
    return r == 0 ? put_indexed(c, b, false, why) : r;
}

/* One of the transactions that the next block would have. */
static int put_pending_indexed(struct node_call *c, bool raw, struct error *why) {
    struct block next;
    const struct address *senders;
    uint64_t index;
    int r = rpc_param_quantity(c, &index, 1, why);
    if (r == 0) r = rpc_pending_block(c, &next, &senders, why);
    if (r != 0) return r;
    if (index >= next.tx_count) {
        json_add_null(c->result, NULL);
    } else if (raw) {
        json_add_data(c->result, NULL, next.txs[index].raw);
    } else {
        tx_json_encode(c->result, NULL, &next.txs[index], &senders[index], NULL);
    }
    return 0;
}

static int put_indexed_by_number(struct node_call *c, bool raw, struct error *why) {
    const struct head_block *b;
    struct block_param p;
    int r = by_number(c, &b, &p, why);
    if (r != 0) return r;
    if (p.kind != BLOCK_PARAM_PENDING) return put_indexed(c, b, raw, why);
    head_block_release(b);
    return put_pending_indexed(c, raw, why);
}

static int tx_by_block_number(struct node_call *c, struct error *why) {
    return put_indexed_by_number(c, false, why);
}

static int raw_tx_by_block_hash(struct node_call *c, struct error *why) {
    const struct head_block *b;
    int r = by_hash(c, &b, why);
    return r == 0 ? put_indexed(c, b, true, why) : r;
}

static int raw_tx_by_block_number(struct node_call *c, struct error *why) {
    return put_indexed_by_number(c, true, why);
}

/* A transaction of the chain (block set) or of the pool; neither when it is not known. */
static int find_tx(struct node_call *c, const struct head_block **ret, size_t *ret_index,
                   struct pool_tx **ret_pool, struct error *why) {
    struct hash hash;
    *ret = NULL;
    *ret_pool = NULL;
    int r = rpc_param_hash(c, &hash, 0, why);
    if (r != 0) return r;
    r = head_tx_find(c->node->head, ret, ret_index, &hash, why);
    if (r == 0) return 0;
    *ret = NULL;
    if (r != ERR_NOT_FOUND) return r;
    *ret_pool = txpool_get(c->node->txpool, &hash);
    return 0;
}

static int tx_by_hash(struct node_call *c, struct error *why) {
    const struct head_block *b;
    struct pool_tx *pending;
    size_t index;
    int r = find_tx(c, &b, &index, &pending, why);
    if (r != 0) return r;
    if (b) {
        rpc_put_tx(c->result, b, index);
    } else if (pending) {
        rpc_put_pool_tx(c->result, NULL, pending);
    } else {
        json_add_null(c->result, NULL);
    }
    head_block_release(b);
    pool_tx_release(pending);
    return 0;
}

static int put_raw_tx(struct node_call *c, bool network, const char *missing, struct error *why) {
    const struct head_block *b;
    struct pool_tx *pending;
    size_t index;
    int r = find_tx(c, &b, &index, &pending, why);
    if (r != 0) return r;
    if (b) {
        json_add_data(c->result, NULL, b->block.txs[index].raw);
    } else if (pending) {
        json_add_data(c->result, NULL, network ? pending->network : pending->tx.raw);
    } else if (missing) {
        r = node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "%s", missing);
    } else {
        json_add_null(c->result, NULL);
    }
    head_block_release(b);
    pool_tx_release(pending);
    return r;
}

static int raw_tx_by_hash(struct node_call *c, struct error *why) {
    return put_raw_tx(c, true, NULL, why);
}

static int debug_raw_tx(struct node_call *c, struct error *why) {
    return put_raw_tx(c, false, NULL, why);
}

static int tx_receipt(struct node_call *c, struct error *why) {
    const struct head_block *b;
    struct pool_tx *pending;
    size_t index;
    int r = find_tx(c, &b, &index, &pending, why);
    if (r != 0) return r;
    if (b) {
        rpc_put_receipt(c->result, b, index, c->node->config);
    } else {
        json_add_null(c->result, NULL);
    }
    head_block_release(b);
    pool_tx_release(pending);
    return 0;
}

static int block_receipts(struct node_call *c, struct error *why) {
    const struct head_block *b;
    struct block_param p;
    int r = rpc_expect_params(c, 1, why);
    if (r == 0) r = rpc_param_block(c, &p, 0, why);
    if (r == 0) r = rpc_find_block(c, &b, &p, why);
    if (r != 0) return r;
    if (b && p.kind != BLOCK_PARAM_PENDING) {
        json_begin_array(c->result, NULL);
        for (size_t i = 0; i < b->block.tx_count; i++) {
            rpc_put_receipt(c->result, b, i, c->node->config);
        }
        json_end(c->result);
    } else {
        json_add_null(c->result, NULL); // what is pending has no receipts
    }
    head_block_release(b);
    return 0;
}

/* ---- raw (debug_) ---- */

static int raw_block(struct node_call *c, struct error *why) {
    const struct head_block *b;
    int r = rpc_expect_params(c, 1, why);
    if (r == 0) r = rpc_need_param_block(c, &b, 0, NULL, why);
    if (r != 0) return r;
    json_add_data(c->result, NULL, b->rlp);
    head_block_release(b);
    return 0;
}

static int raw_header(struct node_call *c, struct error *why) {
    const struct head_block *b;
    int r = rpc_expect_params(c, 1, why);
    if (r == 0) r = rpc_need_param_block(c, &b, 0, NULL, why);
    if (r != 0) return r;
    struct buf out;
    buf_init(&out, 0);
    header_encode(&out, &b->block.header);
    r = buf_check(&out, why);
    if (r == 0) json_add_data(c->result, NULL, buf_view(&out));
    buf_free(&out);
    head_block_release(b);
    return r;
}

static int raw_receipts(struct node_call *c, struct error *why) {
    const struct head_block *b;
    int r = rpc_expect_params(c, 1, why);
    if (r == 0) r = rpc_need_param_block(c, &b, 0, NULL, why);
    if (r != 0) return r;
    struct buf out;
    buf_init(&out, 0);
    json_begin_array(c->result, NULL);
    for (size_t i = 0; i < b->block.tx_count; i++) {
        buf_clear(&out);
        receipt_encode(&out, &b->receipts[i]);
        json_add_data(c->result, NULL, buf_view(&out));
    }
    json_end(c->result);
    r = buf_check(&out, why);
    buf_free(&out);
    head_block_release(b);
    return r;
}

static int bad_blocks(struct node_call *c, struct error *why) {
    (void)why;
    json_begin_array(c->result, NULL); // what is not valid is not kept
    json_end(c->result);
    return 0;
}

static const struct node_method methods[] = {
    {"eth_getBlockByHash", get_block_by_hash, NODE_USER | NODE_ENGINE},
    {"eth_getBlockByNumber", get_block_by_number, NODE_USER | NODE_ENGINE},
    {"eth_getHeaderByHash", get_header_by_hash, NODE_USER},
    {"eth_getHeaderByNumber", get_header_by_number, NODE_USER},
    {"eth_getBlockTransactionCountByHash", tx_count_by_hash, NODE_USER},
    {"eth_getBlockTransactionCountByNumber", tx_count_by_number, NODE_USER},
    {"eth_getUncleCountByBlockHash", uncle_count_by_hash, NODE_USER},
    {"eth_getUncleCountByBlockNumber", uncle_count_by_number, NODE_USER},
    {"eth_getUncleByBlockHashAndIndex", uncle_by_hash, NODE_USER},
    {"eth_getUncleByBlockNumberAndIndex", uncle_by_number, NODE_USER},
    {"eth_getTransactionByHash", tx_by_hash, NODE_USER},
    {"eth_getTransactionByBlockHashAndIndex", tx_by_block_hash, NODE_USER},
    {"eth_getTransactionByBlockNumberAndIndex", tx_by_block_number, NODE_USER},
    {"eth_getRawTransactionByHash", raw_tx_by_hash, NODE_USER | NODE_ENGINE},
    {"eth_getRawTransactionByBlockHashAndIndex", raw_tx_by_block_hash, NODE_USER},
    {"eth_getRawTransactionByBlockNumberAndIndex", raw_tx_by_block_number, NODE_USER},
    {"eth_getTransactionReceipt", tx_receipt, NODE_USER},
    {"eth_getBlockReceipts", block_receipts, NODE_USER},
    {"debug_getRawBlock", raw_block, NODE_USER | NODE_ENGINE},
    {"debug_getRawHeader", raw_header, NODE_USER},
    {"debug_getRawReceipts", raw_receipts, NODE_USER},
    {"debug_getRawTransaction", debug_raw_tx, NODE_USER},
    {"debug_getBadBlocks", bad_blocks, NODE_USER},
};
RPC_TABLE(rpc_block_table, methods);
