/* SPDX-License-Identifier: MIT */
#include "base/confine.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void confine_init(struct confine *c) {
    *c = (struct confine){.count = 0};
    arena_init(&c->arena, 0);
}

static bool allow(struct confine *c, struct bytes path, unsigned access_wanted) {
    char *copy = arena_alloc_raw(&c->arena, path.n + 1);
    if (c->failed) return false;
    if (!copy) {
        c->failed = error_set(&c->why, ERR_NO_MEMORY, "no memory for the sandbox");
        return false;
    }
    memcpy(copy, path.p, path.n);
    copy[path.n] = '\0';
    if (access(copy, F_OK) != 0) return false;
    if (c->count == CONFINE_RULES_MAX) {
        c->failed = error_set(&c->why, ERR_LIMIT, "a sandbox of more than %u paths; the next is %s",
                              CONFINE_RULES_MAX, copy);
        return false;
    }
    c->rule[c->count++] = (struct sandbox_rule){copy, access_wanted};
    return true;
}

bool confine_allow(struct confine *c, const char *path, unsigned access_wanted) {
    return path && *path && allow(c, bytes_from_str(path), access_wanted);
}

static bool allow_folder(struct confine *c, const char *file, unsigned access_wanted) {
    const char *slash = strrchr(file, '/');
    if (!slash) return allow(c, BYTES_LIT("."), access_wanted);
    size_t n = slash == file ? 1 : (size_t)(slash - file);
    return allow(c, bytes_make(file, n), access_wanted);
}

bool confine_allow_folder_of(struct confine *c, const char *file, unsigned access_wanted) {
    struct stat st;
    char target[PATH_MAX];
    if (!file || !*file || !allow_folder(c, file, access_wanted)) return false;
    // Landlock looks at where a link leads to, not at the link.
    if (lstat(file, &st) == 0 && S_ISLNK(st.st_mode) && realpath(file, target)) {
        (void)allow_folder(c, target, SANDBOX_READ);
    }
    return true;
}

void confine_own(struct confine *c, const char *folder, mode_t mode) {
    if (!folder || !*folder || c->failed) return;
    if (mkdir(folder, mode) != 0 && errno != EEXIST) {
        c->failed = error_set_os(&c->why, ERR_IO, errno, "cannot make the folder %.100s", folder);
        return;
    }
    (void)confine_allow(c, folder, SANDBOX_READ | SANDBOX_WRITE);
}

void confine_allow_socket(struct confine *c, const char *address) {
    struct bytes scheme = BYTES_LIT("unix:");
    if (!address || !bytes_starts_with(bytes_from_str(address), scheme)) return;
    const char *path = address + scheme.n;
    if (*path == '@') return; // the abstract name space has no files
    (void)confine_allow_folder_of(c, path, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_SOCKET);
}

void confine_allow_system(struct confine *c) {
    // Its own state, processors, names with TLS roots and time zones, libraries.
    static const char *const read[] = {"/proc/self", "/sys/devices/system/cpu", "/etc", "/usr",
                                       "/lib"};
    for (size_t i = 0; i < sizeof read / sizeof read[0]; i++) {
        (void)confine_allow(c, read[i], SANDBOX_READ);
    }
    (void)confine_allow(c, "/dev/null", SANDBOX_READ | SANDBOX_WRITE);
}

int confine_enter(struct confine *c, bool restrict_process, struct log *log, struct error *why) {
    int r = c->failed;
    if (r != 0 && why) *why = c->why;
    if (r == 0 && restrict_process) {
        r = sandbox_restrict_files(c->rule, c->count, why);
        if (r == ERR_UNSUPPORTED) {
            log_warn(log, "landlock_unsupported", F_ERR(why));
            r = 0;
        }
        if (r == 0) r = sandbox_restrict_calls(why);
    }
    arena_free(&c->arena);
    return r;
}
