/* `buildernet send`. SPDX-License-Identifier: MIT */
#include "orderflow/send.h"
#include "main/program.h"

#include <stdio.h>

int send_main(int argc, char **argv) {
    struct config *config;
    struct send_values values;
    struct error why;
    int r = config_load(&config, &send_program, &values, argc, argv, &why);
    if (r != 0) {
        (void)fprintf(stderr, "buildernet send: %s\n", why.text);
        return error_class_of(r)->exit_status;
    }
    struct bytes text = config_output(config);
    int status = 0;
    if (text.n)
        (void)fwrite(text.p, 1, text.n, stdout);
    else
        status = send_run(config, &values);
    config_free(config);
    return status;
}
