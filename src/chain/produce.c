/* SPDX-License-Identifier: MIT */
#include "chain/produce.h"

#include "chain/head_internal.h"
#include "chain/header_check.h"
#include "trie/ordered_root.h"

#include <stdlib.h>

#define ROOT_BYTES_MAX ((size_t)256 << 20) // of trie nodes that a producer keeps

/* The leaf of a transaction in a list's trie, by the transaction's hash; what falls on another's
 * place takes it. */
#define LEAF_PLACES 8192u
struct known_leaf {
    struct hash tx, leaf;
};

struct producer {
    struct head *h;
    struct trie_team *team;
    struct evm vm;
    struct state state;
    struct block_run run;
    struct head_view *view;  // after the parent; NULL before the first begin
    struct state_mark clean; // nothing done on the view's state
    struct state_root *root;
    struct head_view_nodes nodes;
    struct header header;
    struct arena attributes, scratch;
    const struct withdrawal *withdrawals;
    size_t withdrawal_count;
    struct known_leaf *leaves; // LEAF_PLACES; NULL: none are remembered
    bool begun;
};

static int no_memory(struct error *why) {
    return error_set(why, ERR_NO_MEMORY, "no memory for making a block");
}

/* Life. */

int producer_new(struct producer **ret, struct head *h, struct trie_team *team, struct error *why) {
    struct producer *p = calloc(1, sizeof *p);
    if (!p) return no_memory(why);
    p->h = h;
    p->team = team;
    arena_init(&p->attributes, 0);
    arena_init(&p->scratch, 0);
    int r = evm_init(&p->vm, h->codes, h->precompiles, why);
    if (r != 0) {
        free(p);
        return r;
    }
    r = state_init(&p->state, (struct state_reader){0}, h->codes, why);
    if (r != 0) {
        evm_free(&p->vm);
        free(p);
        return r;
    }
    block_run_init(&p->run, &p->vm);
    *ret = p;
    return 0;
}

void producer_free(struct producer *p) {
    if (!p) return;
    block_run_free(&p->run);
    state_free(&p->state);
    evm_free(&p->vm);
    state_root_free(p->root);
    head_view_close(p->view);
    arena_free(&p->attributes);
    arena_free(&p->scratch);
    free(p->leaves);
    free(p);
}

/* The parent. */

// Takes the tries along from the old parent to the new one, if that is its descendant.
static bool follow(struct producer *p, const struct head_view *to) {
    if (!p->root || !p->view) return false;
    size_t n = 0;
    while (n < to->layer_count && to->layers[n] != p->view->layers[0]) {
        n++;
    }
    if (n == to->layer_count || state_root_bytes(p->root) > ROOT_BYTES_MAX) return false;
    while (n-- > 0) {
        const struct layer *l = to->layers[n];
        struct state_account_change *changes =
            arena_new_array(&p->scratch, struct state_account_change, l->account_count);
        struct hash root;
        for (size_t i = 0; changes && i < l->account_count; i++) {
            changes[i] = *l->accounts[i].change;
        }
        if (!changes || state_root_compute(p->root, &root, changes, l->account_count, p->team, NULL,
                                           NULL, NULL) != 0) {
            return false;
        }
        state_root_advance(p->root);
    }
    struct hash root = state_root_parent(p->root);
    return hash_equal(&root, &to->node->block.block.header.state_root);
}

static int enter_parent(struct producer *p, const struct hash *parent, struct error *why) {
    struct head_view *view;
    if (p->view && hash_equal(&p->view->node->block.hash, parent)) {
        state_revert(&p->state, p->clean);
        if (p->state.failed.code != 0) state_reset(&p->state, head_view_reader(p->view));
        return 0;
    }
    int r = head_view_open(p->h, &view, parent, why);
    if (r != 0) return r;
    arena_reset(&p->scratch);
    if (!follow(p, view)) {
        state_root_free(p->root);
        p->root = NULL;
    }
    head_view_close(p->view);
    p->view = view;
    struct state_root_options options = {.source = head_view_source(&p->nodes, view)};
    state_reset(&p->state, head_view_reader(view));
    p->clean = state_mark_now(&p->state);
    if (p->root) return 0;
    return state_root_create(&p->root, &view->node->block.block.header.state_root, &options, why);
}

/* Attributes. */

static int take_extra_data(struct producer *p, const struct produce_attributes *a,
                           struct error *why) {
    if (a->extra_data.n > EXTRA_DATA_MAX) {
        return error_set(why, ERR_INVALID, "extra data is longer than %d bytes", EXTRA_DATA_MAX);
    }
    const struct op_config *op = &p->h->genesis.config.op;
    struct bytes extra_data = a->extra_data;
    uint8_t parameters[OP_EXTRA_DATA_MAX];
    if (op->enabled && op_fork_at(op, a->timestamp) >= OP_HOLOCENE) {
        int r = op_extra_data(parameters, &extra_data.n, op, a->timestamp, &a->base_fee, why);
        if (r != 0) return r;
        extra_data.p = parameters;
    }
    p->header.extra_data = arena_copy(&p->attributes, extra_data);
    return extra_data.n && !p->header.extra_data.p ? no_memory(why) : 0;
}

