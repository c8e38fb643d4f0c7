/* Followers of the auctions: the top-bid stream for builders (WebSocket, SSZ) and the events of the
 * page (server-sent events, JSON).
 *
 * The page's events are gathered for LIVE_FLUSH_NS and sent together; a follower that is slow
 * misses what is sent meanwhile and gets everything anew when it takes bytes again.
 *
 * A top bid, 188 bytes: 0 time ms u64 | 8 slot u64 | 16 block number u64 | 24 block hash | 56
 * parent hash | 88 builder's key[48] | 136 fee recipient[20] | 156 value u256, all little-endian.
 * SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "base/list.h"
#include "net/sse.h"
#include "net/ws.h"
#include "relay/relay.h"
#include "json/write.h"

#include <stdlib.h>

#define LIVE_SLOTS 24u     /* shown to those who come */
#define LIVE_BIDS_MAX 400u /* kept of a slot */
#define LIVE_FLUSH_NS (100 * NS_PER_MS)
#define LIVE_BEAT_NS (15 * NS_PER_S)
#define FOLLOWERS_MAX 512u    /* of each kind */
#define BEHIND_MAX (1u << 20) /* bytes a builder may leave unread */
#define TOP_BID_BYTES 188u

struct shown_bid {
    struct bytes48 builder;
    struct hash block;
    struct u256 value;
    int32_t ms; /* into the slot */
    bool optimistic, cancellable;
};

struct shown_slot {
    uint64_t slot;
    struct shown_bid bids[LIVE_BIDS_MAX];
    size_t bid_count, left_out;
    bool has_top, delivered;
    struct shown_bid top, winner;
    uint64_t winner_txs, winner_number, winner_blobs;
};

struct page_follower {
    struct list_node link;
    struct live *live;
    struct exchange *x;
    bool behind;
};

struct bid_follower {
    struct list_node link;
    struct live *live;
    struct ws *ws;
};

struct live {
    struct relay *relay;
    struct shown_slot *slots; /* ring by slot */
    uint64_t newest;
    struct list pages, builders;
    unsigned page_count, builder_count;
    struct buf pending;
    struct loop_timer timer;
    uint64_t sent_ns;
    bool stopped;
    struct metric *gauge_pages, *gauge_builders;
};

// ---- JSON of what is shown

static void write_bid(struct json_writer *w, const char *key, const struct shown_bid *b) {
    json_begin_object(w, key);
    json_add_data(w, "builder", BYTES_OF(b->builder));
    json_add_data(w, "block", BYTES_OF(b->block));
    json_add_decimal256(w, "value", b->value);
    json_add_i64(w, "ms", b->ms);
    if (b->optimistic) json_add_bool(w, "optimistic", true);
    if (b->cancellable) json_add_bool(w, "cancellable", true);
    json_end(w);
}

static void write_winner(struct json_writer *w, const struct shown_slot *s) {
    json_add_u64(w, "txs", s->winner_txs);
    json_add_u64(w, "blobs", s->winner_blobs);
    json_add_u64(w, "number", s->winner_number);
    write_bid(w, "bid", &s->winner);
}

static void write_slot(struct json_writer *w, const struct live *l, const struct shown_slot *s) {
    json_begin_object(w, NULL);
    json_add_u64(w, "slot", s->slot);
    const struct duty *duty = duties_at(&l->relay->duties, s->slot);
    if (duty) json_add_u64(w, "proposer", duty->validator_index);
    json_add_u64(w, "left_out", s->left_out);
    json_begin_array(w, "bids");
    for (size_t i = 0; i < s->bid_count; i++) {
        write_bid(w, NULL, &s->bids[i]);
    }
    json_end(w);
    if (s->has_top) write_bid(w, "top", &s->top);
    if (s->delivered) {
        json_begin_object(w, "delivered");
        write_winner(w, s);
        json_end(w);
    }
    json_end(w);
}

static void write_event(struct buf *out, const char *type, const struct buf *json) {
    struct error ignored;
    if (sse_write(out, bytes_from_str(type), (struct bytes){NULL, 0}, buf_view(json), &ignored)) {
        buf_clear(out);
    }
}

