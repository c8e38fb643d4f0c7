/* `buildernet boot`. SPDX-License-Identifier: MIT */
#include "boot/boot.h"

#include "main/program.h"

#include <stdio.h>

int boot_main(int argc, char **argv) {
    struct config *config;
    struct boot_settings settings;
    struct error why;
    int r = config_load(&config, &boot_program, &settings, argc, argv, &why);
    if (r != 0) {
        (void)fprintf(stderr, "buildernet boot: %s\n", why.text);
        return error_class_of(r)->exit_status;
    }
    struct bytes text = config_output(config);
    int status = 0;
    if (text.n) {
        (void)fwrite(text.p, 1, text.n, stdout);
    } else if (config_verb_index(config) == BOOT_VERB_CHECK) {
        status = boot_check(&settings);
    } else if (config_verb_index(config) == BOOT_VERB_RENDER) {
        status = boot_render(&settings, config_arguments(config).items[0]);
    } else {
        status = boot_serve(&settings);
    }
    config_free(config);
    return status;
}
