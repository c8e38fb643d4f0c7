/* The hub's rules beyond the deployed behaviour, its password, and crashes.
 * SPDX-License-Identifier: MIT */
#include "hub/hub.h"

#include "attest/image.h"
#include "attest/policy.h"
#include "base/base64.h"
#include "base/hex.h"
#include "db/testing.h"
#include "hub/hub_internal.h"
#include "test/harness/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define L(text) BYTES_LIT(text)

struct fixture {
    struct hub *hub;
    struct arena arena;
    struct hub_response res;
    struct http_fields fields;
};

static void open_with(struct fixture *f, struct hub_options o, const char *url) {
    struct error why = {0};
    struct store_options s = {.url = url, .migrate = true};
    static const uint8_t key[SECRETS_KEY_BYTES] = {7};
    *f = (struct fixture){0};
    arena_init(&f->arena, 0);
    hub_response_init(&f->res);
    CHECK_OK(store_open(&o.store, &s, &why), &why);
    CHECK_OK(secrets_database(&o.secrets, o.store, bytes_make(key, sizeof key), &why), &why);
    CHECK_OK(hub_open(&f->hub, &o, &why), &why);
}

static void close_it(struct fixture *f) {
    hub_response_free(&f->res);
    arena_free(&f->arena);
    hub_close(f->hub);
}

static void header(struct fixture *f, const char *name, const char *value) {
    struct error why = {0};
    CHECK_OK(
        http_fields_add(&f->fields, &f->arena, bytes_from_str(name), bytes_from_str(value), &why),
        &why);
}

static int ask(struct fixture *f, enum hub_listener l, const char *method, const char *path,
               const char *body) {
    struct hub_request req = {.listener = l,
                              .method = bytes_from_str(method),
                              .target = bytes_from_str(path),
                              .fields = &f->fields,
                              .body = bytes_from_str(body),
                              .trusted = true};
    hub_response_free(&f->res);
    hub_response_init(&f->res);
    if (!hub_answer(f->hub, &req, &f->res, false)) CHECK(hub_answer(f->hub, &req, &f->res, true));
    return f->res.status;
}

static int post(struct fixture *f, const char *path, const char *body) {
    return ask(f, HUB_ADMIN, "POST", path, body);
}

static void check_body(struct fixture *f, const char *expected) {
    CHECK_BYTES(hub_response_body(&f->res), bytes_from_str(expected));
}

#define A "/api/admin/v1/"
#define A2 "/api/admin/v2/"

static void add_builder(struct fixture *f, const char *name, const char *ip) {
    char body[200], path[200];
    (void)snprintf(body, sizeof body,
                   "{\"name\":\"%s\",\"ip_address\":\"%s\",\"network\":\"production\"}", name, ip);
    CHECK_I64(post(f, A "builders", body), 200);
    (void)snprintf(path, sizeof path, A "builders/configuration/%s", name);
    CHECK_I64(post(f, path, "{\"a\":{\"b\":1}}"), 200);
}

static void add_measurement(struct fixture *f) {
    CHECK_I64(post(f, A "measurements",
                   "{\"measurement_id\":\"m\",\"attestation_type\":\"t\",\"measurements\":{\"4\":{"
                   "\"expected\":\"aa\"}}}"),
              200);
    CHECK_I64(post(f, A "measurements/activation/m", "{\"enabled\":true}"), 200);
}

static void as_node(struct fixture *f, const char *ip) {
    f->fields = (struct http_fields){0};
    header(f, "x-flashbots-attestation-type", "t");
    header(f, "x-flashbots-measurement", "{\"4\":\"aa\"}");
    header(f, "x-forwarded-for", ip);
}

TEST(strict_refuses) {
    struct fixture f;
    open_with(&f, (struct hub_options){.admin_open = true}, "sqlite::memory:");
    add_builder(&f, "b1", "1.2.3.4");
    CHECK_I64(post(&f, A "measurements", "{\"measurement_id\":\"m\",\"attestation_type\":\"t\"}"),
              400);
    CHECK_I64(post(&f, A "measurements",
                   "{\"measurement_id\":\"m\",\"attestation_type\":\"t\",\"measurements\":{\"4\":{}"
                   "}}"),
              400);
    CHECK_I64(post(&f, A "measurements/activation/none", "{\"enabled\":true}"), 404);
    CHECK_I64(post(&f, A "builders/activation/b1", "{}"), 400);
    CHECK_I64(post(&f, A "builders/activation/none", "{\"enabled\":false}"), 404);
    CHECK_I64(
        post(&f, A "builders", "{\"name\":\"b1\",\"ip_address\":\"9.9.9.9\",\"network\":\"n\"}"),
        409);
    CHECK_I64(post(&f, A "builders/configuration/none", "{}"), 404);
    CHECK_I64(post(&f, A "builders/configuration/b1", "{\"a\":\"\\u0000\"}"), 400);
    CHECK_I64(post(&f, A "builders/secrets/b1", "[]"), 400);
    CHECK_I64(post(&f, A "builders/activation/b1", "{\"enabled\":true}"), 200);
    add_builder(&f, "b2", "1.2.3.4");
    CHECK_I64(post(&f, A "builders/activation/b2", "{\"enabled\":true}"), 409);
    close_it(&f);
}

