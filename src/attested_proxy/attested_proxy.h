/* The attested proxy: puts any HTTP service behind attestation.
 *
 *     local program --HTTP--> client ==attested TLS==> server --HTTP--> service
 *
 * `server` takes attested TLS and passes plain HTTP on; `client` the other way round. Either side
 * may attest itself, judge its peer, or both. What a peer proved is told in header fields
 * (headers.c); the same fields from outside are removed always. Not a verifier (attest has it) and
 * not an HTTP engine (net has it).
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTESTED_PROXY_ATTESTED_PROXY_H
#define ATTESTED_PROXY_ATTESTED_PROXY_H

#include "attested_proxy/settings.h"

/* The verbs; each gives the exit status. attested_proxy_serve takes the settings over (a reload
 * replaces them). */
int attested_proxy_serve(struct proxy_settings *settings);
int attested_proxy_get_certificate(struct proxy_settings *settings);

#endif
