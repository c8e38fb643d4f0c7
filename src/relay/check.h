/* Check: what a submission must fulfil before anything dear is done with it, in the order and with
 * the texts of the deployed relay, which builders' clients know.
 *
 * Source: flashbots/mev-boost-relay, "submitNewBlock" (texts and order). Stricter than it: the
 * bid's proposer key must be the duty's, gas limit and gas used those of the payload, the timestamp
 * that of the attributes. Whether the gas limit is one that the registration allows is the
 * simulation's to say. Pure. SPDX-License-Identifier: MIT */
#ifndef RELAY_CHECK_H
#define RELAY_CHECK_H

#include "relay/builders.h"
#include "relay/duties.h"
#include "relay/submission.h"

struct check_view {
    const struct network *network;
    const struct duties *duties;
    const struct builder *builder; /* NULL: unknown */
    uint64_t head_slot;
    bool only_high_priority;
};

enum check_result {
    CHECK_GO_ON,
    CHECK_REFUSED, /* 400 with the text */
    CHECK_IGNORED, /* 200, nothing happens */
    CHECK_SHUNNED, /* likewise, after a pause */
};

/* check_submission: why gets the text. ret_attributes, ret_registration: what the submission was
 * checked against, for the simulation; valid as long as the duties are not changed. */
enum check_result check_submission(const struct check_view *v, const struct submission *s,
                                   const struct payload_attributes **ret_attributes,
                                   const struct validator_registration **ret_registration,
                                   struct error *why);

#endif
