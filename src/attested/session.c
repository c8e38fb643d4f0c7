/* Sessions: their life, what their peers proved, and judging them again.
 * SPDX-License-Identifier: MIT */
#include "attested/session.h"

#include "base/random.h"

#include <stdlib.h>
#include <sys/socket.h>

#define AGAIN_NS_DEFAULT (60 * NS_PER_S)
#define TICK_NS NS_PER_S
#define TICK_JUDGEMENTS 64 /* most in one turn: 20 ms of work at worst */
#define CERTIFICATE_CHAIN_BYTES (320u << 10)

#define ATTESTED_METRICS(X)                                                                        \
    X(SESSIONS, METRIC_GAUGE, "attested_sessions", "Attested TLS sessions now.", NULL)             \
    X(VERDICTS, METRIC_COUNTER, "attested_verdicts_total", "Judgements of peers by outcome.",      \
      "verdict")                                                                                   \
    X(SECONDS, METRIC_SUMMARY, "attested_judge_seconds", "Time to judge one peer's evidence.", NULL)
METRICS_DECLARE(attested_metric, ATTESTED_METRICS)

/* ---- judging ---- */

static void log_refusal(struct session *s, enum judge_outcome outcome, const struct error *why) {
    char address[SOCKET_TEXT_MAX] = "";
    struct conn *c = s->tls ? conn_of_session(s->tls) : NULL;
    if (c) (void)socket_address_text(address, &c->peer);
    log_warn(s->a->options.log, "attestation_refused", F_STR("peer", address),
             F_STR("verdict", judge_outcome_name(outcome)),
             F_STR("type", attestation_type_name(s->question.type)), F_ERR(why));
}

int session_refuse(struct session *s, enum judge_outcome outcome, enum err code, const char *text,
                   struct error *why) {
    metric_inc(s->a->verdicts[outcome]);
    error_set(why, code, "%s: %s", judge_outcome_name(outcome), text);
    log_refusal(s, outcome, why);
    return code;
}

static void accept_peer(struct session *s, const struct judge_answer *answer) {
    char address[SOCKET_TEXT_MAX] = "";
    struct conn *c = s->tls ? conn_of_session(s->tls) : NULL;
    if (c) (void)socket_address_text(address, &c->peer);
    buf_clear(&s->header);
    measurements_write_header(&s->header, &answer->measurements);
    memcpy(s->root, answer->root, sizeof s->root);
    s->peer = (struct attested_peer){.attested = true,
                                     .type = answer->measurements.type,
                                     .measurements = buf_view(&s->header),
                                     .root = answer->root_is_intel ? NULL : s->root};
    log_info(s->a->options.log, "attestation_accepted", F_STR("peer", address),
             F_STR("type", attestation_type_name(s->peer.type)),
             F_STR("tcb_status", answer->status), F_STR("policy_entry", answer->entry),
             F_STR("platform", answer->platform), F_STR("root", answer->root),
             F_BOOL("root_is_intel", answer->root_is_intel), F_U64("warnings", answer->warnings));
}

// Judges what is kept; true when it is accepted.
static int ask(struct session *s, struct judge_answer *answer) {
    struct attested *a = s->a;
    uint64_t start = clock_monotonic_ns(a->options.clock);
    judge_ask(answer, a->options.judge, &s->question);
    metric_observe_ns(a->judge_seconds, clock_monotonic_ns(a->options.clock) - start);
    metric_inc(a->verdicts[answer->outcome]);
    s->judged_ns = loop_now_ns(a->loop);
    s->generation = a->generation;
    list_remove(&s->link);
    list_push_back(&a->sessions, &s->link);
    return answer->outcome == JUDGE_ACCEPTED ? 0 : (int)answer->why.code;
}

int session_judge(struct session *s, const struct judge_question *q, struct error *why) {
    struct judge_answer answer;
    s->question = *q;
    buf_clear(&s->kept);
    buf_append(&s->kept, q->evidence);
    int r = buf_check(&s->kept, why);
    if (r < 0) return r;
    s->question.evidence = buf_view(&s->kept);
    r = ask(s, &answer);
    if (r == 0) accept_peer(s, &answer);
    if (r == 0) r = buf_check(&s->header, &answer.why);
    if (r == 0) return 0;
    s->peer = (struct attested_peer){0};
    error_wrap(&answer.why, "%s", judge_outcome_name(answer.outcome));
    log_refusal(s, answer.outcome, &answer.why);
    if (why) *why = answer.why;
    return r;
}

// The connection ends through all its layers: whoever owns it hears that it is closed.
static void cut(struct session *s) {
    struct conn *c = s->tls ? conn_of_session(s->tls) : NULL;
    s->peer.attested = false;
    s->peer.ended = true;
    if (c) (void)shutdown(c->watch.fd, SHUT_RDWR);
}

