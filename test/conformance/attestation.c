/* Vectors of quote verification: an index (vectors.json: quote, collateral, root, time, expected
 * codes, levels and fields), mutations of its entries (mutations.json), and folders that hold one
 * case each (expected.json beside quote.bin and its collateral).
 *
 * SPDX-License-Identifier: MIT */
#include "attest/files.h"
#include "attest/verify.h"
#include "base/clock.h"
#include "base/hex.h"
#include "test/conformance/attestation_fields.h"
#include "test/conformance/conformance.h"
#include "json/json.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// One case: everything that goes into a verdict.
struct inputs {
    struct arena arena;
    struct bytes quote, root;
    struct collateral_parts parts;
    uint64_t time;
};

static int read_named(struct bytes *ret, const char *folder, struct bytes name, struct arena *a,
                      struct error *why) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%.*s", folder, (int)name.n, (const char *)name.p) >=
        (int)sizeof path) {
        return error_set(why, ERR_LIMIT, "path too long");
    }
    return files_read(ret, path, 16u << 20, a, why);
}

static int read_collateral(struct inputs *in, const char *folder, struct error *why) {
    for (size_t i = 0; i < COLLATERAL_PARTS; i++) {
        int code = read_named(collateral_part(&in->parts, i), folder,
                              bytes_from_str(collateral_file_names[i]), &in->arena, why);
        if (code < 0 && code != ERR_NOT_FOUND) return code;
    }
    return 0;
}

// Compares one stated code; true when it is as expected.
static bool code_is(const struct json *codes, const char *key, enum qvl_code got, char *text,
                    size_t size) {
    const struct json *v = json_get(codes, key);
    if (!v || bytes_equal_str(json_text(v), qvl_name(got))) return true;
    struct bytes want = json_text(v);
    (void)snprintf(text, size, "%s: got %s, expected %.*s", key, qvl_name(got), (int)want.n,
                   (const char *)want.p);
    return false;
}

static void compare_codes(const struct json *codes, const struct verdict *v, const char *name,
                          struct tally *t) {
    char text[256];
    if (code_is(codes, "pck_chain", v->pck_chain, text, sizeof text) &&
        code_is(codes, "tcb_info", v->tcb_info, text, sizeof text) &&
        code_is(codes, "qe_identity", v->qe_identity, text, sizeof text) &&
        code_is(codes, "quote", v->quote_code, text, sizeof text)) {
        tally_pass(t, name);
    } else {
        tally_fail(t, name, "%s", text);
    }
}

// Verifies and hands the verdict on while everything it points to lives.
static void with_verdict(const struct inputs *in, const struct json *codes,
                         const struct json *expected, const char *name, struct tally *t) {
    struct error why = {0};
    struct trust_root root = {0};
    struct verifier *verifier = NULL;
    struct collateral *collateral = NULL;
    static struct verdict verdict;
    int code = trust_root_parse(&root, in->root, &why);
    if (code == 0) code = verifier_new(&verifier, &root, &why);
    if (code == 0) code = collateral_make(&collateral, &in->parts, &why);
    if (code == 0) code = verifier_check(&verdict, verifier, in->quote, collateral, in->time, &why);
    if (code < 0) {
        tally_fail(t, name, "%s", why.text);
    } else {
        compare_codes(codes, &verdict, name, t);
        if (expected) attestation_compare(expected, &verdict, name, t);
    }
    verifier_free(verifier);
    collateral_free(collateral);
    trust_root_free(&root);
}

static int read_inputs(struct inputs *in, const char *folder, const struct json *v,
                       struct error *why) {
    struct bytes quote, collateral, root;
    char sub[PATH_MAX];
    int code = json_get_string(&quote, v, "quote", why);
    if (code == 0) code = json_get_string(&collateral, v, "collateral", why);
    if (code == 0) code = json_get_string(&root, v, "trusted_root", why);
    if (code == 0) code = json_get_u64(&in->time, v, "verify_time", why);
    if (code == 0) code = read_named(&in->quote, folder, quote, &in->arena, why);
    if (code == 0) code = read_named(&in->root, folder, root, &in->arena, why);
    if (code < 0) return code;
    (void)snprintf(sub, sizeof sub, "%s/%.*s", folder, (int)collateral.n,
                   (const char *)collateral.p);
    return read_collateral(in, sub, why);
}

