/* Store: what the hub keeps, over a pool of database connections.
 *
 * Writes are collected in a batch and committed in one transaction together with the row that says
 * who changed what and why, and with a notification for other hub processes. A commit that returns
 * 0 survives a crash of this process and of the database server. Reads give rows to callbacks.
 * Not a cache (hub/model.h) and no rules (hub/admin.c, hub/node.c).
 *
 * Ownership: rows borrow during the call; values of a batch are borrowed until store_commit.
 * Thread: any; a call takes one connection of the pool. SPDX-License-Identifier: MIT */
#ifndef HUB_STORE_H
#define HUB_STORE_H

#include "base/arena.h"
#include "db/db.h"

struct store;

struct store_options {
    const char *url;      /* postgres://..., key=value, or sqlite:PATH, or a path */
    unsigned connections; /* PostgreSQL; 0: 4. SQLite has one. */
    bool migrate;         /* bring the schema up to date on opening */
};

/* store_open: errors ERR_CLOSED, ERR_IO, ERR_UNSUPPORTED (newer database); ERR_STALE: an older
 * one and `migrate` is off. */
[[gnu::warn_unused_result]] int store_open(struct store **ret, const struct store_options *o,
                                           struct error *why);
void store_close(struct store *s);
enum db_kind store_kind(const struct store *s);
/* store_origin: marks this process's notifications. */
const char *store_origin(const struct store *s);
#define STORE_CHANNEL "builder_hub"
/* store_ping asks the database something. */
[[gnu::warn_unused_result]] int store_ping(struct store *s, struct error *why);

/* Rows. */
struct store_measurement {
    struct bytes name, type, measurement; /* JSON text */
    struct bytes created;                 /* RFC 3339 */
    bool active;
};
struct store_builder {
    struct bytes name, ip, network, dns_name; /* dns_name p NULL: none */
    struct bytes shadow_of;                   /* the same */
    struct bytes created;
    bool active, has_config;
    bool hidden; /* has registrations, and none of them is active */
};
struct store_credential {
    struct bytes builder, service, tls_cert, address, region; /* address: 20 bytes or none */
    struct bytes measurement, created;
    bool active;
};
struct store_config {
    struct bytes version, config, created; /* version: decimal id */
    bool active;
};
struct store_event {
    struct bytes id, created, action, subject, author, reason;
};

typedef int store_measurement_each(void *context, const struct store_measurement *m,
                                   struct error *why);
typedef int store_builder_each(void *context, const struct store_builder *b, struct error *why);
typedef int store_credential_each(void *context, const struct store_credential *c,
                                  struct error *why);
typedef int store_config_each(void *context, const struct store_config *c, struct error *why);
typedef int store_event_each(void *context, const struct store_event *e, struct error *why);
typedef int store_bytes_each(void *context, struct bytes b, struct error *why);

/* Reading. builder p NULL: of all builders, ordered by name. Credentials: active ones, unless
 * `history` (newest first). */
[[gnu::warn_unused_result]] int store_measurements(struct store *s, store_measurement_each *each,
                                                   void *context, struct error *why);
[[gnu::warn_unused_result]] int store_builders(struct store *s, struct bytes builder,
                                               store_builder_each *each, void *context,
                                               struct error *why);
[[gnu::warn_unused_result]] int store_credentials(struct store *s, struct bytes builder,
                                                  bool history, store_credential_each *each,
                                                  void *context, struct error *why);
/* store_configs: all versions of a builder, newest first; version "active" or a decimal id picks
 * one, empty all. */
[[gnu::warn_unused_result]] int store_configs(struct store *s, struct bytes builder,
                                              struct bytes version, store_config_each *each,
                                              void *context, struct error *why);
/* store_changes: changes by people, newest first; store_events: what nodes did. */
[[gnu::warn_unused_result]] int store_changes(struct store *s, unsigned limit,
                                              store_event_each *each, void *context,
                                              struct error *why);
[[gnu::warn_unused_result]] int store_events(struct store *s, unsigned limit,
                                             store_event_each *each, void *context,
                                             struct error *why);
/* store_secret gives the sealed document as lower-case hex digits; ERR_NOT_FOUND when there is
 * none. */
[[gnu::warn_unused_result]] int store_secret(struct store *s, struct bytes builder,
                                             store_bytes_each *each, void *context,
                                             struct error *why);

