/* URLs: the parts are inside the text and make it up again; encoding is undone by decoding.
 * SPDX-License-Identifier: MIT */
#include "net/fuzzing.h"
#include "net/http.h"
#include "net/url.h"

static void check_url(struct bytes text) {
    struct url u, again;
    struct buf b;
    if (url_parse(&u, text, NULL) != 0) return;
    if (u.scheme == URL_UNIX) {
        MUST(u.local.n > 0 && u.host.n == 0 && u.port == 0);
        return;
    }
    MUST(http_is_authority(u.authority) && u.host.n > 0 && u.port > 0 && u.port < 65536);
    MUST(u.target.p[0] == '/');
    buf_init(&b, 0);
    buf_append_str(&b, u.tls ? "https://" : "http://");
    buf_append(&b, u.authority);
    buf_append(&b, u.path);
    if (u.path.n < u.target.n) buf_append_byte(&b, '?');
    buf_append(&b, u.query);
    if (b.n <= URL_BYTES_MAX) {
        MUST(url_parse(&again, buf_view(&b), NULL) == 0);
        MUST(bytes_equal(again.host, u.host) && bytes_equal(again.target, u.target));
    }
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    uint8_t *copy = fuzz_copy(bytes_make(data, n));
    struct bytes text = bytes_make(copy, n), out, name, value;
    struct arena a;
    struct buf b;
    arena_init(&a, 1u << 20);
    buf_init(&b, 0);
    check_url(text);
    url_append_encoded(&b, text);
    MUST(url_decode(&out, buf_view(&b), URL_PLUS, &a, NULL) == 0);
    MUST(bytes_equal(out, text));
    (void)!url_decode(&out, text, URL_PLUS | URL_NO_NUL, &a, NULL);
    for (struct bytes rest = text; url_query_next(&name, &value, &rest);) {
        MUST(name.n + value.n <= text.n);
    }
    (void)!url_query_get(&out, text, "a", &a, NULL);
    buf_free(&b);
    arena_free(&a);
    free(copy);
    return 0;
}
