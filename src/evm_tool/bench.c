/* SPDX-License-Identifier: MIT */
#include "evm_tool/bench.h"

#include "base/clock.h"
#include "evm/opcode.h"
#include "evm/trace.h"
#include "evm_tool/fixture.h"
#include "evm_tool/statetest.h"

#include <stdio.h>

#define ROUNDS_LEAST 3

static uint64_t now_ns(void) {
    return clock_monotonic_ns(&clock_system);
}

// The processor's name, as the kernel gives it.
static void read_cpu_name(char *ret, size_t room) {
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "re");
    (void)snprintf(ret, room, "unknown");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        (void)snprintf(ret, room, "%.*s", (int)strcspn(colon + 2, "\"\\\n"), colon + 2);
        break;
    }
    if (f) (void)fclose(f);
}

static void run_once(struct evm *vm, const struct evm_message *m, struct evm_result *ret) {
    state_begin(vm->state);
    struct state_mark mark = state_mark_now(vm->state);
    evm_execute(vm, m, ret);
    state_revert(vm->state, mark);
}

double bench_message(struct evm *vm, const struct evm_message *m, unsigned budget_ms,
                     struct evm_result *ret, int64_t *ret_gas) {
    uint64_t deadline = now_ns() + (uint64_t)budget_ms * 1000000;
    double best = 0;
    for (unsigned round = 0; round < ROUNDS_LEAST || now_ns() < deadline; round++) {
        uint64_t begin = now_ns();
        run_once(vm, m, ret);
        double ns = (double)(now_ns() - begin);
        if (round == 0 || ns < best) best = ns;
    }
    *ret_gas = m->gas - ret->gas_left;
    return best;
}

static void count_step(void *ctx, struct evm *vm, const struct evm_step *step) {
    (void)vm;
    (void)step;
    ++*(uint64_t *)ctx;
}

static uint64_t count_instructions(struct evm *vm, const struct evm_message *m) {
    uint64_t count = 0;
    struct evm_tracer tracer = {.ctx = &count, .wants_steps = true, .step = count_step};
    struct evm_result r;
    vm->tracer = &tracer;
    run_once(vm, m, &r);
    vm->tracer = NULL;
    return count;
}

/* The least time of one instruction: a long line of MSIZE and POP, which move one word and cannot
 * be folded. */
static double measure_floor(struct workbench *w) {
    static const struct address at = {{[19] = 0xfe}};
    uint8_t code[8192];
    for (size_t i = 0; i < sizeof code; i += 2) {
        code[i] = OP_MSIZE;
        code[i + 1] = OP_POP;
    }
    struct error why;
    memory_state_clear(&w->memory);
    if (memory_state_set_account(&w->memory, &at, U256_ONE, 1, (struct bytes){code, sizeof code},
                                 &why) != 0) {
        return 0;
    }
    state_reset(&w->state, memory_state_reader(&w->memory));
    evm_use(&w->vm, &w->state, FORK_OSAKA);
    struct evm_message m = {.kind = EVM_CALL, .gas = 1 << 20, .recipient = at, .code_address = at};
    struct evm_result r;
    int64_t gas;
    return bench_message(&w->vm, &m, 50, &r, &gas) / (double)sizeof code;
}

struct bench {
    const struct bench_options *o;
    struct workbench w;
    double floor_ns; /* of one instruction */
    char cpu[96];
    unsigned failed, done;
};

static void run_message(struct bench *b, const char *name, const struct tx *t,
                        const struct address *sender) {
    struct evm *vm = &b->w.vm;
    struct evm_message m = {.kind = EVM_CALL,
                            .gas = t->gas > INT64_MAX ? INT64_MAX : (int64_t)t->gas,
                            .recipient = t->to,
                            .code_address = t->to,
                            .sender = *sender,
                            .input = t->data};
    struct evm_result r;
    int64_t gas;
    vm->tx = (struct evm_tx){.origin = *sender, .gas_price = t->max_fee};
    uint64_t count = count_instructions(vm, &m);
    double ns = bench_message(vm, &m, b->o->budget_ms, &r, &gas);
    printf("{\"name\":\"%s\",\"ns\":%.0f,\"gas\":%lld,\"mgas_s\":%.0f,\"instructions\":%llu,"
           "\"limit_ns\":%.0f,\"status\":\"%s\",\"cpu\":\"%s\"}\n",
           name, ns, (long long)gas, (double)gas * 1e3 / ns, (unsigned long long)count,
           b->floor_ns * (double)count, evm_status_name(r.status), b->cpu);
    b->done++;
}

