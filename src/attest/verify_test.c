/* What the verifier remembers must not be led astray by what it was shown before.
 * SPDX-License-Identifier: MIT */
#include "attest/der_write.h"
#include "attest/simulator_state.h"
#include "attest/testing.h"

// The first certificate of a chain, PEM.
static struct bytes first_of(struct bytes chain) {
    static const char end[] = "-----END CERTIFICATE-----\n";
    const uint8_t *at = memmem(chain.p, chain.n, end, sizeof end - 1);
    CHECK(at != NULL);
    return bytes_slice(chain, 0, (size_t)(at - chain.p) + sizeof end - 1);
}

// The certificates in a platform's own quote.
static struct bytes chain_of(struct testing *t) {
    CHECK(testing_check(t, 4, QUOTE_BODY_TD10, TESTING_NOW)->valid);
    return t->verdict.quote.cert_data;
}

// A quote of version 4 with other certificates: those are under no signature.
static void put_with_chain(struct buf *out, struct bytes quote, struct bytes chain) {
    struct quote q;
    struct error why = {0};
    uint8_t size[4];
    CHECK_OK(quote_parse(&q, quote, &why), &why);
    size_t at = (size_t)(q.cert_data.p - quote.p);
    uint32_t less = (uint32_t)q.cert_data.n, more = (uint32_t)chain.n;
    buf_append(out, bytes_slice(quote, 0, at));
    buf_append(out, chain);
    store_le32(size, more);
    memcpy(out->p + at - 4, size, 4);
    store_le32(out->p + 632, load_le32(out->p + 632) - less + more);
    store_le32(out->p + 636 + 130, load_le32(out->p + 636 + 130) - less + more);
}

/* A hostile platform and a hostile collateral service together: the quote names the genuine PCK
 * certificate alone, and the issuer chain that was served brings a PCK certificate of the
 * attacker's, whose key then signed the QE report. That verdict is bad; what was found on the way
 * must not serve the genuine collateral that comes later. */
TEST(a_quoting_key_is_known_by_the_key_that_vouched_for_it) {
    struct testing genuine, forger;
    struct simulator_spec spec = testing_spec();
    struct error why = {0};
    struct buf quote, chain;
    struct collateral *served = NULL;
    struct verdict verdict;
    testing_start(&genuine, &spec);
    testing_start(&forger, &spec);
    buf_init(&quote, QUOTE_BYTES_MAX);
    buf_init(&chain, QUOTE_BYTES_MAX);
    buf_append(&chain, first_of(chain_of(&forger)));
    buf_append(&chain, simulator_root(forger.simulator));
    // Whoever signs QE reports can write any measurement into them.
    memcpy(forger.simulator->qe_mr_signer, genuine.simulator->qe_mr_signer, 32);
    CHECK_OK(simulator_quote(&forger.quote, forger.simulator, &forger.td, 4, QUOTE_BODY_TD10, &why),
             &why);
    put_with_chain(&quote, buf_view(&forger.quote), first_of(chain_of(&genuine)));
    struct collateral_parts parts = simulator_collateral(genuine.simulator);
    parts.pck_issuer_chain = buf_view(&chain);
    CHECK_OK(collateral_make(&served, &parts, &why), &why);
    CHECK_OK(
        verifier_check(&verdict, genuine.verifier, buf_view(&quote), served, TESTING_NOW, &why),
        &why);
    CHECK(!verdict.valid);
    CHECK_OK(verifier_check(&verdict, genuine.verifier, buf_view(&quote), genuine.collateral,
                            TESTING_NOW, &why),
             &why);
    CHECK_STR(qvl_name(verdict.pck_chain), qvl_name(QVL_OK));
    CHECK_STR(qvl_name(verdict.quote_code), qvl_name(QVL_INVALID_QE_REPORT_SIGNATURE));
    CHECK(!verdict.valid);
    collateral_free(served);
    buf_free(&chain);
    buf_free(&quote);
    testing_end(&forger);
    testing_end(&genuine);
}

