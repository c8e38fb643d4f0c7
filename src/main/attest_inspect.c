/* buildernet attest inspect, buildernet attest measurements
 * SPDX-License-Identifier: MIT */
#include "attest/hcl.h"
#include "attest/image.h"
#include "base/clock.h"
#include "base/hex.h"
#include "main/attest.h"

#include <stdio.h>
#include <string.h>

static void begin(struct attest_run *run, struct json_writer *w) {
    json_writer_init(w, &run->out, JSON_PRETTY);
    json_begin_object(w, NULL);
}

static int finish(struct attest_run *run, struct json_writer *w) {
    json_end(w);
    buf_append_byte(&run->out, '\n');
    return 0;
}

static void row(struct attest_run *run, const char *name, struct bytes value) {
    buf_printf(&run->out, "  %-18s ", name);
    hex_append(&run->out, value);
    buf_append_byte(&run->out, '\n');
}

static void print_td(struct attest_run *run, const struct quote *q) {
    const struct td_report *td = &q->td;
    uint8_t word[8];
    row(run, "TEE TCB SVN", bytes_make(td->tee_tcb_svn, 16));
    row(run, "MRSEAM", bytes_make(td->mr_seam, 48));
    row(run, "MRSIGNERSEAM", bytes_make(td->mr_signer_seam, 48));
    store_le64(word, td->td_attributes);
    row(run, "TD attributes", bytes_make(word, 8));
    store_le64(word, td->xfam);
    row(run, "XFAM", bytes_make(word, 8));
    row(run, "MRTD", bytes_make(td->mr_td, 48));
    row(run, "MRCONFIGID", bytes_make(td->mr_config_id, 48));
    row(run, "MROWNER", bytes_make(td->mr_owner, 48));
    row(run, "MROWNERCONFIG", bytes_make(td->mr_owner_config, 48));
    for (int i = 0; i < 4; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "RTMR%d", i);
        row(run, name, bytes_make(td->rtmr[i], 48));
    }
    row(run, "report data", bytes_make(td->report_data, 64));
    if (q->body_type == QUOTE_BODY_TD15) {
        row(run, "TEE TCB SVN 2", bytes_make(td->tee_tcb_svn2, 16));
        row(run, "MRSERVICETD", bytes_make(td->mr_service_td, 48));
    }
}

static void print_certificate(struct attest_run *run, const struct cert *c) {
    char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX];
    struct pck_extension pck;
    (void)clock_format(from, c->not_before * NS_PER_S, 0);
    (void)clock_format(to, c->not_after * NS_PER_S, 0);
    buf_printf(&run->out,
               "certificate %.*s\n  issuer             %.*s\n  valid              %s .. %s\n",
               (int)c->subject_cn.n, (const char *)c->subject_cn.p, (int)c->issuer_cn.n,
               (const char *)c->issuer_cn.p, from, to);
    row(run, "serial", c->serial);
    if (c->sgx.n == 0 || pck_extension_parse(&pck, c->sgx, NULL) < 0) return;
    row(run, "FMSPC", bytes_make(pck.fmspc, 6));
    row(run, "PCE id", bytes_make(pck.pce_id, 2));
    row(run, "PPID", bytes_make(pck.ppid, 16));
    row(run, "TCB components", bytes_make(pck.component_svn, 16));
    buf_printf(&run->out, "  %-18s %u\n", "PCE SVN", pck.pce_svn);
}

static int inspect_chain(struct attest_run *run, struct bytes pem) {
    struct cert_chain chain;
    int code = cert_chain_parse(&chain, pem, &run->arena, &run->why);
    for (size_t i = 0; code == 0 && i < chain.n; i++) {
        print_certificate(run, &chain.at[i]);
    }
    return code;
}

static int inspect_quote(struct attest_run *run, const struct quote *q) {
    if (run->values.json) {
        struct json_writer w;
        begin(run, &w);
        json_add_str(&w, "kind", "quote");
        report_quote(&w, "fields", q, NULL);
        return finish(run, &w);
    }
    buf_printf(&run->out, "quote version %u, %s, body type %u\n", q->version,
               q->tee == QUOTE_TEE_TDX ? "TDX" : "SGX", (unsigned)q->body_type);
    if (q->body_type == QUOTE_BODY_SGX) {
        row(run, "MRENCLAVE", bytes_make(q->enclave.mr_enclave, 32));
        row(run, "MRSIGNER", bytes_make(q->enclave.mr_signer, 32));
        row(run, "attributes", bytes_make(q->enclave.attributes, 16));
        row(run, "report data", bytes_make(q->enclave.report_data, 64));
    } else {
        print_td(run, q);
    }
    row(run, "user data", bytes_make(q->user_data, 20));
    row(run, "attestation key", q->attestation_key);
    row(run, "QE MRSIGNER", bytes_make(q->qe_report.mr_signer, 32));
    buf_printf(&run->out, "  %-18s %u\n  %-18s %u\n  %-18s %zu\n", "QE ISVSVN",
               q->qe_report.isv_svn, "certification", q->cert_type, "padding bytes",
               q->trailing_bytes);
    return inspect_chain(run, q->cert_data);
}

