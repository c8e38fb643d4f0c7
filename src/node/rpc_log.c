/* eth_getLogs. Blooms of blocks that were looked at are kept, so that a search through blocks that
 * have nothing of it reads none of them again. SPDX-License-Identifier: MIT */
#include "node/rpc_internal.h"

#include <stdlib.h>

#define BLOOMS 65536u // kept; about 19 MiB when all are used

/* The bloom of a block, at its number modulo BLOOMS. */
struct bloom_entry {
    struct hash hash; // zero: free
    struct bloom bloom;
};

struct rpc_blooms {
    pthread_mutex_t lock;
    struct bloom_entry *entries;
};

int rpc_blooms_open(struct rpc *r, struct error *why) {
    struct rpc_blooms *b = calloc(1, sizeof *b);
    // Pages of the table come into being as they are used.
    if (b) b->entries = calloc(BLOOMS, sizeof *b->entries);
    if (!b || !b->entries) {
        free(b);
        return error_set(why, ERR_NO_MEMORY, "no memory for blooms");
    }
    pthread_mutex_init(&b->lock, NULL);
    r->blooms = b;
    return 0;
}

void rpc_blooms_close(struct rpc *r) {
    if (!r->blooms) return;
    pthread_mutex_destroy(&r->blooms->lock);
    free(r->blooms->entries);
    free(r->blooms);
    r->blooms = NULL;
}

/* Whether it is known that a block has nothing of the filter. */
static bool is_ruled_out(struct rpc *r, uint64_t number, const struct hash *hash,
                         const struct log_filter_bits *bits) {
    struct bloom_entry *e = &r->blooms->entries[number % BLOOMS];
    pthread_mutex_lock(&r->blooms->lock);
    bool out = hash_equal(&e->hash, hash) && !log_filter_may_match(bits, &e->bloom);
    pthread_mutex_unlock(&r->blooms->lock);
    return out;
}

static void keep_bloom(struct rpc *r, const struct head_block *b) {
    struct bloom_entry *e = &r->blooms->entries[b->block.header.number % BLOOMS];
    pthread_mutex_lock(&r->blooms->lock);
    e->hash = b->hash;
    e->bloom = b->block.header.bloom;
    pthread_mutex_unlock(&r->blooms->lock);
}

/* The number of a range's end. */
static int bound(struct node_call *c, uint64_t *ret, const struct block_param *p, uint64_t head,
                 struct error *why) {
    const struct head_block *b;
    if (p->kind == BLOCK_PARAM_PENDING) {
        return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "pending logs are not supported");
    }
    if (p->kind == BLOCK_PARAM_NUMBER || p->kind == BLOCK_PARAM_LATEST) {
        *ret = p->kind == BLOCK_PARAM_LATEST ? head : p->number;
        return 0;
    }
    int r = rpc_need_block(c, &b, p, why);
    if (r != 0) return r;
    *ret = b->block.header.number;
    head_block_release(b);
    return 0;
}

static int range_of(struct node_call *c, const struct log_filter *f, uint64_t *ret_from,
                    uint64_t *ret_to, struct error *why) {
    const struct head_block *latest = head_latest(c->node->head);
    uint64_t head = latest->block.header.number;
    head_block_release(latest);
    int r = bound(c, ret_from, &f->from, head, why);
    if (r == 0) r = bound(c, ret_to, &f->to, head, why);
    if (r != 0) return r;
    if (*ret_from > head || *ret_to > head) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(),
                         "block range extends beyond current head block");
    }
    if (*ret_from > *ret_to) {
        return node_fail(c, why, JSONRPC_INVALID_PARAMS, rpc_none(), "invalid block range params");
    }
    uint64_t most = c->node->values->log_blocks;
    if (most && *ret_to - *ret_from >= most) {
        return node_fail(c, why, RPC_ERROR_LIMIT, rpc_none(), "query exceeds max block range %llu",
                         (unsigned long long)most);
    }
    return 0;
}

static int too_many(struct node_call *c, uint64_t limit, struct error *why) {
    return node_fail(c, why, RPC_ERROR_LIMIT, rpc_none(), "query returned more than %llu results",
                     (unsigned long long)limit);
}

static int logs_of_hash(struct node_call *c, const struct log_filter *f,
                        const struct log_filter_bits *bits, uint64_t limit, struct error *why) {
    const struct head_block *b;
    uint64_t count = 0;
    int r = head_block_by_hash(c->node->head, &b, &f->block_hash, why);
    if (r == ERR_NOT_FOUND) {
        return node_fail(c, why, RPC_ERROR_FAILED, rpc_none(), "unknown block");
    }
    if (r != 0) return r;
    json_begin_array(c->result, NULL);
    bool all = rpc_block_logs(c->result, b, f, bits, false, &count, limit);
    json_end(c->result);
    head_block_release(b);
    return all ? 0 : too_many(c, limit, why);
}

int rpc_get_logs(struct node_call *c, const struct log_filter *f, struct error *why) {
    uint64_t limit = c->node->values->log_results, from, to, count = 0;
    uint64_t end_ns = clock_monotonic_ns(&clock_system) + c->node->values->call_ns;
    struct log_filter_bits bits;
    if (limit == 0) limit = UINT64_MAX;
    log_filter_bits_init(&bits, f);
    if (f->has_block_hash) return logs_of_hash(c, f, &bits, limit, why);
    int r = range_of(c, f, &from, &to, why);
    if (r != 0) return r;
    json_begin_array(c->result, NULL);
    for (uint64_t n = from; n <= to && r == 0; n++) {
        const struct head_block *b;
        struct hash hash;
        r = head_hash_of(c->node->head, &hash, n, why);
        if (r == 0 && is_ruled_out(rpc_of(c), n, &hash, &bits)) continue;
        if (r == 0) r = head_block_by_hash(c->node->head, &b, &hash, why);
        if (r == ERR_NOT_FOUND) {
            // The chain became shorter meanwhile, or this store begins above the genesis.
            r = node_fail(c, why, RPC_ERROR_PRUNED, rpc_none(), "block #%llu is not there",
                          (unsigned long long)n);
        }
        if (r != 0) break;
        keep_bloom(rpc_of(c), b);
        if (!rpc_block_logs(c->result, b, f, &bits, false, &count, limit)) {
            r = too_many(c, limit, why);
        }
        head_block_release(b);
        if (r == 0 && c->result->out->n > c->node->values->answer_bytes) {
            r = node_fail(c, why, RPC_ERROR_LIMIT, rpc_none(), "response too large");
        }
        if (r == 0 && clock_monotonic_ns(&clock_system) > end_ns) r = rpc_timed_out(c, why);
    }
    json_end(c->result);
    return r;
}

static int get_logs(struct node_call *c, struct error *why) {
    struct log_filter f;
    int r = rpc_expect_params(c, 1, why);
    if (r != 0) return r;
    if (log_filter_decode(&f, node_param(c, 0), c->a, why) != 0) return node_bad_params(c, why);
    return rpc_get_logs(c, &f, why);
}

static const struct node_method methods[] = {
    {"eth_getLogs", get_logs, NODE_USER | NODE_ENGINE},
};
RPC_TABLE(rpc_log_table, methods);
