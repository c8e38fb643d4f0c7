/* A node's document while it changes, and when its builder goes.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "hub/hub_internal.h"
#include "hub/testing.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define L(text) BYTES_LIT(text)
#define A "/api/admin/v1/"
#define A2 "/api/admin/v2/"
#define CONFIGURATION "/api/l1-builder/v1/configuration"

static struct error why;

struct asked {
    struct hub *hub;
    int status;
    char body[100];
};

static struct asked ask_by(struct hub *h, enum hub_listener l, const char *method, const char *path,
                           const char *body) {
    struct asked ret = {.hub = h};
    struct hub_response res;
    hub_response_init(&res);
    ret.status = test_hub_ask(&res, h, l, method, path, body, "t");
    struct bytes text = hub_response_body(&res);
    (void)snprintf(ret.body, sizeof ret.body, "%.*s", (int)text.n, (const char *)text.p);
    hub_response_free(&res);
    return ret;
}

static struct asked ask(struct hub *h, enum hub_listener l, const char *path, const char *body) {
    return ask_by(h, l, l == HUB_ADMIN ? "POST" : "GET", path, body);
}

static int delete_builder(struct hub *h, const char *path) {
    return ask_by(h, HUB_ADMIN, "DELETE", path, "").status;
}

static void *read_configuration(void *context) {
    struct asked *a = context;
    *a = ask(a->hub, HUB_PUBLIC, CONFIGURATION, "");
    return NULL;
}

static void post(struct hub *h, const char *path, const char *body) {
    CHECK_I64(ask(h, HUB_ADMIN, path, body).status, 200);
}

static void add_builder(struct hub *h) {
    post(h, A "builders", "{\"name\":\"b\",\"ip_address\":\"1.2.3.4\",\"network\":\"production\"}");
    post(h, A "builders/configuration/b", "{}");
    post(h, A "builders/activation/b", "{\"enabled\":true}");
}

static const uint8_t key[SECRETS_KEY_BYTES] = {7};

// A hub that lets nodes in, with the builder b. folder  of its secrets; NULL: in its database.
static struct hub *open_hub(const char *folder) {
    const struct store_options so = {.url = "sqlite::memory:", .migrate = true};
    struct hub_options o = {.admin_open = true};
    struct hub *h;
    CHECK_OK(store_open(&o.store, &so, &why), &why);
    CHECK_OK(folder ? secrets_files(&o.secrets, folder, bytes_make(key, sizeof key), &why)
                    : secrets_database(&o.secrets, o.store, bytes_make(key, sizeof key), &why),
             &why);
    CHECK_OK(hub_open(&h, &o, &why), &why);
    post(h, A "measurements",
         "{\"measurement_id\":\"m\",\"attestation_type\":\"t\",\"measurements\":{\"4\":{"
         "\"expected\":\"aa\"}}}");
    post(h, A "measurements/activation/m", "{\"enabled\":true}");
    add_builder(h);
    return h;
}

/* A pipe in the place of the sealed file lets a read begin before the change and end after it. */
static void read_around(void (*change)(struct hub *), const char *expected) {
    char folder[] = "/tmp/hub-document-XXXXXX", path[100];
    struct buf sealed;
    pthread_t thread;
    CHECK(mkdtemp(folder) != NULL);
    struct hub *h = open_hub(folder);
    buf_init(&sealed, 0);
    CHECK_OK(
        secrets_seal(&sealed, bytes_make(key, sizeof key), L("b"), L("{\"key\":\"old\"}"), &why),
        &why);
    (void)snprintf(path, sizeof path, "%s/62.sealed", folder);
    CHECK(mkfifo(path, 0600) == 0);
    struct asked before = {.hub = h};
    CHECK(pthread_create(&thread, NULL, read_configuration, &before) == 0);
    int pipe_end = open(path, O_WRONLY); // returns when the read has begun
    CHECK(pipe_end >= 0);
    change(h);
    CHECK(write(pipe_end, sealed.p, sealed.n) == (ssize_t)sealed.n);
    CHECK(close(pipe_end) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK_STR(before.body, "{\"key\":\"old\"}");
    struct asked after = ask(h, HUB_PUBLIC, CONFIGURATION, "");
    CHECK_STR(after.body, expected);
    buf_free(&sealed);
    hub_close(h);
    (void)unlink(path); // it may have been deleted
    CHECK(rmdir(folder) == 0);
}

static void set_another(struct hub *h) {
    post(h, A "builders/secrets/b", "{\"key\":\"new\"}");
}

static void delete_and_add(struct hub *h) {
    CHECK_I64(delete_builder(h, A2 "builders/b"), 200);
    add_builder(h);
}

TEST(a_document_read_before_a_change_is_not_kept_after_it) {
    read_around(set_another, "{\"key\":\"new\"}");
    read_around(delete_and_add, "{}");
}

static void secrets_go_with_the_builder(const char *folder) {
    struct hub *h = open_hub(folder);
    post(h, A "builders/secrets/b", "{\"key\":\"old\"}");
    delete_and_add(h);
    CHECK_STR(ask(h, HUB_PUBLIC, CONFIGURATION, "").body, "{}");
    post(h, A "builders/secrets/b", "{\"key\":\"old\"}");
    post(h, A2 "apply",
         "{\"unlisted\":\"delete\",\"measurements\":[{\"measurement_id\":\"m\","
         "\"attestation_type\":\"t\",\"measurements\":{\"4\":{\"expected\":\"aa\"}}}]}");
    add_builder(h);
    CHECK_STR(ask(h, HUB_PUBLIC, CONFIGURATION, "").body, "{}");
    hub_close(h);
}

TEST(no_new_builder_gets_the_secrets_of_a_deleted_one) {
    char folder[] = "/tmp/hub-document-XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    secrets_go_with_the_builder(NULL);
    secrets_go_with_the_builder(folder);
    CHECK(rmdir(folder) == 0);
}

#define ADD_B "{\"name\":\"b\",\"ip_address\":\"1.2.3.4\",\"network\":\"production\"}"
#define APPLY_B                                                                                    \
    "{\"builders\":[{\"name\":\"b\",\"ip_address\":\"1.2.3.4\",\"network\":\"production\","        \
    "\"enabled\":false}]}"

TEST(secrets_that_cannot_be_deleted_keep_their_builders_name) {
    char folder[] = "/tmp/hub-document-XXXXXX", path[100];
    CHECK(mkdtemp(folder) != NULL);
    struct hub *h = open_hub(folder);
    (void)snprintf(path, sizeof path, "%s/62.sealed", folder);
    CHECK(mkdir(path, 0700) == 0); // in the file's place: no unlink
    CHECK_I64(delete_builder(h, A2 "builders/b"), 200);
    CHECK_I64(delete_builder(h, A2 "builders/b"), 404);
    CHECK_I64(ask(h, HUB_ADMIN, A "builders", ADD_B).status, 503);
    CHECK_I64(ask(h, HUB_ADMIN, A2 "apply", APPLY_B).status, 503);
    CHECK_ERR(hub_remove_secrets(h, (struct bytes){NULL, 0}, &why), ERR_IO);
    CHECK(rmdir(path) == 0);
    post(h, A2 "apply", APPLY_B);
    CHECK_I64(ask(h, HUB_ADMIN, A "builders/secrets/b", "{}").status, 200);
    hub_close(h);
    CHECK(unlink(path) == 0);
    CHECK(rmdir(folder) == 0);
}

static bool is_there(const char *path) {
    return access(path, F_OK) == 0;
}

TEST(secrets_stay_when_their_builder_does) {
    char folder[] = "/tmp/hub-document-XXXXXX", path[100];
    CHECK(mkdtemp(folder) != NULL);
    struct hub *h = open_hub(folder);
    (void)snprintf(path, sizeof path, "%s/62.sealed", folder);
    post(h, A "builders/secrets/b", "{\"key\":\"old\"}");
    struct arena a;
    struct store_batch b;
    arena_init(&a, 0);
    batch_init(&b, &a, L("x"), L("")); // another hub adds what this one does not know of
    batch_builder_add(&b, L("c"), L("1.2.3.5"), L("production"), L(""));
    CHECK_OK(store_commit(h->options.store, &b, NULL, &why), &why);
    arena_free(&a);
    CHECK_I64(ask(h, HUB_ADMIN, A2 "apply",
                  "{\"unlisted\":\"delete\",\"builders\":[{\"name\":\"c\","
                  "\"ip_address\":\"1.2.3.4\",\"network\":\"production\",\"enabled\":false}]}")
                  .status,
              409);
    CHECK(is_there(path));
    CHECK_STR(ask(h, HUB_PUBLIC, CONFIGURATION, "").body, "{\"key\":\"old\"}");
    hub_close(h);
    CHECK(unlink(path) == 0);
    CHECK(rmdir(folder) == 0);
}

/* Steps of a deletion that ends after each of them, as by a kill, with a folder of secrets. */
TEST(a_deletion_goes_on_where_it_ended) {
    char folder[] = "/tmp/hub-document-XXXXXX", path[100];
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/62.sealed", folder);
    for (int secrets_gone = 0; secrets_gone < 2; secrets_gone++) {
        struct hub *h = open_hub(folder);
        struct arena a;
        struct store_batch b;
        post(h, A "builders/secrets/b", "{\"key\":\"old\"}");
        arena_init(&a, 0);
        batch_init(&b, &a, L("x"), L(""));
        batch_builder_delete(&b, L("b"), true);
        CHECK_OK(store_commit(h->options.store, &b, NULL, &why), &why);
        arena_free(&a);
        if (secrets_gone) CHECK(unlink(path) == 0);
        CHECK_OK(hub_remove_secrets(h, (struct bytes){NULL, 0}, &why), &why);
        CHECK(!is_there(path));
        CHECK_OK(hub_reload(h, (struct bytes){NULL, 0}, &why), &why);
        add_builder(h); // and what is set now stays
        post(h, A "builders/secrets/b", "{\"key\":\"new\"}");
        CHECK_OK(hub_remove_secrets(h, (struct bytes){NULL, 0}, &why), &why);
        CHECK_STR(ask(h, HUB_PUBLIC, CONFIGURATION, "").body, "{\"key\":\"new\"}");
        hub_close(h);
        CHECK(unlink(path) == 0);
    }
    CHECK(rmdir(folder) == 0);
}

static int append_change(void *context, const struct store_event *e, struct error *unused) {
    (void)unused;
    buf_printf(context, "%.*s;", (int)e->action.n, (const char *)e->action.p);
    return 0;
}

TEST(no_secret_changes_without_a_trace) {
    char folder[] = "/tmp/hub-document-XXXXXX", path[100];
    struct buf out;
    CHECK(mkdtemp(folder) != NULL);
    struct hub *h = open_hub(folder);
    buf_init(&out, 0);
    (void)snprintf(path, sizeof path, "%s/62.sealed", folder);
    CHECK(mkdir(path, 0700) == 0);
    CHECK_I64(ask(h, HUB_ADMIN, A "builders/secrets/b", "{}").status, 503);
    CHECK(rmdir(path) == 0);
    post(h, A "builders/secrets/b", "{\"key\":\"new\"}");
    CHECK_OK(store_changes(h->options.store, 3, append_change, &out, &why), &why);
    buf_append_byte(&out, 0);
    CHECK_STR((const char *)out.p, "secret set;secret not set;secret set;");
    buf_free(&out);
    hub_close(h);
    CHECK(unlink(path) == 0);
    CHECK(rmdir(folder) == 0);
}

TEST(secrets_are_of_builders_that_are_there) {
    struct hub *h = open_hub(NULL);
    char path[400] = A "builders/secrets/";
    CHECK_I64(ask(h, HUB_ADMIN, A "builders/secrets/none", "{}").status, 404);
    memset(path + strlen(path), 'n', 256);
    CHECK_I64(ask(h, HUB_ADMIN, path, "{}").status, 400);
    hub_close(h);
}

TEST_MAIN()
