/* L2: Engine API sessions, tokens, payload identifiers, values of the specification's examples,
 * builder API messages; each known by the members of its files. SPDX-License-Identifier: MIT */
#include "test/conformance/l2.h"

#include "base/hex.h"
#include "chain/engine.h"
#include "net/auth.h"

#include <stdlib.h>
#include <string.h>

void area_l2(const char *path, struct tally *t);

const struct json *l2_parse(struct l2_file *f, struct bytes text) {
    const struct json_limits limits = {JSON_BYTES_MAX, 64, JSON_VALUES_MAX, false};
    const struct json *doc;
    return json_parse(&doc, text, f->a, &limits, NULL) == 0 ? doc : NULL;
}

static bool is_extra(const char *const *extra, struct bytes key) {
    for (; extra && *extra; extra++) {
        if (bytes_equal_str(key, *extra)) return true;
    }
    return false;
}

static bool differs(struct l2_file *f, const char *name, const struct json *expected,
                    const struct json *got) {
    struct bytes e = json_raw(expected), g = json_raw(got);
    tally_fail(f->t, name, "expected %.*s, got %.*s", (int)(e.n > 160 ? 160 : e.n),
               (const char *)e.p, (int)(g.n > 160 ? 160 : g.n), g.n ? (const char *)g.p : "");
    return false;
}

bool l2_same(struct l2_file *f, const char *name, const struct json *expected,
             const struct json *got, const char *const *extra) {
    enum json_type type = json_type_of(expected);
    if (type != json_type_of(got)) return differs(f, name, expected, got);
    if (type == JSON_OBJECT) {
        json_members(key, value, expected) {
            char *member = arena_str(f->a, json_text(key));
            if (is_extra(extra, json_text(key))) continue;
            if (!json_get(got, member)) {
                tally_fail(f->t, name, "%s is missing", member);
                return false;
            }
            if (!l2_same(f, name, value, json_get(got, member), extra)) return false;
        }
        return true;
    }
    if (type == JSON_ARRAY) {
        if (json_count(expected) != json_count(got)) return differs(f, name, expected, got);
        const struct json *g = json_first(got);
        json_each(e, expected) {
            if (!l2_same(f, name, e, g, extra)) return false;
            g = json_next(got, g);
        }
        return true;
    }
    struct bytes e = json_text(expected), g = json_text(got);
    bool same =
        e.n == g.n && (e.n == 0 || strncasecmp((const char *)e.p, (const char *)g.p, e.n) == 0);
    return same || differs(f, name, expected, got);
}

// Tokens

static void run_token(struct l2_file *f, const struct json *test) {
    struct bytes name = {NULL, 0}, secret = {NULL, 0}, token = {NULL, 0}, expect = {NULL, 0};
    struct error why = {.text = "accepted"};
    uint64_t now_s = 0;
    uint8_t key[64];
    int r = json_get_string(&name, test, "name", &why);
    if (r == 0) r = json_get_string(&secret, test, "secretHex", &why);
    if (r == 0) r = json_get_string(&token, test, "token", &why);
    if (r == 0) r = json_get_string(&expect, test, "expect", &why);
    if (r == 0) r = json_get_u64(&now_s, test, "serverTime", &why);
    if (r == 0 && (secret.n > 128 || hex_decode(key, secret, &why) < 0)) r = ERR_SYNTAX;
    const char *text = arena_str(f->a, name);
    if (r != 0) {
        tally_fail(f->t, text ? text : "token", "%s", why.text);
        return;
    }
    r = jwt_verify(NULL, token, bytes_make(key, secret.n / 2), now_s, f->a, &why);
    if ((r == 0) == bytes_equal_str(expect, "accept")) {
        tally_pass(f->t, text);
    } else {
        tally_fail(f->t, text, "expected %.*s: %s", (int)expect.n, (const char *)expect.p,
                   why.text);
    }
}

bool l2_run_tokens(struct l2_file *f) {
    if (!json_get(json_at(f->root, 0), "secretHex")) return false;
    json_each(test, f->root) {
        run_token(f, test);
    }
    return true;
}

// Payload identifiers

bool l2_run_payload_ids(struct l2_file *f) {
    if (!json_get(json_at(f->root, 0), "attributes")) return false;
    json_each(test, f->root) {
        struct engine_attributes v;
        struct engine_payload_id id, expected;
        struct hash parent;
        uint64_t version = 0;
        struct error why;
        int r = json_get_hash(&parent, test, "parentHash", &why);
        if (r == 0) r = json_get_u64(&version, test, "version", &why);
        if (r == 0) r = engine_attributes_decode(&v, json_get(test, "attributes"), f->a, &why);
        if (r == 0) r = engine_payload_id_decode(&expected, json_get(test, "expected"), &why);
        if (r == 0) r = engine_payload_id_of(&id, &parent, &v, (uint8_t)version, &why);
        if (r != 0) {
            tally_fail(f->t, "payload id", "%s", why.text);
        } else if (memcmp(id.b, expected.b, sizeof id.b) != 0) {
            tally_fail(f->t, "payload id", "another one comes out");
        } else {
            tally_pass(f->t, "payload id");
        }
    }
    return true;
}

// Genesis files are kept for the sessions that follow.

bool l2_run_genesis(struct l2_file *f) {
    struct l2_memory *m = f->memory;
    if (!json_get(f->root, "config") || !json_get(f->root, "alloc")) return false;
    if (m->genesis_count == L2_GENESIS_MAX) return false;
    char *path = strdup(f->path);
    if (path) m->genesis[m->genesis_count++] = path;
    return true;
}

static void run_file(const char *path, struct bytes content, struct tally *t, void *arg) {
    static bool (*const formats[])(struct l2_file *) = {
        l2_run_session,  l2_run_genesis,       l2_run_tokens,      l2_run_payload_ids,
        l2_run_examples, l2_run_rollup_values, l2_run_builder_api, l2_run_blocks};
    struct arena a;
    struct l2_file f = {path, content, NULL, &a, t, arg};
    size_t n = strlen(path);
    bool lines = n > 6 && strcmp(path + n - 6, ".jsonl") == 0;
    if (!lines && (n < 5 || strcmp(path + n - 5, ".json") != 0)) return;
    arena_init(&a, 0);
    if (!lines && !(f.root = l2_parse(&f, content))) {
        tally_fail(t, path, "is no JSON");
        arena_free(&a);
        return;
    }
    bool known = false;
    for (size_t i = 0; !known && i < sizeof formats / sizeof *formats; i++) {
        known = formats[i](&f);
    }
    if (!known) tally_skip(t, "format", "%s is of no format that is read here", path);
    arena_free(&a);
}

void area_l2(const char *path, struct tally *t) {
    struct l2_memory memory = {0};
    conformance_walk(path, t, run_file, &memory);
    for (size_t i = 0; i < memory.genesis_count; i++) {
        free(memory.genesis[i]);
    }
}
