/* The tree of calls. Frames are kept in the order of their beginning, which is the order they are
 * written in: no recursion, whatever the depth. SPDX-License-Identifier: MIT */
#include "eth/revert.h"
#include "evm/tracer_internal.h"

#include <stdlib.h>

#define CALLS_MAX 262144u // calls of one transaction that are kept
#define NO_CALL UINT32_MAX

/* One call of the tree; its parent is before it. */
struct tracer_call {
    struct evm_message m;
    struct bytes input, output;
    struct address created;
    enum evm_status status;
    int64_t gas_used;
    uint32_t parent;
    size_t log_first, log_end; // what the state had when it began and ended
    bool is_destruct;
};

static struct bytes keep(struct tracer *t, struct bytes in) {
    struct bytes copy = arena_copy(&t->memory, in);
    if (in.n && !copy.p) t->failed = true;
    return copy.p ? copy : (struct bytes){0};
}

static struct tracer_call *add_call(struct tracer *t) {
    if (t->call_count == t->call_room) {
        uint32_t room = t->call_room ? 2 * t->call_room : 64;
        struct tracer_call *p = room <= CALLS_MAX ? realloc(t->calls, room * sizeof *p) : NULL;
        if (!p) {
            t->failed = true;
            return NULL;
        }
        t->calls = p;
        t->call_room = room;
    }
    struct tracer_call *c = &t->calls[t->call_count];
    *c = (struct tracer_call){.parent = t->open};
    return c;
}

static void call_enter(void *ctx, struct evm *vm, const struct evm_message *m, int64_t gas_now) {
    struct tracer *t = ctx;
    (void)gas_now;
    if (t->failed) return;
    struct tracer_call *c = add_call(t);
    if (!c) return;
    c->m = *m;
    c->input = keep(t, m->input);
    c->log_first = vm->state->log_count;
    t->open = t->call_count++;
}

static void call_leave(void *ctx, struct evm *vm, const struct evm_message *m,
                       const struct evm_result *r) {
    struct tracer *t = ctx;
    if (t->failed || t->open == NO_CALL) return;
    uint32_t at = t->open;
    struct tracer_call *c = &t->calls[at];
    c->status = r->status;
    c->gas_used = m->gas - r->gas_left;
    c->output = keep(t, r->output);
    c->created = r->created;
    c->log_end = vm->state->log_count;
    t->open = c->parent;
    if (r->status == EVM_SUCCESS) return;
    // Logs of all that it called are gone with it.
    for (uint32_t i = at; i < t->call_count; i++) {
        t->calls[i].log_end = t->calls[i].log_first;
    }
}

static void call_destruct(void *ctx, struct evm *vm, const struct address *who,
                          const struct address *heir, const struct u256 *balance) {
    struct tracer *t = ctx;
    if (t->failed) return;
    struct tracer_call *c = add_call(t);
    if (!c) return;
    c->is_destruct = true;
    c->m = (struct evm_message){.sender = *who, .recipient = *heir, .value = *balance};
    c->log_first = c->log_end = vm->state->log_count;
    t->call_count++;
}

/* ---- writing ---- */

static const char *kind_name(const struct tracer_call *c) {
    static const char *const names[] = {"CALL",       "CALLCODE", "DELEGATECALL",
                                        "STATICCALL", "CREATE",   "CREATE2"};
    return c->is_destruct ? "SELFDESTRUCT" : names[c->m.kind];
}

static void put_log(struct json_writer *w, const struct tracer *t, const struct state *s, size_t at,
                    uint64_t position) {
    const struct state_log *l = &s->logs[at];
    json_begin_object(w, NULL);
    json_add_data(w, "address", BYTES_OF(l->address));
    json_begin_array(w, "topics");
    for (uint32_t i = 0; i < l->topic_count; i++) {
        json_add_data(w, NULL, BYTES_OF(l->topics[i]));
    }
    json_end(w);
    json_add_data(w, "data", (struct bytes){s->log_data.p + l->data_at, l->data_size});
    if (t->has_transaction) json_add_quantity(w, "index", at - t->transaction.log_first);
    json_add_quantity(w, "position", position);
    json_end(w);
}

