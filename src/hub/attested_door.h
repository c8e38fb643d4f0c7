/* The hub's own attested listener: nodes come with their evidence, without a proxy before the hub.
 *
 * The handshake checks that evidence is genuine, bound to the session and of a platform in good
 * standing (attested.h; `attested-policy` says what that is). Which image may come in is decided at
 * every request by the hub's allow-list, from the registers that were proved: a measurement that is
 * disabled takes its nodes off with their next request. No header says anything here.
 *
 * Thread: the loop's. SPDX-License-Identifier: MIT */
#ifndef HUB_ATTESTED_DOOR_H
#define HUB_ATTESTED_DOOR_H

#include "attested/attested.h"
#include "hub/program.h"
#include "net/server.h"

struct attested_door;

struct attested_door_options {
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    const struct hub_values *values; /* borrowed during the call */
    const struct route *route;       /* outlives the door */
};

/* attested_door_open listens. Threads start here. errors  those of the settings' files, sockets and
 * sources of quotes. attested_door_close: NULL is allowed. */
[[gnu::warn_unused_result]] int attested_door_open(struct attested_door **ret,
                                                   const struct attested_door_options *o,
                                                   struct error *why);
void attested_door_close(struct attested_door *d);
struct server *attested_door_server(struct attested_door *d);

/* A reload, in two steps: what can fail, on any thread, and taking it, on the loop's. _take frees
 * `fresh`; so does _drop. */
struct attested_door_fresh;
[[gnu::warn_unused_result]] int attested_door_prepare(struct attested_door_fresh **ret,
                                                      struct attested_door *d,
                                                      const struct hub_values *values,
                                                      struct error *why);
void attested_door_take(struct attested_door *d, struct attested_door_fresh *fresh);
void attested_door_drop(struct attested_door_fresh *fresh);

#endif
