/* Certificate: X.509 certificates and keys as the TLS layer and its users need them: read PEM,
 * fingerprint, make a self-signed one.
 *
 * Not a verifier: chains are checked by OpenSSL inside net/tls.h, attestation evidence in
 * `attest`. Source: RFC 5280, RFC 7468. Thread: any.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_CERTIFICATE_H
#define NET_CERTIFICATE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#define CERTIFICATE_PEM_MAX (1u << 20)
#define CERTIFICATE_CHAIN_MAX 16

/* certificate_read_file reads a whole PEM file into out (appended).
 * errors   ERR_NOT_FOUND, ERR_IO, ERR_LIMIT (CERTIFICATE_PEM_MAX). */
[[gnu::warn_unused_result]] int certificate_read_file(struct buf *out, const char *path,
                                                      struct error *why);

/* certificate_parse reads the first certificate of a PEM text. The caller frees with X509_free.
 * errors   ERR_SYNTAX. */
[[gnu::warn_unused_result]] int certificate_parse(X509 **ret, struct bytes pem, struct error *why);

/* certificate_parse_all reads all certificates of a PEM text, at least one and at most
 * CERTIFICATE_CHAIN_MAX (chain) or any number (set). Free with sk_X509_pop_free(.., X509_free). */
[[gnu::warn_unused_result]] int certificate_parse_all(STACK_OF(X509) * *ret, struct bytes pem,
                                                      struct error *why);

/* certificate_parse_key reads a private key (PKCS#8, SEC1 or PKCS#1, not encrypted). Free with
 * EVP_PKEY_free. errors   ERR_SYNTAX. */
[[gnu::warn_unused_result]] int certificate_parse_key(EVP_PKEY **ret, struct bytes pem,
                                                      struct error *why);

/* certificate_fingerprint: SHA-256 of the DER form. */
void certificate_fingerprint(struct hash *ret, const X509 *cert);

/* certificate_der appends the DER form; certificate_pem appends PEM. */
[[gnu::warn_unused_result]] int certificate_der(struct buf *out, X509 *cert, struct error *why);
[[gnu::warn_unused_result]] int certificate_pem(struct buf *out, X509 *cert, struct error *why);
/* certificate_key_pem appends the private key as PKCS#8 PEM; the caller wipes the buf. */
[[gnu::warn_unused_result]] int certificate_key_pem(struct buf *out, EVP_PKEY *key,
                                                    struct error *why);

/* certificate_validity gives both ends in wall nanoseconds.
 * errors   ERR_RANGE (before 1970 or after 2554). */
[[gnu::warn_unused_result]] int certificate_validity(uint64_t *ret_from_ns, uint64_t *ret_until_ns,
                                                     const X509 *cert, struct error *why);

/* certificate_key_new makes an ECDSA P-256 key. errors  ERR_INTERNAL. */
[[gnu::warn_unused_result]] int certificate_key_new(EVP_PKEY **ret, struct error *why);

/* One extension of a certificate to be made. */
struct certificate_extension {
    const char *oid;    /* dotted */
    struct bytes value; /* the content octets of extnValue */
    bool critical;
};

struct certificate_options {
    const char *common_name;  /* NULL: none */
    const char *organization; /* NULL: none; at least one of both */
    const char *const *hosts; /* SANs: numeric addresses or DNS names, ended by NULL; may be NULL */
    uint64_t not_before_ns;   /* wall */
    uint64_t not_after_ns;
    bool plain; /* only the given extensions: no key usage, no basic constraints, no SAN */
    const struct certificate_extension *extensions;
    size_t extension_count;
};

/* certificate_self_sign makes a version 3 certificate signed by its own key with ECDSA-SHA256:
 * random 128-bit serial, CA true, keyUsage digitalSignature and keyCertSign, EKU serverAuth.
 * errors   ERR_INTERNAL (library), ERR_SYNTAX (an OID or host that cannot be encoded). */
[[gnu::warn_unused_result]] int certificate_self_sign(X509 **ret, EVP_PKEY *key,
                                                      const struct certificate_options *options,
                                                      struct error *why);

/* certificate_self_sign_pem appends a new P-256 key and a certificate of it that signs itself, as
 * PEM each; the caller wipes ret_key, also after an error.   errors  as certificate_self_sign. */
[[gnu::warn_unused_result]] int certificate_self_sign_pem(struct buf *ret_cert, struct buf *ret_key,
                                                          const struct certificate_options *options,
                                                          struct error *why);

/* certificate_error fills *why with `code`, the text and what OpenSSL said last, and empties
 * OpenSSL's error queue. Returns code. */
[[gnu::format(printf, 3, 4)]] int certificate_error(struct error *why, enum err code,
                                                    const char *text, ...);

#endif
