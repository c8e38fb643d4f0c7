/* SPDX-License-Identifier: MIT */
#include "attest/cert.h"
#include "attest/pck.h"
#include "attest/x509.h"
#include "base/base64.h"

static const uint8_t oid_common_name[] = {0x55, 0x04, X509_COMMON_NAME};

// The last common name of a Name; every attribute's form is checked.
static bool name_cn(struct bytes name, struct bytes *ret) {
    struct der_item seq, set, pair, oid, value;
    if (!der_take(&name, DER_SEQUENCE, &seq) || name.n != 0) return false;
    while (seq.content.n > 0) {
        if (!der_take(&seq.content, DER_SET, &set) || set.content.n == 0) return false;
        while (set.content.n > 0) {
            if (!der_take(&set.content, DER_SEQUENCE, &pair) ||
                !der_take(&pair.content, DER_OID, &oid) || !der_any(&pair.content, &value) ||
                pair.content.n != 0) {
                return false;
            }
            if (bytes_equal(oid.content, bytes_make(oid_common_name, sizeof oid_common_name))) {
                *ret = value.content;
            }
        }
    }
    return true;
}

static bool take_key(struct bytes *in, struct cert *c) {
    struct bytes spki, point;
    if (!x509_take_key(in, &spki, &point)) return false;
    memcpy(c->point, point.p + 1, 64);
    return true;
}

struct extension {
    struct bytes oid;
    struct bytes value;
    int id; /* of id-ce {2.5.29.id}, or -1 */
};

static bool take_extension(struct bytes *in, struct extension *ret) {
    struct der_item seq, oid, value;
    if (!der_take(in, DER_SEQUENCE, &seq) || !der_take(&seq.content, DER_OID, &oid)) return false;
    if (der_peek(seq.content, DER_BOOLEAN)) {
        struct der_item critical;
        if (!der_take(&seq.content, DER_BOOLEAN, &critical) || critical.content.n != 1)
            return false;
    }
    if (!der_take(&seq.content, DER_OCTET_STRING, &value) || seq.content.n != 0) return false;
    *ret = (struct extension){oid.content, value.content, -1};
    if (oid.content.n == 3 && oid.content.p[0] == 0x55 && oid.content.p[1] == 0x1d) {
        ret->id = oid.content.p[2];
    }
    return true;
}

static bool read_basic(struct bytes value, struct cert *c) {
    struct der_item seq, ca;
    if (!der_take(&value, DER_SEQUENCE, &seq) || value.n != 0) return false;
    if (!der_peek(seq.content, DER_BOOLEAN)) return true;
    if (!der_take(&seq.content, DER_BOOLEAN, &ca) || ca.content.n != 1) return false;
    c->is_ca = ca.content.p[0] != 0;
    if (seq.content.n == 0) return true;
    return der_take(&seq.content, DER_INTEGER, &ca) && seq.content.n == 0 &&
           der_u64(ca.content, &c->path_length);
}

static bool read_key_usage(struct bytes value, struct cert *c) {
    enum { SIGNS = 0x06 }; // keyCertSign, cRLSign
    struct der_item bits;
    if (!der_take(&value, DER_BIT_STRING, &bits) || value.n != 0 || bits.content.n < 2 ||
        bits.content.p[0] > 7) {
        return false;
    }
    c->may_sign = (bits.content.p[1] & SIGNS) == SIGNS;
    return true;
}

