/* What signed documents and quotes may say within the rules, and what the verdict makes of it: many
 * modules, many advisories, odd certification data, the last second of a validity.
 * SPDX-License-Identifier: MIT */
#include "attest/der_write.h"
#include "attest/event_log.h"
#include "attest/simulator_state.h"
#include "attest/testing.h"
#include "base/hex.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY_S 86400
#define UNTIL (TESTING_NOW + UINT64_C(30) * DAY_S)

// Replaces all of one text in a signed document by another and signs it anew.
static void reissue(struct testing *t, struct buf *document, const char *key, const char *from,
                    const char *to) {
    struct buf text, all;
    uint8_t signature[64];
    struct error why = {0};
    static const char tail[] = ",\"signature\":\"";
    char head[64];
    buf_init(&text, 1u << 18);
    buf_init(&all, 1u << 18);
    size_t head_n = (size_t)snprintf(head, sizeof head, "{\"%s\":", key), changes = 0;
    struct bytes in = bytes_slice(buf_view(document), head_n, document->n);
    const uint8_t *end = memmem(in.p, in.n, tail, sizeof tail - 1);
    CHECK(end != NULL);
    in.n = (size_t)(end - in.p);
    for (const uint8_t *at; (at = memmem(in.p, in.n, from, strlen(from))); changes++) {
        buf_append(&text, bytes_slice(in, 0, (size_t)(at - in.p)));
        buf_append_str(&text, to);
        in = bytes_slice(in, (size_t)(at - in.p) + strlen(from), in.n);
    }
    buf_append(&text, in);
    CHECK(changes > 0);
    CHECK_OK(
        es256_sign_message(t->simulator->parties[SIM_SIGNER].key, buf_view(&text), signature, &why),
        &why);
    buf_append_str(&all, head);
    buf_append(&all, buf_view(&text));
    buf_append_str(&all, tail);
    hex_append(&all, bytes_make(signature, 64));
    buf_append_str(&all, "\"}");
    buf_clear(document);
    buf_append(document, buf_view(&all));
    buf_free(&text);
    buf_free(&all);
    testing_load(t);
}

// Replaces the first of one text, and `more` bytes behind it, whatever the signature covers.
static void change(struct buf *document, const char *from, const char *to, size_t more) {
    struct buf all;
    const uint8_t *at = memmem(document->p, document->n, from, strlen(from));
    CHECK(at != NULL);
    size_t before = (size_t)(at - document->p);
    buf_init(&all, 1u << 18);
    buf_append(&all, bytes_slice(buf_view(document), 0, before));
    buf_append_str(&all, to);
    buf_append(&all, bytes_slice(buf_view(document), before + strlen(from) + more, document->n));
    buf_clear(document);
    buf_append(document, buf_view(&all));
    buf_free(&all);
}

static void change_tcb(struct testing *t, const char *from, const char *to) {
    reissue(t, &t->simulator->tcb_info, "tcbInfo", from, to);
}

static void issue(struct testing *t, const struct simulator_spec *spec) {
    struct error why = {0};
    CHECK_OK(simulator_issue(t->simulator, spec, &why), &why);
    testing_load(t);
}

static void check_status(struct testing *t, enum quote_body body, enum tcb_status want) {
    const struct verdict *v = testing_check(t, 5, body, TESTING_NOW);
    CHECK_STR(tcb_status_name(v->status), tcb_status_name(want));
    CHECK_STR(qvl_name(v->quote_code), qvl_name(tcb_status_code(want)));
    CHECK(v->valid == (want != TCB_REVOKED));
}

static void check_code(struct testing *t, enum quote_body body, enum qvl_code want) {
    const struct verdict *v = testing_check(t, 5, body, TESTING_NOW);
    CHECK_STR(qvl_name(v->pck_chain), qvl_name(QVL_OK));
    CHECK_STR(qvl_name(v->tcb_info), qvl_name(QVL_OK));
    CHECK_STR(qvl_name(v->quote_code), qvl_name(want));
    CHECK(!v->valid);
}

/* ---- advisories ---- */

static void put_ids(struct buf *b, const char *prefix, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        buf_printf(b, "%s\"%s-%05u\"", i ? "," : "", prefix, i);
    }
}

