/* Start, duties, publishing. SPDX-License-Identifier: MIT */
#include "relay/beacon_internal.h"

#include "base/list.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_NS (NS_PER_S / 2)
#define TICK_NS_MIN (50 * NS_PER_MS)
#define TICK_NS_MAX NS_PER_S
#define PATH_MAX_BYTES 256
#define VALIDATORS_EVERY_NS (60 * NS_PER_S)

#define BEACON_METRICS(X)                                                                          \
    X(BEACON_HEAD, METRIC_GAUGE, "relay_head_slot", "Newest slot with a block.", NULL)             \
    X(BEACON_BREAKS, METRIC_COUNTER, "relay_beacon_stream_breaks_total",                           \
      "Event streams of beacon nodes that ended.", NULL)                                           \
    X(BEACON_ATTRIBUTES, METRIC_COUNTER, "relay_payload_attributes_total",                         \
      "Payload attributes that beacon nodes sent.", NULL)
METRICS_DECLARE(beacon_metric, BEACON_METRICS)

void beacon_tick_soon(struct beacon *b, uint64_t in_ns) {
    struct error why;
    struct loop *l = b->options.loop;
    if (b->stopped) return;
    if (loop_timer_set(l, &b->timer, loop_now_ns(l) + in_ns, &why) != 0) {
        log_error(b->options.log, "beacon_timer_lost", F_ERR(&why));
    }
}

int beacon_get(struct beacon *b, struct ask **ret, const char *path, size_t limit, ask_done *done,
               struct error *why) {
    const struct ask_request q = {.method = HTTP_GET,
                                  .path = bytes_from_str(path),
                                  .timeout_ns = BEACON_TIMEOUT_NS,
                                  .limit_bytes = limit};
    return ask_start(ret, b->nodes[b->turn].client, &q, done, b, why);
}

// A node that failed is asked later again; the next one is asked first.
static void step_failed(struct beacon *b, const char *what, const struct error *why) {
    if (b->stopped) return;
    log_warn(b->options.log, "beacon_request_failed", F_STR("request", what),
             F_STR("node", b->nodes[b->turn].url), F_ERR(why));
    b->turn = (b->turn + 1) % b->node_count;
    beacon_tick_soon(b, RETRY_NS);
}

int beacon_data_of(const struct json **ret, const struct ask_answer *answer, struct arena *a,
                   struct error *why) {
    *ret = NULL;
    if (answer->status != 200) {
        return error_set(why, ERR_INVALID, "HTTP status %u", answer->status);
    }
    struct bytes body = arena_copy(a, answer->body);
    const struct json *doc;
    if (!body.p) return error_set(why, ERR_NO_MEMORY, "no memory for an answer");
    int r = json_parse(&doc, body, a, NULL, why);
    if (r == 0 && !(*ret = json_get(doc, "data"))) {
        r = error_set(why, ERR_NOT_FOUND, "the answer has no data");
    }
    return r;
}

static int take_step(struct beacon *b, const struct ask_answer *answer, struct error *why) {
    const struct json *data;
    int r = beacon_data_of(&data, answer, &b->arena, why);
    if (r != 0) return r;
    uint64_t slot;
    switch (b->step) {
    case STEP_GENESIS:
        b->genesis = data;
        b->step = STEP_SPEC;
        return 0;
    case STEP_SPEC:
        r = network_read(&b->network, b->genesis, data, b->options.slot_ns, why);
        if (r == 0) r = b->events.network(b->events.context, &b->network, why);
        if (r == 0) b->step = STEP_SYNCING;
        return r;
    default:
        r = json_get_decimal(&slot, data, "head_slot", why);
        if (r != 0) return r;
        b->step = STEP_RUNNING;
        b->events.head(b->events.context, slot);
        for (size_t i = 0; i < b->node_count; i++) {
            beacon_listen(&b->nodes[i]);
        }
        return 0;
    }
}

static const char *const step_paths[] = {
    [STEP_GENESIS] = BEACON_GENESIS_PATH,
    [STEP_SPEC] = "/eth/v1/config/spec",
    [STEP_SYNCING] = "/eth/v1/node/syncing",
};

static void on_step(void *context, const struct ask_answer *answer, const struct error *failed) {
    struct beacon *b = context;
    struct error why;
    const char *path = step_paths[b->step];
    b->asking = false;
    b->step_ask = NULL;
    int r = answer ? take_step(b, answer, &why) : (int)failed->code;
    if (r != 0) {
        step_failed(b, path, answer ? &why : failed);
        return;
    }
    if (b->step == STEP_RUNNING) arena_free(&b->arena);
    beacon_tick_soon(b, 0);
}

// Duties

