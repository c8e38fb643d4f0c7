/* SPDX-License-Identifier: MIT */
#include "hub_client/hub_client.h"

#include "base/random.h"

#include <stdlib.h>

#define RETRY_FIRST_NS (250 * NS_PER_MS)

struct registration {
    struct hub_request request;
    struct hub_client *client;
    struct hub_registration what; /* points into text */
    struct buf text;              /* service NUL tls_cert region */
    bool sent_current;            /* what is on its way is the newest */
    bool taken;                   /* the hub took the newest */
    bool again;                   /* and shall be told once more */
};

// One thing that is asked for again and again.
struct poll {
    struct hub_request request;
    struct loop_timer timer;
    struct hub_client *client;
    uint64_t every_ns;
    uint64_t wait_ns; /* before the next try after a failure; 0: all was well */
    bool has_last;    /* the last answer of the source was taken */
};

struct hub_client {
    struct loop *loop;
    struct hub_source *source;
    struct hub_client_options options;
    struct poll peers_poll, configuration_poll;
    struct loop_timer enrol_timer;
    uint64_t enrol_wait_ns;
    struct registration registrations[HUB_REGISTRATIONS_MAX];
    size_t registration_count;
    struct list watchers;
    struct loop_task greeting; /* tells new watchers what is known */
    struct list greeted;       /* watchers that wait for it */
    struct arena peers_arena[2];
    unsigned current; /* which arena holds the list in force */
    struct hub_peers peers;
    bool has_peers;
    struct {
        struct buf text; // wiped when it goes
        bool known;
    } configuration;
    enum hub_state state;
    struct error why; /* of the state */
    struct random_fast jitter;
    struct metric *answers[4]; /* by enum hub_state */
    struct metric *peer_count;
};

static const struct metric_desc answers_desc = {
    .name = "hub_client_answers_total",
    .type = METRIC_COUNTER,
    .help = "Requests to the hub by what came of them.",
    .labels = "result",
};
static const struct metric_desc peers_desc = {
    .name = "hub_client_peers",
    .type = METRIC_GAUGE,
    .help = "Builders in the hub's list.",
};

static const char *const state_names[] = {"unknown", "ok", "refused", "away"};

const char *hub_state_name(enum hub_state state) {
    return state_names[state];
}

enum hub_state hub_client_state(const struct hub_client *c) {
    return c->state;
}

const struct hub_peers *hub_client_peers(const struct hub_client *c) {
    return &c->peers;
}

// Waiting

static uint64_t grown(const struct hub_client *c, uint64_t wait_ns, uint64_t most_ns) {
    uint64_t first = c->options.retry_first_ns;
    uint64_t next = wait_ns == 0 ? first : wait_ns > most_ns / 2 ? most_ns : wait_ns * 2;
    return next < most_ns ? next : most_ns;
}

// Up to a quarter earlier, so that nodes which started together do not ask together.
static uint64_t jittered(struct hub_client *c, uint64_t wait_ns) {
    return wait_ns - random_fast_below(&c->jitter, wait_ns / 4 + 1);
}

static void arm(struct hub_client *c, struct loop_timer *t, uint64_t wait_ns) {
    struct error why;
    if (loop_timer_set(c->loop, t, loop_now_ns(c->loop) + wait_ns, &why) < 0) {
        log_error(c->options.log, "hub_poll_stopped", F_ERR(&why));
    }
}

// What the answers say

static void send_registrations(struct hub_client *c);

// A hub that was away may have lost what was registered with it; one that refuses this node has.
static void doubt_registrations(struct hub_client *c) {
    for (size_t i = 0; i < c->registration_count; i++) {
        c->registrations[i].again = true;
        if (c->state == HUB_REFUSED) c->registrations[i].taken = false;
    }
}

static void note_state(struct hub_client *c, enum hub_state state, const struct error *why) {
    metric_inc(c->answers[state]);
    enum hub_state old = c->state;
    if (old == state) return;
    c->state = state;
    memset(&c->why, 0, sizeof c->why);
    if (why) c->why = *why;
    if (state == HUB_OK) {
        log_info(c->options.log, "hub_reached", F_STR("before", hub_state_name(old)));
        c->enrol_wait_ns = 0;
        send_registrations(c);
    } else {
        doubt_registrations(c);
        log_warn(c->options.log, state == HUB_REFUSED ? "hub_refused" : "hub_away", F_ERR(why));
    }
    list_each_safe(node, &c->watchers) {
        struct hub_watcher *w = LIST_ENTRY(node, struct hub_watcher, link);
        if (w->state) w->state(w, state, state == HUB_OK ? NULL : &c->why);
    }
}

