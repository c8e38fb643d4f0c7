/* Comparison of a verdict with the expected levels and fields of a vector, and the other expected
 * files of the attestation area.
 * SPDX-License-Identifier: MIT */
#ifndef TEST_CONFORMANCE_ATTESTATION_FIELDS_H
#define TEST_CONFORMANCE_ATTESTATION_FIELDS_H

#include "attest/verify.h"
#include "test/conformance/conformance.h"
#include "json/json.h"

/* attestation_compare checks `levels` and `fields` of an `expected` object, where they are. */
void attestation_compare(const struct json *expected, const struct verdict *v, const char *name,
                         struct tally *t);

#endif
