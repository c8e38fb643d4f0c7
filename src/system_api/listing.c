/* The kept events as one answer of any size: piece by piece, so that clients that read slowly or
 * ask at once cost little memory, and in turns, so that a fast one keeps nobody waiting. Events
 * that fall out of the ring meanwhile are left out. SPDX-License-Identifier: MIT */
#include "system_api/api.h"

#include <stdlib.h>

#define PIECE_BYTES (64u << 10)
#define TURN_PIECES 4 /* then others have their turn */

struct listing {
    struct api *api;
    struct exchange *x;
    enum listing_form form;
    uint64_t after;         // the id that was written last
    uint64_t last;          // what comes later is not of this answer
    bool begun;             // something is written
    bool writing, gone;     // a write can end with the client's end
    struct loop_timer turn; // armed: it goes on after the others
};

// Appends events until a piece is full. True at the end.
static bool append_piece(struct buf *out, struct listing *l) {
    struct event event;
    while (out->n < PIECE_BYTES) {
        if (!events_after(l->api->events, l->after, &event) || event.id > l->last) {
            if (l->form != LISTING_TEXT) buf_append_str(out, l->begun ? "]\n" : "[]\n");
            return true;
        }
        if (l->form == LISTING_TEXT) {
            event_write_text(out, &event);
        } else {
            buf_append_byte(out, l->begun ? ',' : '[');
            event_write_json(out, &event, l->form == LISTING_JSON_IDS);
        }
        l->after = event.id;
        l->begun = true;
    }
    return false;
}

static void listing_free(struct listing *l) {
    loop_timer_clear(l->api->loop, &l->turn);
    exchange_set_events(l->x, NULL, NULL);
    exchange_release(l->x);
    free(l);
}

static int let_others(struct listing *l) {
    struct loop *loop = l->api->loop;
    int r = loop_timer_set(loop, &l->turn, loop_now_ns(loop) + 1, NULL);
    if (r == 0) loop_wake(loop); // a turn that only waits for a timer lasts a millisecond
    return r;
}

static void go_on(struct listing *l) {
    struct buf out;
    bool end = false;
    int r = 0;
    buf_init(&out, 0);
    l->writing = true;
    for (unsigned pieces = 0; r == 0 && !end && !l->gone; pieces++) {
        if (pieces == TURN_PIECES) {
            r = let_others(l);
            break;
        }
        buf_clear(&out);
        end = append_piece(&out, l);
        r = buf_check(&out, NULL);
        if (r == 0) r = exchange_write(l->x, buf_view(&out));
    }
    l->writing = false;
    buf_free(&out);
    bool broken = r != 0 && r != ERR_AGAIN && r != ERR_CLOSED;
    if (!l->gone && !broken && !end)
        return; // until its turn, or the client takes bytes, or is gone
    struct exchange *x = l->x;
    bool gone = l->gone;
    exchange_hold(x);
    listing_free(l);
    if (!gone && broken) exchange_abort(x);
    if (!gone && !broken) exchange_end(x);
    exchange_release(x);
}

static void next_turn(struct loop_timer *t) {
    go_on(LIST_ENTRY(t, struct listing, turn));
}

// Comes with each flush, within the turn of the write that caused it: others come first.
static void drained(struct exchange *x, void *context) {
    (void)x;
    struct listing *l = context;
    if (!l->writing && let_others(l) != 0) go_on(l);
}

static void client_gone(struct exchange *x, void *context) {
    (void)x;
    struct listing *l = context;
    l->gone = true;
    if (!l->writing) listing_free(l);
}

void api_list(struct api *a, struct exchange *x, enum listing_form form, uint64_t since) {
    static const struct exchange_events events = {.drained = drained, .gone = client_gone};
    const char *type = form == LISTING_TEXT ? "text/plain" : "application/json";
    struct listing first = {.api = a, .x = x, .form = form, .after = since};
    first.last = events_last_id(a->events);
    first.turn.fire = next_turn;
    struct buf out;
    buf_init(&out, 0);
    bool whole = append_piece(&out, &first);
    struct listing *l = whole ? NULL : malloc(sizeof *l);
    if (whole) {
        exchange_respond_text(x, 200, type, buf_view(&out));
    } else if (!l || buf_check(&out, NULL) != 0) {
        free(l);
        api_respond_error(x, 503, "No memory");
    } else {
        *l = first;
        exchange_hold(x);
        exchange_set_events(x, &events, l);
        (void)exchange_add_header(x, "Content-Type", bytes_from_str(type));
        l->writing = true;
        exchange_begin(x, 200, -1);
        (void)exchange_write(x, buf_view(&out));
        l->writing = false;
        if (l->gone) {
            listing_free(l);
        } else if (let_others(l) != 0) {
            go_on(l);
        }
    }
    buf_free(&out);
}
