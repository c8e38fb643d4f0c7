/* Inside of the System API: what its rooms share. Everything runs on the loop's thread; slow work
 * (password hashes, fsync) goes to a worker and comes back through the mailbox.
 * SPDX-License-Identifier: MIT */
#ifndef SYSTEM_API_API_H
#define SYSTEM_API_API_H

#include "base/metrics.h"
#include "base/pool.h"
#include "net/server.h"
#include "system_api/events.h"
#include "system_api/password.h"
#include "system_api/runner.h"
#include "system_api/settings.h"

struct fifo;
struct api;

/* One endpoint: its path's only method, and what answers once the caller is let in. */
struct endpoint {
    struct api *api;
    const char *method;
    void (*handle)(struct api *a, struct exchange *x);
};

/* What is counted, a series each; see counters.c. */
enum api_counter {
    LOGIN_GOOD,
    LOGIN_FAILED,
    LOGIN_WAITING,
    ACTION_SUCCEEDED,
    ACTION_FAILED,
    ACTION_TIMED_OUT,
    ACTION_REFUSED,
    UPLOAD_STORED,
    UPLOAD_REFUSED,
    UPLOAD_FAILED,
    EVENT_KEPT,
    EVENT_FAILED,
    API_COUNTERS
};

struct api {
    struct settings settings;
    struct log *log;
    struct metrics *metrics;
    struct metric *counters[API_COUNTERS];
    struct loop *loop;
    struct server *server;
    struct tls *tls;
    struct pool *pool;
    struct pool_mailbox mailbox;
    struct loop_fd mailbox_watch;
    struct command_runner *runner;
    struct events *events;
    struct fifo *fifo;
    bool ready;

    // authentication
    struct password_hash hash;
    char *secret_path; // NULL: none; workers read it, so it stays while settings change
    struct password_gate *gate;
    struct hash remember_key; // of this process
    struct hash remembered;   // keyed hash of the password that matched last
    bool remembered_set;
    bool password_changing; // a new one is on its way through the worker

    struct list runs; // the newest actions, see actions.c
    size_t run_count;
    struct list followers; // of the event log, see follow.c
    struct loop_timer certificate_timer;

    struct endpoint *endpoints;
    struct route *routes;
    size_t route_count;
    int exit_status;
};

/* api_counters_open makes the counters in a->metrics. */
void api_counters_open(struct api *a);

/* api_keep_event adds an event to the event log, counts it, and logs a failure to keep it.
 * errors  as events_add. */
int api_keep_event(struct api *a, struct bytes message);
/* api_event keeps "[system-api] " and the text. */
[[gnu::format(printf, 2, 3)]] void api_event(struct api *a, const char *format, ...);

/* Answers. Bodies end with a newline, as the deployed program's. */
void api_respond_json(struct exchange *x, int status, const struct buf *body);
[[gnu::format(printf, 3, 4)]] void api_respond_error(struct exchange *x, int status,
                                                     const char *format, ...);

/* api_submit gives work to the worker; false: too much waits, or the program ends. */
bool api_submit(struct api *a, struct pool_task *task);

/* api_authorize lets `then` run when the caller may go on, at once or after a worker has checked
 * the password; otherwise it answers 401 (or 429 to one who guesses). x is held meanwhile. */
void api_authorize(struct api *a, struct exchange *x,
                   void (*then)(struct api *a, struct exchange *x, void *context), void *context);

/* api_endpoint_takes: the method is the endpoint's and no browser calls from another site;
 * otherwise it has answered. */
bool api_endpoint_takes(const struct endpoint *e, struct exchange *x);

/* Endpoints, a room each. */
void api_set_password(struct api *a, struct exchange *x);
void api_action(struct api *a, struct exchange *x);
void api_action_list(struct api *a, struct exchange *x);
void api_runs_free(struct api *a);
/* api_list answers with the kept events after an id, piece by piece. */
enum listing_form { LISTING_JSON, LISTING_JSON_IDS, LISTING_TEXT };
void api_list(struct api *a, struct exchange *x, enum listing_form form, uint64_t since);
void api_follow(struct api *a, struct exchange *x, uint64_t since);
void api_followers_end(struct api *a);
/* api_uploads_clean removes what uploads left that a kill cut off. */
void api_uploads_clean(const struct settings *s);
exchange_handle api_upload; /* context is the endpoint; the body comes as a stream */

/* api_routes fills endpoints and routes. errors  ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int api_routes(struct api *a, struct error *why);
exchange_handle api_unknown; /* fallback; context is the api */

/* Certificates: api_certificate_prepare makes the files where it may; api_certificate_options reads
 * them for tls_new and tls_reload; api_certificate_watch renews what was made here. */
[[gnu::warn_unused_result]] int api_certificate_prepare(const struct settings *s, struct log *log,
                                                        struct error *why);
[[gnu::warn_unused_result]] int api_certificate_load(struct api *a, bool reload, struct error *why);
void api_certificate_watch(struct api *a);

/* The FIFO, see fifo.c. */
[[gnu::warn_unused_result]] int fifo_open(struct fifo **ret, struct api *a, const char *path,
                                          struct error *why);
void fifo_close(struct fifo *f);

#endif
