/* Events from a FIFO: one a line.
 *
 * The FIFO is opened for reading and writing, so that there always is a writer and the reader never
 * sees an end: no spinning, and a line that a writer left without its newline is kept until more
 * comes or FIFO_LINE_WAIT has passed.
 *
 * SPDX-License-Identifier: MIT */
#include "system_api/api.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIFO_LINE_WAIT_NS (1 * NS_PER_S)
#define FIFO_READ_MAX 65536

struct fifo {
    struct api *api;
    struct loop_fd watch;
    struct loop_timer line_timer; // for a line without its newline
    bool skipping;                // the rest of a line that was too long
    size_t n;
    uint8_t line[EVENT_TEXT_MAX];
};

static void add_line(struct fifo *f) {
    struct bytes line = {f->line, f->n};
    f->n = 0;
    f->skipping = false;
    log_info(f->api->log, "pipe_event", F_BYTES("message", line));
    (void)api_keep_event(f->api, line);
}

static void take(struct fifo *f, struct bytes in) {
    while (in.n) {
        const uint8_t *newline = memchr(in.p, '\n', in.n);
        size_t n = newline ? (size_t)(newline - in.p) : in.n;
        size_t room = sizeof f->line - f->n, kept = n < room ? n : room;
        if (!f->skipping) {
            memcpy(f->line + f->n, in.p, kept);
            f->n += kept;
            f->skipping = kept < n; // the event is cut, its rest dropped
        }
        if (newline) add_line(f);
        in = bytes_slice(in, n + (newline ? 1 : 0), SIZE_MAX);
    }
}

static void line_late(struct loop_timer *timer) {
    struct fifo *f = LIST_ENTRY(timer, struct fifo, line_timer);
    if (f->n) add_line(f);
}

// Takes what the FIFO holds, at most `reads` pieces of it.
static void take_all(struct fifo *f, unsigned reads) {
    struct error why;
    uint8_t in[FIFO_READ_MAX];
    ssize_t n;
    // Nobody waits for these: one sync for all of them.
    (void)events_defer_sync(f->api->events, true, NULL);
    while (reads-- && (n = read(f->watch.fd, in, sizeof in)) > 0) {
        take(f, bytes_make(in, (size_t)n));
    }
    if (events_defer_sync(f->api->events, false, &why) != 0) {
        log_error(f->api->log, "event_not_kept", F_ERR(&why));
    }
}

static void ready(struct loop_fd *watch, unsigned events) {
    (void)events;
    struct fifo *f = LIST_ENTRY(watch, struct fifo, watch);
    take_all(f, 1);
    if (!f->n) return;
    uint64_t due = loop_now_ns(f->api->loop) + FIFO_LINE_WAIT_NS;
    if (loop_timer_set(f->api->loop, &f->line_timer, due, NULL) != 0) add_line(f);
}

int fifo_open(struct fifo **ret, struct api *a, const char *path, struct error *why) {
    struct stat st;
    if (mkfifo(path, 0666) != 0 && errno != EEXIST) {
        return error_set_os(why, ERR_IO, errno, "cannot make the FIFO %s", path);
    }
    if (stat(path, &st) != 0 || !S_ISFIFO(st.st_mode)) {
        return error_set(why, ERR_CONFLICT, "%s is there and is not a FIFO", path);
    }
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return error_set_os(why, ERR_IO, errno, "cannot open the FIFO %s", path);
    struct fifo *f = calloc(1, sizeof *f);
    if (!f) {
        (void)close(fd);
        return error_set(why, ERR_NO_MEMORY, "no memory for the FIFO");
    }
    f->api = a;
    f->watch = (struct loop_fd){fd, LOOP_READ, ready};
    f->line_timer.fire = line_late;
    int r = loop_fd_add(a->loop, &f->watch, why);
    if (r != 0) {
        (void)close(fd);
        free(f);
        return r;
    }
    *ret = f;
    return 0;
}

void fifo_close(struct fifo *f) {
    if (!f) return;
    take_all(f, 64); // what came last is kept
    if (f->n) add_line(f);
    loop_timer_clear(f->api->loop, &f->line_timer);
    loop_fd_remove(f->api->loop, &f->watch);
    (void)close(f->watch.fd);
    free(f);
}
