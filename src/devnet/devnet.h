/* Program: `buildernet devnet`: a whole network on this machine, and the proof that it works.
 *
 * `up` runs every part as a process of its own, supervised, with all connections through relays
 * that can make faults; the other verbs talk to the running network over its control address, which
 * devnet.json in its folder tells. No container, no privilege, nothing outside the folder.
 *
 * Thread: the main thread. SPDX-License-Identifier: MIT */
#ifndef DEVNET_DEVNET_H
#define DEVNET_DEVNET_H

#include "config/config.h"

/* Unless asked otherwise. */
#define DEVNET_SLOT_NS 1000000000u
#define DEVNET_NODES 3
#define DEVNET_SEED "devnet"

struct devnet_settings {
    const char *folder, *name, *seed, *scenario, *record, *replay, *fork, *execution;
    const char *shadow_node, *shadow_ws, *shadow_beacon, *shadow_relay, *shadow_genesis;
    const char *shadow_state, *shadow_bids;
    uint64_t virtual_clock_ns; /* 0: blocks tell the time of the machine */
    uint64_t nodes, port_base, slot_ns, timeout_ns, page_port, account;
    int database, archive, secrets, tpm, monitor, consensus; /* enum part_… of parts.h */
    int netns;                                               /* enum netns_use of parts.h */
    bool until_bundle, until_ready, show, keep, json, check, follow, yes, play;
    bool resume; /* --continue */
    const char *slot_filter, *order_filter;
};

extern const struct config_program devnet_program;

enum devnet_verb {
    DEVNET_UP,
    DEVNET_DOWN,
    DEVNET_STATUS,
    DEVNET_FEED,
    DEVNET_LOGS,
    DEVNET_FAULT,
    DEVNET_ROLE,
    DEVNET_ALLOW,
    DEVNET_REVOKE,
    DEVNET_ADD_NODE,
    DEVNET_ROTATE,
    DEVNET_QUOTE,
    DEVNET_CLOCK,
    DEVNET_MISS,
    DEVNET_REORG,
    DEVNET_RECORD,
    DEVNET_REPLAY,
    DEVNET_TX,
    DEVNET_SHOW,
    DEVNET_SHADOW,
};

/* devnet_up runs a network until it is told to end. devnet_ask does every other verb. Both give the
 * exit status. */
int devnet_up(const struct devnet_settings *s);
int devnet_ask(const struct devnet_settings *s, enum devnet_verb verb, struct config_list words);

#endif
