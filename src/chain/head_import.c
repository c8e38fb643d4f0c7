/* Blocks come in: checks, execution, roots. SPDX-License-Identifier: MIT */
#include "chain/head_internal.h"
#include "chain/header_check.h"
#include "chain/ommers.h"
#include "trie/team.h"

#define AHEAD_TXS_MIN 8                   // fewer are not worth waking threads
#define TIP_BYTES_MAX ((size_t)512 << 20) // of trie nodes of one tip

/* Tries. */

static void tip_drop(struct head_tip *t) {
    state_root_free(t->root);
    head_view_close(t->nodes.view);
    *t = (struct head_tip){0};
}

void head_tips_forget(struct head *h, bool all) {
    for (int i = 0; i < HEAD_TIPS; i++) {
        struct head_tip *t = &h->tips[i];
        if (t->root && (all || !head_find(h, &t->block))) tip_drop(t);
    }
}

// The tries of the parent's state: those of a tip, or new ones in place of the oldest.
static int tip_for(struct head *h, struct head_tip **ret, const struct head_node *parent,
                   struct head_view *view, struct error *why) {
    struct head_tip *oldest = &h->tips[0];
    for (int i = 0; i < HEAD_TIPS; i++) {
        struct head_tip *t = &h->tips[i];
        if (t->root && hash_equal(&t->block, &parent->block.hash)) {
            t->used = ++h->tip_clock;
            *ret = t;
            return 0;
        }
        if (t->used < oldest->used) oldest = t;
    }
    tip_drop(oldest);
    struct head_view *own;
    struct state_root_options options = {.stored = true};
    int r = head_view_make(h, &own, view->node, why);
    if (r != 0) return r;
    options.source = head_view_source(&oldest->nodes, own);
    r = state_root_create(&oldest->root, &parent->block.block.header.state_root, &options, why);
    if (r != 0) {
        tip_drop(oldest);
        return r;
    }
    oldest->block = parent->block.hash;
    oldest->used = ++h->tip_clock;
    *ret = oldest;
    return 0;
}

// Nodes that are not known yet are those of both blocks: the younger view is good for longer.
static int tip_advance(struct head *h, struct head_tip *t, struct head_node *node,
                       struct error *why) {
    struct head_view *view;
    int r = head_view_make(h, &view, node, why);
    if (r != 0) return r;
    head_view_close(t->nodes.view);
    t->nodes.view = view;
    t->block = node->block.hash;
    if (state_root_bytes(t->root) > TIP_BYTES_MAX) state_root_forget(t->root);
    return 0;
}

/* One block. */

struct work {
    struct head *h;
    struct head_node *node, *parent;
    struct head_view *view; /* after the parent */
    struct head_tip *tip;
    struct block_outcome outcome;
    struct hash root;
};

// What is wrong with a trie's nodes is the store's fault, never the block's.
static int root_of(struct work *w, struct hash *ret, const struct state_changes *changes,
                   struct error *why) {
    int r = state_root_compute(w->tip->root, ret, changes->accounts, changes->count, w->h->team,
                               NULL, NULL, why);
    return r == 0 || r == ERR_NO_MEMORY || r == ERR_STALE ? r : head_store_damaged(why);
}

static int root_now(void *ctx, struct state *s, struct hash *ret, struct error *why) {
    struct work *w = ctx;
    struct state_changes changes;
    int r = state_changes_of(&changes, s, &w->h->scratch, why);
    return r == 0 ? root_of(w, ret, &changes, why) : r;
}

static int check_ommers(struct work *w, struct error *why) {
    struct head *h = w->h;
    struct ommer_ancestor ancestors[OMMER_ANCESTORS];
    struct head_node *read[OMMER_ANCESTORS];
    size_t n = 0, read_count = 0;
    for (const struct head_node *at = w->parent; at && n < OMMER_ANCESTORS; at = at->parent) {
        ancestors[n++] = (struct ommer_ancestor){at->block.hash, &at->block.block};
    }
    int r = 0;
    // Below the base the chain is canonical. Only blocks of proof of work need it.
    while (r == 0 && w->node->block.block.ommer_count > 0 && n < OMMER_ANCESTORS) {
        uint64_t number = ancestors[n - 1].block->header.number;
        if (number == h->genesis.header.number) break;
        r = head_store_read(h, &read[read_count], number - 1, why);
        if (r != 0) break;
        const struct head_node *at = read[read_count++];
        ancestors[n++] = (struct ommer_ancestor){at->block.hash, &at->block.block};
    }
    if (r == 0) r = ommers_check(&h->genesis.config, &w->node->block.block, ancestors, n, why);
    while (read_count > 0) {
        head_node_release(read[--read_count]);
    }
    return r;
}

