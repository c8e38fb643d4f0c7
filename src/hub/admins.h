/* Accounts: who may log in at the admin listener, as names with bcrypt hashes.
 *
 * One account may come from the settings, others from a file in the form of htpasswd:
 *
 *     # operators
 *     olga:$2y$10$Q3mgTfng5mWUlEkLaOA4du0mBIKKYblTcWMqbqehsJM96xF8YV4XC
 *
 * A hash that is no bcrypt hash is refused here, and not when somebody wants to log in. Read only
 * after that; any thread. Source: crypt(5). SPDX-License-Identifier: MIT */
#ifndef HUB_ADMINS_H
#define HUB_ADMINS_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>

#define ADMINS_MAX 256
#define ADMINS_FILE_BYTES_MAX (64u << 10)
#define ADMINS_USER_BYTES_MAX 128

struct admins;

[[gnu::warn_unused_result]] int admins_new(struct admins **ret, struct error *why);
void admins_free(struct admins *a); /* NULL is allowed */

/* admins_add: errors ERR_SYNTAX (the hash, or a name that is empty, too long or has a colon or
 * control characters), ERR_CONFLICT (the name is there), ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int admins_add(struct admins *a, struct bytes user, struct bytes bcrypt,
                                           struct error *why);

/* admins_parse adds every line of a text; why tells the line. admins_read does so with a file;
 * a file without a name in it is ERR_SYNTAX, as is what admins_add refuses. */
[[gnu::warn_unused_result]] int admins_parse(struct admins *a, struct bytes text,
                                             struct error *why);
[[gnu::warn_unused_result]] int admins_read(struct admins *a, const char *path, struct error *why);

/* admins_hash gives a user's hash, NULL when there is none; an_account any hash, for spending the
 * same time on names that are not there. Both live as long as the accounts. */
const char *admins_hash(const struct admins *a, struct bytes user);
const char *admins_any_hash(const struct admins *a);

/* admins_are_named: there is a file of them, so that a login tells who somebody is. */
bool admins_are_named(const struct admins *a);

#endif
