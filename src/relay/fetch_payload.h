/* Fetch payload: the body of a bid of which only the header was sent, asked from its builder, who
 * is demoted when it does not come or is another one.
 *
 * Source: "optimistic v3" as its relays document it. Thread: the loop's.
 * SPDX-License-Identifier: MIT */
#ifndef RELAY_FETCH_PAYLOAD_H
#define RELAY_FETCH_PAYLOAD_H

#include "relay/relay.h"

/* full: a bid with the payload in it (a reference for the callee), NULL: why there is none. */
typedef void payload_fetched(void *context, struct bid *full, const char *why);

/* fetch_payload: done comes later, once. errors  ERR_SYNTAX (url), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int fetch_payload(struct relay *r, struct bid *bid,
                                              payload_fetched *done, void *context,
                                              struct error *why);

#endif
