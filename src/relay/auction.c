/* SPDX-License-Identifier: MIT */
#include "relay/auction.h"

#include <stdlib.h>

static void make_key(uint8_t key[AUCTION_KEY_BYTES], uint64_t slot, const struct hash *parent,
                     const struct bytes48 *proposer) {
    store_le64(key, slot);
    memcpy(key + 8, parent->b, 32);
    memcpy(key + 40, proposer->b, 48);
}

void auctions_init(struct auctions *a) {
    map_init(&a->by_key, AUCTIONS_MAX);
    map_init(&a->tops, 0);
    list_init(&a->all);
}

static void free_auction(struct auctions *a, struct auction *b) {
    size_t at = 0;
    struct bytes key;
    void *value;
    while (map_next(&b->bids, &at, &key, &value)) {
        bid_release(value);
    }
    map_free(&b->bids);
    for (size_t i = 0; i < b->top_count; i++) {
        const struct hash *block = &b->tops[i]->trace.block_hash;
        if (map_get(&a->tops, BYTES_OF(*block)) == b->tops[i]) {
            (void)map_remove(&a->tops, BYTES_OF(*block));
        }
        bid_release(b->tops[i]);
    }
    free(b->tops);
    bid_release(b->floor);
    bid_release(b->top);
    (void)map_remove(&a->by_key, bytes_make(b->key, sizeof b->key));
    list_remove(&b->link);
    free(b);
}

void auctions_drop_before(struct auctions *a, uint64_t slot) {
    list_each_safe(node, &a->all) {
        struct auction *b = LIST_ENTRY(node, struct auction, link);
        if (b->slot < slot) free_auction(a, b);
    }
}

void auctions_free(struct auctions *a) {
    list_each_safe(node, &a->all) {
        free_auction(a, LIST_ENTRY(node, struct auction, link));
    }
    map_free(&a->tops);
    map_free(&a->by_key);
}

struct auction *auctions_find(const struct auctions *a, uint64_t slot, const struct hash *parent,
                              const struct bytes48 *proposer) {
    uint8_t key[AUCTION_KEY_BYTES];
    make_key(key, slot, parent, proposer);
    return map_get(&a->by_key, bytes_make(key, sizeof key));
}

int auctions_open(struct auction **ret, struct auctions *a, const struct bid_trace *trace,
                  struct error *why) {
    *ret = auctions_find(a, trace->slot, &trace->parent_hash, &trace->proposer_pubkey);
    if (*ret) return 0;
    struct auction *b = calloc(1, sizeof *b);
    if (!b) return error_set(why, ERR_NO_MEMORY, "no memory for an auction");
    make_key(b->key, trace->slot, &trace->parent_hash, &trace->proposer_pubkey);
    b->slot = trace->slot;
    map_init(&b->bids, AUCTION_BUILDERS_MAX);
    int r = map_put(&a->by_key, bytes_make(b->key, sizeof b->key), b, NULL, why);
    if (r != 0) {
        free(b);
        return r;
    }
    list_push_back(&a->all, &b->link);
    *ret = b;
    return 0;
}

struct bid *auctions_find_block(const struct auctions *a, const struct hash *block_hash) {
    return map_get(&a->tops, BYTES_OF(*block_hash));
}

bool auction_admits(const struct auction *b, struct u256 value, bool cancellable) {
    if (!b || !b->floor) return true;
    int above = u256_compare(value, b->floor->trace.value);
    return cancellable ? above >= 0 : above > 0;
}

// The highest of the open bids; `except`'s builder is left out.
static struct bid *highest(const struct auction *b, const struct bytes48 *except, bool stored) {
    size_t at = 0;
    struct bytes key;
    void *value;
    struct bid *best = b->floor && (!stored || b->floor->stored) ? b->floor : NULL;
    while (map_next(&b->bids, &at, &key, &value)) {
        struct bid *bid = value;
        if (stored && !bid->stored) continue;
        if (except && memcmp(bid->trace.builder_pubkey.b, except->b, 48) == 0) continue;
        int order = best ? u256_compare(bid->trace.value, best->trace.value) : 1;
        if (order > 0 || (order == 0 && bid->received_ns < best->received_ns)) best = bid;
    }
    return best;
}

bool auction_leads(const struct auction *b, const struct bid_trace *trace) {
    if (!b) return true;
    const struct bid *best = highest(b, &trace->builder_pubkey, false);
    return !best || u256_compare(trace->value, best->trace.value) > 0;
}

bool auction_is_overtaken(const struct auction *b, const struct bid *bid) {
    const struct bid *open = map_get(&b->bids, BYTES_OF(bid->trace.builder_pubkey));
    if (!open) return false;
    if (bid->sequence && open->sequence) return bid->sequence <= open->sequence;
    return bid->received_ns < open->received_ns;
}

struct bid *auction_open_bid(const struct auction *b, const struct bytes48 *builder) {
    return b ? map_get(&b->bids, BYTES_OF(*builder)) : NULL;
}

bool auction_holds(const struct auction *b, const struct bid *bid) {
    return b->floor == bid || auction_open_bid(b, &bid->trace.builder_pubkey) == bid;
}

static void raise_floor(struct auction *b, struct bid *bid) {
    if (bid->cancellable || bid->unproven) return;
    if (b->floor && u256_compare(bid->trace.value, b->floor->trace.value) <= 0) return;
    bid_release(b->floor);
    b->floor = bid_hold(bid);
}

void auction_prove(struct auction *b, struct bid *bid) {
    bid->unproven = false;
    raise_floor(b, bid);
}

int auction_put(struct auction *b, struct bid *bid, struct error *why) {
    void *old = NULL;
    int r = map_put(&b->bids, BYTES_OF(bid->trace.builder_pubkey), bid_hold(bid), &old, why);
    if (r != 0) {
        bid_release(bid);
        return r;
    }
    bid_release(old);
    raise_floor(b, bid);
    return 0;
}

void auction_cancel(struct auction *b, const struct bytes48 *builder) {
    bid_release(map_remove(&b->bids, BYTES_OF(*builder)));
}

void auction_remove(struct auction *b, const struct bid *bid) {
    if (map_get(&b->bids, BYTES_OF(bid->trace.builder_pubkey)) == bid) {
        auction_cancel(b, &bid->trace.builder_pubkey);
    }
    if (b->floor == bid) {
        bid_release(b->floor);
        b->floor = NULL;
    }
}

// Remembers a top, so that its payload is found however long ago it was offered.
static void remember(struct auctions *a, struct auction *b, struct bid *top) {
    if (map_get(&a->tops, BYTES_OF(top->trace.block_hash))) return;
    struct bid **tops = reallocarray(b->tops, b->top_count + 1, sizeof *tops);
    if (!tops) return; // found in the store then
    b->tops = tops;
    if (map_put(&a->tops, BYTES_OF(top->trace.block_hash), top, NULL, NULL) != 0) return;
    b->tops[b->top_count++] = bid_hold(top);
}

bool auction_settle(struct auctions *a, struct auction *b, struct bid **ret_wanted) {
    struct bid *best = highest(b, NULL, false), *top = highest(b, NULL, true);
    *ret_wanted = best && !best->stored && !best->storing ? best : NULL;
    if (top == b->top) return false;
    bid_release(b->top);
    b->top = top ? bid_hold(top) : NULL;
    if (top) remember(a, b, top);
    return true;
}
