/* Peers' messages: known forms, little to judge.
 * SPDX-License-Identifier: MIT */
#include "orderflow/intake_internal.h"

#include <stdio.h>

/* t NULL: another tells. */
static void tell(const struct intake *i, struct share_ticket *t, enum peer_status status,
                 const struct hash *hash, const char *text) {
    if (t && i->options.sinks.answer) i->options.sinks.answer(t, status, hash, text);
}

static int fill_bundle(struct order *o, struct bytes data, struct arena *a, struct error *why) {
    int r = peer_bundle_decode(&o->bundle, data, a, why);
    if (r != 0) return r;
    if (o->bundle.txs.count == 0 && !(o->bundle.fields & (BUNDLE_UUID | BUNDLE_REPLACEMENT_UUID))) {
        return error_set(why, ERR_INVALID, "txs: are empty, and no uuid is given");
    }
    o->bundle.fields &= ~(unsigned)BUNDLE_HASH; // computed here, never believed
    o->replaces = order_replacement_of(&o->replacement, &o->bundle);
    o->cancels = o->replaces && o->bundle.txs.count == 0;
    return 0;
}

static int fill_raw(struct order *o, struct bytes data, struct arena *a, struct error *why) {
    struct tx tx;
    struct tx_sidecar sidecar;
    struct arena_mark mark = arena_mark(a);
    int r = tx_decode_network(&tx, &sidecar, data, a, why);
    if (r == 0 && tx.type == TX_BLOB && !sidecar.present) {
        r = error_set(why, ERR_INVALID, "is a blob transaction without its sidecar");
    }
    arena_rewind(a, mark);
    o->raw = data;
    return r;
}

/* The other methods travel as their JSON parameter. */
static int fill_param(struct order *o, enum order_method method, struct bytes data, bool trusted,
                      struct arena *scratch, struct arena *a, struct error *why) {
    const struct json_limits limits = {ORDER_BODY_MAX_FIRST, 64, 1u << 20, false};
    const struct json *param;
    const struct order_context c = {.generation = ORDER_FIRST, .system = true, .trusted = trusted};
    int r = json_parse(&param, data, scratch, &limits, why);
    if (r != 0) return r;
    return order_from_param(o, bytes_from_str(order_method_name(method)), param, &c, a, why);
}

/* data is copied: the order's bytes lie in its own memory. */
int intake_decode(struct intake_job *job, struct bytes data, bool trusted) {
    struct bytes own = arena_copy(&job->arena, data);
    job->order = (struct order){.method = job->method};
    if (data.n > 0 && !own.p) return error_set(&job->why, ERR_LIMIT, "does not fit");
    switch (job->method) {
    case ORDER_SEND_BUNDLE:
        return fill_bundle(&job->order, own, &job->arena, &job->why);
    case ORDER_SEND_RAW_TX:
        return fill_raw(&job->order, own, &job->arena, &job->why);
    default:
        return fill_param(&job->order, job->method, own, trusted, &job->scratch, &job->arena,
                          &job->why);
    }
}

/* Who sent it: proved by the certificate already, or by a signature. Only a signature can be the
 * network's sender: a name is what the hub says. */
static bool prove(struct intake_job *job, bool *ret_trusted) {
    const struct intake_options *o = &job->intake->options;
    *ret_trusted = false;
    if (job->peer[0] && !job->has_header) return true;
    int r = request_signature_verify(&job->signer, bytes_from_str(job->header),
                                     buf_view(&job->body), o->signers, &job->why);
    return r == 0 && peers_find(o->peers, job->peer, ret_trusted, &job->signer);
}

static void fail(struct intake_job *job, int r) {
    job->status = r == ERR_BUSY || r == ERR_NO_MEMORY || r == ERR_IO ? PEER_ERROR_INTERNAL
                                                                     : PEER_ERROR_DECODING;
    intake_metrics_refusal(&job->intake->metrics, false, ORDER_FAULT_PARAMS, r);
}