// The moments just outside the joint window, with their own expected codes.
static void run_window(struct inputs *in, const struct json *v, const char *bound,
                       const char *codes_key, int64_t shift, const char *name, struct tally *t) {
    const struct json *codes = json_get(json_get(v, "expected"), codes_key);
    struct bytes text;
    uint64_t ns;
    char full[300];
    if (!codes) return;
    (void)snprintf(full, sizeof full, "%s, %s", name, codes_key);
    if (json_get_string(&text, json_get(v, "window"), bound, NULL) < 0 ||
        clock_parse(&ns, text, NULL) < 0) {
        tally_fail(t, full, "no window");
        return;
    }
    in->time = (uint64_t)((int64_t)(ns / NS_PER_S) + shift);
    with_verdict(in, codes, NULL, full, t);
}

static void run_vector(const char *folder, const struct json *v, struct tally *t) {
    struct inputs in = {0};
    struct error why = {0};
    struct bytes id = json_text(json_get(v, "id"));
    char name[256];
    (void)snprintf(name, sizeof name, "%.*s", (int)id.n, (const char *)id.p);
    arena_init(&in.arena, 0);
    if (read_inputs(&in, folder, v, &why) < 0) {
        tally_fail(t, name, "%s", why.text);
    } else {
        const struct json *expected = json_get(v, "expected");
        with_verdict(&in, json_get(expected, "intel_qvl"), expected, name, t);
        run_window(&in, v, "until", "intel_qvl_1s_after_window", 1, name, t);
        run_window(&in, v, "from", "intel_qvl_1s_before_window", -1, name, t);
    }
    arena_free(&in.arena);
}

static struct bytes *mutated_part(struct inputs *in, struct bytes file) {
    if (bytes_equal_str(file, "quote")) return &in->quote;
    if (bytes_equal_str(file, "trusted_root")) return &in->root;
    for (size_t i = 0; i < COLLATERAL_PARTS; i++) {
        if (bytes_equal_str(file, collateral_file_names[i])) return collateral_part(&in->parts, i);
    }
    return NULL;
}

// {offset, hex}: bytes written over (set) or put in between (insert).
static int splice(struct bytes *part, const struct json *op, bool insert, struct arena *a,
                  struct error *why) {
    uint64_t offset;
    struct bytes digits;
    int code = json_get_u64(&offset, op, "offset", why);
    if (code == 0) code = json_get_string(&digits, op, "hex", why);
    if (code < 0) return code;
    size_t n = digits.n / 2;
    if (offset > part->n || (!insert && n > part->n - offset)) {
        return error_set(why, ERR_RANGE, "offset %llu", (unsigned long long)offset);
    }
    uint8_t *copy = arena_alloc(a, part->n + n + 1);
    memcpy(copy, part->p, offset);
    if ((code = hex_decode(copy + offset, digits, why)) < 0) return code;
    size_t from = offset + (insert ? 0 : n);
    memcpy(copy + offset + n, part->p + from, part->n - from);
    *part = (struct bytes){copy, part->n + (insert ? n : 0)};
    return 0;
}

static int xor_bytes(struct bytes *part, const struct json *list, struct arena *a,
                     struct error *why) {
    uint8_t *copy = arena_alloc(a, part->n + 1);
    memcpy(copy, part->p, part->n);
    json_each(op, list) {
        uint64_t offset, mask;
        int code = json_get_u64(&offset, op, "offset", why);
        if (code == 0) code = json_get_u64(&mask, op, "mask", why);
        if (code < 0) return code;
        if (offset >= part->n) return error_set(why, ERR_RANGE, "xor beyond the end");
        copy[offset] ^= (uint8_t)mask;
    }
    part->p = copy;
    return 0;
}

static int mutate(struct inputs *in, const char *folder, const struct json *op, struct error *why) {
    struct bytes file, text;
    uint64_t n;
    int code = json_get_string(&file, op, "file", why);
    if (code < 0) return code;
    struct bytes *part = mutated_part(in, file);
    if (!part) return error_set(why, ERR_UNSUPPORTED, "unknown file in a mutation");
    if (json_get(op, "xor")) return xor_bytes(part, json_get(op, "xor"), &in->arena, why);
    if (json_get(op, "set")) return splice(part, json_get(op, "set"), false, &in->arena, why);
    if (json_get(op, "insert")) return splice(part, json_get(op, "insert"), true, &in->arena, why);
    if (json_get_u64(&n, op, "truncate_to", NULL) == 0) {
        *part = bytes_slice(*part, 0, (size_t)n);
        return 0;
    }
    if (json_get_string(&text, op, "append_hex", NULL) == 0) {
        uint8_t *copy = arena_alloc(&in->arena, part->n + text.n);
        memcpy(copy, part->p, part->n);
        if ((code = hex_decode(copy + part->n, text, why)) < 0) return code;
        *part = (struct bytes){copy, part->n + text.n / 2};
        return 0;
    }
    if (json_get_string(&text, op, "replace_with", NULL) == 0) {
        return read_named(part, folder, text, &in->arena, why);
    }
    return error_set(why, ERR_UNSUPPORTED, "unknown operation of a mutation");
}