static int take_withdrawals(struct producer *p, const struct produce_attributes *a,
                            struct error *why) {
    if (a->withdrawal_count && p->header.form < HEADER_SHANGHAI) {
        return error_set(why, ERR_INVALID, "withdrawals before their fork");
    }
    struct bytes list = arena_copy(
        &p->attributes, bytes_make(a->withdrawals, a->withdrawal_count * sizeof *a->withdrawals));
    if (a->withdrawal_count && !list.p) return no_memory(why);
    p->withdrawals = (const void *)list.p;
    p->withdrawal_count = a->withdrawal_count;
    return 0;
}

static int take_attributes(struct producer *p, const struct produce_attributes *a,
                           enum fork *ret_fork, struct error *why) {
    const struct chain_config *c = &p->h->genesis.config;
    const struct head_block *parent = &p->view->node->block;
    const struct header *before = &parent->block.header;
    uint64_t number = before->number + 1;
    enum fork fork = chain_fork_at(c, number, a->timestamp, true);
    if (a->timestamp <= before->timestamp) {
        return error_set(why, ERR_INVALID, "the timestamp is not after the parent's");
    }
    if (fork < FORK_PARIS) return error_set(why, ERR_INVALID, "the chain is of proof of work");
    p->header = (struct header){
        .parent_hash = parent->hash,
        .ommers_hash = BLOCK_EMPTY_OMMERS,
        .coinbase = a->fee_recipient,
        .number = number,
        .timestamp = a->timestamp,
        .mix_hash = a->prev_randao,
        .form = header_form_of(fork),
        .parent_beacon_root = a->parent_beacon_root,
    };
    int r = header_base_fee_at(c, before, a->timestamp, &p->header.base_fee, why);
    if (r != 0) return r;
    uint64_t wanted = a->gas_limit ? a->gas_limit : before->gas_limit;
    bool exact = a->gas_limit_exact || c->op.enabled;
    p->header.gas_limit = exact ? wanted : header_gas_limit(c, fork, before, wanted);
    if (fork >= FORK_CANCUN) {
        p->header.excess_blob_gas = header_excess_blob_gas(c, fork, a->timestamp, before);
    }
    *ret_fork = fork;
    r = take_extra_data(p, a, why);
    return r == 0 ? take_withdrawals(p, a, why) : r;
}

int producer_begin(struct producer *p, const struct hash *parent,
                   const struct produce_attributes *attributes, struct error *why) {
    enum fork fork = FORK_PARIS;
    p->begun = false;
    int r = enter_parent(p, parent, why);
    arena_reset(&p->attributes);
    if (r == 0) r = take_attributes(p, attributes, &fork, why);
    if (r != 0) return r;
    const struct block block = {.header = p->header,
                                .has_withdrawals = fork >= FORK_SHANGHAI,
                                .withdrawals = p->withdrawals,
                                .withdrawal_count = p->withdrawal_count};
    struct block_env env = block_env_of(&p->h->genesis.config, &block);
    env.block_hash = head_view_block_hash;
    env.block_hash_ctx = p->view;
    env.surcharge = p->h->surcharge;
    r = block_run_begin(&p->run, &p->state, &env, why);
    if (r == 0) r = state_check(&p->state, why);
    p->begun = r == 0;
    return r;
}

struct head *producer_head(struct producer *p) {
    return p->h;
}

struct block_run *producer_run(struct producer *p) {
    return &p->run;
}

const struct header *producer_header(const struct producer *p) {
    return &p->header;
}

struct head_view *producer_view(struct producer *p) {
    return p->view;
}

/* Sealing. */

static int take_outcome(struct producer *p, struct produced *ret, struct block_outcome *o,
                        struct arena *a, struct error *why) {
    struct header *h = &ret->header;
    int r = block_run_finish(&p->run, o, &p->scratch, why);
    if (r != 0) return r;
    h->gas_used = o->gas_used;
    h->blob_gas_used = o->blob_gas_used;
    h->bloom = o->bloom;
    h->receipts_root = o->receipts_root;
    h->withdrawals_root = o->withdrawals_root;
    h->requests_hash = o->requests_hash;
    ret->receipts = head_copy_receipts(a, o->receipts, o->receipt_count);
    ret->receipt_count = o->receipt_count;
    if (!ret->receipts) return no_memory(why);
    for (size_t i = 0; i < o->request_count; i++) {
        ret->requests[i] = arena_copy(a, o->requests[i]);
        if (!ret->requests[i].p) return no_memory(why);
    }
    ret->request_count = o->request_count;
    return 0;
}

