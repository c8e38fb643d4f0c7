/* SPDX-License-Identifier: MIT */
#include "evm_tool/run.h"

#include "base/hex.h"
#include "evm/tracers.h"
#include "evm_tool/bench.h"
#include "json/write.h"

#include <stdio.h>
#include <stdlib.h>

#define BENCH_MS 500

struct run_options {
    const char *code, *input, *tracer;
    uint64_t gas;
    struct u256 value;
    enum fork fork;
    bool create, json, bench;
};

static bool wrong(const char *what, const char *arg) {
    (void)fprintf(stderr, "buildernet evm run: %s %.200s (see --help)\n", what, arg);
    return false;
}

static bool read_number(struct u256 *ret, const char *text) {
    struct bytes in = bytes_from_str(text);
    return bytes_starts_with(in, BYTES_LIT("0x")) ? hex_decode_u256(ret, in, NULL) == 0
                                                  : u256_from_decimal(ret, in);
}

// A flag with its value.
static bool read_value(struct run_options *o, const char *a, const char *v) {
    struct u256 number;
    if (strcmp(a, "--code") == 0) {
        o->code = v;
    } else if (strcmp(a, "--input") == 0) {
        o->input = v;
    } else if (strcmp(a, "--tracer") == 0) {
        o->tracer = v;
    } else if (strcmp(a, "--gas") == 0) {
        if (!read_number(&number, v) || !u256_fits_u64(number) || number.w[0] > INT64_MAX) {
            return wrong("--gas wants a number below 2^63, not", v);
        }
        o->gas = number.w[0];
    } else if (strcmp(a, "--value") == 0) {
        if (!read_number(&o->value, v)) return wrong("--value wants a number below 2^256, not", v);
    } else {
        int fork = fork_parse(bytes_from_str(v));
        if (fork < 0) return wrong("no fork is named", v);
        o->fork = (enum fork)fork;
    }
    return true;
}

static bool read_flags(struct run_options *o, int argc, char **argv) {
    static const char *const valued[] = {"--code",  "--input", "--tracer", "--gas",
                                         "--value", "--fork",  NULL};
    *o = (struct run_options){.input = "", .gas = 10000000000, .fork = FORK_OSAKA};
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        size_t k = 0;
        while (valued[k] && strcmp(a, valued[k]) != 0) {
            k++;
        }
        if (valued[k]) {
            if (i + 1 == argc) return wrong("a value is missing after", a);
            if (!read_value(o, a, argv[++i])) return false;
        } else if (strcmp(a, "--create") == 0) {
            o->create = true;
        } else if (strcmp(a, "--json") == 0) {
            o->json = true;
        } else if (strcmp(a, "--bench") == 0) {
            o->bench = true;
        } else if (strcmp(a, "--trace") == 0) {
            o->tracer = "structlog";
        } else {
            return wrong("unknown flag", a);
        }
    }
    return o->code || wrong("needs", "--code HEX");
}

static int read_hex(struct bytes *ret, const char *text, struct arena *a, struct error *why) {
    struct bytes digits = bytes_from_str(text);
    if (bytes_starts_with(digits, BYTES_LIT("0x"))) digits = bytes_slice(digits, 2, digits.n);
    uint8_t *p = arena_alloc_raw(a, digits.n / 2 + 1);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory");
    *ret = (struct bytes){p, digits.n / 2};
    return hex_decode(p, digits, why);
}

static void print_result(const struct run_options *o, const struct evm_result *r, int64_t gas) {
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    if (o->tracer && strcmp(o->tracer, "structlog") == 0) {
        // Its last line has said it.
    } else if (o->json || o->tracer) {
        json_writer_init(&w, &out, 0);
        json_begin_object(&w, NULL);
        json_add_data(&w, "output", r->output);
        json_add_quantity(&w, "gasUsed", (uint64_t)gas);
        if (r->status != EVM_SUCCESS) json_add_str(&w, "error", evm_status_name(r->status));
        json_end(&w);
    } else {
        hex_append_data(&out, r->output);
    }
    if (out.n) printf("%.*s\n", (int)out.n, (const char *)out.p);
    if (!o->json && r->status != EVM_SUCCESS) {
        (void)fprintf(stderr, "%s\n", evm_status_name(r->status));
    }
    buf_free(&out);
}

