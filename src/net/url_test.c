/* SPDX-License-Identifier: MIT */
#include "net/url.h"
#include "test/harness/test.h"

TEST(urls_are_read) {
    static const struct {
        const char *text;
        enum url_scheme scheme;
        bool tls, ipv6;
        unsigned port;
        const char *userinfo, *host, *authority, *path, *query, *local;
    } cases[] = {
        {"http://a", URL_HTTP, false, false, 80, "", "a", "a", "/", "", ""},
        {"HTTPS://a.b:8443/", URL_HTTPS, true, false, 8443, "", "a.b", "a.b:8443", "/", "", ""},
        {"ws://[::1]/x?y=z?w", URL_WS, false, true, 80, "", "::1", "[::1]", "/x", "y=z?w", ""},
        {"wss://[fe80::1]:1/", URL_WSS, true, true, 1, "", "fe80::1", "[fe80::1]:1", "/", "", ""},
        {"http://u:p%40@a/?", URL_HTTP, false, false, 80, "u:p%40", "a", "a", "/", "", ""},
        {"http://10.0.0.1:65535/a%2fb", URL_HTTP, false, false, 65535, "", "10.0.0.1",
         "10.0.0.1:65535", "/a%2fb", "", ""},
        {"unix:/run/x.sock", URL_UNIX, false, false, 0, "", "", "", "/", "", "/run/x.sock"},
        {"unix:///run/x.sock", URL_UNIX, false, false, 0, "", "", "", "/", "", "/run/x.sock"},
        {"unix:@name", URL_UNIX, false, false, 0, "", "", "", "/", "", "@name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct url u;
        struct error why;
        CHECK_OK(url_parse(&u, bytes_from_str(cases[i].text), &why), &why);
        CHECK_U64(u.scheme, cases[i].scheme);
        CHECK_U64(u.tls, cases[i].tls);
        CHECK_U64(u.ipv6, cases[i].ipv6);
        CHECK_U64(u.port, cases[i].port);
        CHECK_BYTES(u.userinfo, bytes_from_str(cases[i].userinfo));
        CHECK_BYTES(u.host, bytes_from_str(cases[i].host));
        CHECK_BYTES(u.authority, bytes_from_str(cases[i].authority));
        CHECK_BYTES(u.path, bytes_from_str(cases[i].path));
        CHECK_BYTES(u.query, bytes_from_str(cases[i].query));
        CHECK_BYTES(u.local, bytes_from_str(cases[i].local));
    }
}

TEST(wrong_urls_are_refused) {
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"", ERR_SYNTAX},
        {"a", ERR_SYNTAX},
        {"a/b", ERR_SYNTAX},
        {"ftp://a", ERR_UNSUPPORTED},
        {"http:a", ERR_SYNTAX},
        {"http:/a", ERR_SYNTAX},
        {"http://", ERR_SYNTAX},
        {"http:///x", ERR_SYNTAX},
        {"http://:80", ERR_SYNTAX},
        {"http://a:", ERR_SYNTAX},
        {"http://a:x", ERR_SYNTAX},
        {"http://a:65536", ERR_SYNTAX},
        {"http://a:0", ERR_RANGE},
        {"http://[::1", ERR_SYNTAX},
        {"http://[::g]", ERR_SYNTAX},
        {"http://[fe80::1%25eth0]", ERR_SYNTAX},
        {"http://::1/", ERR_SYNTAX},
        {"http://a b/", ERR_SYNTAX},
        {"http://a/b c", ERR_SYNTAX},
        {"http://a/\x7f", ERR_SYNTAX},
        {"http://a/%", ERR_SYNTAX},
        {"http://a/%4", ERR_SYNTAX},
        {"http://a/%4g", ERR_SYNTAX},
        {"http://a/#f", ERR_SYNTAX},
        {"http://a?b", ERR_SYNTAX},
        {"http://a%41/", ERR_SYNTAX},
        {"http://a\\b/", ERR_SYNTAX},
        {"unix:", ERR_SYNTAX},
        {"unix:/", ERR_SYNTAX},
        {"unix:name", ERR_SYNTAX},
        {"unix://host/x", ERR_SYNTAX},
    };
    struct url u;
    struct error why;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int r = url_parse(&u, bytes_from_str(cases[i].text), &why);
        if (r != cases[i].code) FAIL("%s: %s", cases[i].text, error_name(r));
    }
    static char longer[URL_BYTES_MAX + 2];
    memset(longer, 'a', sizeof longer - 1);
    CHECK_ERR(url_parse(&u, bytes_from_str(longer), &why), ERR_LIMIT);
}

