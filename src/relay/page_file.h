/* Page files: web/relay as bytes; the build makes them (tools/embed).
 * SPDX-License-Identifier: MIT */
#ifndef RELAY_PAGE_FILE_H
#define RELAY_PAGE_FILE_H

#include <stddef.h>

extern const unsigned char relay_page_index[], relay_page_page[], relay_page_style[];
extern const size_t relay_page_index_bytes, relay_page_page_bytes, relay_page_style_bytes;

#endif
