/* Page file: web/relay.html as bytes; the build makes it (tools/embed).
 * SPDX-License-Identifier: MIT */
#ifndef RELAY_PAGE_FILE_H
#define RELAY_PAGE_FILE_H

#include <stddef.h>

extern const unsigned char relay_page_file[];
extern const size_t relay_page_file_bytes;

#endif
