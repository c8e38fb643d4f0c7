/* `buildernet orderflow`: serves; tells what requests are, and where an order went.
 * SPDX-License-Identifier: MIT */
#include "orderflow/orderflow.h"
#include "main/program.h"

static int run(struct config *config, void *values) {
    if (config_verb_index(config) != ORDERFLOW_VERB_TRACE) return orderflow_serve(config, values);
    struct config_list arguments = config_arguments(config);
    return orderflow_trace(values, arguments.items, arguments.count);
}

int orderflow_main(int argc, char **argv) {
    struct orderflow_values values;
    return config_main(&orderflow_program, &values, argc, argv, run);
}
