/* The dashboard: its files as they are. SPDX-License-Identifier: MIT */
#include "devnet/page.h"

#include "devnet/net.h"

#include <string.h>

/* Everything comes from here, no script stands in the page, and none of the page's code can write
 * markup: what the network says is only ever text. */
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for "      \
    "'script'; trusted-types 'none'"

static const struct {
    const char *name;
    const unsigned char *data;
    const size_t *size;
} files[] = {
#define PAGE_ROW_(name, path) {path, page_##name, &page_##name##_bytes},
    PAGE_FILES(PAGE_ROW_)
#undef PAGE_ROW_
};

static const char *type_of(const char *name) {
    const char *end = strrchr(name, '.');
    if (strcmp(end, ".html") == 0) return "text/html; charset=utf-8";
    return strcmp(end, ".css") == 0 ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8";
}

void page_show(struct exchange *x) {
    struct bytes name = exchange_param(x, "file");
    if (!name.p) name = BYTES_LIT("index.html");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (!bytes_equal_str(name, files[i].name)) continue;
        (void)exchange_add_header(x, "cache-control", BYTES_LIT("no-cache"));
        (void)exchange_add_header(x, "content-security-policy", BYTES_LIT(POLICY));
        (void)exchange_add_header(x, "x-content-type-options", BYTES_LIT("nosniff"));
        (void)exchange_add_header(x, "referrer-policy", BYTES_LIT("no-referrer"));
        exchange_respond_text(x, 200, type_of(files[i].name),
                              bytes_make(files[i].data, *files[i].size));
        return;
    }
    exchange_respond_text(x, 404, "text/plain", BYTES_LIT("there is no such file\n"));
}
