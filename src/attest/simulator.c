/* SPDX-License-Identifier: MIT */
#include "attest/simulator.h"
#include "attest/der_write.h"
#include "attest/digest.h"
#include "attest/simulator_state.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S UINT64_C(86400)
#define CERTIFICATES_S (7300 * DAY_S)

static const char *const names[SIM_KEYS] = {
    SIMULATOR_ROOT_NAME,
    "Simulated SGX PCK Platform CA",
    "Simulated SGX TCB Signing",
    "Simulated SGX PCK Certificate",
    "",
};

/* The security versions of every simulated platform; the levels of its TCB Info start there. */
static const uint8_t component_svn[16] = {4, 4, 2, 2, 4, 1, 0, 5};
static const uint8_t tdx_svn[16] = {5, 1, 2};
enum { PCE_SVN = 13, QE_SVN = 8, QE_PROD_ID = 2 };

static struct buf *buf_at(struct simulator *s, size_t i) {
    struct buf *all[] = {&s->root_pem, &s->pck_chain,   &s->issuer_chain, &s->signing_chain,
                         &s->tcb_info, &s->qe_identity, &s->root_crl,     &s->pck_crl};
    return all[i];
}
#define BUFS 8

void simulator_free(struct simulator *s) {
    if (!s) return;
    for (int i = 0; i < SIM_KEYS; i++) {
        es256_key_free(s->parties[i].key);
    }
    for (size_t i = 0; i < BUFS; i++) {
        buf_free(buf_at(s, i));
    }
    bytes_wipe(s->secrets, sizeof s->secrets);
    free(s);
}

struct simulator *simulator_empty(void) {
    struct simulator *s = calloc(1, sizeof *s);
    for (size_t i = 0; s && i < BUFS; i++) {
        buf_init(buf_at(s, i), 1u << 20);
    }
    return s;
}

// Everything that follows from the keys: serial numbers, the platform's ids, the QE's signer.
int simulator_derive(struct simulator *s, const uint8_t fmspc[6], struct error *why) {
    for (int i = 0; i < SIM_KEYS; i++) {
        uint8_t point[64], hash[32];
        int code = es256_key_private(&s->parties[i].key, s->secrets[i], why);
        if (code < 0) return code;
        es256_key_point(s->parties[i].key, point);
        digest_sha256(bytes_make(point, 64), hash);
        hash[0] = (uint8_t)((hash[0] & 0x7f) | 0x40);
        memcpy(s->parties[i].serial, hash, 16);
        s->parties[i].name = names[i];
        if (i == SIM_PCK) memcpy(s->pck.ppid, hash + 16, 16);
        if (i == SIM_QUOTING) memcpy(s->qe_mr_signer, hash, 32);
    }
    memcpy(s->pck.fmspc, fmspc, 6);
    memcpy(s->pck.component_svn, component_svn, 16);
    memcpy(s->pck.cpu_svn, component_svn, 16);
    s->pck.pce_svn = PCE_SVN;
    s->pck.sgx_type = 1;
    s->pck.has_platform = s->pck.has_configuration = true;
    s->pck.dynamic_platform = s->pck.smt_enabled = true;
    memcpy(s->pck.platform_instance_id, s->pck.ppid, 16);
    return 0;
}

static int add_certificate(struct simulator *s, struct buf *chain, int subject, int issuer,
                           struct pki_times times, int path_length, struct error *why) {
    struct buf der;
    buf_init(&der, 1u << 16);
    int code = pki_certificate(&der, &s->parties[subject], &s->parties[issuer], times, path_length,
                               subject == SIM_PCK ? &s->pck : NULL, why);
    if (code == 0) der_put_pem(chain, "CERTIFICATE", buf_view(&der));
    buf_free(&der);
    return code < 0 ? code : buf_check(chain, why);
}

// The root is made once and kept: verifiers know it by its bytes.
static int issue_root(struct simulator *s, uint64_t now, struct error *why) {
    struct pki_times times = {now - DAY_S, now + CERTIFICATES_S};
    return add_certificate(s, &s->root_pem, SIM_ROOT, SIM_ROOT, times, 1, why);
}

static int issue_chains(struct simulator *s, const struct simulator_spec *spec, struct error *why) {
    struct pki_times times = {spec->now - DAY_S, spec->now + CERTIFICATES_S}, pck = times;
    if (spec->pck_not_after) pck.not_after = spec->pck_not_after;
    buf_clear(&s->issuer_chain);
    buf_clear(&s->signing_chain);
    buf_clear(&s->pck_chain);
    int code = add_certificate(s, &s->issuer_chain, SIM_ISSUER, SIM_ROOT, times, 0, why);
    if (code == 0)
        code = add_certificate(s, &s->signing_chain, SIM_SIGNER, SIM_ROOT, times, -1, why);
    if (code == 0) code = add_certificate(s, &s->pck_chain, SIM_PCK, SIM_ISSUER, pck, -1, why);
    if (code < 0) return code;
    buf_append(&s->issuer_chain, buf_view(&s->root_pem));
    buf_append(&s->signing_chain, buf_view(&s->root_pem));
    buf_append(&s->pck_chain, buf_view(&s->issuer_chain));
    return buf_check(&s->pck_chain, why);
}

