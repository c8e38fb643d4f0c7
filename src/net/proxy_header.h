/* Proxy header: the PROXY protocol, by which a balancer tells whose connection it passes on.
 *
 * Versions 1 (text) and 2 (binary); TCP and local sockets. Only for listeners that are reached by
 * the balancer alone: the header proves nothing.
 *
 * Version 2:   0 12 signature | 12 1 version and command | 13 1 family and transport |
 *             14 2 length of what follows | 16 addresses | TLVs, which are skipped
 *
 * Source: haproxy.org/download/3.0/doc/proxy-protocol.txt. Pure; any thread.
 * Differs: a version 2 header above PROXY_HEADER_BYTES_MAX is refused; the optional checksum TLV is
 * not looked at, and datagram transports are refused.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_PROXY_HEADER_H
#define NET_PROXY_HEADER_H

#include "base/buf.h"
#include "net/socket.h"

#define PROXY_HEADER_BYTES_MAX 4096u

struct proxy_header {
    bool local;                        /* the balancer's own (health checks), or unknown */
    struct socket_address source;      /* the client; n is 0 when local */
    struct socket_address destination; /* where the client connected to */
};

/* proxy_header_parse reads the header at the front of a connection.
 * ret_n    its bytes; what follows belongs to the protocol inside.
 * errors   ERR_AGAIN (needs more input; all of it again), ERR_SYNTAX, ERR_LIMIT. */
[[gnu::warn_unused_result]] int proxy_header_parse(struct proxy_header *ret, size_t *ret_n,
                                                   struct bytes in, struct error *why);

/* proxy_header_write appends a header of that version (1 or 2); addresses of two families, and
 * local sockets in version 1, are written as unknown. */
void proxy_header_write(struct buf *out, unsigned version, const struct proxy_header *h);

#endif
