/* Prices: eth_gasPrice, eth_maxPriorityFeePerGas, eth_blobBaseFee, eth_feeHistory.
 * SPDX-License-Identifier: MIT */
#include "eth/fee_history.h"
#include "eth/fees.h"
#include "eth/tx_check.h"
#include "node/rpc_internal.h"

#include <stdlib.h>

#define TIP_BLOCKS 20u     // looked at for a suggestion
#define TIP_SAMPLES 3u     // of each block, the cheapest
#define TIP_IGNORED_WEI 2u // below it a tip says nothing
#define TIP_DEFAULT_WEI 1000000000u
#define TIP_MOST_GWEI 500u

/* ---- suggestions ---- */

/* The cheapest tips of a block that count. */
static size_t cheapest_tips(struct u256 ret[TIP_SAMPLES], const struct head_block *b) {
    const struct header *h = &b->block.header;
    size_t n = 0;
    for (size_t i = 0; i < b->block.tx_count; i++) {
        const struct tx *t = &b->block.txs[i];
        if (t->type == TX_DEPOSIT || address_equal(&b->senders[i], &h->coinbase)) continue;
        struct u256 tip = u256_sub(tx_effective_price(t, h->base_fee), h->base_fee);
        if (u256_compare(tip, u256_from_u64(TIP_IGNORED_WEI)) < 0) continue;
        size_t at = n < TIP_SAMPLES ? n++ : TIP_SAMPLES;
        while (at > 0 && u256_compare(tip, ret[at - 1]) < 0) {
            if (at < TIP_SAMPLES) ret[at] = ret[at - 1];
            at--;
        }
        if (at < TIP_SAMPLES) ret[at] = tip;
    }
    return n;
}

int rpc_suggest_tip(struct node_call *c, struct u256 *ret, struct error *why) {
    struct u256 tips[TIP_BLOCKS * TIP_SAMPLES];
    struct u256 otherwise = u256_from_u64(TIP_DEFAULT_WEI);
    size_t n = 0;
    const struct head_block *b = head_latest(c->node->head);
    for (unsigned i = 0; i < TIP_BLOCKS && b; i++) {
        size_t found = cheapest_tips(&tips[n], b);
        if (found == 0 && b->block.tx_count == 0) tips[n + found++] = otherwise;
        n += found;
        struct hash parent = b->block.header.parent_hash;
        bool first = b->block.header.number == 0;
        head_block_release(b);
        b = NULL;
        if (first) break;
        int r = head_block_by_hash(c->node->head, &b, &parent, why);
        if (r == ERR_NOT_FOUND) b = NULL;
        if (r != 0 && r != ERR_NOT_FOUND) return r;
    }
    head_block_release(b);
    *ret = fee_suggest_tip(tips, n, otherwise, u256_from_u64(TIP_MOST_GWEI * 1000000000ull));
    return 0;
}

static struct header next_header(struct node_call *c) {
    const struct head_block *b = head_latest(c->node->head);
    struct header h;
    rpc_header_after(&h, c->node->config, &b->block.header, &b->hash,
                     b->block.header.timestamp + 1);
    head_block_release(b);
    return h;
}

static int gas_price(struct node_call *c, struct error *why) {
    struct u256 tip;
    int r = rpc_suggest_tip(c, &tip, why);
    if (r != 0) return r;
    struct header h = next_header(c);
    json_add_quantity256(c->result, NULL, u256_add(h.base_fee, tip));
    return 0;
}

static int priority_fee(struct node_call *c, struct error *why) {
    struct u256 tip;
    int r = rpc_suggest_tip(c, &tip, why);
    if (r == 0) json_add_quantity256(c->result, NULL, tip);
    return r;
}

static int blob_fee(struct node_call *c, struct error *why) {
    (void)why;
    struct header h = next_header(c);
    json_add_quantity256(c->result, NULL, rpc_blob_base_fee(c->node->config, &h));
    return 0;
}

/* ---- history ---- */

struct history {
    uint64_t count, newest;
    double percentiles[FEE_HISTORY_PERCENTILES_MAX];
    size_t percentile_count;
    const struct head_block **blocks; /* count, oldest first */
};

/* A count, as a QUANTITY or as a plain number, as every node takes it. */
static int read_count(struct node_call *c, uint64_t *ret, struct error *why) {
    const struct json *v = node_param(c, 0);
    int r = json_type_of(v) == JSON_NUMBER ? json_u64(ret, v, why)
            : v                            ? json_quantity(ret, v, why)
                                           : error_set(why, ERR_NOT_FOUND, "missing block count");
    if (r != 0) return node_bad_params(c, why);
    if (*ret > FEE_HISTORY_BLOCKS_MAX) *ret = FEE_HISTORY_BLOCKS_MAX;
    return 0;
}

static int read_percentiles(struct node_call *c, struct history *h, struct error *why) {
    const struct json *list = node_param(c, 2);
    if (!list) return 0;
    int r = json_expect(list, JSON_ARRAY, why);
    if (r == 0 && json_count(list) > FEE_HISTORY_PERCENTILES_MAX) {
        r = error_set(why, ERR_LIMIT, "over the query limit %u", FEE_HISTORY_PERCENTILES_MAX);
    }
    json_each(item, list) {
        if (r == 0) r = json_double(&h->percentiles[h->percentile_count++], item, why);
    }
    if (r == 0) r = fee_percentiles_check(h->percentiles, h->percentile_count, why);
    return r == 0 ? 0 : node_bad_params(c, why);
}

