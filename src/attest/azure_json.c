/* The two JSON forms of Azure evidence.
 * SPDX-License-Identifier: MIT */
#include "attest/azure.h"
#include "attest/cert.h"
#include "attest/der_write.h"
#include "base/base64.h"
#include "json/json.h"
#include "json/write.h"

#include <stdio.h>
#include <string.h>

enum { TPM_ALG_SHA256 = 11 };

static const struct json_limits limits = {512u << 10, 12, 1u << 16, false};

static int get_base64(struct bytes *ret, const struct json *object, const char *key, unsigned flags,
                      struct arena *a, struct error *why) {
    struct bytes text = {NULL, 0};
    int code = json_get_string(&text, object, key, why);
    if (code == 0) code = base64_decode(ret, text, flags, a, why);
    return code < 0 ? error_wrap(why, "%s", key) : 0;
}

static int get_pem(struct bytes *ret, const struct json *v, struct arena *a, struct error *why) {
    struct bytes text = {NULL, 0};
    int code = json_string(&text, v, why);
    if (code == 0) code = cert_pem_decode(ret, &text, a, why);
    if (code == 0 && !ret->p) code = json_error(why, ERR_INVALID, v, "not a PEM certificate");
    return code;
}

// An array of numbers 0..255.
static int get_bytes(struct bytes *ret, const struct json *list, size_t most, struct arena *a,
                     struct error *why) {
    size_t n = json_count(list), i = 0;
    if (json_type_of(list) != JSON_ARRAY || n > most) {
        return error_set(why, ERR_INVALID, "not an array of at most %zu bytes", most);
    }
    uint8_t *p = arena_alloc(a, n);
    if (!p) return error_set(why, ERR_NO_MEMORY, "Azure evidence");
    json_each(item, list) {
        uint64_t v;
        if (json_u64(&v, item, NULL) < 0 || v > 255) {
            return json_error(why, ERR_INVALID, item, "not a byte");
        }
        p[i++] = (uint8_t)v;
    }
    *ret = (struct bytes){p, n};
    return 0;
}

static int get_pcrs(struct tpm_pcrs *ret, const struct json *list, struct arena *a,
                    struct error *why) {
    size_t i = 0;
    if (json_type_of(list) != JSON_ARRAY || json_count(list) != TPM_PCRS) {
        return error_set(why, ERR_INVALID, "not %d PCRs", TPM_PCRS);
    }
    json_each(item, list) {
        struct bytes value = {NULL, 0};
        int code = get_bytes(&value, item, 32, a, why);
        if (code < 0) return code;
        if (value.n != 32) return json_error(why, ERR_INVALID, item, "not a SHA-256 PCR");
        memcpy(ret->value[i++], value.p, 32);
    }
    return 0;
}

static int get_intermediates(struct ak_chain *ret, const struct json *list, struct arena *a,
                             struct error *why) {
    if (json_is_null(list)) return 0;
    if (json_type_of(list) != JSON_ARRAY || json_count(list) > AK_CHAIN_INTERMEDIATES_MAX) {
        return error_set(why, ERR_INVALID, "more than %d AK intermediates",
                         AK_CHAIN_INTERMEDIATES_MAX);
    }
    json_each(item, list) {
        int code = get_pem(&ret->intermediates[ret->intermediate_count++], item, a, why);
        if (code < 0) return code;
    }
    return 0;
}

