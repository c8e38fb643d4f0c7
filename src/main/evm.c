/* `buildernet evm`: the machine on the command line. SPDX-License-Identifier: MIT */
#include "evm_tool/bench.h"
#include "evm_tool/blocktest.h"
#include "evm_tool/replay.h"
#include "evm_tool/run.h"
#include "evm_tool/runner.h"
#include "evm_tool/statetest.h"
#include "evm_tool/t8n.h"
#include "main/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BENCH_FOLDER "evm/benchmarks" /* below BN_VECTORS */

#define PATHS "PATH: files, folders, .tar.zst, .tar.gz and .tar archives.\n"
#define FORK "  --fork NAME    only this fork\n"
#define JOBS "  --jobs N       threads (default: processors)\n"
#define JSON "  --json         a JSON line a case\n"
#define VERBOSE "  --verbose      name what is skipped\n"
#define FILTER "  --filter WORD  only the names that contain it\n"

static int bad(const char *verb, const char *what, const char *arg) {
    (void)fprintf(stderr, "buildernet evm %s: %s %.200s (see --help)\n", verb, what, arg);
    return 64;
}

// "--name value" or "--name=value"; NULL: it is another flag, or has no value.
static const char *value_of(int argc, char **argv, int *i, const char *name) {
    size_t n = strlen(name);
    if (!argv[*i] || strncmp(argv[*i], name, n) != 0) return NULL;
    if (argv[*i][n] == '=') return argv[*i] + n + 1;
    return argv[*i][n] == '\0' && *i + 1 < argc ? argv[++*i] : NULL;
}

// Flags of the verbs that run files. Gives 0, or the exit status.
static int read_options(struct runner_options *o, int argc, char **argv) {
    const char *verb = argv[1];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *o = (struct runner_options){.fork = -1, .jobs = processors > 1 ? (unsigned)processors : 1};
    const char **paths = calloc((size_t)argc + 1, sizeof *paths);
    if (!paths) return 71;
    o->paths = paths;
    for (int i = 2; i < argc; i++) {
        const char *a = argv[i], *v;
        if (strcmp(a, "--json") == 0) {
            o->json = true;
        } else if (strcmp(a, "--verbose") == 0) {
            o->verbose = true;
        } else if ((v = value_of(argc, argv, &i, "--fork")) != NULL) {
            o->fork = fork_parse(bytes_from_str(v));
            if (o->fork < 0) return bad(verb, "no fork is named", v);
        } else if ((v = value_of(argc, argv, &i, "--filter")) != NULL) {
            o->filter = v;
        } else if ((v = value_of(argc, argv, &i, "--jobs")) != NULL) {
            char *end;
            unsigned long n = strtoul(v, &end, 10);
            if (*end || n < 1 || n > 64) return bad(verb, "--jobs wants 1 to 64, not", v);
            o->jobs = (unsigned)n;
        } else if (a[0] == '-') {
            return bad(verb, "unknown flag, or one without its value:", a);
        } else {
            paths[o->path_count++] = a;
        }
    }
    return 0;
}

static int need_paths(const struct runner_options *o, const char *verb) {
    return o->path_count ? 0 : bad(verb, "needs PATH:", "files, folders or archives of tests");
}

static int run_files(int argc, char **argv, run_file *run) {
    struct runner_options o;
    int r = read_options(&o, argc, argv);
    if (r == 0) r = need_paths(&o, argv[1]);
    if (r == 0) r = runner_run(&o, run);
    free((void *)(uintptr_t)o.paths);
    return r;
}

static int statetest(int argc, char **argv) {
    return run_files(argc, argv, statetest_run);
}

static int blocktest(int argc, char **argv) {
    return run_files(argc, argv, blocktest_run);
}

static int replay(int argc, char **argv) {
    struct runner_options o;
    int r = read_options(&o, argc, argv);
    if (r == 0) r = need_paths(&o, argv[1]);
    struct replay_options replayed = {o.paths, o.path_count, o.jobs, 5, o.fork, o.json};
    if (r == 0) r = replay_run(&replayed);
    free((void *)(uintptr_t)o.paths);
    return r;
}

