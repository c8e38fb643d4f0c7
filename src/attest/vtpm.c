/* SPDX-License-Identifier: MIT */
#include "attest/vtpm_internal.h"

#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#define NV_BYTES_MAX (64u << 10)
#define NV_CHUNK 1024
#define QUOTE_TRIES 4

int vtpm_error(TSS2_RC rc, const char *what, struct error *why) {
    // Layers and parameter numbers aside, "handle" is what absent objects give.
    bool absent = (rc & 0xfff) == TPM2_RC_HANDLE || (rc & 0xbf) == TPM2_RC_HANDLE ||
                  (rc & 0xfff) == TPM2_RC_REFERENCE_H0;
    return error_set(why, absent ? ERR_NOT_FOUND : ERR_IO, "TPM: %s: %s", what, Tss2_RC_Decode(rc));
}

int vtpm_open(struct vtpm **ret, const char *tcti, struct error *why) {
    struct vtpm *t = calloc(1, sizeof *t);
    if (!t) return error_set(why, ERR_NO_MEMORY, "TPM");
    // The library would write lines of its own form to standard error; every error is told here.
    (void)setenv("TSS2_LOG", "all+none", 0);
    TSS2_RC rc = Tss2_TctiLdr_Initialize(tcti, &t->tcti);
    if (rc != TSS2_RC_SUCCESS) {
        free(t);
        return error_set(why, ERR_NOT_FOUND, "TPM %s: %s", tcti, Tss2_RC_Decode(rc));
    }
    rc = Esys_Initialize(&t->esys, t->tcti, NULL);
    if (rc != TSS2_RC_SUCCESS) {
        vtpm_close(t);
        return vtpm_error(rc, "initialise", why);
    }
    *ret = t;
    return 0;
}

void vtpm_close(struct vtpm *t) {
    if (!t) return;
    if (t->esys) Esys_Finalize(&t->esys);
    if (t->tcti && !t->way.exchange) Tss2_TctiLdr_Finalize(&t->tcti);
    vtpm_way_close(t);
    free(t);
}

// PCRs come eight at a time; a read says which it gave.
int vtpm_read_pcrs(struct tpm_pcrs *ret, struct vtpm *t, struct error *why) {
    uint32_t wanted = 0xffffff;
    while (wanted) {
        TPML_PCR_SELECTION in = {.count = 1}, *got = NULL;
        TPML_DIGEST *values = NULL;
        in.pcrSelections[0].hash = TPM2_ALG_SHA256;
        in.pcrSelections[0].sizeofSelect = 3;
        for (int i = 0; i < 3; i++) {
            in.pcrSelections[0].pcrSelect[i] = (BYTE)(wanted >> 8 * i);
        }
        TSS2_RC rc = Esys_PCR_Read(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &in, NULL,
                                   &got, &values);
        if (rc != TSS2_RC_SUCCESS) return vtpm_error(rc, "read PCRs", why);
        uint32_t mask = 0, used = 0;
        for (int i = 0; got->count == 1 && i < 3; i++) {
            mask |= (uint32_t)got->pcrSelections[0].pcrSelect[i] << 8 * i;
        }
        for (unsigned i = 0; i < TPM_PCRS && used < values->count; i++) {
            if (!(mask & 1u << i) || values->digests[used].size != 32) continue;
            memcpy(ret->value[i], values->digests[used++].buffer, 32);
        }
        Esys_Free(got);
        Esys_Free(values);
        if (used == 0) return error_set(why, ERR_UNSUPPORTED, "TPM: no bank of SHA-256 PCRs");
        wanted &= ~mask;
    }
    return 0;
}