static int run(struct work *w, struct error *why) {
    struct head *h = w->h;
    const struct block *b = &w->node->block.block;
    struct block_env env = block_env_of(&h->genesis.config, b);
    env.block_hash = head_view_block_hash;
    env.block_hash_ctx = w->view;
    env.surcharge = h->surcharge;
    env.state_root = root_now;
    env.state_root_ctx = w;
    state_reset(&h->state, head_view_reader(w->view));
    struct ahead *ahead = b->tx_count >= AHEAD_TXS_MIN ? h->ahead : NULL;
    return block_run_all(&h->run, &h->state, &env, b, w->node->block.senders, ahead, &w->outcome,
                         &h->scratch, why);
}

static int check_passer(struct work *w, struct error *why) {
    struct hash root;
    int r = head_passer_root(&root, w->tip->root, w->view, why);
    if (r != 0 || hash_equal(&root, &w->node->block.block.header.withdrawals_root)) return r;
    return error_set(why, ERR_INVALID, "withdrawals root differs from the header's");
}

// Everything that tells whether the block is valid. ERR_INVALID: it is not.
static int judge(struct work *w, struct head_verdict *v, struct error *why) {
    struct head *h = w->h;
    const struct header *header = &w->node->block.block.header;
    uint64_t begin = clock_monotonic_ns(h->clock);
    int r = header_check(&h->genesis.config, header, &w->parent->block.block.header,
                         &w->parent->block.total_difficulty, why);
    if (r == 0) r = check_ommers(w, why);
    if (r == 0) r = head_node_senders(w->node, h->senders, h->team, why);
    if (r == 0 && h->remote) {
        const struct remote_at at = {w->parent->block.hash,
                                     w->parent->block.block.header.state_root};
        remote_state_prepare(h->remote, &at, &w->node->block.block, w->node->block.senders);
    }
    if (r == 0) r = run(w, why);
    uint64_t executed = clock_monotonic_ns(h->clock);
    struct state_changes changes = {0};
    if (r == 0) r = state_changes_of(&changes, &h->state, &h->scratch, why);
    if (r == 0) r = root_of(w, &w->root, &changes, why);
    if (r == 0 && !hash_equal(&w->root, &header->state_root)) {
        r = error_set(why, ERR_INVALID, "state root differs from the header's");
    }
    if (r == 0 && block_env_has_passer(&h->run.env)) r = check_passer(w, why);
    v->gas_used = header->gas_used;
    v->execute_ns = executed - begin;
    v->root_ns = clock_monotonic_ns(h->clock) - executed;
    if (r != 0) return r;
    w->node->layer = layer_new(&h->seed);
    if (!w->node->layer) return error_set(why, ERR_NO_MEMORY, "no memory for a block's changes");
    state_root_advance(w->tip->root);
    r = layer_fill(w->node->layer, &changes, w->tip->root, h->codes, why);
    if (r == 0 && h->remote) {
        for (size_t i = 0; i < w->node->layer->node_count; i++) {
            remote_state_note(h->remote, w->node->layer->nodes[i].rlp);
        }
    }
    if (r == 0) r = head_node_outcome(w->node, &w->outcome, why);
    if (r == 0) r = head_node_link(w->node, w->parent, why);
    if (r != 0) tip_drop(w->tip); // its parent is no more this block's
    return r;
}

// Into the tree, which holds it from now on.
static int plant(struct work *w, struct error *why) {
    struct head *h = w->h;
    (void)pthread_rwlock_wrlock(&h->lock);
    int r = map_put(&h->tree, BYTES_OF(w->node->block.hash), w->node, NULL, why);
    if (r == 0) w->node->parent = w->parent;
    (void)pthread_rwlock_unlock(&h->lock);
    if (r == 0) w->node = NULL;
    return r;
}

/* Verdicts. */

static void remember_reject(struct head *h, const struct hash *hash, const struct hash *valid) {
    if (hash_is_zero(hash)) return;
    (void)pthread_rwlock_wrlock(&h->lock);
    struct head_reject *r = &h->reject_ring[h->reject_next++ % HEAD_REJECTED_MAX];
    if (map_get(&h->rejects, BYTES_OF(r->hash)) == r)
        (void)map_remove(&h->rejects, BYTES_OF(r->hash));
    *r = (struct head_reject){*hash, *valid};
    // Without memory it is judged again next time.
    (void)!map_put(&h->rejects, BYTES_OF(r->hash), r, NULL, NULL);
    (void)pthread_rwlock_unlock(&h->lock);
}

