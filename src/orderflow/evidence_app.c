/* Evidence between nodes, in the program: what this node proves with, and what its peers must.
 * SPDX-License-Identifier: MIT */
#include "orderflow/app.h"

/* Choices of --peer-attestation. */
enum { CHOICE_AUTO, CHOICE_REQUIRED, CHOICE_MIXED, CHOICE_PINNED };

static bool given(const char *text) {
    return text && *text;
}

enum share_evidence app_evidence(const struct orderflow_values *v) {
    switch (v->peer_attestation) {
    case CHOICE_REQUIRED:
        return SHARE_REQUIRED;
    case CHOICE_MIXED:
        return SHARE_MIXED;
    case CHOICE_PINNED:
        return SHARE_PINNED;
    default:
        return given(v->measurements_file) ? SHARE_REQUIRED : SHARE_PINNED;
    }
}

/* Settings that contradict themselves, above all those that would ask for evidence and judge
 * nothing. */
static int check(const struct orderflow_values *v, enum share_evidence e,
                 enum attestation_type *ret, struct error *why) {
    const char *name = given(v->attestation_type) ? v->attestation_type : "none";
    if (!attestation_type_parse(ret, bytes_from_str(name))) {
        return error_set(why, ERR_SYNTAX, "attestation-type: \"%.40s\" is none", name);
    }
    if (e == SHARE_PINNED) return 0;
    if (!given(v->measurements_file)) {
        return error_set(why, ERR_INVALID,
                         "peer-attestation %s: measurements-file says what peers may run; "
                         "\"pinned\" does without",
                         share_evidence_name(e));
    }
    if (*ret == ATTESTATION_NONE) {
        return error_set(why, ERR_INVALID,
                         "peer-attestation %s: peers want this node's evidence too; give "
                         "attestation-type and quote-source",
                         share_evidence_name(e));
    }
    if (given(v->system_addr) && !v->system_tls) {
        return error_set(why, ERR_CONFLICT, "peer-attestation %s needs system-tls",
                         share_evidence_name(e));
    }
    if (v->allow_plain_peers) {
        return error_set(why, ERR_CONFLICT, "peer-attestation %s and allow-plain-peers",
                         share_evidence_name(e));
    }
    bool other = v->peer_transport == SHARE_HTTP || v->peer_transport == SHARE_FRAMES;
    if (e == SHARE_REQUIRED && other) {
        return error_set(why, ERR_CONFLICT, "peer-attestation required, but %s carries no evidence",
                         share_transport_name((enum share_transport)v->peer_transport));
    }
    return 0;
}

static void tell(struct app *a, enum share_evidence e) {
    const struct orderflow_values *v = a->values;
    if (e != SHARE_PINNED) {
        log_info(a->log, "peers_are_attested", F_STR("mode", share_evidence_name(e)),
                 F_STR("policy", v->measurements_file));
    } else if (app_hub_url(v)) {
        log_warn(a->log, "peers_are_not_attested",
                 F_STR("text", "the hub's word for a certificate is all that is known of a peer"));
    }
}

int app_evidence_open(struct app *a, struct error *why) {
    const struct orderflow_values *v = a->values;
    enum share_evidence e = app_evidence(v);
    enum attestation_type own;
    int r = check(v, e, &own, why);
    if (r != 0) return r;
    tell(a, e);
    if (e == SHARE_PINNED) return 0;
    struct attested_options o = {.form = ATTESTED_SESSION,
                                 .again_ns = v->attested.judge_again_ns,
                                 .renew_ns = v->attested.renew_ns,
                                 .log = a->log,
                                 .metrics = a->metrics,
                                 .clock = &clock_system};
    r = attested_setup_open(&a->setup, a->loop, a->log, a->metrics, &v->attested, own, true, why);
    o.issuer = a->setup.issuer;
    if (r == 0) {
        r = attested_setup_judge(&o.judge, &a->setup, &v->attested, v->measurements_file, why);
    }
    if (r == 0) {
        r = attested_new(&a->attested, a->loop, &o, why);
        if (r != 0) judge_free(o.judge);
    }
    return r == 0 ? 0 : error_wrap(why, "evidence between nodes");
}

int app_evidence_reload(struct judge **ret, struct app *a, const struct orderflow_values *fresh,
                        struct error *why) {
    enum share_evidence now = app_evidence(a->values), wanted = app_evidence(fresh);
    *ret = NULL;
    // A measurements-file that comes or goes changes it where peer-attestation, which stays as it
    // was at the start, is auto: nobody shall believe that this is in force.
    if (now != wanted) {
        return error_set(why, ERR_INVALID,
                         "what peers must prove is %s, and needs a restart to be %s",
                         share_evidence_name(now), share_evidence_name(wanted));
    }
    if (!a->attested) return 0;
    return attested_setup_judge(ret, &a->setup, &fresh->attested, fresh->measurements_file, why);
}

void app_evidence_close(struct app *a) {
    attested_setup_close(&a->setup); // quotes that are waited for find their sessions gone
    attested_free(a->attested);
    a->attested = NULL;
}
