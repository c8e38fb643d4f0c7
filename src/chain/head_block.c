/* Blocks of the head: life, senders, outcomes. SPDX-License-Identifier: MIT */
#include "chain/head_internal.h"

#include "chain/ommers.h"
#include "trie/ordered_root.h"
#include "trie/team.h"

#include <stdlib.h>

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for a block");
}

/* Life. */

static struct head_node *node_of(const struct head_block *b) {
    return (struct head_node *)(uintptr_t)b; // the first member; only the count changes
}

int head_node_new(struct head_node **ret, struct bytes rlp, struct error *why) {
    struct head_node *n = calloc(1, sizeof *n);
    if (!n) return no_memory(why);
    atomic_init(&n->holders, 1);
    arena_init(&n->memory, 0);
    n->block.rlp = arena_copy(&n->memory, rlp);
    int r = rlp.n && !n->block.rlp.p ? no_memory(why) : 0;
    if (r == 0) r = block_decode(&n->block.block, n->block.rlp, &n->memory, why);
    if (r == 0) r = header_hash(&n->block.hash, &n->block.block.header, why);
    if (r != 0) {
        head_node_release(n);
        return r;
    }
    *ret = n;
    return 0;
}

void head_node_release(struct head_node *n) {
    if (!n || atomic_fetch_sub_explicit(&n->holders, 1, memory_order_acq_rel) != 1) return;
    layer_release(n->layer);
    arena_free(&n->memory);
    free(n);
}

const struct head_block *head_block_retain(const struct head_block *b) {
    (void)atomic_fetch_add_explicit(&node_of(b)->holders, 1, memory_order_relaxed);
    return b;
}

void head_block_release(const struct head_block *b) {
    if (b) head_node_release(node_of(b));
}

/* Bodies. */

static int check_transactions(const struct block *b, struct arena *scratch, struct error *why) {
    struct hash root;
    struct bytes *values = arena_new_array(scratch, struct bytes, b->tx_count);
    if (!values) return no_memory(why);
    for (size_t i = 0; i < b->tx_count; i++) {
        values[i] = b->txs[i].raw;
    }
    int r = trie_ordered_root(&root, values, b->tx_count, scratch, why);
    if (r != 0 || hash_equal(&root, &b->header.transactions_root)) return r;
    return error_set(why, ERR_INVALID, "transactions root differs from the header's");
}

static int check_withdrawals(const struct block *b, const struct chain_config *c,
                             struct arena *scratch, struct error *why) {
    const struct block_env env = block_env_of(c, b);
    bool wanted = b->header.form >= HEADER_SHANGHAI;
    if (b->has_withdrawals != wanted || (block_env_has_passer(&env) && b->withdrawal_count > 0)) {
        return error_set(why, ERR_INVALID, "withdrawals are not those of its fork");
    }
    if (!wanted || block_env_has_passer(&env)) return 0;
    struct hash root;
    int r = block_withdrawals_root(&root, b->withdrawals, b->withdrawal_count, scratch, why);
    if (r != 0 || hash_equal(&root, &b->header.withdrawals_root)) return r;
    return error_set(why, ERR_INVALID, "withdrawals root differs from the header's");
}

int head_node_check_body(const struct head_node *n, const struct chain_config *c,
                         struct arena *scratch, struct error *why) {
    const struct block *b = &n->block.block;
    int r = check_transactions(b, scratch, why);
    if (r == 0) r = check_withdrawals(b, c, scratch, why);
    return r == 0 ? ommers_check_hash(b, why) : r;
}

/* Senders. */

#define SENDERS_GRAIN 4

struct recovery {
    const struct block *block;
    struct address *senders;
    struct sender_cache *cache;
    atomic_size_t failed; // the lowest index that failed
};

static int recover_one(const struct recovery *r, size_t i, struct error *why) {
    const struct tx *t = &r->block->txs[i];
    return r->cache ? tx_sender_cached(&r->senders[i], t, r->cache, why)
                    : tx_sender(&r->senders[i], t, why);
}

