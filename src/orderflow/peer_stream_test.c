/* Sessions of two nodes over a simulated link that delays, cuts and repeats; the boxes that outlive
 * them; the spill. SPDX-License-Identifier: MIT */
#include "orderflow/peer_stream.h"

#include "base/random.h"
#include "orderflow/testing.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIPE_MAX (1u << 20)
#define ORDER_BODY 40u
#define OPEN_MAX 32u

/* Orders are numbers here; the number is the pointer. */
static unsigned released;

static void order_release(void *order) {
    (void)order;
    released++;
}
static int order_write(struct buf *out, void *order, struct error *why) {
    buf_append_be64(out, (uint64_t)(uintptr_t)order);
    return buf_check(out, why);
}
static int order_restore(struct outbox_order *ret, struct bytes in, struct error *why) {
    if (in.n != 8) return error_set(why, ERR_SYNTAX, "record");
    *ret = (struct outbox_order){(void *)(uintptr_t)load_be64(in.p), 0, ORDER_BODY, false};
    return 0;
}
static const struct outbox_actions actions = {order_release, order_write, order_restore};

static struct outbox_order order_of(uint64_t number, uint64_t expires_ns) {
    return (struct outbox_order){(void *)(uintptr_t)number, expires_ns, ORDER_BODY, false};
}

static bool describe(void *context, struct wire_order *ret, void *order) {
    uint8_t *body = context;
    store_be64(body, (uint64_t)(uintptr_t)order);
    ret->body = bytes_make(body, ORDER_BODY);
    return true;
}

static struct spill *spill_in(const char *folder, uint64_t bytes_max, size_t segment_bytes) {
    struct spill *s;
    struct error why = {0};
    struct spill_options o = {
        .folder = folder, .bytes_max = bytes_max, .segment_bytes = segment_bytes};
    CHECK_OK(spill_open(&s, &o, &why), &why);
    return s;
}

/* ---- two nodes ---- */

struct node {
    struct peer_inbox inbox;
    struct peer_outbox outbox;
    struct wire_hello hello;
    struct peer_stream session;
    bool linked;
    struct buf wire; /* on its way to the other */
    uint64_t *seen;  /* how often each number came */
    uint64_t last;   /* the newest that came */
    bool in_order;
    unsigned refuse_every, offered, hold_back;
    struct {
        uint64_t generation, place;
        uint8_t status;
    } open[OPEN_MAX]; /* handed on, to be settled later */
    unsigned open_count;
};

struct world {
    struct node node[2];
    struct random_fast random;
    uint64_t now_ns;
    uint64_t count;
};

static void node_init(struct node *n, const char *name, struct spill *spill, size_t items,
                      uint64_t count) {
    memset(n, 0, sizeof *n);
    peer_inbox_init(&n->inbox);
    peer_outbox_init(&n->outbox, items, 1u << 20, spill, &actions);
    random_bytes(&n->hello.stream, sizeof n->hello.stream);
    random_bytes(&n->hello.instance, sizeof n->hello.instance);
    n->hello.name = bytes_from_str(name);
    n->seen = calloc(count + 1, sizeof *n->seen);
    n->in_order = true;
    buf_init(&n->wire, 0);
    CHECK(n->seen != NULL);
}

static void node_free(struct node *n) {
    if (n->linked) peer_stream_free(&n->session);
    peer_inbox_free(&n->inbox);
    peer_outbox_free(&n->outbox);
    buf_free(&n->wire);
    free(n->seen);
}

static void cut(struct world *w) {
    for (int i = 0; i < 2; i++) {
        struct node *n = &w->node[i];
        if (n->linked) peer_stream_free(&n->session);
        n->linked = false;
        buf_clear(&n->wire);
    }
}

static void link_up(struct world *w, int dialer) {
    for (int i = 0; i < 2; i++) {
        struct node *n = &w->node[i];
        peer_stream_init(&n->session, i == dialer, 0, w->now_ns);
        n->linked = true;
        if (i == dialer) peer_stream_hello(&n->hello, &n->wire);
    }
}

static void settle_one(struct world *w, struct node *n) {
    unsigned i = (unsigned)random_fast_below(&w->random, n->open_count);
    peer_inbox_settle(&n->inbox, n->open[i].generation, n->open[i].place, n->open[i].status);
    n->open[i] = n->open[--n->open_count];
}