static void note_answer(struct hub_client *c, int code, const struct error *why) {
    note_state(c, code == 0 ? HUB_OK : code == ERR_UNTRUSTED ? HUB_REFUSED : HUB_AWAY, why);
}

static void poll_again(struct poll *p, int code) {
    struct hub_client *c = p->client;
    p->wait_ns = code == 0 ? 0 : grown(c, p->wait_ns, p->every_ns);
    arm(c, &p->timer, jittered(c, code == 0 ? p->every_ns : p->wait_ns));
}

static struct poll *poll_of(struct hub_request *q) {
    return LIST_ENTRY(q, struct poll, request);
}

static int take_peers(struct hub_client *c, struct bytes in, bool *ret_changed, struct error *why) {
    struct arena *a = &c->peers_arena[!c->current];
    struct hub_peers now;
    arena_reset(a);
    int r = hub_peers_parse(&now, in, a, why);
    if (r < 0) return error_wrap(why, "the hub's list of builders");
    *ret_changed = !c->has_peers || !hub_peers_equal(&now, &c->peers);
    if (!*ret_changed) return 0;
    c->current = !c->current;
    c->peers = now;
    c->has_peers = true;
    return 0;
}

static void tell_peers_failed(struct hub_client *c, const struct error *why) {
    list_each_safe(node, &c->watchers) {
        struct hub_watcher *w = LIST_ENTRY(node, struct hub_watcher, link);
        if (w->peers_failed) w->peers_failed(w, why);
    }
}

static void on_peers(struct hub_request *q, int code, struct bytes in, const struct error *why) {
    struct poll *p = poll_of(q);
    struct hub_client *c = p->client;
    struct error own;
    bool changed = false;
    if (code == 0 && in.p) {
        code = take_peers(c, in, &changed, &own);
        p->has_last = code == 0;
        why = &own;
    }
    poll_again(p, code);
    note_answer(c, code, why);
    if (code != 0) tell_peers_failed(c, why);
    if (!changed) return;
    metric_set(c->peer_count, (double)c->peers.count);
    log_info(c->options.log, "hub_peers", F_U64("count", c->peers.count),
             F_U64("left_out", c->peers.left_out));
    if (c->peers.left_out > 0) {
        log_warn(c->options.log, "hub_peers_left_out", F_U64("count", c->peers.left_out),
                 F_ERR(&c->peers.reason));
    }
    list_each_safe(node, &c->watchers) {
        struct hub_watcher *w = LIST_ENTRY(node, struct hub_watcher, link);
        if (w->peers) w->peers(w, &c->peers);
    }
}

static int take_configuration(struct hub_client *c, struct bytes in, bool *ret_changed,
                              struct error *why) {
    struct buf *have = &c->configuration.text;
    *ret_changed = !c->configuration.known || !bytes_equal_secret(buf_view(have), in);
    if (!*ret_changed) return 0;
    struct buf copy;
    buf_init(&copy, HUB_CONFIGURATION_BYTES_MAX);
    if (in.n) (void)buf_reserve(&copy, in.n); // in one piece: growing would leave copies behind
    buf_append(&copy, in);
    int r = buf_check(&copy, why);
    if (r < 0) {
        buf_free(&copy);
        return r;
    }
    bytes_wipe(have->p, have->capacity);
    buf_free(have);
    *have = copy;
    c->configuration.known = true;
    return 0;
}

static void on_configuration(struct hub_request *q, int code, struct bytes in,
                             const struct error *why) {
    struct poll *p = poll_of(q);
    struct hub_client *c = p->client;
    struct error own;
    bool changed = false;
    if (code == 0) {
        code = take_configuration(c, in, &changed, &own);
        why = &own;
    }
    poll_again(p, code);
    note_answer(c, code, why);
    if (!changed) return;
    log_info(c->options.log, "hub_configuration", F_U64("bytes", in.n));
    list_each_safe(node, &c->watchers) {
        struct hub_watcher *w = LIST_ENTRY(node, struct hub_watcher, link);
        if (w->configuration) w->configuration(w, buf_view(&c->configuration.text));
    }
}

// Asking

