/* What became of each order: for whoever sent it, and for whoever operates the builder.
 *
 * The last orders stand in a ring: when they came, what each slot's simulation said (profit, gas,
 * or why it failed), in how many bids they were and since when, why they were left out of the last
 * one, whether they landed, and why the pool let go of them. Nothing of their content.
 *
 * Threads: any. Every function but the questions costs a look-up under a lock.
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_ORDER_LOG_H
#define BUILDER_ORDER_LOG_H

#include "builder/order_pool.h"
#include "builder/seal.h"
#include "json/json.h"
#include "json/write.h"

#define ORDER_LOG_SLOTS 4u /* of one order: the last ones */

struct order_log;

/* order_log_new: places  orders that are remembered.  errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int order_log_new(struct order_log **ret, size_t places,
                                              struct error *why);
void order_log_free(struct order_log *l); /* NULL is allowed */

/* What happens to orders. l  NULL: nothing is kept. now_ns  wall clock. */
void order_log_received(struct order_log *l, const struct build_order *o, uint64_t now_ns);
void order_log_refused(struct order_log *l, const struct build_order *o, const struct error *why,
                       uint64_t now_ns);
void order_log_removed(struct order_log *l, const struct build_order *o, enum pool_removal reason,
                       uint64_t now_ns);
/* order_log_simulated: of the job of that slot and block. */
void order_log_simulated(struct order_log *l, const struct job_entry *e, uint64_t slot,
                         uint64_t block, uint64_t now_ns);
/* order_log_bid: a block that left; its orders are in a bid, and the reasons of those that it does
 * not hold are kept. order_log_landed: it became the head. */
void order_log_bid(struct order_log *l, const struct built_block *b, uint64_t now_ns);
void order_log_landed(struct order_log *l, uint64_t slot, uint64_t block,
                      const struct job_entry *const *included, size_t count);
/* order_log_unsimulated: an order that no simulation reached before its slot was over. */
void order_log_unsimulated(struct order_log *l, const struct job_entry *e, uint64_t slot,
                           uint64_t block);

/* order_log_write writes a JSON array of the orders of that name: the hash of one of their
 * transactions, of the bundle, or their id. Newest first; at most 64. Gives how many. */
size_t order_log_write(struct order_log *l, const struct hash *name, struct json_writer *w);

/* order_log_explain writes the same for a person, from that JSON. errors  ERR_INVALID (of another
 * form). */
[[gnu::warn_unused_result]] int order_log_explain(struct buf *out, const struct json *orders,
                                                  struct error *why);

#endif
