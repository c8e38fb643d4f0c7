/* The pool of connections, and transactions on it.
 * SPDX-License-Identifier: MIT */
#include "hub/store.h"

#include "base/clock.h"
#include "base/random.h"
#include "hub/schema.h"
#include "hub/store_internal.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECTIONS_MAX 64
#define ATTEMPTS 4
#define ATTEMPT_PAUSE_NS 50000000L
#define SILENCE_NS (5 * NS_PER_S)
#define STEPS_A_TURN 8 /* some 60 us */

struct store {
    enum db_kind kind;
    char *url;
    char origin[17];
    unsigned limit; /* connections that may exist */
    unsigned open;  /* exist now, idle ones included */
    struct db *idle[CONNECTIONS_MAX];
    unsigned idle_count;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    uint64_t silent_until_ns; /* the database did not answer: until then nobody waits for it anew */
};

static bool is_postgres(const char *url) {
    return strncmp(url, "postgres://", 11) == 0 || strncmp(url, "postgresql://", 13) == 0 ||
           (strchr(url, '=') && !strchr(url, '/')) || strncmp(url, "host=", 5) == 0;
}

static int open_connection(struct store *s, struct db **ret, struct error *why) {
    if (s->kind == DB_POSTGRES) return db_open_postgres(ret, s->url, why);
    return db_open_sqlite(ret, strncmp(s->url, "sqlite:", 7) == 0 ? s->url + 7 : s->url, why);
}

// Every worker would wait for a server that takes connections and never answers: after the first,
// the others are told at once for a while.
static int note_silence(struct store *s, int code, struct error *why) {
    if (code != ERR_TIMEOUT) return code;
    (void)pthread_mutex_lock(&s->lock);
    s->silent_until_ns = clock_monotonic_ns(&clock_system) + SILENCE_NS;
    (void)pthread_mutex_unlock(&s->lock);
    why->code = ERR_CLOSED;
    return ERR_CLOSED;
}

static bool is_silent(struct store *s) {
    (void)pthread_mutex_lock(&s->lock);
    bool silent = clock_monotonic_ns(&clock_system) < s->silent_until_ns;
    (void)pthread_mutex_unlock(&s->lock);
    return silent;
}

