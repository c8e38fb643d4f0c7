/* Azure TDX evidence: a TD quote over the paravisor's report, which names the vTPM key that signs
 * a quote over the PCRs of the guest.
 *
 *   TD quote -> report data = hash of runtime data -> HCLAkPub -> TPM quote -> PCRs, nonce
 *
 * Every link is checked, and the key's certificate chain where one is given. MRTD and RTMRs are
 * the paravisor's; the guest's measurements are the PCRs. Views point into the caller's bytes and
 * the arena. A verifier's thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_AZURE_H
#define ATTEST_AZURE_H

#include "attest/ak_chain.h"
#include "attest/hcl.h"
#include "attest/measurement.h"
#include "attest/verify.h"

#define AZURE_EVIDENCE_BYTES_MAX (128u << 10)

struct azure_evidence {
    struct bytes quote;     /* TD quote */
    struct bytes hcl;       /* whole HCL report; empty in documents that carry runtime data only */
    struct bytes runtime;   /* runtime data, when there is no report */
    struct ak_chain ak;     /* leaf empty: not given */
    struct bytes ak_public; /* TPMT_PUBLIC, or empty */
    struct bytes tpm_message;   /* TPMS_ATTEST */
    struct bytes tpm_signature; /* raw RSA signature */
    struct tpm_pcrs pcrs;
    struct bytes instance_info; /* of aTLS documents: hashed into the TPM nonce */
    struct bytes user_data;
    struct bytes event_log; /* of the firmware, for documents that are made; never judged here */
};

/* azure_evidence_parse reads the exporter form's JSON: {"tdx_quote_base64", "hcl_report_base64",
 * "tpm_attestation": {"ak_certificate_pem", "ak_intermediate_certificates_pem", "quote":
 * {"signature", "message", "pcrs"}, ...}}. azure_evidence_write is its inverse.
 * errors  ERR_SYNTAX, ERR_INVALID, ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int azure_evidence_parse(struct azure_evidence *ret, struct bytes json,
                                                     struct arena *a, struct error *why);
[[gnu::warn_unused_result]] int
azure_evidence_write(struct buf *out, const struct azure_evidence *e, struct error *why);

/* azure_document_parse reads the aTLS document: {"Attestation": {"ak_pub", "quotes": [{"quote",
 * "raw_sig", "pcrs": {"hash", "pcrs"}}], "ak_cert", ...}, "InstanceInfo", "UserData"}; its SHA-256
 * quote is taken. */
[[gnu::warn_unused_result]] int azure_document_parse(struct azure_evidence *ret, struct bytes json,
                                                     struct arena *a, struct error *why);

/* azure_document_write is its inverse: from the key, the TPM quote, the event log, instance_info
 * and user_data. azure_instance_write appends what instance_info holds: {"AttestationReport",
 * "RuntimeData"} of e->quote and e->runtime; the TPM's nonce is a hash over these very bytes. */
[[gnu::warn_unused_result]] int
azure_document_write(struct buf *out, const struct azure_evidence *e, struct error *why);
[[gnu::warn_unused_result]] int
azure_instance_write(struct buf *out, const struct azure_evidence *e, struct error *why);

/* azure_document_nonce: SHA-256(instance info ‖ binding), which the TPM signs in an aTLS document.
 * binding  SHA-256(user data ‖ the verifier's nonce). errors  false without memory. */
[[gnu::warn_unused_result]] bool azure_document_nonce(uint8_t ret[32], const uint8_t binding[32],
                                                      struct bytes instance_info);

/* What must hold beside the chain of trust. */
struct azure_expectation {
    bool exporter_form; /* user-data and TPM nonce are the 64 input bytes */
    uint8_t input[64];
    bool recorded;      /* tools only: evidence of a past session, whose nonce is not compared */
    struct bytes nonce; /* aTLS: the verifier's nonce */
    bool require_ak_certificate;
    const char *ak_roots; /* PEM; NULL: Azure's */
};

struct azure_result {
    struct verdict verdict;           /* of the TD quote */
    bool valid;                       /* everything, the TD quote's verdict included */
    struct error why;                 /* the first link that failed. ERR_AUTH: made for another
                                         session; ERR_STALE: an AK certificate's time; else it
                                         does not hold */
    struct measurements measurements; /* PCRs that the TPM quoted */
    bool ak_certified;                /* a certificate chain was given and is good */
    struct hcl_runtime runtime;
};

/* azure_verify judges evidence at a time. ret is always filled when 0 is returned.
 * errors  ERR_NO_MEMORY only. */
[[gnu::warn_unused_result]] int azure_verify(struct azure_result *ret, struct verifier *v,
                                             const struct azure_evidence *e,
                                             const struct collateral *c,
                                             const struct azure_expectation *x, uint64_t now,
                                             struct arena *a, struct error *why);

#endif