TEST(half_registered_are_left_out_but_see_themselves) {
    static const char *required[] = {"instance", "orderflow_proxy"};
    struct fixture f;
    open_with(&f, (struct hub_options){.admin_open = true, .switches.required = {required, 2}},
              "sqlite::memory:");
    add_builder(&f, "b1", "1.2.3.4");
    add_measurement(&f);
    CHECK_I64(post(&f, A "builders/activation/b1", "{\"enabled\":true}"), 200);
    as_node(&f, "1.2.3.4");
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/api/internal/l1-builder/v1/builders", ""), 200);
    check_body(&f, "[]");
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/api/l1-builder/v1/builders", ""), 200);
    check_body(&f, "[{\"dns_name\":\"\",\"ip\":\"1.2.3.4\",\"name\":\"b1\"}]");
#define REGISTER "/api/l1-builder/v1/register_credentials/"
    CHECK_I64(ask(&f, HUB_PUBLIC, "POST", REGISTER "ip", "{\"tls_cert\":\"x\"}"), 400);
    CHECK_I64(ask(&f, HUB_PUBLIC, "POST", REGISTER "instance", "{\"tls_cert\":\"<x>\"}"), 200);
    CHECK_I64(ask(&f, HUB_PUBLIC, "POST", REGISTER "orderflow_proxy",
                  "{\"ecdsa_pubkey_address\":\"0x00000000000000000000000000000000000000Ab\"}"),
              200);
    CHECK_I64(ask(&f, HUB_INTERNAL, "GET", "/api/internal/l1-builder/v1/builders", ""), 200);
    check_body(&f, "[{\"dns_name\":\"\",\"instance\":{\"tls_cert\":\"\\u003cx\\u003e\"},"
                   "\"ip\":\"1.2.3.4\",\"name\":\"b1\",\"orderflow_proxy\":{\"ecdsa_pubkey_"
                   "address\":\"0x00000000000000000000000000000000000000ab\"}}]");
    // A measurement that is switched off takes the node with it at once.
    f.fields = (struct http_fields){0};
    CHECK_I64(post(&f, A "measurements/activation/m", "{\"enabled\":false}"), 200);
    as_node(&f, "1.2.3.4");
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/api/l1-builder/v1/builders", ""), 403);
    check_body(&f, "");
    close_it(&f);
}

static struct bytes tag_of(const struct fixture *f) {
    for (size_t i = 0; i < f->res.header_count; i++) {
        if (strcmp(f->res.headers[i].name, "ETag") == 0) return f->res.headers[i].value;
    }
    return (struct bytes){NULL, 0};
}

/* One node may not make everybody's list too large to be taken. */
TEST(services_of_a_node_are_bounded) {
    struct fixture f;
    char path[100], body[200100];
    unsigned taken = 0;
    open_with(&f, (struct hub_options){.admin_open = true}, "sqlite::memory:");
    add_builder(&f, "b1", "1.2.3.4");
    add_measurement(&f);
    CHECK_I64(post(&f, A "builders/activation/b1", "{\"enabled\":true}"), 200);
    as_node(&f, "1.2.3.4");
    (void)snprintf(body, sizeof body, "{\"tls_cert\":\"%0200000d\"}", 1);
    for (unsigned i = 0; i < 5; i++) {
        (void)snprintf(path, sizeof path, "/api/l1-builder/v1/register_credentials/s%u", i);
        taken += ask(&f, HUB_PUBLIC, "POST", path, body) == 200;
    }
    CHECK_U64(taken, 2);
    close_it(&f);
}

TEST(peer_lists_have_tags) {
    static const char list[] = "/api/internal/l1-builder/v1/builders";
    static const char *required[] = {"instance"};
    struct fixture f;
    char first[64], both[128];
    open_with(&f, (struct hub_options){.admin_open = true, .switches.required = {required, 1}},
              "sqlite::memory:");
    add_builder(&f, "b1", "1.2.3.4");
    add_measurement(&f);
    CHECK_I64(post(&f, A "builders/activation/b1", "{\"enabled\":true}"), 200);
    CHECK_I64(ask(&f, HUB_INTERNAL, "GET", list, ""), 200);
    CHECK(tag_of(&f).n > 2 && tag_of(&f).n < sizeof first);
    (void)snprintf(first, sizeof first, "%.*s", (int)tag_of(&f).n, (const char *)tag_of(&f).p);
    (void)snprintf(both, sizeof both, "\"other\", W/%s", first);
    header(&f, "if-none-match", both);
    CHECK_I64(ask(&f, HUB_INTERNAL, "GET", list, ""), 304);
    check_body(&f, "");
    CHECK_BYTES(tag_of(&f), bytes_from_str(first));
    // Its own list has it in already, which no tag of others' lists may hide.
    as_node(&f, "1.2.3.4");
    header(&f, "if-none-match", first);
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/api/l1-builder/v1/builders", ""), 200);
    CHECK(tag_of(&f).n == 0);
    CHECK_I64(ask(&f, HUB_PUBLIC, "POST", REGISTER "instance", "{\"tls_cert\":\"x\"}"), 200);
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/api/l1-builder/v1/builders", ""), 200);
    CHECK(tag_of(&f).n && !bytes_equal_str(tag_of(&f), first));
    close_it(&f);
}

