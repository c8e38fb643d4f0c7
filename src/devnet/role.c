/* SPDX-License-Identifier: MIT */
#include "devnet/role.h"

#include "base/list.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROLES_MAX 256
#define ASK_STARTING_NS (10 * NS_PER_MS)
#define ASK_READY_NS (500 * NS_PER_MS)
#define ANSWER_NS (2 * NS_PER_S)
#define TERM_NS (5 * NS_PER_S)
#define RESTART_NS (200 * NS_PER_MS)
#define CPU_WINDOW_NS NS_PER_S /* the kernel counts in ticks of 10 ms */
#define SILENT_MAX 3 /* health questions without an answer before a role counts as unready */

struct roles {
    struct roles_options o;
    struct role *roles[ROLES_MAX];
    size_t count;
    bool stopping;
    void (*stopped)(void *context);
    void *stopped_context;
    struct loop_task step;
};

static const char *const state_names[] = {"waiting", "starting", "ready", "unready",
                                          "paused",  "stopped",  "failed"};

const char *role_state_name(enum role_state state) {
    return state_names[state];
}

bool role_runs(const struct role *r) {
    return r->process.pid > 0;
}

static void set_state(struct role *r, enum role_state state) {
    enum role_state before = r->state;
    if (before == state) return;
    r->state = state;
    log_info(r->owner->o.log, "role_state", F_STR("role", r->name),
             F_STR("state", role_state_name(state)), F_STR("before", role_state_name(before)));
    if (r->owner->o.changed) r->owner->o.changed(r->owner->o.context, r, before);
    loop_defer(r->owner->o.loop, &r->owner->step);
}

static void fail(struct role *r, const struct error *why) {
    r->why = *why;
    log_error(r->owner->o.log, "role_failed", F_STR("role", r->name), F_ERR(why));
    set_state(r, ROLE_FAILED);
}

static void arm(struct role *r, uint64_t wait_ns) {
    struct loop *l = r->owner->o.loop;
    struct error why;
    if (loop_timer_set(l, &r->timer, loop_now_ns(l) + wait_ns, &why) < 0) fail(r, &why);
}

const char *role_folder(const struct role *r) {
    return r->owner->o.folder;
}

void role_log_path(char *ret, size_t size, const struct role *r) {
    (void)snprintf(ret, size, "%s/logs/%s.log", r->owner->o.folder, r->name);
}

// Health

static void stop_asking(struct role *r) {
    if (r->asking) call_cancel(r->asking);
    r->asking = NULL;
}

static void answered(struct role *r, bool good, const char *reason) {
    uint64_t now = loop_now_ns(r->owner->o.loop);
    r->asking = NULL;
    if (good) {
        r->silent = 0;
        if (r->state == ROLE_STARTING) r->ready_ns = now - r->started_ns;
        if (r->state == ROLE_STARTING || r->state == ROLE_UNREADY) {
            r->why = (struct error){.code = 0};
            set_state(r, ROLE_READY);
        }
    } else {
        r->silent++;
        (void)error_set(&r->why, ERR_BUSY, "%s", reason);
        if (r->state == ROLE_READY && r->silent >= SILENT_MAX) set_state(r, ROLE_UNREADY);
        if (r->state == ROLE_STARTING && now - r->started_ns > r->owner->o.start_limit_ns) {
            // It stays: what it waits for may come. But whoever looks is told.
            log_warn(r->owner->o.log, "role_late", F_STR("role", r->name), F_STR("reason", reason));
            set_state(r, ROLE_UNREADY);
        }
    }
    arm(r, r->state == ROLE_STARTING ? ASK_STARTING_NS : ASK_READY_NS);
}

static void on_health_head(struct client_call *k, void *context, const struct http_response *h) {
    (void)k;
    ((struct role *)context)->status = h->status;
}

// The body of /readyz is the reason.
static void on_health_body(struct client_call *k, void *context, struct bytes in) {
    struct role *r = context;
    (void)k;
    if (r->status == 200 || r->state == ROLE_READY) return;
    while (in.n && (in.p[in.n - 1] == '\n' || in.p[in.n - 1] == ' '))
        in.n--;
    (void)error_set(&r->why, ERR_BUSY, "%.*s", (int)(in.n < 160 ? in.n : 160), (const char *)in.p);
}

static void on_health_end(struct client_call *k, void *context) {
    struct role *r = context;
    char reason[ERROR_TEXT_MAX];
    (void)k;
    if (r->why.code != 0) {
        (void)snprintf(reason, sizeof reason, "%s", r->why.text);
    } else {
        (void)snprintf(reason, sizeof reason, "%s answers %u", r->health_path, r->status);
    }
    answered(r, r->status == 200, reason);
}

static void on_health_failed(struct client_call *k, void *context, const struct error *why) {
    (void)k;
    answered(context, false, why->text);
}

