/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "db/db.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define STATEMENTS_MAX 64
#define CONNECT_SECONDS "5" /* for each host */
#define CONNECT_NS (5 * NS_PER_S)
#define ANSWER_NS (30 * NS_PER_S) /* for a statement; scripts that migrate may take any time */
#define CHANNEL_MAX 64

struct postgres {
    struct db db;
    PGconn *conn;
    const struct db_statement *prepared[STATEMENTS_MAX];
    size_t prepared_count;
    bool in_transaction;
    bool silent;    /* it did not answer in time, and the connection was given up */
    bool misplaced; /* the server takes no writes any more: another host may */
};

// One line of libpq's text, which ends with a line feed and may go on with details.
static int set_text(struct error *why, int code, const char *what, const char *text) {
    size_t n = strcspn(text, "\n");
    return error_set(why, (enum err)code, "%s: %.*s", what, (int)(n > 160 ? 160 : n), text);
}

// SQLSTATE classes (PostgreSQL manual, appendix A).
static int code_of(const char *state) {
    static const struct {
        const char *prefix;
        int code;
    } table[] = {
        {"23505", ERR_CONFLICT}, {"23P01", ERR_CONFLICT}, {"23503", ERR_NOT_FOUND},
        {"23", ERR_RANGE},       {"22", ERR_RANGE},       {"40", ERR_BUSY},
        {"55P03", ERR_BUSY},     {"57P", ERR_CLOSED},     {"08", ERR_CLOSED},
        {"25006", ERR_CLOSED}, // a standby after a failover: another host takes writes
        {"53300", ERR_CLOSED},   {"53", ERR_IO},
    };
    for (size_t i = 0; state && i < sizeof table / sizeof table[0]; i++) {
        if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0) return table[i].code;
    }
    return ERR_IO;
}

// The result's error; takes the result.
static int failed(struct postgres *p, PGresult *result, const char *what, struct error *why) {
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    int code = PQstatus(p->conn) != CONNECTION_OK ? ERR_CLOSED : code_of(state);
    if (p->silent) code = ERR_TIMEOUT;
    if (state && strcmp(state, "25006") == 0) p->misplaced = true;
    int r = p->silent ? error_set(why, ERR_TIMEOUT, "%s: PostgreSQL does not answer", what)
                      : set_text(why, code, what, text ? text : PQerrorMessage(p->conn));
    PQclear(result);
    return r;
}

// Waits until a result is there, or an error; a server that says nothing for too long is given up.
static void await(struct postgres *p, uint64_t deadline_ns) {
    while (PQisBusy(p->conn)) {
        struct pollfd w = {PQsocket(p->conn), POLLIN, 0};
        uint64_t now = clock_monotonic_ns(&clock_system);
        if (w.fd < 0) return;
        if (now >= deadline_ns) {
            p->silent = true;
            (void)shutdown(w.fd, SHUT_RDWR); // libpq sees its end
        } else {
            uint64_t ms = (deadline_ns - now) / NS_PER_MS + 1;
            (void)poll(&w, 1, ms > 60000 ? 60000 : (int)ms);
        }
        if (!PQconsumeInput(p->conn)) return;
    }
}

// The last result of what was sent, as PQexec gives it; NULL: none, the connection tells why.
static PGresult *answer(struct postgres *p, int sent, uint64_t time_ns) {
    uint64_t deadline_ns = clock_monotonic_ns(&clock_system) + time_ns;
    PGresult *last = NULL, *next;
    if (!sent) return NULL;
    for (;;) {
        await(p, deadline_ns);
        next = PQgetResult(p->conn);
        if (!next) return last;
        PQclear(last);
        last = next;
    }
}

static void quiet(void *context, const char *message) {
    (void)context;
    (void)message;
}

static int connect_to(PGconn **ret, const char *dsn, struct error *why) {
    // dbname is expanded last, so the DSN's own settings win over these.
    const char *const keys[] = {"connect_timeout",
                                "keepalives_idle",
                                "tcp_user_timeout",
                                "target_session_attrs",
                                "fallback_application_name",
                                "dbname",
                                NULL};
    const char *const values[] = {CONNECT_SECONDS, "30", "10000", "read-write",
                                  "buildernet",    dsn,  NULL};
    *ret = PQconnectdbParams(keys, values, 1);
    if (!*ret) return error_set(why, ERR_NO_MEMORY, "no memory for a connection");
    if (PQstatus(*ret) != CONNECTION_OK) {
        return set_text(why, ERR_CLOSED, "cannot connect to PostgreSQL", PQerrorMessage(*ret));
    }
    (void)PQsetNoticeProcessor(*ret, quiet, NULL);
    return 0;
}

