/* A share's life, what comes to its loop from other threads, and the pumps.
 * SPDX-License-Identifier: MIT */
#include "orderflow/share_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RESOLVER_KEEP_NS (30 * NS_PER_S)
#define DRAIN_AWAY_NS NS_PER_S
#define DRAIN_LOOK_NS (10 * NS_PER_MS)

#define SHARE_METRICS(X)                                                                           \
    X(SHARE_SKIPPED, METRIC_COUNTER, "orderflow_share_peers_skipped_total",                        \
      "Peers of the hub's list that could not be used.", NULL)                                     \
    X(SHARE_HANDOVER_FULL, METRIC_COUNTER, "orderflow_share_handover_full_total",                  \
      "Orders that the hand-over to the sharing loop had no room for.", NULL)                      \
    X(SHARE_REFUSED, METRIC_COUNTER, "orderflow_share_sessions_refused_total",                     \
      "Sessions of peers that were refused: not listed, over a limit, not of the protocol.", NULL)
METRICS_DECLARE(share_metric, SHARE_METRICS)

static const char *const transport_names[] = {"auto", "http", "frames", "stream"};

const char *share_transport_name(enum share_transport t) {
    return transport_names[t];
}

const char *share_evidence_name(enum share_evidence e) {
    static const char *const names[] = {"pinned", "mixed", "required"};
    return names[e];
}

int share_transport_parse(enum share_transport *ret, struct bytes name, struct error *why) {
    for (unsigned i = 0; i < sizeof transport_names / sizeof *transport_names; i++) {
        if (!bytes_equal_str(name, transport_names[i])) continue;
        *ret = (enum share_transport)i;
        return 0;
    }
    return error_set(why, ERR_SYNTAX, "a transport is auto, http, frames or stream");
}

/* ---- tickets ---- */

struct share_ticket *share_ticket_new(struct share *s) {
    struct share_ticket *t = s->free_tickets;
    if (t) {
        s->free_tickets = t->next;
    } else {
        t = malloc(sizeof *t);
        if (!t) return NULL;
        t->made_before = s->last_ticket;
        s->last_ticket = t;
    }
    t->next = NULL;
    t->share = s;
    t->peer = NULL;
    t->link = NULL;
    t->answered = t->has_hash = false;
    t->status = PEER_SUCCESS;
    t->text[0] = '\0';
    return t;
}

static void drop_holds(struct share_ticket *t) {
    if (t->peer) peer_release(t->peer);
    if (t->link) link_release(t->link);
    t->peer = NULL;
    t->link = NULL;
}

void share_ticket_free(struct share_ticket *t) {
    drop_holds(t);
    t->next = t->share->free_tickets;
    t->share->free_tickets = t;
}

bool share_receive(struct share *s, const struct share_received *r, struct share_ticket *t) {
    atomic_store_explicit(&s->inside, (unsigned long)pthread_self(), memory_order_relaxed);
    s->options.received(s->options.context, r, t);
    atomic_store_explicit(&s->inside, 0, memory_order_relaxed);
    return t->answered;
}

static void wake(struct share *s) {
    if (atomic_exchange_explicit(&s->awake, true, memory_order_acq_rel)) return;
    (void)!eventfd_write(s->wake.fd, 1); // fails only when it is readable anyway
}

void share_answer(struct share_ticket *t, enum peer_status status, const struct hash *hash,
                  const char *text) {
    struct share *s = t->share;
    t->status = status;
    t->has_hash = hash != NULL;
    if (hash) t->hash = *hash;
    if (text) (void)snprintf(t->text, sizeof t->text, "%s", text);
    // Within the call that handed it out, whoever called looks at it next.
    unsigned long inside = atomic_load_explicit(&s->inside, memory_order_relaxed);
    if (inside != 0 && inside == (unsigned long)pthread_self()) {
        t->answered = true;
        return;
    }
    struct share_ticket *head = atomic_load_explicit(&s->answers, memory_order_relaxed);
    do {
        t->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&s->answers, &head, t, memory_order_release,
                                                    memory_order_relaxed));
    wake(s);
}

static void take_answers(struct share *s) {
    struct share_ticket *t = atomic_exchange_explicit(&s->answers, NULL, memory_order_acquire);
    struct share_ticket *in_order = NULL;
    while (t) {
        struct share_ticket *next = t->next;
        t->next = in_order;
        in_order = t;
        t = next;
    }
    while (in_order) {
        t = in_order;
        in_order = t->next;
        if (t->peer) {
            link_stream_settled(t->peer, t);
        } else {
            link_frames_answered(t->link, t);
        }
        share_ticket_free(t);
    }
}