static void ask(struct role *r) {
    static const struct client_events events = {.response = on_health_head,
                                                .body = on_health_body,
                                                .end = on_health_end,
                                                .failed = on_health_failed};
    struct error why;
    if (r->healthy) {
        bool good = r->healthy(r, &why) == 0;
        answered(r, good, good ? NULL : why.text);
        return;
    }
    if (!r->health_url) {
        answered(r, true, NULL);
        loop_timer_clear(r->owner->o.loop, &r->timer);
        return;
    }
    const struct client_options o = {
        .url = r->health_url, .connections = 1, .connect_ns = ANSWER_NS, .response_ns = ANSWER_NS};
    const struct http_request q = {.method = HTTP_GET,
                                   .method_text = BYTES_LIT("GET"),
                                   .path = bytes_from_str(r->health_path)};
    int code = r->health ? 0 : client_new(&r->health, r->owner->o.loop, &o, &why);
    if (code == 0) {
        code = client_start(&r->asking, r->health, &q, (struct bytes){NULL, 0}, false, &events, r,
                            &why);
    }
    if (code < 0) answered(r, false, why.text);
}

// Running

static void reap(struct role *r);

static void on_ended(struct loop_fd *w, unsigned what) {
    (void)what;
    reap(LIST_ENTRY(w, struct role, watch));
}

static void on_timer(struct loop_timer *t) {
    struct role *r = LIST_ENTRY(t, struct role, timer);
    if (!r->wanted && role_runs(r)) {
        process_signal(&r->process, SIGKILL); // asked to end long ago
        return;
    }
    if (!role_runs(r)) {
        loop_defer(r->owner->o.loop, &r->owner->step);
        return;
    }
    if (r->state != ROLE_PAUSED) ask(r);
}

static int open_log(const struct role *r, struct error *why) {
    char path[PATH_MAX];
    role_log_path(path, sizeof path, r);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) (void)error_set_os(why, ERR_IO, errno, "%s", path);
    return fd;
}

static void launch(struct role *r) {
    struct roles *s = r->owner;
    const char *environment[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
        r->environment, NULL};
    struct error why;
    int r_code = r->prepare ? r->prepare(r, r->context, &why) : 0;
    int fd = r_code == 0 ? open_log(r, &why) : -1;
    if (fd < 0) {
        r->wanted = false;
        fail(r, &why);
        return;
    }
    const struct process_options o = {.argv = r->argv,
                                      .environment = environment,
                                      .folder = s->o.folder,
                                      .output_fd = fd,
                                      .netns_fd = r->netns_fd,
                                      .die_with_parent = true};
    r->argv[r->argc] = NULL;
    r_code = process_start(&r->process, &o, &why);
    (void)close(fd);
    if (r_code == 0) {
        r->watch = (struct loop_fd){r->process.pidfd, LOOP_READ, on_ended};
        r_code = loop_fd_add(s->o.loop, &r->watch, &why);
        if (r_code < 0) process_free(&r->process);
    }
    if (r_code < 0) {
        r->wanted = false;
        fail(r, &why);
        return;
    }
    r->starts++;
    r->silent = 0;
    r->started_ns = loop_now_ns(s->o.loop);
    r->cpu_ns = 0;
    r->cpu_share = 0;
    r->cpu_at_ns = r->started_ns;
    if (s->o.process) s->o.process(s->o.context, r, r->process.pid);
    set_state(r, ROLE_STARTING);
    arm(r, ASK_STARTING_NS);
}

static void check_stopped(struct roles *s) {
    if (!s->stopping || !s->stopped) return;
    for (size_t i = 0; i < s->count; i++) {
        if (role_runs(s->roles[i])) return;
    }
    void (*stopped)(void *context) = s->stopped;
    s->stopped = NULL;
    stopped(s->stopped_context);
}

// The last line of the log tells more than an exit status.
static void last_line(const struct role *r, char *ret, size_t size) {
    char path[PATH_MAX], text[1024];
    role_log_path(path, sizeof path, r);
    *ret = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    off_t length = lseek(fd, 0, SEEK_END);
    off_t from = length > (off_t)sizeof text - 1 ? length - (off_t)sizeof text + 1 : 0;
    ssize_t n = pread(fd, text, sizeof text - 1, from);
    (void)close(fd);
    while (n > 0 && text[n - 1] == '\n')
        n--;
    if (n <= 0) return;
    text[n] = '\0';
    const char *newline = strrchr(text, '\n');
    (void)snprintf(ret, size, "%s", newline ? newline + 1 : text);
}

