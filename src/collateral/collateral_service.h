/* `buildernet collateral serve`: the API of a caching provisioning service (PCCS, version 4),
 * answered from a folder, for sealed networks and tests.
 *
 * Answers what verifiers ask for: TCB Info, QE identity, the PCK and root revocation lists, the
 * list of platforms. Not a registration service: it knows no platform's PCK certificate.
 *
 * Source: Intel PCS API v4, PCCS. SPDX-License-Identifier: MIT */
#ifndef COLLATERAL_COLLATERAL_SERVICE_H
#define COLLATERAL_COLLATERAL_SERVICE_H

#include "config/config.h"

extern const struct config_program collateral_program;

/* collateral_service_main reads the command line and serves; gives the exit status. */
int collateral_service_main(int argc, char **argv);

#endif
