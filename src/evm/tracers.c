/* SPDX-License-Identifier: MIT */
#include "evm/tracer_internal.h"

#include "base/hex.h"
#include "eth/rpc_json.h"
#include "evm/precompile.h"

#include <stdlib.h>

#define SELECTORS_MAX 4096 // different ones

const char *const tracer_names[] = {"structlog", "opcodes",    "call", "prestate",
                                    "4byte",     "accesslist", "noop", NULL};

/* Struct log. The step is written when its cost is known: at the next step of its frame, at the
 * call it makes, or when its frame ends. */

static void write_step(struct tracer *t, const struct evm_step *s) {
    // The part that is known before: everything but the cost, which is put in front of the end.
    struct json_writer w;
    json_writer_init(&w, t->out, 0);
    json_begin_object(&w, NULL);
    json_add_u64(&w, "pc", s->pc);
    json_add_u64(&w, "op", s->op);
    json_add_quantity(&w, "gas", (uint64_t)s->gas);
    if (t->options.memory) json_add_data(&w, "memory", s->memory);
    json_add_u64(&w, "memSize", s->memory.n);
    if (!t->options.no_stack) {
        json_begin_array(&w, "stack");
        for (size_t i = 0; i < s->stack_count; i++) {
            json_add_quantity256(&w, NULL, s->stack[i]);
        }
        json_end(&w);
    }
    if (t->options.return_data && s->return_data.n) json_add_data(&w, "returnData", s->return_data);
    json_add_u64(&w, "depth", s->depth);
    json_add_i64(&w, "refund", s->refund);
    json_add_str(&w, "opName", s->name ? s->name : "INVALID");
    // The object stays open: finish_step closes it.
}

static void finish_step(struct tracer *t, int64_t cost, const char *failure) {
    if (!t->has_pending) return;
    t->has_pending = false;
    buf_printf(t->out, ",\"gasCost\":\"0x%llx\"", (unsigned long long)cost);
    if (failure) {
        buf_append_str(t->out, ",\"error\":");
        json_append_string(t->out, bytes_from_str(failure), 0);
    }
    buf_append_str(t->out, "}\n");
}

static void log_step(void *ctx, struct evm *vm, const struct evm_step *step) {
    struct tracer *t = ctx;
    (void)vm;
    finish_step(t, t->pending.gas - step->gas, NULL);
    t->pending = *step;
    t->has_pending = true;
    write_step(t, step);
}

static void log_enter(void *ctx, struct evm *vm, const struct evm_message *m, int64_t gas_now) {
    struct tracer *t = ctx;
    (void)vm;
    // The gas that a creation takes along is no part of the instruction's cost, a call's is.
    bool creates = m->kind == EVM_CREATE || m->kind == EVM_CREATE2;
    finish_step(t, t->pending.gas - gas_now - (creates ? m->gas : 0), NULL);
}

// The last line: what came of it all.
static void sum_up(struct tracer *t, const struct evm_message *m, const struct evm_result *r) {
    struct json_writer w;
    json_writer_init(&w, t->out, 0);
    json_begin_object(&w, NULL);
    json_add_data(&w, "output", r->output);
    json_add_quantity(&w, "gasUsed", (uint64_t)(m->gas - r->gas_left));
    if (r->status != EVM_SUCCESS) json_add_str(&w, "error", evm_status_name(r->status));
    json_end(&w);
    buf_append_byte(t->out, '\n');
}

static void log_leave(void *ctx, struct evm *vm, const struct evm_message *m,
                      const struct evm_result *r) {
    struct tracer *t = ctx;
    bool halted = r->status != EVM_SUCCESS && r->status != EVM_REVERT;
    finish_step(t, t->pending.gas - vm->gas_at_end, halted ? evm_status_name(r->status) : NULL);
    if (m->depth == 0) sum_up(t, m, r);
}

/* Selectors. */

static void selector_enter(void *ctx, struct evm *vm, const struct evm_message *m,
                           int64_t gas_now) {
    struct tracer *t = ctx;
    (void)gas_now;
    bool creates = m->kind == EVM_CREATE || m->kind == EVM_CREATE2;
    if (creates || m->input.n < 4 || evm_is_precompile(vm->schedule.fork, &m->code_address)) return;
    size_t size = m->input.n - 4;
    for (size_t i = 0; i < t->selector_count; i++) {
        struct selector *s = &t->selectors[i];
        if (s->size != size || memcmp(s->bytes, m->input.p, 4) != 0) continue;
        s->count++;
        return;
    }
    if (!t->selectors) t->selectors = calloc(SELECTORS_MAX, sizeof *t->selectors);
    if (!t->selectors || t->selector_count == SELECTORS_MAX) {
        t->failed = true;
        return;
    }
    struct selector *s = &t->selectors[t->selector_count++];
    memcpy(s->bytes, m->input.p, 4);
    s->size = size;
    s->count = 1;
}