/* ---- orders from other threads ---- */

/* ---- recent orders, for peers that are new ---- */

static void forget_oldest(struct share *s) {
    struct flow_order *o = s->recent[s->recent_first++ % SHARE_RECENT_MAX];
    s->recent_bytes -= o->bytes;
    flow_order_release(o);
}

static void forget_expired(struct share *s, uint64_t now) {
    while (s->recent_first < s->recent_end) {
        const struct flow_order *o = s->recent[s->recent_first % SHARE_RECENT_MAX];
        if (o->expires_ns == 0 || o->expires_ns > now) return;
        forget_oldest(s);
    }
}

/* Takes the hold over. */
static void remember(struct share *s, struct flow_order *o) {
    while (s->recent_first < s->recent_end &&
           (s->recent_end - s->recent_first == SHARE_RECENT_MAX ||
            s->recent_bytes + o->bytes > SHARE_RECENT_BYTES)) {
        forget_oldest(s);
    }
    s->recent[s->recent_end++ % SHARE_RECENT_MAX] = o;
    s->recent_bytes += o->bytes;
}

void share_greet(struct peer *p) {
    struct share *s = p->share;
    uint64_t now = clock_wall_ns(s->clock);
    for (uint64_t i = s->recent_first; i < s->recent_end; i++) {
        struct flow_order *o = s->recent[i % SHARE_RECENT_MAX];
        const struct outbox_order order = share_order_of(o);
        if (o->expires_ns != 0 && o->expires_ns <= now) continue;
        flow_order_hold(o);
        peer_outbox_push(&p->outbox, &order, now);
    }
}

/* Takes the hold over. */
static void give_to_all(struct share *s, struct flow_order *o) {
    uint64_t now = clock_wall_ns(s->clock);
    struct outbox_order order = share_order_of(o);
    list_each(node, &s->peers) {
        struct peer *p = LIST_ENTRY(node, struct peer, node);
        flow_order_hold(o);
        peer_outbox_push(&p->outbox, &order, now);
        share_pump_later(p);
    }
    remember(s, o);
}

int share_order(struct share *s, struct flow_order *o, struct error *why) {
    if (atomic_load_explicit(&s->closed, memory_order_acquire)) {
        return error_set(why, ERR_CLOSED, "sharing has ended");
    }
    if (s->thread == (unsigned long)pthread_self()) {
        give_to_all(s, flow_order_hold(o));
        return 0;
    }
    if (!queue_push(&s->handover, flow_order_hold(o))) {
        flow_order_release(o);
        metric_inc(s->handover_full);
        return error_set(why, ERR_BUSY, "too many orders wait to be shared");
    }
    wake(s);
    return 0;
}

bool share_is_full(struct share *s) {
    return queue_count(&s->handover) >= SHARE_HANDOVER_MAX - SHARE_HANDOVER_SPARE;
}

bool share_wants(const struct share *s, enum flow_form form) {
    if (form == FLOW_BITCODE) return atomic_load_explicit(&s->wants_bitcode, memory_order_relaxed);
    if (form == FLOW_JSON_FIRST) return atomic_load_explicit(&s->wants_first, memory_order_relaxed);
    return false;
}

static void on_wake(struct loop_fd *w, unsigned events) {
    struct share *s = LIST_ENTRY(w, struct share, wake);
    eventfd_t count;
    (void)events;
    (void)!eventfd_read(w->fd, &count);
    // An exchange: it sees what was pushed before every wake that found the flag set.
    (void)atomic_exchange_explicit(&s->awake, false, memory_order_acq_rel);
    for (struct flow_order *o; (o = queue_pop(&s->handover)) != NULL;) {
        give_to_all(s, o);
    }
    take_answers(s);
}

/* ---- pumps ---- */

void share_pump_later(struct peer *p) {
    if (p->removed || p->pump_node.next) return;
    list_push_back(&p->share->to_pump, &p->pump_node);
    loop_defer(p->share->loop, &p->share->pump_task);
}

static void on_pump(struct loop_task *t) {
    struct share *s = LIST_ENTRY(t, struct share, pump_task);
    for (struct list_node *n; (n = list_pop_front(&s->to_pump)) != NULL;) {
        peer_pump(LIST_ENTRY(n, struct peer, pump_node));
    }
}