// With a reorganisation; builders' bids for the old proposer are of no use any more.
static void tell_change(const struct beacon *b, uint64_t slot, uint64_t index) {
    const struct duty *old = duties_at(b->options.duties, slot);
    if (!old || old->validator_index == index) return;
    log_info(b->options.log, "duty_changed", F_U64("slot", slot), F_U64("proposer_index", index),
             F_U64("before", old->validator_index));
}

static int take_duties(struct beacon *b, const struct ask_answer *answer, struct arena *a,
                       struct error *why) {
    const struct json *data;
    int r = beacon_data_of(&data, answer, a, why);
    json_each(row, data) {
        uint64_t slot, index;
        struct bytes48 pubkey;
        if (r == 0) r = json_get_decimal(&slot, row, "slot", why);
        if (r == 0) r = json_get_decimal(&index, row, "validator_index", why);
        if (r == 0) r = json_get_fixed(pubkey.b, sizeof pubkey.b, row, "pubkey", why);
        if (r == 0) r = duties_add_validator(b->options.duties, index, &pubkey, why);
        if (r != 0) break;
        tell_change(b, slot, index);
        duties_set(b->options.duties, slot, index, &pubkey);
    }
    return r;
}

static uint64_t epoch_now(const struct beacon *b) {
    uint64_t now = clock_wall_ns(loop_clock(b->options.loop));
    return network_epoch_of(&b->network, network_slot_at(&b->network, now));
}

static void on_duties(void *context, const struct ask_answer *answer, const struct error *failed) {
    struct beacon *b = context;
    struct arena a;
    struct error why;
    b->asking = false;
    b->step_ask = NULL;
    arena_init(&a, 4 * BEACON_ANSWER_MAX);
    int r = answer ? take_duties(b, answer, &a, &why) : (int)failed->code;
    arena_free(&a);
    if (r != 0) {
        step_failed(b, "proposer duties", answer ? &why : failed);
        return;
    }
    b->have_duties = true;
    if (b->asking_epoch == epoch_now(b)) b->current_loaded = b->asking_epoch + 1;
    if (b->asking_epoch == epoch_now(b) + 1) b->next_loaded = b->asking_epoch + 1;
    b->events.duties(b->events.context);
    beacon_tick_soon(b, 0);
}

static int ask_duties(struct beacon *b, uint64_t epoch, struct error *why) {
    char path[PATH_MAX_BYTES];
    (void)snprintf(path, sizeof path, "/eth/v1/validator/duties/proposer/%llu",
                   (unsigned long long)epoch);
    b->asking_epoch = epoch;
    return beacon_get(b, &b->step_ask, path, BEACON_ANSWER_MAX, on_duties, why);
}

// Whoever is on the relay's chain is asked; false when nobody is.
static bool find_turn(struct beacon *b) {
    for (size_t i = 0; i < b->node_count; i++) {
        if (!b->nodes[b->turn].foreign) return true;
        b->turn = (b->turn + 1) % b->node_count;
    }
    return false;
}

// What is due: the next step of the start, duties of this epoch and the next, validators.
static void tick(struct loop_timer *t) {
    struct beacon *b = LIST_ENTRY(t, struct beacon, timer);
    struct error why;
    int r = 0;
    uint64_t pause = TICK_NS_MAX;
    if (!find_turn(b)) {
        beacon_tick_soon(b, pause);
        return;
    }
    if (b->step == STEP_RUNNING) {
        uint64_t epoch = epoch_now(b), now = loop_now_ns(b->options.loop);
        pause = b->network.slot_ns < TICK_NS_MIN   ? TICK_NS_MIN
                : b->network.slot_ns > TICK_NS_MAX ? TICK_NS_MAX
                                                   : b->network.slot_ns;
        if (now >= b->validators_due_ns && !b->asking_validators) {
            b->validators_due_ns = now + VALIDATORS_EVERY_NS;
            beacon_refresh_validators(b);
        }
        if (!b->asking && b->current_loaded != epoch + 1) {
            b->asking = true;
            r = ask_duties(b, epoch, &why);
        } else if (!b->asking && b->next_loaded != epoch + 2) {
            b->asking = true;
            r = ask_duties(b, epoch + 1, &why);
        }
    } else if (!b->asking) {
        b->asking = true;
        r = beacon_get(b, &b->step_ask, step_paths[b->step], BEACON_ANSWER_MAX, on_step, &why);
    }
    if (r != 0) {
        b->asking = false;
        step_failed(b, "request", &why);
        return;
    }
    beacon_tick_soon(b, pause);
}

// Publishing

struct publishing {
    size_t awaited;
    bool taken;
    beacon_published *done;
    void *context;
    struct error why;
};

