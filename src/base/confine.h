/* Confine: how a program enters its sandbox (base/sandbox.h): it names what it needs by purpose,
 * and gives up everything else in one step.
 *
 *     struct confine c;
 *     confine_init(&c);
 *     confine_own(&c, data_folder, 0700);              made when it is not there
 *     confine_allow_folder_of(&c, certificate, SANDBOX_READ);
 *     confine_allow_system(&c);
 *     r = confine_enter(&c, values.process.sandbox, log, why);
 *
 * NULL and "" as a path mean that the setting is not given, and a path that does not exist is left
 * out. The first failure (a folder that cannot be made, no memory, too many paths) is kept and
 * confine_enter returns it: a forgotten path would only show as a refusal much later.
 * Thread: before the process has a second one. SPDX-License-Identifier: MIT */
#ifndef BASE_CONFINE_H
#define BASE_CONFINE_H

#include "base/arena.h"
#include "base/log.h"
#include "base/sandbox.h"

#include <stdbool.h>
#include <sys/types.h>

#define CONFINE_RULES_MAX 128

struct confine {
    struct sandbox_rule rule[CONFINE_RULES_MAX];
    size_t count;
    struct arena arena;
    int failed; /* 0, or the first error */
    struct error why;
};

void confine_init(struct confine *c);

/* access  SANDBOX_READ and the like. _folder_of: the folder of a file that is read again, replaced
 * or made there; when it is a symbolic link, what stands in the folder that it leads to may be read
 * as well (certificates that a client of an ACME server keeps). Both give false when there is no
 * such path. */
bool confine_allow(struct confine *c, const char *path, unsigned access);
bool confine_allow_folder_of(struct confine *c, const char *file, unsigned access);

/* confine_own makes a folder with that mode when it is not there, for reading and writing. */
void confine_own(struct confine *c, const char *folder, mode_t mode);

/* confine_allow_socket takes an address; of "unix:/path" it allows sockets in the path's folder. */
void confine_allow_socket(struct confine *c, const char *address);

/* confine_allow_system: what the C library, OpenSSL and the resolver read, and /dev/null. */
void confine_allow_system(struct confine *c);

/* confine_enter restricts files and system calls, unless `restrict_process` is false, and frees c.
 * A kernel without Landlock is logged and no error.
 * errors  what was kept; those of sandbox_restrict_files and sandbox_restrict_calls. */
[[gnu::warn_unused_result]] int confine_enter(struct confine *c, bool restrict_process,
                                              struct log *log, struct error *why);

#endif
