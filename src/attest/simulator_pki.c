/* SPDX-License-Identifier: MIT */
#include "attest/simulator_pki.h"
#include "attest/der.h"
#include "attest/der_write.h"
#include "attest/digest.h"
#include "attest/x509.h"

#include <string.h>

static void put_name(struct buf *out, const char *cn) {
    size_t from = out->n;
    x509_put_attribute(out, X509_COMMON_NAME, DER_UTF8, cn);
    x509_put_attribute(out, X509_ORGANIZATION, DER_UTF8, "BuilderNet simulator");
    x509_put_attribute(out, X509_LOCALITY, DER_UTF8, "Nowhere");
    x509_put_attribute(out, X509_STATE, DER_UTF8, "NA");
    x509_put_attribute(out, X509_COUNTRY, DER_PRINTABLE, "XX");
    der_wrap_from(out, from, DER_SEQUENCE);
}

// The key identifier: 20 bytes of the hash of the public point.
static void key_id(const struct es256_key *key, uint8_t ret[32]) {
    uint8_t point[64];
    es256_key_point(key, point);
    digest_sha256(bytes_make(point, 64), ret);
}

// Wraps what `out` holds from `from` on as the value of extension {2.5.29.id}.
static void wrap_extension(struct buf *out, size_t from, uint8_t id, bool critical) {
    uint8_t oid[] = {0x55, 0x1d, id};
    struct buf head;
    der_wrap_from(out, from, DER_OCTET_STRING);
    buf_init(&head, 64);
    der_put_oid(&head, bytes_make(oid, sizeof oid));
    if (critical) der_put_bool(&head, true);
    der_insert(out, from, buf_view(&head));
    buf_free(&head);
    der_wrap_from(out, from, DER_SEQUENCE);
}

static void put_aki(struct buf *out, const struct es256_key *issuer) {
    uint8_t id[32];
    size_t from = out->n;
    key_id(issuer, id);
    der_put(out, 0x80, bytes_make(id, 20));
    der_wrap_from(out, from, DER_SEQUENCE);
    wrap_extension(out, from, X509_AUTHORITY_KEY_ID, false);
}

static void put_crl_dp(struct buf *out) {
    size_t from = out->n;
    der_put(out, 0x86, BYTES_LIT("https://simulator.invalid/root.crl"));
    der_wrap_from(out, from, 0xa0);
    der_wrap_from(out, from, 0xa0);
    der_wrap_from(out, from, DER_SEQUENCE);
    der_wrap_from(out, from, DER_SEQUENCE);
    wrap_extension(out, from, X509_CRL_POINTS, false);
}

static void put_ski(struct buf *out, const struct es256_key *key) {
    uint8_t id[32];
    size_t from = out->n;
    key_id(key, id);
    der_put(out, DER_OCTET_STRING, bytes_make(id, 20));
    wrap_extension(out, from, X509_SUBJECT_KEY_ID, false);
}

static void put_key_usage(struct buf *out, bool ca) {
    static const uint8_t sign_certs[] = {1, 0x06}, sign_data[] = {6, 0xc0};
    size_t from = out->n;
    der_put(out, DER_BIT_STRING, bytes_make(ca ? sign_certs : sign_data, 2));
    wrap_extension(out, from, X509_KEY_USAGE, true);
}

static void put_basic(struct buf *out, int path_length) {
    size_t from = out->n;
    if (path_length >= 0) {
        der_put_bool(out, true);
        der_put_u64(out, (uint64_t)path_length);
    }
    der_wrap_from(out, from, DER_SEQUENCE);
    wrap_extension(out, from, X509_BASIC_CONSTRAINTS, true);
}

// {pck_oid . a . b (0: none), value}, where the value stands at the end of out.
static void wrap_part(struct buf *out, size_t from, uint8_t a, uint8_t b) {
    uint8_t oid[sizeof pck_oid + 2];
    struct buf head;
    memcpy(oid, pck_oid, sizeof pck_oid);
    oid[sizeof pck_oid] = a;
    oid[sizeof pck_oid + 1] = b;
    buf_init(&head, 64);
    der_put_oid(&head, bytes_make(oid, sizeof pck_oid + (b ? 2 : 1)));
    der_insert(out, from, buf_view(&head));
    buf_free(&head);
    der_wrap_from(out, from, DER_SEQUENCE);
}

