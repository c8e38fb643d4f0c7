/* Sandbox: what a process gives up once it has started. Files by Landlock, system calls by seccomp.
 *
 * A program calls these after it has opened its listeners and before it reads a byte from outside;
 * there is no way back, and children inherit both. Work that needs more (running commands) belongs
 * in a process of its own that was forked before. Not a container: it hides nothing, it refuses.
 *
 * Source: Linux Documentation/userspace-api/landlock.rst, seccomp(2).
 * Thread: call while the process has one thread.
 *
 * SPDX-License-Identifier: MIT */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include "base/error.h"

#include <stddef.h>

/* What may be done below a path (a folder with all below it, or one file). */
enum {
    SANDBOX_READ = 1,    /* open for reading, list folders */
    SANDBOX_WRITE = 2,   /* write, create, rename and remove regular files and FIFOs */
    SANDBOX_SOCKET = 4,  /* create and connect Unix sockets */
    SANDBOX_EXECUTE = 8, /* run programs */
};

struct sandbox_rule {
    const char *path;
    unsigned access;
};

/* sandbox_restrict_files leaves the process only the given accesses; everything else on file
 * systems fails with EACCES. Files that are open stay usable. Sets no_new_privs. rules    a path
 * that does not exist is ERR_NOT_FOUND, so that a misspelt rule is seen. errors   ERR_UNSUPPORTED
 * when the kernel has no Landlock: the caller decides whether that is fatal; ERR_NOT_FOUND, ERR_IO.
 */
[[gnu::warn_unused_result]] int sandbox_restrict_files(const struct sandbox_rule *rules,
                                                       size_t count, struct error *why);

/* sandbox_restrict_calls leaves the process the system calls of a network server: files, sockets,
 * memory, threads, timers, signals to itself. Running programs, tracing, mounting, loading modules,
 * changing identity, raw and packet sockets, a file's mode, owner or times by its path (an open
 * file's mode and owner may change) and the rest fail with EPERM. Sets no_new_privs.
 * errors   ERR_UNSUPPORTED, ERR_IO. */
[[gnu::warn_unused_result]] int sandbox_restrict_calls(struct error *why);

/* sandbox_change_user makes the process run as another user for good: its groups, group and user
 * id. name     user name from the password database; NULL, "" or the user it is already: nothing to
 * do.
 * errors   ERR_NOT_FOUND no such user, ERR_IO not permitted. */
[[gnu::warn_unused_result]] int sandbox_change_user(const char *name, struct error *why);

#endif