static int run_case(struct bench *b, const char *name, const struct json *test,
                    const struct json *indexes, enum fork fork, struct error *why) {
    struct statetest_env env;
    struct statetest_indexes at;
    struct tx t;
    struct address sender;
    struct workbench *w = &b->w;
    memory_state_clear(&w->memory);
    int r = statetest_env(&env, json_get(test, "env"), why);
    if (r == 0) r = fixture_accounts(&w->memory, json_get(test, "pre"), &w->arena, why);
    if (r == 0) r = fixture_get_u64(&at.data, indexes, "data", why);
    if (r == 0) r = fixture_get_u64(&at.gas, indexes, "gas", why);
    if (r == 0) r = fixture_get_u64(&at.value, indexes, "value", why);
    if (r == 0) r = statetest_tx(&t, &sender, w, json_get(test, "transaction"), &at, why);
    if (r != 0) return r;
    state_reset(&w->state, memory_state_reader(&w->memory));
    evm_use(&w->vm, &w->state, fork);
    w->vm.block = statetest_block(&env, fork, NULL);
    run_message(b, name, &t, &sender);
    return state_check(&w->state, why);
}

// "main/snailtracer/benchmark": folder, test, and the label of the input.
static void name_case(char *ret, size_t room, const char *file, struct bytes test,
                      const struct json *info, uint64_t data) {
    const char *slash = strrchr(file, '/'), *folder = slash;
    while (folder && folder > file && folder[-1] != '/') {
        folder--;
    }
    char index[24];
    (void)snprintf(index, sizeof index, "%llu", (unsigned long long)data);
    const struct json *label = json_get(json_get(info, "labels"), index);
    struct bytes text = label ? json_text(label) : bytes_from_str(index);
    (void)snprintf(ret, room, "%.*s%.*s/%.*s", slash ? (int)(slash - folder) + 1 : 0,
                   folder ? folder : "", (int)test.n, (const char *)test.p, (int)text.n,
                   (const char *)text.p);
}

static void run_test(struct bench *b, const char *file, struct bytes test_name,
                     const struct json *test) {
    json_members(fork_name_, list, json_get(test, "post")) {
        int fork = fork_parse(json_text(fork_name_));
        json_each(post, list) {
            struct error why = {0};
            uint64_t data = 0;
            char name[256];
            const struct json *indexes = json_get(post, "indexes");
            if (fixture_get_u64(&data, indexes, "data", &why) != 0) data = 0; // told by run_case
            name_case(name, sizeof name, file, test_name, json_get(test, "_info"), data);
            if (fork < 0 || (b->o->filter && !strstr(name, b->o->filter))) continue;
            if (run_case(b, name, test, indexes, (enum fork)fork, &why) != 0) {
                (void)fprintf(stderr, "%s: %s\n", name, why.text);
                b->failed++;
            }
        }
    }
}

static bool take_file(void *arg, const char *name, struct bytes content) {
    struct bench *b = arg;
    const struct json *doc;
    struct error why = {0};
    if (json_parse(&doc, content, &b->w.arena, NULL, &why) != 0 || !statetest_is_format(doc)) {
        (void)fprintf(stderr, "%s: not a file of state tests\n", name);
        b->failed++;
        return true;
    }
    json_members(key, test, doc) {
        run_test(b, name, json_text(key), test);
    }
    (void)fflush(stdout);
    arena_reset(&b->w.arena);
    return true;
}

static bool unreadable(void *arg, const char *name, const char *reason) {
    struct bench *b = arg;
    (void)fprintf(stderr, "%s: %s\n", name, reason);
    b->failed++;
    return true;
}

int bench_run(const struct bench_options *o) {
    struct bench b = {.o = o};
    struct report_sink none = {0};
    struct error why;
    if (workbench_init(&b.w, &none, &why) != 0) {
        (void)fprintf(stderr, "%s\n", why.text);
        return 71;
    }
    read_cpu_name(b.cpu, sizeof b.cpu);
    b.floor_ns = measure_floor(&b.w);
    struct walk_visitor visitor = {&b, take_file, unreadable};
    for (size_t i = 0; i < o->path_count; i++) {
        (void)walk_path(o->paths[i], &visitor);
    }
    workbench_free(&b.w);
    if (!b.failed && !b.done) (void)fputs("no case was found\n", stderr);
    return b.failed || !b.done ? 1 : 0;
}
