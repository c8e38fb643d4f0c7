/* SPDX-License-Identifier: MIT */
#include "node/relays.h"

#include "base/hex.h"
#include "base/list.h"
#include "crypto/bls.h"
#include "eth/ssz_json.h"
#include "net/client.h"
#include "net/resolver.h"
#include "net/url.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_BYTES_MAX (64u << 20)
#define REGISTER_NS (5 * NS_PER_S)
#define REMIND_FIRST_NS (50 * NS_PER_MS) // after a failed registration; doubled up to the last
#define REMIND_LAST_NS (5 * NS_PER_S)
#define NAMES_KEEP_NS (60 * NS_PER_S)

#define RELAYS_METRICS(X)                                                                          \
    X(RELAYS_BIDS, METRIC_COUNTER, "node_relay_bids_total", "Bids asked of relays, by outcome.",   \
      "outcome")                                                                                   \
    X(RELAYS_PAYLOADS, METRIC_COUNTER, "node_relay_payloads_total",                                \
      "Signed blinded blocks sent to relays, by outcome.", "outcome")
METRICS_DECLARE(relays_metric, RELAYS_METRICS)

struct relay {
    struct client *client;
    char *url; // without the key
    bool pinned;
    bool registered;  // it took the newest registrations
    bool registering; // it is being told them
    struct bytes48 pubkey;
};

/* One request to one relay. */
struct question {
    struct relays *relays;
    struct list_node node; // of relays.questions
    size_t relay;
    struct client_call *call;
    struct loop_timer timer;
    struct buf body;
    unsigned status;
    void (*answered)(struct question *q, const struct error *why); // frees nothing
    enum consensus_fork fork;
    uint64_t asking; // that a bid is for
    void (*unblinded)(void *context, const struct payload_and_blobs *payload,
                      const struct error *why);
    void *context;
};

struct asking {
    bool open;
    uint64_t number;
    struct bid_terms terms;
    size_t waiting;
    struct relay_bid best;
    bool has_best;
    struct arena memory;
    struct loop_timer timer;
    void (*done)(void *context, const struct relay_bid *best);
    void *context;
};

struct relays {
    struct relays_options options;
    struct resolver *names;
    struct relay all[RELAYS_MAX];
    size_t count;
    struct list questions;
    struct buf registrations; // the newest
    struct loop_timer remind;
    uint64_t remind_ns; // until the next time
    struct asking asking;
    struct metrics *metrics;
};

static void count_bid(struct relays *r, const char *outcome) {
    if (!r->metrics) return;
    metric_inc(
        metrics_get(r->metrics, &relays_metric_table[RELAYS_BIDS], (const char *[]){outcome}));
}

static void count_payload(struct relays *r, const char *outcome) {
    if (!r->metrics) return;
    metric_inc(
        metrics_get(r->metrics, &relays_metric_table[RELAYS_PAYLOADS], (const char *[]){outcome}));
}

// One request

static void question_free(struct question *q) {
    loop_timer_clear(q->relays->options.loop, &q->timer);
    if (q->call) call_cancel(q->call);
    list_remove(&q->node);
    buf_free(&q->body);
    free(q);
}

static void question_end(struct question *q, const struct error *why) {
    q->call = NULL;
    q->answered(q, why);
    question_free(q);
}

static void on_response(struct client_call *k, void *context, const struct http_response *r) {
    struct question *q = context;
    (void)k;
    q->status = r->status;
}

static void on_body(struct client_call *k, void *context, struct bytes in) {
    struct question *q = context;
    (void)k;
    buf_append(&q->body, in); // a longer one is refused at its end
}

static void on_end(struct client_call *k, void *context) {
    struct question *q = context;
    struct error why;
    (void)k;
    int r = buf_check(&q->body, &why);
    question_end(q, r == 0 ? NULL : &why);
}

static void on_failed(struct client_call *k, void *context, const struct error *why) {
    (void)k;
    question_end(context, why);
}

static const struct client_events question_events = {
    .response = on_response, .body = on_body, .end = on_end, .failed = on_failed};

