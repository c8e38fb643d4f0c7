/* SPDX-License-Identifier: MIT */
#include "attest/vtpm_make.h"

#include "attest/vtpm_internal.h"

#include <stdlib.h>
#include <string.h>

#define TCTI_MAGIC 0x6275696c6465724eu

/* ---- the way ---- */

struct way_tcti {
    TSS2_TCTI_CONTEXT_COMMON_V1 common; /* first: the library knows this alone */
    struct vtpm_way way;
    struct buf response;
};

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *c, size_t size, const uint8_t *command) {
    struct way_tcti *w = (struct way_tcti *)c;
    buf_clear(&w->response);
    int r = w->way.exchange(w->way.context, &w->response, bytes_make(command, size), NULL);
    return r == 0 && w->response.n ? TSS2_RC_SUCCESS : TSS2_TCTI_RC_IO_ERROR;
}

// Without a place for the response the library asks for its size.
static TSS2_RC receive(TSS2_TCTI_CONTEXT *c, size_t *size, uint8_t *response, int32_t timeout) {
    struct way_tcti *w = (struct way_tcti *)c;
    (void)timeout;
    if (response) {
        if (*size < w->response.n) return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
        memcpy(response, w->response.p, w->response.n);
    }
    *size = w->response.n;
    return TSS2_RC_SUCCESS;
}

static TSS2_TCTI_CONTEXT *way_new(const struct vtpm_way *way) {
    struct way_tcti *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    w->common = (TSS2_TCTI_CONTEXT_COMMON_V1){
        .magic = TCTI_MAGIC, .version = 1, .transmit = transmit, .receive = receive};
    w->way = *way;
    buf_init(&w->response, VTPM_MESSAGE_BYTES_MAX);
    return (TSS2_TCTI_CONTEXT *)w;
}

void vtpm_way_close(struct vtpm *t) {
    struct way_tcti *w = (struct way_tcti *)t->tcti;
    if (!t->way.exchange || !w) return;
    buf_free(&w->response);
    free(w);
}

int vtpm_open_way(struct vtpm **ret, const struct vtpm_way *way, struct error *why) {
    struct vtpm *t = calloc(1, sizeof *t);
    if (!t) return error_set(why, ERR_NO_MEMORY, "TPM");
    (void)setenv("TSS2_LOG", "all+none", 0);
    t->way = *way;
    t->tcti = way_new(way);
    TSS2_RC rc = t->tcti ? Esys_Initialize(&t->esys, t->tcti, NULL) : TSS2_BASE_RC_MEMORY;
    if (rc != TSS2_RC_SUCCESS) {
        vtpm_close(t);
        return vtpm_error(rc, "initialise", why);
    }
    *ret = t;
    return 0;
}

/* ---- what is made ---- */

static int create_key(struct vtpm *t, ESYS_TR *ret, struct error *why) {
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION none = {0};
    const TPM2B_PUBLIC template = {
        .publicArea = {
            .type = TPM2_ALG_RSA,
            .nameAlg = TPM2_ALG_SHA256,
            .objectAttributes = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT |
                                TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                TPMA_OBJECT_NODA,
            .parameters.rsaDetail = {
                .symmetric.algorithm = TPM2_ALG_NULL,
                .scheme = {.scheme = TPM2_ALG_RSASSA, .details.rsassa.hashAlg = TPM2_ALG_SHA256},
                .keyBits = 2048}}};
    TSS2_RC rc =
        Esys_CreatePrimary(t->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                           &sensitive, &template, &outside, &none, ret, NULL, NULL, NULL, NULL);
    return rc == TSS2_RC_SUCCESS ? 0 : vtpm_error(rc, "make the attestation key", why);
}

static int keep_key(struct vtpm *t, uint32_t handle, ESYS_TR *ret, struct error *why) {
    ESYS_TR transient = ESYS_TR_NONE;
    int code = create_key(t, &transient, why);
    if (code < 0) return code;
    TSS2_RC rc = Esys_EvictControl(t->esys, ESYS_TR_RH_OWNER, transient, ESYS_TR_PASSWORD,
                                   ESYS_TR_NONE, ESYS_TR_NONE, handle, ret);
    (void)Esys_FlushContext(t->esys, transient);
    return rc == TSS2_RC_SUCCESS ? 0 : vtpm_error(rc, "keep the attestation key", why);
}

int vtpm_make_key(struct bytes *ret_public, struct vtpm *t, uint32_t handle, struct arena *a,
                  struct error *why) {
    ESYS_TR key = ESYS_TR_NONE;
    TSS2_RC rc =
        Esys_TR_FromTPMPublic(t->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &key);
    int code = rc == TSS2_RC_SUCCESS ? 0 : vtpm_error(rc, "find the attestation key", why);
    if (code == ERR_NOT_FOUND) code = keep_key(t, handle, &key, why);
    if (code == 0) code = vtpm_copy_public(ret_public, t, key, a, why);
    if (key != ESYS_TR_NONE) (void)Esys_TR_Close(t->esys, &key);
    return code;
}

int vtpm_extend(struct vtpm *t, unsigned pcr, const uint8_t digest[32], struct error *why) {
    TPML_DIGEST_VALUES values = {.count = 1, .digests[0].hashAlg = TPM2_ALG_SHA256};
    memcpy(values.digests[0].digest.sha256, digest, 32);
    TSS2_RC rc = Esys_PCR_Extend(t->esys, ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                 ESYS_TR_NONE, &values);
    return rc == TSS2_RC_SUCCESS ? 0 : vtpm_error(rc, "extend a PCR", why);
}