bool head_reject_of(struct head *h, const struct hash *hash, struct hash *ret_latest_valid) {
    (void)pthread_rwlock_rdlock(&h->lock);
    const struct head_reject *r = map_get(&h->rejects, BYTES_OF(*hash));
    if (r && ret_latest_valid) *ret_latest_valid = r->latest_valid;
    (void)pthread_rwlock_unlock(&h->lock);
    return r != NULL;
}

static int invalid(struct head *h, struct head_verdict *ret, const struct hash *latest_valid) {
    ret->status = HEAD_INVALID;
    ret->latest_valid = *latest_valid;
    remember_reject(h, &ret->hash, latest_valid);
    return 0;
}

// A block that stands on nothing in the tree.
static int orphan(struct head *h, struct head_verdict *ret, const struct hash *parent) {
    struct hash valid;
    uint64_t number;
    if (head_reject_of(h, parent, &valid)) {
        (void)error_set(&ret->reason, ERR_INVALID, "the parent is invalid");
        return invalid(h, ret, &valid);
    }
    ret->status = HEAD_UNKNOWN_PARENT;
    if (head_store_number(h, &number, parent, NULL) == 0) {
        (void)error_set(&ret->reason, ERR_STALE, "the parent's state is not kept any more");
    } else {
        (void)error_set(&ret->reason, ERR_NOT_FOUND, "the parent is not known");
    }
    return 0;
}

// A code of the block's own doing; anything else is ours, and the block may be tried again.
static bool is_verdict(int r) {
    return r == ERR_INVALID || r == ERR_RANGE || r == ERR_SYNTAX || r == ERR_UNSUPPORTED ||
           r == ERR_CONFLICT;
}

static int execute(struct work *w, struct head_verdict *ret, struct error *why) {
    struct head *h = w->h;
    arena_reset(&h->scratch);
    int r = head_node_check_body(w->node, &h->genesis.config, &h->scratch, &ret->reason);
    if (r == ERR_INVALID) {
        // Another body may come with this header: its hash is not to blame.
        ret->latest_valid = w->parent->block.hash;
        return 0;
    }
    if (r != 0 && why) *why = ret->reason;
    if (r == 0) r = head_view_make(h, &w->view, w->parent, why);
    if (r == 0) r = tip_for(h, &w->tip, w->parent, w->view, why);
    if (r == 0) {
        r = judge(w, ret, &ret->reason);
        if (r != 0 && !is_verdict(r) && why) *why = ret->reason;
    }
    struct head_node *node = w->node;
    if (r == 0) r = plant(w, why);
    if (r == 0) {
        ret->status = HEAD_VALID;
        if (tip_advance(h, w->tip, node, why) != 0) tip_drop(w->tip);
    } else if (is_verdict(r)) {
        r = invalid(h, ret, &w->parent->block.hash);
    }
    state_reset(&h->state, (struct state_reader){0});
    head_view_close(w->view);
    return r;
}

int head_execute(struct head *h, struct head_verdict *ret, struct bytes rlp, bool again,
                 struct error *why) {
    struct work w = {.h = h};
    *ret = (struct head_verdict){.status = HEAD_INVALID};
    int r = head_node_new(&w.node, rlp, &ret->reason);
    if (r != 0) {
        if (is_verdict(r) || r == ERR_LIMIT) return 0;
        if (why) *why = ret->reason;
        return r;
    }
    const struct hash *hash = &w.node->block.hash,
                      *parent = &w.node->block.block.header.parent_hash;
    ret->hash = *hash;
    uint64_t number;
    if (head_find(h, hash) || (!again && head_store_number(h, &number, hash, NULL) == 0)) {
        ret->status = HEAD_KNOWN;
    } else if (head_reject_of(h, hash, &ret->latest_valid)) {
        (void)error_set(&ret->reason, ERR_INVALID, "was found invalid before");
    } else if (!(w.parent = head_find(h, parent))) {
        r = orphan(h, ret, parent);
    } else if (h->tree.n >= HEAD_PENDING_MAX) {
        r = error_set(why, ERR_LIMIT, "more than %d blocks above the stored state",
                      HEAD_PENDING_MAX);
    } else {
        r = execute(&w, ret, why);
    }
    head_node_release(w.node);
    return r;
}

int head_import(struct head *h, struct head_verdict *ret, struct bytes rlp, struct error *why) {
    (void)pthread_mutex_lock(&h->work);
    int r = head_execute(h, ret, rlp, false, why);
    (void)pthread_mutex_unlock(&h->work);
    return r;
}

int head_import_block(struct head *h, struct head_verdict *ret, const struct block *block,
                      struct error *why) {
    struct buf rlp;
    buf_init(&rlp, 0);
    block_encode(&rlp, block);
    int r = buf_check(&rlp, why);
    if (r == 0) r = head_import(h, ret, buf_view(&rlp), why);
    buf_free(&rlp);
    return r;
}
