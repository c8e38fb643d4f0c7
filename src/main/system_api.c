/* `buildernet system-api`. SPDX-License-Identifier: MIT */
#include "system_api/system_api.h"

#include "main/program.h"

#include <stdio.h>

int system_api_main(int argc, char **argv) {
    struct settings settings;
    struct error why;
    if (settings_load(&settings, argc, argv, &why) != 0) {
        (void)fprintf(stderr, "buildernet system-api: %s\n", why.text);
        return 1;
    }
    struct bytes text = config_output(settings.config);
    if (text.n) {
        (void)fwrite(text.p, 1, text.n, stdout);
        settings_free(&settings);
        return 0;
    }
    if (config_verb_index(settings.config) < 0) return system_api_serve(&settings);
    int status = system_api_ask(&settings);
    settings_free(&settings);
    return status;
}
