/* openapi.json inside the library; made by the build. SPDX-License-Identifier: MIT */
#ifndef HUB_OPENAPI_H
#define HUB_OPENAPI_H

#include <stddef.h>

extern const unsigned char hub_openapi_json[];
extern const size_t hub_openapi_json_bytes;

#endif
