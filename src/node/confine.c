/* SPDX-License-Identifier: MIT */
#include "node/confine.h"

#include "base/confine.h"

int node_confine(const struct node_values *v, const char *file, struct log *log,
                 struct error *why) {
    const unsigned both = SANDBOX_READ | SANDBOX_WRITE;
    struct confine c;
    int r = sandbox_change_user(v->process.user, why);
    if (r != 0) return r;
    confine_init(&c);
    confine_own(&c, v->data_folder, 0700);
    (void)confine_allow(&c, v->genesis, SANDBOX_READ);
    (void)confine_allow(&c, v->ca_file, SANDBOX_READ);
    (void)confine_allow_folder_of(&c, file, SANDBOX_READ);
    (void)confine_allow_folder_of(&c, v->jwt_secret, both); // a key that is not there is made
    (void)confine_allow_folder_of(&c, v->ipc_path, both | SANDBOX_SOCKET);
    confine_allow_system(&c);
    return confine_enter(&c, v->process.sandbox, log, why);
}