static void recover_some(void *arg, unsigned member, size_t from, size_t to) {
    (void)member;
    struct recovery *r = arg;
    for (size_t i = from; i < to; i++) {
        if (recover_one(r, i, NULL) == 0) continue;
        size_t lowest = atomic_load(&r->failed);
        while (i < lowest && !atomic_compare_exchange_weak(&r->failed, &lowest, i)) {
        }
    }
}

int head_node_senders(struct head_node *n, struct sender_cache *cache, struct trie_team *team,
                      struct error *why) {
    const struct block *b = &n->block.block;
    struct recovery r = {.block = b, .cache = cache};
    atomic_init(&r.failed, SIZE_MAX);
    r.senders = arena_new_array(&n->memory, struct address, b->tx_count);
    if (!r.senders) return no_memory(why);
    if (team) {
        trie_team_run(team, b->tx_count, SENDERS_GRAIN, recover_some, &r);
    } else {
        recover_some(&r, 0, 0, b->tx_count);
    }
    n->block.senders = r.senders;
    size_t failed = atomic_load(&r.failed);
    if (failed == SIZE_MAX) return 0;
    (void)recover_one(&r, failed, why);
    (void)error_wrap(why, "transaction %zu", failed);
    return ERR_INVALID;
}

/* Outcomes. */

static bool copy_logs(struct arena *a, struct receipt *r) {
    struct event_log *logs = arena_new_array(a, struct event_log, r->log_count);
    if (!logs) return false;
    for (size_t i = 0; i < r->log_count; i++) {
        logs[i] = r->logs[i];
        logs[i].data = arena_copy(a, r->logs[i].data);
        if (r->logs[i].data.n && !logs[i].data.p) return false;
    }
    r->logs = logs;
    return true;
}

const struct receipt *head_copy_receipts(struct arena *a, const struct receipt *from,
                                         size_t count) {
    struct receipt *receipts = arena_new_array(a, struct receipt, count);
    for (size_t i = 0; receipts && i < count; i++) {
        receipts[i] = from[i];
        if (!copy_logs(a, &receipts[i])) return NULL;
    }
    return receipts;
}

int head_node_outcome(struct head_node *n, const struct block_outcome *o, struct error *why) {
    struct head_block *b = &n->block;
    b->receipts = head_copy_receipts(&n->memory, o->receipts, o->receipt_count);
    if (!b->receipts) return no_memory(why);
    for (size_t i = 0; i < o->request_count; i++) {
        b->requests[i] = arena_copy(&n->memory, o->requests[i]);
        if (!b->requests[i].p) return no_memory(why);
    }
    b->request_count = o->request_count;
    return 0;
}

uint64_t head_receipt_gas(const struct head_block *b, size_t index) {
    uint64_t before = index ? b->receipts[index - 1].cumulative_gas : 0;
    return b->receipts[index].cumulative_gas - before;
}

int head_node_link(struct head_node *n, const struct head_node *parent, struct error *why) {
    n->hashes = arena_new_array(&n->memory, struct hash, HEAD_BLOCK_HASHES);
    if (!n->hashes) return no_memory(why);
    uint64_t number = n->block.block.header.number;
    n->hashes_from = number;
    n->block.total_difficulty = n->block.block.header.difficulty;
    if (parent) {
        memcpy(n->hashes, parent->hashes, HEAD_BLOCK_HASHES * sizeof *n->hashes);
        bool full = number - parent->hashes_from >= HEAD_BLOCK_HASHES;
        n->hashes_from = full ? number - HEAD_BLOCK_HASHES + 1 : parent->hashes_from;
        n->block.total_difficulty =
            u256_add(parent->block.total_difficulty, n->block.block.header.difficulty);
    }
    n->hashes[number % HEAD_BLOCK_HASHES] = n->block.hash;
    return 0;
}
