/* Records: what the relay must not lose: registrations, submissions, payloads that may be asked
 * for, deliveries, the standing of builders.
 *
 * Writes go to a thread of their own, which commits all that wait in one transaction; `done` is
 * called on the loop once they are where a crash does not reach them. Reads (records_read.h) have a
 * connection and a thread of their own. SQLite or PostgreSQL.
 *
 * Thread: the loop's, unless said otherwise. SPDX-License-Identifier: MIT */
#ifndef RELAY_RECORDS_H
#define RELAY_RECORDS_H

#include "base/log.h"
#include "base/metrics.h"
#include "db/db.h"
#include "net/loop.h"
#include "relay/bid.h"
#include "relay/builders.h"

struct records;
struct pool;

struct records_options {
    const char *url; /* postgres://…, key=value, or a path */
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    unsigned waiting_max; /* writes that may wait; 0: 8192 */
};

/* records_open opens or makes the database. errors as db/db.h; ERR_UNSUPPORTED: it is newer than
 * this program. records_close finishes what waits (their `done` is called) and frees. */
[[gnu::warn_unused_result]] int records_open(struct records **ret, const struct records_options *o,
                                             struct error *why);
void records_close(struct records *r);

/* records_health: 0, or why a write was lost lately: since the last that was kept, and within a
 * minute. */
[[gnu::warn_unused_result]] int records_health(const struct records *r, struct error *why);

/* records_waiting: writes that are not committed. */
size_t records_waiting(const struct records *r);

/* status 0: committed. why is set otherwise. */
typedef void records_done(void *context, int status, const struct error *why);

/* All of these: done may be NULL (failures are logged). errors ERR_BUSY (too many wait),
 * ERR_NO_MEMORY: nothing is called then. */

/* records_submission notes a bid that was accepted or failed its simulation (sim_error, copied;
 * NULL: it passed or is not simulated yet); with its payload when `with_payload`. */
struct records_simulation {
    const char *error;
    uint64_t took_ns;
};
[[gnu::warn_unused_result]] int records_submission(struct records *r, struct bid *bid,
                                                   bool with_payload,
                                                   const struct records_simulation *simulation,
                                                   records_done *done, void *context,
                                                   struct error *why);
/* records_payload stores the payload of a bid whose submission is noted already. */
[[gnu::warn_unused_result]] int records_payload(struct records *r, struct bid *bid,
                                                records_done *done, void *context,
                                                struct error *why);

/* records_mark changes what is known of a stored payload: a bid that is withdrawn (cancelled, or
 * its simulation failed) is not offered again after a restart, nor is an optimistic one before it
 * is proven; both are still given to a proposer who signed for them. */
enum records_mark { RECORDS_WITHDRAWN, RECORDS_PROVEN };
[[gnu::warn_unused_result]] int records_mark(struct records *r, struct bid *bid,
                                             enum records_mark mark, records_done *done,
                                             void *context, struct error *why);

/* records_registrations keeps registrations (copied), newer ones in place of older ones. */
[[gnu::warn_unused_result]] int
records_registrations(struct records *r, const struct signed_validator_registration *const *items,
                      size_t count, records_done *done, void *context, struct error *why);

/* records_delivered notes that a payload is given out. ERR_CONFLICT in `done`: another payload of
 * this slot was (the same one again is fine). blinded: the signed blinded block as JSON, copied. */
[[gnu::warn_unused_result]] int records_delivered(struct records *r, struct bid *bid,
                                                  uint64_t wall_ns, struct bytes blinded,
                                                  records_done *done, void *context,
                                                  struct error *why);
/* records_late notes a blinded block that came too late. */
[[gnu::warn_unused_result]] int records_late(struct records *r, struct bid *bid,
                                             int64_t into_slot_ns, struct error *why);

/* records_builder keeps a builder's standing. records_demotion notes why it lost it, with what a
 * refund needs. */
[[gnu::warn_unused_result]] int records_builder(struct records *r, const struct builder *b,
                                                records_done *done, void *context,
                                                struct error *why);
[[gnu::warn_unused_result]] int records_demotion(struct records *r, struct bid *bid,
                                                 const char *reason, uint64_t wall_ns,
                                                 struct error *why);

/* records_prune removes payloads of slots before `payloads`, and submissions that were received
 * before a wall time (0: none). */
[[gnu::warn_unused_result]] int records_prune(struct records *r, uint64_t payloads_before_slot,
                                              uint64_t submissions_before_ns, struct error *why);

#endif