static void on_timeout(struct loop_timer *t) {
    struct question *q = LIST_ENTRY(t, struct question, timer);
    struct error why;
    call_cancel(q->call);
    (void)error_set(&why, ERR_TIMEOUT, "no answer in time");
    question_end(q, &why);
}

static int make_request(struct http_request *r, struct arena *a, enum http_method method,
                        const char *path, enum consensus_fork fork, struct error *why) {
    *r = (struct http_request){.method = method, .path = bytes_from_str(path)};
    int code =
        http_fields_put(&r->fields, a, HTTP_FIELD_ACCEPT, BYTES_LIT("application/json"), why);
    if (code == 0 && method == HTTP_POST) {
        code = http_fields_put(&r->fields, a, HTTP_FIELD_CONTENT_TYPE,
                               BYTES_LIT("application/json"), why);
    }
    if (code == 0) {
        code = http_fields_add(&r->fields, a, BYTES_LIT("eth-consensus-version"),
                               bytes_from_str(consensus_fork_name(fork)), why);
    }
    return code;
}

static struct question *ask_one(struct relays *r, size_t relay, enum http_method method,
                                const char *path, struct bytes body, enum consensus_fork fork,
                                uint64_t timeout_ns,
                                void (*answered)(struct question *q, const struct error *why),
                                struct error *why) {
    struct http_request request;
    struct arena a;
    struct question *q = calloc(1, sizeof *q);
    struct loop *l = r->options.loop;
    if (!q) {
        (void)error_set(why, ERR_NO_MEMORY, "no memory for a request");
        return NULL;
    }
    arena_init(&a, 64u << 10);
    *q = (struct question){.relays = r, .relay = relay, .answered = answered, .fork = fork};
    q->timer.fire = on_timeout;
    buf_init(&q->body, ANSWER_BYTES_MAX);
    list_push_back(&r->questions, &q->node);
    int code = make_request(&request, &a, method, path, fork, why);
    if (code == 0) code = loop_timer_set(l, &q->timer, loop_now_ns(l) + timeout_ns, why);
    if (code == 0) {
        code = client_start(&q->call, r->all[relay].client, &request, body, false, &question_events,
                            q, why);
    }
    arena_free(&a);
    if (code == 0) return q;
    question_free(q);
    return NULL;
}

// What the relay said when it refused: the start of its text.
static int status_error(const struct question *q, struct error *why) {
    int n = (int)(q->body.n < 120 ? q->body.n : 120);
    return error_set(why, ERR_INVALID, "HTTP status %u: %.*s", q->status, n,
                     n ? (const char *)q->body.p : "");
}

// Registrations

// A relay that starts beside the node misses the first; without registrations no bid is asked for.
static void remind_later(struct relays *r) {
    struct loop *l = r->options.loop;
    struct error why;
    if (loop_timer_armed(&r->remind)) return;
    r->remind_ns = r->remind_ns ? 2 * r->remind_ns : REMIND_FIRST_NS;
    if (r->remind_ns > REMIND_LAST_NS) r->remind_ns = REMIND_LAST_NS;
    if (loop_timer_set(l, &r->remind, loop_now_ns(l) + r->remind_ns, &why) < 0) {
        log_error(r->options.log, "timer_lost", F_ERR(&why));
    }
}

static void on_remind(struct loop_timer *t) {
    relays_remind(LIST_ENTRY(t, struct relays, remind));
}

static void on_registered(struct question *q, const struct error *why) {
    struct error own;
    struct relay *relay = &q->relays->all[q->relay];
    relay->registering = false;
    if (!why && q->status == 200) {
        relay->registered = true;
        log_info(q->relays->options.log, "validators_registered", F_STR("relay", relay->url));
        return;
    }
    if (!why) (void)status_error(q, &own);
    log_warn(q->relays->options.log, "registration_failed", F_STR("relay", relay->url),
             F_ERR(why ? why : &own));
    remind_later(q->relays);
}

