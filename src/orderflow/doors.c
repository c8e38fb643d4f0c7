/* The listeners of users and of peers that speak JSON-RPC over HTTP. A request's body is gathered
 * straight into its job; limits that need no cryptography are asked here, before a worker is.
 * SPDX-License-Identifier: MIT */
#include "orderflow/app.h"

#include <stdio.h>

#define JSON_TYPE "application/json"
#define RETRY_DEFAULT_S 1
#define LATE_NS (5 * NS_PER_MS)
#define LATE_APART_NS (100 * NS_PER_US)
#define REQUEST_COST 2048u /* of a request beside its bytes: its signature */

/* A request on its way: the job's owner. Lives in the exchange's arena. */
struct visit {
    struct door *door;
    struct exchange *x;
    struct intake_job *job; /* from the body's first bytes on; NULL: none is needed */
    struct bytes signature; /* the header's; p NULL: there was none */
    struct fair_item turn;
    uint64_t begun_ns; /* its head came */
    struct fair *line; /* where it waited for its turn; NULL: nowhere */
    unsigned lane;
    struct hash key; /* of the kept replies */
    bool looked_up;  /* the key was looked for there */
    bool gzip;
    int priority; /* that a rule fixes; -1: none */
    uint8_t ip[16];
    bool suspect; /* the client forges signatures */
    bool greedy;  /* and asks much more than others */
    bool refused; /* answered before its end: the rest is dropped */
};

static const struct exchange_events no_events;

/* An answer that waits. A client that asks without end and much more than others is answered a
 * little later where the loop itself answers (what it asks before, what is refused): it has to wait
 * for the answer before it asks again, so others find the loop idle; and for the answers that wait
 * already, so that they do not all ask again in one moment. */
struct late {
    struct list_node link;
    struct exchange *x;
    struct door *door;
    uint64_t due_ns, retry_ns, begun_ns;
    int status;
    struct bytes body;
};

/* ---- answering ---- */

static void send_reply(struct door *d, struct exchange *x, int status, struct bytes body,
                       uint64_t retry_ns, uint64_t begun_ns) {
    char text[24];
    door_metrics_answered(d, status, loop_now_ns(d->app->loop) - begun_ns);
    if (status == 429 || status == 503) {
        uint64_t s = (retry_ns + NS_PER_S - 1) / NS_PER_S;
        (void)snprintf(text, sizeof text, "%llu",
                       (unsigned long long)(s > 0 ? s : RETRY_DEFAULT_S));
        (void)exchange_add_header(x, "retry-after", bytes_from_str(text));
    }
    exchange_respond_text(x, status, JSON_TYPE, body);
}

static void answer_late(struct loop_timer *t) {
    struct app *a = LIST_ENTRY(t, struct app, late_timer);
    uint64_t now = loop_now_ns(a->loop);
    for (struct list_node *n; (n = list_first(&a->late)) != NULL;) {
        struct late *l = LIST_ENTRY(n, struct late, link);
        if (l->due_ns > now && !a->late_ends) {
            (void)!loop_timer_set(a->loop, t, l->due_ns, NULL);
            return;
        }
        list_remove(n);
        send_reply(l->door, l->x, l->status, l->body, l->retry_ns, l->begun_ns);
        exchange_release(l->x); // l is gone with it
    }
}

/* The request must have been read to its end. false: there is no memory to wait with. */
static bool put_late(struct door *d, struct exchange *x, int status, struct bytes body,
                     uint64_t retry_ns, uint64_t begun_ns) {
    struct app *a = d->app;
    struct late *l = arena_new(exchange_arena(x), struct late);
    struct bytes own = arena_copy(exchange_arena(x), body);
    if (!l || !own.p || a->late_ends) return false;
    uint64_t due = loop_now_ns(a->loop) + LATE_NS;
    if (due < a->late_due_ns + LATE_APART_NS) due = a->late_due_ns + LATE_APART_NS;
    if (!loop_timer_armed(&a->late_timer) && loop_timer_set(a->loop, &a->late_timer, due, NULL)) {
        return false;
    }
    *l = (struct late){.x = x,
                       .door = d,
                       .due_ns = due,
                       .retry_ns = retry_ns,
                       .begun_ns = begun_ns,
                       .status = status,
                       .body = own};
    a->late_due_ns = due;
    exchange_hold(x);
    list_push_back(&a->late, &l->link);
    return true;
}

static void count_refusal(struct door *d, enum order_fault fault) {
    metric_inc(fault == ORDER_FAULT_RATE ? d->rate_limited : d->refused);
    for (int i = 0; fault == ORDER_FAULT_RATE && i < 2; i++) {
        metric_inc(d->rate_limited_first[i]);
    }
}

