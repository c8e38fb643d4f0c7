/* SPDX-License-Identifier: MIT */
#include "main/program.h"

#include <stddef.h>

const struct program programs[] = {
    {"crypto", "time the cryptography", crypto_main},
    {NULL, NULL, NULL},
};