static int take_state_root(struct producer *p, struct produced *ret, struct error *why) {
    struct state_changes changes;
    int r = state_changes_of(&changes, &p->state, &p->scratch, why);
    if (r != 0) return r;
    r = state_root_compute(p->root, &ret->header.state_root, changes.accounts, changes.count,
                           p->team, NULL, NULL, why);
    if (r != 0 || !block_env_has_passer(&p->run.env)) return r;
    return head_passer_root(&ret->header.withdrawals_root, p->root, p->view, why);
}

void producer_expect_repeats(struct producer *p) {
    block_run_expect_repeats(&p->run);
    if (!p->leaves) p->leaves = calloc(LEAF_PLACES, sizeof *p->leaves);
}

static struct known_leaf *leaf_of(struct producer *p, const struct tx *t) {
    return &p->leaves[load_le64(t->hash.b) % LEAF_PLACES];
}

// A transaction's hash is that of its bytes, so that the hash tells the leaf.
static int transactions_root(struct producer *p, struct hash *ret, const struct tx *const *txs,
                             const struct bytes *raws, size_t count, struct error *why) {
    if (!p->leaves) return trie_ordered_root(ret, raws, count, &p->scratch, why);
    struct hash *leaves = arena_new_array(&p->scratch, struct hash, count + 1);
    if (!leaves) return no_memory(why);
    for (size_t i = 0; i < count; i++) {
        const struct known_leaf *known = leaf_of(p, txs[i]);
        if (hash_equal(&known->tx, &txs[i]->hash)) leaves[i] = known->leaf;
    }
    int r = trie_ordered_root_known(ret, raws, count, leaves, &p->scratch, why);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (!hash_is_zero(&leaves[i]))
            *leaf_of(p, txs[i]) = (struct known_leaf){txs[i]->hash, leaves[i]};
    }
    return r;
}

static int take_header(struct producer *p, struct produced *ret, const struct tx *const *txs,
                       size_t count, struct arena *a, struct error *why) {
    struct bytes *raws = arena_new_array(&p->scratch, struct bytes, count);
    struct tx *list = arena_new_array(&p->scratch, struct tx, count + 1);
    struct buf rlp;
    if (!raws || !list) return no_memory(why);
    for (size_t i = 0; i < count; i++) {
        raws[i] = txs[i]->raw;
        list[i].type = txs[i]->type; // all that an encoding needs: the rest is cold memory
        list[i].raw = txs[i]->raw;
    }
    int r = transactions_root(p, &ret->header.transactions_root, txs, raws, count, why);
    if (r == 0) r = header_hash(&ret->hash, &ret->header, why);
    if (r != 0) return r;
    const struct block block = {.header = ret->header,
                                .txs = list,
                                .tx_count = count,
                                .has_withdrawals = ret->header.form >= HEADER_SHANGHAI,
                                .withdrawals = p->withdrawals,
                                .withdrawal_count = p->withdrawal_count};
    uint32_t most = fork_rules_of(p->run.env.fork)->block_rlp_max;
    if (most && block_encoded_size(&block) > most) {
        return error_set(why, ERR_INVALID, "the block is larger than %u bytes", most);
    }
    buf_init(&rlp, 0);
    block_encode(&rlp, &block);
    r = buf_check(&rlp, why);
    if (r == 0) ret->rlp = arena_copy(a, buf_view(&rlp));
    buf_free(&rlp);
    return r == 0 && !ret->rlp.p ? no_memory(why) : r;
}

int producer_seal(struct producer *p, struct produced *ret, const struct tx *const *txs,
                  size_t count, struct arena *a, struct error *why) {
    if (!p->begun || count != p->run.count) {
        return error_set(why, ERR_CONFLICT, "the run has %zu transactions, not %zu", p->run.count,
                         count);
    }
    const struct clock *clock = p->h->clock;
    struct block_mark mark = block_run_mark(&p->run);
    struct produced made = {.header = p->header};
    struct block_outcome outcome;
    arena_reset(&p->scratch);
    made.header.extra_data = arena_copy(a, p->header.extra_data);
    uint64_t begin = clock_monotonic_ns(clock);
    int r = take_outcome(p, &made, &outcome, a, why);
    uint64_t finished = clock_monotonic_ns(clock);
    if (r == 0) r = take_state_root(p, &made, why);
    uint64_t rooted = clock_monotonic_ns(clock);
    block_run_rewind(&p->run, mark);
    if (r == 0) r = take_header(p, &made, txs, count, a, why);
    made.times = (struct produce_times){finished - begin, rooted - finished,
                                        clock_monotonic_ns(clock) - rooted};
    if (r == 0) *ret = made;
    return r;
}
