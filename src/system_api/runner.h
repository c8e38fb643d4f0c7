/* The runner: a process of its own that runs the configured commands.
 *
 * The process that faces the network gives up the ability to run programs. Before it does, it forks
 * the runner, which keeps the program's privileges, listens to nothing but one socket pair, and
 * takes names only: which command a name stands for it reads from the configuration itself. So a
 * network-facing process that was taken over can start what the operator configured, and nothing
 * else.
 *
 *     api ──{run, action name}──▶ runner ──▶ command
 *         ◀──{ended, status, output}──
 *
 * One run of an action at a time. Messages are datagrams of one struct. The runner ends when the
 * socket closes; commands that still run then go on.
 * Thread: one.
 *
 * SPDX-License-Identifier: MIT */
#ifndef SYSTEM_API_RUNNER_H
#define SYSTEM_API_RUNNER_H

#include "base/log.h"
#include "net/loop.h"
#include "system_api/settings.h"

#define RUNNER_PATH_MAX 4096

enum command_state { RUN_RUNNING, RUN_SUCCEEDED, RUN_FAILED, RUN_TIMED_OUT };

/* How a command ended. */
struct command_result {
    enum command_state state;
    int exit_status; /* -1: not by exit */
    int signal;      /* 0: not by a signal */
    char error[160]; /* why it could not start or failed, as clients are told; empty on success */
    struct bytes out, err; /* the last bytes of each; valid during the call */
};

struct command_runner;

/* command_start forks. Call it while the process has one thread, before the loop exists.
 * settings  the runner's copy is what it was at the fork, until command_reload.
 * errors    ERR_IO. */
[[gnu::warn_unused_result]] int command_start(struct command_runner **ret,
                                              const struct settings *settings, struct log *log,
                                              struct error *why);

/* command_attach lets the api's loop listen to the runner. `died` is called when the runner is
 * gone. errors  ERR_IO. */
[[gnu::warn_unused_result]] int command_attach(struct command_runner *r, struct loop *l,
                                               void (*died)(void *context), void *context,
                                               struct error *why);

/* command_stop closes the socket and waits for the runner's end. */
void command_stop(struct command_runner *r);

typedef void command_done(void *context, const struct command_result *result);

/* command_run starts an action; done is called once, later.
 * errors  ERR_RANGE (the name), ERR_BUSY (too many wait), ERR_CLOSED (the runner is gone). */
[[gnu::warn_unused_result]] int command_run(struct command_runner *r, const char *action,
                                            command_done *done, void *context, struct error *why);

/* command_validate runs the validator of an upload on a file. */
[[gnu::warn_unused_result]] int command_validate(struct command_runner *r, const char *upload,
                                                 const char *path, command_done *done,
                                                 void *context, struct error *why);

/* command_reload makes the runner read its configuration again; the result says whether it could.
 */
[[gnu::warn_unused_result]] int command_reload(struct command_runner *r, command_done *done,
                                               void *context, struct error *why);

#endif
