/* Db: one connection to a SQL database, SQLite or PostgreSQL, behind one set of functions.
 *
 * Statements are literals of the program with parameters $1, $2, ... in order of first appearance
 * and are prepared once a connection; values never become part of the text. Columns are read as
 * text (booleans begin with 't' or '1'), so that one reader serves both engines.
 * Not an object mapper and not a pool.
 *
 * Ownership: values of a row are valid during the call. Thread: one connection, one thread at a
 * time. SPDX-License-Identifier: MIT */
#ifndef DB_DB_H
#define DB_DB_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>

#define DB_PARAMETERS_MAX 24
#define DB_COLUMNS_MAX 32

enum db_kind { DB_SQLITE, DB_POSTGRES };

/* One statement in both dialects; postgres NULL: the same text. */
struct db_statement {
    const char *name; /* unique; the prepared statement's name */
    const char *sqlite;
    const char *postgres;
};

/* A parameter: text, bytes, or NULL (bytes.p NULL and not blob). */
struct db_value {
    struct bytes bytes;
    bool blob;
};
static inline struct db_value db_text(struct bytes b) {
    return (struct db_value){{b.p ? b.p : (const uint8_t *)"", b.n}, false};
}
static inline struct db_value db_blob(struct bytes b) {
    return (struct db_value){b, true};
}
static inline struct db_value db_bool(bool v) {
    return (struct db_value){v ? BYTES_LIT("1") : BYTES_LIT("0"), false};
}
#define DB_NULL ((struct db_value){{NULL, 0}, false})

/* A row's columns; p NULL is SQL NULL. Returning an error ends the query with it. */
typedef int db_row(void *context, const struct bytes *column, struct error *why);

struct db;
struct db_ops {
    enum db_kind kind;
    void (*close)(struct db *d);
    int (*run)(struct db *d, const struct db_statement *s, const struct db_value *values, size_t n,
               db_row *row, void *context, uint64_t *ret_changed, struct error *why);
    int (*script)(struct db *d, const char *sql, struct error *why);
};
struct db {
    const struct db_ops *ops;
};

/* Errors of both engines: ERR_CONFLICT (a unique name exists already), ERR_NOT_FOUND (a foreign
 * key names nothing), ERR_RANGE (check constraint, too long, text with a NUL or not UTF-8),
 * ERR_CLOSED (the server is gone; the transaction did not happen unless it was the COMMIT),
 * ERR_BUSY, ERR_TIMEOUT (the server says nothing: 5 s for a session, 30 s for a statement or
 * COMMIT, which may have happened), ERR_IO (disk). */

/* db_open_sqlite opens or makes a file, WAL, synchronous FULL, foreign keys on. ":memory:" works.
 */
[[gnu::warn_unused_result]] int db_open_sqlite(struct db **ret, const char *path,
                                               struct error *why);
/* db_open_postgres connects; dsn is a libpq URL or key=value text, several hosts allowed (the one
 * that takes writes is chosen). A lost connection is made anew by the next call outside of a
 * transaction. */
[[gnu::warn_unused_result]] int db_open_postgres(struct db **ret, const char *dsn,
                                                 struct error *why);
void db_close(struct db *d);

/* db_run: ret_changed (may be NULL) gets how many rows a write changed. */
[[gnu::warn_unused_result]] int db_run(struct db *d, const struct db_statement *s,
                                       const struct db_value *values, size_t n, db_row *row,
                                       void *context, uint64_t *ret_changed, struct error *why);
/* db_script runs several statements without parameters (migrations, BEGIN, COMMIT). */
[[gnu::warn_unused_result]] int db_script(struct db *d, const char *sql, struct error *why);

/* db_rollback ends a transaction without effect. */
void db_rollback(struct db *d);

/* db_listener: a connection of its own that waits for NOTIFY on a channel (PostgreSQL only).
 * db_listener_wait: 0 and *ret_payload (valid until the next call, p NULL after timeout_ms without
 * one), ERR_CLOSED when the server is gone (call again: it reconnects; the caller loads all). */
struct db_listener;
[[gnu::warn_unused_result]] int db_listener_open(struct db_listener **ret, const char *dsn,
                                                 const char *channel, struct error *why);
[[gnu::warn_unused_result]] int db_listener_wait(struct db_listener *l, int timeout_ms,
                                                 int cancel_fd, struct bytes *ret_payload,
                                                 struct error *why);
void db_listener_close(struct db_listener *l);

#endif
