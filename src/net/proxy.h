/* Proxy: a streaming reverse proxy from a server's routes to a client's origin.
 *
 * Bodies pass in both directions as they come, each held back by the other side's pace; nothing is
 * gathered. Fields that belong to one hop are removed (RFC 9110, 7.6.1), both messages are written
 * anew from what was parsed, so that no ambiguity of framing passes through. HTTP/2 in front and
 * HTTP/1.1 behind, or any other pair. Upgrades (WebSocket) become a tunnel, HTTP/1.1 only.
 *
 *     route: {"*", "/", proxy_handle, proxy, UINT64_MAX, ROUTE_STREAM | ROUTE_PREFIX}
 *
 * Thread: the loop's. SPDX-License-Identifier: MIT */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include "net/client.h"
#include "net/server.h"

struct proxy;

struct proxy_options {
    struct client *origin; /* outlives the proxy */
    struct log *log;
    /* Changes the request to the origin, whose fields are copied and cleaned already. Returns 0,
     * or answers the exchange itself and returns a negative code. NULL: nothing is changed. */
    int (*request)(struct exchange *x, struct http_request *r, struct arena *a, void *context);
    /* Changes the response likewise; a negative code becomes 502. origin: the TLS session that it
     * came by, NULL for plain. */
    int (*response)(struct exchange *x, SSL *origin, struct http_response *r, struct arena *a,
                    void *context, struct error *why);
    /* Which origin takes the request, instead of `origin`. NULL answers 502. */
    struct client *(*choose)(struct exchange *x, void *context);
    void *context;
    bool keep_host;      /* pass the Host that was asked for; else the origin's */
    bool forwarded_for;  /* append the peer to X-Forwarded-For */
    bool forwarded_more; /* set X-Forwarded-Proto and X-Forwarded-Host */
};

/* proxy_new: errors ERR_NO_MEMORY. proxy_free: when no request is at work (after the servers). */
[[gnu::warn_unused_result]] int proxy_new(struct proxy **ret, const struct proxy_options *options,
                                          struct error *why);
void proxy_free(struct proxy *p);

/* proxy_handle is the route's handler; context is the struct proxy. */
void proxy_handle(struct exchange *x, void *context);

/* proxy_pass begins one request by hand, from another handler of a ROUTE_STREAM route. */
void proxy_pass(struct proxy *p, struct exchange *x);

#endif
