/* SPDX-License-Identifier: MIT */
#include "node/rpc_tracing.h"

#include "base/clock.h"

#include <stdlib.h>

/* ---- reading ---- */

static int option(bool *ret, const struct json *in, const char *key, struct error *why) {
    const struct json *v = json_get(in, key);
    if (json_is_null(v)) return 0;
    int r = json_bool(ret, v, why);
    return r != 0 ? error_wrap(why, "%s", key) : 0;
}

/* "5s", "300ms", "1m30s": numbers with units, as Go writes durations. */
static int duration(uint64_t *ret, struct bytes text, struct error *why) {
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1},       {"us", NS_PER_US},    {"ms", NS_PER_MS},
                 {"s", NS_PER_S}, {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S}};
    uint64_t sum = 0;
    size_t at = 0;
    while (at < text.n) {
        uint64_t number = 0;
        size_t begin = at, unit = 0, length = 0;
        for (; at < text.n && text.p[at] >= '0' && text.p[at] <= '9' && number < 1000000; at++) {
            number = 10 * number + (uint64_t)(text.p[at] - '0');
        }
        for (; at + length < text.n && (text.p[at + length] < '0' || text.p[at + length] > '9');) {
            length++;
        }
        while (unit < 6 && !bytes_equal_str(bytes_slice(text, at, length), units[unit].name)) {
            unit++;
        }
        if (at == begin || unit == 6) {
            return error_set(why, ERR_SYNTAX, "timeout: not a duration such as 5s or 300ms");
        }
        sum += number * units[unit].ns;
        at += length;
    }
    *ret = sum;
    return 0;
}

static int add_part(struct tracing *t, struct bytes name, const struct json *config,
                    struct error *why) {
    static const char *const kinds[][2] = {{"", "opcodes"},          {"structLogger", "opcodes"},
                                           {"callTracer", "call"},   {"prestateTracer", "prestate"},
                                           {"4byteTracer", "4byte"}, {"noopTracer", "noop"}};
    size_t i = 0, known = sizeof kinds / sizeof *kinds;
    while (i < known && !bytes_equal_str(name, kinds[i][0])) {
        i++;
    }
    if (i == known) {
        return error_set(why, ERR_NOT_FOUND, "tracer: there is none of the name %.*s",
                         (int)(name.n < 64 ? name.n : 64), (const char *)name.p);
    }
    if (t->count == TRACING_TRACERS_MAX) {
        return error_set(why, ERR_INVALID, "tracer: more than %u", TRACING_TRACERS_MAX);
    }
    if (!json_is_null(config) && !json_as_object(config)) {
        return error_set(why, ERR_INVALID, "tracerConfig: no object");
    }
    struct tracing_part *p = &t->parts[t->count++];
    *p = (struct tracing_part){.name = kinds[i][0], .kind = kinds[i][1]};
    struct tracer_options *o = &p->options;
    int r = option(&o->only_top_call, config, "onlyTopCall", why);
    if (r == 0) r = option(&o->with_log, config, "withLog", why);
    if (r == 0) r = option(&o->diff, config, "diffMode", why);
    if (r == 0) r = option(&o->no_code, config, "disableCode", why);
    if (r == 0) r = option(&o->include_empty, config, "includeEmpty", why);
    if (r == 0) r = option(&o->no_storage, config, "disableStorage", why);
    if (r == 0) r = option(&o->no_stack, config, "disableStack", why);
    if (r == 0) r = option(&o->memory, config, "enableMemory", why);
    if (r == 0) r = option(&o->return_data, config, "enableReturnData", why);
    const struct json *limit = json_get(config, "limit");
    if (r == 0 && !json_is_null(limit)) r = json_u64(&o->limit, limit, why);
    return r;
}

int tracing_read(struct tracing *ret, const struct json *config, size_t out_bytes_max,
                 struct error *why) {
    *ret = (struct tracing){.out_bytes_max = out_bytes_max};
    struct bytes name = {NULL, 0};
    const struct json *timeout = json_get(config, "timeout");
    if (!json_is_null(config) && !json_as_object(config)) {
        return json_error(why, ERR_INVALID, config, "trace options are no object");
    }
    int r = 0;
    if (!json_is_null(timeout)) {
        r = json_expect(timeout, JSON_STRING, why);
        if (r == 0) r = duration(&ret->timeout_ns, json_text(timeout), why);
    }
    const struct json *tracer = json_get(config, "tracer"), *own = json_get(config, "tracerConfig");
    if (r == 0 && !json_is_null(tracer)) r = json_string(&name, tracer, why);
    if (r != 0) return r;
    if (!bytes_equal_str(name, "muxTracer")) return add_part(ret, name, name.n ? own : config, why);
    ret->many = true;
    json_members(key, value, own) {
        if (r == 0) r = add_part(ret, json_text(key), value, why);
    }
    return r;
}

