/* HTTP GET of the control plane: collateral services, quote services, Azure's metadata. Blocking,
 * through libcurl, with a limit on time and size. Never on an event loop.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_FETCH_H
#define ATTEST_FETCH_H

#include "base/buf.h"

struct fetch_request {
    const char *url;
    const char *bearer;    /* token, or NULL */
    const char *post_json; /* body: makes it a POST; or NULL */
    const char *header;    /* one more header line, or NULL */
    const char *ca_file;   /* trusted certificates instead of the system's, or NULL */
    uint64_t wait_ms;
    size_t bytes_max;
    bool no_proxy;
};

struct fetch_answer {
    struct buf body;
    struct buf headers; /* as they came, line by line */
};

/* fetch_get runs one request. Redirects are not followed.
 * errors  ERR_TIMEOUT, ERR_IO, ERR_LIMIT, ERR_NOT_FOUND (404), ERR_AUTH (401, 403), ERR_BUSY (429,
 *         503), ERR_INVALID (another status than 200). */
[[gnu::warn_unused_result]] int fetch_get(struct fetch_answer *ret, const struct fetch_request *r,
                                          struct error *why);
void fetch_answer_free(struct fetch_answer *a);

/* fetch_header finds a header by name (any case); empty when it is not there. */
struct bytes fetch_header(const struct fetch_answer *a, const char *name);

#endif