TEST(untrusted_peers_are_refused) {
    struct fixture f;
    open_with(&f, (struct hub_options){.admin_open = true}, "sqlite::memory:");
    add_builder(&f, "b1", "1.2.3.4");
    add_measurement(&f);
    CHECK_I64(post(&f, A "builders/activation/b1", "{\"enabled\":true}"), 200);
    as_node(&f, "1.2.3.4");
    struct hub_request req = {.listener = HUB_PUBLIC,
                              .method = L("GET"),
                              .target = L("/api/l1-builder/v1/configuration"),
                              .fields = &f.fields};
    CHECK(hub_answer(f.hub, &req, &f.res, true));
    CHECK_I64(f.res.status, 403);
    close_it(&f);
}

TEST(versions_history_and_deletes) {
    struct fixture f;
    struct error why = {0};
    open_with(&f, (struct hub_options){.admin_open = true, .merge = true}, "sqlite::memory:");
    add_builder(&f, "b1", "1.2.3.4");
    add_measurement(&f);
    CHECK_I64(post(&f, A "builders/configuration/b1", "{\"z\": 1e3, \"aa\":1.10, \"b\":-0}"), 200);
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A "builders/configuration/b1/active", ""), 200);
    check_body(&f, "{\"b\": 0, \"z\": 1000, \"aa\": 1.10}");
    CHECK_I64(post(&f, A2 "builders/b1/configurations/1", ""), 200);
    CHECK_I64(post(&f, A2 "builders/b1/configurations/77", ""), 404);
    CHECK_I64(post(&f, A "builders/secrets/b1", "{\"a\":{\"key\":\"s\"},\"c\":[1]}"), 200);
    CHECK_I64(post(&f, A "builders/activation/b1", "{\"enabled\":true}"), 200);
    as_node(&f, "::ffff:1.2.3.4");
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/api/l1-builder/v1/configuration", ""), 200);
    check_body(&f, "{\"a\":{\"b\":1,\"key\":\"s\"},\"c\":[1]}");
    CHECK_OK(hub_flush_events(f.hub, &why), &why);
    f.fields = (struct http_fields){0};
    CHECK_I64(post(&f, A2 "match", "{\"attestation_type\":\"t\",\"measurements\":{\"4\":\"bb\"}}"),
              200);
    check_body(&f, "[{\"measurement_id\":\"m\",\"enabled\":true,\"matches\":false,\"register\":"
                   "\"4\"}]\n");
    CHECK_I64(ask(&f, HUB_ADMIN, "PUT", A2 "builders/b1", "{\"ip_address\":\"5.6.7.8\"}"), 200);
    CHECK_I64(ask(&f, HUB_ADMIN, "PUT", A2 "builders/none", "{}"), 404);
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "builders/none/configurations", ""), 404);
    as_node(&f, "1.2.3.4");
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/api/l1-builder/v1/configuration", ""), 403);
    f.fields = (struct http_fields){0};
    static const char *const lists[] = {A2 "measurements",
                                        A2 "builders",
                                        A2 "events",
                                        A2 "changes",
                                        A2 "builders/b1/configurations",
                                        A2 "builders/b1/credentials"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const struct json *doc;
        CHECK_I64(ask(&f, HUB_ADMIN, "GET", lists[i], ""), 200);
        CHECK_OK(json_parse(&doc, buf_view(&f.res.body), &f.arena, NULL, &why), &why);
        CHECK(json_type_of(doc) == JSON_ARRAY);
    }
    CHECK_I64(ask(&f, HUB_ADMIN, "DELETE", A2 "builders/b1", ""), 200);
    CHECK_I64(ask(&f, HUB_ADMIN, "DELETE", A2 "builders/b1", ""), 404);
    CHECK_I64(ask(&f, HUB_ADMIN, "DELETE", A2 "measurements/m", ""), 200);
    CHECK_OK(hub_prune(f.hub, UINT64_C(4000000000) * NS_PER_S, 0, &why), &why);
    CHECK_OK(hub_prune(f.hub, 0, UINT64_C(4000000000) * NS_PER_S, &why), &why);
    close_it(&f);
}

TEST(page_escapes) {
    struct fixture f;
    open_with(&f, (struct hub_options){.admin_open = true}, "sqlite::memory:");
    add_builder(&f, "<script>", "1.2.3.4");
    add_measurement(&f);
    CHECK_I64(ask(&f, HUB_INTERNAL, "GET", "/ui", ""), 200);
    CHECK(memmem(f.res.body.p, f.res.body.n, "<script>", 8) == NULL);
    CHECK(memmem(f.res.body.p, f.res.body.n, "&lt;script&gt;", 14) != NULL);
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/ui", ""), 404);
    close_it(&f);
}

TEST(paths_are_exact) {
    struct fixture f;
    open_with(&f, (struct hub_options){.admin_open = true, .switches.public_only_nodes = true},
              "sqlite::memory:");
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/livez?x=1", ""), 200);
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/livez/", ""), 404);
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "//livez", ""), 404);
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/%6civez", ""), 404);
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/%zz", ""), 400);
    CHECK_I64(ask(&f, HUB_PUBLIC, "HEAD", "/livez", ""), 405);
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/drain", ""), 404);
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "", ""), 404);
    CHECK_I64(
        ask(&f, HUB_INTERNAL, "GET", "/api/internal/l1-builder/v2/network/a%20b/builders", ""),
        200);
    close_it(&f);
}

