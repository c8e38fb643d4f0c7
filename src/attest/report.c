/* SPDX-License-Identifier: MIT */
#include "attest/report.h"
#include "base/clock.h"
#include "base/hex.h"

#include <stdio.h>
#include <string.h>

static void add_hex(struct json_writer *w, const char *key, const void *p, size_t n) {
    char text[2 * 128 + 1];
    if (n > 128) n = 128;
    hex_encode(text, bytes_make(p, n));
    text[2 * n] = 0;
    json_add_str(w, key, text);
}

static void add_time(struct json_writer *w, const char *key, uint64_t seconds) {
    char text[CLOCK_TEXT_MAX];
    if (seconds == 0 || seconds > UINT64_MAX / NS_PER_S) {
        json_add_null(w, key);
        return;
    }
    (void)clock_format(text, seconds * NS_PER_S, 0);
    json_add_str(w, key, text);
}

static void add_note(struct json_writer *w, const struct tcb_note *note) {
    json_add_str(w, "status", tcb_status_name(note->status));
    add_time(w, "date", note->date);
    json_begin_array(w, "advisory_ids");
    for (size_t i = 0; i < note->advisory_count; i++) {
        json_add_text(w, NULL, note->advisories[i]);
    }
    json_end(w);
}

/* The level that applies, and the first component in which it misses the newest level. */
static void add_level(struct json_writer *w, const char *key, const struct tcb_level *level) {
    if (!level) {
        json_add_null(w, key);
        return;
    }
    json_begin_object(w, key);
    add_note(w, &level->note);
    json_end(w);
}

static void add_isv_level(struct json_writer *w, const char *key, const struct isv_level *level,
                          const struct tdx_module *module) {
    if (!level) {
        json_add_null(w, key);
        return;
    }
    json_begin_object(w, key);
    if (module) json_add_text(w, "id", module->id);
    json_add_u64(w, "isvsvn", level->isv_svn);
    add_note(w, &level->note);
    json_end(w);
}

static void add_levels(struct json_writer *w, const struct verdict *v) {
    json_begin_object(w, "tcb_levels");
    if (v->evaluated) {
        add_level(w, "sgx_level", v->tcb.sgx_level);
        if (v->quote.body_type != QUOTE_BODY_SGX) {
            add_level(w, "tdx_level", v->tcb.tdx_level);
            add_isv_level(w, "module", v->tcb.module_level, v->tcb.module_identity);
        }
        add_isv_level(w, "qe", v->tcb.qe_level, NULL);
    }
    json_end(w);
}

static void add_codes(struct json_writer *w, const struct verdict *v) {
    json_begin_object(w, "result_codes");
    json_add_str(w, "pck_chain", qvl_name(v->pck_chain));
    json_add_str(w, "tcb_info", qvl_name(v->tcb_info));
    json_add_str(w, "qe_identity", qvl_name(v->qe_identity));
    json_add_str(w, "quote", qvl_name(v->quote_code));
    json_end(w);
}

static void add_findings(struct json_writer *w, const struct verdict *v) {
    json_begin_array(w, "findings");
    for (unsigned i = 0; i < FINDING_COUNT; i++) {
        if (!(v->findings & 1u << i)) continue;
        json_begin_object(w, NULL);
        json_add_str(w, "name", verdict_finding_name(i));
        json_add_str(w, "text", verdict_finding_help(i));
        json_end(w);
    }
    json_end(w);
}

void report_verdict(struct json_writer *w, const struct verdict *v) {
    char reason[256];
    verdict_reason(v, reason);
    json_add_bool(w, "valid", v->valid);
    json_add_str(w, "reason", reason);
    json_add_u64(w, "verify_time", v->time);
    add_time(w, "verify_time_iso", v->time);
    add_codes(w, v);
    json_add_str(w, "tcb_status", v->status == TCB_NONE ? NULL : tcb_status_name(v->status));
    add_time(w, "tcb_date", v->tcb_date);
    json_add_u64(w, "tcb_evaluation_number", v->evaluation_number);
    add_levels(w, v);
    json_begin_array(w, "advisory_ids");
    for (size_t i = 0; i < v->advisory_count; i++) {
        json_add_text(w, NULL, v->advisories[i]);
    }
    json_end(w);
    add_findings(w, v);
    json_begin_object(w, "collateral");
    add_time(w, "earliest_issue", v->window.earliest_issue);
    add_time(w, "latest_issue", v->window.latest_issue);
    add_time(w, "earliest_expiry", v->window.earliest_expiry);
    json_add_str(w, "expires_first", v->window.expires_first);
    json_end(w);
    json_begin_object(w, "root");
    json_add_str(w, "name", v->root_name);
    add_hex(w, "sha256", v->root_fingerprint, 32);
    json_add_bool(w, "is_intel", v->root_is_intel);
    json_end(w);
    if (v->parsed) report_quote(w, "fields", &v->quote, v);
}

