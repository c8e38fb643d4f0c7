/* SPDX-License-Identifier: MIT */
#include "attest/policy.h"
#include "attest/image.h"
#include "base/clock.h"
#include "base/hex.h"

#include <stdio.h>
#include <string.h>

#define TD_DEBUG_BITS UINT64_C(0xff) /* bit 0 DEBUG, 7:1 reserved for other unsafe modes */
#define TD_SEPT_VE_DISABLE (UINT64_C(1) << 28)
#define TD_KNOWN_BITS                                                                              \
    (UINT64_C(1) | TD_SEPT_VE_DISABLE | UINT64_C(1) << 30 | UINT64_C(1) << 31 | UINT64_C(1) << 63)

const struct policy policy_default = {
    .statuses = 1u << TCB_UP_TO_DATE,
    .td_attributes_value = TD_SEPT_VE_DISABLE,
    .td_attributes_mask = TD_SEPT_VE_DISABLE | ~TD_KNOWN_BITS,
};

static void put_hex(char *ret, struct bytes value) {
    if (value.n > (POLICY_TEXT_MAX - 1) / 2) value.n = (POLICY_TEXT_MAX - 1) / 2;
    hex_encode(ret, value);
    ret[2 * value.n] = 0;
}

static void put_text(char *ret, const char *text) {
    (void)snprintf(ret, POLICY_TEXT_MAX, "%s", text);
}

static bool fail(struct policy_decision *d, const char *rule) {
    (void)snprintf(d->rule, sizeof d->rule, "%s", rule);
    return false;
}

static bool value_in(const struct policy_values *list, struct bytes value) {
    for (size_t i = 0; i < list->count; i++) {
        if (bytes_equal(list->values[i], value)) return true;
    }
    return false;
}

// One of the list; without a list: zero (must_be_zero) or anything.
static bool check_field(struct policy_decision *d, const char *rule,
                        const struct policy_values *list, bool must_be_zero, struct bytes value) {
    static const uint8_t zeros[48];
    if (list->count > 0 ? value_in(list, value)
                        : !must_be_zero || bytes_equal(value, bytes_make(zeros, value.n))) {
        return true;
    }
    put_hex(d->found, value);
    if (list->count == 0) {
        put_text(d->expected, "zero");
    } else {
        put_hex(d->expected, list->values[0]);
        if (list->count > 1) {
            size_t n = strlen(d->expected);
            (void)snprintf(d->expected + n, POLICY_TEXT_MAX - n, " or %zu others", list->count - 1);
        }
    }
    return fail(d, rule);
}

static bool check_statuses(struct policy_decision *d, const struct policy *p,
                           const struct verdict *v) {
    bool old = v->status == TCB_OUT_OF_DATE || v->status == TCB_OUT_OF_DATE_CONFIGURATION_NEEDED;
    if (p->statuses & 1u << v->status) return true;
    if (old && p->status_grace_s && v->time <= v->newest_tcb_date + p->status_grace_s) return true;
    size_t n = 0;
    d->expected[0] = 0;
    for (unsigned s = 0; s < TCB_REVOKED; s++) {
        if (!(p->statuses & 1u << s)) continue;
        int more = snprintf(d->expected + n, POLICY_TEXT_MAX - n, "%s%s", n ? ", " : "",
                            tcb_status_name((enum tcb_status)s));
        if (more < 0 || (size_t)more >= POLICY_TEXT_MAX - n) break;
        n += (size_t)more;
    }
    put_text(d->found, tcb_status_name(v->status));
    return fail(d, "tcb_status");
}

static bool check_tcb(struct policy_decision *d, const struct policy *p, const struct verdict *v) {
    if (!check_statuses(d, p, v)) return false;
    for (size_t i = 0; p->limit_advisories && i < v->advisory_count; i++) {
        if (value_in(&p->advisories, v->advisories[i])) continue;
        put_text(d->expected, "an advisory of the policy's list");
        (void)snprintf(d->found, sizeof d->found, "%.*s",
                       (int)(v->advisories[i].n < 60 ? v->advisories[i].n : 60),
                       (const char *)v->advisories[i].p);
        return fail(d, "tcb_advisory");
    }
    if (v->tcb_date < p->minimum_tcb_date) {
        (void)clock_format(d->expected, p->minimum_tcb_date * NS_PER_S, 0);
        (void)clock_format(d->found, v->tcb_date * NS_PER_S, 0);
        return fail(d, "tcb_date");
    }
    if (v->evaluation_number < p->minimum_evaluation_number) {
        (void)snprintf(d->expected, sizeof d->expected, "%u", p->minimum_evaluation_number);
        (void)snprintf(d->found, sizeof d->found, "%u", v->evaluation_number);
        return fail(d, "tcb_evaluation_number");
    }
    return true;
}

