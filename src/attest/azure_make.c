/* Evidence made on an Azure TD: user data into the paravisor's report, a TD quote from the
 * metadata service, a TPM quote over the PCRs.
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
#define REFRESH_WAIT_MS 3000

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

static int read_report(struct bytes *ret, const struct azure_maker *m, const uint8_t input[64],
                       struct arena *a, struct error *why) {
    if (m->hcl_file) return files_read(ret, m->hcl_file, HCL_REPORT_BYTES_MAX, a, why);
    int code = vtpm_nv_write(m->tpm, VTPM_NV_USER_DATA, bytes_make(input, 64), why);
    if (code < 0) return code;
    uint64_t wait_ms = m->refresh_wait_ms ? m->refresh_wait_ms : REFRESH_WAIT_MS;
    struct timespec pause = {(time_t)(wait_ms / 1000), (long)(wait_ms % 1000 * NS_PER_MS)};
    (void)nanosleep(&pause, NULL);
    return vtpm_nv_read(ret, m->tpm, VTPM_NV_HCL_REPORT, a, why);
}

int azure_make(struct azure_evidence *ret, const struct azure_maker *m, const uint8_t input[64],
               struct arena *a, struct error *why) {
    struct hcl_report hcl;
    struct hcl_runtime runtime;
    struct vtpm_quote quote;
    memset(ret, 0, sizeof *ret);
    int code = read_report(&ret->hcl, m, input, a, why);
    if (code == 0) code = hcl_parse(&hcl, ret->hcl, why);
    if (code == 0) code = hcl_runtime_parse(&runtime, hcl.runtime, a, why);
    if (code == 0 && (!runtime.has_user_data || memcmp(runtime.user_data, input, 64) != 0)) {
        code = error_set(why, ERR_AGAIN, "the paravisor has not yet taken up the user data");
    }
    if (code == 0) code = fetch_quote(&ret->quote, m, hcl.tdreport, a, why);
    if (code == 0) {
        code = vtpm_quote_pcrs(&quote, m->tpm, VTPM_AK_HANDLE, bytes_make(input, 32), a, why);
    }
    if (code == 0) code = vtpm_nv_read(&ret->ak.leaf, m->tpm, VTPM_NV_AK_CERTIFICATE, a, why);
    if (code < 0) return code;
    ret->ak.leaf.n = der_length(ret->ak.leaf); // the area is larger than the certificate
    ret->tpm_message = quote.message;
    ret->tpm_signature = quote.signature;
    ret->pcrs = quote.pcrs;
    return 0;
}
