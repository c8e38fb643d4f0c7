/* Kept: what a network is made of, in network.json in its folder, so that `up --continue` goes on
 * with its chain, hub, keys and nodes after it has ended.
 *
 *     {"version": 1, "seed", "slot_ms", "fork", "virtual_clock_ms", "genesis_time", "db",
 *      "archive", "secrets", "tpm", "metrics", "nodes": [{"image"}]}
 *
 * What is not there is made anew: addresses, faults, shifted clocks, wrong quotes, recordings.
 * The loop's thread only. SPDX-License-Identifier: MIT */
#ifndef DEVNET_KEPT_H
#define DEVNET_KEPT_H

#include "devnet/net.h"

/* kept_store writes it; again whenever a node was added. errors  ERR_IO. */
[[gnu::warn_unused_result]] int kept_store(struct net *n, struct error *why);

/* kept_there: an ended network in that folder can go on. */
bool kept_there(const char *folder);

/* kept_load makes the settings those of the network, and gives the nodes their images.
 * errors  ERR_SYNTAX, ERR_UNSUPPORTED (the file); ERR_CONFLICT (a setting that was given and is
 *         not the network's). */
[[gnu::warn_unused_result]] int kept_load(struct net *n, struct error *why);

/* kept_has: with --continue, a file below the folder is there already and stays. */
bool kept_has(const struct net *n, const char *name);

#endif
