/* Program: `buildernet hub`: its settings, and serving them.
 * Thread: the main thread. SPDX-License-Identifier: MIT */
#ifndef HUB_PROGRAM_H
#define HUB_PROGRAM_H

#include "attested/setup.h"
#include "config/common.h"

struct hub_values {
    const char *listen_addr, *admin_addr, *internal_addr, *metrics_addr;
    const char *database, *postgres_dsn;
    const char *admin_user, *admin_bcrypt, *admin_accounts;
    const char *admin_certificate, *admin_key;
    const char *attested_addr, *attested_type, *attested_policy;
    const char *attested_certificate, *attested_key;
    int attested_form; /* enum attested_form */
    bool attested_proxy_protocol;
    struct attested_values attested;
    const char *secrets_dir;
    const char *sealed_key, *tpm;
    struct config_list tpm_pcrs;
    const char *vault_address, *vault_ca, *vault_namespace, *vault_mount, *vault_path;
    const char *vault_role, *vault_auth_path, *vault_jwt_file;
    struct secret vault_token;
    int vault_auth; /* enum vault_auth */
    bool vault;
    struct secret secrets_key;
    struct config_list trusted_proxy, required_services, trusted_firmware;
    uint64_t drain_ns, keep_events_ns, keep_credentials_ns, refresh_ns;
    uint64_t connections, workers;
    struct common_log log;
    bool admin_open, mock_secrets, compat, allow_empty, public_only_nodes, merge, serve_stale;
    bool migrate;
};

extern const struct config_program hub_program;
enum { HUB_VERB_MIGRATE, HUB_VERB_SEAL_KEY };

/* hub_serve runs until SIGTERM; hub_migrate_database brings the schema up to date; hub_seal_key
 * writes the secrets key, or a new one, to a file that only this machine's TPM opens. Exit
 * status. */
int hub_serve(struct config *config, const struct hub_values *values);
int hub_migrate_database(const struct hub_values *values);
int hub_seal_key(const struct hub_values *values, const char *path);

/* hub_open_parts opens store and secrets as the settings say. */
struct hub_options;
[[gnu::warn_unused_result]] int hub_open_parts(struct hub_options *ret,
                                               const struct hub_values *values, struct error *why);

/* hub_read_switches, hub_read_accounts, hub_read_key: what the settings say, checked. Switches
 * borrow from the values; accounts are the caller's; the key has 32 bytes.
 * errors  ERR_SYNTAX, ERR_NOT_FOUND, ERR_CONFLICT, ERR_IO, and those of the TPM. */
struct hub_switches;
struct admins;
[[gnu::warn_unused_result]] int
hub_read_switches(struct hub_switches *ret, const struct hub_values *values, struct error *why);
[[gnu::warn_unused_result]] int
hub_read_accounts(struct admins **ret, const struct hub_values *values, struct error *why);
[[gnu::warn_unused_result]] int hub_read_key(struct secret *ret, const struct hub_values *values,
                                             struct error *why);

#endif
