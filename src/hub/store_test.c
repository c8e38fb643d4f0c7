/* The store, the same cases on SQLite and on a PostgreSQL of its own.
 * SPDX-License-Identifier: MIT */
#include "base/buf.h"
#include "db/testing.h"
#include "hub/schema.h"
#include "hub/store.h"
#include "test/harness/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct test_postgres postgres;
static const char *postgres_why;
static bool postgres_tried, postgres_runs;

static void stop_postgres(void) {
    test_postgres_stop(&postgres);
}

static struct store *open_on(enum db_kind kind) {
    struct error why = {0};
    struct store *s = NULL;
    struct store_options o = {.url = "sqlite::memory:", .connections = 2, .migrate = true};
    if (kind == DB_POSTGRES) {
        if (!postgres_tried) {
            postgres_tried = true;
            (void)atexit(stop_postgres);
            postgres_runs = test_postgres_start(&postgres, false, &postgres_why);
        }
        if (!postgres_runs) SKIP("%s", postgres_why);
        struct db *d = NULL;
        CHECK_OK(db_open_postgres(&d, postgres.dsn, &why), &why);
        CHECK_OK(db_script(d, "DROP SCHEMA public CASCADE; CREATE SCHEMA public", &why), &why);
        db_close(d);
        o.url = postgres.dsn;
    }
    CHECK_OK(store_open(&s, &o, &why), &why);
    return s;
}

#define L(text) BYTES_LIT(text)

static void add_two(struct store *s, struct arena *a) {
    struct store_batch b;
    struct error why = {0};
    batch_init(&b, a, L("alice"), L("first"));
    batch_measurement_add(&b, L("m1"), L("azure-tdx"), L("{\"4\":{\"expected\":\"aa\"}}"));
    batch_measurement_enable(&b, L("m1"), true, true);
    batch_builder_add(&b, L("b1"), L("1.2.3.4"), L("production"), L("b1.example"));
    batch_builder_add(&b, L("b2"), L("2001:db8::1"), L("staging"), (struct bytes){NULL, 0});
    batch_config_set(&b, L("b1"), L("{\"a\": 1}"));
    batch_builder_enable(&b, L("b1"), true, true);
    batch_notify(&b, s, L("b1"));
    CHECK_OK(store_commit(s, &b, NULL, &why), &why);
}

static int append_builder(void *context, const struct store_builder *b, struct error *why) {
    (void)why;
    buf_printf(context, "%.*s,%.*s,%.*s,%.*s,%d%d%d;", (int)b->name.n, (const char *)b->name.p,
               (int)b->ip.n, (const char *)b->ip.p, (int)b->network.n, (const char *)b->network.p,
               (int)b->dns_name.n, b->dns_name.p ? (const char *)b->dns_name.p : "", b->active,
               b->has_config, b->hidden);
    return 0;
}

static int append_credential(void *context, const struct store_credential *c, struct error *why) {
    (void)why;
    buf_printf(context, "%.*s/%.*s %.*s %zu %.*s %.*s %d;", (int)c->builder.n,
               (const char *)c->builder.p, (int)c->service.n, (const char *)c->service.p,
               (int)c->tls_cert.n, c->tls_cert.p ? (const char *)c->tls_cert.p : "", c->address.n,
               (int)c->region.n, (const char *)c->region.p, (int)c->measurement.n,
               (const char *)c->measurement.p, c->active);
    return 0;
}

static int append_config(void *context, const struct store_config *c, struct error *why) {
    (void)why;
    buf_printf(context, "%.*s=%.*s%s;", (int)c->version.n, (const char *)c->version.p,
               (int)c->config.n, (const char *)c->config.p, c->active ? "*" : "");
    return 0;
}

static int append_change(void *context, const struct store_event *e, struct error *why) {
    (void)why;
    buf_printf(context, "%.*s %.*s %.*s;", (int)e->action.n, (const char *)e->action.p,
               (int)e->subject.n, (const char *)e->subject.p, (int)e->author.n,
               (const char *)e->author.p);
    return 0;
}

static void check_text(struct buf *b, const char *expected) {
    buf_append_byte(b, 0);
    CHECK_STR((const char *)b->p, expected);
    buf_clear(b);
}

static int append_name(void *context, struct bytes name, struct error *why) {
    (void)why;
    buf_printf(context, "%.*s;", (int)name.n, (const char *)name.p);
    return 0;
}

static int refuse_commit(void *context, struct error *why) {
    ++*(int *)context;
    return error_set(why, ERR_IO, "no");
}

