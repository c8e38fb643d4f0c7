/* KZG vectors of the consensus specification in YAML. Which function a file is for follows from the
 * members of its `input`.
 * SPDX-License-Identifier: MIT */
#include "test/conformance/evm.h"

#include "crypto/kzg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

struct vector {
    yaml_document_t document;
    struct arena *a;
    struct tally *tally;
    const struct kzg *kzg;
    yaml_node_t *input, *output;
    bool malformed; /* some hex had another length than its type: the functions must not run */
};

static const struct kzg *setup(void) {
    static struct kzg *kzg; // one setup a program
    struct error why;
    if (!kzg && kzg_open(&kzg, KZG_CELL_PROOFS, &why) < 0) {
        fprintf(stderr, "kzg_open: %s\n", why.text);
        exit(1);
    }
    return kzg;
}

static yaml_node_t *member(struct vector *v, yaml_node_t *map, const char *name) {
    if (!map || map->type != YAML_MAPPING_NODE) return NULL;
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        yaml_node_t *key = yaml_document_get_node(&v->document, p->key);
        if (key && key->type == YAML_SCALAR_NODE &&
            strcmp((const char *)key->data.scalar.value, name) == 0) {
            return yaml_document_get_node(&v->document, p->value);
        }
    }
    return NULL;
}

