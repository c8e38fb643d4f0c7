/* A remote quote service: hosts whose guests cannot reach the platform device.
 * SPDX-License-Identifier: MIT */
#include "attest/evidence.h"
#include "attest/fetch.h"
#include "attest/quoter.h"
#include "base/hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct remote_quoter {
    struct quoter base;
    char *url;
    char *token; // NULL: none
    uint64_t wait_ms;
};

// The answer is a raw quote, or an evidence message that carries one.
static int unwrap(struct buf *out, struct bytes answer, struct error *why) {
    struct evidence_message message;
    struct quote quote;
    if (quote_parse(&quote, answer, NULL) == 0) {
        buf_append(out, answer);
        return 0;
    }
    int code = evidence_message_read(&message, answer, why);
    if (code == 0 && !attestation_is_dcap(message.type)) {
        code = error_set(why, ERR_UNSUPPORTED, "quote service: evidence of type %s",
                         attestation_type_name(message.type));
    }
    if (code == 0) buf_append(out, message.evidence);
    return code;
}

static int make(struct quoter *base, struct buf *out, const uint8_t report_data[64],
                struct error *why) {
    struct remote_quoter *q = (struct remote_quoter *)base;
    struct fetch_answer answer = {0};
    char digits[129];
    hex_encode(digits, bytes_make(report_data, 64));
    digits[128] = 0;
    size_t n = strlen(q->url) + sizeof "/attest/" + 128;
    char *url = malloc(n);
    if (!url) return error_set(why, ERR_NO_MEMORY, "quote service");
    (void)snprintf(url, n, "%s/attest/%s", q->url, digits);
    struct fetch_request request = {
        .url = url, .bearer = q->token, .wait_ms = q->wait_ms, .bytes_max = QUOTE_BYTES_MAX};
    int code = fetch_get(&answer, &request, why);
    if (code == 0) code = unwrap(out, buf_view(&answer.body), why);
    fetch_answer_free(&answer);
    free(url);
    return code < 0 ? error_wrap(why, "quote service") : 0;
}

static void release(struct quoter *base) {
    struct remote_quoter *q = (struct remote_quoter *)base;
    if (q->token) bytes_wipe(q->token, strlen(q->token));
    free(q->token);
    free(q->url);
    free(q);
}

int quoter_remote(struct quoter **ret, const char *url, const char *token, uint64_t wait_ms,
                  struct error *why) {
    struct remote_quoter *q = calloc(1, sizeof *q);
    if (!q) return error_set(why, ERR_NO_MEMORY, "quoter");
    q->base = (struct quoter){ATTESTATION_DCAP_TDX, make, release};
    q->url = strdup(url);
    q->token = token ? strdup(token) : NULL;
    q->wait_ms = wait_ms;
    if (!q->url || (token && !q->token)) {
        release(&q->base);
        return error_set(why, ERR_NO_MEMORY, "quoter");
    }
    size_t n = strlen(q->url);
    while (n > 0 && q->url[n - 1] == '/') {
        q->url[--n] = 0;
    }
    *ret = &q->base;
    return 0;
}