// The policy tolerates every advisory but the very last: that one must still be seen.
TEST(no_advisory_escapes_a_policy_however_many_there_are) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct buf ids, text;
    struct error why = {0};
    struct arena a;
    struct policy p;
    struct policy_decision d;
    struct policy_subject s = {&t.verdict, NULL};
    testing_start(&t, &spec);
    arena_init(&a, 0);
    buf_init(&ids, 1u << 17);
    buf_init(&text, 1u << 17);
    spec.status = spec.qe = TCB_OUT_OF_DATE;
    spec.advisory = "TEST-SA-00001";
    issue(&t, &spec);
    put_ids(&ids, "A", TCB_ADVISORIES_MAX);
    buf_append_byte(&ids, 0);
    change_tcb(&t, "\"TEST-SA-00001\"", (const char *)ids.p);
    buf_clear(&ids);
    put_ids(&ids, "B", TCB_ADVISORIES_MAX);
    buf_append_byte(&ids, 0);
    reissue(&t, &t.simulator->qe_identity, "enclaveIdentity", "\"TEST-SA-00001\"",
            (const char *)ids.p);
    check_status(&t, QUOTE_BODY_TD10, TCB_OUT_OF_DATE);
    CHECK_U64(t.verdict.advisory_count, 2 * TCB_ADVISORIES_MAX);
    for (unsigned less = 0; less < 2; less++) {
        buf_clear(&text);
        buf_append_str(&text, "{\"accept\":[{\"attestation_type\":\"dcap-tdx\"}],\"tcb\":{"
                              "\"statuses\":[\"OutOfDate\"],\"advisories\":[");
        put_ids(&text, "A", TCB_ADVISORIES_MAX);
        buf_append_byte(&text, ',');
        put_ids(&text, "B", TCB_ADVISORIES_MAX - less);
        buf_append_str(&text, "]}}");
        CHECK_OK(policy_parse(&p, buf_view(&text), &a, &why), &why);
        struct measurements m;
        measurements_of_td(&m, ATTESTATION_DCAP_TDX, &t.verdict.quote.td);
        s.measurements = &m;
        policy_decide(&d, &p, &s);
        CHECK(d.accepted == (less == 0));
        if (less) CHECK_STR(d.rule, "tcb_advisory");
        if (less) CHECK_STR(d.found, "B-00255");
    }
    // One more in a level than are read: the document is not believed at all.
    buf_clear(&ids);
    put_ids(&ids, "C", 2);
    buf_append_byte(&ids, 0);
    change_tcb(&t, "\"A-00000\"", (const char *)ids.p);
    testing_check(&t, 5, QUOTE_BODY_TD10, TESTING_NOW);
    CHECK(!t.verdict.valid);
    buf_free(&ids);
    buf_free(&text);
    arena_free(&a);
    testing_end(&t);
}

/* ---- certification data ---- */

TEST(certificates_count_only_where_the_quote_says_that_there_are_some) {
    static const uint8_t vendor_types[] = {1, 2, 3};
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct error why = {0};
    testing_start(&t, &spec);
    CHECK(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW)->valid);
    size_t at = (size_t)(t.verdict.quote.cert_data.p - t.quote.p) - 6;
    CHECK_U64(load_le16(t.quote.p + at), QUOTE_CERT_PCK_CHAIN);
    struct collateral_parts parts = simulator_collateral(t.simulator);
    for (unsigned with_chain = 0; with_chain < 2; with_chain++) {
        struct collateral *c = NULL;
        parts.pck_chain = with_chain ? t.verdict.quote.cert_data : (struct bytes){NULL, 0};
        CHECK_OK(collateral_make(&c, &parts, &why), &why);
        for (size_t i = 0; i < sizeof vendor_types; i++) {
            store_le16(t.quote.p + at, vendor_types[i]);
            CHECK_OK(
                verifier_check(&t.verdict, t.verifier, buf_view(&t.quote), c, TESTING_NOW, &why),
                &why);
            // The QVL, which is handed the chain, sees nothing wrong.
            CHECK_STR(qvl_name(t.verdict.pck_chain), qvl_name(QVL_OK));
            CHECK_STR(qvl_name(t.verdict.quote_code), qvl_name(QVL_OK));
            CHECK_U64(t.verdict.findings, FINDING_CERTIFICATION_TYPE);
            CHECK(!t.verdict.valid);
        }
        collateral_free(c);
    }
    store_le16(t.quote.p + at, QUOTE_CERT_PCK_LEAF);
    CHECK_OK(
        verifier_check(&t.verdict, t.verifier, buf_view(&t.quote), t.collateral, TESTING_NOW, &why),
        &why);
    CHECK(t.verdict.valid);
    for (unsigned type = 0; type < 9; type += type == 0 ? 6 : 1) {
        store_le16(t.quote.p + at, (uint16_t)type);
        CHECK_OK(verifier_check(&t.verdict, t.verifier, buf_view(&t.quote), t.collateral,
                                TESTING_NOW, &why),
                 &why);
        CHECK_STR(qvl_name(t.verdict.quote_code), qvl_name(QVL_UNSUPPORTED_QUOTE_FORMAT));
    }
    testing_end(&t);
}