static void refuse_since(uint64_t begun_ns, struct door *d, struct exchange *x,
                         enum order_fault fault, const char *text, uint64_t retry_ns, bool late) {
    struct intake_job job = {.intake = d->app->intake, .first = d->first};
    buf_init(&job.reply, 4096);
    arena_init(&job.scratch, 4096);
    intake_refuse(&job, fault, text);
    count_refusal(d, fault);
    intake_count_unread(d->app->intake, d->kind, fault, loop_now_ns(d->app->loop) - begun_ns);
    exchange_set_events(x, &no_events, NULL);
    if (!late || !put_late(d, x, job.http_status, buf_view(&job.reply), retry_ns, begun_ns)) {
        send_reply(d, x, job.http_status, buf_view(&job.reply), retry_ns, begun_ns);
    }
    buf_free(&job.reply);
    arena_free(&job.scratch);
}

static void refuse_now(struct door *d, struct exchange *x, enum order_fault fault, const char *text,
                       uint64_t retry_ns) {
    refuse_since(loop_now_ns(d->app->loop), d, x, fault, text, retry_ns, false);
}

static void refuse(struct visit *v, enum order_fault fault, const char *text, uint64_t retry_ns,
                   bool late) {
    refuse_since(v->begun_ns, v->door, v->x, fault, text, retry_ns, late);
}

static void refuse_busy(struct visit *v, const char *text) {
    refuse(v, ORDER_FAULT_BUSY, text, NS_PER_S, false);
    intake_job_free(v->job);
    exchange_release(v->x);
}

/* Gives workers those whose turn it is. */
static void next_turns(struct app *a, struct fair *line) {
    struct fair_item *item;
    while ((item = fair_next(line)) != NULL) {
        struct visit *v = LIST_ENTRY(item, struct visit, turn);
        if (intake_submit(v->job, &a->mailbox, v->lane)) continue;
        fair_done(line, item);
        refuse_busy(v, "too many requests wait for a worker");
    }
}

void doors_give_up(struct app *a) {
    struct fair_item *item;
    a->late_ends = true;
    if (a->late.head.next) answer_late(&a->late_timer);
    if (a->loop) loop_timer_clear(a->loop, &a->late_timer);
    for (unsigned i = 0; i < POOL_LANES; i++) {
        while (a->fair[i] && (item = fair_give_up(a->fair[i])) != NULL) {
            refuse_busy(LIST_ENTRY(item, struct visit, turn), "the node ends");
        }
    }
}

/* On the loop, after the worker. */
static void judged(struct intake_job *job) {
    struct visit *v = job->owner;
    struct exchange *x = v->x;
    struct door *d = v->door;
    if (job->fault == ORDER_ACCEPTED && job->repeatable) {
        replies_put(d->app->replies, &v->key, &job->signer, buf_view(&job->reply),
                    loop_now_ns(d->app->loop));
    }
    if (job->fault != ORDER_ACCEPTED) count_refusal(d, job->fault);
    if (job->fault == ORDER_FAULT_SIGNATURE && d->kind == INTAKE_USER) {
        gate_count_forged(d->app->gate, v->ip, loop_now_ns(d->app->loop));
    }
    exchange_set_events(x, &no_events, NULL);
    send_reply(d, x, job->http_status, buf_view(&job->reply), job->retry_ns, v->begun_ns);
    intake_job_free(job);
    struct fair *line = v->line;
    if (line) fair_done(line, &v->turn);
    exchange_release(x); // v is gone with it
    if (line && fair_waiting(line) > 0) next_turns(d->app, line);
}

/* ---- a whole request ---- */

/* How urgent a request is before its signature is checked. Last: clients that forge, signers that
 * spam, and (there are as many as somebody likes to make) signers never seen; so that what they
 * send waits, not what others send. false: the claimed signer is over his limit. */
static bool ask_claimed(struct visit *v, const struct request_signature *s, unsigned *ret_lane) {
    struct app *a = v->door->app;
    *ret_lane = v->job->priority >= 0 ? (unsigned)v->job->priority : ORDER_MEDIUM;
    if (v->door->kind != INTAKE_USER) return true;
    struct gate_pass p = gate_claimed(a->gate, &s->claimed, loop_now_ns(a->loop));
    bool last = v->suspect || !p.known || p.score >= ORDER_SCORE_SPAM;
    if (v->job->priority < 0 && last) *ret_lane = ORDER_LOW;
    v->job->retry_ns = p.retry_ns;
    return !p.over;
}

