/* SPDX-License-Identifier: MIT */
#include "devnet/parts.h"

#include "devnet/plan.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where Debian's packages put programs; users' own come first, and the newest of several versions
 * (PostgreSQL's lie in folders by version). */
static const char *const places[] = {"/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin",
                                     "/usr/lib/postgresql/*/bin"};

static bool find_in(char *ret, const char *place, const char *program) {
    char pattern[PATH_MAX];
    glob_t g;
    bool found = false;
    (void)snprintf(pattern, sizeof pattern, "%s/%s", place, program);
    if (glob(pattern, 0, NULL, &g) != 0) return false;
    const char *path = g.gl_pathv[g.gl_pathc - 1];
    if (access(path, X_OK) == 0) {
        found = snprintf(ret, PATH_MAX, "%s", path) < PATH_MAX;
    }
    globfree(&g);
    return found;
}

// What the user's shell would find.
static bool find_in_path(char *ret, const char *program) {
    const char *path = getenv("PATH");
    for (size_t n; path && *path; path += n + (path[n] == ':')) {
        n = strcspn(path, ":");
        if (*path == '/' && snprintf(ret, PATH_MAX, "%.*s/%s", (int)n, path, program) < PATH_MAX &&
            access(ret, X_OK) == 0) {
            return true;
        }
    }
    return false;
}

int part_find(char *ret, const char *program, const char *package, struct error *why) {
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (find_in(ret, places[i], program)) return 0;
    }
    if (find_in_path(ret, program)) return 0;
    return error_set(why, ERR_NOT_FOUND, "%s is not installed: %s", program, package);
}

int parts_check(const struct devnet_settings *s, struct error *why) {
    const struct {
        bool wanted;
        const char *flag, *program, *package;
    } table[] = {
        {s->database == DATABASE_POSTGRES, "--db postgres", "postgres",
         "apt-get install postgresql"},
        {s->archive == ARCHIVE_CLICKHOUSE, "--archive clickhouse", "clickhouse-server",
         "apt-get install clickhouse-server"},
        {s->secrets == SECRETS_VAULT, "--secrets vault", "vault",
         "Debian has no package of it; its makers' is called vault"},
        {s->tpm == TPM_SWTPM, "--tpm swtpm", "swtpm", "apt-get install swtpm"},
        {s->monitor == MONITOR_PROMETHEUS, "--metrics prometheus", "prometheus",
         "apt-get install prometheus"},
    };
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].wanted && part_find(path, table[i].program, table[i].package, why) < 0) {
            return error_wrap(why, "%s", table[i].flag);
        }
    }
    return part_consensus_check(s, why);
}

int part_role(struct role *ret, struct net *n, const char *name, const char *program,
              const char *package, struct error *why) {
    char path[PATH_MAX];
    int r = part_find(path, program, package, why);
    if (r < 0) return r;
    char *kept = arena_str(&n->arena, bytes_from_str(path));
    if (!kept) return plan_too_large(why);
    *ret = (struct role){.program = program};
    (void)snprintf(ret->name, sizeof ret->name, "%s", name);
    ret->argv[ret->argc++] = kept;
    return 0;
}
