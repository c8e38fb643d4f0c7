/* Role: one process of the network, supervised.
 *
 *     waiting ──needs are ready──▶ starting ──answers──▶ ready
 *                                     │  ▲                 │ ends unasked
 *                              too late│  │restart          ▼
 *                                     └──▶ failed ◀──── (restarts used up)
 *     paused: stopped by SIGSTOP on request.  stopped: ended on request.
 *
 * A role is ready when its health address answers 200 to its path, or, without one, as soon as it
 * runs. It is asked again all the time, so that one which stops answering is seen. Its output goes
 * to a file below logs/. Everything on the loop's thread. SPDX-License-Identifier: MIT */
#ifndef DEVNET_ROLE_H
#define DEVNET_ROLE_H

#include "base/arena.h"
#include "base/log.h"
#include "base/process.h"
#include "net/client.h"
#include "json/write.h"

#define ROLE_NAME_MAX 48
#define ROLE_NEEDS_MAX 8
#define ROLE_ADDRESSES_MAX 8
#define ROLE_ARGV_MAX 96

enum role_state {
    ROLE_WAITING,
    ROLE_STARTING,
    ROLE_READY,
    ROLE_UNREADY, /* runs, was ready, and is not now */
    ROLE_PAUSED,
    ROLE_STOPPED,
    ROLE_FAILED,
};

struct role;
struct roles;

/* An address of a role, as others are given it. */
struct role_address {
    const char *name; /* "rpc", "peers" */
    const char *url;  /* "http://127.0.0.1:41234" */
};

struct role {
    char name[ROLE_NAME_MAX]; /* "node-1.orderflow" */
    const char *program;      /* "orderflow" */
    const char *node;         /* "node-1", NULL for what belongs to no node */
    const char *argv[ROLE_ARGV_MAX];
    size_t argc;
    const char *needs[ROLE_NEEDS_MAX]; /* names of roles that must be ready first */
    size_t need_count;
    const char *health_url;  /* "http://127.0.0.1:PORT"; NULL: running is being ready */
    const char *health_path; /* "/readyz" */
    /* Asked in place of health_url by what does not speak HTTP; quick, does not block. */
    int (*healthy)(const struct role *r, struct error *why);
    struct role_address addresses[ROLE_ADDRESSES_MAX];
    size_t address_count;
    int netns_fd;            /* network namespace that it runs in; 0: ours */
    unsigned source;         /* of its connections: 127.0.0.SOURCE */
    const char *environment; /* one more "NAME=value", or NULL */
    bool may_end;            /* a task: its end with status 0 is no failure */
    bool finishes;           /* a short task that cleans up at its own end only: not interrupted */
    bool held;               /* waits although its needs are ready (a node that is disabled) */
    /* Called before each start, to write files; NULL: nothing to do. */
    int (*prepare)(struct role *r, void *context, struct error *why);
    void *context;
    /* The rest is the supervisor's. */
    struct roles *owner;
    enum role_state state;
    bool wanted; /* shall run */
    bool again;  /* was asked to start while it was ending */
    struct process process;
    struct loop_fd watch; /* of the pidfd */
    struct loop_timer timer;
    struct client *health;
    struct client_call *asking;
    unsigned status;
    unsigned starts;
    unsigned silent;               /* health questions in a row without a good answer */
    uint64_t started_ns, ready_ns; /* of the last start; ready_ns from start to readiness */
    struct error why;              /* last failure; code 0: none */
    uint64_t cpu_ns, cpu_at_ns;
    double cpu_share; /* of one core, over a second or more */
};

struct roles_options {
    struct loop *loop;
    struct log *log;
    const char *program;     /* path of the multi-call binary */
    const char *folder;      /* working directory of all; logs/ lies there */
    unsigned restarts_max;   /* unasked ends in a row before a role counts as failed */
    uint64_t start_limit_ns; /* for becoming ready */
    /* A role changed its state. */
    void (*changed)(void *context, struct role *r, enum role_state before);
    /* A process was started (pid) or ended (0). */
    void (*process)(void *context, struct role *r, pid_t pid);
    void *context;
};

[[gnu::warn_unused_result]] int roles_new(struct roles **ret, const struct roles_options *o,
                                          struct error *why);
/* roles_free kills what still runs. */
void roles_free(struct roles *s);

/* roles_add takes a description; its strings outlive the roles. The copy is returned; it starts as
 * soon as its needs are ready. errors  ERR_CONFLICT (name), ERR_LIMIT, ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] int roles_add(struct role **ret, struct roles *s,
                                          const struct role *what, struct error *why);

struct role *roles_find(const struct roles *s, const char *name);
size_t roles_count(const struct roles *s);
struct role *roles_at(const struct roles *s, size_t i);

/* roles_step starts what can start. Called by the roles themselves on changes. */
void roles_step(struct roles *s);

/* Requests. role_stop ends it (SIGTERM, after five seconds SIGKILL) until role_start, which one
 * that is still ending obeys as soon as it has ended; role_kill kills it and lets it come again;
 * role_pause and role_resume; role_hold makes it wait. */
void role_start(struct role *r);
void role_stop(struct role *r);
void role_kill(struct role *r);
void role_pause(struct role *r);
void role_resume(struct role *r);
void role_hold(struct role *r, bool held);
/* role_reload sends SIGHUP. */
void role_reload(struct role *r);

/* roles_stop ends everything, last first; `done` is called when nothing runs any more. */
void roles_stop(struct roles *s, void (*done)(void *context), void *context);

const char *role_state_name(enum role_state state);
bool role_runs(const struct role *r);
/* role_sample reads CPU and memory; gives the resident bytes. */
uint64_t role_sample(struct role *r);
/* role_folder: the working directory of all roles. role_log_path: below it. */
const char *role_folder(const struct role *r);
void role_log_path(char *ret, size_t size, const struct role *r);
void role_write(struct json_writer *w, struct role *r);

/* role_arg appends to argv (formatted into the arena); false: full or no memory. */
[[gnu::format(printf, 3, 4)]] bool role_arg(struct role *r, struct arena *a, const char *text, ...);
bool role_need(struct role *r, const char *name);
bool role_address(struct role *r, struct arena *a, const char *name, const char *scheme,
                  unsigned port);

#endif
