/* SPDX-License-Identifier: MIT */
#include "devnet/slots.h"

#include "base/hex.h"
#include "base/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MISSED_AFTER_MS 1000u /* behind a slot's end: then no block of it is waited for */
#define RELAY_AFTER_NS (300 * NS_PER_MS) /* after a block, so that its delivery is stored */

struct slots {
    struct slots_options o;
    struct query head, block, beacon, relay;
    uint64_t genesis_time; // of the timestamps
    uint64_t zero_ms;      // wall time at which slot 0 begins
    uint64_t newest;       // number of the newest block that is known
    uint64_t asked;        // number of the block that is being asked for
    uint64_t told;         // newest slot that was told
    bool began;
    struct slot_record kept[SLOTS_KEPT]; // a ring
    size_t count;                        // records ever
    // What the relay is asked about, one slot after the other.
    uint64_t relay_slot;
    bool relay_bids; // the delivery is known, the bids are asked for
    uint64_t relay_due_ns;
};

static struct slot_record *record_at(struct slots *s, size_t i) {
    return &s->kept[i % SLOTS_KEPT];
}

// Timestamps go on by the slot's length, rounded up to whole seconds.
const struct slot_record *slots_find(const struct slots *s, uint64_t slot) {
    for (size_t i = s->count; i > 0 && s->count - i < SLOTS_KEPT; i--) {
        const struct slot_record *r = &s->kept[(i - 1) % SLOTS_KEPT];
        if (r->slot == slot) return r;
    }
    return NULL;
}

static struct slot_record *find(struct slots *s, uint64_t slot) {
    const struct slot_record *r = slots_find(s, slot);
    return r ? &s->kept[r - s->kept] : NULL;
}

static uint64_t slot_of(const struct slots *s, uint64_t timestamp) {
    uint64_t step_s = (s->o.slot_ns + NS_PER_S - 1) / NS_PER_S;
    return timestamp > s->genesis_time ? (timestamp - s->genesis_time) / step_s : 0;
}

static uint64_t begins_ms(const struct slots *s, uint64_t slot) {
    return s->zero_ms + slot * (s->o.slot_ns / NS_PER_MS);
}

uint64_t slots_now(const struct slots *s) {
    uint64_t now_ms = clock_wall_ns(loop_clock(s->o.loop)) / NS_PER_MS;
    return s->zero_ms && now_ms > s->zero_ms ? (now_ms - s->zero_ms) / (s->o.slot_ns / NS_PER_MS)
                                             : 0;
}

uint64_t slots_head(const struct slots *s) {
    return s->newest;
}

uint64_t slots_next(const struct slots *s) {
    const struct slot_record *last = slots_last(s);
    uint64_t now_ms = clock_wall_ns(loop_clock(s->o.loop)) / NS_PER_MS;
    uint64_t slot_ms = s->o.slot_ns / NS_PER_MS;
    uint64_t by_time = s->zero_ms && now_ms + slot_ms / 2 > s->zero_ms
                           ? (now_ms + slot_ms / 2 - s->zero_ms) / slot_ms
                           : 0;
    uint64_t by_block = last ? last->slot + 1 : 0;
    return by_block > by_time ? by_block : by_time;
}

const struct slot_record *slots_last(const struct slots *s) {
    return s->count ? &s->kept[(s->count - 1) % SLOTS_KEPT] : NULL;
}

static void write_record(struct json_writer *w, const struct slot_record *r) {
    json_add_u64(w, "slot", r->slot);
    json_add_bool(w, "missed", r->missed);
    if (r->missed) json_add_str(w, "reason", *r->reason ? r->reason : NULL);
    if (r->missed) return;
    json_add_u64(w, "number", r->number);
    json_add_data(w, "hash", BYTES_OF(r->hash));
    json_add_u64(w, "timestamp", r->timestamp);
    json_add_u64(w, "begins_ms", r->begins_ms);
    json_add_u64(w, "seen_ms", r->seen_ms);
    json_add_str(w, "winner", r->winner);
    json_add_bool(w, "by_relay", r->by_relay);
    json_add_str(w, "value_wei", *r->value_wei ? r->value_wei : NULL);
    if (r->bids != UINT64_MAX) {
        json_add_u64(w, "bids", r->bids);
        json_add_u64(w, "builders", r->builders);
    }
    json_add_u64(w, "txs", r->txs);
    json_add_u64(w, "orders", r->orders);
    json_add_u64(w, "gas_used", r->gas_used);
    if (r->root_ns != UINT64_MAX) json_add_double(w, "root_ms", (double)r->root_ns / 1e6);
    if (r->seal_ns != UINT64_MAX) json_add_double(w, "seal_ms", (double)r->seal_ns / 1e6);
    if (*r->own_wei) {
        json_add_str(w, "own_wei", r->own_wei);
        json_add_str(w, "own_builder", r->own_builder);
    }
    if (r->received != UINT64_MAX) {
        json_add_u64(w, "landed", r->landed);
        json_add_u64(w, "received", r->received);
    }
}

