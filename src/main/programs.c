/* SPDX-License-Identifier: MIT */
#include "main/program.h"

#include <stddef.h>

const struct program programs[] = {
    {NULL, NULL, NULL},
};
