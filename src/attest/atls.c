/* SPDX-License-Identifier: MIT */
#include "attest/atls.h"
#include "attest/der.h"
#include "attest/der_write.h"
#include "attest/x509.h"
#include "base/base64.h"
#include "json/json.h"

#include <string.h>

#define VALID_S 7200
#define DOCUMENT_BYTES_MAX (256u << 10)

// Content of the OIDs 1.3.9900.x.y: 9900 takes two bytes.
static const uint8_t tree[] = {0x2b, 0xcd, 0x2c};
static const struct {
    uint8_t tail[2];
    size_t n;
    enum attestation_type type;
} variants[] = {
    [ATLS_DUMMY] = {{1, 1}, 2, ATTESTATION_NONE},
    [ATLS_AZURE_TDX] = {{4, 3}, 2, ATTESTATION_AZURE_TDX},
    [ATLS_QEMU_TDX] = {{5, 99}, 2, ATTESTATION_QEMU_TDX},
    [ATLS_OTHER] = {{0, 0}, 0, ATTESTATION_NONE},
};

enum attestation_type atls_type(enum atls_variant variant) {
    return variants[variant].type;
}

void atls_nonce_write(char ret[ATLS_NONCE_TEXT_BYTES + 1], const uint8_t nonce[ATLS_NONCE_BYTES]) {
    struct buf text;
    buf_init(&text, 64);
    base64_append(&text, bytes_make(nonce, ATLS_NONCE_BYTES), 0);
    memset(ret, 0, ATLS_NONCE_TEXT_BYTES + 1);
    if (text.n == ATLS_NONCE_TEXT_BYTES) memcpy(ret, text.p, text.n);
    buf_free(&text);
}

int atls_nonce_read(struct bytes *ret, struct bytes text, struct arena *a, struct error *why) {
    if (text.n > 255) return error_set(why, ERR_SYNTAX, "nonce: %zu characters", text.n);
    int code = base64_decode(ret, text, 0, a, why);
    return code < 0 ? error_wrap(why, "nonce") : 0;
}

static void put_name(struct buf *out) {
    size_t from = out->n;
    x509_put_attribute(out, X509_COMMON_NAME, DER_PRINTABLE, ATLS_COMMON_NAME);
    der_wrap_from(out, from, DER_SEQUENCE);
}

static void put_extension(struct buf *out, enum atls_variant variant, struct bytes document) {
    uint8_t oid[sizeof tree + 2];
    size_t from = out->n;
    memcpy(oid, tree, sizeof tree);
    memcpy(oid + sizeof tree, variants[variant].tail, variants[variant].n);
    der_put_oid(out, bytes_make(oid, sizeof tree + variants[variant].n));
    der_put(out, DER_OCTET_STRING, document);
    der_wrap_from(out, from, DER_SEQUENCE);
    der_wrap_from(out, from, DER_SEQUENCE);
    der_wrap_from(out, from, DER_CONTEXT_3);
}

int atls_certificate_write(struct buf *out, const struct es256_key *key, enum atls_variant variant,
                           struct bytes document, uint64_t now, const uint8_t serial[16],
                           struct error *why) {
    uint8_t positive[16];
    size_t from = out->n;
    if (document.n > 0 && variant == ATLS_OTHER) {
        return error_set(why, ERR_UNSUPPORTED, "aTLS: no OID for this kind of evidence");
    }
    memcpy(positive, serial, 16);
    positive[0] &= 0x7f;
    der_put_u64(out, 2);
    der_wrap_from(out, from, DER_CONTEXT_0);
    der_put_number(out, bytes_make(positive, 16));
    x509_put_algorithm(out);
    put_name(out);
    x509_put_validity(out, now - VALID_S, now + VALID_S);
    put_name(out);
    x509_put_key(out, key);
    if (document.n > 0) put_extension(out, variant, document);
    der_wrap_from(out, from, DER_SEQUENCE);
    return x509_seal(out, from, key, why);
}

static enum atls_variant variant_of(struct bytes tail) {
    for (int v = ATLS_DUMMY; v < ATLS_OTHER; v++) {
        if (bytes_equal(tail, bytes_make(variants[v].tail, variants[v].n))) {
            return (enum atls_variant)v;
        }
    }
    return ATLS_OTHER;
}

