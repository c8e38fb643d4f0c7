/* `buildernet crypto bench [NAME_PART]`: how fast hashes and curves are here.
 * SPDX-License-Identifier: MIT */
#include "crypto/bench.h"
#include "main/program.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: buildernet crypto bench [--budget-ms N] [NAME_PART]\n\n"
    "Times the cryptography, one JSON line a case: name, work, unit, ns (of the whole work),\n"
    "limit_ns (what the bare permutations or multiplications of the case cost in this run), cpu.\n"
    "NAME_PART runs only the cases whose name contains it.\n";

static bool read_budget(unsigned *ret, const char *text) {
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || n > UINT_MAX) return false;
    *ret = (unsigned)n;
    return true;
}

int crypto_main(int argc, char **argv) {
    const char *only = "";
    unsigned budget_ms = 200;
    if (argc >= 2 && strcmp(argv[1], "--help") == 0) return fputs(usage, stdout) < 0;
    if (argc < 2 || strcmp(argv[1], "bench") != 0) {
        (void)fputs(usage, stderr);
        return 64;
    }
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) return fputs(usage, stdout) < 0;
        if (strcmp(argv[i], "--budget-ms") == 0) {
            if (i + 1 < argc && read_budget(&budget_ms, argv[i + 1])) {
                i++;
                continue;
            }
            (void)fputs(usage, stderr);
            return 64;
        }
        only = argv[i];
    }
    if (crypto_bench(only, budget_ms) > 0) return 0;
    (void)fprintf(stderr, "buildernet crypto bench: no case has '%.64s' in its name\n", only);
    return 1;
}
