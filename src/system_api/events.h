/* Event log of a node: the newest lines that services and operators reported, oldest dropped first.
 *
 * Each event has an id that rises by one and never comes again, also across restarts when there is
 * a file. With a file, events_add returns once the event is on disk. The file holds JSON lines; it
 * is rewritten when it has twice as many as are kept. At start a torn last line is dropped; other
 * lines that cannot be read are left out, an event says so, and the old file stays as PATH.damaged.
 * Followers are told of each new event.
 * Thread: one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SYSTEM_API_EVENTS_H
#define SYSTEM_API_EVENTS_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"

#define EVENT_TEXT_MAX 8192 /* bytes of one message; the rest is cut */

struct event {
    uint64_t id;             /* from 1 */
    uint64_t received_at_ns; /* wall */
    struct bytes message;
};

struct events;

/* events_open: capacity events are kept; path NULL: memory only. clock outlives the log.
 * errors  ERR_IO, ERR_SYNTAX (the file has lines, but no event), ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int events_open(struct events **ret, size_t capacity, const char *path,
                                            const struct clock *clock, struct error *why);
void events_close(struct events *e);

/* events_rewrite writes what is kept to a new file, in place of the old one. To be called after
 * events_open; when it fails the log goes on in memory, and each new event tries again, so that a
 * disk that is full at the start need not stop a program. errors  ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int events_rewrite(struct events *e, struct error *why);

/* events_add appends a message (copied). errors  ERR_IO (the event is in memory, but not durable),
 * ERR_NO_MEMORY (it is lost). */
int events_add(struct events *e, struct bytes message, struct error *why);

/* events_defer_sync: while true, events_add does not wait for the disk; false syncs what came
 * meanwhile. For a burst of lines that nobody waits for. errors  ERR_IO. */
int events_defer_sync(struct events *e, bool defer, struct error *why);

/* events_resize changes how many are kept. */
void events_resize(struct events *e, size_t capacity);

/* events_after gives the first kept event with an id above `id`; false when there is none. The
 * message lives until the next change. */
bool events_after(const struct events *e, uint64_t id, struct event *ret);
/* events_last_id: of the newest event; 0: there was none. */
uint64_t events_last_id(const struct events *e);

/* A follower is told of each event as it is added. The struct is the caller's. */
struct events_follower {
    struct list_node link;
    void (*added)(struct events_follower *f, const struct event *event);
};
void events_follow(struct events *e, struct events_follower *f);
void events_unfollow(struct events_follower *f);

/* Forms of one event: a JSON object (with_id: with its id first), and a line of text. */
void event_write_json(struct buf *out, const struct event *event, bool with_id);
void event_write_text(struct buf *out, const struct event *event);

#endif
