/* SPDX-License-Identifier: MIT */
#include "attest/trust.h"
#include "attest/digest.h"

// Intel SGX Root CA, valid to 2049-12-31, as Intel publishes it.
static const char intel_root[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIICjzCCAjSgAwIBAgIUImUM1lqdNInzg7SVUr9QGzknBqwwCgYIKoZIzj0EAwIw\n"
    "aDEaMBgGA1UEAwwRSW50ZWwgU0dYIFJvb3QgQ0ExGjAYBgNVBAoMEUludGVsIENv\n"
    "cnBvcmF0aW9uMRQwEgYDVQQHDAtTYW50YSBDbGFyYTELMAkGA1UECAwCQ0ExCzAJ\n"
    "BgNVBAYTAlVTMB4XDTE4MDUyMTEwNDUxMFoXDTQ5MTIzMTIzNTk1OVowaDEaMBgG\n"
    "A1UEAwwRSW50ZWwgU0dYIFJvb3QgQ0ExGjAYBgNVBAoMEUludGVsIENvcnBvcmF0\n"
    "aW9uMRQwEgYDVQQHDAtTYW50YSBDbGFyYTELMAkGA1UECAwCQ0ExCzAJBgNVBAYT\n"
    "AlVTMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEC6nEwMDIYZOj/iPWsCzaEKi7\n"
    "1OiOSLRFhWGjbnBVJfVnkY4u3IjkDYYL0MxO4mqsyYjlBalTVYxFP2sJBK5zlKOB\n"
    "uzCBuDAfBgNVHSMEGDAWgBQiZQzWWp00ifODtJVSv1AbOScGrDBSBgNVHR8ESzBJ\n"
    "MEegRaBDhkFodHRwczovL2NlcnRpZmljYXRlcy50cnVzdGVkc2VydmljZXMuaW50\n"
    "ZWwuY29tL0ludGVsU0dYUm9vdENBLmRlcjAdBgNVHQ4EFgQUImUM1lqdNInzg7SV\n"
    "Ur9QGzknBqwwDgYDVR0PAQH/BAQDAgEGMBIGA1UdEwEB/wQIMAYBAf8CAQEwCgYI\n"
    "KoZIzj0EAwIDSQAwRgIhAOW/5QkR+S9CiSDcNoowLuPRLsWGf/Yi7GSX94BgwTwg\n"
    "AiEA4J0lrHoMs+Xo5o/sX6O9QWxHRAvZUGOdRQ7cvqRXaqI=\n"
    "-----END CERTIFICATE-----\n";

static const uint8_t intel_fingerprint[32] = {
    0x44, 0xa0, 0x19, 0x6b, 0x2b, 0x99, 0xf8, 0x89, 0xb8, 0xe1, 0x49, 0xe9, 0x5b, 0x80, 0x7a, 0x35,
    0x0e, 0x74, 0x24, 0x96, 0x43, 0x99, 0xe8, 0x85, 0xa7, 0xcb, 0xb8, 0xcc, 0xfa, 0xb6, 0x74, 0xd3};

int trust_root_intel(struct trust_root *ret, struct error *why) {
    return trust_root_parse(ret, bytes_from_str(intel_root), why);
}

static int find_der(struct bytes *ret, struct bytes in, struct arena *a, struct error *why) {
    if (in.n > 0 && in.p[0] == DER_SEQUENCE) {
        *ret = arena_copy(a, in);
        return ret->p ? 0 : error_set(why, ERR_NO_MEMORY, "trust root");
    }
    int code = cert_pem_decode(ret, &in, a, why);
    if (code == 0 && !ret->p) code = error_set(why, ERR_SYNTAX, "trust root: no certificate in it");
    return code;
}

int trust_root_parse(struct trust_root *ret, struct bytes in, struct error *why) {
    struct bytes der;
    memset(ret, 0, sizeof *ret);
    arena_init(&ret->arena, 1u << 20);
    int code = find_der(&der, in, &ret->arena, why);
    if (code == 0) code = cert_parse(&ret->cert, der, why);
    if (code == 0) code = es256_key_public(&ret->key, ret->cert.point, why);
    if (code == 0 && (!cert_is_self_issued(&ret->cert) || !cert_signed_by(&ret->cert, ret->key))) {
        code = error_set(why, ERR_INVALID, "trust root: not signed by itself");
    }
    if (code < 0) {
        trust_root_free(ret);
        return code;
    }
    digest_sha256(der, ret->fingerprint);
    ret->is_intel = memcmp(ret->fingerprint, intel_fingerprint, 32) == 0;
    size_t n = 0;
    for (size_t i = 0; i < ret->cert.subject_cn.n && n + 1 < sizeof ret->name; i++) {
        uint8_t c = ret->cert.subject_cn.p[i];
        ret->name[n++] = c >= 0x20 && c < 0x7f && c != '"' && c != '\\' ? (char)c : '?';
    }
    return 0;
}

void trust_root_free(struct trust_root *root) {
    es256_key_free(root->key);
    arena_free(&root->arena);
    memset(root, 0, sizeof *root);
}
