/* SPDX-License-Identifier: MIT */
#include "orderflow/intake_internal.h"

#include "net/coding.h"

#include <stdlib.h>

#define JOBS_DEFAULT 16384u
#define BYTES_DEFAULT (UINT64_C(1) << 30)
#define RENUMBER_MAX 8
#define QUICK_BYTES 4096u /* room for some ten transactions */

int intake_new(struct intake **ret, const struct intake_options *options, struct error *why) {
    struct intake *i = calloc(1, sizeof *i);
    if (!i) return error_set(why, ERR_NO_MEMORY, "no memory for the intake");
    i->options = *options;
    if (!i->options.clock) i->options.clock = &clock_system;
    if (i->options.jobs_max == 0) i->options.jobs_max = JOBS_DEFAULT;
    if (i->options.bytes_max == 0) i->options.bytes_max = BYTES_DEFAULT;
    (void)pthread_mutex_init(&i->lock, NULL);
    (void)pthread_cond_init(&i->passed, NULL);
    list_init(&i->replayed);
    list_init(&i->at_hand);
    intake_metrics_open(&i->metrics, i->options.metrics);
    *ret = i;
    return 0;
}

static void destroy(struct intake_job *job) {
    buf_free(&job->body);
    buf_free(&job->reply);
    arena_free(&job->scratch);
    arena_free(&job->arena);
    free(job);
}

void intake_free(struct intake *i) {
    if (!i) return;
    intake_replay_free(i);
    while (i->unused) {
        struct intake_job *job = i->unused;
        i->unused = job->next;
        destroy(job);
    }
    (void)pthread_cond_destroy(&i->passed);
    (void)pthread_mutex_destroy(&i->lock);
    free(i);
}

void intake_set_local(struct intake *i, struct local *l) {
    i->options.local = l;
}

void intake_set_sinks(struct intake *i, const struct intake_sinks *sinks) {
    i->options.sinks = *sinks;
}

void intake_set_journal(struct intake *i, struct journal *j) {
    i->options.journal = j;
}

size_t intake_jobs(const struct intake *i) {
    return atomic_load(&i->jobs);
}

uint64_t intake_bytes(const struct intake *i) {
    return atomic_load(&i->bytes);
}

/* ---- jobs ---- */

/* What a job of before leaves to this one: its memory. */
static void prepare(struct intake_job *job, struct intake *i, enum intake_door door) {
    struct buf body = job->body, reply = job->reply;
    struct arena scratch = job->scratch;
    *job = (struct intake_job){.intake = i,
                               .door = door,
                               .priority = -1,
                               .body_max = i->options.body_max,
                               .http_status = 200,
                               .body = body,
                               .reply = reply,
                               .scratch = scratch};
    job->first = i->options.api == INTAKE_FIRST || door == INTAKE_SYSTEM;
    arena_init(&job->arena, 4 * i->options.body_max + (1u << 20));
}

struct intake_job *intake_job_new(struct intake *i, enum intake_door door) {
    if (atomic_fetch_add(&i->jobs, 1) >= i->options.jobs_max) {
        atomic_fetch_sub(&i->jobs, 1);
        return NULL;
    }
    pthread_mutex_lock(&i->lock);
    struct intake_job *job = i->unused;
    if (job) i->unused = job->next;
    pthread_mutex_unlock(&i->lock);
    if (!job) {
        job = calloc(1, sizeof *job);
        if (!job) {
            atomic_fetch_sub(&i->jobs, 1);
            return NULL;
        }
        buf_init(&job->body, i->options.body_max + 1);
        buf_init(&job->reply, 1u << 20);
        arena_init(&job->scratch, 16 * i->options.body_max + (1u << 20));
    }
    prepare(job, i, door);
    return job;
}

void intake_job_arrived(struct intake_job *job) {
    job->received_ns = intake_wall_ns(job->intake);
    job->arrived_ns = intake_now_ns(job->intake);
}

void intake_job_free(struct intake_job *job) {
    struct intake *i = job->intake;
    atomic_fetch_sub(&i->jobs, 1);
    atomic_fetch_sub(&i->bytes, job->counted);
    arena_free(&job->arena);
    if (job->body.capacity > JOB_KEEP_BYTES || job->scratch.used_bytes > JOB_KEEP_BYTES) {
        destroy(job);
        return;
    }
    buf_clear(&job->body);
    buf_clear(&job->reply);
    arena_reset(&job->scratch);
    pthread_mutex_lock(&i->lock);
    job->next = i->unused;
    i->unused = job;
    pthread_mutex_unlock(&i->lock);
}

