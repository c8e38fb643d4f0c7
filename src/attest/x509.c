/* SPDX-License-Identifier: MIT */
#include "attest/x509.h"
#include "attest/der_write.h"

static const uint8_t oid_ecdsa_sha256[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
static const uint8_t oid_ec_public_key[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static const uint8_t oid_p256[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

static bool take_oid(struct bytes *in, struct bytes oid) {
    struct der_item item;
    return der_take(in, DER_OID, &item) && bytes_equal(item.content, oid);
}

bool x509_take_algorithm(struct bytes *in) {
    struct der_item seq;
    return der_take(in, DER_SEQUENCE, &seq) &&
           take_oid(&seq.content, bytes_make(oid_ecdsa_sha256, sizeof oid_ecdsa_sha256)) &&
           seq.content.n == 0;
}

bool x509_take_signed(struct bytes der, struct der_item *ret_tbs, uint8_t ret_signature[64],
                      struct bytes *ret_signature_der) {
    struct der_item seq, bits;
    return der_take(&der, DER_SEQUENCE, &seq) && der.n == 0 &&
           der_take(&seq.content, DER_SEQUENCE, ret_tbs) && x509_take_algorithm(&seq.content) &&
           der_take(&seq.content, DER_BIT_STRING, &bits) && seq.content.n == 0 &&
           der_bits(bits.content, ret_signature_der) &&
           der_ecdsa(*ret_signature_der, ret_signature);
}

bool x509_take_validity(struct bytes *in, uint64_t *ret_not_before, uint64_t *ret_not_after) {
    struct der_item seq, from, to;
    return der_take(in, DER_SEQUENCE, &seq) && der_any(&seq.content, &from) &&
           der_any(&seq.content, &to) && seq.content.n == 0 && der_time(&from, ret_not_before) &&
           der_time(&to, ret_not_after);
}

bool x509_take_key(struct bytes *in, struct bytes *ret_spki, struct bytes *ret_point) {
    struct der_item spki, algorithm, bits;
    if (!der_take(in, DER_SEQUENCE, &spki)) return false;
    *ret_spki = spki.whole;
    return der_take(&spki.content, DER_SEQUENCE, &algorithm) &&
           take_oid(&algorithm.content, bytes_make(oid_ec_public_key, sizeof oid_ec_public_key)) &&
           take_oid(&algorithm.content, bytes_make(oid_p256, sizeof oid_p256)) &&
           algorithm.content.n == 0 && der_take(&spki.content, DER_BIT_STRING, &bits) &&
           spki.content.n == 0 && der_bits(bits.content, ret_point) && ret_point->n == 65 &&
           ret_point->p[0] == 4;
}

void x509_put_algorithm(struct buf *out) {
    size_t from = out->n;
    der_put_oid(out, bytes_make(oid_ecdsa_sha256, sizeof oid_ecdsa_sha256));
    der_wrap_from(out, from, DER_SEQUENCE);
}

void x509_put_attribute(struct buf *out, uint8_t id, uint8_t tag, const char *text) {
    uint8_t oid[] = {0x55, 0x04, id};
    size_t from = out->n;
    der_put_oid(out, bytes_make(oid, sizeof oid));
    der_put(out, tag, bytes_from_str(text));
    der_wrap_from(out, from, DER_SEQUENCE);
    der_wrap_from(out, from, DER_SET);
}

void x509_put_validity(struct buf *out, uint64_t not_before, uint64_t not_after) {
    size_t from = out->n;
    der_put_time(out, not_before);
    der_put_time(out, not_after);
    der_wrap_from(out, from, DER_SEQUENCE);
}

void x509_put_key(struct buf *out, const struct es256_key *key) {
    uint8_t point[65] = {4};
    size_t from = out->n;
    es256_key_point(key, point + 1);
    der_put_oid(out, bytes_make(oid_ec_public_key, sizeof oid_ec_public_key));
    der_put_oid(out, bytes_make(oid_p256, sizeof oid_p256));
    der_wrap_from(out, from, DER_SEQUENCE);
    der_put_bits(out, bytes_make(point, sizeof point));
    der_wrap_from(out, from, DER_SEQUENCE);
}

int x509_seal(struct buf *out, size_t from, const struct es256_key *key, struct error *why) {
    uint8_t signature[64];
    int code = buf_check(out, why);
    if (code == 0) {
        code = es256_sign_message(key, bytes_slice(buf_view(out), from, out->n), signature, why);
    }
    if (code < 0) return code;
    x509_put_algorithm(out);
    size_t bits = out->n;
    buf_append_byte(out, 0);
    der_put_ecdsa(out, signature);
    der_wrap_from(out, bits, DER_BIT_STRING);
    der_wrap_from(out, from, DER_SEQUENCE);
    return buf_check(out, why);
}
