/* Settings outlive the place they were read to. SPDX-License-Identifier: MIT */
#include "attested_proxy/settings.h"
#include "test/harness/test.h"

#include <stdlib.h>

static const char *const arguments[] = {
    "attested-proxy",     "server",      "--target-addr",      "127.0.0.1:1",
    "--listen-addr",      "127.0.0.1:2", "--allow-unattested", "--quote-token",
    "token of a service", NULL};
#define COUNT ((int)(sizeof arguments / sizeof arguments[0]) - 1)

// Two reloads, each read to a place that is gone afterwards, as a stack's is.
TEST(settings_are_reloaded_again_and_again) {
    struct proxy_settings kept = {0}, *read = malloc(sizeof *read);
    struct error why = {0};
    struct buf changes;
    CHECK(read != NULL);
    CHECK_OK(proxy_settings_load(read, COUNT, (char **)(uintptr_t)arguments, &why), &why);
    proxy_settings_move(&kept, read);
    for (int i = 0; i < 2; i++) {
        memset(read, 0xff, sizeof *read);
        buf_init(&changes, 64u << 10);
        CHECK_OK(proxy_settings_reload(read, &kept, &changes, &why), &why);
        CHECK_U64(changes.n, 0);
        proxy_settings_free(&kept);
        proxy_settings_move(&kept, read);
        CHECK_STR(kept.values.listen_addr, "127.0.0.1:2");
        CHECK_STR(kept.values.target_addr, "127.0.0.1:1");
        CHECK_U64(kept.values.attested.quote_token.n, strlen("token of a service"));
        buf_free(&changes);
    }
    memset(read, 0xff, sizeof *read);
    free(read);
    proxy_settings_free(&kept);
}

TEST_MAIN()