bool intake_append(struct intake_job *job, struct bytes in) {
    struct intake *i = job->intake;
    if (atomic_fetch_add(&i->bytes, in.n) + in.n > i->options.bytes_max) {
        atomic_fetch_sub(&i->bytes, in.n);
        return false;
    }
    job->counted += in.n;
    buf_append(&job->body, in);
    return job->body.failed == 0;
}

static void refuse(struct intake_job *job, enum order_fault fault, enum err code,
                   const char *text) {
    job->fault = fault;
    if (text) (void)error_set(&job->why, code, "%s", text);
}

void intake_refuse(struct intake_job *job, enum order_fault fault, const char *text) {
    refuse(job, fault, ERR_INVALID, text);
    intake_put_refusal(job, (struct bytes){NULL, 0}, (struct bytes){NULL, 0});
}

/* ---- the steps of a request ---- */

static bool inflate(struct intake_job *job) {
    struct buf plain;
    if (!job->gzip) return true;
    buf_init(&plain, job->body.limit_bytes); // the job's for good, whatever comes in it next
    int r = coding_decode(&plain, buf_view(&job->body), CODING_GZIP, job->body_max, &job->why);
    if (r != 0) {
        buf_free(&plain);
        job->fault = r == ERR_LIMIT ? ORDER_FAULT_SIZE : ORDER_FAULT_SYNTAX;
        return false;
    }
    buf_free(&job->body);
    job->body = plain;
    return true;
}

static bool verify(struct intake_job *job) {
    struct intake *i = job->intake;
    int r = request_signature_verify(&job->signer, bytes_from_str(job->header),
                                     buf_view(&job->body), i->options.signers, &job->why);
    job->times[TRACE_VERIFIED] = intake_wall_ns(i);
    if (r != 0) job->fault = ORDER_FAULT_SIGNATURE;
    return r == 0;
}

/* The limit and the score of who signed. */
static bool admit_signer(struct intake_job *job, double *ret_score) {
    *ret_score = 0;
    if (job->door != INTAKE_USER) return true;
    struct gate_pass p =
        gate_signer(job->intake->options.gate, &job->signer, intake_now_ns(job->intake));
    if (p.priority >= 0 && job->priority < 0) job->priority = p.priority;
    *ret_score = p.score;
    if (!p.over) return true;
    job->retry_ns = p.retry_ns;
    refuse(job, ORDER_FAULT_RATE, ERR_LIMIT, "the signer's requests are more than its limit");
    return false;
}

/* Methods that only the first generation has are answered in its way. */
static int parse(struct intake_job *job, struct order_envelope *e) {
    struct bytes body = buf_view(&job->body);
    enum order_generation g = job->first ? ORDER_FIRST : ORDER_SECOND;
    int r = order_envelope_parse(e, &job->fault, body, g, &job->scratch, &job->why);
    if (r == 0 || job->first || job->fault != ORDER_FAULT_METHOD ||
        job->intake->options.api == INTAKE_STRICT ||
        order_method_find(e->method, ORDER_FIRST) < 0) {
        return r;
    }
    job->first = true;
    job->fault = ORDER_ACCEPTED;
    return order_envelope_parse(e, &job->fault, body, ORDER_FIRST, &job->scratch, &job->why);
}

/* Peers' listener: only known addresses. */
static bool know_peer(struct intake_job *job, bool *ret_trusted) {
    *ret_trusted = false;
    if (job->door == INTAKE_USER) return true;
    if (peers_find(job->intake->options.peers, job->peer, ret_trusted, &job->signer)) return true;
    refuse(job, ORDER_FAULT_STRANGER, ERR_UNTRUSTED,
           "unknown peers can't send to the system address");
    return false;
}

