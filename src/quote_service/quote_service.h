/* `buildernet quote-service`: quotes for machines whose guests cannot reach the platform device.
 *
 *     GET /attest/<128 hex digits>   64 bytes of report data
 *     200  an evidence message (attest/evidence.h): type and raw quote
 *     400  the digits are not 64 bytes; 401 no or a wrong token; 429, 503 too many
 *
 * Whoever may ask can have quotes over any report data: it speaks as this machine. So callers
 * prove themselves with a token, are limited in rate, and the service listens on a loopback or
 * private address unless told otherwise.
 *
 * SPDX-License-Identifier: MIT */
#ifndef QUOTE_SERVICE_QUOTE_SERVICE_H
#define QUOTE_SERVICE_QUOTE_SERVICE_H

#include "config/config.h"

extern const struct config_program quote_service_program;

/* quote_service_main reads the command line and serves; gives the exit status. */
int quote_service_main(int argc, char **argv);

#endif
