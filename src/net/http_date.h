/* Http date: times of header fields. The calendar is computed here: no time zone, no locale.
 * Source: RFC 9110 section 5.6.7. Pure; any thread. SPDX-License-Identifier: MIT */
#ifndef NET_HTTP_DATE_H
#define NET_HTTP_DATE_H

#include "base/bytes.h"
#include "base/error.h"

#define HTTP_DATE_BYTES 29          /* "Sun, 06 Nov 1994 08:49:37 GMT" */
#define HTTP_DATE_MAX 253402300799u /* the end of the year 9999 */

/* http_date_write writes the preferred form, without NUL; later than HTTP_DATE_MAX is that. */
void http_date_write(char ret[HTTP_DATE_BYTES], uint64_t unix_s);

/* http_date_parse reads all three forms of the standard. The day of the week is not compared with
 * the date. now_s  decides the century of the two-digit years of RFC 850.
 * errors   ERR_SYNTAX, ERR_RANGE (before 1970, or no such day). */
[[gnu::warn_unused_result]] int http_date_parse(uint64_t *ret_unix_s, struct bytes text,
                                                uint64_t now_s, struct error *why);

#endif