static int count_credential(void *context, const struct store_credential *c, struct error *why) {
    (void)why;
    buf_printf(context, "%.*s%s;", (int)c->region.n, (const char *)c->region.p,
               c->active ? "*" : "");
    return 0;
}

// Of b1's service "pruned": what was replaced goes when it is old enough; the newest stays.
static void check_credential_pruning(struct store *s, struct arena *a) {
    const struct bytes none = {NULL, 0};
    struct store_batch b;
    struct buf out;
    struct error why = {0};
    buf_init(&out, 0);
    static const char *const regions[] = {"1", "2", "3"};
    for (size_t i = 0; i < 3; i++) {
        const struct store_credential c = {.builder = L("b1"),
                                           .service = L("pruned"),
                                           .tls_cert = L("cert"),
                                           .region = bytes_from_str(regions[i]),
                                           .measurement = L("m1")};
        batch_init(&b, a, none, none);
        batch_register(&b, &c, L("azure-tdx"));
        CHECK_OK(store_commit(s, &b, NULL, &why), &why);
    }
    for (int round = 0; round < 2; round++) {
        uint64_t removed = 0;
        batch_init(&b, a, none, none);
        batch_prune_credentials(&b, round ? L("2999-01-01T00:00:00Z") : L("2001-01-01T00:00:00Z"),
                                100);
        CHECK_OK(store_commit(s, &b, &removed, &why), &why);
        CHECK(round ? removed >= 2 : removed == 0);
    }
    CHECK_OK(store_credentials(s, L("b1"), true, count_credential, &out, &why), &why);
    CHECK(memmem(out.p, out.n, "3*;", 3) && !memmem(out.p, out.n, "1;", 2) &&
          !memmem(out.p, out.n, "2;", 2));
    buf_free(&out);
}

static void check_rows(enum db_kind kind) {
    struct store *s = open_on(kind);
    struct arena a;
    struct buf out;
    struct error why = {0};
    const struct bytes all = {NULL, 0};
    arena_init(&a, 0);
    buf_init(&out, 0);
    add_two(s, &a);
    CHECK_OK(store_builders(s, all, append_builder, &out, &why), &why);
    check_text(&out, "b1,1.2.3.4,production,b1.example,110;b2,2001:db8::1,staging,,000;");
    CHECK_OK(store_configs(s, L("b1"), L("active"), append_config, &out, &why), &why);
    check_text(&out, "1={\"a\": 1}*;");

    struct store_batch b;
    struct address address = {{1, 2, 3}};
    struct store_credential c = {.builder = L("b1"),
                                 .service = L("rbuilder"),
                                 .address = BYTES_OF(address),
                                 .region = L(""),
                                 .measurement = L("m1")};
    for (int i = 0; i < 2; i++) {
        batch_init(&b, &a, all, all);
        batch_register(&b, &c, L("azure-tdx"));
        CHECK_OK(store_commit(s, &b, NULL, &why), &why);
        c.tls_cert = L("PEM");
        c.address.n = 0;
        c.region = L("eu");
    }
    CHECK_OK(store_credentials(s, all, false, append_credential, &out, &why), &why);
    check_text(&out, "b1/rbuilder PEM 0 eu m1 1;");
    CHECK_OK(store_credentials(s, L("b1"), true, append_credential, &out, &why), &why);
    check_text(&out, "b1/rbuilder PEM 0 eu m1 1;b1/rbuilder  20  m1 0;");

    batch_init(&b, &a, L("bob"), L("why not"));
    batch_config_set(&b, L("b1"), L("[1, 2]"));
    CHECK_OK(store_commit(s, &b, NULL, &why), &why);
    batch_init(&b, &a, L("bob"), L("back"));
    batch_config_activate(&b, L("b1"), L("1"));
    CHECK_OK(store_commit(s, &b, NULL, &why), &why);
    CHECK_OK(store_configs(s, L("b1"), all, append_config, &out, &why), &why);
    check_text(&out, "2=[1, 2];1={\"a\": 1}*;");
    CHECK_OK(store_changes(s, 2, append_change, &out, &why), &why);
    check_text(&out, "configuration activated b1 bob;configuration set b1 bob;");

    batch_init(&b, &a, all, all);
    batch_event(&b, L("GetConfig"), L("b1"), L("m1"));
    batch_event(&b, L("GetConfig"), L("gone"), L("m1"));
    CHECK_OK(store_commit(s, &b, NULL, &why), &why);
    CHECK_OK(store_events(s, 10, append_change, &out, &why), &why);
    check_text(&out, "GetConfig b1 m1;");
    batch_init(&b, &a, all, all);
    batch_prune(&b, L("2999-01-01T00:00:00Z"), 100);
    CHECK_OK(store_commit(s, &b, NULL, &why), &why);
    CHECK_OK(store_events(s, 10, append_change, &out, &why), &why);
    check_text(&out, "");

    check_credential_pruning(s, &a);
    batch_init(&b, &a, L("bob"), all);
    batch_builder_delete(&b, L("b1"), true);
    batch_measurement_delete(&b, L("m1"));
    CHECK_OK(store_commit(s, &b, NULL, &why), &why);
    CHECK_OK(store_builders(s, all, append_builder, &out, &why), &why);
    check_text(&out, "b2,2001:db8::1,staging,,000;");
    buf_free(&out);
    arena_free(&a);
    store_close(s);
}