int vtpm_copy_public(struct bytes *ret, struct vtpm *t, ESYS_TR key, struct arena *a,
                     struct error *why) {
    TPM2B_PUBLIC *public = NULL;
    uint8_t wire[sizeof(TPMT_PUBLIC)];
    size_t n = 0;
    TSS2_RC rc = Esys_ReadPublic(t->esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public,
                                 NULL, NULL);
    if (rc != TSS2_RC_SUCCESS) return vtpm_error(rc, "read the key", why);
    rc = Tss2_MU_TPMT_PUBLIC_Marshal(&public->publicArea, wire, sizeof wire, &n);
    bool rsa = public->publicArea.type == TPM2_ALG_RSA;
    Esys_Free(public);
    if (rc != TSS2_RC_SUCCESS) return vtpm_error(rc, "write the key", why);
    if (!rsa) return error_set(why, ERR_UNSUPPORTED, "TPM: the attestation key is not RSA");
    *ret = arena_copy(a, bytes_make(wire, n));
    return ret->p ? 0 : error_set(why, ERR_NO_MEMORY, "TPM");
}

static int quote_once(struct vtpm_quote *ret, struct vtpm *t, ESYS_TR key, struct bytes nonce,
                      struct arena *a, struct error *why) {
    TPM2B_DATA data = {.size = (UINT16)nonce.n};
    TPMT_SIG_SCHEME scheme = {.scheme = TPM2_ALG_RSASSA, .details.rsassa.hashAlg = TPM2_ALG_SHA256};
    TPML_PCR_SELECTION all = {.count = 1};
    TPM2B_ATTEST *quoted = NULL;
    TPMT_SIGNATURE *signature = NULL;
    if (nonce.n) memcpy(data.buffer, nonce.p, nonce.n);
    all.pcrSelections[0].hash = TPM2_ALG_SHA256;
    all.pcrSelections[0].sizeofSelect = 3;
    memset(all.pcrSelections[0].pcrSelect, 0xff, 3);
    TSS2_RC rc = Esys_Quote(t->esys, key, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &data,
                            &scheme, &all, &quoted, &signature);
    if (rc != TSS2_RC_SUCCESS) return vtpm_error(rc, "quote", why);
    TPM2B_PUBLIC_KEY_RSA *sig = &signature->signature.rsassa.sig;
    ret->message = arena_copy(a, bytes_make(quoted->attestationData, quoted->size));
    ret->signature = arena_copy(a, bytes_make(sig->buffer, sig->size));
    Esys_Free(quoted);
    Esys_Free(signature);
    return ret->message.p && ret->signature.p ? 0 : error_set(why, ERR_NO_MEMORY, "TPM");
}

int vtpm_quote_pcrs(struct vtpm_quote *ret, struct vtpm *t, uint32_t handle, struct bytes nonce,
                    struct arena *a, struct error *why) {
    ESYS_TR key = ESYS_TR_NONE;
    struct tpm_attest attest;
    if (nonce.n > 32) return error_set(why, ERR_RANGE, "TPM: a nonce of %zu bytes", nonce.n);
    memset(ret, 0, sizeof *ret);
    TSS2_RC rc =
        Esys_TR_FromTPMPublic(t->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &key);
    if (rc != TSS2_RC_SUCCESS) return vtpm_error(rc, "find the attestation key", why);
    int code = vtpm_copy_public(&ret->public, t, key, a, why);
    for (int i = 0; code == 0 && i < QUOTE_TRIES; i++) {
        code = quote_once(ret, t, key, nonce, a, why);
        if (code == 0) code = vtpm_read_pcrs(&ret->pcrs, t, why);
        if (code == 0) code = tpm_attest_parse(&attest, ret->message, why);
        if (code < 0 || tpm_attest_check_pcrs(&attest, &ret->pcrs, why) == 0) break;
        if (i + 1 == QUOTE_TRIES) {
            code = error_set(why, ERR_CONFLICT, "TPM: the PCRs change while they are quoted");
        }
    }
    (void)Esys_TR_Close(t->esys, &key);
    return code;
}

static int find_nv(struct vtpm *t, uint32_t index, ESYS_TR *ret, uint16_t *ret_size,
                   struct error *why) {
    TPM2B_NV_PUBLIC *public = NULL;
    TSS2_RC rc =
        Esys_TR_FromTPMPublic(t->esys, index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ret);
    if (rc != TSS2_RC_SUCCESS) return vtpm_error(rc, "find the NV area", why);
    rc = Esys_NV_ReadPublic(t->esys, *ret, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &public, NULL);
    if (rc != TSS2_RC_SUCCESS) {
        (void)Esys_TR_Close(t->esys, ret);
        return vtpm_error(rc, "read the NV area's size", why);
    }
    *ret_size = public->nvPublic.dataSize;
    Esys_Free(public);
    return 0;
}

