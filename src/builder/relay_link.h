/* A relay as the builder uses it: who proposes, and bids that are sent to it.
 *
 * One submission is under way at a time; what comes meanwhile replaces what waits, so that the
 * newest bid goes next. A bid that the relay could not take yet (it lags behind the head, is not
 * there, or finds us too fast) goes again after a pause, until a newer one comes or the slot is
 * dropped. To one that takes no bids with cancellation all go without. The relay's least interval
 * between submissions holds. The list of proposers is asked for again when a slot is at the end or
 * outside of the last one. Thread: the loop's. SPDX-License-Identifier: MIT */
#ifndef BUILDER_RELAY_LINK_H
#define BUILDER_RELAY_LINK_H

#include "base/metrics.h"
#include "builder/relay_wire.h"
#include "builder/settings.h"
#include "net/client.h"

struct relay_link;

struct relay_link_options {
    struct loop *loop;
    const struct relay_settings *settings;
    struct u256 optimistic_max; /* larger bids are signed with the plain key */
    struct resolver *names;
    struct tls *tls; /* for https */
    struct log *log;
    /* The proposers are known anew. */
    void (*duties)(void *context, struct relay_link *r);
    /* A submission was answered; the text is the relay's, cut. took_ns  for the request. */
    void (*answered)(void *context, struct relay_link *r, const struct built_block *b,
                     enum relay_answer answer, struct bytes text, uint64_t took_ns);
    void *context;
};

[[gnu::warn_unused_result]] int relay_link_new(struct relay_link **ret,
                                               const struct relay_link_options *options,
                                               struct error *why);
void relay_link_free(struct relay_link *r);
const struct relay_settings *relay_link_settings(const struct relay_link *r);

/* relay_link_duty gives the proposer of a slot; NULL when it is not registered, or not known: then
 * the list is asked for, at most once a second. */
const struct relay_duty *relay_link_duty(struct relay_link *r, uint64_t slot);
/* relay_link_refresh asks for the proposers now. */
void relay_link_refresh(struct relay_link *r);

/* relay_link_submit sends a block, or keeps it until it may be sent. The block is held meanwhile.
 */
void relay_link_submit(struct relay_link *r, struct built_block *b);
/* relay_link_offered: the block is the last that was given to relay_link_submit. */
bool relay_link_offered(const struct relay_link *r, const struct built_block *b);
/* relay_link_drop forgets what waits (the slot is over). */
void relay_link_drop(struct relay_link *r);

#endif
