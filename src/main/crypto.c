/* `buildernet crypto bench [NAME_PART]`: how fast hashes and curves are here.
 * SPDX-License-Identifier: MIT */
#include "crypto/bench.h"
#include "main/program.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool read_budget(unsigned *ret, const char *text) {
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || n > UINT_MAX) return false;
    *ret = (unsigned)n;
    return true;
}

static int bench(int argc, char **argv) {
    const char *only = NULL;
    unsigned budget_ms = 200;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--budget-ms") == 0 && i + 1 < argc &&
            read_budget(&budget_ms, argv[i + 1])) {
            i++;
        } else if (argv[i][0] == '-' || only) {
            (void)fprintf(stderr,
                          "buildernet crypto bench: not its argument, or a wrong value: %.64s "
                          "(see --help)\n",
                          argv[i]);
            return 64;
        } else {
            only = argv[i];
        }
    }
    if (!only) only = "";
    if (crypto_bench(only, budget_ms) > 0) return 0;
    (void)fprintf(stderr, "buildernet crypto bench: no case has '%.64s' in its name\n", only);
    return 1;
}

static const struct config_verb verbs[] = {
    {.name = "bench",
     .arguments = "[--budget-ms N] [NAME_PART]",
     .help = "Time the cryptography.",
     .run = bench,
     .details =
         "One JSON line a case: name, work, unit, ns (of the whole work), limit_ns (what the\n"
         "bare permutations or multiplications of the case cost in this run), cpu.\n"
         "NAME_PART runs only the cases whose name contains it.\n"
         "  --budget-ms N   time for each case (default 200)\n"},
};

const struct config_program crypto_program = {
    .name = "crypto",
    .summary = "time the cryptography",
    CONFIG_VERBS(verbs),
};