TEST(certificates_of_others_are_no_pck_certificate) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct error why = {0};
    struct collateral *c = NULL;
    testing_start(&t, &spec);
    testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW);
    size_t at = (size_t)(t.verdict.quote.cert_data.p - t.quote.p) - 6;
    store_le16(t.quote.p + at, QUOTE_CERT_PPID_PLAIN); // the collateral has the chain
    struct collateral_parts parts = simulator_collateral(t.simulator);
    parts.pck_chain = parts.pck_issuer_chain;
    CHECK_OK(collateral_make(&c, &parts, &why), &why);
    CHECK_OK(verifier_check(&t.verdict, t.verifier, buf_view(&t.quote), c, TESTING_NOW, &why),
             &why);
    CHECK_STR(qvl_name(t.verdict.pck_chain), qvl_name(QVL_UNSUPPORTED_CERT_FORMAT));
    CHECK_STR(qvl_name(t.verdict.quote_code), qvl_name(QVL_INVALID_PCK_CERT));
    collateral_free(c);
    testing_end(&t);
}

// Every size field one off, up and down: never valid, and never read past the end.
TEST(quotes_of_odd_sizes_are_not_valid) {
    static const struct {
        unsigned version;
        enum quote_body body;
    } forms[] = {{4, QUOTE_BODY_TD10}, {5, QUOTE_BODY_TD10}, {5, QUOTE_BODY_TD15}};
    struct testing t;
    struct simulator_spec spec = testing_spec();
    struct error why = {0};
    testing_start(&t, &spec);
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        CHECK(testing_check(&t, forms[f].version, forms[f].body, TESTING_NOW)->valid);
        size_t n = t.quote.n;
        size_t sig = (size_t)(t.verdict.quote.signature.p - t.quote.p);
        size_t cert = (size_t)(t.verdict.quote.cert_data.p - t.quote.p);
        const size_t sizes[] = {sig - 4, sig + 130, sig + 582, cert - 4};
        for (size_t i = 0; i < 4; i++) {
            for (int by = -1; by <= 1; by += 2) {
                uint16_t was = load_le16(t.quote.p + sizes[i]);
                store_le16(t.quote.p + sizes[i], (uint16_t)(was + by));
                struct bytes exact = {memcpy(malloc(n), t.quote.p, n), n};
                CHECK_OK(
                    verifier_check(&t.verdict, t.verifier, exact, t.collateral, TESTING_NOW, &why),
                    &why);
                CHECK(!t.verdict.valid);
                store_le16(t.quote.p + sizes[i], was);
                free((void *)(uintptr_t)exact.p);
            }
        }
        for (size_t cut = 0; cut < n; cut += cut < 700 ? 1 : 37) {
            struct bytes less = {memcpy(malloc(cut + 1), t.quote.p, cut), cut};
            CHECK_OK(verifier_check(&t.verdict, t.verifier, less, t.collateral, TESTING_NOW, &why),
                     &why);
            CHECK_STR(qvl_name(t.verdict.quote_code), qvl_name(QVL_UNSUPPORTED_QUOTE_FORMAT));
            free((void *)(uintptr_t)less.p);
        }
        // Padding behind the signature data is common, and no part of anything.
        buf_append_fill(&t.quote, 0, 3065);
        CHECK_OK(verifier_check(&t.verdict, t.verifier, buf_view(&t.quote), t.collateral,
                                TESTING_NOW, &why),
                 &why);
        CHECK(t.verdict.valid);
        CHECK_U64(t.verdict.quote.trailing_bytes, 3065);
    }
    testing_end(&t);
}

/* ---- modules ---- */

#define ZERO48                                                                                     \
    "000000000000000000000000000000000000000000000000"                                             \
    "000000000000000000000000000000000000000000000000"
#define ATTRIBUTES "\"attributes\":\"0000000000000000\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\""
#define LEVEL(svn, status)                                                                         \
    "{\"tcb\":{\"isvsvn\":" svn "},\"tcbDate\":\"2025-01-01T00:00:00Z\",\"tcbStatus\":\"" status   \
    "\"}"
#define MODULE(id, signer, levels)                                                                 \
    "{\"id\":\"" id "\",\"mrsigner\":\"" signer "\"," ATTRIBUTES ",\"tcbLevels\":[" levels "]}"
#define ONES48                                                                                     \
    "111111111111111111111111111111111111111111111111"                                             \
    "111111111111111111111111111111111111111111111111"

