/* The SGX extension of a PCK certificate (OID 1.2.840.113741.1.13.1): which platform, at which
 * security version.
 *
 * Pure; any thread. Source: Intel SGX PCK Certificate and CRL Profile Specification, 1.5.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_PCK_H
#define ATTEST_PCK_H

#include "base/bytes.h"
#include "base/error.h"

/* The extension's OID; those of its parts begin with it. */
#define PCK_OID_BYTES 9
extern const uint8_t pck_oid[PCK_OID_BYTES];

struct pck_extension {
    uint8_t ppid[16];
    uint8_t pce_id[2];
    uint8_t fmspc[6];
    uint8_t cpu_svn[16];
    uint8_t component_svn[16]; /* mapped values; may differ from cpu_svn's bytes */
    uint16_t pce_svn;
    uint8_t sgx_type; /* 0 standard, 1 scalable, 2 scalable with integrity */
    bool has_platform;
    uint8_t platform_instance_id[16]; /* Platform CA only */
    bool has_configuration;           /* Platform CA only */
    bool dynamic_platform, cached_keys, smt_enabled;
};

/* pck_extension_parse reads the extension's value.
 * errors  ERR_SYNTAX: not DER, a part missing, twice, or out of range. */
[[gnu::warn_unused_result]] int pck_extension_parse(struct pck_extension *ret, struct bytes value,
                                                    struct error *why);

#endif
