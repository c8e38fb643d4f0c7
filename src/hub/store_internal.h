/* What the parts of the store share. SPDX-License-Identifier: MIT */
#ifndef HUB_STORE_INTERNAL_H
#define HUB_STORE_INTERNAL_H

#include "hub/store.h"

/* store_take waits for a connection of the pool; store_give puts it back. */
[[gnu::warn_unused_result]] int store_take(struct store *s, struct db **ret, struct error *why);
void store_give(struct store *s, struct db *d);

/* store_query runs one reading statement, again when the connection was lost before the first
 * row. */
[[gnu::warn_unused_result]] int store_query(struct store *s, const struct db_statement *st,
                                            const struct db_value *values, size_t n, db_row *row,
                                            void *context, struct error *why);

#endif
