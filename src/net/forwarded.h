/* Forwarded: who is behind a chain of proxies, by Forwarded or X-Forwarded-For.
 *
 * Each proxy appends the address it was called from; anybody can send the field. So the list is
 * read from its end, and only as long as the addresses are those of trusted proxies: the first one
 * that is not is the client.
 *
 * Source: RFC 7239; X-Forwarded-For is custom. Pure; any thread. SPDX-License-Identifier: MIT */
#ifndef NET_FORWARDED_H
#define NET_FORWARDED_H

#include "base/buf.h"
#include "net/http.h"
#include "net/socket.h"

/* One element of Forwarded; empty: not there. Quotes are removed, in the arena if need be. */
struct forwarded_hop {
    struct bytes by, node_for, host, proto;
};

/* forwarded_next takes the next element off a value of Forwarded: 1, or 0 at the end.
 * errors  ERR_SYNTAX (also a parameter twice), ERR_LIMIT (arena). */
[[gnu::warn_unused_result]] int forwarded_next(struct forwarded_hop *ret, struct bytes *rest,
                                               struct arena *a, struct error *why);

/* forwarded_client gives the client's address: the peer's own unless the peer is trusted.
 * Forwarded is read when it is there, X-Forwarded-For else. An element that is no address
 * ("unknown", "_hidden", damaged) ends the search at the proxy that wrote it. */
void forwarded_client(struct socket_address *ret, const struct socket_address *peer,
                      const struct http_fields *f, const struct socket_block *trusted,
                      size_t trusted_count);

/* forwarded_append appends "for=...;host=...;proto=..." for a proxy that passes a request on; host
 * and proto are left out when empty.  errors  ERR_INVALID (control characters), the buf's. */
[[gnu::warn_unused_result]] int forwarded_append(struct buf *out, const struct socket_address *peer,
                                                 struct bytes host, struct bytes proto,
                                                 struct error *why);

#endif
