/* A generator of HTTP/1.1 load that is in nobody's way: requests that were written before, one
 * thread that never sleeps, bodies thrown away unread. It asks when a request is due, however late
 * the answers are, and tells how late it asked itself, so that the server's time and its own are
 * not one figure. For benchmarks of a server on this machine, pinned to another processor.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TEST_HARNESS_HTTP_LOAD_H
#define TEST_HARNESS_HTTP_LOAD_H

#include "base/bytes.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HTTP_LOAD_CONNECTIONS_MAX 256

struct http_load_plan {
    unsigned port;        /* 127.0.0.1 */
    unsigned connections; /* kept ones, a request at a time each; more that are due wait in order */
    const struct bytes *requests; /* whole requests, taken in turn; borrowed */
    size_t request_count;
    size_t first;     /* whose turn it is first */
    int status;       /* of every answer, which has a Content-Length or no body */
    double rate;      /* a second; 0: each answer asks anew */
    uint64_t time_ns; /* how long requests are due; what was asked is waited for */
    uint64_t count;   /* not 0: so many at most */
    /* Another request, asked beside these over connections of its own, each again when it is
     * answered (200); untimed, but counted. */
    struct bytes beside;
    unsigned beside_connections;
};

/* Of a distribution, ns. */
struct http_load_times {
    double p50, p99, max;
};

struct http_load_result {
    uint64_t done;
    uint64_t beside;              /* answers to the other request */
    uint64_t took_ns;             /* until the last answer */
    struct http_load_times due;   /* from when a request was due until its answer had come */
    struct http_load_times asked; /* from when it was written */
    struct http_load_times late;  /* from when it was due until it was written */
    struct http_load_times own;   /* of that, what was not for want of a free connection */
};

/* http_load_run runs the plan; false: *ret_why says what went wrong (text of the process). */
bool http_load_run(struct http_load_result *ret, const struct http_load_plan *plan,
                   const char **ret_why);

/* http_load_pin lets a process run on one processor only: 0 is this one's first, 1 its second, as
 * far as it has them (false: it has not). pid 0: the caller. */
bool http_load_pin(pid_t pid, unsigned which, const cpu_set_t *all);

#endif
