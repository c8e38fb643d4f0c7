/* The runner itself: takes names, runs what the configuration says they stand for.
 * SPDX-License-Identifier: MIT */
#include "base/list.h"
#include "base/process.h"
#include "system_api/runner_wire.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define GRACE_NS (5 * NS_PER_S) /* between SIGTERM and SIGKILL of a command that took too long */

struct child {
    int fd;
    struct loop *loop;
    struct loop_fd watch;
    struct log *log;
    struct settings settings;
    bool own_settings; // false: those of the program at the fork
    struct list runs;
};

/* A command that runs. */
struct run {
    struct list_node link;
    struct child *child;
    uint64_t id;
    char name[SETTINGS_NAME_MAX + 1]; // "" for a validator
    const char *argv[COMMAND_WORDS_MAX + 1];
    uint64_t timeout_ns;
    bool killed;
    struct process process;
    struct loop_fd end, out[2];
    struct loop_timer timer;
};

static void reply(const struct child *c, uint64_t id, const struct command_result *result) {
    static _Thread_local struct command_reply r; // 64 KiB: not for the stack
    memset(&r, 0, RUNNER_REPLY_HEAD);
    r.id = id;
    r.state = (int32_t)result->state;
    r.exit_status = result->exit_status;
    r.signal = result->signal;
    r.out_n = (uint32_t)result->out.n;
    r.err_n = (uint32_t)result->err.n;
    memcpy(r.error, result->error, sizeof r.error);
    if (r.out_n) memcpy(r.output, result->out.p, r.out_n);
    if (r.err_n) memcpy(r.output + r.out_n, result->err.p, r.err_n);
    size_t n = RUNNER_REPLY_HEAD + r.out_n + r.err_n;
    // The api reads all the time; if it does not, this waits for it.
    while (send(c->fd, &r, n, MSG_NOSIGNAL) < 0 && (errno == EINTR || errno == EAGAIN)) {
        if (errno == EAGAIN) (void)usleep(1000);
    }
}

[[gnu::format(printf, 3, 4)]] static void refuse(const struct child *c, uint64_t id,
                                                 const char *format, ...) {
    struct command_result result = {.state = RUN_FAILED, .exit_status = -1};
    va_list args;
    va_start(args, format);
    (void)vsnprintf(result.error, sizeof result.error, format, args);
    va_end(args);
    reply(c, id, &result);
}

static struct bytes tail(const struct buf *b, size_t n) {
    return bytes_slice(buf_view(b), b->n > n ? b->n - n : 0, n);
}

static void log_output(const struct run *run) {
    static const char *const stream[2] = {"stdout", "stderr"};
    for (int i = 0; i < 2; i++) {
        struct bytes text = tail(&run->process.out[i], LOG_VALUE_MAX);
        if (text.n) {
            log_info(run->child->log, "command_output", F_STR("action", run->name),
                     F_STR("stream", stream[i]), F_BYTES("text", text));
        }
    }
}

static void describe(struct command_result *result, const struct run *run) {
    const struct process *p = &run->process;
    result->exit_status = p->exit_status;
    result->signal = p->signal;
    result->out = buf_view(&p->out[0]);
    result->err = buf_view(&p->out[1]);
    if (run->killed) {
        result->state = RUN_TIMED_OUT;
        (void)snprintf(result->error, sizeof result->error, "time limit of %llu ms passed",
                       (unsigned long long)(run->timeout_ns / NS_PER_MS));
    } else if (p->exit_status == 0) {
        result->state = RUN_SUCCEEDED;
    } else if (p->signal) {
        result->state = RUN_FAILED;
        (void)snprintf(result->error, sizeof result->error, "signal: %s", strsignal(p->signal));
    } else {
        result->state = RUN_FAILED;
        (void)snprintf(result->error, sizeof result->error, "exit status %d", p->exit_status);
    }
}

