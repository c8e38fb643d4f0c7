/* Issuer: this machine's own evidence, made on a worker so that no connection waits for another's
 * quote on the loop.
 *
 * The worker owns the quoter, which takes one request at a time; requests wait in a bounded line,
 * and one more is ERR_BUSY. Answers come back on the loop's thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTESTED_ISSUER_H
#define ATTESTED_ISSUER_H

#include "attest/measurement.h"
#include "base/metrics.h"
#include "base/pool.h"
#include "net/loop.h"

struct issuer;

/* Nothing of it is kept: texts are copied. */
struct issuer_options {
    /* "tsm" or "tsm:FOLDER", "simulator:FOLDER", "vtpm:TCTI", "http(s)://..." (a quote service) */
    const char *source;
    enum attestation_type type; /* as it is told to peers */
    const char *token;          /* of a quote service, or NULL */
    const char *const *fields;  /* simulator: FIELD=HEX of the TD */
    size_t field_count;
    unsigned quote_version;                 /* simulator: 4 or 5 */
    const char *imds_url;                   /* vtpm: NULL: Azure's */
    const char *hcl_file;                   /* vtpm: a report instead of the NV area; tests only */
    const char *event_log;                  /* vtpm: the firmware's, for aTLS documents */
    uint64_t wait_ns;                       /* most time for one quote */
    unsigned waiting;                       /* requests in the line */
    struct metric *made, *failed, *seconds; /* may be NULL */
};

/* issuer_new opens the source and starts the worker: signals must be blocked already.
 * errors  ERR_SYNTAX (source), and those of the quoters. */
[[gnu::warn_unused_result]] int issuer_new(struct issuer **ret, struct loop *l,
                                           const struct issuer_options *options, struct error *why);
/* issuer_free finishes the requests that wait; their `done` is called. NULL is allowed. */
void issuer_free(struct issuer *i);

/* issuer_type: what the evidence is called. */
enum attestation_type issuer_type(const struct issuer *i);

/* issuer_is_simulated: the evidence comes from a simulated platform. */
bool issuer_is_simulated(const struct issuer *i);

/* One piece of evidence. The caller keeps it in place until `done` was called. */
struct issuer_request {
    uint8_t report_data[64];
    bool document; /* Azure: a whole aTLS document over report_data[0..31], with user_data */
    uint8_t user_data[32];
    void (*done)(struct issuer_request *r); /* loop's thread */
    int code;                               /* 0, or as the quoters say, with `why` */
    struct error why;
    struct buf evidence; /* a raw quote, or Azure's JSON; the caller frees */
    /* The rest is the issuer's. */
    struct issuer *issuer;
    struct pool_task task;
    uint64_t asked_ns;
};

/* issuer_ask: errors ERR_BUSY; `done` is not called then. */
[[gnu::warn_unused_result]] int issuer_ask(struct issuer *i, struct issuer_request *r,
                                           struct error *why);

#endif
