/* `buildernet builder backtest` and `explain`. SPDX-License-Identifier: MIT */
#include "main/builder_tools.h"

#include "base/file.h"
#include "base/hex.h"
#include "builder/backtest.h"
#include "builder/records.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    struct command c = {
        .o = {.seed = 1, .algorithm = -1, .explain = explain, .refine = explain ? 0 : 3000}};
    if (argc > 1 && strcmp(argv[1], "--help") == 0) return usage(stdout);
    c.blocks = calloc((size_t)argc + 1, sizeof *c.blocks);
    if (!c.blocks) return 71;
    int r = read_flags(&c, argc, argv);
    if (r == 0) r = run(&c);
    free(c.blocks);
    return r;
}

/* Refunds. */

static int refunds_usage(FILE *to) {
    (void)fputs(
        "usage: buildernet builder refunds BLOCK --records-folder PATH [flags]\n"
        "       buildernet builder refunds FILE [flags]\n"
        "\n"
        "Checks the signature of a landed block's record and tells who paid what, what the\n"
        "block would have been worth without them, and what they get back.\n"
        "\n"
        "  --records-folder PATH  where the builder keeps its records\n"
        "  --signer ADDRESS       only a record of this signer\n"
        "  --json                 the record as JSON\n"
        "  --csv                  block_number,block_hash,address,amount\n",
        to);
    return to == stdout ? 0 : 64;
}

struct refunds_command {
    const char *subject, *folder;
    const struct address *signer;
    enum record_form form;
};

static int show_record(const struct refunds_command *c, const char *path) {
    struct address signer;
    const struct json *record;
    struct buf text, out;
    struct arena a;
    struct error why;
    buf_init(&text, RECORD_BYTES_MAX);
    buf_init(&out, 0);
    arena_init(&a, 0);
    int r = file_read(&text, path, &why);
    if (r == 0) r = record_check(&record, &signer, buf_view(&text), &a, &why);
    if (r == 0 && c->signer && !address_equal(c->signer, &signer)) {
        r = error_set(&why, ERR_UNTRUSTED, "the record is of another signer");
    }
    if (r == 0) r = record_explain(&out, record, &signer, c->form, &why);
    if (r == 0) (void)fwrite(out.p, 1, out.n, stdout);
    if (r != 0) (void)fprintf(stderr, "builder: %s: %s\n", path, why.text);
    buf_free(&text);
    buf_free(&out);
    arena_free(&a);
    return r == 0 ? 0 : error_class_of(r)->exit_status;
}

// All records of a block's number: there are several when a reorg took one back.
static int show_block(const struct refunds_command *c) {
    char prefix[32];
    unsigned found = 0;
    int status = 0;
    size_t n = (size_t)snprintf(prefix, sizeof prefix, "%s-", c->subject);
    DIR *d = opendir(c->folder);
    if (!d) return bad("cannot read the folder", c->folder);
    for (struct dirent *e; (e = readdir(d));) {
        char path[4096];
        if (strncmp(e->d_name, prefix, n) != 0) continue;
        (void)snprintf(path, sizeof path, "%s/%s", c->folder, e->d_name);
        int one = show_record(c, path);
        if (one != 0) status = one;
        found++;
    }
    (void)closedir(d);
    return found ? status : bad("no record of block", c->subject);
}

int builder_refunds(int argc, char **argv) {
    struct refunds_command c = {0};
    struct address signer;
    struct error why;
    uint64_t number;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(a, "--help") == 0) return refunds_usage(stdout);
        if (strcmp(a, "--json") == 0) {
            c.form = RECORD_JSON;
        } else if (strcmp(a, "--csv") == 0) {
            c.form = RECORD_CSV;
        } else if (strcmp(a, "--records-folder") == 0 && value) {
            c.folder = argv[++i];
        } else if (strcmp(a, "--signer") == 0 && value) {
            if (hex_decode_address(&signer, bytes_from_str(argv[++i]), &why) != 0) {
                return bad("no address for --signer:", argv[i]);
            }
            c.signer = &signer;
        } else if (a[0] == '-' || c.subject) {
            return bad("unknown flag, or one without its value:", a);
        } else {
            c.subject = a;
        }
    }
    if (!c.subject) return refunds_usage(stderr);
    if (!read_number(&number, c.subject)) return show_record(&c, c.subject);
    if (!c.folder) return bad("no --records-folder is given for block", c.subject);
    return show_block(&c);
}
