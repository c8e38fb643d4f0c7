/* SPDX-License-Identifier: MIT */
#include "attest/azure.h"
#include "attest/digest.h"
#include "attest/files.h"
#include "attest/testing.h"
#include "base/base64.h"
#include "base/hex.h"

#include <limits.h>
#include <stdio.h>

#define EVIDENCE_TIME UINT64_C(1780922561)

// One complete genuine set, from its parts.
struct genuine {
    struct arena arena;
    struct azure_evidence evidence;
    struct collateral *collateral;
    struct trust_root root;
    struct verifier *verifier;
    struct azure_expectation expectation;
};

static struct bytes part(struct genuine *g, const char *name) {
    char path[PATH_MAX];
    struct bytes ret = {NULL, 0};
    struct error why = {0};
    (void)snprintf(path, sizeof path, "%s/%s", test_vectors("attestation"), name);
    CHECK_OK(files_read(&ret, path, 1u << 20, &g->arena, &why), &why);
    return ret;
}

static void load(struct genuine *g) {
    struct error why = {0};
    char folder[PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%s/collateral/tdx-90c06f-2026-06",
                   test_vectors("attestation"));
    memset(g, 0, sizeof *g);
    arena_init(&g->arena, 0);
    CHECK_OK(trust_root_intel(&g->root, &why), &why);
    CHECK_OK(verifier_new(&g->verifier, &g->root, &why), &why);
    CHECK_OK(collateral_load(&g->collateral, folder, &why), &why);
    struct azure_evidence *e = &g->evidence;
    e->quote = part(g, "azure/evidence-2026-06/tdx_quote.bin");
    e->hcl = part(g, "azure/evidence-2026-06/hcl_report.bin");
    e->tpm_message = part(g, "azure/evidence-2026-06/tpms_attest.bin");
    e->tpm_signature = part(g, "azure/evidence-2026-06/tpm_signature_rsassa.bin");
    memcpy(e->pcrs.value, part(g, "azure/evidence-2026-06/pcrs_sha256.bin").p, sizeof e->pcrs);
    e->ak.leaf = part(g, "azure/evidence-2026-06/ak_cert_nv.bin");
    struct bytes pem = part(g, "azure/evidence-2026-06/ak_intermediates.pem"), der;
    while (cert_pem_decode(&der, &pem, &g->arena, &why) == 0 && der.p) {
        e->ak.intermediates[e->ak.intermediate_count++] = der;
    }
    g->expectation.exporter_form = true;
    g->expectation.require_ak_certificate = true;
}

static void unload(struct genuine *g) {
    verifier_free(g->verifier);
    trust_root_free(&g->root);
    collateral_free(g->collateral);
    arena_free(&g->arena);
}

static const struct azure_result *verify_at(struct genuine *g, uint64_t now) {
    static struct azure_result r;
    struct error why = {0};
    CHECK_OK(azure_verify(&r, g->verifier, &g->evidence, g->collateral, &g->expectation, now,
                          &g->arena, &why),
             &why);
    return &r;
}

static struct bytes flipped(struct genuine *g, struct bytes in, size_t at) {
    struct bytes copy = arena_copy(&g->arena, in);
    ((uint8_t *)(uintptr_t)copy.p)[at] ^= 1;
    return copy;
}

TEST(genuine_evidence_verifies_to_its_pcrs) {
    struct genuine g;
    load(&g);
    const struct azure_result *r = verify_at(&g, EVIDENCE_TIME);
    if (!r->valid) FAIL("%s", r->why.text);
    CHECK(r->ak_certified);
    CHECK_U64(r->measurements.count, 24);
    CHECK_U64(r->measurements.type, ATTESTATION_AZURE_TDX);
    CHECK_BYTES(bytes_make(measurements_find(&r->measurements, 4)->value, 32),
                bytes_make(g.evidence.pcrs.value[4], 32));
    CHECK(r->runtime.secure_boot);
    unload(&g);
}

TEST(every_link_of_the_chain_is_needed) {
    struct genuine g;
    load(&g);
    struct azure_evidence good = g.evidence;
    g.evidence.tpm_signature = flipped(&g, good.tpm_signature, 10);
    CHECK_ERR(verify_at(&g, EVIDENCE_TIME)->why.code, ERR_INVALID);
    g.evidence = good;
    g.evidence.tpm_message = flipped(&g, good.tpm_message, 60);
    CHECK(!verify_at(&g, EVIDENCE_TIME)->valid);
    g.evidence = good;
    g.evidence.pcrs.value[11][0] ^= 1;
    CHECK_ERR(verify_at(&g, EVIDENCE_TIME)->why.code, ERR_INVALID);
    CHECK_U64(verify_at(&g, EVIDENCE_TIME)->measurements.count, 0);
    g.evidence = good;
    g.evidence.hcl = flipped(&g, good.hcl, 1300);
    CHECK(!verify_at(&g, EVIDENCE_TIME)->valid);
    g.evidence = good;
    g.evidence.quote = flipped(&g, good.quote, 600);
    CHECK(!verify_at(&g, EVIDENCE_TIME)->valid);
    g.evidence = good;
    g.evidence.ak.intermediate_count = 0;
    CHECK_ERR(verify_at(&g, EVIDENCE_TIME)->why.code, ERR_INVALID);
    g.evidence.ak.leaf.n = 0;
    CHECK(!verify_at(&g, EVIDENCE_TIME)->valid);
    g.expectation.require_ak_certificate = false;
    CHECK(verify_at(&g, EVIDENCE_TIME)->valid);
    CHECK(!verify_at(&g, EVIDENCE_TIME)->ak_certified);
    g.evidence = good;
    g.expectation.input[0] = 1;
    CHECK_ERR(verify_at(&g, EVIDENCE_TIME)->why.code, ERR_AUTH);
    g.expectation.input[0] = 0;
    g.expectation.exporter_form = false;
    CHECK_ERR(verify_at(&g, EVIDENCE_TIME)->why.code, ERR_AUTH);
    unload(&g);
}

