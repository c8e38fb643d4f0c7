/* `buildernet builder`. SPDX-License-Identifier: MIT */
#include "main/builder_tools.h"
#include "main/program.h"

#include <stdio.h>
#include <string.h>

int builder_main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "backtest") == 0) {
        return builder_backtest(argc - 1, argv + 1, false);
    }
    if (argc > 1 && strcmp(argv[1], "explain") == 0) {
        return builder_backtest(argc - 1, argv + 1, true);
    }
    return 64;
}
