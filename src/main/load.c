/* `buildernet load`. SPDX-License-Identifier: MIT */
#include "load/load.h"

#include "main/program.h"

#include <stdio.h>

int load_main(int argc, char **argv) {
    struct config *config;
    struct load_settings settings;
    struct error why;
    int r = config_load(&config, &load_program, &settings, argc, argv, &why);
    if (r != 0) {
        (void)fprintf(stderr, "buildernet load: %s\n", why.text);
        return error_class_of(r)->exit_status;
    }
    struct bytes text = config_output(config);
    int status = 0;
    if (text.n) {
        (void)fwrite(text.p, 1, text.n, stdout);
    } else {
        status = load_run(&settings);
    }
    config_free(config);
    return status;
}
