/* SPDX-License-Identifier: MIT */
#include "base/process.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_STEP 4096

static void close_fd(int *fd) {
    if (*fd >= 0) (void)close(*fd);
    *fd = -1;
}

// Moves fd to 0..2 in the child; a descriptor that is there already must lose close-on-exec.
static bool place_fd(int fd, int target) {
    if (fd == target) return fcntl(fd, F_SETFD, 0) == 0;
    return dup2(fd, target) == target;
}

/* In the child between fork and exec: only calls that are safe after fork in a threaded process.
 * On failure errno goes through the status pipe. */
[[gnu::noreturn]] static void child(const struct process_options *o, const int fds[3],
                                    int status_fd, pid_t parent) {
    static char *const plain_environment[] = {
        (char *)(uintptr_t) "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        (char *)(uintptr_t) "LANG=C.UTF-8", NULL};
    (void)setpgid(0, 0);
    for (int i = 1; i < NSIG; i++) {
        (void)signal(i, SIG_DFL);
    }
    // The parent may have ended before this was asked for.
    bool alone =
        o->die_with_parent && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    // All four stand above 2 (see above_standard), so that placing one cannot overwrite another.
    bool there = o->netns_fd <= 0 || setns(o->netns_fd, CLONE_NEWNET) == 0;
    bool ok = !alone && there && place_fd(fds[0], 0) && place_fd(fds[1], 1) &&
              place_fd(fds[2], 2) && place_fd(status_fd, 3) && fcntl(3, F_SETFD, FD_CLOEXEC) == 0;
    if (ok) status_fd = 3;
    ok =
        ok && syscall(SYS_close_range, 4u, ~0u, 0u) == 0 && chdir(o->folder ? o->folder : "/") == 0;
    if (ok) {
        char *const *environment =
            o->environment ? (char *const *)(uintptr_t)o->environment : plain_environment;
        (void)execve(o->argv[0], (char *const *)(uintptr_t)o->argv, environment);
    }
    int os = errno;
    (void)!write(status_fd, &os, sizeof os);
    _exit(127);
}

// A descriptor of 4 or more in place of *fd.
static bool above_standard(int *fd) {
    if (*fd >= 4) return true;
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, 4);
    if (moved < 0) return false;
    (void)close(*fd);
    *fd = moved;
    return true;
}

struct pipes {
    int in;
    int out[2][2];
    int status[2];
};

static void close_pipes(struct pipes *s) {
    close_fd(&s->in);
    for (int i = 0; i < 2; i++) {
        close_fd(&s->out[i][0]);
        close_fd(&s->out[i][1]);
        close_fd(&s->status[i]);
    }
}

// One file takes the place of both pipes' write ends; their read ends see the end at once.
static bool redirect_output(struct pipes *s, int fd) {
    for (int i = 0; i < 2; i++) {
        close_fd(&s->out[i][1]);
        s->out[i][1] = fcntl(fd, F_DUPFD_CLOEXEC, 4);
        if (s->out[i][1] < 0) return false;
    }
    return true;
}

static bool redirect_input(struct pipes *s, int fd) {
    close_fd(&s->in);
    s->in = fcntl(fd, F_DUPFD_CLOEXEC, 4);
    return s->in >= 0;
}

static bool open_pipes(struct pipes *s) {
    *s = (struct pipes){-1, {{-1, -1}, {-1, -1}}, {-1, -1}};
    s->in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool ok = s->in >= 0 && pipe2(s->out[0], O_CLOEXEC) == 0 && pipe2(s->out[1], O_CLOEXEC) == 0 &&
              pipe2(s->status, O_CLOEXEC) == 0;
    ok = ok && above_standard(&s->in) && above_standard(&s->status[1]);
    for (int i = 0; ok && i < 2; i++) {
        ok = above_standard(&s->out[i][1]) && fcntl(s->out[i][0], F_SETFL, O_NONBLOCK) == 0;
    }
    return ok;
}

