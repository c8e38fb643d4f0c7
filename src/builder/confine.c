/* SPDX-License-Identifier: MIT */
#include "builder/confine.h"

#include "base/confine.h"

int builder_confine(const struct builder_values *v, const char *config_file, struct log *log,
                    struct error *why) {
    const char *const own[] = {v->data_folder, v->records_folder, v->error_folder};
    const unsigned both = SANDBOX_READ | SANDBOX_WRITE;
    struct confine c;
    int r = sandbox_change_user(v->process.user, why);
    if (r != 0) return r;
    confine_init(&c);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        confine_own(&c, own[i], 0755);
    }
    (void)confine_allow(&c, v->chain, SANDBOX_READ);
    (void)confine_allow_folder_of(&c, config_file, SANDBOX_READ);
    (void)confine_allow_folder_of(&c, v->block_list, SANDBOX_READ);
    (void)confine_allow_folder_of(&c, v->orders_socket, both | SANDBOX_SOCKET);
    if (v->state_rpc && v->state_rpc[0] == '/') {
        (void)confine_allow_folder_of(&c, v->state_rpc, both);
    }
    confine_allow_system(&c);
    return confine_enter(&c, v->process.sandbox, log, why);
}
