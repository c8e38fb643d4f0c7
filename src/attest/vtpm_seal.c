/* SPDX-License-Identifier: MIT */
#include "attest/vtpm_seal.h"

#include "attest/vtpm_internal.h"
#include "base/bytes.h"

#include <string.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>

#define MAGIC "bn-sealed-1"
#define MAGIC_BYTES 11
#define HEAD_BYTES (MAGIC_BYTES + 4)
#define PCR_COUNT 24

static TPML_PCR_SELECTION selection_of(uint32_t pcrs) {
    TPML_PCR_SELECTION s = {.count = 1};
    s.pcrSelections[0].hash = TPM2_ALG_SHA256;
    s.pcrSelections[0].sizeofSelect = 3;
    for (int i = 0; i < 3; i++)
        s.pcrSelections[0].pcrSelect[i] = (BYTE)(pcrs >> 8 * i);
    return s;
}

// The storage key: the same key from the same seed and template, every time.
static int make_parent(struct vtpm *t, ESYS_TR *ret, struct error *why) {
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPM2B_PUBLIC template = {
        .publicArea = {.type = TPM2_ALG_ECC,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_RESTRICTED |
                                           TPMA_OBJECT_DECRYPT | TPMA_OBJECT_NODA |
                                           TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                           TPMA_OBJECT_SENSITIVEDATAORIGIN,
                       .parameters.eccDetail = {.symmetric = {.algorithm = TPM2_ALG_AES,
                                                              .keyBits.aes = 128,
                                                              .mode.aes = TPM2_ALG_CFB},
                                                .scheme.scheme = TPM2_ALG_NULL,
                                                .curveID = TPM2_ECC_NIST_P256,
                                                .kdf.scheme = TPM2_ALG_NULL}}};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION none = {0};
    TSS2_RC rc =
        Esys_CreatePrimary(t->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                           &sensitive, &template, &outside, &none, ret, NULL, NULL, NULL, NULL);
    return rc == TSS2_RC_SUCCESS ? 0 : vtpm_error(rc, "make the storage key", why);
}

// Salted with the storage key, so that what is between here and the TPM learns nothing.
static int begin_session(struct vtpm *t, ESYS_TR *ret, ESYS_TR parent, TPM2_SE kind,
                         TPMA_SESSION attributes, struct error *why) {
    const TPMT_SYM_DEF aes = {
        .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
    TSS2_RC rc = Esys_StartAuthSession(t->esys, parent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, NULL, kind, &aes, TPM2_ALG_SHA256, ret);
    const TPMA_SESSION all =
        TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION;
    if (rc == TSS2_RC_SUCCESS) {
        rc = Esys_TRSess_SetAttributes(t->esys, *ret, attributes | TPMA_SESSION_CONTINUESESSION,
                                       all);
    }
    return rc == TSS2_RC_SUCCESS ? 0 : vtpm_error(rc, "begin a session", why);
}

static void flush(struct vtpm *t, ESYS_TR handle) {
    if (handle != ESYS_TR_NONE) (void)Esys_FlushContext(t->esys, handle);
}

static int bind_pcrs(struct vtpm *t, ESYS_TR session, uint32_t pcrs, struct error *why) {
    const TPML_PCR_SELECTION selection = selection_of(pcrs);
    const TPM2B_DIGEST now = {0}; // empty: the TPM takes the values of now
    TSS2_RC rc = Esys_PolicyPCR(t->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &now,
                                &selection);
    return rc == TSS2_RC_SUCCESS ? 0 : vtpm_error(rc, "name the PCRs", why);
}

static int policy_of(struct vtpm *t, TPM2B_DIGEST *ret, ESYS_TR parent, uint32_t pcrs,
                     struct error *why) {
    ESYS_TR trial = ESYS_TR_NONE;
    TPM2B_DIGEST *digest = NULL;
    int r = begin_session(t, &trial, parent, TPM2_SE_TRIAL, 0, why);
    if (r == 0) r = bind_pcrs(t, trial, pcrs, why);
    if (r == 0) {
        TSS2_RC rc =
            Esys_PolicyGetDigest(t->esys, trial, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digest);
        if (rc == TSS2_RC_SUCCESS)
            *ret = *digest;
        else
            r = vtpm_error(rc, "read the policy", why);
    }
    Esys_Free(digest);
    flush(t, trial);
    return r;
}

static int write_sealed(struct buf *out, uint32_t pcrs, const TPM2B_PUBLIC *public,
                        const TPM2B_PRIVATE *private, struct error *why) {
    uint8_t wire[VTPM_SEALED_BYTES_MAX], mask[4];
    size_t n = 0;
    TSS2_RC rc = Tss2_MU_TPM2B_PUBLIC_Marshal(public, wire, sizeof wire, &n);
    if (rc == TSS2_RC_SUCCESS) rc = Tss2_MU_TPM2B_PRIVATE_Marshal(private, wire, sizeof wire, &n);
    if (rc != TSS2_RC_SUCCESS || n + HEAD_BYTES > VTPM_SEALED_BYTES_MAX) {
        return vtpm_error(rc, "write the sealed object", why);
    }
    for (int i = 0; i < 4; i++)
        mask[i] = (uint8_t)(pcrs >> (24 - 8 * i));
    buf_append_str(out, MAGIC);
    buf_append(out, bytes_make(mask, sizeof mask));
    buf_append(out, bytes_make(wire, n));
    return buf_check(out, why);
}

static int create(struct buf *out, struct vtpm *t, ESYS_TR parent, ESYS_TR session,
                  struct bytes secret, uint32_t pcrs, struct error *why) {
    TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.data.size = (UINT16)secret.n};
    TPM2B_PUBLIC template = {
        .publicArea = {.type = TPM2_ALG_KEYEDHASH,
                       .nameAlg = TPM2_ALG_SHA256,
                       .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                           TPMA_OBJECT_NODA | (pcrs ? 0 : TPMA_OBJECT_USERWITHAUTH),
                       .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL}};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION none = {0};
    TPM2B_PRIVATE *private = NULL;
    TPM2B_PUBLIC *public = NULL;
    int r = pcrs ? policy_of(t, &template.publicArea.authPolicy, parent, pcrs, why) : 0;
    if (r != 0) return r;
    memcpy(sensitive.sensitive.data.buffer, secret.p, secret.n);
    TSS2_RC rc = Esys_Create(t->esys, parent, session, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                             &template, &outside, &none, &private, &public, NULL, NULL, NULL);
    bytes_wipe(&sensitive, sizeof sensitive);
    r = rc == TSS2_RC_SUCCESS ? write_sealed(out, pcrs, public, private, why)
                              : vtpm_error(rc, "seal", why);
    Esys_Free(private);
    Esys_Free(public);
    return r;
}

