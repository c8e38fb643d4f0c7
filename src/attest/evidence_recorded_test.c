/* Exchanges of both wire protocols, byte for byte, made by other programs: the certificate by
 * OpenSSL's command line, the digests and frames by hand after the protocols' description.
 * SPDX-License-Identifier: MIT */
#include "attest/atls.h"
#include "attest/evidence.h"
#include "base/hex.h"
#include "test/harness/test.h"

#define RECORDED_AT UINT64_C(1780308000)
#define NONCE_TEXT "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// Serial 0123456789abcdef twice over, two hours around 2026-06-01 10:00, one extension.
static const char recorded_certificate[] =
    "3082019030820136a00302010202100123456789abcdef0123456789abcdef300a06082a8648ce3d0403023018"
    "311630140603550403130d436f6e7374656c6c6174696f6e301e170d3236303630313038303030305a170d3236"
    "303630313132303030305a3018311630140603550403130d436f6e7374656c6c6174696f6e3059301306072a86"
    "48ce3d020106082a8648ce3d030107034200047071b8c080d10f1116a733f7b9fa91c5ddb907d0d97630a1ef6f"
    "1e05c047846f48b09fd943d6a4242be733c94137f141e29162ec751ea07d8020e18362fc5480a3623060305e06"
    "052bcd2c056304557b2252617751756f7465223a22636d4633494846316233526c222c22557365724461746122"
    "3a224177614d65556e504c447957444648647649564d335632613648713067636c4d6f77474f4f2f526d347973"
    "3d227d300a06082a8648ce3d04030203480030450221009b98cfa520cea6614c56d0f2e2817256d14f6a0c7f20"
    "4ca9671acc22817a27020220626d8a2eab23a4334d642f3d71da8c4133601ba4dda642864d98fde484253735";

static const char recorded_spki_digest[] =
    "03068c7949cf2c3c960c51ddbc854cdd5d9ae87ab481c94ca3018e3bf466e32b";

static const char recorded_atls_data[] =
    "7e71bb839b53a0f5c7ab1b3061b0d22fba3991e04544d6cf27dea56f9b2a5eae00000000000000000000000000"
    "00000000000000000000000000000000000000";

static const char recorded_exporter_data[] =
    "7bbf189f4fb577b39f068f8d99caffb2a700ca8e1cd9d355c9501a2d54a2205e808182838485868788898a8b8c"
    "8d8e8f909192939495969798999a9b9c9d9e9f";

static const char recorded_server_frame[] =
    "0000006e1c6763702d7464789101000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e"
    "1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b"
    "4c4d4e4f505152535455565758595a5b5c5d5e5f60616263";

static const char recorded_client_frame[] = "00000006106e6f6e6500";

static struct bytes recorded(struct arena *a, const char *text) {
    struct bytes in = bytes_from_str(text);
    uint8_t *p = arena_alloc(a, in.n / 2);
    CHECK(p && hex_decode(p, in, NULL) >= 0);
    return bytes_make(p, in.n / 2);
}

static struct bytes counting(uint8_t *ret, uint8_t first, size_t n) {
    for (size_t i = 0; i < n; i++)
        ret[i] = (uint8_t)(first + i);
    return bytes_make(ret, n);
}

TEST(the_certificate_form_is_read_as_recorded) {
    struct arena a;
    struct error why = {0};
    struct atls_certificate c;
    struct atls_dcap document;
    struct bytes nonce;
    uint8_t bytes[32], data[64], user[32];
    arena_init(&a, 0);
    struct bytes der = recorded(&a, recorded_certificate);
    CHECK_OK(atls_certificate_read(&c, der, RECORDED_AT, &why), &why);
    CHECK_U64(c.not_before, RECORDED_AT - 7200);
    CHECK_U64(c.not_after, RECORDED_AT + 7200);
    CHECK_U64(c.count, 1);
    CHECK_U64(c.variant[0], ATLS_QEMU_TDX);
    CHECK_OK(atls_dcap_read(&document, c.document[0], &a, &why), &why);
    CHECK_BYTES(document.quote, BYTES_LIT("raw quote"));
    CHECK_BYTES(document.user_data, recorded(&a, recorded_spki_digest));
    CHECK_OK(atls_nonce_read(&nonce, BYTES_LIT(NONCE_TEXT), &a, &why), &why);
    CHECK_BYTES(nonce, counting(bytes, 0, 32));
    CHECK(binding_atls(data, user, c.spki, nonce));
    CHECK_BYTES(bytes_make(user, 32), recorded(&a, recorded_spki_digest));
    CHECK_BYTES(bytes_make(data, 64), recorded(&a, recorded_atls_data));
    for (size_t n = 0; n < der.n; n++) {
        CHECK(atls_certificate_read(&c, bytes_make(der.p, n), RECORDED_AT, &why) < 0);
    }
    arena_free(&a);
}

