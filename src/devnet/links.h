/* Links: the connection layer of a network. Every connection between two roles passes a relay here,
 * which knows who speaks to whom and can make faults, count, and record, without any privilege.
 *
 * Each listener of a role has a front: an address that the others are given. Who connects is told
 * by looking up the connecting socket's owner among the roles' processes. The connection to the
 * role itself comes from the connecting node's own loopback address (127.0.0.11 for node 1), so
 * that the hub knows nodes by their address as it does in production.
 *
 * The relays run on a thread of their own. Every function may be called from another thread; they
 * are short. SPDX-License-Identifier: MIT */
#ifndef DEVNET_LINKS_H
#define DEVNET_LINKS_H

#include "base/log.h"
#include "devnet/fault.h"
#include "devnet/places.h"

#include <sys/types.h>

#define LINKS_ROLES_MAX 256
#define LINKS_FRONTS_MAX 256
#define LINKS_LISTENERS_MAX 8192 /* with namespaces: a front in each */
#define LINKS_PAIRS_MAX 1024
#define LINK_QUEUE_BYTES_MAX (4u << 20) /* of one direction; above it the sender waits */

struct links;

/* places: where roles are; NULL: all in the machine's own namespace. Borrowed. */
[[gnu::warn_unused_result]] int links_new(struct links **ret, struct log *log, uint64_t seed,
                                          struct places *places, struct error *why);
void links_free(struct links *l);

/* links_front opens the front of a role's listener: listens on 127.0.0.1:port, leads to
 * 127.0.0.1:target_port. errors  ERR_LIMIT, and those of socket_listen. */
[[gnu::warn_unused_result]] int links_front(struct links *l, const char *role, unsigned port,
                                            unsigned target_port, struct error *why);

/* With places. A connection of a node enters a front in the node's own namespace, passes the veth
 * pair to the other's place, and comes out at the role.
 * links_place opens all fronts, those to come too, in a node's place. links_forward: 127.0.0.1:port
 * leads to the same port there, for whoever looks at the node from outside. errors  as links_front.
 */
[[gnu::warn_unused_result]] int links_place(struct links *l, unsigned place, struct error *why);
[[gnu::warn_unused_result]] int links_forward(struct links *l, unsigned place, unsigned port,
                                              struct error *why);

/* links_role says which process a role is now (0: none). source: the last number of the loopback
 * address that its connections come from; 0: 127.0.0.1. */
void links_role(struct links *l, const char *role, pid_t pid, unsigned source);

/* links_faults puts faults in force; links_slot tells the current slot. */
void links_faults(struct links *l, const struct fault_list *faults);
void links_slot(struct links *l, uint64_t slot);

/* links_record appends what passes to a file from now on; the format is in record.h.
 * links_record_end ends it. errors  ERR_IO; ERR_NOT_FOUND (nothing is recorded). */
[[gnu::warn_unused_result]] int links_record(struct links *l, const char *path, struct error *why);
[[gnu::warn_unused_result]] int links_record_end(struct links *l, struct error *why);

struct link_pair {
    char from[FAULT_NAME_MAX], to[FAULT_NAME_MAX]; /* who connected, to whom */
    uint64_t connections, open, refused;
    uint64_t up_bytes, down_bytes;
    uint64_t faults; /* chunks that a fault changed, connections it ended */
};

/* links_pairs copies what is known of every pair; returns how many. */
size_t links_pairs(struct links *l, struct link_pair *ret, size_t most);

#endif
