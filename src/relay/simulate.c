/* SPDX-License-Identifier: MIT */
#include "relay/simulate.h"

#include "base/hex.h"
#include "base/list.h"
#include "eth/ssz_json.h"
#include "relay/ask.h"
#include "json/write.h"

#include <stdio.h>
#include <stdlib.h>

#define AT_WORK_MAX 16u
#define WAITING_MAX 1024u
#define ANSWER_MAX (1u << 20)
#define TEXT_MAX 1024

#define SIMULATE_METRICS(X)                                                                        \
    X(SIMULATE_RESULTS, METRIC_COUNTER, "relay_simulations_total", "Simulations by result.",       \
      "result")                                                                                    \
    X(SIMULATE_SECONDS, METRIC_SUMMARY, "relay_simulation_seconds", "Time of a simulation.", NULL) \
    X(SIMULATE_WAITING, METRIC_GAUGE, "relay_simulations_waiting", "Simulations that wait.", NULL)
METRICS_DECLARE(simulate_metric, SIMULATE_METRICS)

struct simulator {
    struct client *client;
    const char *url;
    unsigned at_work;
};

struct simulators {
    struct simulators_options options;
    struct simulator node[SIMULATORS_MAX];
    size_t count;
    struct list waiting_of[SIMULATION_RANKS];
    size_t waiting;
    bool stopping;
    struct metric *results[SIMULATION_UNKNOWN + 1];
    struct metric *seconds, *waiting_gauge;
};

struct simulation {
    struct simulators *owner;
    struct list_node link;
    struct loop_timer timer;
    enum simulation_rank rank;
    struct buf body;
    struct ask *ask; /* NULL: waiting, or about to end */
    size_t at;       /* node */
    uint32_t tried;  /* bits: nodes that could not tell */
    bool timed_out;  /* the last of them gave no answer in time */
    uint64_t began_ns;
    enum simulation_result result;
    char text[TEXT_MAX];
    simulation_done *done;
    void *context;
};

static void start_waiting(struct simulators *s);

static void end(struct simulation *k, enum simulation_result result) {
    struct simulators *s = k->owner;
    uint64_t took = loop_now_ns(s->options.loop) - k->began_ns;
    loop_timer_clear(s->options.loop, &k->timer);
    metric_inc(s->results[result]);
    metric_observe_ns(s->seconds, took);
    k->done(k->context, result, k->text, took);
    buf_free(&k->body);
    free(k);
}

// What a node says about itself, not about the block.
static bool is_nodes_own(struct bytes message) {
    static const char *const signs[] = {"unknown ancestor", "missing trie node",
                                        "request timeout hit", "header not found",
                                        "parent block not found"};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (memmem(message.p, message.n, signs[i], strlen(signs[i]))) return true;
    }
    return false;
}

static void set_text(struct simulation *k, const char *prefix, struct bytes message) {
    int n = (int)(message.n < TEXT_MAX / 2 ? message.n : TEXT_MAX / 2);
    (void)snprintf(k->text, sizeof k->text, "%s%.*s", prefix, n, n ? (const char *)message.p : "");
}

// True when the node could tell.
static bool judge(struct simulation *k, const struct ask_answer *answer,
                  enum simulation_result *ret) {
    struct arena a;
    const struct json *doc;
    struct error why;
    arena_init(&a, 4 * ANSWER_MAX);
    bool told = false;
    if (json_parse(&doc, answer->body, &a, NULL, &why) != 0) {
        (void)snprintf(k->text, sizeof k->text, "json error: HTTP status %u", answer->status);
    } else if (!json_is_null(json_get(doc, "error"))) {
        struct bytes message = json_text(json_get(json_get(doc, "error"), "message"));
        set_text(k, "simulation failed: ", message);
        int64_t code = 0;
        (void)!json_get_i64(&code, json_get(doc, "error"), "code", NULL);
        told = !is_nodes_own(message) && code != -32601;
        *ret = SIMULATION_INVALID;
    } else if (json_get(doc, "result")) {
        told = true;
        *ret = SIMULATION_VALID;
        k->text[0] = '\0';
    } else {
        set_text(k, "json error: no result", (struct bytes){NULL, 0});
    }
    arena_free(&a);
    return told;
}

