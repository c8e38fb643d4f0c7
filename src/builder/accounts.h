/* The accounts of landed blocks: refunds are computed on a thread of their own after a block of
 * ours has become the head, and recorded, signed, in a folder (records.h).
 *
 * Thread: the loop's. SPDX-License-Identifier: MIT */
#ifndef BUILDER_ACCOUNTS_H
#define BUILDER_ACCOUNTS_H

#include "base/log.h"
#include "builder/records.h"
#include "builder/seal.h"

struct accounts;

struct accounts_options {
    const char *folder; /* made if missing */
    struct head *head;
    const struct build_keys *keys;
    struct log *log;
    uint64_t seed;
};

/* accounts_new starts the thread. errors  ERR_IO, ERR_NO_MEMORY. accounts_free does what waits. */
[[gnu::warn_unused_result]] int
accounts_new(struct accounts **ret, const struct accounts_options *options, struct error *why);
void accounts_free(struct accounts *a);

/* accounts_landed records a block. work is held meanwhile; included are its orders, copied. */
void accounts_landed(struct accounts *a, struct slot_work *work, const struct landed_block *b,
                     const struct job_entry *const *included, size_t count);

#endif
