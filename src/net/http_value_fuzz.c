/* Values of header fields: lists, authorities, lengths, dates, credentials, Forwarded, codings,
 * server-sent events, compressed bodies. SPDX-License-Identifier: MIT */
#include "net/auth.h"
#include "net/coding.h"
#include "net/forwarded.h"
#include "net/fuzzing.h"
#include "net/http_date.h"
#include "net/sse.h"

static void check_date(struct bytes text) {
    uint64_t t, again;
    char written[HTTP_DATE_BYTES];
    if (http_date_parse(&t, text, 1700000000, NULL) != 0 || t > HTTP_DATE_MAX) return;
    http_date_write(written, t);
    MUST(http_date_parse(&again, bytes_make(written, sizeof written), 1700000000, NULL) == 0);
    MUST(again == t);
}

static void check_fields(struct bytes text, struct arena *a) {
    struct http_fields f = {0};
    struct socket_address peer, client;
    struct socket_block all;
    enum coding coding;
    uint64_t length;
    if (!http_is_field_value(text)) return;
    MUST(socket_block_parse(&all, BYTES_LIT("0.0.0.0/0"), NULL) == 0);
    MUST(socket_address_parse(&peer, BYTES_LIT("10.0.0.1:1"), 0, NULL) == 0);
    static const char *const names[] = {"content-length", "content-encoding", "connection",
                                        "forwarded", "x-forwarded-for"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (i == 4) http_fields_remove(&f, BYTES_LIT("forwarded"));
        if (http_fields_add(&f, a, bytes_from_str(names[i]), text, NULL) != 0) return;
        forwarded_client(&client, &peer, &f, &all, 1);
    }
    (void)!http_parse_length(&length, &f, NULL);
    (void)!coding_of(&coding, &f, NULL);
    http_fields_remove_hop_by_hop(&f);
    MUST(!http_has(&f, HTTP_FIELD_CONNECTION));
}

static void check_credentials(struct bytes text) {
    struct auth_basic b;
    struct bytes token;
    struct buf out;
    (void)!auth_bearer(&token, text, NULL);
    if (auth_basic_parse(&b, text, NULL) != 0) return;
    buf_init(&out, 0);
    struct auth_basic again;
    MUST(auth_basic_write(&out, b.user, b.password, NULL) == 0);
    MUST(auth_basic_parse(&again, buf_view(&out), NULL) == 0);
    MUST(bytes_equal(again.user, b.user) && bytes_equal(again.password, b.password));
    auth_basic_free(&again);
    auth_basic_free(&b);
    buf_free(&out);
}

static void check_stream(struct bytes text) {
    struct sse_reader r;
    struct sse_event ev;
    struct buf out;
    sse_reader_init(&r, 1000);
    while (sse_next(&ev, &r, &text, NULL) > 0) {
        buf_init(&out, 0);
        MUST(sse_write(&out, ev.type, ev.id, ev.data, NULL) == 0);
        buf_free(&out);
    }
    sse_reader_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    uint8_t *copy = fuzz_copy(bytes_make(data, n));
    struct bytes text = bytes_make(copy, n), element;
    struct arena a;
    struct buf out;
    arena_init(&a, 1u << 20);
    for (struct bytes rest = text; http_list_next(&element, &rest);) {
        MUST(element.n > 0 && element.p >= text.p && element.p + element.n <= text.p + text.n);
    }
    (void)http_is_authority(text);
    check_date(text);
    check_fields(text, &a);
    check_credentials(text);
    check_stream(text);
    for (int coding = CODING_GZIP; coding <= CODING_DEFLATE; coding++) {
        buf_init(&out, 0);
        (void)!coding_decode(&out, text, (enum coding)coding, 10000, NULL);
        MUST(out.n <= 10000);
        buf_free(&out);
    }
    arena_free(&a);
    free(copy);
    return 0;
}
