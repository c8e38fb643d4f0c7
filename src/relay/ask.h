/* Ask: one request to another server and its whole answer, within a time and a size, on the loop.
 *
 * Thread: the loop's. SPDX-License-Identifier: MIT */
#ifndef RELAY_ASK_H
#define RELAY_ASK_H

#include "net/client.h"

struct ask;

struct ask_request {
    enum http_method method;
    struct bytes path;        /* with the query */
    const char *content_type; /* of the body; NULL: none */
    const char *accept;       /* NULL: application/json */
    const char *version;      /* Eth-Consensus-Version; NULL: none */
    struct bytes body;        /* copied */
    uint64_t timeout_ns;      /* for all of it */
    size_t limit_bytes;       /* of the answer */
};

/* body and content type are valid during the call. why: NULL, or why there is no answer. */
struct ask_answer {
    unsigned status;
    struct bytes body, content_type, version;
};
typedef void ask_done(void *context, const struct ask_answer *answer, const struct error *why);

/* ask_start: done comes later, once, unless ask_cancel comes first. ret may be NULL.
 * errors  as client_start. */
[[gnu::warn_unused_result]] int ask_start(struct ask **ret, struct client *c,
                                          const struct ask_request *r, ask_done *done,
                                          void *context, struct error *why);
void ask_cancel(struct ask *a);

#endif
