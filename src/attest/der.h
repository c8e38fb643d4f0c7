/* DER: a strict reader of the ASN.1 that certificates, CRLs and their extensions are made of.
 *
 * Single-byte tags, definite lengths in their shortest form. A cursor walks one level; what it
 * gives are views into the input. Pure; any thread.
 *
 * Source: ITU-T X.690; RFC 5280 for times.
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_DER_H
#define ATTEST_DER_H

#include "base/bytes.h"

enum {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_OID = 0x06,
    DER_ENUMERATED = 0x0a,
    DER_UTF8 = 0x0c,
    DER_PRINTABLE = 0x13,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    DER_CONTEXT_0 = 0xa0,
    DER_CONTEXT_3 = 0xa3,
};

struct der_item {
    uint8_t tag;
    struct bytes content; /* without tag and length */
    struct bytes whole;   /* with them */
};

/* der_any takes the next item off *in; false when *in is empty or not DER. *in then unchanged. */
bool der_any(struct bytes *in, struct der_item *ret);

/* der_take is der_any that insists on a tag. */
bool der_take(struct bytes *in, uint8_t tag, struct der_item *ret);

/* der_peek tells whether the next item has this tag. */
static inline bool der_peek(struct bytes in, uint8_t tag) {
    return in.n > 0 && in.p[0] == tag;
}

/* der_u64 reads a non-negative INTEGER's or ENUMERATED's content; false when it is negative, not
 * in shortest form or above 2^64-1. */
bool der_u64(struct bytes content, uint64_t *ret);

/* der_magnitude gives the bytes of a non-negative INTEGER's content without its sign byte; false
 * when it is negative, empty or not in shortest form. Zero gives one zero byte. */
bool der_magnitude(struct bytes content, struct bytes *ret);

/* der_bits gives a BIT STRING's bytes; false unless the count of bits is a multiple of 8. */
bool der_bits(struct bytes content, struct bytes *ret);

/* der_time reads UTCTime (YYMMDDHHMMSSZ) or GeneralizedTime (YYYYMMDDHHMMSSZ) as seconds since
 * 1970; false for other forms, impossible dates, and times before 1970. */
bool der_time(const struct der_item *item, uint64_t *ret);

/* der_ecdsa gives the 64 bytes r ‖ s (big-endian) of a DER ECDSA-Sig-Value over P-256; false when
 * it is not one or a number is longer than 32 bytes. */
bool der_ecdsa(struct bytes in, uint8_t ret[64]);

/* der_length gives how many bytes the item at the start of `in` takes with its tag and length; 0
 * when it is not DER or is cut off. For certificates that stand in larger, zero-filled areas. */
size_t der_length(struct bytes in);

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar; month 1..12, day 1..31. */
int64_t der_days_from_civil(int64_t year, unsigned month, unsigned day);

#endif