static void add_report(struct json_writer *w, const char *key, const struct sgx_report *r) {
    json_begin_object(w, key);
    add_hex(w, "cpusvn", r->cpu_svn, 16);
    add_hex(w, "misc", r->misc_select, 4);
    add_hex(w, "attr", r->attributes, 16);
    add_hex(w, "mrenclave", r->mr_enclave, 32);
    add_hex(w, "mrsigner", r->mr_signer, 32);
    json_add_u64(w, "prodid", r->isv_prod_id);
    json_add_u64(w, "svn", r->isv_svn);
    add_hex(w, "reportdata", r->report_data, 64);
    json_end(w);
}

static void add_td(struct json_writer *w, const struct quote *q) {
    const struct td_report *td = &q->td;
    uint8_t word[8];
    add_hex(w, "tcb_svn", td->tee_tcb_svn, 16);
    add_hex(w, "mrseam", td->mr_seam, 48);
    add_hex(w, "mrsignerseam", td->mr_signer_seam, 48);
    add_hex(w, "seamattr", td->seam_attributes, 8);
    store_le64(word, td->td_attributes);
    add_hex(w, "tdattr", word, 8);
    json_add_bool(w, "debug", td->td_attributes & 1);
    store_le64(word, td->xfam);
    add_hex(w, "xfam", word, 8);
    add_hex(w, "mrtd", td->mr_td, 48);
    add_hex(w, "mrconfigid", td->mr_config_id, 48);
    add_hex(w, "mrowner", td->mr_owner, 48);
    add_hex(w, "mrownerconfig", td->mr_owner_config, 48);
    add_hex(w, "rtmr0", td->rtmr[0], 48);
    add_hex(w, "rtmr1", td->rtmr[1], 48);
    add_hex(w, "rtmr2", td->rtmr[2], 48);
    add_hex(w, "rtmr3", td->rtmr[3], 48);
    add_hex(w, "reportdata", td->report_data, 64);
    if (q->body_type == QUOTE_BODY_TD15) {
        add_hex(w, "tcb_svn2", td->tee_tcb_svn2, 16);
        add_hex(w, "mrservicetd", td->mr_service_td, 48);
    }
}

static void add_enclave(struct json_writer *w, const struct sgx_report *r) {
    add_hex(w, "cpusvn", r->cpu_svn, 16);
    add_hex(w, "attributes", r->attributes, 16);
    json_add_bool(w, "debug", r->attributes[0] & 2);
    add_hex(w, "mrenclave", r->mr_enclave, 32);
    add_hex(w, "mrsigner", r->mr_signer, 32);
    json_add_u64(w, "prodid", r->isv_prod_id);
    json_add_u64(w, "svn", r->isv_svn);
    add_hex(w, "reportdata", r->report_data, 64);
}

static void add_pck(struct json_writer *w, const struct verdict *v) {
    char serial[2 + 2 * sizeof v->pck_serial + 1] = "0x";
    if (!v || !v->leaf_known) return;
    json_begin_object(w, "pck");
    json_add_str(w, "issuer_cn", v->pck_issuer);
    hex_encode(serial + 2, bytes_make(v->pck_serial, v->pck_serial_n));
    serial[2 + 2 * v->pck_serial_n] = 0;
    json_add_str(w, "serial", serial);
    add_time(w, "not_before", v->pck_not_before);
    add_time(w, "not_after", v->pck_not_after);
    add_hex(w, "fmspc", v->pck.fmspc, 6);
    add_hex(w, "pceid", v->pck.pce_id, 2);
    add_hex(w, "ppid", v->pck.ppid, 16);
    add_hex(w, "cpusvn", v->pck.cpu_svn, 16);
    json_add_u64(w, "pcesvn", v->pck.pce_svn);
    json_begin_array(w, "sgx_tcb_components");
    for (int i = 0; i < 16; i++) {
        json_add_u64(w, NULL, v->pck.component_svn[i]);
    }
    json_end(w);
    json_add_u64(w, "sgx_type", v->pck.sgx_type);
    if (v->pck.has_platform) add_hex(w, "platform_instance_id", v->pck.platform_instance_id, 16);
    if (v->pck.has_configuration) {
        json_add_bool(w, "dynamic_platform", v->pck.dynamic_platform);
        json_add_bool(w, "cached_keys", v->pck.cached_keys);
        json_add_bool(w, "smt_enabled", v->pck.smt_enabled);
    }
    json_end(w);
}

