/* Shadow: a network that follows somebody else's chain, builds for each of its slots, and bids to
 * nobody. The report compares what the nodes would have bid with what was delivered.
 *
 * In place of the chain and the relay stands what is followed: its node and beacon node are read
 * from, its relay is asked for duties and deliveries, with GET alone. The nodes' one relay is this
 * program's own listener on loopback, which keeps what they bid and passes nothing on; another
 * address for bids is refused unless it is on loopback.
 *
 * The loop's thread only. SPDX-License-Identifier: MIT */
#ifndef DEVNET_SHADOW_H
#define DEVNET_SHADOW_H

#include "devnet/net.h"

#define SHADOW_BID_BYTES_MAX (16u << 20)

struct shadow;

/* shadow_wanted: the settings say so. */
static inline bool shadow_wanted(const struct devnet_settings *s) {
    return s->shadow_node && *s->shadow_node;
}

/* shadow_check judges the settings: all addresses are there, bids stay on this machine.
 * errors  ERR_INVALID, ERR_UNTRUSTED (bids would leave), ERR_SYNTAX. */
[[gnu::warn_unused_result]] int shadow_check(const struct devnet_settings *s, struct error *why);

/* shadow_plan stands in for plan_chain and plan_relay. shadow_free. */
[[gnu::warn_unused_result]] int shadow_plan(struct net *n, struct error *why);
void shadow_free(struct shadow *s);

/* What the nodes' builders ask their relay: GET /relay/v1/builder/validators, POST
 * /relay/v1/builder/blocks. 404 without a shadow. */
void shadow_duties(struct exchange *x, void *net);
void shadow_bid(struct exchange *x, void *net);

/* shadow_look fills in the best bid of our own for a slot. */
void shadow_look(const struct net *n, struct slot_record *r);

#endif