static bool check_attributes(struct policy_decision *d, const struct policy *p,
                             const struct td_report *td) {
    uint8_t word[8];
    if (!p->allow_debug && (td->td_attributes & TD_DEBUG_BITS)) {
        put_text(d->expected, "a TD that cannot be debugged");
        put_text(d->found, td->td_attributes & 1 ? "DEBUG" : "reserved debug bits");
        return fail(d, "debug");
    }
    uint64_t mask = p->td_attributes_mask & ~(p->allow_debug ? TD_DEBUG_BITS : 0);
    if ((td->td_attributes & mask) == (p->td_attributes_value & mask)) return true;
    store_le64(word, p->td_attributes_value);
    put_hex(d->expected, bytes_make(word, 8));
    size_t n = strlen(d->expected);
    store_le64(word, p->td_attributes_mask);
    (void)snprintf(d->expected + n, POLICY_TEXT_MAX - n, " under mask ");
    n = strlen(d->expected);
    put_hex(d->expected + n, bytes_make(word, 8));
    store_le64(word, td->td_attributes);
    put_hex(d->found, bytes_make(word, 8));
    return fail(d, "td_attributes");
}

static bool check_td(struct policy_decision *d, const struct policy *p,
                     const struct td_report *td) {
    uint8_t xfam[8];
    store_le64(xfam, td->xfam);
    return check_attributes(d, p, td) &&
           check_field(d, "xfam", &p->xfam, false, bytes_make(xfam, 8)) &&
           check_field(d, "mr_td", &p->mr_td, false, bytes_make(td->mr_td, 48)) &&
           check_field(d, "mr_seam", &p->mr_seam, false, bytes_make(td->mr_seam, 48)) &&
           check_field(d, "mr_service_td", &p->mr_service_td, true,
                       bytes_make(td->mr_service_td, 48)) &&
           check_field(d, "mr_config_id", &p->mr_config_id, false,
                       bytes_make(td->mr_config_id, 48)) &&
           check_field(d, "mr_owner", &p->mr_owner, false, bytes_make(td->mr_owner, 48)) &&
           check_field(d, "mr_owner_config", &p->mr_owner_config, false,
                       bytes_make(td->mr_owner_config, 48));
}

static bool check_enclave(struct policy_decision *d, const struct policy *p,
                          const struct sgx_report *r) {
    if (p->allow_debug || !(r->attributes[0] & 2)) return true;
    put_text(d->expected, "an enclave that cannot be debugged");
    put_text(d->found, "DEBUG");
    return fail(d, "debug");
}

static bool register_matches(const struct policy_register *r, const struct measurement *m) {
    struct policy_values values = {r->values, r->count};
    return m && value_in(&values, bytes_make(m->value, m->n));
}

static void describe_mismatch(struct policy_decision *d, const struct policy_register *r,
                              const struct measurement *m) {
    int n = snprintf(d->expected, sizeof d->expected, "%u: ", r->index);
    struct bytes first = r->values[0];
    if (first.n <= 48) put_hex(d->expected + n, first);
    if (r->count > 1) {
        size_t at = strlen(d->expected);
        (void)snprintf(d->expected + at, sizeof d->expected - at, " or %zu others", r->count - 1);
    }
    n = snprintf(d->found, sizeof d->found, "%u: ", r->index);
    if (m) {
        put_hex(d->found + n, bytes_make(m->value, m->n));
    } else {
        (void)snprintf(d->found + n, sizeof d->found - (size_t)n, "not measured");
    }
}

// How many registers agree; *bad the first that does not, or NULL.
static size_t count_matches(const struct policy_entry *e, const struct measurements *m,
                            const struct policy_register **bad, unsigned *warnings) {
    size_t good = 0;
    *bad = NULL;
    *warnings = 0;
    for (size_t i = 0; i < e->register_count; i++) {
        const struct policy_register *r = &e->registers[i];
        if (register_matches(r, measurements_find(m, r->index))) {
            good++;
        } else if (r->warn_only) {
            ++*warnings;
        } else if (!*bad) {
            *bad = r;
        }
    }
    return good;
}