TEST(a_module_is_judged_by_the_identity_of_its_version) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    testing_start(&t, &spec);
    uint8_t base = t.td.tee_tcb_svn[1];
    CHECK(base == 1);
    change_tcb(
        &t, "\"tdxModuleIdentities\":[",
        "\"tdxModuleIdentities\":["
        // Levels in no order; the id in small letters; another signer.
        MODULE("tdx_0a", ONES48,
               LEVEL("2", "OutOfDate") "," LEVEL("7", "UpToDate") "," LEVEL(
                   "1", "Revoked")) "," MODULE("TDX_03", ZERO48, LEVEL("4", "UpToDate")) ",");
    check_status(&t, QUOTE_BODY_TD10, TCB_UP_TO_DATE);
    // Version 10: its own signer, its own levels.
    t.td.tee_tcb_svn[1] = 10;
    check_code(&t, QUOTE_BODY_TD10, QVL_TDX_MODULE_MISMATCH);
    memset(t.td.mr_signer_seam, 0x11, 48);
    static const struct {
        uint8_t svn;
        enum tcb_status status;
    } cases[] = {{255, TCB_UP_TO_DATE},
                 {7, TCB_UP_TO_DATE},
                 {6, TCB_OUT_OF_DATE},
                 {2, TCB_OUT_OF_DATE},
                 {1, TCB_REVOKED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        t.td.tee_tcb_svn[0] = cases[i].svn;
        check_status(&t, QUOTE_BODY_TD10, cases[i].status);
        memcpy(t.td.tee_tcb_svn2, t.td.tee_tcb_svn, 16);
        check_status(&t, QUOTE_BODY_TD15, cases[i].status);
    }
    t.td.tee_tcb_svn[0] = 0;
    check_code(&t, QUOTE_BODY_TD10, QVL_TCB_NOT_SUPPORTED);
    memset(t.td.mr_signer_seam, 0, 48);
    t.td.tee_tcb_svn[1] = 3;
    t.td.tee_tcb_svn[0] = 4;
    check_status(&t, QUOTE_BODY_TD10, TCB_UP_TO_DATE);
    t.td.tee_tcb_svn[1] = 4; // of no identity
    check_code(&t, QUOTE_BODY_TD10, QVL_TDX_MODULE_MISMATCH);
    t.td.tee_tcb_svn[1] = 3;
    t.td.seam_attributes[3] = 1;
    check_code(&t, QUOTE_BODY_TD10, QVL_TDX_MODULE_MISMATCH);
    testing_end(&t);
}

// Whether a fault is the document's format or a value of it is for others to compare with.
TEST(documents_of_another_form_have_the_codes_of_the_reference) {
    static const struct {
        const char *from, *to;
        enum qvl_code code;
    } infos[] = {
        {"\"fmspc\":", "\"other\":", QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT},
        {"\"tcbType\":0", "\"tcbType\":1", QVL_SGX_TCB_INFO_INVALID},
        {"\"version\":3", "\"version\":4", QVL_SGX_TCB_INFO_INVALID},
        {"\"tdxModule\":{\"mrsigner\":\"0", "\"tdxModule\":{\"mrsigner\":\"g",
         QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT},
        {"\"id\":\"TDX_01\",", "", QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT},
        {"\"TDX_01\",\"mrsigner\":\"0", "\"TDX_01\",\"mrsigner\":\"g",
         QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT},
        {"{\"isvsvn\":", "{\"isv\":", QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT},
        {"{\"isvsvn\":", "{\"isvsvn\":99999", QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT},
        {"\"tdxModuleIdentities\":[",
         "\"tdxModuleIdentities\":[" MODULE("TDX_03", ZERO48,
                                            LEVEL("2", "OutOfDate") "," LEVEL("2", "UpToDate")) ",",
         QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT},
        {"\"tdxModuleIdentities\":", "\"tdxModuleIdentities\":[],\"x\":", QVL_SGX_TCB_INFO_INVALID},
        {"\"pcesvn\":", "\"pce\":", QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT},
        {"\"pcesvn\":", "\"pcesvn\":-", QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT},
        {"\"tdxtcbcomponents\":[", "\"tdxtcbcomponents\":[{\"svn\":0},",
         QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT},
        {"\"sgxtcbcomponents\":[{\"svn\":", "\"sgxtcbcomponents\":[{\"sv\":",
         QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT},
        {"]},\"tcbDate\":", "]},\"date\":", QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT},
        {"]},\"tcbDate\":\"2", "]},\"tcbDate\":\"x", QVL_SGX_TCB_INFO_INVALID},
        {"]},\"tcbDate\":", "]},\"advisoryIDs\":1,\"tcbDate\":", QVL_SGX_TCB_INFO_INVALID},
    };
    static const struct {
        const char *from, *to;
        enum qvl_code code;
    } identities[] = {
        {"\"miscselect\":", "\"other\":", QVL_SGX_ENCLAVE_IDENTITY_INVALID},
        {"\"mrsigner\":\"", "\"mrsigner\":\"x", QVL_SGX_ENCLAVE_IDENTITY_INVALID},
        {"\"version\":2", "\"version\":3", QVL_SGX_ENCLAVE_IDENTITY_UNSUPPORTED_VERSION},
        {"{\"isvsvn\":", "{\"isv\":", QVL_SGX_ENCLAVE_IDENTITY_INVALID},
    };
    struct testing t;
    struct simulator_spec spec = testing_spec();
    testing_start(&t, &spec);
    for (size_t i = 0; i < sizeof infos / sizeof *infos; i++) {
        issue(&t, &spec);
        change_tcb(&t, infos[i].from, infos[i].to);
        testing_check(&t, 5, QUOTE_BODY_TD10, TESTING_NOW);
        CHECK_STR(qvl_name(t.verdict.tcb_info), qvl_name(infos[i].code));
        CHECK_STR(qvl_name(t.verdict.quote_code), qvl_name(QVL_UNSUPPORTED_TCB_INFO_FORMAT));
    }
    for (size_t i = 0; i < sizeof identities / sizeof *identities; i++) {
        issue(&t, &spec);
        reissue(&t, &t.simulator->qe_identity, "enclaveIdentity", identities[i].from,
                identities[i].to);
        testing_check(&t, 5, QUOTE_BODY_TD10, TESTING_NOW);
        CHECK_STR(qvl_name(t.verdict.qe_identity), qvl_name(identities[i].code));
        CHECK_STR(qvl_name(t.verdict.quote_code), qvl_name(QVL_UNSUPPORTED_QE_IDENTITY_FORMAT));
    }
    testing_end(&t);
}

