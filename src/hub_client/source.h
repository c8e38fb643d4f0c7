/* Sources of what a hub knows: one small interface, so that a hub behind HTTP and another kind of
 * registry can stand in for each other. hub_client.h asks a source; nothing else does.
 *
 * All calls are on the loop's thread. An operation calls `done` once, later, never during the call,
 * and not after `cancel` or `release`.
 *
 * SPDX-License-Identifier: MIT */
#ifndef HUB_CLIENT_SOURCE_H
#define HUB_CLIENT_SOURCE_H

#include "hub_client/peers.h"
#include "net/client.h"

#define HUB_CONFIGURATION_BYTES_MAX (4u << 20)

/* What a node says about one of its services. */
struct hub_registration {
    const char *service;
    struct bytes tls_cert; /* PEM; empty: none */
    struct bytes region;   /* empty: none */
    struct address address;
    bool has_address;
};

/* One operation at work; embedded in the asker's struct, in place until `done` or `cancel`. */
struct hub_request {
    /* code 0: in is the answer, valid during the call (empty for registrations; p NULL for a list
     * that is still the last one given). ERR_UNTRUSTED: the hub does not know this node or its
     * image (403); anything else: no answer, try again. */
    void (*done)(struct hub_request *q, int code, struct bytes in, const struct error *why);
    void *source;  /* the source's own, NULL when idle */
    bool has_last; /* peers: the asker kept the last list; without it the whole list comes */
};

struct hub_source {
    /* The node's configuration document, as the hub gives it out. */
    int (*configuration)(struct hub_source *s, struct hub_request *q, struct error *why);
    /* The network's builders, in the form of peers.h. */
    int (*peers)(struct hub_source *s, struct hub_request *q, struct error *why);
    int (*enrol)(struct hub_source *s, struct hub_request *q, const struct hub_registration *r,
                 struct error *why);
    void (*cancel)(struct hub_source *s, struct hub_request *q);
    void (*release)(struct hub_source *s);
};

static inline void hub_source_free(struct hub_source *s) {
    if (s) s->release(s);
}

/* Which of a hub's lists of builders is read. */
enum hub_list {
    HUB_LIST_NODE,     /* /api/l1-builder/v1/builders: the caller's own network, attested */
    HUB_LIST_INTERNAL, /* /api/internal/l1-builder/v1/builders: network "production" */
    HUB_LIST_NETWORK,  /* /api/internal/l1-builder/v2/network/NAME/builders */
};

struct hub_http_options {
    /* Where and how: usually the plain address of the attested proxy beside this program. Its TLS
     * context and hooks make it an attested connection of one's own. `connections`, `waiting` and
     * the time limits may be 0. Copied; what it points to outlives the source. */
    struct client_options transport;
    enum hub_list list;
    const char *network; /* HUB_LIST_NETWORK */
};

/* hub_source_http: a hub's HTTP API.
 * errors  as client_new; ERR_INVALID: a network is needed. */
[[gnu::warn_unused_result]] int hub_source_http(struct hub_source **ret, struct loop *l,
                                                const struct hub_http_options *options,
                                                struct error *why);

/* hub_registration_write appends the body of a registration as JSON. */
void hub_registration_write(struct buf *out, const struct hub_registration *r);

#endif
