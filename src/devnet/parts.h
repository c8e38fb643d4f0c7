/* Parts: real programs in place of the network's own, on request: PostgreSQL under the hub,
 * Lodestar and another execution client for the chain, ClickHouse behind the orderflows, Vault for
 * the hub's secrets, swtpm in the nodes, Prometheus over all roles.
 *
 * Each is a role as the others are: supervised, in the network's folder, gone with it. The loop's
 * thread only. SPDX-License-Identifier: MIT */
#ifndef DEVNET_PARTS_H
#define DEVNET_PARTS_H

#include "devnet/net.h"

enum part_database { DATABASE_SQLITE, DATABASE_POSTGRES };
enum part_archive { ARCHIVE_NONE, ARCHIVE_CLICKHOUSE };
enum part_secrets { SECRETS_DATABASE, SECRETS_VAULT };
enum part_tpm { TPM_NONE, TPM_SWTPM };
enum part_consensus { CONSENSUS_OWN, CONSENSUS_LODESTAR };
enum netns_use { NETNS_NONE, NETNS_VETH, NETNS_NETEM };
enum part_monitor { MONITOR_NONE, MONITOR_PROMETHEUS };

#define PART_CLICKHOUSE_USER "devnet"
#define PART_CLICKHOUSE_EVENTS "order_events"

/* parts_check finds the programs that were asked for, before anything is made.
 * errors  ERR_NOT_FOUND, with the package that has it. */
[[gnu::warn_unused_result]] int parts_check(const struct devnet_settings *s, struct error *why);

/* part_find gives a program's path (PATH_MAX bytes). errors  as parts_check. */
[[gnu::warn_unused_result]] int part_find(char *ret, const char *program, const char *package,
                                          struct error *why);

/* part_role begins a role whose command is not this program's. */
[[gnu::warn_unused_result]] int part_role(struct role *ret, struct net *n, const char *name,
                                          const char *program, const char *package,
                                          struct error *why);

/* part_database adds the cluster, part_secrets the Vault server; the hub's words for it go to
 * `hub`. Nothing is added, and the hub has its own, when none was asked for. */
[[gnu::warn_unused_result]] int part_database(struct net *n, struct role *hub, struct error *why);
[[gnu::warn_unused_result]] int part_secrets(struct net *n, struct role *hub, struct error *why);

/* part_archive adds ClickHouse. part_archive_fill makes its tables, once it is ready (blocking).
 * part_archive_password: what the nodes log in with, 33 bytes. */
[[gnu::warn_unused_result]] int part_archive(struct net *n, struct error *why);
[[gnu::warn_unused_result]] int part_archive_fill(struct net *n, struct error *why);
void part_archive_password(char ret[33], const struct net *n);

/* part_tpm adds a node's vTPM and what keeps it: the roles tpm and paravisor. */
[[gnu::warn_unused_result]] int part_tpm(struct net *n, struct net_node *node, struct error *why);

/* part_consensus_settle lets slots that are as long as nobody said be longer with --cl lodestar.
 * part_consensus_check: which settings go with it; part_consensus_install gets what it
 * needs from npm, unless it is there. part_engine: the chain's words for it, part_consensus adds
 * the clients and what stands between them and the network. */
void part_consensus_settle(struct devnet_settings *s);
[[gnu::warn_unused_result]] int part_consensus_check(const struct devnet_settings *s,
                                                     struct error *why);
[[gnu::warn_unused_result]] int part_consensus_install(const struct devnet_settings *s,
                                                       struct error *why);
[[gnu::warn_unused_result]] int part_engine(struct net *n, struct role *chain, struct error *why);
[[gnu::warn_unused_result]] int part_consensus(struct net *n, unsigned beacon, struct error *why);

/* part_monitor adds Prometheus, after all others. part_monitor_targets tells it of every role, when
 * there is one. */
[[gnu::warn_unused_result]] int part_monitor(struct net *n, struct error *why);
[[gnu::warn_unused_result]] int part_monitor_targets(struct net *n, struct error *why);

#endif
