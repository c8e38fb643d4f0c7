/* Listener: whether what listens at an address of this machine is still what it was.
 *
 * A builder's JSON-RPC does not say which process answers. The kernel knows: a process that is
 * started again listens at a socket of its own. What stands in front of the builder and outlives it
 * (a proxy, a socket that the service manager holds) is all that can be seen of it.
 *
 * Thread: any; reads from /proc for about a millisecond. Source: Linux proc_net(5), random(4).
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_LISTENER_H
#define ORDERFLOW_LISTENER_H

#include "net/url.h"

#define LISTENER_BOOT_FILE "/proc/sys/kernel/random/boot_id"

/* listener_life gives a number that changes when the machine, or a process that listens at the
 * URL's port, is started again. 0: it cannot be told (the URL is of another machine or of a path,
 * nobody listens, or /proc is not there). */
uint64_t listener_life(const struct url *u);

#endif
