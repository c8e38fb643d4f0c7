/* Plan: which processes a network is, with their command lines, files and addresses.
 *
 * Others are given a front of each listener (links.h), never the listener itself.
 * Everything on the loop's thread. SPDX-License-Identifier: MIT */
#ifndef DEVNET_PLAN_H
#define DEVNET_PLAN_H

#include "devnet/net.h"

/* plan_network adds everything; plan_node one node, whose number, names and image are set. */
[[gnu::warn_unused_result]] int plan_network(struct net *n, struct error *why);
[[gnu::warn_unused_result]] int plan_node(struct net *n, struct net_node *node, struct error *why);

/* genesis.c: writes genesis.json, and sets genesis_s where it must be known before the start. */
#define GENESIS_VIRTUAL_S 1700000000u /* Unix time that a virtual clock begins with */
#define GENESIS_FORK_EPOCH_SLOTS 8    /* of an epoch, with --fork */
[[gnu::warn_unused_result]] int genesis_store(struct net *n, struct error *why);

/* The chain with its consensus stub, and the relay; a node's orderflow and builder. */
[[gnu::warn_unused_result]] int plan_chain(struct net *n, struct error *why);
[[gnu::warn_unused_result]] int plan_relay(struct net *n, struct error *why);
[[gnu::warn_unused_result]] int plan_orderflow(struct net *n, struct net_node *node,
                                               struct error *why);
[[gnu::warn_unused_result]] int plan_builder(struct net *n, struct net_node *node,
                                             struct error *why);

/* ---- what these are written with ---- */

/* plan_describe begins a role: program and first words. */
struct role plan_describe(const struct net *n, const char *name, const char *program);
/* plan_name: "node-1.orderflow", in the arena; NULL without memory. */
char *plan_name(struct net *n, const struct net_node *node, const char *part);
[[gnu::warn_unused_result]] int plan_add(struct net *n, const struct role *r, struct error *why);
int plan_too_large(struct error *why);

/* Words of a command line, ended by NULL; "--flag 127.0.0.1:PORT". false: too many. */
bool plan_words(struct role *r, const char *const *list);
#define WORDS(r, ...) plan_words((r), (const char *const[]){__VA_ARGS__, NULL})
bool plan_listens(struct role *r, struct net *n, const char *flag, unsigned port);

/* Ports, ended by NULL. */
[[gnu::warn_unused_result]] int plan_reserve(struct net *n, unsigned *const *ports,
                                             struct error *why);
#define RESERVE(n, ...) plan_reserve((n), (unsigned *const[]){__VA_ARGS__, NULL}, why)

/* plan_store writes a file below the network's folder. */
[[gnu::warn_unused_result]] int plan_store(struct net *n, const char *name, struct bytes content,
                                           mode_t mode, struct error *why);

#endif
