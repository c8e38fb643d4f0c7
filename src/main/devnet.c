/* `buildernet devnet`. SPDX-License-Identifier: MIT */
#include "devnet/devnet.h"

#include "main/program.h"

#include <stdio.h>

int devnet_main(int argc, char **argv) {
    struct config *config;
    struct devnet_settings settings;
    struct error why;
    int r = config_load(&config, &devnet_program, &settings, argc, argv, &why);
    if (r == 0 && (r = devnet_check(&settings, &why)) != 0) config_free(config);
    if (r != 0) {
        (void)fprintf(stderr, "buildernet devnet: %s\n", why.text);
        return error_class_of(r)->exit_status;
    }
    struct bytes text = config_output(config);
    int verb = config_verb_index(config);
    int status = 0;
    if (text.n) {
        (void)fwrite(text.p, 1, text.n, stdout);
    } else if (verb == DEVNET_UP) {
        status = devnet_up(&settings);
    } else {
        status = devnet_ask(&settings, (enum devnet_verb)verb, config_arguments(config));
    }
    config_free(config);
    return status;
}