// Around the signed object. What is no hexadecimal is no signature, and hides nothing else.
TEST(documents_without_their_parts_have_the_codes_of_the_reference) {
    static const struct {
        bool identity;
        const char *from, *to;
        enum qvl_code code, quote;
    } cases[] = {
        {false, "{\"tcbInfo\"", "{\"x\"", QVL_SGX_TCB_INFO_UNSUPPORTED_FORMAT,
         QVL_UNSUPPORTED_TCB_INFO_FORMAT},
        {false, "\"signature\"", "\"x\"", QVL_SGX_TCB_INFO_INVALID,
         QVL_UNSUPPORTED_TCB_INFO_FORMAT},
        {false, "\"signature\":\"", "\"signature\":\"0", QVL_SGX_TCB_INFO_INVALID,
         QVL_UNSUPPORTED_TCB_INFO_FORMAT},
        {false, "\"signature\":\"", "\"signature\":\"g", QVL_TCB_INFO_INVALID_SIGNATURE, QVL_OK},
        {true, "{\"enclaveIdentity\"", "{\"x\"", QVL_SGX_ENCLAVE_IDENTITY_INVALID,
         QVL_UNSUPPORTED_QE_IDENTITY_FORMAT},
        {true, "\"signature\"", "\"x\"", QVL_SGX_ENCLAVE_IDENTITY_UNSUPPORTED_FORMAT,
         QVL_UNSUPPORTED_QE_IDENTITY_FORMAT},
        {true, "\"signature\":\"", "\"signature\":\"0", QVL_SGX_ENCLAVE_IDENTITY_INVALID,
         QVL_UNSUPPORTED_QE_IDENTITY_FORMAT},
        {true, "\"signature\":\"", "\"signature\":\"g", QVL_SGX_ENCLAVE_IDENTITY_INVALID_SIGNATURE,
         QVL_OK},
    };
    struct testing t;
    struct simulator_spec spec = testing_spec();
    testing_start(&t, &spec);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        issue(&t, &spec);
        change(cases[i].identity ? &t.simulator->qe_identity : &t.simulator->tcb_info,
               cases[i].from, cases[i].to, cases[i].to[strlen(cases[i].to) - 1] == 'g');
        testing_load(&t);
        testing_check(&t, 5, QUOTE_BODY_TD10, TESTING_NOW);
        CHECK_STR(qvl_name(cases[i].identity ? t.verdict.qe_identity : t.verdict.tcb_info),
                  qvl_name(cases[i].code));
        CHECK_STR(qvl_name(t.verdict.quote_code), qvl_name(cases[i].quote));
        CHECK(!t.verdict.valid);
    }
    testing_end(&t);
}

// The reference sorts levels of platforms and modules, but takes those of an enclave in order.
TEST(levels_of_an_enclave_are_taken_as_they_stand) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    testing_start(&t, &spec);
    reissue(&t, &t.simulator->qe_identity, "enclaveIdentity", "\"tcbLevels\":[",
            "\"tcbLevels\":[" LEVEL("1", "OutOfDate") ",");
    check_status(&t, QUOTE_BODY_TD10, TCB_OUT_OF_DATE);
    testing_end(&t);
}

TEST(components_are_compared_from_where_the_module_leaves_off) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    testing_start(&t, &spec);
    spec.status = TCB_CONFIGURATION_NEEDED; // the platform's level; a newer one is UpToDate
    issue(&t, &spec);
    check_status(&t, QUOTE_BODY_TD10, TCB_CONFIGURATION_NEEDED);
    // A TDX component above the platform's own does not lift the SGX side.
    t.td.tee_tcb_svn[2]++;
    check_status(&t, QUOTE_BODY_TD10, TCB_CONFIGURATION_NEEDED);
    t.td.tee_tcb_svn[2] -= 2; // below every level
    check_code(&t, QUOTE_BODY_TD10, QVL_TCB_NOT_SUPPORTED);
    CHECK(t.verdict.tcb.sgx_level != NULL && t.verdict.tcb.tdx_level == NULL);
    t.td.tee_tcb_svn[2]++;
    // Bytes 0 and 1 of the old numbering count like all others.
    simulator_td(t.simulator, &t.td);
    t.td.tee_tcb_svn[1] = 0;
    check_code(&t, QUOTE_BODY_TD10, QVL_TCB_NOT_SUPPORTED);
    testing_end(&t);
}