static void ask(struct poll *p) {
    struct hub_client *c = p->client;
    struct error why;
    bool is_peers = p == &c->peers_poll;
    if (p->request.source) return; // the last one is still at work
    p->request.done = is_peers ? on_peers : on_configuration;
    p->request.has_last = p->has_last;
    int r = is_peers ? c->source->peers(c->source, &p->request, &why)
                     : c->source->configuration(c->source, &p->request, &why);
    if (r == 0) return;
    poll_again(p, r);
    note_answer(c, r, &why);
}

static void on_poll_timer(struct loop_timer *t) {
    ask(LIST_ENTRY(t, struct poll, timer));
}

static bool polls(const struct poll *p) {
    return p->every_ns != UINT64_MAX;
}

void hub_client_refresh(struct hub_client *c) {
    if (polls(&c->peers_poll)) ask(&c->peers_poll);
    if (polls(&c->configuration_poll)) ask(&c->configuration_poll);
}

// Registrations

static void on_enrolled(struct hub_request *q, int code, struct bytes in, const struct error *why);

static void enrol_later(struct hub_client *c) {
    c->enrol_wait_ns = grown(c, c->enrol_wait_ns, HUB_POLL_DEFAULT_NS);
    arm(c, &c->enrol_timer, jittered(c, c->enrol_wait_ns));
}

static void send_one(struct hub_client *c, struct registration *r) {
    struct error why;
    if ((r->taken && !r->again) || r->request.source) return;
    r->request.done = on_enrolled;
    r->sent_current = true;
    if (c->source->enrol(c->source, &r->request, &r->what, &why) < 0) {
        log_warn(c->options.log, "hub_enrol_failed", F_STR("service", r->what.service),
                 F_ERR(&why));
        enrol_later(c);
    }
}

static void send_registrations(struct hub_client *c) {
    for (size_t i = 0; i < c->registration_count; i++) {
        send_one(c, &c->registrations[i]);
    }
}

static void on_enrol_timer(struct loop_timer *t) {
    send_registrations(LIST_ENTRY(t, struct hub_client, enrol_timer));
}

static void on_enrolled(struct hub_request *q, int code, struct bytes in, const struct error *why) {
    struct registration *r = LIST_ENTRY(q, struct registration, request);
    struct hub_client *c = r->client;
    (void)in;
    if (code < 0) {
        if (code == ERR_UNTRUSTED) r->taken = false;
        log_warn(c->options.log, "hub_enrol_failed", F_STR("service", r->what.service), F_ERR(why));
        enrol_later(c);
        return;
    }
    if (!r->sent_current) { // it changed meanwhile
        send_one(c, r);
        return;
    }
    r->taken = true;
    r->again = false;
    c->enrol_wait_ns = 0;
    log_info(c->options.log, "hub_enrolled", F_STR("service", r->what.service));
    list_each_safe(node, &c->watchers) {
        struct hub_watcher *w = LIST_ENTRY(node, struct hub_watcher, link);
        if (w->enrolled) w->enrolled(w, r->what.service);
    }
}

static struct registration *find(struct hub_client *c, const char *service) {
    for (size_t i = 0; i < c->registration_count; i++) {
        if (strcmp(c->registrations[i].what.service, service) == 0) return &c->registrations[i];
    }
    return NULL;
}

static bool same(const struct hub_registration *a, const struct hub_registration *b) {
    return bytes_equal(a->tls_cert, b->tls_cert) && bytes_equal(a->region, b->region) &&
           a->has_address == b->has_address &&
           (!a->has_address || address_equal(&a->address, &b->address));
}

// All of a registration in memory of its own.
static int copy_registration(struct buf *text, struct hub_registration *ret,
                             const struct hub_registration *from, struct error *why) {
    size_t service = strlen(from->service) + 1;
    buf_init(text, 0);
    buf_append(text, bytes_make(from->service, service));
    buf_append(text, from->tls_cert);
    buf_append(text, from->region);
    int r = buf_check(text, why);
    if (r < 0) {
        buf_free(text);
        return r;
    }
    *ret = *from;
    ret->service = (const char *)text->p;
    ret->tls_cert = bytes_make(text->p + service, from->tls_cert.n);
    ret->region = bytes_make(text->p + service + from->tls_cert.n, from->region.n);
    return 0;
}

