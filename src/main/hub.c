/* `buildernet hub`. SPDX-License-Identifier: MIT */
#include "hub/program.h"
#include "main/program.h"

static int run(struct config *config, void *values) {
    switch (config_verb_index(config)) {
    case HUB_VERB_MIGRATE:
        return hub_migrate_database(values);
    case HUB_VERB_SEAL_KEY:
        return hub_seal_key(values, config_arguments(config).items[0]);
    default:
        return hub_serve(config, values);
    }
}

int hub_main(int argc, char **argv) {
    struct hub_values values;
    return config_main(&hub_program, &values, argc, argv, run);
}
