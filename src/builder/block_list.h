/* Block list: addresses that may not take part in a block, as an operator's policy demands.
 *
 * A JSON array of addresses, or one a line. Immutable once loaded; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BUILDER_BLOCK_LIST_H
#define BUILDER_BLOCK_LIST_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>

#define BLOCK_LIST_MAX (1u << 20) /* addresses */

struct block_list;

/* block_list_parse reads a list. errors  ERR_SYNTAX, ERR_RANGE, ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int block_list_parse(struct block_list **ret, struct bytes text,
                                                 struct error *why);

/* Reference counted: block_list_release frees with the last holder; NULL is allowed. */
struct block_list *block_list_retain(struct block_list *l);
void block_list_release(struct block_list *l);

/* block_list_has: NULL has none. */
bool block_list_has(const struct block_list *l, const struct address *a);
size_t block_list_count(const struct block_list *l);

#endif
