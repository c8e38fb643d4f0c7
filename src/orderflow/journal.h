/* Journal: orders that were acknowledged, on disk until their last block has passed, and until that
 * of what they replaced has, so that a crash of the process (and, with sync, of the machine) loses
 * none and brings nothing back that was replaced.
 *
 * A folder of files that are only appended to, "orders-<number>.log", at most JOURNAL_FILE_BYTES
 * long; a file goes when all its orders are over. A record, integers big-endian:
 *
 *   offset size
 *    0      4   size of what follows
 *    4      4   check: the first bytes of the SHA-256 of what follows
 *    8      8   kept until, wall ns
 *   16      8   received, wall ns
 *   24     20   signer
 *   44      1   method (enum order_method)
 *   45      1   priority; JOURNAL_OF_PEER is set when a peer passed it on, JOURNAL_KEPT when the
 *               order itself is over before
 *   46      4   size of the message the order came in
 *   50      8   with JOURNAL_KEPT: when the order is over, wall ns
 *               the order in form FLOW_BITCODE
 *
 * A record that is damaged, or of a later version, is passed over by its size; one that is cut off
 * ends its file's reading, and so does what cannot be a record. Thread: any; one lock.
 * SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_JOURNAL_H
#define ORDERFLOW_JOURNAL_H

#include "base/log.h"
#include "orderflow/order.h"

struct journal;

#define JOURNAL_FILE_BYTES (64u << 20)
#define JOURNAL_HEAD 50u
#define JOURNAL_OF_PEER 0x80u
#define JOURNAL_KEPT 0x40u

enum journal_sync {
    JOURNAL_SYNC_NONE,     /* written to the kernel: survives the process */
    JOURNAL_SYNC_INTERVAL, /* also synced to disk every 100 ms */
    JOURNAL_SYNC_ALWAYS,   /* synced before each acknowledgement, several at once */
};

struct journal_options {
    const char *folder; /* made when it is not there */
    uint64_t bytes_max; /* of all files; 0: 8 GiB. Then appending fails. */
    enum journal_sync sync;
    struct log *log;
    const struct clock *clock; /* NULL: clock_system */
};

struct journal_record {
    uint64_t expires_ns, received_ns; /* expires: it may be over; it is kept to be known of */
    uint64_t kept_ns;                 /* not before expires_ns */
    struct address signer;
    enum order_method method;
    enum order_priority priority;
    bool of_peer; /* for the builder only */
    size_t bytes;
    struct bytes data; /* FLOW_BITCODE */
};

/* journal_open opens the folder and gives every record that is still kept to `replay`, oldest first
 * (valid during the call), before it begins a new file.
 * errors  ERR_IO, ERR_NOT_FOUND (parent folder), ERR_CONFLICT (another process has it open). */
[[gnu::warn_unused_result]] int
journal_open(struct journal **ret, const struct journal_options *options,
             void (*replay)(void *context, const struct journal_record *r), void *context,
             struct error *why);
void journal_close(struct journal *j);

/* journal_append: errors  ERR_IO, ERR_BUSY (bytes_max: full until orders expire), and
 * flow_order_body's. */
[[gnu::warn_unused_result]] int journal_append(struct journal *j, struct flow_order *o,
                                               struct error *why);

/* journal_tidy removes files whose orders are over, and syncs. Called every now and then. When
 * nothing was appended lately (or it failed) it writes a record and takes it back, to know whether
 * orders can be. */
void journal_tidy(struct journal *j);

/* journal_takes: orders can be appended, as far as the last one and the last look tell; false on a
 * full disk, and until it has room again. */
bool journal_takes(const struct journal *j);

struct journal_stats {
    uint64_t files, bytes;      /* now */
    uint64_t records, replayed; /* since the start */
    uint64_t damaged;           /* records that were no good, and ends that were cut off */
    uint64_t refused;           /* orders that it had no room for, or could not write */
};
struct journal_stats journal_stats(struct journal *j);

/* journal_read_record reads the record at the beginning of `in`.
 * ret_bytes  of the whole record, also of one that is only damaged within; else untouched. errors
 * ERR_AGAIN (cut off), ERR_SYNTAX (damaged). */
[[gnu::warn_unused_result]] int journal_read_record(struct journal_record *ret, size_t *ret_bytes,
                                                    struct bytes in, struct error *why);

#endif
