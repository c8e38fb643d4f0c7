/* Spill: a bounded first-in-first-out file of records, for what does not fit into memory while
 * somebody is slow or away.
 *
 * Records are appended to segments and read from the oldest on. When the limit is reached,
 * segments whose records have all expired go first, then the oldest; what goes that way is counted
 * as dropped. Without a prefix the files have no names: nothing is left when the process ends.
 * With one they are found again by the next spill_open; a record that a crash cut off is left out,
 * and what was taken since the last spill_mark comes again: it stays on disk until then.
 *
 * Segment file, little-endian: "BNSPILL1", u64 offset of the first record not yet taken; then
 * records: u32 size, u32 crc32 of the payload, u64 expiry (unix ns, 0: never), payload.
 *
 * Reads and writes are the kernel's page cache's; nothing is synced: it survives the process, not
 * the machine. One thread at a time. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_SPILL_H
#define ORDERFLOW_SPILL_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>

#define SPILL_RECORD_MAX (64u << 20)
#define SPILL_SEGMENT_BYTES (16u << 20)

struct spill;

struct spill_options {
    const char *folder;   /* exists; on an encrypted disk */
    const char *prefix;   /* of file names; NULL: unnamed files */
    uint64_t bytes_max;   /* of all segments; at least two segments are kept */
    size_t segment_bytes; /* 0: SPILL_SEGMENT_BYTES */
    bool through;         /* each record is written at once: it survives a killed process */
    uint64_t (*weigh)(struct bytes record); /* what a record counts; NULL: 1 */
};

/* spill_open: errors  ERR_IO, ERR_NO_MEMORY. spill_close writes what is buffered, and marks
 * nothing; named files stay. NULL is fine. */
[[gnu::warn_unused_result]] int spill_open(struct spill **ret, const struct spill_options *options,
                                           struct error *why);
void spill_close(struct spill *s);

/* spill_append: errors  ERR_LIMIT (SPILL_RECORD_MAX, or larger than the limit), ERR_IO (disk full
 * and the like: the record is not kept), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int spill_append(struct spill *s, struct bytes record,
                                             uint64_t expires_ns, uint64_t now_ns,
                                             struct error *why);

/* spill_first gives the oldest record, valid until the next call of any spill function; spill_pop
 * takes it off. errors  ERR_NOT_FOUND (empty). Records that cannot be read are dropped. */
[[gnu::warn_unused_result]] int spill_first(struct spill *s, struct bytes *ret,
                                            uint64_t *ret_expires_ns, struct error *why);
void spill_pop(struct spill *s);

/* spill_mark: what was taken so far shall not come again; for named files. */
void spill_mark(struct spill *s);

/* spill_expire removes the segments whose records have all expired. */
void spill_expire(struct spill *s, uint64_t now_ns);

/* Records inside now, what they weigh, and their bytes; bytes of the files, with what is not marked
 * yet; the weight of records dropped so far. NULL: 0. */
uint64_t spill_records(const struct spill *s);
uint64_t spill_weight(const struct spill *s);
uint64_t spill_left(const struct spill *s);
uint64_t spill_bytes(const struct spill *s);
uint64_t spill_dropped(const struct spill *s);
/* spill_dropped_bytes: the bytes of the files in which they were. NULL: 0. */
uint64_t spill_dropped_bytes(const struct spill *s);

#endif