static void run_mutation(const char *folder, const struct json *m, const struct json *vectors,
                         struct tally *t) {
    struct inputs in = {0};
    struct error why = {0};
    struct bytes base = json_text(json_get(m, "base")), label = json_text(json_get(m, "name"));
    const struct json *v = NULL;
    char name[400];
    (void)snprintf(name, sizeof name, "%.*s: %.*s", (int)base.n, (const char *)base.p, (int)label.n,
                   (const char *)label.p);
    json_each(item, vectors) {
        if (bytes_equal(json_text(json_get(item, "id")), base)) v = item;
    }
    if (!v) {
        tally_fail(t, name, "its base is not in the index");
        return;
    }
    arena_init(&in.arena, 0);
    int code = read_inputs(&in, folder, v, &why);
    if (code == 0) code = mutate(&in, folder, json_get(m, "op"), &why);
    if (code < 0) {
        tally_fail(t, name, "%s", why.text);
    } else {
        with_verdict(&in, json_get(json_get(m, "expected"), "intel_qvl"), NULL, name, t);
    }
    arena_free(&in.arena);
}

static void run_folder(const char *folder, const struct json *v, struct tally *t) {
    struct inputs in = {0};
    struct error why = {0};
    struct bytes root, id = json_text(json_get(v, "id"));
    char above[PATH_MAX], name[256];
    (void)snprintf(name, sizeof name, "%.*s", (int)id.n, (const char *)id.p);
    arena_init(&in.arena, 0);
    path_folder(above, folder);
    int code = json_get_u64(&in.time, v, "verify_time", &why);
    if (code == 0) code = json_get_string(&root, v, "trusted_root", &why);
    if (code == 0) {
        code = read_named(&in.root, folder, root, &in.arena, &why);
        if (code == ERR_NOT_FOUND) code = read_named(&in.root, above, root, &in.arena, &why);
    }
    if (code == 0) {
        code = read_named(&in.quote, folder, bytes_from_str("quote.bin"), &in.arena, &why);
    }
    if (code == 0) code = read_collateral(&in, folder, &why);
    if (code < 0) {
        tally_fail(t, name, "%s", why.text);
    } else {
        const struct json *expected = json_get(v, "expected");
        with_verdict(&in, json_get(expected, "intel_qvl"), expected, name, t);
    }
    arena_free(&in.arena);
}

// An index and its mutations are told apart from other JSON by what their entries hold.
static void run_list(const char *folder, const struct json *list, struct arena *a,
                     struct tally *t) {
    const struct json *first = json_first(list), *vectors;
    struct bytes text;
    struct error why = {0};
    if (json_get(first, "quote") && json_get(first, "collateral")) {
        json_each(v, list) {
            run_vector(folder, v, t);
        }
    } else if (json_get(first, "base") && json_get(first, "op")) {
        int code = read_named(&text, folder, bytes_from_str("vectors.json"), a, &why);
        if (code == 0) code = json_parse(&vectors, text, a, NULL, &why);
        if (code < 0) {
            tally_fail(t, "mutations", "%s", why.text);
            return;
        }
        json_each(m, list) {
            run_mutation(folder, m, vectors, t);
        }
    }
}

static void run_file(const char *path, struct bytes content, struct tally *t, void *arg) {
    (void)arg;
    struct arena a;
    const struct json *root;
    struct error why = {0};
    char folder[PATH_MAX];
    if (!path_ends_with(path, "vectors.json") && !path_ends_with(path, "mutations.json") &&
        !path_ends_with(path, "expected.json")) {
        return;
    }
    arena_init(&a, 0);
    path_folder(folder, path);
    if (json_parse(&root, content, &a, NULL, &why) < 0) {
        tally_fail(t, "-", "%s", why.text);
    } else if (json_type_of(root) == JSON_ARRAY) {
        run_list(folder, root, &a, t);
    } else if (json_get(root, "verify_time") && json_get(json_get(root, "expected"), "intel_qvl")) {
        run_folder(folder, root, t);
    }
    arena_free(&a);
}

void area_attestation(const char *path, struct tally *t);

void area_attestation(const char *path, struct tally *t) {
    conformance_walk(path, t, run_file, NULL);
}
