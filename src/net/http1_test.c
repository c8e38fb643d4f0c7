/* SPDX-License-Identifier: MIT */
#include "net/http1.h"
#include "test/harness/test.h"

#include <stdlib.h>

/* What a run over some input gave, as text that two runs can be compared by. */
struct trace {
    struct buf text;
    int code;
    unsigned status;
};

static void note(struct trace *t, const struct http1_parser *p, const struct http1_event *ev,
                 bool *in_data) {
    if (ev->type == HTTP1_DATA) {
        if (!*in_data) buf_append_str(&t->text, "data ");
        buf_append(&t->text, ev->data);
    } else if (*in_data) {
        buf_append_str(&t->text, "\n");
    }
    *in_data = ev->type == HTTP1_DATA;
    const struct http_fields *f = p->is_response ? &p->response.fields : &p->request.fields;
    if (ev->type == HTTP1_REQUEST) {
        const struct http_request *r = &p->request;
        buf_printf(&t->text, "%.*s %.*s at %.*s %d %d%d%d\n", (int)r->method_text.n,
                   r->method_text.p, (int)r->path.n, (const char *)r->path.p, (int)r->authority.n,
                   (const char *)r->authority.p, (int)r->body, r->keep_alive, r->expect_continue,
                   r->upgrade);
    } else if (ev->type == HTTP1_RESPONSE) {
        buf_printf(&t->text, "%u %.*s %d %d\n", p->response.status, (int)p->response.reason.n,
                   (const char *)p->response.reason.p, (int)p->response.body,
                   p->response.keep_alive);
    } else if (ev->type == HTTP1_END) {
        buf_printf(&t->text, "end %u\n", p->trailers.count);
        return;
    } else {
        return;
    }
    for (unsigned i = 0; i < f->count; i++) {
        buf_append(&t->text, f->item[i].name);
        buf_append_str(&t->text, "=");
        buf_append(&t->text, f->item[i].value);
        buf_append_str(&t->text, ";");
    }
}

/* Feeds `piece` bytes at a time; messages may follow each other. */
static struct trace run(const char *input, size_t n, size_t piece, bool response,
                        enum http_method asked, const struct http_limits *limits) {
    struct trace t = {.code = 0};
    struct arena a;
    struct http1_parser p;
    struct error why;
    arena_init(&a, 1 << 20);
    buf_init(&t.text, 0);
    if (response) {
        http1_response_init(&p, &a, limits, asked);
    } else {
        http1_request_init(&p, &a, limits);
    }
    bool in_data = false, tunnel = false;
    for (size_t at = 0; at < n && t.code == 0 && !tunnel; at += piece) {
        /* A copy of exact size, so that the sanitizer sees every read past the end. */
        size_t size = n - at < piece ? n - at : piece;
        uint8_t *copy = malloc(size);
        CHECK(copy != NULL);
        memcpy(copy, input + at, size);
        struct bytes in = {copy, size};
        struct http1_event ev;
        while ((t.code = http1_next(&ev, &p, &in, &why)) == 0 && ev.type != HTTP1_MORE) {
            note(&t, &p, &ev, &in_data);
            tunnel = ev.type == HTTP1_TUNNEL;
            if (tunnel) break;
            if (ev.type == HTTP1_END) {
                if (in.n == 0) break;
                arena_reset(&a);
                http1_next_message(&p, &a, asked);
            }
        }
        free(copy);
        if (t.code == 0 && ev.type == HTTP1_END && at + size < n) {
            arena_reset(&a);
            http1_next_message(&p, &a, asked);
        }
    }
    t.status = t.code ? http1_status_of_error(&p, t.code) : 0;
    if (t.code) {
        struct bytes none = {NULL, 0};
        struct http1_event ev;
        CHECK_ERR(http1_next(&ev, &p, &none, &why), ERR_CLOSED);
    }
    if (t.code == 0 && response && http1_finish(&p, &why) < 0) t.code = ERR_CLOSED;
    http1_parser_free(&p);
    arena_free(&a);
    return t;
}