// A connection that the server dropped, or that leads to one which takes no writes any more, is
// made again, unless a transaction was open on it.
static int revive(struct postgres *p, struct error *why) {
    if (PQstatus(p->conn) == CONNECTION_OK && !p->misplaced) return 0;
    if (p->in_transaction) return error_set(why, ERR_CLOSED, "PostgreSQL is gone");
    uint64_t began_ns = clock_monotonic_ns(&clock_system);
    PQreset(p->conn);
    p->prepared_count = 0;
    p->silent = p->misplaced = false;
    if (PQstatus(p->conn) == CONNECTION_OK) return 0;
    bool waited = clock_monotonic_ns(&clock_system) - began_ns >= CONNECT_NS - NS_PER_S / 2;
    return set_text(why, waited ? ERR_TIMEOUT : ERR_CLOSED, "cannot reconnect to PostgreSQL",
                    PQerrorMessage(p->conn));
}

static int prepare(struct postgres *p, const struct db_statement *st, struct error *why) {
    for (size_t i = 0; i < p->prepared_count; i++) {
        if (p->prepared[i] == st) return 0;
    }
    if (p->prepared_count == STATEMENTS_MAX)
        return error_set(why, ERR_LIMIT, "too many statements");
    PGresult *result = answer(
        p, PQsendPrepare(p->conn, st->name, st->postgres ? st->postgres : st->sqlite, 0, NULL),
        ANSWER_NS);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) return failed(p, result, st->name, why);
    PQclear(result);
    p->prepared[p->prepared_count++] = st;
    return 0;
}

static int give_rows(PGresult *result, db_row *row, void *context, struct error *why) {
    int r = 0;
    int columns = PQnfields(result);
    for (int i = 0; i < PQntuples(result) && r == 0; i++) {
        struct bytes column[DB_COLUMNS_MAX];
        for (int c = 0; c < columns && c < DB_COLUMNS_MAX; c++) {
            column[c] = (struct bytes){NULL, 0};
            if (PQgetisnull(result, i, c)) continue;
            column[c] = bytes_make(PQgetvalue(result, i, c), (size_t)PQgetlength(result, i, c));
        }
        r = row(context, column, why);
    }
    return r;
}

// libpq takes NUL-terminated text; text with a NUL inside is refused as the server would.
static int make_values(const char **ret, int *length, int *format, char **ret_heap,
                       size_t *ret_heap_bytes, const struct db_value *values, size_t n,
                       struct error *why) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += values[i].bytes.n + 1;
    }
    char *at = *ret_heap = malloc(total + 1);
    *ret_heap_bytes = total;
    if (!at) return error_set(why, ERR_NO_MEMORY, "no memory for parameters");
    for (size_t i = 0; i < n; i++) {
        struct bytes b = values[i].bytes;
        length[i] = (int)b.n;
        format[i] = values[i].blob;
        ret[i] = b.p || values[i].blob ? at : NULL;
        if (b.p) memcpy(at, b.p, b.n);
        at[b.n] = '\0';
        at += b.n + 1;
    }
    return 0;
}

static int run(struct db *d, const struct db_statement *st, const struct db_value *values, size_t n,
               db_row *row, void *context, uint64_t *ret_changed, struct error *why) {
    struct postgres *p = (struct postgres *)d;
    const char *text[DB_PARAMETERS_MAX];
    int length[DB_PARAMETERS_MAX], format[DB_PARAMETERS_MAX];
    char *heap = NULL;
    size_t heap_bytes = 0;
    if (n > DB_PARAMETERS_MAX) return error_set(why, ERR_LIMIT, "too many parameters");
    int r = revive(p, why);
    if (r == 0) r = prepare(p, st, why);
    if (r == 0) r = make_values(text, length, format, &heap, &heap_bytes, values, n, why);
    if (r == 0) {
        PGresult *result = answer(
            p, PQsendQueryPrepared(p->conn, st->name, (int)n, text, length, format, 0), ANSWER_NS);
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            r = failed(p, result, st->name, why);
        } else {
            if (row) r = give_rows(result, row, context, why);
            if (ret_changed) *ret_changed = strtoull(PQcmdTuples(result), NULL, 10);
            PQclear(result);
        }
    }
    if (heap) bytes_wipe(heap, heap_bytes);
    free(heap);
    return r;
}

