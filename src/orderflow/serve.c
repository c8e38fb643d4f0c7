/* The running program: its parts, made in order, and taken down in the other.
 * SPDX-License-Identifier: MIT */
#include "eth/address.h"
#include "orderflow/app.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define POOL_CAPACITY 32768u
#define MALLOC_STEP_BYTES (8 << 20)
#define POST_CAPACITY 65536u
#define FAIR_AT_WORK 3u /* newcomers' requests, for each worker */
#define FAIR_KNOWN_AT_WORK 4u
#define FAIR_LINE_AT_WORK 1u /* of one client, beside others */
#define FAIR_ALONE_AT_WORK POOL_TOLD_TOGETHER
#define HISTORY_END_NS (5 * NS_PER_S)
#define CHORE_EVERY_NS (100 * NS_PER_MS)
#define BUILDER_DEFAULT "http://127.0.0.1:8645"

static const char *first_of(const char *a, const char *b) {
    return a && *a ? a : b && *b ? b : NULL;
}

/* ---- chores: what may wait for the disk is done by a worker ---- */

static void chore_run(void *context) {
    struct app *a = context;
    custody_tidy(a->custody);
    if (a->journal) journal_tidy(a->journal);
}

static void chore_done(void *context) {
    ((struct app *)context)->chore_runs = false;
}

static void chore_fire(struct loop_timer *t) {
    struct app *a = LIST_ENTRY(t, struct app, chore_timer);
    struct error why;
    intake_replay_on(a->intake);
    if (!a->chore_runs) {
        a->chore = (struct pool_task){
            .run = chore_run, .done = chore_done, .context = a, .home = &a->mailbox};
        a->chore_runs = pool_submit(a->pool, &a->chore);
    }
    if (loop_timer_set(a->loop, t, loop_now_ns(a->loop) + CHORE_EVERY_NS, &why) != 0) {
        log_error(a->log, "timer_lost", F_ERR(&why));
    }
}

static void drain_mailbox(struct loop_fd *watch, unsigned events) {
    (void)events;
    (void)pool_mailbox_drain(&LIST_ENTRY(watch, struct app, mailbox_watch)->mailbox);
}

/* ---- reload ---- */

static int read_rules(struct rules **ret, const char *path, struct error *why) {
    *ret = NULL;
    return path && *path ? rules_load(ret, path, why) : 0;
}

/* Takes them over. */
static void take_rules(struct app *a, struct rules *rules) {
    log_info(a->log, "rules", F_U64("senders", rules_count(rules)));
    gate_set_rules(a->gate, rules);
}

static int reload(void *context, struct error *why) {
    struct app *a = context;
    struct config *fresh;
    struct orderflow_values values;
    struct judge *judge = NULL;
    struct rules *rules = NULL;
    struct buf changes;
    buf_init(&changes, 64u << 10);
    int r = config_reload(&fresh, a->config, &values, &changes, why);
    if (r == 0) {
        r = app_evidence_reload(&judge, a, &values, why);
        if (r == 0) r = read_rules(&rules, values.rules_file, why);
        if (r == 0) r = app_load_certificate(a, why);
        if (r != 0) {
            judge_free(judge);
            rules_free(rules);
            config_free(fresh);
        } else {
            take_rules(a, rules);
            if (judge) attested_set_judge(a->attested, judge);
            common_log_set(a->log, &values.log);
            if (a->certificate_changed) a->certificate_changed(a);
            neighbours_certificate_changed(a);
            log_info(a->log, "configuration_reloaded", F_BYTES("changes", buf_view(&changes)));
            config_took(a->config, fresh); // what needs a restart stays as it was
        }
    }
    buf_free(&changes);
    return r;
}

/* ---- opening ---- */

static void raise_file_limit(struct app *a) {
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0) return;
    l.rlim_cur = l.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &l) != 0) log_warn(a->log, "file_limit_not_raised");
}

static int read_proxies(struct app *a, struct error *why) {
    const struct config_list *list = &a->values->trusted_proxies;
    for (size_t i = 0; i < list->count; i++) {
        if (i == APP_PROXIES_MAX) return error_set(why, ERR_LIMIT, "too many proxies");
        int r = socket_block_parse(&a->proxies[i], bytes_from_str(list->items[i]), why);
        if (r != 0) return error_wrap(why, "trusted-proxy");
    }
    a->proxy_count = list->count;
    return 0;
}

