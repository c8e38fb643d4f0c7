/* The verbs snapshot-export and snapshot-import. SPDX-License-Identifier: MIT */
#ifndef NODE_SNAPSHOT_VERBS_H
#define NODE_SNAPSHOT_VERBS_H

#include "node/settings.h"

/* node_snapshot carries out a verb with a file ("-": standard output or input). Progress goes to
 * standard error, and as lines to --progress-fifo. Gives the exit status. */
int node_snapshot(const struct node_values *values, bool export, const char *file);

#endif
