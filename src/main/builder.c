/* `buildernet builder`. SPDX-License-Identifier: MIT */
#include "builder/app.h"
#include "main/program.h"

#include <stdio.h>

int builder_main(int argc, char **argv) {
    struct config *config;
    struct builder_values values;
    struct error why;
    int r = config_load(&config, &builder_program, &values, argc, argv, &why);
    if (r != 0) {
        (void)fprintf(stderr, "buildernet builder: %s\n", why.text);
        return error_class_of(r)->exit_status;
    }
    struct bytes text = config_output(config);
    int status = 0;
    if (text.n) {
        (void)fwrite(text.p, 1, text.n, stdout);
    } else {
        status = app_run(config, &values);
    }
    config_free(config);
    return status;
}
