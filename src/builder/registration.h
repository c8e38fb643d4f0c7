/* Registration of the builder at the hub: the address that signs what it tells.
 *
 * Asked again until it succeeds, on a thread of its own: a hub that is down does not keep the
 * builder from building.
 * Source: flashbots/rbuilder-operator; the hub's register_credentials.
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_REGISTRATION_H
#define BUILDER_REGISTRATION_H

#include "base/log.h"
#include "builder/seal.h"

struct registration;

/* registration_key makes a fresh key for records. errors  those of the system's randomness. */
[[gnu::warn_unused_result]] int registration_key(struct build_keys *keys, struct error *why);

/* registration_new begins to tell the hub the key's address:
 * POST {url}/api/l1-builder/v1/register_credentials/rbuilder. url  borrowed; NULL or "": *ret is
 * NULL. errors  ERR_NO_MEMORY, ERR_IO (no thread). registration_free ends it (NULL is allowed). */
[[gnu::warn_unused_result]] int registration_new(struct registration **ret, const char *url,
                                                 const struct address *address, struct log *log,
                                                 struct error *why);
void registration_free(struct registration *r);

#endif
