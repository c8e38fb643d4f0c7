/* SPDX-License-Identifier: MIT */
#include "attest/atls.h"
#include "attest/digest.h"
#include "attest/evidence.h"
#include "attest/testing.h"
#include "base/random.h"

#include <openssl/x509.h>

TEST(frames_come_byte_by_byte) {
    struct buf out;
    struct error why = {0};
    struct evidence_message m = {ATTESTATION_DCAP_TDX, BYTES_LIT("quote")}, got;
    size_t used = 0;
    buf_init(&out, 0);
    CHECK_OK(evidence_frame_write(&out, &m, &why), &why);
    // u32 length 15, compact 8 (0x20), "dcap-tdx", compact 5 (0x14), "quote"
    CHECK_BYTES(buf_view(&out), BYTES_LIT("\x00\x00\x00\x0f\x20"
                                          "dcap-tdx\x14quote"));
    for (size_t n = 0; n < out.n; n++) {
        CHECK_ERR(evidence_frame_read(&got, &used, bytes_make(out.p, n), &why), ERR_AGAIN);
    }
    CHECK_OK(evidence_frame_read(&got, &used, buf_view(&out), &why), &why);
    CHECK_U64(used, out.n);
    CHECK_U64(got.type, ATTESTATION_DCAP_TDX);
    CHECK_BYTES(got.evidence, BYTES_LIT("quote"));
    buf_free(&out);
}

TEST(frames_out_of_form_are_refused) {
    struct evidence_message got;
    struct error why = {0};
    size_t used;
    CHECK_ERR(evidence_frame_read(&got, &used, BYTES_LIT("\x00\x01\x00\x01"), &why), ERR_LIMIT);
    CHECK_ERR(evidence_message_read(&got, BYTES_LIT("\x10wxyz\x00"), &why), ERR_UNSUPPORTED);
    CHECK_ERR(evidence_message_read(&got, BYTES_LIT("\x10none\x04q"), &why), ERR_SYNTAX);
    CHECK_ERR(evidence_message_read(&got, BYTES_LIT("\x10none\x00q"), &why), ERR_SYNTAX);
    CHECK_ERR(evidence_message_read(&got, BYTES_LIT("\x11\x00none\x00"), &why), ERR_SYNTAX);
    CHECK_ERR(evidence_message_read(&got, BYTES_LIT("\x03\x00none\x00"), &why), ERR_SYNTAX);
    CHECK_ERR(evidence_message_read(&got, BYTES_LIT(""), &why), ERR_SYNTAX);
}

TEST(compact_lengths_have_three_forms) {
    static const size_t sizes[] = {0, 63, 64, 16383, 16384, 40000};
    static uint8_t data[40000];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct buf out;
        struct bytes got;
        buf_init(&out, 0);
        scale_put_bytes(&out, bytes_make(data, sizes[i]));
        struct bytes rest = buf_view(&out);
        CHECK(scale_take_bytes(&rest, &got));
        CHECK_U64(got.n, sizes[i]);
        CHECK_U64(rest.n, 0);
        buf_free(&out);
    }
}

TEST(exporter_binding_is_key_hash_and_exporter) {
    uint8_t data[64], exporter[32], want[32];
    memset(exporter, 3, 32);
    binding_exporter(data, BYTES_LIT("point"), exporter);
    digest_sha256(BYTES_LIT("point"), want);
    CHECK_BYTES(bytes_make(data, 32), bytes_make(want, 32));
    CHECK_BYTES(bytes_make(data + 32, 32), bytes_make(exporter, 32));
    memset(want, 0, 32);
    binding_exporter(data, (struct bytes){NULL, 0}, exporter);
    CHECK_BYTES(bytes_make(data, 32), bytes_make(want, 32));
}

TEST(session_binding_tells_role_keys_nonce_and_session_apart) {
    struct binding_session s = {
        BINDING_CLIENT, BYTES_LIT("own"), BYTES_LIT("peer"), BYTES_LIT("nonce"), {1}};
    uint8_t base[64], other[64];
    CHECK(binding_session_data(base, &s));
    struct binding_session changed[6] = {s, s, s, s, s, s};
    changed[0].role = BINDING_SERVER;          // reflection
    changed[1].own_spki = BYTES_LIT("own2");   // another key
    changed[2].peer_spki = BYTES_LIT("peer2"); // relay to another peer
    changed[3].peer_nonce = BYTES_LIT("nonc"); // replay
    changed[4].exporter[0] = 2;                // another session
    changed[5].own_spki = BYTES_LIT("ownp");   // shifted boundary
    changed[5].peer_spki = BYTES_LIT("eer");
    for (size_t i = 0; i < 6; i++) {
        CHECK(binding_session_data(other, &changed[i]));
        CHECK(memcmp(base, other, 64) != 0);
    }
}

