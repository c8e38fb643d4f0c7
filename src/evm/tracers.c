/* SPDX-License-Identifier: MIT */
#include "evm/tracers.h"

#include "base/hex.h"
#include "evm/opcode.h"
#include "evm/precompile.h"
#include "json/write.h"

#include <stdlib.h>

#define CALLS_MAX 65536    // calls of one transaction that are kept
#define SELECTORS_MAX 4096 // different ones

/* One call of the tree; its parent is before it. */
struct call {
    struct evm_message m;
    struct bytes input, output;
    struct address created;
    enum evm_status status;
    int64_t gas_used;
    uint32_t parent;
    bool is_destruct;
};

struct selector {
    uint8_t bytes[4];
    size_t size;
    uint64_t count;
};

struct tracer {
    struct evm_tracer interface;
    struct buf *out;
    struct arena memory;
    void (*end)(struct tracer *t, const struct state *s);
    bool failed; // a limit or memory

    struct evm_step pending; // struct log: waits for its cost
    bool has_pending;

    struct call *calls;
    uint32_t call_count, call_room, open;

    struct selector *selectors;
    size_t selector_count;

    enum fork fork;
    struct address origin, to;
};

const char *const tracer_names[] = {"structlog", "call", "prestate", "4byte", "accesslist", NULL};

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
    json_add_u64(&w, "memSize", s->memory.n);
    json_begin_array(&w, "stack");
    for (size_t i = 0; i < s->stack_count; i++) {
        json_add_quantity256(&w, NULL, s->stack[i]);
    }
    json_end(&w);
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

static void log_leave(void *ctx, struct evm *vm, const struct evm_message *m,
                      const struct evm_result *r) {
    struct tracer *t = ctx;
    (void)m;
    bool halted = r->status != EVM_SUCCESS && r->status != EVM_REVERT;
    int64_t cost = halted ? vm->schedule.op[t->pending.op].gas : t->pending.gas - vm->gas_at_end;
    finish_step(t, cost, halted ? evm_status_name(r->status) : NULL);
}

/* Calls. */

static struct bytes keep(struct tracer *t, struct bytes in) {
    struct bytes copy = arena_copy(&t->memory, in);
    if (in.n && !copy.p) t->failed = true;
    return copy.p ? copy : (struct bytes){0};
}

static struct call *add_call(struct tracer *t) {
    if (t->call_count == t->call_room) {
        uint32_t room = t->call_room ? 2 * t->call_room : 64;
        struct call *p = room <= CALLS_MAX ? realloc(t->calls, room * sizeof *p) : NULL;
        if (!p) {
            t->failed = true;
            return NULL;
        }
        t->calls = p;
        t->call_room = room;
    }
    struct call *c = &t->calls[t->call_count];
    *c = (struct call){.parent = t->open};
    return c;
}

static void call_enter(void *ctx, struct evm *vm, const struct evm_message *m, int64_t gas_now) {
    struct tracer *t = ctx;
    (void)vm;
    (void)gas_now;
    struct call *c = add_call(t);
    if (!c) return;
    c->m = *m;
    c->input = keep(t, m->input);
    t->open = t->call_count++;
}

static void call_leave(void *ctx, struct evm *vm, const struct evm_message *m,
                       const struct evm_result *r) {
    struct tracer *t = ctx;
    (void)vm;
    if (t->failed || t->call_count == 0) return;
    struct call *c = &t->calls[t->open];
    c->status = r->status;
    c->gas_used = m->gas - r->gas_left;
    c->output = keep(t, r->output);
    t->open = c->parent;
}

static void call_destruct(void *ctx, struct evm *vm, const struct address *who,
                          const struct address *heir, const struct u256 *balance) {
    struct tracer *t = ctx;
    (void)vm;
    struct call *c = add_call(t);
    if (!c) return;
    c->is_destruct = true;
    c->m = (struct evm_message){.sender = *who, .recipient = *heir, .value = *balance};
    t->call_count++;
}

static const char *kind_name(const struct call *c) {
    static const char *const names[] = {"CALL",       "CALLCODE", "DELEGATECALL",
                                        "STATICCALL", "CREATE",   "CREATE2"};
    return c->is_destruct ? "SELFDESTRUCT" : names[c->m.kind];
}

static void write_call(struct tracer *t, struct json_writer *w, const char *key, uint32_t at) {
    const struct call *c = &t->calls[at];
    json_begin_object(w, key);
    json_add_data(w, "from", BYTES_OF(c->m.sender));
    json_add_quantity(w, "gas", (uint64_t)c->m.gas);
    json_add_quantity(w, "gasUsed", (uint64_t)c->gas_used);
    const struct address *to = c->m.kind == EVM_CALL || c->is_destruct || c->m.kind >= EVM_CREATE
                                   ? &c->m.recipient
                                   : &c->m.code_address;
    json_add_data(w, "to", BYTES_OF(*to));
    json_add_data(w, "input", c->input);
    if (c->output.n) json_add_data(w, "output", c->output);
    if (c->status != EVM_SUCCESS) json_add_str(w, "error", evm_status_name(c->status));
    bool open = false;
    for (uint32_t i = at + 1; i < t->call_count; i++) {
        if (t->calls[i].parent != at) continue;
        if (w->depth + 4 > JSON_WRITE_DEPTH_MAX) break; // deeper than the writer nests
        if (!open) json_begin_array(w, "calls");
        open = true;
        write_call(t, w, NULL, i);
    }
    if (open) json_end(w);
    if (c->m.kind != EVM_STATICCALL) json_add_quantity256(w, "value", c->m.value);
    json_add_str(w, "type", kind_name(c));
    json_end(w);
}