/* The same bytes again: the same answer, if the signer may still ask. */
static bool answer_again(struct visit *v, struct bytes body) {
    struct app *a = v->door->app;
    struct bytes reply;
    struct address signer;
    uint64_t now = loop_now_ns(a->loop);
    if (v->looked_up || v->signature.n == 0) return false;
    v->looked_up = true;
    v->key = replies_key(v->door->kind, v->signature, body);
    if (!replies_get(a->replies, &reply, &signer, &v->key, now)) return false;
    if (v->door->kind == INTAKE_USER && !gate_signer_again(a->gate, &signer, now)) return false;
    metric_inc(v->door->duplicates);
    metric_observe(v->door->body_bytes, (double)body.n);
    exchange_set_events(v->x, &no_events, NULL);
    intake_count_unread(a->intake, v->door->kind, ORDER_ACCEPTED, now - v->begun_ns);
    if (!v->greedy || !put_late(v->door, v->x, 200, reply, 0, v->begun_ns)) {
        send_reply(v->door, v->x, 200, reply, 0, v->begun_ns);
    }
    return true;
}

static bool add_to_line(struct visit *v) {
    struct app *a = v->door->app;
    bool added = fair_add(v->line, &v->turn, v->ip, REQUEST_COST + v->job->body.n);
    intake_count_line(a->intake, v->lane, !added, fair_waiting(v->line), fair_waiting_max(v->line));
    return added;
}

static void submit(struct visit *v) {
    struct intake_job *job = v->job;
    struct app *a = v->door->app;
    struct request_signature signature;
    struct error why = {.text = ""};
    unsigned lane = ORDER_LOW;
    int r = request_signature_parse(&signature, bytes_from_str(job->header), &why);
    if (r == 0 && answer_again(v, buf_view(&job->body))) {
        intake_job_free(job);
        return;
    }
    metric_observe(v->door->body_bytes, (double)job->body.n);
    intake_job_arrived(job);
    if (r != 0 && !job->gzip) {
        refuse(v, ORDER_FAULT_SIGNATURE, why.text, 0, v->greedy);
        intake_job_free(job);
        return;
    }
    if (r == 0 && !ask_claimed(v, &signature, &lane)) {
        refuse(v, ORDER_FAULT_RATE, "the signer's requests are more than its limit", job->retry_ns,
               v->greedy);
        intake_job_free(job);
        return;
    }
    exchange_hold(v->x);
    exchange_set_events(v->x, &no_events, NULL);
    v->lane = lane;
    v->line = v->door->kind == INTAKE_USER ? a->fair[lane] : NULL;
    if (!v->line) {
        if (v->door->kind == INTAKE_USER) fair_met(&a->crowd, v->ip);
        if (!intake_submit(job, &a->mailbox, lane)) {
            refuse_busy(v, "too many requests wait for a worker");
        }
    } else if (!add_to_line(v)) {
        refuse_busy(v, "too many requests wait for their turn");
    } else {
        next_turns(a, v->line);
    }
}

/* ---- its bytes ---- */

static void refuse_rest(struct visit *v, enum order_fault fault, const char *text,
                        uint64_t retry_ns) {
    v->refused = true;
    refuse(v, fault, text, retry_ns, false);
    if (v->job) intake_job_free(v->job);
    v->job = NULL;
}

static void too_large(struct visit *v) {
    char text[80];
    (void)snprintf(text, sizeof text, "request body is too big, max size: %zu", v->door->body_max);
    refuse_rest(v, ORDER_FAULT_SIZE, text, 0);
}

static bool begin_job(struct visit *v) {
    struct intake_job *job = intake_job_new(v->door->app->intake, v->door->kind);
    if (!job) return false;
    job->begun_ns = v->begun_ns;
    job->owner = v;
    job->done = judged;
    job->priority = v->priority;
    job->body_max = v->door->body_max;
    job->gzip = v->gzip;
    job->has_header = v->signature.n > 0;
    if (v->signature.n > 0) memcpy(job->header, v->signature.p, v->signature.n);
    job->header[v->signature.n] = '\0';
    v->job = job;
    return true;
}

/* All of the body is here, in one piece. A stream of HTTP/2 may have an end of its own to come. */
static bool is_whole(const struct exchange *x, struct bytes in) {
    int64_t length;
    if (exchange_request(x)->version == HTTP_2) return false;
    (void)exchange_has_body(x, &length);
    return length >= 0 && in.n == (uint64_t)length;
}

