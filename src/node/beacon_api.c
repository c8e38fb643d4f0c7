/* SPDX-License-Identifier: MIT */
#include "node/beacon_api.h"

#include "base/hex.h"
#include "base/list.h"
#include "chain/head.h"
#include "eth/ssz_json.h"
#include "net/server.h"
#include "net/sse.h"
#include "json/write.h"

#include <stdio.h>
#include <stdlib.h>

#define FOLLOWERS_MAX 256u
#define KEEP_ALIVE_NS (15 * NS_PER_S)
#define FAR_EPOCH UINT64_MAX

enum topic { TOPIC_HEAD = 1, TOPIC_BLOCK = 2, TOPIC_ATTRIBUTES = 4, TOPIC_FINALIZED = 8 };
static const struct {
    const char *name;
    unsigned topic;
} topics[] = {{"head", TOPIC_HEAD},
              {"block", TOPIC_BLOCK},
              {"payload_attributes", TOPIC_ATTRIBUTES},
              {"finalized_checkpoint", TOPIC_FINALIZED}};
#define TOPICS (sizeof topics / sizeof topics[0])

struct follower {
    struct list_node node;
    struct beacon_api *api;
    struct exchange *exchange; // held
    unsigned topics;
};

struct beacon_api {
    struct slots *slots;
    struct server *server;
    struct list followers;
    size_t follower_count;
    struct loop_timer keep_alive;
    struct buf last_attributes; // told again to who comes later
};

// Answers

struct answer {
    struct buf out;
    struct json_writer w;
};

static void answer_begin(struct answer *a) {
    buf_init(&a->out, 0);
    json_writer_init(&a->w, &a->out, 0);
    json_begin_object(&a->w, NULL);
}

static void answer_end(struct answer *a, struct exchange *x) {
    json_end(&a->w);
    if (buf_check(&a->out, NULL) == 0) {
        exchange_respond_text(x, 200, "application/json", buf_view(&a->out));
    } else {
        exchange_respond(x, 500, (struct bytes){NULL, 0});
    }
    buf_free(&a->out);
}

static void refuse(struct exchange *x, int status, const char *text) {
    struct answer a;
    buf_init(&a.out, 0);
    json_writer_init(&a.w, &a.out, 0);
    json_begin_object(&a.w, NULL);
    json_add_i64(&a.w, "code", status);
    json_add_str(&a.w, "message", text);
    json_end(&a.w);
    exchange_respond_text(x, status, "application/json", buf_view(&a.out));
    buf_free(&a.out);
}

static void add_flags(struct json_writer *w, bool finalized) {
    json_add_bool(w, "execution_optimistic", false);
    json_add_bool(w, "finalized", finalized);
}

// An answer whose data are one object.
static void begin_data(struct answer *a, bool flags) {
    answer_begin(a);
    if (flags) add_flags(&a->w, false);
    json_begin_object(&a->w, "data");
}

static void end_data(struct answer *a, struct exchange *x) {
    json_end(&a->w);
    answer_end(a, x);
}

static struct beacon_chain *chain_of(void *context) {
    return &((struct beacon_api *)context)->slots->chain;
}

// A block or state by "head", "genesis", "justified", "finalized", slot, or root.
static const struct beacon_record *resolve(const struct beacon_chain *c, struct bytes id) {
    const struct beacon_record *justified, *finalized;
    struct hash root;
    uint64_t slot;
    beacon_marks(c, &justified, &finalized);
    if (bytes_equal_str(id, "head")) return beacon_head(c);
    if (bytes_equal_str(id, "justified")) return justified;
    if (bytes_equal_str(id, "finalized")) return finalized;
    if (bytes_equal_str(id, "genesis")) return beacon_at(c, 0);
    if (bytes_parse_u64(&slot, id)) {
        const struct beacon_record *r = beacon_at(c, slot);
        return r->slot == slot ? r : NULL;
    }
    if (id.n == 66 && hex_decode(root.b, bytes_slice(id, 2, 64), NULL) >= 0) {
        const struct beacon_record *r = beacon_find(c, &root);
        for (size_t i = 0; i < BEACON_RECORDS && !r; i++) { // or a state's
            if (c->records[i].used && hash_equal(&c->records[i].state_root, &root)) {
                r = &c->records[i];
            }
        }
        return r;
    }
    return NULL;
}

