/* SPDX-License-Identifier: MIT */
#include "crypto/bn254.h"
#include "test/harness/test.h"
TEST_MAIN()
