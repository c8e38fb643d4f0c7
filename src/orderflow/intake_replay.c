/* Orders that come back from the journal after a restart. There may be more of them than the queues
 * to builder and peers take at once: they wait here, and nothing of them is given up.
 * SPDX-License-Identifier: MIT */
#include "orderflow/intake_internal.h"

#include <stdlib.h>

#define RECORDS_A_TURN 2048u /* less than the history's queue holds */

struct replayed {
    struct list_node link;
    struct flow_order *order;
    bool delivered; /* to the builder's queue */
    bool of_peer;
    bool recorded; /* in the history, or nothing to record */
};

void intake_replay(void *context, const struct journal_record *r) {
    struct intake *i = context;
    struct intake_job *job = intake_job_new(i, INTAKE_PEER);
    if (!job) {
        log_warn(i->options.log, "journal_order_lost", F_HEX("signer", BYTES_OF(r->signer)),
                 F_STR("error", "no memory for it"));
        return;
    }
    job->method = r->method;
    job->origin = r->signer;
    job->received_ns = r->received_ns;
    job->priority = (int)r->priority;
    job->bytes = r->bytes;
    job->kept_ns = r->kept_ns;
    job->again = r->of_peer;
    int status = intake_decode(job, r->data, true);
    if (status == 0) {
        status = intake_accept(job, FLOW_FROM_JOURNAL, r->expires_ns, false, &job->why);
    }
    if (status != 0) {
        log_warn(i->options.log, "journal_order_lost", F_HEX("signer", BYTES_OF(r->signer)),
                 F_ERR(&job->why));
    }
    intake_job_free(job);
}

int intake_replay_later(struct intake *i, struct flow_order *o, bool of_peer, struct error *why) {
    struct replayed *r = calloc(1, sizeof *r);
    if (!r) return error_set(why, ERR_NO_MEMORY, "no memory for an order of the journal");
    r->order = flow_order_hold(o);
    r->of_peer = of_peer;
    r->recorded = of_peer || !i->options.sinks.record_again;
    list_push_back(&i->replayed, &r->link);
    i->replayed_count++;
    return 0;
}

static void drop(struct intake *i, struct replayed *r) {
    list_remove(&r->link);
    i->replayed_count--;
    flow_order_release(r->order);
    free(r);
}

/* ERR_BUSY: later. Other errors are as of an order that came just now: there is nobody to tell. */
static int hand_on(struct intake *i, struct replayed *r, struct error *why) {
    const struct intake_sinks *s = &i->options.sinks;
    if (r->order->expires_ns <= intake_wall_ns(i)) return 0; // over, or kept to be known of only
    if (!book_in_force(i->options.book, r->order)) return 0; // replaced, later in the journal
    if (i->options.local && !r->delivered) {
        int code = local_order(i->options.local, r->order, why);
        if (code != 0) return code;
    }
    r->delivered = true;
    if (!s->share || r->of_peer || r->order->order.method == ORDER_SUBSIDISE) return 0;
    return s->share(s->context, r->order, why);
}

void intake_replay_on(struct intake *i) {
    unsigned records = 0;
    list_each_safe(n, &i->replayed) {
        struct replayed *r = LIST_ENTRY(n, struct replayed, link);
        struct error why = {.text = ""};
        if (!r->recorded) {
            if (records++ == RECORDS_A_TURN) return;
            intake_record(i, r->order, ARCHIVE_RECEIVED);
            r->recorded = true;
        }
        int code = hand_on(i, r, &why);
        if (code == ERR_BUSY) return;
        if (code != 0) {
            log_warn(i->options.log, "journal_order_lost", F_HEX("id", BYTES_OF(r->order->id)),
                     F_ERR(&why));
        }
        drop(i, r);
    }
}

size_t intake_replaying(const struct intake *i) {
    return i->replayed_count;
}

void intake_replay_free(struct intake *i) {
    while (!list_is_empty(&i->replayed)) {
        drop(i, LIST_ENTRY(list_first(&i->replayed), struct replayed, link));
    }
}
