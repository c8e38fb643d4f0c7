/* Evidence made on an Azure TD: the paravisor's report, with user data or as it is, a TD quote from
 * the metadata service, a TPM quote over the PCRs.
 * SPDX-License-Identifier: MIT */
#include "attest/fetch.h"
#include "attest/files.h"
#include "attest/vtpm.h"
#include "base/base64.h"
#include "base/clock.h"
#include "json/json.h"

#include <string.h>
#include <time.h>

#define IMDS_URL "http://169.254.169.254/acc/tdquote"
#define REFRESH_WAIT_MS 6000
#define REFRESH_LOOK_MS 200 /* between two looks at the report */

// {"report": base64url of the TDREPORT} -> {"quote": base64url}
static int fetch_quote(struct bytes *ret, const struct azure_maker *m, struct bytes tdreport,
                       struct arena *a, struct error *why) {
    struct fetch_answer answer = {0};
    struct buf body;
    const struct json *root = NULL;
    struct bytes text = {NULL, 0};
    buf_init(&body, 8192);
    buf_append_str(&body, "{\"report\":\"");
    base64_append(&body, tdreport, BASE64_URL | BASE64_NO_PAD);
    buf_append_str(&body, "\"}");
    buf_append_byte(&body, 0);
    int code = buf_check(&body, why);
    struct fetch_request request = {.url = m->imds_url ? m->imds_url : IMDS_URL,
                                    .post_json = (const char *)body.p,
                                    .header = "Metadata: true",
                                    .wait_ms = m->wait_ms,
                                    .bytes_max = QUOTE_BYTES_MAX * 2,
                                    .no_proxy = true};
    if (code == 0) code = fetch_get(&answer, &request, why);
    if (code == 0) code = json_parse(&root, buf_view(&answer.body), a, NULL, why);
    if (code == 0) code = json_get_string(&text, root, "quote", why);
    if (code == 0) code = base64_decode(ret, text, BASE64_URL | BASE64_ANY_PAD, a, why);
    fetch_answer_free(&answer);
    buf_free(&body);
    return code < 0 ? error_wrap(why, "TD quote from the metadata service") : 0;
}

/* The report with its parts; its own hash tells one that was read while it changed. */
struct report {
    struct hcl_report hcl;
    struct hcl_runtime runtime;
};

static int read_report(struct report *ret, struct bytes *ret_whole, const struct azure_maker *m,
                       struct arena *a, struct error *why) {
    int code = m->hcl_file ? files_read(ret_whole, m->hcl_file, HCL_REPORT_BYTES_MAX, a, why)
                           : vtpm_nv_read(ret_whole, m->tpm, VTPM_NV_HCL_REPORT, a, why);
    if (code == 0) code = hcl_parse(&ret->hcl, *ret_whole, why);
    if (code == 0) code = hcl_runtime_parse(&ret->runtime, ret->hcl.runtime, a, why);
    return code;
}

static bool has_user_data(const struct report *r, const uint8_t input[64]) {
    return r->runtime.has_user_data && memcmp(r->runtime.user_data, input, 64) == 0;
}

// There is one area for all programs of the machine: another one's data may be in it by now.
static int hand_over(const struct azure_maker *m, const uint8_t input[64], struct arena *a,
                     struct error *why) {
    struct bytes held = {NULL, 0};
    int code = vtpm_nv_read(&held, m->tpm, VTPM_NV_USER_DATA, a, NULL);
    if (code == 0 && held.n == 64 && memcmp(held.p, input, 64) == 0) return 0;
    return vtpm_nv_write(m->tpm, VTPM_NV_USER_DATA, bytes_make(input, 64), why);
}

// Hands the paravisor our user data and looks until its report has it.
static int refresh_report(struct report *ret, struct bytes *ret_whole, const struct azure_maker *m,
                          const uint8_t input[64], struct arena *a, struct error *why) {
    const struct timespec pause = {0, (long)(REFRESH_LOOK_MS * NS_PER_MS)};
    uint64_t wait_ms = m->refresh_wait_ms ? m->refresh_wait_ms : REFRESH_WAIT_MS;
    int code;
    for (uint64_t waited = 0;; waited += REFRESH_LOOK_MS) {
        code = hand_over(m, input, a, why);
        if (code < 0) return code;
        code = read_report(ret, ret_whole, m, a, why);
        if (code == 0 && has_user_data(ret, input)) return 0;
        if (code < 0 && code != ERR_INVALID) return code;
        if (waited >= wait_ms) break;
        (void)nanosleep(&pause, NULL);
    }
    return code < 0 ? code
                    : error_set(why, ERR_TIMEOUT, "the paravisor does not take up the user data");
}

