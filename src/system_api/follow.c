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
    bool full; // waits for the client to take bytes
};

static void follower_free(struct follower *f) {
    events_unfollow(&f->events);
    loop_timer_clear(f->api->loop, &f->heartbeat);
    list_remove(&f->link);
    exchange_set_events(f->x, NULL, NULL);
    exchange_release(f->x);
    free(f);
}

static void send_event(struct follower *f, const struct event *event) {
    struct buf out;
    buf_init(&out, 0);
    if (f->last_id && event->id > f->last_id + 1) {
        buf_printf(&out, ": %llu events are gone\n",
                   (unsigned long long)(event->id - f->last_id - 1));
    }
    buf_printf(&out, "id: %llu\ndata: ", (unsigned long long)event->id);
    event_write_json(&out, event, true);
    buf_append_str(&out, "\n\n");
    f->last_id = event->id;
    if (buf_check(&out, NULL) == 0) f->full = exchange_write(f->x, buf_view(&out)) == ERR_AGAIN;
    buf_free(&out);
}

static void catch_up(struct follower *f) {
    struct event event;
    while (!f->full && events_after(f->api->events, f->last_id, &event)) {
        send_event(f, &event);
    }
}

static void added(struct events_follower *events, const struct event *event) {
    (void)event;
    catch_up(LIST_ENTRY(events, struct follower, events));
}

static void drained(struct exchange *x, void *context) {
    (void)x;
    struct follower *f = context;
    f->full = false;
    catch_up(f);
}

static void gone(struct exchange *x, void *context) {
    (void)x;
    follower_free(context);
}

static void beat(struct loop_timer *timer) {
    struct follower *f = LIST_ENTRY(timer, struct follower, heartbeat);
    if (!f->full) f->full = exchange_write(f->x, BYTES_LIT(":\n\n")) == ERR_AGAIN;
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
    exchange_begin(x, 200, -1);
    (void)exchange_write(x, BYTES_LIT(":\n\n")); // headers reach the client now
    events_follow(a->events, &f->events);
    catch_up(f);
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