static const struct beacon_record *resolve_or_refuse(struct exchange *x, void *context) {
    const struct beacon_record *r = resolve(chain_of(context), exchange_param(x, "id"));
    if (!r) refuse(x, 404, "not found");
    return r;
}

// Node

static void on_version(struct exchange *x, void *context) {
    struct answer a;
    (void)context;
    begin_data(&a, false);
    json_add_str(&a.w, "version", NODE_CLIENT_NAME "/" BUILDERNET_VERSION);
    end_data(&a, x);
}

static void on_syncing(struct exchange *x, void *context) {
    struct beacon_chain *c = chain_of(context);
    struct answer a;
    begin_data(&a, false);
    json_add_decimal(&a.w, "head_slot", beacon_head(c)->slot);
    json_add_decimal(&a.w, "sync_distance", 0);
    json_add_bool(&a.w, "is_syncing", false);
    json_add_bool(&a.w, "is_optimistic", false);
    json_add_bool(&a.w, "el_offline", false);
    end_data(&a, x);
}

static void on_health(struct exchange *x, void *context) {
    (void)context;
    exchange_respond(x, 200, (struct bytes){NULL, 0});
}

// Configuration

static void on_genesis(struct exchange *x, void *context) {
    struct beacon_chain *c = chain_of(context);
    struct answer a;
    begin_data(&a, false);
    json_add_decimal(&a.w, "genesis_time", c->genesis_s);
    json_add_data(&a.w, "genesis_validators_root", BYTES_OF(c->validators.root));
    json_add_data(&a.w, "genesis_fork_version", bytes_make(c->validators.genesis_version, 4));
    if (beacon_has_own_time(c)) json_add_decimal(&a.w, "slot_zero_ms", c->zero_ns / NS_PER_MS);
    end_data(&a, x);
}

// The epoch with which a fork of the consensus layer begins; FAR_EPOCH: never.
static uint64_t fork_epoch(const struct beacon_api *b, enum consensus_fork f) {
    static const enum fork execution[CONSENSUS_FORK_COUNT] = {FORK_PARIS, FORK_SHANGHAI,
                                                              FORK_CANCUN, FORK_PRAGUE, FORK_OSAKA};
    const struct beacon_chain *c = &b->slots->chain;
    if (f == CONSENSUS_BELLATRIX) return 0;
    uint64_t at = b->slots->node->config->activation[execution[f]];
    if (at == FORK_NEVER) return FAR_EPOCH;
    if (at <= c->genesis_s) return 0;
    uint64_t slot = (at - c->genesis_s + c->step_s - 1) / c->step_s;
    return (slot + c->slots_per_epoch - 1) / c->slots_per_epoch;
}

static void add_fork_member(struct json_writer *w, const char *name, const char *what,
                            uint64_t epoch, const uint8_t *version) {
    char key[48];
    (void)snprintf(key, sizeof key, "%s_FORK_%s", name, what);
    if (version) {
        json_add_data(w, key, bytes_make(version, 4));
    } else {
        json_add_decimal(w, key, epoch);
    }
}

