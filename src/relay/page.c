/* The page. Its one file is part of the program. SPDX-License-Identifier: MIT */
#include "relay/page_file.h"
#include "relay/relay.h"

void relay_on_page(struct exchange *x, void *context) {
    (void)context;
    (void)exchange_add_header(x, "Cache-Control", BYTES_LIT("no-cache"));
    (void)exchange_add_header(x, "Content-Security-Policy",
                              BYTES_LIT("default-src 'none'; style-src 'unsafe-inline'; script-src "
                                        "'unsafe-inline'; connect-src 'self'; img-src data:; "
                                        "base-uri 'none'; form-action 'none'"));
    (void)exchange_add_header(x, "X-Content-Type-Options", BYTES_LIT("nosniff"));
    exchange_respond_text(x, 200, "text/html; charset=utf-8",
                          bytes_make(relay_page_file, relay_page_file_bytes));
}
