/* SPDX-License-Identifier: MIT */
#include "devnet/evidence.h"

#include "attest/ak_authority.h"
#include "attest/digest.h"
#include "base/hex.h"
#include "devnet/parts.h"
#include "devnet/plan.h"

#include <stdio.h>

#define MRTD_REGISTER "0"
#define PCR_REGISTER "11"

static bool has_tpm(const struct net *n) {
    return n->s->tpm == TPM_SWTPM;
}

static const char *type_of(const struct net *n) {
    return has_tpm(n) ? "azure-tdx" : "dcap-tdx";
}

const char *evidence_any(const struct net *n) {
    // The hub's own domain is a bare one, with a vTPM in the nodes too.
    return has_tpm(n) ? "[{\"measurement_id\": \"any\", \"attestation_type\": \"azure-tdx\"}, "
                        "{\"measurement_id\": \"hub\", \"attestation_type\": \"dcap-tdx\"}]\n"
                      : "[{\"measurement_id\": \"any\", \"attestation_type\": \"dcap-tdx\"}]\n";
}

// What the image's register holds: MRTD, or the PCR once the image was measured into it.
static struct bytes measurement_of(uint8_t ret[NET_MRTD_BYTES], const struct net *n,
                                   const char *image) {
    uint8_t mrtd[NET_MRTD_BYTES];
    net_image_mrtd(mrtd, n->s->seed, image);
    if (!has_tpm(n)) {
        memcpy(ret, mrtd, NET_MRTD_BYTES);
        return bytes_make(ret, NET_MRTD_BYTES);
    }
    memset(ret, 0, 32);
    digest_extend(DIGEST_SHA256, ret, mrtd); // its first 32 bytes are the image's event
    return bytes_make(ret, 32);
}

void evidence_image(struct json_writer *w, const struct net *n, const char *image) {
    uint8_t value[NET_MRTD_BYTES];
    char digits[2 * NET_MRTD_BYTES + 1] = "";
    hex_encode(digits, measurement_of(value, n, image));
    json_begin_object(w, NULL);
    json_add_str(w, "measurement_id", image);
    json_add_str(w, "attestation_type", type_of(n));
    json_begin_object(w, "measurements");
    json_begin_object(w, has_tpm(n) ? PCR_REGISTER : MRTD_REGISTER);
    json_add_str(w, "expected", digits);
    json_end(w);
    json_end(w);
    json_end(w);
}

void evidence_identity(struct json_writer *w, const struct net *n, const char *image) {
    uint8_t value[NET_MRTD_BYTES];
    json_add_data(w, has_tpm(n) ? "pcr11" : "mrtd", measurement_of(value, n, image));
}

static void tpm_source(char ret[NET_URL_MAX], char ret_imds[NET_URL_MAX],
                       const struct net_node *node) {
    (void)snprintf(ret, NET_URL_MAX, "vtpm:swtpm:host=127.0.0.1,port=%u", node->tpm_port);
    (void)snprintf(ret_imds, NET_URL_MAX, "http://127.0.0.1:%u/acc/tdquote", node->metadata_port);
}

bool evidence_flags(struct role *r, struct net *n, const struct net_node *node) {
    char source[NET_URL_MAX], imds[NET_URL_MAX], digits[2 * NET_MRTD_BYTES + 1] = "";
    if (has_tpm(n)) {
        tpm_source(source, imds, node);
        return WORDS(r, "--client-attestation-type", type_of(n), "--quote-source") &&
               role_arg(r, &n->arena, "%s", source) && WORDS(r, "--imds-url") &&
               role_arg(r, &n->arena, "%s", imds);
    }
    hex_encode(digits, bytes_make(node->mrtd, NET_MRTD_BYTES));
    return WORDS(r, "--client-attestation-type", type_of(n), "--quote-source", "simulator:platform",
                 "--simulated-fields") &&
           role_arg(r, &n->arena, "mrtd=%s", digits);
}

bool evidence_roots(struct role *r, const struct net *n) {
    return WORDS(r, "--root", "platform/root.pem", "--collateral", "platform/collateral") &&
           (!has_tpm(n) || WORDS(r, "--ak-roots", "platform/" AK_AUTHORITY_ROOT));
}

void evidence_document(struct json_writer *w, const struct net *n, const struct net_node *node) {
    char source[NET_URL_MAX], imds[NET_URL_MAX], fields[2 * NET_MRTD_BYTES + 8] = "mrtd=";
    json_add_str(w, "peer_measurements_file", NET_PEER_POLICY);
    json_add_str(w, "attestation_type", type_of(n));
    json_add_str(w, "quote_root", "platform/root.pem");
    json_add_str(w, "collateral", "platform/collateral");
    if (has_tpm(n)) {
        tpm_source(source, imds, node);
        json_add_str(w, "quote_source", source);
        json_add_str(w, "imds_url", imds);
        json_add_str(w, "ak_roots", "platform/" AK_AUTHORITY_ROOT);
    } else {
        hex_encode(fields + 5, bytes_make(node->mrtd, NET_MRTD_BYTES));
        json_add_str(w, "quote_source", "simulator:platform");
        json_add_str(w, "simulated_fields", fields);
    }
}
