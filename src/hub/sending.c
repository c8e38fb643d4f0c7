/* Long shared texts: piece by piece, so that no slow client has a copy of its own, and in turns, so
 * that a fast one, whose socket never fills, keeps nobody waiting for longer than a part takes.
 * SPDX-License-Identifier: MIT */
#include "hub/service.h"

#include <stdlib.h>

#define PIECE_BYTES (32u << 10) /* what a slow client has of its own */
#define TURN_BYTES (512u << 10) /* a sixth of a millisecond; then others have their turn */
#define COPIED_BYTES_MAX (256u << 10)

struct sending {
    struct exchange *exchange;
    struct loop_timer turn; /* armed: it goes on after the others */
    struct shared_text *text;
    size_t at;
    bool gone, writing;
};

// The exchange is valid until `gone` has returned.
static void sending_free(struct sending *s) {
    loop_timer_clear(exchange_loop(s->exchange), &s->turn);
    shared_text_drop(s->text);
    free(s);
}

static bool let_others(struct sending *s) {
    struct loop *l = exchange_loop(s->exchange);
    struct error why;
    if (loop_timer_set(l, &s->turn, loop_now_ns(l) + 1, &why) != 0) return false;
    loop_wake(l); // a turn that only waits for a timer lasts a millisecond
    return true;
}

static void send_more(struct exchange *x, void *context) {
    static const struct exchange_events no_events;
    struct sending *s = context;
    struct bytes all = buf_view(&s->text->text);
    size_t turn = s->at;
    int r = 0;
    exchange_hold(x);
    s->writing = true;
    while (r == 0 && !s->gone && s->at < all.n) {
        struct bytes piece = bytes_slice(all, s->at, PIECE_BYTES);
        r = exchange_write(x, piece);
        s->at += piece.n;
        if (r == 0 && s->at - turn >= TURN_BYTES && s->at < all.n && let_others(s)) break;
    }
    s->writing = false;
    bool gone = s->gone || r == ERR_CLOSED;
    if (gone || s->at == all.n) {
        exchange_set_events(x, &no_events, NULL);
        sending_free(s);
        if (!gone) exchange_end(x);
    }
    exchange_release(x);
}

static void next_turn(struct loop_timer *t) {
    struct sending *s = LIST_ENTRY(t, struct sending, turn);
    send_more(s->exchange, s);
}

static void client_gone(struct exchange *x, void *context) {
    struct sending *s = context;
    (void)x;
    s->gone = true;
    if (!s->writing) sending_free(s);
}

void serving_send(struct exchange *x, int status, struct shared_text *text) {
    static const struct exchange_events events = {.drained = send_more, .gone = client_gone};
    struct bytes all = buf_view(&text->text);
    struct sending *s = all.n > COPIED_BYTES_MAX ? calloc(1, sizeof *s) : NULL;
    if (!s) { // short, or no memory: then it is copied, or the connection ends
        exchange_respond(x, status, all);
        return;
    }
    s->exchange = x;
    s->turn.fire = next_turn;
    s->text = shared_text_hold(text);
    s->writing = true; // the client may be gone with the head
    exchange_set_events(x, &events, s);
    exchange_begin(x, status, (int64_t)all.n);
    exchange_brief(x);
    send_more(x, s);
}