// Runtime data that names a genuine guest's vTPM key, with the user data of another session.
static void write_borrowed(struct buf *out, const struct rsa_public *ak, const uint8_t input[64]) {
    buf_append_str(out, "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"");
    base64_append(out, ak->n, BASE64_URL | BASE64_NO_PAD);
    buf_append_str(out, "\"}],\"user-data\":\"");
    hex_append(out, bytes_make(input, 64));
    buf_append_str(out, "\"}");
}

/* A TPM quote over the key half of a client without a certificate, zeros, fits every session. A TD
 * of any image can claim the key it is of: only the paravisor's own measurement tells. */
TEST(a_td_that_borrows_a_guest_is_told_by_its_paravisor) {
    struct genuine g;
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct error why = {0};
    struct buf runtime, hcl, text;
    struct policy policy;
    struct policy_decision decision;
    load(&g);
    struct rsa_public ak = verify_at(&g, EVIDENCE_TIME)->runtime.ak;
    struct bytes mr_td =
        arena_copy(&g.arena, bytes_make(verify_at(&g, EVIDENCE_TIME)->verdict.quote.td.mr_td, 48));
    spec.now = EVIDENCE_TIME - 1;
    testing_start(&t, &spec);
    buf_init(&runtime, 4096);
    buf_init(&hcl, HCL_REPORT_BYTES_MAX);
    buf_init(&text, 4096);
    memset(g.expectation.input + 32, 0xee, 32); // a session of the borrower's
    write_borrowed(&runtime, &ak, g.expectation.input);
    memset(t.td.mr_td, 0x66, 48);
    digest_sha256(buf_view(&runtime), t.td.report_data);
    hcl_write(&hcl, t.td.mr_td, buf_view(&runtime));
    CHECK_OK(simulator_quote(&t.quote, t.simulator, &t.td, 4, QUOTE_BODY_TD10, &why), &why);
    g.evidence.quote = buf_view(&t.quote);
    g.evidence.hcl = buf_view(&hcl);
    struct azure_result r;
    CHECK_OK(azure_verify(&r, t.verifier, &g.evidence, t.collateral, &g.expectation, EVIDENCE_TIME,
                          &g.arena, &why),
             &why);
    CHECK(r.valid && r.ak_certified); // nothing in the evidence itself tells
    buf_append_str(&text, "{\"accept\":[{\"attestation_type\":\"azure-tdx\"}],\"mr_td\":[\"");
    hex_append(&text, mr_td);
    buf_append_str(&text, "\"]}");
    CHECK_OK(policy_parse(&policy, buf_view(&text), &g.arena, &why), &why);
    policy_decide(&decision, &policy,
                  &(struct policy_subject){.verdict = &r.verdict, .measurements = &r.measurements});
    CHECK(!decision.accepted);
    CHECK_STR(decision.rule, "mr_td");
    memcpy(r.verdict.quote.td.mr_td, mr_td.p, 48);
    policy_decide(&decision, &policy,
                  &(struct policy_subject){.verdict = &r.verdict, .measurements = &r.measurements});
    CHECK(decision.accepted);
    buf_free(&runtime);
    buf_free(&hcl);
    buf_free(&text);
    testing_end(&t);
    unload(&g);
}

TEST(json_form_round_trips) {
    struct genuine g;
    struct buf json;
    struct error why = {0};
    struct azure_evidence read;
    load(&g);
    buf_init(&json, 0);
    g.evidence.ak.leaf = part(&g, "azure/evidence-2026-06/ak_cert.der");
    CHECK_OK(azure_evidence_write(&json, &g.evidence, &why), &why);
    CHECK_OK(azure_evidence_parse(&read, buf_view(&json), &g.arena, &why), &why);
    CHECK_BYTES(read.quote, g.evidence.quote);
    CHECK_BYTES(read.tpm_message, g.evidence.tpm_message);
    g.evidence = read;
    CHECK(verify_at(&g, EVIDENCE_TIME)->valid);
    CHECK_ERR(azure_evidence_parse(&read, BYTES_LIT("{}"), &g.arena, &why), ERR_NOT_FOUND);
    CHECK_ERR(azure_evidence_parse(&read, BYTES_LIT("["), &g.arena, &why), ERR_SYNTAX);
    buf_free(&json);
    unload(&g);
}

TEST(hcl_reports_that_are_written_are_read) {
    struct hcl_report hcl;
    struct buf out;
    struct error why = {0};
    uint8_t mr_td[48] = {7};
    buf_init(&out, 4096);
    hcl_write(&out, mr_td, BYTES_LIT("{\"keys\":[]}"));
    CHECK_OK(hcl_parse(&hcl, buf_view(&out), &why), &why);
    CHECK_BYTES(hcl.runtime, BYTES_LIT("{\"keys\":[]}"));
    CHECK(memcmp(hcl.td.mr_td, mr_td, 48) == 0);
    out.p[out.n - 1] ^= 1;
    CHECK_ERR(hcl_parse(&hcl, buf_view(&out), &why), ERR_INVALID);
    buf_free(&out);
}

TEST(hcl_reports_of_another_kind_are_refused) {
    struct genuine g = {0};
    struct hcl_report hcl;
    struct error why = {0};
    arena_init(&g.arena, 0);
    CHECK_OK(hcl_parse(&hcl, part(&g, "azure/kinvolk/hcl-report-tdx.bin"), &why), &why);
    CHECK_ERR(hcl_parse(&hcl, part(&g, "azure/kinvolk/hcl-report-snp.bin"), &why), ERR_UNSUPPORTED);
    struct bytes long_one = arena_copy(&g.arena, part(&g, "azure/kinvolk/hcl-report-tdx.bin"));
    store_le32((uint8_t *)(uintptr_t)long_one.p + 1232, 0xffff);
    CHECK_ERR(hcl_parse(&hcl, long_one, &why), ERR_SYNTAX);
    CHECK_ERR(hcl_parse(&hcl, bytes_slice(long_one, 0, 1235), &why), ERR_SYNTAX);
    arena_free(&g.arena);
}

TEST(tpm_quotes_are_read_strictly) {
    struct genuine g = {0};
    struct tpm_attest a;
    struct error why = {0};
    arena_init(&g.arena, 0);
    struct bytes whole = part(&g, "azure/kinvolk/quote.bin");
    size_t n = (size_t)load_le64(whole.p);
    struct bytes message = bytes_slice(whole, 16 + n, (size_t)load_le64(whole.p + 8 + n));
    CHECK_OK(tpm_attest_parse(&a, message, &why), &why);
    CHECK_BYTES(a.extra_data, BYTES_LIT("challenge"));
    CHECK_U64(a.selection, 0xffffff);
    for (size_t i = 0; i < message.n; i++) {
        CHECK(tpm_attest_parse(&a, bytes_slice(message, 0, i), &why) < 0);
    }
    arena_free(&g.arena);
}

// The genuine parts as an aTLS document; the TPM's nonce is another there, nothing else is.
TEST(documents_are_written_as_they_are_read) {
    struct genuine g;
    struct error why = {0};
    struct hcl_report hcl;
    struct azure_evidence read;
    struct buf instance, document;
    uint8_t user[32];
    load(&g);
    memset(user, 0x42, sizeof user);
    struct azure_evidence *e = &g.evidence;
    CHECK_OK(hcl_parse(&hcl, e->hcl, &why), &why);
    e->runtime = hcl.runtime;
    e->user_data = bytes_make(user, sizeof user);
    e->event_log = BYTES_LIT("log");
    buf_init(&instance, 0);
    buf_init(&document, 0);
    CHECK_OK(azure_instance_write(&instance, e, &why), &why);
    e->instance_info = buf_view(&instance);
    CHECK_OK(azure_document_write(&document, e, &why), &why);
    CHECK_OK(azure_document_parse(&read, buf_view(&document), &g.arena, &why), &why);
    CHECK_BYTES(read.quote, e->quote);
    CHECK_BYTES(read.runtime, e->runtime);
    CHECK_BYTES(read.instance_info, e->instance_info);
    CHECK_BYTES(read.user_data, e->user_data);
    CHECK_BYTES(read.tpm_message, e->tpm_message);
    CHECK_BYTES(read.tpm_signature, e->tpm_signature);
    CHECK_BYTES(read.ak.leaf, e->ak.leaf);
    CHECK(memcmp(&read.pcrs, &e->pcrs, sizeof read.pcrs) == 0);

    read.ak.intermediate_count = e->ak.intermediate_count;
    memcpy(read.ak.intermediates, e->ak.intermediates, sizeof read.ak.intermediates);
    g.evidence = read;
    g.expectation.exporter_form = false;
    const struct azure_result *r = verify_at(&g, EVIDENCE_TIME);
    CHECK(!r->valid && r->ak_certified);
    CHECK_U64((uint64_t)-r->why.code, (uint64_t)-ERR_AUTH); // the nonce, last of all links
    g.expectation.recorded = true;
    CHECK(verify_at(&g, EVIDENCE_TIME)->valid);
    buf_free(&instance);
    buf_free(&document);
    unload(&g);
}

TEST_MAIN()