static void judge_again(struct session *s) {
    struct judge_answer answer;
    if (ask(s, &answer) == 0) {
        if (!answer.root_is_intel) memcpy(s->root, answer.root, sizeof s->root);
        return;
    }
    error_wrap(&answer.why, "%s, judged again", judge_outcome_name(answer.outcome));
    log_refusal(s, answer.outcome, &answer.why);
    cut(s);
}

const struct attested_peer *session_peer(struct session *s) {
    if (s->peer.attested && s->generation != s->a->generation && s->a->options.judge) {
        judge_again(s);
    }
    return &s->peer;
}

static bool is_due(const struct session *s, uint64_t now) {
    return s->generation != s->a->generation || now - s->judged_ns >= s->a->options.again_ns;
}

// The next session that is old and was not told so; the callback may free any session.
static struct session *find_old(struct attested *a, uint64_t now) {
    for (struct list_node *n = a->sessions.head.next; n != &a->sessions.head; n = n->next) {
        struct session *s = LIST_ENTRY(n, struct session, link);
        bool free_to_go = s->tls && !s->told_old && !s->conn;
        if (free_to_go && now - s->began_ns >= a->options.renew_ns) return s;
    }
    return NULL;
}

static void tell_old(struct attested *a, uint64_t now) {
    struct session *s;
    if (!a->options.renew_ns || !a->options.old) return;
    for (unsigned n = 0; n < TICK_JUDGEMENTS && (s = find_old(a, now)) != NULL; n++) {
        s->told_old = true;
        a->options.old(a->options.context, conn_of_session(s->tls));
    }
}

static void tick(struct loop_timer *t) {
    struct attested *a = LIST_ENTRY(t, struct attested, timer);
    uint64_t now = loop_now_ns(a->loop);
    bool more = false;
    for (unsigned n = 0; a->options.judge && !list_is_empty(&a->sessions); n++) {
        struct session *s = LIST_ENTRY(list_first(&a->sessions), struct session, link);
        if (!is_due(s, now)) break;
        if ((more = n == TICK_JUDGEMENTS)) break;
        if (s->peer.attested) {
            judge_again(s);
        } else { // still in its handshake, or cut already
            s->judged_ns = now;
            s->generation = a->generation;
            list_remove(&s->link);
            list_push_back(&a->sessions, &s->link);
        }
    }
    tell_old(a, now);
    if (loop_timer_set(a->loop, t, now + (more ? NS_PER_MS : TICK_NS), NULL) < 0) {
        log_error(a->options.log, "judging_again_stopped");
    }
}

void attested_set_judge(struct attested *a, struct judge *j) {
    judge_free(a->options.judge);
    a->options.judge = j;
    a->generation++;
    if (loop_timer_set(a->loop, &a->timer, loop_now_ns(a->loop), NULL) < 0) {
        log_error(a->options.log, "judging_again_stopped");
    }
}

/* ---- own evidence ---- */

static void issued(struct issuer_request *r) {
    struct session *s = LIST_ENTRY(r, struct session, request);
    if (s->gone) {
        s->own = OWN_NONE;
        attested_session_done(s->a, s);
        return;
    }
    s->own = r->code == 0 ? OWN_READY : OWN_FAILED;
    if (r->code != 0) log_error(s->a->options.log, "own_evidence_failed", F_ERR(&r->why));
    if (s->a->options.form == ATTESTED_CERTIFICATE)
        certificate_form_issued(s);
    else
        exporter_form_issued(s);
}

int session_ask(struct session *s, struct error *why) {
    s->request.done = issued;
    int r = issuer_ask(s->a->options.issuer, &s->request, why);
    s->own = r == 0 ? OWN_ASKED : OWN_FAILED;
    return r;
}

/* ---- life ---- */

void *attested_session_user(void *context) {
    struct attested *a = context;
    struct session *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->a = a;
    s->began_ns = s->judged_ns = loop_now_ns(a->loop);
    s->generation = a->generation;
    buf_init(&s->in, EVIDENCE_FRAME_BYTES_MAX + 4);
    buf_init(&s->kept, ATLS_CERTIFICATE_BYTES_MAX);
    buf_init(&s->header, 16u << 10);
    random_bytes(s->nonce, sizeof s->nonce);
    list_push_back(&a->sessions, &s->link);
    metric_set(a->sessions_metric, ++a->count);
    return s;
}

