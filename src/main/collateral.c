/* `buildernet collateral`. SPDX-License-Identifier: MIT */
#include "collateral/collateral_service.h"

#include "main/program.h"

int collateral_main(int argc, char **argv) {
    return collateral_service_main(argc, argv);
}
