/* SPDX-License-Identifier: MIT */
#include "attested/judge.h"

#include "attest/atls.h"
#include "attest/azure.h"
#include "attest/files.h"
#include "attest/policy.h"
#include "attest/report.h"

#include <stdio.h>
#include <stdlib.h>

#define QUESTION_BYTES_MAX (4u << 20) /* memory of one judgement */
#define AK_ROOTS_BYTES_MAX (1u << 20)

struct judge {
    const struct clock *clock;
    struct arena arena; /* policy and roots */
    struct arena once;  /* one judgement */
    struct trust_root root;
    struct verifier *verifier;
    struct policy policy;
    struct collateral **fixed;
    size_t fixed_count;
    struct collateral_store *store;
    bool require_ak_certificate;
    const char *ak_roots;
    uint64_t expiry_s;
};

const char *judge_outcome_name(enum judge_outcome outcome) {
    static const char *const names[] = {
#define JUDGE_NAME(name, text) [JUDGE_##name] = (text),
        JUDGE_OUTCOMES(JUDGE_NAME)
#undef JUDGE_NAME
    };
    return names[outcome];
}

/* ---- life ---- */

static int read_root(struct judge *j, const char *path, struct error *why) {
    struct bytes pem;
    if (!path) return trust_root_intel(&j->root, why);
    int r = files_read(&pem, path, CRL_BYTES_MAX, &j->arena, why);
    if (r == 0) r = trust_root_parse(&j->root, pem, why);
    return r < 0 ? error_wrap(why, "trust root %s", path) : 0;
}

static int read_policy(struct judge *j, const char *path, struct error *why) {
    struct bytes text;
    j->policy = policy_default;
    if (!path) return 0;
    int r = files_read(&text, path, POLICY_BYTES_MAX, &j->arena, why);
    if (r == 0) r = policy_parse(&j->policy, text, &j->arena, why);
    return r < 0 ? error_wrap(why, "policy %s", path) : 0;
}

static int read_collateral(struct judge *j, const struct config_list *paths, struct error *why) {
    struct collateral_window window;
    j->expiry_s = UINT64_MAX;
    j->fixed = calloc(paths->count + 1, sizeof *j->fixed);
    if (!j->fixed) return error_set(why, ERR_NO_MEMORY, "no memory for collateral");
    for (size_t i = 0; i < paths->count; i++) {
        int r = collateral_load(&j->fixed[i], paths->items[i], why);
        if (r < 0) return error_wrap(why, "collateral %s", paths->items[i]);
        j->fixed_count++;
        r = collateral_window_of(&window, j->fixed[i], why);
        if (r < 0) return error_wrap(why, "collateral %s", paths->items[i]);
        if (window.earliest_expiry < j->expiry_s) j->expiry_s = window.earliest_expiry;
    }
    return 0;
}

static int read_ak_roots(struct judge *j, const char *path, struct error *why) {
    struct bytes pem;
    if (!path) return 0;
    int r = files_read(&pem, path, AK_ROOTS_BYTES_MAX, &j->arena, why);
    if (r < 0) return error_wrap(why, "attestation key roots"), r;
    j->ak_roots = arena_str(&j->arena, pem);
    return j->ak_roots ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for roots");
}

int judge_new(struct judge **ret, const struct judge_options *o, struct error *why) {
    struct judge *j = calloc(1, sizeof *j);
    if (!j) return error_set(why, ERR_NO_MEMORY, "no memory for a judge");
    j->clock = o->clock;
    j->store = o->store;
    j->require_ak_certificate = o->require_ak_certificate;
    arena_init(&j->arena, 0);
    arena_init(&j->once, QUESTION_BYTES_MAX);
    int r = read_root(j, o->root, why);
    if (r == 0) r = verifier_new(&j->verifier, &j->root, why);
    if (r == 0) r = read_policy(j, o->policy, why);
    if (r == 0) r = read_ak_roots(j, o->ak_roots, why);
    if (r == 0) r = read_collateral(j, &o->collateral, why);
    if (r < 0) {
        judge_free(j);
        return r;
    }
    *ret = j;
    return 0;
}

void judge_free(struct judge *j) {
    if (!j) return;
    verifier_free(j->verifier);
    for (size_t i = 0; i < j->fixed_count; i++)
        collateral_free(j->fixed[i]);
    free(j->fixed);
    if (j->root.key) trust_root_free(&j->root);
    arena_free(&j->arena);
    arena_free(&j->once);
    free(j);
}

bool judge_root_is_intel(const struct judge *j) {
    return j->root.is_intel;
}

