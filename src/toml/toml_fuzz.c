/* Differential against toml++ on documents that both take; ours must take nothing that toml++
 * refuses. (toml++ itself lets some wrong documents through.)
 * SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "toml/oracle.h"
#include "toml/toml.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int by_key(const void *a, const void *b) {
    const struct toml *x = *(const struct toml *const *)a;
    const struct toml *y = *(const struct toml *const *)b;
    return bytes_compare(x->key, y->key);
}

static void put(struct buf *out, struct bytes s) {
    buf_printf(out, "%zu:", s.n);
    buf_append(out, s);
}

static void dump(struct buf *out, const struct toml *v);

static void dump_table(struct buf *out, const struct toml *v) {
    const struct toml **sorted = calloc(v->count + 1u, sizeof *sorted);
    if (!sorted) abort();
    size_t n = 0;
    toml_each(child, v) {
        sorted[n++] = child;
    }
    if (n != v->count) abort();
    qsort(sorted, n, sizeof *sorted, by_key);
    buf_append_byte(out, '{');
    for (size_t i = 0; i < n; i++) {
        put(out, sorted[i]->key);
        dump(out, sorted[i]);
    }
    buf_append_byte(out, '}');
    free(sorted);
}

static void dump(struct buf *out, const struct toml *v) {
    switch (v->type) {
    case TOML_TABLE:
        dump_table(out, v);
        break;
    case TOML_ARRAY:
        buf_append_byte(out, '[');
        toml_each(child, v) {
            dump(out, child);
        }
        buf_append_byte(out, ']');
        break;
    case TOML_STRING:
        buf_append_byte(out, 's');
        put(out, v->string);
        break;
    case TOML_INTEGER:
        buf_printf(out, "i%lld;", (long long)v->integer);
        break;
    case TOML_BOOL:
        buf_append_byte(out, v->boolean ? 't' : 'f');
        break;
    case TOML_FLOAT:
        buf_append_byte(out, 'd');
        break;
    case TOML_TIME:
        buf_append_byte(out, 'T');
        break;
    }
}

/* What is written reads back as the same, and is written the same again. */
static void check_written(const struct toml *root, const struct buf *dumped) {
    struct arena a;
    struct buf text, again;
    const struct toml *back;
    arena_init(&a, 64u << 20);
    buf_init(&text, 0);
    buf_init(&again, 0);
    buf_append_str(&text, "x = ");
    toml_write(&text, root);
    int r = toml_parse(&back, buf_view(&text), &a, NULL);
    if (r && r != ERR_LIMIT) abort(); // tables by headers may lie deeper than inline ones
    if (r == 0) {
        dump(&again, toml_find(back, "x"));
        if (!bytes_equal(buf_view(&again), buf_view(dumped))) abort();
        buf_clear(&again);
        buf_append_str(&again, "x = ");
        toml_write(&again, toml_find(back, "x"));
        if (!bytes_equal(buf_view(&again), buf_view(&text))) abort();
    }
    buf_free(&text);
    buf_free(&again);
    arena_free(&a);
}

#ifdef HAVE_TOMLPLUSPLUS
static bool is_ascii(const uint8_t *p, size_t n) {
    while (n && *p < 0x80)
        p++, n--;
    return n == 0;
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a;
    arena_init(&a, 64u << 20);
    const struct toml *root = NULL;
    struct error why = {0};
    int r = toml_parse(&root, bytes_make(data, size), &a, &why);
    if (why.at > size) abort();
    struct buf ours;
    buf_init(&ours, 0);
    if (r == 0) {
        dump(&ours, root);
        check_written(root, &ours);
    }
#ifdef HAVE_TOMLPLUSPLUS
    char *theirs = NULL;
    size_t theirs_n = 0;
    // toml++ loses its way when characters beyond ASCII follow a backslash at a line's end.
    if (r == 0 && (is_ascii(data, size) || !memchr(data, '\\', size))) {
        int verdict = toml_oracle((const char *)data, size, &theirs, &theirs_n);
        if (verdict == 0) abort();
        if (verdict > 0 && !bytes_equal(buf_view(&ours), bytes_make(theirs, theirs_n))) abort();
    }
    free(theirs);
#endif
    buf_free(&ours);
    arena_free(&a);
    return 0;
}