static bool decode(struct intake_job *job, const struct order_envelope *e, bool trusted) {
    const struct intake_options *o = &job->intake->options;
    struct order_context c = {.generation = job->first ? ORDER_FIRST : ORDER_SECOND,
                              .system = job->door != INTAKE_USER,
                              .trusted = trusted,
                              .signer = job->signer,
                              .now_us = job->received_ns / NS_PER_US,
                              .txs_max = o->txs_max,
                              .chain_id = o->chain_id,
                              .senders = o->senders};
    if (job->door == INTAKE_USER) c.now_us = book_clock(o->book, c.now_us);
    int r = order_from_param(&job->order, e->method, e->param, &c, &job->arena, &job->why);
    job->times[TRACE_DECODED] = intake_wall_ns(job->intake);
    if (r == 0) return true;
    job->fault = r == ERR_NO_MEMORY ? ORDER_FAULT_INTERNAL : ORDER_FAULT_PARAMS;
    if (job->door == INTAKE_USER) {
        gate_count_invalid(o->gate, &job->signer, intake_now_ns(job->intake));
    }
    return false;
}

/* The sender named no nonce of his own. */
static bool nonce_is_ours(const struct intake_job *job, const struct order_envelope *e) {
    const struct order *o = &job->order;
    if (job->door != INTAKE_USER || !o->replaces || o->method == ORDER_CANCEL_BUNDLE) return false;
    return o->method == ORDER_SEND_SHARE || json_is_null(json_get(e->param, "replacementNonce"));
}

static void take_up(struct intake_job *job, const struct order_envelope *e, double score) {
    const struct intake_options *o = &job->intake->options;
    if (job->priority < 0) job->priority = (int)order_priority_of(&job->order, score);
    enum flow_source source = job->door == INTAKE_USER ? FLOW_FROM_USER : FLOW_FROM_PEER;
    bool ours = nonce_is_ours(job, e);
    uint64_t expires = tip_expiry(o->tip, &job->order, job->received_ns);
    int r = intake_accept(job, source, expires, ours, &job->why);
    if (r != 0) job->fault = r == ERR_BUSY ? ORDER_FAULT_BUSY : ORDER_FAULT_INTERNAL;
    job->repeatable = r == 0 && !ours && job->order.method != ORDER_CANCEL_BUNDLE;
}

static int method_of(const struct order_envelope *e) {
    int m = order_method_find(e->method, ORDER_FIRST);
    return m >= 0 ? m : ORDER_METHOD_COUNT;
}

static void run_request(struct intake_job *job) {
    struct order_envelope e = {.id = {NULL, 0}};
    struct intake_request told = {.method = ORDER_METHOD_COUNT};
    bool trusted;
    double score = 0;
    uint64_t start = intake_now_ns(job->intake), parsed = 0, called = 0;
    if (inflate(job) && verify(job)) {
        uint64_t verified = intake_now_ns(job->intake);
        metric_observe_ns(job->intake->metrics.stage[INTAKE_STAGE_SIGNATURE], verified - start);
        bool read = admit_signer(job, &score) && parse(job, &e) == 0;
        if (read) parsed = intake_now_ns(job->intake);
        if (read && know_peer(job, &trusted) && decode(job, &e, trusted)) {
            uint64_t decoded = intake_now_ns(job->intake);
            told.validation_ns = decoded - parsed;
            metric_observe_ns(job->intake->metrics.stage[INTAKE_STAGE_DECODE], decoded - verified);
            take_up(job, &e, score);
            called = intake_now_ns(job->intake);
            metric_observe_ns(job->intake->metrics.stage[INTAKE_STAGE_ACCEPT], called - decoded);
        }
    }
    if (job->fault == ORDER_ACCEPTED) {
        intake_put_result(job, e.id);
    } else {
        intake_metrics_refusal(&job->intake->metrics, job->door == INTAKE_USER, job->fault,
                               (int)job->why.code);
        intake_put_refusal(job, e.id, e.method);
    }
    uint64_t replied = intake_now_ns(job->intake);
    if (parsed > 0) {
        // The worker's part in a request that is refused is the call's.
        if (called == 0) called = replied;
        told.method = method_of(&e);
        told.parse_ns = parsed - start;
        told.call_ns = called - parsed;
        told.response_ns = replied - called;
    }
    told.user = job->door == INTAKE_USER;
    told.fault = job->fault;
    told.bytes = job->body.n;
    uint64_t begun = job->begun_ns > 0 ? job->begun_ns : job->arrived_ns;
    told.io_ns = job->arrived_ns > begun ? job->arrived_ns - begun : 0;
    told.total_ns = replied > begun ? replied - begun : 0;
    intake_metrics_request(&job->intake->metrics, &told);
}

