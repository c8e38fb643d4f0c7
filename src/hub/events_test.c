/* Rows of what nodes read: none is lost, and none is refused while the store takes them.
 * SPDX-License-Identifier: MIT */
#include "hub/hub_internal.h"
#include "hub/store_internal.h"
#include "hub/testing.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define A "/api/admin/v1/"

static struct error why;

static void post(struct hub *h, const char *path, const char *body) {
    struct hub_response res;
    hub_response_init(&res);
    CHECK_I64(test_hub_ask(&res, h, HUB_ADMIN, "POST", path, body, "t"), 200);
    hub_response_free(&res);
}

static struct hub *open_hub(const char *url) {
    static const uint8_t key[SECRETS_KEY_BYTES] = {7};
    const struct store_options so = {.url = url, .migrate = true};
    struct hub_options o = {.admin_open = true};
    struct hub *h;
    CHECK_OK(store_open(&o.store, &so, &why), &why);
    CHECK_OK(secrets_database(&o.secrets, o.store, bytes_make(key, sizeof key), &why), &why);
    CHECK_OK(hub_open(&h, &o, &why), &why);
    post(h, A "measurements",
         "{\"measurement_id\":\"m\",\"attestation_type\":\"t\",\"measurements\":{\"4\":{"
         "\"expected\":\"aa\"}}}");
    post(h, A "measurements/activation/m", "{\"enabled\":true}");
    post(h, A "builders", "{\"name\":\"b\",\"ip_address\":\"1.2.3.4\",\"network\":\"n\"}");
    post(h, A "builders/configuration/b", "{}");
    post(h, A "builders/activation/b", "{\"enabled\":true}");
    return h;
}

static int read_configuration(struct hub *h, struct hub_response *res) {
    return test_hub_ask(res, h, HUB_PUBLIC, "GET", "/api/l1-builder/v1/configuration", "", "t");
}

static int count_event(void *context, const struct store_event *e, struct error *unused) {
    (void)unused;
    CHECK_BYTES(e->subject, BYTES_LIT("b"));
    ++*(unsigned *)context;
    return 0;
}

TEST(whoever_reads_when_many_events_wait_stores_some_first) {
    const unsigned more = 1500;
    struct hub *h = open_hub("sqlite::memory:");
    struct hub_response res;
    unsigned stored = 0;
    hub_response_init(&res);
    for (unsigned i = 0; i < HUB_EVENTS_CROWDED; i++)
        CHECK_I64(read_configuration(h, &res), 200);
    CHECK_U64(h->events.count, HUB_EVENTS_CROWDED);
    for (unsigned i = 0; i < more; i++) {
        CHECK_I64(read_configuration(h, &res), 200);
        CHECK(h->events.count <= HUB_EVENTS_CROWDED);
    }
    CHECK_OK(hub_flush_events(h, &why), &why);
    CHECK_U64(h->events.count, 0);
    CHECK_OK(store_events(h->options.store, HUB_EVENTS_MAX, count_event, &stored, &why), &why);
    CHECK_U64(stored, HUB_EVENTS_CROWDED + more);
    hub_response_free(&res);
    hub_close(h);
}

static int count_row(void *context, const struct bytes *column, struct error *unused) {
    (void)column;
    (void)unused;
    ++*(unsigned *)context;
    return 0;
}

static const struct db_statement events_of_all = {"events_of_all", "SELECT id FROM event_log",
                                                  NULL};

static void *flush(void *context) {
    struct error flush_why;
    CHECK_OK(hub_flush_events(context, &flush_why), &flush_why);
    return NULL;
}

// Lest each few have a commit of their own, what comes while others are committed waits for more.
TEST(what_comes_while_others_are_stored_waits) {
    char folder[] = "/tmp/hub-events-XXXXXX", path[64];
    struct db *other;
    pthread_t thread;
    unsigned stored = 0;
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/db", folder);
    struct hub *h = open_hub(path);
    CHECK_OK(db_open_sqlite(&other, path, &why), &why);
    CHECK_OK(db_script(other, "BEGIN IMMEDIATE", &why), &why);
    CHECK(hub_event_note(h, "b", BYTES_LIT("m")));
    CHECK(pthread_create(&thread, NULL, flush, h) == 0);
    while (h->events.count > 0)
        (void)usleep(1000);
    CHECK(hub_event_note(h, "b", BYTES_LIT("m")));
    CHECK_OK(db_script(other, "COMMIT", &why), &why);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK_U64(h->events.count, 1);
    CHECK_OK(store_events(h->options.store, 10, count_event, &stored, &why), &why);
    CHECK_U64(stored, 1);
    hub_close(h);
    stored = 0;
    CHECK_OK(db_run(other, &events_of_all, NULL, 0, count_row, &stored, NULL, &why), &why);
    CHECK_U64(stored, 2);
    db_close(other);
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
}

TEST(events_that_could_not_be_stored_are_stored_later) {
    struct hub *h = open_hub("sqlite::memory:");
    struct hub_response res;
    struct db *d;
    unsigned stored = 0;
    hub_response_init(&res);
    for (unsigned i = 0; i < 700; i++)
        CHECK_I64(read_configuration(h, &res), 200);
    CHECK_OK(store_take(h->options.store, &d, &why), &why);
    CHECK_OK(db_script(d, "ALTER TABLE event_log RENAME TO away", &why), &why);
    store_give(h->options.store, d);
    CHECK(hub_flush_events(h, &why) != 0);
    CHECK_U64(h->events.count, 700);
    CHECK_I64(read_configuration(h, &res), 503);
    CHECK_OK(store_take(h->options.store, &d, &why), &why);
    CHECK_OK(db_script(d, "ALTER TABLE away RENAME TO event_log", &why), &why);
    store_give(h->options.store, d);
    CHECK_OK(hub_flush_events(h, &why), &why);
    CHECK_I64(read_configuration(h, &res), 200);
    CHECK_OK(store_events(h->options.store, 1000, count_event, &stored, &why), &why);
    CHECK_U64(stored, 700);
    hub_response_free(&res);
    hub_close(h);
}

TEST_MAIN()