static void print_registers(struct attest_run *run, const struct event_log *log,
                            enum digest_kind kind) {
    struct log_registers regs;
    if (event_log_replay(&regs, log, kind, NULL) < 0) return;
    for (unsigned i = 0; i < EVENT_LOG_REGISTERS; i++) {
        if (!(regs.touched & 1u << i)) continue;
        buf_printf(&run->out, "register %-2u %s ", i, digest_name(kind));
        hex_append(&run->out, bytes_make(regs.value[i], digest_size(kind)));
        buf_append_byte(&run->out, '\n');
    }
}

static int inspect_log(struct attest_run *run, const struct event_log *log) {
    if (run->values.json) {
        struct json_writer w;
        begin(run, &w);
        json_add_str(&w, "kind", "event_log");
        report_event_log(&w, log);
        return finish(run, &w);
    }
    for (size_t i = 0; i < log->n; i++) {
        const struct log_event *e = &log->events[i];
        const char *type = event_type_name(e->type);
        char text[160];
        event_describe(e, text, sizeof text);
        buf_printf(&run->out, "%3zu  register %-2u  %-34s %s\n", i, e->reg, type ? type : "unknown",
                   text);
    }
    for (int k = 0; k < EVENT_LOG_BANKS; k++) {
        print_registers(run, log, (enum digest_kind)k);
    }
    return 0;
}

static int inspect_hcl(struct attest_run *run, const struct hcl_report *h) {
    struct json_writer w;
    begin(run, &w);
    json_add_str(&w, "kind", "hcl_report");
    json_add_u64(&w, "version", h->version);
    json_add_u64(&w, "report_type", h->report_type);
    json_add_u64(&w, "variable_data_size", h->runtime.n);
    json_add_text(&w, "runtime_data", h->runtime);
    return finish(run, &w);
}

int attest_inspect(struct attest_run *run, const char *path) {
    struct bytes in = {NULL, 0};
    struct quote q;
    struct event_log log;
    struct hcl_report hcl;
    int code = attest_read(&in, path, run);
    if (code < 0) return attest_fail(run);
    if (bytes_starts_with(in, BYTES_LIT("-----BEGIN CERTIFICATE"))) {
        code = inspect_chain(run, in);
        return code < 0 ? attest_fail(run) : ATTEST_EXIT_GOOD;
    }
    in = attest_binary(in, &run->arena);
    if (bytes_starts_with(in, BYTES_LIT("HCLA"))) {
        code = hcl_parse(&hcl, in, &run->why);
        if (code == 0) code = inspect_hcl(run, &hcl);
    } else if (event_log_parse(&log, in, &run->arena, NULL) == 0) {
        code = inspect_log(run, &log);
    } else {
        code = quote_parse(&q, in, &run->why);
        if (code == 0) code = inspect_quote(run, &q);
    }
    return code < 0 ? attest_fail(run) : ATTEST_EXIT_GOOD;
}

// The measurement entry that verifiers take: {"measurement_id", "attestation_type", …}.
static int print_entry(struct attest_run *run, const char *id, const struct measurements *m) {
    struct json_writer w;
    json_writer_init(&w, &run->out, JSON_PRETTY);
    json_begin_array(&w, NULL);
    json_begin_object(&w, NULL);
    json_add_str(&w, "measurement_id", id);
    json_add_str(&w, "attestation_type", attestation_type_name(m->type));
    json_begin_object(&w, "measurements");
    for (size_t i = 0; i < m->count; i++) {
        char index[12], value[97];
        (void)snprintf(index, sizeof index, "%u", m->at[i].index);
        hex_encode(value, bytes_make(m->at[i].value, m->at[i].n));
        value[2 * m->at[i].n] = 0;
        json_begin_object(&w, index);
        json_add_str(&w, "expected", value);
        json_end(&w);
    }
    json_end(&w);
    json_end(&w);
    json_end(&w);
    buf_append_byte(&run->out, '\n');
    return 0;
}

