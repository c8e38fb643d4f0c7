/* Certificates and lists of the simulated platform (simulator.h).
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_SIMULATOR_PKI_H
#define ATTEST_SIMULATOR_PKI_H

#include "attest/es256.h"
#include "attest/pck.h"
#include "base/buf.h"

struct pki_party {
    const char *name; /* common name */
    struct es256_key *key;
    uint8_t serial[16];
};

struct pki_times {
    uint64_t not_before, not_after;
};

/* pki_certificate appends a DER certificate of `subject`, signed by `issuer`.
 * path_length  -1: no CA. pck  the SGX extension to put in, or NULL. */
[[gnu::warn_unused_result]] int pki_certificate(struct buf *out, const struct pki_party *subject,
                                                const struct pki_party *issuer,
                                                struct pki_times times, int path_length,
                                                const struct pck_extension *pck, struct error *why);

/* pki_crl appends a DER list of `issuer` that revokes one serial number or none (NULL). */
[[gnu::warn_unused_result]] int pki_crl(struct buf *out, const struct pki_party *issuer,
                                        struct pki_times times, uint64_t number,
                                        const struct pki_party *revoked, struct error *why);

#endif
