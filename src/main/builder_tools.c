/* `buildernet builder backtest` and `explain`. SPDX-License-Identifier: MIT */
#include "main/builder_tools.h"

#include "builder/backtest.h"

#include <stdio.h>
#include <stdlib.h>

static int usage(FILE *to) {
    (void)fputs(
        "usage: buildernet builder backtest --block PATH... [flags]\n"
        "       buildernet builder explain PATH [flags]\n"
        "\n"
        "PATH is a recorded block: its folder or block.json, with pre_state.json beside it\n"
        "and codes.json there or above. explain tells for each order why it is in, or out.\n"
        "\n"
        "  --block PATH       a block; may be given more than once\n"
        "  --orders FILE      requests: a JSON array, or one a line; without it the\n"
        "                     block's own transactions, shuffled\n"
        "  --seed N           of the shuffle and of random sequences (default 1)\n"
        "  --refine N         sequences to try after each algorithm (default 3000; explain 0)\n"
        "  --algorithm NAME   only this one\n"
        "  --json             a line of JSON a block\n",
        to);
    return to == stdout ? 0 : 64;
}

static int bad(const char *what, const char *arg) {
    (void)fprintf(stderr, "builder: %s '%.200s'\n", what, arg);
    return 64;
}

static bool read_number(uint64_t *ret, const char *text) {
    char *end;
    *ret = strtoull(text, &end, 10);
    return *text && !*end;
}

struct command {
    struct backtest_options o;
    const char **blocks;
    size_t block_count;
};

static int read_flags(struct command *c, int argc, char **argv) {
    uint64_t n;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(a, "--json") == 0) {
            c->o.json = true;
            continue;
        }
        if (a[0] != '-') {
            c->blocks[c->block_count++] = a;
            continue;
        }
        if (!value) return bad("unknown flag, or one without its value:", a);
        i++;
        if (strcmp(a, "--block") == 0) {
            c->blocks[c->block_count++] = value;
        } else if (strcmp(a, "--orders") == 0) {
            c->o.orders = value;
        } else if (strcmp(a, "--seed") == 0 && read_number(&n, value)) {
            c->o.seed = n;
        } else if (strcmp(a, "--refine") == 0 && read_number(&n, value) && n <= 1000000) {
            c->o.refine = (unsigned)n;
        } else if (strcmp(a, "--algorithm") == 0) {
            c->o.algorithm = algorithm_find(bytes_from_str(value));
            if (c->o.algorithm < 0) return bad("no algorithm is named", value);
        } else {
            return bad("unknown flag, or a value that does not fit it:", a);
        }
    }
    return c->block_count ? 0 : bad("no block is given to", argv[0]);
}

// Every block; 1 when one could not be run, was built invalid, or is worth less than it was.
static int run(struct command *c) {
    unsigned passed = 0, failed = 0;
    for (size_t i = 0; i < c->block_count; i++) {
        struct backtest_report report;
        struct error why;
        struct buf out;
        buf_init(&out, 0);
        c->o.block = c->blocks[i];
        int r = backtest_run(&report, &c->o, &out, &why);
        if (r != 0) (void)fprintf(stderr, "builder: %s\n", why.text);
        if (r == 0) backtest_print(&out, &report, c->o.json);
        (void)fwrite(out.p, 1, out.n, stdout);
        buf_free(&out);
        bool good = r == 0 && backtest_is_good(&report);
        passed += good;
        failed += !good;
    }
    if (!c->o.explain) printf("%u passed, %u failed, 0 skipped\n", passed, failed);
    return failed ? 1 : 0;
}

int builder_backtest(int argc, char **argv, bool explain) {
    struct command c = {.o = {.seed = 1, .algorithm = -1, .explain = explain, .refine = explain ? 0 : 3000}};
    if (argc > 1 && strcmp(argv[1], "--help") == 0) return usage(stdout);
    c.blocks = calloc((size_t)argc + 1, sizeof *c.blocks);
    if (!c.blocks) return 71;
    int r = read_flags(&c, argc, argv);
    if (r == 0) r = run(&c);
    free(c.blocks);
    return r;
}
