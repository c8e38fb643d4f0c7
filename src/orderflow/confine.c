/* What the process gives up: files that it does not need, system calls, its user.
 * SPDX-License-Identifier: MIT */
#include "base/confine.h"
#include "orderflow/app.h"
#include "orderflow/listener.h"

/* Sockets by path: listeners, builder ("feed:" is its order feed), execution client, hub. */
static void allow_sockets(struct confine *c, const struct orderflow_values *v) {
    const char *const addresses[] = {v->user_addr,        v->system_addr,   v->cert_addr,
                                     v->metrics_addr,     v->stats_addr,    v->builder_url,
                                     v->builder_endpoint, v->builder_ready, v->rpc_endpoint,
                                     v->hub_url,          v->hub_url_first};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        const char *a = addresses[i];
        if (a && strncmp(a, "feed:", 5) == 0) {
            (void)confine_allow_folder_of(c, a + 5, SANDBOX_READ | SANDBOX_WRITE | SANDBOX_SOCKET);
        } else {
            confine_allow_socket(c, a);
        }
    }
}

static void allow_evidence(void *c, const char *path, unsigned rights, bool folder_of) {
    if (folder_of) {
        (void)confine_allow_folder_of(c, path, rights);
    } else {
        (void)confine_allow(c, path, rights);
    }
}

int app_confine(struct app *a, struct error *why) {
    const struct orderflow_values *v = a->values;
    const char *const own[] = {v->journal_folder, v->spill_folder, v->history_folder,
                               v->history_spill};
    const char *const files[] = {config_file(a->config), v->certificate, v->key, v->rules_file,
                                 v->measurements_file};
    struct confine c;
    int r = sandbox_change_user(v->process.user, why);
    if (r != 0) return r;
    confine_init(&c);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        confine_own(&c, own[i], 0700);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        (void)confine_allow_folder_of(&c, files[i], SANDBOX_READ);
    }
    (void)confine_allow(&c, LISTENER_BOOT_FILE, SANDBOX_READ);
    allow_sockets(&c, v);
    if (app_evidence(v) != SHARE_PINNED) attested_setup_paths(&v->attested, allow_evidence, &c);
    confine_allow_system(&c);
    return confine_enter(&c, v->process.sandbox, a->log, why);
}
