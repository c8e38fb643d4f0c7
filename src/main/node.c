/* `buildernet node`. SPDX-License-Identifier: MIT */
#include "node/node.h"

#include "main/program.h"
#include "node/chain_file.h"
#include "node/snapshot_verbs.h"

#include <stdio.h>

static int print_genesis(const struct node_values *values) {
    struct error why;
    struct buf text;
    buf_init(&text, 0);
    int r = genesis_write_dev(&text, (unsigned)values->dev_accounts, &why);
    if (r == 0) {
        (void)fwrite(text.p, 1, text.n, stdout);
    } else {
        (void)fprintf(stderr, "buildernet node: %s\n", why.text);
    }
    buf_free(&text);
    return r == 0 ? 0 : error_class_of(r)->exit_status;
}

int node_main(int argc, char **argv) {
    struct config *config;
    struct node_values values;
    struct error why;
    int r = config_load(&config, &node_program, &values, argc, argv, &why);
    if (r == 0 && !config_output(config).n && (r = node_values_check(&values, &why)) != 0) {
        config_free(config);
    }
    if (r != 0) {
        (void)fprintf(stderr, "buildernet node: %s\n", why.text);
        return error_class_of(r)->exit_status;
    }
    struct bytes text = config_output(config);
    int status = 0;
    if (text.n) {
        (void)fwrite(text.p, 1, text.n, stdout);
    } else if (config_verb_index(config) == NODE_VERB_GENESIS) {
        status = print_genesis(&values);
    } else if (config_verb_index(config) >= 0) {
        status = node_snapshot(&values, config_verb_index(config) == NODE_VERB_EXPORT,
                               config_arguments(config).items[0]);
    } else {
        status = node_serve(config, &values);
    }
    config_free(config);
    return status;
}
