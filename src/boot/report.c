/* SPDX-License-Identifier: MIT */
#include "boot/report.h"

#include "base/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 512
#define RETRY_NS (200 * NS_PER_MS)

struct stage {
    enum stage_state state;
    uint64_t begun_ns, took_ns;
    uint64_t tries; // failures so far
    struct error why;
};

struct report {
    struct report_options o;
    struct stage stages[STAGE_COUNT];
    struct metric *seconds[STAGE_COUNT];
    struct loop_timer retry;
    char lines[REPORT_LINES_MAX][LINE_MAX_BYTES];
    size_t first, waiting; // a ring
};

// Not the loop's time, which stands still while a stage works.
static uint64_t now_ns(const struct report *r) {
    return clock_monotonic_ns(loop_clock(r->o.loop));
}

static const char *const names[STAGE_COUNT] = {"hub", "configuration", "render", "credentials",
                                               "peers"};
static const char *const state_names[] = {"waiting", "begun", "done", "failed"};

static const struct metric_desc seconds_desc = {
    .name = "boot_stage_seconds",
    .type = METRIC_GAUGE,
    .help = "Time from a stage's begin to its end.",
    .labels = "stage",
};

const char *boot_stage_name(enum boot_stage stage) {
    return names[stage];
}

// Writes what waits; false: nobody reads, or the pipe is full.
static bool write_lines(struct report *r) {
    struct stat st;
    int fd = open(r->o.fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return false; // no FIFO, or no reader
    bool ok = fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
    while (ok && r->waiting) {
        const char *line = r->lines[r->first];
        size_t n = strlen(line);
        ok = write(fd, line, n) == (ssize_t)n; // short lines are written whole or not at all
        if (!ok) break;
        r->first = (r->first + 1) % REPORT_LINES_MAX;
        r->waiting--;
    }
    (void)close(fd);
    return ok;
}

static void flush(struct report *r) {
    if (!r->o.fifo || !*r->o.fifo || r->waiting == 0 || write_lines(r)) return;
    if (loop_timer_set(r->o.loop, &r->retry, loop_now_ns(r->o.loop) + RETRY_NS, NULL) < 0) {
        log_warn(r->o.log, "fifo_lines_wait");
    }
}

static void on_retry(struct loop_timer *t) {
    flush(LIST_ENTRY(t, struct report, retry));
}

[[gnu::format(printf, 2, 0)]] static void add_line(struct report *r, const char *text,
                                                   va_list args) {
    if (r->waiting == REPORT_LINES_MAX) {
        r->first = (r->first + 1) % REPORT_LINES_MAX;
        r->waiting--;
    }
    char *line = r->lines[(r->first + r->waiting++) % REPORT_LINES_MAX];
    int n = snprintf(line, LINE_MAX_BYTES, "boot: ");
    int m = vsnprintf(line + n, LINE_MAX_BYTES - (size_t)n - 1, text, args);
    size_t end = (size_t)n + (m < 0 ? 0 : (size_t)m);
    if (end > LINE_MAX_BYTES - 2) end = LINE_MAX_BYTES - 2;
    for (size_t i = 0; i < end; i++) {
        if (line[i] == '\n' || line[i] == '\r') line[i] = ' ';
    }
    line[end] = '\n';
    line[end + 1] = '\0';
    flush(r);
}

[[gnu::format(printf, 2, 3)]] static void tell(struct report *r, const char *text, ...) {
    va_list args;
    va_start(args, text);
    add_line(r, text, args);
    va_end(args);
}

void report_say(struct report *r, const char *text, ...) {
    char note[LINE_MAX_BYTES];
    va_list args, again;
    va_start(args, text);
    va_copy(again, args);
    (void)vsnprintf(note, sizeof note, text, args);
    add_line(r, text, again);
    va_end(again);
    va_end(args);
    log_info(r->o.log, "boot_note", F_STR("note", note));
}

void report_begin(struct report *r, enum boot_stage stage) {
    struct stage *s = &r->stages[stage];
    if (s->state != STAGE_WAITING) return;
    s->state = STAGE_BEGUN;
    s->begun_ns = now_ns(r);
    log_info(r->o.log, "boot_stage_begun", F_STR("stage", names[stage]));
    tell(r, "%s begun", names[stage]);
}

void report_done(struct report *r, enum boot_stage stage) {
    struct stage *s = &r->stages[stage];
    report_begin(r, stage);
    if (s->state == STAGE_DONE) return;
    s->state = STAGE_DONE;
    if (!s->took_ns) s->took_ns = now_ns(r) - s->begun_ns + 1;
    metric_set(r->seconds[stage], (double)s->took_ns * 1e-9);
    log_info(r->o.log, "boot_stage_done", F_STR("stage", names[stage]),
             F_DURATION("duration", s->took_ns));
    tell(r, "%s done in %llu.%03llu s", names[stage], (unsigned long long)(s->took_ns / NS_PER_S),
         (unsigned long long)(s->took_ns / NS_PER_MS % 1000));
}

void report_fail(struct report *r, enum boot_stage stage, const struct error *why) {
    struct stage *s = &r->stages[stage];
    report_begin(r, stage);
    bool news = s->state != STAGE_FAILED || strcmp(s->why.text, why->text) != 0;
    s->state = STAGE_FAILED;
    s->why = *why;
    s->tries++;
    if (!news) return;
    log_warn(r->o.log, "boot_stage_failed", F_STR("stage", names[stage]), F_ERR(why));
    tell(r, "%s failed: %s", names[stage], why->text);
}

bool report_ready(const struct report *r, struct error *why) {
    for (unsigned i = 0; i < STAGE_COUNT; i++) {
        const struct stage *s = &r->stages[i];
        if (s->state == STAGE_DONE) continue;
        (void)error_set(why, ERR_BUSY, "stage %s: %s%s%s", names[i], state_names[s->state],
                        s->state == STAGE_FAILED ? ": " : "",
                        s->state == STAGE_FAILED ? s->why.text : "");
        return false;
    }
    return true;
}

void report_write(const struct report *r, struct json_writer *w) {
    uint64_t now = now_ns(r);
    json_begin_array(w, "stages");
    for (unsigned i = 0; i < STAGE_COUNT; i++) {
        const struct stage *s = &r->stages[i];
        uint64_t took = s->took_ns ? s->took_ns : s->begun_ns ? now - s->begun_ns : 0;
        json_begin_object(w, NULL);
        json_add_str(w, "name", names[i]);
        json_add_str(w, "state", state_names[s->state]);
        json_add_double(w, "ms", (double)took / 1e6);
        json_add_u64(w, "tries", s->tries);
        json_add_str(w, "error", s->state == STAGE_FAILED ? s->why.text : NULL);
        json_end(w);
    }
    json_end(w);
}

int report_new(struct report **ret, const struct report_options *o, struct error *why) {
    struct report *r = calloc(1, sizeof *r);
    *ret = r;
    if (!r) return error_set(why, ERR_NO_MEMORY, "no memory for the report");
    r->o = *o;
    r->retry.fire = on_retry;
    for (unsigned i = 0; i < STAGE_COUNT; i++) {
        r->seconds[i] = metrics_get(o->metrics, &seconds_desc, (const char *[]){names[i]});
    }
    return 0;
}

void report_free(struct report *r) {
    if (!r) return;
    if (r->o.fifo && *r->o.fifo && r->waiting) (void)write_lines(r);
    loop_timer_clear(r->o.loop, &r->retry);
    free(r);
}
