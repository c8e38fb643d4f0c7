/* npm: software for Node.js that a devnet runs on request, installed once into the user's cache
 * ($XDG_CACHE_HOME or ~/.cache, buildernet/npm/). Blocking. Thread: the main one.
 * SPDX-License-Identifier: MIT */
#ifndef DEVNET_NPM_H
#define DEVNET_NPM_H

#include "base/arena.h"
#include "base/error.h"

enum npm_package { NPM_LODESTAR, NPM_ETHEREUMJS };

/* npm_install installs a package unless it is there already, and says how it gets on. Ctrl-C ends
 * it and leaves nothing.
 * quiet   say nothing.
 * errors  ERR_NOT_FOUND: no npm, no node, no home; ERR_IO: npm could not, for instance because it
 *         reaches no registry; ERR_TIMEOUT. */
[[gnu::warn_unused_result]] int npm_install(enum npm_package which, bool quiet, struct error *why);

/* npm_program gives the file that node runs (PATH_MAX bytes), whether it is installed or not.
 * errors  ERR_NOT_FOUND: no home. */
[[gnu::warn_unused_result]] int npm_program(char *ret, enum npm_package which, struct error *why);

#endif
