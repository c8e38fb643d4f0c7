/* The api's side of the runner.
 * SPDX-License-Identifier: MIT */
#include "system_api/runner.h"

#include "base/list.h"
#include "system_api/runner_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAITING_MAX 64

/* A request that was not answered yet. */
struct waiting {
    struct list_node link;
    uint64_t id;
    command_done *done;
    void *context;
};

struct command_runner {
    pid_t pid;
    int fd;
    struct loop *loop;
    struct loop_fd watch;
    struct list waiting;
    size_t waiting_n;
    uint64_t last_id;
    void (*died)(void *context);
    void *died_context;
};

int command_start(struct command_runner **ret, const struct settings *settings, struct log *log,
                  struct error *why) {
    int pair[2];
    struct command_runner *r = calloc(1, sizeof *r);
    if (!r) return error_set(why, ERR_NO_MEMORY, "no memory for the runner");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        free(r);
        return error_set_os(why, ERR_IO, errno, "no socket pair for the runner");
    }
    r->pid = fork();
    if (r->pid == 0) {
        (void)close(pair[0]);
        _exit(command_child(pair[1], settings, log));
    }
    int os = errno;
    (void)close(pair[1]);
    if (r->pid < 0) {
        (void)close(pair[0]);
        free(r);
        return error_set_os(why, ERR_IO, os, "cannot fork the runner");
    }
    r->fd = pair[0];
    list_init(&r->waiting);
    *ret = r;
    return 0;
}

static struct waiting *find(struct command_runner *r, uint64_t id) {
    list_each(node, &r->waiting) {
        struct waiting *w = LIST_ENTRY(node, struct waiting, link);
        if (w->id == id) return w;
    }
    return NULL;
}

static void finish(struct command_runner *r, struct waiting *w,
                   const struct command_result *result) {
    list_remove(&w->link);
    r->waiting_n--;
    w->done(w->context, result);
    free(w);
}

static void take_reply(struct command_runner *r, const struct command_reply *reply, size_t n) {
    struct waiting *w = find(r, reply->id);
    if (!w || n < RUNNER_REPLY_HEAD || reply->out_n > ACTION_OUTPUT_MAX ||
        reply->err_n > ACTION_OUTPUT_MAX || n != RUNNER_REPLY_HEAD + reply->out_n + reply->err_n) {
        return;
    }
    struct command_result result = {
        .state = (enum command_state)reply->state,
        .exit_status = reply->exit_status,
        .signal = reply->signal,
        .out = {reply->output, reply->out_n},
        .err = {reply->output + reply->out_n, reply->err_n},
    };
    memcpy(result.error, reply->error, sizeof result.error);
    result.error[sizeof result.error - 1] = '\0';
    finish(r, w, &result);
}

static void fail_all(struct command_runner *r) {
    const struct command_result gone = {
        .state = RUN_FAILED, .exit_status = -1, .error = "the runner is gone"};
    struct list_node *node;
    while ((node = list_pop_front(&r->waiting))) {
        finish(r, LIST_ENTRY(node, struct waiting, link), &gone);
    }
}

static void ready(struct loop_fd *watch, unsigned events) {
    (void)events;
    struct command_runner *r = LIST_ENTRY(watch, struct command_runner, watch);
    static _Thread_local struct command_reply reply; // 64 KiB: not for the stack
    for (;;) {
        ssize_t n = recv(r->fd, &reply, sizeof reply, 0);
        if (n > 0) {
            take_reply(r, &reply, (size_t)n);
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        loop_fd_remove(r->loop, &r->watch);
        r->loop = NULL;
        fail_all(r);
        r->died(r->died_context);
        return;
    }
}

int command_attach(struct command_runner *r, struct loop *l, void (*died)(void *context),
                   void *context, struct error *why) {
    r->died = died;
    r->died_context = context;
    r->watch = (struct loop_fd){.fd = r->fd, .interest = LOOP_READ, .ready = ready};
    int status = loop_fd_add(l, &r->watch, why);
    if (status == 0) r->loop = l;
    return status;
}

void command_stop(struct command_runner *r) {
    if (!r) return;
    if (r->loop) loop_fd_remove(r->loop, &r->watch);
    (void)close(r->fd);
    fail_all(r);
    while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    free(r);
}

static int ask(struct command_runner *r, struct command_request *request, const char *name,
               const char *path, command_done *done, void *context, struct error *why) {
    if (strlen(name) > SETTINGS_NAME_MAX || (path && strlen(path) >= RUNNER_PATH_MAX)) {
        return error_set(why, ERR_RANGE, "a name or path is too long");
    }
    if (r->waiting_n == WAITING_MAX) {
        return error_set(why, ERR_BUSY, "%d commands run already", WAITING_MAX);
    }
    struct waiting *w = calloc(1, sizeof *w);
    if (!w) return error_set(why, ERR_NO_MEMORY, "no memory for a command");
    request->id = ++r->last_id;
    memcpy(request->name, name, strlen(name) + 1);
    if (path) memcpy(request->path, path, strlen(path) + 1);
    if (send(r->fd, request, sizeof *request, MSG_NOSIGNAL) != (ssize_t)sizeof *request) {
        int os = errno;
        free(w);
        return os == EAGAIN ? error_set(why, ERR_BUSY, "the runner is busy")
                            : error_set_os(why, ERR_CLOSED, os, "the runner is gone");
    }
    *w = (struct waiting){.id = request->id, .done = done, .context = context};
    list_push_back(&r->waiting, &w->link);
    r->waiting_n++;
    return 0;
}

int command_run(struct command_runner *r, const char *action, command_done *done, void *context,
                struct error *why) {
    struct command_request request = {.kind = RUNNER_RUN};
    return ask(r, &request, action, NULL, done, context, why);
}

int command_validate(struct command_runner *r, const char *upload, const char *path,
                     command_done *done, void *context, struct error *why) {
    struct command_request request = {.kind = RUNNER_VALIDATE};
    return ask(r, &request, upload, path, done, context, why);
}

int command_reload(struct command_runner *r, command_done *done, void *context, struct error *why) {
    struct command_request request = {.kind = RUNNER_RELOAD};
    return ask(r, &request, "", NULL, done, context, why);
}