// What is written differs from the recorded bytes in key and signature only.
TEST(the_certificate_form_is_written_as_recorded) {
    static const uint8_t serial[16] = {1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                       1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
    struct arena a;
    struct error why = {0};
    struct es256_key *key;
    struct buf der, document;
    struct atls_certificate old, new;
    uint8_t secret[32];
    char text[ATLS_NONCE_TEXT_BYTES + 1];
    arena_init(&a, 0);
    buf_init(&der, 0);
    buf_init(&document, 0);
    struct bytes was = recorded(&a, recorded_certificate);
    atls_dcap_write(&document, BYTES_LIT("raw quote"), recorded(&a, recorded_spki_digest).p);
    CHECK_OK(es256_key_generate(&key, secret, &why), &why);
    CHECK_OK(atls_certificate_write(&der, key, ATLS_QEMU_TDX, buf_view(&document), RECORDED_AT,
                                    serial, &why),
             &why);
    CHECK_OK(atls_certificate_read(&old, was, RECORDED_AT, &why), &why);
    CHECK_OK(atls_certificate_read(&new, buf_view(&der), RECORDED_AT, &why), &why);
    // The outer length is the signature's too: what is signed begins after four bytes.
    size_t before = (size_t)(old.point.p - was.p), end = (size_t)(old.document[0].p - was.p);
    end += old.document[0].n;
    CHECK_U64((uint64_t)(new.point.p - der.p), before);
    CHECK_BYTES(bytes_make(der.p + 4, before - 4), bytes_make(was.p + 4, before - 4));
    CHECK_BYTES(bytes_make(der.p + before + 65, end - before - 65),
                bytes_make(was.p + before + 65, end - before - 65));
    uint8_t nonce[32];
    (void)counting(nonce, 0, 32);
    atls_nonce_write(text, nonce);
    CHECK_STR(text, NONCE_TEXT);
    es256_key_free(key);
    buf_free(&der);
    buf_free(&document);
    arena_free(&a);
}

TEST(the_exporter_form_is_as_recorded) {
    struct arena a;
    struct error why = {0};
    struct atls_certificate c;
    struct evidence_message m;
    struct buf stream;
    uint8_t exporter[32], evidence[100], data[64];
    size_t used = 0;
    arena_init(&a, 0);
    buf_init(&stream, 0);
    struct bytes server = recorded(&a, recorded_server_frame);
    struct bytes client = recorded(&a, recorded_client_frame);
    // Each side's frame comes with the first bytes of HTTP behind it, which are not its own.
    buf_append(&stream, server);
    buf_append_str(&stream, "PRI * HTTP/2.0\r\n");
    CHECK_OK(evidence_frame_read(&m, &used, buf_view(&stream), &why), &why);
    CHECK_U64(used, server.n);
    CHECK_U64(m.type, ATTESTATION_GCP_TDX);
    CHECK_BYTES(m.evidence, counting(evidence, 0, 100));
    buf_clear(&stream);
    CHECK_OK(evidence_frame_write(&stream, &m, &why), &why);
    CHECK_BYTES(buf_view(&stream), server);
    CHECK_OK(evidence_frame_read(&m, &used, client, &why), &why);
    CHECK_U64(used, client.n);
    CHECK(m.type == ATTESTATION_NONE && m.evidence.n == 0);
    buf_clear(&stream);
    CHECK_OK(evidence_frame_write(&stream, &m, &why), &why);
    CHECK_BYTES(buf_view(&stream), client);

    struct bytes der = recorded(&a, recorded_certificate);
    CHECK_OK(atls_certificate_read(&c, der, RECORDED_AT, &why), &why);
    (void)counting(exporter, 0x80, 32);
    binding_exporter(data, c.point, exporter);
    CHECK_BYTES(bytes_make(data, 64), recorded(&a, recorded_exporter_data));
    buf_free(&stream);
    arena_free(&a);
}

TEST_MAIN()
