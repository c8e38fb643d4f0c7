/* Policy files: whatever parses decides without harm, and refuses what is not valid.
 * SPDX-License-Identifier: MIT */
#include "attest/policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct verdict v;
    struct policy p;
    struct policy_decision d;
    struct measurements m;
    struct td_report td = {0};
    struct arena a;
    arena_init(&a, 32u << 20);
    if (policy_parse(&p, (struct bytes){data, size}, &a, NULL) == 0) {
        measurements_of_td(&m, ATTESTATION_GCP_TDX, &td);
        struct policy_subject s = {&v, &m};
        v.valid = false;
        policy_decide(&d, &p, &s);
        if (d.accepted) abort();
        v.valid = true;
        v.quote.body_type = QUOTE_BODY_TD10;
        policy_decide(&d, &p, &s);
    }
    arena_free(&a);
    return 0;
}
