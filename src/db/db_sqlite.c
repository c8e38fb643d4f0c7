/* SPDX-License-Identifier: MIT */
#include "db/db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define STATEMENTS_MAX 64
#define BUSY_MS 10000

struct prepared {
    const struct db_statement *statement;
    sqlite3_stmt *handle;
};

struct sqlite {
    struct db db;
    sqlite3 *handle;
    struct prepared prepared[STATEMENTS_MAX];
    size_t prepared_count;
};

static int code_of(sqlite3 *h) {
    int extended = sqlite3_extended_errcode(h);
    switch (extended) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
        return ERR_CONFLICT;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return ERR_NOT_FOUND;
    default:
        break;
    }
    switch (extended & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
        return ERR_RANGE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_NOMEM:
        return ERR_NO_MEMORY;
    default:
        return ERR_IO;
    }
}

static int failed(struct sqlite *s, const char *what, struct error *why) {
    return error_set(why, (enum err)code_of(s->handle), "%s: %s", what, sqlite3_errmsg(s->handle));
}

static int prepare(struct sqlite *s, sqlite3_stmt **ret, const struct db_statement *st,
                   struct error *why) {
    for (size_t i = 0; i < s->prepared_count; i++) {
        if (s->prepared[i].statement == st) {
            *ret = s->prepared[i].handle;
            return 0;
        }
    }
    if (s->prepared_count == STATEMENTS_MAX)
        return error_set(why, ERR_LIMIT, "too many statements");
    if (sqlite3_prepare_v3(s->handle, st->sqlite, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) !=
        SQLITE_OK) {
        return failed(s, st->name, why);
    }
    s->prepared[s->prepared_count++] = (struct prepared){st, *ret};
    return 0;
}

static int bind(sqlite3_stmt *h, size_t i, const struct db_value *v) {
    char name[8];
    (void)snprintf(name, sizeof name, "$%zu", i + 1);
    int at = sqlite3_bind_parameter_index(h, name);
    if (at == 0) return SQLITE_OK; // this dialect does not use it
    if (v->blob) return sqlite3_bind_blob64(h, at, v->bytes.p, v->bytes.n, SQLITE_STATIC);
    if (!v->bytes.p) return sqlite3_bind_null(h, at);
    return sqlite3_bind_text64(h, at, (const char *)v->bytes.p, v->bytes.n, SQLITE_STATIC,
                               SQLITE_UTF8);
}

static int give_row(sqlite3_stmt *h, db_row *row, void *context, struct error *why) {
    struct bytes column[DB_COLUMNS_MAX];
    int n = sqlite3_column_count(h);
    for (int i = 0; i < n && i < DB_COLUMNS_MAX; i++) {
        column[i] = (struct bytes){NULL, 0};
        if (sqlite3_column_type(h, i) == SQLITE_NULL) continue;
        const void *p = sqlite3_column_type(h, i) == SQLITE_BLOB ? sqlite3_column_blob(h, i)
                                                                 : sqlite3_column_text(h, i);
        column[i] = bytes_make(p ? p : "", (size_t)sqlite3_column_bytes(h, i));
    }
    return row(context, column, why);
}

static int run(struct db *d, const struct db_statement *st, const struct db_value *values, size_t n,
               db_row *row, void *context, uint64_t *ret_changed, struct error *why) {
    struct sqlite *s = (struct sqlite *)d;
    sqlite3_stmt *h;
    int r = prepare(s, &h, st, why);
    for (size_t i = 0; i < n && r == 0; i++) {
        if (bind(h, i, &values[i]) != SQLITE_OK) r = failed(s, st->name, why);
    }
    if (r != 0) return r;
    int step;
    while ((step = sqlite3_step(h)) == SQLITE_ROW && r == 0) {
        if (row) r = give_row(h, row, context, why);
        if (r != 0) break;
    }
    if (r == 0 && step != SQLITE_DONE) r = failed(s, st->name, why);
    if (r == 0 && ret_changed) *ret_changed = (uint64_t)sqlite3_changes64(s->handle);
    (void)sqlite3_reset(h);
    (void)sqlite3_clear_bindings(h);
    return r;
}

static int script(struct db *d, const char *sql, struct error *why) {
    struct sqlite *s = (struct sqlite *)d;
    if (sqlite3_exec(s->handle, sql, NULL, NULL, NULL) != SQLITE_OK) {
        return failed(s, "script", why);
    }
    return 0;
}

static void close_it(struct db *d) {
    struct sqlite *s = (struct sqlite *)d;
    for (size_t i = 0; i < s->prepared_count; i++) {
        (void)sqlite3_finalize(s->prepared[i].handle);
    }
    (void)sqlite3_close(s->handle);
    free(s);
}

static const struct db_ops ops = {
    .kind = DB_SQLITE, .close = close_it, .run = run, .script = script};

int db_open_sqlite(struct db **ret, const char *path, struct error *why) {
    *ret = NULL;
    struct sqlite *s = calloc(1, sizeof *s);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for a database");
    s->db.ops = &ops;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &s->handle, flags, NULL) != SQLITE_OK) {
        int r = error_set(why, ERR_IO, "cannot open the database %s: %s", path,
                          s->handle ? sqlite3_errmsg(s->handle) : "no memory");
        close_it(&s->db);
        return r;
    }
    (void)sqlite3_extended_result_codes(s->handle, 1);
    (void)sqlite3_busy_timeout(s->handle, BUSY_MS);
    int r = script(&s->db,
                   "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                   "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;",
                   why);
    if (r != 0) {
        close_it(&s->db);
        return error_wrap(why, "database %s", path);
    }
    *ret = &s->db;
    return 0;
}