static void put_octets(struct buf *out, const uint8_t *p, size_t n, uint8_t a, uint8_t b) {
    size_t from = out->n;
    der_put(out, DER_OCTET_STRING, bytes_make(p, n));
    wrap_part(out, from, a, b);
}

static void put_sgx(struct buf *out, const struct pck_extension *pck) {
    size_t outer = out->n;
    put_octets(out, pck->ppid, 16, 1, 0);
    size_t tcb = out->n;
    for (uint8_t i = 0; i < 16; i++) {
        size_t from = out->n;
        der_put_u64(out, pck->component_svn[i]);
        wrap_part(out, from, 2, (uint8_t)(i + 1));
    }
    size_t from = out->n;
    der_put_u64(out, pck->pce_svn);
    wrap_part(out, from, 2, 17);
    put_octets(out, pck->cpu_svn, 16, 2, 18);
    der_wrap_from(out, tcb, DER_SEQUENCE);
    wrap_part(out, tcb, 2, 0);
    put_octets(out, pck->pce_id, 2, 3, 0);
    put_octets(out, pck->fmspc, 6, 4, 0);
    from = out->n;
    der_put(out, DER_ENUMERATED, bytes_make(&pck->sgx_type, 1));
    wrap_part(out, from, 5, 0);
    put_octets(out, pck->platform_instance_id, 16, 6, 0);
    const bool flags[] = {pck->dynamic_platform, pck->cached_keys, pck->smt_enabled};
    size_t configuration = out->n;
    for (uint8_t i = 0; i < 3; i++) {
        from = out->n;
        der_put_bool(out, flags[i]);
        wrap_part(out, from, 7, (uint8_t)(i + 1));
    }
    der_wrap_from(out, configuration, DER_SEQUENCE);
    wrap_part(out, configuration, 7, 0);
    der_wrap_from(out, outer, DER_SEQUENCE);
    der_wrap_from(out, outer, DER_OCTET_STRING);
    struct buf head;
    buf_init(&head, 64);
    der_put_oid(&head, bytes_make(pck_oid, sizeof pck_oid));
    der_insert(out, outer, buf_view(&head));
    buf_free(&head);
    der_wrap_from(out, outer, DER_SEQUENCE);
}

int pki_certificate(struct buf *out, const struct pki_party *subject,
                    const struct pki_party *issuer, struct pki_times times, int path_length,
                    const struct pck_extension *pck, struct error *why) {
    size_t from = out->n;
    der_put_u64(out, 2);
    der_wrap_from(out, from, DER_CONTEXT_0);
    der_put_number(out, bytes_make(subject->serial, 16));
    x509_put_algorithm(out);
    put_name(out, issuer->name);
    x509_put_validity(out, times.not_before, times.not_after);
    put_name(out, subject->name);
    x509_put_key(out, subject->key);
    size_t extensions = out->n;
    put_aki(out, issuer->key);
    put_crl_dp(out);
    put_ski(out, subject->key);
    put_key_usage(out, path_length >= 0);
    put_basic(out, path_length);
    if (pck) put_sgx(out, pck);
    der_wrap_from(out, extensions, DER_SEQUENCE);
    der_wrap_from(out, extensions, DER_CONTEXT_3);
    der_wrap_from(out, from, DER_SEQUENCE);
    return x509_seal(out, from, issuer->key, why);
}

int pki_crl(struct buf *out, const struct pki_party *issuer, struct pki_times times,
            uint64_t number, const struct pki_party *revoked, struct error *why) {
    size_t from = out->n;
    der_put_u64(out, 1);
    x509_put_algorithm(out);
    put_name(out, issuer->name);
    der_put_time(out, times.not_before);
    der_put_time(out, times.not_after);
    if (revoked) {
        size_t list = out->n;
        der_put_number(out, bytes_make(revoked->serial, 16));
        der_put_time(out, times.not_before);
        der_wrap_from(out, list, DER_SEQUENCE);
        der_wrap_from(out, list, DER_SEQUENCE);
    }
    size_t extensions = out->n;
    put_aki(out, issuer->key);
    size_t at = out->n;
    der_put_u64(out, number);
    wrap_extension(out, at, X509_CRL_NUMBER, false);
    der_wrap_from(out, extensions, DER_SEQUENCE);
    der_wrap_from(out, extensions, DER_CONTEXT_0);
    der_wrap_from(out, from, DER_SEQUENCE);
    return x509_seal(out, from, issuer->key, why);
}