void relays_remind(struct relays *r) {
    struct error why;
    for (size_t i = 0; i < r->count && r->registrations.n; i++) {
        if (r->all[i].registered || r->all[i].registering) continue;
        r->all[i].registering = true;
        if (!ask_one(r, i, HTTP_POST, "/eth/v1/builder/validators", buf_view(&r->registrations),
                     CONSENSUS_CAPELLA, REGISTER_NS, on_registered, &why)) {
            r->all[i].registering = false;
            log_warn(r->options.log, "registration_failed", F_STR("relay", r->all[i].url),
                     F_ERR(&why));
        }
    }
}

void relays_register(struct relays *r, struct bytes registrations) {
    buf_clear(&r->registrations);
    buf_append(&r->registrations, registrations);
    for (size_t i = 0; i < r->count; i++) {
        r->all[i].registered = r->all[i].registering = false;
    }
    r->remind_ns = 0;
    relays_remind(r);
}

// Bids

int relay_bid_judge(const struct signed_builder_bid *bid, const struct bid_terms *terms,
                    const struct bytes48 *pinned, const struct hash *builder_domain,
                    uint64_t min_bid_wei, struct arena *a, struct error *why) {
    const struct builder_bid *b = &bid->message;
    const struct execution_payload_header *h = &b->header;
    struct bls_public_key key;
    struct hash root;
    const char *wrong = NULL;
    if (pinned && memcmp(pinned, &b->pubkey, sizeof *pinned) != 0) wrong = "pubkey";
    if (!hash_equal(&h->parent_hash, &terms->parent_hash)) wrong = "parent_hash";
    if (h->timestamp != terms->timestamp) wrong = "timestamp";
    if (h->block_number != terms->number) wrong = "block_number";
    if (!hash_equal(&h->prev_randao, &terms->prev_randao)) wrong = "prev_randao";
    if (wrong) return error_set(why, ERR_INVALID, "%s is not as asked for", wrong);
    if (u256_compare(b->value, u256_from_u64(min_bid_wei)) < 0) {
        return error_set(why, ERR_INVALID, "the value is below the least bid");
    }
    int r = ssz_root(&root, consensus_types_of(terms->fork)->builder_bid, b, a, why);
    if (r == 0) r = bls_public_key_parse(&key, &b->pubkey, why);
    if (r != 0) return r;
    root = ssz_signing_root(&root, builder_domain);
    return bls_verify(&key, BYTES_OF(root), &bid->signature, why);
}

static int read_bid(struct signed_builder_bid *ret, const struct question *q, struct arena *a,
                    struct error *why) {
    const struct bid_terms *terms = &q->relays->asking.terms;
    const struct json *doc;
    struct bytes body = arena_copy(a, buf_view(&q->body)), version;
    const struct relay *relay = &q->relays->all[q->relay];
    int r = body.p ? json_parse(&doc, body, a, NULL, why)
                   : error_set(why, ERR_NO_MEMORY, "no memory for a bid");
    if (r == 0) r = json_get_string(&version, doc, "version", why);
    if (r == 0 && !bytes_equal_str(version, consensus_fork_name(terms->fork))) {
        r = error_set(why, ERR_INVALID, "the bid is of another fork");
    }
    if (r == 0) {
        r = ssz_json_decode(ret, consensus_types_of(terms->fork)->signed_builder_bid,
                            json_get(doc, "data"), a, why);
    }
    if (r != 0) return r;
    return relay_bid_judge(ret, terms, relay->pinned ? &relay->pubkey : NULL,
                           &q->relays->options.builder_domain, q->relays->options.min_bid_wei, a,
                           why);
}

static void finish_asking(struct relays *r) {
    struct asking *k = &r->asking;
    loop_timer_clear(r->options.loop, &k->timer);
    k->open = false;
    k->done(k->context, k->has_best ? &k->best : NULL);
}