static void run_free(struct run *run) {
    struct child *c = run->child;
    loop_timer_clear(c->loop, &run->timer);
    loop_fd_remove(c->loop, &run->end);
    for (int i = 0; i < 2; i++) {
        loop_fd_remove(c->loop, &run->out[i]);
    }
    list_remove(&run->link);
    process_free(&run->process);
    free(run);
}

static void end_ready(struct loop_fd *watch, unsigned events) {
    (void)events;
    struct run *run = LIST_ENTRY(watch, struct run, end);
    if (process_reap(&run->process, NULL) != 0) return;
    struct command_result result = {0};
    describe(&result, run);
    log_output(run);
    reply(run->child, run->id, &result);
    run_free(run);
}

static void read_output(struct run *run) {
    if (process_read(&run->process)) return;
    for (int i = 0; i < 2; i++) {
        loop_fd_remove(run->child->loop, &run->out[i]);
    }
}
static void out_ready(struct loop_fd *watch, unsigned events) {
    (void)events;
    read_output(LIST_ENTRY(watch, struct run, out[0]));
}
static void err_ready(struct loop_fd *watch, unsigned events) {
    (void)events;
    read_output(LIST_ENTRY(watch, struct run, out[1]));
}

static void too_long(struct loop_timer *timer) {
    struct run *run = LIST_ENTRY(timer, struct run, timer);
    process_signal(&run->process, run->killed ? SIGKILL : SIGTERM);
    if (!run->killed) {
        uint64_t due = loop_now_ns(run->child->loop) + GRACE_NS;
        if (loop_timer_set(run->child->loop, timer, due, NULL) != 0) {
            process_signal(&run->process, SIGKILL);
        }
    }
    run->killed = true;
}

// argv[0] as a path: names without a slash are looked up in PATH.
static bool find_program(char *ret, size_t size, const char *name) {
    if (strchr(name, '/')) return snprintf(ret, size, "%s", name) < (int)size;
    const char *path = getenv("PATH");
    if (!path || !*path) path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    while (*path) {
        size_t n = strcspn(path, ":");
        if (snprintf(ret, size, "%.*s/%s", (int)n, path, name) < (int)size &&
            access(ret, X_OK) == 0) {
            return true;
        }
        path += n + (path[n] == ':');
    }
    return false;
}

static int watch_run(struct run *run, struct error *why) {
    struct child *c = run->child;
    run->end = (struct loop_fd){run->process.pidfd, LOOP_READ, end_ready};
    run->out[0] = (struct loop_fd){run->process.out_fd[0], LOOP_READ, out_ready};
    run->out[1] = (struct loop_fd){run->process.out_fd[1], LOOP_READ, err_ready};
    run->timer.fire = too_long;
    int r = loop_fd_add(c->loop, &run->end, why);
    for (int i = 0; i < 2 && r == 0; i++) {
        r = loop_fd_add(c->loop, &run->out[i], why);
    }
    if (r == 0) {
        r = loop_timer_set(c->loop, &run->timer, loop_now_ns(c->loop) + run->timeout_ns, why);
    }
    return r;
}

// A path that means the same file from another folder: commands run in the root folder.
static bool make_absolute(char *ret, size_t size, const char *path) {
    char here[RUNNER_PATH_MAX];
    if (path[0] == '/') return snprintf(ret, size, "%s", path) < (int)size;
    return getcwd(here, sizeof here) && snprintf(ret, size, "%s/%s", here, path) < (int)size;
}