/* A replacement nonce that a peer's clock made tells how far that clock is. */
static void observe_nonce(struct intake_job *job) {
    const struct order *o = &job->order;
    if (o->method != ORDER_SEND_BUNDLE || !o->replaces) return;
    book_clock_observe(job->intake->options.book, o->replacement.nonce,
                       job->received_ns / NS_PER_US);
}

void intake_run_peer(struct intake_job *job) {
    const struct intake_options *o = &job->intake->options;
    bool trusted = false;
    if (!prove(job, &trusted)) {
        job->status = PEER_ERROR_INVALID_SIGNATURE;
        intake_metrics_refusal(&job->intake->metrics, false, ORDER_FAULT_SIGNATURE, 0);
        tell(job->intake, job->ticket, PEER_ERROR_INVALID_SIGNATURE, NULL, "invalid signature");
        return;
    }
    int r = intake_decode(job, buf_view(&job->body), trusted);
    if (r == 0) {
        job->times[TRACE_VERIFIED] = job->times[TRACE_DECODED] = intake_wall_ns(job->intake);
        observe_nonce(job);
        if (job->priority < 0) job->priority = (int)order_priority_of(&job->order, 0);
        uint64_t expires = tip_expiry(o->tip, &job->order, job->received_ns);
        // The later of both: the peer may know the newest block better, and clocks differ.
        uint64_t latest = job->received_ns + TIP_LIFETIME_MAX_NS;
        if (job->expires_ns > expires && job->expires_ns < latest) expires = job->expires_ns;
        r = intake_accept(job, FLOW_FROM_PEER, expires, false, &job->why);
    }
    if (r == 0) {
        tell(job->intake, job->ticket, PEER_SUCCESS, &job->answer, NULL);
        return;
    }
    char text[sizeof job->why.text + 40];
    fail(job, r);
    if (job->method == ORDER_SEND_RAW_TX && job->status == PEER_ERROR_DECODING) {
        (void)snprintf(text, sizeof text, "failed to parse raw transaction");
    } else if (job->status == PEER_ERROR_DECODING) {
        (void)snprintf(text, sizeof text, "failed to parse bundle: %s", job->why.text);
    } else {
        (void)snprintf(text, sizeof text, "%s", job->why.text);
    }
    tell(job->intake, job->ticket, job->status, NULL, text);
}

static void received_done(struct intake_job *job) {
    intake_job_free(job);
}

void intake_received(void *context, const struct share_received *r, struct share_ticket *t) {
    struct intake *i = context;
    // Told now, a stream waits with its order; told by a worker, the order comes again and again.
    bool full = i->options.local && local_is_full(i->options.local);
    struct intake_job *job = full ? NULL : intake_job_new(i, INTAKE_PEER);
    if (!job) {
        tell(i, t, PEER_ERROR_INTERNAL, NULL, "busy");
        return;
    }
    intake_job_arrived(job);
    job->method = r->method;
    job->form = r->form;
    job->sent_ns = r->sent_ns > 0 ? r->sent_ns : r->received_ns;
    job->origin = r->signer;
    job->expires_ns = r->expires_ns;
    job->again = r->expires_ns > 0; // streams
    job->priority = r->priority >= ORDER_HIGH && r->priority <= ORDER_LOW ? r->priority : -1;
    job->ticket = t;
    job->done = received_done;
    job->has_header = r->signature.n > 0;
    bool fits = r->signature.n < sizeof job->header && r->data.n < job->body.limit_bytes;
    bool room = fits && intake_append(job, r->data);
    if (fits && r->signature.n > 0) memcpy(job->header, r->signature.p, r->signature.n);
    if (r->peer) (void)snprintf(job->peer, sizeof job->peer, "%s", r->peer);
    unsigned lane = job->priority >= 0 ? (unsigned)job->priority : ORDER_MEDIUM;
    if (room && intake_submit(job, NULL, lane)) return;
    tell(i, t, fits ? PEER_ERROR_INTERNAL : PEER_ERROR_DECODING, NULL,
         fits ? "busy" : "the message is too large");
    intake_job_free(job);
}
