/* SPDX-License-Identifier: MIT */
#include "net/forwarded.h"
#include "test/harness/test.h"

#include <stdio.h>

static void expect(const char *name, const char *value, const char *second, const char *client) {
    struct arena a;
    struct error why;
    struct http_fields f = {0};
    struct socket_address peer, got;
    struct socket_block trusted[2];
    char text[SOCKET_TEXT_MAX];
    arena_init(&a, 0);
    CHECK_OK(socket_block_parse(&trusted[0], BYTES_LIT("10.0.0.0/8"), &why), &why);
    CHECK_OK(socket_block_parse(&trusted[1], BYTES_LIT("fd00::/8"), &why), &why);
    CHECK_OK(socket_address_parse(&peer, BYTES_LIT("10.0.0.1:99"), 0, &why), &why);
    if (value) {
        CHECK_OK(http_fields_add(&f, &a, bytes_from_str(name), bytes_from_str(value), &why), &why);
    }
    if (second) {
        CHECK_OK(http_fields_add(&f, &a, bytes_from_str(name), bytes_from_str(second), &why), &why);
    }
    forwarded_client(&got, &peer, &f, trusted, 2);
    CHECK_BYTES(bytes_make(text, socket_address_host(text, &got)), bytes_from_str(client));
    forwarded_client(&got, &peer, &f, trusted + 1, 1); // the peer is nobody we trust
    CHECK_BYTES(bytes_make(text, socket_address_host(text, &got)), BYTES_LIT("10.0.0.1"));
    arena_free(&a);
}

TEST(the_client_is_the_first_that_is_not_trusted) {
    const char *x = "x-forwarded-for", *f = "forwarded";
    expect(x, NULL, NULL, "10.0.0.1");
    expect(x, "1.2.3.4", NULL, "1.2.3.4");
    expect(x, "6.6.6.6, 1.2.3.4", NULL, "1.2.3.4");
    expect(x, "6.6.6.6, 1.2.3.4, 10.0.0.2", NULL, "1.2.3.4");
    expect(x, "6.6.6.6", "1.2.3.4, 10.0.0.2", "1.2.3.4");
    expect(x, "10.0.0.3, 10.0.0.2", NULL, "10.0.0.3");
    expect(x, "2001:db8::1", NULL, "2001:db8::1");
    expect(x, "[2001:db8::1]:5, fd00::1", NULL, "2001:db8::1");
    expect(x, "1.2.3.4:5678", NULL, "1.2.3.4");
    expect(x, "6.6.6.6, unknown", NULL, "10.0.0.1");
    expect(x, "6.6.6.6, unix:/x", NULL, "10.0.0.1");
    expect(x, "6.6.6.6, :80", NULL, "10.0.0.1");
    expect(x, "6.6.6.6, nonsense, 10.0.0.2", NULL, "10.0.0.2");
    expect(f, "for=1.2.3.4", NULL, "1.2.3.4");
    expect(f, "for=6.6.6.6, for=1.2.3.4;proto=https;by=10.0.0.9", NULL, "1.2.3.4");
    expect(f, "For=\"[2001:db8::1]:4711\"", NULL, "2001:db8::1");
    expect(f, "for=6.6.6.6, for=_hidden", NULL, "10.0.0.1");
    expect(f, "for=6.6.6.6, proto=https", NULL, "10.0.0.1");
    expect(f, "for=6.6.6.6, for=\"1.2.3.4", NULL, "10.0.0.1");
    expect(f, "for=6.6.6.6;for=1.2.3.4", NULL, "10.0.0.1");
}

TEST(elements_of_the_standard) { // RFC 7239, 4
    struct arena a;
    struct error why;
    struct forwarded_hop hop;
    struct bytes rest = BYTES_LIT("for=192.0.2.60; proto=http; by=203.0.113.43,, "
                                  "for=\"_gaz\\\"onk\";ext=\"x,y;z\";host=\"a:80\"");
    arena_init(&a, 0);
    CHECK_I64(forwarded_next(&hop, &rest, &a, &why), 1);
    CHECK_BYTES(hop.node_for, BYTES_LIT("192.0.2.60"));
    CHECK_BYTES(hop.proto, BYTES_LIT("http"));
    CHECK_BYTES(hop.by, BYTES_LIT("203.0.113.43"));
    CHECK_I64(forwarded_next(&hop, &rest, &a, &why), 1);
    CHECK_BYTES(hop.node_for, BYTES_LIT("_gaz\"onk"));
    CHECK_BYTES(hop.host, BYTES_LIT("a:80"));
    CHECK(hop.by.p == NULL);
    CHECK_I64(forwarded_next(&hop, &rest, &a, &why), 0);
    static const char *const bad[] = {"for",    "for=",     "=x",         "for=\"x",
                                      "for=\"", "for=\"\\", "for=\"x\"y", "for=x y"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rest = bytes_from_str(bad[i]);
        int r = forwarded_next(&hop, &rest, &a, &why);
        if (r != ERR_SYNTAX) FAIL("%s: %d", bad[i], r);
    }
    arena_free(&a);
    arena_init(&a, 1);
    rest = BYTES_LIT("for=\"a long value that does not fit\"");
    CHECK_ERR(forwarded_next(&hop, &rest, &a, &why), ERR_LIMIT);
    arena_free(&a);
}

TEST(addresses_are_written) {
    static const char *const texts[] = {"0.9.10.99", "100.101.200.255", "::1", "2001:db8::1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct socket_address a;
        struct error why;
        char text[SOCKET_TEXT_MAX], with_port[SOCKET_TEXT_MAX];
        bool v6 = strchr(texts[i], ':') != NULL;
        snprintf(with_port, sizeof with_port, v6 ? "[%s]:9" : "%s:9", texts[i]);
        CHECK_OK(socket_address_parse(&a, bytes_from_str(with_port), 0, &why), &why);
        CHECK_U64(socket_address_host(text, &a), strlen(texts[i]));
        CHECK_STR(text, texts[i]);
        CHECK_U64(socket_address_text(text, &a), strlen(with_port));
        CHECK_STR(text, with_port);
    }
}

TEST(elements_are_written) {
    struct buf out;
    struct error why;
    struct socket_address peer;
    struct bytes none = {NULL, 0};
    buf_init(&out, 0);
    CHECK_OK(socket_address_parse(&peer, BYTES_LIT("[2001:db8::1]:5"), 0, &why), &why);
    CHECK_OK(forwarded_append(&out, &peer, BYTES_LIT("a\"b"), BYTES_LIT("https"), &why), &why);
    CHECK_BYTES(buf_view(&out), BYTES_LIT("for=\"[2001:db8::1]:5\";host=\"a\\\"b\";proto=https"));
    buf_clear(&out);
    peer.n = 0;
    CHECK_OK(forwarded_append(&out, &peer, none, none, &why), &why);
    CHECK_BYTES(buf_view(&out), BYTES_LIT("for=unknown"));
    CHECK_ERR(forwarded_append(&out, &peer, BYTES_LIT("a\nb"), none, &why), ERR_INVALID);
    buf_free(&out);
}

TEST_MAIN()