TEST(origins) {
    static const char *const cases[][2] = {
        {"http://h:1/a?b", "http://h:1"},          {"wss://h/ws", "https://h"},
        {"ws://u:p@[::1]:8/ws", "http://[::1]:8"}, {"unix:/run/x", "unix:/run/x"},
        {"unix:///run/x", "unix:/run/x"},          {"unix:@name", "unix:@name"},
    };
    struct url u;
    struct error why;
    char out[20];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CHECK_OK(url_parse(&u, bytes_from_str(cases[i][0]), &why), &why);
        CHECK_OK(url_origin(out, sizeof out, &u, &why), &why);
        if (strcmp(out, cases[i][1]) != 0) FAIL("%s: %s", cases[i][0], out);
        CHECK_ERR(url_origin(out, strlen(out), &u, &why), ERR_LIMIT);
    }
}

TEST(percent_encoding) {
    struct arena a;
    struct error why;
    struct bytes out;
    arena_init(&a, 4096);
    CHECK_OK(url_decode(&out, BYTES_LIT("a%20b+c%2B%c3%A4"), 0, &a, &why), &why);
    CHECK_BYTES(out, BYTES_LIT("a b+c+\xc3\xa4"));
    CHECK_OK(url_decode(&out, BYTES_LIT("a+b"), URL_PLUS, &a, &why), &why);
    CHECK_BYTES(out, BYTES_LIT("a b"));
    CHECK_OK(url_decode(&out, BYTES_LIT("%00"), 0, &a, &why), &why);
    CHECK_BYTES(out, BYTES_LIT("\0"));
    CHECK_ERR(url_decode(&out, BYTES_LIT("%00"), URL_NO_NUL, &a, &why), ERR_SYNTAX);
    CHECK_ERR(url_decode(&out, BYTES_LIT("ab%4"), 0, &a, &why), ERR_SYNTAX);
    CHECK_U64(why.at, 2);
    CHECK_ERR(url_decode(&out, BYTES_LIT("%"), 0, &a, &why), ERR_SYNTAX);
    a.limit_bytes = a.used_bytes;
    CHECK_ERR(url_decode(&out, BYTES_LIT("%41"), 0, &a, &why), ERR_LIMIT);
    arena_free(&a);
    struct buf b;
    buf_init(&b, 0);
    url_append_encoded(&b, BYTES_LIT("aZ09-._~ /%\xff"));
    CHECK_BYTES(buf_view(&b), BYTES_LIT("aZ09-._~%20%2F%25%FF"));
    buf_free(&b);
}

TEST(queries) {
    struct arena a;
    struct error why;
    struct bytes v;
    arena_init(&a, 0);
    struct bytes q = BYTES_LIT("&a=1&&b&c=&d=x=y&a=2&%65=f+g&bad=%g");
    CHECK_OK(url_query_get(&v, q, "a", &a, &why), &why);
    CHECK_BYTES(v, BYTES_LIT("1"));
    CHECK_OK(url_query_get(&v, q, "b", &a, &why), &why);
    CHECK_BYTES(v, BYTES_LIT(""));
    CHECK_OK(url_query_get(&v, q, "d", &a, &why), &why);
    CHECK_BYTES(v, BYTES_LIT("x=y"));
    CHECK_OK(url_query_get(&v, q, "e", &a, &why), &why);
    CHECK_BYTES(v, BYTES_LIT("f g"));
    CHECK_ERR(url_query_get(&v, q, "bad", &a, &why), ERR_SYNTAX);
    CHECK_ERR(url_query_get(&v, q, "none", &a, &why), ERR_NOT_FOUND);
    struct bytes path, query;
    url_split(&path, &query, BYTES_LIT("/a?b?c"));
    CHECK_BYTES(path, BYTES_LIT("/a"));
    CHECK_BYTES(query, BYTES_LIT("b?c"));
    arena_free(&a);
}

TEST_MAIN()