struct key_pair {
    struct es256_key *key;
    uint8_t secret[32];
};

TEST(atls_certificates_are_made_and_read) {
    struct key_pair k;
    struct buf der;
    struct error why = {0};
    struct atls_certificate c;
    uint8_t serial[16], data[64], user[32], again[64];
    buf_init(&der, 0);
    random_bytes(serial, 16);
    CHECK_OK(es256_key_generate(&k.key, k.secret, &why), &why);
    CHECK_OK(atls_certificate_write(&der, k.key, ATLS_QEMU_TDX, BYTES_LIT("{\"a\":1}"), TESTING_NOW,
                                    serial, &why),
             &why);
    CHECK_OK(atls_certificate_read(&c, buf_view(&der), TESTING_NOW, &why), &why);
    CHECK_U64(c.count, 1);
    CHECK_U64(c.variant[0], ATLS_QEMU_TDX);
    CHECK_BYTES(c.document[0], BYTES_LIT("{\"a\":1}"));
    CHECK_U64(c.not_after - c.not_before, 14400);
    // OpenSSL reads the same certificate and the same key.
    const uint8_t *p = der.p;
    X509 *x = d2i_X509(NULL, &p, (long)der.n);
    CHECK(x != NULL);
    CHECK(X509_verify(x, X509_get0_pubkey(x)) == 1);
    uint8_t *spki = NULL;
    int n = i2d_PUBKEY(X509_get0_pubkey(x), &spki);
    CHECK_BYTES(c.spki, bytes_make(spki, (size_t)n));
    OPENSSL_free(spki);
    X509_free(x);
    CHECK(binding_atls(data, user, c.spki, BYTES_LIT("nonce")));
    CHECK(binding_atls(again, user, c.spki, BYTES_LIT("nonce2")));
    CHECK(memcmp(data, again, 32) != 0);
    CHECK_ERR(atls_certificate_read(&c, buf_view(&der), TESTING_NOW + 7201, &why), ERR_STALE);
    der.p[der.n - 1] ^= 1;
    CHECK(atls_certificate_read(&c, buf_view(&der), TESTING_NOW, &why) < 0);
    buf_clear(&der);
    CHECK_OK(atls_certificate_write(&der, k.key, ATLS_QEMU_TDX, (struct bytes){NULL, 0},
                                    TESTING_NOW, serial, &why),
             &why);
    CHECK_OK(atls_certificate_read(&c, buf_view(&der), TESTING_NOW, &why), &why);
    CHECK_U64(c.count, 0);
    es256_key_free(k.key);
    buf_free(&der);
}

TEST(nonces_and_documents_round_trip) {
    uint8_t nonce[32], user[32];
    char text[ATLS_NONCE_TEXT_BYTES + 1];
    struct arena a;
    struct bytes got;
    struct atls_dcap dcap;
    struct buf out;
    struct error why = {0};
    arena_init(&a, 0);
    buf_init(&out, 0);
    random_bytes(nonce, 32);
    random_bytes(user, 32);
    atls_nonce_write(text, nonce);
    CHECK_OK(atls_nonce_read(&got, bytes_from_str(text), &a, &why), &why);
    CHECK_BYTES(got, bytes_make(nonce, 32));
    CHECK_ERR(atls_nonce_read(&got, BYTES_LIT("not base64!"), &a, &why), ERR_SYNTAX);
    atls_dcap_write(&out, BYTES_LIT("raw quote"), user);
    CHECK_OK(atls_dcap_read(&dcap, buf_view(&out), &a, &why), &why);
    CHECK_BYTES(dcap.quote, BYTES_LIT("raw quote"));
    CHECK_BYTES(dcap.user_data, bytes_make(user, 32));
    buf_free(&out);
    arena_free(&a);
}

TEST_MAIN()