static int bench(int argc, char **argv) {
    struct runner_options o;
    char folder[4096];
    const char *vectors = getenv("BN_VECTORS"), *published = folder;
    int r = read_options(&o, argc, argv);
    struct bench_options timed = {o.paths, o.path_count, 400, o.filter};
    if (r == 0 && !o.path_count) {
        (void)snprintf(folder, sizeof folder, "%s/" BENCH_FOLDER, vectors ? vectors : "");
        timed.paths = &published;
        timed.path_count = 1;
        if (!vectors || !*vectors || access(folder, R_OK) != 0) {
            r = bad("bench", "needs PATH, or BN_VECTORS as the folder that holds", BENCH_FOLDER);
        }
    }
    if (r == 0) r = bench_run(&timed);
    free((void *)(uintptr_t)o.paths);
    return r;
}

static int run(int argc, char **argv) {
    return run_main(argc - 1, argv + 1);
}

static int t8n(int argc, char **argv) {
    return t8n_main(argc - 1, argv + 1);
}

static const struct config_verb verbs[] = {
    {.name = "statetest",
     .arguments = "[FLAGS] PATH...",
     .help = "Run state tests.",
     .run = statetest,
     .details = PATHS FORK FILTER JOBS JSON VERBOSE},
    {.name = "blocktest",
     .arguments = "[FLAGS] PATH...",
     .help = "Run block tests.",
     .run = blocktest,
     .details = PATHS FORK FILTER JOBS JSON VERBOSE},
    {.name = "run",
     .arguments = "--code HEX [FLAGS]",
     .help = "Run one piece of code.",
     .run = run},
    {.name = "t8n",
     .arguments = "[FLAGS]",
     .help = "The transition tool of the test fillers.",
     .run = t8n,
     .details =
         "  --input.alloc FILE, --input.env FILE, --input.txs FILE\n"
         "                 stdin: members of one JSON object there\n"
         "  --output.basedir DIR, --output.alloc NAME, --output.result NAME, --output.body NAME\n"
         "                 files in DIR, or stdout, stderr: members of one JSON object there\n"
         "  --input.blobParams FILE\n"
         "                 target, max, baseFeeUpdateFraction of blobs\n"
         "  --state.fork NAME\n"
         "                 Frontier, Homestead, EIP150, EIP158, Byzantium, Constantinople,\n"
         "                 ConstantinopleFix, Istanbul, Berlin, London, Merge, Paris, Shanghai,\n"
         "                 Cancun, Prague, Osaka, BPO1, BPO2\n"
         "  --state.chainid N\n"
         "  --state.reward N  wei of a block's author; -1: none\n"
         "  --state-test   nothing but the transactions\n"
         "  --trace        EIP-3155 lines of transaction i to trace-i-HASH.jsonl in DIR\n"
         "  --trace.memory, --trace.nostack, --trace.returndata\n"
         "                 what those lines hold\n"
         "  --trace.tracer NAME\n"
         "                 what this tracer tells, to trace-i-HASH.json, instead\n"},
    {.name = "bench",
     .arguments = "[FLAGS] [PATH...]",
     .help = "Time state tests as programs.",
     .run = bench,
     .details = "One JSON line a program: ns of one run (the best), gas, instructions, limit_ns.\n"
                "Without PATH: evm/benchmarks in the folder of published vectors, BN_VECTORS.\n"
                "\n" PATHS FILTER},
    {.name = "replay",
     .arguments = "[FLAGS] PATH...",
     .help = "Run blocks with their pre-state, and time them.",
     .run = replay,
     .details = PATHS FORK JOBS JSON},
};

const struct config_program evm_program = {
    .name = "evm",
    .summary = "run code and the field's test files",
    CONFIG_VERBS(verbs),
};