// The key's certificate; its area is larger.
static int read_certificate(struct azure_evidence *ret, const struct azure_maker *m,
                            struct arena *a, struct error *why) {
    int code = vtpm_nv_read(&ret->ak.leaf, m->tpm, VTPM_NV_AK_CERTIFICATE, a, why);
    ret->ak.leaf.n = code < 0 ? 0 : der_length(ret->ak.leaf);
    return code;
}

static int quote_pcrs(struct azure_evidence *ret, const struct azure_maker *m,
                      const uint8_t nonce[32], struct arena *a, struct error *why) {
    struct vtpm_quote quote;
    int code = vtpm_quote_pcrs(&quote, m->tpm, VTPM_AK_HANDLE, bytes_make(nonce, 32), a, why);
    if (code < 0) return code;
    ret->ak_public = quote.public;
    ret->tpm_message = quote.message;
    ret->tpm_signature = quote.signature;
    ret->pcrs = quote.pcrs;
    return 0;
}

int azure_make(struct azure_evidence *ret, const struct azure_maker *m, const uint8_t input[64],
               struct arena *a, struct error *why) {
    struct report report;
    memset(ret, 0, sizeof *ret);
    int code = refresh_report(&report, &ret->hcl, m, input, a, why);
    if (code == 0) code = fetch_quote(&ret->quote, m, report.hcl.tdreport, a, why);
    if (code == 0) code = quote_pcrs(ret, m, input, a, why);
    return code < 0 ? code : read_certificate(ret, m, a, why);
}

// The firmware's event log, where there is one.
static int read_event_log(struct azure_evidence *ret, const struct azure_maker *m, struct arena *a,
                          struct error *why) {
    if (!m->event_log) return 0;
    int code = files_read(&ret->event_log, m->event_log, AZURE_EVENT_LOG_BYTES_MAX, a, why);
    if (code == ERR_NOT_FOUND) return 0;
    return code < 0 ? error_wrap(why, "event log") : 0;
}

// What the TPM's nonce is a hash of, byte for byte as it is sent.
static int bind_instance(struct azure_evidence *ret, uint8_t ret_nonce[32],
                         const uint8_t binding[32], struct arena *a, struct error *why) {
    struct buf instance;
    buf_init(&instance, AZURE_EVIDENCE_BYTES_MAX);
    int code = azure_instance_write(&instance, ret, why);
    if (code == 0) {
        ret->instance_info = arena_copy(a, buf_view(&instance));
        if (!ret->instance_info.p ||
            !azure_document_nonce(ret_nonce, binding, ret->instance_info)) {
            code = error_set(why, ERR_NO_MEMORY, "Azure document");
        }
    }
    buf_free(&instance);
    return code;
}

int azure_make_document(struct azure_evidence *ret, const struct azure_maker *m,
                        const uint8_t binding[32], const uint8_t user_data[32], struct arena *a,
                        struct error *why) {
    struct report report;
    uint8_t nonce[32];
    memset(ret, 0, sizeof *ret);
    int code = read_report(&report, &ret->hcl, m, a, why);
    if (code == 0) code = fetch_quote(&ret->quote, m, report.hcl.tdreport, a, why);
    if (code < 0) return code;
    ret->runtime = report.hcl.runtime;
    ret->user_data = arena_copy(a, bytes_make(user_data, 32));
    if (!ret->user_data.p) return error_set(why, ERR_NO_MEMORY, "Azure document");
    code = bind_instance(ret, nonce, binding, a, why);
    if (code == 0) code = quote_pcrs(ret, m, nonce, a, why);
    if (code == 0) code = read_event_log(ret, m, a, why);
    if (code < 0) return code;
    code = read_certificate(ret, m, a, why);
    return code == ERR_NOT_FOUND ? 0 : code; // without a certificate: whether that does, peers say
}