int azure_evidence_parse(struct azure_evidence *ret, struct bytes json, struct arena *a,
                         struct error *why) {
    const struct json *root = NULL;
    memset(ret, 0, sizeof *ret);
    if (json.n > AZURE_EVIDENCE_BYTES_MAX) {
        return error_set(why, ERR_LIMIT, "Azure evidence: %zu bytes", json.n);
    }
    int code = json_parse(&root, json, a, &limits, why);
    unsigned flags = BASE64_URL | BASE64_ANY_PAD;
    if (code == 0) code = get_base64(&ret->quote, root, "tdx_quote_base64", flags, a, why);
    if (code == 0) code = get_base64(&ret->hcl, root, "hcl_report_base64", flags, a, why);
    const struct json *tpm = json_get(root, "tpm_attestation"), *quote = json_get(tpm, "quote");
    if (code == 0) code = get_pem(&ret->ak.leaf, json_get(tpm, "ak_certificate_pem"), a, why);
    if (code == 0) {
        code =
            get_intermediates(&ret->ak, json_get(tpm, "ak_intermediate_certificates_pem"), a, why);
    }
    if (code == 0) {
        code = get_bytes(&ret->tpm_signature, json_get(quote, "signature"), 1024, a, why);
    }
    if (code == 0) {
        code =
            get_bytes(&ret->tpm_message, json_get(quote, "message"), TPM_ATTEST_BYTES_MAX, a, why);
    }
    if (code == 0) code = get_pcrs(&ret->pcrs, json_get(quote, "pcrs"), a, why);
    return code < 0 ? error_wrap(why, "Azure evidence") : 0;
}

static void add_base64(struct json_writer *w, const char *key, struct bytes in, unsigned flags) {
    struct buf text;
    buf_init(&text, 0);
    base64_append(&text, in, flags);
    json_add_text(w, key, buf_view(&text));
    buf_free(&text);
}

static void add_bytes(struct json_writer *w, const char *key, struct bytes in) {
    json_begin_array(w, key);
    for (size_t i = 0; i < in.n; i++) {
        json_add_u64(w, NULL, in.p[i]);
    }
    json_end(w);
}

static void add_pem(struct json_writer *w, const char *key, struct bytes der) {
    struct buf text;
    buf_init(&text, 0);
    der_put_pem(&text, "CERTIFICATE", der);
    json_add_text(w, key, buf_view(&text));
    buf_free(&text);
}

int azure_evidence_write(struct buf *out, const struct azure_evidence *e, struct error *why) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    add_base64(&w, "tdx_quote_base64", e->quote, BASE64_URL);
    add_base64(&w, "hcl_report_base64", e->hcl, BASE64_URL);
    json_begin_object(&w, "tpm_attestation");
    add_pem(&w, "ak_certificate_pem", e->ak.leaf);
    json_begin_array(&w, "ak_intermediate_certificates_pem");
    for (size_t i = 0; i < e->ak.intermediate_count; i++) {
        add_pem(&w, NULL, e->ak.intermediates[i]);
    }
    json_end(&w);
    json_begin_object(&w, "quote");
    add_bytes(&w, "signature", e->tpm_signature);
    add_bytes(&w, "message", e->tpm_message);
    json_begin_array(&w, "pcrs");
    for (size_t i = 0; i < TPM_PCRS; i++) {
        add_bytes(&w, NULL, bytes_make(e->pcrs.value[i], 32));
    }
    json_end(&w);
    json_end(&w);
    json_begin_array(&w, "event_log");
    json_end(&w);
    json_add_null(&w, "instance_info");
    json_end(&w);
    json_end(&w);
    return buf_check(out, why);
}

// {"hash": 11, "pcrs": {"0": base64, …}}; PCRs that are not there stay zero.
static int get_pcr_map(struct tpm_pcrs *ret, const struct json *map, struct arena *a,
                       struct error *why) {
    json_members(key, value, map) {
        struct bytes digest = {NULL, 0};
        unsigned index;
        if (!measurement_index_parse(&index, ATTESTATION_AZURE_TDX, json_text(key))) {
            return json_error(why, ERR_INVALID, value, "not the number of a PCR");
        }
        int code = base64_decode(&digest, json_text(value), 0, a, why);
        if (code < 0) return code;
        if (digest.n != 32) return json_error(why, ERR_INVALID, value, "not a SHA-256 PCR");
        memcpy(ret->value[index], digest.p, 32);
    }
    return 0;
}