static void on_body(struct exchange *x, void *context, struct bytes in, bool end) {
    struct visit *v = context;
    if (v->refused) return;
    if (in.n > v->door->body_max - (v->job ? v->job->body.n : 0)) {
        too_large(v);
        return;
    }
    if (!v->job && is_whole(x, in) && answer_again(v, in)) return;
    if (!v->job && !begin_job(v)) {
        refuse_rest(v, ORDER_FAULT_BUSY, "too many requests are at work", NS_PER_S);
        return;
    }
    if (!intake_append(v->job, in)) {
        refuse_rest(v, ORDER_FAULT_BUSY, "too many bytes are at work", NS_PER_S);
        return;
    }
    if (end) submit(v);
}

static void on_gone(struct exchange *x, void *context) {
    struct visit *v = context;
    (void)x;
    if (!v->refused && v->job) intake_job_free(v->job);
}

static const struct exchange_events events = {.body = on_body, .gone = on_gone};

static struct bytes signature_of(const struct door *d, const struct exchange *x) {
    const size_t most = sizeof((struct intake_job *)0)->header - 1;
    struct bytes h = {NULL, 0};
    if (!d->first) h = exchange_header(x, "x-buildernet-signature");
    if (!h.p) h = exchange_header(x, "x-flashbots-signature");
    return bytes_slice(h, 0, most); // longer is too long to be one: refused
}

static bool is_gzip(const struct door *d, const struct exchange *x) {
    struct bytes coding = exchange_header(x, "content-encoding");
    return d->app->values->gzip &&
           (http_equal_nocase(coding, "gzip") || http_equal_nocase(coding, "x-gzip"));
}

/* Which compression a request has that is not undone; NULL: none. What is no content coding at all
 * stands for a body as it is, as in the deployed programs, which look for gzip only. */
static const char *strange_coding(const struct door *d, const struct exchange *x) {
    static const char *const codings[] = {"gzip",       "x-gzip", "deflate",     "br",
                                          "zstd",       "dcb",    "dcz",         "compress",
                                          "x-compress", "exi",    "pack200-gzip"};
    struct bytes all = exchange_header(x, "content-encoding");
    if (is_gzip(d, x)) return NULL;
    for (size_t at = 0, end; at < all.n; at = end + 1) {
        end = at;
        while (end < all.n && all.p[end] != ',') {
            end++;
        }
        struct bytes one = bytes_trim(bytes_slice(all, at, end));
        for (size_t i = 0; i < sizeof codings / sizeof *codings; i++) {
            if (http_equal_nocase(one, codings[i])) return codings[i];
        }
    }
    return NULL;
}

static void refuse_coding(struct door *d, struct exchange *x, const char *coding) {
    char text[100];
    const char *taken = d->app->values->gzip ? "gzip" : "identity";
    (void)snprintf(text, sizeof text, "Content-Encoding: %s is not taken, only %s", coding, taken);
    (void)exchange_add_header(x, "accept-encoding", bytes_from_str(taken));
    refuse_now(d, x, ORDER_FAULT_CODING, text, 0);
}

/* The address, or the key that the request carries. */
static struct gate_pass ask_client(struct door *d, const struct exchange *x, uint8_t ip[16]) {
    struct gate_pass none = {.priority = -1};
    if (d->kind != INTAKE_USER) return none;
    socket_address_client(ip, exchange_client(x));
    return gate_client(d->app->gate, ip, exchange_header(x, "x-api-key"),
                       loop_now_ns(d->app->loop));
}

static void take(struct exchange *x, void *context) {
    struct door *d = context;
    int64_t length;
    metric_inc(d->requests);
    if (d->app->archive_full && d->app->archive_full(d->app) && d->kind == INTAKE_USER) {
        refuse_now(d, x, ORDER_FAULT_BACKUP, NULL, 0);
        return;
    }
    uint8_t ip[16] = {0};
    struct gate_pass p = ask_client(d, x, ip);
    if (p.over) {
        refuse_now(d, x, ORDER_FAULT_RATE, "the client's requests are more than its limit",
                   p.retry_ns);
        return;
    }
    const char *coding = strange_coding(d, x);
    if (coding) {
        refuse_coding(d, x, coding);
        return;
    }
    struct visit *v = arena_new(exchange_arena(x), struct visit);
    if (!v) {
        refuse_now(d, x, ORDER_FAULT_BUSY, "too many requests are at work", NS_PER_S);
        return;
    }
    *v = (struct visit){.door = d,
                        .x = x,
                        .signature = signature_of(d, x),
                        .gzip = is_gzip(d, x),
                        .priority = p.priority,
                        .begun_ns = loop_now_ns(d->app->loop),
                        .suspect = p.suspect,
                        .greedy = p.greedy};
    memcpy(v->ip, ip, sizeof v->ip);
    exchange_set_events(x, &events, v);
    bool has = exchange_has_body(x, &length);
    if (has && length > 0 && (uint64_t)length > d->body_max) too_large(v);
    if (!has) on_body(x, v, BYTES_LIT(""), true);
}

