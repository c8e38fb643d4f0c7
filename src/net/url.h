/* Url: absolute URLs of what programs are configured with, percent-encoding, and queries.
 *
 * http, https, ws, wss with a host name, IPv4 or bracketed IPv6 address; and "unix:/path" (or
 * "unix:///path", "unix:@abstract") for local sockets. Strict: no spaces, controls, fragments or
 * zone identifiers; percent signs must be followed by two digits. Not a resolver of relative
 * references.
 *
 * Source: RFC 3986, RFC 6455 section 3. Pure; any thread. Everything given points into the text.
 *
 * SPDX-License-Identifier: MIT */
#ifndef NET_URL_H
#define NET_URL_H

#include "base/arena.h"
#include "base/buf.h"

enum url_scheme {
    URL_HTTP,
    URL_HTTPS,
    URL_WS,
    URL_WSS,
    URL_UNIX,
};

#define URL_BYTES_MAX 8192u

struct url {
    enum url_scheme scheme;
    bool tls;               /* https, wss */
    bool ipv6;              /* host is an IPv6 address */
    unsigned port;          /* given, or the scheme's; 0 for unix */
    struct bytes userinfo;  /* "user:password" as written; empty: none */
    struct bytes host;      /* without brackets; empty for unix */
    struct bytes authority; /* host[:port] as written, for Host and :authority */
    struct bytes target;    /* path and query; "/" when there is none */
    struct bytes path;      /* of the target, before '?' */
    struct bytes query;     /* of the target, after '?' */
    struct bytes local;     /* unix: the socket's path, or @name */
};

/* url_parse reads an absolute URL.
 * errors  ERR_SYNTAX (why->at), ERR_LIMIT, ERR_UNSUPPORTED (another scheme), ERR_RANGE (port). */
[[gnu::warn_unused_result]] int url_parse(struct url *ret, struct bytes text, struct error *why);

/* url_origin writes what struct client_options wants as its url: "http://AUTHORITY" (of http and
 * ws), "https://AUTHORITY" (https, wss) or "unix:PATH", ended by NUL. errors  ERR_LIMIT (more than
 * `room` bytes). */
[[gnu::warn_unused_result]] int url_origin(char *ret, size_t room, const struct url *u,
                                           struct error *why);

/* url_split splits a request target at its first '?'. */
void url_split(struct bytes *ret_path, struct bytes *ret_query, struct bytes target);

enum {
    URL_PLUS = 1,   /* '+' is a space, as in forms and queries */
    URL_NO_NUL = 2, /* %00 is refused */
};

/* url_decode undoes percent-encoding into the arena (or gives `text` itself when there is none).
 * errors  ERR_SYNTAX (not two digits, or NUL with URL_NO_NUL), ERR_LIMIT (arena). */
[[gnu::warn_unused_result]] int url_decode(struct bytes *ret, struct bytes text, unsigned flags,
                                           struct arena *a, struct error *why);

/* url_append_encoded appends text with everything but unreserved characters percent-encoded. */
void url_append_encoded(struct buf *out, struct bytes text);

/* url_query_next takes the next "name=value" (or "name") off a query; nothing is decoded. Empty
 * parts are skipped. false at the end. */
bool url_query_next(struct bytes *ret_name, struct bytes *ret_value, struct bytes *rest);

/* url_query_get gives the decoded value of the first parameter with that (decoded) name.
 * errors  ERR_NOT_FOUND, ERR_SYNTAX, ERR_LIMIT (arena). */
[[gnu::warn_unused_result]] int url_query_get(struct bytes *ret, struct bytes query,
                                              const char *name, struct arena *a, struct error *why);

#endif
