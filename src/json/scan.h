/* The string scan shared by reader and writer. Internal to json.
 * SPDX-License-Identifier: MIT */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#include "base/bytes.h"

/* json_scan gives the first index from `at` on that holds a quote, a backslash, a control
 * character or a byte of 0x80 and above; n when there is none. */
size_t json_scan(const uint8_t *p, size_t at, size_t n);

#endif
