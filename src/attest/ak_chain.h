/* The vTPM attestation key's certificate chain (RSA), verified through OpenSSL at a given time.
 *
 * The chain alone proves little: a key could once be replaced and certified (CVE-2025-49707), so
 * azure.h also demands that the TD's runtime data names the key. Pure but for memory; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_AK_CHAIN_H
#define ATTEST_AK_CHAIN_H

#include "attest/tpm_attest.h"
#include "base/arena.h"

#define AK_CHAIN_INTERMEDIATES_MAX 8
#define AK_CERTIFICATE_BYTES_MAX 16384

extern const char ak_chain_azure_roots[];         /* PEM */
extern const char ak_chain_azure_intermediates[]; /* PEM */

struct ak_chain {
    struct bytes leaf; /* DER; zeros after it (as an NV area has them) are left out */
    struct bytes intermediates[AK_CHAIN_INTERMEDIATES_MAX]; /* DER */
    size_t intermediate_count;
};

/* ak_chain_verify builds a chain from the leaf through the given and the built-in intermediates.
 * roots  PEM of the trusted roots; NULL: Azure's.
 * ret    the leaf's RSA key, in the arena.
 * errors ERR_SYNTAX, ERR_INVALID (no path, a bad signature), ERR_STALE (a certificate is not
 *        valid at `now`), ERR_UNSUPPORTED: not RSA, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int ak_chain_verify(struct rsa_public *ret,
                                                const struct ak_chain *chain, const char *roots,
                                                uint64_t now, struct arena *a, struct error *why);

#endif
