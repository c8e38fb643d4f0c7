/* Snapshot: a whole store as one compressed, checksummed stream that an interrupted import takes up
 * where it stopped.
 *
 * Wire format, all numbers big-endian:
 *     0   8   "BNSNAP01"
 *     8   8   number of the block that the state belongs to
 *    16  32   its hash
 *    48  32   state root
 *    80   8   bytes of all frames before compression, 0: not known
 *    88  32   SHA-256 of the 88 bytes before
 *   then frames:
 *     0   4   bytes before compression, at most SNAPSHOT_FRAME_MAX; 0: the end
 *     4   4   bytes that follow the frame's head
 *     8  32   SHA-256 of (SHA-256 of the frame before, or of the file's head) and those bytes
 *    40   n   zstd
 * So a frame cannot be left out, changed or moved. A frame holds records of the store: table (1),
 * length of key (1), length of value (4), key, value. The end's bytes are none,
 * and none follow it.
 *
 * An import commits a frame and its place in the stream together. What it has built is no store as
 * long as it is not finished: trie_store_head finds nothing, and snapshot_is_unfinished says so.
 * Thread: one; no other has the store open. Blocking.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TRIE_SNAPSHOT_H
#define TRIE_SNAPSHOT_H

#include "base/clock.h"
#include "trie/store.h"

#define SNAPSHOT_HEAD_BYTES 120u
#define SNAPSHOT_FRAME_BYTES (4u << 20) /* a frame is closed when it has so many, */
#define SNAPSHOT_FRAME_MAX (256u << 20) /* and has more where one record is large */

struct snapshot_progress {
    uint64_t done_bytes, total_bytes; /* before compression; total 0: not known */
    uint64_t packed_bytes, frames;
    uint64_t elapsed_ns;
    bool finished;
};

struct snapshot_options {
    const struct clock *clock; /* NULL: the system's */
    /* Called after each frame, and once at the end. NULL: nothing. */
    void (*progress)(void *context, const struct snapshot_progress *p);
    void *context;
    int level; /* of zstd; 0: 3 */
};

/* snapshot_export writes the store to a descriptor.
 * errors  ERR_NOT_FOUND (an empty store), ERR_LIMIT (a record above SNAPSHOT_FRAME_MAX), ERR_IO,
 *         ERR_NO_MEMORY, ERR_INTERNAL (zstd). */
[[gnu::warn_unused_result]] int
snapshot_export(struct trie_store *s, int fd, const struct snapshot_options *o, struct error *why);

enum snapshot_result {
    SNAPSHOT_IMPORTED,
    SNAPSHOT_SKIPPED, /* the store is not empty: nothing was read */
};

/* snapshot_import fills an empty store, or goes on with one that the same snapshot was begun into.
 * In the end the state root is computed from the accounts and slots and must be the head's.
 * fd      from its first byte to its end; need not seek.
 * errors  ERR_SYNTAX, ERR_INVALID (a checksum, the root, the head's block, bytes after the end),
 *         ERR_CONFLICT (another snapshot was begun), ERR_CLOSED (the stream ends early),
 *         ERR_LIMIT, ERR_IO. After ERR_CLOSED and ERR_IO it can be taken up again. */
[[gnu::warn_unused_result]] int snapshot_import(struct trie_store *s, int fd,
                                                const struct snapshot_options *o,
                                                enum snapshot_result *ret, struct error *why);

/* snapshot_is_unfinished: an import into this store has not come to its end. */
bool snapshot_is_unfinished(struct trie_store *s);

#endif