/* ---- taking up ---- */

/* A replacement's nonce that this node gave is raised until it is the highest. */
static void renumber(struct intake_job *job, uint64_t nonce) {
    struct order *o = &job->order;
    o->replacement.nonce = nonce;
    if (o->method == ORDER_SEND_SHARE) {
        o->share.replacement_nonce = nonce;
    } else {
        o->bundle.replacement_nonce = nonce;
        o->answer = order_flow_hash(&o->bundle);
    }
}

static int make(struct flow_order **ret, struct intake_job *job, enum flow_source source,
                uint64_t expires_ns, struct arena *arena, struct error *why) {
    struct flow_order_facts f = {.signer = job->signer,
                                 .peer = source == FLOW_FROM_PEER ? job->peer : NULL,
                                 .source = source,
                                 .priority = (enum order_priority)job->priority,
                                 .received_ns = job->received_ns,
                                 .sent_ns = job->sent_ns,
                                 .expires_ns = expires_ns,
                                 .kept_ns = job->kept_ns,
                                 .bytes = job->bytes > 0 ? job->bytes : job->body.n};
    const struct order *o = &job->order;
    if (source != FLOW_FROM_USER) {
        // A peer signs for itself; whose order it is stands in the order.
        f.signer = job->origin;
        if (o->method == ORDER_SEND_BUNDLE && o->bundle.fields & BUNDLE_SIGNING_ADDRESS) {
            f.signer = o->bundle.signing_address;
        } else if (o->method == ORDER_SEND_SHARE && o->share.has_signer) {
            f.signer = o->share.signer;
        } else if (o->method == ORDER_CANCEL_BUNDLE && o->has_signer) {
            f.signer = o->replacement.signer;
        }
    }
    return flow_order_new(ret, o, &f, arena, why);
}

/* The peers took new orders when this one was looked at: what fails now is the end of sharing, and
 * the journal gives the order again. */
static void share_it(struct intake *i, struct flow_order *o) {
    struct error why = {.text = ""};
    if (i->options.sinks.share(i->options.sinks.context, o, &why) == 0) return;
    metric_inc(i->metrics.handover);
    log_error(i->options.log, "order_not_shared", F_HEX("id", BYTES_OF(o->id)), F_ERR(&why));
}

static void record(struct intake *i, struct flow_order *o, enum archive_event_kind kind) {
    const struct intake_sinks *s = &i->options.sinks;
    if (!s->record || o->order.method == ORDER_SUBSIDISE) return;
    const struct archive_event e = {.kind = kind, .order = o, .at_ns = o->received_ns};
    s->record(s->context, &e);
}

void intake_record(struct intake *i, struct flow_order *o, enum archive_event_kind kind) {
    record(i, o, kind);
    if (o->order.cancels) record(i, o, ARCHIVE_CANCELLED);
}

/* What a user was answered, and what a peer replaces of it, is kept. Peers send the rest again. */
static int keep(struct intake *i, struct flow_order *o, uint64_t kept_before_ns,
                struct error *why) {
    bool user = o->source == FLOW_FROM_USER;
    if (!i->options.journal || (!user && kept_before_ns <= intake_wall_ns(i))) return 0;
    int r = journal_append(i->options.journal, o, why);
    if (r == 0) (void)book_journaled(i->options.book, o);
    if (r == 0 || user) return r;
    log_error(i->options.log, "order_not_kept", F_HEX("id", BYTES_OF(o->id)), F_ERR(why));
    return 0; // the builder must know of it all the same
}

/* A peer that sends again is told when the order is safe, not before. */
static int give_to_builder(struct intake_job *job, struct flow_order *o, struct error *why) {
    const struct intake_options *options = &job->intake->options;
    if (!options->local) return 0;
    struct custody *c = job->ticket && job->again ? options->custody : NULL;
    bool begun = c && custody_begin(c, o, job->ticket);
    int r = local_order(options->local, o, why);
    if (begun && (r == 0 || !custody_cancel(c, o))) job->ticket = NULL; // it tells, or has told
    return r;
}

