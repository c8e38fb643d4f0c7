/* The certificates and revocation lists of Intel's attestation PKI: strict, ECDSA P-256 only.
 *
 * Own DER reading, because OpenSSL's costs ten times as much as the signature it carries, and
 * because these certificates have one fixed form. Not a general X.509 library: TLS and the TPM's
 * RSA chains (ak_chain.h) go through OpenSSL. Views point into the caller's bytes. Pure; any
 * thread.
 *
 * Source: RFC 5280; Intel SGX PCK Certificate and CRL Profile Specification.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_CERT_H
#define ATTEST_CERT_H

#include "attest/der.h"
#include "attest/es256.h"
#include "base/arena.h"
#include "base/error.h"

#define CERT_CHAIN_MAX 8       /* certificates in one PEM chain */
#define CERT_EXTENSIONS_MAX 32 /* in one certificate or list */
#define CRL_BYTES_MAX (1u << 20)

struct cert {
    struct bytes der;
    struct bytes tbs;    /* signed bytes */
    struct bytes serial; /* magnitude, without leading zero */
    struct bytes issuer; /* whole Name */
    struct bytes subject;
    struct bytes subject_cn; /* empty when there is none */
    struct bytes issuer_cn;
    uint64_t not_before; /* seconds since 1970 */
    uint64_t not_after;
    uint8_t point[64]; /* public key x, y */
    uint8_t signature[64];
    struct bytes signature_der; /* as it stands, for the comparison of roots */
    struct bytes sgx;           /* SGX extension's value, empty when absent */
    bool has_aki, has_crl_dp, has_ski, has_key_usage, has_basic;
    bool is_ca;
    bool may_sign;        /* key usage: certificates and lists */
    uint64_t path_length; /* UINT64_MAX: no limit */
};

/* cert_is_issuer tells whether a certificate may have `below` further issuers under it. */
static inline bool cert_is_issuer(const struct cert *c, uint64_t below) {
    return c->is_ca && c->may_sign && c->path_length >= below;
}

/* cert_parse reads one DER certificate.
 * errors  ERR_SYNTAX: not DER, not version 3, trailing bytes; ERR_UNSUPPORTED: another algorithm
 *         than ECDSA P-256 with SHA-256. */
[[gnu::warn_unused_result]] int cert_parse(struct cert *ret, struct bytes der, struct error *why);

/* cert_has_required tells whether the five extensions that Intel's profile asks for are there. */
static inline bool cert_has_required(const struct cert *c) {
    return c->has_aki && c->has_crl_dp && c->has_ski && c->has_key_usage && c->has_basic;
}

static inline bool cert_is_self_issued(const struct cert *c) {
    return bytes_equal(c->issuer, c->subject);
}

/* cert_signed_by verifies the signature with the issuer's key. Names are the caller's concern. */
bool cert_signed_by(const struct cert *c, const struct es256_key *issuer);

/* A chain as PEM text gives it, in its order. */
struct cert_chain {
    struct cert at[CERT_CHAIN_MAX];
    size_t n;
};

/* cert_chain_parse decodes every PEM certificate of a text and parses it; text around the blocks
 * (a trailing NUL among it) is passed over, as the QVL does.
 * a       holds the DER bytes.
 * errors  ERR_SYNTAX, ERR_LIMIT (more than CERT_CHAIN_MAX), ERR_UNSUPPORTED, ERR_NO_MEMORY.
 *         An empty text gives n = 0 and no error. */
[[gnu::warn_unused_result]] int cert_chain_parse(struct cert_chain *ret, struct bytes pem,
                                                 struct arena *a, struct error *why);

/* cert_pem_decode decodes one PEM block's DER into the arena, taking it off *text; ret->p is NULL
 * when no further block is there. errors  ERR_SYNTAX, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int cert_pem_decode(struct bytes *ret, struct bytes *text,
                                                struct arena *a, struct error *why);

/* cert_pem_body decodes the base64 lines between a PEM block's begin and end lines. */
[[gnu::warn_unused_result]] int cert_pem_body(struct bytes *ret, struct bytes lines,
                                              struct arena *a, struct error *why);

struct crl {
    struct bytes der;
    struct bytes tbs;
    struct bytes issuer;
    struct bytes issuer_cn;
    uint64_t this_update;
    uint64_t next_update;
    struct bytes number;  /* CRL number, magnitude */
    struct bytes revoked; /* content of the list of revoked certificates, may be empty */
    uint8_t signature[64];
    bool has_number, has_aki;
};

/* crl_parse reads a DER revocation list (version 2) and checks the form of every entry.
 * errors  as cert_parse; ERR_LIMIT above CRL_BYTES_MAX. */
[[gnu::warn_unused_result]] int crl_parse(struct crl *ret, struct bytes der, struct error *why);

bool crl_signed_by(const struct crl *c, const struct es256_key *issuer);

/* crl_revokes tells whether a serial number (magnitude) is on the list. Linear. */
bool crl_revokes(const struct crl *c, struct bytes serial);

#endif