static void take(struct world *w, struct node *n, const struct stream_event *e) {
    uint64_t number = load_be64(e->order.wire.body.p);
    n->offered++;
    bool refused = n->refuse_every && n->offered % n->refuse_every == 0;
    if (n->open_count == OPEN_MAX) settle_one(w, n);
    n->open[n->open_count].generation = n->inbox.generation;
    n->open[n->open_count].place = e->order.place;
    n->open[n->open_count++].status = refused;
    if (refused) return;
    CHECK(number >= 1 && number <= w->count);
    n->seen[number]++;
    if (number <= n->last) n->in_order = false;
    n->last = number;
}

static void on_event(struct world *w, struct node *n, const struct stream_event *e) {
    struct error why = {0};
    switch (e->type) {
    case STREAM_HELLO:
        peer_stream_attach(&n->session, &n->inbox, &n->outbox, &n->hello, &n->wire);
        break;
    case STREAM_ORDER:
        take(w, n, e);
        break;
    case STREAM_ACK:
        CHECK_OK(peer_outbox_ack(&n->outbox, e->ack.seq, NULL, NULL, NULL, &why), &why);
        break;
    case STREAM_REFUSE:
        peer_outbox_again(&n->outbox, e->ack.seq, w->now_ns);
        break;
    default:
        break;
    }
}

/* Some bytes of what is under way from `from` arrive. */
static void deliver(struct world *w, int from) {
    struct node *n = &w->node[1 - from];
    struct buf *wire = &w->node[from].wire;
    size_t some = (size_t)random_fast_below(&w->random, wire->n + 1);
    struct stream_event e;
    struct error why = {0};
    struct buf piece;
    buf_init(&piece, 0);
    buf_append(&piece, bytes_slice(buf_view(wire), 0, some));
    buf_drop_front(wire, some);
    struct bytes in = buf_view(&piece);
    for (e.type = STREAM_PONG; e.type != STREAM_MORE;) {
        int r = peer_stream_next(&e, &n->session, &in, w->now_ns, w->now_ns, &n->wire, &why);
        CHECK_OK(r, &why);
        if (e.type == STREAM_ORDER && n->hold_back > 0 && random_fast_below(&w->random, 4) == 0) {
            n->hold_back--;
            peer_stream_keep(&n->session, e.order.place);
            continue; // it must come again, as the next
        }
        on_event(w, n, &e);
    }
    if (n->session.attached) peer_inbox_answer(&n->inbox, &n->wire, false);
    buf_free(&piece);
}

static void step(struct world *w) {
    uint8_t body[ORDER_BODY] = {0};
    w->now_ns += 1000000;
    for (int i = 0; i < 2; i++) {
        struct node *n = &w->node[i];
        if (n->open_count > 0) settle_one(w, n);
        if (n->session.attached) peer_inbox_answer(&n->inbox, &n->wire, false);
        if (!n->linked) continue;
        (void)peer_stream_pump(&n->session, &n->wire, 2000, w->now_ns, describe, body);
        CHECK(peer_stream_tick(&n->session, w->now_ns, &n->wire));
    }
    for (int i = 0; i < 2; i++) {
        if (w->node[i].linked) deliver(w, i);
    }
}

static bool all_done(const struct world *w) {
    return peer_outbox_is_empty(&w->node[0].outbox) && peer_outbox_is_empty(&w->node[1].outbox);
}

/* Runs until both outboxes are empty; the link breaks now and then, with what is on it. */
static void run(struct world *w, unsigned cut_every) {
    uint64_t pushed = 0;
    for (unsigned i = 0; pushed < w->count || !all_done(w); i++) {
        CHECK(i < 2000000);
        bool up = w->node[0].linked;
        if (up && cut_every && random_fast_below(&w->random, cut_every) == 0) cut(w);
        if (!up && random_fast_below(&w->random, 10) == 0) {
            link_up(w, (int)random_fast_below(&w->random, 2));
        }
        for (int k = 0; k < 5 && pushed < w->count; k++) {
            pushed++;
            struct outbox_order o = order_of(pushed, 0);
            peer_outbox_push(&w->node[0].outbox, &o, w->now_ns);
            peer_outbox_push(&w->node[1].outbox, &o, w->now_ns);
        }
        step(w);
    }
}