/* Runs whole and in pieces of several sizes; all must agree. */
static struct trace run_all_n(const char *input, size_t n, bool response, enum http_method asked,
                              const struct http_limits *limits) {
    struct trace whole = run(input, n, n, response, asked, limits);
    static const size_t pieces[] = {1, 2, 3, 7, 16, 61};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct trace t = run(input, n, pieces[i], response, asked, limits);
        CHECK_I64(t.code, whole.code);
        CHECK_U64(t.status, whole.status);
        CHECK_BYTES(buf_view(&t.text), buf_view(&whole.text));
        buf_free(&t.text);
    }
    return whole;
}

static void expect(const char *input, bool response, enum http_method asked, const char *text) {
    struct trace t = run_all_n(input, strlen(input), response, asked, NULL);
    if (t.code != 0) FAIL("refused with %s: %s", error_name(t.code), input);
    CHECK_BYTES(buf_view(&t.text), bytes_from_str(text));
    buf_free(&t.text);
}

TEST(requests_are_read) {
    expect("GET /a?b=c HTTP/1.1\r\nHost: x.example:80\r\nA:  b c \r\n\r\n", false, HTTP_GET,
           "GET /a?b=c at x.example:80 0 100\nhost=x.example:80;a=b c;end 0\n");
    expect("\r\nGET / HTTP/1.0\r\n\r\n", false, HTTP_GET, "GET / at  0 000\nend 0\n");
    expect("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc", false,
           HTTP_GET,
           "POST / at x 1 000\nhost=x;content-length=3;connection=close;data abc\nend 0\n");
    expect("OPTIONS * HTTP/1.1\r\nHost: [::1]:8\r\n\r\n", false, HTTP_GET,
           "OPTIONS * at [::1]:8 0 100\nhost=[::1]:8;end 0\n");
    expect("GET http://h/p HTTP/1.1\r\nHost: H\r\n\r\n", false, HTTP_GET,
           "GET /p at h 0 100\nhost=H;end 0\n");
    expect("PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nz", false,
           HTTP_GET,
           "PUT / at x 1 110\nhost=x;expect=100-Continue;content-length=1;data z\nend 0\n");
    expect("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", false,
           HTTP_GET, "GET / at x 0 101\nhost=x;upgrade=websocket;connection=Upgrade;end 0\n");
    expect("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n\x16\x03", false, HTTP_GET,
           "CONNECT  at a:443 4 100\nhost=a:443;");
}

TEST(chunks_and_trailers_are_read) {
    expect("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n"
           "4;a=b\r\nabcd\r\n00A\r\n0123456789\r\n0\r\nSum: 1\r\n\r\n",
           false, HTTP_GET,
           "POST / at x 2 100\nhost=x;transfer-encoding=Chunked;data abcd0123456789\nend 1\n");
}

TEST(pipelined_requests_are_read_one_by_one) {
    expect("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
           "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
           "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n",
           false, HTTP_GET,
           "GET /1 at x 0 100\nhost=x;end 0\n"
           "POST /2 at x 1 100\nhost=x;content-length=2;data hi\nend 0\n"
           "GET /3 at x 0 100\nhost=x;end 0\n");
}

TEST(responses_are_read) {
    expect("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true, HTTP_GET,
           "200 OK 1 1\ncontent-length=2;data hi\nend 0\n");
    expect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204\r\n\r\n", true, HTTP_POST,
           "100 Continue 0 1\n204  0 1\nend 0\n");
    expect("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true, HTTP_HEAD,
           "200 OK 0 1\ncontent-length=9;end 0\n");
    expect("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", true, HTTP_GET,
           "304 Not Modified 0 1\ncontent-length=9;end 0\n");
    expect("HTTP/1.0 200 OK\r\n\r\nall of it", true, HTTP_GET, "200 OK 3 0\ndata all of it");
    expect("HTTP/1.1 101 Switching Protocols\r\n\r\nxyz", true, HTTP_GET,
           "101 Switching Protocols 4 1\n");
}