int hub_client_enrol(struct hub_client *c, const struct hub_registration *what, struct error *why) {
    if (!what->service || !*what->service) {
        return error_set(why, ERR_INVALID, "a registration needs its service");
    }
    if (!what->tls_cert.n && !what->has_address) {
        return error_set(why, ERR_INVALID, "%s: nothing to register", what->service);
    }
    struct registration *r = find(c, what->service);
    if (r && same(&r->what, what)) return 0;
    if (!r && c->registration_count == HUB_REGISTRATIONS_MAX) {
        return error_set(why, ERR_LIMIT, "at most %d services can be registered",
                         HUB_REGISTRATIONS_MAX);
    }
    struct buf text;
    struct hub_registration copy;
    int code = copy_registration(&text, &copy, what, why);
    if (code < 0) return code;
    if (!r) {
        r = &c->registrations[c->registration_count++];
        r->client = c;
    }
    buf_free(&r->text);
    r->text = text;
    r->what = copy;
    r->taken = r->sent_current = false;
    arm(c, &c->enrol_timer, 0);
    return 0;
}

bool hub_client_enrolled(const struct hub_client *c, const char *service) {
    for (size_t i = 0; i < c->registration_count; i++) {
        const struct registration *r = &c->registrations[i];
        if (strcmp(r->what.service, service) == 0) return r->taken;
    }
    return false;
}

// Watchers

static void greet(struct loop_task *t) {
    struct hub_client *c = LIST_ENTRY(t, struct hub_client, greeting);
    struct list_node *node;
    while ((node = list_pop_front(&c->greeted))) {
        struct hub_watcher *w = LIST_ENTRY(node, struct hub_watcher, link);
        list_push_back(&c->watchers, node);
        if (w->peers && c->has_peers) w->peers(w, &c->peers);
        if (w->configuration && c->configuration.known) {
            w->configuration(w, buf_view(&c->configuration.text));
        }
        if (w->state && c->state != HUB_UNKNOWN) {
            w->state(w, c->state, c->state == HUB_OK ? NULL : &c->why);
        }
    }
}

void hub_client_watch(struct hub_client *c, struct hub_watcher *w) {
    list_push_back(&c->greeted, &w->link);
    loop_defer(c->loop, &c->greeting);
}

void hub_client_unwatch(struct hub_client *c, struct hub_watcher *w) {
    (void)c;
    list_remove(&w->link);
}

// Life

static void init_poll(struct hub_client *c, struct poll *p, uint64_t every_ns) {
    p->client = c;
    p->every_ns = every_ns;
    p->timer.fire = on_poll_timer;
    if (polls(p)) arm(c, &p->timer, 0);
}

int hub_client_new(struct hub_client **ret, struct loop *l, struct hub_source *source,
                   const struct hub_client_options *options, struct error *why) {
    struct hub_client *c = calloc(1, sizeof *c);
    *ret = NULL;
    if (!c) {
        hub_source_free(source);
        return error_set(why, ERR_NO_MEMORY, "no memory for the hub's client");
    }
    c->loop = l;
    c->source = source;
    c->options = *options;
    if (!c->options.retry_first_ns) c->options.retry_first_ns = RETRY_FIRST_NS;
    list_init(&c->watchers);
    list_init(&c->greeted);
    c->greeting.run = greet;
    c->enrol_timer.fire = on_enrol_timer;
    random_fast_init(&c->jitter);
    for (unsigned i = 0; i < 4; i++) {
        c->answers[i] = metrics_get(options->metrics, &answers_desc,
                                    (const char *[]){hub_state_name((enum hub_state)i)});
    }
    c->peer_count = metrics_get(options->metrics, &peers_desc, NULL);
    arena_init(&c->peers_arena[0], 4 * (size_t)HUB_LIST_BYTES_MAX);
    arena_init(&c->peers_arena[1], 4 * (size_t)HUB_LIST_BYTES_MAX);
    init_poll(c, &c->peers_poll,
              options->peers_every_ns ? options->peers_every_ns : HUB_POLL_DEFAULT_NS);
    init_poll(c, &c->configuration_poll,
              options->configuration_every_ns ? options->configuration_every_ns : UINT64_MAX);
    *ret = c;
    return 0;
}

void hub_client_free(struct hub_client *c) {
    if (!c) return;
    hub_source_free(c->source);
    loop_timer_clear(c->loop, &c->peers_poll.timer);
    loop_timer_clear(c->loop, &c->configuration_poll.timer);
    loop_timer_clear(c->loop, &c->enrol_timer);
    loop_undefer(c->loop, &c->greeting);
    for (size_t i = 0; i < c->registration_count; i++) {
        buf_free(&c->registrations[i].text);
    }
    bytes_wipe(c->configuration.text.p, c->configuration.text.capacity);
    buf_free(&c->configuration.text);
    arena_free(&c->peers_arena[0]);
    arena_free(&c->peers_arena[1]);
    free(c);
}
