/* SPDX-License-Identifier: MIT */
#include "attest/quoter.h"
#include "attest/testing.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void check_codes(const struct verdict *v, enum qvl_code pck, enum qvl_code tcb,
                        enum qvl_code qe, enum qvl_code quote) {
    CHECK_STR(qvl_name(v->pck_chain), qvl_name(pck));
    CHECK_STR(qvl_name(v->tcb_info), qvl_name(tcb));
    CHECK_STR(qvl_name(v->qe_identity), qvl_name(qe));
    CHECK_STR(qvl_name(v->quote_code), qvl_name(quote));
}

TEST(simulated_quotes_of_every_form_verify) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    static const struct {
        unsigned version;
        enum quote_body body;
    } forms[] = {{4, QUOTE_BODY_TD10}, {5, QUOTE_BODY_TD10}, {5, QUOTE_BODY_TD15}};
    testing_start(&t, &spec);
    memset(t.td.rtmr[2], 7, 48);
    memset(t.td.report_data, 9, 64);
    for (size_t i = 0; i < 3; i++) {
        const struct verdict *v = testing_check(&t, forms[i].version, forms[i].body, TESTING_NOW);
        check_codes(v, QVL_OK, QVL_OK, QVL_OK, QVL_OK);
        CHECK(v->valid);
        CHECK(!v->root_is_intel);
        CHECK_U64(v->findings, 0);
        CHECK_U64(v->status, TCB_UP_TO_DATE);
        CHECK_BYTES(bytes_make(v->quote.td.rtmr[2], 48), bytes_make(t.td.rtmr[2], 48));
        CHECK_BYTES(bytes_make(v->pck.fmspc, 6), bytes_make(spec.fmspc, 6));
    }
    testing_end(&t);
}

TEST(a_known_platform_costs_one_signature) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    testing_start(&t, &spec);
    CHECK(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW)->valid);
    uint64_t before = verifier_signatures(t.verifier);
    t.td.report_data[0] = 1;
    CHECK(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW)->valid);
    // A fresh QE report is made for every simulated quote: that and the quote itself.
    CHECK(verifier_signatures(t.verifier) - before <= 2);
    testing_end(&t);
}

TEST(another_root_does_not_accept_a_simulated_quote) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct trust_root intel;
    struct verifier *verifier;
    struct error why = {0};
    testing_start(&t, &spec);
    CHECK(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW)->valid);
    CHECK_OK(trust_root_intel(&intel, &why), &why);
    CHECK(intel.is_intel);
    CHECK_OK(verifier_new(&verifier, &intel, &why), &why);
    CHECK_OK(
        verifier_check(&t.verdict, verifier, buf_view(&t.quote), t.collateral, TESTING_NOW, &why),
        &why);
    CHECK(!t.verdict.valid);
    check_codes(&t.verdict, QVL_SGX_PCK_CERT_CHAIN_UNTRUSTED,
                QVL_SGX_TCB_SIGNING_CERT_CHAIN_UNTRUSTED, QVL_SGX_TCB_SIGNING_CERT_CHAIN_UNTRUSTED,
                QVL_OK);
    verifier_free(verifier);
    trust_root_free(&intel);
    testing_end(&t);
}

TEST(revocation_and_expiry_are_told_apart) {
    struct testing t;
    struct simulator_spec spec = testing_spec(), other;
    struct error why = {0};
    testing_start(&t, &spec);
    other = spec;
    other.revoke_pck = true;
    CHECK_OK(simulator_issue(t.simulator, &other, &why), &why);
    testing_load(&t);
    check_codes(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW), QVL_SGX_PCK_REVOKED, QVL_OK,
                QVL_OK, QVL_PCK_REVOKED);
    other = spec;
    other.revoke_issuer = true;
    CHECK_OK(simulator_issue(t.simulator, &other, &why), &why);
    testing_load(&t);
    check_codes(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW), QVL_SGX_INTERMEDIATE_CA_REVOKED,
                QVL_OK, QVL_OK, QVL_OK);
    other = spec;
    other.pck_not_after = TESTING_NOW - 1;
    CHECK_OK(simulator_issue(t.simulator, &other, &why), &why);
    testing_load(&t);
    check_codes(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW), QVL_SGX_PCK_CERT_CHAIN_EXPIRED,
                QVL_OK, QVL_OK, QVL_OK);
    CHECK_OK(simulator_issue(t.simulator, &spec, &why), &why);
    testing_load(&t);
    check_codes(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW + 31 * 86400),
                QVL_SGX_CRL_EXPIRED, QVL_SGX_CRL_EXPIRED, QVL_SGX_CRL_EXPIRED, QVL_OK);
    CHECK(!t.verdict.valid);
    testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW - 10);
    CHECK(t.verdict.findings & FINDING_TCB_INFO_FUTURE);
    CHECK(!t.verdict.valid);
    testing_end(&t);
}

