/* Reading records: at start, and for the data API.
 *
 * Thread: the reading thread (records_read_pool), or any before it is used.
 * SPDX-License-Identifier: MIT */
#ifndef RELAY_RECORDS_READ_H
#define RELAY_RECORDS_READ_H

#include "relay/records.h"

/* records_read_pool: one thread that may call the functions below. */
struct pool *records_read_pool(struct records *r);

/* What the data API filters by. */
enum records_order { RECORDS_NEWEST, RECORDS_VALUE_RISING, RECORDS_VALUE_FALLING };
struct records_filter {
    int64_t slot, cursor, block_number; /* -1: any. cursor: slots up to it */
    /* "0x…" or empty: any. */
    struct bytes block_hash, builder_pubkey, proposer_pubkey;
    uint64_t limit;
    enum records_order order;
};

/* records_write_delivered, records_write_submissions append the JSON array of the data API. */
[[gnu::warn_unused_result]] int records_write_delivered(struct records *r, struct buf *out,
                                                        const struct records_filter *f,
                                                        struct error *why);
[[gnu::warn_unused_result]] int records_write_submissions(struct records *r, struct buf *out,
                                                          const struct records_filter *f,
                                                          struct error *why);

/* records_each_…: everything, at start. */
typedef int records_registration_each(void *context,
                                      const struct signed_validator_registration *reg,
                                      struct error *why);
typedef int records_builder_each(void *context, const struct bytes48 *pubkey,
                                 const struct builder_status *status, struct error *why);
struct records_payload_row {
    enum consensus_fork fork;
    bool header_only, cancellable, optimistic;
    uint64_t received_ns, sequence;
    struct bytes body;
};
typedef int records_payload_each(void *context, const struct records_payload_row *row,
                                 struct error *why);
[[gnu::warn_unused_result]] int records_each_registration(struct records *r,
                                                          records_registration_each *each,
                                                          void *context, struct error *why);
[[gnu::warn_unused_result]] int records_each_builder(struct records *r, records_builder_each *each,
                                                     void *context, struct error *why);
/* Payloads of `slot` and later that may be offered again, in order of arrival. */
[[gnu::warn_unused_result]] int records_each_payload(struct records *r, uint64_t slot,
                                                     records_payload_each *each, void *context,
                                                     struct error *why);
/* The payload of a block; ERR_NOT_FOUND. */
[[gnu::warn_unused_result]] int records_find_payload(struct records *r, const struct hash *block,
                                                     uint64_t slot, records_payload_each *each,
                                                     void *context, struct error *why);
/* The newest slot with a delivery and its block hash; slot 0: none. */
[[gnu::warn_unused_result]] int records_last_delivered(struct records *r, uint64_t *ret_slot,
                                                       struct hash *ret_hash, struct error *why);

#endif