/* ---- relaunch ---- */

TEST(a_td_is_to_be_relaunched_only_where_the_platform_became_current) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    testing_start(&t, &spec);
    spec.module = TCB_OUT_OF_DATE;
    issue(&t, &spec);
    memcpy(t.td.tee_tcb_svn2, t.td.tee_tcb_svn, 16);
    check_status(&t, QUOTE_BODY_TD15, TCB_OUT_OF_DATE);
    t.td.tee_tcb_svn2[0]++; // the module on the platform is now the newest
    check_status(&t, QUOTE_BODY_TD15, TCB_RELAUNCH_ADVISED);
    check_status(&t, QUOTE_BODY_TD10, TCB_OUT_OF_DATE); // has no second SVN
    t.td.tee_tcb_svn2[2]--;
    check_status(&t, QUOTE_BODY_TD15, TCB_OUT_OF_DATE);
    t.td.tee_tcb_svn2[2]++;
    t.td.tee_tcb_svn2[1] = 9; // a module that the TCB Info does not know
    check_code(&t, QUOTE_BODY_TD15, QVL_TCB_UNRECOGNIZED_STATUS);
    t.td.tee_tcb_svn2[1] = 1;
    spec.status = TCB_CONFIGURATION_NEEDED;
    issue(&t, &spec);
    t.td.tee_tcb_svn2[2]++; // the newest level asks for one more
    check_status(&t, QUOTE_BODY_TD15, TCB_RELAUNCH_ADVISED_CONFIGURATION_NEEDED);
    spec.qe = TCB_OUT_OF_DATE;
    issue(&t, &spec);
    check_status(&t, QUOTE_BODY_TD15, TCB_OUT_OF_DATE_CONFIGURATION_NEEDED);
    spec.qe = TCB_REVOKED;
    issue(&t, &spec);
    check_status(&t, QUOTE_BODY_TD15, TCB_REVOKED);
    testing_end(&t);
}

TEST(the_quoting_enclave_weighs_in_on_every_status) {
    static const enum tcb_status want[][3] = {
        // platform, with an out-of-date QE, with an out-of-date module
        {TCB_UP_TO_DATE, TCB_OUT_OF_DATE, TCB_OUT_OF_DATE},
        {TCB_SW_HARDENING_NEEDED, TCB_OUT_OF_DATE, TCB_OUT_OF_DATE},
        {TCB_CONFIGURATION_NEEDED, TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
         TCB_OUT_OF_DATE_CONFIGURATION_NEEDED},
        {TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED, TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
         TCB_OUT_OF_DATE_CONFIGURATION_NEEDED},
        {TCB_OUT_OF_DATE, TCB_OUT_OF_DATE, TCB_OUT_OF_DATE},
        {TCB_OUT_OF_DATE_CONFIGURATION_NEEDED, TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
         TCB_OUT_OF_DATE_CONFIGURATION_NEEDED},
        {TCB_REVOKED, TCB_REVOKED, TCB_REVOKED},
    };
    struct testing t;
    struct simulator_spec spec = testing_spec();
    testing_start(&t, &spec);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        spec.status = want[i][0];
        spec.qe = TCB_OUT_OF_DATE;
        issue(&t, &spec);
        check_status(&t, QUOTE_BODY_TD10, want[i][1]);
        spec.qe = TCB_UP_TO_DATE;
        spec.module = TCB_OUT_OF_DATE;
        issue(&t, &spec);
        check_status(&t, QUOTE_BODY_TD10, want[i][2]);
        spec.qe = TCB_OUT_OF_DATE;
        issue(&t, &spec);
        check_status(&t, QUOTE_BODY_TD10, want[i][1]);
        spec.module = TCB_UP_TO_DATE;
        spec.qe = TCB_REVOKED;
        issue(&t, &spec);
        check_status(&t, QUOTE_BODY_TD10, TCB_REVOKED);
        spec.qe = TCB_UP_TO_DATE;
    }
    testing_end(&t);
}

/* ---- time ---- */

