/* Instructions as debug_traceTransaction tells them. A step is written when it begins, but for its
 * cost, which is known at the next one, at a call, or at the end of its frame.
 * SPDX-License-Identifier: MIT */
#include "evm/opcode.h"
#include "evm/tracer_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOTS_MAX 65536u // of storage that one trace remembers

/* A slot that code has read or written, with its value as of then. */
struct tracer_slot {
    struct address address;
    struct u256 key, value;
};

static void note_slot(struct tracer *t, const struct address *address, struct u256 key,
                      struct u256 value) {
    for (size_t i = t->slot_count; i-- > 0;) {
        struct tracer_slot *s = &t->slots[i];
        if (!u256_equal(s->key, key) || !address_equal(&s->address, address)) continue;
        s->value = value;
        return;
    }
    if (t->slot_count == t->slot_room) {
        size_t room = t->slot_room ? 2 * t->slot_room : 64;
        struct tracer_slot *p = room <= SLOTS_MAX ? realloc(t->slots, room * sizeof *p) : NULL;
        if (!p) {
            t->failed = true;
            return;
        }
        t->slots = p;
        t->slot_room = room;
    }
    t->slots[t->slot_count++] = (struct tracer_slot){*address, key, value};
}

static void put_storage(struct tracer *t, struct json_writer *w, struct evm *vm,
                        const struct evm_step *s) {
    bool reads = s->op == OP_SLOAD && s->stack_count >= 1;
    bool writes = s->op == OP_SSTORE && s->stack_count >= 2;
    if (t->options.no_storage || (!reads && !writes)) return;
    struct u256 key = s->stack[s->stack_count - 1];
    struct u256 value;
    if (reads) {
        struct state_account *a = state_account_find(vm->state, s->self);
        value = state_slot_find(vm->state, a, &key)->value;
    } else {
        value = s->stack[s->stack_count - 2];
    }
    note_slot(t, s->self, key, value);
    json_begin_object(w, "storage");
    for (size_t i = 0; i < t->slot_count; i++) {
        if (!address_equal(&t->slots[i].address, s->self)) continue;
        tracer_add_word_key(w, &t->slots[i].key);
        tracer_add_word(w, &t->slots[i].value);
    }
    json_end(w);
}

static void put_memory(struct json_writer *w, struct bytes memory) {
    json_begin_array(w, "memory");
    for (size_t at = 0; at + 32 <= memory.n; at += 32) {
        json_add_data(w, NULL, bytes_slice(memory, at, 32));
    }
    json_end(w);
}

/* The object stays open: finish closes it. */
static void put_step(struct tracer *t, struct evm *vm, const struct evm_step *s) {
    struct json_writer w;
    if (t->step_count++) buf_append_byte(t->out, ',');
    json_writer_init(&w, t->out, 0);
    json_begin_object(&w, NULL);
    json_add_u64(&w, "pc", s->pc);
    if (s->name) {
        json_add_str(&w, "op", s->name);
    } else {
        char name[32];
        (void)snprintf(name, sizeof name, "opcode 0x%x not defined", s->op);
        json_add_str(&w, "op", name);
    }
    json_add_i64(&w, "gas", s->gas);
    json_add_u64(&w, "depth", s->depth);
    json_add_i64(&w, "refund", s->refund > 0 ? s->refund : 0);
    if (!t->options.no_stack) {
        json_begin_array(&w, "stack");
        for (size_t i = 0; i < s->stack_count; i++) {
            json_add_quantity256(&w, NULL, s->stack[i]);
        }
        json_end(&w);
    }
    if (t->options.memory && s->memory.n) put_memory(&w, s->memory);
    if (t->options.return_data && s->return_data.n) {
        json_add_data(&w, "returnData", s->return_data);
    }
    put_storage(t, &w, vm, s);
}

static void finish(struct tracer *t, int64_t cost, const char *failure) {
    if (!t->has_pending) return;
    t->has_pending = false;
    buf_printf(t->out, ",\"gasCost\":%lld", (long long)cost);
    if (failure) {
        buf_append_str(t->out, ",\"error\":");
        json_append_string(t->out, bytes_from_str(failure), 0);
    }
    buf_append_byte(t->out, '}');
}

static void step(void *ctx, struct evm *vm, const struct evm_step *s) {
    struct tracer *t = ctx;
    finish(t, t->pending.gas - s->gas, NULL);
    if (t->options.limit && t->step_count >= t->options.limit) return;
    if (t->out->failed) return;
    t->pending = *s;
    t->has_pending = true;
    put_step(t, vm, s);
}

static void enter(void *ctx, struct evm *vm, const struct evm_message *m, int64_t gas_now) {
    struct tracer *t = ctx;
    (void)vm;
    // The gas that a creation takes along is no part of the instruction's cost, a call's is.
    bool creates = m->kind == EVM_CREATE || m->kind == EVM_CREATE2;
    finish(t, t->pending.gas - gas_now - (creates ? m->gas : 0), NULL);
}

static void leave(void *ctx, struct evm *vm, const struct evm_message *m,
                  const struct evm_result *r) {
    struct tracer *t = ctx;
    (void)m;
    bool halted = r->status != EVM_SUCCESS && r->status != EVM_REVERT;
    finish(t, t->pending.gas - vm->gas_at_end, halted ? evm_status_name(r->status) : NULL);
}

void tracer_opcodes_init(struct tracer *t) {
    t->interface =
        (struct evm_tracer){.wants_steps = true, .step = step, .enter = enter, .leave = leave};
}
