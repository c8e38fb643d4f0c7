/* One judgement after the other over a simulated platform in a folder.
 * SPDX-License-Identifier: MIT */
#include "attested/judge.h"

#include "attest/ak_authority.h"
#include "attest/atls.h"
#include "attest/azure.h"
#include "attest/files.h"
#include "attest/testing.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct world {
    char folder[64], policy[96], root[96], collateral[96];
    struct simulator *simulator;
    struct clock_fake clock;
    struct judge *judge;
    struct buf quote;
    struct td_report td;
    struct judge_question question;
};

static void start(struct world *w) {
    static const char policy[] =
        "[{\"measurement_id\": \"good\", \"attestation_type\": \"dcap-tdx\","
        " \"measurements\": {\"1\": {\"expected\": \"%s\"}}}]";
    struct error why = {0};
    struct simulator_spec spec = testing_spec();
    char zeros[97] = {0}, text[300];
    memset(w, 0, sizeof *w);
    memset(zeros, '0', 96);
    (void)snprintf(w->folder, sizeof w->folder, "/tmp/attest-judge-XXXXXX");
    CHECK(mkdtemp(w->folder) != NULL);
    (void)snprintf(w->policy, sizeof w->policy, "%s/policy.json", w->folder);
    (void)snprintf(w->root, sizeof w->root, "%s/root.pem", w->folder);
    (void)snprintf(w->collateral, sizeof w->collateral, "%s/collateral", w->folder);
    (void)snprintf(text, sizeof text, policy, zeros);
    CHECK_OK(simulator_new(&w->simulator, &spec, &why), &why);
    CHECK_OK(simulator_save(w->simulator, w->folder, &why), &why);
    CHECK_OK(files_write(w->policy, bytes_from_str(text), 0600, &why), &why);
    clock_fake_init(&w->clock, (TESTING_NOW + 60) * NS_PER_S);
    const char *paths[] = {w->collateral};
    const struct judge_options o = {
        .policy = w->policy, .root = w->root, .collateral = {paths, 1}, .clock = &w->clock.clock};
    CHECK_OK(judge_new(&w->judge, &o, &why), &why);
    buf_init(&w->quote, 0);
    simulator_td(w->simulator, &w->td);
    w->question.type = ATTESTATION_DCAP_TDX;
    memset(w->question.report_data, 7, 64);
}

static void stop(struct world *w) {
    char line[96];
    judge_free(w->judge);
    simulator_free(w->simulator);
    buf_free(&w->quote);
    (void)snprintf(line, sizeof line, "rm -rf %s", w->folder);
    CHECK(system(line) == 0);
}

static struct judge_answer ask(struct world *w) {
    struct judge_answer a;
    struct error why = {0};
    buf_clear(&w->quote);
    memset(w->td.report_data, 7, 64);
    CHECK_OK(simulator_quote(&w->quote, w->simulator, &w->td, 4, QUOTE_BODY_TD10, &why), &why);
    w->question.evidence = buf_view(&w->quote);
    judge_ask(&a, w->judge, &w->question);
    return a;
}

TEST(good_evidence_is_accepted_with_all_that_is_told) {
    struct world w;
    start(&w);
    struct judge_answer a = ask(&w);
    CHECK_STR(a.why.text, "");
    CHECK(a.outcome == JUDGE_ACCEPTED && !a.root_is_intel && !judge_root_is_intel(w.judge));
    CHECK_STR(a.entry, "good");
    CHECK_STR(a.root, SIMULATOR_ROOT_NAME);
    CHECK_STR(a.status, "UpToDate");
    CHECK(a.expires_s > TESTING_NOW && a.expires_s == judge_expiry_s(w.judge));
    CHECK(a.measurements.type == ATTESTATION_DCAP_TDX);
    stop(&w);
}

TEST(each_refusal_has_its_outcome_and_tells_no_measurement) {
    struct world w;
    struct judge_answer a;
    start(&w);
    w.question.type = ATTESTATION_NONE;
    a = ask(&w);
    CHECK(a.outcome == JUDGE_NO_EVIDENCE);
    w.question.type = ATTESTATION_DCAP_TDX;
    w.question.report_data[63] ^= 1;
    a = ask(&w);
    CHECK(a.outcome == JUDGE_NOT_BOUND && a.why.code == ERR_AUTH);
    w.question.report_data[63] ^= 1;
    w.td.rtmr[0][5] = 1;
    a = ask(&w);
    CHECK(a.outcome == JUDGE_REFUSED && a.why.code == ERR_UNTRUSTED);
    CHECK(a.measurements.type == ATTESTATION_NONE && a.measurements.count == 0);
    w.td.rtmr[0][5] = 0;
    w.td.td_attributes |= 1; // debug
    a = ask(&w);
    CHECK(a.outcome == JUDGE_REFUSED);
    w.td.td_attributes &= ~UINT64_C(1);
    CHECK(ask(&w).outcome == JUDGE_ACCEPTED);
    w.question.evidence = bytes_make(w.quote.p, w.quote.n / 2);
    judge_ask(&a, w.judge, &w.question);
    CHECK(a.outcome == JUDGE_MALFORMED);
    w.quote.p[48 + 136] ^= 1; // MRTD: the signature is over it
    w.question.evidence = buf_view(&w.quote);
    judge_ask(&a, w.judge, &w.question);
    CHECK(a.outcome == JUDGE_NOT_VALID && a.why.code == ERR_INVALID);
    stop(&w);
}