static void authorize(struct fixture *f, const char *scheme, const char *user_and_password) {
    struct buf b;
    buf_init(&b, 0);
    buf_append_str(&b, scheme);
    base64_append(&b, bytes_from_str(user_and_password), 0);
    buf_append_byte(&b, 0);
    f->fields = (struct http_fields){0};
    header(f, "authorization", (const char *)b.p);
    buf_free(&b);
}

#define SHARED "admin:$2y$10$Q3mgTfng5mWUlEkLaOA4du0mBIKKYblTcWMqbqehsJM96xF8YV4XC"

// One account as the settings give it.
static struct admins *accounts_of(const char *line) {
    struct admins *a = NULL;
    struct error why = {0};
    const char *colon = strchr(line, ':');
    CHECK_OK(admins_new(&a, &why), &why);
    CHECK_OK(
        admins_add(a, bytes_make(line, (size_t)(colon - line)), bytes_from_str(colon + 1), &why),
        &why);
    return a;
}

TEST(passwords) {
    struct fixture f;
    open_with(&f, (struct hub_options){.accounts = accounts_of(SHARED)}, "sqlite::memory:");
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "builders", ""), 401);
    check_body(&f, "Unauthorized\n");
    authorize(&f, "Basic ", "admin:wrong");
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", "/unknown", ""), 401);
    authorize(&f, "Basic ", "other:secret");
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "builders", ""), 401);
    authorize(&f, "Basic  ", "admin:secret");
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "builders", ""), 401);
    authorize(&f, "bASIC ", "admin:secret");
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "builders", ""), 200);
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", "/unknown", ""), 404);
    close_it(&f);
    open_with(&f, (struct hub_options){.accounts = NULL}, "sqlite::memory:");
    authorize(&f, "Basic ", "admin:secret");
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "builders", ""), 401);
    close_it(&f);
}

// The author of the newest change.
static void check_author(struct fixture *f, const char *author) {
    const struct json *doc;
    struct error why = {0};
    struct bytes got;
    CHECK_I64(ask(f, HUB_ADMIN, "GET", A2 "changes", ""), 200);
    CHECK_OK(json_parse(&doc, buf_view(&f->res.body), &f->arena, NULL, &why), &why);
    CHECK_OK(json_get_string(&got, json_at(doc, 0), "author", &why), &why);
    CHECK_BYTES(got, bytes_from_str(author));
}

TEST(who_logs_in_is_the_author) {
    struct fixture f;
    struct error why = {0};
    struct admins *named = accounts_of(SHARED);
    CHECK_OK(admins_parse(named,
                          L("# operators\r\n\nolga:$2y$04$gdTB.Ixy9QZaWQZ1v5aBQeFfvN5LuvVLiC"
                            "pJKFSdBcWsko6Syc/yu\n"),
                          &why),
             &why);
    open_with(&f, (struct hub_options){.accounts = accounts_of(SHARED)}, "sqlite::memory:");
    authorize(&f, "Basic ", "admin:secret");
    add_builder(&f, "b1", "1.2.3.4");
    check_author(&f, "admin");
    header(&f, "x-hub-author", "olga"); // a shared login says who it is
    add_builder(&f, "b2", "1.2.3.5");
    check_author(&f, "olga");
    authorize(&f, "Basic ", "olga:secret");
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "builders", ""), 401);
    hub_set_accounts(f.hub, named);
    authorize(&f, "Basic ", "olga:wrong");
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "builders", ""), 401);
    authorize(&f, "Basic ", "admin:secret");
    header(&f, "x-hub-author", "olga"); // nobody speaks for somebody else now
    add_builder(&f, "b3", "1.2.3.6");
    check_author(&f, "admin");
    hub_set_accounts(f.hub, NULL);
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "builders", ""), 401); // remembered no longer
    close_it(&f);
}

