/* buildernet attest verify
 * SPDX-License-Identifier: MIT */
#include "attest/azure.h"
#include "base/hex.h"
#include "main/attest.h"

#include <stdio.h>
#include <string.h>

// What `verify` gathers before it prints.
struct outcome {
    struct verdict verdict;
    struct measurements measurements;
    bool have_measurements;
    struct policy_decision decision;
    bool is_azure;
    struct azure_result azure; /* its verdict is moved to `verdict` */
};

static void print_json(struct attest_run *run, const struct outcome *o, bool verified) {
    struct json_writer w;
    json_writer_init(&w, &run->out, JSON_PRETTY);
    json_begin_object(&w, NULL);
    json_add_bool(&w, "verified", verified);
    report_verdict(&w, &o->verdict);
    if (o->is_azure) {
        json_begin_object(&w, "azure");
        json_add_bool(&w, "valid", o->azure.valid);
        json_add_str(&w, "reason", o->azure.valid ? NULL : o->azure.why.text);
        json_add_bool(&w, "ak_certified", o->azure.ak_certified);
        json_end(&w);
    }
    json_add_str(&w, "freshness", run->values.report_data ? "checked" : "unchecked");
    if (o->have_measurements) report_measurements(&w, &o->measurements);
    report_decision(&w, &o->decision);
    json_end(&w);
    buf_append_byte(&run->out, '\n');
}

static void print_text(struct attest_run *run, const struct outcome *o, bool verified) {
    const struct verdict *v = &o->verdict;
    char reason[512];
    verdict_reason(v, reason);
    buf_printf(&run->out, "%s\n",
               verified   ? "VERIFIED"
               : v->valid ? "REFUSED BY POLICY"
                          : "NOT VALID");
    buf_printf(&run->out, "  verdict        %s\n", reason);
    if (!run->values.report_data) {
        buf_append_str(&run->out, "  freshness      not checked: without --report-data, evidence "
                                  "made at another time for someone else passes too\n");
    }
    if (!run->values.collateral) {
        buf_append_str(&run->out, "  collateral     none given, and nothing verifies without: "
                                  "--collateral DIR (attest fetch-collateral)\n");
    }
    if (v->valid && !o->decision.accepted) {
        report_decision_reason(&o->decision, reason);
        buf_printf(&run->out, "  policy         %s\n", reason);
    } else if (v->valid && o->decision.entry.n > 0) {
        buf_printf(&run->out, "  policy         %.*s\n", (int)o->decision.entry.n,
                   (const char *)o->decision.entry.p);
    }
    if (o->decision.platform.n > 0) {
        buf_printf(&run->out, "  platform       %.*s\n", (int)o->decision.platform.n,
                   (const char *)o->decision.platform.p);
    }
    buf_printf(&run->out, "  PCK chain      %s\n  TCB Info       %s\n  QE identity    %s\n",
               qvl_name(v->pck_chain), qvl_name(v->tcb_info), qvl_name(v->qe_identity));
    buf_printf(&run->out, "  quote          %s\n", qvl_name(v->quote_code));
    for (size_t i = 0; i < v->advisory_count; i++) {
        buf_printf(&run->out, "  advisory       %.*s\n", (int)v->advisories[i].n,
                   (const char *)v->advisories[i].p);
    }
    buf_printf(&run->out, "  trust root     %s%s\n", v->root_name,
               v->root_is_intel ? "" : " (NOT Intel's production root)");
    for (size_t i = 0; o->have_measurements && i < o->measurements.count; i++) {
        const struct measurement *m = &o->measurements.at[i];
        buf_printf(&run->out, "  measurement %-2u ", m->index);
        hex_append(&run->out, bytes_make(m->value, m->n));
        buf_append_byte(&run->out, '\n');
    }
}