static bool read_cert_extensions(struct bytes in, struct cert *c) {
    struct der_item outer, list;
    if (!der_take(&in, DER_CONTEXT_3, &outer) || in.n != 0 ||
        !der_take(&outer.content, DER_SEQUENCE, &list) || outer.content.n != 0) {
        return false;
    }
    for (int count = 0; list.content.n > 0; count++) {
        struct extension e;
        if (count == CERT_EXTENSIONS_MAX || !take_extension(&list.content, &e)) return false;
        bool other = false;
        bool *flag = e.id == X509_AUTHORITY_KEY_ID    ? &c->has_aki
                     : e.id == X509_CRL_POINTS        ? &c->has_crl_dp
                     : e.id == X509_SUBJECT_KEY_ID    ? &c->has_ski
                     : e.id == X509_KEY_USAGE         ? &c->has_key_usage
                     : e.id == X509_BASIC_CONSTRAINTS ? &c->has_basic
                                                      : &other;
        if (*flag) return false; // RFC 5280, 4.2: no extension twice
        *flag = true;
        if (e.id == X509_BASIC_CONSTRAINTS && !read_basic(e.value, c)) return false;
        if (e.id == X509_KEY_USAGE && !read_key_usage(e.value, c)) return false;
        if (bytes_equal(e.oid, bytes_make(pck_oid, sizeof pck_oid))) {
            if (c->sgx.n > 0) return false;
            c->sgx = e.value;
        }
    }
    return true;
}

static bool read_tbs(struct bytes in, struct cert *c) {
    struct der_item version, number, serial, name;
    uint64_t v;
    if (!der_take(&in, DER_CONTEXT_0, &version) ||
        !der_take(&version.content, DER_INTEGER, &number) || version.content.n != 0 ||
        !der_u64(number.content, &v) || v != 2) {
        return false;
    }
    if (!der_take(&in, DER_INTEGER, &serial) || !der_magnitude(serial.content, &c->serial) ||
        !x509_take_algorithm(&in)) {
        return false;
    }
    if (!der_take(&in, DER_SEQUENCE, &name)) return false;
    c->issuer = name.whole;
    if (!x509_take_validity(&in, &c->not_before, &c->not_after) ||
        !der_take(&in, DER_SEQUENCE, &name)) {
        return false;
    }
    c->subject = name.whole;
    return name_cn(c->issuer, &c->issuer_cn) && name_cn(c->subject, &c->subject_cn) &&
           take_key(&in, c) && read_cert_extensions(in, c);
}

int cert_parse(struct cert *ret, struct bytes der, struct error *why) {
    struct der_item tbs;
    memset(ret, 0, sizeof *ret);
    ret->der = der;
    ret->path_length = UINT64_MAX;
    if (!x509_take_signed(der, &tbs, ret->signature, &ret->signature_der) ||
        !read_tbs(tbs.content, ret)) {
        return error_set(why, ERR_SYNTAX, "certificate: not of the expected form");
    }
    ret->tbs = tbs.whole;
    return 0;
}

bool cert_signed_by(const struct cert *c, const struct es256_key *issuer) {
    return es256_verify_message(issuer, c->tbs, c->signature);
}

int cert_pem_body(struct bytes *ret, struct bytes lines, struct arena *a, struct error *why) {
    int code = base64_decode(ret, lines, BASE64_WHITESPACE, a, why);
    if (code == 0 && ret->n == 0) code = error_set(why, ERR_SYNTAX, "PEM: an empty block");
    return code < 0 ? error_wrap(why, "PEM") : 0;
}

int cert_pem_decode(struct bytes *ret, struct bytes *text, struct arena *a, struct error *why) {
    static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
    *ret = (struct bytes){NULL, 0};
    const uint8_t *stop = text->p + text->n;
    const uint8_t *from = text->n ? memmem(text->p, text->n, begin, sizeof begin - 1) : NULL;
    if (!from) {
        *text = (struct bytes){stop, 0};
        return 0;
    }
    from += sizeof begin - 1;
    const uint8_t *to = memmem(from, (size_t)(stop - from), end, sizeof end - 1);
    if (!to) return error_set(why, ERR_SYNTAX, "PEM: a certificate without its end line");
    int code = cert_pem_body(ret, bytes_make(from, (size_t)(to - from)), a, why);
    if (code < 0) return code;
    to += sizeof end - 1;
    *text = (struct bytes){to, (size_t)(stop - to)};
    return 0;
}

