/* Processes, signals and the service manager's socket. SPDX-License-Identifier: MIT */
#include "base/process.h"

#include "base/clock.h"
#include "base/signals.h"
#include "test/harness/test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static struct process p;
static struct error why;

static void run(const char *script, uint64_t limit_ns, uint64_t grace_ns, size_t output) {
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct process_options o = {
        .argv = argv, .limit_ns = limit_ns, .grace_ns = grace_ns, .output_bytes = output};
    CHECK_OK(process_run(&p, &o, &why), &why);
}

TEST(output_and_status_are_collected) {
    run("echo out; echo err >&2; exit 3", 0, 0, 100);
    CHECK_I64(p.exit_status, 3);
    CHECK_BYTES(buf_view(&p.out[0]), BYTES_LIT("out\n"));
    CHECK_BYTES(buf_view(&p.out[1]), BYTES_LIT("err\n"));
    CHECK(!p.truncated[0] && !p.timed_out);
    process_free(&p);
    run("head -c 300000 /dev/zero; kill -9 $$", 0, 0, 10);
    CHECK_I64(p.signal, SIGKILL);
    CHECK_I64(p.exit_status, -1);
    CHECK_U64(p.out[0].n, 10);
    CHECK(p.truncated[0]);
    process_free(&p);
}

TEST(the_last_output_can_be_kept) {
    const char *argv[] = {"/bin/sh", "-c", "seq 1 100000; echo ab >&2", NULL};
    struct process_options o = {.argv = argv, .output_bytes = 13, .keep_tail = true};
    CHECK_OK(process_run(&p, &o, &why), &why);
    CHECK_BYTES(buf_view(&p.out[0]), BYTES_LIT("99999\n100000\n"));
    CHECK_BYTES(buf_view(&p.out[1]), BYTES_LIT("ab\n"));
    CHECK(p.truncated[0] && !p.truncated[1]);
    process_free(&p);
}

TEST(nothing_is_inherited) {
    (void)setenv("SECRET_OF_PARENT", "x", 1);
    int leak = open("/dev/null", O_RDONLY); // no close-on-exec, on purpose
    CHECK(leak > 2);
    // A shell holds no descriptor of its own while it expands the names; ls adds one.
    run("env | grep -c SECRET; ls /proc/self/fd | wc -l; pwd; cat", 0, 0, 100);
    CHECK_BYTES(buf_view(&p.out[0]), BYTES_LIT("0\n4\n/\n"));
    process_free(&p);
    (void)close(leak);
}

TEST(a_passed_limit_kills_the_whole_group) {
    uint64_t start = clock_monotonic_ns(&clock_system);
    run("trap 'echo term; exit 7' TERM; sleep 30 & wait", 100 * NS_PER_MS, 5 * NS_PER_S, 100);
    CHECK(p.timed_out);
    CHECK_I64(p.exit_status, 7);
    CHECK_BYTES(buf_view(&p.out[0]), BYTES_LIT("term\n"));
    process_free(&p);
    run("sleep 30 & sleep 30", 50 * NS_PER_MS, 0, 100);
    CHECK(p.timed_out);
    CHECK_I64(p.signal, SIGKILL);
    process_free(&p);
    CHECK(clock_monotonic_ns(&clock_system) - start < 5 * NS_PER_S);
}

TEST(a_program_that_is_not_there_is_an_error) {
    const char *argv[] = {"/nonexistent/program", NULL};
    struct process_options o = {.argv = argv};
    CHECK_ERR(process_start(&p, &o, &why), ERR_NOT_FOUND);
    process_free(&p);
    argv[0] = "/etc/passwd";
    CHECK_ERR(process_start(&p, &o, &why), ERR_IO);
    process_free(&p);
    argv[0] = "/bin/true";
    o.folder = "/nonexistent";
    CHECK_ERR(process_start(&p, &o, &why), ERR_NOT_FOUND);
    process_free(&p);
}

TEST(a_running_child_can_be_left) {
    const char *argv[] = {"/bin/sleep", "30", NULL};
    struct process_options o = {.argv = argv};
    CHECK_OK(process_start(&p, &o, &why), &why);
    CHECK_ERR(process_reap(&p, &why), ERR_AGAIN);
    CHECK(process_read(&p));
    process_free(&p);
    CHECK_I64(p.pidfd, -1);
}

