/* `buildernet orderflow`: serves; tells what requests are, and where an order went.
 * SPDX-License-Identifier: MIT */
#include "orderflow/orderflow.h"
#include "main/program.h"

#include <stdio.h>

static int fail(const struct error *why) {
    fprintf(stderr, "buildernet orderflow: %s\n", why->text);
    return error_class_of(why->code)->exit_status;
}

int orderflow_main(int argc, char **argv) {
    struct config *config;
    struct orderflow_values values;
    struct error why;
    int r = config_load(&config, &orderflow_program, &values, argc, argv, &why);
    if (r != 0) return fail(&why);
    struct bytes text = config_output(config);
    int status = 0;
    if (text.n) {
        (void)fwrite(text.p, 1, text.n, stdout);
    } else if (config_verb_index(config) == ORDERFLOW_VERB_TRACE) {
        struct config_list arguments = config_arguments(config);
        status = orderflow_trace(&values, arguments.items, arguments.count);
    } else {
        status = orderflow_serve(config, &values);
    }
    config_free(config);
    return status;
}
