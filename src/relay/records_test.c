/* Records, the same cases on SQLite and on a PostgreSQL of its own. SPDX-License-Identifier: MIT */
#include "relay/records_read.h"

#include "base/hex.h"
#include "db/testing.h"
#include "relay/testing.h"
#include "test/harness/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static struct test_postgres postgres;
static const char *postgres_why;
static bool postgres_tried, postgres_runs;

struct room {
    struct loop *loop;
    struct records *records;
    char folder[64], path[96];
    const char *url;
    unsigned done;
    int status;
};

static void stop_postgres(void) {
    test_postgres_stop(&postgres);
}

static void start_postgres(void) {
    struct error why;
    struct db *d;
    if (!postgres_tried) {
        postgres_tried = true;
        (void)atexit(stop_postgres);
        postgres_runs = test_postgres_start(&postgres, false, &postgres_why);
    }
    if (!postgres_runs) SKIP("%s", postgres_why);
    CHECK_OK(db_open_postgres(&d, postgres.dsn, &why), &why);
    CHECK_OK(db_script(d, "DROP SCHEMA public CASCADE; CREATE SCHEMA public", &why), &why);
    db_close(d);
}

static void reopen(struct room *r) {
    struct error why;
    const struct records_options o = {.url = r->url, .loop = r->loop};
    CHECK_OK(records_open(&r->records, &o, &why), &why);
}

static void open_room(struct room *r, enum db_kind kind) {
    struct error why;
    memset(r, 0, sizeof *r);
    (void)strcpy(r->folder, "/tmp/relay-records-XXXXXX");
    CHECK(mkdtemp(r->folder) != NULL);
    (void)snprintf(r->path, sizeof r->path, "%s/relay.db", r->folder);
    r->url = r->path;
    if (kind == DB_POSTGRES) {
        start_postgres();
        r->url = postgres.dsn;
    }
    CHECK_OK(loop_new(&r->loop, NULL, &why), &why);
    reopen(r);
}

static void close_room(struct room *r) {
    char command[160];
    records_close(r->records);
    loop_free(r->loop);
    (void)snprintf(command, sizeof command, "rm -rf %s", r->folder);
    CHECK_I64(system(command), 0);
}

static void on_done(void *context, int status, const struct error *why) {
    struct room *r = context;
    (void)why;
    r->done++;
    r->status = status;
}

static void wait_for(struct room *r, unsigned done) {
    struct error why;
    for (int i = 0; i < 1000 && r->done < done; i++) {
        CHECK_OK(loop_turn(r->loop, 10 * NS_PER_MS, &why), &why);
    }
    CHECK_U64(r->done, done);
}

static void put(struct room *r, struct bid *b, bool with_payload, const char *failed) {
    struct error why;
    const struct records_simulation s = {.error = failed};
    unsigned before = r->done;
    CHECK_OK(records_submission(r->records, b, with_payload, &s, on_done, r, &why), &why);
    wait_for(r, before + 1);
    CHECK_I64(r->status, 0);
}

static void check_received(struct room *r, const struct records_filter *f, const char *values) {
    struct buf out, got;
    struct arena a;
    const struct json *doc;
    struct error why;
    buf_init(&out, 0);
    buf_init(&got, 0);
    arena_init(&a, 0);
    CHECK_OK(records_write_submissions(r->records, &out, f, &why), &why);
    CHECK_OK(json_parse(&doc, buf_view(&out), &a, NULL, &why), &why);
    json_each(row, doc) {
        struct bytes v = json_text(json_get(row, "value"));
        buf_printf(&got, "%.*s ", (int)v.n, (const char *)v.p);
    }
    buf_append_byte(&got, '\0');
    CHECK_STR((char *)got.p, values);
    buf_free(&out);
    buf_free(&got);
    arena_free(&a);
}

static const struct records_filter any = {
    .slot = -1, .cursor = -1, .block_number = -1, .limit = 100};

static void check_submissions(enum db_kind kind) {
    struct room r;
    open_room(&r, kind);
    struct bid *a = testing_bid(5, 1, 10, false, NS_PER_S), *b = testing_bid(5, 2, 20, false, 2),
               *c = testing_bid(6, 1, 30, true, 3);
    put(&r, a, false, NULL);
    put(&r, b, true, NULL);
    put(&r, c, false, NULL);
    put(&r, c, false, "simulation failed: x");
    struct records_filter f = any;
    check_received(&r, &f, "30 20 10 ");
    f.slot = 5;
    check_received(&r, &f, "20 10 ");
    f.limit = 1;
    check_received(&r, &f, "20 ");
    char hash[67] = "0x", key[99] = "0x";
    hex_encode(hash + 2, BYTES_OF(a->trace.block_hash));
    hex_encode(key + 2, BYTES_OF(a->trace.builder_pubkey));
    f = any;
    f.block_hash = bytes_make(hash, 66);
    check_received(&r, &f, "10 ");
    f = any;
    f.builder_pubkey = bytes_make(key, 98);
    check_received(&r, &f, "30 10 ");
    f.slot = 6;
    check_received(&r, &f, "30 ");
    f = any;
    f.block_number = 1;
    check_received(&r, &f, "");
    bid_release(a);
    bid_release(b);
    bid_release(c);
    close_room(&r);
}

