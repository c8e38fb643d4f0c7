/* SPDX-License-Identifier: MIT */
#include "evm_tool/runner.h"

#include "base/clock.h"
#include "json/json.h"
#include "json/write.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define QUEUE_ROOM 16
#define CODE_BYTES_KEPT (64u << 20)
#define PROGRESS_TERMINAL_NS 100000000u
#define PROGRESS_LINE_NS 10000000000u // where each is a line that stays
#define STACK_BYTES (16u << 20)       // nested calls live on the thread's stack

/* Workbenches. */

int workbench_init(struct workbench *w, const struct report_sink *sink, struct error *why) {
    *w = (struct workbench){.sink = sink, .fork = -1};
    arena_init(&w->arena, 0);
    memory_state_init(&w->memory);
    w->codes = evm_code_cache_new();
    int r = w->codes ? 0 : error_set(why, ERR_NO_MEMORY, "no memory for a workbench");
    if (r == 0) r = precompiles_new(&w->precompiles, why);
    if (r == 0) r = ecdsa_signer_new(&w->signer, why);
    if (r == 0) r = evm_init(&w->vm, w->codes, w->precompiles, why);
    if (r == 0) r = state_init(&w->state, memory_state_reader(&w->memory), w->codes, why);
    if (r != 0) workbench_free(w);
    return r;
}

void workbench_free(struct workbench *w) {
    state_free(&w->state);
    evm_free(&w->vm);
    ecdsa_signer_free(w->signer);
    precompiles_free(w->precompiles);
    evm_code_cache_free(w->codes);
    memory_state_free(&w->memory);
    arena_free(&w->arena);
}

void workbench_report(struct workbench *w, enum verdict verdict, const char *name, const char *text,
                      ...) {
    char line[512];
    va_list args;
    va_start(args, text);
    (void)vsnprintf(line, sizeof line, text, args);
    va_end(args);
    if (w->lock) (void)pthread_mutex_lock(w->lock);
    w->sink->report(w->sink->arg, verdict, w->file, name, line);
    if (w->lock) (void)pthread_mutex_unlock(w->lock);
}

bool workbench_wants(const struct workbench *w, const char *name) {
    return !w->filter || strstr(name, w->filter);
}

const struct json *workbench_parse(struct workbench *w, struct bytes content) {
    const struct json *doc;
    struct error why = {0};
    struct json_limits limits = {JSON_BYTES_MAX, JSON_DEPTH_MAX, JSON_VALUES_MAX, true};
    if (json_parse(&doc, content, &w->arena, &limits, &why) == 0) return doc;
    workbench_report(w, VERDICT_FAILED, "-", "is not JSON: %s", why.text);
    return NULL;
}

void workbench_begin_file(struct workbench *w, const char *name) {
    w->file = name;
}

void workbench_end_file(struct workbench *w) {
    w->file = NULL;
    arena_reset(&w->arena);
    // Test files have code of their own: what is kept would only grow.
    state_reset(&w->state, memory_state_reader(&w->memory));
    evm_code_cache_trim(w->codes, CODE_BYTES_KEPT);
}

/* The queue of files. */

struct job {
    char *name;
    uint8_t *content;
    size_t n;
};

struct runner {
    const struct runner_options *o;
    run_file *run;
    const char *path;     // that is walked now
    pthread_mutex_t lock; // guards the queue
    pthread_cond_t filled, drained;
    struct job queue[QUEUE_ROOM];
    unsigned head, count;
    bool closed;

    pthread_mutex_t report_lock; // guards what follows, and standard output
    unsigned tally[3];
    bool terminal; // standard error is one
    uint64_t progress_ns, shown_ns;
};

static void report(void *arg, enum verdict verdict, const char *file, const char *name,
                   const char *text) {
    struct runner *r = arg;
    static const char *const words[] = {"passed", "FAILED", "skipped"};
    r->tally[verdict]++;
    if (r->o->json) {
        struct buf line;
        struct json_writer j;
        buf_init(&line, 0);
        json_writer_init(&j, &line, 0);
        json_begin_object(&j, NULL);
        json_add_str(&j, "name", name);
        json_add_str(&j, "file", file);
        json_add_bool(&j, "pass", verdict == VERDICT_PASSED);
        if (verdict == VERDICT_SKIPPED) json_add_bool(&j, "skipped", true);
        if (verdict != VERDICT_PASSED) json_add_str(&j, "error", text);
        json_end(&j);
        printf("%.*s\n", (int)line.n, (const char *)line.p);
        buf_free(&line);
    } else if (verdict == VERDICT_FAILED || (verdict == VERDICT_SKIPPED && r->o->verbose)) {
        if (r->terminal) (void)fputs("\r\033[K", stderr);
        printf("%s %s [%s]: %s\n", words[verdict], file, name, text);
    }
    uint64_t now = clock_monotonic_ns(&clock_system);
    if (now - r->shown_ns < r->progress_ns) return;
    r->shown_ns = now;
    (void)fprintf(stderr, "%s%u passed, %u failed, %u skipped  %.100s%s",
                  r->terminal ? "\r\033[K" : "", r->tally[0], r->tally[1], r->tally[2], file,
                  r->terminal ? "" : "\n");
}

