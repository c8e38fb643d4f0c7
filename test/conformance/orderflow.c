/* Orderflow: signatures, identifiers, requests, peer frames and scores, each known by the members
 * of its cases. SPDX-License-Identifier: MIT */
#include "test/conformance/orderflow.h"

#include "base/hex.h"
#include "crypto/keccak.h"
#include "eth/address.h"
#include "eth/request_signature.h"

#include <string.h>

void area_orderflow(const char *path, struct tally *t);

const char *flow_name(struct flow_file *f, const struct json *test, size_t i) {
    const struct json *id = json_get(test, "id");
    if (json_type_of(id) == JSON_STRING) return arena_str(f->a, json_text(id));
    return arena_printf(f->a, "case %zu", i);
}

void flow_run_each(struct flow_file *f, const struct json *list,
                   void (*run)(struct flow_file *, const char *, const struct json *)) {
    size_t i = 0;
    json_each(test, list) {
        struct arena_mark mark = arena_mark(f->a);
        run(f, flow_name(f, test, i++), test);
        arena_rewind(f->a, mark);
    }
}

bool flow_same_text(struct flow_file *f, const char *name, const char *what,
                    const struct json *expected, const char *got) {
    struct bytes text = json_text(expected);
    if (json_is_null(expected) || bytes_equal_str(text, got)) return true;
    tally_fail(f->t, name, "%s: expected %.*s, got %s", what, (int)text.n, (const char *)text.p,
               got);
    return false;
}

bool flow_same_data(struct flow_file *f, const char *name, const char *what,
                    const struct json *expected, struct bytes got) {
    struct bytes text = json_text(expected);
    char *digits = hex_text(f->a, got);
    if (bytes_starts_with(text, BYTES_LIT("0x"))) text = bytes_slice(text, 2, text.n);
    if (json_is_null(expected) ||
        (text.n == strlen(digits) && strncasecmp((const char *)text.p, digits, text.n) == 0)) {
        return true;
    }
    tally_fail(f->t, name, "%s: expected %.*s, got %s", what, (int)(text.n > 200 ? 200 : text.n),
               (const char *)text.p, digits);
    return false;
}

bool flow_same_uuid(struct flow_file *f, const char *name, const char *what,
                    const struct json *expected, const struct uuid *got) {
    char text[37];
    uuid_format(text, got);
    return flow_same_text(f, name, what, expected, text);
}

/* A header that the same key makes again. */
static bool made_again(struct flow_file *f, const char *name, const struct json *test) {
    struct ecdsa_secret_key key;
    struct ecdsa_signer *signer;
    struct error why = {.text = ""};
    if (json_is_null(json_get(test, "private_key"))) return true;
    int r = json_get_fixed(key.b, sizeof key.b, test, "private_key", &why);
    if (r == 0) r = ecdsa_signer_new(&signer, &why);
    if (r != 0) {
        tally_fail(f->t, name, "%s", why.text);
        return false;
    }
    struct buf out;
    buf_init(&out, 0);
    r = request_signature_make(&out, signer, &key, json_text(json_get(test, "body")), &why);
    const char *got = r == 0 ? arena_str(f->a, buf_view(&out)) : why.text;
    bool same = flow_same_text(f, name, "header", json_get(test, "header"), got);
    buf_free(&out);
    ecdsa_signer_free(signer);
    return same;
}

static void run_signature(struct flow_file *f, const char *name, const struct json *test) {
    struct bytes body = json_text(json_get(test, "body"));
    struct hash k = keccak256(body), digest = request_signature_digest(body);
    struct error why = {.text = "accepted"};
    struct address signer = {{0}};
    bool expected = false;
    if (json_get_bool(&expected, test, "valid", &why) != 0) {
        tally_fail(f->t, name, "%s", why.text);
        return;
    }
    int r =
        request_signature_verify(&signer, json_text(json_get(test, "header")), body, NULL, &why);
    if ((r == 0) != expected) {
        tally_fail(f->t, name, "expected %s: %s", expected ? "valid" : "invalid", why.text);
        return;
    }
    if (flow_same_data(f, name, "keccak256", json_get(test, "body_keccak256"), BYTES_OF(k)) &&
        flow_same_data(f, name, "digest", json_get(test, "eip191_digest"), BYTES_OF(digest)) &&
        made_again(f, name, test)) {
        tally_pass(f->t, name);
    }
}

bool flow_run_signatures(struct flow_file *f) {
    const struct json *first = json_at(f->root, 0);
    size_t i = 0;
    if (!json_get(first, "header") || !json_get(first, "valid")) return false;
    json_each(test, f->root) {
        struct arena_mark mark = arena_mark(f->a);
        run_signature(f, flow_name(f, test, i++), test);
        arena_rewind(f->a, mark);
    }
    return true;
}

static void run_file(const char *path, struct bytes content, struct tally *t, void *arg) {
    static bool (*const formats[])(struct flow_file *) = {flow_run_signatures, flow_run_identifiers,
                                                          flow_run_requests, flow_run_frames,
                                                          flow_run_scores};
    struct arena a;
    struct flow_file f = {path, NULL, &a, t};
    struct error why = {.text = ""};
    const struct json_limits limits = {JSON_BYTES_MAX, 64, JSON_VALUES_MAX, false};
    size_t n = strlen(path);
    (void)arg;
    if (n < 5 || strcmp(path + n - 5, ".json") != 0) return;
    arena_init(&a, 0);
    if (json_parse(&f.root, content, &a, &limits, &why) != 0) {
        tally_fail(t, path, "%s", why.text);
        arena_free(&a);
        return;
    }
    bool known = false;
    for (size_t i = 0; !known && i < sizeof formats / sizeof *formats; i++) {
        known = formats[i](&f);
    }
    if (!known) tally_fail(t, path, "is of no known format");
    arena_free(&a);
}

void area_orderflow(const char *path, struct tally *t) {
    conformance_walk(path, t, run_file, NULL);
}