static int issue_crls(struct simulator *s, const struct simulator_spec *spec, uint64_t until,
                      struct error *why) {
    struct pki_times times = {spec->now, until};
    buf_clear(&s->root_crl);
    buf_clear(&s->pck_crl);
    int code = pki_crl(&s->root_crl, &s->parties[SIM_ROOT], times, 1,
                       spec->revoke_issuer ? &s->parties[SIM_ISSUER] : NULL, why);
    if (code == 0) {
        code = pki_crl(&s->pck_crl, &s->parties[SIM_ISSUER], times, 1,
                       spec->revoke_pck ? &s->parties[SIM_PCK] : NULL, why);
    }
    return code;
}

static void put_dates(struct buf *b, uint64_t now, uint64_t until) {
    char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];
    (void)clock_format(from, now * NS_PER_S, 0);
    (void)clock_format(to, until * NS_PER_S, 0);
    buf_printf(b, "\"issueDate\":\"%s\",\"nextUpdate\":\"%s\",", from, to);
}

static void put_note(struct buf *b, uint64_t date, enum tcb_status status, const char *advisory) {
    char text[CLOCK_TEXT_MAX];
    (void)clock_format(text, date * NS_PER_S, 0);
    buf_printf(b, "\"tcbDate\":\"%s\",\"tcbStatus\":\"%s\"", text, tcb_status_name(status));
    if (advisory && status != TCB_UP_TO_DATE) buf_printf(b, ",\"advisoryIDs\":[\"%s\"]", advisory);
}

static void put_components(struct buf *b, const char *key, const uint8_t svn[16], unsigned more) {
    buf_printf(b, "\"%s\":[", key);
    for (unsigned i = 0; i < 16; i++) {
        buf_printf(b, "%s{\"svn\":%u}", i ? "," : "", svn[i] + (i == 2 ? more : 0u));
    }
    buf_append_byte(b, ']');
}

// A level `more` above the platform's own versions.
static void put_level(struct buf *b, unsigned more, uint64_t date, enum tcb_status status,
                      const char *advisory) {
    buf_append_str(b, "{\"tcb\":{");
    put_components(b, "sgxtcbcomponents", component_svn, more);
    buf_printf(b, ",\"pcesvn\":%d,", PCE_SVN);
    put_components(b, "tdxtcbcomponents", tdx_svn, more);
    buf_append_str(b, "},");
    put_note(b, date, status, advisory);
    buf_append_byte(b, '}');
}

static void put_isv_levels(struct buf *b, unsigned svn, uint64_t date, enum tcb_status status,
                           const char *advisory) {
    buf_append_str(b, "\"tcbLevels\":[");
    if (status != TCB_UP_TO_DATE) {
        buf_printf(b, "{\"tcb\":{\"isvsvn\":%u},", svn + 1);
        put_note(b, date, TCB_UP_TO_DATE, NULL);
        buf_append_str(b, "},");
    }
    buf_printf(b, "{\"tcb\":{\"isvsvn\":%u},", svn);
    put_note(b, date, status, advisory);
    buf_append_str(b, "}]");
}

static void put_module(struct buf *b) {
    buf_append_str(b, "\"mrsigner\":\"");
    for (int i = 0; i < 48; i++) {
        buf_append_str(b, "00");
    }
    buf_append_str(b, "\",\"attributes\":\"0000000000000000\",\"attributesMask\":"
                      "\"FFFFFFFFFFFFFFFF\"");
}

// {"KEY":text,"signature":"hex"}
static int sign_document(struct simulator *s, struct buf *out, const char *key,
                         const struct buf *text, struct error *why) {
    uint8_t signature[64];
    int code = buf_check(text, why);
    if (code == 0) {
        code = es256_sign_message(s->parties[SIM_SIGNER].key, buf_view(text), signature, why);
    }
    if (code < 0) return code;
    buf_clear(out);
    buf_printf(out, "{\"%s\":", key);
    buf_append(out, buf_view(text));
    buf_append_str(out, ",\"signature\":\"");
    hex_append(out, bytes_make(signature, 64));
    buf_append_str(out, "\"}");
    return buf_check(out, why);
}