static bool read_extensions(struct bytes in, struct atls_certificate *ret) {
    struct der_item outer, list, e, oid, value;
    if (in.n == 0) return true;
    if (!der_take(&in, DER_CONTEXT_3, &outer) || in.n != 0 ||
        !der_take(&outer.content, DER_SEQUENCE, &list) || outer.content.n != 0) {
        return false;
    }
    while (list.content.n > 0) {
        if (!der_take(&list.content, DER_SEQUENCE, &e) || !der_take(&e.content, DER_OID, &oid)) {
            return false;
        }
        if (der_peek(e.content, DER_BOOLEAN) && !der_take(&e.content, DER_BOOLEAN, &value)) {
            return false;
        }
        if (!der_take(&e.content, DER_OCTET_STRING, &value) || e.content.n != 0) return false;
        if (!bytes_starts_with(oid.content, bytes_make(tree, sizeof tree))) continue;
        if (ret->count == ATLS_EXTENSIONS_MAX) return false;
        ret->variant[ret->count] = variant_of(bytes_slice(oid.content, sizeof tree, oid.content.n));
        ret->document[ret->count++] = value.content;
    }
    return true;
}

static bool read_tbs(struct bytes in, struct atls_certificate *ret) {
    struct der_item version, serial, issuer, subject;
    return der_take(&in, DER_CONTEXT_0, &version) && der_take(&in, DER_INTEGER, &serial) &&
           x509_take_algorithm(&in) && der_take(&in, DER_SEQUENCE, &issuer) &&
           x509_take_validity(&in, &ret->not_before, &ret->not_after) &&
           der_take(&in, DER_SEQUENCE, &subject) && bytes_equal(issuer.whole, subject.whole) &&
           x509_take_key(&in, &ret->spki, &ret->point) && read_extensions(in, ret);
}

int atls_certificate_read(struct atls_certificate *ret, struct bytes der, uint64_t now,
                          struct error *why) {
    struct der_item tbs;
    struct bytes signature_der;
    uint8_t signature[64];
    struct es256_key *key = NULL;
    memset(ret, 0, sizeof *ret);
    if (der.n > ATLS_CERTIFICATE_BYTES_MAX) {
        return error_set(why, ERR_LIMIT, "aTLS certificate: %zu bytes", der.n);
    }
    if (!x509_take_signed(der, &tbs, signature, &signature_der) || !read_tbs(tbs.content, ret)) {
        return error_set(why, ERR_SYNTAX, "aTLS certificate: not a self-signed P-256 certificate");
    }
    int code = es256_key_public(&key, ret->point.p + 1, why);
    if (code < 0) return code;
    bool good = es256_verify_message(key, tbs.whole, signature);
    es256_key_free(key);
    if (!good) return error_set(why, ERR_INVALID, "aTLS certificate: not signed by its own key");
    if (now < ret->not_before || now > ret->not_after) {
        return error_set(why, ERR_STALE, "aTLS certificate: not valid now");
    }
    return 0;
}

void atls_dcap_write(struct buf *out, struct bytes quote, const uint8_t user_data[32]) {
    buf_append_str(out, "{\"RawQuote\":\"");
    base64_append(out, quote, 0);
    buf_append_str(out, "\",\"UserData\":\"");
    base64_append(out, bytes_make(user_data, 32), 0);
    buf_append_str(out, "\"}");
}

int atls_dcap_read(struct atls_dcap *ret, struct bytes document, struct arena *a,
                   struct error *why) {
    static const struct json_limits limits = {DOCUMENT_BYTES_MAX, 4, 64, false};
    const struct json *root = NULL;
    struct bytes quote = {NULL, 0}, user = {NULL, 0};
    int code = json_parse(&root, document, a, &limits, why);
    if (code == 0) code = json_get_string(&quote, root, "RawQuote", why);
    if (code == 0) code = json_get_string(&user, root, "UserData", why);
    if (code == 0) code = base64_decode(&ret->quote, quote, 0, a, why);
    if (code == 0) code = base64_decode(&ret->user_data, user, 0, a, why);
    return code < 0 ? error_wrap(why, "aTLS document") : 0;
}
