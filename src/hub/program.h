/* Program: `buildernet hub`: its settings, and serving them.
 * Thread: the main thread. SPDX-License-Identifier: MIT */
#ifndef HUB_PROGRAM_H
#define HUB_PROGRAM_H

#include "config/common.h"

struct hub_values {
    const char *listen_addr, *admin_addr, *internal_addr, *metrics_addr;
    const char *database, *postgres_dsn;
    const char *admin_user, *admin_bcrypt;
    const char *secrets_dir;
    const char *vault_address, *vault_ca, *vault_namespace, *vault_mount, *vault_path;
    const char *vault_role, *vault_auth_path, *vault_jwt_file;
    struct secret vault_token;
    int vault_auth; /* enum vault_auth */
    bool vault;
    struct secret secrets_key;
    struct config_list trusted_proxy, required_services;
    uint64_t drain_ns, keep_events_ns, refresh_ns;
    uint64_t connections, workers;
    struct common_log log;
    bool admin_open, mock_secrets, compat, allow_empty, public_only_nodes, merge, serve_stale;
    bool migrate;
};

extern const struct config_program hub_program;
enum { HUB_VERB_MIGRATE };

/* hub_serve runs until SIGTERM; hub_migrate_database brings the schema up to date. Exit status. */
int hub_serve(struct config *config, const struct hub_values *values);
int hub_migrate_database(const struct hub_values *values);

/* hub_open_parts opens store and secrets as the settings say. */
struct hub_options;
[[gnu::warn_unused_result]] int hub_open_parts(struct hub_options *ret,
                                               const struct hub_values *values, struct error *why);

#endif
