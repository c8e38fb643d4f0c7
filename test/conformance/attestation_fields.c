/* SPDX-License-Identifier: MIT */
#include "test/conformance/attestation_fields.h"
#include "base/clock.h"
#include "base/hex.h"

#include <stdio.h>
#include <string.h>

/* The expected values are looked up by name in a table of what the verdict holds, rendered as
 * text; a name that the table does not know is a failure, so that nothing goes unchecked. */
struct field {
    const char *name;
    char text[1400];
};

#define FIELDS_MAX 64
struct fields {
    struct field at[FIELDS_MAX];
    size_t n;
};

static char *add(struct fields *f, const char *name) {
    static char spill[1400];
    if (f->n == FIELDS_MAX) return spill;
    f->at[f->n].name = name;
    return f->at[f->n++].text;
}

static void add_hex(struct fields *f, const char *name, const void *p, size_t n) {
    char *text = add(f, name);
    hex_encode(text, bytes_make(p, n));
    text[2 * n] = 0;
}

static void add_u64(struct fields *f, const char *name, uint64_t v) {
    (void)snprintf(add(f, name), 32, "%llu", (unsigned long long)v);
}

static void add_time(struct fields *f, const char *name, uint64_t seconds) {
    (void)clock_format(add(f, name), seconds * NS_PER_S, 0);
}

static void add_report(struct fields *f, const struct sgx_report *r) {
    add_hex(f, "cpusvn", r->cpu_svn, 16);
    add_hex(f, "misc", r->misc_select, 4);
    add_hex(f, "attr", r->attributes, 16);
    add_hex(f, "attributes", r->attributes, 16);
    add_hex(f, "mrenclave", r->mr_enclave, 32);
    add_hex(f, "mrsigner", r->mr_signer, 32);
    add_u64(f, "prodid", r->isv_prod_id);
    add_u64(f, "svn", r->isv_svn);
    add_hex(f, "reportdata", r->report_data, 64);
}

static void add_td(struct fields *f, const struct quote *q) {
    const struct td_report *td = &q->td;
    uint8_t word[8];
    add_hex(f, "tcb_svn", td->tee_tcb_svn, 16);
    add_hex(f, "mrseam", td->mr_seam, 48);
    add_hex(f, "mrsignerseam", td->mr_signer_seam, 48);
    add_hex(f, "seamattr", td->seam_attributes, 8);
    store_le64(word, td->td_attributes);
    add_hex(f, "tdattr", word, 8);
    store_le64(word, td->xfam);
    add_hex(f, "xfam", word, 8);
    add_hex(f, "mrtd", td->mr_td, 48);
    add_hex(f, "mrconfigid", td->mr_config_id, 48);
    add_hex(f, "mrowner", td->mr_owner, 48);
    add_hex(f, "mrownerconfig", td->mr_owner_config, 48);
    add_hex(f, "rtmr0", td->rtmr[0], 48);
    add_hex(f, "rtmr1", td->rtmr[1], 48);
    add_hex(f, "rtmr2", td->rtmr[2], 48);
    add_hex(f, "rtmr3", td->rtmr[3], 48);
    add_hex(f, "reportdata", td->report_data, 64);
    add_hex(f, "tcb_svn2", td->tee_tcb_svn2, 16);
    add_hex(f, "mrservicetd", td->mr_service_td, 48);
}

static void add_quote(struct fields *f, const struct quote *q) {
    add_u64(f, "version", q->version);
    (void)snprintf(add(f, "tee"), 16, "0x%x", q->tee);
    add_u64(f, "header_u16_at_8", q->header_at_8);
    add_u64(f, "header_u16_at_10", q->header_at_10);
    add_hex(f, "user_data", q->user_data, 20);
    add_u64(f, "signed_length", q->signed_bytes.n);
    add_u64(f, "signature_data_length", q->signature_data_bytes);
    add_u64(f, "trailing_bytes", q->trailing_bytes);
    add_u64(f, "qe_auth_len", q->qe_auth.n);
    add_u64(f, "cert_data_type", q->cert_type);
    add_u64(f, "body_type", q->body_type);
    if (q->body_type == QUOTE_BODY_SGX) {
        add_report(f, &q->enclave);
    } else {
        add_td(f, q);
    }
}

static void add_pck(struct fields *f, const struct verdict *v) {
    char *serial;
    (void)snprintf(add(f, "issuer_cn"), 80, "%s", v->pck_issuer);
    serial = add(f, "serial");
    memcpy(serial, "0x", 3);
    hex_encode(serial + 2, bytes_make(v->pck_serial, v->pck_serial_n));
    serial[2 + 2 * v->pck_serial_n] = 0;
    if (serial[2] == '0' && v->pck_serial_n > 0)
        memmove(serial + 2, serial + 3, strlen(serial + 2));
    add_time(f, "not_before", v->pck_not_before);
    add_time(f, "not_after", v->pck_not_after);
    add_hex(f, "fmspc", v->pck.fmspc, 6);
    add_hex(f, "pceid", v->pck.pce_id, 2);
    add_hex(f, "ppid", v->pck.ppid, 16);
    add_hex(f, "cpusvn", v->pck.cpu_svn, 16);
    add_u64(f, "pcesvn", v->pck.pce_svn);
    add_u64(f, "sgx_type", v->pck.sgx_type);
    char *list = add(f, "sgx_tcb_components");
    size_t n = 0;
    for (int i = 0; i < 16; i++) {
        n += (size_t)snprintf(list + n, 16, "%s%u", i ? ", " : "[", v->pck.component_svn[i]);
    }
    (void)snprintf(list + n, 2, "]");
}