static bool in_force(void *context, const struct flow_order *o) {
    return book_in_force(((struct app *)context)->book, o);
}

static void kept(void *context, void *ticket, const struct flow_order *o) {
    (void)context;
    share_answer(ticket, PEER_SUCCESS, &o->answer, NULL);
}

static bool journaled(void *context, const struct flow_order *o) {
    return book_journaled(((struct app *)context)->book, o);
}

static void settled(void *context, struct flow_order *o, int code) {
    struct app *a = context;
    custody_settled(a->custody, o);
    if (code != 0) return;
    trace_mark(a->trace, &o->id, TRACE_DELIVERED, clock_wall_ns(&clock_system));
    app_metrics_delivered(a, o);
}

/* Each has half of the room for requests; a client of the newcomers an eighth of that (senders that
 * are known may all come through one balancer). */
static int open_fair(struct app *a, struct error *why) {
    size_t room = a->values->requests / 2 + 1;
    unsigned workers = pool_threads(a->pool);
    const struct fair_options known = {.at_work_max = FAIR_KNOWN_AT_WORK * workers,
                                       .line_at_work_max = FAIR_LINE_AT_WORK * workers,
                                       .alone_at_work_max = FAIR_ALONE_AT_WORK * workers,
                                       .waiting_max = room,
                                       .line_max = room};
    const struct fair_options newcomers = {.at_work_max = FAIR_AT_WORK * workers,
                                           .line_at_work_max = FAIR_LINE_AT_WORK * workers,
                                           .alone_at_work_max = FAIR_ALONE_AT_WORK * workers,
                                           .waiting_max = room,
                                           .line_max = room / 8 + 1};
    fair_crowd_init(&a->crowd);
    int r = fair_new(&a->fair[ORDER_MEDIUM], &a->crowd, &known, why);
    return r == 0 ? fair_new(&a->fair[ORDER_LOW], &a->crowd, &newcomers, why) : r;
}

static int open_state(struct app *a, struct error *why) {
    const struct orderflow_values *v = a->values;
    const char *trusted = first_of(v->trusted_signer_first, v->trusted_signer);
    struct address trusted_address;
    const struct gate_options gate = {
        .total_per_second = v->users_per_second,
        .client_per_second = v->client_per_second,
        .signer_count = v->rate_limiting ? v->rate_count : 0,
        .signer_window_ns = v->rate_lookback_ns,
        .scores = {(uint32_t)(v->score_bucket_ns / NS_PER_S),
                   (uint32_t)(v->score_lookback_ns / NS_PER_S)},
    };
    const struct custody_options custody = {
        .log = a->log, .kept = kept, .journaled = journaled, .context = a};
    const struct book_options book = {.ids_max = v->order_cache, .id_ns = v->order_cache_ns};
    struct rules *rules;
    int r = 0;
    if (trusted) r = address_from_text(&trusted_address, bytes_from_str(trusted), why);
    if (r != 0) return error_wrap(why, "flashbots-signer");
    r = peers_new(&a->peers, trusted ? &trusted_address : NULL, why);
    if (r == 0) r = gate_new(&a->gate, &gate, why);
    if (r == 0) r = open_fair(a, why);
    if (r == 0) r = read_rules(&rules, v->rules_file, why);
    if (r == 0) take_rules(a, rules);
    if (r == 0) r = book_new(&a->book, &book, why);
    if (r == 0) r = trace_new(&a->trace, 0, (unsigned)v->trace_sample, why);
    if (r == 0) r = sender_cache_new(&a->signers, v->signer_cache, why);
    if (r == 0) r = sender_cache_new(&a->senders, v->sender_cache, why);
    if (r == 0) r = replies_new(&a->replies, 0, v->order_cache_ns, why);
    if (r == 0) r = custody_new(&a->custody, &custody, why);
    return r;
}

