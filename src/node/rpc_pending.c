/* The pending block: what the node would build now, on its head, from its pool.
 * SPDX-License-Identifier: MIT */
#include "chain/produce.h"
#include "node/dev.h"
#include "node/rpc_internal.h"

#include <stdlib.h>

struct rpc_pending {
    pthread_mutex_t lock; /* one block at a time */
    struct producer *producer;
};

int rpc_pending_open(struct rpc *r, struct error *why) {
    r->pending = calloc(1, sizeof *r->pending);
    if (!r->pending) return error_set(why, ERR_NO_MEMORY, "no memory for the pending block");
    pthread_mutex_init(&r->pending->lock, NULL);
    return 0;
}

void rpc_pending_close(struct rpc *r) {
    if (!r->pending) return;
    producer_free(r->pending->producer);
    pthread_mutex_destroy(&r->pending->lock);
    free(r->pending);
    r->pending = NULL;
}

static int begin(struct node *n, struct producer *p, struct error *why) {
    const struct head_block *parent = head_latest(n->head);
    const struct header *h = &parent->block.header;
    uint64_t now = rpc_now_s();
    struct produce_attributes attributes = {
        .timestamp = now > h->timestamp ? now : h->timestamp + 1,
        .fee_recipient = h->coinbase,
        .prev_randao = h->mix_hash,
        .gas_limit = n->values->gas_limit,
        .extra_data = bytes_from_str(n->values->extra_data),
    };
    if (node_fee_recipient(n, &attributes.fee_recipient, NULL) != 0) {
        attributes.fee_recipient = h->coinbase;
    }
    int r = producer_begin(p, &parent->hash, &attributes, why);
    head_block_release(parent);
    return r;
}

/* Runs what the pool offers, best first; gives what stands in the block. */
static int fill(struct producer *p, const struct txpool_list *offered, const struct tx **txs,
                struct address *senders, size_t *ret_count, struct error *why) {
    struct block_run *run = producer_run(p);
    size_t n = 0;
    for (size_t i = 0; i < offered->count; i++) {
        const struct pool_tx *t = offered->items[i];
        struct transact_result result;
        if (t->tx.gas > run->env.gas_limit - run->gas_used) continue;
        int r = block_run_tx(run, &t->tx, &t->sender, &result, why);
        if (r != 0) return r;
        if (result.fault != TRANSACT_VALID) continue;
        txs[n] = &t->tx;
        senders[n++] = t->sender;
    }
    *ret_count = n;
    return 0;
}

static int build(struct node_call *c, struct producer *p, struct block *ret,
                 const struct address **ret_senders, struct error *why) {
    struct txpool_list offered;
    struct produced sealed;
    size_t count = 0;
    int r = begin(c->node, p, why);
    if (r != 0) return r;
    r = txpool_pending(c->node->txpool, producer_header(p)->base_fee, &offered, why);
    if (r != 0) return r;
    const struct tx **txs = arena_new_array(c->a, const struct tx *, offered.count);
    struct address *senders = arena_new_array(c->a, struct address, offered.count);
    if (!txs || !senders) {
        r = error_set(why, ERR_NO_MEMORY, "no memory for the pending block");
    }
    if (r == 0) r = fill(p, &offered, txs, senders, &count, why);
    if (r == 0) r = producer_seal(p, &sealed, txs, count, c->a, why);
    if (r == 0) r = block_decode(ret, sealed.rlp, c->a, why);
    if (r == 0 && ret_senders) *ret_senders = senders;
    txpool_list_free(&offered);
    return r;
}

int rpc_pending_block(struct node_call *c, struct block *ret, const struct address **ret_senders,
                      struct error *why) {
    struct rpc_pending *p = rpc_of(c)->pending;
    int r = 0;
    pthread_mutex_lock(&p->lock);
    if (!p->producer) r = producer_new(&p->producer, c->node->head, NULL, why);
    if (r == 0) r = build(c, p->producer, ret, ret_senders, why);
    pthread_mutex_unlock(&p->lock);
    return r;
}
