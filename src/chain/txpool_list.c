/* Lists out of the pool: what blocks take, and everything. SPDX-License-Identifier: MIT */
#include "chain/txpool_internal.h"

#include <stdlib.h>

void txpool_list_free(struct txpool_list *l) {
    for (size_t i = 0; i < l->count; i++) {
        pool_tx_release(l->items[i]);
    }
    free(l->items);
    *l = (struct txpool_list){0};
}

/* One sender on its way into a block: the next of its transactions. */
struct cursor {
    const struct pool_account *account;
    size_t at;
    struct u256 tip;
    uint64_t sequence;
};

// The better cursor: higher tip, then earlier arrival.
static bool is_before(const struct cursor *a, const struct cursor *b) {
    int order = u256_compare(a->tip, b->tip);
    return order > 0 || (order == 0 && a->sequence < b->sequence);
}

static void sift_down(struct cursor *heap, size_t n, size_t i) {
    for (;;) {
        size_t best = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++) {
            if (is_before(&heap[child], &heap[best])) best = child;
        }
        if (best == i) return;
        struct cursor swap = heap[i];
        heap[i] = heap[best];
        heap[best] = swap;
        i = best;
    }
}

// Sets the cursor on a transaction that the block's prices let in; false at the end.
static bool settle(struct cursor *c, const struct txpool_head *head, struct u256 base_fee) {
    if (c->at >= c->account->pending) return false;
    const struct pool_tx *t = c->account->txs[c->at];
    if (u256_compare(t->tx.max_fee, base_fee) < 0) return false;
    if (t->tx.type == TX_BLOB && u256_compare(t->tx.max_blob_fee, head->blob_base_fee) < 0) {
        return false;
    }
    c->tip = pool_tip(t, base_fee);
    c->sequence = t->sequence;
    return true;
}

static size_t fill(struct txpool *p, struct cursor *heap, struct u256 base_fee) {
    size_t n = 0, at = 0;
    struct bytes key;
    void *value;
    while (map_next(&p->by_sender, &at, &key, &value)) {
        heap[n] = (struct cursor){.account = value};
        n += settle(&heap[n], &p->head, base_fee);
    }
    for (size_t i = n / 2; i-- > 0;) {
        sift_down(heap, n, i);
    }
    return n;
}

int txpool_pending(struct txpool *p, struct u256 base_fee, struct txpool_list *ret,
                   struct error *why) {
    (void)pthread_mutex_lock(&p->lock);
    struct cursor *heap = calloc(p->by_sender.n + 1, sizeof *heap);
    struct txpool_list list = {calloc(p->pending + 1, sizeof(struct pool_tx *)), 0};
    int r = heap && list.items ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for a list");
    size_t n = r == 0 ? fill(p, heap, base_fee) : 0;
    while (n) {
        list.items[list.count++] = pool_tx_hold(heap[0].account->txs[heap[0].at]);
        heap[0].at++;
        if (!settle(&heap[0], &p->head, base_fee)) heap[0] = heap[--n];
        sift_down(heap, n, 0);
    }
    (void)pthread_mutex_unlock(&p->lock);
    free(heap);
    if (r != 0) {
        free(list.items);
        return r;
    }
    *ret = list;
    return 0;
}

static int by_address(const void *x, const void *y) {
    const struct pool_account *const *a = x, *const *b = y;
    return memcmp((*a)->address.b, (*b)->address.b, sizeof(struct address));
}

static size_t sorted_accounts(struct txpool *p, const struct address *sender,
                              const struct pool_account **ret) {
    size_t n = 0, at = 0;
    struct bytes key;
    void *value;
    if (sender) {
        ret[0] = pool_account_find(p, sender);
        return ret[0] ? 1 : 0;
    }
    while (map_next(&p->by_sender, &at, &key, &value)) {
        ret[n++] = value;
    }
    qsort(ret, n, sizeof(struct pool_account *), by_address);
    return n;
}

int txpool_content(struct txpool *p, const struct address *sender, struct txpool_list *ret,
                   size_t *ret_pending, struct error *why) {
    (void)pthread_mutex_lock(&p->lock);
    const struct pool_account **accounts =
        calloc(p->by_sender.n + 1, sizeof(struct pool_account *));
    struct txpool_list list = {calloc(p->by_hash.n + 1, sizeof(struct pool_tx *)), 0};
    int r = accounts && list.items ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for a list");
    size_t n = r == 0 ? sorted_accounts(p, sender, accounts) : 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < accounts[i]->pending; j++) {
            list.items[list.count++] = pool_tx_hold(accounts[i]->txs[j]);
        }
    }
    *ret_pending = list.count;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = accounts[i]->pending; j < accounts[i]->count; j++) {
            list.items[list.count++] = pool_tx_hold(accounts[i]->txs[j]);
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
    free((void *)accounts);
    if (r != 0) {
        free(list.items);
        return r;
    }
    *ret = list;
    return 0;
}
