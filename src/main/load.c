/* `buildernet load`. SPDX-License-Identifier: MIT */
#include "load/load.h"

#include "main/program.h"

static int run(struct config *config, void *values) {
    (void)config;
    return load_run(values);
}

int load_main(int argc, char **argv) {
    struct load_settings values;
    return config_main(&load_program, &values, argc, argv, run);
}
