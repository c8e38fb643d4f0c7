/* `buildernet relay`. SPDX-License-Identifier: MIT */
#include "main/program.h"
#include "relay/program.h"

static int run(struct config *config, void *values) {
    return config_verb_index(config) == RELAY_VERB_PUBKEY ? relay_show_pubkey(values)
                                                          : relay_serve(config, values);
}

int relay_main(int argc, char **argv) {
    struct relay_values values;
    return config_main(&relay_program, &values, argc, argv, run);
}