/* store_removals: builders that went and whose secrets are still to go; builder p NULL: all. */
[[gnu::warn_unused_result]] int store_removals(struct store *s, struct bytes builder,
                                               store_bytes_each *each, void *context,
                                               struct error *why);

/* Writing. */
struct store_step {
    struct store_step *next;
    const struct db_statement *statement;
    const struct db_value *values;
    size_t n;
    const char *must_change; /* what to say (ERR_NOT_FOUND) when no row changed; NULL: fine */
};
struct store_batch {
    struct arena *arena;
    struct store_step *first, *last;
    /* Called when all steps have been done and nothing is committed yet; what it returns but 0
     * undoes them. It may be called again when the database was away. NULL: none. */
    int (*before_commit)(void *context, struct error *why);
    void *context;
    int failed;
    bool again_on_conflict; /* a unique index hit by another's transaction: try again */
    bool gives_way;         /* to threads that wait for the processor, after every few steps */
    struct bytes author, reason;
};

/* batch_init: author and reason go into the change log; an empty author logs nothing. */
void batch_init(struct store_batch *b, struct arena *a, struct bytes author, struct bytes reason);
void batch_measurement_add(struct store_batch *b, struct bytes name, struct bytes type,
                           struct bytes json);
/* must: an unknown name is ERR_NOT_FOUND, else nothing happens. */
void batch_measurement_enable(struct store_batch *b, struct bytes name, bool on, bool must);
void batch_measurement_delete(struct store_batch *b, struct bytes name);
void batch_builder_add(struct store_batch *b, struct bytes name, struct bytes ip,
                       struct bytes network, struct bytes dns_name);
void batch_builder_update(struct store_batch *b, struct bytes name, struct bytes ip,
                          struct bytes network, struct bytes dns_name);
void batch_builder_enable(struct store_batch *b, struct bytes name, bool on, bool must);
/* batch_builder_delete removes the builder with its configurations, credentials and row of secrets.
 * apart: its secrets are kept elsewhere; that they are to go is kept in the same transaction. */
void batch_builder_delete(struct store_batch *b, struct bytes name, bool apart);
/* batch_removal_done: the secrets of a builder that went are no more; ERR_NOT_FOUND when that is
 * known already. Others who do the same wait for the COMMIT. */
void batch_removal_done(struct store_batch *b, struct bytes builder);
/* batch_builder_shadow: the builder gets the configuration of another; source.n 0: its own again.
 */
void batch_builder_shadow(struct store_batch *b, struct bytes name, struct bytes source);
/* batch_config_set makes a new active version; batch_config_activate an old one. */
void batch_config_set(struct store_batch *b, struct bytes builder, struct bytes json);
void batch_config_activate(struct store_batch *b, struct bytes builder, struct bytes version);
/* batch_register replaces the credential of (builder, service). address.n 0: none; tls_cert.n 0:
 * none. The measurement is named with its type; ERR_NOT_FOUND when it is gone meanwhile. */
void batch_register(struct store_batch *b, const struct store_credential *c, struct bytes type);
/* batch_event: a node fetched its configuration. */
void batch_event(struct store_batch *b, struct bytes event, struct bytes builder,
                 struct bytes measurement);
void batch_secret_set(struct store_batch *b, struct bytes builder, struct bytes sealed);
void batch_change(struct store_batch *b, const char *action, struct bytes subject);
/* batch_notify: other processes load this builder (empty: the measurements) again. */
void batch_notify(struct store_batch *b, struct store *s, struct bytes builder);
/* Pruning, of before an RFC 3339 time: events, the oldest first; credentials that others have
 * replaced (of a builder and service the newest always stays). most  rows a batch. */
void batch_prune(struct store_batch *b, struct bytes before, uint64_t most);
void batch_prune_credentials(struct store_batch *b, struct bytes before, uint64_t most);

/* store_commit: all or nothing. Tries again when the database was busy or gone before the COMMIT.
 * errors  as db/db.h; ERR_CLOSED also when it is not known whether the COMMIT arrived. */
[[gnu::warn_unused_result]] int store_commit(struct store *s, const struct store_batch *b,
                                             uint64_t *ret_changed, struct error *why);

#endif
