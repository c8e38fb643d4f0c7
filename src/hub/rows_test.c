/* What both databases take and refuse alike, and rows that other programs wrote.
 * SPDX-License-Identifier: MIT */
#include "db/testing.h"
#include "hub/hub_internal.h"
#include "hub/state_file.h"
#include "hub/testing.h"

#include <stdio.h>
#include <stdlib.h>

#define L(text) BYTES_LIT(text)
#define A "/api/admin/v1/"
#define A2 "/api/admin/v2/"
#define PUBLISHED "/api/l1-builder/v1/measurements"

static struct error why;
static struct test_postgres postgres;
static bool postgres_tried, postgres_runs;

static void stop_postgres(void) {
    if (postgres_runs) test_postgres_stop(&postgres);
}

struct fixture {
    struct hub *hub;
    struct hub_response res;
};

static void open_hub(struct fixture *f, enum db_kind kind, bool compat) {
    static const uint8_t key[SECRETS_KEY_BYTES] = {7};
    struct store_options s = {.url = "sqlite::memory:", .migrate = true};
    struct hub_options o = {.admin_open = true, .compat = compat};
    const char *reason = "";
    *f = (struct fixture){0};
    if (kind == DB_POSTGRES) {
        struct db *d = NULL;
        if (!postgres_tried) {
            postgres_tried = true;
            (void)atexit(stop_postgres);
            postgres_runs = test_postgres_start(&postgres, false, &reason);
        }
        if (!postgres_runs) SKIP("%s", reason);
        CHECK_OK(db_open_postgres(&d, postgres.dsn, &why), &why);
        CHECK_OK(db_script(d, "DROP SCHEMA public CASCADE; CREATE SCHEMA public", &why), &why);
        db_close(d);
        s.url = postgres.dsn;
    }
    hub_response_init(&f->res);
    CHECK_OK(store_open(&o.store, &s, &why), &why);
    CHECK_OK(secrets_database(&o.secrets, o.store, bytes_make(key, sizeof key), &why), &why);
    CHECK_OK(hub_open(&f->hub, &o, &why), &why);
}

static void close_hub(struct fixture *f) {
    hub_response_free(&f->res);
    hub_close(f->hub);
}

static int ask(struct fixture *f, enum hub_listener l, const char *method, const char *path,
               const char *body, const char *type) {
    return test_hub_ask(&f->res, f->hub, l, method, path, body, type);
}

static int post(struct fixture *f, const char *path, const char *body) {
    return ask(f, HUB_ADMIN, "POST", path, body, "t");
}

static void check_body(struct fixture *f, const char *expected) {
    CHECK_BYTES(hub_response_body(&f->res), bytes_from_str(expected));
}

static bool says(struct fixture *f, const char *text) {
    struct bytes all = hub_response_body(&f->res), part = bytes_from_str(text);
    return memmem(all.p, all.n, part.p, part.n) != NULL;
}

static void add_builder(struct fixture *f) {
    CHECK_I64(
        post(f, A "builders", "{\"name\":\"b\",\"ip_address\":\"1.2.3.4\",\"network\":\"n\"}"),
        200);
    CHECK_I64(post(f, A "builders/configuration/b", "{}"), 200);
    CHECK_I64(post(f, A "builders/activation/b", "{\"enabled\":true}"), 200);
}

static void publish_to_the_byte(enum db_kind kind) {
    struct fixture f;
    open_hub(&f, kind, false);
    CHECK_I64(post(&f, A "measurements",
                   "{\"measurement_id\":\"a<b\",\"attestation_type\":\"t\",\"measurements\":{"
                   "\"11\":{\"expected_any\":[\"b1\" , \"<\"]},\"4\":{\"expected\":\"aa\"}}}"),
              200);
    CHECK_I64(post(&f, A "measurements/activation/a%3Cb", "{\"enabled\":true}"), 200);
    CHECK_I64(ask(&f, HUB_INTERNAL, "GET", PUBLISHED, "", "t"), 200);
    check_body(&f,
               "[{\"measurement_id\":\"a\\u003cb\",\"attestation_type\":\"t\",\"measurements\":"
               "{\"11\":{\"expected_any\":[\"b1\",\"\\u003c\"]},\"4\":{\"expected\":\"aa\"}}}]");
    close_hub(&f);
}

TEST(the_allow_list_is_published_to_the_byte_on_sqlite) {
    publish_to_the_byte(DB_SQLITE);
}

TEST(the_allow_list_is_published_to_the_byte_on_postgres) {
    publish_to_the_byte(DB_POSTGRES);
}