static void on_bid(struct question *q, const struct error *why) {
    struct relays *r = q->relays;
    struct asking *k = &r->asking;
    struct error own;
    struct signed_builder_bid bid;
    const char *url = r->all[q->relay].url;
    int code = why ? (int)why->code : 0;
    if (!k->open || q->asking != k->number) return; // too late
    if (code == 0 && q->status == 204) {
        count_bid(r, "none");
    } else {
        if (code == 0 && q->status != 200) code = status_error(q, &own);
        if (code == 0) code = read_bid(&bid, q, &k->memory, &own);
        count_bid(r, code == 0 ? "good" : "refused");
        if (code != 0) {
            log_warn(r->options.log, "bid_refused", F_STR("relay", url),
                     F_U64("slot", k->terms.slot), F_ERR(why ? why : &own));
        } else if (!k->has_best || u256_compare(bid.message.value, k->best.bid.message.value) > 0) {
            k->best = (struct relay_bid){q->relay, bid};
            k->has_best = true;
        }
    }
    if (--k->waiting == 0) finish_asking(r);
}

static void on_asking_over(struct loop_timer *t) {
    finish_asking(LIST_ENTRY(LIST_ENTRY(t, struct asking, timer), struct relays, asking));
}

static void hex_of(char *ret, struct bytes in) {
    memcpy(ret, "0x", 2);
    hex_encode(ret + 2, in);
    ret[2 + 2 * in.n] = '\0';
}

void relays_ask(struct relays *r, const struct bid_terms *terms, uint64_t timeout_ns,
                void (*done)(void *context, const struct relay_bid *best), void *context) {
    struct asking *k = &r->asking;
    struct loop *l = r->options.loop;
    char path[320], parent[67], key[99];
    struct error why;
    uint64_t number = k->number + 1;
    relays_forget(r);
    k->open = true;
    k->number = number;
    k->terms = *terms;
    k->done = done;
    k->context = context;
    k->timer.fire = on_asking_over;
    hex_of(parent, BYTES_OF(terms->parent_hash));
    hex_of(key, BYTES_OF(terms->proposer));
    (void)snprintf(path, sizeof path, "/eth/v1/builder/header/%llu/%s/%s",
                   (unsigned long long)terms->slot, parent, key);
    for (size_t i = 0; i < r->count; i++) {
        struct question *q = ask_one(r, i, HTTP_GET, path, (struct bytes){NULL, 0}, terms->fork,
                                     2 * timeout_ns, on_bid, &why);
        if (q) {
            q->asking = number;
            k->waiting++;
        } else {
            log_warn(r->options.log, "bid_not_asked", F_STR("relay", r->all[i].url), F_ERR(&why));
        }
    }
    uint64_t due = loop_now_ns(l) + (k->waiting ? timeout_ns : 0);
    if (loop_timer_set(l, &k->timer, due, &why) != 0) finish_asking(r);
}

void relays_forget(struct relays *r) {
    struct asking *k = &r->asking;
    loop_timer_clear(r->options.loop, &k->timer);
    arena_free(&k->memory);
    *k = (struct asking){.number = k->number};
    arena_init(&k->memory, 2 * ANSWER_BYTES_MAX);
}

// Payloads

static int read_payload(struct payload_and_blobs *ret, const struct question *q, struct arena *a,
                        struct error *why) {
    const struct consensus_types *types = consensus_types_of(q->fork);
    const struct json *doc;
    int r = q->status == 200 ? json_parse(&doc, buf_view(&q->body), a, NULL, why)
                             : status_error(q, why);
    if (r != 0) return r;
    if (types->payload_and_blobs) {
        return ssz_json_decode(ret, types->payload_and_blobs, json_get(doc, "data"), a, why);
    }
    return ssz_json_decode(&ret->execution_payload, types->payload, json_get(doc, "data"), a, why);
}

static void on_unblinded(struct question *q, const struct error *why) {
    struct payload_and_blobs payload = {0};
    struct error own;
    struct arena a;
    arena_init(&a, 4 * (size_t)ANSWER_BYTES_MAX);
    int r = why ? (int)why->code : read_payload(&payload, q, &a, &own);
    count_payload(q->relays, r == 0 ? "delivered" : "failed");
    q->unblinded(q->context, r == 0 ? &payload : NULL, why ? why : &own);
    arena_free(&a);
}

