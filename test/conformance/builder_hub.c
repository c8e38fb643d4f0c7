/* The hub's behaviour: request and answer cases, the deployed hub's end-to-end steps, and documents
 * that go in and come out, each on SQLite and on a PostgreSQL that is started here.
 * SPDX-License-Identifier: MIT */
#include "db/testing.h"
#include "hub/hub.h"
#include "test/conformance/conformance.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct context {
    struct tally *tally;
    const char *database; /* "sqlite", "postgres" */
    const char *url;
    struct hub *hub;
    struct arena *arena;
};

struct answer {
    struct hub_response res;
    char name[240];
};

// JSON that says the same: members in any order, numbers by their text.
static bool same(const struct json *a, const struct json *b) {
    if (json_type_of(a) != json_type_of(b)) return false;
    if (json_type_of(a) == JSON_STRING) return bytes_equal(json_text(a), json_text(b));
    if (json_type_of(a) < JSON_ARRAY) return bytes_equal(json_raw(a), json_raw(b));
    if (json_count(a) != json_count(b)) return false;
    if (a->type == JSON_ARRAY) {
        const struct json *other = json_first(b);
        json_each(item, a) {
            if (!same(item, other)) return false;
            other = json_next(b, other);
        }
        return true;
    }
    json_members(key, value, a) {
        const struct json *other = NULL;
        json_members(k, v, b) {
            if (bytes_equal(json_text(k), json_text(key))) other = v;
        }
        if (!other || !same(value, other)) return false;
    }
    return true;
}

static const char *text_of(struct context *c, const struct json *v) {
    const char *s = arena_str(c->arena, json_text(v));
    return s ? s : "";
}

static enum hub_listener listener_of(struct bytes name) {
    if (bytes_equal_str(name, "admin")) return HUB_ADMIN;
    if (bytes_equal_str(name, "internal")) return HUB_INTERNAL;
    return HUB_PUBLIC;
}

static void add_field(struct context *c, struct http_fields *f, struct bytes name,
                      struct bytes value, struct tally *t) {
    struct error why;
    if (http_fields_add(f, c->arena, name, value, &why) != 0) {
        tally_fail(t, c->database, "a header of the case cannot be sent: %s", why.text);
    }
}

static void ask(struct context *c, struct answer *a, const struct json *v,
                const struct json *proxy_headers) {
    struct http_fields fields = {0};
    const struct json *raw = json_get(v, "body_raw"), *body = json_get(v, "body");
    json_each(h, json_get(v, "headers")) {
        add_field(c, &fields, json_text(json_at(h, 0)), json_text(json_at(h, 1)), c->tally);
    }
    json_members(key, value, proxy_headers) {
        add_field(c, &fields, json_text(key), json_text(value), c->tally);
    }
    struct hub_request req = {
        .listener = listener_of(json_text(json_get(v, "listener"))),
        .method = json_text(json_get(v, "method")),
        .target = json_text(json_get(v, "path")),
        .fields = &fields,
        .body = raw ? json_text(raw) : json_raw(body),
        .trusted = true,
    };
    hub_response_init(&a->res);
    if (!hub_answer(c->hub, &req, &a->res, false)) (void)hub_answer(c->hub, &req, &a->res, true);
}

static const struct json *parse(struct context *c, struct bytes text) {
    const struct json *doc;
    struct error why;
    return json_parse(&doc, text, c->arena, NULL, &why) == 0 ? doc : NULL;
}

// NULL when the answer is as the case says, else what differs.
static const char *difference(struct context *c, const struct json *v,
                              const struct hub_response *res) {
    struct error why;
    uint64_t status = 0;
    const struct json *body = json_get(v, "resp_body"), *whole = json_get(v, "resp_json");
    const struct json *part = json_get(v, "resp_json_partial");
    if (json_get_u64(&status, v, "status", &why) != 0) return "the case has no status";
    if ((uint64_t)res->status != status) {
        return arena_printf(c->arena, "status %d, expected %d", res->status, (int)status);
    }
    if (body && !bytes_equal(json_text(body), hub_response_body(res))) return "another body";
    const struct json *got = whole || part ? parse(c, hub_response_body(res)) : NULL;
    if (whole && !same(got, whole)) {
        struct bytes body_text = hub_response_body(res);
        return arena_printf(c->arena, "body %.*s", (int)body_text.n, (const char *)body_text.p);
    }
    json_members(key, value, part) {
        if (!same(json_get(got, text_of(c, key)), value)) return "a member of the body differs";
    }
    bool must_explain = false;
    if (json_get(v, "error_present") &&
        json_get_bool(&must_explain, v, "error_present", &why) != 0) {
        return "error_present is no boolean";
    }
    if (must_explain && json_text(json_get(got, "error")).n == 0) return "no error text";
    json_members(name, value, json_get(v, "resp_headers")) {
        bool found = http_equal_nocase(json_text(name), "content-type") && res->content_type &&
                     bytes_equal_str(json_text(value), res->content_type);
        for (size_t i = 0; i < res->header_count; i++) {
            found = found || (http_equal_nocase(json_text(name), res->headers[i].name) &&
                              bytes_equal(json_text(value), res->headers[i].value));
        }
        if (!found) return "a header is missing";
    }
    return NULL;
}