/* ---- the first generation's manners ---- */

static void take_first(struct exchange *x, void *context) {
    if (exchange_request(x)->method != HTTP_POST) {
        exchange_respond_text(x, 405, "text/plain; charset=utf-8",
                              BYTES_LIT("only POST method is allowed\n"));
        return;
    }
    if (!bytes_equal_str(exchange_header(x, "content-type"), JSON_TYPE)) {
        exchange_respond_text(x, 415, "text/plain; charset=utf-8",
                              BYTES_LIT("header Content-Type must be application/json\n"));
        return;
    }
    take(x, context);
}

static void live(struct exchange *x, void *context) {
    (void)context;
    exchange_respond(x, 200, BYTES_LIT(""));
}

static void ready(struct exchange *x, void *context) {
    struct door *d = context;
    struct error why = {.text = ""};
    int r = app_ready(d->app, &why);
    bool asked = d->app->values->builder_ready && *d->app->values->builder_ready;
    const char *text = r == 0     ? asked || !d->first ? "OK" : "ready"
                       : d->first ? "not ready"
                                  : why.text;
    exchange_respond_text(x, r == 0 ? 200 : 503, "text/plain; charset=utf-8", bytes_from_str(text));
}

static void never_ready(struct exchange *x, void *context) {
    (void)context;
    exchange_respond_text(x, 404, "text/plain; charset=utf-8",
                          BYTES_LIT("ready handler is not set\n"));
}

/* ---- opening ---- */

static void add_route(struct door *d, struct route r) {
    r.context = d;
    d->routes[d->route_count++] = r;
}

static void add_routes(struct door *d) {
    const unsigned stream = ROUTE_STREAM | ROUTE_QUIET;
    if (d->first) {
        add_route(d, (struct route){"*", "/", take_first, NULL, UINT64_MAX, stream | ROUTE_PREFIX});
    } else {
        add_route(d, (struct route){"POST", "/", take, NULL, UINT64_MAX, stream});
        add_route(d, (struct route){"GET", "/health", live, NULL, 0, ROUTE_QUIET});
    }
    add_route(d, (struct route){"GET", "/livez", live, NULL, 0, ROUTE_QUIET});
    add_route(d, (struct route){"GET", "/readyz", d->kind == INTAKE_USER ? ready : never_ready,
                                NULL, 0, ROUTE_QUIET});
}

void doors_init(struct app *a) {
    list_init(&a->late);
    a->late_timer.fire = answer_late;
}

int door_open(struct door *d, struct app *a, enum intake_door kind, struct error *why) {
    const struct orderflow_values *v = a->values;
    bool user = kind == INTAKE_USER;
    d->app = a;
    d->kind = kind;
    d->first = !user || v->api == INTAKE_FIRST;
    d->body_max = v->request_bytes;
    if (d->first) {
        d->body_max = v->request_bytes_first > 0 ? v->request_bytes_first : ORDER_BODY_MAX_FIRST;
    }
    door_metrics_open(d);
    add_routes(d);
    const struct server_options o = {
        .routes = d->routes,
        .route_count = d->route_count,
        .limits = {.connections = (unsigned)v->connections,
                   .connections_per_client = user ? (unsigned)v->connections_per_client : 0,
                   .body_bytes = UINT64_MAX,
                   .streams = 256,
                   .body_ns = v->read_timeout_ns,
                   .write_ns = v->write_timeout_ns,
                   .idle_ns = v->idle_timeout_ns},
        .log = a->log,
        .metrics = a->metrics,
        .name = user ? "user" : "system",
        .trusted = a->proxies,
        .trusted_count = a->proxy_count,
    };
    int r = server_new(&d->server, a->loop, &o, why);
    if (r == 0) r = service_add_server(a->service, d->server, why);
    if (r != 0) return r;
    const struct server_listener ln = {.tls = user ? a->user_tls : a->system_tls,
                                       .admit = user ? NULL : a->system_admit,
                                       .admit_context = a->system_admit_context,
                                       .http2_detect = user};
    return app_listen(a, d->server, o.name, &ln, user ? v->user_addr : v->system_addr, &d->address,
                      why);
}