/* Everywhere it belongs. The journal first: what follows may be repeated after a crash. */
static int hand_on(struct intake_job *job, struct flow_order *o, uint64_t kept_before_ns,
                   struct error *why) {
    struct intake *i = job->intake;
    const struct intake_sinks *s = &i->options.sinks;
    bool user = o->source == FLOW_FROM_USER;
    bool shared = user && s->share && o->order.method != ORDER_SUBSIDISE;
    int r = 0;
    if (i->options.local && local_is_full(i->options.local)) {
        return error_set(why, ERR_BUSY, "too many orders wait for the builder");
    }
    if (shared && s->share_is_full && s->share_is_full(s->context)) {
        return error_set(why, ERR_BUSY, "too many orders wait for the peers");
    }
    r = keep(i, o, kept_before_ns, why);
    if (r == 0) r = give_to_builder(job, o, why);
    if (r != 0) return r;
    if (shared) share_it(i, o);
    intake_record(i, o, user ? ARCHIVE_RECEIVED : ARCHIVE_FROM_PEER);
    return 0;
}

static enum book_verdict admit(struct intake_job *job, struct flow_order **o, bool defaulted,
                               enum flow_source source, uint64_t expires_ns,
                               struct book_before *ret_before, int *status, struct error *why) {
    struct book *book = job->intake->options.book;
    for (int n = 0; n < RENUMBER_MAX; n++) {
        uint64_t nonce;
        enum book_verdict v =
            book_admit(book, *o, defaulted, intake_wall_ns(job->intake), &nonce, ret_before);
        if (v != BOOK_RENUMBER) return v;
        struct arena arena = (*o)->arena;
        job->order = (*o)->order;
        arena_init(&(*o)->arena, 0);
        flow_order_release(*o);
        *o = NULL;
        renumber(job, nonce);
        *status = make(o, job, source, expires_ns, &arena, why);
        if (*status != 0) return BOOK_STALE;
    }
    return BOOK_STALE; // others are faster, again and again
}

static void accepted(struct intake *i, const struct flow_order *o, const struct hash *before) {
    uint64_t now = intake_wall_ns(i);
    metric_inc(i->metrics.outcome[INTAKE_ACCEPTED]);
    if (!i->options.trace) return;
    trace_mark(i->options.trace, &o->id, TRACE_ACCEPTED, now);
    if (!hash_is_zero(before)) trace_mark(i->options.trace, before, TRACE_REPLACED, now);
}

/* An order that a worker is taking up. */
struct at_hand {
    struct list_node node;
    struct hash id;
    bool replaces;
    struct uuid uuid;
    struct address signer;
};

static bool concern_one_another(const struct at_hand *x, const struct at_hand *y) {
    if (hash_equal(&x->id, &y->id)) return true;
    return x->replaces && y->replaces && memcmp(&x->uuid, &y->uuid, sizeof x->uuid) == 0 &&
           address_equal(&x->signer, &y->signer);
}

static bool is_at_hand(const struct intake *i, const struct at_hand *a) {
    list_each(node, &i->at_hand) {
        if (concern_one_another(LIST_ENTRY(node, struct at_hand, node), a)) return true;
    }
    return false;
}

/* The same order, and the replacements of one uuid, are taken up by one worker at a time: a
 * repetition, or a replacement that comes too late, must not be answered before the one that it is
 * measured by is in the journal, and not be called taken when that one is refused. */
static void begin(struct intake *i, struct at_hand *a, const struct flow_order *o) {
    *a = (struct at_hand){.id = o->id,
                          .replaces = o->order.replaces,
                          .uuid = o->order.replacement.uuid,
                          .signer = o->order.replacement.signer};
    pthread_mutex_lock(&i->lock);
    while (is_at_hand(i, a)) {
        (void)pthread_cond_wait(&i->passed, &i->lock);
    }
    list_push_back(&i->at_hand, &a->node);
    pthread_mutex_unlock(&i->lock);
}

static void end(struct intake *i, struct at_hand *a) {
    pthread_mutex_lock(&i->lock);
    list_remove(&a->node);
    (void)pthread_cond_broadcast(&i->passed);
    pthread_mutex_unlock(&i->lock);
}

/* It is known as long as what it replaces may land: a restart must not bring that back. It is told
 * so long too, to a peer that was away; but late, one for the next block would be for another. */
static void outlive(struct flow_order *o, uint64_t before_ns) {
    if (before_ns > o->kept_ns) o->kept_ns = before_ns;
    if (before_ns > o->expires_ns && !tip_is_for_next(&o->order)) o->expires_ns = before_ns;
}

