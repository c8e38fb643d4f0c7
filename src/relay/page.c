/* The page. Its files are part of the program. SPDX-License-Identifier: MIT */
#include "relay/page_file.h"
#include "relay/relay.h"

/* Everything comes from here, no script or style stands in the page, and none of its code can write
 * markup: what builders send is only ever text. */
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for "      \
    "'script'; trusted-types 'none'"

static const struct {
    const char *name, *type;
    const unsigned char *data;
    const size_t *size;
} files[] = {
    {"index.html", "text/html; charset=utf-8", relay_page_index, &relay_page_index_bytes},
    {"page.js", "text/javascript; charset=utf-8", relay_page_page, &relay_page_page_bytes},
    {"style.css", "text/css; charset=utf-8", relay_page_style, &relay_page_style_bytes},
};

void relay_on_page(struct exchange *x, void *context) {
    struct bytes name = exchange_param(x, "file");
    (void)context;
    if (!name.p) name = BYTES_LIT("index.html");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (!bytes_equal_str(name, files[i].name)) continue;
        (void)exchange_add_header(x, "Cache-Control", BYTES_LIT("no-cache"));
        (void)exchange_add_header(x, "Content-Security-Policy", BYTES_LIT(POLICY));
        (void)exchange_add_header(x, "X-Content-Type-Options", BYTES_LIT("nosniff"));
        (void)exchange_add_header(x, "Referrer-Policy", BYTES_LIT("no-referrer"));
        exchange_respond_text(x, 200, files[i].type, bytes_make(files[i].data, *files[i].size));
        return;
    }
    relay_refuse(x, 404, "there is no such file");
}
