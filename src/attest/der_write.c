/* SPDX-License-Identifier: MIT */
#include "attest/der_write.h"
#include "attest/der.h"
#include "base/base64.h"
#include "base/clock.h"

#include <stdio.h>

// Tag and length of n bytes; returns how many bytes at ret (at most 6).
static size_t header(uint8_t ret[6], uint8_t tag, size_t n) {
    size_t count = 0;
    ret[0] = tag;
    if (n < 0x80) {
        ret[1] = (uint8_t)n;
        return 2;
    }
    for (size_t v = n; v > 0; v >>= 8) {
        count++;
    }
    ret[1] = (uint8_t)(0x80 | count);
    for (size_t i = 0; i < count; i++) {
        ret[2 + i] = (uint8_t)(n >> 8 * (count - 1 - i));
    }
    return 2 + count;
}

void der_put(struct buf *out, uint8_t tag, struct bytes content) {
    uint8_t h[6];
    buf_append(out, bytes_make(h, header(h, tag, content.n)));
    buf_append(out, content);
}

void der_insert(struct buf *out, size_t from, struct bytes in) {
    if (out->failed || from > out->n || !buf_reserve(out, in.n)) return;
    memmove(out->p + from + in.n, out->p + from, out->n - from);
    memcpy(out->p + from, in.p, in.n);
    buf_commit(out, in.n);
}

void der_wrap_from(struct buf *out, size_t from, uint8_t tag) {
    uint8_t h[6];
    if (out->failed || from > out->n) return;
    der_insert(out, from, bytes_make(h, header(h, tag, out->n - from)));
}

void der_put_number(struct buf *out, struct bytes magnitude) {
    static const uint8_t zero[1];
    while (magnitude.n > 1 && magnitude.p[0] == 0) {
        magnitude = bytes_slice(magnitude, 1, magnitude.n);
    }
    if (magnitude.n == 0) magnitude = bytes_make(zero, 1);
    size_t from = out->n;
    if (magnitude.p[0] & 0x80) buf_append_byte(out, 0);
    buf_append(out, magnitude);
    der_wrap_from(out, from, DER_INTEGER);
}

void der_put_u64(struct buf *out, uint64_t v) {
    uint8_t be[8];
    store_be64(be, v);
    der_put_number(out, bytes_make(be, 8));
}

void der_put_bool(struct buf *out, bool v) {
    uint8_t content = v ? 0xff : 0;
    der_put(out, DER_BOOLEAN, bytes_make(&content, 1));
}

void der_put_oid(struct buf *out, struct bytes content) {
    der_put(out, DER_OID, content);
}

void der_put_bits(struct buf *out, struct bytes content) {
    size_t from = out->n;
    buf_append_byte(out, 0);
    buf_append(out, content);
    der_wrap_from(out, from, DER_BIT_STRING);
}

void der_put_time(struct buf *out, uint64_t seconds) {
    char text[CLOCK_TEXT_MAX], digits[16];
    (void)clock_format(text, seconds * NS_PER_S, 0); // YYYY-MM-DDTHH:MM:SSZ
    (void)snprintf(digits, sizeof digits, "%.4s%.2s%.2s%.2s%.2s%.2sZ", text, text + 5, text + 8,
                   text + 11, text + 14, text + 17);
    bool utc = memcmp(digits, "2050", 4) < 0;
    der_put(out, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME,
            bytes_from_str(utc ? digits + 2 : digits));
}

void der_put_ecdsa(struct buf *out, const uint8_t signature[64]) {
    size_t from = out->n;
    der_put_number(out, bytes_make(signature, 32));
    der_put_number(out, bytes_make(signature + 32, 32));
    der_wrap_from(out, from, DER_SEQUENCE);
}

void der_put_pem(struct buf *out, const char *label, struct bytes der) {
    buf_printf(out, "-----BEGIN %s-----\n", label);
    for (size_t i = 0; i < der.n; i += 48) {
        base64_append(out, bytes_slice(der, i, 48), 0);
        buf_append_byte(out, '\n');
    }
    buf_printf(out, "-----END %s-----\n", label);
}
