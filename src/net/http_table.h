/* Character classes of HTTP, shared by the engines. Internal to net.
 * Source: RFC 9110, 5.5 and 5.6.2. SPDX-License-Identifier: MIT */
#ifndef NET_HTTP_TABLE_H
#define NET_HTTP_TABLE_H

#include "base/bytes.h"

/* The lower case of each tchar; 0 for every other byte. */
extern const uint8_t http_token_lower[256];

/* http_value_span: how many bytes at the front may stand in a field value (anything but control
 * characters other than tab). */
size_t http_value_span(const uint8_t *p, size_t n);

/* http_target_span: the same for a request target: visible ASCII only. */
size_t http_target_span(const uint8_t *p, size_t n);

#endif
