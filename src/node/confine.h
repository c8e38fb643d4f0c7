/* What a running node gives up: files, system calls, its user. SPDX-License-Identifier: MIT */
#ifndef NODE_CONFINE_H
#define NODE_CONFINE_H

#include "base/log.h"
#include "node/settings.h"

/* node_confine makes the data folder and leaves the process what the settings name. Before other
 * threads are made. file  of the settings, read again on reload; NULL: none.  errors  ERR_NOT_FOUND
 * (no such user), ERR_IO. */
[[gnu::warn_unused_result]] int node_confine(const struct node_values *values, const char *file,
                                             struct log *log, struct error *why);

#endif
