/* SPDX-License-Identifier: MIT */
#include "builder/confine.h"

#include "base/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RULES_MAX 16
#define PATH_BYTES 4096

struct rules {
    struct sandbox_rule rule[RULES_MAX];
    char path[RULES_MAX][PATH_BYTES];
    size_t count;
};

static void allow(struct rules *r, const char *path, unsigned rights) {
    if (r->count == RULES_MAX || !path || !*path || access(path, F_OK) != 0) return;
    (void)snprintf(r->path[r->count], PATH_BYTES, "%s", path);
    r->rule[r->count] = (struct sandbox_rule){r->path[r->count], rights};
    r->count++;
}

// The folder of a file that may be made or replaced there.
static void allow_folder_of(struct rules *r, const char *file, unsigned rights) {
    char folder[PATH_BYTES];
    if (!file || !*file) return;
    (void)snprintf(folder, sizeof folder, "%s", file);
    char *slash = strrchr(folder, '/');
    if (slash) {
        slash[slash == folder ? 1 : 0] = '\0';
    } else {
        (void)snprintf(folder, sizeof folder, ".");
    }
    allow(r, folder, rights);
}

static int make_folder(const char *folder, struct error *why) {
    if (!folder || !*folder || mkdir(folder, 0755) == 0 || errno == EEXIST) return 0;
    return error_set_os(why, ERR_IO, errno, "cannot make the folder %s", folder);
}

int builder_confine(const struct builder_values *v, const char *config_file, struct log *log,
                    struct error *why) {
    static const char *const system[] = {"/proc/self", "/sys/devices/system/cpu", "/etc", "/usr",
                                         "/lib"};
    const char *const own[] = {v->data_folder, v->records_folder, v->error_folder};
    const unsigned both = SANDBOX_READ | SANDBOX_WRITE;
    struct rules r = {.count = 0};
    int code = 0;
    for (size_t i = 0; code == 0 && i < sizeof own / sizeof *own; i++) {
        code = make_folder(own[i], why);
        allow(&r, own[i], both);
    }
    if (code != 0 || !v->sandbox) return code;
    allow(&r, v->chain, SANDBOX_READ);
    allow_folder_of(&r, config_file, SANDBOX_READ);
    allow_folder_of(&r, v->block_list, SANDBOX_READ);
    allow_folder_of(&r, v->orders_socket, both | SANDBOX_SOCKET);
    if (v->state_rpc && v->state_rpc[0] == '/') allow_folder_of(&r, v->state_rpc, both);
    allow(&r, "/dev/null", both);
    for (size_t i = 0; i < sizeof system / sizeof *system; i++) {
        allow(&r, system[i], SANDBOX_READ);
    }
    code = sandbox_restrict_files(r.rule, r.count, why);
    if (code == ERR_UNSUPPORTED) {
        log_warn(log, "landlock_unsupported", F_ERR(why));
        code = 0;
    }
    return code == 0 ? sandbox_restrict_calls(why) : code;
}
