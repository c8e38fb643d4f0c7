/* Ports: addresses on loopback that belong to one network from its start to its end.
 *
 * A port is reserved by binding it without listening (SO_REUSEADDR): the kernel then gives it to
 * nobody who asks for any port, and the role it is meant for can still bind and listen, also again
 * after a restart. So there is no moment in which a port is free between choosing and using it.
 *
 * Thread: one at a time. SPDX-License-Identifier: MIT */
#ifndef DEVNET_PORTS_H
#define DEVNET_PORTS_H

#include "base/error.h"

#include <stddef.h>

#define PORTS_MAX 512

struct ports {
    int fds[PORTS_MAX];
    size_t count;
    unsigned next; /* with fixed ports: the next one; 0: the kernel chooses */
};

/* ports_init: base 0 lets the kernel choose, else base, base+1, … are taken. */
void ports_init(struct ports *p, unsigned base);

/* ports_reserve reserves one on 127.0.0.1. errors  ERR_CONFLICT (a fixed one is in use), ERR_LIMIT,
 * ERR_IO. */
[[gnu::warn_unused_result]] int ports_reserve(unsigned *ret, struct ports *p, struct error *why);

/* ports_reserve_pair: the given one and the next. errors  as ports_reserve. */
[[gnu::warn_unused_result]] int ports_reserve_pair(unsigned *ret, struct ports *p,
                                                   struct error *why);

/* ports_number: the i-th that was reserved. */
unsigned ports_number(const struct ports *p, size_t i);

/* ports_release gives all back. */
void ports_release(struct ports *p);

#endif
