/* `buildernet hub`. SPDX-License-Identifier: MIT */
#include "hub/program.h"
#include "main/program.h"

#include <stdio.h>

int hub_main(int argc, char **argv) {
    struct config *config;
    struct hub_values values;
    struct error why;
    int r = config_load(&config, &hub_program, &values, argc, argv, &why);
    if (r != 0) {
        (void)fprintf(stderr, "buildernet hub: %s\n", why.text);
        return error_class_of(r)->exit_status;
    }
    struct bytes text = config_output(config);
    int status = 0;
    if (text.n) {
        (void)fwrite(text.p, 1, text.n, stdout);
    } else if (config_verb_index(config) == HUB_VERB_MIGRATE) {
        status = hub_migrate_database(&values);
    } else if (config_verb_index(config) == HUB_VERB_SEAL_KEY) {
        status = hub_seal_key(&values, config_arguments(config).items[0]);
    } else {
        status = hub_serve(config, &values);
    }
    config_free(config);
    return status;
}