static bool wanted(const struct runner *r, const char *name) {
    static const char *const endings[] = {".json", ".json.gz", ".json.zst"};
    size_t n = strlen(name);
    bool any = strcmp(name, r->path) == 0; // a file that was named is meant
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t m = strlen(endings[i]);
        any |= n > m && strcmp(name + n - m, endings[i]) == 0;
    }
    return any;
}

static bool enqueue(void *arg, const char *name, struct bytes content) {
    struct runner *r = arg;
    if (!wanted(r, name)) return true;
    struct job job = {strdup(name), malloc(content.n + 1), content.n};
    if (!job.name || !job.content) {
        free(job.name);
        free(job.content);
        (void)fputs("no memory for a file\n", stderr);
        return false;
    }
    if (content.n) memcpy(job.content, content.p, content.n);
    (void)pthread_mutex_lock(&r->lock);
    while (r->count == QUEUE_ROOM) {
        (void)pthread_cond_wait(&r->drained, &r->lock);
    }
    r->queue[(r->head + r->count++) % QUEUE_ROOM] = job;
    (void)pthread_cond_signal(&r->filled);
    (void)pthread_mutex_unlock(&r->lock);
    return true;
}

static bool report_file(struct runner *r, enum verdict verdict, const char *name,
                        const char *reason) {
    (void)pthread_mutex_lock(&r->report_lock);
    report(r, verdict, name, "-", reason);
    (void)pthread_mutex_unlock(&r->report_lock);
    return true;
}
static bool unreadable(void *arg, const char *name, const char *reason) {
    return report_file(arg, VERDICT_FAILED, name, reason);
}
static bool skipped(void *arg, const char *name, const char *reason) {
    return report_file(arg, VERDICT_SKIPPED, name, reason);
}

static bool dequeue(struct runner *r, struct job *ret) {
    (void)pthread_mutex_lock(&r->lock);
    while (r->count == 0 && !r->closed) {
        (void)pthread_cond_wait(&r->filled, &r->lock);
    }
    bool any = r->count > 0;
    if (any) {
        *ret = r->queue[r->head];
        r->head = (r->head + 1) % QUEUE_ROOM;
        r->count--;
        (void)pthread_cond_signal(&r->drained);
    }
    (void)pthread_mutex_unlock(&r->lock);
    return any;
}

static void *work(void *arg) {
    struct runner *r = arg;
    struct report_sink sink = {r, report};
    struct workbench w;
    struct error why = {0};
    struct job job;
    bool ready = workbench_init(&w, &sink, &why) == 0;
    if (ready) {
        w.lock = &r->report_lock;
        w.fork = r->o->fork;
        w.filter = r->o->filter;
    }
    while (dequeue(r, &job)) {
        if (ready) {
            workbench_begin_file(&w, job.name);
            r->run(&w, (struct bytes){job.content, job.n});
            workbench_end_file(&w);
        } else {
            (void)unreadable(r, job.name, why.text);
        }
        free(job.name);
        free(job.content);
    }
    if (ready) workbench_free(&w);
    return NULL;
}

static void close_queue(struct runner *r) {
    (void)pthread_mutex_lock(&r->lock);
    r->closed = true;
    (void)pthread_cond_broadcast(&r->filled);
    (void)pthread_mutex_unlock(&r->lock);
}

int runner_run(const struct runner_options *o, run_file *run) {
    struct runner r = {.o = o,
                       .run = run,
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .filled = PTHREAD_COND_INITIALIZER,
                       .drained = PTHREAD_COND_INITIALIZER,
                       .report_lock = PTHREAD_MUTEX_INITIALIZER,
                       .terminal = isatty(STDERR_FILENO) == 1,
                       .shown_ns = clock_monotonic_ns(&clock_system)};
    r.progress_ns = o->progress_ns ? o->progress_ns
                    : r.terminal   ? PROGRESS_TERMINAL_NS
                                   : PROGRESS_LINE_NS;
    pthread_t threads[64];
    unsigned started = 0, jobs = o->jobs < 64 ? o->jobs : 64;
    pthread_attr_t attributes;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    while (started < jobs && pthread_create(&threads[started], &attributes, work, &r) == 0) {
        started++;
    }
    (void)pthread_attr_destroy(&attributes);
    if (started == 0) {
        (void)fputs("no thread could be started\n", stderr);
        return 71;
    }
    struct walk_visitor visitor = {&r, enqueue, unreadable, skipped};
    for (size_t i = 0; i < o->path_count; i++) {
        r.path = o->paths[i];
        if (!walk_path(r.path, &visitor)) break;
    }
    close_queue(&r);
    for (unsigned i = 0; i < started; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    if (r.terminal) (void)fputs("\r\033[K", stderr);
    if (r.tally[0] + r.tally[1] + r.tally[2] == 0) (void)fputs("no case was found\n", stderr);
    printf("%u passed, %u failed, %u skipped\n", r.tally[0], r.tally[1], r.tally[2]);
    return r.tally[1] > 0 || r.tally[0] + r.tally[2] == 0 ? 1 : 0;
}