static void reap(struct role *r) {
    struct roles *s = r->owner;
    struct error why;
    char line[160];
    if (process_reap(&r->process, &why) < 0) return;
    loop_fd_remove(s->o.loop, &r->watch);
    loop_timer_clear(s->o.loop, &r->timer);
    stop_asking(r);
    client_free(r->health);
    r->health = NULL;
    if (s->o.process) s->o.process(s->o.context, r, 0);
    int status = r->process.exit_status, signal = r->process.signal;
    process_free(&r->process);
    r->process.pid = 0;
    if (!r->wanted || s->stopping || (r->may_end && status == 0)) {
        r->wanted = false;
        set_state(r, ROLE_STOPPED);
        if (r->again) role_start(r);
        check_stopped(s);
        return;
    }
    last_line(r, line, sizeof line);
    if (signal) {
        (void)error_set(&why, ERR_INTERNAL, "ended by signal %d; %s", signal, line);
    } else {
        (void)error_set(&why, ERR_INTERNAL, "ended with status %d; %s", status, line);
    }
    if (r->starts > s->o.restarts_max) {
        r->wanted = false;
        fail(r, &why);
        return;
    }
    r->why = why;
    log_warn(s->o.log, "role_ended", F_STR("role", r->name), F_ERR(&why));
    set_state(r, ROLE_WAITING);
    arm(r, RESTART_NS);
}

static bool needs_ready(const struct role *r) {
    for (size_t i = 0; i < r->need_count; i++) {
        const struct role *need = roles_find(r->owner, r->needs[i]);
        bool ended = need && need->starts && need->state == ROLE_STOPPED;
        bool ok = need && (need->may_end ? ended : need->state == ROLE_READY);
        // What runs already goes on when a need is lost; only a start waits.
        if (!ok) return false;
    }
    return true;
}

void roles_step(struct roles *s) {
    for (size_t i = 0; i < s->count && !s->stopping; i++) {
        struct role *r = s->roles[i];
        if (r->wanted && !r->held && !role_runs(r) && r->state == ROLE_WAITING &&
            !loop_timer_armed(&r->timer) && needs_ready(r)) {
            launch(r);
        }
    }
}

static void on_step(struct loop_task *t) {
    roles_step(LIST_ENTRY(t, struct roles, step));
}

// Requests

void role_start(struct role *r) {
    if (r->owner->stopping) return;
    r->again = role_runs(r) && !r->wanted;
    if (role_runs(r)) return;
    r->wanted = true;
    r->starts = 0;
    set_state(r, ROLE_WAITING);
    loop_defer(r->owner->o.loop, &r->owner->step);
}

void role_stop(struct role *r) {
    r->wanted = r->again = false;
    if (!role_runs(r)) {
        set_state(r, ROLE_STOPPED);
        return;
    }
    process_signal(&r->process, SIGCONT);
    if (!r->finishes) process_signal(&r->process, SIGTERM);
    stop_asking(r);
    arm(r, TERM_NS);
}

void role_kill(struct role *r) {
    r->starts = r->starts ? r->starts - 1 : 0; // a wanted end is no failure
    process_signal(&r->process, SIGKILL);
}

void role_pause(struct role *r) {
    if (!role_runs(r) || r->state == ROLE_PAUSED) return;
    process_signal(&r->process, SIGSTOP);
    stop_asking(r);
    set_state(r, ROLE_PAUSED);
}

void role_resume(struct role *r) {
    if (r->state != ROLE_PAUSED) return;
    process_signal(&r->process, SIGCONT);
    r->silent = 0;
    set_state(r, ROLE_UNREADY);
    arm(r, ASK_STARTING_NS);
}

void role_hold(struct role *r, bool held) {
    if (r->held == held) return;
    r->held = held;
    if (held) {
        role_stop(r);
    } else {
        role_start(r);
    }
}

void role_reload(struct role *r) {
    if (role_runs(r)) process_signal(&r->process, SIGHUP);
}

void roles_stop(struct roles *s, void (*done)(void *context), void *context) {
    s->stopping = true;
    s->stopped = done;
    s->stopped_context = context;
    for (size_t i = s->count; i-- > 0;) {
        if (role_runs(s->roles[i])) role_stop(s->roles[i]);
    }
    check_stopped(s);
}

// The set

int roles_new(struct roles **ret, const struct roles_options *o, struct error *why) {
    struct roles *s = calloc(1, sizeof *s);
    *ret = s;
    if (!s) return error_set(why, ERR_NO_MEMORY, "no memory for roles");
    s->o = *o;
    s->step.run = on_step;
    return 0;
}

void roles_free(struct roles *s) {
    if (!s) return;
    for (size_t i = s->count; i-- > 0;) {
        struct role *r = s->roles[i];
        loop_timer_clear(s->o.loop, &r->timer);
        stop_asking(r);
        client_free(r->health);
        if (role_runs(r)) {
            loop_fd_remove(s->o.loop, &r->watch);
            process_signal(&r->process, SIGKILL);
        }
        process_free(&r->process);
        free(r);
    }
    loop_undefer(s->o.loop, &s->step);
    free(s);
}

