/* The hub's inside. SPDX-License-Identifier: MIT */
#ifndef HUB_HUB_INTERNAL_H
#define HUB_HUB_INTERNAL_H

#include "crypto/sha256.h"
#include "hub/hub.h"
#include "hub/jsonb.h"
#include "hub/model.h"
#include "json/write.h"

#include <pthread.h>
#include <stdatomic.h>

#define HUB_REMEMBERED 16 /* logins that cost no hashing */

/* The model's rules with the texts they name. */
struct hub_rules {
    struct model_rules rules;
    struct arena memory;
};

struct hub_remembered {
    bool set;
    struct hash hash;
};

/* Events that wait until they are stored with others (events.c), a ring. */
#define HUB_EVENTS_MAX 65536 /* a power of 2 */
#define HUB_EVENTS_CROWDED (HUB_EVENTS_MAX / 2)

struct hub_event {
    char *builder;           /* owned; the other name is in the same piece of memory */
    const char *measurement; /* NUL-terminated as well */
};

struct hub_events {
    pthread_mutex_t lock;
    struct hub_event *ring;
    size_t first;
    atomic_size_t count; /* changed under the lock */
    atomic_bool failing; /* the last attempt to store some failed */
};

struct hub {
    struct hub_options options;
    pthread_rwlock_t lock; /* of the model */
    struct model model;
    pthread_mutex_t write_lock; /* one change at a time: commit, then memory */
    struct hub_rules *rules;    /* under write_lock */
    atomic_bool allow_empty, public_only, serve_stale;
    struct hub_events events;
    atomic_bool ready;
    pthread_mutex_t account_lock; /* of the following */
    struct admins *accounts;
    uint64_t account_generation;
    uint8_t remember_key[32]; /* of the logins that were last found right */
    struct hub_remembered remembered[HUB_REMEMBERED];
    size_t remember_next;
    struct metric *refused[4]; /* by enum hub_refusal */
};

enum hub_refusal { REFUSED_HEADERS, REFUSED_MEASUREMENT, REFUSED_ADDRESS, REFUSED_PROXY };

/* One request on its way. */
struct hub_call {
    struct hub *hub;
    const struct hub_request *req;
    struct hub_response *res;
    bool may_block;
    bool blocked;           /* set by a handler that would have had to wait */
    struct bytes params[3]; /* what {...} of the pattern took */
    struct bytes query;
    struct bytes author, reason;
    struct arena arena; /* memory of the call */
};

typedef void hub_handler(struct hub_call *c);

enum hub_waiting {
    HUB_QUICK,        /* answers from memory */
    HUB_ASKS_STORE,   /* goes to a worker */
    HUB_ASKS_SECRETS, /* goes to a worker for secrets */
};

struct hub_route {
    unsigned listeners; /* enum hub_listener, or-ed */
    const char *method, *pattern;
    hub_handler *handle;
    bool node; /* stays on the public listener when that is for nodes only */
    enum hub_waiting waits;
};
extern const struct hub_route hub_routes[];
extern const size_t hub_route_count;

/* Answers. */
void hub_status(struct hub_call *c, int status); /* empty body */
void hub_message(struct hub_call *c, int status, const char *message, const char *error);
void hub_json(struct hub_call *c, int status); /* the body is there; sets the type */
void hub_add_header(struct hub_response *r, const char *name, struct bytes value);
/* hub_failure answers what a store's error means: 503 with Retry-After when the store is away;
 * strict: 404, 409, 400; compat: 500. */
void hub_failure(struct hub_call *c, int code, const struct error *why);

/* Events. hub_event_note: a row for the event log, stored soon after with others; false: no room.
 * hub_events_crowded: so many wait that who asks for more stores some first, on a worker, so that
 * a processor that is all the loop's gets to storing them. hub_events_store_some stores one
 * portion; close stores all, as far as the store takes them. */
[[gnu::warn_unused_result]] int hub_events_open(struct hub *h, struct error *why);
void hub_events_close(struct hub *h);
[[gnu::warn_unused_result]] bool hub_event_note(struct hub *h, const char *builder,
                                                struct bytes measurement);
