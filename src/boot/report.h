/* Report: how far the boot is, told to whoever watches: log, the System API's FIFO, HTTP.
 *
 * A stage begins, ends, or fails and is tried again; its duration runs from its first begin. FIFO
 * lines are "boot: STAGE ..." and wait (at most REPORT_LINES_MAX, the oldest go) until somebody
 * reads the FIFO, which is the System API, which starts after the boot rendered its file.
 *
 * Everything on the loop's thread. SPDX-License-Identifier: MIT */
#ifndef BOOT_REPORT_H
#define BOOT_REPORT_H

#include "base/log.h"
#include "base/metrics.h"
#include "net/loop.h"
#include "json/write.h"

#define REPORT_LINES_MAX 64

enum boot_stage {
    STAGE_HUB,           /* the hub answers this node */
    STAGE_CONFIGURATION, /* its configuration is here and right */
    STAGE_RENDER,        /* the services' files are written */
    STAGE_CREDENTIALS,   /* what this node serves with is registered */
    STAGE_PEERS,         /* the hub lists this node among its peers */
    STAGE_COUNT
};

enum stage_state { STAGE_WAITING, STAGE_BEGUN, STAGE_DONE, STAGE_FAILED };

struct report;

struct report_options {
    struct loop *loop;
    struct log *log;
    struct metrics *metrics;
    const char *fifo; /* NULL or "": none */
};

const char *boot_stage_name(enum boot_stage stage);

[[gnu::warn_unused_result]] int report_new(struct report **ret, const struct report_options *o,
                                           struct error *why);
void report_free(struct report *r);

/* A stage that is done and begins again keeps its first duration in the status. */
void report_begin(struct report *r, enum boot_stage stage);
void report_done(struct report *r, enum boot_stage stage);
void report_fail(struct report *r, enum boot_stage stage, const struct error *why);

/* report_say: another line for the FIFO and the log (event "boot_note"). */
[[gnu::format(printf, 2, 3)]] void report_say(struct report *r, const char *text, ...);

/* report_ready: every stage is done. why: the first that is not. */
bool report_ready(const struct report *r, struct error *why);

/* report_write adds {"stages": [{"name", "state", "ms", "tries", "error"}]} members to an object.
 */
void report_write(const struct report *r, struct json_writer *w);

#endif
