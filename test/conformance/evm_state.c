/* State tests and block tests, run by the same code as `buildernet evm statetest`.
 * SPDX-License-Identifier: MIT */
#include "evm_tool/blocktest.h"
#include "evm_tool/statetest.h"
#include "test/conformance/evm.h"

static void count(void *arg, enum verdict verdict, const char *file, const char *name,
                  const char *text) {
    struct tally *t = arg;
    (void)file;
    if (verdict == VERDICT_PASSED) {
        tally_pass(t, name);
    } else if (verdict == VERDICT_FAILED) {
        tally_fail(t, name, "%s", text);
    } else {
        tally_skip(t, name, "%s", text);
    }
}

// One workbench for all files: making one costs more than most files.
static struct workbench *bench_for(struct tally *t) {
    static struct workbench bench;
    static struct report_sink sink = {NULL, count};
    static bool made;
    struct error why = {0};
    sink.arg = t;
    if (!made && workbench_init(&bench, &sink, &why) != 0) {
        tally_fail(t, "-", "%s", why.text);
        return NULL;
    }
    made = true;
    return &bench;
}

bool evm_run_state(const struct evm_file *f, struct tally *t) {
    bool state = statetest_is_format(f->json);
    if (!state && !blocktest_is_format(f->json)) return false;
    struct workbench *w = bench_for(t);
    if (!w) return true;
    workbench_begin_file(w, f->path);
    if (state) {
        statetest_run_json(w, f->json);
    } else {
        blocktest_run_json(w, f->json);
    }
    workbench_end_file(w);
    return true;
}