TEST(a_validity_includes_its_first_and_last_second) {
    struct testing t;
    struct simulator_spec spec = testing_spec();
    testing_start(&t, &spec);
    CHECK(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW)->valid);
    CHECK(testing_check(&t, 4, QUOTE_BODY_TD10, UNTIL)->valid);
    const struct verdict *v = testing_check(&t, 4, QUOTE_BODY_TD10, UNTIL + 1);
    CHECK(!v->valid);
    CHECK_STR(qvl_name(v->pck_chain), qvl_name(QVL_SGX_CRL_EXPIRED));
    v = testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW - 1);
    CHECK(!v->valid && v->findings & FINDING_TCB_INFO_FUTURE &&
          v->findings & FINDING_QE_IDENTITY_FUTURE);
    // TCB Info that ends a second before the lists do.
    change_tcb(&t, "\"nextUpdate\":\"2026-01-31T00:00:00Z\"",
               "\"nextUpdate\":\"2026-01-30T23:59:59Z\"");
    CHECK(testing_check(&t, 4, QUOTE_BODY_TD10, UNTIL - 1)->valid);
    v = testing_check(&t, 4, QUOTE_BODY_TD10, UNTIL);
    CHECK(!v->valid);
    CHECK_STR(qvl_name(v->pck_chain), qvl_name(QVL_OK));
    CHECK_STR(qvl_name(v->tcb_info), qvl_name(QVL_SGX_TCB_INFO_EXPIRED));
    CHECK_STR(qvl_name(v->qe_identity), qvl_name(QVL_OK));
    // A PCK certificate that ends exactly now, and one that ended.
    spec.pck_not_after = TESTING_NOW;
    issue(&t, &spec);
    CHECK(testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW)->valid);
    v = testing_check(&t, 4, QUOTE_BODY_TD10, TESTING_NOW + 1);
    CHECK_STR(qvl_name(v->pck_chain), qvl_name(QVL_SGX_PCK_CERT_CHAIN_EXPIRED));
    CHECK(!v->valid);
    testing_end(&t);
}

/* ---- the PCK's extension ---- */

enum { PARTS = 7 };

static void put_oid(struct buf *b, const uint8_t *more, size_t n) {
    static const uint8_t sgx[] = {0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01};
    size_t from = b->n;
    buf_append(b, bytes_make(sgx, sizeof sgx));
    buf_append(b, bytes_make(more, n));
    der_wrap_from(b, from, DER_OID);
}

// TCB: sixteen components, PCE SVN, CPU SVN, from `first` on and around.
static void put_tcb(struct buf *b, unsigned first) {
    size_t from = b->n;
    for (unsigned k = 0; k < 18; k++) {
        uint8_t oid[] = {2, (uint8_t)((first + k) % 18 + 1)};
        static const uint8_t cpu[16] = {9}, high[] = {0, 255};
        size_t part = b->n;
        put_oid(b, oid, 2);
        if (oid[1] == 18) {
            der_put(b, DER_OCTET_STRING, bytes_make(cpu, 16));
        } else if (oid[1] == 4) {
            der_put(b, DER_INTEGER, bytes_make(high, 2));
        } else {
            der_put(b, DER_INTEGER, bytes_make(&oid[1], 1));
        }
        der_wrap_from(b, part, DER_SEQUENCE);
    }
    der_wrap_from(b, from, DER_SEQUENCE);
}

static void put_part(struct buf *b, uint8_t part, unsigned first) {
    static const uint8_t zeros[16], pce[2] = {7, 8}, fmspc[6] = {1, 2, 3, 4, 5, 6}, one = 1;
    size_t from = b->n;
    put_oid(b, &part, 1);
    switch (part) {
    case 1:
    case 6:
        der_put(b, DER_OCTET_STRING, bytes_make(zeros, 16));
        break;
    case 2:
        put_tcb(b, first);
        break;
    case 3:
        der_put(b, DER_OCTET_STRING, bytes_make(pce, 2));
        break;
    case 4:
        der_put(b, DER_OCTET_STRING, bytes_make(fmspc, 6));
        break;
    case 5:
        der_put(b, DER_ENUMERATED, bytes_make(&one, 1));
        break;
    default: {
        static const uint8_t oid[] = {7, 3}, yes = 0xff;
        size_t list = b->n;
        put_oid(b, oid, 2);
        der_put(b, DER_BOOLEAN, bytes_make(&yes, 1));
        der_wrap_from(b, list, DER_SEQUENCE);
        der_wrap_from(b, list, DER_SEQUENCE);
    }
    }
    der_wrap_from(b, from, DER_SEQUENCE);
}

static int parse_parts(struct pck_extension *ret, const uint8_t *parts, size_t n, unsigned first) {
    struct buf b;
    struct error why = {0};
    buf_init(&b, 4096);
    for (size_t i = 0; i < n; i++) {
        put_part(&b, parts[i], first);
    }
    der_wrap_from(&b, 0, DER_SEQUENCE);
    int code = pck_extension_parse(ret, buf_view(&b), &why);
    buf_free(&b);
    return code;
}

