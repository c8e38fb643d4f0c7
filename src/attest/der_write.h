/* DER writing: items appended to bufs; a container is written by wrapping what is in another buf.
 *
 * For the simulated platform's certificates and lists and for self-signed certificates. Failures
 * stay in the buf. One thread at a time.
 *
 * Source: ITU-T X.690.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_DER_WRITE_H
#define ATTEST_DER_WRITE_H

#include "base/buf.h"

/* der_put appends tag, length and content. */
void der_put(struct buf *out, uint8_t tag, struct bytes content);

/* der_wrap_from turns everything that `out` holds from offset `from` on into the content of one
 * item: write the parts, then wrap them. */
void der_wrap_from(struct buf *out, size_t from, uint8_t tag);

/* der_insert puts bytes in before what stands from offset `from` on. */
void der_insert(struct buf *out, size_t from, struct bytes in);

void der_put_u64(struct buf *out, uint64_t v);
/* der_put_number: a big-endian magnitude; leading zeros are dropped, a sign byte added. */
void der_put_number(struct buf *out, struct bytes magnitude);
void der_put_bool(struct buf *out, bool v);
void der_put_oid(struct buf *out, struct bytes content);
/* der_put_bits: a BIT STRING of whole bytes. */
void der_put_bits(struct buf *out, struct bytes content);
/* der_put_time: UTCTime before 2050, else GeneralizedTime; seconds since 1970. */
void der_put_time(struct buf *out, uint64_t seconds);
/* der_put_ecdsa: ECDSA-Sig-Value of r ‖ s. */
void der_put_ecdsa(struct buf *out, const uint8_t signature[64]);
/* der_put_pem appends a PEM block with that label. */
void der_put_pem(struct buf *out, const char *label, struct bytes der);

#endif
