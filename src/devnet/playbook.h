/* Playbook: a scenario file: what is done to a network in which slot, what load runs, and what is
 * expected of the chain and the roles at the end.
 *
 *     name = "hub outage"
 *     nodes = 3                      # and slot = "1s": in place of the flags
 *     slots = 20                     # the run's length, from readiness on
 *
 *     [[step]]
 *     slot = 3                       # counted from readiness
 *     do = ["fault add hub<->* cut"] # commands as on the command line
 *
 *     [[load]]
 *     slot = 2
 *     scenario = "mix"               # of `buildernet load`
 *     rate = 10
 *     duration = "10s"
 *
 *     [[chain]]                      # what each slot from..until holds, counted likewise
 *     from = 5
 *     until = 6                      # without: that slot only
 *     missed = false                 # any of these, and all that are said must hold
 *     by_relay = true
 *     winner = "node-2"              # the block's builder ("devnet": the proposer's own)
 *     not_winner = "node-1"
 *     txs_min = 2
 *
 *     [expect]
 *     missed_slots_max = 0
 *     by_relay_min = 0.8             # share of blocks that came through the relay
 *     landed_min = 0.9               # share of the network's own bundles
 *     foreign_bundle = true          # one landed in another node's block
 *     load_landed_min = 0.99         # share of the load's taken orders
 *     load_forbidden_max = 0
 *     ready = true                   # every role at the end
 *
 * The loop's thread only. SPDX-License-Identifier: MIT */
#ifndef DEVNET_PLAYBOOK_H
#define DEVNET_PLAYBOOK_H

#include "devnet/net.h"
#include "toml/toml.h"

#define PLAYBOOK_STEPS_MAX 256
#define PLAYBOOK_LOADS_MAX 8
#define PLAYBOOK_CHECKS_MAX 64

struct playbook;

/* playbook_read reads a file; what it says of the network goes into the settings.
 * errors  ERR_NOT_FOUND, ERR_SYNTAX, ERR_INVALID with line and column. */
[[gnu::warn_unused_result]] int playbook_read(struct playbook **ret, struct devnet_settings *s,
                                              struct arena *a, const char *path, struct error *why);

/* playbook_slot does what is due in a slot; false once the run is over. */
bool playbook_slot(struct playbook *p, struct net *n, uint64_t slot);

/* chain_check: what a scenario says of the chain's slots (playbook_chain.c). */
struct chain_check {
    uint64_t from, until;
    bool has_missed, missed, has_by_relay, by_relay;
    const char *winner, *not_winner; /* NULL: anybody */
    uint64_t txs_min;
};
[[gnu::warn_unused_result]] int chain_check_read(struct chain_check *ret, const struct toml *v,
                                                 struct arena *a, struct error *why);
/* chain_check_verdict adds a line; first: the slot that they are counted from. */
bool chain_check_verdict(const struct chain_check *k, const struct slots *s, uint64_t first,
                         struct buf *out);

/* playbook_verdict says what was expected and what came of it, a line each; false: not all of it.
 */
bool playbook_verdict(struct playbook *p, struct net *n, struct buf *out);

#endif