TEST(the_sgx_extension_may_come_in_any_order_but_whole) {
    struct pck_extension x;
    uint8_t parts[PARTS] = {1, 2, 3, 4, 5, 6, 7};
    for (unsigned turn = 0; turn < 18; turn++) {
        CHECK(parse_parts(&x, parts, PARTS, turn) == 0);
        CHECK_U64(x.component_svn[0], 1);
        CHECK_U64(x.component_svn[3], 255);
        CHECK_U64(x.component_svn[15], 16);
        CHECK_U64(x.pce_svn, 17);
        CHECK_U64(x.cpu_svn[0], 9);
        CHECK_U64(x.sgx_type, 1);
        CHECK(x.has_platform && x.has_configuration && x.smt_enabled && !x.cached_keys);
        uint8_t last = parts[PARTS - 1];
        memmove(parts + 1, parts, PARTS - 1);
        parts[0] = last;
    }
    static const uint8_t five[] = {5, 4, 3, 2, 1}, twice[] = {1, 2, 3, 4, 5, 1};
    CHECK(parse_parts(&x, five, 5, 0) == 0 && !x.has_platform && !x.has_configuration);
    CHECK_ERR(parse_parts(&x, twice, 6, 0), ERR_SYNTAX);
    for (size_t without = 0; without < 5; without++) {
        uint8_t some[4];
        size_t n = 0;
        for (size_t i = 0; i < 5; i++) {
            if (i != without) some[n++] = five[i];
        }
        CHECK_ERR(parse_parts(&x, some, n, 0), ERR_SYNTAX);
    }
}

/* ---- event logs ---- */

static void put_u32(struct buf *b, uint32_t v) {
    uint8_t p[4];
    store_le32(p, v);
    buf_append(b, bytes_make(p, 4));
}

static void put_u16(struct buf *b, uint16_t v) {
    uint8_t p[2];
    store_le16(p, v);
    buf_append(b, bytes_make(p, 2));
}

static void put_event(struct buf *b, uint32_t reg, uint32_t type, uint8_t digest,
                      struct bytes data) {
    uint8_t d[32];
    memset(d, digest, 32);
    put_u32(b, reg);
    put_u32(b, type);
    put_u32(b, 1);
    put_u16(b, 0x0b);
    buf_append(b, bytes_make(d, 32));
    put_u32(b, (uint32_t)data.n);
    buf_append(b, data);
}

static void replay(struct log_registers *ret, uint32_t reg, const char *name, uint8_t locality,
                   bool late) {
    struct buf b;
    struct arena a;
    struct event_log log;
    struct error why = {0};
    uint8_t data[17] = {0};
    buf_init(&b, 4096);
    arena_init(&a, 0);
    put_u32(&b, 0);
    put_u32(&b, EVENT_NO_ACTION);
    buf_append_fill(&b, 0, 20);
    put_u32(&b, 33);
    buf_append(&b, bytes_make("Spec ID Event03", 16));
    buf_append_fill(&b, 0, 8);
    put_u32(&b, 1);
    put_u16(&b, 0x0b);
    put_u16(&b, 32);
    buf_append_byte(&b, 0);
    struct bytes text = bytes_from_str(name);
    memcpy(data, text.p, text.n);
    data[16] = locality;
    if (late) put_event(&b, 0, EVENT_SEPARATOR, 0xaa, BYTES_LIT("x"));
    put_event(&b, reg, EVENT_NO_ACTION, 0, bytes_make(data, 17));
    if (!late) put_event(&b, 0, EVENT_SEPARATOR, 0xaa, BYTES_LIT("x"));
    CHECK_OK(event_log_parse(&log, buf_view(&b), &a, &why), &why);
    CHECK_OK(event_log_replay(ret, &log, DIGEST_SHA256, &why), &why);
    buf_free(&b);
    arena_free(&a);
}

TEST(pcr_0_begins_with_the_locality_of_the_startup) {
    struct log_registers r;
    uint8_t want[32] = {0}, plain[32] = {0}, digest[32];
    memset(digest, 0xaa, 32);
    digest_extend(DIGEST_SHA256, plain, digest);
    want[31] = 3;
    digest_extend(DIGEST_SHA256, want, digest);
    replay(&r, 0, "StartupLocality", 3, false);
    CHECK_BYTES(bytes_make(r.value[0], 32), bytes_make(want, 32));
    CHECK_U64(r.touched, 1);
    replay(&r, 0, "StartupLocality", 0, false);
    CHECK_BYTES(bytes_make(r.value[0], 32), bytes_make(plain, 32));
    // Not after the first measurement, not of another register, not of another name.
    replay(&r, 0, "StartupLocality", 3, true);
    CHECK_BYTES(bytes_make(r.value[0], 32), bytes_make(plain, 32));
    replay(&r, 1, "StartupLocality", 3, false);
    CHECK_BYTES(bytes_make(r.value[0], 32), bytes_make(plain, 32));
    replay(&r, 0, "StartupLocalitx", 3, false);
    CHECK_BYTES(bytes_make(r.value[0], 32), bytes_make(plain, 32));
}

TEST_MAIN()