static void write_snapshot(const struct live *l, struct buf *out) {
    const struct relay *r = l->relay;
    struct buf json;
    struct json_writer w;
    buf_init(&json, 0);
    json_writer_init(&w, &json, 0);
    json_begin_object(&w, NULL);
    json_add_u64(&w, "slot_ms", r->network.slot_ns / NS_PER_MS);
    json_add_u64(&w, "slot_zero_ms", r->network.zero_ns / NS_PER_MS);
    json_add_u64(&w, "head", r->head_slot);
    json_add_data(&w, "relay", BYTES_OF(r->signer.pubkey));
    json_begin_array(&w, "slots");
    for (uint64_t i = LIVE_SLOTS; i-- > 0;) {
        const struct shown_slot *s = &l->slots[(l->newest - i) % LIVE_SLOTS];
        if (i <= l->newest && s->slot == l->newest - i && s->slot) write_slot(&w, l, s);
    }
    json_end(&w);
    json_end(&w);
    write_event(out, "snapshot", &json);
    buf_free(&json);
}

// ---- the page's followers

static void forget_page(struct page_follower *f) {
    list_remove(&f->link);
    f->live->page_count--;
    metric_set(f->live->gauge_pages, f->live->page_count);
    exchange_release(f->x);
    free(f);
}

static void send_snapshot(struct page_follower *f) {
    struct buf out;
    buf_init(&out, 0);
    write_snapshot(f->live, &out);
    f->behind = exchange_write(f->x, buf_view(&out)) == ERR_AGAIN;
    buf_free(&out);
}

static void on_page_drained(struct exchange *x, void *context) {
    struct page_follower *f = context;
    (void)x;
    if (f->behind) send_snapshot(f);
}

static void on_page_gone(struct exchange *x, void *context) {
    (void)x;
    forget_page(context);
}

static const struct exchange_events page_events = {.drained = on_page_drained,
                                                   .gone = on_page_gone};

void relay_on_live(struct exchange *x, void *context) {
    struct relay *r = context;
    struct live *l = r->live;
    if (relay_refuse_unready(r, x)) return;
    struct page_follower *f = l->page_count < FOLLOWERS_MAX ? calloc(1, sizeof *f) : NULL;
    if (!f) {
        relay_refuse(x, 503, "too many followers");
        return;
    }
    f->live = l;
    f->x = x;
    exchange_hold(x);
    list_push_back(&l->pages, &f->link);
    l->page_count++;
    metric_set(l->gauge_pages, l->page_count);
    exchange_set_events(x, &page_events, f);
    (void)exchange_add_header(x, "Content-Type", BYTES_LIT("text/event-stream"));
    (void)exchange_add_header(x, "Cache-Control", BYTES_LIT("no-store"));
    exchange_begin(x, 200, -1);
    send_snapshot(f);
}

static void flush(struct live *l) {
    uint64_t now = loop_now_ns(l->relay->loop);
    if (l->pending.n == 0 && now - l->sent_ns >= LIVE_BEAT_NS) {
        sse_write_comment(&l->pending, "still here");
    }
    if (l->pending.n) {
        l->sent_ns = now;
        list_each_safe(node, &l->pages) {
            struct page_follower *f = LIST_ENTRY(node, struct page_follower, link);
            if (!f->behind) f->behind = exchange_write(f->x, buf_view(&l->pending)) == ERR_AGAIN;
        }
    }
    buf_clear(&l->pending);
}

static void on_flush(struct loop_timer *t) {
    struct live *l = LIST_ENTRY(t, struct live, timer);
    struct error why;
    flush(l);
    if (l->stopped) return;
    uint64_t due = loop_now_ns(l->relay->loop) + LIVE_FLUSH_NS;
    if (loop_timer_set(l->relay->loop, &l->timer, due, &why) != 0) {
        log_error(l->relay->log, "live_timer_lost", F_ERR(&why));
    }
}

// ---- the builders' followers

static void on_builder_message(struct ws *w, void *context, bool text, struct bytes data) {
    (void)w, (void)context, (void)text, (void)data; // nothing is asked for here
}