static void on_spec(struct exchange *x, void *context) {
    static const char *const names[CONSENSUS_FORK_COUNT] = {"BELLATRIX", "CAPELLA", "DENEB",
                                                            "ELECTRA", "FULU"};
    struct beacon_api *b = context;
    struct beacon_chain *c = chain_of(context);
    uint8_t version[4];
    struct answer a;
    begin_data(&a, false);
    json_add_str(&a.w, "PRESET_BASE", "mainnet");
    json_add_str(&a.w, "CONFIG_NAME", "devnet");
    json_add_decimal(&a.w, "SECONDS_PER_SLOT", c->step_s);
    json_add_decimal(&a.w, "SLOT_DURATION_MS", c->slot_ns / NS_PER_MS);
    json_add_decimal(&a.w, "SLOTS_PER_EPOCH", c->slots_per_epoch);
    json_add_decimal(&a.w, "MIN_GENESIS_TIME", c->genesis_s);
    json_add_decimal(&a.w, "GENESIS_DELAY", 0);
    json_add_data(&a.w, "GENESIS_FORK_VERSION", bytes_make(c->validators.genesis_version, 4));
    memcpy(version, c->validators.genesis_version, 4);
    version[3]++;
    add_fork_member(&a.w, "ALTAIR", "VERSION", 0, version);
    add_fork_member(&a.w, "ALTAIR", "EPOCH", 0, NULL);
    for (int f = 0; f < CONSENSUS_FORK_COUNT; f++) {
        validators_fork_version(&c->validators, (enum consensus_fork)f, version);
        add_fork_member(&a.w, names[f], "VERSION", 0, version);
        add_fork_member(&a.w, names[f], "EPOCH", fork_epoch(b, (enum consensus_fork)f), NULL);
    }
    json_add_decimal(&a.w, "DEPOSIT_CHAIN_ID", b->slots->node->config->chain_id);
    json_add_decimal(&a.w, "DEPOSIT_NETWORK_ID", b->slots->node->config->chain_id);
    json_add_data(&a.w, "DEPOSIT_CONTRACT_ADDRESS",
                  BYTES_OF(b->slots->node->config->deposit_contract));
    json_add_str(&a.w, "DOMAIN_BEACON_PROPOSER", "0x00000000");
    json_add_str(&a.w, "DOMAIN_RANDAO", "0x02000000");
    json_add_str(&a.w, "DOMAIN_APPLICATION_BUILDER", "0x00000001");
    end_data(&a, x);
}

static void add_fork(struct json_writer *w, const struct beacon_api *b, const char *key,
                     enum consensus_fork f) {
    const struct validators *v = &b->slots->chain.validators;
    uint8_t version[4], before[4];
    validators_fork_version(v, f, version);
    memcpy(before, version, 4);
    if (f != CONSENSUS_BELLATRIX) before[3]--;
    json_begin_object(w, key);
    json_add_data(w, "previous_version", bytes_make(before, 4));
    json_add_data(w, "current_version", bytes_make(version, 4));
    json_add_decimal(w, "epoch", fork_epoch(b, f));
    json_end(w);
}

static void on_fork_schedule(struct exchange *x, void *context) {
    struct answer a;
    answer_begin(&a);
    json_begin_array(&a.w, "data");
    for (int f = 0; f < CONSENSUS_FORK_COUNT; f++) {
        if (fork_epoch(context, (enum consensus_fork)f) == FAR_EPOCH) continue;
        add_fork(&a.w, context, NULL, (enum consensus_fork)f);
    }
    json_end(&a.w);
    answer_end(&a, x);
}

static void on_deposit_contract(struct exchange *x, void *context) {
    const struct chain_config *config = ((struct beacon_api *)context)->slots->node->config;
    struct answer a;
    begin_data(&a, false);
    json_add_decimal(&a.w, "chain_id", config->chain_id);
    json_add_data(&a.w, "address", BYTES_OF(config->deposit_contract));
    end_data(&a, x);
}

// States

static void add_validator(struct json_writer *w, const struct beacon_chain *c, size_t i) {
    const struct hash zero = {{0}};
    json_begin_object(w, NULL);
    json_add_decimal(w, "index", i);
    json_add_decimal(w, "balance", 32000000000u);
    json_add_str(w, "status", "active_ongoing");
    json_begin_object(w, "validator");
    json_add_data(w, "pubkey", BYTES_OF(c->validators.items[i].pubkey));
    json_add_data(w, "withdrawal_credentials", BYTES_OF(zero));
    json_add_decimal(w, "effective_balance", 32000000000u);
    json_add_bool(w, "slashed", false);
    json_add_decimal(w, "activation_eligibility_epoch", 0);
    json_add_decimal(w, "activation_epoch", 0);
    json_add_decimal(w, "exit_epoch", FAR_EPOCH);
    json_add_decimal(w, "withdrawable_epoch", FAR_EPOCH);
    json_end(w);
    json_end(w);
}