static bool begin(struct simulation *k);

static void on_answer(void *context, const struct ask_answer *answer, const struct error *why) {
    struct simulation *k = context;
    struct simulators *s = k->owner;
    enum simulation_result result = SIMULATION_UNKNOWN;
    k->ask = NULL;
    s->node[k->at].at_work--;
    bool told = answer && judge(k, answer, &result);
    if (!answer) set_text(k, "", bytes_from_str(why->text));
    k->timed_out = !answer && why->code == ERR_TIMEOUT;
    if (told) {
        end(k, result);
    } else {
        k->tried |= 1u << k->at;
        if (!s->stopping) {
            log_warn(s->options.log, "simulator_cannot_tell", F_STR("node", s->node[k->at].url),
                     F_STR("text", k->text));
        }
        if (s->stopping || k->tried == (1u << s->count) - 1) {
            end(k, k->timed_out ? SIMULATION_TIMEOUT : SIMULATION_UNKNOWN);
        } else if (!begin(k)) {
            list_push_front(&s->waiting_of[k->rank], &k->link);
            s->waiting++;
        }
    }
    if (!s->stopping) start_waiting(s);
}

// Without nodes it is over at once: it passes.
static int begin_time(struct simulation *k, struct error *why) {
    struct simulators *s = k->owner;
    uint64_t limit = s->count ? s->options.timeout_ns : 0;
    return loop_timer_set(s->options.loop, &k->timer, loop_now_ns(s->options.loop) + limit, why);
}

// Gives the request to the least busy node that was not asked; false when all are full.
static bool begin(struct simulation *k) {
    struct simulators *s = k->owner;
    struct simulator *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        struct simulator *n = &s->node[i];
        if (k->tried & (1u << i) || n->at_work >= s->options.at_work_max) continue;
        if (!best || n->at_work < best->at_work) best = n;
    }
    if (!best) return false;
    const struct ask_request q = {.method = HTTP_POST,
                                  .path = BYTES_LIT("/"),
                                  .content_type = "application/json",
                                  .body = buf_view(&k->body),
                                  .timeout_ns = s->options.timeout_ns,
                                  .limit_bytes = ANSWER_MAX};
    struct error why;
    if (k->rank == SIMULATION_LATER && k->tried == 0 && begin_time(k, &why) != 0) return false;
    if (ask_start(&k->ask, best->client, &q, on_answer, k, &why) != 0) return false;
    k->at = (size_t)(best - s->node);
    best->at_work++;
    return true;
}

static void start_waiting(struct simulators *s) {
    while (s->waiting) {
        struct list_node *node = NULL;
        for (size_t i = 0; i < SIMULATION_RANKS && !node; i++) {
            node = list_first(&s->waiting_of[i]);
        }
        struct simulation *k = LIST_ENTRY(node, struct simulation, link);
        if (!begin(k)) break;
        list_remove(node);
        s->waiting--;
    }
    metric_set(s->waiting_gauge, (double)s->waiting);
}

static void on_due(struct loop_timer *t) {
    struct simulation *k = LIST_ENTRY(t, struct simulation, timer);
    struct simulators *s = k->owner;
    if (k->ask) {
        ask_cancel(k->ask);
        s->node[k->at].at_work--;
    } else {
        list_remove(&k->link);
        s->waiting--;
    }
    end(k, s->count ? SIMULATION_TIMEOUT : SIMULATION_VALID); // nobody to ask: it passes
    start_waiting(s);
}

int simulate(struct simulators *s, struct buf *body, enum simulation_rank rank,
             simulation_done *done, void *context, struct error *why) {
    struct simulation *k = s->waiting < s->options.waiting_max ? calloc(1, sizeof *k) : NULL;
    if (!k) {
        buf_free(body);
        return error_set(why, ERR_BUSY, "too many simulations wait");
    }
    k->owner = s;
    k->timer.fire = on_due;
    k->done = done;
    k->context = context;
    k->rank = rank;
    k->began_ns = loop_now_ns(s->options.loop);
    int r = s->count && rank == SIMULATION_LATER ? 0 : begin_time(k, why);
    if (r != 0) {
        buf_free(body);
        free(k);
        return r;
    }
    k->body = *body;
    memset(body, 0, sizeof *body);
    if (begin(k)) return 0;
    list_push_back(&s->waiting_of[rank], &k->link);
    s->waiting++;
    return 0;
}