static void selector_end(struct tracer *t, const struct state *unused) {
    (void)unused;
    struct json_writer w;
    json_writer_init(&w, t->out, 0);
    json_begin_object(&w, NULL);
    for (size_t i = 0; i < t->selector_count; i++) {
        const struct selector *s = &t->selectors[i];
        char hex[9] = {0};
        hex_encode(hex, (struct bytes){s->bytes, 4});
        char *key = arena_printf(&t->memory, "0x%s-%zu", hex, s->size);
        if (key) json_add_u64(&w, key, s->count);
    }
    json_end(&w);
}

/* What code looks at. */

static void access_enter(void *ctx, struct evm *vm, const struct evm_message *m, int64_t gas_now) {
    struct tracer *t = ctx;
    (void)gas_now;
    if (m->depth != 0) return;
    access_list_begin(&t->access, &t->memory, vm->schedule.fork, &m->sender, &m->recipient);
}

static void access_step(void *ctx, struct evm *vm, const struct evm_step *step) {
    struct tracer *t = ctx;
    (void)vm;
    access_list_step(&t->access, step);
}

static void access_end(struct tracer *t, const struct state *s) {
    const struct tx_access *list = NULL;
    size_t count = 0;
    struct json_writer w;
    (void)s;
    // Nothing has begun where a transaction could not.
    if (t->access.a && access_list_end(&t->access, &list, &count, NULL) != 0) t->failed = true;
    json_writer_init(&w, t->out, 0);
    access_list_json_encode(&w, NULL, list, count);
}

/* All of them. */

static void noop_end(struct tracer *t, const struct state *s) {
    (void)s;
    buf_append_str(t->out, "{}");
}

static void set_kind(struct tracer *t, const char *name) {
    struct evm_tracer *i = &t->interface;
    if (strcmp(name, "structlog") == 0) {
        *i = (struct evm_tracer){
            .wants_steps = true, .step = log_step, .enter = log_enter, .leave = log_leave};
    } else if (strcmp(name, "opcodes") == 0) {
        tracer_opcodes_init(t);
    } else if (strcmp(name, "call") == 0) {
        tracer_call_init(t);
    } else if (strcmp(name, "prestate") == 0) {
        t->end = tracer_prestate_end;
    } else if (strcmp(name, "4byte") == 0) {
        *i = (struct evm_tracer){.enter = selector_enter};
        t->end = selector_end;
    } else if (strcmp(name, "noop") == 0) {
        t->end = noop_end;
    } else {
        *i = (struct evm_tracer){.wants_steps = true, .step = access_step, .enter = access_enter};
        t->end = access_end;
    }
    i->ctx = t;
}

// "call", and "callTracer" as clients say.
static bool is_named(const char *kind, const char *name) {
    size_t n = strlen(kind);
    return strncmp(kind, name, n) == 0 && (!name[n] || strcmp(name + n, "Tracer") == 0);
}

int tracer_new_with(struct tracer **ret, const char *name, const struct tracer_options *options,
                    struct buf *out, struct error *why) {
    size_t kind = 0;
    while (tracer_names[kind] && !is_named(tracer_names[kind], name)) {
        kind++;
    }
    if (!tracer_names[kind]) return error_set(why, ERR_NOT_FOUND, "no tracer is named %.32s", name);
    struct tracer *t = calloc(1, sizeof *t);
    if (!t) return error_set(why, ERR_NO_MEMORY, "no memory for a tracer");
    t->out = out;
    if (options) t->options = *options;
    arena_init(&t->memory, 0);
    set_kind(t, tracer_names[kind]);
    *ret = t;
    return 0;
}

int tracer_new(struct tracer **ret, const char *name, struct buf *out, struct error *why) {
    return tracer_new_with(ret, name, NULL, out, why);
}

void tracer_free(struct tracer *t) {
    if (!t) return;
    free(t->calls);
    free(t->selectors);
    free(t->slots);
    arena_free(&t->memory);
    free(t);
}

struct evm_tracer *tracer_interface(struct tracer *t) {
    return &t->interface;
}

void tracer_set_transaction(struct tracer *t, const struct tracer_transaction *tx) {
    t->transaction = *tx;
    t->has_transaction = true;
}

int tracer_end(struct tracer *t, const struct state *s, struct error *why) {
    if (t->end && !t->failed) {
        t->end(t, s);
        buf_append_byte(t->out, '\n');
    }
    if (t->failed) return error_set(why, ERR_LIMIT, "more was traced than is kept");
    return buf_check(t->out, why);
}