TEST(accounts_are_checked_when_they_are_read) {
#define HASH "$2y$04$gdTB.Ixy9QZaWQZ1v5aBQeFfvN5LuvVLiCpJKFSdBcWsko6Syc/yu"
    static const struct {
        const char *text;
        int code;
        const char *why;
    } cases[] = {
        {"olga:" HASH "\nkim:" HASH, 0, ""},
        {"", ERR_SYNTAX, "no account"},
        {"# nobody\n", ERR_SYNTAX, "no account"},
        {"olga", ERR_SYNTAX, "line 1"},
        {"\nolga:secret", ERR_SYNTAX, "line 2"},
        {"olga:{SHA}aaaa", ERR_SYNTAX, "$2y$"},
        {"olga:" HASH "x", ERR_SYNTAX, "60 characters"},
        {"olga:$2y$99$gdTB.Ixy9QZaWQZ1v5aBQeFfvN5LuvVLiCpJKFSdBcWsko6Syc/yu", ERR_SYNTAX, "cost"},
        {"olga:$2y$0x$gdTB.Ixy9QZaWQZ1v5aBQeFfvN5LuvVLiCpJKFSdBcWsko6Syc/yu", ERR_SYNTAX, "cost"},
        {"olga:$2z$04$gdTB.Ixy9QZaWQZ1v5aBQeFfvN5LuvVLiCpJKFSdBcWsko6Syc/yu", ERR_SYNTAX, "$2y$"},
        {"olga:$2y$04$gdTB.Ixy9QZaWQZ1v5aBQ!FfvN5LuvVLiCpJKFSdBcWsko6Syc/yu", ERR_SYNTAX, "digits"},
        {":" HASH, ERR_SYNTAX, "name"},
        {"o\tlga:" HASH, ERR_SYNTAX, "name"},
        {"olga:" HASH "\nolga:" HASH, ERR_CONFLICT, "twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct admins *a = NULL;
        struct error why = {0};
        CHECK_OK(admins_new(&a, &why), &why);
        CHECK_ERR(admins_parse(a, bytes_from_str(cases[i].text), &why), cases[i].code);
        if (!strstr(why.text, cases[i].why)) FAIL("%zu: %s", i, why.text);
        CHECK(strstr(why.text, "gdTB") == NULL); // never the hash
        admins_free(a);
    }
}

TEST(a_shadow_has_its_own_secrets_and_network) {
    struct fixture f;
    open_with(&f, (struct hub_options){.admin_open = true}, "sqlite::memory:");
    add_measurement(&f);
    add_builder(&f, "main", "1.2.3.4");
    CHECK_I64(post(&f, A "builders/secrets/main", "{\"key\":\"of main\"}"), 200);
    CHECK_I64(post(&f, A "builders/activation/main", "{\"enabled\":true}"), 200);
#define STAGE A2 "builders/stage"
    CHECK_I64(post(&f, A "builders",
                   "{\"name\":\"stage\",\"ip_address\":\"1.2.3.5\",\"network\":\"staging\"}"),
              200);
    CHECK_I64(post(&f, A "builders/activation/stage", "{\"enabled\":true}"), 400); // nothing yet
    CHECK_I64(ask(&f, HUB_ADMIN, "PUT", STAGE, "{\"shadow_of\":\"nobody\"}"), 400);
    CHECK_I64(ask(&f, HUB_ADMIN, "PUT", STAGE, "{\"shadow_of\":\"stage\"}"), 400);
    CHECK_I64(
        ask(&f, HUB_ADMIN, "PUT", STAGE, "{\"shadow_of\":\"main\",\"network\":\"production\"}"),
        400);
    CHECK_I64(ask(&f, HUB_ADMIN, "PUT", STAGE, "{\"shadow_of\":\"main\"}"), 200);
    CHECK_I64(ask(&f, HUB_ADMIN, "PUT", A2 "builders/main", "{\"shadow_of\":\"stage\"}"), 400);
    CHECK_I64(ask(&f, HUB_ADMIN, "DELETE", A2 "builders/main", ""), 409);
    CHECK_I64(post(&f, A "builders/secrets/stage", "{\"key\":\"of stage\"}"), 200);
    CHECK_I64(post(&f, A "builders/activation/stage", "{\"enabled\":true}"), 200);
    as_node(&f, "1.2.3.5");
#define CONFIGURATION "/api/l1-builder/v1/configuration"
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", CONFIGURATION, ""), 200);
    check_body(&f, "{\"a\":{\"b\": 1},\"key\":\"of stage\"}");
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/api/l1-builder/v1/builders", ""), 200);
    check_body(&f, "[{\"dns_name\":\"\",\"ip\":\"1.2.3.5\",\"name\":\"stage\"}]");
    // What changes there is seen here at once.
    f.fields = (struct http_fields){0};
    CHECK_I64(post(&f, A "builders/configuration/main", "{\"new\":2}"), 200);
    as_node(&f, "1.2.3.5");
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", CONFIGURATION, ""), 200);
    check_body(&f, "{\"new\":2,\"key\":\"of stage\"}");
    as_node(&f, "1.2.3.4"); // and the other keeps its own
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", CONFIGURATION, ""), 200);
    check_body(&f, "{\"key\":\"of main\"}");
    f.fields = (struct http_fields){0};
    CHECK_I64(ask(&f, HUB_ADMIN, "PUT", STAGE, "{\"shadow_of\":\"\"}"), 200);
    as_node(&f, "1.2.3.5");
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", CONFIGURATION, ""), 500); // no configuration of its own
    close_it(&f);
}

TEST(shadows_in_a_wanted_state) {
    struct fixture f;
#define MAIN(configuration)                                                                        \
    "{\"name\":\"z-main\",\"ip_address\":\"1.1.1.1\",\"network\":\"production\"," configuration    \
    "\"enabled\":true}"
#define SHADOW(of)                                                                                 \
    "{\"name\":\"a-stage\",\"ip_address\":\"1.1.1.2\",\"network\":\"staging\"," of                 \
    "\"enabled\":true}"
#define STATE(a, b, more) "{\"builders\":[" a "," b "]" more "}"
    open_with(&f, (struct hub_options){.admin_open = true}, "sqlite::memory:");
    CHECK_I64(post(&f, A2 "apply", STATE(SHADOW("\"shadow_of\":\"x\","), MAIN(""), "")), 400);
    CHECK_I64(post(&f, A2 "apply",
                   STATE(SHADOW("\"shadow_of\":\"z-main\","), MAIN("\"configuration\":{},"), "")),
              200);
    CHECK_I64(post(&f, A2 "apply",
                   STATE(SHADOW("\"shadow_of\":\"z-main\","), MAIN(""), ",\"dry_run\":true")),
              200);
    CHECK(memmem(f.res.body.p, f.res.body.n, "\"changes\":[]", 12) != NULL);
    // The other cannot go while its shadow stays.
    CHECK_I64(
        post(&f, A2 "apply",
             "{\"builders\":[" SHADOW("\"shadow_of\":\"z-main\",") "],\"unlisted\":\"delete\"}"),
        400);
    CHECK_I64(post(&f, A2 "apply",
                   "{\"builders\":[" SHADOW("\"configuration\":{},") "],\"unlisted\":\"delete\"}"),
              200);
    close_it(&f);
}

TEST(image_hashes_let_in_under_trusted_firmware) {
    struct fixture f;
#define D(c)                                                                                       \
    c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c  \
        c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c  \
            c c c c
#define HASHES                                                                                     \
    "{\"uki_authenticode\":\"" D("a") "\",\"kernel_authenticode\":\"" D(                           \
        "b") "\",\"cmdline_hash\":\"" D("c") "\",\"initrd_hash\":\"" D("d") "\",\"gpt_disk_guid_"  \
                                                                            "hash\":\"" D(         \
                                                                                "e") "\"}"
    static const char *firmware[] = {D("1")};
    struct policy_image image;
    uint8_t rtmr[4][48];
    char text[4][97] = {""}, claims[700];
    memset(image.uki_authenticode, 0xaa, 48);
    memset(image.kernel_authenticode, 0xbb, 48);
    memset(image.cmdline_hash, 0xcc, 48);
    memset(image.initrd_hash, 0xdd, 48);
    memset(image.gpt_hash, 0xee, 48);
    image_predict_gcp_image(rtmr, &image);
    for (size_t i = 1; i < 4; i++)
        hex_encode(text[i], bytes_make(rtmr[i], 48));
    (void)snprintf(claims, sizeof claims,
                   "{\"0\":\"%s\",\"1\":\"00\",\"2\":\"%s\",\"3\":\"%s\",\"4\":\"%s\"}", D("1"),
                   text[1], text[2], text[3]);
    open_with(&f, (struct hub_options){.admin_open = true}, "sqlite::memory:");
    add_builder(&f, "b1", "1.2.3.4");
    CHECK_I64(post(&f, A "builders/activation/b1", "{\"enabled\":true}"), 200);
#define ENTRY(type, rest) "{\"measurement_id\":\"p\",\"attestation_type\":\"" type "\"," rest "}"
    CHECK_I64(post(&f, A "measurements", ENTRY("dcap-tdx", "\"dcap_image_hashes\":" HASHES)), 400);
    CHECK_I64(post(&f, A "measurements", ENTRY("gcp-tdx", "\"dcap_image_hashes\":{}")), 400);
    CHECK_I64(post(&f, A "measurements",
                   ENTRY("gcp-tdx", "\"measurements\":{\"0\":{\"expected\":\"a\"}},"
                                    "\"dcap_image_hashes\":" HASHES)),
              400);
    CHECK_I64(post(&f, A "measurements", ENTRY("gcp-tdx", "\"dcap_image_hashes\":" HASHES)), 200);
    CHECK_I64(post(&f, A "measurements/activation/p", "{\"enabled\":true}"), 200);
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/api/l1-builder/v1/measurements", ""), 200);
    check_body(&f, "[" ENTRY("gcp-tdx", "\"dcap_image_hashes\":" HASHES) "]");
    header(&f, "x-flashbots-attestation-type", "gcp-tdx");
    header(&f, "x-flashbots-measurement", claims);
    header(&f, "x-forwarded-for", "1.2.3.4");
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/api/l1-builder/v1/builders", ""), 403);
    struct error why = {0};
    const struct hub_switches switches = {.firmware = {firmware, 1}};
    CHECK_OK(hub_set_switches(f.hub, &switches, &why), &why);
    CHECK_OK(hub_reload(f.hub, (struct bytes){NULL, 0}, &why), &why);
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/api/l1-builder/v1/builders", ""), 200);
    claims[strstr(claims, "\"3\"") - claims + 5] ^= 1; // another command line
    f.fields = (struct http_fields){0};
    header(&f, "x-flashbots-attestation-type", "gcp-tdx");
    header(&f, "x-flashbots-measurement", claims);
    header(&f, "x-forwarded-for", "1.2.3.4");
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/api/l1-builder/v1/builders", ""), 403);
    close_it(&f);
}

// A child registers builders until it is killed; every answer of 200 that it told is there after.
TEST(killed_after_200_keeps_the_row) {
    char folder[] = "/tmp/hub-crash-XXXXXX", url[64], path[64];
    int told[2];
    CHECK(mkdtemp(folder) != NULL && pipe(told) == 0);
    (void)snprintf(url, sizeof url, "sqlite:%s/db", folder);
    pid_t pid = fork();
    if (pid == 0) {
        struct fixture f;
        open_with(&f, (struct hub_options){.admin_open = true}, url);
        for (uint32_t i = 0; i < 100000; i++) {
            char body[120];
            (void)snprintf(body, sizeof body,
                           "{\"name\":\"b%u\",\"ip_address\":\"10.0.0.1\",\"network\":\"n\"}", i);
            if (post(&f, A "builders", body) != 200 || write(told[1], &i, 4) != 4) _exit(1);
        }
        _exit(0);
    }
    (void)close(told[1]);
    uint32_t last = 0;
    for (int i = 0; i < 20; i++) {
        CHECK(read(told[0], &last, 4) == 4);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    for (uint32_t next; read(told[0], &next, 4) == 4;) {
        last = next;
    }
    (void)close(told[0]);
    struct fixture f;
    open_with(&f, (struct hub_options){.admin_open = true}, url);
    CHECK(f.hub->model.count >= last + 1);
    close_it(&f);
    static const char *const names[] = {"db", "db-wal", "db-shm"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    CHECK(rmdir(folder) == 0);
}

static int compare_text(void *context, const struct bytes *column, struct error *why) {
    (void)why;
    CHECK_BYTES(column[0], buf_view(context));
    return 0;
}

// The text form is PostgreSQL's own.
TEST(jsonb_as_postgres) {
    static const char *const texts[] = {"1e3",
                                        "-0",
                                        "-0.0",
                                        "1.10",
                                        "0.1e2",
                                        "12.5e-3",
                                        "1e-5",
                                        "123456789012345678901234567890.50",
                                        "{\"bb\":1,\"a\":[],\"c\":{},\"a\":2}",
                                        "[true,null,\"\\u00e9\\n\\\"/\\u0001\"]",
                                        "{\"\":\"\",\"b\":{\"zz\":1,\"y\":0.00}}",
                                        "100e-2",
                                        "5E+2",
                                        "0e5",
                                        "0.000e3"};
    static const struct db_statement st = {"cast", "", "SELECT ($1::jsonb)::text"};
    struct test_postgres p;
    const char *reason;
    struct error why = {0};
    struct db *d = NULL;
    if (!test_postgres_start(&p, false, &reason)) SKIP("%s", reason);
    int r = db_open_postgres(&d, p.dsn, &why);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && r == 0; i++) {
        struct arena a;
        struct buf out;
        const struct json *doc;
        struct db_value v = db_text(bytes_from_str(texts[i]));
        arena_init(&a, 0);
        buf_init(&out, 0);
        r = json_parse(&doc, v.bytes, &a, &JSONB_LIMITS, &why);
        if (r == 0) r = jsonb_write(&out, doc, &a, &why);
        if (r == 0) r = db_run(d, &st, &v, 1, compare_text, &out, NULL, &why);
        buf_free(&out);
        arena_free(&a);
    }
    db_close(d);
    test_postgres_stop(&p);
    CHECK_OK(r, &why);
}

// While PostgreSQL is away reads go on and writes are 503; afterwards everything works.
// "GET" as the description's key "get".
static const struct json *operation_of(const struct json *path, const char *method) {
    json_members(key, value, path) {
        if (http_equal_nocase(json_text(key), method)) return value;
    }
    return NULL;
}

TEST(the_description_names_every_route_and_no_other) {
    struct fixture f;
    const struct json *doc;
    struct error why = {0};
    open_with(&f, (struct hub_options){.admin_open = true}, "sqlite::memory:");
    CHECK_I64(ask(&f, HUB_INTERNAL, "GET", "/openapi.json", ""), 200);
    CHECK_OK(json_parse(&doc, buf_view(&f.res.body), &f.arena, NULL, &why), &why);
    const struct json *paths = json_get(doc, "paths");
    for (size_t i = 0; i < hub_route_count; i++) {
        const struct json *path = json_get(paths, hub_routes[i].pattern);
        if (!operation_of(path, hub_routes[i].method)) {
            FAIL("%s %s is not described", hub_routes[i].method, hub_routes[i].pattern);
        }
    }
    size_t described = 0;
    json_members(key, path, paths) {
        (void)key;
        described += json_count(path);
    }
    CHECK_U64(described, hub_route_count);
    close_it(&f);
}

#define WANTED                                                                                     \
    "\"measurements\":[{\"measurement_id\":\"m\",\"attestation_type\":\"t\",\"measurements\":{"    \
    "\"4\":"                                                                                       \
    "{\"expected\":\"aa\"}}}],"                                                                    \
    "\"builders\":[{\"name\":\"b2\",\"ip_address\":\"1.2.3.5\",\"network\":\"production\","        \
    "\"configuration\":{\"x\":1}},{\"name\":\"b1\",\"ip_address\":\"1.2.3.4\",\"dns_name\":"       \
    "\"one\","                                                                                     \
    "\"network\":\"production\",\"configuration\":{\"a\":{\"b\":1}}}]"

static bool says(struct fixture *f, const char *text) {
    buf_append_byte(&f->res.body, 0);
    bool found = strstr((const char *)f->res.body.p, text) != NULL;
    f->res.body.n--;
    return found;
}

static void apply_to(const char *url) {
    struct fixture f;
    open_with(&f, (struct hub_options){.admin_open = true}, url);
    add_builder(&f, "b1", "1.2.3.4");
    add_builder(&f, "old", "1.2.3.9");
    CHECK_I64(post(&f, A "builders/activation/old", "{\"enabled\":true}"), 200);
    CHECK_I64(post(&f, A2 "apply", "{\"dry_run\":true," WANTED "}"), 200);
    CHECK(says(&f, "{\"applied\":false,\"digest\":\""));
    CHECK(says(&f, "{\"kind\":\"measurement\",\"name\":\"m\",\"change\":\"add\"}"));
    CHECK(says(&f,
               "{\"kind\":\"builder\",\"name\":\"b1\",\"change\":\"update\",\"from\":{\"dns_name\":"
               "\"\"},\"to\":{\"dns_name\":\"one\"}}"));
    CHECK(says(&f, "{\"kind\":\"builder\",\"name\":\"b2\",\"change\":\"add\"}"));
    CHECK(!says(&f, "\"old\""));
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A "builders/configuration/b2/active", ""), 404);
    CHECK_I64(post(&f, A2 "apply", "{\"expect\":\"00\"," WANTED "}"), 409);
    CHECK_I64(post(&f, A2 "apply", "{" WANTED "}"), 200);
    CHECK(says(&f, "{\"applied\":true"));
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A "builders/configuration/b2/active", ""), 200);
    check_body(&f, "{\"x\": 1}");
    // What is so already is no change, and writes nothing.
    CHECK_I64(post(&f, A2 "apply", "{" WANTED "}"), 200);
    CHECK(says(&f, "\"applied\":false") && says(&f, "\"changes\":[]"));
    CHECK_I64(post(&f, A2 "apply", "{\"unlisted\":\"disable\"," WANTED "}"), 200);
    CHECK(says(&f, "{\"kind\":\"builder\",\"name\":\"old\",\"change\":\"disable\"}"));
    CHECK_I64(post(&f, A2 "apply", "{\"unlisted\":\"delete\"," WANTED "}"), 200);
    CHECK(says(&f, "{\"kind\":\"builder\",\"name\":\"old\",\"change\":\"delete\"}"));
    as_node(&f, "1.2.3.5");
    CHECK_I64(ask(&f, HUB_PUBLIC, "GET", "/api/l1-builder/v1/configuration", ""), 200);
    close_it(&f);
}

