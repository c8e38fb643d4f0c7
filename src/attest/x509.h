/* The parts that X.509 certificates and revocation lists of ECDSA P-256 keys have in common, read
 * and written.
 *
 * A reader takes its part off *in and gives views into it; false when something else stands there,
 * and *in is then of no use. A writer appends; failures stay in the buf. Pure; any thread.
 *
 * Source: RFC 5280; RFC 5480 (keys), RFC 5758 (signatures).
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_X509_H
#define ATTEST_X509_H

#include "attest/der.h"
#include "attest/es256.h"
#include "base/buf.h"

/* Attributes of names, {2.5.4.n}. */
enum {
    X509_COMMON_NAME = 3,
    X509_COUNTRY = 6,
    X509_LOCALITY = 7,
    X509_STATE = 8,
    X509_ORGANIZATION = 10
};

/* Extensions, {2.5.29.n}. */
enum {
    X509_SUBJECT_KEY_ID = 14,
    X509_KEY_USAGE = 15,
    X509_BASIC_CONSTRAINTS = 19,
    X509_CRL_NUMBER = 20,
    X509_CRL_POINTS = 31,
    X509_AUTHORITY_KEY_ID = 35
};

/* x509_take_signed reads the whole of `der` as SEQUENCE {tbs, algorithm, signature}.
 * ret_signature      r ‖ s; ret_signature_der: as it stands. */
bool x509_take_signed(struct bytes der, struct der_item *ret_tbs, uint8_t ret_signature[64],
                      struct bytes *ret_signature_der);

/* x509_take_algorithm: ecdsa-with-SHA256 without parameters. */
bool x509_take_algorithm(struct bytes *in);

/* x509_take_validity: seconds since 1970. */
bool x509_take_validity(struct bytes *in, uint64_t *ret_not_before, uint64_t *ret_not_after);

/* x509_take_key: the SubjectPublicKeyInfo of an uncompressed point of P-256.
 * ret_spki   all of it; ret_point: 65 bytes, 4 ‖ x ‖ y; not checked to be on the curve. */
bool x509_take_key(struct bytes *in, struct bytes *ret_spki, struct bytes *ret_point);

void x509_put_algorithm(struct buf *out);
/* x509_put_attribute: a name's part, SET {SEQUENCE {id, text}}; tag: DER_UTF8 or DER_PRINTABLE. */
void x509_put_attribute(struct buf *out, uint8_t id, uint8_t tag, const char *text);
void x509_put_validity(struct buf *out, uint64_t not_before, uint64_t not_after);
void x509_put_key(struct buf *out, const struct es256_key *key);

/* x509_seal signs what `out` holds from `from` on, the tbs, and completes the SEQUENCE around it.
 * errors  what `out` has met before; those of es256_sign_message. */
[[gnu::warn_unused_result]] int x509_seal(struct buf *out, size_t from, const struct es256_key *key,
                                          struct error *why);

#endif
