/* A node's document while it changes.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "hub/hub_internal.h"
#include "test/harness/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define L(text) BYTES_LIT(text)
#define A "/api/admin/v1/"

static struct error why;

struct asked {
    struct hub *hub;
    int status;
    char body[100];
};

static struct asked ask(struct hub *h, enum hub_listener l, const char *path, const char *body) {
    struct http_field items[] = {
        {.name = L("x-flashbots-attestation-type"), .value = L("t")},
        {.name = L("x-flashbots-measurement"), .value = L("{\"4\":\"aa\"}")},
        {.name = L("x-forwarded-for"), .value = L("1.2.3.4")}};
    const struct http_fields fields = {.item = items, .count = 3};
    const struct hub_request req = {.listener = l,
                                    .method = l == HUB_ADMIN ? L("POST") : L("GET"),
                                    .target = bytes_from_str(path),
                                    .fields = &fields,
                                    .body = bytes_from_str(body),
                                    .trusted = true};
    struct asked ret = {.hub = h};
    struct hub_response res;
    hub_response_init(&res);
    CHECK(hub_answer(h, &req, &res, true));
    struct bytes text = hub_response_body(&res);
    ret.status = res.status;
    (void)snprintf(ret.body, sizeof ret.body, "%.*s", (int)text.n, (const char *)text.p);
    hub_response_free(&res);
    return ret;
}

static void *read_configuration(void *context) {
    struct asked *a = context;
    *a = ask(a->hub, HUB_PUBLIC, "/api/l1-builder/v1/configuration", "");
    return NULL;
}

static void post(struct hub *h, const char *path, const char *body) {
    CHECK_I64(ask(h, HUB_ADMIN, path, body).status, 200);
}

/* A pipe in the place of the sealed file lets a read begin before the change and end after it. */
TEST(a_document_read_before_a_change_is_not_kept_after_it) {
    static const uint8_t key[SECRETS_KEY_BYTES] = {7};
    char folder[] = "/tmp/hub-document-XXXXXX", path[100];
    const struct store_options so = {.url = "sqlite::memory:", .migrate = true};
    struct hub_options o = {.admin_open = true};
    struct hub *h;
    struct buf sealed;
    pthread_t thread;
    CHECK(mkdtemp(folder) != NULL);
    CHECK_OK(store_open(&o.store, &so, &why), &why);
    CHECK_OK(secrets_files(&o.secrets, folder, bytes_make(key, sizeof key), &why), &why);
    CHECK_OK(hub_open(&h, &o, &why), &why);
    post(h, A "measurements",
         "{\"measurement_id\":\"m\",\"attestation_type\":\"t\",\"measurements\":{\"4\":{"
         "\"expected\":\"aa\"}}}");
    post(h, A "measurements/activation/m", "{\"enabled\":true}");
    post(h, A "builders", "{\"name\":\"b\",\"ip_address\":\"1.2.3.4\",\"network\":\"production\"}");
    post(h, A "builders/configuration/b", "{}");
    post(h, A "builders/activation/b", "{\"enabled\":true}");
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
    post(h, A "builders/secrets/b", "{\"key\":\"new\"}");
    CHECK(write(pipe_end, sealed.p, sealed.n) == (ssize_t)sealed.n);
    CHECK(close(pipe_end) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK_STR(before.body, "{\"key\":\"old\"}");
    struct asked after = ask(h, HUB_PUBLIC, "/api/l1-builder/v1/configuration", "");
    CHECK_STR(after.body, "{\"key\":\"new\"}");
    buf_free(&sealed);
    hub_close(h);
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
}

TEST_MAIN()
