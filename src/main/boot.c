/* `buildernet boot`. SPDX-License-Identifier: MIT */
#include "boot/boot.h"

#include "main/program.h"

static int run(struct config *config, void *values) {
    switch (config_verb_index(config)) {
    case BOOT_VERB_CHECK:
        return boot_check(values);
    case BOOT_VERB_RENDER:
        return boot_render(values, config_arguments(config).items[0]);
    default:
        return boot_serve(values);
    }
}

int boot_main(int argc, char **argv) {
    struct boot_settings values;
    return config_main(&boot_program, &values, argc, argv, run);
}
