/* The order feed's sending side. SPDX-License-Identifier: MIT */
#include "base/random.h"
#include "eth/order_feed.h"
#include "orderflow/local_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_FIRST_NS (20 * NS_PER_MS)
#define WAIT_MOST_NS NS_PER_S
#define IN_MAX (1u << 20)
#define KEPT_BYTES_MAX (256u << 20) /* of acknowledged orders, for a builder that restarts */

static struct local *of_conn(struct conn *c) {
    return c->owner;
}

/* ---- what an order is to the feed ---- */

static void fill(struct feed_order *ret, const struct flow_order *o, struct address *senders) {
    static const enum feed_method methods[ORDER_METHOD_COUNT] = {
        [ORDER_SEND_BUNDLE] = FEED_SEND_BUNDLE, [ORDER_SEND_RAW_TX] = FEED_SEND_RAW_TX,
        [ORDER_SEND_SHARE] = FEED_SEND_SHARE,   [ORDER_CANCEL_BUNDLE] = FEED_CANCEL,
        [ORDER_SUBSIDISE] = FEED_SUBSIDISE,
    };
    const struct order *d = &o->order;
    *ret = (struct feed_order){.method = methods[d->method],
                               .priority = (enum feed_priority)o->priority,
                               .from_peer = o->source == FLOW_FROM_PEER,
                               .has_signer = !address_is_zero(&o->signer),
                               .received_ns = o->sent_ns > 0 ? o->sent_ns : o->received_ns,
                               .signer = o->signer,
                               .bundle = d->bundle,
                               .share = d->share,
                               .raw = d->raw,
                               .cancel_uuid = d->replacement.uuid,
                               .subsidy_block = d->subsidy};
    if (d->method == ORDER_SEND_BUNDLE && d->bundle.fields & BUNDLE_REFUND_IDENTITY) {
        ret->has_refund_identity = true;
        ret->refund_identity = d->bundle.refund_identity;
    }
    if (d->method == ORDER_SEND_BUNDLE) {
        ret->bundle.bundle_hash = o->answer;
        ret->bundle.fields |= BUNDLE_HASH;
    }
    if (!senders || d->tx_count == 0) return;
    for (size_t i = 0; i < d->tx_count; i++) {
        senders[i] = d->txs[i].sender;
    }
    ret->senders = senders;
    ret->sender_count = d->tx_count;
}

/* Within the frame's limits; others are the builder's to refuse, and none can be sent. */
static bool fits(const struct flow_order *o) {
    const struct order *d = &o->order;
    return d->bundle.txs.count <= FEED_TXS_MAX && d->share.body_count <= FEED_TXS_MAX &&
           d->bundle.reverting.count <= FEED_HASHES_MAX &&
           d->bundle.dropping.count <= FEED_HASHES_MAX &&
           d->bundle.refund_txs.count <= FEED_HASHES_MAX && o->bytes <= FEED_FRAME_MAX / 2;
}

static void lost(struct local *l, const struct error *why);

/* false: the connection takes no more for now, or is lost. */
static bool write_item(struct local *l, const struct local_item *item) {
    struct address some[ORDER_TXS_MAX], *senders = some;
    size_t n = item->order->order.tx_count;
    struct feed_order f;
    if (n > ORDER_TXS_MAX) senders = malloc(n * sizeof *senders); // without: builder recovers
    fill(&f, item->order, senders);
    feed_put_order(conn_queue(&l->feed.conn), item->sequence, &f);
    if (senders != some) free(senders);
    int r = conn_queued(&l->feed.conn);
    if (r != 0 && r != ERR_AGAIN) {
        struct error why;
        (void)error_set(&why, (enum err)r, "the feed takes no more");
        lost(l, &why);
    }
    return r == 0;
}

/* ---- sending ---- */

static void keep(struct local *l, struct list *where, struct local_item *item) {
    list_push_back(where, &item->link);
    l->feed.kept_bytes += item->order->bytes;
    l->stats.kept++;
}

static void unkeep(struct local *l, struct local_item *item) {
    list_remove(&item->link);
    l->feed.kept_bytes -= item->order->bytes;
    l->stats.kept--;
}

