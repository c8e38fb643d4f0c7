/* Run: the sending itself, and watching what lands. SPDX-License-Identifier: MIT */
#ifndef LOAD_RUN_H
#define LOAD_RUN_H

#include "load/world.h"

/* run_load sends the scenario at its rate and measures. result is zeroed by the caller.
 * progress  called each second with a line; NULL: silence. A SIGINT or SIGTERM ends the sending;
 * what was sent is still watched. errors    ERR_UNSUPPORTED (bundles without --orders-url), ERR_IO,
 * ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int run_load(struct load_result *ret, struct world *w,
                                         void (*progress)(const char *line), struct error *why);

#endif
