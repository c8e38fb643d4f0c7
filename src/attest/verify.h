/* Verification of a quote: collateral, certificates, signatures and TCB rules, at a given time.
 *
 * The answer is a verdict: Intel's four result codes, the statuses by level with their advisories
 * and dates, what our stricter reading found beyond the QVL, and the root that anchored it all.
 * Whether a verdict is good enough for a purpose is policy.h's to say. Never touches the network
 * nor the clock. A verifier belongs to one thread; collateral and roots may be shared.
 *
 * Cost: what was verified once is remembered by SHA-256, so that a further quote of a known
 * platform costs one signature; quoting keys, PCK chains and collateral new to the verifier cost
 * their own (10 signatures for everything anew).
 *
 * Source: QVL QuoteVerification.cpp, QuoteVerifier.cpp.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_VERIFY_H
#define ATTEST_VERIFY_H

#include "attest/chain.h"

/* Of the four levels that apply: SGX, TDX, module, QE. None is ever cut off: a policy must see all.
 */
#define VERDICT_ADVISORIES_MAX (4 * TCB_ADVISORIES_MAX)

/* What the QVL lets pass and we do not. A verdict with any of them is not valid. */
#define VERDICT_FINDINGS(X)                                                                        \
    X(SPARE_BYTES, "quote_spare_bytes", "bytes in the signature data that belong to nothing")      \
    X(QE_REPORT_DATA_TAIL, "qe_report_data_tail", "the QE report data does not end in zeros")      \
    X(CERTIFICATION_TYPE, "quote_certification_type",                                              \
      "certificates in certification data that says it holds none")                                \
    X(RESERVED_HEADER, "quote_reserved_header", "reserved header fields are not zero")             \
    X(TCB_INFO_TEXT, "tcb_info_text", "the TCB Info text is not byte for byte what was signed")    \
    X(QE_IDENTITY_TEXT, "qe_identity_text",                                                        \
      "the QE identity text is not byte for byte what was signed")                                 \
    X(ROOT_BYTES, "root_bytes", "the chain's root differs from the trusted one in its bytes")      \
    X(CA_FLAGS, "ca_flags", "basic constraints or key usage do not fit the certificates' places")  \
    X(CERT_NOT_YET_VALID, "certificate_not_yet_valid", "a certificate is from the future")         \
    X(TCB_INFO_FUTURE, "tcb_info_from_future", "the TCB Info's issue date is in the future")       \
    X(QE_IDENTITY_FUTURE, "qe_identity_from_future",                                               \
      "the QE identity's issue date is in the future")

enum verdict_finding {
#define FINDING_BIT(name, text, help) FINDING_INDEX_##name,
    VERDICT_FINDINGS(FINDING_BIT)
#undef FINDING_BIT
        FINDING_COUNT,
#define FINDING_MASK(name, text, help) FINDING_##name = 1 << FINDING_INDEX_##name,
    VERDICT_FINDINGS(FINDING_MASK)
#undef FINDING_MASK
};

/* Stable name and one line of help of the i-th finding (0 <= i < FINDING_COUNT). */
const char *verdict_finding_name(unsigned i);
const char *verdict_finding_help(unsigned i);

struct verdict {
    bool valid; /* everything verified, no findings, and the platform's TCB is not revoked */
    enum qvl_code pck_chain, tcb_info, qe_identity, quote_code;
    uint32_t findings; /* bits of enum verdict_finding */
    char beyond[160];  /* what does not hold around a quote that does (Azure); empty: nothing. Put
                          in, with valid = false, by who judged that. */
    uint64_t time;     /* seconds since 1970, as asked */

    bool parsed; /* the quote has its form: `quote` is filled */
    struct quote quote;
    struct error quote_error; /* why not */
    bool leaf_known;          /* `pck` and the leaf's data are filled */
    struct pck_extension pck;
    uint64_t pck_not_before, pck_not_after;
    uint8_t pck_serial[20];
    size_t pck_serial_n;
    char pck_issuer[64];

    enum tcb_status status; /* the converged one; TCB_NONE when it came not so far */
    bool evaluated;         /* `tcb` is filled */
    struct tcb_evaluation tcb;
    struct bytes advisories[VERDICT_ADVISORIES_MAX]; /* union over the levels, in their order */
    size_t advisory_count;
    uint64_t tcb_date;               /* earliest date of the levels that applied; 0 when none */
    uint64_t newest_tcb_date;        /* of the newest level that the TCB Info knows */
    uint32_t evaluation_number;      /* the lesser of TCB Info's and QE identity's */
    struct collateral_window window; /* all zero when collateral did not parse */

    char root_name[64];
    uint8_t root_fingerprint[32];
    bool root_is_intel;
};

struct verifier;

/* verifier_new makes a verifier under one trust root, which must outlive it.
 * errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int verifier_new(struct verifier **ret, const struct trust_root *root,
                                             struct error *why);
void verifier_free(struct verifier *v);

const struct trust_root *verifier_root(const struct verifier *v);

/* verifier_check judges a quote.
 * ret      always filled when 0 is returned, be the quote good or not; its views point into
 *          `quote` and `c`.
 * quote    with or without trailing padding.
 * c        collateral; NULL when there is none: the verdict is then not valid, with
 *          MISSING_PARAMETERS where collateral was needed.
 * now      seconds since 1970.
 * errors   ERR_NO_MEMORY only. */
[[gnu::warn_unused_result]] int verifier_check(struct verdict *ret, struct verifier *v,
                                               struct bytes quote, const struct collateral *c,
                                               uint64_t now, struct error *why);

/* verdict_reason gives one line for people: why a verdict is not valid, or its TCB status. The
 * text is written to ret and is never empty. */
void verdict_reason(const struct verdict *v, char ret[256]);

/* verifier_signatures gives how many signatures were verified so far (for metrics and benches). */
uint64_t verifier_signatures(const struct verifier *v);

/* verifier_forget_quoting_keys drops the verified quoting keys: the next quote of each platform
 * costs two signatures again. */
void verifier_forget_quoting_keys(struct verifier *v);

/* verifier_platform reads from a quote, unverified, what names its collateral.
 * ret_fmspc  6 bytes. ret_platform_ca  true for the Platform CA, false for the Processor CA.
 * errors     ERR_SYNTAX, ERR_UNSUPPORTED: no certificates in it. */
[[gnu::warn_unused_result]] int verifier_platform(uint8_t ret_fmspc[6], bool *ret_platform_ca,
                                                  enum quote_tee *ret_tee, struct bytes quote,
                                                  struct error *why);

#endif
