/* SPDX-License-Identifier: MIT */
#include "attest/tpm_attest.h"
#include "attest/digest.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#define TPM_GENERATED 0xff544347u
enum {
    TPM_ST_ATTEST_QUOTE = 0x8018,
    TPM_ALG_RSA = 0x0001,
    TPM_ALG_SHA256 = 0x000b,
    TPM_ALG_NULL = 0x0010,
    TPM_ALG_RSASSA = 0x0014
};

struct reader {
    struct bytes in;
    size_t at;
    bool failed; // a read passed the end; all later ones give zero
};

static const uint8_t *take(struct reader *r, size_t n) {
    static const uint8_t zero[8];
    if (r->failed || n > r->in.n - r->at) {
        r->failed = true;
        return zero;
    }
    r->at += n;
    return r->in.p + r->at - n;
}

static uint16_t take_u16(struct reader *r) {
    return load_be16(take(r, 2));
}
static uint32_t take_u32(struct reader *r) {
    return load_be32(take(r, 4));
}
static uint64_t take_u64(struct reader *r) {
    return load_be64(take(r, 8));
}

static struct bytes take_sized(struct reader *r) {
    uint16_t n = take_u16(r);
    const uint8_t *p = take(r, n);
    return r->failed ? (struct bytes){NULL, 0} : (struct bytes){p, n};
}

static int finish(const struct reader *r, const char *what, struct error *why) {
    if (r->failed) return error_set_at(why, ERR_SYNTAX, r->at, "%s: cut off", what);
    if (r->at != r->in.n) {
        return error_set_at(why, ERR_SYNTAX, r->at, "%s: %zu bytes too many", what,
                            r->in.n - r->at);
    }
    return 0;
}

int tpm_attest_parse(struct tpm_attest *ret, struct bytes in, struct error *why) {
    struct reader r = {in, 0, false};
    memset(ret, 0, sizeof *ret);
    if (in.n > TPM_ATTEST_BYTES_MAX) {
        return error_set(why, ERR_SYNTAX, "TPM quote: %zu bytes", in.n);
    }
    if (take_u32(&r) != TPM_GENERATED || take_u16(&r) != TPM_ST_ATTEST_QUOTE) {
        return error_set(why, ERR_UNSUPPORTED, "TPM quote: not made by a TPM as a quote");
    }
    ret->signer = take_sized(&r);
    ret->extra_data = take_sized(&r);
    ret->clock = take_u64(&r);
    ret->reset_count = take_u32(&r);
    ret->restart_count = take_u32(&r);
    uint8_t safe = *take(&r, 1);
    ret->safe = safe == 1;
    ret->firmware = take_u64(&r);
    uint32_t banks = take_u32(&r);
    if (r.failed || safe > 1) return error_set_at(why, ERR_SYNTAX, r.at, "TPM quote: cut off");
    if (banks != 1) return error_set_at(why, ERR_UNSUPPORTED, r.at, "TPM quote: %u banks", banks);
    uint16_t hash = take_u16(&r);
    uint8_t size = *take(&r, 1);
    if (hash != TPM_ALG_SHA256) {
        return error_set_at(why, ERR_UNSUPPORTED, r.at, "TPM quote: bank 0x%04x", hash);
    }
    if (size != 3) return error_set_at(why, ERR_UNSUPPORTED, r.at, "TPM quote: bitmap of %u", size);
    const uint8_t *bitmap = take(&r, 3);
    ret->selection = (uint32_t)bitmap[0] | (uint32_t)bitmap[1] << 8 | (uint32_t)bitmap[2] << 16;
    struct bytes digest = take_sized(&r);
    int code = finish(&r, "TPM quote", why);
    if (code < 0) return code;
    if (digest.n != 32) {
        return error_set_at(why, ERR_SYNTAX, r.at, "TPM quote: digest of %zu bytes", digest.n);
    }
    memcpy(ret->pcr_digest, digest.p, 32);
    return 0;
}

int tpm_attest_check_pcrs(const struct tpm_attest *a, const struct tpm_pcrs *pcrs,
                          struct error *why) {
    uint8_t all[TPM_PCRS * 32], digest[32];
    size_t n = 0;
    for (int i = 0; i < TPM_PCRS; i++) {
        if (!(a->selection & 1u << i)) continue;
        memcpy(all + n, pcrs->value[i], 32);
        n += 32;
    }
    digest_sha256((struct bytes){all, n}, digest);
    if (memcmp(digest, a->pcr_digest, 32) != 0) {
        return error_set(why, ERR_INVALID, "TPM quote: the PCRs do not give the quoted digest");
    }
    return 0;
}

void tpm_signature_write(struct buf *out, struct bytes signature) {
    buf_append_be16(out, TPM_ALG_RSASSA);
    buf_append_be16(out, TPM_ALG_SHA256);
    buf_append_be16(out, (uint16_t)signature.n);
    buf_append(out, signature);
}

int tpm_signature_parse(struct bytes *ret, struct bytes in, struct error *why) {
    struct reader r = {in, 0, false};
    uint16_t scheme = take_u16(&r), hash = take_u16(&r);
    if (!r.failed && (scheme != TPM_ALG_RSASSA || hash != TPM_ALG_SHA256)) {
        return error_set(why, ERR_UNSUPPORTED, "TPM signature: scheme 0x%04x with hash 0x%04x",
                         scheme, hash);
    }
    *ret = take_sized(&r);
    return finish(&r, "TPM signature", why);
}

int tpm_public_parse(struct rsa_public *ret, struct bytes in, struct error *why) {
    struct reader r = {in, 0, false};
    uint16_t type = take_u16(&r);
    if (!r.failed && type != TPM_ALG_RSA) {
        return error_set(why, ERR_UNSUPPORTED, "TPM key: type 0x%04x", type);
    }
    (void)take_u16(&r);   // name algorithm
    (void)take_u32(&r);   // attributes
    (void)take_sized(&r); // policy
    if (take_u16(&r) != TPM_ALG_NULL) {
        (void)take_u16(&r); // symmetric key bits
        (void)take_u16(&r); // mode
    }
    if (take_u16(&r) != TPM_ALG_NULL) (void)take_u16(&r); // scheme's hash
    (void)take_u16(&r);                                   // key bits
    ret->e = take_u32(&r);
    if (ret->e == 0) ret->e = 65537;
    ret->n = take_sized(&r);
    return finish(&r, "TPM key", why);
}

// An OpenSSL key of modulus and exponent; NULL when it refuses.
static EVP_PKEY *make_rsa(const struct rsa_public *key) {
    uint8_t n[1024]; // native (little-endian) order for OSSL_PARAM
    for (size_t i = 0; i < key->n.n; i++) {
        n[i] = key->n.p[key->n.n - 1 - i];
    }
    uint32_t e = key->e;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, key->n.n),
                           OSSL_PARAM_construct_uint32(OSSL_PKEY_PARAM_RSA_E, &e),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

int tpm_verify(const struct rsa_public *key, struct bytes message, struct bytes signature,
               struct error *why) {
    if (key->n.n < 256 || key->n.n > 1024 || key->n.p[0] < 0x80 || key->e < 3) {
        return error_set(why, ERR_RANGE, "TPM key: %zu bytes of modulus", key->n.n);
    }
    EVP_PKEY *pkey = make_rsa(key);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1 &&
                EVP_DigestVerify(ctx, signature.p, signature.n, message.p, message.n) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return good ? 0 : error_set(why, ERR_INVALID, "TPM quote: the signature is not by this key");
}
