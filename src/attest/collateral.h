/* Collateral: what Intel publishes about a platform and what a verdict needs beside the quote: TCB
 * Info, QE identity, two revocation lists and the certificate chains of their signers.
 *
 * A collateral is parsed once, never changed afterwards and may be shared by threads; parts that
 * do not parse are kept as such, because a verdict tells which. Signatures are checked by
 * chain.h, times by verify.h. No network here (pcs.h fetches, collateral_store.h keeps).
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_COLLATERAL_H
#define ATTEST_COLLATERAL_H

#include "attest/cert.h"
#include "attest/tcb.h"

/* The parts as they came. Revocation lists may be DER, PEM or hexadecimal DER; chains are PEM,
 * leaf first. Empty parts are missing. */
struct collateral_parts {
    struct bytes tcb_info;         /* body of PCS: {"tcbInfo": …, "signature": …} */
    struct bytes qe_identity;      /* {"enclaveIdentity": …, "signature": …} */
    struct bytes root_crl;         /* of the root */
    struct bytes pck_crl;          /* of the PCK's issuer */
    struct bytes signing_chain;    /* signer of TCB Info, root */
    struct bytes qe_signing_chain; /* signer of QE identity, root; empty: as signing_chain */
    struct bytes pck_issuer_chain; /* PCK's issuer, root */
    struct bytes pck_chain;        /* leaf, issuer, root: only for quotes that carry none */
};
#define COLLATERAL_PARTS 8

/* File names of the parts in a directory, in the order of the fields above. */
extern const char *const collateral_file_names[COLLATERAL_PARTS];

/* The i-th part, in the order of the fields. */
struct bytes *collateral_part(struct collateral_parts *parts, size_t i);

struct collateral {
    struct arena arena;
    struct collateral_parts parts; /* copies, revocation lists as DER */
    uint8_t id[32];                /* SHA-256 over the parts: equal id, equal verdict */
    int tcb_info_error;            /* 0, or why a part did not parse */
    int qe_identity_error;
    int root_crl_error;
    int pck_crl_error;
    int signing_chain_error;
    int qe_signing_chain_error;
    int pck_issuer_chain_error;
    struct error why; /* text of the first of them */
    struct tcb_info tcb_info;
    struct enclave_identity qe_identity;
    struct crl root_crl, pck_crl;
    struct cert_chain signing_chain, qe_signing_chain, pck_issuer_chain;
};

/* collateral_make copies and parses the parts.
 * errors  ERR_NO_MEMORY, ERR_LIMIT (a part above 1 MiB). Parts that do not parse are no error
 *         here. The caller frees *ret with collateral_free. */
[[gnu::warn_unused_result]] int
collateral_make(struct collateral **ret, const struct collateral_parts *parts, struct error *why);

/* collateral_load reads a directory: the file names above, or Intel's sample names (tcbInfo.json,
 * qeIdentity.json, rootCaCrl.der, intermediateCaCrl.der, tcbSignChain.pem, pckSignChain.pem,
 * pckCert.pem); or one file: the JSON container {pck_crl, root_ca_crl, tcb_info,
 * tcb_info_signature, tcb_info_issuer_chain, qe_identity, qe_identity_signature,
 * qe_identity_issuer_chain, pck_crl_issuer_chain, pck_certificate_chain?}. errors  ERR_NOT_FOUND,
 * ERR_IO, ERR_SYNTAX (container), and those of collateral_make. */
[[gnu::warn_unused_result]] int collateral_load(struct collateral **ret, const char *path,
                                                struct error *why);

void collateral_free(struct collateral *c);

/* The times that bound a collateral's use. */
struct collateral_window {
    uint64_t earliest_issue;   /* seconds since 1970 */
    uint64_t latest_issue;     /* before it, a part is from the future */
    uint64_t earliest_expiry;  /* after it, a part has expired */
    const char *expires_first; /* name of that part */
};

/* collateral_window_of takes TCB Info, QE identity, both lists and the signers' certificates into
 * account. errors  ERR_INVALID: a part did not parse. */
[[gnu::warn_unused_result]] int collateral_window_of(struct collateral_window *ret,
                                                     const struct collateral *c, struct error *why);

#endif