static int take_payload(void *context, const struct records_payload_row *row, struct error *why) {
    (void)why;
    buf_append(context, row->body);
    buf_printf(context, ":%d%d:%llu ", row->cancellable, row->optimistic,
               (unsigned long long)row->sequence);
    return 0;
}

static void check_payloads(enum db_kind kind) {
    struct room r;
    struct error why;
    struct buf got;
    open_room(&r, kind);
    buf_init(&got, 0);
    struct bid *a = testing_bid(5, 1, 10, true, NS_PER_S);
    a->sequence = 9;
    put(&r, a, true, NULL);
    CHECK_OK(records_payload(r.records, a, on_done, &r, &why), &why); // once more is harmless
    wait_for(&r, 2);
    CHECK_OK(records_find_payload(r.records, &a->trace.block_hash, 5, take_payload, &got, &why),
             &why);
    CHECK_BYTES(buf_view(&got), BYTES_LIT("payload:10:9 "));
    CHECK_ERR(records_find_payload(r.records, &a->trace.block_hash, 6, take_payload, &got, &why),
              ERR_NOT_FOUND);
    buf_clear(&got);
    CHECK_OK(records_each_payload(r.records, 6, take_payload, &got, &why), &why);
    CHECK_U64(got.n, 0);
    CHECK_OK(records_prune(r.records, 6, 2 * NS_PER_S, &why), &why);
    put(&r, a, false, NULL); // behind it
    CHECK_ERR(records_find_payload(r.records, &a->trace.block_hash, 5, take_payload, &got, &why),
              ERR_NOT_FOUND);
    check_received(&r, &any, "10 "); // the first is gone, the one after the pruning is there
    buf_free(&got);
    bid_release(a);
    close_room(&r);
}

static void deliver(struct room *r, struct bid *b, int expected) {
    struct error why;
    unsigned before = r->done;
    CHECK_OK(records_delivered(r->records, b, NS_PER_S, BYTES_LIT("{}"), on_done, r, &why), &why);
    wait_for(r, before + 1);
    CHECK_I64(r->status, expected);
}

static void check_deliveries(enum db_kind kind) {
    struct room r;
    struct error why;
    struct buf out;
    uint64_t slot;
    struct hash hash;
    open_room(&r, kind);
    buf_init(&out, 0);
    struct bid *a = testing_bid(5, 1, 9, false, 1), *b = testing_bid(5, 2, 200, false, 2),
               *c = testing_bid(7, 2, 10, false, 3);
    CHECK_OK(records_last_delivered(r.records, &slot, &hash, &why), &why);
    CHECK_U64(slot, 0);
    deliver(&r, a, 0);
    deliver(&r, a, 0); // the same again
    deliver(&r, b, ERR_CONFLICT);
    deliver(&r, c, 0);
    CHECK_OK(records_last_delivered(r.records, &slot, &hash, &why), &why);
    CHECK_U64(slot, 7);
    CHECK_BYTES(BYTES_OF(hash), BYTES_OF(c->trace.block_hash));
    struct records_filter f = any;
    f.order = RECORDS_VALUE_RISING; // as numbers, not as text
    CHECK_OK(records_write_delivered(r.records, &out, &f, &why), &why);
    buf_append_byte(&out, '\0');
    const char *nine = strstr((char *)out.p, "\"value\":\"9\""),
               *ten = strstr((char *)out.p, "\"value\":\"10\"");
    CHECK(nine && ten && nine < ten);
    buf_clear(&out);
    f = any;
    f.cursor = 6;
    CHECK_OK(records_write_delivered(r.records, &out, &f, &why), &why);
    buf_append_byte(&out, '\0');
    CHECK(strstr((char *)out.p, "\"slot\":\"5\"") && !strstr((char *)out.p, "\"slot\":\"7\""));
    buf_free(&out);
    bid_release(a);
    bid_release(b);
    bid_release(c);
    close_room(&r);
}

static int take_registration(void *context, const struct signed_validator_registration *reg,
                             struct error *why) {
    (void)why;
    *(struct signed_validator_registration *)context = *reg;
    return 0;
}

static int take_builder(void *context, const struct bytes48 *pubkey,
                        const struct builder_status *status, struct error *why) {
    (void)pubkey;
    (void)why;
    *(struct builder_status *)context = *status;
    return 0;
}