static int read_newest(struct node_call *c, struct history *h, struct error *why) {
    struct block_param p;
    const struct head_block *b, *latest = head_latest(c->node->head);
    uint64_t head = latest->block.header.number;
    head_block_release(latest);
    if (!node_param(c, 1)) {
        (void)error_set(why, ERR_NOT_FOUND, "missing value for required argument 1");
        return node_bad_params(c, why);
    }
    if (block_param_decode_number(&p, node_param(c, 1), BLOCK_PARAM_LATEST, why) != 0) {
        return node_bad_params(c, why);
    }
    if (p.kind == BLOCK_PARAM_NUMBER && p.number > head) {
        return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(),
                         "request beyond head block: requested %llu, head %llu",
                         (unsigned long long)p.number, (unsigned long long)head);
    }
    int r = rpc_need_block(c, &b, &p, why);
    if (r != 0) return r;
    h->newest = b->block.header.number;
    head_block_release(b);
    if (h->count > h->newest + 1) h->count = h->newest + 1;
    return 0;
}

static int reward_of(struct node_call *c, struct json_writer *w, const struct history *h,
                     const struct head_block *b, struct error *why) {
    struct u256 tips[FEE_HISTORY_PERCENTILES_MAX];
    const struct header *header = &b->block.header;
    struct arena_mark mark = arena_mark(c->a);
    struct fee_sample *samples = arena_new_array(c->a, struct fee_sample, b->block.tx_count);
    if (!samples) return error_set(why, ERR_NO_MEMORY, "no memory for fees");
    for (size_t i = 0; i < b->block.tx_count; i++) {
        struct u256 price = tx_effective_price(&b->block.txs[i], header->base_fee);
        struct u256 tip = U256_ZERO;
        if (u256_compare(price, header->base_fee) > 0) tip = u256_sub(price, header->base_fee);
        samples[i] = (struct fee_sample){tip, head_receipt_gas(b, i)};
    }
    fee_samples_sort(samples, b->block.tx_count);
    fee_percentiles(tips, samples, b->block.tx_count, header->gas_used, h->percentiles,
                    h->percentile_count);
    json_begin_array(w, NULL);
    for (size_t i = 0; i < h->percentile_count; i++) {
        json_add_quantity256(w, NULL, tips[i]);
    }
    json_end(w);
    arena_rewind(c->a, mark);
    return 0;
}

static double ratio(uint64_t part, uint64_t whole) {
    return whole ? (double)part / (double)whole : 0;
}

static int put_history(struct node_call *c, const struct history *h, struct error *why) {
    struct json_writer *w = c->result;
    struct header next;
    int r = 0;
    const struct head_block *last = h->blocks[h->count - 1];
    rpc_header_after(&next, c->node->config, &last->block.header, &last->hash,
                     last->block.header.timestamp + 1);
    json_begin_object(w, NULL);
    json_add_quantity(w, "oldestBlock", h->newest + 1 - h->count);
    if (h->percentile_count) {
        json_begin_array(w, "reward");
        for (uint64_t i = 0; i < h->count && r == 0; i++) {
            r = reward_of(c, w, h, h->blocks[i], why);
        }
        json_end(w);
    }
    json_begin_array(w, "baseFeePerGas");
    for (uint64_t i = 0; i < h->count; i++) {
        json_add_quantity256(w, NULL, h->blocks[i]->block.header.base_fee);
    }
    json_add_quantity256(w, NULL, next.base_fee);
    json_end(w);
    json_begin_array(w, "gasUsedRatio");
    for (uint64_t i = 0; i < h->count; i++) {
        const struct header *b = &h->blocks[i]->block.header;
        json_add_double(w, NULL, ratio(b->gas_used, b->gas_limit));
    }
    json_end(w);
    json_begin_array(w, "baseFeePerBlobGas");
    for (uint64_t i = 0; i < h->count; i++) {
        json_add_quantity256(w, NULL,
                             rpc_blob_base_fee(c->node->config, &h->blocks[i]->block.header));
    }
    json_add_quantity256(w, NULL, rpc_blob_base_fee(c->node->config, &next));
    json_end(w);
    json_begin_array(w, "blobGasUsedRatio");
    for (uint64_t i = 0; i < h->count; i++) {
        const struct header *b = &h->blocks[i]->block.header;
        const struct blob_params *p = chain_blobs_at(c->node->config, b->timestamp);
        json_add_double(w, NULL, ratio(b->blob_gas_used, p ? (uint64_t)p->max * GAS_PER_BLOB : 0));
    }
    json_end(w);
    json_end(w);
    return r;
}

static int fee_history(struct node_call *c, struct error *why) {
    struct history h = {.count = 0};
    uint64_t held = 0;
    int r = read_count(c, &h.count, why);
    if (r == 0) r = read_percentiles(c, &h, why);
    if (r == 0) r = read_newest(c, &h, why);
    if (r != 0) return r;
    if (h.count == 0) {
        json_begin_object(c->result, NULL);
        json_add_quantity(c->result, "oldestBlock", 0);
        json_add_null(c->result, "gasUsedRatio");
        json_end(c->result);
        return 0;
    }
    h.blocks = arena_new_array(c->a, const struct head_block *, h.count);
    if (!h.blocks) return error_set(why, ERR_NO_MEMORY, "no memory for fees");
    for (; held < h.count && r == 0; held += r == 0) {
        r = head_block_by_number(c->node->head, &h.blocks[held], h.newest + 1 - h.count + held,
                                 why);
    }
    if (r == 0) r = put_history(c, &h, why);
    for (uint64_t i = 0; i < held; i++) {
        head_block_release(h.blocks[i]);
    }
    return r;
}

static const struct node_method methods[] = {
    {"eth_gasPrice", gas_price, NODE_USER},
    {"eth_maxPriorityFeePerGas", priority_fee, NODE_USER},
    {"eth_blobBaseFee", blob_fee, NODE_USER},
    {"eth_feeHistory", fee_history, NODE_USER},
};
RPC_TABLE(rpc_fee_table, methods);
