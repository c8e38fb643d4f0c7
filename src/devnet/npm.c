/* SPDX-License-Identifier: MIT */
#include "devnet/npm.h"

#include "base/clock.h"
#include "base/file.h"
#include "devnet/folder.h"
#include "devnet/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define INSTALL_NS (15 * 60 * NS_PER_S)
#define TELL_NS (10 * NS_PER_S)
#define LOOK_NS (100 * NS_PER_MS)
#define NPM_PACKAGE "apt-get install npm"

/* Versions that are whole at the registry: of newer ones, parts are missing. */
static const struct {
    const char *name, *version, *program, *manifest;
} packages[] = {
    [NPM_LODESTAR] =
        {"lodestar", "1.5.1", "node_modules/.bin/lodestar",
         "{\"private\":true,\"dependencies\":{\"@chainsafe/lodestar\":\"1.5.1\"},\"overrides\":{"
         "\"@lodestar/api\":\"1.5.1\",\"@lodestar/beacon-node\":\"1.5.1\","
         "\"@lodestar/config\":\"1.5.1\",\"@lodestar/db\":\"1.5.1\","
         "\"@lodestar/light-client\":\"1.5.1\",\"@lodestar/params\":\"1.5.1\","
         "\"@lodestar/state-transition\":\"1.5.1\",\"@lodestar/types\":\"1.5.1\","
         "\"@lodestar/utils\":\"1.5.1\",\"@lodestar/validator\":\"1.5.1\","
         "\"@lodestar/fork-choice\":\"1.5.1\",\"@lodestar/reqresp\":\"1.5.1\","
         "\"@libp2p/tcp\":\"6.1.2\",\"@multiformats/multiaddr\":\"11.6.1\","
         "\"@multiformats/mafmt\":\"11.1.0\"}}\n"},
    [NPM_ETHEREUMJS] = {"ethereumjs", "0.10.5",
                        "node_modules/@ethereumjs/client/dist/esm/bin/cli.js",
                        "{\"private\":true,\"dependencies\":{\"@ethereumjs/client\":"
                        "\"0.10.5\"}}\n"},
};

static int place(char *ret, enum npm_package which, const char *end, struct error *why) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool own = cache && *cache == '/';
    if (!own && (!home || *home != '/')) {
        return error_set(why, ERR_NOT_FOUND, "no home for software from npm: set XDG_CACHE_HOME");
    }
    int n = snprintf(ret, PATH_MAX, "%s%s/buildernet/npm/%s-%s%s", own ? cache : home,
                     own ? "" : "/.cache", packages[which].name, packages[which].version, end);
    return n < PATH_MAX ? 0 : error_set(why, ERR_LIMIT, "the cache's path is too long");
}

int npm_program(char *ret, enum npm_package which, struct error *why) {
    char end[256];
    (void)snprintf(end, sizeof end, "/%s", packages[which].program);
    return place(ret, which, end, why);
}

static int prepare(const char *folder, enum npm_package which, struct error *why) {
    char path[PATH_MAX];
    folder_remove(folder); // of an installation that was broken off
    int r = folder_make_path(folder, why);
    if (r < 0) return r;
    if (snprintf(path, sizeof path, "%s/package.json", folder) >= PATH_MAX) {
        return error_set(why, ERR_LIMIT, "the cache's path is too long");
    }
    return file_write_atomic(path, bytes_from_str(packages[which].manifest), NULL, why);
}

// In our process group and with our terminal, so that Ctrl-C reaches it and its questions us.
static pid_t start(const char *npm, const char *folder, bool quiet) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    const char *argv[] = {npm, "install", "--no-audit", "--no-fund", "--loglevel=error", NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)signal(SIGINT, SIG_DFL);
    if (null >= 0) (void)dup2(null, STDIN_FILENO);
    if (null >= 0 && quiet) (void)dup2(null, STDOUT_FILENO);
    if (chdir(folder) == 0) (void)execv(npm, (char *const *)(uintptr_t)argv);
    _exit(127);
}

static int await(pid_t pid, enum npm_package which, bool quiet, struct error *why) {
    const struct timespec look = {0, (long)LOOK_NS};
    uint64_t begun = clock_monotonic_ns(&clock_system), told = begun, now;
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        (void)nanosleep(&look, NULL);
        now = clock_monotonic_ns(&clock_system);
        if (now - begun > INSTALL_NS) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            return error_set(why, ERR_TIMEOUT, "npm installs %s for too long",
                             packages[which].name);
        }
        if (!quiet && now - told > TELL_NS) {
            told += TELL_NS;
            (void)printf("          npm                installing %s, %.0f s\n",
                         packages[which].name, (double)(now - begun) / 1e9);
            (void)fflush(stdout);
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
    return error_set(why, ERR_IO,
                     "npm could not install %s %s: does it reach a registry (npm ping)?",
                     packages[which].name, packages[which].version);
}

static int install(const char *target, enum npm_package which, bool quiet, struct error *why) {
    char npm[PATH_MAX], fresh[PATH_MAX];
    int r = part_find(npm, "npm", NPM_PACKAGE, why);
    if (r == 0) r = place(fresh, which, ".new", why);
    if (r == 0) r = prepare(fresh, which, why);
    if (r < 0) return r;
    if (!quiet) {
        (void)printf("          npm                installing %s %s into %s: minutes, once\n",
                     packages[which].name, packages[which].version, target);
        (void)fflush(stdout);
    }
    // Ctrl-C ends npm, which we see.
    void (*before)(int) = signal(SIGINT, SIG_IGN);
    pid_t pid = start(npm, fresh, quiet);
    r = pid > 0 ? await(pid, which, quiet, why) : error_set_os(why, ERR_IO, errno, "fork");
    (void)signal(SIGINT, before);
    if (r == 0 && rename(fresh, target) < 0) {
        r = error_set_os(why, ERR_IO, errno, "%s", target);
    }
    if (r < 0) folder_remove(fresh);
    return r;
}

int npm_install(enum npm_package which, bool quiet, struct error *why) {
    char target[PATH_MAX], program[PATH_MAX], node[PATH_MAX];
    int r = part_find(node, "node", "apt-get install nodejs", why);
    if (r == 0) r = place(target, which, "", why);
    if (r == 0) r = npm_program(program, which, why);
    if (r < 0 || access(program, R_OK) == 0) return r;
    folder_remove(target);
    return install(target, which, quiet, why);
}