TEST(a_wanted_state_is_applied_as_a_whole) {
    apply_to("sqlite::memory:");
}

TEST(a_wanted_state_that_cannot_be_changes_nothing) {
    static const struct {
        const char *body;
        int status;
        const char *why;
    } cases[] = {
        {"[]", 400, "wanted state"},
        {"{\"unlisted\":\"burn\"}", 400, "unlisted is keep, disable or delete"},
        {"{\"builders\":[{\"name\":\"x\",\"ip_address\":\"1.1.1.1\",\"network\":\"n\"}]}", 400,
         "no configuration"},
        {"{\"builders\":[{\"name\":\"x\",\"ip_address\":\"1.1.1\",\"network\":\"n\"}]}", 400,
         "ip_address"},
        {"{\"builders\":[{\"name\":\"x\",\"ip_address\":\"1.2.3.4\",\"network\":\"n\","
         "\"configuration\":{}}]}",
         409, "at one address"},
        {"{\"builders\":[{\"name\":\"b1\",\"ip_address\":\"1.2.3.4\",\"network\":\"n\"},{\"name\":"
         "\"b1\",\"ip_address\":\"1.2.3.5\",\"network\":\"n\"}]}",
         400, "twice"},
        {"{\"measurements\":[{\"measurement_id\":\"m\",\"attestation_type\":\"t\",\"measurements\":"
         "{\"4\":{\"expected\":\"bb\"}}}]}",
         409, "another content"},
        {"{\"measurements\":[{\"measurement_id\":\"e\",\"attestation_type\":\"t\"}]}", 400,
         "lets everybody in"},
    };
    struct fixture f;
    open_with(&f, (struct hub_options){.admin_open = true}, "sqlite::memory:");
    add_builder(&f, "b1", "1.2.3.4");
    add_measurement(&f);
    CHECK_I64(post(&f, A "builders/activation/b1", "{\"enabled\":true}"), 200);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = post(&f, A2 "apply", cases[i].body);
        if (status != cases[i].status || !says(&f, cases[i].why)) {
            FAIL("case %zu: %d %.*s", i, status, (int)f.res.body.n, (const char *)f.res.body.p);
        }
    }
    CHECK_I64(ask(&f, HUB_ADMIN, "GET", A2 "builders", ""), 200);
    CHECK(says(&f, "\"b1\"") && !says(&f, "\"x\""));
    close_it(&f);
}

TEST(postgres_outage) {
    struct test_postgres p;
    struct fixture f;
    const char *reason;
    if (!test_postgres_start(&p, false, &reason)) SKIP("%s", reason);
    open_with(&f, (struct hub_options){.admin_open = true}, p.dsn);
    add_builder(&f, "b1", "1.2.3.4");
    test_postgres_kill(&p);
    int during = 0, retry = 0;
    for (int i = 0; i < 50 && during != 503; i++) { // its children notice a moment later
        (void)usleep(100000);
        during = post(&f, A "builders/configuration/b1", "{}");
        retry = (int)f.res.header_count;
    }
    int read = ask(&f, HUB_INTERNAL, "GET", "/api/internal/l1-builder/v1/builders", "");
    bool runs = test_postgres_run(&p);
    int after = post(&f, A "builders/configuration/b1", "{}");
    close_it(&f);
    test_postgres_stop(&p);
    CHECK_I64(during, 503);
    CHECK_I64(retry, 1);
    CHECK_I64(read, 200);
    CHECK(runs);
    CHECK_I64(after, 200);
}

TEST_MAIN()
