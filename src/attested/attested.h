/* Attested TLS: sessions, dialed or accepted, whose peer, whose self, or both are attested. One
 * struct attested serves both roles.
 *
 * Three forms, told by configuration (attest/atls.h, attest/evidence.h have the bytes):
 *   certificate  evidence in certificate extensions over the peer's nonce; the handshake itself
 *                fails when it is refused
 *   exporter     evidence messages after the handshake and before HTTP, bound to the session's
 *                exporter and the sender's key; the connection is closed when it is refused
 *   session      ours: the same messages, bound to role, both keys and exporter; which protocol
 *                follows, and its name, is the caller's
 * The hooks plug into net/server.h and net/client.h. What a session's peer proved is asked for by
 * attested_peer; it is judged again on a timer and under each new policy, and a session that is no
 * longer good ends at once, while good ones go on.
 *
 * Thread: the loop's.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTESTED_ATTESTED_H
#define ATTESTED_ATTESTED_H

#include "attested/issuer.h"
#include "attested/judge.h"
#include "base/log.h"
#include "net/conn.h"

enum attested_form { ATTESTED_EXPORTER, ATTESTED_CERTIFICATE, ATTESTED_SESSION };

struct attested;

struct attested_options {
    enum attested_form form;
    struct issuer *issuer; /* NULL: no own evidence */
    struct judge *judge;   /* NULL: the peer is not judged. Owned from now on. */
    bool by_name;          /* certificate form: the server shows an ordinary certificate, and the
                              server name is the host's, no nonce. Client: it is checked as usual
                              (tls_options.trust); server: it is of tls_options.identity */
    uint64_t again_ns;     /* every session is judged again after; 0: 60 s */
    struct log *log;
    struct metrics *metrics;
    const struct clock *clock;
    /* Exporter and session form: the exchange is over. why NULL: adopt the connection, whose
     * reading is paused; else drop it. */
    void (*settled)(void *context, struct conn *c, const struct error *why);
    /* A session is as old as `renew_ns` (0: never): its peer should come anew. */
    void (*old)(void *context, struct conn *c);
    uint64_t renew_ns;
    void *context; /* of both */
};

/* attested_new: errors ERR_NO_MEMORY. attested_free: when no session is left. NULL is allowed. */
[[gnu::warn_unused_result]] int attested_new(struct attested **ret, struct loop *l,
                                             const struct attested_options *options,
                                             struct error *why);
void attested_free(struct attested *a);

/* attested_set_owner changes who hears settled and old: owners made later, or gone (NULL). */
void attested_set_owner(struct attested *a,
                        void (*settled)(void *context, struct conn *c, const struct error *why),
                        void (*old)(void *context, struct conn *c), void *context);

/* attested_fill sets what the form asks for: ALPN, version, hooks, trust (where evidence decides
 * alone), size of certificates. Role, identity and roots are the caller's. */
void attested_fill(struct attested *a, struct tls_options *options);

/* attested_set_judge takes a new judge; every session is judged again under it. */
void attested_set_judge(struct attested *a, struct judge *j);

/* attested_sessions: how many there are, all forms. */
unsigned attested_sessions(const struct attested *a);

/* ---- the hooks of server_listener and client_options; `a` is a struct attested ---- */

void *attested_session_user(void *a);
void attested_session_done(void *a, void *user);
void attested_session_setup(void *a, SSL *session);
/* attested_session_setup_http1: the same, and the exporter form offers HTTP/1.1 only. */
void attested_session_setup_http1(void *a, SSL *session);
/* attested_context: the context of its options. */
void *attested_context(const struct attested *a);
/* attested_needs_admit: evidence comes after the handshake; attested_admit begins its exchange. The
 * session's user pointer must be of attested_session_user. */
bool attested_needs_admit(const struct attested *a);
void attested_admit(struct attested *a, struct conn *c);

/* ---- what a peer proved ---- */

struct attested_peer {
    bool attested; /* its evidence was judged and accepted */
    bool ended;    /* no longer: answer nothing more */
    enum attestation_type type;
    struct bytes measurements; /* the header's JSON */
    const char *root;          /* name of a trust root that is not Intel's; NULL: Intel's */
};

/* attested_peer: NULL when the session is not one of these. Valid as long as the session. After
 * attested_set_judge nobody is told what only the judge before would say: who asks first has the
 * peer judged again, without waiting for the timer's turn. */
const struct attested_peer *attested_peer(const SSL *session);

#endif
