/* SPDX-License-Identifier: MIT */
#include "node/rpc_transfers.h"

#include <stdlib.h>

/* keccak256("Transfer(address,address,uint256)") */
static const struct hash transfer_topic = {{0xdd, 0xf2, 0x52, 0xad, 0x1b, 0xe2, 0xc8, 0x9b,
                                            0x69, 0xc2, 0xb0, 0x68, 0xfc, 0x37, 0x8d, 0xaa,
                                            0x95, 0x2b, 0xa7, 0xf1, 0x63, 0xc4, 0xa1, 0x16,
                                            0x28, 0xf5, 0x5a, 0x4d, 0xf5, 0x23, 0xb3, 0xef}};

static void add(struct transfers *t, const struct state *s, const struct address *from,
                const struct address *to, struct u256 value) {
    if (u256_is_zero(value) || t->failed) return;
    if (t->count == t->room) {
        size_t room = t->room ? 2 * t->room : 64;
        struct transfer *p = room <= TRANSFERS_MAX ? realloc(t->items, room * sizeof *p) : NULL;
        if (!p) {
            t->failed = true;
            return;
        }
        t->items = p;
        t->room = room;
    }
    t->items[t->count++] = (struct transfer){*from, *to, value, s->log_count};
}

static void enter(void *ctx, struct evm *vm, const struct evm_message *m, int64_t gas_now) {
    struct transfers *t = ctx;
    (void)gas_now;
    if (t->depth == t->depth_room) {
        size_t room = t->depth_room ? 2 * t->depth_room : 64;
        size_t *p = realloc(t->marks, room * sizeof *p);
        if (!p) {
            t->failed = true;
            return;
        }
        t->marks = p;
        t->depth_room = room;
    }
    t->marks[t->depth++] = t->count;
    if (m->kind == EVM_DELEGATECALL || m->kind == EVM_STATICCALL) return;
    add(t, vm->state, &m->sender, &m->recipient, m->value);
}

static void leave(void *ctx, struct evm *vm, const struct evm_message *m,
                  const struct evm_result *r) {
    struct transfers *t = ctx;
    (void)vm, (void)m;
    if (t->failed || t->depth == 0) return;
    size_t mark = t->marks[--t->depth];
    if (r->status != EVM_SUCCESS) t->count = mark;
    // Where a creation went is known when it is over.
    bool creates = m->kind == EVM_CREATE || m->kind == EVM_CREATE2;
    if (creates && r->status == EVM_SUCCESS && mark < t->count && !u256_is_zero(m->value)) {
        t->items[mark].to = r->created;
    }
}

static void destruct(void *ctx, struct evm *vm, const struct address *who,
                     const struct address *heir, const struct u256 *balance) {
    add(ctx, vm->state, who, heir, *balance);
}

void transfers_init(struct transfers *t) {
    *t = (struct transfers){.count = 0};
    t->tracer = (struct evm_tracer){.ctx = t, .enter = enter, .leave = leave, .destruct = destruct};
}

void transfers_free(struct transfers *t) {
    free(t->items);
    free(t->marks);
    t->items = NULL;
    t->marks = NULL;
}

void transfers_clear(struct transfers *t) {
    t->count = t->depth = 0;
}

struct evm_tracer *transfers_tracer(struct transfers *t) {
    return &t->tracer;
}

void transfer_log_make(struct transfer_log *ret, const struct transfer *t) {
    *ret = (struct transfer_log){.log = {.topic_count = 3}};
    memset(ret->log.address.b, 0xee, sizeof ret->log.address.b);
    ret->log.topics[0] = transfer_topic;
    memcpy(ret->log.topics[1].b + 12, t->from.b, 20);
    memcpy(ret->log.topics[2].b + 12, t->to.b, 20);
    u256_store_be(ret->value, t->value);
    ret->log.data = bytes_make(ret->value, sizeof ret->value);
}