bool hub_events_crowded(const struct hub *h);
void hub_events_store_some(struct hub *h);

/* First or last value of a header; p NULL when there is none. */
struct bytes hub_header_first(const struct hub_call *c, const char *lower_name);
struct bytes hub_header_last(const struct hub_call *c, const char *lower_name);

/* Bodies. hub_member finds a member as Go does: any case, the last counts. */
[[gnu::warn_unused_result]] int hub_parse(struct hub_call *c, const struct json **ret,
                                          struct error *why);
const struct json *hub_member(const struct json *object, const char *name);
/* hub_text: a string member, "" when missing or null; ERR_INVALID for other types. */
[[gnu::warn_unused_result]] int hub_text(struct bytes *ret, const struct json *object,
                                         const char *name, struct error *why);
/* hub_check_members: ERR_INVALID for a member that is none of the names (up to NULL): one that
 * nobody reads is a slip of the pen, and with `unlisted` a slip takes a fleet away. */
[[gnu::warn_unused_result]] int hub_check_members(const struct json *object,
                                                  const char *const *names, struct error *why);

/* hub_password: the admin's Basic authentication, which says who the author is where accounts have
 * names. May take long (bcrypt). */
bool hub_password(struct hub_call *c);
/* hub_password_known: it was found right before; no hashing. */
bool hub_password_known(struct hub_call *c);

/* hub_change commits, and loads a builder (or, empty, the measurements) again. hub_change_all loads
 * everything again; the notifications are in the batch already. */
[[gnu::warn_unused_result]] int hub_change_all(struct hub *h, struct store_batch *b,
                                               struct error *why);
[[gnu::warn_unused_result]] int hub_change(struct hub *h, struct store_batch *b,
                                           struct bytes builder, struct error *why);
void hub_batch(struct hub_call *c, struct store_batch *b);
/* hub_name_is_free: before a builder is added, the secrets of one of its name that went are removed
 * where they were still waiting for that. False: answered (503). */
bool hub_name_is_free(struct hub_call *c, struct bytes name);
/* hub_removed: after a builder was removed, its secrets outside the database. What fails is logged
 * and tried again later. */
void hub_removed(struct hub *h, struct bytes builder);
/* hub_document appends a builder's document: the secrets, or the configuration merged with them. */
[[gnu::warn_unused_result]] int hub_document(struct hub *h, struct bytes builder, struct buf *out,
                                             struct arena *a, struct error *why);

/* hub_name_is_good: 1 to 255 bytes without NUL. hub_write_entry: the stored form of what an entry
 * (its whole object, of that type) measures: its registers or its image hashes. strict: each
 * register has an expected value, and there is something unless allow_empty.
 * errors  ERR_INVALID; ERR_NOT_FOUND: nothing is measured. */
bool hub_name_is_good(struct bytes name);
/* hub_knows_builder: false: answered (404). */
bool hub_knows_builder(struct hub_call *c, struct bytes name);
struct hub_entry_rules {
    bool strict, allow_empty;
};
[[gnu::warn_unused_result]] int hub_write_entry(struct buf *out, const struct json *entry,
                                                struct bytes type, struct hub_entry_rules rules,
                                                struct error *why);

hub_handler hub_openapi, hub_live, hub_readiness, hub_drain_now, hub_undrain_now;
hub_handler node_measurements, node_configuration, node_peers, node_register;
hub_handler internal_peers, internal_network_peers, internal_page;
hub_handler admin_measurement_add, admin_measurement_enable;
hub_handler admin_builder_add, admin_builder_enable, admin_config_set, admin_secret_set;
hub_handler admin_config_active, admin_config_full;
hub_handler admin_measurement_list, admin_measurement_delete, admin_builder_list,
    admin_builder_delete, admin_builder_update, admin_config_list, admin_config_one,
    admin_config_activate, admin_credential_list, admin_event_list, admin_change_list, admin_match,
    admin_apply;

#endif
