/* Header fields of attestation: removed from what comes from outside, set from what was verified.
 *
 * X-Flashbots-Attestation-Type, X-Flashbots-Measurement, and X-Buildernet-Attestation-Root, which
 * is there only when another trust root than Intel's vouches: simulated evidence is never silent.
 * Names that differ in case, or in another sign for "-", are the same to some servers and are
 * removed too.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTESTED_PROXY_HEADERS_H
#define ATTESTED_PROXY_HEADERS_H

#include "attested/attested.h"
#include "net/http.h"

/* headers_clean removes the family; with `forwarded` also what says where a request came from
 * (X-Forwarded-For, X-Real-IP, Forwarded), which only a proxy of ours may say. */
void headers_clean(struct http_fields *f, bool forwarded);

/* headers_tell adds what a peer proved; nothing for one that proved nothing.
 * errors  those of http_fields_add. */
[[gnu::warn_unused_result]] int headers_tell(struct http_fields *f, struct arena *a,
                                             const struct attested_peer *peer, struct error *why);

/* headers_limit_upgrade takes the wish for another protocol than WebSocket back. What follows an
 * upgrade passes unread: in HTTP/2 (h2c) a peer could ask the service with fields of its own. */
void headers_limit_upgrade(struct http_request *r);

#endif