static void forget(struct local *l, struct local_item *item) {
    struct local_feed *f = &l->feed;
    if (f->resend == item) {
        struct list_node *n = item->link.next;
        f->resend = n == &f->kept.head ? NULL : LIST_ENTRY(n, struct local_item, link);
    }
    unkeep(l, item);
    if (item->sequence > f->acknowledged) l->stats.in_flight--;
    local_item_free(item);
}

/* Sent before, on another connection. false: the connection takes no more. */
static bool send_again(struct local *l) {
    struct local_feed *f = &l->feed;
    while (f->resend) {
        struct local_item *item = f->resend;
        struct list_node *n = item->link.next;
        f->resend = n == &f->kept.head ? NULL : LIST_ENTRY(n, struct local_item, link);
        if (local_worth(l, item->order) != 0) continue;
        l->stats.retried++;
        if (!write_item(l, item)) return false;
    }
    return true;
}

static void send_new(struct local *l) {
    struct local_feed *f = &l->feed;
    while (conn_pending(&f->conn) < CONN_HIGH_BYTES) {
        struct local_item *item = local_take(l);
        if (!item) return;
        if (!fits(item->order)) {
            local_settle(l, item, ERR_LIMIT);
            continue;
        }
        if (local_is_known(l, item)) {
            keep(l, &f->before, item); // like what is acknowledged in this life
            continue;
        }
        item->sequence = ++f->next_sequence;
        keep(l, &f->kept, item);
        l->stats.in_flight++;
        local_note(l, f->session, item->sequence, item->order);
        if (!write_item(l, item)) return;
    }
}

void local_feed_pump(struct local *l) {
    if (!l->feed.welcomed || !send_again(l)) return;
    send_new(l);
    local_note_end(l); // before the connection is flushed, at the end of the loop's turn
}

/* Kept orders that can land no more go; and the oldest acknowledged ones when there are too many.
 */
void local_feed_sweep(struct local *l) {
    struct local_feed *f = &l->feed;
    list_each_safe(n, &f->before) {
        struct local_item *item = LIST_ENTRY(n, struct local_item, link);
        if (local_worth(l, item->order) == 0 && f->kept_bytes <= KEPT_BYTES_MAX) continue;
        unkeep(l, item);
        local_item_free(item);
    }
    list_each_safe(n, &f->kept) {
        struct local_item *item = LIST_ENTRY(n, struct local_item, link);
        bool acknowledged = item->sequence <= f->acknowledged;
        int code = local_worth(l, item->order);
        if (code == 0 && !(acknowledged && f->kept_bytes > KEPT_BYTES_MAX)) continue;
        if (!acknowledged && f->welcomed) continue; // its answer is on the way
        if (!acknowledged && !item->told) {
            l->stats.expired++;
            if (l->options.settled) l->options.settled(l->options.context, item->order, code);
        }
        forget(l, item);
    }
}

/* ---- what the builder says ---- */

static void acknowledge(struct local *l, uint64_t sequence) {
    struct local_feed *f = &l->feed;
    if (sequence > f->next_sequence) sequence = f->next_sequence;
    if (sequence <= f->acknowledged) return;
    // From the end: all before the first acknowledged one are acknowledged too.
    for (struct list_node *n = list_last(&f->kept); n && n != &f->kept.head; n = n->previous) {
        const struct local_item *item = LIST_ENTRY(n, struct local_item, link);
        if (item->sequence <= f->acknowledged) break;
        if (item->sequence > sequence) continue;
        l->stats.in_flight--;
        if (item->told) continue;
        l->stats.delivered++;
        if (l->options.settled) l->options.settled(l->options.context, item->order, 0);
    }
    f->acknowledged = sequence;
}

