/* Registration of the builder at the hub: the address that signs what it tells.
 *
 * Source: block-building reference, section 9; the hub's register_credentials.
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_REGISTRATION_H
#define BUILDER_REGISTRATION_H

#include "base/log.h"
#include "builder/seal.h"

/* registration_send makes a fresh key, and gives its address to the hub when there is a url:
 * POST {url}/api/l1-builder/v1/register_credentials/rbuilder. A hub that cannot be reached is
 * logged and asked again in the background of the caller's next start; it does not keep the
 * builder from building. url  NULL or "": nothing is sent.
 * errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int registration_send(const char *url, struct build_keys *keys,
                                                  struct log *log, struct error *why);

#endif
