/* SPDX-License-Identifier: MIT */
#include "system_api/events.h"

#include "base/file.h"
#include "json/json.h"
#include "json/write.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_LINE_MAX (8 * EVENT_TEXT_MAX)
#define FILE_BYTES_MAX ((size_t)1 << 30)

struct kept {
    uint64_t id;
    uint64_t received_at_ns;
    uint8_t *text;
    size_t n;
};

struct events {
    const struct clock *clock;
    struct kept *ring;
    size_t capacity, first, count;
    uint64_t last_id;
    struct list followers;
    char *path;
    int fd;            // -1: memory only
    size_t file_lines; // in the file
    size_t damaged;    // lines of a file that is not set aside yet
    bool deferred, unsynced;
};

static struct kept *kept_at(const struct events *e, size_t i) {
    return &e->ring[(e->first + i) % e->capacity];
}

static struct event event_of(const struct kept *k) {
    return (struct event){k->id, k->received_at_ns, {k->text, k->n}};
}

static void drop_oldest(struct events *e) {
    free(e->ring[e->first].text);
    e->first = (e->first + 1) % e->capacity;
    e->count--;
}

static int keep(struct events *e, uint64_t id, uint64_t at_ns, struct bytes text,
                struct error *why) {
    uint8_t *copy = malloc(text.n ? text.n : 1);
    if (!copy) return error_set(why, ERR_NO_MEMORY, "no memory for an event");
    if (text.n) memcpy(copy, text.p, text.n);
    if (e->count == e->capacity) drop_oldest(e);
    *kept_at(e, e->count++) = (struct kept){id, at_ns, copy, text.n};
    e->last_id = id;
    return 0;
}

void event_write_json(struct buf *out, const struct event *event, bool with_id) {
    char at[CLOCK_TEXT_MAX];
    (void)clock_format(at, event->received_at_ns, -1);
    struct json_writer w;
    json_writer_init(&w, out, JSON_GO_HTML);
    json_begin_object(&w, NULL);
    if (with_id) json_add_u64(&w, "id", event->id);
    json_add_str(&w, "received_at", at);
    json_add_text(&w, "message", event->message);
    json_end(&w);
}

void event_write_text(struct buf *out, const struct event *event) {
    char at[CLOCK_TEXT_MAX];
    (void)clock_format(at, event->received_at_ns, 0);
    buf_append_str(out, at);
    buf_append_str(out, " \t ");
    buf_append(out, event->message);
    buf_append_byte(out, '\n');
}

// The file

static int load_line(struct events *e, struct bytes line, struct arena *a, struct error *why) {
    const struct json *doc;
    uint64_t id, at_ns;
    struct bytes at, message;
    int r = json_parse(&doc, line, a, NULL, why);
    if (r == 0) r = json_get_u64(&id, doc, "id", why);
    if (r == 0) r = json_get_string(&at, doc, "received_at", why);
    if (r == 0) r = json_get_string(&message, doc, "message", why);
    if (r == 0) r = clock_parse(&at_ns, at, why);
    if (r == 0 && id <= e->last_id) r = error_set(why, ERR_INVALID, "ids do not rise");
    return r == 0 ? keep(e, id, at_ns, message, why) : r;
}

// A damaged line is left out. errors  ERR_NO_MEMORY.
static int load_lines(struct events *e, struct bytes rest, struct error *why) {
    struct arena a;
    int r = 0;
    arena_init(&a, 4 * FILE_LINE_MAX);
    while (r == 0 && rest.n) {
        const uint8_t *end = memchr(rest.p, '\n', rest.n);
        if (!end) break; // torn by a crash before it was answered
        size_t n = (size_t)(end - rest.p);
        r = load_line(e, bytes_slice(rest, 0, n), &a, why);
        if (r != 0 && r != ERR_NO_MEMORY) {
            e->damaged++;
            r = 0;
        }
        arena_reset(&a);
        rest = bytes_slice(rest, n + 1, SIZE_MAX);
    }
    arena_free(&a);
    return r;
}

static void beside_path(char ret[PATH_MAX], const struct events *e) {
    (void)snprintf(ret, PATH_MAX, "%s.damaged", e->path);
}

static int tell_of_damage(struct events *e, struct error *why) {
    char beside[PATH_MAX];
    struct buf text;
    beside_path(beside, e);
    buf_init(&text, EVENT_TEXT_MAX);
    buf_printf(&text,
               "[system-api] %zu line%s of the event log could not be read; the file as it was "
               "is %s",
               e->damaged, e->damaged == 1 ? "" : "s", beside);
    int r = buf_check(&text, why);
    if (r == 0) r = keep(e, e->last_id + 1, clock_wall_ns(e->clock), buf_view(&text), why);
    buf_free(&text);
    return r;
}

static int load(struct events *e, struct error *why) {
    struct buf content;
    // What was written before a rewrite can be twice the capacity, which may have been larger.
    size_t most = (2 * e->capacity + 1) * FILE_LINE_MAX;
    buf_init(&content, most > FILE_BYTES_MAX ? most : FILE_BYTES_MAX);
    int r = file_read(&content, e->path, why);
    if (r == ERR_NOT_FOUND) {
        buf_free(&content);
        return 0;
    }
    if (r == 0) r = load_lines(e, buf_view(&content), why);
    if (r == 0 && e->damaged && !e->count) r = error_set(why, ERR_SYNTAX, "it holds no event");
    if (r == 0 && e->damaged) r = tell_of_damage(e, why);
    buf_free(&content);
    return r == 0 ? 0 : error_wrap(why, "event log %s", e->path);
}