// What exec said: nothing when it worked.
static int exec_result(int fd) {
    int os = 0;
    ssize_t n;
    do {
        n = read(fd, &os, sizeof os);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof os ? os : 0;
}

int process_start(struct process *p, const struct process_options *o, struct error *why) {
    *p = (struct process){
        .pidfd = -1, .out_fd = {-1, -1}, .exit_status = -1, .keep_tail = o->keep_tail};
    for (int i = 0; i < 2; i++) {
        buf_init(&p->out[i], o->output_bytes ? o->output_bytes : 1);
    }
    struct pipes s;
    if (!open_pipes(&s) || (o->input_fd > 0 && !redirect_input(&s, o->input_fd)) ||
        (o->output_fd > 0 && !redirect_output(&s, o->output_fd))) {
        int os = errno;
        close_pipes(&s);
        return error_set_os(why, ERR_IO, os, "no pipes for %s", o->argv[0]);
    }
    // No handler of ours may run in the child before it has reset them.
    sigset_t all, old;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) child(o, (int[]){s.in, s.out[0][1], s.out[1][1]}, s.status[1], parent);
    int os = errno;
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (pid < 0) {
        close_pipes(&s);
        return error_set_os(why, ERR_IO, os, "fork for %s", o->argv[0]);
    }
    (void)setpgid(pid, pid); // also here, so that it is done whoever comes first
    close_fd(&s.status[1]);
    os = exec_result(s.status[0]);
    p->pidfd = os ? -1 : (int)syscall(SYS_pidfd_open, pid, 0u);
    if (os == 0 && p->pidfd < 0) {
        os = errno;
        (void)kill(-pid, SIGKILL);
    }
    if (os) {
        close_pipes(&s);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
        return error_set_os(why, os == ENOENT ? ERR_NOT_FOUND : ERR_IO, os, "%s", o->argv[0]);
    }
    p->pid = pid;
    for (int i = 0; i < 2; i++) {
        p->out_fd[i] = s.out[i][0];
        s.out[i][0] = -1;
    }
    close_pipes(&s);
    return 0;
}

static void keep_output(struct process *p, int which, const uint8_t *data, size_t n) {
    struct buf *b = &p->out[which];
    size_t room = b->limit_bytes - b->n;
    if (n > room) p->truncated[which] = true;
    struct bytes part = bytes_make(data, n);
    if (p->keep_tail) {
        if (n > b->limit_bytes) part = bytes_slice(part, n - b->limit_bytes, SIZE_MAX);
        if (part.n > room) buf_drop_front(b, part.n - room);
    } else {
        part = bytes_slice(part, 0, room);
    }
    buf_append(b, part);
}

bool process_read(struct process *p) {
    for (int i = 0; i < 2; i++) {
        // Bounded, so that an endless writer cannot hold the loop.
        for (int rounds = 0; p->out_fd[i] >= 0 && rounds < 64; rounds++) {
            uint8_t data[READ_STEP];
            ssize_t n = read(p->out_fd[i], data, sizeof data);
            if (n > 0) {
                keep_output(p, i, data, (size_t)n);
            } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                close_fd(&p->out_fd[i]);
            } else if (errno == EAGAIN) {
                break;
            }
        }
    }
    return p->out_fd[0] >= 0 || p->out_fd[1] >= 0;
}

void process_signal(const struct process *p, int number) {
    if (p->pid > 0) (void)kill(-p->pid, number);
}

int process_reap(struct process *p, struct error *why) {
    if (p->pid <= 0) return 0;
    // Look first and leave the zombie, so that the group's number stays ours while we signal it.
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
        return error_set_os(why, ERR_IO, errno, "waitid");
    }
    if (info.si_pid == 0) return error_set(why, ERR_AGAIN, "still running");
    process_signal(p, SIGKILL);
    int status = 0;
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR) {
    }
    p->pid = 0;
    if (WIFEXITED(status)) p->exit_status = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) p->signal = WTERMSIG(status);
    (void)process_read(p);
    close_fd(&p->out_fd[0]);
    close_fd(&p->out_fd[1]);
    close_fd(&p->pidfd);
    return 0;
}

void process_free(struct process *p) {
    if (p->pid > 0) {
        process_signal(p, SIGKILL);
        while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        p->pid = 0;
    }
    close_fd(&p->pidfd);
    for (int i = 0; i < 2; i++) {
        close_fd(&p->out_fd[i]);
        buf_free(&p->out[i]);
    }
}

// Milliseconds until `deadline`, rounded up; -1 for none.
static int wait_ms(uint64_t deadline) {
    if (deadline == UINT64_MAX) return -1;
    uint64_t now = clock_monotonic_ns(&clock_system);
    uint64_t left = deadline > now ? (deadline - now + NS_PER_MS - 1) / NS_PER_MS : 0;
    return left > 60000 ? 60000 : (int)left;
}

int process_run(struct process *p, const struct process_options *o, struct error *why) {
    int r = process_start(p, o, why);
    if (r) return r;
    uint64_t deadline = UINT64_MAX;
    if (o->limit_ns) deadline = clock_monotonic_ns(&clock_system) + o->limit_ns;
    for (;;) {
        struct pollfd f[3] = {
            {p->out_fd[0], POLLIN, 0}, {p->out_fd[1], POLLIN, 0}, {p->pidfd, POLLIN, 0}};
        (void)poll(f, 3, wait_ms(deadline));
        (void)process_read(p);
        r = process_reap(p, why);
        if (r != ERR_AGAIN) break;
        if (clock_monotonic_ns(&clock_system) < deadline) continue;
        bool gently = !p->timed_out && o->grace_ns;
        p->timed_out = true;
        process_signal(p, gently ? SIGTERM : SIGKILL);
        deadline = gently ? clock_monotonic_ns(&clock_system) + o->grace_ns : UINT64_MAX;
    }
    if (r) process_free(p);
    return r;
}