static void on_published(void *context, const struct ask_answer *answer,
                         const struct error *failed) {
    struct publishing *p = context;
    p->awaited--;
    if (answer && (answer->status == 200 || answer->status == 202)) {
        if (!p->taken) p->done(p->context, 0, NULL);
        p->taken = true;
    } else if (answer) {
        int n = (int)(answer->body.n < 160 ? answer->body.n : 160);
        (void)error_set(&p->why, ERR_INVALID, "the beacon node answered %u: %.*s", answer->status,
                        n, n ? (const char *)answer->body.p : "");
    } else {
        p->why = *failed;
    }
    if (p->awaited) return;
    if (!p->taken) p->done(p->context, (int)p->why.code, &p->why);
    free(p);
}

int beacon_publish(struct beacon *b, struct bytes json, enum consensus_fork fork,
                   beacon_published *done, void *context, struct error *why) {
    struct publishing *p = calloc(1, sizeof *p);
    if (!p) return error_set(why, ERR_NO_MEMORY, "no memory to publish");
    p->done = done;
    p->context = context;
    const char *path = b->options.publish_path;
    const struct ask_request q = {.method = HTTP_POST,
                                  .path = bytes_from_str(path ? path : "/eth/v2/beacon/blocks"),
                                  .content_type = "application/json",
                                  .version = consensus_fork_name(fork),
                                  .body = json,
                                  .timeout_ns = BEACON_TIMEOUT_NS,
                                  .limit_bytes = BEACON_ANSWER_MAX};
    int r = 0;
    for (size_t i = 0; i < b->node_count; i++) {
        r = ask_start(NULL, b->nodes[i].client, &q, on_published, p, why);
        if (r == 0) p->awaited++;
    }
    if (p->awaited) return 0;
    free(p);
    return r;
}

// Life

int beacon_ready(const struct beacon *b, struct error *why) {
    bool known = b->step == STEP_RUNNING && b->have_duties && b->have_validators;
    if (!known) return error_set(why, ERR_BUSY, "no beacon node told duties and validators yet");
    for (size_t i = 0; i < b->node_count; i++) {
        if (!b->nodes[i].foreign) return 0;
    }
    return error_set(why, ERR_CONFLICT,
                     "the beacon nodes are on another chain than at the start: genesis time %llu "
                     "it was; start the relay anew, with a database of its own",
                     (unsigned long long)b->network.genesis_s);
}

static int add_node(struct beacon *b, const char *url, struct error *why) {
    if (b->node_count == BEACON_NODES_MAX) return error_set(why, ERR_LIMIT, "too many nodes");
    struct beacon_node *n = &b->nodes[b->node_count];
    const struct client_options o = {.url = url,
                                     .tls = b->options.tls,
                                     .names = b->options.names,
                                     .connect_ns = 2 * NS_PER_S,
                                     .body_ns = 600 * NS_PER_S};
    n->beacon = b;
    n->url = url;
    sse_reader_init(&n->reader, BEACON_EVENT_MAX);
    int r = client_new(&n->client, b->options.loop, &o, why);
    if (r != 0) return error_wrap(why, "beacon node %s", url);
    b->node_count++;
    return 0;
}

int beacon_start(struct beacon **ret, const struct beacon_options *o,
                 const struct beacon_events *events, struct error *why) {
    *ret = NULL;
    struct beacon *b = calloc(1, sizeof *b);
    if (!b) return error_set(why, ERR_NO_MEMORY, "no memory for beacon nodes");
    b->options = *o;
    b->events = *events;
    b->timer.fire = tick;
    arena_init(&b->arena, 4 * BEACON_ANSWER_MAX);
    struct metrics *m = o->metrics;
    b->head_slot = metrics_get(m, &beacon_metric_table[BEACON_HEAD], NULL);
    b->stream_breaks = metrics_get(m, &beacon_metric_table[BEACON_BREAKS], NULL);
    b->attributes_seen = metrics_get(m, &beacon_metric_table[BEACON_ATTRIBUTES], NULL);
    int r = o->url_count ? 0 : error_set(why, ERR_NOT_FOUND, "no beacon node is given");
    for (size_t i = 0; i < o->url_count && r == 0; i++) {
        r = add_node(b, o->urls[i], why);
    }
    if (r != 0) {
        beacon_stop(b);
        return r;
    }
    beacon_tick_soon(b, 0);
    *ret = b;
    return 0;
}

void beacon_stop(struct beacon *b) {
    if (!b) return;
    b->stopped = true;
    loop_timer_clear(b->options.loop, &b->timer);
    for (size_t i = 0; i < b->node_count; i++) {
        beacon_unlisten(&b->nodes[i]);
        client_free(b->nodes[i].client); // fails what is asked
        sse_reader_free(&b->nodes[i].reader);
    }
    arena_free(&b->arena);
    buf_free(&b->parse_body);
    free(b->parsed);
    free(b);
}
