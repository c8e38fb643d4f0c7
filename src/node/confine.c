/* SPDX-License-Identifier: MIT */
#include "node/confine.h"

#include "base/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define RULES_MAX 16
#define PATH_BYTES 4096

struct rules {
    struct sandbox_rule rule[RULES_MAX];
    char path[RULES_MAX][PATH_BYTES];
    size_t count;
};

static void allow(struct rules *r, const char *path, unsigned access_rights) {
    if (r->count == RULES_MAX || access(path, F_OK) != 0) return;
    (void)snprintf(r->path[r->count], PATH_BYTES, "%s", path);
    r->rule[r->count] = (struct sandbox_rule){r->path[r->count], access_rights};
    r->count++;
}

// The folder of a file, which may be made or replaced there.
static void allow_folder_of(struct rules *r, const char *file, unsigned access_rights) {
    char folder[PATH_BYTES];
    if (!file || !*file) return;
    (void)snprintf(folder, sizeof folder, "%s", file);
    char *slash = strrchr(folder, '/');
    if (!slash) {
        (void)strcpy(folder, ".");
    } else {
        slash[slash == folder ? 1 : 0] = '\0';
    }
    allow(r, folder, access_rights);
}

static int make_folder(const char *folder, struct error *why) {
    if (!folder || !*folder || mkdir(folder, 0700) == 0 || errno == EEXIST) return 0;
    return error_set_os(why, ERR_IO, errno, "cannot make the folder %s", folder);
}

int node_confine(const struct node_values *v, const char *file, struct log *log,
                 struct error *why) {
    static const char *const system[] = {"/proc/self", "/sys/devices/system/cpu", "/etc", "/usr",
                                         "/lib"};
    const unsigned both = SANDBOX_READ | SANDBOX_WRITE;
    struct rules r = {.count = 0};
    int code = make_folder(v->data_folder, why);
    if (code != 0 || !v->sandbox) return code;
    if (v->data_folder && *v->data_folder) allow(&r, v->data_folder, both);
    if (v->genesis && *v->genesis) allow(&r, v->genesis, SANDBOX_READ);
    allow_folder_of(&r, file, SANDBOX_READ);
    allow_folder_of(&r, v->jwt_secret, both); // a key that is not there is made
    allow_folder_of(&r, v->ipc_path, both | SANDBOX_SOCKET);
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