static void call_end(struct tracer *t, const struct state *s) {
    (void)s;
    struct json_writer w;
    json_writer_init(&w, t->out, 0);
    if (t->call_count) write_call(t, &w, NULL, 0);
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

/* What the state has listed. */

static void add_word_key(struct json_writer *w, const struct u256 *v) {
    uint8_t word[32];
    char hex[67] = "0x";
    u256_store_be(word, *v);
    hex_encode(hex + 2, (struct bytes){word, 32});
    json_add_key(w, (struct bytes){(const uint8_t *)hex, 66});
}

static void add_word(struct json_writer *w, const struct u256 *v) {
    uint8_t word[32];
    u256_store_be(word, *v);
    json_add_data(w, NULL, (struct bytes){word, 32});
}

static void add_address_key(struct json_writer *w, const struct address *a) {
    char hex[43] = "0x";
    hex_encode(hex + 2, BYTES_OF(*a));
    json_add_key(w, (struct bytes){(const uint8_t *)hex, 42});
}

static bool is_empty(const struct state_fields *f) {
    return f->nonce == 0 && u256_is_zero(f->balance) &&
           hash_equal(&f->code_hash, &STATE_EMPTY_CODE_HASH);
}

static void prestate_account(struct json_writer *w, const struct state *s,
                             const struct state_account *a) {
    add_address_key(w, &a->address);
    json_begin_object(w, NULL);
    json_add_quantity256(w, "balance", a->start.balance);
    if (a->start.nonce) json_add_u64(w, "nonce", a->start.nonce);
    if (!hash_equal(&a->start.code_hash, &STATE_EMPTY_CODE_HASH)) {
        const struct evm_code *code = evm_code_find(s->codes, &a->start.code_hash);
        if (code) json_add_data(w, "code", (struct bytes){code->bytes, code->size});
    }
    bool open = false;
    for (size_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i]->account != a) continue;
        if (!open) json_begin_object(w, "storage");
        open = true;
        add_word_key(w, &s->slots[i]->key);
        add_word(w, &s->slots[i]->original);
    }
    if (open) json_end(w);
    json_end(w);
}

static void prestate_end(struct tracer *t, const struct state *s) {
    struct json_writer w;
    json_writer_init(&w, t->out, 0);
    json_begin_object(&w, NULL);
    for (size_t i = 0; i < s->entered_count; i++) {
        if (!is_empty(&s->entered[i]->start)) prestate_account(&w, s, s->entered[i]);
    }
    json_end(&w);
}

static void begin_message(void *ctx, struct evm *vm, const struct evm_message *m, int64_t gas_now) {
    struct tracer *t = ctx;
    (void)gas_now;
    if (m->depth != 0) return;
    t->fork = vm->schedule.fork;
    t->origin = m->sender;
    t->to = m->recipient;
}

static void access_end(struct tracer *t, const struct state *s) {
    struct json_writer w;
    json_writer_init(&w, t->out, 0);
    json_begin_array(&w, NULL);
    for (size_t i = 0; i < s->entered_count; i++) {
        const struct state_account *a = s->entered[i];
        size_t slots = 0;
        for (size_t k = 0; k < s->slot_count; k++) {
            slots += s->slots[k]->account == a;
        }
        // Warm without being listed: sender, recipient, contracts of the machine.
        bool warm = address_equal(&a->address, &t->origin) || address_equal(&a->address, &t->to) ||
                    evm_is_precompile(t->fork, &a->address);
        if (warm && slots == 0) continue;
        json_begin_object(&w, NULL);
        json_add_data(&w, "address", BYTES_OF(a->address));
        json_begin_array(&w, "storageKeys");
        for (size_t k = 0; k < s->slot_count; k++) {
            if (s->slots[k]->account == a) add_word(&w, &s->slots[k]->key);
        }
        json_end(&w);
        json_end(&w);
    }
    json_end(&w);
}

/* All of them. */

static void set_kind(struct tracer *t, size_t kind) {
    struct evm_tracer *i = &t->interface;
    switch (kind) {
    case 0:
        *i = (struct evm_tracer){
            .wants_steps = true, .step = log_step, .enter = log_enter, .leave = log_leave};
        break;
    case 1:
        *i = (struct evm_tracer){
            .enter = call_enter, .leave = call_leave, .destruct = call_destruct};
        t->end = call_end;
        break;
    case 2:
        t->end = prestate_end;
        break;
    case 3:
        *i = (struct evm_tracer){.enter = selector_enter};
        t->end = selector_end;
        break;
    default:
        *i = (struct evm_tracer){.enter = begin_message};
        t->end = access_end;
        break;
    }
    i->ctx = t;
}

int tracer_new(struct tracer **ret, const char *name, struct buf *out, struct error *why) {
    size_t kind = 0;
    while (tracer_names[kind] && strcmp(tracer_names[kind], name) != 0) {
        kind++;
    }
    if (!tracer_names[kind]) return error_set(why, ERR_NOT_FOUND, "no tracer is named %.32s", name);
    struct tracer *t = calloc(1, sizeof *t);
    if (!t) return error_set(why, ERR_NO_MEMORY, "no memory for a tracer");
    t->out = out;
    arena_init(&t->memory, 0);
    set_kind(t, kind);
    *ret = t;
    return 0;
}

void tracer_free(struct tracer *t) {
    if (!t) return;
    free(t->calls);
    free(t->selectors);
    arena_free(&t->memory);
    free(t);
}

struct evm_tracer *tracer_interface(struct tracer *t) {
    return &t->interface;
}

int tracer_end(struct tracer *t, const struct state *s, struct error *why) {
    if (t->failed) return error_set(why, ERR_LIMIT, "more was traced than is kept");
    if (t->end) {
        t->end(t, s);
        buf_append_byte(t->out, '\n');
    }
    return buf_check(t->out, why);
}
