/* Each case runs in a child: a sandbox has no way back.
 * SPDX-License-Identifier: MIT */
#include "base/confine.h"
#include "test/harness/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Runs body in a child; its exit status is the number of the first expectation that did not hold.
static int in_child(int (*body)(void *), void *arg) {
    (void)fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(body(arg));
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

enum { UNSUPPORTED = 99 };

static bool refused(long r, int os) {
    return r == -1 && errno == os;
}

static int files_body(void *arg) {
    const char *folder = arg;
    char allowed[256], renamed[256], fifo[256];
    (void)snprintf(allowed, sizeof allowed, "%s/state/x", folder);
    (void)snprintf(renamed, sizeof renamed, "%s/state/y", folder);
    (void)snprintf(fifo, sizeof fifo, "%s/state/fifo", folder);
    char state[256], outside[256];
    (void)snprintf(state, sizeof state, "%s/state", folder);
    (void)snprintf(outside, sizeof outside, "%s/outside", folder);
    struct error why;
    const struct sandbox_rule rules[] = {{state, SANDBOX_READ | SANDBOX_WRITE},
                                         {"/dev/null", SANDBOX_READ | SANDBOX_WRITE}};
    int r = sandbox_restrict_files(rules, 2, &why);
    if (r == ERR_UNSUPPORTED) return UNSUPPORTED;
    if (r != 0) return 1;
    int fd = open(allowed, O_CREAT | O_RDWR, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1) return 2;
    if (rename(allowed, renamed) != 0) return 3;
    if (mkfifo(fifo, 0600) != 0 || unlink(fifo) != 0 || unlink(renamed) != 0) return 4;
    if (open("/dev/null", O_WRONLY) < 0) return 5;
    if (!refused(open("/etc/passwd", O_RDONLY), EACCES)) return 6;
    if (!refused(open(outside, O_CREAT | O_WRONLY, 0600), EACCES)) return 7;
    if (!refused(execl("/bin/true", "true", (char *)NULL), EACCES)) return 8;
    return 0;
}

TEST(sandbox_leaves_only_the_named_files) {
    char folder[] = "/tmp/sandbox-test-XXXXXX", state[64];
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(state, sizeof state, "%s/state", folder);
    CHECK(mkdir(state, 0700) == 0);
    int r = in_child(files_body, folder);
    CHECK(rmdir(state) == 0 && rmdir(folder) == 0);
    if (r == UNSUPPORTED) SKIP("this kernel has no Landlock");
    CHECK_I64(r, 0);
}

// A program that may write to its data folder and read one file's folder, and nothing else of ours.
static int confine_body(void *arg) {
    const char *folder = arg;
    char data[256], file[256], made[256], seen[256], hidden[256], gone[256];
    char link[256], next[256];
    (void)snprintf(data, sizeof data, "%s/data", folder);
    (void)snprintf(made, sizeof made, "%s/data/x", folder);
    (void)snprintf(file, sizeof file, "%s/settings/own.toml", folder);
    (void)snprintf(seen, sizeof seen, "%s/settings/other.toml", folder);
    (void)snprintf(hidden, sizeof hidden, "%s/hidden", folder);
    (void)snprintf(gone, sizeof gone, "%s/gone", folder);
    (void)snprintf(link, sizeof link, "%s/settings/link.pem", folder);
    (void)snprintf(next, sizeof next, "%s/archive/2.pem", folder);
    struct confine c;
    struct error why;
    confine_init(&c);
    confine_own(&c, data, 0700);
    confine_own(&c, NULL, 0700);
    if (!confine_allow_folder_of(&c, file, SANDBOX_READ)) return 1;
    if (!confine_allow_folder_of(&c, link, SANDBOX_READ | SANDBOX_WRITE)) return 1;
    if (confine_allow(&c, gone, SANDBOX_READ) || confine_allow(&c, "", SANDBOX_READ)) return 2;
    confine_allow_socket(&c, "127.0.0.1:80");
    confine_allow_system(&c);
    int r = confine_enter(&c, true, NULL, &why);
    if (r == ERR_UNSUPPORTED) return UNSUPPORTED;
    if (r != 0) return 3;
    if (open(made, O_CREAT | O_WRONLY, 0600) < 0) return 4;
    if (open(seen, O_RDONLY) < 0) return 5;
    if (open("/dev/null", O_WRONLY) < 0 || open("/etc/passwd", O_RDONLY) < 0) return 6;
    if (!refused(fork(), EPERM)) return 7;
    // A link is followed for reading only, and may lead to another file of that folder later.
    if (open(link, O_RDONLY) < 0 || open(next, O_RDONLY) < 0) return 9;
    int fd = open(hidden, O_RDONLY);
    if (fd >= 0) return UNSUPPORTED; // no Landlock: logged, and the system calls alone are refused
    if (errno != EACCES) return 8;
    return refused(open(next, O_WRONLY), EACCES) ? 0 : 10;
}

static void put_file(const char *path) {
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
}

TEST(confine_leaves_what_was_named_by_purpose) {
    char folder[] = "/tmp/confine-test-XXXXXX", settings[64], file[96], hidden[64], data[64];
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(settings, sizeof settings, "%s/settings", folder);
    (void)snprintf(file, sizeof file, "%s/other.toml", settings);
    (void)snprintf(hidden, sizeof hidden, "%s/hidden", folder);
    (void)snprintf(data, sizeof data, "%s/data", folder);
    CHECK(mkdir(settings, 0700) == 0);
    put_file(file);
    put_file(hidden);
    char archive[64], link[96], target[96], next[96];
    (void)snprintf(archive, sizeof archive, "%s/archive", folder);
    (void)snprintf(link, sizeof link, "%s/link.pem", settings);
    (void)snprintf(target, sizeof target, "%s/1.pem", archive);
    (void)snprintf(next, sizeof next, "%s/2.pem", archive);
    CHECK(mkdir(archive, 0700) == 0 && symlink("../archive/1.pem", link) == 0);
    put_file(target);
    put_file(next);
    int r = in_child(confine_body, folder);
    CHECK(unlink(link) == 0 && unlink(target) == 0 && unlink(next) == 0 && rmdir(archive) == 0);
    char made[96];
    (void)snprintf(made, sizeof made, "%s/x", data);
    CHECK(unlink(made) == 0 && rmdir(data) == 0 && unlink(file) == 0 && unlink(hidden) == 0);
    CHECK(rmdir(settings) == 0 && rmdir(folder) == 0);
    if (r == UNSUPPORTED) SKIP("this kernel has no Landlock");
    CHECK_I64(r, 0);
}

TEST(confine_keeps_the_first_failure) {
    struct confine c;
    struct error why = {0};
    confine_init(&c);
    confine_own(&c, "/proc/no-folder-here", 0700);
    confine_own(&c, "/proc/nor-here", 0700);
    CHECK_I64(confine_enter(&c, false, NULL, &why), ERR_IO);
    CHECK(strstr(why.text, "/proc/no-folder-here") != NULL);
    confine_init(&c);
    for (int i = 0; i <= CONFINE_RULES_MAX; i++)
        (void)confine_allow(&c, "/tmp", SANDBOX_READ);
    CHECK_I64(confine_enter(&c, false, NULL, &why), ERR_LIMIT);
}

static void *thread_body(void *arg) {
    return arg;
}

static int calls_body(void *arg) {
    (void)arg;
    struct error why;
    int r = sandbox_restrict_calls(&why);
    if (r == ERR_UNSUPPORTED) return UNSUPPORTED;
    if (r != 0) return 1;
    if (!refused(execl("/bin/true", "true", (char *)NULL), EPERM)) return 2;
    if (!refused(fork(), EPERM)) return 3;
    if (!refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL), EPERM)) return 4;
    if (!refused(socket(AF_INET, SOCK_RAW, 1), EPERM)) return 5;
    if (!refused(socket(AF_PACKET, SOCK_RAW, 0), EPERM)) return 6;
    // Not setuid(): the C library aborts when threads (a sanitizer's) could differ after it.
    if (!refused(syscall(SYS_setuid, 0), EPERM)) return 7;
    if (!refused(kill(getppid(), 0), EPERM)) return 8;
    if (!refused(chroot("/"), EPERM)) return 9;
    // What Landlock does not look at; the file is not there, so that nothing changes if they pass.
    static const char none[] = "/tmp/no-such-file-here";
    if (!refused(chmod(none, 0666), EPERM)) return 10;
    if (!refused(fchmodat(AT_FDCWD, none, 0666, 0), EPERM)) return 11;
    if (!refused(chown(none, 0, 0), EPERM)) return 12;
    if (!refused(lchown(none, 0, 0), EPERM)) return 13;
    if (!refused(fchownat(AT_FDCWD, none, 0, 0, 0), EPERM)) return 14;
    if (!refused(utimensat(AT_FDCWD, none, NULL, 0), EPERM)) return 15;
    // What a server needs still works, threads included.
    if (socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) < 0) return 20;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) return 21;
    pthread_t t;
    if (pthread_create(&t, NULL, thread_body, NULL) != 0 || pthread_join(t, NULL) != 0) return 22;
    if (open("/dev/null", O_RDWR) < 0) return 23;
    int file = memfd_create("own", MFD_CLOEXEC);
    if (fchmod(file, 0600) != 0 || fchown(file, geteuid(), getegid()) != 0) return 24;
    return 0;
}