TEST(input_can_come_from_a_file) {
    char path[] = "/tmp/buildernet-process-XXXXXX";
    int fd = mkstemp(path);
    const char *argv[] = {"/bin/cat", NULL};
    struct process_options o = {.argv = argv, .input_fd = fd, .output_bytes = 64};
    CHECK(fd > 0 && unlink(path) == 0 && pwrite(fd, "in", 2, 0) == 2);
    CHECK_OK(process_run(&p, &o, &why), &why);
    CHECK_BYTES(buf_view(&p.out[0]), BYTES_LIT("in"));
    process_free(&p);
    (void)close(fd);
}

TEST(output_can_go_to_a_file) {
    char path[] = "/tmp/buildernet-process-XXXXXX", got[64];
    int fd = mkstemp(path);
    const char *argv[] = {"/bin/sh", "-c", "echo out; echo err >&2", NULL};
    struct process_options o = {.argv = argv, .output_fd = fd};
    CHECK(fd > 0 && unlink(path) == 0);
    CHECK_OK(process_run(&p, &o, &why), &why);
    CHECK_I64(p.exit_status, 0);
    CHECK_U64(p.out[0].n + p.out[1].n, 0);
    ssize_t n = pread(fd, got, sizeof got, 0);
    CHECK(n > 0);
    CHECK_BYTES(bytes_make(got, (size_t)n), BYTES_LIT("out\nerr\n"));
    process_free(&p);
    (void)close(fd);
}

// A child of a child: the one in between is killed, and what it started goes with it.
TEST(a_child_can_be_tied_to_its_parent) {
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    pid_t middle = fork();
    if (middle == 0) {
        const char *argv[] = {"/bin/sleep", "30", NULL};
        struct process_options o = {.argv = argv, .die_with_parent = true};
        bool ok = process_start(&p, &o, NULL) == 0 &&
                  write(ends[1], &p.pid, sizeof p.pid) == (ssize_t)sizeof p.pid;
        (void)pause();
        _exit(ok ? 0 : 1);
    }
    pid_t leaf = 0;
    CHECK(read(ends[0], &leaf, sizeof leaf) == (ssize_t)sizeof leaf && leaf > 0);
    int watched = (int)syscall(SYS_pidfd_open, leaf, 0u);
    CHECK(watched >= 0);
    (void)kill(middle, SIGKILL);
    CHECK(waitpid(middle, NULL, 0) == middle);
    struct pollfd f = {.fd = watched, .events = POLLIN};
    CHECK(poll(&f, 1, 5000) == 1);
    (void)close(watched);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

TEST(signals_arrive_as_numbers) {
    int fd;
    CHECK_OK(signals_open(&fd, (int[]){SIGUSR1, SIGHUP}, 2, &why), &why);
    CHECK_I64(signals_next(fd), 0);
    (void)kill(getpid(), SIGHUP);
    struct pollfd f = {.fd = fd, .events = POLLIN};
    CHECK(poll(&f, 1, 1000) == 1);
    CHECK_I64(signals_next(fd), SIGHUP);
    CHECK_I64(signals_next(fd), 0);
    (void)close(fd);
}

TEST(states_reach_the_service_manager) {
    (void)unsetenv("NOTIFY_SOCKET");
    CHECK_OK(notify_send("READY=1", &why), &why);
    (void)setenv("NOTIFY_SOCKET", "relative", 1);
    CHECK_ERR(notify_send("READY=1", &why), ERR_RANGE);
    (void)setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
    CHECK_ERR(notify_send("READY=1", &why), ERR_IO);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int n = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "process_test_%d", (int)getpid());
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (const struct sockaddr *)&name,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0);
    char path[110];
    (void)snprintf(path, sizeof path, "@%s", name.sun_path + 1);
    (void)setenv("NOTIFY_SOCKET", path, 1);
    CHECK_OK(notify_send("READY=1", &why), &why);
    CHECK_OK(notify_reloading(&why), &why);
    char got[100];
    ssize_t got_n = recv(fd, got, sizeof got, 0);
    CHECK_BYTES(bytes_make(got, (size_t)got_n), BYTES_LIT("READY=1"));
    got_n = recv(fd, got, sizeof got, 0);
    CHECK(got_n > 27 && memcmp(got, "RELOADING=1\nMONOTONIC_USEC=", 27) == 0);
    (void)close(fd);
    (void)unsetenv("NOTIFY_SOCKET");
    (void)setenv("WATCHDOG_USEC", "4000000", 1);
    CHECK_U64(notify_watchdog_ns(), 2 * NS_PER_S);
    (void)setenv("WATCHDOG_PID", "1", 1);
    CHECK_U64(notify_watchdog_ns(), 0);
    (void)unsetenv("WATCHDOG_USEC");
}

TEST_MAIN()