void attested_session_done(void *context, void *user) {
    struct attested *a = context;
    struct session *s = user;
    if (!s) return;
    if (!s->gone) {
        list_remove(&s->link);
        metric_set(a->sessions_metric, --a->count);
    }
    s->gone = true;
    s->tls = NULL;
    s->conn = NULL;
    if (s->own == OWN_ASKED) return; // its request comes back first
    EVP_PKEY_free(s->key);
    es256_key_free(s->signing_key);
    buf_free(&s->request.evidence);
    buf_free(&s->in);
    buf_free(&s->kept);
    buf_free(&s->header);
    free(s);
}

void attested_session_setup(void *context, SSL *session) {
    struct attested *a = context;
    struct session *s = tls_session_user(session);
    char text[ATLS_NONCE_TEXT_BYTES + 1];
    if (!s) return; // the hooks refuse a session without one
    s->tls = session;
    if (a->options.form != ATTESTED_CERTIFICATE || a->options.by_name) return;
    atls_nonce_write(text, s->nonce);
    if (tls_session_set_sni(session, text, NULL) < 0) s->peer.ended = true;
}

void attested_session_setup_http1(void *context, SSL *session) {
    const struct attested *a = context;
    attested_session_setup(context, session);
    if (a->options.form != ATTESTED_EXPORTER) return;
    // Refused only for want of memory; then HTTP/2 may be agreed on, and the upgrade fails.
    (void)SSL_set_alpn_protos(session, exporter_form_alpn_http1, EXPORTER_FORM_ALPN_HTTP1_BYTES);
}

void *attested_context(const struct attested *a) {
    return a->options.context;
}

bool attested_needs_admit(const struct attested *a) {
    return a->options.form != ATTESTED_CERTIFICATE;
}

void attested_set_owner(struct attested *a,
                        void (*settled)(void *context, struct conn *c, const struct error *why),
                        void (*old)(void *context, struct conn *c), void *context) {
    a->options.settled = settled;
    a->options.old = old;
    a->options.context = context;
}

void attested_admit(struct attested *a, struct conn *c) {
    struct session *s = tls_session_user(c->tls);
    struct error why = {0};
    if (s) {
        s->tls = c->tls;
        exporter_form_begin(s, c);
        return;
    }
    error_set(&why, ERR_NO_MEMORY, "no memory for a session");
    a->options.settled(a->options.context, c, &why);
}

const struct attested_peer *attested_peer(const SSL *session) {
    struct session *s = session ? tls_session_user(session) : NULL;
    return s ? session_peer(s) : NULL;
}

unsigned attested_sessions(const struct attested *a) {
    return a->count;
}

void attested_fill(struct attested *a, struct tls_options *o) {
    o->min_version = TLS1_3_VERSION;
    o->clock = a->options.clock;
    if (a->options.form == ATTESTED_SESSION) return;
    if (a->options.form == ATTESTED_EXPORTER) {
        static const struct tls_hooks none; // no tickets: each session is attested anew
        o->alpn = exporter_form_alpn;
        o->hooks = &none;
        return;
    }
    o->hooks = &certificate_form_hooks;
    o->peer_chain_bytes_max = CERTIFICATE_CHAIN_BYTES;
    if (a->options.judge) o->trust = TLS_TRUST_HOOK;
}

int attested_new(struct attested **ret, struct loop *l, const struct attested_options *options,
                 struct error *why) {
    struct attested *a = calloc(1, sizeof *a);
    if (!a) return error_set(why, ERR_NO_MEMORY, "no memory for attested TLS");
    a->options = *options;
    if (!a->options.again_ns) a->options.again_ns = AGAIN_NS_DEFAULT;
    a->loop = l;
    list_init(&a->sessions);
    a->timer.fire = tick;
    a->sessions_metric = metrics_get(options->metrics, &attested_metric_table[SESSIONS], NULL);
    a->judge_seconds = metrics_get(options->metrics, &attested_metric_table[SECONDS], NULL);
    for (int i = 0; i < JUDGE_OUTCOME_COUNT; i++) {
        const char *name = judge_outcome_name((enum judge_outcome)i);
        a->verdicts[i] = metrics_get(options->metrics, &attested_metric_table[VERDICTS], &name);
    }
    bool keyed = options->form == ATTESTED_CERTIFICATE; // of servers; a client's is of a session
    int r = keyed ? certificate_form_key(&a->key, &a->signing_key, why) : 0;
    if (r == 0) r = loop_timer_set(l, &a->timer, loop_now_ns(l) + TICK_NS, why);
    if (r < 0) {
        a->options.judge = NULL; // still the caller's
        attested_free(a);
        return r;
    }
    *ret = a;
    return 0;
}

void attested_free(struct attested *a) {
    if (!a) return;
    loop_timer_clear(a->loop, &a->timer);
    EVP_PKEY_free(a->key);
    es256_key_free(a->signing_key);
    judge_free(a->options.judge);
    free(a);
}
