/* SPDX-License-Identifier: MIT */
#include "devnet/events.h"

#include "base/list.h"
#include "net/sse.h"

#include <stdio.h>
#include <stdlib.h>

#define READERS_MAX 64
#define READER_LAG_MAX (4u << 20) /* a reader that is so far behind is dropped */
#define ALIVE_NS (15 * NS_PER_S)

struct event {
    uint64_t number;
    const char *kind;
    struct buf text;
};

struct reader {
    struct list_node link;
    struct events *events;
    struct exchange *x;
    uint64_t next;
    bool blocked;
};

struct events {
    struct loop *loop;
    struct event kept[EVENTS_KEPT]; // a ring: number % EVENTS_KEPT
    uint64_t next;                  // number of the next event; the first is 1
    struct event fresh;
    struct json_writer writer;
    struct list readers;
    unsigned reader_count;
    struct loop_timer alive;
};

static uint64_t oldest(const struct events *e) {
    return e->next > EVENTS_KEPT ? e->next - EVENTS_KEPT : 1;
}

static void drop(struct reader *r) {
    list_remove(&r->link);
    r->events->reader_count--;
    exchange_release(r->x);
    free(r);
}

static void write_some(struct reader *r) {
    struct events *e = r->events;
    struct buf out;
    buf_init(&out, READER_LAG_MAX);
    if (r->next < oldest(e)) r->next = oldest(e);
    for (; r->next < e->next; r->next++) {
        const struct event *v = &e->kept[r->next % EVENTS_KEPT];
        char id[24];
        (void)snprintf(id, sizeof id, "%llu", (unsigned long long)v->number);
        if (sse_write(&out, bytes_from_str(v->kind), bytes_from_str(id), buf_view(&v->text), NULL) <
            0) {
            break;
        }
    }
    if (out.n) {
        int code = exchange_write(r->x, buf_view(&out));
        r->blocked = code == ERR_AGAIN;
    }
    buf_free(&out);
}

static void on_drained(struct exchange *x, void *context) {
    struct reader *r = context;
    (void)x;
    r->blocked = false;
    write_some(r);
}

static void on_gone(struct exchange *x, void *context) {
    (void)x;
    drop(context);
}

void events_stream(struct exchange *x, void *context) {
    static const struct exchange_events handlers = {.drained = on_drained, .gone = on_gone};
    struct events *e = context;
    struct reader *r = e->reader_count < READERS_MAX ? calloc(1, sizeof *r) : NULL;
    struct bytes last = exchange_header(x, "last-event-id");
    if (!r) {
        exchange_respond_text(x, 503, "text/plain", BYTES_LIT("too many readers\n"));
        return;
    }
    r->events = e;
    r->x = x;
    r->next = oldest(e);
    if (last.n && last.n < 20) {
        char text[24] = "";
        memcpy(text, last.p, last.n);
        uint64_t seen = strtoull(text, NULL, 10);
        if (seen < e->next) r->next = seen + 1;
    } else if (bytes_equal_str(exchange_query_get(x, "from"), "now")) {
        r->next = e->next;
    }
    exchange_hold(x);
    list_push_back(&e->readers, &r->link);
    e->reader_count++;
    (void)exchange_add_header(x, "content-type", BYTES_LIT("text/event-stream"));
    (void)exchange_add_header(x, "cache-control", BYTES_LIT("no-store"));
    exchange_set_events(x, &handlers, r);
    exchange_begin(x, 200, -1);
    (void)exchange_write(x, BYTES_LIT(": devnet\n\n"));
    write_some(r);
}

struct json_writer *events_begin(struct events *e, const char *kind) {
    e->fresh.number = e->next;
    e->fresh.kind = kind;
    buf_clear(&e->fresh.text);
    json_writer_init(&e->writer, &e->fresh.text, 0);
    json_begin_object(&e->writer, NULL);
    json_add_u64(&e->writer, "seq", e->next);
    json_add_u64(&e->writer, "at_ms", clock_wall_ns(loop_clock(e->loop)) / NS_PER_MS);
    json_add_str(&e->writer, "kind", kind);
    return &e->writer;
}

void events_end(struct events *e) {
    json_end(&e->writer);
    if (buf_check(&e->fresh.text, NULL) < 0) return;
    struct event *place = &e->kept[e->next % EVENTS_KEPT];
    struct event old = *place;
    *place = e->fresh;
    e->fresh = old; // its memory serves again
    e->next++;
    list_each_safe(node, &e->readers) {
        struct reader *r = LIST_ENTRY(node, struct reader, link);
        if (!r->blocked) write_some(r);
    }
}

void events_say(struct events *e, const char *kind, const char *text, ...) {
    char line[512];
    va_list args;
    va_start(args, text);
    (void)vsnprintf(line, sizeof line, text, args);
    va_end(args);
    struct json_writer *w = events_begin(e, kind);
    json_add_str(w, "text", line);
    events_end(e);
}

void events_write(struct json_writer *w, const char *key, const struct events *e, uint64_t after) {
    json_begin_array(w, key);
    for (uint64_t i = after + 1 > oldest(e) ? after + 1 : oldest(e); i < e->next; i++) {
        json_add_raw(w, NULL, buf_view(&e->kept[i % EVENTS_KEPT].text));
    }
    json_end(w);
}

// A comment now and then, so that proxies and clients see that the stream lives.
static void on_alive(struct loop_timer *t) {
    struct events *e = LIST_ENTRY(t, struct events, alive);
    list_each_safe(node, &e->readers) {
        struct reader *r = LIST_ENTRY(node, struct reader, link);
        if (!r->blocked) (void)exchange_write(r->x, BYTES_LIT(": alive\n\n"));
    }
    (void)!loop_timer_set(e->loop, t, loop_now_ns(e->loop) + ALIVE_NS, NULL);
}

int events_new(struct events **ret, struct loop *l, struct error *why) {
    struct events *e = calloc(1, sizeof *e);
    *ret = e;
    if (!e) return error_set(why, ERR_NO_MEMORY, "no memory for events");
    e->loop = l;
    e->next = 1;
    list_init(&e->readers);
    e->alive.fire = on_alive;
    return loop_timer_set(l, &e->alive, loop_now_ns(l) + ALIVE_NS, why);
}

void events_hang_up(struct events *e) {
    while (!list_is_empty(&e->readers)) {
        struct reader *r = LIST_ENTRY(list_first(&e->readers), struct reader, link);
        static const struct exchange_events none = {.gone = NULL};
        struct exchange *x = r->x;
        exchange_hold(x);
        exchange_set_events(x, &none, NULL);
        drop(r);
        exchange_end(x);
        exchange_release(x);
    }
}

void events_free(struct events *e) {
    if (!e) return;
    loop_timer_clear(e->loop, &e->alive);
    while (!list_is_empty(&e->readers)) {
        drop(LIST_ENTRY(list_first(&e->readers), struct reader, link));
    }
    for (size_t i = 0; i < EVENTS_KEPT; i++) {
        buf_free(&e->kept[i].text);
    }
    buf_free(&e->fresh.text);
    free(e);
}
