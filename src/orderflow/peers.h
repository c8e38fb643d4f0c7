/* Peers: who may speak to the peers' listener: the address that signs for each peer, and the fixed
 * one of the network's own sender.
 *
 * The hub's list replaces the table as a whole. Thread: any; readers do not wait for each other.
 * Source: flashbots/buildernet-orderflow-proxy. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_PEERS_H
#define ORDERFLOW_PEERS_H

#include "orderflow/order.h"

struct peers;

#define PEER_TRUSTED_NAME "flashbots" /* the network's sender, in logs and metrics */

struct peers_entry {
    char name[FLOW_PEER_NAME_MAX];
    struct address signer;
};

/* peers_new: trusted  the network's sender; NULL: none. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int peers_new(struct peers **ret, const struct address *trusted,
                                          struct error *why);
void peers_free(struct peers *p);

/* peers_set replaces all. On errors (ERR_NO_MEMORY) the old ones stay. */
[[gnu::warn_unused_result]] int peers_set(struct peers *p, const struct peers_entry *entries,
                                          size_t count, struct error *why);

/* peers_find gives the name of who signs with an address; false for strangers.
 * ret_trusted  it is the network's sender, who alone may set subsidies. */
bool peers_find(struct peers *p, char ret_name[FLOW_PEER_NAME_MAX], bool *ret_trusted,
                const struct address *signer);
size_t peers_count(struct peers *p);

#endif