static const struct field *find(const struct fields *f, struct bytes name) {
    for (size_t i = 0; i < f->n; i++) {
        if (bytes_equal_str(name, f->at[i].name)) return &f->at[i];
    }
    return NULL;
}

// Text of an array of numbers as add_pck writes it.
static void render_list(const struct json *list, char *ret, size_t size) {
    size_t n = (size_t)snprintf(ret, size, "[");
    json_each(item, list) {
        struct bytes raw = json_raw(item);
        if (n + raw.n + 4 > size) return;
        n += (size_t)snprintf(ret + n, size - n, "%s%.*s", n > 1 ? ", " : "", (int)raw.n,
                              (const char *)raw.p);
    }
    (void)snprintf(ret + n, size - n, "]");
}

static void compare_object(const struct json *object, const struct fields *f, const char *name,
                           const char *what, struct tally *t) {
    json_members(key, value, object) {
        if (json_type_of(value) == JSON_OBJECT) continue; // compared with a table of its own
        struct bytes label = json_text(key), want = json_text(value);
        char list[400];
        if (json_type_of(value) == JSON_ARRAY) {
            render_list(value, list, sizeof list);
            want = bytes_from_str(list);
        }
        const struct field *have = find(f, label);
        if (have && bytes_equal_str(want, have->text)) continue;
        tally_fail(t, name, "%s %.*s: got %s, expected %.*s", what, (int)label.n,
                   (const char *)label.p, have ? have->text : "nothing of that name", (int)want.n,
                   (const char *)want.p);
        return;
    }
    tally_pass(t, name);
}

static void compare_fields(const struct json *fields, const struct verdict *v, const char *name,
                           struct tally *t) {
    static struct fields f;
    if (!fields) return;
    f.n = 0;
    add_quote(&f, &v->quote);
    compare_object(fields, &f, name, "field", t);
    f.n = 0;
    add_report(&f, &v->quote.qe_report);
    compare_object(json_get(fields, "qe_report"), &f, name, "QE report field", t);
    f.n = 0;
    add_pck(&f, v);
    compare_object(json_get(fields, "pck"), &f, name, "PCK field", t);
}

// [status, date, advisories] or, with_svn, [svn, status, date, advisories].
static bool note_is(const struct json *want, const struct tcb_note *note, uint32_t svn,
                    bool with_svn) {
    size_t at = with_svn ? 1 : 0;
    char date[CLOCK_TEXT_MAX];
    uint64_t n;
    if (json_is_null(want) || !note) return json_is_null(want) && !note;
    if (with_svn && (json_u64(&n, json_at(want, 0), NULL) < 0 || n != svn)) return false;
    (void)clock_format(date, note->date * NS_PER_S, 0);
    const struct json *ids = json_at(want, at + 2);
    if (!bytes_equal_str(json_text(json_at(want, at)), tcb_status_name(note->status)) ||
        !bytes_equal_str(json_text(json_at(want, at + 1)), date) ||
        json_count(ids) != note->advisory_count) {
        return false;
    }
    size_t i = 0;
    json_each(id, ids) {
        if (!bytes_equal(json_text(id), note->advisories[i++])) return false;
    }
    return true;
}

static void compare_levels(const struct json *levels, const struct verdict *v, const char *name,
                           struct tally *t) {
    const struct tcb_evaluation *e = &v->tcb;
    const struct json *want = json_get(levels, "sgx_level");
    const char *bad = NULL;
    if (!levels) return;
    if (want && !note_is(want, e->sgx_level ? &e->sgx_level->note : NULL, 0, false)) {
        bad = "sgx_level";
    }
    want = json_get(levels, "tdx_level");
    if (want && !note_is(want, e->tdx_level ? &e->tdx_level->note : NULL, 0, false)) {
        bad = "tdx_level";
    }
    want = json_get(levels, "qe");
    if (want && !note_is(want, e->qe_level ? &e->qe_level->note : NULL,
                         e->qe_level ? e->qe_level->isv_svn : 0, true)) {
        bad = "qe";
    }
    // The rules stop before the module when no platform level matches; the index does not.
    want = json_get(levels, "module");
    if (want && e->tdx_level &&
        (!e->module_identity || !bytes_equal(json_text(json_at(want, 0)), e->module_identity->id) ||
         !note_is(json_at(want, 1), e->module_level ? &e->module_level->note : NULL,
                  e->module_level ? e->module_level->isv_svn : 0, true))) {
        bad = "module";
    }
    if (bad) {
        tally_fail(t, name, "level %s is not the expected one", bad);
    } else {
        tally_pass(t, name);
    }
}

void attestation_compare(const struct json *expected, const struct verdict *v, const char *name,
                         struct tally *t) {
    if (v->parsed) compare_fields(json_get(expected, "fields"), v, name, t);
    if (v->evaluated) compare_levels(json_get(expected, "levels"), v, name, t);
}