TEST(what_can_be_read_in_two_ways_is_refused) {
#define HEAD "POST / HTTP/1.1\r\nHost: x\r\n"
    static const struct {
        const char *input;
        unsigned status;
    } cases[] = {
        {HEAD "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked, identity\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: xchunked\r\n\r\n", 501},
        {HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {HEAD "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 501},
        {HEAD "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: gzip, chunked, chunked\r\n\r\n", 400},
        {HEAD "Transfer-Encoding: chunked,\r\n\r\n", 400},
        {HEAD "Transfer-Encoding:\r\n\r\n", 400},
        {HEAD "Content-Length: 5,,5\r\n\r\n", 400},
        {HEAD "Content-Length: 5,\r\n\r\n", 400},
        {HEAD "Content-Length: ,5\r\n\r\n", 400},
        {"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {HEAD "Transfer-Encoding:\x0b"
              "chunked\r\n\r\n",
         400},
        {HEAD "Transfer-Encoding : chunked\r\n\r\n", 400},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {HEAD "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400},
        {HEAD "Content-Length: 3, 4\r\n\r\n", 400},
        {HEAD "Content-Length: +3\r\n\r\n", 400},
        {HEAD "Content-Length: 0x3\r\n\r\n", 400},
        {HEAD "Content-Length: \r\n\r\n", 400},
        {HEAD "Content-Length: 99999999999999999999\r\n\r\n", 400},
        {HEAD "Content-Length: 999999999999\r\n\r\n", 413},
        {HEAD "A: b\n\r\n", 400},
        {HEAD "A: b\r\r\n\r\n", 400},
        {HEAD "A: b\r\n c\r\n\r\n", 400},
        {HEAD "\rA: b\r\n\r\n", 400},
        {HEAD ": b\r\n\r\n", 400},
        {HEAD "A\r\n\r\n", 400},
        {HEAD "A(: b\r\n\r\n", 400},
        {HEAD "Host: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", 400},
        {"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", 400},
        {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
        {"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 1\r\n\r\n", 400},
        {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"\x16\x03\x01", 400},
        {HEAD "Expect: wonders\r\n\r\n", 417},
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"
        {CHUNKED "g\r\n", 400},
        {CHUNKED "\r\n", 400},
        {CHUNKED "-1\r\n", 400},
        {CHUNKED "0x1\r\na\r\n", 400},
        {CHUNKED "1 \r\na\r\n", 400},
        {CHUNKED "1\na\r\n", 400},
        {CHUNKED "1\r\nab\r\n", 400},
        {CHUNKED "1\r\na\n", 400},
        {CHUNKED "10000000000000000\r\n", 400},
        {CHUNKED "ffffffffffffffff\r\n", 413},
        {CHUNKED "0\r\nContent-Length: 1\r\n\r\n", 400},
        {CHUNKED "0\r\nA b\r\n\r\n", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct trace t = run_all_n(cases[i].input, strlen(cases[i].input), false, HTTP_GET, NULL);
        if (t.code == 0) FAIL("let through: %s", cases[i].input);
        if (t.status != cases[i].status) FAIL("status %u for: %s", t.status, cases[i].input);
        buf_free(&t.text);
    }
    static const char nul[] = HEAD "A: b\0c\r\n\r\n";
    struct trace t = run_all_n(nul, sizeof nul - 1, false, HTTP_GET, NULL);
    CHECK_ERR(t.code, ERR_SYNTAX);
    buf_free(&t.text);
}

TEST(limits_hold_at_their_edge) {
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.head_bytes = 64;
    limits.target_bytes = 10;
    limits.fields = 2;
    limits.body_bytes = 4;
    limits.chunk_line = 8;
    static const struct {
        const char *input;
        unsigned status; /* 0: let through */
    } cases[] = {
        {"GET /345678901 HTTP/1.1\r\nHost: x\r\n\r\n", 0},
        {"GET /3456789012 HTTP/1.1\r\nHost: x\r\n\r\n", 414},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: 67890123456789012345678901234567\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: 678901234567890123456789012345678\r\n\r\n", 431},
        {"GET /67890123456789012345678901234567890123456789012345678901234567890", 414},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n", 0},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\n\r\n", 431},
        {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd", 0},
        {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", 413},
        {"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4;2345\r\nabcd\r\n", 0},
        {"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4;23456\r\nabcd\r\n", 400},
        {"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\n", 413},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct trace t =
            run_all_n(cases[i].input, strlen(cases[i].input), false, HTTP_GET, &limits);
        if (t.status != cases[i].status) FAIL("status %u for: %s", t.status, cases[i].input);
        buf_free(&t.text);
    }
}

TEST(what_is_written_is_read_back) {
    struct arena a;
    struct buf out;
    struct error why;
    arena_init(&a, 0);
    buf_init(&out, 0);
    struct http_request q = {.method = HTTP_POST,
                             .version = HTTP_1_1,
                             .authority = BYTES_LIT("h:1"),
                             .path = BYTES_LIT("/x"),
                             .body = HTTP_BODY_STREAM,
                             .keep_alive = true};
    CHECK_OK(http_fields_add(&q.fields, &a, BYTES_LIT("X-Y"), BYTES_LIT("z"), &why), &why);
    CHECK_OK(http_fields_add(&q.fields, &a, BYTES_LIT("Content-Length"), BYTES_LIT("9"), &why),
             &why);
    CHECK_OK(http1_write_request(&out, &q, &why), &why);
    http1_write_chunk(&out, BYTES_LIT("0123456789abcdef!"));
    http1_write_chunk(&out, BYTES_LIT(""));
    CHECK_OK(http1_write_last_chunk(&out, &q.fields, &why), &why);
    CHECK_BYTES(
        buf_view(&out),
        BYTES_LIT("POST /x HTTP/1.1\r\nhost: h:1\r\nx-y: z\r\ntransfer-encoding: chunked\r\n"
                  "\r\n11\r\n0123456789abcdef!\r\n0\r\nx-y: z\r\n\r\n"));
    buf_clear(&out);
    q.path = BYTES_LIT("/a b");
    CHECK_ERR(http1_write_request(&out, &q, &why), ERR_INVALID);
    CHECK_U64(out.n, 0);
    struct http_response r = {.status = 200, .version = HTTP_1_1, .keep_alive = true};
    CHECK_OK(http1_write_response(&out, &r, HTTP_GET, &why), &why);
    r = (struct http_response){.status = 204, .version = HTTP_1_1};
    CHECK_OK(http1_write_response(&out, &r, HTTP_GET, &why), &why);
    r = (struct http_response){
        .status = 200, .version = HTTP_1_1, .body = HTTP_BODY_LENGTH, .content_length = 7};
    CHECK_OK(http1_write_response(&out, &r, HTTP_HEAD, &why), &why);
    CHECK_BYTES(buf_view(&out),
                BYTES_LIT("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
                          "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"
                          "HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\n"));
    buf_clear(&out);
    struct http_field bad = {BYTES_LIT("a"), BYTES_LIT("b\r\nc: d"), 0, false};
    CHECK_OK(http_fields_push(&r.fields, &a, &bad, &why), &why);
    CHECK_ERR(http1_write_response(&out, &r, HTTP_GET, &why), ERR_INVALID);
    buf_free(&out);
    arena_free(&a);
}

TEST(an_empty_line_leaves_the_connection_idle) {
    struct arena a;
    struct http1_parser p;
    struct http1_event ev;
    struct error why;
    arena_init(&a, 0);
    http1_request_init(&p, &a, NULL);
    struct bytes cr = BYTES_LIT("\r"), lf = BYTES_LIT("\n");
    CHECK_OK(http1_next(&ev, &p, &cr, &why), &why);
    CHECK(!http1_is_idle(&p));
    CHECK_OK(http1_next(&ev, &p, &lf, &why), &why);
    CHECK(http1_is_idle(&p));
    CHECK_OK(http1_finish(&p, &why), &why);
    struct bytes request = BYTES_LIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_OK(http1_next(&ev, &p, &request, &why), &why);
    CHECK_U64(ev.type, HTTP1_REQUEST);
    http1_parser_free(&p);
    arena_free(&a);
}

static void refused(const char *input, bool response, const struct http_limits *limits, int code) {
    struct trace t = run_all_n(input, strlen(input), response, HTTP_GET, limits);
    if (t.code != code) FAIL("%s for: %s", error_name(t.code), input);
    buf_free(&t.text);
}

TEST(responses_without_a_body_tell_no_length) {
    refused("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", true, NULL, ERR_INVALID);
    refused("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", true, NULL, 0);
    refused("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", true, NULL,
            ERR_INVALID);
    refused("HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n", true, NULL, ERR_INVALID);
    refused("HTTP/1.1 101 Switching Protocols\r\nContent-Length: 1\r\n\r\n", true, NULL,
            ERR_INVALID);
    refused("HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n", true, NULL,
            ERR_INVALID);
}

TEST(responses_have_limits) {
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    struct buf b;
    limits.head_bytes = 64;
    limits.fields = 2;
    limits.body_bytes = 4;
    refused("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, &limits, ERR_LIMIT);
    refused("HTTP/1.1 200 OK\r\n\r\nabcde", true, &limits, ERR_LIMIT);
    refused("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n", true, &limits, ERR_LIMIT);
    refused("HTTP/1.1 200 OK\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", true, &limits, ERR_LIMIT);
    refused("HTTP/1.1 200 a reason that goes on and on and on and on and on and on and on", true,
            &limits, ERR_LIMIT);
    buf_init(&b, 0);
    for (int i = 0; i < 16; i++) {
        buf_append_str(&b, "HTTP/1.1 103 Early Hints\r\n\r\n");
    }
    size_t interim = b.n;
    buf_append_str(&b, "HTTP/1.1 204 No Content\r\n\r\n");
    struct trace t = run_all_n((const char *)b.p, b.n, true, HTTP_GET, NULL);
    CHECK_ERR(t.code, 0);
    buf_free(&t.text);
    b.n = interim;
    buf_append_str(&b, "HTTP/1.1 103 Early Hints\r\n\r\n");
    t = run_all_n((const char *)b.p, b.n, true, HTTP_GET, NULL);
    CHECK_ERR(t.code, ERR_LIMIT);
    buf_free(&t.text);
    buf_free(&b);
}

TEST(extensions_and_trailers_have_limits) {
    struct http_limits limits = HTTP_LIMITS_DEFAULT;
    limits.head_bytes = 100;
    limits.trailers = 2;
    limits.trailer_bytes = 30;
    struct buf b;
    buf_init(&b, 0);
    for (int extensions = 10; extensions <= 11; extensions++) {
        buf_clear(&b);
        buf_append_str(&b, CHUNKED);
        for (int i = 0; i < extensions; i++) {
            buf_append_str(&b, "1;234567890\r\nx\r\n"); // ten bytes each
        }
        struct trace t = run_all_n((const char *)b.p, b.n, false, HTTP_GET, &limits);
        CHECK_ERR(t.code, extensions == 10 ? 0 : ERR_LIMIT);
        buf_free(&t.text);
    }
    buf_free(&b);
    refused(CHUNKED "0\r\nA: b\r\nA: b\r\n\r\n", false, &limits, 0);
    refused(CHUNKED "0\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", false, &limits, ERR_LIMIT);
    refused(CHUNKED "0\r\nA: 456789012345678901234567890\r\n\r\n", false, &limits, ERR_LIMIT);
    refused(CHUNKED "0\r\nAuthorization: x\r\n\r\n", false, &limits, ERR_INVALID);
}

TEST(a_full_arena_is_a_limit) {
    struct buf b;
    bool worked = false;
    buf_init(&b, 0);
    buf_append_str(&b, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n");
    for (int i = 0; i < 40; i++) {
        buf_append_str(&b, "A: b\r\n");
    }
    buf_append_str(&b, "\r\n0\r\nA: b\r\n\r\n");
    for (size_t limit = 16; limit < 8000; limit += 16) {
        struct arena a;
        struct http1_parser p;
        struct http1_event ev;
        struct error why;
        struct bytes in = buf_view(&b);
        int r = 0;
        arena_init(&a, limit);
        http1_request_init(&p, &a, NULL);
        for (int i = 0; i < 2 && r == 0; i++) {
            r = http1_next(&ev, &p, &in, &why);
        }
        CHECK(r == 0 ? ev.type == HTTP1_END : r == ERR_LIMIT && !worked);
        if (r < 0) CHECK_U64(http1_status_of_error(&p, r), 431);
        worked = r == 0;
        http1_parser_free(&p);
        arena_free(&a);
    }
    CHECK(worked);
    buf_free(&b);
}

TEST(http_1_0_is_written) {
    struct buf out;
    struct error why;
    buf_init(&out, 0);
    struct http_request q = {.method = HTTP_GET,
                             .version = HTTP_1_0,
                             .authority = BYTES_LIT("h"),
                             .path = BYTES_LIT("/")};
    CHECK_OK(http1_write_request(&out, &q, &why), &why);
    q.keep_alive = true;
    CHECK_OK(http1_write_request(&out, &q, &why), &why);
    CHECK_BYTES(buf_view(&out),
                BYTES_LIT("GET / HTTP/1.0\r\nhost: h\r\nconnection: close\r\n\r\n"
                          "GET / HTTP/1.0\r\nhost: h\r\nconnection: keep-alive\r\n\r\n"));
    buf_clear(&out);
    q.body = HTTP_BODY_STREAM;
    CHECK_ERR(http1_write_request(&out, &q, &why), ERR_INVALID);
    struct http_response r = {.status = 200, .version = HTTP_1_0, .body = HTTP_BODY_CLOSE};
    CHECK_OK(http1_write_response(&out, &r, HTTP_GET, &why), &why);
    CHECK_BYTES(buf_view(&out), BYTES_LIT("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"));
    r.body = HTTP_BODY_STREAM;
    buf_clear(&out);
    CHECK_ERR(http1_write_response(&out, &r, HTTP_GET, &why), ERR_INVALID);
    buf_free(&out);
}

TEST(every_known_field_is_told_by_its_name) {
    for (unsigned id = 1; id < HTTP_FIELD_COUNT; id++) {
        char text[32] = "";
        struct bytes name = http_field_name((enum http_field_id)id);
        memcpy(text, name.p, name.n);
        CHECK_U64(http_field_id_of(bytes_from_str(text)), id);
        text[name.n - 1] ^= 1;
        CHECK_U64(http_field_id_of(bytes_from_str(text)), HTTP_FIELD_OTHER);
        CHECK_U64(http_field_id_of(bytes_make(text, name.n - 1)), HTTP_FIELD_OTHER);
    }
    CHECK_U64(http_field_id_of(BYTES_LIT("")), HTTP_FIELD_OTHER);
    CHECK_U64(http_field_id_of(BYTES_LIT("a-name-longer-than-any-known")), HTTP_FIELD_OTHER);
}

TEST(a_borrowed_list_changes_apart_from_its_origin) {
    struct arena a = {0};
    struct error why;
    struct http_fields from = {0}, f;
    char name[] = "x-00";
    for (unsigned i = 0; i < HTTP_FIELDS_MAX - 1; i++) {
        name[2] = (char)('a' + i / 26), name[3] = (char)('a' + i % 26);
        CHECK_OK(http_fields_add(&from, &a, bytes_from_str(name), BYTES_LIT("1"), &why), &why);
    }
    CHECK_OK(http_fields_borrow(&f, &a, &from, &why), &why);
    CHECK(f.item[0].value.p == from.item[0].value.p);
    http_fields_remove(&f, BYTES_LIT("x-aa"));
    CHECK_OK(http_fields_add(&f, &a, BYTES_LIT("te"), BYTES_LIT("2"), &why), &why);
    CHECK_OK(http_fields_add(&f, &a, BYTES_LIT("via"), BYTES_LIT("3"), &why), &why);
    CHECK_ERR(http_fields_add(&f, &a, BYTES_LIT("etag"), BYTES_LIT("4"), &why), ERR_LIMIT);
    CHECK_U64(from.count, HTTP_FIELDS_MAX - 1);
    CHECK_BYTES(from.item[0].name, BYTES_LIT("x-aa"));
    CHECK(!http_has(&from, HTTP_FIELD_TE));
    CHECK_BYTES(http_get(&f, HTTP_FIELD_VIA), BYTES_LIT("3"));
    arena_free(&a);
}

TEST(hop_by_hop_fields_are_removed) {
    struct arena a;
    struct error why;
    struct http_fields f = {0};
    arena_init(&a, 0);
    static const char *const fields[][2] = {
        {"Connection", "close, X-One"}, {"X-One", "1"},  {"X-Two", "2"}, {"TE", "trailers"},
        {"Connection", "x-three"},      {"X-Three", "3"}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        CHECK_OK(http_fields_add(&f, &a, bytes_from_str(fields[i][0]), bytes_from_str(fields[i][1]),
                                 &why),
                 &why);
    }
    http_fields_remove_hop_by_hop(&f);
    CHECK_U64(f.count, 1);
    CHECK_BYTES(f.item[0].value, BYTES_LIT("2"));
    CHECK(!http_has(&f, HTTP_FIELD_CONNECTION));
    arena_free(&a);
}

TEST_MAIN()