static int script(struct db *d, const char *sql, struct error *why) {
    struct postgres *p = (struct postgres *)d;
    bool begin = strcmp(sql, "BEGIN") == 0, commit = strcmp(sql, "COMMIT") == 0;
    bool rollback = strcmp(sql, "ROLLBACK") == 0;
    int r = rollback && PQstatus(p->conn) != CONNECTION_OK ? 0 : revive(p, why);
    if (commit || rollback) p->in_transaction = false;
    if (r != 0 || PQstatus(p->conn) != CONNECTION_OK) return r;
    bool short_one = begin || commit || rollback;
    PGresult *result = answer(p, PQsendQuery(p->conn, sql), short_one ? ANSWER_NS : UINT64_MAX / 2);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        return failed(p, result, "script", why);
    }
    if (begin) p->in_transaction = true;
    // A COMMIT of a transaction that failed answers ROLLBACK.
    bool undone = commit && strcmp(PQcmdStatus(result), "COMMIT") != 0;
    PQclear(result);
    return undone ? error_set(why, ERR_BUSY, "the transaction was undone") : 0;
}

static void close_it(struct db *d) {
    struct postgres *p = (struct postgres *)d;
    PQfinish(p->conn);
    free(p);
}

static const struct db_ops ops = {
    .kind = DB_POSTGRES, .close = close_it, .run = run, .script = script};

int db_open_postgres(struct db **ret, const char *dsn, struct error *why) {
    *ret = NULL;
    struct postgres *p = calloc(1, sizeof *p);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory for a database");
    p->db.ops = &ops;
    int r = connect_to(&p->conn, dsn, why);
    if (r != 0) {
        close_it(&p->db);
        return r;
    }
    *ret = &p->db;
    return 0;
}

// Notifications

struct db_listener {
    PGconn *conn;
    PGnotify *last;
    char listen[CHANNEL_MAX + 16];
    bool listening;
};

int db_listener_open(struct db_listener **ret, const char *dsn, const char *channel,
                     struct error *why) {
    *ret = NULL;
    struct db_listener *l = calloc(1, sizeof *l);
    if (!l) return error_set(why, ERR_NO_MEMORY, "no memory for a listener");
    (void)strcpy(l->listen, "LISTEN ");
    (void)strncat(l->listen, channel, CHANNEL_MAX); // a literal of the program
    int r = connect_to(&l->conn, dsn, why);
    if (r != 0) {
        db_listener_close(l);
        return r;
    }
    *ret = l;
    return 0;
}

static int begin_to_listen(struct db_listener *l, struct error *why) {
    if (PQstatus(l->conn) != CONNECTION_OK) {
        PQreset(l->conn);
        l->listening = false;
    }
    if (l->listening) return 0;
    PGresult *result = PQexec(l->conn, l->listen);
    bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    if (!ok) return set_text(why, ERR_CLOSED, "cannot listen", PQerrorMessage(l->conn));
    l->listening = true;
    return 0;
}

int db_listener_wait(struct db_listener *l, int timeout_ms, int cancel_fd,
                     struct bytes *ret_payload, struct error *why) {
    *ret_payload = (struct bytes){NULL, 0};
    if (l->last) PQfreemem(l->last);
    l->last = NULL;
    int r = begin_to_listen(l, why);
    if (r != 0) return r;
    l->last = PQnotifies(l->conn);
    if (!l->last) {
        struct pollfd wait[2] = {{PQsocket(l->conn), POLLIN, 0}, {cancel_fd, POLLIN, 0}};
        if (poll(wait, 2, timeout_ms) <= 0 || !wait[0].revents) return 0;
        if (!PQconsumeInput(l->conn)) {
            l->listening = false;
            return set_text(why, ERR_CLOSED, "lost PostgreSQL", PQerrorMessage(l->conn));
        }
        l->last = PQnotifies(l->conn);
    }
    if (l->last) *ret_payload = bytes_from_str(l->last->extra);
    return 0;
}

void db_listener_close(struct db_listener *l) {
    if (!l) return;
    if (l->last) PQfreemem(l->last);
    PQfinish(l->conn);
    free(l);
}
