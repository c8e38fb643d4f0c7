/* SPDX-License-Identifier: MIT */
#include "attested_proxy/headers.h"
#include "test/harness/test.h"

struct message {
    struct arena arena;
    struct http_fields fields;
};

static void start(struct message *m, const char *const names[]) {
    struct error why = {0};
    memset(m, 0, sizeof *m);
    arena_init(&m->arena, 0);
    for (size_t i = 0; names[i]; i++) {
        CHECK_OK(http_fields_add(&m->fields, &m->arena, bytes_from_str(names[i]),
                                 BYTES_LIT("forged"), &why),
                 &why);
    }
}

static bool has(const struct message *m, const char *name) {
    return http_find(&m->fields, name, 0) != NULL;
}

TEST(the_family_is_removed_in_every_spelling) {
    struct message m;
    static const char *const names[] = {"x-flashbots-measurement",
                                        "accept",
                                        "X-Flashbots-Measurement",
                                        "x_flashbots_measurement",
                                        "x-flashbots_measurement",
                                        "X-FLASHBOTS-ATTESTATION-TYPE",
                                        "x-flashbots-attestation_type",
                                        "x-buildernet-attestation-root",
                                        "x_buildernet_attestation_root",
                                        "x.flashbots.measurement",
                                        "x-flashbots~attestation!type",
                                        "x-flashbots-signature",
                                        "x-forwarded-for",
                                        NULL};
    start(&m, names);
    headers_clean(&m.fields, false);
    CHECK_U64(m.fields.count, 3);
    CHECK(has(&m, "accept") && has(&m, "x-flashbots-signature") && has(&m, "x-forwarded-for"));
    arena_free(&m.arena);
}

TEST(where_a_request_came_from_is_removed_only_when_asked) {
    struct message m;
    static const char *const names[] = {"forwarded", "x_forwarded_for", "X-Real-IP",
                                        "x-forwarded-proto", NULL};
    start(&m, names);
    headers_clean(&m.fields, true);
    CHECK_U64(m.fields.count, 1);
    CHECK(has(&m, "x-forwarded-proto"));
    arena_free(&m.arena);
}

TEST(only_what_was_proved_is_told) {
    struct message m;
    struct error why = {0};
    static const char *const none[] = {NULL};
    struct attested_peer peer = {.type = ATTESTATION_AZURE_TDX,
                                 .measurements = BYTES_LIT("{\"4\":\"00\"}")};
    start(&m, none);
    CHECK_OK(headers_tell(&m.fields, &m.arena, NULL, &why), &why);
    CHECK_OK(headers_tell(&m.fields, &m.arena, &peer, &why), &why); // not attested
    CHECK_U64(m.fields.count, 0);
    peer.attested = true;
    CHECK_OK(headers_tell(&m.fields, &m.arena, &peer, &why), &why);
    CHECK_U64(m.fields.count, 2);
    CHECK_BYTES(m.fields.item[0].value, BYTES_LIT("azure-tdx"));
    CHECK_BYTES(m.fields.item[1].value, BYTES_LIT("{\"4\":\"00\"}"));
    headers_clean(&m.fields, false);
    CHECK_U64(m.fields.count, 0);
    peer.root = "Simulated";
    CHECK_OK(headers_tell(&m.fields, &m.arena, &peer, &why), &why);
    CHECK(has(&m, "x-buildernet-attestation-root"));
    arena_free(&m.arena);
}

TEST(only_websockets_pass_unread) {
    static const struct {
        const char *wish;
        bool passes;
    } cases[] = {{"websocket", true},       {"WebSocket", true}, {"h2c", false},
                 {"h2c, websocket", false}, {"", false},         {"websocket, h2c", false},
                 {"TLS/1.0", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error why = {0};
        struct arena a;
        struct http_request r = {.upgrade = true};
        arena_init(&a, 0);
        CHECK_OK(http_fields_add(&r.fields, &a, BYTES_LIT("upgrade"), bytes_from_str(cases[i].wish),
                                 &why),
                 &why);
        headers_limit_upgrade(&r);
        CHECK(r.upgrade == cases[i].passes);
        CHECK(http_has(&r.fields, HTTP_FIELD_UPGRADE) == cases[i].passes);
        arena_free(&a);
    }
}

TEST_MAIN()
