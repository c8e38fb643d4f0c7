/* Running test files: files and archives to several threads, and a count of what came out.
 *
 * Each thread has a bench of its own (machine, state, arena); files are handed out through a
 * bounded queue. Results are printed and counted in one place.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EVM_TOOL_RUNNER_H
#define EVM_TOOL_RUNNER_H

#include "base/walk.h"
#include "chain/memory_state.h"
#include "crypto/ecdsa.h"
#include "evm/evm.h"
#include "evm/precompile.h"

enum verdict { VERDICT_PASSED, VERDICT_FAILED, VERDICT_SKIPPED };

/* Where results go; called by any thread, one at a time. */
struct report_sink {
    void *arg;
    void (*report)(void *arg, enum verdict verdict, const char *file, const char *name,
                   const char *text);
};

/* What one thread works with. */
struct workbench {
    const struct report_sink *sink;
    void *lock;         /* pthread_mutex_t around the sink; NULL: one thread */
    int fork;           /* only this enum fork; -1: all */
    const char *filter; /* only cases whose name contains it; NULL: all */
    const char *file;
    struct arena arena; /* reset for every file */
    struct evm_code_cache *codes;
    struct precompiles *precompiles;
    struct ecdsa_signer *signer;
    struct evm vm;
    struct state state;
    struct memory_state memory;
};

[[gnu::warn_unused_result]] int workbench_init(struct workbench *w, const struct report_sink *sink,
                                               struct error *why);
void workbench_free(struct workbench *w);

/* workbench_report tells the result of one case; the text is for failures and skips. */
[[gnu::format(printf, 4, 5)]] void workbench_report(struct workbench *w, enum verdict verdict,
                                                    const char *name, const char *text, ...);

/* workbench_wants: the case is one that is to be run, by its name. */
bool workbench_wants(const struct workbench *w, const char *name);

/* workbench_parse reads the file as JSON into its arena; a failure is reported, NULL then. */
struct json;
const struct json *workbench_parse(struct workbench *w, struct bytes content);

/* One file's content, in some format. Reports every case of it. */
typedef void run_file(struct workbench *w, struct bytes content);

/* workbench_begin_file notes the name for results; workbench_end_file forgets what the file
 * needed. A run_file is called between them. */
void workbench_begin_file(struct workbench *w, const char *name);
void workbench_end_file(struct workbench *w);

struct runner_options {
    int fork;           /* -1: all */
    unsigned jobs;      /* threads, at least 1 */
    bool json;          /* a JSON line per case instead of lines for failures and skips */
    bool verbose;       /* skips are printed too */
    const char *filter; /* as in struct workbench */
    const char *const *paths;
    size_t path_count;
    uint64_t progress_ns; /* between two signs of progress; 0: 10 s, on a terminal 0.1 s */
};

/* runner_run runs every file under the paths whose name ends in .json (or .json.gz, .json.zst), and
 * every path that is itself a file, and prints the closing line; how far it is goes to standard
 * error meanwhile, on a terminal in place, else a line each time. Gives the exit status: 0, or 1
 * when a case failed or there was none. */
int runner_run(const struct runner_options *o, run_file *run);

#endif