uint64_t judge_expiry_s(const struct judge *j) {
    return j->expiry_s;
}

/* ---- one judgement ---- */

struct hearing {
    struct judge *j;
    const struct judge_question *q;
    struct judge_answer *ret;
    uint64_t now_s;
    struct collateral_item *item; /* given back at the end */
};

static bool refuse(struct hearing *h, enum judge_outcome outcome) {
    h->ret->outcome = outcome;
    return false;
}

// The collateral of the platform that a quote names; the folders come first.
static bool find_collateral(struct hearing *h, const struct collateral **ret, struct bytes quote) {
    struct collateral_key key = {.tee = QUOTE_TEE_TDX};
    struct error *why = &h->ret->why;
    if (verifier_platform(key.fmspc, &key.platform_ca, &key.tee, quote, why) < 0) {
        return refuse(h, JUDGE_MALFORMED);
    }
    for (size_t i = 0; i < h->j->fixed_count; i++) {
        struct collateral *c = h->j->fixed[i];
        if (memcmp(c->tcb_info.fmspc, key.fmspc, sizeof key.fmspc) != 0) continue;
        *ret = c;
        return true;
    }
    int r = h->j->store ? collateral_store_get(&h->item, h->j->store, &key, why)
                        : error_set(why, ERR_NOT_FOUND, "no collateral for this platform");
    if (r < 0) return refuse(h, r == ERR_STALE ? JUDGE_EXPIRED : JUDGE_NO_COLLATERAL);
    *ret = collateral_item_view(h->item);
    return true;
}

static bool is_expired(enum qvl_code code) {
    return code == QVL_SGX_TCB_INFO_EXPIRED || code == QVL_SGX_PCK_CERT_CHAIN_EXPIRED ||
           code == QVL_SGX_CRL_EXPIRED || code == QVL_SGX_SIGNING_CERT_CHAIN_EXPIRED ||
           code == QVL_SGX_ENCLAVE_IDENTITY_EXPIRED;
}

static bool is_revoked(enum qvl_code code) {
    return code == QVL_SGX_INTERMEDIATE_CA_REVOKED || code == QVL_SGX_PCK_REVOKED ||
           code == QVL_SGX_TCB_SIGNING_CERT_REVOKED || code == QVL_PCK_REVOKED ||
           code == QVL_TCB_REVOKED || code == QVL_SGX_ENCLAVE_REPORT_ISVSVN_REVOKED;
}

// Which kind of "not valid" a verdict is. Revocation outweighs age.
static enum judge_outcome outcome_of(const struct verdict *v) {
    const enum qvl_code codes[] = {v->pck_chain, v->tcb_info, v->qe_identity, v->quote_code};
    enum judge_outcome outcome = JUDGE_NOT_VALID;
    if (v->valid) return JUDGE_ACCEPTED;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (is_revoked(codes[i])) return JUDGE_REVOKED;
        if (is_expired(codes[i])) outcome = JUDGE_EXPIRED;
    }
    return outcome;
}

static bool judge_verdict(struct hearing *h, const struct verdict *v) {
    struct judge_answer *a = h->ret;
    char reason[256];
    (void)snprintf(a->root, sizeof a->root, "%s", v->root_name);
    a->root_is_intel = v->root_is_intel;
    a->expires_s = v->window.earliest_expiry;
    if (v->evaluated) {
        (void)snprintf(a->status, sizeof a->status, "%s", tcb_status_name(v->status));
    }
    enum judge_outcome outcome = outcome_of(v);
    if (outcome == JUDGE_ACCEPTED) return true;
    verdict_reason(v, reason);
    error_set(&a->why, outcome == JUDGE_EXPIRED ? ERR_STALE : ERR_INVALID, "%s", reason);
    return refuse(h, outcome);
}

static bool judge_policy(struct hearing *h, const struct verdict *v) {
    struct judge_answer *a = h->ret;
    struct policy_decision decision;
    struct policy_subject subject = {.verdict = v, .measurements = &a->measurements};
    policy_decide(&decision, &h->j->policy, &subject);
    (void)snprintf(a->entry, sizeof a->entry, "%.*s", (int)decision.entry.n,
                   (const char *)decision.entry.p);
    (void)snprintf(a->platform, sizeof a->platform, "%.*s", (int)decision.platform.n,
                   (const char *)decision.platform.p);
    a->warnings = decision.warnings;
    if (decision.accepted) return true;
    error_set(&a->why, ERR_UNTRUSTED, "%s: expected %.80s, found %.80s", decision.rule,
              decision.expected, decision.found);
    return refuse(h, JUDGE_REFUSED);
}

