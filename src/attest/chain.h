/* Certificate chains and signed documents against a trust root: everything about collateral and
 * PCK certificates that does not depend on the time of day, so that it is done once and kept.
 *
 * The order of checks and the codes are those of Intel's QVL. Pure but for the memory of keys;
 * any thread.
 *
 * Source: QVL PckCertVerifier, PckCrlVerifier, TCBSigningChain, TCBInfoVerifier.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_CHAIN_H
#define ATTEST_CHAIN_H

#include "attest/collateral.h"
#include "attest/trust.h"

/* What the signatures of a collateral are worth under a root. */
struct document_check {
    enum qvl_code code;      /* without the times */
    uint64_t root_not_after; /* of the chain's certificates, when the code is OK */
    uint64_t signer_not_after;
    uint64_t not_before; /* latest of the two */
    bool text_differs;   /* signed text and served text differ in white space */
    bool root_differs;   /* equal signature, other bytes: see finding */
    bool ca_flags_wrong; /* as in pck_check */
};

struct collateral_check {
    struct document_check tcb_info;
    struct document_check qe_identity;
    enum qvl_code root_crl; /* the root's list against the trust root itself */
};

/* collateral_check_signatures does the work: up to 6 signatures. */
void collateral_check_signatures(struct collateral_check *ret, const struct collateral *c,
                                 const struct trust_root *root);

/* collateral_check_origin tells whether every document and list of a collateral was signed under a
 * root: what keeps unsigned papers out of a store. Says nothing of times; a signer that the list
 * revokes passes here, for the list must reach the verifier. Up to 9 signatures.
 * errors  ERR_UNTRUSTED, which names the part and its code. */
[[gnu::warn_unused_result]] int collateral_check_origin(const struct collateral *c,
                                                        const struct trust_root *root,
                                                        struct error *why);

/* A PCK chain and its leaf's data. */
struct pck_check {
    enum qvl_code code;      /* VerifyPCKCertificate, without the times */
    enum qvl_code leaf_code; /* the leaf alone, as VerifyQuote sees it */
    bool root_differs;
    bool ca_flags_wrong; /* an issuer is none by basic constraints or key usage, or the leaf is */
    uint64_t not_after;  /* earliest of the three */
    uint64_t not_before; /* latest of the three */
    struct pck_extension extension; /* when leaf_code is OK */
    struct es256_key *leaf_key;     /* owned; NULL unless leaf_code is OK */
    uint64_t leaf_not_before, leaf_not_after;
    uint8_t leaf_serial[20];
    size_t leaf_serial_n;
    char issuer_cn[64];
    enum qvl_code crl_code; /* VerifyQuote's view of the PCK list: issuer and revocation */
};

/* pck_check_chain verifies a PCK chain with a collateral's lists: up to 5 signatures.
 * pem      the quote's certification data. Certificates that it lacks (type 4: leaf only) are
 *          taken from the collateral's issuer chain.
 * errors   ERR_NO_MEMORY only; everything else is in the codes. The caller calls pck_check_free. */
[[gnu::warn_unused_result]] int pck_check_chain(struct pck_check *ret, struct bytes pem,
                                                const struct collateral *c,
                                                const struct trust_root *root,
                                                enum qvl_code root_crl, struct error *why);
void pck_check_free(struct pck_check *p);

#endif