// All are active; a list of ids or of other states only narrows.
static bool is_asked(const struct beacon_chain *c, size_t i, struct bytes ids) {
    char key[99] = "0x";
    uint64_t index;
    if (ids.n == 0) return true;
    hex_encode(key + 2, BYTES_OF(c->validators.items[i].pubkey));
    key[98] = '\0';
    for (size_t at = 0; at <= ids.n;) {
        size_t end = at;
        while (end < ids.n && ids.p[end] != ',') {
            end++;
        }
        struct bytes id = bytes_slice(ids, at, end - at);
        if (bytes_equal_str(id, key) || (bytes_parse_u64(&index, id) && index == i)) return true;
        at = end + 1;
    }
    return false;
}

static void on_validators(struct exchange *x, void *context) {
    const struct beacon_chain *c = chain_of(context);
    struct bytes ids = exchange_query_get(x, "id");
    struct bytes status = exchange_query_get(x, "status");
    bool any = status.n == 0 || memmem(status.p, status.n, "active", 6) != NULL;
    struct answer a;
    if (!resolve_or_refuse(x, context)) return;
    answer_begin(&a);
    add_flags(&a.w, false);
    json_begin_array(&a.w, "data");
    for (size_t i = 0; i < c->validators.count && any; i++) {
        if (is_asked(c, i, ids)) add_validator(&a.w, c, i);
    }
    json_end(&a.w);
    answer_end(&a, x);
}

static void on_state_fork(struct exchange *x, void *context) {
    struct beacon_api *b = context;
    const struct beacon_record *r = resolve_or_refuse(x, context);
    struct answer a;
    if (!r) return;
    answer_begin(&a);
    add_flags(&a.w, false);
    add_fork(&a.w, b, "data", slots_fork_at(b->slots, r->slot));
    answer_end(&a, x);
}

static void on_state_root(struct exchange *x, void *context) {
    const struct beacon_record *r = resolve_or_refuse(x, context);
    struct answer a;
    if (!r) return;
    begin_data(&a, true);
    json_add_data(&a.w, "root", BYTES_OF(r->state_root));
    end_data(&a, x);
}

static void on_randao(struct exchange *x, void *context) {
    const struct beacon_record *r = resolve_or_refuse(x, context);
    struct answer a;
    if (!r) return;
    begin_data(&a, true);
    json_add_data(&a.w, "randao", BYTES_OF(r->mix));
    end_data(&a, x);
}

static void add_checkpoint(struct json_writer *w, const struct beacon_chain *c, const char *key,
                           const struct beacon_record *r) {
    json_begin_object(w, key);
    json_add_decimal(w, "epoch", beacon_epoch_of(c, r->slot));
    json_add_data(w, "root", BYTES_OF(r->root));
    json_end(w);
}

static void on_checkpoints(struct exchange *x, void *context) {
    const struct beacon_chain *c = chain_of(context);
    const struct beacon_record *justified, *finalized;
    struct answer a;
    beacon_marks(c, &justified, &finalized);
    begin_data(&a, true);
    add_checkpoint(&a.w, c, "previous_justified", finalized);
    add_checkpoint(&a.w, c, "current_justified", justified);
    add_checkpoint(&a.w, c, "finalized", finalized);
    end_data(&a, x);
}

static void on_withdrawals(struct exchange *x, void *context) {
    struct answer a;
    if (!resolve_or_refuse(x, context)) return;
    answer_begin(&a);
    add_flags(&a.w, false);
    json_begin_array(&a.w, "data"); // the stub's validators withdraw nothing
    json_end(&a.w);
    answer_end(&a, x);
}

// Duties

