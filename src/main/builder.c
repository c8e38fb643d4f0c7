/* `buildernet builder`. SPDX-License-Identifier: MIT */
#include "builder/app.h"
#include "main/builder_tools.h"
#include "main/program.h"

#include <stdio.h>
#include <string.h>

int builder_main(int argc, char **argv) {
    struct config *config;
    struct builder_values values;
    struct error why;
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "backtest") == 0) return builder_backtest(argc - 1, argv + 1, false);
    if (strcmp(verb, "explain") == 0) return builder_backtest(argc - 1, argv + 1, true);
    if (strcmp(verb, "refunds") == 0) return builder_refunds(argc - 1, argv + 1);
    if (strcmp(verb, "order") == 0) return builder_order(argc - 1, argv + 1);
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