static void tell(struct context *c, const char *name, const char *problem) {
    const char *full = arena_printf(c->arena, "%s: %s", c->database, name);
    if (problem) {
        tally_fail(c->tally, full, "%s", problem);
    } else {
        tally_pass(c->tally, full);
    }
}

static void run_case(struct context *c, const struct json *v) {
    struct answer a;
    ask(c, &a, v, NULL);
    const struct json *name = json_get(v, "name");
    tell(c, text_of(c, name ? name : json_get(v, "path")), difference(c, v, &a.res));
    hub_response_free(&a.res);
}

static void run_cases(struct context *c, const struct json *doc) {
    json_each(v, json_get(doc, "setup")) {
        run_case(c, v);
    }
    json_each(v, json_get(doc, "cases")) {
        run_case(c, v);
    }
}

// End-to-end steps: asserts are JSON pointers.

static const struct json *follow(struct context *c, const struct json *v, const char *pointer) {
    char *copy = arena_str(c->arena, bytes_from_str(pointer)), *save = NULL;
    for (char *part = copy ? strtok_r(copy, "/", &save) : NULL; part && v;
         part = strtok_r(NULL, "/", &save)) {
        v = json_type_of(v) == JSON_ARRAY ? json_at(v, strtoul(part, NULL, 10)) : json_get(v, part);
    }
    return v;
}

static void run_step(struct context *c, const struct json *v, const struct json *proxy) {
    struct answer a;
    bool via_proxy = strstr(text_of(c, json_get(v, "listener")), "via") != NULL;
    ask(c, &a, v, via_proxy ? proxy : NULL);
    const char *problem = difference(c, v, &a.res);
    const struct json *got = problem ? NULL : parse(c, hub_response_body(&a.res));
    json_each(assert_, json_get(v, "asserts")) {
        const struct json *at = follow(c, got, text_of(c, json_get(assert_, "pointer")));
        if (!problem && !same(at, json_get(assert_, "equals"))) {
            problem =
                arena_printf(c->arena, "%s differs", text_of(c, json_get(assert_, "pointer")));
        }
    }
    tell(c, text_of(c, json_get(v, "name")), problem);
    hub_response_free(&a.res);
}

static void run_steps(struct context *c, const struct json *doc) {
    json_each(v, json_get(doc, "steps")) {
        run_step(c, v, json_get(doc, "proxy_headers_added_on_port_8888"));
    }
}

// An allow-list goes in entry by entry and comes out the same.

static int post(struct context *c, const char *path, struct bytes body, struct hub_response *res) {
    struct http_fields fields = {0};
    struct hub_request req = {HUB_ADMIN, BYTES_LIT("POST"), bytes_from_str(path), &fields, body,
                              true};
    hub_response_init(res);
    (void)hub_answer(c->hub, &req, res, true);
    return res->status;
}

static void run_allow_list(struct context *c, const struct json *doc) {
    struct hub_response res;
    json_each(entry, doc) {
        const char *name = text_of(c, json_get(entry, "measurement_id"));
        const char *path = arena_printf(c->arena, "/api/admin/v1/measurements/activation/%s", name);
        int status = post(c, "/api/admin/v1/measurements", json_raw(entry), &res);
        hub_response_free(&res);
        int enabled = post(c, path, BYTES_LIT("{\"enabled\":true}"), &res);
        hub_response_free(&res);
        tell(c, name, status == 200 && enabled == 200 ? NULL : "not taken");
    }
    struct http_fields fields = {0};
    struct hub_request req = {
        HUB_INTERNAL, BYTES_LIT("GET"),        BYTES_LIT("/api/l1-builder/v1/measurements"),
        &fields,      (struct bytes){NULL, 0}, true};
    hub_response_init(&res);
    (void)hub_answer(c->hub, &req, &res, true);
    tell(c, "published list", same(parse(c, hub_response_body(&res)), doc) ? NULL : "differs");
    hub_response_free(&res);
}

