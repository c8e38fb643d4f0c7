/* `buildernet eth decode`: what bytes are. SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "eth/describe.h"
#include "main/program.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (256u << 20)

static void usage(void) {
    (void)fputs(
        "Usage: buildernet eth decode [--json] [--as KIND] FILE|HEX|-\n\n"
        "Tells what bytes are: a transaction (with or without blobs), a receipt, a header,\n"
        "a block, an SSZ container of builders and relays, or plain RLP. The bytes come\n"
        "from a file (binary, or hex text), from the command line, or from standard input.\n"
        "Where less is told than you expect (plain RLP for a transaction, say), --as tells why,\n"
        "and at which byte.\n\n"
        "  --json     one JSON object instead of a table\n"
        "  --as KIND  this kind and no other; one of:\n",
        stdout);
    for (size_t i = 0; describe_kinds(i); i++) {
        (void)printf("             %s\n", describe_kinds(i));
    }
}

static int read_stream(struct buf *ret, FILE *f, struct error *why) {
    for (;;) {
        uint8_t *to = buf_reserve(ret, 1u << 16);
        if (!to) return buf_check(ret, why);
        size_t n = fread(to, 1, 1u << 16, f);
        buf_commit(ret, n);
        if (n == 0) return ferror(f) ? error_set_os(why, ERR_IO, errno, "cannot read") : 0;
    }
}

/* Text, not bytes that by chance begin with some: no encoding of more than a byte is all print. */
static bool is_text(struct bytes in) {
    size_t i = 0;
    while (i < in.n && (isprint(in.p[i]) || isspace(in.p[i]))) {
        i++;
    }
    return in.n > 1 && i == in.n;
}

/* Takes the spaces out of hex text and decodes it; other content stays as it is. */
static int decode_text(struct bytes *ret, struct buf *in, struct arena *a, struct error *why) {
    *ret = buf_view(in);
    size_t n = 0;
    for (size_t i = 0; i < in->n; i++) {
        if (!isspace(in->p[i])) n++;
    }
    char *text = arena_alloc(a, n + 2);
    if (!text) return error_set(why, ERR_NO_MEMORY, "no memory");
    n = 0;
    for (size_t i = 0; i < in->n; i++) {
        uint8_t c = in->p[i];
        if (isspace(c)) continue;
        if (!isxdigit(c) && !(n == 1 && c == 'x' && text[0] == '0')) {
            if (!is_text(*ret)) return 0; // binary
            return error_set_at(why, ERR_SYNTAX, i, "text with '%c', which is no hex digit", c);
        }
        text[n++] = (char)c;
    }
    struct bytes digits = bytes_make(text, n);
    if (n >= 2 && text[1] == 'x') digits = bytes_slice(digits, 2, n - 2);
    uint8_t *bytes = arena_alloc(a, digits.n / 2 + 1);
    if (!bytes) return error_set(why, ERR_NO_MEMORY, "no memory");
    int r = hex_decode(bytes, digits, why);
    *ret = bytes_make(bytes, digits.n / 2);
    return r;
}

static int read_input(struct bytes *ret, struct buf *content, const char *from, struct arena *a,
                      struct error *why) {
    FILE *f = strcmp(from, "-") == 0 ? stdin : fopen(from, "rb");
    int r = 0;
    if (f) {
        r = read_stream(content, f, why);
        if (f != stdin) (void)fclose(f);
        return r != 0 ? r : decode_text(ret, content, a, why);
    }
    int os = errno;
    buf_append_str(content, from);
    r = decode_text(ret, content, a, why);
    bool hex = bytes_starts_with(buf_view(content), BYTES_LIT("0x"));
    if (!hex && ret->p == content->p) {
        return error_set_os(why, ERR_NOT_FOUND, os, "'%.64s' is neither hex nor a file", from);
    }
    return r;
}

static int decode(const char *from, const char *kind, bool json) {
    struct arena a;
    struct buf content, out, table;
    struct error why;
    struct bytes in;
    arena_init(&a, 0);
    buf_init(&content, INPUT_MAX);
    buf_init(&out, 0);
    buf_init(&table, 0);
    int r = read_input(&in, &content, from, &a, &why);
    if (r == 0) r = describe_json(&out, kind, in, &a, &why);
    if (r == 0 && json) buf_append_byte(&out, '\n');
    if (r == 0 && !json) r = describe_table(&table, buf_view(&out), &a, &why);
    const struct buf *shown = json ? &out : &table;
    if (r == 0 && (fwrite(shown->p, 1, shown->n, stdout) != shown->n || fflush(stdout) != 0)) {
        r = error_set_os(&why, ERR_IO, errno, "cannot write");
    }
    if (r != 0) program_complain("eth decode", &why);
    buf_free(&content);
    buf_free(&out);
    buf_free(&table);
    arena_free(&a);
    return r == 0 ? 0 : error_class_of(r)->exit_status;
}

static int misused(void) {
    (void)fputs("buildernet eth decode: not its arguments: see --help\n", stderr);
    return 64;
}

static int decode_main(int argc, char **argv) {
    const char *kind = NULL, *from = NULL;
    bool json = false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            usage();
            return 0;
        }
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--as") == 0 && i + 1 < argc) {
            kind = argv[++i];
        } else if (!from && (argv[i][0] != '-' || argv[i][1] == 0)) {
            from = argv[i];
        } else {
            return misused();
        }
    }
    return from ? decode(from, kind, json) : misused();
}

static const struct config_verb verbs[] = {
    {.name = "decode",
     .arguments = "[--json] [--as KIND] FILE|HEX|-",
     .help = "Tell what bytes are.",
     .run = decode_main},
};

const struct config_program eth_program = {
    .name = "eth",
    .summary = "tell what bytes are: transactions, blocks, SSZ, RLP",
    CONFIG_VERBS(verbs),
};