int vtpm_seal(struct buf *out, struct vtpm *t, struct bytes secret, uint32_t pcrs,
              struct error *why) {
    ESYS_TR parent = ESYS_TR_NONE, session = ESYS_TR_NONE;
    if (secret.n == 0 || secret.n > VTPM_SECRET_BYTES_MAX) {
        return error_set(why, ERR_RANGE, "TPM: a secret of 1 to %d bytes can be sealed",
                         VTPM_SECRET_BYTES_MAX);
    }
    if (pcrs >> PCR_COUNT) return error_set(why, ERR_RANGE, "TPM: the PCRs are 0 to 23");
    int r = make_parent(t, &parent, why);
    if (r == 0) r = begin_session(t, &session, parent, TPM2_SE_HMAC, TPMA_SESSION_DECRYPT, why);
    if (r == 0) r = create(out, t, parent, session, secret, pcrs, why);
    flush(t, session);
    flush(t, parent);
    return r;
}

/* ---- back ---- */

static int read_sealed(TPM2B_PUBLIC *public, TPM2B_PRIVATE *private, uint32_t *ret_pcrs,
                       struct bytes in, struct error *why) {
    size_t at = HEAD_BYTES;
    *ret_pcrs = 0;
    if (in.n <= HEAD_BYTES || in.n > VTPM_SEALED_BYTES_MAX ||
        memcmp(in.p, MAGIC, MAGIC_BYTES) != 0) {
        return error_set(why, ERR_SYNTAX, "TPM: this is no sealed key");
    }
    for (int i = 0; i < 4; i++)
        *ret_pcrs = *ret_pcrs << 8 | in.p[MAGIC_BYTES + i];
    bool good = *ret_pcrs >> PCR_COUNT == 0 &&
                Tss2_MU_TPM2B_PUBLIC_Unmarshal(in.p, in.n, &at, public) == TSS2_RC_SUCCESS &&
                Tss2_MU_TPM2B_PRIVATE_Unmarshal(in.p, in.n, &at, private) == TSS2_RC_SUCCESS &&
                at == in.n;
    return good ? 0 : error_set(why, ERR_SYNTAX, "TPM: the sealed key is cut or changed");
}

static int take_out(struct secret *ret, struct vtpm *t, ESYS_TR object, ESYS_TR session,
                    struct error *why) {
    TPM2B_SENSITIVE_DATA *data = NULL;
    TSS2_RC rc = Esys_Unseal(t->esys, object, session, ESYS_TR_NONE, ESYS_TR_NONE, &data);
    if (rc != TSS2_RC_SUCCESS) {
        bool policy = (rc & 0xbf) == TPM2_RC_POLICY_FAIL;
        return policy ? error_set(why, ERR_UNTRUSTED,
                                  "TPM: the PCRs are not those under which the key was sealed")
                      : vtpm_error(rc, "unseal", why);
    }
    int r = secret_copy(ret, bytes_make(data->buffer, data->size), why);
    bytes_wipe(data->buffer, data->size);
    Esys_Free(data);
    return r;
}

int vtpm_unseal(struct secret *ret, struct vtpm *t, struct bytes sealed, struct error *why) {
    ESYS_TR parent = ESYS_TR_NONE, object = ESYS_TR_NONE, session = ESYS_TR_NONE;
    TPM2B_PUBLIC public = {0};
    TPM2B_PRIVATE private = {0};
    uint32_t pcrs;
    int r = read_sealed(&public, &private, &pcrs, sealed, why);
    if (r == 0) r = make_parent(t, &parent, why);
    if (r != 0) return r;
    TSS2_RC rc = Esys_Load(t->esys, parent, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &private,
                           &public, &object);
    if (rc != TSS2_RC_SUCCESS) {
        object = ESYS_TR_NONE;
        bool foreign = (rc & 0xbf) == TPM2_RC_INTEGRITY;
        r = foreign ? error_set(why, ERR_UNTRUSTED, "TPM: the key was sealed by another TPM")
                    : vtpm_error(rc, "load the sealed key", why);
    }
    if (r == 0) {
        r = begin_session(t, &session, parent, pcrs ? TPM2_SE_POLICY : TPM2_SE_HMAC,
                          TPMA_SESSION_ENCRYPT, why);
    }
    if (r == 0 && pcrs) r = bind_pcrs(t, session, pcrs, why);
    if (r == 0) r = take_out(ret, t, object, session, why);
    flush(t, session);
    flush(t, object);
    flush(t, parent);
    return r;
}
