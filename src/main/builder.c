/* `buildernet builder`. SPDX-License-Identifier: MIT */
#include "builder/app.h"
#include "main/program.h"

static int run(struct config *config, void *values) {
    return app_run(config, values);
}

int builder_main(int argc, char **argv) {
    struct builder_values values;
    return config_main(&builder_program, &values, argc, argv, run);
}