int simulation_write(struct buf *out, const struct submission *s,
                     const struct simulation_terms *terms, struct error *why) {
    static const unsigned versions[CONSENSUS_FORK_COUNT] = {1, 2, 3, 4, 5};
    struct submit_block_request request = s->request;
    if (!terms->blobs) request.blobs_bundle = (struct blobs_bundle){.blobs = {NULL, 0}};
    buf_printf(out,
               "{\"jsonrpc\":\"2.0\",\"id\":1,"
               "\"method\":\"flashbots_validateBuilderSubmissionV%u\",\"params\":[",
               versions[s->fork]);
    ssz_json_encode(out, s->types->submit_request, &request);
    if (out->n) out->n--; // the closing brace: more members follow
    buf_printf(out, ",\"registered_gas_limit\":\"%llu\"",
               (unsigned long long)terms->registered_gas_limit);
    if (s->types->withdrawals) {
        buf_append_str(out, ",\"withdrawals_root\":\"");
        hex_append_data(out, BYTES_OF(terms->withdrawals_root));
        buf_append_byte(out, '"');
    }
    if (s->fork >= CONSENSUS_DENEB && terms->parent_beacon_root) {
        buf_append_str(out, ",\"parent_beacon_block_root\":\"");
        hex_append_data(out, BYTES_OF(*terms->parent_beacon_root));
        buf_append_byte(out, '"');
    } else {
        buf_append_str(out, ",\"parent_beacon_block_root\":null");
    }
    buf_append_str(out, "}]}");
    return buf_check(out, why);
}

int simulators_new(struct simulators **ret, const struct simulators_options *o, struct error *why) {
    static const char *const names[] = {"valid", "invalid", "timeout", "unknown"};
    *ret = NULL;
    struct simulators *s = calloc(1, sizeof *s);
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for validation nodes");
    s->options = *o;
    if (s->options.at_work_max == 0) s->options.at_work_max = AT_WORK_MAX;
    if (s->options.waiting_max == 0) s->options.waiting_max = WAITING_MAX;
    for (size_t i = 0; i < SIMULATION_RANKS; i++) {
        list_init(&s->waiting_of[i]);
    }
    for (size_t i = 0; i <= SIMULATION_UNKNOWN; i++) {
        s->results[i] = metrics_get(o->metrics, &simulate_metric_table[SIMULATE_RESULTS],
                                    (const char *[]){names[i]});
    }
    s->seconds = metrics_get(o->metrics, &simulate_metric_table[SIMULATE_SECONDS], NULL);
    s->waiting_gauge = metrics_get(o->metrics, &simulate_metric_table[SIMULATE_WAITING], NULL);
    int r = o->url_count <= SIMULATORS_MAX ? 0 : error_set(why, ERR_LIMIT, "too many nodes");
    for (size_t i = 0; i < o->url_count && r == 0; i++) {
        struct simulator *n = &s->node[s->count];
        const struct client_options c = {.url = o->urls[i],
                                         .tls = o->tls,
                                         .names = o->names,
                                         .connect_ns = 2 * NS_PER_S,
                                         .connections = s->options.at_work_max,
                                         .retry_any = true};
        n->url = o->urls[i];
        r = client_new(&n->client, o->loop, &c, why);
        if (r == 0) s->count++;
    }
    if (r != 0) {
        simulators_free(s);
        return error_wrap(why, "validation node");
    }
    *ret = s;
    return 0;
}

void simulators_free(struct simulators *s) {
    if (!s) return;
    s->stopping = true;
    for (size_t i = 0; i < s->count; i++) {
        client_free(s->node[i].client); // fails what is at work
    }
    for (size_t i = 0; i < SIMULATION_RANKS; i++) {
        for (struct list_node *node; (node = list_first(&s->waiting_of[i])) != NULL;) {
            list_remove(node);
            end(LIST_ENTRY(node, struct simulation, link), SIMULATION_UNKNOWN);
        }
    }
    free(s);
}
