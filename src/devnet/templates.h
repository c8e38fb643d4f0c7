/* Templates: the files that a node's boot renders, as the node image ships them (packaging/node),
 * inside the program, so that a devnet needs nothing but the program.
 * SPDX-License-Identifier: MIT */
#ifndef DEVNET_TEMPLATES_H
#define DEVNET_TEMPLATES_H

#include "base/bytes.h"

struct node_template {
    const char *path; /* below the templates folder */
    struct bytes content;
};

/* node_templates gives the i-th, false behind the last. */
bool node_templates(size_t i, struct node_template *ret);

/* archive_tables: the statements of examples/clickhouse.sql. */
struct bytes archive_tables(void);

/* beacon_bridge, lodestar_preload: the scripts of packaging/devnet. */
struct bytes beacon_bridge(void);
struct bytes lodestar_preload(void);

#endif