int store_take(struct store *s, struct db **ret, struct error *why) {
    *ret = NULL;
    if (is_silent(s)) return error_set(why, ERR_CLOSED, "the database did not answer");
    (void)pthread_mutex_lock(&s->lock);
    while (s->idle_count == 0 && s->open == s->limit) {
        (void)pthread_cond_wait(&s->freed, &s->lock);
    }
    bool make = s->idle_count == 0;
    if (make) {
        s->open++;
    } else {
        *ret = s->idle[--s->idle_count];
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (!make) return 0;
    int r = open_connection(s, ret, why);
    if (r == 0) return 0;
    (void)pthread_mutex_lock(&s->lock);
    s->open--;
    (void)pthread_cond_signal(&s->freed);
    (void)pthread_mutex_unlock(&s->lock);
    return r;
}

void store_give(struct store *s, struct db *d) {
    (void)pthread_mutex_lock(&s->lock);
    s->idle[s->idle_count++] = d;
    (void)pthread_cond_signal(&s->freed);
    (void)pthread_mutex_unlock(&s->lock);
}

enum db_kind store_kind(const struct store *s) {
    return s->kind;
}

const char *store_origin(const struct store *s) {
    return s->origin;
}

static int bring_up_to_date(struct store *s, bool migrate, struct error *why) {
    struct db *d;
    unsigned version;
    int r = store_take(s, &d, why);
    if (r != 0) return r;
    if (migrate) {
        r = schema_migrate(&version, d, why);
    } else {
        r = schema_version(&version, d, why);
        if (r == 0 && version != SCHEMA_VERSION) {
            r = error_set(why, version > SCHEMA_VERSION ? ERR_UNSUPPORTED : ERR_STALE,
                          "the database has schema version %u, this program needs %u", version,
                          SCHEMA_VERSION);
        }
    }
    store_give(s, d);
    return r;
}

int store_open(struct store **ret, const struct store_options *o, struct error *why) {
    *ret = NULL;
    struct store *s = calloc(1, sizeof *s);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for the store");
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->freed, NULL);
    (void)snprintf(s->origin, sizeof s->origin, "%016llx", (unsigned long long)random_u64());
    s->kind = is_postgres(o->url) ? DB_POSTGRES : DB_SQLITE;
    s->limit = s->kind == DB_SQLITE ? 1 : o->connections ? o->connections : 4;
    if (s->limit > CONNECTIONS_MAX) s->limit = CONNECTIONS_MAX;
    s->url = strdup(o->url);
    int r = s->url ? bring_up_to_date(s, o->migrate, why)
                   : error_set(why, ERR_NO_MEMORY, "no memory for the store");
    if (r != 0) {
        store_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void store_close(struct store *s) {
    if (!s) return;
    for (unsigned i = 0; i < s->idle_count; i++) {
        db_close(s->idle[i]);
    }
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_cond_destroy(&s->freed);
    if (s->url) bytes_wipe(s->url, strlen(s->url)); // may hold a password
    free(s->url);
    free(s);
}

static const struct db_statement ping = {"ping", "SELECT 1", NULL};

int store_ping(struct store *s, struct error *why) {
    return store_query(s, &ping, NULL, 0, NULL, NULL, why);
}

static bool worth_another(int code) {
    return code == ERR_CLOSED || code == ERR_BUSY;
}

static void pause_a_little(unsigned attempt) {
    struct timespec t = {0, ATTEMPT_PAUSE_NS << attempt};
    (void)nanosleep(&t, NULL);
}

int store_query(struct store *s, const struct db_statement *st, const struct db_value *values,
                size_t n, db_row *row, void *context, struct error *why) {
    int r = 0;
    for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct db *d;
        if (attempt) pause_a_little(attempt);
        r = store_take(s, &d, why);
        if (r == 0) {
            r = db_run(d, st, values, n, row, context, NULL, why);
            store_give(s, d);
        }
        if (!worth_another(r) || is_silent(s)) return note_silence(s, r, why);
    }
    return r;
}

static int run_steps(struct db *d, const struct store_batch *b, uint64_t *ret_changed,
                     struct error *why) {
    int r = 0;
    unsigned steps = 0;
    for (const struct store_step *step = b->first; step && r == 0; step = step->next) {
        // A scheduler may let who runs go on until its next tick, which is 4 ms.
        if (b->gives_way && ++steps % STEPS_A_TURN == 0) (void)sched_yield();
        uint64_t changed = 0;
        r = db_run(d, step->statement, step->values, step->n, NULL, NULL, &changed, why);
        if (r == 0 && changed == 0 && step->must_change) {
            r = error_set(why, ERR_NOT_FOUND, "%s", step->must_change);
        }
        if (ret_changed) *ret_changed += changed;
    }
    return r;
}

// ret_committing: the COMMIT was sent, so that what happened is not known after an error.
static int transact(struct db *d, const struct store_batch *b, uint64_t *ret_changed,
                    bool *ret_committing, struct error *why) {
    int r = db_script(d, "BEGIN", why);
    if (r != 0) return r;
    r = run_steps(d, b, ret_changed, why);
    if (r == 0 && b->before_commit) r = b->before_commit(b->context, why);
    if (r == 0) {
        *ret_committing = true;
        r = db_script(d, "COMMIT", why);
        if (r == 0) return 0;
    }
    db_rollback(d);
    return r;
}

int store_commit(struct store *s, const struct store_batch *b, uint64_t *ret_changed,
                 struct error *why) {
    if (b->failed != 0) return error_set(why, (enum err)b->failed, "no memory for the change");
    int r = 0;
    for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct db *d;
        bool committing = false;
        if (attempt) pause_a_little(attempt);
        if (ret_changed) *ret_changed = 0;
        r = store_take(s, &d, why);
        if (r == 0) {
            r = transact(d, b, ret_changed, &committing, why);
            store_give(s, d);
        }
        bool again = worth_another(r) || (r == ERR_CONFLICT && b->again_on_conflict);
        if (!again || (committing && r == ERR_CLOSED)) return note_silence(s, r, why);
        if (is_silent(s)) return r;
    }
    return r;
}
