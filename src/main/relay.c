/* `buildernet relay`. SPDX-License-Identifier: MIT */
#include "main/program.h"
#include "relay/program.h"

#include <stdio.h>

int relay_main(int argc, char **argv) {
    struct config *config;
    struct relay_values values;
    struct error why;
    int r = config_load(&config, &relay_program, &values, argc, argv, &why);
    if (r != 0) {
        (void)fprintf(stderr, "buildernet relay: %s\n", why.text);
        return error_class_of(r)->exit_status;
    }
    struct bytes text = config_output(config);
    int status = 0;
    if (text.n) {
        (void)fwrite(text.p, 1, text.n, stdout);
    } else if (config_verb_index(config) == RELAY_VERB_PUBKEY) {
        status = relay_show_pubkey(&values);
    } else {
        status = relay_serve(config, &values);
    }
    config_free(config);
    return status;
}
