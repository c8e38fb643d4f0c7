/* Says what bytes are: any transaction, receipt, header, block, SSZ container or RLP, as JSON or as
 * a table for people. For the command line and for error reports; not for the data path. Any
 * thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ETH_DESCRIBE_H
#define ETH_DESCRIBE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

#define DESCRIBE_RLP_ITEMS_MAX (1u << 19) /* of plain RLP, lists included */

/* describe_json appends one JSON object {"kind": ..., ...}.
 * kind    NULL to find out: the first of describe_kinds that the bytes are, strictly and whole;
 *         else one of its names.
 * a       scratch and decoded lists.
 * errors  ERR_NOT_FOUND (unknown kind), ERR_SYNTAX (no kind fits; the text says why the likeliest
 *         does not), and those of the kind's decoder. */
[[gnu::warn_unused_result]] int describe_json(struct buf *out, const char *kind, struct bytes in,
                                              struct arena *a, struct error *why);

/* describe_table appends the JSON object as lines "name  value", nested values indented.
 * errors  as json_parse. */
[[gnu::warn_unused_result]] int describe_table(struct buf *out, struct bytes json, struct arena *a,
                                               struct error *why);

/* describe_kinds gives the i-th kind's name, NULL behind the last. */
const char *describe_kinds(size_t i);

#endif
