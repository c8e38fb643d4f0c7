/* Model: the hub's rows in memory, ready to be answered: who may come in, and who the peers are.
 *
 * Filled from the store, whole or one builder at a time; a change is visible when the call
 * returns. The peer list of a network is kept as text until a builder of that network changes.
 * Not the truth (that is the store) and no locks: the hub's lock guards it, and functions with a
 * const model need it only for reading.
 *
 * SPDX-License-Identifier: MIT */
#ifndef HUB_MODEL_H
#define HUB_MODEL_H

#include "base/buf.h"
#include "base/map.h"
#include "hub/store.h"

#include <stdatomic.h>

struct model_register {
    struct bytes key;
    const struct bytes *expected; /* one of these; none: never matches */
    size_t expected_count;
};
struct model_measurement {
    struct bytes name, type;
    bool active;
    bool is_null; /* stored as JSON null */
    struct model_register *registers;
    size_t register_count;
};

struct model_builder {
    char *name, *ip, *network, *dns_name; /* dns_name "" when there is none */
    uint8_t address[16];                  /* IPv4 mapped */
    bool active, has_config;
    bool hidden;   /* the deployed hub leaves it out of lists */
    bool complete; /* has all services that the network asks for */
    char *peer;    /* its object in the peer list */
    size_t peer_bytes;
    char *secret; /* its document when it was read, else NULL; secret_bytes may be 0 */
    size_t secret_bytes;
    _Atomic uint64_t seen_ns; /* last answered request, wall clock; 0: never */
};

struct model_network {
    char *name;
    struct buf list; /* JSON array */
    bool fresh;
    uint64_t version; /* rises with every change */
};

struct model {
    struct map by_name;            /* struct model_builder */
    struct map by_address;         /* active ones; the first by name where several share one */
    struct map networks;           /* struct model_network */
    struct model_builder **sorted; /* by name */
    size_t count, capacity;
    struct arena measurement_memory;
    struct model_measurement *measurements;
    size_t measurement_count;
    struct buf published; /* JSON array of the active measurements */
    /* Settings. */
    bool compat;
    const char *const *required; /* services a listed builder has; NULL-ended; NULL: none */
};

void model_init(struct model *m, bool compat, const char *const *required);
void model_free(struct model *m);

/* model_load_measurements, model_load_builders: everything anew from the store.
 * model_load_builder: one builder, which may be new or gone. */
[[gnu::warn_unused_result]] int model_load_measurements(struct model *m, struct store *s,
                                                        struct error *why);
[[gnu::warn_unused_result]] int model_load_builders(struct model *m, struct store *s,
                                                    struct error *why);
[[gnu::warn_unused_result]] int model_load_builder(struct model *m, struct store *s,
                                                   struct bytes name, struct error *why);

/* A measurement as a node's proxy tells it. */
struct model_claim {
    struct bytes key, value;
};
/* model_match: the first active entry of the type whose registers all have an expected value
 * among the claims; NULL: none. */
const struct model_measurement *model_match(const struct model *m, struct bytes type,
                                            const struct model_claim *claims, size_t count);
/* model_matches compares one entry; *ret_register (may be NULL) is the first that differs. */
bool model_matches(const struct model_measurement *e, const struct model_claim *claims,
                   size_t count, const struct model_register **ret_register);

struct model_builder *model_builder(const struct model *m, struct bytes name);
struct model_builder *model_builder_at(const struct model *m, const uint8_t address[16]);
const struct model_measurement *model_measurement(const struct model *m, struct bytes name);

/* model_peers gives the list's text, making it when it is not fresh (needs the writer's lock then:
 * model_peers_fresh tells). An unknown network is an empty list. self: listed even while it is
 * incomplete; *ret gets the list, in `scratch` when it is not the kept one. */
bool model_peers_fresh(const struct model *m, struct bytes network);
void model_peers_build(struct model *m, struct bytes network);
struct bytes model_peers(const struct model *m, struct bytes network,
                         const struct model_builder *self, struct buf *scratch);

/* model_set_secret keeps a document (copied); p NULL forgets it. */
void model_set_secret(struct model_builder *b, struct bytes document);

/* model_ip reads an address as the proxies write it: no port, brackets, zone, leading zeros. */
[[gnu::warn_unused_result]] bool model_ip(uint8_t ret[16], struct bytes text);
/* model_ip_text: the canonical text; ret of 46 bytes. */
void model_ip_text(char ret[46], const uint8_t address[16]);

#endif