static void on_duties(struct exchange *x, void *context) {
    const struct beacon_chain *c = chain_of(context);
    uint64_t epoch, now = beacon_epoch_of(c, beacon_head(c)->slot);
    struct answer a;
    if (!bytes_parse_u64(&epoch, exchange_param(x, "epoch")) || epoch > now + 64) {
        refuse(x, 400, "epoch out of range");
        return;
    }
    uint64_t first = epoch * c->slots_per_epoch;
    answer_begin(&a);
    json_add_data(&a.w, "dependent_root", BYTES_OF(beacon_at(c, first ? first - 1 : 0)->root));
    json_add_bool(&a.w, "execution_optimistic", false);
    json_begin_array(&a.w, "data");
    for (uint64_t slot = first; slot < first + c->slots_per_epoch; slot++) {
        size_t i = beacon_proposer(c, slot);
        json_begin_object(&a.w, NULL);
        json_add_data(&a.w, "pubkey", BYTES_OF(c->validators.items[i].pubkey));
        json_add_decimal(&a.w, "validator_index", i);
        json_add_decimal(&a.w, "slot", slot);
        json_end(&a.w);
    }
    json_end(&a.w);
    answer_end(&a, x);
}

// What clients tell before they propose: taken, and of no effect here.
static void on_told(struct exchange *x, void *context) {
    (void)context;
    exchange_respond(x, 200, (struct bytes){NULL, 0});
}

// Blocks

static void add_header(struct json_writer *w, const struct beacon_chain *c, const char *key,
                       const struct beacon_record *r) {
    const struct beacon_record *canonical = beacon_at(c, r->slot);
    json_begin_object(w, key);
    json_add_data(w, "root", BYTES_OF(r->root));
    json_add_bool(w, "canonical", hash_equal(&canonical->root, &r->root));
    json_begin_object(w, "header");
    json_begin_object(w, "message");
    json_add_decimal(w, "slot", r->slot);
    json_add_decimal(w, "proposer_index", r->proposer);
    json_add_data(w, "parent_root", BYTES_OF(r->parent_root));
    json_add_data(w, "state_root", BYTES_OF(r->state_root));
    json_add_data(w, "body_root", BYTES_OF(r->body_root));
    json_end(w);
    json_add_data(w, "signature", BYTES_OF(r->signature));
    json_end(w);
    json_end(w);
}

static void on_header(struct exchange *x, void *context) {
    const struct beacon_record *r = resolve_or_refuse(x, context);
    struct answer a;
    if (!r) return;
    answer_begin(&a);
    add_flags(&a.w, false);
    add_header(&a.w, chain_of(context), "data", r);
    answer_end(&a, x);
}

static void on_headers(struct exchange *x, void *context) {
    const struct beacon_chain *c = chain_of(context);
    struct bytes slot = exchange_query_get(x, "slot");
    const struct beacon_record *r = slot.p ? resolve(c, slot) : beacon_head(c);
    struct answer a;
    answer_begin(&a);
    add_flags(&a.w, false);
    json_begin_array(&a.w, "data");
    if (r) add_header(&a.w, c, NULL, r);
    json_end(&a.w);
    answer_end(&a, x);
}

static void on_block_root(struct exchange *x, void *context) {
    const struct beacon_record *r = resolve_or_refuse(x, context);
    struct answer a;
    if (!r) return;
    begin_data(&a, true);
    json_add_data(&a.w, "root", BYTES_OF(r->root));
    end_data(&a, x);
}

// All of a block's blobs, or those with the versioned hashes asked for.
static void on_blobs(struct exchange *x, void *context) {
    const struct beacon_api *b = context;
    const struct beacon_record *r = resolve_or_refuse(x, context);
    struct bytes asked = exchange_query_get(x, "versioned_hashes");
    char text[67] = "0x";
    struct answer a;
    if (!r) return;
    const struct beacon_block_blobs *found = beacon_blobs_find(&b->slots->blobs, &r->root);
    answer_begin(&a);
    add_flags(&a.w, false);
    json_begin_array(&a.w, "data");
    for (size_t i = 0; found && i < found->count; i++) {
        hex_encode(text + 2, BYTES_OF(found->hashes[i]));
        if (asked.n && !memmem(asked.p, asked.n, text, 66)) continue;
        json_add_data(&a.w, NULL, BYTES_OF(found->blobs[i]));
    }
    json_end(&a.w);
    answer_end(&a, x);
}

