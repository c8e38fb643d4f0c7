/* What the builder gives up before it starts threads and reads from outside: files but its own, and
 * system calls that a network server does not need. SPDX-License-Identifier: MIT */
#ifndef BUILDER_CONFINE_H
#define BUILDER_CONFINE_H

#include "base/log.h"
#include "builder/settings.h"

/* builder_confine makes the builder's folders and restricts the process (base/sandbox.h), unless
 * the sandbox is switched off. config_file  may be NULL.
 * errors  ERR_IO; those of the sandbox. A kernel without Landlock is logged, no error. */
[[gnu::warn_unused_result]] int builder_confine(const struct builder_values *v,
                                                const char *config_file, struct log *log,
                                                struct error *why);

#endif