static void check_once(const struct world *w, bool order) {
    for (int i = 0; i < 2; i++) {
        const struct node *n = &w->node[i];
        for (uint64_t k = 1; k <= w->count; k++) {
            CHECK_U64(n->seen[k], 1);
        }
        if (order) CHECK(n->in_order);
        CHECK_U64(n->outbox.bytes, 0);
        CHECK_U64(n->outbox.waiting, 0);
        CHECK_U64(n->outbox.stats.dropped, 0);
    }
}

static void world_init(struct world *w, uint64_t seed, uint64_t count, size_t items,
                       const char *folder) {
    memset(w, 0, sizeof *w);
    random_fast_seed(&w->random, seed);
    w->count = count;
    w->now_ns = 1000000000;
    for (int i = 0; i < 2; i++) {
        struct spill *s = folder ? spill_in(folder, 64u << 20, 4096) : NULL;
        node_init(&w->node[i], i ? "b" : "a", s, items, count);
    }
}

static void world_free(struct world *w) {
    node_free(&w->node[0]);
    node_free(&w->node[1]);
}

TEST(every_order_arrives_once_and_in_order_over_links_that_break) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world w;
        world_init(&w, seed, 3000, 16384, NULL);
        run(&w, seed % 2 ? 50 : 400);
        check_once(&w, true);
        world_free(&w);
    }
}

TEST(what_does_not_fit_into_memory_comes_from_the_spill_in_its_order) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world w;
        world_init(&w, seed, 3000, 64, "/tmp");
        run(&w, 30);
        check_once(&w, true);
        world_free(&w);
    }
}

TEST(orders_that_are_not_taken_for_now_come_again) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world w;
        world_init(&w, seed, 2000, 16384, NULL);
        w.node[0].refuse_every = 7;
        w.node[1].hold_back = 500;
        run(&w, 200);
        check_once(&w, false);
        CHECK_U64(w.node[1].hold_back, 0);
        world_free(&w);
    }
}

TEST(an_acknowledgement_that_was_lost_is_given_again) {
    struct world w;
    world_init(&w, 9, 3, 64, NULL);
    w.node[0].refuse_every = w.node[1].refuse_every = 3;
    link_up(&w, 0);
    for (uint64_t k = 1; k <= 3; k++) {
        struct outbox_order o = order_of(k, 0);
        peer_outbox_push(&w.node[0].outbox, &o, w.now_ns);
    }
    while (w.node[1].inbox.acked < 3) {
        step(&w);
    }
    cut(&w); // and with it what was told at last
    CHECK(!all_done(&w));
    link_up(&w, 1);
    for (int i = 0; i < 1000 && !all_done(&w); i++) {
        step(&w);
    }
    CHECK(all_done(&w));
    CHECK_U64(w.node[0].outbox.stats.acknowledged, 3);
    world_free(&w);
}

/* An acknowledgement covers refused orders too: what their sender is not told of it would lose. */
TEST(refusals_that_were_lost_are_all_given_again) {
    struct peer_inbox in;
    struct wire_id stream = {{1}};
    struct wire_frame f;
    struct buf out;
    struct error why = {0};
    uint64_t place, refused = 0, acked = 0;
    peer_inbox_init(&in);
    buf_init(&out, 0);
    CHECK_U64(peer_inbox_begin(&in, &stream), 0);
    for (uint64_t seq = 1; seq <= PEER_INBOX_OPEN_MAX; seq++) {
        CHECK(peer_inbox_offer(&in, seq, &place) == INBOX_NEW);
        peer_inbox_settle(&in, in.generation, place, 1);
    }
    peer_inbox_answer(&in, &out, false); // the connection is lost, and this with it
    buf_clear(&out);
    CHECK_U64(peer_inbox_begin(&in, &stream), PEER_INBOX_OPEN_MAX);
    peer_inbox_answer(&in, &out, true);
    for (size_t at = 0; at < out.n; at += f.bytes) {
        CHECK_OK(wire_parse(&f, bytes_slice(buf_view(&out), at, out.n), 0, &why), &why);
        if (f.type == WIRE_REFUSE) CHECK_U64(f.ack.seq, ++refused);
        if (f.type == WIRE_ACK) acked = f.ack.seq;
    }
    CHECK_U64(refused, PEER_INBOX_OPEN_MAX);
    CHECK_U64(acked, PEER_INBOX_OPEN_MAX);
    buf_free(&out);
    peer_inbox_free(&in);
}

