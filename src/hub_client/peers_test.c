/* SPDX-License-Identifier: MIT */
#include "hub_client/peers.h"

#include "base/buf.h"
#include "test/harness/test.h"

#define ONE "0x0000000000000000000000000000000000000001"

static struct hub_peers read_list(struct arena *a, const char *text) {
    struct hub_peers list;
    struct error why = {0};
    CHECK_OK(hub_peers_parse(&list, bytes_from_str(text), a, &why), &why);
    return list;
}

TEST(a_whole_builder_is_read) {
    struct arena a;
    arena_init(&a, 0);
    struct hub_peers list = read_list(
        &a, "[{\"dns_name\":\"n1.example.org , n2\",\"instance\":{\"tls_cert\":\"PEM\"},"
            "\"ip\":\"1.2.3.4\",\"name\":\"op_01\",\"orderflow_proxy\":{\"ecdsa_pubkey_address\":"
            "\"" ONE "\",\"region\":\"europe\"}}]");
    CHECK_U64(list.count, 1);
    const struct hub_peer *p = hub_peers_find(&list, BYTES_LIT("op_01"));
    CHECK(p != NULL);
    CHECK_BYTES(p->ip, BYTES_LIT("1.2.3.4"));
    CHECK_BYTES(hub_peer_host(p), BYTES_LIT("n1.example.org"));
    CHECK_BYTES(hub_peer_certificate(p), BYTES_LIT("PEM"));
    const struct hub_credential *c = hub_peer_credential(p, HUB_SERVICE_ORDERFLOW);
    CHECK(c && c->has_address && c->address.b[19] == 1);
    CHECK_BYTES(c->region, BYTES_LIT("europe"));
    CHECK(hub_peer_credential(p, HUB_SERVICE_BUILDER) == NULL);
    arena_free(&a);
}

TEST(older_nodes_certificates_are_found) {
    struct arena a;
    arena_init(&a, 0);
    struct hub_peers list = read_list(
        &a, "[{\"name\":\"a\",\"ip\":\"10.0.0.1\",\"orderflow_proxy\":{\"tls_cert\":\"OLD\"}}]");
    CHECK_BYTES(hub_peer_certificate(&list.peers[0]), BYTES_LIT("OLD"));
    CHECK_BYTES(hub_peer_host(&list.peers[0]), BYTES_LIT("10.0.0.1"));
    arena_free(&a);
}

TEST(one_bad_builder_hides_no_other) {
    struct arena a;
    arena_init(&a, 0);
    struct hub_peers list = read_list(
        &a, "[{\"name\":\"b\"},{\"name\":\"\"},{\"ip\":\"1.1.1.1\"},7,null,"
            "{\"name\":\"c\",\"dns_name\":4},"
            "{\"name\":\"a\",\"orderflow_proxy\":{\"ecdsa_pubkey_address\":\"0x12\"},"
            "\"rbuilder\":{\"ecdsa_pubkey_address\":\"" ONE "\"},\"noted\":\"elsewhere\"}]");
    CHECK_U64(list.count, 2);
    CHECK_U64(list.left_out, 5);
    CHECK_STR(list.reason.text, "a builder needs a name of 1 to 255 bytes");
    CHECK_BYTES(list.peers[0].name, BYTES_LIT("a"));
    CHECK_U64(list.peers[0].credential_count, 1);
    CHECK_BYTES(list.peers[0].credentials[0].service, BYTES_LIT("rbuilder"));
    CHECK_BYTES(list.peers[1].name, BYTES_LIT("b"));
    arena_free(&a);
}

TEST(order_is_no_difference) {
    struct arena a;
    arena_init(&a, 0);
    struct hub_peers one = read_list(&a, "[{\"name\":\"a\",\"x\":{\"region\":\"1\"},\"y\":{}},"
                                         "{\"name\":\"b\",\"ip\":\"::1\"}]");
    struct hub_peers two = read_list(&a, "[{\"ip\":\"::1\",\"name\":\"b\"},"
                                         "{\"y\":{},\"x\":{\"region\":\"1\"},\"name\":\"a\"}]");
    struct hub_peers other = read_list(&a, "[{\"name\":\"a\",\"x\":{\"region\":\"2\"},\"y\":{}},"
                                           "{\"name\":\"b\",\"ip\":\"::1\"}]");
    CHECK(hub_peers_equal(&one, &two));
    CHECK(!hub_peers_equal(&one, &other));
    arena_free(&a);
}

TEST(what_is_no_list_is_refused) {
    static const struct {
        const char *in;
        int code;
    } cases[] = {{"", ERR_SYNTAX}, {"{}", ERR_INVALID}, {"null", ERR_INVALID}, {"[1", ERR_SYNTAX}};
    struct arena a;
    struct hub_peers list;
    arena_init(&a, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_ERR(hub_peers_parse(&list, bytes_from_str(cases[i].in), &a, NULL), cases[i].code);
    }
    arena_free(&a);
}

TEST(a_list_has_a_limit) {
    struct arena a;
    struct buf in;
    struct hub_peers list;
    arena_init(&a, 0);
    buf_init(&in, 0);
    buf_append_byte(&in, '[');
    for (unsigned i = 0; i < HUB_PEERS_MAX + 1; i++) {
        buf_printf(&in, "%s{\"name\":\"n%u\"}", i ? "," : "", i);
    }
    buf_append_byte(&in, ']');
    CHECK_ERR(hub_peers_parse(&list, buf_view(&in), &a, NULL), ERR_LIMIT);
    buf_free(&in);
    arena_free(&a);
}

TEST(names_of_instances_become_names_of_builders) {
    char name[HUB_NAME_BYTES_MAX + 1];
    struct error why = {0};
    CHECK_OK(hub_builder_name(name, BYTES_LIT("op-eastus-01"), &why), &why);
    CHECK_STR(name, "op_eastus_01");
    uint8_t longer[HUB_NAME_BYTES_MAX + 1] = {0};
    CHECK_ERR(hub_builder_name(name, bytes_make(longer, sizeof longer), NULL), ERR_LIMIT);
}

TEST_MAIN()