// A certificate again, by the same issuer, with the key usage of one who signs data only.
static void put_disabled(struct buf *out, const struct cert *c, const struct es256_key *issuer) {
    static const uint8_t signs[] = {DER_BIT_STRING, 2, 1, 0x06},
                         not_so[] = {DER_BIT_STRING, 2, 6, 0xc0};
    uint8_t signature[64];
    struct error why = {0};
    struct buf der;
    buf_init(&der, 4096);
    buf_append(&der, c->tbs);
    uint8_t *at = memmem(der.p, der.n, signs, sizeof signs);
    CHECK(at != NULL);
    memcpy(at, not_so, sizeof not_so);
    CHECK_OK(es256_sign_message(issuer, buf_view(&der), signature, &why), &why);
    struct bytes rest = bytes_slice(c->der, (size_t)(c->tbs.p + c->tbs.n - c->der.p), c->der.n);
    struct der_item algorithm;
    CHECK(der_take(&rest, DER_SEQUENCE, &algorithm));
    buf_append(&der, algorithm.whole);
    size_t bits = der.n;
    buf_append_byte(&der, 0);
    der_put_ecdsa(&der, signature);
    der_wrap_from(&der, bits, DER_BIT_STRING);
    der_wrap_from(&der, 0, DER_SEQUENCE);
    der_put_pem(out, "CERTIFICATE", buf_view(&der));
    buf_free(&der);
}

static void check_flags(struct testing *t, const struct collateral_parts *parts) {
    struct error why = {0};
    struct collateral *c = NULL;
    struct verdict v;
    CHECK_OK(collateral_make(&c, parts, &why), &why);
    CHECK_OK(verifier_check(&v, t->verifier, buf_view(&t->quote), c, TESTING_NOW, &why), &why);
    CHECK_STR(qvl_name(v.pck_chain), qvl_name(QVL_OK));
    CHECK_STR(qvl_name(v.tcb_info), qvl_name(QVL_OK));
    CHECK_U64(v.findings, FINDING_CA_FLAGS);
    CHECK(!v.valid);
    collateral_free(c);
}

// Intel's PKI issues none of these, and its library would not mind.
TEST(certificates_do_only_what_they_are_for) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct error why = {0};
    struct buf pem, chain, quote;
    struct arena a;
    struct cert_chain certs;
    testing_start(&t, &spec);
    arena_init(&a, 0);
    buf_init(&pem, 1u << 16);
    buf_init(&chain, 1u << 16);
    buf_init(&quote, QUOTE_BYTES_MAX);
    const struct pki_party *parties = t.simulator->parties;
    struct bytes own = chain_of(&t);
    CHECK_OK(cert_chain_parse(&certs, own, &a, &why), &why);
    struct collateral_parts parts = simulator_collateral(t.simulator);
    // The PCK's issuer may not sign certificates.
    buf_append(&chain, first_of(own));
    put_disabled(&chain, &certs.at[1], parties[SIM_ROOT].key);
    buf_append(&chain, simulator_root(t.simulator));
    put_with_chain(&quote, buf_view(&t.quote), buf_view(&chain));
    buf_clear(&t.quote);
    buf_append(&t.quote, buf_view(&quote));
    check_flags(&t, &parts);
    // The signer of TCB Info may.
    CHECK(!testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW)->findings);
    struct buf der;
    buf_init(&der, 4096);
    CHECK_OK(pki_certificate(&der, &parties[SIM_SIGNER], &parties[SIM_ROOT],
                             (struct pki_times){TESTING_NOW - 1, TESTING_NOW + 1000}, 0, NULL,
                             &why),
             &why);
    der_put_pem(&pem, "CERTIFICATE", buf_view(&der));
    buf_append(&pem, simulator_root(t.simulator));
    parts.signing_chain = buf_view(&pem);
    check_flags(&t, &parts);
    buf_free(&der);
    buf_free(&pem);
    buf_free(&chain);
    buf_free(&quote);
    arena_free(&a);
    testing_end(&t);
}

TEST_MAIN()
