/* Archive rows: what the history's sinks are sent, as bytes.
 *
 *   redistribution archive   flashbots_newOrderEvents: one JSON event an order of a user
 *   ClickHouse               RowBinary rows of three tables (examples/clickhouse.sql),
 * little-endian; a FixedString as it is, a Nullable after a byte 0 (1: null, and nothing follows),
 * an array or String after its length in LEB128 files                    one JSON object a line
 *
 * Source: flashbots/buildernet-orderflow-proxy and BuilderNet/FlowProxy; ClickHouse, format
 * RowBinary. Pure; any thread. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_ARCHIVE_ROWS_H
#define ORDERFLOW_ARCHIVE_ROWS_H

#include "orderflow/archive.h"

/* archive_put_event appends one event of flashbots_newOrderEvents, without a comma. A raw
 * transaction is told as the mev_sendBundle that it stands for, for head_block and five more.
 * errors  ERR_UNSUPPORTED (a method that is not archived), the buf's. */
[[gnu::warn_unused_result]] int archive_put_event(struct buf *out, const struct flow_order *o,
                                                  uint64_t head_block, struct error *why);
/* archive_put_request appends the request of a batch: events joined by commas. */
void archive_put_request(struct buf *out, struct bytes events);

enum archive_table {
    ARCHIVE_BUNDLES,  /* bundles of users */
    ARCHIVE_RECEIPTS, /* bundles of peers */
    ARCHIVE_EVENTS,   /* everything that happened to any order */
    ARCHIVE_TABLES,
};

/* archive_columns: the columns of a table's rows, as in INSERT INTO t (...). */
const char *archive_columns(enum archive_table t);

/* archive_put_row appends a row, or nothing where the table has none for such an event.
 * builder_name  of this node. Returns 1, 0, or errors  ERR_NO_MEMORY, ERR_LIMIT. */
[[gnu::warn_unused_result]] int archive_put_row(struct buf *out, enum archive_table t,
                                                const struct archive_event *e,
                                                const char *builder_name, struct error *why);

/* archive_put_line appends an event as a line of JSON. */
void archive_put_line(struct buf *out, const struct archive_event *e, const char *builder_name);

#endif