void report_quote(struct json_writer *w, const char *key, const struct quote *q,
                  const struct verdict *leaf_of) {
    char tee[16];
    json_begin_object(w, key);
    json_add_u64(w, "version", q->version);
    (void)snprintf(tee, sizeof tee, "0x%x", q->tee);
    json_add_str(w, "tee", tee);
    json_add_u64(w, "body_type", q->body_type);
    if (q->body_type == QUOTE_BODY_SGX) {
        add_enclave(w, &q->enclave);
    } else {
        add_td(w, q);
    }
    json_add_u64(w, "header_u16_at_8", q->header_at_8);
    json_add_u64(w, "header_u16_at_10", q->header_at_10);
    add_hex(w, "qe_vendor_id", q->vendor_id, 16);
    add_hex(w, "user_data", q->user_data, 20);
    json_add_u64(w, "signed_length", q->signed_bytes.n);
    json_add_u64(w, "signature_data_length", q->signature_data_bytes);
    json_add_u64(w, "trailing_bytes", q->trailing_bytes);
    add_hex(w, "attestation_key", q->attestation_key.p, q->attestation_key.n);
    add_report(w, "qe_report", &q->qe_report);
    json_add_u64(w, "qe_auth_len", q->qe_auth.n);
    json_add_u64(w, "cert_data_type", q->cert_type);
    if (leaf_of) add_pck(w, leaf_of);
    json_end(w);
}

void report_measurements(struct json_writer *w, const struct measurements *m) {
    json_add_str(w, "attestation_type", attestation_type_name(m->type));
    json_begin_object(w, "measurements");
    for (size_t i = 0; i < m->count; i++) {
        char index[12];
        (void)snprintf(index, sizeof index, "%u", m->at[i].index);
        add_hex(w, index, m->at[i].value, m->at[i].n);
    }
    json_end(w);
}

void report_decision_reason(const struct policy_decision *d, char ret[512]) {
    if (d->accepted) {
        ret[0] = 0;
    } else {
        (void)snprintf(ret, 512, "%s: expected %s, found %s", d->rule, d->expected, d->found);
    }
}

void report_decision(struct json_writer *w, const struct policy_decision *d) {
    char reason[512];
    report_decision_reason(d, reason);
    json_begin_object(w, "policy");
    json_add_bool(w, "accepted", d->accepted);
    json_add_str(w, "rule", d->rule[0] ? d->rule : NULL);
    json_add_str(w, "expected", d->rule[0] ? d->expected : NULL);
    json_add_str(w, "found", d->rule[0] ? d->found : NULL);
    json_add_str(w, "reason", reason[0] ? reason : NULL);
    if (d->entry.n > 0) json_add_text(w, "measurement_id", d->entry);
    if (d->platform.n > 0) json_add_text(w, "platform", d->platform);
    json_add_u64(w, "warnings", d->warnings);
    json_end(w);
}

static void add_registers(struct json_writer *w, const struct event_log *log,
                          enum digest_kind kind) {
    struct log_registers regs;
    if (!log->has_bank[kind] || event_log_replay(&regs, log, kind, NULL) < 0) return;
    json_begin_object(w, digest_name(kind));
    for (unsigned i = 0; i < EVENT_LOG_REGISTERS; i++) {
        char index[12];
        if (!(regs.touched & 1u << i)) continue;
        (void)snprintf(index, sizeof index, "%u", i);
        add_hex(w, index, regs.value[i], digest_size(kind));
    }
    json_end(w);
}

void report_event_log(struct json_writer *w, const struct event_log *log) {
    json_begin_array(w, "events");
    for (size_t i = 0; i < log->n; i++) {
        const struct log_event *e = &log->events[i];
        const char *type = event_type_name(e->type);
        char text[200], number[16];
        event_describe(e, text, sizeof text);
        (void)snprintf(number, sizeof number, "0x%08x", e->type);
        json_begin_object(w, NULL);
        json_add_u64(w, "register", e->reg);
        json_add_str(w, "type", type ? type : number);
        for (int k = 0; k < EVENT_LOG_BANKS; k++) {
            if (e->digest[k].n > 0) {
                add_hex(w, digest_name((enum digest_kind)k), e->digest[k].p, e->digest[k].n);
            }
        }
        json_add_str(w, "text", text);
        json_end(w);
    }
    json_end(w);
    json_begin_object(w, "registers");
    for (int k = 0; k < EVENT_LOG_BANKS; k++) {
        add_registers(w, log, (enum digest_kind)k);
    }
    json_end(w);
}