void relays_unblind(struct relays *r, size_t relay, const struct signed_blinded_beacon_block *block,
                    enum consensus_fork fork, uint64_t timeout_ns,
                    void (*done)(void *context, const struct payload_and_blobs *payload,
                                 const struct error *why),
                    void *context) {
    struct buf body;
    struct error why;
    buf_init(&body, 0);
    ssz_json_encode(&body, consensus_types_of(fork)->signed_blinded_block, block);
    struct question *q = NULL;
    if (buf_check(&body, &why) == 0) {
        q = ask_one(r, relay, HTTP_POST, "/eth/v1/builder/blinded_blocks", buf_view(&body), fork,
                    timeout_ns, on_unblinded, &why);
    }
    buf_free(&body);
    if (q) {
        q->unblinded = done;
        q->context = context;
    } else {
        done(context, NULL, &why);
    }
}

// Life

// Takes the key out of "http://KEY@HOST".
static int add_relay(struct relays *r, const char *text, struct error *why) {
    struct relay *relay = &r->all[r->count];
    struct url url;
    char plain[512];
    if (r->count == RELAYS_MAX) return error_set(why, ERR_LIMIT, "at most %u relays", RELAYS_MAX);
    int code = url_parse(&url, bytes_from_str(text), why);
    if (code != 0) return error_wrap(why, "relay %.80s", text);
    struct bytes key = url.userinfo;
    if (key.n) {
        if (bytes_starts_with(key, BYTES_LIT("0x"))) key = bytes_slice(key, 2, key.n);
        if (key.n != 96 || hex_decode(relay->pubkey.b, key, NULL) < 0) {
            return error_set(why, ERR_SYNTAX, "relay %.80s: the key is not 96 hex digits", text);
        }
        relay->pinned = true;
    }
    code = url_origin(plain, sizeof plain, &url, why);
    if (code != 0) return error_wrap(why, "relay %.80s", text);
    relay->url = strdup(plain);
    if (!relay->url) return error_set(why, ERR_NO_MEMORY, "no memory for a relay");
    const struct client_options o = {.url = relay->url,
                                     .names = r->names,
                                     .tls = r->options.tls,
                                     .connections = 8,
                                     .connect_ns = NS_PER_S};
    code = client_new(&relay->client, r->options.loop, &o, why);
    if (code != 0) {
        free(relay->url);
        return error_wrap(why, "relay %.80s", text);
    }
    r->count++;
    return 0;
}

int relays_open(struct relays **ret, const struct relays_options *o, struct error *why) {
    struct relays *r = calloc(1, sizeof *r);
    if (!r) return error_set(why, ERR_NO_MEMORY, "no memory for relays");
    r->options = *o;
    r->metrics = o->metrics;
    r->remind.fire = on_remind;
    list_init(&r->questions);
    buf_init(&r->registrations, 0);
    arena_init(&r->asking.memory, 0);
    *ret = r;
    int code = resolver_new(&r->names, NAMES_KEEP_NS, why);
    for (size_t i = 0; i < o->url_count && code == 0; i++) {
        code = add_relay(r, o->urls[i], why);
    }
    return code;
}

void relays_close(struct relays *r) {
    if (!r) return;
    relays_forget(r);
    loop_timer_clear(r->options.loop, &r->remind);
    for (struct list_node *n; (n = list_first(&r->questions)) != NULL;) {
        question_free(LIST_ENTRY(n, struct question, node));
    }
    for (size_t i = 0; i < r->count; i++) {
        client_free(r->all[i].client);
        free(r->all[i].url);
    }
    resolver_free(r->names);
    buf_free(&r->registrations);
    arena_free(&r->asking.memory);
    free(r);
}

size_t relays_count(const struct relays *r) {
    return r->count;
}

const char *relays_url(const struct relays *r, size_t i) {
    return r->all[i].url;
}