int cert_chain_parse(struct cert_chain *ret, struct bytes pem, struct arena *a, struct error *why) {
    ret->n = 0;
    for (;;) {
        struct bytes der;
        int code = cert_pem_decode(&der, &pem, a, why);
        if (code < 0) return code;
        if (!der.p) return 0;
        if (ret->n == CERT_CHAIN_MAX) {
            return error_set(why, ERR_LIMIT, "PEM: more than %d certificates", CERT_CHAIN_MAX);
        }
        if ((code = cert_parse(&ret->at[ret->n], der, why)) < 0) return code;
        ret->n++;
    }
}

// One entry of a list: {serial, time, extensions}; false when it is not of that form.
static bool take_revoked(struct bytes *in, struct bytes *serial) {
    struct der_item entry, number, time;
    uint64_t when;
    return der_take(in, DER_SEQUENCE, &entry) && der_take(&entry.content, DER_INTEGER, &number) &&
           der_magnitude(number.content, serial) && der_any(&entry.content, &time) &&
           der_time(&time, &when);
}

static bool read_crl_extensions(struct bytes in, struct crl *c) {
    struct der_item outer, list, number;
    if (in.n == 0) return true;
    if (!der_take(&in, DER_CONTEXT_0, &outer) || in.n != 0 ||
        !der_take(&outer.content, DER_SEQUENCE, &list) || outer.content.n != 0) {
        return false;
    }
    for (int count = 0; list.content.n > 0; count++) {
        struct extension e;
        if (count == CERT_EXTENSIONS_MAX || !take_extension(&list.content, &e)) return false;
        c->has_aki |= e.id == X509_AUTHORITY_KEY_ID;
        if (e.id == X509_CRL_NUMBER) {
            if (!der_take(&e.value, DER_INTEGER, &number) || e.value.n != 0 ||
                !der_magnitude(number.content, &c->number)) {
                return false;
            }
            c->has_number = true;
        }
    }
    return true;
}

static bool read_crl_tbs(struct bytes in, struct crl *c) {
    struct der_item number, name, time, list;
    uint64_t version;
    if (!der_take(&in, DER_INTEGER, &number) || !der_u64(number.content, &version) ||
        version != 1 || !x509_take_algorithm(&in) || !der_take(&in, DER_SEQUENCE, &name)) {
        return false;
    }
    c->issuer = name.whole;
    if (!name_cn(c->issuer, &c->issuer_cn) || !der_any(&in, &time) ||
        !der_time(&time, &c->this_update) || !der_any(&in, &time) ||
        !der_time(&time, &c->next_update)) {
        return false;
    }
    if (der_peek(in, DER_SEQUENCE)) {
        if (!der_take(&in, DER_SEQUENCE, &list)) return false;
        c->revoked = list.content;
        for (struct bytes rest = list.content, serial; rest.n > 0;) {
            if (!take_revoked(&rest, &serial)) return false;
        }
    }
    return read_crl_extensions(in, c);
}

int crl_parse(struct crl *ret, struct bytes der, struct error *why) {
    struct der_item tbs;
    struct bytes signature_der;
    memset(ret, 0, sizeof *ret);
    ret->der = der;
    if (der.n > CRL_BYTES_MAX) {
        return error_set(why, ERR_LIMIT, "revocation list: %zu bytes, more than %u", der.n,
                         CRL_BYTES_MAX);
    }
    if (!x509_take_signed(der, &tbs, ret->signature, &signature_der) ||
        !read_crl_tbs(tbs.content, ret)) {
        return error_set(why, ERR_SYNTAX, "revocation list: not of the expected form");
    }
    ret->tbs = tbs.whole;
    return 0;
}

bool crl_signed_by(const struct crl *c, const struct es256_key *issuer) {
    return es256_verify_message(issuer, c->tbs, c->signature);
}

bool crl_revokes(const struct crl *c, struct bytes serial) {
    for (struct bytes rest = c->revoked, entry; rest.n > 0;) {
        if (!take_revoked(&rest, &entry)) return true; // unreadable: the safe answer
        if (bytes_equal(entry, serial)) return true;
    }
    return false;
}
