/* Probe: asks one server to prove what it is, without a request: connects, lets it attest over this
 * session, has it judged, and ends the connection. For tools; it runs the loop until it knows.
 *
 *     client_new with the hooks of attested.h and .admit = attested_probe_admit
 *     attested_probe(&(struct attested_probe){attested, client, take, context}, why)
 *
 * Thread: the loop's. SPDX-License-Identifier: MIT */
#ifndef ATTESTED_PROBE_H
#define ATTESTED_PROBE_H

#include "attested/attested.h"
#include "net/client.h"

struct attested_probe {
    struct attested *attested; /* its owner's callbacks are the probe's from now on */
    struct client *client;
    /* The server passed: attested_peer(c->tls) has what it proved. errors  end the probe. */
    int (*take)(void *context, struct conn *c, struct error *why);
    void *context;
    /* The probe's own. */
    int code;
    struct error why;
};

/* attested_probe_admit: the client's admit hook, whose context is the struct attested. */
void attested_probe_admit(struct client *c, struct conn *conn, void *attested);

/* attested_probe: errors  those of the connection, of the judgement (ERR_UNTRUSTED, ...), of take.
 */
[[gnu::warn_unused_result]] int attested_probe(struct attested_probe *p, struct error *why);

#endif
