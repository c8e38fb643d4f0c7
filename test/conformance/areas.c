/* SPDX-License-Identifier: MIT */
#include "test/conformance/conformance.h"

#include <stddef.h>

const struct area areas[] = {
    {NULL, NULL},
};