static int get_sha256_quote(struct azure_evidence *ret, const struct json *quotes, struct arena *a,
                            struct error *why) {
    json_each(item, quotes) {
        const struct json *pcrs = json_get(item, "pcrs");
        struct bytes signature = {NULL, 0};
        uint64_t hash;
        if (json_get_u64(&hash, pcrs, "hash", NULL) < 0 || hash != TPM_ALG_SHA256) continue;
        int code = get_base64(&ret->tpm_message, item, "quote", 0, a, why);
        if (code == 0) code = get_base64(&signature, item, "raw_sig", 0, a, why);
        if (code == 0) code = tpm_signature_parse(&ret->tpm_signature, signature, why);
        return code < 0 ? code : get_pcr_map(&ret->pcrs, json_get(pcrs, "pcrs"), a, why);
    }
    return error_set(why, ERR_NOT_FOUND, "no TPM quote over SHA-256 PCRs");
}

int azure_document_parse(struct azure_evidence *ret, struct bytes json, struct arena *a,
                         struct error *why) {
    const struct json *root = NULL, *instance = NULL;
    memset(ret, 0, sizeof *ret);
    int code = json_parse(&root, json, a, &limits, why);
    const struct json *attestation = json_get(root, "Attestation");
    if (code == 0) code = get_base64(&ret->ak_public, attestation, "ak_pub", 0, a, why);
    if (code == 0 && json_type_of(json_get(attestation, "ak_cert")) == JSON_STRING) {
        code = get_base64(&ret->ak.leaf, attestation, "ak_cert", 0, a, why);
    }
    if (code == 0) code = get_sha256_quote(ret, json_get(attestation, "quotes"), a, why);
    if (code == 0) code = get_base64(&ret->instance_info, root, "InstanceInfo", 0, a, why);
    if (code == 0) code = get_base64(&ret->user_data, root, "UserData", 0, a, why);
    if (code == 0) code = json_parse(&instance, ret->instance_info, a, &limits, why);
    if (code == 0) code = get_base64(&ret->quote, instance, "AttestationReport", 0, a, why);
    if (code == 0) code = get_base64(&ret->runtime, instance, "RuntimeData", 0, a, why);
    return code < 0 ? error_wrap(why, "Azure document") : 0;
}

int azure_instance_write(struct buf *out, const struct azure_evidence *e, struct error *why) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    add_base64(&w, "AttestationReport", e->quote, 0);
    add_base64(&w, "RuntimeData", e->runtime, 0);
    json_end(&w);
    return buf_check(out, why);
}

// The SHA-256 bank's quote, with the signature as a TPMT_SIGNATURE.
static void add_quotes(struct json_writer *w, const struct azure_evidence *e) {
    struct buf signature;
    char index[12];
    buf_init(&signature, 0);
    tpm_signature_write(&signature, e->tpm_signature);
    json_begin_array(w, "quotes");
    json_begin_object(w, NULL);
    add_base64(w, "quote", e->tpm_message, 0);
    add_base64(w, "raw_sig", buf_view(&signature), 0);
    json_begin_object(w, "pcrs");
    json_add_u64(w, "hash", TPM_ALG_SHA256);
    json_begin_object(w, "pcrs");
    for (unsigned i = 0; i < TPM_PCRS; i++) {
        (void)snprintf(index, sizeof index, "%u", i);
        add_base64(w, index, bytes_make(e->pcrs.value[i], 32), 0);
    }
    json_end(w);
    json_end(w);
    json_end(w);
    json_end(w);
    buf_free(&signature);
}

int azure_document_write(struct buf *out, const struct azure_evidence *e, struct error *why) {
    struct json_writer w;
    json_writer_init(&w, out, 0);
    json_begin_object(&w, NULL);
    json_begin_object(&w, "Attestation");
    add_base64(&w, "ak_pub", e->ak_public, 0);
    add_quotes(&w, e);
    add_base64(&w, "event_log", e->event_log, 0);
    if (e->ak.leaf.n) add_base64(&w, "ak_cert", e->ak.leaf, 0);
    json_add_null(&w, "TeeAttestation");
    json_end(&w);
    add_base64(&w, "InstanceInfo", e->instance_info, 0);
    add_base64(&w, "UserData", e->user_data, 0);
    json_end(&w);
    return buf_check(out, why);
}
