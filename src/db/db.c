/* SPDX-License-Identifier: MIT */
#include "db/db.h"

void db_close(struct db *d) {
    if (d) d->ops->close(d);
}

int db_run(struct db *d, const struct db_statement *s, const struct db_value *values, size_t n,
           db_row *row, void *context, uint64_t *ret_changed, struct error *why) {
    return d->ops->run(d, s, values, n, row, context, ret_changed, why);
}

int db_script(struct db *d, const char *sql, struct error *why) {
    return d->ops->script(d, sql, why);
}

void db_rollback(struct db *d) {
    struct error ignored;
    (void)d->ops->script(d, "ROLLBACK", &ignored);
}
