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

static int usage(FILE *to) {
    (void)fputs("usage: buildernet evm VERB [flags]\n"
                "\n"
                "  statetest PATH...   run state tests\n"
                "  blocktest PATH...   run block tests\n"
                "  run --code HEX      run one piece of code: --input, --gas, --trace, --bench\n"
                "  t8n [flags]         the transition tool of the test fillers\n"
                "  bench PATH...       time state tests as programs\n"
                "  replay PATH...      run blocks with their pre-state, and time them\n"
                "\n"
                "PATH: files, folders, .tar.zst, .tar.gz and .tar archives.\n"
                "  --fork NAME   only this fork        --jobs N   threads (default: processors)\n"
                "  --json        a JSON line per case  --verbose  name what is skipped\n"
                "  --filter WORD bench only the names that contain it\n",
                to);
    return to == stdout ? 0 : 64;
}

static int bad(const char *what, const char *arg) {
    (void)fprintf(stderr, "evm: %s '%.200s'\n", what, arg);
    return 64;
}

// Flags of the verbs that run files. Gives 0, or the exit status.
static int read_options(struct runner_options *o, int argc, char **argv) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *o = (struct runner_options){.fork = -1, .jobs = processors > 1 ? (unsigned)processors : 1};
    const char **paths = calloc((size_t)argc + 1, sizeof *paths);
    if (!paths) return 71;
    o->paths = paths;
    for (int i = 2; i < argc; i++) {
        const char *a = argv[i];
        bool has_value = i + 1 < argc;
        if (strcmp(a, "--json") == 0) {
            o->json = true;
        } else if (strcmp(a, "--verbose") == 0) {
            o->verbose = true;
        } else if (strcmp(a, "--fork") == 0 && has_value) {
            o->fork = fork_parse(bytes_from_str(argv[++i]));
            if (o->fork < 0) return bad("no fork is named", argv[i]);
        } else if (strcmp(a, "--filter") == 0 && has_value) {
            o->filter = argv[++i];
        } else if (strcmp(a, "--jobs") == 0 && has_value) {
            char *end;
            unsigned long n = strtoul(argv[++i], &end, 10);
            if (*end || n < 1 || n > 64) return bad("--jobs wants 1 to 64, not", argv[i]);
            o->jobs = (unsigned)n;
        } else if (a[0] == '-') {
            return bad("unknown flag, or one without its value:", a);
        } else {
            paths[o->path_count++] = a;
        }
    }
    return o->path_count ? 0 : bad("no PATH is given to", argv[1]);
}

static int run_files(int argc, char **argv, run_file *run) {
    struct runner_options o;
    int r = read_options(&o, argc, argv);
    if (r == 0) r = runner_run(&o, run);
    free((void *)(uintptr_t)o.paths);
    return r;
}

static int replay(int argc, char **argv) {
    struct runner_options o;
    int r = read_options(&o, argc, argv);
    struct replay_options replayed = {o.paths, o.path_count, o.jobs, 5, o.json};
    if (r == 0) r = replay_run(&replayed);
    free((void *)(uintptr_t)o.paths);
    return r;
}

static int bench(int argc, char **argv) {
    struct runner_options o;
    int r = read_options(&o, argc, argv);
    struct bench_options timed = {o.paths, o.path_count, 400, o.filter};
    if (r == 0) r = bench_run(&timed);
    free((void *)(uintptr_t)o.paths);
    return r;
}

int evm_main(int argc, char **argv) {
    if (argc < 2) return usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) return usage(stdout);
    if (strcmp(argv[1], "statetest") == 0) return run_files(argc, argv, statetest_run);
    if (strcmp(argv[1], "blocktest") == 0) return run_files(argc, argv, blocktest_run);
    if (strcmp(argv[1], "replay") == 0) return replay(argc, argv);
    if (strcmp(argv[1], "bench") == 0) return bench(argc, argv);
    if (strcmp(argv[1], "t8n") == 0) return t8n_main(argc - 1, argv + 1);
    if (strcmp(argv[1], "run") == 0) return run_main(argc - 1, argv + 1);
    (void)bad("no verb is named", argv[1]);
    return usage(stderr);
}
