/* Process: children without a shell, with nothing inherited but what is given.
 *
 * A child gets exactly the given environment, fds 0, 1 and 2 (input from /dev/null, output captured
 * up to a limit), default signals, its own process group, and no other descriptor. process_start
 * does not block and is for event loops (pidfd and pipe are pollable); process_run waits.
 * One thread at a time for each struct process.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include "base/buf.h"

#include <sys/types.h>

struct process_options {
    const char *const *argv; /* argv[0] is an absolute path; ended by NULL */
    const char *const
        *environment;     /* "NAME=value" ended by NULL; NULL: PATH and LANG=C.UTF-8 only */
    const char *folder;   /* working directory; NULL: "/" */
    uint64_t limit_ns;    /* time after which the group is killed; 0: none */
    uint64_t grace_ns;    /* between SIGTERM and SIGKILL at the limit; 0: SIGKILL at once */
    size_t output_bytes;  /* kept of stdout and stderr each; the rest is read and dropped */
    bool keep_tail;       /* the last output_bytes are kept; else the first */
    int input_fd;         /* above 0: standard input (borrowed); else /dev/null */
    int output_fd;        /* above 0: stdout and stderr go to this file instead (borrowed) */
    int netns_fd;         /* above 0: in this network namespace (borrowed); needs root */
    bool die_with_parent; /* SIGKILL when the thread that started it ends */
};

struct process {
    pid_t pid;
    int pidfd;     /* readable when the child has ended; -1 after process_wait */
    int out_fd[2]; /* read ends of stdout and stderr, non-blocking; -1 when closed */
    struct buf out[2];
    bool truncated[2];
    bool keep_tail;
    bool timed_out;
    int exit_status; /* 0..255 when it exited, else -1 */
    int signal;      /* that ended it, else 0 */
};

/* process_start: errors ERR_NOT_FOUND (no such program), ERR_IO. On error nothing is left. */
[[gnu::warn_unused_result]] int
process_start(struct process *p, const struct process_options *options, struct error *why);

/* process_read takes what output there is, without blocking; false when both pipes are closed. */
bool process_read(struct process *p);

/* process_signal sends a signal to the child's whole group. */
void process_signal(const struct process *p, int number);

/* process_reap collects the status without blocking; ERR_AGAIN while it runs. After 0 the group's
 * leftovers are killed and remaining output is read. */
[[gnu::warn_unused_result]] int process_reap(struct process *p, struct error *why);

/* process_free kills what still runs, reaps it, closes and frees. */
void process_free(struct process *p);

/* process_run starts, collects output, enforces the limit and reaps. errors as process_start;
 * a non-zero exit and a passed limit are no errors: look at exit_status, signal, timed_out. */
[[gnu::warn_unused_result]] int
process_run(struct process *p, const struct process_options *options, struct error *why);

#endif