static void on_publish(struct exchange *x, void *context) {
    beacon_api_publish(x, ((struct beacon_api *)context)->slots);
}

// Events

static void forget(struct follower *f) {
    list_remove(&f->node);
    f->api->follower_count--;
    exchange_release(f->exchange);
    free(f);
}

static void on_gone(struct exchange *x, void *context) {
    (void)x;
    forget(context);
}

static void on_request_body(struct exchange *x, void *context, struct bytes in, bool end) {
    (void)x;
    (void)context;
    (void)in;
    (void)end;
}

static unsigned read_topics(struct exchange *x) {
    struct bytes query = exchange_query(x);
    unsigned ret = 0;
    // "topics=a,b" and "topics=a&topics=b" are both in use.
    for (size_t at = 0; at < query.n;) {
        size_t end = at;
        while (end < query.n && query.p[end] != '&' && query.p[end] != ',' && query.p[end] != '=') {
            end++;
        }
        struct bytes word = bytes_slice(query, at, end - at);
        for (size_t i = 0; i < TOPICS; i++) {
            if (bytes_equal_str(word, topics[i].name)) ret |= topics[i].topic;
        }
        at = end + 1;
    }
    return ret;
}

static void on_events(struct exchange *x, void *context) {
    static const struct exchange_events events = {.body = on_request_body, .gone = on_gone};
    struct beacon_api *b = context;
    unsigned asked = read_topics(x);
    struct follower *f = calloc(1, sizeof *f);
    if (!asked || !f || b->follower_count == FOLLOWERS_MAX) {
        refuse(x, asked ? 503 : 400, asked ? "too many listen" : "no topic that is known");
        free(f);
        return;
    }
    *f = (struct follower){.api = b, .exchange = x, .topics = asked};
    exchange_hold(x);
    list_push_back(&b->followers, &f->node);
    b->follower_count++;
    exchange_set_events(x, &events, f);
    (void)exchange_add_header(x, "Content-Type", BYTES_LIT("text/event-stream"));
    (void)exchange_add_header(x, "Cache-Control", BYTES_LIT("no-cache"));
    exchange_begin(x, 200, -1);
    if ((asked & TOPIC_ATTRIBUTES) && b->last_attributes.n) {
        (void)exchange_write(x, buf_view(&b->last_attributes));
    }
}

static void send_all(struct beacon_api *b, unsigned topic, struct bytes text) {
    list_each_safe(node, &b->followers) {
        struct follower *f = LIST_ENTRY(node, struct follower, node);
        if (f->topics & topic) (void)exchange_write(f->exchange, text);
    }
}

// Makes the text of an event from the JSON in `data`, which is freed.
static void make_event(struct buf *out, const char *type, struct buf *data) {
    buf_clear(out);
    if (sse_write(out, bytes_from_str(type), (struct bytes){NULL, 0}, buf_view(data), NULL) != 0) {
        buf_clear(out);
    }
    buf_free(data);
}

static void keep_alive(struct loop_timer *t) {
    struct beacon_api *b = LIST_ENTRY(t, struct beacon_api, keep_alive);
    struct loop *l = b->slots->loop;
    send_all(b, ~0u, BYTES_LIT(": keep-alive\n\n"));
    (void)!loop_timer_set(l, t, loop_now_ns(l) + KEEP_ALIVE_NS, NULL);
}

