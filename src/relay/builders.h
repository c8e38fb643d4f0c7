/* Builders: what the relay knows of those who bid: their standing, their collateral, their parsed
 * keys. Unknown builders have no privileges.
 *
 * Pure; one thread. SPDX-License-Identifier: MIT */
#ifndef RELAY_BUILDERS_H
#define RELAY_BUILDERS_H

#include "base/map.h"
#include "base/u256.h"
#include "crypto/bls.h"

#define BUILDERS_MAX 16384u /* kept; further ones are parsed each time */
#define BUILDER_ID_MAX 64

struct builder_status {
    bool high_priority;
    bool blacklisted;
    bool optimistic;
    bool header_submissions; /* may send headers first */
    struct u256 collateral;  /* wei */
    char id[BUILDER_ID_MAX]; /* keys with the same id are demoted together; "": alone */
};

struct builder {
    struct bytes48 pubkey;
    struct builder_status status;
    bool listed; /* has a row in the store */
    bool parsed, invalid;
    struct bls_public_key key;
};

struct builders {
    struct map by_key;
};

void builders_init(struct builders *b);
void builders_free(struct builders *b);

/* builders_get finds or makes an entry; NULL when there are too many or there is no memory. */
struct builder *builders_get(struct builders *b, const struct bytes48 *pubkey);
struct builder *builders_find(const struct builders *b, const struct bytes48 *pubkey);

/* builders_demote takes the optimistic mark off a builder and off all keys with its id; `each` is
 * called for every entry that changed. */
void builders_demote(struct builders *b, struct builder *who,
                     void (*each)(void *context, struct builder *changed), void *context);

#endif