// Starts a command; `path` replaces the word {} in it.
static void start(struct child *c, const struct command_request *request,
                  const struct command *command, const char *path) {
    char program[RUNNER_PATH_MAX];
    if (!find_program(program, sizeof program, command->argv[0])) {
        refuse(c, request->id, "%.100s: no such program", command->argv[0]);
        return;
    }
    char file[RUNNER_PATH_MAX];
    if (path && !make_absolute(file, sizeof file, path)) {
        refuse(c, request->id, "%.100s: the path is too long", path);
        return;
    }
    struct run *run = calloc(1, sizeof *run);
    if (!run) {
        refuse(c, request->id, "no memory for a command");
        return;
    }
    run->child = c;
    run->id = request->id;
    run->timeout_ns = command->timeout_ns;
    if (!path) memcpy(run->name, request->name, sizeof run->name);
    run->argv[0] = program;
    for (size_t i = 1; command->argv[i]; i++) {
        bool here = path && strcmp(command->argv[i], "{}") == 0;
        run->argv[i] = here ? file : command->argv[i];
    }
    const struct process_options options = {
        .argv = run->argv,
        .output_bytes = command->output_bytes,
        .keep_tail = true,
    };
    struct error why;
    int r = process_start(&run->process, &options, &why);
    if (r != 0) {
        refuse(c, request->id, "%s", why.text);
        free(run);
        return;
    }
    list_push_back(&c->runs, &run->link);
    if (watch_run(run, &why) != 0) {
        refuse(c, request->id, "%s", why.text);
        run_free(run);
    }
}

static bool is_running(const struct child *c, const char *name) {
    list_each(node, &c->runs) {
        if (strcmp(LIST_ENTRY(node, struct run, link)->name, name) == 0) return true;
    }
    return false;
}

static void reload(struct child *c, uint64_t id) {
    struct settings fresh;
    struct error why;
    if (settings_reload(&fresh, &c->settings, NULL, &why) != 0) {
        refuse(c, id, "%s", why.text);
        return;
    }
    if (c->own_settings) settings_free(&c->settings);
    settings_move(&c->settings, &fresh);
    c->own_settings = true;
    const struct command_result done = {.state = RUN_SUCCEEDED};
    reply(c, id, &done);
}

static void take(struct child *c, struct command_request *request) {
    request->name[sizeof request->name - 1] = '\0';
    request->path[sizeof request->path - 1] = '\0';
    struct bytes name = bytes_from_str(request->name);
    switch (request->kind) {
    case RUNNER_RUN: {
        const struct action *action = settings_action(&c->settings, name);
        if (!action) {
            refuse(c, request->id, "no action has that name");
        } else if (is_running(c, request->name)) {
            refuse(c, request->id, "it runs already");
        } else {
            start(c, request, &action->command, NULL);
        }
        return;
    }
    case RUNNER_VALIDATE: {
        const struct upload *upload = settings_upload(&c->settings, name);
        if (upload && upload->has_validator) {
            start(c, request, &upload->validator, request->path);
        } else {
            refuse(c, request->id, "no upload of that name has a validator");
        }
        return;
    }
    case RUNNER_RELOAD:
        reload(c, request->id);
        return;
    default:
        return;
    }
}

static void ready(struct loop_fd *watch, unsigned events) {
    (void)events;
    struct child *c = LIST_ENTRY(watch, struct child, watch);
    for (;;) {
        struct command_request request;
        ssize_t n = recv(c->fd, &request, sizeof request, 0);
        if (n == (ssize_t)sizeof request) {
            take(c, &request);
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (n <= 0) loop_stop(c->loop); // the api is gone
        return;
    }
}

int command_child(int fd, const struct settings *settings, struct log *log) {
    (void)prctl(PR_SET_NAME, "system-api-run");
    // The terminal's and the service manager's signals are for the api; this one follows it.
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    struct error why;
    struct child c = {.fd = fd, .log = log, .settings = *settings};
    list_init(&c.runs);
    int r = loop_new(&c.loop, &(struct loop_options){0}, &why);
    c.watch = (struct loop_fd){fd, LOOP_READ, ready};
    if (r == 0) r = loop_fd_add(c.loop, &c.watch, &why);
    if (r == 0) r = loop_run(c.loop, &why);
    if (r != 0) {
        log_error(log, "runner_failed", F_ERR(&why));
        return 1;
    }
    return 0;
}