void beacon_api_tell_head(struct beacon_api *b, const struct beacon_record *r, bool epoch_begins) {
    const struct beacon_chain *c = &b->slots->chain;
    const struct beacon_record *justified, *finalized;
    struct buf data, text;
    struct json_writer w;
    buf_init(&text, 0);
    buf_init(&data, 0);
    json_writer_init(&w, &data, 0);
    json_begin_object(&w, NULL);
    json_add_decimal(&w, "slot", r->slot);
    json_add_data(&w, "block", BYTES_OF(r->root));
    json_add_data(&w, "state", BYTES_OF(r->state_root));
    json_add_bool(&w, "epoch_transition", epoch_begins);
    json_add_data(&w, "previous_duty_dependent_root", BYTES_OF(r->parent_root));
    json_add_data(&w, "current_duty_dependent_root", BYTES_OF(r->parent_root));
    json_add_bool(&w, "execution_optimistic", false);
    json_end(&w);
    make_event(&text, "head", &data);
    send_all(b, TOPIC_HEAD, buf_view(&text));
    json_writer_init(&w, &data, 0);
    json_begin_object(&w, NULL);
    json_add_decimal(&w, "slot", r->slot);
    json_add_data(&w, "block", BYTES_OF(r->root));
    json_add_bool(&w, "execution_optimistic", false);
    json_end(&w);
    make_event(&text, "block", &data);
    send_all(b, TOPIC_BLOCK, buf_view(&text));
    if (epoch_begins) {
        beacon_marks(c, &justified, &finalized);
        json_writer_init(&w, &data, 0);
        json_begin_object(&w, NULL);
        json_add_data(&w, "block", BYTES_OF(finalized->root));
        json_add_data(&w, "state", BYTES_OF(finalized->state_root));
        json_add_decimal(&w, "epoch", beacon_epoch_of(c, finalized->slot));
        json_add_bool(&w, "execution_optimistic", false);
        json_end(&w);
        make_event(&text, "finalized_checkpoint", &data);
        send_all(b, TOPIC_FINALIZED, buf_view(&text));
    }
    buf_free(&text);
}

void beacon_api_tell_attributes(struct beacon_api *b, const struct slot_task *t) {
    const struct engine_attributes *v = &t->attributes;
    struct buf data;
    struct json_writer w;
    buf_init(&data, 0);
    json_writer_init(&w, &data, 0);
    json_begin_object(&w, NULL);
    json_add_str(&w, "version", consensus_fork_name(t->consensus));
    json_begin_object(&w, "data");
    json_add_decimal(&w, "proposer_index", t->proposer);
    json_add_decimal(&w, "proposal_slot", t->slot);
    json_add_decimal(&w, "parent_block_number", t->parent.exec_number);
    json_add_data(&w, "parent_block_root", BYTES_OF(t->parent.root));
    json_add_data(&w, "parent_block_hash", BYTES_OF(t->parent.exec_hash));
    if (beacon_has_own_time(&b->slots->chain)) {
        json_add_decimal(&w, "slot_start_ms",
                         beacon_start_ns(&b->slots->chain, t->slot) / NS_PER_MS);
    }
    if (b->slots->chain.virtual_clock) json_add_bool(&w, "virtual_clock", true);
    json_begin_object(&w, "payload_attributes");
    json_add_decimal(&w, "timestamp", v->timestamp);
    json_add_data(&w, "prev_randao", BYTES_OF(v->prev_randao));
    json_add_data(&w, "suggested_fee_recipient", BYTES_OF(v->fee_recipient));
    if (v->has_withdrawals) {
        json_begin_array(&w, "withdrawals");
        json_end(&w);
    }
    if (v->has_beacon_root) {
        json_add_data(&w, "parent_beacon_block_root", BYTES_OF(v->beacon_root));
    }
    json_end(&w);
    json_end(&w);
    json_end(&w);
    make_event(&b->last_attributes, "payload_attributes", &data);
    send_all(b, TOPIC_ATTRIBUTES, buf_view(&b->last_attributes));
}

// Life

// All are asked again and again: no line in the log for each.
#define ROW(methods, path, serve)                                                                  \
    { methods, path, serve, NULL, 0, ROUTE_QUIET }
#define STREAM(path, serve)                                                                        \
    { "GET", path, serve, NULL, 0, ROUTE_STREAM | ROUTE_QUIET }