static void refused(struct local *l, const struct feed_frame *frame) {
    l->stats.refused++;
    log_debug(l->options.log, "builder_refused_order", F_I64("code", frame->code),
              F_BYTES("text", frame->text));
    // From the end: what is kept for a builder's restart may be tens of thousands, all before it.
    struct list *kept = &l->feed.kept;
    for (struct list_node *n = list_last(kept); n && n != &kept->head; n = n->previous) {
        struct local_item *item = LIST_ENTRY(n, struct local_item, link);
        if (item->sequence < frame->sequence) return;
        if (item->sequence > frame->sequence) continue;
        if (l->options.settled && !item->told) {
            l->options.settled(l->options.context, item->order, frame->code);
        }
        forget(l, item);
        return;
    }
}

static void wait_again(struct local *l, struct list *kept) {
    struct local_feed *f = &l->feed;
    for (struct list_node *n = list_last(kept); n; n = list_last(kept)) {
        struct local_item *item = LIST_ENTRY(n, struct local_item, link);
        bool settled = kept == &f->before || item->sequence <= f->acknowledged;
        if (!settled) l->stats.in_flight--;
        unkeep(l, item);
        item->told |= settled;
        local_put_back(l, item);
        l->stats.retried++;
    }
}

/* A builder that restarted gets all that may land, in a session of its own: what was noted of the
 * one before says nothing about it. */
static void begin_session(struct local *l) {
    struct local_feed *f = &l->feed;
    uint64_t before = l->stats.retried;
    if (l->given) given_confirm(l->given, f->session, 0);
    wait_again(l, &f->kept);
    wait_again(l, &f->before);
    f->session = random_u64() | 1; // never 0
    f->acknowledged = f->began = f->next_sequence;
    f->resumed = false;
    f->wait_ns = 0;
    log_info(l->options.log, "builder_restarted", F_U64("again", l->stats.retried - before));
}

/* The session goes on after what the builder holds. ERR_STALE: it knows nothing of it. */
static int welcomed(struct local *l, const struct feed_frame *frame, struct error *why) {
    struct local_feed *f = &l->feed;
    uint64_t held = frame->session == f->session ? frame->sequence : 0;
    bool had = f->acknowledged > f->began;
    if ((had && held < f->acknowledged) || (f->resumed && held == 0)) {
        begin_session(l);
        return error_set(why, ERR_STALE, "the builder restarted");
    }
    if (l->given && f->resumed) given_confirm(l->given, f->session, held);
    // It may hold more than was noted down, after a full disk: numbers are used once.
    if (held > f->next_sequence) f->next_sequence = held;
    f->resumed = false;
    f->welcomed = true;
    f->wait_ns = 0;
    l->stats.connected = true;
    acknowledge(l, held);
    f->resend = NULL;
    list_each(n, &f->kept) {
        struct local_item *item = LIST_ENTRY(n, struct local_item, link);
        if (item->sequence <= held) continue;
        f->resend = item;
        break;
    }
    log_info(l->options.log, "builder_reached", F_U64("held", held),
             F_U64("sent", f->next_sequence));
    local_feed_pump(l);
    return 0;
}

static int take_frames(struct local *l, struct error *why) {
    struct local_feed *f = &l->feed;
    size_t at = 0;
    struct feed_frame frame;
    int r = 0;
    while ((r = feed_frame_parse(&frame, bytes_slice(buf_view(&f->in), at, f->in.n), why)) == 0) {
        at += frame.bytes;
        if (frame.kind == FEED_WELCOME) {
            int code = welcomed(l, &frame, why);
            if (code != 0) return code;
        } else if (frame.kind == FEED_ACKNOWLEDGE && f->welcomed) {
            acknowledge(l, frame.sequence);
        } else if (frame.kind == FEED_REFUSE && f->welcomed) {
            refused(l, &frame);
        } else {
            return error_set(why, ERR_SYNTAX, "the builder sent a frame that is not its to send");
        }
    }
    buf_drop_front(&f->in, at);
    return r == ERR_AGAIN ? 0 : r;
}

/* ---- the connection ---- */

static void connect_later(struct local *l) {
    struct local_feed *f = &l->feed;
    f->wait_ns = f->wait_ns == 0 ? WAIT_FIRST_NS : f->wait_ns * 2;
    if (f->wait_ns > WAIT_MOST_NS) f->wait_ns = WAIT_MOST_NS;
    uint64_t wait = f->wait_ns / 2 + random_u64() % (f->wait_ns / 2 + 1);
    local_arm(l, &f->retry, wait);
}