static int issue_tcb_info(struct simulator *s, const struct simulator_spec *spec, uint64_t until,
                          struct error *why) {
    struct buf b;
    uint64_t date = spec->now - 30 * DAY_S;
    buf_init(&b, 1u << 18);
    buf_append_str(&b, "{\"id\":\"TDX\",\"version\":3,");
    put_dates(&b, spec->now, until);
    buf_append_str(&b, "\"fmspc\":\"");
    hex_append(&b, bytes_make(s->pck.fmspc, 6));
    buf_printf(&b, "\",\"pceId\":\"0000\",\"tcbType\":0,\"tcbEvaluationDataNumber\":%u,",
               spec->evaluation_number ? spec->evaluation_number : 1);
    buf_append_str(&b, "\"tdxModule\":{");
    put_module(&b);
    buf_printf(&b, "},\"tdxModuleIdentities\":[{\"id\":\"TDX_%02X\",", tdx_svn[1]);
    put_module(&b);
    buf_append_byte(&b, ',');
    put_isv_levels(&b, tdx_svn[0], date, spec->module, spec->advisory);
    buf_append_str(&b, "}],\"tcbLevels\":[");
    if (spec->status != TCB_UP_TO_DATE) {
        put_level(&b, 1, date, TCB_UP_TO_DATE, NULL);
        buf_append_byte(&b, ',');
    }
    put_level(&b, 0, date, spec->status, spec->advisory);
    buf_append_str(&b, "]}");
    int code = sign_document(s, &s->tcb_info, "tcbInfo", &b, why);
    buf_free(&b);
    return code;
}

static int issue_qe_identity(struct simulator *s, const struct simulator_spec *spec, uint64_t until,
                             struct error *why) {
    struct buf b;
    buf_init(&b, 1u << 16);
    buf_append_str(&b, "{\"id\":\"TD_QE\",\"version\":2,");
    put_dates(&b, spec->now, until);
    buf_printf(&b, "\"tcbEvaluationDataNumber\":%u,",
               spec->evaluation_number ? spec->evaluation_number : 1);
    buf_append_str(&b, "\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\","
                       "\"attributes\":\"11000000000000000000000000000000\","
                       "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\",\"mrsigner\":\"");
    hex_append(&b, bytes_make(s->qe_mr_signer, 32));
    buf_printf(&b, "\",\"isvprodid\":%d,", QE_PROD_ID);
    put_isv_levels(&b, QE_SVN, spec->now - 30 * DAY_S, spec->qe, spec->advisory);
    buf_append_byte(&b, '}');
    int code = sign_document(s, &s->qe_identity, "enclaveIdentity", &b, why);
    buf_free(&b);
    return code;
}

int simulator_issue(struct simulator *s, const struct simulator_spec *spec, struct error *why) {
    bool stated = spec->status != TCB_RELAUNCH_ADVISED &&
                  spec->status != TCB_RELAUNCH_ADVISED_CONFIGURATION_NEEDED &&
                  spec->status < TCB_NONE;
    bool parts =
        (spec->module == TCB_UP_TO_DATE || spec->module == TCB_OUT_OF_DATE ||
         spec->module == TCB_REVOKED) &&
        (spec->qe == TCB_UP_TO_DATE || spec->qe == TCB_OUT_OF_DATE || spec->qe == TCB_REVOKED);
    if (!stated || !parts || spec->now < 60 * DAY_S) {
        return error_set(why, ERR_RANGE, "simulator: collateral cannot state that");
    }
    uint64_t until = spec->now + (spec->lifetime_s ? spec->lifetime_s : 30 * DAY_S);
    int code = issue_chains(s, spec, why);
    if (code == 0) code = issue_crls(s, spec, until, why);
    if (code == 0) code = issue_tcb_info(s, spec, until, why);
    if (code == 0) code = issue_qe_identity(s, spec, until, why);
    return code;
}

int simulator_new(struct simulator **ret, const struct simulator_spec *spec, struct error *why) {
    struct simulator *s = simulator_empty();
    if (!s) return error_set(why, ERR_NO_MEMORY, "simulator");
    int code = 0;
    for (int i = 0; code == 0 && i < SIM_KEYS; i++) {
        struct es256_key *key = NULL;
        code = es256_key_generate(&key, s->secrets[i], why);
        es256_key_free(key);
    }
    if (code == 0) code = simulator_derive(s, spec->fmspc, why);
    if (code == 0) code = issue_root(s, spec->now, why);
    if (code == 0) code = simulator_issue(s, spec, why);
    if (code < 0) {
        simulator_free(s);
        return code;
    }
    *ret = s;
    return 0;
}

struct bytes simulator_root(const struct simulator *s) {
    return buf_view(&s->root_pem);
}