static void tell(struct slots *s, const char *kind, const struct slot_record *r) {
    struct json_writer *w = events_begin(s->o.events, kind);
    write_record(w, r);
    events_end(s->o.events);
}

static struct slot_record *push(struct slots *s, uint64_t slot) {
    struct slot_record *r = record_at(s, s->count++);
    *r = (struct slot_record){.slot = slot,
                              .bids = UINT64_MAX,
                              .root_ns = UINT64_MAX,
                              .seal_ns = UINT64_MAX,
                              .landed = UINT64_MAX,
                              .received = UINT64_MAX};
    if (slot > s->told) s->told = slot;
    return r;
}

// Slots that passed without a block; told once the next block, or the time, shows that none will
// come.
static void push_missed(struct slots *s, uint64_t until) {
    for (uint64_t slot = s->told + 1; s->told && slot < until && until - slot < SLOTS_KEPT;
         slot++) {
        struct slot_record *r = push(s, slot);
        r->missed = true;
        if (s->o.look) s->o.look(s->o.context, r);
        tell(s, "slot", r);
    }
}

// Blocks

// Extra data as a name: printable ASCII, cut.
static void take_name(char ret[SLOT_NAME_MAX], struct bytes extra) {
    size_t n = 0;
    for (size_t i = 0; i < extra.n && n < SLOT_NAME_MAX - 1; i++) {
        if (extra.p[i] >= 0x20 && extra.p[i] < 0x7f) ret[n++] = (char)extra.p[i];
    }
    ret[n] = '\0';
}

static void take_block(struct slots *s, const struct json *b) {
    struct arena a;
    struct bytes extra = {NULL, 0};
    uint64_t timestamp = 0, number = 0, gas = 0;
    arena_init(&a, 4096);
    int r = json_get_quantity(&timestamp, b, "timestamp", NULL);
    if (r == 0) r = json_get_quantity(&number, b, "number", NULL);
    if (r == 0) r = json_get_quantity(&gas, b, "gasUsed", NULL);
    if (r == 0) r = json_get_data(&extra, b, "extraData", &a, NULL);
    if (r == 0 && number >= s->asked) {
        uint64_t slot = slot_of(s, timestamp);
        push_missed(s, slot);
        struct slot_record *k = find(s, slot);
        if (!k || !k->missed) k = push(s, slot);
        k->missed = false; // it came after all
        k->number = number;
        k->timestamp = timestamp;
        k->begins_ms = begins_ms(s, slot);
        k->gas_used = gas;
        k->txs = json_count(json_get(b, "transactions"));
        k->seen_ms = clock_wall_ns(loop_clock(s->o.loop)) / NS_PER_MS;
        (void)!json_get_hash(&k->hash, b, "hash", NULL);
        take_name(k->winner, extra);
        if (s->o.block) k->orders = s->o.block(s->o.context, k, b);
        s->newest = number;
        tell(s, "block", k);
    }
    arena_free(&a);
}

static void on_block(struct query *f, int code, const struct json *doc, const struct error *why) {
    struct slots *s = f->context;
    if (code < 0 || json_type_of(doc) != JSON_OBJECT) {
        log_debug(s->o.log, "block_unknown", F_U64("number", s->asked), F_ERR(why));
        return;
    }
    take_block(s, doc);
}

static void on_head(struct query *f, int code, const struct json *doc, const struct error *why) {
    struct slots *s = f->context;
    uint64_t number = 0;
    (void)why;
    if (code < 0 || json_quantity(&number, doc, NULL) < 0) return;
    if (!s->began) s->newest = number ? number - 1 : 0;
    s->began = true;
    if (number < s->newest) s->newest = number; // a reorganisation to a shorter chain
    if (number > s->newest && !query_busy(&s->block)) {
        char params[48];
        s->asked = s->newest + 1;
        (void)snprintf(params, sizeof params, "[\"0x%llx\",false]", (unsigned long long)s->asked);
        (void)!query_rpc(&s->block, "eth_getBlockByNumber", params, NULL);
    }
}

static void on_genesis(struct query *f, int code, const struct json *doc, const struct error *why) {
    struct slots *s = f->context;
    (void)why;
    const struct json *data = code == 0 ? json_get(doc, "data") : NULL;
    if (json_get_decimal(&s->genesis_time, data, "genesis_time", NULL) < 0) return;
    s->zero_ms = s->genesis_time * 1000;
    if (json_get(data, "slot_zero_ms")) {
        (void)!json_get_decimal(&s->zero_ms, data, "slot_zero_ms", NULL);
    }
}

// The relay

// Delivered payloads first: who won, for how much; then all submissions.
static void take_delivery(struct slot_record *r, const struct json *doc) {
    struct bytes value;
    const struct json *first = json_first(doc);
    r->by_relay = first != NULL;
    if (first && json_get_string(&value, first, "value", NULL) == 0) {
        (void)snprintf(r->value_wei, sizeof r->value_wei, "%.*s", (int)value.n,
                       (const char *)value.p);
    }
}