static int open_builder(struct app *a, struct error *why) {
    const struct orderflow_values *v = a->values;
    const char *url = first_of(v->builder_url, v->builder_endpoint);
    const struct tip_options tip = {.loop = a->loop,
                                    .log = a->log,
                                    .names = a->names,
                                    .url = first_of(v->rpc_endpoint, NULL),
                                    .block_ns = v->block_ns};
    a->builder_url = url ? url : BUILDER_DEFAULT;
    int r = tip_new(&a->tip, &tip, why);
    if (r != 0 || v->no_forwarding) return r;
    const struct local_options local = {
        .loop = a->loop,
        .log = a->log,
        .metrics = a->metrics,
        .names = a->names,
        .url = a->builder_url,
        .generation = v->api == INTAKE_FIRST ? ORDER_FIRST : ORDER_SECOND,
        .identity = &a->identity,
        .connections = (unsigned)v->builder_connections,
        .response_ns = v->builder_response_ns,
        .orders_max = v->builder_orders,
        .bytes_max = v->builder_bytes,
        .in_force = in_force,
        .settled = settled,
        .context = a,
    };
    return local_new(&a->local, &local, why);
}

static int open_intake(struct app *a, struct error *why) {
    const struct orderflow_values *v = a->values;
    size_t first = v->request_bytes_first > 0 ? v->request_bytes_first : ORDER_BODY_MAX_FIRST;
    const struct intake_options o = {
        .pool = a->pool,
        .log = a->log,
        .metrics = a->metrics,
        .api = (enum intake_api)v->api,
        .body_max = first > v->request_bytes ? first : v->request_bytes,
        .txs_max = v->txs_max,
        .jobs_max = v->requests,
        .bytes_max = v->requests_bytes,
        .chain_id = v->chain_id,
        .reply_timestamp = v->reply_timestamp,
        .signers = a->signers,
        .senders = a->senders,
        .gate = a->gate,
        .book = a->book,
        .peers = a->peers,
        .tip = a->tip,
        .trace = a->trace,
        .local = a->local,
        .custody = a->custody,
    };
    return intake_new(&a->intake, &o, why);
}

/* Without it all goes on, and a restart gives the builder again what it has. */
static void open_given(struct app *a) {
    char path[4096];
    struct error why;
    if (!a->local) return;
    (void)snprintf(path, sizeof path, "%s/given-%s", a->values->journal_folder,
                   local_is_feed(a->local) ? "feed" : "rpc");
    if (given_open(&a->given, path, clock_wall_ns(&clock_system), &why) != 0) {
        log_error(a->log, "given_not_read", F_ERR(&why));
        return;
    }
    local_set_given(a->local, a->given);
}

static int open_journal(struct app *a, struct error *why) {
    const struct orderflow_values *v = a->values;
    if (!v->journal_folder || !*v->journal_folder) {
        log_warn(a->log, "no_journal", F_STR("text", "a crash loses orders on their way"));
        return 0;
    }
    const struct journal_options o = {.folder = v->journal_folder,
                                      .bytes_max = v->journal_bytes,
                                      .sync = (enum journal_sync)v->journal_sync,
                                      .log = a->log};
    int r = journal_open(&a->journal, &o, intake_replay, a->intake, why);
    if (r != 0) return error_wrap(why, "journal");
    log_info(a->log, "journal", F_U64("replayed", journal_stats(a->journal).replayed));
    open_given(a);
    intake_set_journal(a->intake, a->journal);
    custody_set_journal(a->custody, a->journal);
    return 0;
}

static int open_loop(struct app *a, struct error *why) {
    const struct service_options service = {.name = "orderflow",
                                            .log = a->log,
                                            .metrics = NULL,
                                            .drain_ns = a->values->drain_ns,
                                            .ready = app_ready,
                                            .reload = reload,
                                            .stopping = app_share_stopping,
                                            .context = a};
    struct service_options o = service;
    int r = loop_new(&a->loop, &(struct loop_options){.post_capacity = POST_CAPACITY}, why);
    if (r == 0) r = metrics_new(&a->metrics, NULL, why);
    o.metrics = a->metrics;
    if (r == 0) r = service_new(&a->service, a->loop, &o, why); // before threads
    if (r == 0) r = app_confine(a, why);
    if (r == 0) r = resolver_new(&a->names, 60 * NS_PER_S, why);
    if (r == 0) r = pool_start(&a->pool, (unsigned)a->values->threads, POOL_CAPACITY, why);
    if (r == 0) r = pool_mailbox_open(&a->mailbox, why);
    if (r != 0) return r;
    a->mailbox_watch = (struct loop_fd){a->mailbox.fd, LOOP_READ, drain_mailbox};
    return loop_fd_add(a->loop, &a->mailbox_watch, why);
}

