/* Verdicts, quotes and decisions told: as JSON for programs and as a table for people.
 *
 * The names of the fields are those of the published vectors. Pure; any thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef ATTEST_REPORT_H
#define ATTEST_REPORT_H

#include "attest/event_log.h"
#include "attest/policy.h"
#include "json/write.h"

/* report_verdict adds the members of a verdict to the open object: valid, reason, time,
 * result_codes, tcb_status, tcb_date, tcb_levels, advisory_ids, findings, collateral, root, fields.
 */
void report_verdict(struct json_writer *w, const struct verdict *v);

/* report_quote adds the object `key` with every field of a quote; of its PCK leaf too when
 * leaf_of is given and knows it. */
void report_quote(struct json_writer *w, const char *key, const struct quote *q,
                  const struct verdict *leaf_of);

/* report_measurements adds attestation_type and the object "measurements". */
void report_measurements(struct json_writer *w, const struct measurements *m);

/* report_decision adds the object "policy": accepted, rule, expected, found, reason. */
void report_decision(struct json_writer *w, const struct policy_decision *d);

/* report_decision_reason writes one line: "tcb_status: expected …, found …"; empty when accepted.
 */
void report_decision_reason(const struct policy_decision *d, char ret[512]);

/* report_event_log adds an array of events to the object and, per bank, the registers. */
void report_event_log(struct json_writer *w, const struct event_log *log);

#endif