TEST(a_node_that_begins_anew_gets_what_was_not_acknowledged) {
    struct world w;
    world_init(&w, 3, 500, 16384, NULL);
    for (uint64_t k = 1; k <= 500; k++) {
        struct outbox_order o = order_of(k, 0);
        peer_outbox_push(&w.node[0].outbox, &o, w.now_ns);
    }
    link_up(&w, 0);
    while (w.node[1].last < 200) {
        step(&w);
    }
    cut(&w);
    uint64_t acked = w.node[0].outbox.first - 1, last = w.node[1].last;
    peer_inbox_free(&w.node[1].inbox); // its memory is gone
    random_bytes(&w.node[1].hello.stream, 16);
    w.node[1].last = 0;
    link_up(&w, 1);
    while (!all_done(&w)) {
        step(&w);
    }
    CHECK(acked <= last);
    for (uint64_t k = 1; k <= 500; k++) {
        CHECK_U64(w.node[1].seen[k], k > acked && k <= last ? 2 : 1);
    }
    world_free(&w);
}

/* ---- rules ---- */

struct pair {
    struct peer_inbox inbox;
    struct peer_outbox outbox;
    struct peer_stream session;
    struct buf out, in;
};

static void pair_init(struct pair *p, bool attached) {
    struct wire_hello own = {.name = BYTES_LIT("us")}, peer = {.name = BYTES_LIT("them")};
    struct stream_event e;
    struct error why = {0};
    memset(p, 0, sizeof *p);
    peer_inbox_init(&p->inbox);
    peer_outbox_init(&p->outbox, 64, 1u << 20, NULL, &actions);
    peer_stream_init(&p->session, false, 1000, 0);
    buf_init(&p->out, 0);
    buf_init(&p->in, 0);
    memset(peer.stream.b, 7, sizeof peer.stream.b);
    if (!attached) return;
    wire_put_hello(&p->in, &peer);
    struct bytes in = buf_view(&p->in);
    CHECK_OK(peer_stream_next(&e, &p->session, &in, 0, 0, &p->out, &why), &why);
    CHECK_U64(e.type, STREAM_HELLO);
    CHECK(bytes_equal_str(e.hello.name, "them"));
    peer_stream_attach(&p->session, &p->inbox, &p->outbox, &own, &p->out);
    CHECK_OK(peer_stream_next(&e, &p->session, &in, 0, 0, &p->out, &why), &why);
    CHECK_U64(e.type, STREAM_MORE);
    buf_clear(&p->in);
}

static void pair_free(struct pair *p) {
    peer_stream_free(&p->session);
    peer_inbox_free(&p->inbox);
    peer_outbox_free(&p->outbox);
    buf_free(&p->out);
    buf_free(&p->in);
}

/* Feeds what lies in p->in; gives the first error, or 0. */
static int feed(struct pair *p) {
    struct stream_event e;
    struct error why = {0};
    struct bytes in = buf_view(&p->in);
    int r;
    do {
        r = peer_stream_next(&e, &p->session, &in, 0, 0, &p->out, &why);
        if (r == 0 && e.type == STREAM_ACK) {
            r = peer_outbox_ack(&p->outbox, e.ack.seq, NULL, NULL, NULL, &why);
        }
    } while (r == 0 && e.type != STREAM_MORE);
    buf_clear(&p->in);
    return r;
}

