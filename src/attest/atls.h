/* aTLS: evidence in a self-signed certificate over a nonce of the peer.
 *
 * The client's nonce travels as the server name (base64), the server's as the common name of the
 * one acceptable CA (base64). Each side's certificate is self-signed, of CN "Constellation", valid
 * for two hours around now, with one extension: OID of the variant, value = a JSON document as it
 * is, without inner DER. Sans-I/O: TLS is the caller's. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_ATLS_H
#define ATTEST_ATLS_H

#include "attest/es256.h"
#include "attest/measurement.h"
#include "base/arena.h"
#include "base/buf.h"

#define ATLS_NONCE_BYTES 32
#define ATLS_NONCE_TEXT_BYTES 44 /* base64, no NUL */
#define ATLS_COMMON_NAME "Constellation"
#define ATLS_CERTIFICATE_BYTES_MAX (256u << 10)
#define ATLS_EXTENSIONS_MAX 4 /* attestation extensions that are told apart; more are refused */

/* Variants by their OID below 1.3.9900. */
enum atls_variant {
    ATLS_DUMMY,     /* 1.1: {"UserData", "Nonce"}; proves nothing */
    ATLS_AZURE_TDX, /* 4.3 */
    ATLS_QEMU_TDX,  /* 5.99: {"RawQuote", "UserData"} */
    ATLS_OTHER,     /* another of that tree */
};

enum attestation_type atls_type(enum atls_variant variant);

/* Nonces as text. atls_nonce_read: errors  ERR_SYNTAX: not base64. */
void atls_nonce_write(char ret[ATLS_NONCE_TEXT_BYTES + 1], const uint8_t nonce[ATLS_NONCE_BYTES]);
[[gnu::warn_unused_result]] int atls_nonce_read(struct bytes *ret, struct bytes text,
                                                struct arena *a, struct error *why);

/* atls_certificate_write appends a DER certificate of a P-256 key.
 * document  value of the extension; empty: no extension.
 * now       seconds since 1970. serial  16 random bytes. */
[[gnu::warn_unused_result]] int atls_certificate_write(struct buf *out, const struct es256_key *key,
                                                       enum atls_variant variant,
                                                       struct bytes document, uint64_t now,
                                                       const uint8_t serial[16], struct error *why);

/* What a certificate carries. */
struct atls_certificate {
    struct bytes spki;  /* whole SubjectPublicKeyInfo */
    struct bytes point; /* 65 bytes */
    uint64_t not_before, not_after;
    enum atls_variant variant[ATLS_EXTENSIONS_MAX];
    struct bytes document[ATLS_EXTENSIONS_MAX];
    size_t count; /* attestation extensions */
};

/* atls_certificate_read reads a self-signed P-256 certificate and verifies that it signs itself.
 * errors  ERR_SYNTAX, ERR_LIMIT, ERR_UNSUPPORTED (another algorithm), ERR_INVALID (signature),
 *         ERR_STALE: not valid at `now`. */
[[gnu::warn_unused_result]] int atls_certificate_read(struct atls_certificate *ret,
                                                      struct bytes der, uint64_t now,
                                                      struct error *why);

/* Documents of bare TDs: {"RawQuote": base64, "UserData": base64}. */
void atls_dcap_write(struct buf *out, struct bytes quote, const uint8_t user_data[32]);
struct atls_dcap {
    struct bytes quote;
    struct bytes user_data;
};
[[gnu::warn_unused_result]] int atls_dcap_read(struct atls_dcap *ret, struct bytes document,
                                               struct arena *a, struct error *why);

#endif
