/* The heads of HTTP/1 messages, given whole. Internal to net; see net/http1.h.
 * SPDX-License-Identifier: MIT */
#ifndef NET_HTTP1_HEAD_H
#define NET_HTTP1_HEAD_H

#include "net/http.h"

/* `head` is the section with its empty line, in the message's arena; names are lower-cased in
 * place, and everything points into it. *refused: the status to answer an error with, when it is
 * not 400. errors  as http1_next. */
[[gnu::warn_unused_result]] int http1_parse_request(struct http_request *ret, uint8_t *head,
                                                    size_t n, struct arena *a,
                                                    const struct http_limits *limits,
                                                    unsigned *refused, struct error *why);
[[gnu::warn_unused_result]] int http1_parse_response(struct http_response *ret, uint8_t *head,
                                                     size_t n, struct arena *a,
                                                     const struct http_limits *limits,
                                                     enum http_method asked, struct error *why);
[[gnu::warn_unused_result]] int http1_parse_trailers(struct http_fields *ret, uint8_t *section,
                                                     size_t n, struct arena *a, unsigned fields,
                                                     struct error *why);

#endif
