/* Given: which orders the builder was given, noted beside the journal, so that a node that was
 * killed and started again repeats nothing of what its builder has.
 *
 * One file of GIVEN_SLOTS records, written round and round; of an order whose record is overwritten
 * while it may still land nothing is known after a restart: it is given again. Records go to the
 * kernel, not to the disk: should the machine fall, its builder falls too and needs all again. A
 * record says that the builder `session` got the order as number `sequence`; whether that builder
 * is still there, and how far it came, the caller finds out (given_confirm).
 *
 * Record, integers big-endian:
 *
 *   offset size
 *    0      8   check: the first bytes of the SHA-256 of what follows
 *    8      8   session, never 0
 *   16      8   sequence: the record is the one numbered sequence % GIVEN_SLOTS
 *   24      8   expires, wall ns
 *   32     32   the order's id
 *
 * A record that is damaged is passed over. Thread: one (the loop's).
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_GIVEN_H
#define ORDERFLOW_GIVEN_H

#include "orderflow/order.h"

struct given;

#define GIVEN_SLOTS 262144u
#define GIVEN_RECORD 64u /* bytes */

struct given_record {
    uint64_t session, sequence, expires_ns;
    struct hash id;
};

/* given_open opens the file, made when it is not there, and reads what has not expired.
 * path    beside a journal that this process has open: nobody else writes it.
 * errors  ERR_IO, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int given_open(struct given **ret, const char *path, uint64_t now_ns,
                                           struct error *why);
void given_close(struct given *g); /* NULL is fine */

/* given_session and given_sequence: of the newest record that was read; 0: there was none. */
uint64_t given_session(const struct given *g);
uint64_t given_sequence(const struct given *g);

/* given_confirm: of what was read the builder has that of `session` up to `last`, and nothing else:
 * the rest is forgotten. last 0: nothing. */
void given_confirm(struct given *g, uint64_t session, uint64_t last);

/* given_has: the order was given before the start, as far as was confirmed. */
bool given_has(const struct given *g, const struct hash *id);

/* given_forget frees what was read when all of it has expired. Now and then. */
void given_forget(struct given *g, uint64_t now_ns);

/* given_note takes a record down; given_write writes what was taken down, before the orders leave.
 * Sequences rise. errors  ERR_IO: these orders may be given again after a restart. */
void given_note(struct given *g, uint64_t session, uint64_t sequence, const struct flow_order *o);
[[gnu::warn_unused_result]] int given_write(struct given *g, struct error *why);

/* given_read_record reads one record of GIVEN_RECORD bytes. false: empty or damaged. */
[[gnu::warn_unused_result]] bool given_read_record(struct given_record *ret, struct bytes in);

#endif
