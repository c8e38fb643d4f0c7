/* SPDX-License-Identifier: MIT */
#include "evm_tool/t8n_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Flags: "--name value" and "--name=value". */

static const char *flag_value(int argc, char **argv, int *i, const char *name) {
    size_t n = strlen(name);
    if (!argv[*i] || strncmp(argv[*i], name, n) != 0) return NULL;
    if (argv[*i][n] == '=') return argv[*i] + n + 1;
    return argv[*i][n] == '\0' && *i + 1 < argc ? argv[++*i] : NULL;
}

// "--name", "--name=true", "--name=false".
static bool is_switch(const char *flag, const char *name, bool *ret) {
    size_t n = strlen(name);
    if (strncmp(flag, name, n) != 0 || (flag[n] && flag[n] != '=')) return false;
    *ret = !flag[n] || strcmp(flag + n, "=false") != 0;
    return true;
}

static bool read_switch(struct t8n_options *o, const char *flag) {
    bool v;
    struct tracer_options *t = &o->tracing;
    if (is_switch(flag, "--trace", &o->trace) || is_switch(flag, "--trace.memory", &t->memory) ||
        is_switch(flag, "--trace.nostack", &t->no_stack) ||
        is_switch(flag, "--trace.returndata", &t->return_data) ||
        is_switch(flag, "--state-test", &o->state_test) ||
        is_switch(flag, "--state.test", &o->state_test)) {
        return true;
    }
    if (is_switch(flag, "--trace.nomemory", &v)) {
        t->memory = !v;
        return true;
    }
    if (is_switch(flag, "--trace.noreturndata", &v)) {
        t->return_data = !v;
        return true;
    }
    return is_switch(flag, "--trace.callframes", &v); // of the original, changes nothing here
}

// A decimal number of any size, or one of 64 bits in hexadecimal.
static bool read_number(struct u256 *ret, const char *text) {
    char *end;
    if (u256_from_decimal(ret, bytes_from_str(text))) return true;
    errno = 0;
    *ret = u256_from_u64(strtoull(text, &end, 16));
    return strncmp(text, "0x", 2) == 0 && !*end && !errno;
}

static bool read_numbers(struct t8n_options *o) {
    struct u256 chain_id;
    bool good = read_number(&chain_id, o->chain_id_text) && u256_fits_u64(chain_id);
    o->chain_id = chain_id.w[0];
    o->no_reward = strcmp(o->reward_text, "-1") == 0;
    return good && (o->no_reward || read_number(&o->reward, o->reward_text));
}

bool t8n_options_read(struct t8n_options *ret, int argc, char **argv) {
    struct t8n_options *o = ret;
    const char *ignored = NULL;
    *o = (struct t8n_options){.alloc = "alloc.json",
                              .env = "env.json",
                              .txs = "txs.json",
                              .base = ".",
                              .alloc_to = "alloc.json",
                              .result_to = "result.json",
                              .body_to = "",
                              .fork = "Osaka",
                              .chain_id_text = "1",
                              .reward_text = "0"};
    const struct {
        const char *name;
        const char **to;
    } texts[] = {{"--input.alloc", &o->alloc},
                 {"--input.env", &o->env},
                 {"--input.txs", &o->txs},
                 {"--input.blobParams", &o->blob_params},
                 {"--output.basedir", &o->base},
                 {"--output.alloc", &o->alloc_to},
                 {"--output.result", &o->result_to},
                 {"--output.body", &o->body_to},
                 {"--state.fork", &o->fork},
                 {"--state.chainid", &o->chain_id_text},
                 {"--state.reward", &o->reward_text},
                 {"--trace.tracer", &o->tracer},
                 {"--verbosity", &ignored},
                 {"--opcode.count", &ignored}};
    for (int i = 1; i < argc; i++) {
        const char *v = NULL;
        for (size_t k = 0; !v && k < sizeof texts / sizeof *texts; k++) {
            if ((v = flag_value(argc, argv, &i, texts[k].name)) != NULL) *texts[k].to = v;
        }
        if (!v && !read_switch(o, argv[i])) {
            (void)fprintf(stderr, "evm t8n: unknown flag, or one without its value: %.200s\n",
                          argv[i]);
            return false;
        }
    }
    if (o->tracer) o->trace = true;
    if (read_numbers(o)) return true;
    (void)fprintf(stderr, "evm t8n: --state.chainid and --state.reward want numbers\n");
    return false;
}