static const struct route table[] = {
    ROW("GET", "/eth/v1/node/version", on_version),
    ROW("GET", "/eth/v1/node/syncing", on_syncing),
    ROW("GET", "/eth/v1/node/health", on_health),
    ROW("GET", "/eth/v1/beacon/genesis", on_genesis),
    ROW("GET", "/eth/v1/config/spec", on_spec),
    ROW("GET", "/eth/v1/config/fork_schedule", on_fork_schedule),
    ROW("GET", "/eth/v1/config/deposit_contract", on_deposit_contract),
    ROW("GET,POST", "/eth/v1/beacon/states/{id}/validators", on_validators),
    ROW("GET", "/eth/v1/beacon/states/{id}/fork", on_state_fork),
    ROW("GET", "/eth/v1/beacon/states/{id}/root", on_state_root),
    ROW("GET", "/eth/v1/beacon/states/{id}/randao", on_randao),
    ROW("GET", "/eth/v1/beacon/states/{id}/finality_checkpoints", on_checkpoints),
    ROW("GET", "/eth/v1/builder/states/{id}/expected_withdrawals", on_withdrawals),
    ROW("GET", "/eth/v1/validator/duties/proposer/{epoch}", on_duties),
    ROW("POST", "/eth/v1/validator/prepare_beacon_proposer", on_told),
    ROW("POST", "/eth/v1/validator/register_validator", on_told),
    ROW("GET", "/eth/v1/beacon/headers", on_headers),
    ROW("GET", "/eth/v1/beacon/headers/{id}", on_header),
    ROW("GET", "/eth/v1/beacon/blocks/{id}/root", on_block_root),
    ROW("GET", "/eth/v1/beacon/blobs/{id}", on_blobs),
    ROW("POST", "/eth/v1/beacon/blocks", on_publish),
    ROW("POST", "/eth/v2/beacon/blocks", on_publish),
    STREAM("/eth/v1/events", on_events),
};
#undef ROW
#undef STREAM
#define ROUTES (sizeof table / sizeof table[0])

static int open_server(struct beacon_api *b, const char *address, struct error *why) {
    struct arena *a = &b->slots->node->memory;
    struct route *routes = arena_new_array(a, struct route, ROUTES);
    struct server_listener ln = {0};
    struct socket_address bound;
    char text[SOCKET_TEXT_MAX];
    if (!routes) return error_set(why, ERR_NO_MEMORY, "no memory for routes");
    memcpy(routes, table, sizeof table);
    for (size_t i = 0; i < ROUTES; i++) {
        routes[i].context = b;
    }
    const struct server_options o = {
        .routes = routes,
        .route_count = ROUTES,
        .limits = {.connections = 1024, .body_bytes = 64u << 20, .idle_ns = 600 * NS_PER_S},
        .log = b->slots->node->log,
        .metrics = b->slots->node->metrics,
        .name = "beacon"};
    int r = server_new(&b->server, b->slots->loop, &o, why);
    if (r == 0) r = socket_address_parse(&ln.address, bytes_from_str(address), 0, why);
    if (r == 0) r = server_listen(b->server, &bound, &ln, why);
    if (r != 0) return error_wrap(why, "beacon %s", address);
    (void)socket_address_text(text, &bound);
    log_info(b->slots->node->log, "listening", F_STR("name", "beacon"), F_STR("address", text));
    return 0;
}

int beacon_api_open(struct beacon_api **ret, struct slots *s, struct error *why) {
    struct beacon_api *b = calloc(1, sizeof *b);
    const char *address = s->node->values->beacon_addr;
    if (!b) return error_set(why, ERR_NO_MEMORY, "no memory for the beacon API");
    b->slots = s;
    b->keep_alive.fire = keep_alive;
    list_init(&b->followers);
    buf_init(&b->last_attributes, 0);
    *ret = b;
    int r = loop_timer_set(s->loop, &b->keep_alive, loop_now_ns(s->loop) + KEEP_ALIVE_NS, why);
    return r == 0 && address && *address ? open_server(b, address, why) : r;
}

void beacon_api_close(struct beacon_api *b) {
    if (!b) return;
    loop_timer_clear(b->slots->loop, &b->keep_alive);
    server_free(b->server);
    for (struct list_node *n; (n = list_first(&b->followers)) != NULL;) {
        forget(LIST_ENTRY(n, struct follower, node));
    }
    buf_free(&b->last_attributes);
    free(b);
}