static int run_traced(struct workbench *w, const struct run_options *o, const struct evm_message *m,
                      struct evm_result *r, struct error *why) {
    struct tracer *tracer;
    struct buf out;
    buf_init(&out, 0);
    int code = tracer_new(&tracer, o->tracer, &out, why);
    if (code != 0) return code;
    w->vm.tracer = tracer_interface(tracer);
    evm_execute(&w->vm, m, r);
    w->vm.tracer = NULL;
    code = tracer_end(tracer, &w->state, why);
    if (code == 0) (void)fwrite(out.p, 1, out.n, stdout);
    tracer_free(tracer);
    buf_free(&out);
    return code;
}

static void print_bench(struct workbench *w, const struct evm_message *m) {
    struct evm_result r;
    int64_t gas;
    double ns = bench_message(&w->vm, m, BENCH_MS, &r, &gas);
    printf("{\"name\":\"run\",\"ns\":%.0f,\"gas\":%lld,\"mgas_s\":%.0f,\"status\":\"%s\"}\n", ns,
           (long long)gas, (double)gas * 1e3 / ns, evm_status_name(r.status));
}

static int run(struct workbench *w, const struct run_options *o, int *ret_status,
               struct error *why) {
    static const struct address receiver = {{[0] = 0x10, [19] = 0x01}};
    static const struct address sender = {{[0] = 0x10, [19] = 0x02}};
    struct bytes code, input;
    struct evm_result r;
    int e = read_hex(&code, o->code, &w->arena, why);
    if (e != 0) return error_wrap(why, "--code");
    e = read_hex(&input, o->input, &w->arena, why);
    if (e != 0) return error_wrap(why, "--input");
    e = memory_state_set_account(&w->memory, &sender, U256_MAX, 1, (struct bytes){0}, why);
    if (e == 0 && !o->create) {
        e = memory_state_set_account(&w->memory, &receiver, U256_ZERO, 1, code, why);
    }
    if (e != 0) return e;
    evm_use(&w->vm, &w->state, o->fork);
    w->vm.block = (struct evm_block){.chain_id = 1, .gas_limit = o->gas};
    w->vm.tx = (struct evm_tx){.origin = sender};
    state_begin(&w->state);
    struct evm_message m = {.kind = o->create ? EVM_CREATE : EVM_CALL,
                            .gas = (int64_t)o->gas,
                            .recipient = receiver,
                            .code_address = receiver,
                            .sender = sender,
                            .value = o->value,
                            .input = o->create ? code : input};
    if (o->bench) {
        print_bench(w, &m);
        *ret_status = 0;
        return state_check(&w->state, why);
    }
    if (o->tracer) {
        e = run_traced(w, o, &m, &r, why);
        if (e != 0) return e;
    } else {
        evm_execute(&w->vm, &m, &r);
    }
    print_result(o, &r, m.gas - r.gas_left);
    *ret_status = r.status == EVM_SUCCESS ? 0 : 1;
    return state_check(&w->state, why);
}

static int print_usage(void) {
    (void)fputs("Usage: buildernet evm run --code HEX [FLAGS]\n\nRun one piece of code.\n\n"
                "  --input HEX     its input\n"
                "  --gas N         gas that it may use\n"
                "  --value N       wei that come with the call\n"
                "  --fork NAME     rules\n"
                "  --create        the code is that of a creation\n"
                "  --json          output, gas and status as a JSON object\n"
                "  --bench         time it\n"
                "  --trace         a line an instruction (EIP-3155)\n"
                "  --tracer NAME   what this tracer tells; one of:",
                stdout);
    for (size_t i = 0; tracer_names[i]; i++) {
        (void)printf(" %s", tracer_names[i]);
    }
    (void)fputs("\n", stdout);
    return 0;
}

int run_main(int argc, char **argv) {
    struct run_options o;
    struct workbench w;
    struct report_sink none = {0};
    struct error why = {0};
    int status = 1;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) return print_usage();
    if (!read_flags(&o, argc, argv)) return 64;
    int r = workbench_init(&w, &none, &why);
    if (r == 0) {
        r = run(&w, &o, &status, &why);
        workbench_free(&w);
    }
    if (r == 0) return status;
    (void)fprintf(stderr, "evm run: %s\n", why.text);
    return error_class_of(r)->exit_status;
}