int vtpm_nv_read(struct bytes *ret, struct vtpm *t, uint32_t index, struct arena *a,
                 struct error *why) {
    ESYS_TR nv = ESYS_TR_NONE;
    uint16_t size = 0;
    int code = find_nv(t, index, &nv, &size, why);
    if (code < 0) return code;
    uint8_t *to = arena_alloc(a, size);
    if (!to) code = error_set(why, ERR_NO_MEMORY, "TPM");
    for (uint16_t at = 0; code == 0 && at < size;) {
        TPM2B_MAX_NV_BUFFER *part = NULL;
        uint16_t n = size - at < NV_CHUNK ? (uint16_t)(size - at) : NV_CHUNK;
        TSS2_RC rc = Esys_NV_Read(t->esys, ESYS_TR_RH_OWNER, nv, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                  ESYS_TR_NONE, n, at, &part);
        if (rc != TSS2_RC_SUCCESS) {
            code = vtpm_error(rc, "read the NV area", why);
        } else if (part->size == 0 || part->size > n) {
            code = error_set(why, ERR_IO, "TPM: the NV area gave %u bytes", part->size);
        } else {
            memcpy(to + at, part->buffer, part->size);
            at = (uint16_t)(at + part->size);
        }
        Esys_Free(part);
    }
    (void)Esys_TR_Close(t->esys, &nv);
    *ret = (struct bytes){to, size};
    return code;
}

static int define_nv(struct vtpm *t, uint32_t index, uint16_t size, ESYS_TR *ret,
                     struct error *why) {
    TPM2B_AUTH auth = {0};
    TPM2B_NV_PUBLIC public = {.nvPublic = {.nvIndex = index,
                                           .nameAlg = TPM2_ALG_SHA256,
                                           .attributes = TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE,
                                           .dataSize = size}};
    TSS2_RC rc = Esys_NV_DefineSpace(t->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                     ESYS_TR_NONE, &auth, &public, ret);
    return rc == TSS2_RC_SUCCESS ? 0 : vtpm_error(rc, "define the NV area", why);
}

int vtpm_nv_write(struct vtpm *t, uint32_t index, struct bytes content, struct error *why) {
    ESYS_TR nv = ESYS_TR_NONE;
    uint16_t size = 0;
    if (content.n == 0 || content.n > VTPM_NV_WRITE_MAX) {
        return error_set(why, ERR_RANGE, "TPM: %zu bytes for a NV area", content.n);
    }
    int code = find_nv(t, index, &nv, &size, why);
    if (code < 0 && code != ERR_NOT_FOUND) return code;
    if (code == 0 && size != content.n) {
        TSS2_RC rc = Esys_NV_UndefineSpace(t->esys, ESYS_TR_RH_OWNER, nv, ESYS_TR_PASSWORD,
                                           ESYS_TR_NONE, ESYS_TR_NONE);
        if (rc != TSS2_RC_SUCCESS) return vtpm_error(rc, "remove the NV area", why);
        code = ERR_NOT_FOUND;
    }
    if (code == ERR_NOT_FOUND) code = define_nv(t, index, (uint16_t)content.n, &nv, why);
    if (code < 0) return code;
    TSS2_RC rc = TSS2_RC_SUCCESS;
    for (size_t at = 0; rc == TSS2_RC_SUCCESS && at < content.n; at += NV_CHUNK) {
        size_t n = content.n - at < NV_CHUNK ? content.n - at : NV_CHUNK;
        TPM2B_MAX_NV_BUFFER data = {.size = (UINT16)n};
        memcpy(data.buffer, content.p + at, n);
        rc = Esys_NV_Write(t->esys, ESYS_TR_RH_OWNER, nv, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                           ESYS_TR_NONE, &data, (UINT16)at);
    }
    (void)Esys_TR_Close(t->esys, &nv);
    return rc == TSS2_RC_SUCCESS ? 0 : vtpm_error(rc, "write the NV area", why);
}
