/* Network: the constants of the chain that a relay serves: genesis, slots, forks, domains.
 *
 * Read once from a beacon node (genesis and config/spec); constant from then on. Slot times need
 * not be whole seconds, so that devnets may run faster than Ethereum does: timestamps go on by the
 * slot time rounded up to whole seconds then, and are the chain's own time.
 *
 * Source: ethereum/beacon-APIs, "getGenesis", "getSpec"; ethereum/builder-specs, domains.
 * Thread: any once it is read. SPDX-License-Identifier: MIT */
#ifndef RELAY_NETWORK_H
#define RELAY_NETWORK_H

#include "eth/containers.h"
#include "json/json.h"

#define NETWORK_NEVER UINT64_MAX

struct network_fork {
    uint64_t epoch; /* NETWORK_NEVER: not planned */
    uint8_t version[4];
    struct hash proposer_domain; /* what blocks of the fork are signed in */
};

struct network {
    enum consensus_preset preset;
    uint64_t genesis_s; /* of the timestamps: Unix time */
    uint64_t zero_ns;   /* wall time at which slot 0 begins; genesis_s unless the node says else */
    uint64_t slot_ns;
    uint64_t slots_per_epoch;
    uint8_t genesis_version[4];
    struct hash genesis_validators_root;
    struct hash builder_domain; /* bids, submissions, registrations */
    struct network_fork forks[CONSENSUS_FORK_COUNT];
};

/* network_read reads the `data` of /eth/v1/beacon/genesis and of /eth/v1/config/spec.
 * genesis  may have slot_zero_ms, the wall time at which slot 0 begins (buildernet node).
 * slot_ns  overrides the specification's slot time; 0: take SLOT_DURATION_MS or SECONDS_PER_SLOT
 *          (digits after a point are allowed).
 * errors   ERR_NOT_FOUND, ERR_INVALID, ERR_SYNTAX, ERR_RANGE; ERR_UNSUPPORTED (a fork is planned
 *          whose containers are not known for the preset). */
[[gnu::warn_unused_result]] int network_read(struct network *ret, const struct json *genesis,
                                             const struct json *spec, uint64_t slot_ns,
                                             struct error *why);

/* network_fork_at: the fork of a slot, -1 before Bellatrix. network_types_at: its containers, NULL
 * likewise. */
int network_fork_at(const struct network *n, uint64_t slot);
const struct consensus_types *network_types_of(const struct network *n, enum consensus_fork f);

static inline uint64_t network_epoch_of(const struct network *n, uint64_t slot) {
    return slot / n->slots_per_epoch;
}

/* network_slot_start_ns: wall time at which a slot begins (saturates far in the future).
 * network_slot_at: the slot of a wall time, 0 before genesis. */
uint64_t network_slot_start_ns(const struct network *n, uint64_t slot);
uint64_t network_slot_at(const struct network *n, uint64_t wall_ns);

/* network_into_slot_ns: how far a wall time is into a slot; negative before it. */
int64_t network_into_slot_ns(const struct network *n, uint64_t slot, uint64_t wall_ns);

/* network_timestamp: the timestamp that a payload of a slot carries; saturates. */
uint64_t network_timestamp(const struct network *n, uint64_t slot);

#endif
