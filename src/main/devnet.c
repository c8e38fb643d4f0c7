/* `buildernet devnet`. SPDX-License-Identifier: MIT */
#include "devnet/devnet.h"

#include "main/program.h"

static int run(struct config *config, void *values) {
    int verb = config_verb_index(config);
    return verb == DEVNET_UP ? devnet_up(values)
                             : devnet_ask(values, (enum devnet_verb)verb, config_arguments(config));
}

int devnet_main(int argc, char **argv) {
    struct devnet_settings values;
    return config_main(&devnet_program, &values, argc, argv, run);
}