// Text is text: without NUL, which C and PostgreSQL take for an end, and UTF-8, as JSON is.
static void refuse_what_is_no_text(enum db_kind kind, bool compat) {
    static const struct {
        const char *path, *body;
    } cases[] = {
        {A "builders", "{\"name\":\"z\",\"ip_address\":\"1.1.1.1\",\"network\":\"n\\u0000\"}"},
        {A "builders",
         "{\"name\":\"z\",\"ip_address\":\"1.1.1.1\",\"network\":\"n\",\"dns_name\":\"\\u0000\"}"},
        {A "measurements", "{\"measurement_id\":\"m\",\"attestation_type\":\"t\",\"measurements\":{"
                           "\"4\":{\"expected\":\"\\u0000\"}}}"},
        {A "measurements", "{\"measurement_id\":\"m\\u0000\",\"attestation_type\":\"t\","
                           "\"measurements\":{\"4\":{\"expected\":\"a\"}}}"},
        {A "measurements", "{\"measurement_id\":\"m\",\"attestation_type\":\"t\\u0000\","
                           "\"measurements\":{\"4\":{\"expected\":\"a\"}}}"},
        {A "measurements", "{\"measurement_id\":\"m\",\"attestation_type\":\"t\",\"measurements\":{"
                           "\"\\u0000\":{\"expected\":\"a\"}}}"},
    };
    struct fixture f;
    open_hub(&f, kind, compat);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = post(&f, cases[i].path, cases[i].body);
        if (status != (compat ? 500 : 400)) FAIL("%s: %d", cases[i].body, status);
    }
    add_builder(&f);
    CHECK_I64(post(&f, A "measurements",
                   "{\"measurement_id\":\"m\",\"attestation_type\":\"t\",\"measurements\":{"
                   "\"4\":{\"expected\":\"aa\"}}}"),
              200);
    CHECK_I64(post(&f, A "measurements/activation/m", "{\"enabled\":true}"), 200);
    CHECK_I64(ask(&f, HUB_PUBLIC, "POST", "/api/l1-builder/v1/register_credentials/%FF",
                  "{\"tls_cert\":\"x\"}", "t"),
              compat ? 500 : 400);
    CHECK_I64(ask(&f, HUB_PUBLIC, "POST", "/api/l1-builder/v1/register_credentials/s",
                  "{\"tls_cert\":\"x\\u0000\"}", "t"),
              compat ? 500 : 400);
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "builders", "", "t"), 200);
    CHECK(!says(&f, "\"z\""));
    close_hub(&f);
}

TEST(what_is_no_text_is_refused_on_sqlite) {
    refuse_what_is_no_text(DB_SQLITE, false);
    refuse_what_is_no_text(DB_SQLITE, true);
}

TEST(what_is_no_text_is_refused_on_postgres) {
    refuse_what_is_no_text(DB_POSTGRES, false);
    refuse_what_is_no_text(DB_POSTGRES, true);
}

static void add_row(struct fixture *f, const char *name, const char *stored) {
    struct store_batch b;
    struct arena a;
    arena_init(&a, 0);
    batch_init(&b, &a, L("x"), L(""));
    batch_measurement_add(&b, bytes_from_str(name), bytes_from_str(name), bytes_from_str(stored));
    batch_measurement_enable(&b, bytes_from_str(name), true, true);
    CHECK_OK(hub_change(f->hub, &b, (struct bytes){NULL, 0}, &why), &why);
    arena_free(&a);
}

// A deployed database is taken over as it is, and what somebody put into it opens no door.
static void rows_of_no_sense(enum db_kind kind) {
    static const char *const rows[][2] = {
        {"array", "[1, 2]"},
        {"text", "\"x\""},
        {"number", "5"},
        {"flat", "{\"4\": \"aa\"}"},
        {"image", "{\"dcap_image_hashes\": {\"x\": 1}}"},
    };
    struct fixture f;
    open_hub(&f, kind, false);
    add_builder(&f);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        add_row(&f, rows[i][0], rows[i][1]);
        int status = ask(&f, HUB_PUBLIC, "GET", "/api/l1-builder/v1/configuration", "", rows[i][0]);
        if (status != 403) FAIL("%s: %d", rows[i][0], status);
    }
    CHECK_I64(ask(&f, HUB_INTERNAL, "GET", PUBLISHED, "", "t"), 200);
    check_body(&f, "[{\"measurement_id\":\"flat\",\"attestation_type\":\"flat\",\"measurements\":{"
                   "\"4\":{}}}]");
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "measurements", "", "t"), 200);
    CHECK(says(&f, "\"image\""));
    CHECK_I64(post(&f, A2 "match", "{\"attestation_type\":\"text\",\"measurements\":{}}"), 200);
    CHECK(says(&f, "\"matches\":false"));
    CHECK_I64(ask(&f, HUB_INTERNAL, "GET", "/ui", "", "t"), 200);
    CHECK(says(&f, "nobody is let in") && !says(&f, "everybody"));
    close_hub(&f);
}

TEST(rows_of_no_sense_let_nobody_in_on_sqlite) {
    rows_of_no_sense(DB_SQLITE);
}

TEST(rows_of_no_sense_let_nobody_in_on_postgres) {
    rows_of_no_sense(DB_POSTGRES);
}

static void add_events(struct fixture *f, size_t count) {
    struct store_batch b;
    struct arena a;
    arena_init(&a, 0);
    batch_init(&b, &a, (struct bytes){NULL, 0}, (struct bytes){NULL, 0});
    for (size_t i = 0; i < count; i++)
        batch_event(&b, L("GetConfig"), L("b"), L("m"));
    CHECK_OK(store_commit(f->hub->options.store, &b, NULL, &why), &why);
    arena_free(&a);
}

