/* SPDX-License-Identifier: MIT */
#include "test/conformance/evm.h"

#include "base/buf.h"

#include <string.h>

static evm_format *const formats[] = {
    evm_run_replay, evm_run_state,       evm_run_precompile, evm_run_wire,
    evm_run_relay,  evm_run_builder_api, evm_run_kzg,        evm_run_trie,
};

bool evm_path_contains(const struct evm_file *f, const char *word) {
    return strcasestr(f->path, word) != NULL;
}

struct run {
    struct arena a;
    struct evm_memory memory;
    struct buf ssz;
};

static bool has_ending(const char *path, const char *ending) {
    size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

static void run_file(const char *path, struct bytes content, struct tally *t, void *arg) {
    struct run *run = arg;
    arena_reset(&run->a);
    struct evm_file f = {path, content, NULL, &run->a, &run->memory};
    bool json = has_ending(path, ".json") || has_ending(path, ".json.gz");
    if (json) {
        const struct json_limits limits = {JSON_BYTES_MAX, JSON_DEPTH_MAX, JSON_VALUES_MAX, true};
        struct error why;
        if (json_parse(&f.json, content, &run->a, &limits, &why) != 0) {
            tally_fail(t, "-", "is not JSON: %s", why.text);
            return;
        }
    }
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (formats[i](&f, t)) return;
    }
    tally_skip(t, "-", "no format of this area knows the file");
}

void area_evm(const char *path, struct tally *t) {
    struct run run = {.memory = {.ssz = &run.ssz}};
    arena_init(&run.a, 0);
    buf_init(&run.ssz, 0);
    conformance_walk(path, t, run_file, &run);
    evm_finish_replay(&run.memory, t);
    buf_free(&run.ssz);
    arena_free(&run.a);
}
