/* HCL reports, runtime data, TPM structures and both JSON forms of Azure evidence.
 * SPDX-License-Identifier: MIT */
#include "attest/azure.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes in = {data, size}, signature;
    struct hcl_report hcl;
    struct hcl_runtime runtime;
    struct tpm_attest attest;
    struct tpm_pcrs pcrs = {0};
    struct rsa_public key;
    struct azure_evidence e;
    struct arena a;
    arena_init(&a, 16u << 20);
    if (hcl_parse(&hcl, in, NULL) == 0) (void)!hcl_runtime_parse(&runtime, hcl.runtime, &a, NULL);
    (void)!hcl_runtime_parse(&runtime, in, &a, NULL);
    if (tpm_attest_parse(&attest, in, NULL) == 0)
        (void)!tpm_attest_check_pcrs(&attest, &pcrs, NULL);
    (void)!tpm_signature_parse(&signature, in, NULL);
    (void)!tpm_public_parse(&key, in, NULL);
    (void)!azure_evidence_parse(&e, in, &a, NULL);
    (void)!azure_document_parse(&e, in, &a, NULL);
    arena_free(&a);
    return 0;
}