void share_is_stale(struct share *s) {
    uint64_t now = loop_now_ns(s->loop);
    if (!s->options.stale || (s->stale_ns && now - s->stale_ns < NS_PER_S)) return;
    s->stale_ns = now;
    s->options.stale(s->options.context);
}

static void on_tick(struct loop_timer *t) {
    struct share *s = LIST_ENTRY(t, struct share, tick);
    uint64_t now = clock_wall_ns(s->clock);
    forget_expired(s, now);
    list_each(node, &s->peers) {
        struct peer *p = LIST_ENTRY(node, struct peer, node);
        peer_outbox_expire(&p->outbox, now);
        share_count(p);
        share_pump_later(p);
    }
    (void)!loop_timer_set(s->loop, t, loop_now_ns(s->loop) + SHARE_EXPIRE_NS, NULL);
}

/* ---- life ---- */

static int copy_options(struct share *s, const struct share_options *o, struct error *why) {
    s->options = *o;
    if (!s->options.spill_bytes_max) s->options.spill_bytes_max = SHARE_SPILL_BYTES;
    if (!s->options.queue_orders) s->options.queue_orders = SHARE_QUEUE_ORDERS;
    if (!s->options.queue_bytes) s->options.queue_bytes = SHARE_QUEUE_BYTES;
    if (!s->options.connections) s->options.connections = 4;
    if (!s->options.body_bytes_max) s->options.body_bytes_max = WIRE_BODY_MAX;
    s->loop = o->loop;
    s->log = o->log;
    s->clock = o->clock ? o->clock : &clock_system;
    (void)snprintf(s->name, sizeof s->name, "%s", o->name ? o->name : "");
    buf_append(&s->cert_pem, o->certificate.cert_pem);
    buf_append(&s->key_pem, o->certificate.key_pem);
    share_note_key(s);
    if (o->spill_folder) {
        s->options.spill_folder = strdup(o->spill_folder);
        if (!s->options.spill_folder) return error_set(why, ERR_NO_MEMORY, "no memory to share");
    }
    int r = buf_check(&s->cert_pem, why);
    return r == 0 ? buf_check(&s->key_pem, why) : r;
}

static int open_parts(struct share *s, const struct share_options *options, struct error *why) {
    int r = queue_init(&s->handover, SHARE_HANDOVER_MAX, why);
    if (r == 0) r = copy_options(s, options, why);
    if (r == 0) r = resolver_new(&s->names, RESOLVER_KEEP_NS, why);
    if (r != 0) return r;
    s->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->wake.fd < 0) return error_set(why, ERR_IO, "no descriptor to share with");
    s->wake.interest = LOOP_READ;
    s->wake.ready = on_wake;
    r = loop_fd_add(s->loop, &s->wake, why);
    if (r != 0) {
        close(s->wake.fd);
        s->wake.fd = -1;
        return r;
    }
    return loop_timer_set(s->loop, &s->tick, loop_now_ns(s->loop) + SHARE_EXPIRE_NS, why);
}

