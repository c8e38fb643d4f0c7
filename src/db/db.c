/* SPDX-License-Identifier: MIT */
#include "db/db.h"

#include "base/utf8.h"

#include <string.h>

void db_close(struct db *d) {
    if (d) d->ops->close(d);
}

// What PostgreSQL refuses SQLite would take, and give to readers who cannot read it.
static bool is_text(const struct db_value *v) {
    struct bytes b = v->bytes;
    return v->blob || b.n == 0 || (!memchr(b.p, 0, b.n) && utf8_check(b) == b.n);
}

int db_run(struct db *d, const struct db_statement *s, const struct db_value *values, size_t n,
           db_row *row, void *context, uint64_t *ret_changed, struct error *why) {
    for (size_t i = 0; i < n; i++) {
        if (!is_text(&values[i])) {
            return error_set(why, ERR_RANGE, "%s: a NUL in a text, or no UTF-8", s->name);
        }
    }
    return d->ops->run(d, s, values, n, row, context, ret_changed, why);
}

int db_script(struct db *d, const char *sql, struct error *why) {
    return d->ops->script(d, sql, why);
}

void db_rollback(struct db *d) {
    struct error ignored;
    (void)d->ops->script(d, "ROLLBACK", &ignored);
}