TEST(a_peer_that_breaks_the_rules_is_refused) {
    static const struct wire_id zero;
    struct pair p;
    struct wire_order o = {.seq = 5, .body = BYTES_LIT("order")};
    struct wire_hello hello = {.name = BYTES_LIT("them")};
    pair_init(&p, false);
    wire_put_order(&p.in, &o); // before it introduced itself
    CHECK_ERR(feed(&p), ERR_INVALID);
    pair_free(&p);
    pair_init(&p, true);
    wire_put_hello(&p.in, &hello);
    CHECK_ERR(feed(&p), ERR_INVALID);
    pair_free(&p);
    pair_init(&p, true);
    wire_put_order(&p.in, &o);
    CHECK_OK(feed(&p), &(struct error){0});
    o.seq = 5; // not rising
    wire_put_order(&p.in, &o);
    CHECK_ERR(feed(&p), ERR_INVALID);
    pair_free(&p);
    pair_init(&p, true);
    wire_put_resume(&p.in, &zero, 1); // of our stream it never got that much
    CHECK_ERR(feed(&p), ERR_INVALID);
    pair_free(&p);
    pair_init(&p, true);
    wire_put_resume(&p.in, &zero, 0);
    wire_put_ack(&p.in, 1);
    CHECK_ERR(feed(&p), ERR_INVALID);
    pair_free(&p);
    pair_init(&p, true);
    wire_put_ack(&p.in, 0); // before RESUME
    CHECK_ERR(feed(&p), ERR_INVALID);
    pair_free(&p);
    pair_init(&p, true);
    uint8_t big[1001] = {0};
    o = (struct wire_order){.seq = 6, .body = bytes_make(big, sizeof big)};
    wire_put_order(&p.in, &o);
    CHECK_ERR(feed(&p), ERR_LIMIT);
    pair_free(&p);
    pair_init(&p, true);
    buf_append_str(&p.in, "GET / HTTP/1.1\r\n\r\n");
    CHECK_ERR(feed(&p), ERR_SYNTAX);
    pair_free(&p);
    pair_init(&p, true);
    wire_put_bye(&p.in, WIRE_BYE_END);
    wire_put_ping(&p.in, 1);
    CHECK_ERR(feed(&p), ERR_INVALID);
    pair_free(&p);
}

TEST(a_flood_of_open_orders_waits_in_the_connection) {
    struct pair p;
    struct stream_event e;
    struct error why = {0};
    pair_init(&p, true);
    for (uint64_t seq = 1; seq <= PEER_INBOX_OPEN_MAX + 1; seq++) {
        struct wire_order o = {.seq = seq, .body = BYTES_LIT("x")};
        wire_put_order(&p.in, &o);
    }
    struct bytes in = buf_view(&p.in);
    uint64_t got = 0, place = 0;
    int r;
    while ((r = peer_stream_next(&e, &p.session, &in, 0, 0, &p.out, &why)) == 0) {
        if (got++ == 0) place = e.order.place;
    }
    CHECK_ERR(r, ERR_BUSY);
    CHECK_U64(got, PEER_INBOX_OPEN_MAX);
    CHECK_OK(peer_stream_save(&p.session, in, &why), &why);
    CHECK(peer_stream_has_input(&p.session));
    peer_inbox_settle(&p.inbox, p.inbox.generation, place, 0);
    peer_inbox_answer(&p.inbox, &p.out, false);
    in = (struct bytes){NULL, 0};
    CHECK_OK(peer_stream_next(&e, &p.session, &in, 0, 0, &p.out, &why), &why);
    CHECK_U64(e.order.wire.seq, PEER_INBOX_OPEN_MAX + 1);
    pair_free(&p);
}

TEST(a_silent_peer_is_pinged_and_given_up) {
    struct pair p;
    pair_init(&p, true);
    size_t before = p.out.n;
    CHECK(peer_stream_tick(&p.session, STREAM_PING_NS, &p.out));
    CHECK_U64(p.out.n, before + WIRE_HEAD + 8);
    wire_put_pong(&p.in, STREAM_PING_NS, 1);
    CHECK_OK(feed(&p), &(struct error){0});
    // A sign of life measures nothing.
    struct stream_event e;
    p.session.pinged_ns = 0;
    wire_put_pong(&p.in, 0, 1);
    struct bytes in = buf_view(&p.in);
    CHECK_OK(peer_stream_next(&e, &p.session, &in, 0, 0, &p.out, &(struct error){0}),
             &(struct error){0});
    CHECK_U64(e.type, STREAM_MORE);
    buf_clear(&p.in);
    CHECK(!peer_stream_tick(&p.session, STREAM_DEAD_NS, &p.out));
    pair_free(&p);
}

