/* `buildernet builder backtest` and `explain`. SPDX-License-Identifier: MIT */
#include "builder/tools.h"

#include "base/file.h"
#include "base/hex.h"
#include "builder/backtest.h"
#include "builder/records.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int bad(const char *what, const char *arg) {
    (void)fprintf(stderr, "buildernet builder: %s '%.200s'; see --help\n", what, arg);
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
    for (int i = 2; i < argc; i++) {
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
    return c->block_count ? 0 : bad("no block is given to", argv[1]);
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

static int run_blocks(int argc, char **argv, bool explain) {
    struct command c = {
        .o = {.seed = 1, .algorithm = -1, .explain = explain, .refine = explain ? 0 : 3000}};
    c.blocks = calloc((size_t)argc + 1, sizeof *c.blocks);
    if (!c.blocks) return 71;
    int r = read_flags(&c, argc, argv);
    if (r == 0) r = run(&c);
    free(c.blocks);
    return r;
}

int builder_backtest(int argc, char **argv) {
    return run_blocks(argc, argv, false);
}

int builder_explain(int argc, char **argv) {
    return run_blocks(argc, argv, true);
}

/* Refunds. */

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
    (void)argc;
    for (char **at = argv + 2; *at; at++) { // ends with NULL
        const char *a = at[0], *value = at[1];
        if (strcmp(a, "--json") == 0) {
            c.form = RECORD_JSON;
        } else if (strcmp(a, "--csv") == 0) {
            c.form = RECORD_CSV;
        } else if (strcmp(a, "--records-folder") == 0 && value) {
            c.folder = *++at;
        } else if (strcmp(a, "--signer") == 0 && value) {
            if (hex_decode_address(&signer, bytes_from_str(*++at), &why) != 0) {
                return bad("no address for --signer:", *at);
            }
            c.signer = &signer;
        } else if (a[0] == '-' || c.subject) {
            return bad("unknown flag, or one without its value:", a);
        } else {
            c.subject = a;
        }
    }
    if (!c.subject) return bad("a block or a file is needed by", argv[1]);
    if (!read_number(&number, c.subject)) return show_record(&c, c.subject);
    if (!c.folder) return bad("no --records-folder is given for block", c.subject);
    return show_block(&c);
}
