/* Verbs of `buildernet builder` that are no service. SPDX-License-Identifier: MIT */
#ifndef MAIN_BUILDER_TOOLS_H
#define MAIN_BUILDER_TOOLS_H

#include <stdbool.h>

/* builder_backtest runs `backtest`, or `explain`; argv[0] is the verb. Gives the exit status. */
int builder_backtest(int argc, char **argv, bool explain);

/* builder_refunds runs `refunds`: the signed records of a landed block, checked and explained. */
int builder_refunds(int argc, char **argv);

/* builder_order runs `order`: what became of an order at a running builder. */
int builder_order(int argc, char **argv);

#endif