TEST(a_peer_whose_order_is_long_under_way_is_not_silent) {
    struct pair p;
    struct stream_event e = {0};
    struct error why = {0};
    static uint8_t body[900];
    struct wire_order o = {.seq = 1, .body = bytes_make(body, sizeof body)};
    pair_init(&p, true);
    wire_put_order(&p.in, &o);
    for (size_t at = 0; at < p.in.n; at += 250) { // a piece every 6 s
        struct bytes in = bytes_slice(buf_view(&p.in), at, 250);
        uint64_t now = (1 + at / 250) * UINT64_C(6) * 1000000000;
        CHECK(peer_stream_tick(&p.session, now - 1, &p.out));
        CHECK_OK(peer_stream_next(&e, &p.session, &in, now, now, &p.out, &why), &why);
    }
    CHECK_U64(e.type, STREAM_ORDER);
    pair_free(&p);
}

/* ---- outbox ---- */

TEST(an_outbox_drops_the_expired_first_then_low_priority_then_the_oldest) {
    struct peer_outbox o;
    uint64_t seq;
    released = 0;
    peer_outbox_init(&o, 64, 10 * ORDER_BODY, NULL, &actions);
    for (uint64_t k = 1; k <= 10; k++) {
        struct outbox_order order = order_of(k, k == 4 ? 50 : 0);
        order.low = k == 6;
        peer_outbox_push(&o, &order, 10);
    }
    struct outbox_order more = order_of(11, 0);
    peer_outbox_push(&o, &more, 60);
    CHECK_U64(o.stats.expired, 1);
    CHECK_U64(o.stats.dropped, 0);
    more = order_of(12, 0);
    peer_outbox_push(&o, &more, 60);
    CHECK_U64(o.stats.dropped, 1);
    more = order_of(13, 0);
    peer_outbox_push(&o, &more, 60);
    CHECK_U64(o.stats.dropped, 2);
    static const uint64_t left[] = {2, 3, 5, 7, 8, 9, 10, 11, 12, 13};
    for (size_t i = 0; i < 10; i++) {
        CHECK_U64((uintptr_t)peer_outbox_next(&o, 60, &seq), left[i]);
    }
    CHECK(peer_outbox_next(&o, 60, &seq) == NULL);
    CHECK_U64(released, 3);
    peer_outbox_free(&o);
    CHECK_U64(released, 13);
}

TEST(a_spill_that_is_full_gives_up_its_oldest_and_counts_them) {
    struct peer_outbox o;
    uint64_t seq;
    peer_outbox_init(&o, 64, 1u << 20, spill_in("/tmp", 4096, 1024), &actions);
    for (uint64_t k = 1; k <= 1000; k++) {
        struct outbox_order order = order_of(k, 0);
        peer_outbox_push(&o, &order, 10);
    }
    CHECK(spill_bytes(o.spill) <= 4096);
    uint64_t got = 0;
    for (void *order; (order = peer_outbox_next(&o, 10, &seq)) != NULL; got++) {
        CHECK_OK(peer_outbox_ack(&o, seq, NULL, NULL, NULL, &(struct error){0}),
                 &(struct error){0});
    }
    CHECK_U64(got + o.stats.dropped, 1000);
    CHECK(o.stats.dropped > 500);
    CHECK_U64(o.stats.acknowledged, got);
    peer_outbox_free(&o);
}