static void lost(struct local *l, const struct error *why) {
    struct local_feed *f = &l->feed;
    if (f->welcomed) log_warn(l->options.log, "builder_unreachable", F_ERR(why));
    if (f->open) conn_close(&f->conn);
    f->open = f->welcomed = l->stats.connected = false;
    f->resend = NULL;
    buf_clear(&f->in);
    connect_later(l);
}

static void on_open(struct conn *c) {
    struct local *l = of_conn(c);
    struct error why;
    feed_put_hello(conn_queue(c), l->feed.session);
    if (conn_queued(c) == ERR_NO_MEMORY) {
        (void)error_set(&why, ERR_NO_MEMORY, "no memory for the feed");
        lost(l, &why);
    }
}

static void on_readable(struct conn *c) {
    struct local *l = of_conn(c);
    struct local_feed *f = &l->feed;
    struct error why = {.code = ERR_CLOSED, .text = "the builder closed the feed"};
    for (;;) {
        uint8_t *to = buf_reserve(&f->in, 16384);
        ssize_t n = to ? conn_read(c, to, 16384) : ERR_NO_MEMORY;
        if (n == ERR_AGAIN) return;
        if (n <= 0) {
            lost(l, &why);
            return;
        }
        buf_commit(&f->in, (size_t)n);
        int r = take_frames(l, &why);
        if (r == 0 && f->in.n > IN_MAX) r = error_set(&why, ERR_LIMIT, "a frame is too long");
        if (r != 0) {
            lost(l, &why);
        }
        if (!f->open) return;
    }
}

static void on_drained(struct conn *c) {
    local_feed_pump(of_conn(c));
}

static void on_closed(struct conn *c, const struct error *why) {
    lost(of_conn(c), why);
}

static const struct conn_events events = {
    .open = on_open, .readable = on_readable, .drained = on_drained, .closed = on_closed};

static void connect_now(struct loop_timer *t) {
    struct local *l = LIST_ENTRY(t, struct local, feed.retry);
    struct local_feed *f = &l->feed;
    struct error why = {.text = ""};
    int r = conn_connect(&f->conn, l->options.loop, &f->address, NULL, &events, l, &why);
    f->open = r == 0;
    if (r != 0) {
        log_debug(l->options.log, "builder_unreachable", F_ERR(&why));
        connect_later(l);
    }
}

int local_feed_open(struct local *l, const char *path, struct error *why) {
    struct local_feed *f = &l->feed;
    char text[128];
    list_init(&f->before);
    list_init(&f->kept);
    buf_init(&f->in, 2 * IN_MAX);
    f->session = random_u64() | 1; // never 0
    f->retry.fire = connect_now;
    if (strlen(path) + sizeof "unix:" > sizeof text) {
        return error_set(why, ERR_LIMIT, "the feed's path is too long");
    }
    (void)snprintf(text, sizeof text, "unix:%s", path);
    int r = socket_address_parse(&f->address, bytes_from_str(text), 0, why);
    if (r != 0) return error_wrap(why, "builder feed");
    local_arm(l, &f->retry, 0);
    return 0;
}

void local_feed_resume(struct local *l) {
    struct local_feed *f = &l->feed;
    if (given_session(l->given) == 0) return;
    f->resumed = true;
    f->session = given_session(l->given);
    f->next_sequence = given_sequence(l->given);
}

void local_feed_close(struct local *l) {
    struct local_feed *f = &l->feed;
    struct list *lists[] = {&f->before, &f->kept};
    loop_timer_clear(l->options.loop, &f->retry);
    if (f->open) conn_close(&f->conn);
    for (size_t i = 0; i < 2; i++) {
        for (struct list_node *n = list_pop_front(lists[i]); n; n = list_pop_front(lists[i])) {
            local_item_free(LIST_ENTRY(n, struct local_item, link));
        }
    }
    buf_free(&f->in);
}
