/* The collateral store: what was fetched or loaded, kept in memory and on disk, renewed ahead of
 * its expiry by a thread of its own, so that verification never waits for a network.
 *
 * The service is not trusted: only what is signed under the root, of the platform asked for and
 * not older than what is there becomes an item.
 *
 * One store a process. Items are shared by count: `get` gives one reference. A failed renewal
 * leaves the old item in use until it expires; after that it is given out only as long as
 * `stale_s` says (and a verdict over it says "expired" all the same).
 *
 * Locks: one mutex guards the table; it is never held while fetching.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_COLLATERAL_STORE_H
#define ATTEST_COLLATERAL_STORE_H

#include "attest/pcs.h"
#include "base/clock.h"

#define COLLATERAL_STORE_ITEMS_MAX 256

/* Where collateral comes from; pcs_fetch behind an interface, so that tests can replace it. */
struct collateral_origin {
    int (*fetch)(void *context, struct collateral_parts *ret, const struct collateral_key *key,
                 struct arena *a, struct error *why);
    void *context;
};

struct collateral_store_options {
    const char *folder;              /* kept here; NULL: memory only */
    struct bytes root;               /* PEM or DER; empty: Intel's */
    struct collateral_origin origin; /* fetch NULL: nothing is fetched */
    const struct clock *clock;
    uint64_t renew_ahead_s; /* before the earliest expiry; 0: 6 hours */
    uint64_t retry_s;       /* after a failure; 0: 60 */
    uint64_t stale_s;       /* past the expiry */
};

struct collateral_store;
struct collateral_item; /* a collateral and its count of references */

/* collateral_store_new: errors  ERR_LIMIT, ERR_NO_MEMORY, those of trust_root_parse. */
[[gnu::warn_unused_result]] int collateral_store_new(struct collateral_store **ret,
                                                     const struct collateral_store_options *o,
                                                     struct error *why);

/* collateral_store_free stops the thread and drops the store's references. */
void collateral_store_free(struct collateral_store *s);

/* collateral_store_trust exchanges the root; items that are there stay until they are renewed.
 * errors  those of trust_root_parse. */
[[gnu::warn_unused_result]] int collateral_store_trust(struct collateral_store *s,
                                                       struct bytes root, struct error *why);

/* collateral_store_put makes parts the current item of a key.
 * errors  ERR_INVALID (a part does not parse, or is of another platform), ERR_UNTRUSTED (not
 *         signed under the root), ERR_STALE (older than what is there), ERR_LIMIT, ERR_NO_MEMORY.
 */
[[gnu::warn_unused_result]] int collateral_store_put(struct collateral_store *s,
                                                     const struct collateral_key *key,
                                                     const struct collateral_parts *parts,
                                                     struct error *why);

/* collateral_store_get gives the current item; a key that is new is put down for fetching.
 * Peers choose keys: when the table is full, a key for which the service had nothing makes room.
 * errors  ERR_NOT_FOUND: not there (yet); ERR_STALE: expired beyond stale_s. Never blocks on I/O.
 * The caller gives the reference back with collateral_item_free. */
[[gnu::warn_unused_result]] int collateral_store_get(struct collateral_item **ret,
                                                     struct collateral_store *s,
                                                     const struct collateral_key *key,
                                                     struct error *why);
const struct collateral *collateral_item_view(const struct collateral_item *item);
void collateral_item_free(struct collateral_item *item);

/* collateral_store_load reads what the folder holds. errors  ERR_IO; items that do not parse are
 * passed over. */
[[gnu::warn_unused_result]] int collateral_store_load(struct collateral_store *s,
                                                      struct error *why);

/* collateral_store_renew fetches every item that is due now and gives the count; *ret_next_s is
 * the moment of the next one (UINT64_MAX: none). The thread does nothing else. */
size_t collateral_store_renew(struct collateral_store *s, uint64_t *ret_next_s);

/* collateral_store_start runs renewals in a thread until the store is freed. */
[[gnu::warn_unused_result]] int collateral_store_start(struct collateral_store *s,
                                                       struct error *why);

/* What an operator asks: how each item stands. */
struct collateral_status {
    struct collateral_key key;
    bool present;
    uint64_t expiry_s; /* earliest, when present */
    uint64_t failures; /* renewals in a row that failed */
    char last_error[120];
};
size_t collateral_store_status(struct collateral_store *s, struct collateral_status *ret,
                               size_t room);

#endif