int roles_add(struct role **ret, struct roles *s, const struct role *what, struct error *why) {
    if (s->count == ROLES_MAX) return error_set(why, ERR_LIMIT, "more than %d roles", ROLES_MAX);
    if (roles_find(s, what->name)) {
        return error_set(why, ERR_CONFLICT, "there is a role %s already", what->name);
    }
    struct role *r = malloc(sizeof *r);
    if (!r) return error_set(why, ERR_NO_MEMORY, "no memory for a role");
    *r = *what;
    r->owner = s;
    r->wanted = true;
    r->state = ROLE_WAITING;
    r->timer.fire = on_timer;
    r->process = (struct process){.pidfd = -1, .out_fd = {-1, -1}};
    s->roles[s->count++] = r;
    *ret = r;
    loop_defer(s->o.loop, &s->step);
    return 0;
}

struct role *roles_find(const struct roles *s, const char *name) {
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->roles[i]->name, name) == 0) return s->roles[i];
    }
    return NULL;
}

size_t roles_count(const struct roles *s) {
    return s->count;
}

struct role *roles_at(const struct roles *s, size_t i) {
    return s->roles[i];
}

// Describing

bool role_arg(struct role *r, struct arena *a, const char *text, ...) {
    char word[4096];
    va_list args;
    va_start(args, text);
    int n = vsnprintf(word, sizeof word, text, args);
    va_end(args);
    char *kept =
        n >= 0 && (size_t)n < sizeof word ? arena_str(a, bytes_make(word, (size_t)n)) : NULL;
    if (!kept || r->argc == ROLE_ARGV_MAX - 1) return false;
    r->argv[r->argc++] = kept;
    return true;
}

bool role_need(struct role *r, const char *name) {
    if (r->need_count == ROLE_NEEDS_MAX) return false;
    r->needs[r->need_count++] = name;
    return true;
}

bool role_address(struct role *r, struct arena *a, const char *name, const char *scheme,
                  unsigned port) {
    char *url = arena_printf(a, "%s://127.0.0.1:%u", scheme, port);
    if (!url || r->address_count == ROLE_ADDRESSES_MAX) return false;
    r->addresses[r->address_count++] = (struct role_address){name, url};
    return true;
}

// utime and stime are the 14th and 15th number of the line, counted behind the name in brackets.
uint64_t role_sample(struct role *r) {
    char path[64], text[1024];
    unsigned long user, system;
    long pages;
    if (!role_runs(r)) return 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)r->process.pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    if (n <= 0) return 0;
    text[n] = '\0';
    const char *behind = strrchr(text, ')');
    // The kernel writes these numbers.
    if (!behind || sscanf(behind + 1, // NOLINT(cert-err34-c)
                          " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d "
                          "%*d %*d %*u %*u %ld",
                          &user, &system, &pages) != 3) {
        return 0;
    }
    uint64_t cpu = (uint64_t)(user + system) * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
    uint64_t now = loop_now_ns(r->owner->o.loop);
    if (now - r->cpu_at_ns >= CPU_WINDOW_NS) {
        r->cpu_share = (double)(cpu - r->cpu_ns) / (double)(now - r->cpu_at_ns);
        r->cpu_ns = cpu;
        r->cpu_at_ns = now;
    }
    return pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

void role_write(struct json_writer *w, struct role *r) {
    uint64_t now = loop_now_ns(r->owner->o.loop);
    uint64_t resident = role_sample(r);
    json_begin_object(w, NULL);
    json_add_str(w, "name", r->name);
    json_add_str(w, "program", r->program);
    json_add_str(w, "node", r->node);
    json_add_str(w, "state", role_state_name(r->state));
    json_add_u64(w, "pid", role_runs(r) ? (uint64_t)r->process.pid : 0);
    json_add_u64(w, "starts", r->starts);
    json_add_u64(w, "uptime_ms", role_runs(r) ? (now - r->started_ns) / NS_PER_MS : 0);
    json_add_double(w, "ready_after_ms", (double)r->ready_ns / 1e6);
    json_add_double(w, "cpu_percent", role_runs(r) ? (double)(int)(r->cpu_share * 1000) / 10 : 0);
    json_add_u64(w, "resident_bytes", resident);
    json_add_str(w, "reason", r->state != ROLE_READY && r->why.code ? r->why.text : NULL);
    json_begin_object(w, "addresses");
    for (size_t i = 0; i < r->address_count; i++) {
        json_add_str(w, r->addresses[i].name, r->addresses[i].url);
    }
    json_end(w);
    json_begin_array(w, "needs");
    for (size_t i = 0; i < r->need_count; i++) {
        json_add_str(w, NULL, r->needs[i]);
    }
    json_end(w);
    json_end(w);
}
