/* The client against a hub made here: a server on loopback whose answers the cases choose.
 * SPDX-License-Identifier: MIT */
#include "hub_client/hub_client.h"

#include "net/server.h"
#include "net/testing.h"

struct world {
    struct loop *loop;
    struct server *hub;
    struct hub_client *client;
    struct hub_watcher watcher;
    struct socket_address address;
    char url[SOCKET_TEXT_MAX + 8];
    // What the hub does.
    int status;
    const char *list, *document;
    const char *tag; /* of the list; NULL: the hub knows no tags */
    unsigned asked, registered, unchanged;
    char body[512];
    // What was told.
    unsigned lists, documents, states, enrolled;
    size_t count;
    enum hub_state state;
};

static void hub_list(struct exchange *x, void *context) {
    struct world *w = context;
    struct bytes has = exchange_header(x, "if-none-match");
    w->asked++;
    if (w->tag && w->status == 200) {
        CHECK(exchange_add_header(x, "ETag", bytes_from_str(w->tag)) == 0);
        if (bytes_equal_str(has, w->tag)) {
            w->unchanged++;
            exchange_respond(x, 304, (struct bytes){NULL, 0});
            return;
        }
    }
    exchange_respond(x, w->status, bytes_from_str(w->status == 200 ? w->list : ""));
}

static void hub_document(struct exchange *x, void *context) {
    struct world *w = context;
    exchange_respond(x, w->status, bytes_from_str(w->status == 200 ? w->document : ""));
}

static void hub_register(struct exchange *x, void *context) {
    struct world *w = context;
    struct bytes body = exchange_body(x);
    CHECK(body.n < sizeof w->body);
    memcpy(w->body, body.p, body.n);
    w->body[body.n] = '\0';
    CHECK_BYTES(exchange_param(x, "service"), BYTES_LIT("orderflow_proxy"));
    if (w->status == 200) w->registered++;
    exchange_respond(x, w->status, (struct bytes){NULL, 0});
}

static void on_peers(struct hub_watcher *watcher, const struct hub_peers *now) {
    struct world *w = LIST_ENTRY(watcher, struct world, watcher);
    w->lists++;
    w->count = now->count;
}

static void on_document(struct hub_watcher *watcher, struct bytes in) {
    struct world *w = LIST_ENTRY(watcher, struct world, watcher);
    w->documents++;
    CHECK_BYTES(in, bytes_from_str(w->document));
}

static void on_state(struct hub_watcher *watcher, enum hub_state state, const struct error *why) {
    struct world *w = LIST_ENTRY(watcher, struct world, watcher);
    CHECK((why == NULL) == (state == HUB_OK));
    w->states++;
    w->state = state;
}

static void on_enrolled(struct hub_watcher *watcher, const char *service) {
    struct world *w = LIST_ENTRY(watcher, struct world, watcher);
    CHECK_STR(service, "orderflow_proxy");
    w->enrolled++;
}

static void serve(struct world *w) {
    static struct route routes[4];
    struct error why = {0};
    routes[0] = (struct route){"GET", "/api/l1-builder/v1/builders", hub_list, w, 0, 0};
    routes[1] = (struct route){
        "GET", "/api/internal/l1-builder/v2/network/a%20b/builders", hub_list, w, 0, 0};
    routes[1].path = "/api/internal/l1-builder/v2/network/a b/builders";
    routes[2] = (struct route){"GET", "/api/l1-builder/v1/configuration", hub_document, w, 0, 0};
    routes[3] = (struct route){
        "POST", "/api/l1-builder/v1/register_credentials/{service}", hub_register, w, 0, 0};
    struct server_options so = {.routes = routes, .route_count = 4};
    CHECK_OK(server_new(&w->hub, w->loop, &so, &why), &why);
    struct server_listener ln = {.address = w->address};
    CHECK_OK(server_listen(w->hub, &w->address, &ln, &why), &why);
}

