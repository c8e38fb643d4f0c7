/* Metrics of the builder, by their deployed names: all of them on one server, and those that anyone
 * may see on another. Handles may be used from any thread.
 *
 * Source: flashbots/rbuilder, telemetry. SPDX-License-Identifier: MIT */
#ifndef BUILDER_TELEMETRY_H
#define BUILDER_TELEMETRY_H

#include "base/metrics.h"
#include "builder/crew.h"
#include "builder/relay_wire.h"
#include "chain/remote_state.h"

struct telemetry {
    struct metrics *full, *redacted;
};

[[gnu::warn_unused_result]] int telemetry_init(struct telemetry *t, struct error *why);
void telemetry_free(struct telemetry *t);

void telemetry_report(struct telemetry *t, const struct build_report *r);
void telemetry_built(struct telemetry *t, const struct built_block *b);
void telemetry_simulated(struct telemetry *t, const struct job_entry *e, const struct simulated *s);
/* A transaction of the node's pool came, so long after its hash. */
void telemetry_fetched(struct telemetry *t, uint64_t took_ns);
void telemetry_submitted(struct telemetry *t, bool optimistic);
void telemetry_answered(struct telemetry *t, const char *relay, bool optimistic,
                        enum relay_answer answer, uint64_t took_ns);
void telemetry_block(struct telemetry *t, uint64_t number);
void telemetry_pool(struct telemetry *t, size_t txs, size_t bundles);
void telemetry_state(struct telemetry *t, const struct remote_counts *c);
void telemetry_slot(struct telemetry *t);
void telemetry_subsidy(struct telemetry *t, struct u256 own);
void telemetry_landed(struct telemetry *t, struct u256 own);

#endif