/* The logs of a call itself: those of its span that are in none of its children's. */
static void put_logs(struct json_writer *w, const struct tracer *t, const struct state *s,
                     uint32_t at) {
    const struct tracer_call *c = &t->calls[at];
    size_t log = c->log_first;
    uint64_t position = 0;
    bool open = false;
    for (uint32_t i = at + 1; log < c->log_end; i++) {
        bool inside =
            i < t->call_count && t->calls[i].parent >= at && t->calls[i].parent != NO_CALL;
        if (inside && t->calls[i].parent != at) continue;
        size_t end = inside ? t->calls[i].log_first : c->log_end;
        for (; log < end && log < c->log_end; log++) {
            if (!open) json_begin_array(w, "logs");
            open = true;
            put_log(w, t, s, log, position);
        }
        if (!inside) break;
        if (t->calls[i].log_end > log) log = t->calls[i].log_end;
        position++;
    }
    if (open) json_end(w);
}

/* A frame's members; its object stays open. */
static void put_call(struct tracer *t, const struct state *s, uint32_t at) {
    const struct tracer_call *c = &t->calls[at];
    struct json_writer w;
    bool creates = c->m.kind >= EVM_CREATE, top = at == 0 && t->has_transaction;
    bool failed = c->status != EVM_SUCCESS;
    json_writer_init(&w, t->out, 0);
    json_begin_object(&w, NULL);
    // A DELEGATECALL's sender is that of the caller's own call: it comes from the caller all the
    // same.
    bool delegated = c->m.kind == EVM_DELEGATECALL && !c->is_destruct;
    json_add_data(&w, "from", delegated ? BYTES_OF(c->m.recipient) : BYTES_OF(c->m.sender));
    json_add_quantity(&w, "gas", top ? t->transaction.gas_limit : (uint64_t)c->m.gas);
    json_add_quantity(&w, "gasUsed", top ? t->transaction.gas_used : (uint64_t)c->gas_used);
    const struct address *to = creates                                   ? &c->created
                               : c->m.kind == EVM_CALL || c->is_destruct ? &c->m.recipient
                                                                         : &c->m.code_address;
    if (!creates || !failed) json_add_data(&w, "to", BYTES_OF(*to));
    json_add_data(&w, "input", c->input);
    if (c->output.n && (!failed || c->status == EVM_REVERT)) json_add_data(&w, "output", c->output);
    if (failed) json_add_str(&w, "error", evm_status_name(c->status));
    const char *reason = c->status == EVM_REVERT ? revert_text(c->output, &t->memory) : NULL;
    if (reason && *reason) json_add_str(&w, "revertReason", reason);
    if (t->options.with_log) put_logs(&w, t, s, at);
    if (c->m.kind != EVM_STATICCALL) json_add_quantity256(&w, "value", c->m.value);
    json_add_str(&w, "type", kind_name(c));
}

static void call_end(struct tracer *t, const struct state *s) {
    // `has`: the frame has begun its list of calls.
    bool *has = arena_new_array(&t->memory, bool, (size_t)t->call_count + 1);
    if (!has) {
        t->out->failed = ERR_NO_MEMORY;
        return;
    }
    uint32_t open = NO_CALL;
    uint32_t written = t->options.only_top_call && t->call_count ? 1 : t->call_count;
    for (uint32_t i = 0; i < written; i++) {
        for (; open != t->calls[i].parent; open = t->calls[open].parent) {
            buf_append_str(t->out, has[open] ? "]}" : "}");
        }
        if (open != NO_CALL) buf_append_str(t->out, has[open] ? "," : ",\"calls\":[");
        if (open != NO_CALL) has[open] = true;
        put_call(t, s, i);
        open = i;
    }
    for (; open != NO_CALL; open = t->calls[open].parent) {
        buf_append_str(t->out, has[open] ? "]}" : "}");
    }
}

void tracer_call_init(struct tracer *t) {
    t->interface =
        (struct evm_tracer){.enter = call_enter, .leave = call_leave, .destruct = call_destruct};
    t->open = NO_CALL;
    t->end = call_end;
}