static void check_standing(enum db_kind kind) {
    struct room r;
    struct error why;
    open_room(&r, kind);
    struct signed_validator_registration one = {.message = {.gas_limit = 7, .timestamp = 10}},
                                         older = one, got;
    const struct signed_validator_registration *items[] = {&one, &older};
    older.message.timestamp = 9;
    older.message.gas_limit = 8;
    CHECK_OK(records_registrations(r.records, items, 2, on_done, &r, &why), &why);
    struct builder b = {.status = {.optimistic = true, .collateral = U256_MAX, .id = "owner"}};
    CHECK_OK(records_builder(r.records, &b, on_done, &r, &why), &why);
    b.status.optimistic = false;
    CHECK_OK(records_builder(r.records, &b, on_done, &r, &why), &why);
    struct bid *bid = testing_bid(5, 1, 9, false, 1);
    CHECK_OK(records_demotion(r.records, bid, "it cheated", 1, &why), &why);
    CHECK_OK(records_late(r.records, bid, 5, &why), &why);
    wait_for(&r, 3);
    CHECK_OK(records_each_registration(r.records, take_registration, &got, &why), &why);
    CHECK_U64(got.message.gas_limit, 7);
    CHECK_U64(got.message.timestamp, 10);
    struct builder_status status;
    CHECK_OK(records_each_builder(r.records, take_builder, &status, &why), &why);
    CHECK(!status.optimistic && u256_equal(status.collateral, U256_MAX));
    CHECK_STR(status.id, "owner");
    bid_release(bid);
    close_room(&r);
}

/* A child writes bid after bid and tells each that was committed; it is killed at some time; all
 * that it told is there. */
static void write_until_killed(struct room *r, int out) {
    r->loop = NULL;
    if (loop_new(&r->loop, NULL, NULL) != 0) _exit(1);
    reopen(r);
    for (uint64_t value = 1;; value++) {
        struct bid *b = testing_bid(5, 1, value, false, value);
        put(r, b, true, NULL);
        bid_release(b);
        if (write(out, &value, sizeof value) != sizeof value) _exit(1);
    }
}

static void check_crash(enum db_kind kind) {
    for (int round = 0; round < 3; round++) {
        struct room r;
        struct error why;
        int ends[2];
        uint64_t last = 0, value;
        open_room(&r, kind);
        records_close(r.records);
        CHECK_I64(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) write_until_killed(&r, ends[1]);
        (void)close(ends[1]);
        (void)usleep(60000 + 40000 * (unsigned)round);
        CHECK_I64(kill(child, SIGKILL), 0);
        (void)waitpid(child, NULL, 0);
        while (read(ends[0], &value, sizeof value) == sizeof value) {
            last = value;
        }
        (void)close(ends[0]);
        reopen(&r);
        for (value = 1; value <= last; value++) {
            struct buf got;
            struct bid *b = testing_bid(5, 1, value, false, value);
            buf_init(&got, 0);
            CHECK_OK(
                records_find_payload(r.records, &b->trace.block_hash, 5, take_payload, &got, &why),
                &why);
            buf_free(&got);
            bid_release(b);
        }
        close_room(&r);
    }
}

#define BOTH(NAME)                                                                                 \
    TEST(sqlite_##NAME) {                                                                          \
        check_##NAME(DB_SQLITE);                                                                   \
    }                                                                                              \
    TEST(postgres_##NAME) {                                                                        \
        check_##NAME(DB_POSTGRES);                                                                 \
    }
BOTH(submissions)
BOTH(payloads)
BOTH(deliveries)
BOTH(standing)
BOTH(crash)

TEST(newer_schema_is_refused) {
    struct room r;
    struct error why;
    struct db *d;
    open_room(&r, DB_SQLITE);
    records_close(r.records);
    CHECK_OK(db_open_sqlite(&d, r.path, &why), &why);
    CHECK_OK(db_script(d, "UPDATE relay_schema SET version = 99", &why), &why);
    db_close(d);
    const struct records_options o = {.url = r.path, .loop = r.loop};
    CHECK_ERR(records_open(&r.records, &o, &why), ERR_UNSUPPORTED);
    CHECK(r.records == NULL);
    close_room(&r);
}

TEST(too_many_waiting_writes_are_refused) {
    struct room r;
    struct error why;
    open_room(&r, DB_SQLITE);
    records_close(r.records);
    const struct records_options o = {.url = r.path, .loop = r.loop, .waiting_max = 2};
    CHECK_OK(records_open(&r.records, &o, &why), &why);
    const struct records_simulation s = {.took_ns = 0};
    int status = 0;
    for (unsigned i = 0; i < 10000 && status == 0; i++) {
        struct bid *b = testing_bid(5, 1, i, false, i);
        status = records_submission(r.records, b, true, &s, NULL, NULL, &why);
        bid_release(b);
    }
    CHECK_I64(status, ERR_BUSY);
    close_room(&r);
}

TEST_MAIN()