struct collateral_parts simulator_collateral(const struct simulator *s) {
    return (struct collateral_parts){.tcb_info = buf_view(&s->tcb_info),
                                     .qe_identity = buf_view(&s->qe_identity),
                                     .root_crl = buf_view(&s->root_crl),
                                     .pck_crl = buf_view(&s->pck_crl),
                                     .signing_chain = buf_view(&s->signing_chain),
                                     .pck_issuer_chain = buf_view(&s->issuer_chain)};
}

void simulator_td(const struct simulator *s, struct td_report *ret) {
    (void)s;
    memset(ret, 0, sizeof *ret);
    memcpy(ret->tee_tcb_svn, tdx_svn, 16);
    memcpy(ret->tee_tcb_svn2, tdx_svn, 16);
    memset(ret->mr_seam, 0x5e, 48);
    ret->td_attributes = UINT64_C(1) << 28;
    ret->xfam = UINT64_C(0x602e7);
}

// The quoting enclave's report over the attestation key, signed by the SIM_PCK key.
static int put_qe_report(struct buf *out, const struct simulator *s, const uint8_t key[64],
                         struct bytes auth, struct error *why) {
    uint8_t report[QUOTE_SGX_BODY_BYTES] = {0}, signature[64];
    memcpy(report, component_svn, 16);
    report[48] = 0x11;
    memcpy(report + 128, s->qe_mr_signer, 32);
    store_le16(report + 256, QE_PROD_ID);
    store_le16(report + 258, QE_SVN);
    if (!digest_sha256_two(bytes_make(key, 64), auth, report + 320)) {
        return error_set(why, ERR_NO_MEMORY, "simulator");
    }
    int code = es256_sign_message(s->parties[SIM_PCK].key, bytes_make(report, sizeof report),
                                  signature, why);
    buf_append(out, bytes_make(report, sizeof report));
    buf_append(out, bytes_make(signature, 64));
    return code;
}

static void put_le(struct buf *out, uint32_t v, size_t n) {
    uint8_t le[4];
    store_le32(le, v);
    buf_append(out, bytes_make(le, n));
}

static void put_header(struct buf *out, const struct simulator *s, unsigned version) {
    uint8_t header[QUOTE_HEADER_BYTES] = {0};
    store_le16(header, (uint16_t)version);
    store_le16(header + 2, QUOTE_KEY_TYPE_P256);
    store_le32(header + 4, QUOTE_TEE_TDX);
    memcpy(header + 12, quote_intel_vendor_id, 16);
    memcpy(header + 28, s->pck.ppid, 16);
    buf_append(out, bytes_make(header, sizeof header));
}

int simulator_quote(struct buf *out, const struct simulator *s, const struct td_report *td,
                    unsigned version, enum quote_body body, struct error *why) {
    uint8_t bytes[QUOTE_TD15_BODY_BYTES], signature[64], key[64], auth[32];
    size_t n = body == QUOTE_BODY_TD15 ? QUOTE_TD15_BODY_BYTES : QUOTE_TD10_BODY_BYTES;
    if ((version != 4 && version != 5) || body == QUOTE_BODY_SGX ||
        (version == 4 && body != QUOTE_BODY_TD10)) {
        return error_set(why, ERR_RANGE, "simulator: no quote of version %u with that body",
                         version);
    }
    buf_clear(out);
    put_header(out, s, version);
    if (version == 5) {
        put_le(out, (uint32_t)body, 2);
        put_le(out, (uint32_t)n, 4);
    }
    td_report_write(bytes, n, td);
    buf_append(out, bytes_make(bytes, n));
    int code = buf_check(out, why);
    if (code == 0) {
        code = es256_sign_message(s->parties[SIM_QUOTING].key, buf_view(out), signature, why);
    }
    if (code < 0) return code;
    for (unsigned i = 0; i < sizeof auth; i++) {
        auth[i] = (uint8_t)i;
    }
    es256_key_point(s->parties[SIM_QUOTING].key, key);
    size_t inner = 384 + 64 + 2 + sizeof auth + 2 + 4 + s->pck_chain.n;
    put_le(out, (uint32_t)(64 + 64 + 2 + 4 + inner), 4);
    buf_append(out, bytes_make(signature, 64));
    buf_append(out, bytes_make(key, 64));
    put_le(out, QUOTE_CERT_QE_REPORT, 2);
    put_le(out, (uint32_t)inner, 4);
    if ((code = put_qe_report(out, s, key, bytes_make(auth, sizeof auth), why)) < 0) return code;
    put_le(out, sizeof auth, 2);
    buf_append(out, bytes_make(auth, sizeof auth));
    put_le(out, QUOTE_CERT_PCK_CHAIN, 2);
    put_le(out, (uint32_t)s->pck_chain.n, 4);
    buf_append(out, buf_view(&s->pck_chain));
    return buf_check(out, why);
}
