/* `buildernet quote-service`. SPDX-License-Identifier: MIT */
#include "quote_service/quote_service.h"

#include "main/program.h"

int quote_service_program(int argc, char **argv) {
    return quote_service_main(argc, argv);
}