static int log_measurements(struct attest_run *run, const struct event_log *log, const char *id) {
    struct log_registers regs;
    struct measurements m = {0};
    bool tpm = log->has_bank[DIGEST_SHA256];
    int code = event_log_replay(&regs, log, tpm ? DIGEST_SHA256 : DIGEST_SHA384, &run->why);
    if (code < 0) return code;
    m.type = tpm ? ATTESTATION_AZURE_TDX : ATTESTATION_DCAP_TDX;
    for (unsigned i = 0; i < (tpm ? TPM_PCRS : 5u); i++) {
        if (!tpm && i == 0) continue; // MRTD is no register that events extend
        struct measurement *at = &m.at[m.count++];
        at->index = i;
        at->n = tpm ? 32 : 48;
        memcpy(at->value, regs.value[i], at->n);
    }
    return print_entry(run, id, &m);
}

static int image_measurements(struct attest_run *run, struct bytes uki, const char *id) {
    static struct image_prediction p;
    struct pe pe;
    struct bytes loader = {NULL, 0}, disk = {NULL, 0}, gpt = {NULL, 0};
    struct measurements m = {.type = ATTESTATION_AZURE_TDX};
    enum image_stub stub;
    int code = pe_parse(&pe, uki, &run->why);
    if (code == 0) {
        code = run->values.stub
                   ? image_stub_parse(&stub, bytes_from_str(run->values.stub), &run->why)
                   : image_stub_find(&stub, &pe, &run->why);
    }
    if (code == 0 && run->values.loader) code = attest_read(&loader, run->values.loader, run);
    if (code == 0 && run->values.gpt) code = attest_read(&disk, run->values.gpt, run);
    if (code == 0 && disk.n > 0) code = image_gpt_event(&gpt, disk, &run->arena, &run->why);
    if (code == 0) code = image_predict(&p, uki, loader, gpt, stub, &run->why);
    if (code < 0) return code;
    if (p.unpadded) {
        (void)fputs("attest: the image or its kernel is no multiple of 8 bytes: signing tools and "
                    "firmware disagree about its hash; the firmware's is printed\n",
                    stderr);
    }
    if (run->values.type && strcmp(run->values.type, "azure-tdx") != 0) {
        m.type = ATTESTATION_DCAP_TDX;
        for (unsigned i = 0; i < 4; i++) {
            if (!(p.rtmr_known & 1u << i)) continue;
            struct measurement *at = &m.at[m.count++];
            *at = (struct measurement){.index = i + 1, .n = 48};
            memcpy(at->value, p.rtmr[i], 48);
        }
        return print_entry(run, id, &m);
    }
    for (unsigned i = 0; i < TPM_PCRS; i++) {
        if (!(p.pcr_known & 1u << i)) continue;
        struct measurement *at = &m.at[m.count++];
        *at = (struct measurement){.index = i, .n = 32};
        memcpy(at->value, p.pcr[i], 32);
    }
    return print_entry(run, id, &m);
}

static int firmware_measurements(struct attest_run *run, const char *id) {
    struct bytes firmware = {NULL, 0};
    struct measurements m = {.type = ATTESTATION_DCAP_TDX, .count = 1};
    int code = attest_read(&firmware, run->values.firmware, run);
    m.at[0].n = 48;
    if (code == 0) code = image_mrtd(m.at[0].value, firmware, false, &run->why);
    return code < 0 ? code : print_entry(run, id, &m);
}

int attest_measurements(struct attest_run *run, const char *path) {
    struct bytes in = {NULL, 0};
    struct quote q;
    struct event_log log;
    struct measurements m;
    enum attestation_type type = ATTESTATION_DCAP_TDX;
    const char *slash = strrchr(path, '/'), *id = slash ? slash + 1 : path;
    int code = attest_read(&in, path, run);
    if (code == 0) code = attest_type(&type, run, type);
    if (code < 0) return attest_fail(run);
    in = attest_binary(in, &run->arena);
    if (run->values.firmware) {
        code = firmware_measurements(run, id);
    } else if (bytes_starts_with(in, BYTES_LIT("MZ"))) {
        code = image_measurements(run, in, id);
    } else if (event_log_parse(&log, in, &run->arena, NULL) == 0) {
        code = log_measurements(run, &log, id);
    } else {
        code = quote_parse(&q, in, &run->why);
        if (code == 0 && q.body_type == QUOTE_BODY_SGX) {
            code = error_set(&run->why, ERR_UNSUPPORTED, "an enclave's quote has no registers");
        }
        if (code == 0) {
            measurements_of_td(&m, type, &q.td);
            code = print_entry(run, id, &m);
        }
    }
    return code < 0 ? attest_fail(run) : ATTEST_EXIT_GOOD;
}
