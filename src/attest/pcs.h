/* Collateral from a provisioning certification service (Intel's PCS) or a caching one (PCCS), API
 * version 4. Blocking; for the collateral store's thread and tools.
 *
 * Nothing that comes is believed: it is verified like collateral from any other place.
 *
 * Source: Intel PCS API v4.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_PCS_H
#define ATTEST_PCS_H

#include "attest/collateral.h"

#define PCS_INTEL_URL "https://api.trustedservices.intel.com"
#define PCS_INTEL_ROOT_CRL_URL "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"

/* Which collateral: named by the PCK certificate of a quote (verifier_platform). */
struct collateral_key {
    enum quote_tee tee;
    uint8_t fmspc[6];
    bool platform_ca; /* else the Processor CA */
};

struct pcs_source {
    const char *url;          /* base */
    const char *root_crl_url; /* NULL: Intel's, when the service has no rootcacrl */
    const char *update;       /* "standard", "early" or NULL */
    const char *ca_file;      /* for TLS, or NULL */
    uint64_t wait_ms;         /* of one request */
};

/* pcs_fetch gets every part; they live in the arena.
 * errors  those of fetch_get; ERR_SYNTAX: an issuer chain header is missing or not URL-encoded. */
[[gnu::warn_unused_result]] int pcs_fetch(struct collateral_parts *ret,
                                          const struct collateral_key *key,
                                          const struct pcs_source *source, struct arena *a,
                                          struct error *why);

#endif