static int open_doors(struct app *a, struct error *why) {
    const struct orderflow_values *v = a->values;
    doors_init(a);
    int r = door_open(&a->user, a, INTAKE_USER, why);
    if (r == 0 && v->system_addr && *v->system_addr) {
        r = door_open(&a->system, a, INTAKE_SYSTEM, why);
    }
    return r == 0 ? side_doors_open(a, why) : r;
}

static int open_all(struct app *a, struct error *why) {
    int r = open_loop(a, why);
    if (r == 0) r = read_proxies(a, why);
    if (r == 0) r = app_open_identity(a, why);
    if (r == 0) r = open_state(a, why);
    if (r == 0) r = open_builder(a, why);
    if (r == 0) r = open_intake(a, why);
    if (r == 0) r = app_metrics_open(a, why);
    if (r == 0) r = app_archive_open(a, why);
    if (r == 0) r = app_share_open(a, why);
    if (r == 0) r = open_journal(a, why);
    if (r == 0) r = open_doors(a, why);
    if (r == 0) r = neighbours_open(a, why);
    if (r != 0) return r;
    a->chore_timer.fire = chore_fire;
    chore_fire(&a->chore_timer);
    return 0;
}

/* ---- the end ---- */

/* What was acknowledged still goes to the builder, as far as the time allows. */
static void finish_orders(struct app *a) {
    uint64_t until = clock_monotonic_ns(&clock_system) + a->values->drain_ns;
    struct error why = {.text = ""};
    while (intake_jobs(a->intake) > 0 || (a->local && !local_idle(a->local))) {
        uint64_t now = clock_monotonic_ns(&clock_system);
        if (now >= until || loop_turn(a->loop, NS_PER_MS, &why) != 0) break;
    }
    if (!a->local) return;
    struct local_stats s = local_stats(a->local);
    log_info(a->log, "stopped", F_U64("delivered", s.delivered), F_U64("waiting", s.waiting));
}

static void close_all(struct app *a) {
    if (a->loop) {
        loop_timer_clear(a->loop, &a->chore_timer);
        neighbours_close(a);
    }
    doors_give_up(a);
    pool_stop(a->pool);
    if (a->mailbox_watch.ready) {
        (void)pool_mailbox_drain(&a->mailbox);
        loop_fd_remove(a->loop, &a->mailbox_watch);
        pool_mailbox_close(&a->mailbox);
    }
    archive_end(a->archive, HISTORY_END_NS);
    a->archive = NULL;
    app_share_close(a); // before the listener whose connections it holds
    server_free(a->user.server);
    server_free(a->system.server);
    server_free(a->cert_server);
    server_free(a->metrics_server);
    server_free(a->stats_server);
    local_free(a->local);
    given_close(a->given);
    custody_free(a->custody);
    tip_free(a->tip);
    intake_free(a->intake);
    journal_close(a->journal);
    replies_free(a->replies);
    sender_cache_free(a->signers);
    sender_cache_free(a->senders);
    trace_free(a->trace);
    book_free(a->book);
    for (unsigned i = 0; i < POOL_LANES; i++) {
        fair_free(a->fair[i]);
    }
    gate_free(a->gate);
    peers_free(a->peers);
    app_close_identity(a);
    if (a->names) resolver_free(a->names);
    service_free(a->service);
    loop_free(a->loop);
    metrics_free(a->metrics);
}

static int run(struct app *a, struct error *why) {
    raise_file_limit(a);
    loop_short_slices(); // workers compute beside it
    // Orders stay for minutes: memory is taken from the system in larger pieces.
    (void)mallopt(M_TOP_PAD, MALLOC_STEP_BYTES);
    int r = open_all(a, why);
    if (r == 0) r = service_run(a->service, why);
    if (r == 0) finish_orders(a);
    if (r != 0) log_error(a->log, "failed", F_ERR(why));
    close_all(a);
    return r;
}

int orderflow_serve(struct config *config, struct orderflow_values *values) {
    struct app *a = calloc(1, sizeof *a);
    struct error why = {.text = ""};
    if (!a || common_log_open(&a->log, &values->log, "orderflow", &why) != 0) {
        free(a);
        (void)fprintf(stderr, "buildernet orderflow: no memory\n");
        return error_class_of(ERR_NO_MEMORY)->exit_status;
    }
    a->config = config;
    a->values = values;
    (void)signal(SIGPIPE, SIG_IGN);
    int r = run(a, &why);
    log_close(a->log);
    free(a);
    return r == 0 ? 0 : error_class_of(r)->exit_status;
}
