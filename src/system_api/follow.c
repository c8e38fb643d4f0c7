/* The event log as a stream of server-sent events.
 *
 * A follower gets what is kept since its id, then each new event. One that does not read is not
 * waited for: it continues from the ring when it takes bytes again, and is told of a gap if the
 * ring has moved on. Source: HTML Living Standard, section 9.2 (server-sent events).
 *
 * SPDX-License-Identifier: MIT */
#include "system_api/api.h"

#include <stdio.h>
#include <stdlib.h>

#define HEARTBEAT_NS (15 * NS_PER_S)
#define FOLLOWERS_MAX 64

struct follower {
    struct list_node link; // of api.followers
    struct api *api;
    struct exchange *x;
    struct events_follower events;
    struct loop_timer heartbeat;
    uint64_t last_id;
    bool full;    // waits for the client to take bytes
    bool writing; // to the exchange, which may end in it
    bool gone;    // it did
};

static void follower_free(struct follower *f) {
    events_unfollow(&f->events);
    loop_timer_clear(f->api->loop, &f->heartbeat);
    list_remove(&f->link);
    exchange_set_events(f->x, NULL, NULL);
    exchange_release(f->x);
    free(f);
}

// Writes to the client; false when that was the follower's end, which is freed then.
static bool put(struct follower *f, struct bytes text) {
    f->writing = true;
    int r = exchange_write(f->x, text);
    f->writing = false;
    f->full = r == ERR_AGAIN;
    if (!f->gone) return true;
    follower_free(f);
    return false;
}

static bool send_event(struct follower *f, const struct event *event) {
    struct buf out;
    bool alive = true;
    buf_init(&out, 0);
    if (f->last_id && event->id > f->last_id + 1) {
        buf_printf(&out, ": %llu events are gone\n",
                   (unsigned long long)(event->id - f->last_id - 1));
    }
    buf_printf(&out, "id: %llu\ndata: ", (unsigned long long)event->id);
    event_write_json(&out, event, true);
    buf_append_str(&out, "\n\n");
    f->last_id = event->id;
    if (buf_check(&out, NULL) == 0) alive = put(f, buf_view(&out));
    buf_free(&out);
    return alive;
}

// As put.
static bool catch_up(struct follower *f) {
    struct event event;
    while (!f->full && events_after(f->api->events, f->last_id, &event)) {
        if (!send_event(f, &event)) return false;
    }
    return true;
}

static void added(struct events_follower *events, const struct event *event) {
    (void)event;
    (void)catch_up(LIST_ENTRY(events, struct follower, events));
}

static void drained(struct exchange *x, void *context) {
    (void)x;
    struct follower *f = context;
    f->full = false;
    if (!f->writing) (void)catch_up(f);
}

static void gone(struct exchange *x, void *context) {
    (void)x;
    struct follower *f = context;
    if (f->writing) {
        f->gone = true;
    } else {
        follower_free(f);
    }
}

static void beat(struct loop_timer *timer) {
    struct follower *f = LIST_ENTRY(timer, struct follower, heartbeat);
    if (!f->full && !put(f, BYTES_LIT(":\n\n"))) return;
    if (loop_timer_set(f->api->loop, timer, loop_now_ns(f->api->loop) + HEARTBEAT_NS, NULL) != 0) {
        exchange_end(f->x);
        follower_free(f);
    }
}

static bool is_full(const struct api *a) {
    size_t n = 0;
    list_each(node, &a->followers) {
        n++;
    }
    return n >= FOLLOWERS_MAX;
}

void api_follow(struct api *a, struct exchange *x, uint64_t since) {
    static const struct exchange_events events = {.drained = drained, .gone = gone};
    struct follower *f = is_full(a) ? NULL : calloc(1, sizeof *f);
    if (!f) {
        api_respond_error(x, 503, "Too many followers");
        return;
    }
    f->api = a;
    f->x = x;
    // An id that is yet to come is of a log in memory that began anew: so does its follower.
    f->last_id = since <= events_last_id(a->events) ? since : 0;
    f->events.added = added;
    f->heartbeat.fire = beat;
    list_push_back(&a->followers, &f->link);
    exchange_hold(x);
    exchange_set_events(x, &events, f);
    (void)exchange_add_header(x, "Content-Type", BYTES_LIT("text/event-stream"));
    (void)exchange_add_header(x, "Cache-Control", BYTES_LIT("no-store"));
    events_follow(a->events, &f->events);
    f->writing = true; // the client may be gone in it
    exchange_begin(x, 200, -1);
    // The heads reach the client now.
    if (!put(f, BYTES_LIT(":\n\n")) || !catch_up(f)) return;
    if (loop_timer_set(a->loop, &f->heartbeat, loop_now_ns(a->loop) + HEARTBEAT_NS, NULL) != 0) {
        exchange_end(x);
        follower_free(f);
    }
}

void api_followers_end(struct api *a) {
    list_each_safe(node, &a->followers) {
        struct follower *f = LIST_ENTRY(node, struct follower, link);
        exchange_end(f->x);
        follower_free(f);
    }
}