int share_new(struct share **ret, const struct share_options *options, struct error *why) {
    struct share *s = calloc(1, sizeof *s);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory to share");
    list_init(&s->peers);
    list_init(&s->links);
    list_init(&s->to_pump);
    s->thread = (unsigned long)pthread_self();
    buf_init(&s->cert_pem, 0);
    buf_init(&s->key_pem, 0);
    s->wake.fd = -1;
    s->tick.fire = on_tick;
    s->pump_task.run = on_pump;
    random_bytes(&s->instance, sizeof s->instance);
    random_fast_init(&s->random);
    s->loop = options->loop;
    if (options->attested) attested_set_owner(options->attested, link_settled, link_aged, s);
    s->skipped = metrics_get(options->metrics, &share_metric_table[SHARE_SKIPPED], NULL);
    s->handover_full =
        metrics_get(options->metrics, &share_metric_table[SHARE_HANDOVER_FULL], NULL);
    s->accepted_refused = metrics_get(options->metrics, &share_metric_table[SHARE_REFUSED], NULL);
    int r = open_parts(s, options, why);
    if (r != 0) {
        share_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void share_set_name(struct share *s, const char *name) {
    (void)snprintf(s->name, sizeof s->name, "%s", name);
}

static void end_sessions(struct share *s) {
    s->stopping = true;
    while (!list_is_empty(&s->links)) {
        struct peer_link *l = LIST_ENTRY(list_first(&s->links), struct peer_link, node);
        if (l->kind == LINK_STREAM) link_stream_bye(l, WIRE_BYE_END);
        link_end(l, NULL);
    }
}

void share_free(struct share *s) {
    if (!s) return;
    atomic_store(&s->closed, true);
    end_sessions(s);
    if (s->wake.fd >= 0) {
        take_answers(s);
        loop_fd_remove(s->loop, &s->wake);
        close(s->wake.fd);
    }
    loop_timer_clear(s->loop, &s->tick);
    loop_timer_clear(s->loop, &s->drain_timer);
    (void)!share_set_peers(s, NULL, 0, NULL, NULL);
    loop_undefer(s->loop, &s->pump_task);
    for (struct flow_order *o; s->handover.cells && (o = queue_pop(&s->handover)) != NULL;) {
        flow_order_release(o);
    }
    if (s->handover.cells) queue_free(&s->handover);
    for (struct share_ticket *t = s->last_ticket; t; t = s->last_ticket) {
        s->last_ticket = t->made_before;
        drop_holds(t);
        free(t);
    }
    while (s->recent_first < s->recent_end) {
        forget_oldest(s);
    }
    if (s->names) resolver_free(s->names);
    buf_free(&s->cert_pem);
    if (s->key_pem.n) bytes_wipe(s->key_pem.p, s->key_pem.n);
    buf_free(&s->key_pem);
    free((void *)(uintptr_t)s->options.spill_folder);
    free(s);
}

static void on_drain(struct loop_timer *t) {
    struct share *s = LIST_ENTRY(t, struct share, drain_timer);
    uint64_t now = loop_now_ns(s->loop);
    bool empty = queue_count(&s->handover) == 0;
    list_each(node, &s->peers) {
        const struct peer *p = LIST_ENTRY(node, struct peer, node);
        // One that is away may come back, but is not waited for all the time.
        bool given_up = !p->active && !p->http && now - s->drain_began_ns >= DRAIN_AWAY_NS;
        empty &= given_up || peer_outbox_is_empty(&p->outbox);
    }
    if (!empty && now < s->drain_deadline_ns &&
        loop_timer_set(s->loop, t, now + DRAIN_LOOK_NS, NULL) == 0) {
        return;
    }
    list_each(node, &s->peers) {
        const struct peer *p = LIST_ENTRY(node, struct peer, node);
        uint64_t left = peer_outbox_count(&p->outbox) + spill_records(p->outbox.spill);
        if (left == 0) continue;
        log_warn(s->log, "orders_not_shared", F_STR("peer", p->name), F_U64("orders", left));
    }
    end_sessions(s);
    if (s->drained) s->drained(s->drained_context);
}

void share_drain(struct share *s, uint64_t deadline_ns, void (*done)(void *context),
                 void *context) {
    uint64_t now = loop_now_ns(s->loop);
    atomic_store(&s->closed, true);
    s->drained = done;
    s->drained_context = context;
    s->drain_began_ns = now;
    s->drain_deadline_ns = now + deadline_ns;
    s->drain_timer.fire = on_drain;
    if (loop_timer_set(s->loop, &s->drain_timer, now, NULL) != 0) on_drain(&s->drain_timer);
}

size_t share_stats(struct share *s, struct share_peer_stats *ret, size_t most) {
    size_t n = 0;
    list_each(node, &s->peers) {
        const struct peer *p = LIST_ENTRY(node, struct peer, node);
        const struct outbox_stats *c = &p->outbox.stats;
        if (n++ >= most) continue;
        struct share_peer_stats *row = &ret[n - 1];
        *row = (struct share_peer_stats){.transport = p->spoken,
                                         .up = p->active || p->http,
                                         .attested = p->active && link_attested(p->active),
                                         .sent = c->sent,
                                         .acknowledged = c->acknowledged,
                                         .resent = c->resent,
                                         .failed = c->refused,
                                         .dropped = c->expired + c->dropped,
                                         .queued = peer_outbox_count(&p->outbox),
                                         .queued_bytes = p->outbox.bytes,
                                         .spilled = spill_records(p->outbox.spill),
                                         .spilled_bytes = spill_bytes(p->outbox.spill),
                                         .latency_ns = p->latency_ns};
        memcpy(row->name, p->name, sizeof row->name);
    }
    return n;
}