TEST(every_status_comes_out_with_its_advisory) {
    static const struct {
        enum tcb_status platform, module, qe, expected;
    } cases[] = {
        {TCB_SW_HARDENING_NEEDED, 0, 0, TCB_SW_HARDENING_NEEDED},
        {TCB_CONFIGURATION_NEEDED, 0, 0, TCB_CONFIGURATION_NEEDED},
        {TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED, 0, 0,
         TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED},
        {TCB_OUT_OF_DATE, 0, 0, TCB_OUT_OF_DATE},
        {TCB_OUT_OF_DATE_CONFIGURATION_NEEDED, 0, 0, TCB_OUT_OF_DATE_CONFIGURATION_NEEDED},
        {TCB_UP_TO_DATE, TCB_OUT_OF_DATE, 0, TCB_OUT_OF_DATE},
        {TCB_CONFIGURATION_NEEDED, TCB_OUT_OF_DATE, 0, TCB_OUT_OF_DATE_CONFIGURATION_NEEDED},
        {TCB_UP_TO_DATE, 0, TCB_OUT_OF_DATE, TCB_OUT_OF_DATE},
        {TCB_REVOKED, 0, 0, TCB_REVOKED},
        {TCB_UP_TO_DATE, TCB_REVOKED, 0, TCB_REVOKED},
        {TCB_UP_TO_DATE, 0, TCB_REVOKED, TCB_REVOKED},
    };
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct error why = {0};
    testing_start(&t, &spec);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spec.status = cases[i].platform;
        spec.module = cases[i].module;
        spec.qe = cases[i].qe;
        spec.advisory = "TEST-SA-00001";
        CHECK_OK(simulator_issue(t.simulator, &spec, &why), &why);
        testing_load(&t);
        const struct verdict *v = testing_check(&t, 5, QUOTE_BODY_TD10, TESTING_NOW);
        CHECK_STR(tcb_status_name(v->status), tcb_status_name(cases[i].expected));
        CHECK_STR(qvl_name(v->quote_code), qvl_name(tcb_status_code(cases[i].expected)));
        CHECK(v->valid == (cases[i].expected != TCB_REVOKED));
        CHECK_U64(v->advisory_count, 1);
        CHECK_BYTES(v->advisories[0], BYTES_LIT("TEST-SA-00001"));
    }
    testing_end(&t);
}

TEST(a_changed_byte_anywhere_is_never_valid) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct error why = {0};
    testing_start(&t, &spec);
    testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW);
    for (size_t at = 0; at < t.quote.n; at += 7) {
        t.quote.p[at] ^= 0x20;
        CHECK_OK(verifier_check(&t.verdict, t.verifier, buf_view(&t.quote), t.collateral,
                                TESTING_NOW, &why),
                 &why);
        if (t.verdict.valid && at < 4700) FAIL("byte %zu may be changed", at);
        t.quote.p[at] ^= 0x20;
    }
    for (size_t n = 0; n < t.quote.n; n += 11) {
        CHECK_OK(verifier_check(&t.verdict, t.verifier, bytes_make(t.quote.p, n), t.collateral,
                                TESTING_NOW, &why),
                 &why);
        CHECK(!t.verdict.valid);
    }
    testing_end(&t);
}

TEST(without_collateral_nothing_is_valid) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct error why = {0};
    struct collateral_parts none = {0};
    struct collateral *empty;
    testing_start(&t, &spec);
    testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW);
    CHECK_OK(verifier_check(&t.verdict, t.verifier, buf_view(&t.quote), NULL, TESTING_NOW, &why),
             &why);
    CHECK(!t.verdict.valid);
    CHECK_OK(collateral_make(&empty, &none, &why), &why);
    CHECK_OK(verifier_check(&t.verdict, t.verifier, buf_view(&t.quote), empty, TESTING_NOW, &why),
             &why);
    CHECK(!t.verdict.valid);
    check_codes(&t.verdict, QVL_SGX_CRL_UNSUPPORTED_FORMAT, QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT,
                QVL_SGX_ENCLAVE_IDENTITY_UNSUPPORTED_FORMAT, QVL_UNSUPPORTED_PCK_RL_FORMAT);
    collateral_free(empty);
    testing_end(&t);
}

TEST(a_platform_survives_its_folder) {
    char folder[] = "/tmp/attest-simulator-XXXXXX", command[64];
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct error why = {0};
    struct quoter *q;
    uint8_t data[64] = {1, 2, 3};
    testing_start(&t, &spec);
    CHECK(mkdtemp(folder) != NULL);
    CHECK_OK(simulator_save(t.simulator, folder, &why), &why);
    CHECK_OK(quoter_simulator(&q, folder, NULL, 5, &why), &why);
    buf_clear(&t.quote);
    CHECK_OK(quoter_make(q, &t.quote, data, &why), &why);
    CHECK_OK(
        verifier_check(&t.verdict, t.verifier, buf_view(&t.quote), t.collateral, TESTING_NOW, &why),
        &why);
    CHECK(t.verdict.valid);
    CHECK_BYTES(bytes_make(quote_report_data(&t.verdict.quote), 64), bytes_make(data, 64));
    quoter_free(q);
    CHECK_ERR(quoter_simulator(&q, "/nonexistent", NULL, 4, &why), ERR_NOT_FOUND);
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
    testing_end(&t);
}

TEST(its_certificates_are_certificates_to_openssl) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    testing_start(&t, &spec);
    struct bytes pem = simulator_root(t.simulator);
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    CHECK(x != NULL);
    CHECK(X509_verify(x, X509_get0_pubkey(x)) == 1);
    CHECK(X509_check_ca(x) == 1);
    X509_free(x);
    BIO_free(bio);
    testing_end(&t);
}

TEST(fields_are_set_by_name) {
    struct td_report td = {0};
    struct error why = {0};
    CHECK_OK(simulator_td_set(&td, BYTES_LIT("xfam"), BYTES_LIT("e702060000000000"), &why), &why);
    CHECK_U64(td.xfam, 0x602e7);
    CHECK_ERR(simulator_td_set(&td, BYTES_LIT("mrtd"), BYTES_LIT("00"), &why), ERR_SYNTAX);
    CHECK_ERR(simulator_td_set(&td, BYTES_LIT("none"), BYTES_LIT("00"), &why), ERR_NOT_FOUND);
}

TEST_MAIN()
