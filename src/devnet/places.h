/* Places: where roles are when each node has a network namespace of its own (`up --netns`): one for
 * each node, and one for each other role that nodes speak to ("hub", "chain", "relay"), which runs
 * in the machine's own namespace and is reached through it. Any two places are linked by a pair of
 * veth devices; netem at its ends makes what passes later or loses it.
 *
 *     place a < b:  device vB in a, address 10.a.b.1/30  ────  device vA in b, address 10.a.b.2/30
 *
 * The namespaces have no names: they live as long as somebody holds them, and nothing of them is
 * left when this program has ended, however it did. Needs root, iproute2 and the kernel's veth;
 * with netem also the kernel's sch_netem.
 *
 * Thread: places are added by one thread; the rest from any. SPDX-License-Identifier: MIT */
#ifndef DEVNET_PLACES_H
#define DEVNET_PLACES_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define PLACES_MAX 64
#define PLACES_HOST 0u /* the machine's own namespace; places are counted from 1 */

struct places;

/* places_new: netem: the kernel makes delay, jitter and loss.
 * errors  ERR_AUTH (not root), ERR_NOT_FOUND (no iproute2), ERR_UNSUPPORTED (the kernel has no
 *         veth, no netem), ERR_IO. */
[[gnu::warn_unused_result]] int places_new(struct places **ret, bool netem, struct error *why);
void places_free(struct places *p);
bool places_netem(const struct places *p);

/* places_add makes a place and links it with all others.
 * home    roles run in it; otherwise they run in the host's.
 * source  last number of the loopback address that its connections come from; 0: 127.0.0.1.
 * errors  ERR_LIMIT, ERR_IO, ERR_UNSUPPORTED. */
[[gnu::warn_unused_result]] int places_add(unsigned *ret, struct places *p, const char *name,
                                           bool home, unsigned source, struct error *why);

/* places_find: the place of a role ("node-1" for "node-1.builder"); PLACES_HOST: it has none. */
unsigned places_find(const struct places *p, const char *role);
unsigned places_count(const struct places *p); /* numbers 1 … count */
const char *places_name(const struct places *p, unsigned place);

/* places_home: where its roles run: itself or PLACES_HOST. places_source: see places_add. */
unsigned places_home(const struct places *p, unsigned place);
unsigned places_source(const struct places *p, unsigned place);

/* places_fd: the namespace, for process_options; 0: the host's. */
int places_fd(const struct places *p, unsigned place);

/* places_enter lets the calling thread make sockets there, until it enters PLACES_HOST again. */
void places_enter(const struct places *p, unsigned place);

/* places_address: the address of `to`, as `from` reaches it; host byte order. */
uint32_t places_address(unsigned from, unsigned to);
/* places_peer: whose such an address is, to `at`; PLACES_HOST: nobody's. */
unsigned places_peer(unsigned at, uint32_t address);

/* places_shape lets the kernel make what `from` sends to `to` later and lose some; all 0: neither.
 * Blocks for milliseconds. errors  ERR_IO. */
[[gnu::warn_unused_result]] int places_shape(struct places *p, unsigned from, unsigned to,
                                             uint64_t delay_ns, uint64_t jitter_ns, double loss,
                                             struct error *why);

#endif