TEST(collateral_grows_old_and_platforms_are_unknown) {
    struct world w;
    struct error why = {0};
    struct simulator_spec spec = testing_spec();
    start(&w);
    CHECK(ask(&w).outcome == JUDGE_ACCEPTED);
    clock_fake_advance(&w.clock, 40 * 86400 * NS_PER_S);
    struct judge_answer a = ask(&w);
    CHECK(a.outcome == JUDGE_EXPIRED && a.why.code == ERR_STALE);
    simulator_free(w.simulator);
    spec.fmspc[0] ^= 0xff;
    CHECK_OK(simulator_new(&w.simulator, &spec, &why), &why);
    CHECK(ask(&w).outcome == JUDGE_NO_COLLATERAL);
    stop(&w);
}

// The document repeats the key's hash beside the quote: both must be of this certificate.
TEST(documents_must_be_of_the_certificates_key) {
    struct world w;
    struct judge_answer a;
    struct buf document;
    start(&w);
    buf_init(&document, 0);
    CHECK(ask(&w).outcome == JUDGE_ACCEPTED);
    memset(w.question.key_digest, 9, 32);
    atls_dcap_write(&document, buf_view(&w.quote), w.question.key_digest);
    w.question.certificate_form = true;
    w.question.evidence = buf_view(&document);
    judge_ask(&a, w.judge, &w.question);
    CHECK_STR(a.why.text, "");
    CHECK(a.outcome == JUDGE_ACCEPTED);
    w.question.key_digest[0] ^= 1;
    judge_ask(&a, w.judge, &w.question);
    CHECK(a.outcome == JUDGE_NOT_BOUND);
    w.question.evidence = buf_view(&w.quote);
    judge_ask(&a, w.judge, &w.question);
    CHECK(a.outcome == JUDGE_MALFORMED);
    buf_free(&document);
    stop(&w);
}

// Genuine evidence of Azure, recorded; the certificate of its key is of an authority made here.
static struct bytes azure_part(struct arena *a, const char *name) {
    char path[PATH_MAX];
    struct bytes ret = {NULL, 0};
    struct error why = {0};
    (void)snprintf(path, sizeof path, "%s/azure/evidence-2026-06/%s", test_vectors("attestation"),
                   name);
    CHECK_OK(files_read(&ret, path, 1u << 20, a, &why), &why);
    return ret;
}

TEST(azure_evidence_is_refused_by_the_link_that_fails) {
    static const uint64_t recorded = UINT64_C(1780922561), day = 86400;
    char folder[] = "/tmp/attest-judge-XXXXXX", roots[64], collateral[PATH_MAX], line[96];
    struct arena a;
    struct error why = {0};
    struct azure_evidence e = {0};
    struct hcl_report hcl;
    struct hcl_runtime runtime;
    struct clock_fake clock;
    struct judge *judge = NULL;
    struct judge_answer answer;
    struct buf text;
    arena_init(&a, 0);
    buf_init(&text, 1u << 17);
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(roots, sizeof roots, "%s/%s", folder, AK_AUTHORITY_ROOT);
    (void)snprintf(collateral, sizeof collateral, "%s/collateral/tdx-90c06f-2026-06",
                   test_vectors("attestation"));
    CHECK_OK(ak_authority_make(folder, recorded - 600 * day, &why), &why);
    const char *paths[] = {collateral};
    clock_fake_init(&clock, recorded * NS_PER_S);
    const struct judge_options o = {.collateral = {paths, 1},
                                    .require_ak_certificate = true,
                                    .ak_roots = roots,
                                    .clock = &clock.clock};
    CHECK_OK(judge_new(&judge, &o, &why), &why);
    e.quote = azure_part(&a, "tdx_quote.bin");
    e.hcl = azure_part(&a, "hcl_report.bin");
    e.tpm_message = azure_part(&a, "tpms_attest.bin");
    e.tpm_signature = azure_part(&a, "tpm_signature_rsassa.bin");
    memcpy(e.pcrs.value, azure_part(&a, "pcrs_sha256.bin").p, sizeof e.pcrs.value);
    CHECK_OK(hcl_parse(&hcl, e.hcl, &why), &why);
    CHECK_OK(hcl_runtime_parse(&runtime, hcl.runtime, &a, &why), &why);
    static const struct {
        uint64_t certified_before;
        uint8_t report_data;
        enum judge_outcome outcome;
    } cases[] = {{0, 0, JUDGE_ACCEPTED}, {0, 1, JUDGE_NOT_BOUND}, {400 * 86400, 0, JUDGE_EXPIRED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct judge_question q = {.type = ATTESTATION_AZURE_TDX};
        q.report_data[63] = cases[i].report_data;
        CHECK_OK(ak_authority_certify(&e.ak.leaf, folder, &runtime.ak,
                                      recorded - cases[i].certified_before, &a, &why),
                 &why);
        buf_clear(&text);
        CHECK_OK(azure_evidence_write(&text, &e, &why), &why);
        q.evidence = buf_view(&text);
        judge_ask(&answer, judge, &q);
        CHECK_STR(judge_outcome_name(answer.outcome), judge_outcome_name(cases[i].outcome));
    }
    judge_free(judge);
    buf_free(&text);
    arena_free(&a);
    (void)snprintf(line, sizeof line, "rm -rf %s", folder);
    CHECK(system(line) == 0);
}

TEST_MAIN()