/* ---- several at once ---- */

#define EACH(t, member, ...)                                                                       \
    for (size_t i = 0; i < (t)->count; i++) {                                                      \
        struct evm_tracer *one = tracer_interface((t)->parts[i].tracer);                           \
        if (one->member) one->member(one->ctx, __VA_ARGS__);                                       \
    }

static void each_step(void *ctx, struct evm *vm, const struct evm_step *s) {
    struct tracing *t = ctx;
    EACH(t, step, vm, s)
}

static void each_enter(void *ctx, struct evm *vm, const struct evm_message *m, int64_t gas_now) {
    struct tracing *t = ctx;
    EACH(t, enter, vm, m, gas_now)
}

static void each_leave(void *ctx, struct evm *vm, const struct evm_message *m,
                       const struct evm_result *r) {
    struct tracing *t = ctx;
    EACH(t, leave, vm, m, r)
}

static void each_destruct(void *ctx, struct evm *vm, const struct address *who,
                          const struct address *heir, const struct u256 *balance) {
    struct tracing *t = ctx;
    EACH(t, destruct, vm, who, heir, balance)
}

/* ---- a transaction ---- */

void tracing_free(struct tracing *t) {
    for (size_t i = 0; i < t->count; i++) {
        tracer_free(t->parts[i].tracer);
        buf_free(&t->parts[i].out);
        t->parts[i].tracer = NULL;
    }
}

void tracing_drop(struct tracing *t, struct evm *vm) {
    vm->tracer = NULL;
    tracing_free(t);
}

int tracing_begin(struct tracing *t, struct evm *vm, struct error *why) {
    t->tracer = (struct evm_tracer){.ctx = t,
                                    .enter = each_enter,
                                    .leave = each_leave,
                                    .destruct = each_destruct,
                                    .step = each_step};
    for (size_t i = 0; i < t->count; i++) {
        struct tracing_part *p = &t->parts[i];
        buf_init(&p->out, t->out_bytes_max);
        int r = tracer_new_with(&p->tracer, p->kind, &p->options, &p->out, why);
        if (r != 0) {
            tracing_free(t);
            return r;
        }
        t->tracer.wants_steps |= tracer_interface(p->tracer)->wants_steps;
    }
    vm->tracer = &t->tracer;
    return 0;
}

/* One tracer's document; the instructions have theirs around them. */
static void put_part(const struct tracing_part *p, struct json_writer *w, const char *key,
                     const struct transact_result *r) {
    struct bytes out = buf_view(&p->out);
    if (out.n && out.p[out.n - 1] == '\n') out.n--;
    if (strcmp(p->kind, "opcodes") != 0) {
        json_add_raw(w, key, out);
        return;
    }
    bool shown = r->status == EVM_SUCCESS || r->status == EVM_REVERT;
    json_begin_object(w, key);
    json_add_u64(w, "gas", r->gas_used);
    json_add_bool(w, "failed", r->status != EVM_SUCCESS);
    json_add_data(w, "returnValue", shown ? r->output : (struct bytes){NULL, 0});
    json_begin_array(w, "structLogs");
    if (out.n) json_add_raw(w, NULL, out);
    json_end(w);
    json_end(w);
}

int tracing_end(struct tracing *t, struct evm *vm, struct json_writer *w, const char *key,
                const struct transact_result *r, uint64_t gas_limit, size_t log_first,
                struct error *why) {
    const struct tracer_transaction tx = {gas_limit, r->gas_used, log_first};
    int code = 0;
    vm->tracer = NULL;
    for (size_t i = 0; i < t->count && code == 0; i++) {
        tracer_set_transaction(t->parts[i].tracer, &tx);
        code = tracer_end(t->parts[i].tracer, vm->state, why);
    }
    if (code == 0 && t->many) {
        json_begin_object(w, key);
        for (size_t i = 0; i < t->count; i++) {
            put_part(&t->parts[i], w, t->parts[i].name, r);
        }
        json_end(w);
    } else if (code == 0) {
        put_part(&t->parts[0], w, key, r);
    }
    tracing_free(t);
    return code;
}