TEST(a_named_spill_is_found_again_without_its_torn_end) {
    char folder[] = "/tmp/spill-test-XXXXXX", path[300];
    struct error why = {0};
    struct spill *s;
    struct bytes record;
    uint64_t expires;
    CHECK(mkdtemp(folder) != NULL);
    struct spill_options o = {
        .folder = folder, .prefix = "history", .bytes_max = 1u << 20, .segment_bytes = 200};
    CHECK_OK(spill_open(&s, &o, &why), &why);
    for (int i = 0; i < 20; i++) {
        char text[64];
        int n = snprintf(text, sizeof text, "record %d of the history", i);
        CHECK_OK(spill_append(s, bytes_make(text, (size_t)n), 0, 0, &why), &why);
    }
    CHECK_OK(spill_first(s, &record, &expires, &why), &why);
    CHECK(bytes_equal_str(record, "record 0 of the history"));
    spill_pop(s);
    spill_close(s);
    CHECK_OK(spill_open(&s, &o, &why), &why);
    CHECK_U64(spill_records(s), 20); // for it was not marked
    CHECK_OK(spill_first(s, &record, &expires, &why), &why);
    spill_pop(s);
    spill_mark(s);
    spill_close(s);
    CHECK_OK(spill_open(&s, &o, &why), &why);
    CHECK_U64(spill_records(s), 19);
    CHECK_OK(spill_first(s, &record, &expires, &why), &why);
    CHECK(bytes_equal_str(record, "record 1 of the history"));
    spill_close(s);
    // The last file loses three bytes: its last record is left out.
    DIR *d = opendir(folder);
    char last[256] = "";
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == 'h' && strcmp(e->d_name, last) > 0) {
            snprintf(last, sizeof last, "%s", e->d_name);
        }
    }
    closedir(d);
    snprintf(path, sizeof path, "%.30s/%.255s", folder, last);
    struct bytes whole = test_read_file(path);
    CHECK(truncate(path, (off_t)whole.n - 3) == 0);
    free((void *)(uintptr_t)whole.p);
    CHECK_OK(spill_open(&s, &o, &why), &why);
    CHECK_U64(spill_records(s), 18);
    for (int i = 1; i < 19; i++) {
        char text[64];
        snprintf(text, sizeof text, "record %d of the history", i);
        CHECK_OK(spill_first(s, &record, &expires, &why), &why);
        CHECK(bytes_equal_str(record, text));
        spill_pop(s);
    }
    CHECK_ERR(spill_first(s, &record, &expires, &why), ERR_NOT_FOUND);
    CHECK(spill_bytes(s) > 0 && spill_left(s) == 0);
    spill_mark(s);
    CHECK_U64(spill_bytes(s), 0);
    spill_close(s);
    CHECK(rmdir(folder) == 0); // what was read is gone
}

TEST(a_full_disk_loses_nothing_that_was_spilled) {
    struct spill *s = spill_in("/tmp", 16u << 20, 8u << 20);
    struct rlimit old;
    struct error why = {0};
    struct bytes record;
    uint8_t body[1000] = {0};
    uint64_t expires, kept = 0;
    test_fill_disk(&old, 100000);
    for (uint64_t i = 0; i < 1000; i++) {
        store_be64(body, kept);
        kept += spill_append(s, bytes_make(body, sizeof body), 0, 0, &why) == 0;
    }
    CHECK(kept > 100 && kept < 1000);
    CHECK_U64(spill_records(s), kept);
    for (uint64_t i = 0; i < kept; i++) {
        CHECK_OK(spill_first(s, &record, &expires, &why), &why);
        CHECK_U64(load_be64(record.p), i);
        spill_pop(s);
    }
    CHECK_ERR(spill_first(s, &record, &expires, &why), ERR_NOT_FOUND);
    CHECK_U64(spill_dropped(s), 0);
    CHECK_OK(spill_append(s, BYTES_LIT("again"), 0, 0, &why), &why);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK_OK(spill_first(s, &record, &expires, &why), &why);
    CHECK(bytes_equal_str(record, "again"));
    spill_close(s);
}

TEST(a_file_that_a_full_disk_leaves_without_head_is_taken_away) {
    char folder[] = "/tmp/spill-test-XXXXXX";
    struct spill *s;
    struct rlimit old;
    struct error why = {0};
    CHECK(mkdtemp(folder) != NULL);
    const struct spill_options o = {
        .folder = folder, .prefix = "history", .bytes_max = 1u << 20, .segment_bytes = 4096};
    CHECK_OK(spill_open(&s, &o, &why), &why);
    test_fill_disk(&old, 8);
    CHECK_ERR(spill_append(s, BYTES_LIT("lost"), 0, 0, &why), ERR_IO);
    CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0);
    CHECK_U64(spill_bytes(s), 0);
    spill_close(s);
    CHECK(rmdir(folder) == 0);
}

TEST(a_spill_forgets_what_has_expired) {
    struct spill *s = spill_in("/tmp", 1u << 20, 100);
    struct error why = {0};
    for (uint64_t i = 1; i <= 10; i++) {
        CHECK_OK(spill_append(s, BYTES_LIT("01234567890123456789"), i * 100, 0, &why), &why);
    }
    spill_expire(s, 550);
    CHECK(spill_records(s) <= 6 && spill_records(s) >= 5);
    CHECK_U64(spill_records(s) + spill_dropped(s), 10);
    CHECK_ERR(spill_append(s, bytes_make(NULL, SPILL_RECORD_MAX + 1u), 0, 0, &why), ERR_LIMIT);
    spill_close(s);
}

TEST_MAIN()