static void take_bids(struct slot_record *r, const struct json *doc) {
    struct bytes seen[64];
    size_t n = 0;
    r->bids = json_count(doc);
    json_each(item, doc) {
        struct bytes key;
        size_t i = 0;
        if (json_get_string(&key, item, "builder_pubkey", NULL) < 0) continue;
        while (i < n && !bytes_equal(seen[i], key)) {
            i++;
        }
        if (i == n && n < 64) seen[n++] = key;
    }
    r->builders = n;
}

static void on_relay(struct query *f, int code, const struct json *doc, const struct error *why) {
    struct slots *s = f->context;
    struct slot_record *r = find(s, s->relay_slot);
    (void)why;
    if (r && code == 0 && !s->relay_bids) take_delivery(r, doc);
    if (r && code == 0 && s->relay_bids) take_bids(r, doc);
    if (!s->relay_bids) {
        s->relay_bids = true;
        return;
    }
    s->relay_bids = false;
    if (r && s->o.look) s->o.look(s->o.context, r);
    if (r) tell(s, "slot", r);
    s->relay_slot = 0;
}

static void ask_relay(struct slots *s) {
    char path[128];
    uint64_t now = loop_now_ns(s->o.loop);
    if (query_busy(&s->relay) || now < s->relay_due_ns) return;
    for (size_t i = s->count > SLOTS_SHOWN ? s->count - SLOTS_SHOWN : 0;
         !s->relay_slot && i < s->count; i++) {
        struct slot_record *r = record_at(s, i);
        uint64_t wall_ms = clock_wall_ns(loop_clock(s->o.loop)) / NS_PER_MS;
        if (r->missed || r->bids != UINT64_MAX) continue;
        if (wall_ms < r->seen_ms + RELAY_AFTER_NS / NS_PER_MS) return;
        r->bids = 0; // asked once
        s->relay_slot = r->slot;
    }
    if (!s->relay_slot) return;
    (void)snprintf(path, sizeof path, "/relay/v1/data/bidtraces/%s?slot=%llu",
                   s->relay_bids ? "builder_blocks_received" : "proposer_payload_delivered",
                   (unsigned long long)s->relay_slot);
    (void)!query_get(&s->relay, path, NULL);
}

void slots_tick(struct slots *s) {
    if (!s->genesis_time) {
        if (!query_busy(&s->beacon)) (void)!query_get(&s->beacon, "/eth/v1/beacon/genesis", NULL);
        return;
    }
    if (!query_busy(&s->head)) (void)!query_rpc(&s->head, "eth_blockNumber", "[]", NULL);
    ask_relay(s);
    uint64_t now_ms = clock_wall_ns(loop_clock(s->o.loop)) / NS_PER_MS;
    uint64_t slot_ms = s->o.slot_ns / NS_PER_MS;
    if (s->told && now_ms > begins_ms(s, s->told + 2) + MISSED_AFTER_MS) {
        push_missed(s, (now_ms - MISSED_AFTER_MS - s->zero_ms) / slot_ms);
    }
}

void slots_count(const struct slots *s, uint64_t first, uint64_t last, uint64_t *ret_slots,
                 uint64_t *ret_missed, uint64_t *ret_by_relay) {
    *ret_slots = *ret_missed = *ret_by_relay = 0;
    for (size_t i = s->count > SLOTS_KEPT ? s->count - SLOTS_KEPT : 0; i < s->count; i++) {
        const struct slot_record *r = &s->kept[i % SLOTS_KEPT];
        // Of the newest the relay has not been asked yet.
        if (r->slot < first || r->slot > last || (!r->missed && r->bids == UINT64_MAX)) continue;
        ++*ret_slots;
        *ret_missed += r->missed;
        *ret_by_relay += r->by_relay;
    }
}

void slots_write(struct json_writer *w, const char *key, const struct slots *s) {
    json_begin_array(w, key);
    for (size_t i = s->count > SLOTS_SHOWN ? s->count - SLOTS_SHOWN : 0; i < s->count; i++) {
        json_begin_object(w, NULL);
        write_record(w, &s->kept[i % SLOTS_KEPT]);
        json_end(w);
    }
    json_end(w);
}

int slots_new(struct slots **ret, const struct slots_options *o, struct error *why) {
    struct slots *s = calloc(1, sizeof *s);
    *ret = s;
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for slots");
    s->o = *o;
    s->head.done = on_head;
    s->block.done = on_block;
    s->beacon.done = on_genesis;
    s->relay.done = on_relay;
    s->head.context = s->block.context = s->beacon.context = s->relay.context = s;
    int r = query_open(&s->head, o->loop, o->rpc_url, why);
    if (r == 0) r = query_open(&s->block, o->loop, o->rpc_url, why);
    if (r == 0) r = query_open(&s->beacon, o->loop, o->beacon_url, why);
    if (r == 0) r = query_open(&s->relay, o->loop, o->relay_url, why);
    return r;
}

void slots_free(struct slots *s) {
    if (!s) return;
    query_close(&s->head);
    query_close(&s->block);
    query_close(&s->beacon);
    query_close(&s->relay);
    free(s);
}