static void open_world(struct world *w, enum hub_list list, uint64_t every_ns) {
    struct error why = {0};
    struct hub_source *source;
    char text[SOCKET_TEXT_MAX];
    CHECK_OK(loop_new(&w->loop, NULL, &why), &why);
    CHECK_OK(socket_address_parse(&w->address, BYTES_LIT("127.0.0.1:0"), 0, &why), &why);
    serve(w);
    (void)socket_address_text(text, &w->address);
    (void)snprintf(w->url, sizeof w->url, "http://%s", text);
    struct hub_http_options ho = {.transport = {.url = w->url}, .list = list, .network = "a b"};
    CHECK_OK(hub_source_http(&source, w->loop, &ho, &why), &why);
    struct hub_client_options co = {.peers_every_ns = every_ns,
                                    .configuration_every_ns = every_ns,
                                    .retry_first_ns = 5 * NS_PER_MS};
    CHECK_OK(hub_client_new(&w->client, w->loop, source, &co, &why), &why);
    w->watcher = (struct hub_watcher){on_peers, on_document, on_state, on_enrolled, {0}};
    hub_client_watch(w->client, &w->watcher);
}

static void close_world(struct world *w) {
    hub_client_free(w->client);
    server_free(w->hub);
    loop_free(w->loop);
}

TEST(changes_are_told_and_only_changes) {
    struct world w = {.status = 200, .list = "[{\"name\":\"a\"}]", .document = "{\"x\":1}"};
    open_world(&w, HUB_LIST_NODE, 10 * NS_PER_MS);
    TURN_UNTIL(w.loop, w.lists == 1 && w.documents == 1 && w.asked > 4);
    CHECK_U64(w.lists, 1);
    CHECK_U64(w.count, 1);
    CHECK_U64(w.documents, 1);
    CHECK(w.state == HUB_OK && w.states == 1);
    w.list = "[{\"name\":\"b\"},{\"name\":\"a\"}]";
    w.document = "{\"x\":2}";
    TURN_UNTIL(w.loop, w.lists == 2 && w.documents == 2);
    CHECK_U64(w.count, 2);
    unsigned before = w.asked;
    w.list = "[{\"name\":\"a\"},{\"name\":\"b\"}]"; // the same in another order
    TURN_UNTIL(w.loop, w.asked > before + 3);
    CHECK_U64(w.lists, 2);
    close_world(&w);
}

TEST(an_unchanged_list_is_not_sent_again) {
    struct world w = {
        .status = 200, .list = "[{\"name\":\"a\"}]", .document = "{}", .tag = "\"1\""};
    open_world(&w, HUB_LIST_NODE, 10 * NS_PER_MS);
    TURN_UNTIL(w.loop, w.unchanged > 3);
    CHECK(w.asked == w.unchanged + 1 && w.state == HUB_OK && w.lists == 1);
    w.tag = "\"2\"";
    w.list = "[{\"name\":\"a\"},{\"name\":\"b\"}]";
    TURN_UNTIL(w.loop, w.lists == 2 && w.unchanged > 6);
    CHECK_U64(w.count, 2);
    // What could not be taken is asked for again, whole.
    unsigned before = w.unchanged;
    w.tag = "\"3\"";
    w.list = "no list";
    TURN_UNTIL(w.loop, w.state == HUB_AWAY);
    w.list = "[]";
    TURN_UNTIL(w.loop, w.state == HUB_OK && w.lists == 3);
    CHECK(w.count == 0 && w.unchanged >= before);
    w.tag = NULL; // a hub that knows no tags takes its place
    before = w.unchanged;
    w.list = "[{\"name\":\"c\"}]";
    TURN_UNTIL(w.loop, w.lists == 4);
    CHECK_U64(w.unchanged, before);
    close_world(&w);
}

TEST(refusal_is_told_apart_from_outage_and_the_last_list_stays) {
    struct world w = {.status = 200, .list = "[{\"name\":\"a\"}]", .document = "{}"};
    open_world(&w, HUB_LIST_NODE, 10 * NS_PER_MS);
    TURN_UNTIL(w.loop, w.state == HUB_OK && w.lists == 1);
    w.status = 403;
    TURN_UNTIL(w.loop, w.state == HUB_REFUSED);
    w.status = 500;
    TURN_UNTIL(w.loop, w.state == HUB_AWAY);
    CHECK_U64(hub_client_peers(w.client)->count, 1);
    w.status = 200;
    TURN_UNTIL(w.loop, w.state == HUB_OK);
    server_free(w.hub);
    w.hub = NULL;
    TURN_UNTIL(w.loop, w.state == HUB_AWAY);
    serve(&w);
    TURN_UNTIL(w.loop, w.state == HUB_OK);
    CHECK_U64(w.lists, 1);
    close_world(&w);
}

