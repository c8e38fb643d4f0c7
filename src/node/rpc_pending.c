/* The pending block: what the node would build now, on its head, from its pool.
 * SPDX-License-Identifier: MIT */
#include "node/dev.h"
#include "node/payload.h"
#include "node/rpc_internal.h"

#include <stdlib.h>

/* The last one is kept as long as head and pool are the same, for at most a second. */
struct rpc_pending {
    pthread_mutex_t lock; /* one block at a time */
    struct producer *producer;
    struct hash parent;
    uint64_t version, made_ns; /* of the pool; made_ns 0: none is kept */
    struct buf rlp, senders;
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
    buf_free(&r->pending->rlp);
    buf_free(&r->pending->senders);
    pthread_mutex_destroy(&r->pending->lock);
    free(r->pending);
    r->pending = NULL;
}

/* Builds the block as a payload of the next slot would be, and keeps it. */
static int build(struct node_call *c, struct rpc_pending *kept, struct error *why) {
    const struct head_block *parent = head_latest(c->node->head);
    const struct header *h = &parent->block.header;
    struct engine_attributes attributes = {.timestamp = node_time_after(c->node, h),
                                           .fee_recipient = h->coinbase,
                                           .prev_randao = h->mix_hash};
    struct built *made = NULL;
    if (node_fee_recipient(c->node, &attributes.fee_recipient, NULL) != 0) {
        attributes.fee_recipient = h->coinbase;
    }
    kept->parent = parent->hash;
    head_block_release(parent);
    int r = payload_build(&made, c->node, kept->producer, &kept->parent, &attributes, why);
    if (r != 0) return r;
    buf_clear(&kept->rlp);
    buf_clear(&kept->senders);
    buf_append(&kept->rlp, made->sealed.rlp);
    for (size_t i = 0; i < made->tx_count; i++) {
        buf_append(&kept->senders, BYTES_OF(made->txs[i]->sender));
    }
    built_release(made);
    r = buf_check(&kept->rlp, why);
    return r == 0 ? buf_check(&kept->senders, why) : r;
}

static bool is_fresh(struct node_call *c, const struct rpc_pending *p, uint64_t version,
                     uint64_t now_ns) {
    const struct head_block *head = head_latest(c->node->head);
    bool same = hash_equal(&head->hash, &p->parent);
    head_block_release(head);
    return same && p->made_ns && p->version == version && now_ns - p->made_ns < NS_PER_S;
}

/* Copies what is kept into the call's memory. */
static int take_kept(struct node_call *c, const struct rpc_pending *p, struct block *ret,
                     const struct address **ret_senders, struct error *why) {
    struct bytes rlp = arena_copy(c->a, buf_view(&p->rlp));
    struct bytes senders = arena_copy(c->a, buf_view(&p->senders));
    if (!rlp.p || (p->senders.n && !senders.p)) {
        return error_set(why, ERR_NO_MEMORY, "no memory for the pending block");
    }
    if (ret_senders) *ret_senders = (const void *)senders.p;
    return block_decode(ret, rlp, c->a, why);
}

int rpc_pending_block(struct node_call *c, struct block *ret, const struct address **ret_senders,
                      struct error *why) {
    struct rpc_pending *p = rpc_of(c)->pending;
    int r = 0;
    pthread_mutex_lock(&p->lock);
    uint64_t version = txpool_version(c->node->txpool), now_ns = clock_monotonic_ns(&clock_system);
    if (!is_fresh(c, p, version, now_ns)) {
        p->made_ns = 0;
        if (!p->producer) r = producer_new(&p->producer, c->node->head, NULL, why);
        if (r == 0) r = build(c, p, why);
        if (r == 0) p->version = version, p->made_ns = now_ns;
    }
    if (r == 0) r = take_kept(c, p, ret, ret_senders, why);
    pthread_mutex_unlock(&p->lock);
    return r;
}