static void write_line(struct buf *out, const struct event *event) {
    event_write_json(out, event, true);
    buf_append_byte(out, '\n');
}

// What could not be read stays beside the file that takes its place.
static int set_aside(struct events *e, struct error *why) {
    char beside[PATH_MAX];
    beside_path(beside, e);
    if ((unlink(beside) != 0 && errno != ENOENT) || link(e->path, beside) != 0) {
        return error_set_os(why, ERR_IO, errno, "cannot make %s", beside);
    }
    e->damaged = 0;
    return 0;
}

int events_rewrite(struct events *e, struct error *why) {
    struct buf all;
    if (!e->path) return 0;
    if (e->damaged && set_aside(e, why) != 0) return ERR_IO;
    buf_init(&all, 0);
    for (size_t i = 0; i < e->count; i++) {
        struct event event = event_of(kept_at(e, i));
        write_line(&all, &event);
    }
    int r = buf_check(&all, why);
    if (r == 0) r = file_write_atomic(e->path, buf_view(&all), NULL, why);
    buf_free(&all);
    if (r != 0) return r;
    int fd = open(e->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "cannot open %s", e->path);
    if (e->fd >= 0) (void)close(e->fd);
    e->fd = fd;
    e->file_lines = e->count;
    e->unsynced = false;
    return 0;
}

static int sync_file(struct events *e, struct error *why) {
    e->unsynced = e->deferred;
    if (e->deferred || fdatasync(e->fd) == 0) return 0;
    return error_set_os(why, ERR_IO, errno, "cannot write %s", e->path);
}

static int append(struct events *e, const struct event *event, struct error *why) {
    if (e->file_lines >= 2 * e->capacity) return events_rewrite(e, why); // holds the new one too
    struct buf line;
    buf_init(&line, 0);
    write_line(&line, event);
    int r = buf_check(&line, why);
    if (r == 0) r = file_write_all(e->fd, buf_view(&line), why);
    buf_free(&line);
    e->file_lines++;
    // Half a line may be there: the next event begins the file anew instead of going on in it.
    if (r != 0) e->file_lines = SIZE_MAX;
    return r == 0 ? sync_file(e, why) : r;
}

// Interface

int events_open(struct events **ret, size_t capacity, const char *path, const struct clock *clock,
                struct error *why) {
    struct events *e = calloc(1, sizeof *e);
    if (!e) return error_set(why, ERR_NO_MEMORY, "no memory for the event log");
    e->clock = clock;
    e->capacity = capacity;
    e->fd = -1;
    list_init(&e->followers);
    e->ring = calloc(capacity, sizeof *e->ring);
    if (path && *path) e->path = strdup(path);
    int r = e->ring && (e->path || !path || !*path)
                ? 0
                : error_set(why, ERR_NO_MEMORY, "no memory for %zu events", capacity);
    e->file_lines = SIZE_MAX; // until the file is written anew
    if (r == 0 && e->path) r = load(e, why);
    if (r != 0) {
        events_close(e);
        return r;
    }
    *ret = e;
    return 0;
}

void events_close(struct events *e) {
    if (!e) return;
    while (e->count) {
        drop_oldest(e);
    }
    if (e->fd >= 0) (void)close(e->fd);
    free(e->ring);
    free(e->path);
    free(e);
}

int events_add(struct events *e, struct bytes message, struct error *why) {
    message = bytes_slice(message, 0, EVENT_TEXT_MAX);
    int r = keep(e, e->last_id + 1, clock_wall_ns(e->clock), message, why);
    if (r != 0) return r;
    struct event event = event_of(kept_at(e, e->count - 1));
    if (e->path) r = append(e, &event, why);
    list_each_safe(node, &e->followers) {
        struct events_follower *f = LIST_ENTRY(node, struct events_follower, link);
        f->added(f, &event);
    }
    return r;
}

int events_defer_sync(struct events *e, bool defer, struct error *why) {
    e->deferred = defer;
    return !defer && e->unsynced && e->fd >= 0 ? sync_file(e, why) : 0;
}

void events_resize(struct events *e, size_t capacity) {
    if (capacity == e->capacity) return;
    struct kept *ring = calloc(capacity, sizeof *ring);
    if (!ring) return; // the old size goes on
    while (e->count > capacity) {
        drop_oldest(e);
    }
    for (size_t i = 0; i < e->count; i++) {
        ring[i] = *kept_at(e, i);
    }
    free(e->ring);
    e->ring = ring;
    e->first = 0;
    e->capacity = capacity;
}

bool events_after(const struct events *e, uint64_t id, struct event *ret) {
    size_t low = 0, high = e->count; // ids rise, but a write that failed can leave a gap in them
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (kept_at(e, middle)->id > id) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if (low == e->count) return false;
    *ret = event_of(kept_at(e, low));
    return true;
}

uint64_t events_last_id(const struct events *e) {
    return e->last_id;
}

void events_follow(struct events *e, struct events_follower *f) {
    list_push_back(&e->followers, &f->link);
}

void events_unfollow(struct events_follower *f) {
    list_remove(&f->link);
}