// More than one transaction takes.
static void prune_many(enum db_kind kind) {
    struct fixture f;
    uint64_t removed = 0;
    struct store_batch b;
    struct arena a;
    open_hub(&f, kind, false);
    add_builder(&f);
    add_events(&f, 12000);
    arena_init(&a, 0);
    batch_init(&b, &a, (struct bytes){NULL, 0}, (struct bytes){NULL, 0});
    batch_prune(&b, L("2999-01-01T00:00:00Z"), 1000);
    CHECK_OK(store_commit(f.hub->options.store, &b, &removed, &why), &why);
    CHECK_U64(removed, 1000);
    arena_free(&a);
    CHECK_OK(hub_prune(f.hub, UINT64_C(4000000000) * NS_PER_S, 0, &why), &why);
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "events", "", "t"), 200);
    check_body(&f, "[]\n");
    close_hub(&f);
}

TEST(old_events_go_in_portions_on_sqlite) {
    prune_many(DB_SQLITE);
}

TEST(old_events_go_in_portions_on_postgres) {
    prune_many(DB_POSTGRES);
}

static int registers(struct fixture *f, const char *service, char letter, size_t n) {
    char path[80];
    char *body = malloc(n + 40);
    CHECK(body != NULL);
    (void)snprintf(path, sizeof path, "/api/l1-builder/v1/register_credentials/%s", service);
    size_t at = (size_t)snprintf(body, 40, "{\"tls_cert\":\"");
    memset(body + at, letter, n);
    if (letter == '\\') memset(body + at + 1, 'n', 1);
    for (size_t i = 2; letter == '\\' && i < n; i += 2)
        body[at + i + 1] = 'n';
    (void)snprintf(body + at + n, 40 - at, "\"}");
    int status = ask(f, HUB_PUBLIC, "POST", path, body, "t");
    free(body);
    return status;
}

// What counts is what peers read, and a credential takes the place of the one before.
TEST(a_node_at_its_bound_can_renew) {
    struct fixture f;
    open_hub(&f, DB_SQLITE, false);
    add_builder(&f);
    CHECK_I64(post(&f, A "measurements",
                   "{\"measurement_id\":\"m\",\"attestation_type\":\"t\",\"measurements\":{"
                   "\"4\":{\"expected\":\"aa\"}}}"),
              200);
    CHECK_I64(post(&f, A "measurements/activation/m", "{\"enabled\":true}"), 200);
    CHECK_I64(registers(&f, "one", 'c', 256u << 10), 200);
    CHECK_I64(registers(&f, "two", 'c', 255u << 10), 200);
    CHECK_I64(registers(&f, "three", 'c', 2000), 400);
    CHECK_I64(registers(&f, "one", 'd', 256u << 10), 200);
    CHECK_I64(registers(&f, "one", 'e', 1000), 200);
    CHECK_I64(registers(&f, "three", 'c', 2000), 200);
    // 250 KB of line ends are 500 KB in the list.
    CHECK_I64(registers(&f, "lines", '\\', 500000), 400);
    close_hub(&f);
}

TEST(an_unknown_builder_is_named_as_such) {
    struct fixture f;
    open_hub(&f, DB_SQLITE, false);
    CHECK_I64(post(&f, A "builders/configuration/none", "{}"), 404);
    check_body(&f, "{\"message\":\"unknown builder\"}\n");
    CHECK_I64(post(&f, A "builders/configuration/none", "{"), 400);
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "builders/none/credentials", "", "t"), 404);
    add_builder(&f);
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "builders/b/credentials", "", "t"), 200);
    CHECK_I64(ask(&f, HUB_ADMIN, "PUT", A2 "builders/b", "[]", "t"), 400);
    CHECK_I64(ask(&f, HUB_ADMIN, "PUT", A2 "builders/b", "{\"ip\":\"1.1.1.1\"}", "t"), 400);
    CHECK_I64(ask(&f, HUB_ADMIN, "PUT", A2 "builders/b", "{\"dns_name\":\"d\"}", "t"), 200);
    close_hub(&f);
}

TEST(a_file_is_one_document) {
    static const struct {
        enum state_file_kind kind;
        const char *text;
        int code;
    } cases[] = {
        {STATE_FILE_YAML, "--- {a: 1}\n--- {b: 2}\n", ERR_INVALID},
        {STATE_FILE_YAML, "--- {a: 1}\n...\n", 0},
        {STATE_FILE_TOML, "a = 1\na = 2\n", ERR_SYNTAX},
        {STATE_FILE_JSON, "{} {}", ERR_SYNTAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        buf_init(&out, 0);
        int r = state_file_convert(&out, cases[i].kind, bytes_from_str(cases[i].text), &why);
        if (r != cases[i].code) FAIL("%s: %s", cases[i].text, error_name(r));
        buf_free(&out);
    }
}

TEST_MAIN()
