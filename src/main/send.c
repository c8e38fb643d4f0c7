/* `buildernet send`. SPDX-License-Identifier: MIT */
#include "orderflow/send.h"
#include "main/program.h"

static int run(struct config *config, void *values) {
    return send_run(config, values);
}

int send_main(int argc, char **argv) {
    struct send_values values;
    return config_main(&send_program, &values, argc, argv, run);
}
