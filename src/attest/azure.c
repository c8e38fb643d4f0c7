/* SPDX-License-Identifier: MIT */
#include "attest/azure.h"
#include "attest/digest.h"

#include <string.h>

// A verification in progress; every step gives 0 or what failed.
struct check {
    struct azure_result *r;
    const struct azure_evidence *e;
    const struct azure_expectation *x;
    uint64_t now;
    struct arena *a;
    struct error *why;
};

static int check_quote(struct check *k) {
    char reason[256];
    if (k->r->verdict.valid) return 0;
    verdict_reason(&k->r->verdict, reason);
    return error_set(k->why, ERR_INVALID, "TD quote: %s", reason);
}

// The runtime data: hashed in the quoted TD's own report data, whatever the report beside it says.
static int check_runtime(struct check *k, struct bytes *ret) {
    static const uint8_t zero[32];
    struct hcl_report hcl;
    uint8_t hash[32];
    const struct td_report *td = &k->r->verdict.quote.td;
    *ret = k->e->runtime;
    if (k->r->verdict.quote.body_type == QUOTE_BODY_SGX) {
        return error_set(k->why, ERR_UNSUPPORTED, "the quote is not a TD's");
    }
    if (k->e->hcl.n > 0) {
        int code = hcl_parse(&hcl, k->e->hcl, k->why);
        if (code < 0) return code;
        *ret = hcl.runtime;
        if (memcmp(hcl.td.mr_td, td->mr_td, 48) != 0 ||
            memcmp(hcl.td.report_data, td->report_data, 64) != 0) {
            return error_set(k->why, ERR_INVALID, "the HCL report is not of the quoted TD");
        }
    }
    digest_sha256(*ret, hash);
    if (memcmp(hash, td->report_data, 32) != 0 || memcmp(zero, td->report_data + 32, 32) != 0) {
        return error_set(k->why, ERR_INVALID,
                         "the quote's report data is not the hash of the runtime data");
    }
    return hcl_runtime_parse(&k->r->runtime, *ret, k->a, k->why);
}

static bool same_key(const struct rsa_public *a, const struct rsa_public *b) {
    return a->e == b->e && bytes_equal(a->n, b->n);
}

static int check_key(struct check *k) {
    struct rsa_public key;
    if (k->e->ak_public.n > 0) {
        int code = tpm_public_parse(&key, k->e->ak_public, k->why);
        if (code < 0) return code;
        if (!same_key(&key, &k->r->runtime.ak)) {
            return error_set(k->why, ERR_INVALID,
                             "the attestation key is not the one that the TD vouches for");
        }
    }
    if (k->e->ak.leaf.n == 0) {
        return k->x->require_ak_certificate
                   ? error_set(k->why, ERR_INVALID, "no certificate of the attestation key")
                   : 0;
    }
    int code = ak_chain_verify(&key, &k->e->ak, k->x->ak_roots, k->now, k->a, k->why);
    if (code < 0) return code;
    if (!same_key(&key, &k->r->runtime.ak)) {
        return error_set(k->why, ERR_INVALID,
                         "the AK certificate is of another key than the TD vouches for");
    }
    k->r->ak_certified = true;
    return 0;
}

bool azure_document_nonce(uint8_t ret[32], const uint8_t binding[32], struct bytes instance_info) {
    return digest_sha256_two(instance_info, bytes_make(binding, 32), ret);
}

// The nonce that the TPM must have signed.
static int expected_nonce(struct check *k, uint8_t ret[32]) {
    uint8_t extra[32];
    if (k->x->recorded) {
        memset(ret, 0, 32);
        return 0;
    }
    if (k->x->exporter_form) {
        if (!k->r->runtime.has_user_data || memcmp(k->r->runtime.user_data, k->x->input, 64) != 0) {
            return error_set(k->why, ERR_AUTH,
                             "the runtime data's user data is not this session's");
        }
        memcpy(ret, k->x->input, 32);
        return 0;
    }
    if (!digest_sha256_two(k->e->user_data, k->x->nonce, extra) ||
        !azure_document_nonce(ret, extra, k->e->instance_info)) {
        return error_set(k->why, ERR_NO_MEMORY, "nonce");
    }
    return 0;
}

static int check_tpm(struct check *k) {
    struct tpm_attest attest;
    uint8_t nonce[32];
    int code = tpm_verify(&k->r->runtime.ak, k->e->tpm_message, k->e->tpm_signature, k->why);
    if (code == 0) code = tpm_attest_parse(&attest, k->e->tpm_message, k->why);
    if (code == 0) code = expected_nonce(k, nonce);
    if (code) return code;
    if (!k->x->recorded && !bytes_equal(attest.extra_data, bytes_make(nonce, 32))) {
        return error_set(k->why, ERR_AUTH, "the TPM quote is over another nonce");
    }
    if ((code = tpm_attest_check_pcrs(&attest, &k->e->pcrs, k->why)) < 0) return code;
    measurements_of_pcrs(&k->r->measurements, &k->e->pcrs, attest.selection);
    return 0;
}

int azure_verify(struct azure_result *ret, struct verifier *v, const struct azure_evidence *e,
                 const struct collateral *c, const struct azure_expectation *x, uint64_t now,
                 struct arena *a, struct error *why) {
    struct bytes runtime;
    memset(ret, 0, sizeof *ret);
    int code = verifier_check(&ret->verdict, v, e->quote, c, now, why);
    if (code < 0) return code;
    struct check k = {ret, e, x, now, a, &ret->why};
    code = check_quote(&k);
    if (code == 0) code = check_runtime(&k, &runtime);
    if (code == 0) code = check_key(&k);
    if (code == 0) code = check_tpm(&k);
    ret->valid = code == 0;
    if (code < 0) memset(&ret->measurements, 0, sizeof ret->measurements);
    return code == ERR_NO_MEMORY ? error_set(why, ERR_NO_MEMORY, "Azure evidence") : 0;
}