static void check_removals(enum db_kind kind) {
    struct store *s = open_on(kind);
    const struct bytes all = {NULL, 0};
    struct arena a;
    struct store_batch b;
    struct buf out;
    struct error why = {0};
    arena_init(&a, 0);
    buf_init(&out, 0);
    add_two(s, &a);
    batch_init(&b, &a, all, all);
    batch_builder_delete(&b, L("b1"), true);
    batch_builder_delete(&b, L("b2"), false);
    CHECK_OK(store_commit(s, &b, NULL, &why), &why);
    CHECK_OK(store_removals(s, all, append_name, &out, &why), &why);
    check_text(&out, "b1;");
    CHECK_OK(store_removals(s, L("b2"), append_name, &out, &why), &why);
    check_text(&out, "");
    int calls = 0;
    batch_init(&b, &a, all, all); // what fails before the COMMIT undoes it
    batch_removal_done(&b, L("b1"));
    b.before_commit = refuse_commit;
    b.context = &calls;
    CHECK_ERR(store_commit(s, &b, NULL, &why), ERR_IO);
    CHECK_I64(calls, 1);
    CHECK_OK(store_removals(s, L("b1"), append_name, &out, &why), &why);
    check_text(&out, "b1;");
    batch_init(&b, &a, all, all);
    batch_removal_done(&b, L("b1"));
    CHECK_OK(store_commit(s, &b, NULL, &why), &why);
    CHECK_ERR(store_commit(s, &b, NULL, &why), ERR_NOT_FOUND);
    CHECK_OK(store_removals(s, all, append_name, &out, &why), &why);
    check_text(&out, "");
    buf_free(&out);
    arena_free(&a);
    store_close(s);
}

static void check_errors(enum db_kind kind) {
    struct store *s = open_on(kind);
    struct arena a;
    struct store_batch b;
    struct error why = {0};
    arena_init(&a, 0);
    add_two(s, &a);
    batch_init(&b, &a, L("x"), L(""));
    batch_builder_add(&b, L("b1"), L("9.9.9.9"), L("n"), L(""));
    CHECK_ERR(store_commit(s, &b, NULL, &why), ERR_CONFLICT);
    batch_init(&b, &a, L("x"), L(""));
    batch_measurement_add(&b, L("m1"), L("other"), L("{}"));
    CHECK_ERR(store_commit(s, &b, NULL, &why), ERR_CONFLICT);
    batch_init(&b, &a, L("x"), L(""));
    batch_config_set(&b, L("nobody"), L("{}"));
    CHECK_ERR(store_commit(s, &b, NULL, &why), ERR_NOT_FOUND);
    batch_init(&b, &a, L("x"), L(""));
    batch_builder_enable(&b, L("nobody"), true, true);
    CHECK_ERR(store_commit(s, &b, NULL, &why), ERR_NOT_FOUND);
    batch_init(&b, &a, L("x"), L(""));
    batch_builder_enable(&b, L("nobody"), true, false);
    CHECK_OK(store_commit(s, &b, NULL, &why), &why);
    char name[300];
    memset(name, 'a', sizeof name);
    batch_init(&b, &a, L("x"), L(""));
    batch_builder_add(&b, bytes_make(name, sizeof name), L("9.9.9.9"), L("n"), L(""));
    CHECK_ERR(store_commit(s, &b, NULL, &why), ERR_RANGE);
    CHECK_OK(store_ping(s, &why), &why);
    arena_free(&a);
    store_close(s);
}

