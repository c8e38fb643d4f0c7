/* Model: the hub's rows in memory, ready to be answered: who may come in, and who the peers are.
 *
 * Filled from the store in two steps, whole or one builder at a time: rows are read without a lock
 * and then taken into the model, which is short. The peer list of a network is kept as text until a
 * builder of that network changes. Not the truth (that is the store) and no locks: the hub's lock
 * guards it, and functions with a const model need it only for reading.
 *
 * SPDX-License-Identifier: MIT */
#ifndef HUB_MODEL_H
#define HUB_MODEL_H

#include "attest/measurement.h"
#include "base/buf.h"
#include "base/map.h"
#include "config/config.h"
#include "hub/shared_text.h"
#include "hub/store.h"
#include "json/json.h"
#include "json/write.h"

#include <stdatomic.h>

struct model_register {
    struct bytes key;
    const struct bytes *expected; /* one of these; none: never matches */
    size_t expected_count;
};
struct model_measurement {
    struct bytes name, type;
    bool active;
    bool is_null;    /* stored as JSON null */
    bool portable;   /* the registers were computed from image hashes */
    bool unreadable; /* what is stored is no entry: it lets nobody in and is not published */
    struct model_register *registers;
    size_t register_count;
};

struct model_builder {
    char *name, *ip, *network, *dns_name; /* dns_name "" when there is none */
    char *shadow_of;                      /* whose configuration it gets; "": its own */
    uint8_t address[16];                  /* IPv4 mapped */
    bool active;
    bool has_config; /* of its own; model_has_config counts */
    bool hidden;     /* the deployed hub leaves it out of lists */
    bool complete;   /* has all services that the network asks for */
    char *peer;      /* its object in the peer list */
    size_t peer_bytes;
    char *secret; /* its document when it was read, else NULL; secret_bytes may be 0 */
    size_t secret_bytes;
    bool secret_old;          /* to be read again; good only while that fails */
    uint64_t secret_turn;     /* rises when it becomes old: what was read before that is not kept */
    _Atomic uint64_t seen_ns; /* last answered request, wall clock; 0: never */
};

#define MODEL_TAG_BYTES 34 /* an entity tag: 32 hex digits in quotes */

struct model_network {
    char *name;
    struct shared_text *list;      /* JSON array; NULL: not made yet */
    char tag[MODEL_TAG_BYTES + 1]; /* of the list's text, the same in every hub */
    bool fresh;
    uint64_t version; /* rises with every change */
};

struct model {
    struct map by_name;            /* struct model_builder */
    struct map by_address;         /* active ones; the first by name where several share one */
    struct map networks;           /* struct model_network */
    struct model_builder **sorted; /* by name */
    size_t count, capacity;
    uint64_t secret_turn; /* of a new builder: none that went, perhaps of its name, came so far */
    struct arena measurement_memory;
    struct model_measurement *measurements;
    size_t measurement_count;
    struct buf published;   /* JSON array of the active measurements */
    bool compat, lists_all; /* lists_all: no service is required */
};

/* What turns rows into a model; outlives what was read under it. */
struct model_rules {
    bool compat;
    const char *const *required;        /* services a listed builder has; NULL-ended; NULL: none */
    const struct config_list *firmware; /* MRTDs under which image hashes count, hex; may be NULL */
};

void model_init(struct model *m, const struct model_rules *rules);
void model_free(struct model *m);

/* Rows that were read and are not in the model yet. name p NULL: all builders and measurements;
 * empty: the measurements; else one builder, which may be gone. No lock is needed.
 * errors  the store's, ERR_INVALID (a row that makes no sense), ERR_NO_MEMORY. */
struct model_rows;
[[gnu::warn_unused_result]] int model_read(struct model_rows **ret, const struct model_rules *rules,
                                           struct store *s, struct bytes name, struct error *why);
/* model_take moves them in; rows that say what is known already change nothing. Needs the writer's
 * lock. errors  ERR_NO_MEMORY: some are in. */
[[gnu::warn_unused_result]] int model_take(struct model *m, const struct model_rules *rules,
                                           struct model_rows *rows, struct error *why);
void model_rows_free(struct model_rows *rows);

/* model_peer_bytes: how long a builder's text in the peer list would be with a credential in the
 * place of what its service has. peer  its text now. errors  ERR_NO_MEMORY. Pure. */
[[gnu::warn_unused_result]] int model_peer_bytes(size_t *ret, struct bytes peer,
                                                 const struct store_credential *c, struct arena *a,
                                                 struct error *why);

/* A measurement as a node's proxy tells it. */
struct model_claim {
    struct bytes key, value;
};
/* model_match: the first active entry of the type whose registers all have an expected value
 * among the claims; NULL: none. */
const struct model_measurement *model_match(const struct model *m, struct bytes type,
                                            const struct model_claim *claims, size_t count);
/* model_match_proved is the same for evidence that was verified here: entries whose type is of the
 * evidence's kind (attestation_same_kind). */
const struct model_measurement *model_match_proved(const struct model *m,
                                                   enum attestation_type evidence,
                                                   const struct model_claim *claims, size_t count);
/* model_matches compares one entry; *ret_register (may be NULL) is the first that differs. */
bool model_matches(const struct model_measurement *e, const struct model_claim *claims,
                   size_t count, const struct model_register **ret_register);

/* Image hashes of an entry (docs/security.md), which only gcp-tdx has: measurement_image finds them
 * in its stored form, NULL when it has registers. measurement_publish writes the member that a
 * stored form is published as. errors  ERR_INVALID and those of json. */
struct policy_image;
const struct json *measurement_image(const struct json *stored);
[[gnu::warn_unused_result]] int measurement_read_image(struct policy_image *ret,
                                                       const struct json *v, struct error *why);
void measurement_write_image(struct json_writer *w, const struct policy_image *image);
[[gnu::warn_unused_result]] int measurement_publish(struct json_writer *w, struct bytes stored,
                                                    struct arena *a, struct error *why);

struct model_builder *model_builder(const struct model *m, struct bytes name);
/* model_has_config: its own, or that of the builder it shadows. model_shadowed: the name of a
 * builder that shadows this one, NULL when there is none. */
bool model_has_config(const struct model *m, const struct model_builder *b);
const char *model_shadowed(const struct model *m, struct bytes name);
struct model_builder *model_builder_at(const struct model *m, const uint8_t address[16]);
const struct model_measurement *model_measurement(const struct model *m, struct bytes name);

/* model_peers gives the list's text, making it when it is not fresh (needs the writer's lock then:
 * model_peers_fresh tells). An unknown network is an empty list. self: listed even while it is
 * incomplete. Gives the kept list, held for the caller, and its tag, or NULL and appends to `own`.
 */
bool model_peers_fresh(const struct model *m, struct bytes network);
void model_peers_build(struct model *m, struct bytes network);
struct shared_text *model_peers(const struct model *m, struct bytes network,
                                const struct model_builder *self, struct buf *own,
                                struct bytes *ret_tag);

/* model_set_secret keeps a document (copied); p NULL forgets it. model_age_secrets makes those of a
 * builder and of its shadows old, p NULL all. */
void model_set_secret(struct model_builder *b, struct bytes document);
void model_age_secrets(struct model *m, struct bytes name);

/* model_ip reads an address as the proxies write it: no port, brackets, zone, leading zeros. */
[[gnu::warn_unused_result]] bool model_ip(uint8_t ret[16], struct bytes text);
/* model_ip_text: the canonical text; ret of 46 bytes. */
void model_ip_text(char ret[46], const uint8_t address[16]);

#endif
