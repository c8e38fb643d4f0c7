/* Events: what happened in a network, newest last, for everybody who looks (page, feed, tests).
 *
 * An event is one line of JSON: {"seq", "at_ms" (Unix), "kind", …}. The newest EVENTS_KEPT are
 * kept; every reader has its own place. The loop's thread only. SPDX-License-Identifier: MIT */
#ifndef DEVNET_EVENTS_H
#define DEVNET_EVENTS_H

#include "net/server.h"
#include "json/write.h"

#define EVENTS_KEPT 4096

struct events;

[[gnu::warn_unused_result]] int events_new(struct events **ret, struct loop *l, struct error *why);
void events_free(struct events *e);

/* events_begin starts an event; the caller adds members, then events_end. */
struct json_writer *events_begin(struct events *e, const char *kind);
void events_end(struct events *e);

/* events_say: an event of one text member "text". */
[[gnu::format(printf, 3, 4)]] void events_say(struct events *e, const char *kind, const char *text,
                                              ...);

/* events_stream answers a request with all events after Last-Event-ID (or all that are kept, or,
 * with ?from=now, none) and then each one as it comes (text/event-stream). */
void events_stream(struct exchange *x, void *events);

/* events_hang_up ends all streams (the network stops). */
void events_hang_up(struct events *e);

/* events_write adds the events after `after` as an array. */
void events_write(struct json_writer *w, const char *key, const struct events *e, uint64_t after);

#endif