TEST(sqlite_rows) {
    check_rows(DB_SQLITE);
}
TEST(sqlite_removals) {
    check_removals(DB_SQLITE);
}
TEST(postgres_removals) {
    check_removals(DB_POSTGRES);
}
TEST(sqlite_errors) {
    check_errors(DB_SQLITE);
}
TEST(postgres_rows) {
    check_rows(DB_POSTGRES);
}
TEST(postgres_errors) {
    check_errors(DB_POSTGRES);
}

// A database that the deployed program made, at its first step, with rows in it.
TEST(postgres_takes_over) {
    struct store *s = open_on(DB_POSTGRES);
    struct error why = {0};
    struct db *d = NULL;
    struct buf out;
    buf_init(&out, 0);
    store_close(s);
    CHECK_OK(db_open_postgres(&d, postgres.dsn, &why), &why);
    CHECK_OK(db_script(d,
                       "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
                       "CREATE TABLE builders (name VARCHAR(255) PRIMARY KEY, ip_address INET NOT"
                       " NULL, is_active BOOLEAN NOT NULL DEFAULT true, created_at TIMESTAMPTZ NOT"
                       " NULL DEFAULT now(), updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),"
                       " deprecated_at TIMESTAMPTZ);"
                       "CREATE TABLE measurements_whitelist (id SERIAL PRIMARY KEY, name TEXT NOT"
                       " NULL, attestation_type TEXT NOT NULL, measurement JSONB NOT NULL,"
                       " is_active BOOLEAN NOT NULL DEFAULT true, created_at TIMESTAMPTZ NOT NULL"
                       " DEFAULT now(), updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),"
                       " deprecated_at TIMESTAMPTZ, UNIQUE (name, attestation_type));"
                       "INSERT INTO builders (name, ip_address) VALUES ('old', '10.0.0.1')",
                       &why),
             &why);
    unsigned from = 9;
    CHECK_OK(schema_migrate(&from, d, &why), &why);
    CHECK_U64(from, 0);
    CHECK_OK(schema_migrate(&from, d, &why), &why);
    CHECK_U64(from, SCHEMA_VERSION);
    struct store_options o = {.url = postgres.dsn};
    CHECK_OK(store_open(&s, &o, &why), &why);
    CHECK_OK(store_builders(s, L("old"), append_builder, &out, &why), &why);
    check_text(&out, "old,10.0.0.1,production,,100;");
    store_close(s);
    CHECK_OK(db_script(d, "INSERT INTO hub_schema (version) VALUES (99)", &why), &why);
    o.migrate = true;
    CHECK_ERR(store_open(&s, &o, &why), ERR_UNSUPPORTED);
    db_close(d);
    buf_free(&out);
}

TEST(postgres_tells_others) {
    struct store *s = open_on(DB_POSTGRES);
    struct db_listener *l = NULL;
    struct error why = {0};
    struct bytes payload;
    struct arena a;
    arena_init(&a, 0);
    CHECK_OK(db_listener_open(&l, postgres.dsn, STORE_CHANNEL, &why), &why);
    CHECK_OK(db_listener_wait(l, 0, -1, &payload, &why), &why);
    CHECK(payload.p == NULL);
    add_two(s, &a);
    for (int i = 0; i < 100 && !payload.p; i++) {
        CHECK_OK(db_listener_wait(l, 50, -1, &payload, &why), &why);
    }
    CHECK(payload.n == 19 && memcmp(payload.p + 17, "b1", 2) == 0);
    db_listener_close(l);
    arena_free(&a);
    store_close(s);
}

// What was answered is there after the server was killed; the pool connects anew by itself.
TEST(postgres_survives_a_kill) {
    struct store *s = open_on(DB_POSTGRES);
    struct error why = {0};
    struct arena a;
    struct buf out;
    arena_init(&a, 0);
    buf_init(&out, 0);
    add_two(s, &a);
    test_postgres_kill(&postgres);
    CHECK(test_postgres_run(&postgres));
    CHECK_OK(store_builders(s, L("b1"), append_builder, &out, &why), &why);
    check_text(&out, "b1,1.2.3.4,production,b1.example,110;");
    struct store_batch b;
    batch_init(&b, &a, L("x"), L(""));
    batch_builder_enable(&b, L("b1"), false, true);
    CHECK_OK(store_commit(s, &b, NULL, &why), &why);
    buf_free(&out);
    arena_free(&a);
    store_close(s);
}

TEST_MAIN()
