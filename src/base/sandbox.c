/* SPDX-License-Identifier: MIT */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Rights that newer kernels know and Debian 12's header does not name.
#define FS_TRUNCATE (1ull << 14) /* Landlock ABI 3 */

#define RIGHTS_FILE                                                                                \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |   \
     FS_TRUNCATE)
#define RIGHTS_ABI_1                                                                               \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |   \
     LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR |                                 \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |   \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

static uint64_t rights_of_kernel(long abi) {
    uint64_t rights = RIGHTS_ABI_1;
    if (abi >= 2) rights |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3) rights |= FS_TRUNCATE;
    return rights;
}

static uint64_t rights_of_access(unsigned access) {
    uint64_t rights = 0;
    if (access & SANDBOX_READ) rights |= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
    if (access & SANDBOX_WRITE) {
        rights |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                  LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_FIFO | FS_TRUNCATE;
    }
    if (access & SANDBOX_SOCKET) {
        rights |= LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                  LANDLOCK_ACCESS_FS_WRITE_FILE;
    }
    if (access & SANDBOX_EXECUTE) {
        rights |= LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE;
    }
    return rights;
}

static int add_rule(int ruleset, const struct sandbox_rule *rule, uint64_t known,
                    struct error *why) {
    int fd = open(rule->path, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        enum err code = errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
        return error_set_os(why, code, errno, "sandbox rule for %s", rule->path);
    }
    struct stat st;
    uint64_t rights = rights_of_access(rule->access) & known;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)) rights &= RIGHTS_FILE;
    struct landlock_path_beneath_attr attr = {.allowed_access = rights, .parent_fd = fd};
    long r = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0);
    int os = errno;
    (void)close(fd);
    if (r != 0) return error_set_os(why, ERR_IO, os, "sandbox rule for %s", rule->path);
    return 0;
}

int sandbox_restrict_files(const struct sandbox_rule *rules, size_t count, struct error *why) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) return error_set_os(why, ERR_UNSUPPORTED, errno, "this kernel has no Landlock");
    struct landlock_ruleset_attr attr = {.handled_access_fs = rights_of_kernel(abi)};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (ruleset < 0) return error_set_os(why, ERR_IO, errno, "landlock_create_ruleset");
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        r = add_rule(ruleset, &rules[i], attr.handled_access_fs, why);
    }
    if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        r = error_set_os(why, ERR_IO, errno, "no_new_privs");
    }
    if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        r = error_set_os(why, ERR_IO, errno, "landlock_restrict_self");
    }
    (void)close(ruleset);
    return r;
}

// What a network server of this project calls, libraries and C library included.
static const int allowed_calls[] = {
    // memory and process life
    SCMP_SYS(brk),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(mprotect),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(munlock),
    SCMP_SYS(msync),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(getrandom),
    SCMP_SYS(prlimit64),
    SCMP_SYS(getrlimit),
    SCMP_SYS(getrusage),
    SCMP_SYS(sysinfo),
    SCMP_SYS(prctl),
    SCMP_SYS(arch_prctl),
    SCMP_SYS(umask),
    SCMP_SYS(times),
    // threads
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(setpriority),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(membarrier),
    SCMP_SYS(getcpu),
    // time and signals
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(signalfd4),
    SCMP_SYS(tgkill),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(pause),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(wait4),
    SCMP_SYS(waitid),
    SCMP_SYS(pidfd_send_signal),
    // descriptors and files
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwritev),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(fcntl),
    SCMP_SYS(pipe),
    SCMP_SYS(pipe2),
    SCMP_SYS(splice),
    SCMP_SYS(sendfile),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(openat2),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(stat),
    SCMP_SYS(fstat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents64),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(fchmod), // not the forms that take a path: Landlock does not look at them
    SCMP_SYS(fchown),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(ftruncate),
    SCMP_SYS(truncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(flock),
    SCMP_SYS(fadvise64),
    SCMP_SYS(memfd_create),
    SCMP_SYS(copy_file_range),
    // events
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(eventfd2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(inotify_init1),
    SCMP_SYS(inotify_add_watch),
    SCMP_SYS(inotify_rm_watch),
    // sockets (their kinds are limited below)
    SCMP_SYS(socketpair),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(connect),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(sendto),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(recvmmsg),
};

static int allow(scmp_filter_ctx f) {
    int r = 0;
    for (size_t i = 0; i < sizeof allowed_calls / sizeof allowed_calls[0] && r == 0; i++) {
        // A call that this architecture does not have has a negative number: nothing to allow.
        if (allowed_calls[i] >= 0) r = seccomp_rule_add(f, SCMP_ACT_ALLOW, allowed_calls[i], 0);
    }
    static const unsigned families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    for (size_t i = 0; i < sizeof families / sizeof families[0] && r == 0; i++) {
        // SOCK_RAW and SOCK_PACKET are refused; AF_NETLINK is what getaddrinfo asks with.
        r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                             SCMP_A0(SCMP_CMP_EQ, families[i], 0),
                             SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM));
        if (r == 0) {
            r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                                 SCMP_A0(SCMP_CMP_EQ, families[i], 0),
                                 SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_DGRAM));
        }
    }
    if (r == 0) {
        r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                             SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0),
                             SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_RAW));
    }
    // Threads yes, processes no. The flags of clone3 cannot be looked into: told that it does not
    // exist, the C library falls back to clone.
    if (r == 0) {
        r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                             SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    }
    if (r == 0) r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    // A process may signal itself and ask whether others live (signal 0).
    if (r == 0) {
        r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
    }
    if (r == 0) {
        r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                             SCMP_A1(SCMP_CMP_EQ, FIONBIO, 0));
    }
    if (r == 0) {
        r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                             SCMP_A1(SCMP_CMP_EQ, FIONREAD, 0));
    }
    return r;
}

int sandbox_restrict_calls(struct error *why) {
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!f) return error_set(why, ERR_NO_MEMORY, "seccomp filter");
    int r = allow(f);
    if (r == 0) r = seccomp_load(f);
    seccomp_release(f);
    if (r == -ENOSYS || r == -EINVAL) {
        return error_set_os(why, ERR_UNSUPPORTED, -r, "this kernel has no seccomp filters");
    }
    if (r != 0) return error_set_os(why, ERR_IO, -r, "seccomp filter");
    return 0;
}

int sandbox_change_user(const char *name, struct error *why) {
    if (!name || !*name) return 0;
    errno = 0;
    const struct passwd *user = getpwnam(name); // called before there are threads
    if (!user) return error_set(why, ERR_NOT_FOUND, "no user is named '%s'", name);
    if (geteuid() == user->pw_uid && getuid() == user->pw_uid) return 0;
    if (initgroups(name, user->pw_gid) != 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0) {
        return error_set_os(why, ERR_IO, errno, "cannot become user '%s'", name);
    }
    // Proves that the way back is closed.
    if (user->pw_uid != 0 && setuid(0) == 0) {
        return error_set(why, ERR_INTERNAL, "privileges were not given up");
    }
    return 0;
}
