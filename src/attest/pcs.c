/* SPDX-License-Identifier: MIT */
#include "attest/pcs.h"
#include "attest/fetch.h"
#include "base/hex.h"

#include <stdio.h>
#include <string.h>

#define BODY_BYTES_MAX (1u << 20)
#define URL_MAX 1024

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// A header's PEM chain: percent-encoded, with '+' for spaces in some services.
static int decode_url(struct bytes *ret, struct bytes in, struct arena *a, struct error *why) {
    uint8_t *to = arena_alloc_raw(a, in.n + 1);
    size_t n = 0;
    if (!to) return error_set(why, ERR_NO_MEMORY, "collateral");
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] != '%') {
            to[n++] = in.p[i];
            continue;
        }
        int high = i + 2 < in.n ? hex_digit(in.p[i + 1]) : -1;
        int low = i + 2 < in.n ? hex_digit(in.p[i + 2]) : -1;
        if (high < 0 || low < 0) {
            return error_set(why, ERR_SYNTAX, "issuer chain: not URL-encoded");
        }
        to[n++] = (uint8_t)(high << 4 | low);
        i += 2;
    }
    *ret = (struct bytes){to, n};
    return 0;
}

struct session {
    const struct pcs_source *source;
    struct arena *a;
    struct error *why;
};

static int get(struct session *s, const char *url, struct bytes *body, struct bytes *chain,
               const char *const *headers) {
    struct fetch_answer answer = {0};
    struct fetch_request request = {.url = url,
                                    .ca_file = s->source->ca_file,
                                    .wait_ms = s->source->wait_ms,
                                    .bytes_max = BODY_BYTES_MAX};
    int code = fetch_get(&answer, &request, s->why);
    if (code == 0) {
        *body = arena_copy(s->a, buf_view(&answer.body));
        if (!body->p) code = error_set(s->why, ERR_NO_MEMORY, "collateral");
    }
    struct bytes value = {NULL, 0};
    for (const char *const *name = headers; code == 0 && *name && value.n == 0; name++) {
        value = fetch_header(&answer, *name);
    }
    if (code == 0 && chain) {
        code = value.n > 0 ? decode_url(chain, value, s->a, s->why)
                           : error_set(s->why, ERR_SYNTAX, "%.120s: no issuer chain header", url);
    }
    fetch_answer_free(&answer);
    return code;
}

static void add_update(char url[URL_MAX], const char *update, char separator) {
    size_t n = strlen(url);
    if (update) (void)snprintf(url + n, URL_MAX - n, "%cupdate=%s", separator, update);
}

static int get_root_crl(struct session *s, struct bytes *ret) {
    static const char *const none[] = {NULL};
    char url[URL_MAX];
    const char *fixed = s->source->root_crl_url;
    if (!fixed && strcmp(s->source->url, PCS_INTEL_URL) == 0) fixed = PCS_INTEL_ROOT_CRL_URL;
    if (fixed) return get(s, fixed, ret, NULL, none);
    (void)snprintf(url, sizeof url, "%s/sgx/certification/v4/rootcacrl", s->source->url);
    int code = get(s, url, ret, NULL, none);
    return code == ERR_NOT_FOUND ? get(s, PCS_INTEL_ROOT_CRL_URL, ret, NULL, none) : code;
}

int pcs_fetch(struct collateral_parts *ret, const struct collateral_key *key,
              const struct pcs_source *source, struct arena *a, struct error *why) {
    static const char *const tcb_headers[] = {"TCB-Info-Issuer-Chain", "SGX-TCB-Info-Issuer-Chain",
                                              NULL};
    static const char *const qe_headers[] = {"SGX-Enclave-Identity-Issuer-Chain", NULL};
    static const char *const crl_headers[] = {"SGX-PCK-CRL-Issuer-Chain", NULL};
    struct session s = {source, a, why};
    const char *tee = key->tee == QUOTE_TEE_TDX ? "tdx" : "sgx";
    char url[URL_MAX], fmspc[13] = {0};
    hex_encode(fmspc, bytes_make(key->fmspc, 6));
    memset(ret, 0, sizeof *ret);
    (void)snprintf(url, sizeof url, "%s/%s/certification/v4/tcb?fmspc=%s", source->url, tee, fmspc);
    add_update(url, source->update, '&');
    int code = get(&s, url, &ret->tcb_info, &ret->signing_chain, tcb_headers);
    if (code < 0) return error_wrap(why, "TCB Info"), code;
    (void)snprintf(url, sizeof url, "%s/%s/certification/v4/qe/identity", source->url, tee);
    add_update(url, source->update, '?');
    code = get(&s, url, &ret->qe_identity, &ret->qe_signing_chain, qe_headers);
    if (code < 0) return error_wrap(why, "QE identity"), code;
    (void)snprintf(url, sizeof url, "%s/sgx/certification/v4/pckcrl?ca=%s&encoding=der",
                   source->url, key->platform_ca ? "platform" : "processor");
    code = get(&s, url, &ret->pck_crl, &ret->pck_issuer_chain, crl_headers);
    if (code < 0) return error_wrap(why, "PCK CRL"), code;
    code = get_root_crl(&s, &ret->root_crl);
    return code < 0 ? error_wrap(why, "root CRL") : 0;
}