static void on_builder_closed(struct ws *w, void *context, unsigned code, const struct error *why) {
    struct bid_follower *f = context;
    (void)w, (void)code, (void)why;
    list_remove(&f->link);
    f->live->builder_count--;
    metric_set(f->live->gauge_builders, f->live->builder_count);
    free(f);
}

static const struct ws_events builder_events = {.message = on_builder_message,
                                                .closed = on_builder_closed};

static void encode_top(uint8_t ret[TOP_BID_BYTES], const struct relay *r, const struct bid *b) {
    store_le64(ret, relay_now(r) / NS_PER_MS);
    store_le64(ret + 8, b->trace.slot);
    store_le64(ret + 16, b->block_number);
    memcpy(ret + 24, b->trace.block_hash.b, 32);
    memcpy(ret + 56, b->trace.parent_hash.b, 32);
    memcpy(ret + 88, b->trace.builder_pubkey.b, 48);
    memcpy(ret + 136, b->fee_recipient.b, 20);
    for (size_t i = 0; i < 4; i++) {
        store_le64(ret + 156 + 8 * i, b->trace.value.w[i]);
    }
}

static void send_top(struct live *l, struct bid_follower *f, const uint8_t top[TOP_BID_BYTES]) {
    if (ws_send(f->ws, false, bytes_make(top, TOP_BID_BYTES)) != ERR_AGAIN) return;
    if (ws_pending(f->ws) < BEHIND_MAX) return;
    log_info(l->relay->log, "follower_too_slow");
    ws_close(f->ws, 1008, BYTES_LIT("too slow"));
}

void relay_on_top_bid(struct exchange *x, void *context) {
    struct relay *r = context;
    struct live *l = r->live;
    struct error why;
    struct bid_follower *f = l->builder_count < FOLLOWERS_MAX ? calloc(1, sizeof *f) : NULL;
    if (!f) {
        relay_refuse(x, 503, "too many followers");
        return;
    }
    const struct ws_options o = {.message_bytes_max = 4096, .ping_ns = 10 * NS_PER_S};
    if (ws_accept(&f->ws, x, &o, &builder_events, f, &why) != 0) {
        free(f);
        return;
    }
    f->live = l;
    list_push_back(&l->builders, &f->link);
    l->builder_count++;
    metric_set(l->gauge_builders, l->builder_count);
    list_each(node, &r->auctions.all) {
        const struct auction *b = LIST_ENTRY(node, struct auction, link);
        uint8_t top[TOP_BID_BYTES];
        if (!b->top) continue;
        encode_top(top, r, b->top);
        send_top(l, f, top);
    }
}

// ---- what happens

static struct shown_bid shown(const struct live *l, const struct bid *b) {
    int64_t into = network_into_slot_ns(&l->relay->network, b->trace.slot, b->received_ns);
    int64_t ms = into / (int64_t)NS_PER_MS;
    return (struct shown_bid){.builder = b->trace.builder_pubkey,
                              .block = b->trace.block_hash,
                              .value = b->trace.value,
                              .ms = ms < INT32_MIN   ? INT32_MIN
                                    : ms > INT32_MAX ? INT32_MAX
                                                     : (int32_t)ms,
                              .optimistic = b->optimistic,
                              .cancellable = b->cancellable};
}

// The slot's place in the ring, NULL when it is too old to be shown.
static struct shown_slot *place(struct live *l, uint64_t slot) {
    struct shown_slot *s = &l->slots[slot % LIVE_SLOTS];
    if (slot == 0 || s->slot > slot) return NULL;
    if (s->slot != slot) {
        memset(s, 0, sizeof *s);
        s->slot = slot;
    }
    if (slot > l->newest) l->newest = slot;
    return s;
}

static void begin_event(struct json_writer *w, struct buf *json, uint64_t slot) {
    buf_init(json, 0);
    json_writer_init(w, json, 0);
    json_begin_object(w, NULL);
    json_add_u64(w, "slot", slot);
}

static void end_event(struct live *l, const char *type, struct json_writer *w, struct buf *json) {
    json_end(w);
    write_event(&l->pending, type, json);
    buf_free(json);
}