// The first register that is not as computed, of the platform that comes closest.
static void describe_image(struct policy_decision *d, const struct policy_platform *at,
                           const char *what, const struct measurement *want,
                           const struct measurement *have) {
    int n = snprintf(d->expected, sizeof d->expected, "%u (%s) on %.*s: ", want->index, what,
                     (int)at->name.n, (const char *)at->name.p);
    if ((size_t)n + 2 * want->n < sizeof d->expected) {
        put_hex(d->expected + n, bytes_make(want->value, want->n));
    }
    n = snprintf(d->found, sizeof d->found, "%u: ", want->index);
    if (have) put_hex(d->found + n, bytes_make(have->value, have->n));
}

static bool image_matches(struct policy_decision *d, const struct policy *p,
                          const struct policy_entry *e, const struct measurements *quoted) {
    unsigned farthest = 0;
    if (!e->image) return true;
    if (p->platform_count == 0) {
        put_text(d->expected, "platforms in the policy, for MRTD and RTMR0 beside image hashes");
        put_text(d->found, "none");
        return false;
    }
    for (size_t i = 0; i < p->platform_count; i++) {
        const struct policy_platform *at = &p->platforms[i];
        struct td_report td = {0};
        struct measurements computed;
        char what[80];
        unsigned reg;
        memcpy(td.rtmr, e->image, sizeof td.rtmr);
        memcpy(td.mr_td, at->mrtd, sizeof td.mr_td);
        memcpy(td.rtmr[0], at->rtmr0, sizeof td.rtmr[0]);
        measurements_of_td(&computed, ATTESTATION_GCP_TDX, &td);
        if (image_compare(&reg, what, &computed, quoted)) {
            d->platform = at->name;
            return true;
        }
        if (i > 0 && reg <= farthest) continue;
        farthest = reg;
        describe_image(d, at, what, measurements_find(&computed, reg),
                       measurements_find(quoted, reg));
    }
    return false;
}

static bool check_entries(struct policy_decision *d, const struct policy *p,
                          const struct policy_subject *s) {
    struct policy_decision closest = *d;
    size_t best = 0;
    bool of_type = false;
    if (!p->has_entries) return true;
    if (!s->measurements) {
        put_text(d->expected, "a TD with measurements");
        put_text(d->found, "evidence of no register");
        return fail(d, "measurement");
    }
    for (size_t i = 0; i < p->entry_count; i++) {
        const struct policy_entry *e = &p->entries[i];
        const struct policy_register *bad;
        unsigned warnings;
        if (!attestation_same_kind(e->type, s->measurements->type)) continue;
        size_t good = count_matches(e, s->measurements, &bad, &warnings);
        struct policy_decision attempt = *d;
        attempt.entry = e->id;
        if (!bad && image_matches(&attempt, p, e, s->measurements)) {
            d->entry = e->id;
            d->platform = attempt.platform;
            d->warnings = warnings;
            return true;
        }
        if (!of_type || good > best) {
            closest = attempt;
            best = good;
            if (bad)
                describe_mismatch(&closest, bad, measurements_find(s->measurements, bad->index));
        }
        of_type = true;
    }
    *d = closest;
    if (of_type) return fail(d, "measurement");
    put_text(d->expected, attestation_type_name(p->entries[0].type));
    put_text(d->found, attestation_type_name(s->measurements->type));
    return fail(d, "attestation_type");
}

static bool check_platform(struct policy_decision *d, const struct policy *p,
                           const struct verdict *v) {
    return check_field(d, "root", &p->roots, false, bytes_make(v->root_fingerprint, 32)) &&
           check_field(d, "fmspc", &p->fmspc, false, bytes_make(v->pck.fmspc, 6));
}

void policy_decide(struct policy_decision *ret, const struct policy *p,
                   const struct policy_subject *subject) {
    const struct verdict *v = subject->verdict;
    memset(ret, 0, sizeof *ret);
    if (!v->valid) {
        char reason[256];
        verdict_reason(v, reason);
        put_text(ret->expected, "a valid verdict");
        put_text(ret->found, reason);
        (void)fail(ret, "valid");
        return;
    }
    bool enclave = v->quote.body_type == QUOTE_BODY_SGX;
    ret->accepted =
        check_platform(ret, p, v) &&
        (enclave ? check_enclave(ret, p, &v->quote.enclave) : check_td(ret, p, &v->quote.td)) &&
        check_tcb(ret, p, v) && check_entries(ret, p, subject);
}