/* Azure evidence: a link that fails beyond the TD quote makes the whole not valid. */
static int judge_azure(struct attest_run *run, struct outcome *o, struct bytes json,
                       struct verifier *verifier, const struct collateral *collateral,
                       uint64_t now) {
    struct azure_evidence e;
    struct azure_expectation x = {.exporter_form = true, .require_ak_certificate = true};
    x.recorded = !run->values.report_data;
    int code = attest_report_data(x.input, run);
    if (code == 0 && run->values.ak_roots) {
        struct bytes pem = {NULL, 0};
        code = attest_read(&pem, run->values.ak_roots, run);
        x.ak_roots = code == 0 ? arena_str(&run->arena, pem) : NULL;
        if (code == 0 && !x.ak_roots) code = error_set(&run->why, ERR_NO_MEMORY, "no memory");
    }
    if (code == 0) code = azure_evidence_parse(&e, json, &run->arena, &run->why);
    if (code == 0) {
        code = azure_verify(&o->azure, verifier, &e, collateral, &x, now, &run->arena, &run->why);
    }
    o->is_azure = true;
    o->verdict = o->azure.verdict;
    if (code == 0 && !o->azure.valid) {
        o->verdict.valid = false;
        (void)snprintf(o->verdict.beyond, sizeof o->verdict.beyond, "%s", o->azure.why.text);
    }
    o->have_measurements = o->azure.valid;
    o->measurements = o->azure.measurements;
    return code;
}

static int apply_report_data(struct attest_run *run, struct outcome *o) {
    uint8_t want[64];
    int code = attest_report_data(want, run);
    if (code < 0) return code;
    if (!run->values.report_data || !o->decision.accepted || o->is_azure) return 0;
    if (memcmp(want, quote_report_data(&o->verdict.quote), 64) == 0) return 0;
    o->decision.accepted = false;
    (void)snprintf(o->decision.rule, sizeof o->decision.rule, "report_data");
    (void)snprintf(o->decision.expected, sizeof o->decision.expected, "%s",
                   run->values.report_data);
    hex_encode(o->decision.found, bytes_make(quote_report_data(&o->verdict.quote), 64));
    o->decision.found[128] = 0;
    return 0;
}

static bool is_json_object(struct bytes in) {
    size_t i = 0;
    while (i < in.n && (in.p[i] == ' ' || in.p[i] == '\t' || in.p[i] == '\r' || in.p[i] == '\n')) {
        i++;
    }
    return i < in.n && in.p[i] == '{';
}

static int judge(struct attest_run *run, struct outcome *o, struct bytes quote,
                 const struct trust_root *root, const struct collateral *collateral) {
    struct verifier *verifier = NULL;
    struct policy policy;
    enum attestation_type type = ATTESTATION_DCAP_TDX;
    uint64_t now = 0;
    int code = attest_time(&now, run);
    if (code == 0) code = attest_type(&type, run, type);
    if (code == 0) code = attest_policy(&policy, run);
    if (code == 0) code = verifier_new(&verifier, root, &run->why);
    bool azure = is_json_object(quote);
    if (code == 0 && azure) {
        code = judge_azure(run, o, quote, verifier, collateral, now);
    } else if (code == 0) {
        code = verifier_check(&o->verdict, verifier, quote, collateral, now, &run->why);
    }
    verifier_free(verifier);
    if (code < 0) return code;
    if (!azure && o->verdict.parsed && o->verdict.quote.body_type != QUOTE_BODY_SGX) {
        o->have_measurements = true;
        measurements_of_td(&o->measurements, type, &o->verdict.quote.td);
    }
    struct policy_subject subject = {&o->verdict, o->have_measurements ? &o->measurements : NULL};
    policy_decide(&o->decision, &policy, &subject);
    return apply_report_data(run, o);
}

int attest_verify(struct attest_run *run, const char *path) {
    static struct outcome o;
    struct trust_root root = {0};
    struct collateral *collateral = NULL;
    struct bytes in = {NULL, 0};
    int code = attest_read(&in, path, run);
    if (code == 0 && in.n == 0) code = error_set(&run->why, ERR_SYNTAX, "%s: empty", path);
    if (code == 0) code = attest_root(&root, run);
    if (code == 0 && run->values.collateral) {
        code = collateral_load(&collateral, run->values.collateral, &run->why);
    }
    if (code == 0) code = judge(run, &o, attest_binary(in, &run->arena), &root, collateral);
    bool valid = o.verdict.valid && (!o.is_azure || o.azure.valid);
    bool verified = code == 0 && valid && o.decision.accepted;
    if (code == 0 && run->values.json) {
        print_json(run, &o, verified);
    } else if (code == 0) {
        print_text(run, &o, verified);
    }
    collateral_free(collateral);
    trust_root_free(&root);
    if (code < 0) return attest_fail(run);
    return verified ? ATTEST_EXIT_GOOD : valid ? ATTEST_EXIT_REFUSED : ATTEST_EXIT_NOT_VALID;
}