// A node's document goes in as a secret and comes out unchanged.
static void run_document(struct context *c, struct bytes text) {
    struct hub_response res;
    const struct {
        const char *path;
        struct bytes body;
    } steps[] = {
        {"/api/admin/v1/builders",
         BYTES_LIT("{\"name\":\"n\",\"ip_address\":\"10.0.0.1\",\"network\":\"x\"}")},
        {"/api/admin/v1/builders/configuration/n", text},
        {"/api/admin/v1/builders/secrets/n", text},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        int status = post(c, steps[i].path, steps[i].body, &res);
        tell(c, steps[i].path, status == 200 ? NULL : "not taken");
        hub_response_free(&res);
    }
    static const char *const paths[] = {"/api/admin/v1/builders/configuration/n/active",
                                        "/api/admin/v1/builders/configuration/n/full"};
    for (size_t i = 0; i < 2; i++) {
        struct http_fields fields = {0};
        struct hub_request req = {HUB_ADMIN, BYTES_LIT("GET"),        bytes_from_str(paths[i]),
                                  &fields,   (struct bytes){NULL, 0}, true};
        hub_response_init(&res);
        (void)hub_answer(c->hub, &req, &res, true);
        bool equal = same(parse(c, hub_response_body(&res)), parse(c, text));
        tell(c, paths[i], equal ? NULL : "another document came back");
        hub_response_free(&res);
    }
}

// The cases are written for secrets in memory; the documents go through sealed columns.
static int open_hub(struct context *c, bool in_memory, struct error *why) {
    static const uint8_t key[SECRETS_KEY_BYTES] = {1};
    struct hub_options o = {.compat = true, .admin_open = true};
    struct store_options s = {.url = c->url, .connections = 2, .migrate = true};
    struct db *d;
    int r = 0;
    if (strcmp(c->database, "postgres") == 0) {
        r = db_open_postgres(&d, c->url, why);
        if (r == 0) r = db_script(d, "DROP SCHEMA public CASCADE; CREATE SCHEMA public", why);
        if (r == 0) db_close(d);
    }
    if (r == 0) r = store_open(&o.store, &s, why);
    if (r == 0 && in_memory) {
        r = secrets_memory(&o.secrets, why);
    } else if (r == 0) {
        r = secrets_database(&o.secrets, o.store, bytes_make(key, sizeof key), why);
    }
    return r == 0 ? hub_open(&c->hub, &o, why) : r;
}

static void run_file(struct context *c, struct bytes content) {
    struct error why;
    const struct json *doc;
    struct arena a;
    arena_init(&a, 0);
    c->arena = &a;
    int r = json_parse(&doc, content, &a, NULL, &why);
    if (r == 0) r = open_hub(c, json_get(doc, "cases") != NULL, &why);
    if (r != 0) {
        tally_fail(c->tally, c->database, "%s", why.text);
    } else if (json_get(doc, "cases")) {
        run_cases(c, doc);
    } else if (json_get(doc, "steps")) {
        run_steps(c, doc);
    } else if (json_get(json_first(doc), "measurement_id") && doc->type == JSON_ARRAY) {
        run_allow_list(c, doc);
    } else if (doc->type == JSON_OBJECT) {
        run_document(c, content);
    } else {
        tally_fail(c->tally, c->database, "not a known format");
    }
    hub_close(c->hub);
    c->hub = NULL;
    arena_free(&a);
}

void area_builder_hub(const char *path, struct tally *t);

struct databases {
    struct test_postgres postgres;
    bool runs;
    const char *why;
};

// A file with comments is an illustration, not a vector.
static bool has_comment(struct bytes content) {
    const struct json *doc;
    struct arena a;
    arena_init(&a, 0);
    bool bad = json_parse(&doc, content, &a, NULL, NULL) != 0;
    arena_free(&a);
    return bad && memmem(content.p, content.n, " // ", 4) != NULL;
}

static void each(const char *path, struct bytes content, struct tally *t, void *arg) {
    struct databases *d = arg;
    if (!path_ends_with(path, ".json")) return;
    t->file = path;
    if (has_comment(content)) {
        tally_skip(t, "whole file", "holds comments, so it is no JSON");
        return;
    }
    struct context c = {.tally = t, .database = "sqlite", .url = "sqlite::memory:"};
    run_file(&c, content);
    if (!d->runs) {
        tally_skip(t, "postgres", "%s", d->why);
        return;
    }
    c = (struct context){.tally = t, .database = "postgres", .url = d->postgres.dsn};
    run_file(&c, content);
}

void area_builder_hub(const char *path, struct tally *t) {
    struct databases d = {.runs = false};
    d.runs = test_postgres_start(&d.postgres, false, &d.why);
    conformance_walk(path, t, each, &d);
    test_postgres_stop(&d.postgres);
}