TEST(an_answer_that_is_no_list_counts_as_an_outage) {
    struct world w = {.status = 200, .list = "no list", .document = "{}"};
    open_world(&w, HUB_LIST_NETWORK, 10 * NS_PER_MS);
    TURN_UNTIL(w.loop, w.state == HUB_AWAY);
    w.list = "[]";
    TURN_UNTIL(w.loop, w.state == HUB_OK && w.lists == 1);
    CHECK_U64(w.count, 0);
    close_world(&w);
}

TEST(a_registration_is_kept) {
    struct error why = {0};
    struct world w = {.status = 500, .list = "[]", .document = "{}"};
    struct hub_registration r = {.service = "orderflow_proxy", .has_address = true};
    r.address.b[19] = 7;
    open_world(&w, HUB_LIST_NODE, 20 * NS_PER_MS);
    CHECK_OK(hub_client_enrol(w.client, &r, &why), &why);
    TURN_UNTIL(w.loop, w.state == HUB_AWAY && w.asked > 2);
    CHECK(!hub_client_enrolled(w.client, "orderflow_proxy"));
    w.status = 200;
    TURN_UNTIL(w.loop, w.enrolled == 1);
    CHECK(hub_client_enrolled(w.client, "orderflow_proxy"));
    CHECK_STR(w.body, "{\"ecdsa_pubkey_address\":\"0x0000000000000000000000000000000000000007\"}");
    CHECK_OK(hub_client_enrol(w.client, &r, &why), &why); // the same again
    unsigned before = w.asked;
    TURN_UNTIL(w.loop, w.asked > before + 2);
    CHECK_U64(w.registered, 1);
    r.region = BYTES_LIT("eu");
    CHECK_OK(hub_client_enrol(w.client, &r, &why), &why);
    TURN_UNTIL(w.loop, w.registered == 2);
    w.status = 403;
    TURN_UNTIL(w.loop, w.state == HUB_REFUSED);
    CHECK(!hub_client_enrolled(w.client, "orderflow_proxy"));
    w.status = 200; // the hub may have forgotten
    TURN_UNTIL(w.loop, w.registered == 3 && hub_client_enrolled(w.client, "orderflow_proxy"));
    w.status = 500; // an outage takes nothing away, but it may be another hub that comes
    TURN_UNTIL(w.loop, w.state == HUB_AWAY);
    CHECK(hub_client_enrolled(w.client, "orderflow_proxy"));
    w.status = 200;
    TURN_UNTIL(w.loop, w.registered == 4);
    CHECK(hub_client_enrolled(w.client, "orderflow_proxy"));
    close_world(&w);
}

TEST(bad_registrations_are_refused) {
    struct error why = {0};
    struct world w = {.status = 200, .list = "[]", .document = "{}"};
    struct hub_registration r = {.service = "x"};
    open_world(&w, HUB_LIST_NODE, UINT64_MAX);
    CHECK_ERR(hub_client_enrol(w.client, &r, NULL), ERR_INVALID);
    r.service = "";
    CHECK_ERR(hub_client_enrol(w.client, &r, NULL), ERR_INVALID);
    r.has_address = true;
    char name[8];
    for (unsigned i = 0; i < HUB_REGISTRATIONS_MAX; i++) {
        (void)snprintf(name, sizeof name, "s%u", i);
        r.service = name;
        CHECK_OK(hub_client_enrol(w.client, &r, &why), &why);
    }
    r.service = "one more";
    CHECK_ERR(hub_client_enrol(w.client, &r, NULL), ERR_LIMIT);
    close_world(&w);
}

TEST(a_late_watcher_is_told_what_is_known) {
    struct world w = {.status = 200, .list = "[{\"name\":\"a\"}]", .document = "{}"};
    open_world(&w, HUB_LIST_NODE, 10 * NS_PER_MS);
    TURN_UNTIL(w.loop, w.lists == 1 && w.documents == 1);
    struct world late = {.document = "{}"};
    late.watcher = w.watcher;
    late.watcher.link = (struct list_node){0};
    hub_client_watch(w.client, &late.watcher);
    TURN_UNTIL(w.loop, late.lists == 1 && late.documents == 1 && late.state == HUB_OK);
    hub_client_unwatch(w.client, &late.watcher);
    close_world(&w);
}

TEST_MAIN()