TEST(sandbox_leaves_only_the_calls_of_a_server) {
    int r = in_child(calls_body, NULL);
    if (r == UNSUPPORTED) SKIP("this kernel has no seccomp filters");
    CHECK_I64(r, 0);
}

static int missing_body(void *arg) {
    (void)arg;
    struct error why;
    const struct sandbox_rule rule = {"/does/not/exist", SANDBOX_READ};
    int r = sandbox_restrict_files(&rule, 1, &why);
    if (r == ERR_UNSUPPORTED) return UNSUPPORTED;
    return r == ERR_NOT_FOUND ? 0 : 1;
}

TEST(sandbox_tells_a_misspelt_path) {
    int r = in_child(missing_body, NULL);
    if (r == UNSUPPORTED) SKIP("this kernel has no Landlock");
    CHECK_I64(r, 0);
}

static int user_body(void *arg) {
    (void)arg;
    struct error why;
    if (sandbox_change_user("no-such-user-here", &why) != ERR_NOT_FOUND) return 1;
    if (sandbox_change_user("nobody", &why) != 0) return 2;
    if (geteuid() == 0 || getuid() == 0) return 3;
    if (sandbox_change_user("root", &why) != ERR_IO) return 4;
    return 0;
}

TEST(sandbox_gives_up_root_for_good) {
    if (geteuid() != 0) SKIP("only root can become somebody else");
    CHECK_I64(in_child(user_body, NULL), 0);
}

TEST_MAIN()