static void tell_bid(struct live *l, const char *type, uint64_t slot, const struct shown_bid *bid) {
    struct buf json;
    struct json_writer w;
    if (l->page_count == 0) return;
    begin_event(&w, &json, slot);
    write_bid(&w, "bid", bid);
    end_event(l, type, &w, &json);
}

void live_bid(struct live *l, const struct bid *b) {
    struct shown_bid bid = shown(l, b);
    struct shown_slot *s = place(l, b->trace.slot);
    if (!s) return;
    if (s->bid_count < LIVE_BIDS_MAX) {
        s->bids[s->bid_count++] = bid;
    } else {
        s->left_out++;
    }
    tell_bid(l, "bid", b->trace.slot, &bid);
}

void live_top(struct live *l, const struct auction *b) {
    struct shown_slot *s = place(l, b->slot);
    if (s) s->has_top = b->top != NULL;
    if (!b->top) return;
    struct shown_bid bid = shown(l, b->top);
    if (s) s->top = bid;
    if (s) tell_bid(l, "top", b->slot, &bid);
    if (l->builder_count == 0) return;
    uint8_t top[TOP_BID_BYTES];
    encode_top(top, l->relay, b->top);
    list_each_safe(node, &l->builders) {
        send_top(l, LIST_ENTRY(node, struct bid_follower, link), top);
    }
}

void live_delivered(struct live *l, const struct bid *b) {
    struct shown_slot *s = place(l, b->trace.slot);
    if (!s) return;
    s->delivered = true;
    s->winner = shown(l, b);
    s->winner_txs = b->num_txs;
    s->winner_blobs = b->num_blobs;
    s->winner_number = b->block_number;
    if (l->page_count == 0) return;
    struct buf json;
    struct json_writer w;
    begin_event(&w, &json, s->slot);
    write_winner(&w, s);
    end_event(l, "delivered", &w, &json);
}

void live_slot(struct live *l, uint64_t slot) {
    if (!place(l, slot + 1) || l->page_count == 0) return;
    struct buf json;
    struct json_writer w;
    begin_event(&w, &json, slot + 1);
    const struct duty *duty = duties_at(&l->relay->duties, slot + 1);
    if (duty) json_add_u64(&w, "proposer", duty->validator_index);
    json_add_u64(&w, "head", slot);
    end_event(l, "slot", &w, &json);
}

// ---- life

int live_new(struct live **ret, struct relay *r, struct error *why) {
    *ret = NULL;
    struct live *l = calloc(1, sizeof *l);
    if (!l) return error_set(why, ERR_NO_MEMORY, "no memory for followers");
    l->relay = r;
    list_init(&l->pages);
    list_init(&l->builders);
    l->timer.fire = on_flush;
    l->slots = calloc(LIVE_SLOTS, sizeof *l->slots);
    l->gauge_pages =
        metrics_get(r->metrics, &relay_metric_table[RELAY_FOLLOWERS], (const char *[]){"page"});
    l->gauge_builders =
        metrics_get(r->metrics, &relay_metric_table[RELAY_FOLLOWERS], (const char *[]){"top_bid"});
    int code = l->slots ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for followers");
    if (code == 0) {
        code = loop_timer_set(r->loop, &l->timer, loop_now_ns(r->loop) + LIVE_FLUSH_NS, why);
    }
    if (code != 0) {
        live_free(l);
        return code;
    }
    *ret = l;
    return 0;
}

void live_stop(struct live *l) {
    l->stopped = true;
    list_each_safe(node, &l->pages) {
        struct page_follower *f = LIST_ENTRY(node, struct page_follower, link);
        exchange_end(f->x);
        forget_page(f);
    }
    list_each_safe(node, &l->builders) {
        ws_close(LIST_ENTRY(node, struct bid_follower, link)->ws, 1001, BYTES_LIT("going away"));
    }
}

void live_free(struct live *l) {
    if (!l) return;
    loop_timer_clear(l->relay->loop, &l->timer);
    buf_free(&l->pending);
    free(l->slots);
    free(l);
}
