/* What the process gives up: files that it does not need, system calls, its user.
 * SPDX-License-Identifier: MIT */
#include "base/sandbox.h"
#include "orderflow/app.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define RULES_MAX_PATHS 32
#define PATH_BYTES 512

struct paths {
    struct sandbox_rule rule[RULES_MAX_PATHS];
    char path[RULES_MAX_PATHS][PATH_BYTES];
    size_t count;
};

static void add(struct paths *p, const char *path, unsigned rights) {
    if (!path || !*path || p->count == RULES_MAX_PATHS || access(path, F_OK) != 0) return;
    (void)snprintf(p->path[p->count], PATH_BYTES, "%s", path);
    p->rule[p->count] = (struct sandbox_rule){p->path[p->count], rights};
    p->count++;
}

/* The folder of a file: a reload may find the file replaced. */
static void add_folder_of(struct paths *p, const char *file, unsigned rights) {
    char folder[PATH_BYTES];
    if (!file || !*file) return;
    (void)snprintf(folder, sizeof folder, "%s", file);
    char *slash = strrchr(folder, '/');
    if (slash == folder) slash++;
    if (slash)
        *slash = '\0';
    else
        (void)strcpy(folder, ".");
    add(p, folder, rights);
}

/* A folder that the program writes to, made when it is not there. */
static int add_own(struct paths *p, const char *folder, struct error *why) {
    if (!folder || !*folder) return 0;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return error_set_os(why, ERR_IO, errno, "folder %s", folder);
    }
    add(p, folder, SANDBOX_READ | SANDBOX_WRITE);
    return 0;
}

/* Sockets by path: listeners, builder, execution client, hub. */
static void add_socket(struct paths *p, const char *address) {
    if (!address) return;
    const char *path = strncmp(address, "unix:", 5) == 0   ? address + 5
                       : strncmp(address, "feed:", 5) == 0 ? address + 5
                                                           : NULL;
    if (path && *path != '@') {
        add_folder_of(p, path, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_SOCKET);
    }
}

static int own_folders(struct paths *p, const struct orderflow_values *v, struct error *why) {
    const char *const folders[] = {v->journal_folder, v->spill_folder, v->history_folder,
                                   v->history_spill};
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof folders / sizeof *folders; i++) {
        r = add_own(p, folders[i], why);
    }
    return r;
}

static int restrict_files(struct app *a, struct paths *p, struct error *why) {
    const struct orderflow_values *v = a->values;
    const char *const files[] = {config_file(a->config), v->certificate, v->key, v->rules_file};
    const char *const sockets[] = {v->user_addr,        v->system_addr,   v->cert_addr,
                                   v->metrics_addr,     v->stats_addr,    v->builder_url,
                                   v->builder_endpoint, v->builder_ready, v->rpc_endpoint,
                                   v->hub_url,          v->hub_url_first};
    const char *const system[] = {"/proc/self", "/etc", "/usr", "/lib"}; // names, TLS roots, zones
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        add_folder_of(p, files[i], SANDBOX_READ);
    }
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++) {
        add_socket(p, sockets[i]);
    }
    for (size_t i = 0; i < sizeof system / sizeof *system; i++) {
        add(p, system[i], SANDBOX_READ);
    }
    int r = sandbox_restrict_files(p->rule, p->count, why);
    if (r != ERR_UNSUPPORTED) return r;
    log_warn(a->log, "landlock_unsupported", F_ERR(why));
    return 0;
}

int app_confine(struct app *a, struct error *why) {
    const struct orderflow_values *v = a->values;
    struct paths p = {.count = 0};
    int r = v->user && *v->user ? sandbox_change_user(v->user, why) : 0;
    if (r == 0) r = own_folders(&p, v, why);
    if (r != 0 || !v->sandbox) return r;
    r = restrict_files(a, &p, why);
    return r == 0 ? sandbox_restrict_calls(why) : r;
}