static size_t length(const yaml_node_t *list) {
    if (!list || list->type != YAML_SEQUENCE_NODE) return 0;
    return (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
}

static yaml_node_t *item(struct vector *v, yaml_node_t *list, size_t i) {
    return yaml_document_get_node(&v->document, list->data.sequence.items.start[i]);
}

static bool is_null(const yaml_node_t *n) {
    return !n || (n->type == YAML_SCALAR_NODE &&
                  (strcmp((const char *)n->data.scalar.value, "null") == 0 ||
                   n->data.scalar.length == 0));
}

static int digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Writes a "0x…" scalar of exactly n bytes; else the vector is malformed and zeros are written. */
static void read_hex(struct vector *v, uint8_t *ret, yaml_node_t *node, size_t n) {
    memset(ret, 0, n);
    if (!node || node->type != YAML_SCALAR_NODE || node->data.scalar.length != 2 + 2 * n ||
        memcmp(node->data.scalar.value, "0x", 2) != 0) {
        v->malformed = true;
        return;
    }
    const char *s = (const char *)node->data.scalar.value + 2;
    for (size_t i = 0; i < n; i++) {
        int high = digit(s[2 * i]), low = digit(s[2 * i + 1]);
        if (high < 0 || low < 0) {
            v->malformed = true;
            return;
        }
        ret[i] = (uint8_t)(high << 4 | low);
    }
}

static void *take(struct vector *v, size_t n) {
    void *p = arena_alloc(v->a, n);
    if (p) return p;
    fprintf(stderr, "conformance: no memory for a KZG vector\n");
    exit(1);
}

static uint8_t *hex(struct vector *v, const char *name, size_t n) {
    uint8_t *p = take(v, n);
    read_hex(v, p, member(v, v->input, name), n);
    return p;
}

/* A list of equal values, one after the other. */
static uint8_t *hex_list(struct vector *v, yaml_node_t *list, size_t n) {
    size_t count = length(list);
    uint8_t *p = take(v, count * n + 1);
    for (size_t i = 0; i < count; i++)
        read_hex(v, p + i * n, item(v, list, i), n);
    return p;
}

static uint64_t *numbers(struct vector *v, yaml_node_t *list) {
    size_t count = length(list);
    uint64_t *p = take(v, count * sizeof *p + 1);
    for (size_t i = 0; i < count; i++) {
        yaml_node_t *n = item(v, list, i);
        char *end = NULL;
        if (n->type != YAML_SCALAR_NODE) {
            v->malformed = true;
            continue;
        }
        p[i] = strtoull((const char *)n->data.scalar.value, &end, 10);
        if (*end) v->malformed = true;
    }
    return p;
}

static void expect(struct vector *v, const char *name, bool ok, const char *text) {
    if (ok) {
        tally_pass(v->tally, name);
    } else {
        tally_fail(v->tally, name, "%s", text);
    }
}

/* status of a verifying function against true, false or null. */
static void expect_verdict(struct vector *v, const char *name, int status) {
    if (v->malformed) status = ERR_SYNTAX;
    const char *got = status == 0 ? "true" : status == ERR_INVALID ? "false" : "null";
    const char *want = is_null(v->output) ? "null" : (const char *)v->output->data.scalar.value;
    if (strcasecmp(got, want) == 0) {
        tally_pass(v->tally, name);
    } else {
        tally_fail(v->tally, name, "got %s, expected %s", got, want);
    }
}

/* Bytes got (when status is 0) against a hex scalar or null. */
static void expect_bytes(struct vector *v, const char *name, int status, const uint8_t *got,
                         yaml_node_t *want, size_t n) {
    if (is_null(want)) {
        expect(v, name, status < 0 || v->malformed, "succeeded where it must fail");
        return;
    }
    bool input_malformed = v->malformed;
    uint8_t *expected = take(v, n);
    v->malformed = false;
    read_hex(v, expected, want, n);
    expect(v, name, !input_malformed && !v->malformed && status == 0 && !memcmp(got, expected, n),
           "another result");
    v->malformed = input_malformed;
}

static bool list_is(struct vector *v, const uint8_t *got, yaml_node_t *want, size_t count,
                    size_t n) {
    if (length(want) != count) return false;
    return memcmp(got, hex_list(v, want, n), count * n) == 0;
}

static void run_verify_proof(struct vector *v) {
    const uint8_t *c = hex(v, "commitment", 48), *z = hex(v, "z", 32), *y = hex(v, "y", 32),
                  *p = hex(v, "proof", 48);
    struct error why;
    expect_verdict(v, "verify_kzg_proof",
                   kzg_verify_proof(v->kzg, (const void *)c, z, y, (const void *)p, &why));
}

static void run_verify_blob(struct vector *v) {
    const uint8_t *b = hex(v, "blob", KZG_BLOB_BYTES), *c = hex(v, "commitment", 48),
                  *p = hex(v, "proof", 48);
    struct error why;
    expect_verdict(v, "verify_blob_kzg_proof",
                   kzg_verify_blob(v->kzg, b, (const void *)c, (const void *)p, &why));
}

static void run_verify_blobs(struct vector *v) {
    yaml_node_t *blobs = member(v, v->input, "blobs"), *c = member(v, v->input, "commitments"),
                *p = member(v, v->input, "proofs");
    size_t n = length(blobs);
    if (length(c) != n || length(p) != n) v->malformed = true;
    const uint8_t *bytes = hex_list(v, blobs, KZG_BLOB_BYTES);
    const void *commitments = hex_list(v, c, 48), *proofs = hex_list(v, p, 48);
    struct error why;
    int status = v->malformed ? 0 : kzg_verify_blobs(v->kzg, bytes, commitments, proofs, n, &why);
    expect_verdict(v, "verify_blob_kzg_proof_batch", status);
}

static void run_prove(struct vector *v) {
    const uint8_t *b = hex(v, "blob", KZG_BLOB_BYTES), *z = hex(v, "z", 32);
    struct bytes48 proof;
    uint8_t y[32];
    struct error why;
    int status = kzg_prove(v->kzg, &proof, y, b, z, &why);
    bool pair = length(v->output) == 2;
    expect_bytes(v, "compute_kzg_proof", status, proof.b, pair ? item(v, v->output, 0) : NULL, 48);
    if (pair) expect_bytes(v, "compute_kzg_proof y", status, y, item(v, v->output, 1), 32);
}

/* blob and commitment: compute_blob_kzg_proof, or compute_challenge when 32 bytes are due. */
static void run_blob_and_commitment(struct vector *v) {
    const uint8_t *b = hex(v, "blob", KZG_BLOB_BYTES), *c = hex(v, "commitment", 48);
    if (!is_null(v->output) && v->output->data.scalar.length == 2 + 64) {
        uint8_t challenge[32];
        kzg_challenge(challenge, b, (const void *)c);
        expect_bytes(v, "compute_challenge", 0, challenge, v->output, 32);
        return;
    }
    struct bytes48 proof;
    struct error why;
    int status = kzg_prove_blob(v->kzg, &proof, b, (const void *)c, &why);
    expect_bytes(v, "compute_blob_kzg_proof", status, proof.b, v->output, 48);
}

/* blob alone: the commitment (a scalar is due), cells (a list), or cells and proofs (two lists).
 * Where nothing is due, none of them may succeed. */
static void run_blob(struct vector *v) {
    const uint8_t *b = hex(v, "blob", KZG_BLOB_BYTES);
    uint8_t *cells = take(v, KZG_CELLS * KZG_CELL_BYTES);
    struct bytes48 commitment, proofs[KZG_CELLS];
    struct error why;
    if (is_null(v->output) || v->output->type == YAML_SCALAR_NODE) {
        int status = kzg_commit(v->kzg, &commitment, b, &why);
        expect_bytes(v, "blob_to_kzg_commitment", status, commitment.b, v->output, 48);
        if (!is_null(v->output)) return;
        status = kzg_cells(v->kzg, cells, b, &why);
        expect_bytes(v, "compute_cells", status, NULL, NULL, 0);
        return;
    }
    if (length(v->output) == KZG_CELLS) {
        int status = kzg_cells(v->kzg, cells, b, &why);
        expect(v, "compute_cells",
               !v->malformed && status == 0 &&
                   list_is(v, cells, v->output, KZG_CELLS, KZG_CELL_BYTES),
               "another result");
        return;
    }
    int status = kzg_cells_and_proofs(v->kzg, cells, proofs, b, &why);
    expect(v, "compute_cells_and_kzg_proofs",
           length(v->output) == 2 && !v->malformed && status == 0 &&
               list_is(v, cells, item(v, v->output, 0), KZG_CELLS, KZG_CELL_BYTES) &&
               list_is(v, proofs[0].b, item(v, v->output, 1), KZG_CELLS, 48),
           "another result");
}

static void run_verify_cells(struct vector *v) {
    yaml_node_t *c = member(v, v->input, "commitments"), *p = member(v, v->input, "proofs"),
                *cells = member(v, v->input, "cells"),
                *indices = member(v, v->input, "cell_indices");
    size_t n = length(cells);
    if (length(c) != n || length(p) != n || length(indices) != n) v->malformed = true;
    const void *commitments = hex_list(v, c, 48), *proofs = hex_list(v, p, 48);
    const uint8_t *bytes = hex_list(v, cells, KZG_CELL_BYTES);
    const uint64_t *at = numbers(v, indices);
    struct error why;
    int status =
        v->malformed ? 0 : kzg_verify_cells(v->kzg, commitments, at, bytes, proofs, n, &why);
    expect_verdict(v, "verify_cell_kzg_proof_batch", status);
}

static void run_recover(struct vector *v) {
    yaml_node_t *list = member(v, v->input, "cells"),
                *indices = member(v, v->input, "cell_indices");
    size_t n = length(list);
    if (length(indices) != n) v->malformed = true;
    const uint8_t *in = hex_list(v, list, KZG_CELL_BYTES);
    const uint64_t *at = numbers(v, indices);
    uint8_t *cells = take(v, KZG_CELLS * KZG_CELL_BYTES);
    struct bytes48 proofs[KZG_CELLS];
    struct error why;
    int status = v->malformed ? ERR_SYNTAX : kzg_recover(v->kzg, cells, proofs, at, in, n, &why);
    if (is_null(v->output)) {
        expect(v, "recover_cells_and_kzg_proofs", status < 0, "succeeded where it must fail");
        return;
    }
    expect(v, "recover_cells_and_kzg_proofs",
           status == 0 && length(v->output) == 2 &&
               list_is(v, cells, item(v, v->output, 0), KZG_CELLS, KZG_CELL_BYTES) &&
               list_is(v, proofs[0].b, item(v, v->output, 1), KZG_CELLS, 48),
           "another result");
}

/* The first row whose members all stand in the input. */
static const struct {
    const char *members[5];
    void (*run)(struct vector *v);
} shapes[] = {
    {{"commitments", "cell_indices", "cells", "proofs"}, run_verify_cells},
    {{"cell_indices", "cells"}, run_recover},
    {{"blobs", "commitments", "proofs"}, run_verify_blobs},
    {{"commitment", "z", "y", "proof"}, run_verify_proof},
    {{"blob", "commitment", "proof"}, run_verify_blob},
    {{"blob", "commitment"}, run_blob_and_commitment},
    {{"blob", "z"}, run_prove},
    {{"blob"}, run_blob},
};

static bool has_all(struct vector *v, const char *const members[5]) {
    for (size_t i = 0; i < 5 && members[i]; i++) {
        if (!member(v, v->input, members[i])) return false;
    }
    return true;
}

static void run_document(struct vector *v) {
    yaml_node_t *root = yaml_document_get_root_node(&v->document);
    v->input = member(v, root, "input");
    v->output = member(v, root, "output");
    if (!v->input) {
        tally_fail(v->tally, "yaml", "no member `input`");
        return;
    }
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (!has_all(v, shapes[i].members)) continue;
        shapes[i].run(v);
        return;
    }
    tally_fail(v->tally, "yaml", "members of `input` fit no KZG function");
}

static bool has_ending(const char *path, const char *ending) {
    size_t n = strlen(path), m = strlen(ending);
    return n > m && strcmp(path + n - m, ending) == 0;
}

bool evm_run_kzg(const struct evm_file *f, struct tally *t) {
    if (!has_ending(f->path, ".yaml") && !has_ending(f->path, ".yml")) return false;
    struct vector v = {.a = f->a, .tally = t, .kzg = setup()};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        tally_fail(t, "yaml", "no memory");
        return true;
    }
    yaml_parser_set_input_string(&parser, f->content.p, f->content.n);
    if (yaml_parser_load(&parser, &v.document)) {
        run_document(&v);
        yaml_document_delete(&v.document);
    } else {
        tally_fail(t, "yaml", "%s", parser.problem ? parser.problem : "unreadable");
    }
    yaml_parser_delete(&parser);
    return true;
}
