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

static int run(struct config *config, void *values) {
    int verb = config_verb_index(config);
    if (verb < 0) return node_serve(config, values);
    if (verb == NODE_VERB_GENESIS) return print_genesis(values);
    return node_snapshot(values, verb == NODE_VERB_EXPORT, config_arguments(config).items[0]);
}

int node_main(int argc, char **argv) {
    struct node_values values;
    return config_main(&node_program, &values, argc, argv, run);
}