static bool not_bound(struct hearing *h, const char *what) {
    error_set(&h->ret->why, ERR_AUTH, "%s: the evidence was made for another session", what);
    return refuse(h, JUDGE_NOT_BOUND);
}

static bool judge_quote(struct hearing *h, struct bytes raw) {
    struct judge_answer *a = h->ret;
    const struct collateral *collateral;
    struct quote quote;
    struct verdict verdict;
    if (quote_parse(&quote, raw, &a->why) < 0) return refuse(h, JUDGE_MALFORMED);
    if (quote.tee != QUOTE_TEE_TDX) {
        error_set(&a->why, ERR_UNSUPPORTED, "a quote of an enclave, not of a TD");
        return refuse(h, JUDGE_MALFORMED);
    }
    // The cheap question comes first: evidence of another session costs no signature.
    if (memcmp(quote_report_data(&quote), h->q->report_data, 64) != 0) {
        return not_bound(h, "report data");
    }
    if (!find_collateral(h, &collateral, raw)) return false;
    if (verifier_check(&verdict, h->j->verifier, raw, collateral, h->now_s, &a->why) < 0) {
        return refuse(h, JUDGE_FAILED);
    }
    if (!judge_verdict(h, &verdict)) return false;
    measurements_of_td(&a->measurements, h->q->type, &verdict.quote.td);
    return judge_policy(h, &verdict);
}

static bool judge_dcap(struct hearing *h) {
    struct atls_dcap document;
    if (!h->q->certificate_form) return judge_quote(h, h->q->evidence);
    if (atls_dcap_read(&document, h->q->evidence, &h->j->once, &h->ret->why) < 0) {
        return refuse(h, JUDGE_MALFORMED);
    }
    if (!bytes_equal(document.user_data, bytes_make(h->q->key_digest, 32))) {
        return not_bound(h, "user data");
    }
    return judge_quote(h, document.quote);
}

static bool judge_azure(struct hearing *h) {
    struct azure_evidence e;
    struct azure_result result;
    struct judge_answer *a = h->ret;
    struct arena *once = &h->j->once;
    const struct collateral *collateral;
    struct azure_expectation x = {.exporter_form = !h->q->certificate_form,
                                  .nonce = h->q->nonce,
                                  .require_ak_certificate = h->j->require_ak_certificate,
                                  .ak_roots = h->j->ak_roots};
    memcpy(x.input, h->q->report_data, 64);
    int r = h->q->certificate_form ? azure_document_parse(&e, h->q->evidence, once, &a->why)
                                   : azure_evidence_parse(&e, h->q->evidence, once, &a->why);
    if (r < 0) return refuse(h, JUDGE_MALFORMED);
    if (h->q->certificate_form && !bytes_equal(e.user_data, bytes_make(h->q->key_digest, 32))) {
        return not_bound(h, "user data");
    }
    if (!find_collateral(h, &collateral, e.quote)) return false;
    if (azure_verify(&result, h->j->verifier, &e, collateral, &x, h->now_s, once, &a->why) < 0) {
        return refuse(h, JUDGE_FAILED);
    }
    if (!judge_verdict(h, &result.verdict)) return false;
    if (!result.valid) {
        a->why = result.why;
        return refuse(h, result.why.code == ERR_AUTH    ? JUDGE_NOT_BOUND
                         : result.why.code == ERR_STALE ? JUDGE_EXPIRED
                                                        : JUDGE_NOT_VALID);
    }
    a->measurements = result.measurements;
    return judge_policy(h, &result.verdict);
}

void judge_ask(struct judge_answer *ret, struct judge *j, const struct judge_question *q) {
    struct hearing h = {j, q, ret, clock_wall_ns(j->clock) / NS_PER_S, NULL};
    memset(ret, 0, sizeof *ret);
    bool good = false;
    if (q->type == ATTESTATION_NONE) {
        error_set(&ret->why, ERR_AUTH, "the peer offers no evidence");
        ret->outcome = JUDGE_NO_EVIDENCE;
    } else if (q->type == ATTESTATION_AZURE_TDX) {
        good = judge_azure(&h);
    } else {
        good = judge_dcap(&h);
    }
    if (good) {
        ret->outcome = JUDGE_ACCEPTED;
        ret->why = (struct error){0};
    } else {
        memset(&ret->measurements, 0, sizeof ret->measurements); // what is refused says nothing
    }
    if (h.item) collateral_item_free(h.item);
    arena_reset(&j->once);
}
