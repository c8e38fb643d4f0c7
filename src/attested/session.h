/* What the files of attested TLS share. SPDX-License-Identifier: MIT */
#ifndef ATTESTED_SESSION_H
#define ATTESTED_SESSION_H

#include "attest/atls.h"
#include "attest/evidence.h"
#include "attested/attested.h"
#include "base/list.h"

#define PEER_NONCE_BYTES_MAX 192 /* base64 of them fits a server name */

struct attested {
    struct attested_options options;
    struct loop *loop;
    EVP_PKEY *key;                 /* certificate form, server: one a process */
    struct es256_key *signing_key; /* the same */
    struct list sessions;          /* judged longest ago first */
    unsigned count;
    uint64_t generation; /* of the judge */
    struct loop_timer timer;
    struct metric *sessions_metric;
    struct metric *verdicts[JUDGE_OUTCOME_COUNT];
    struct metric *judge_seconds;
};

enum own_state { OWN_NONE, OWN_ASKED, OWN_READY, OWN_FAILED };

struct session {
    struct list_node link;
    struct attested *a;
    SSL *tls;
    bool gone; /* the connection is; the struct waits for its request */
    /* own evidence */
    enum own_state own;
    struct issuer_request request;
    EVP_PKEY *key; /* certificate form, client: one a session */
    struct es256_key *signing_key;
    uint8_t peer_nonce[PEER_NONCE_BYTES_MAX];
    size_t peer_nonce_n;
    uint8_t nonce[ATLS_NONCE_BYTES]; /* that the peer must attest over */
    /* exporter form */
    struct conn *conn; /* while the exchange runs */
    struct buf in;
    bool sent, heard;
    uint8_t exporter[32];
    /* the peer */
    struct attested_peer peer;
    struct judge_question question; /* its evidence lies in `kept` */
    struct buf kept, header;
    char root[64];
    uint64_t began_ns, judged_ns, generation;
    bool told_old;
};

/* session_judge asks over the peer's evidence, keeps it and fills `peer`, counts and logs.
 * errors  the judge's. */
[[gnu::warn_unused_result]] int session_judge(struct session *s, const struct judge_question *q,
                                              struct error *why);

/* session_peer is what the peer proved; under a judge that came since, it is judged again first. */
const struct attested_peer *session_peer(struct session *s);

/* session_refuse counts and logs a refusal that no judge was needed for. Returns code. */
int session_refuse(struct session *s, enum judge_outcome outcome, enum err code, const char *text,
                   struct error *why);

/* The hooks of the certificate form. */
extern const struct tls_hooks certificate_form_hooks;
/* certificate_form_key makes a key in both forms. */
[[gnu::warn_unused_result]] int certificate_form_key(EVP_PKEY **ret, struct es256_key **ret_signing,
                                                     struct error *why);
/* certificate_form_issued: the request of a session came back. */
void certificate_form_issued(struct session *s);

/* The exporter form. */
extern const char *const exporter_form_alpn[];
#define EXPORTER_FORM_ALPN_HTTP1_BYTES 45u
extern const uint8_t exporter_form_alpn_http1[EXPORTER_FORM_ALPN_HTTP1_BYTES]; /* wire form */
void exporter_form_begin(struct session *s, struct conn *c);
void exporter_form_issued(struct session *s);

/* session_ask asks the issuer for evidence over s->request.report_data. errors  ERR_BUSY. */
[[gnu::warn_unused_result]] int session_ask(struct session *s, struct error *why);

#endif
