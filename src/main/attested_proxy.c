/* `buildernet attested-proxy`. SPDX-License-Identifier: MIT */
#include "attested_proxy/attested_proxy.h"

#include "main/program.h"

#include <stdio.h>

int attested_proxy_main(int argc, char **argv) {
    struct proxy_settings settings;
    struct error why = {0};
    if (proxy_settings_load(&settings, argc, argv, &why) < 0) {
        (void)fprintf(stderr, "buildernet attested-proxy: %s\n", why.text);
        return error_class_of(why.code)->exit_status;
    }
    struct bytes text = config_output(settings.config);
    if (text.n) {
        (void)fwrite(text.p, 1, text.n, stdout);
        proxy_settings_free(&settings);
        return 0;
    }
    if (settings.verb == PROXY_GET_CERTIFICATE) return attested_proxy_get_certificate(&settings);
    return attested_proxy_serve(&settings);
}