static int take(struct intake_job *job, struct flow_order **held, enum flow_source source,
                uint64_t expires_ns, bool defaulted, struct error *why) {
    struct intake *i = job->intake;
    struct book_before before;
    int r = 0;
    enum book_verdict v = admit(job, held, defaulted, source, expires_ns, &before, &r, why);
    if (r != 0) return r;
    struct flow_order *o = *held;
    job->answer = o->answer;
    if (v == BOOK_NEW) {
        job->times[TRACE_RECEIVED] = job->received_ns;
        outlive(o, before.expires_ns);
        // Before it is handed on: the builder may be faster than this thread.
        if (i->options.trace) trace_order(i->options.trace, o, job->times);
        if (source == FLOW_FROM_JOURNAL) (void)book_journaled(i->options.book, o);
        r = source == FLOW_FROM_JOURNAL ? intake_replay_later(i, o, job->again, why)
                                        : hand_on(job, o, before.journal_ns, why);
        if (r != 0)
            book_withdraw(i->options.book, o, &before.id);
        else
            accepted(i, o, &before.id);
    } else {
        job->duplicate = true;
        metric_inc(i->metrics.outcome[v == BOOK_STALE ? INTAKE_STALE : INTAKE_DUPLICATE]);
    }
    return r;
}

int intake_accept(struct intake_job *job, enum flow_source source, uint64_t expires_ns,
                  bool defaulted, struct error *why) {
    struct flow_order *o = NULL;
    struct at_hand a;
    int r = make(&o, job, source, expires_ns, &job->arena, why);
    if (r != 0) return r;
    begin(job->intake, &a, o);
    r = take(job, &o, source, expires_ns, defaulted, why);
    end(job->intake, &a);
    flow_order_release(o);
    return r;
}

/* ---- workers ---- */

static void count(struct intake_job *job, uint64_t total_ns) {
    struct intake_metrics *m = &job->intake->metrics;
    bool done =
        job->door == INTAKE_PEER ? job->status == PEER_SUCCESS : job->fault == ORDER_ACCEPTED;
    if (!done) return;
    intake_metrics_order(m, job->door == INTAKE_USER, &job->order,
                         (enum order_priority)job->priority, total_ns);
    if (job->door == INTAKE_USER) return;
    intake_metrics_peer(m, job->peer, job->order.method, job->duplicate, job->sent_ns,
                        job->received_ns);
}

static void run(void *context) {
    struct intake_job *job = context;
    metric_observe_ns(job->intake->metrics.stage[INTAKE_STAGE_QUEUE],
                      intake_now_ns(job->intake) - job->arrived_ns);
    if (job->door == INTAKE_PEER)
        intake_run_peer(job);
    else
        run_request(job);
    uint64_t total = intake_now_ns(job->intake) - job->arrived_ns;
    metric_observe_ns(job->intake->metrics.stage[INTAKE_STAGE_TOTAL], total);
    metric_observe_ns(job->intake->metrics.worker[job->task.lane], total);
    count(job, total);
}

static void finish(void *context) {
    struct intake_job *job = context;
    job->done(job);
}

bool intake_submit(struct intake_job *job, struct pool_mailbox *home, unsigned lane) {
    job->task = (struct pool_task){.run = run,
                                   .done = finish,
                                   .context = job,
                                   .home = home,
                                   .lane = lane,
                                   .quick = job->body.n <= QUICK_BYTES};
    struct intake *i = job->intake;
    struct pool *pool = i->options.pool;
    bool taken = pool_submit(pool, &job->task); // then the job may be gone already
    intake_count_line(i, lane, !taken, pool_lane_waiting(pool, lane), pool_lane_capacity(pool));
    return taken;
}

void intake_count_line(struct intake *i, unsigned lane, bool full, size_t waiting, size_t most) {
    if (full)
        metric_inc(i->metrics.line_full[lane]);
    else if (waiting >= most - most / 4)
        metric_inc(i->metrics.line_filling[lane]);
}

void intake_count_unread(struct intake *i, enum intake_door door, enum order_fault fault,
                         uint64_t took_ns) {
    const struct intake_request told = {.user = door == INTAKE_USER,
                                        .method = ORDER_METHOD_COUNT,
                                        .fault = fault,
                                        .unread = true,
                                        .total_ns = took_ns};
    intake_metrics_request(&i->metrics, &told);
}
