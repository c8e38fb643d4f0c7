/* SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "hub/hub.h"
#include "hub/operator.h"
#include "hub/program.h"
#include "hub/vault.h"

#include <stdio.h>

#define V struct hub_values
#define ROW(kind, field_, flag_, env_, value_, help_)                                              \
    {                                                                                              \
        .flag = (flag_), .type = CONFIG_TYPE_##kind, .offset = offsetof(V, field_),                \
        .value = (value_), .env = (env_), .help = (help_), .restart = true                         \
    }

static const struct config_option options[] = {
    ROW(ADDRESS, listen_addr, "listen-addr", "LISTEN_ADDR", "127.0.0.1:8080",
        "Public listener: nodes, through their attesting proxy."),
    ROW(ADDRESS, admin_addr, "admin-addr", "ADMIN_ADDR", "127.0.0.1:8081", "Admin listener."),
    ROW(ADDRESS, internal_addr, "internal-addr", "INTERNAL_ADDR", "127.0.0.1:8082",
        "Internal listener: peer lists and allow-list for one's own infrastructure."),
    COMMON_METRICS_ROW(V, metrics_addr, "127.0.0.1:8090", "METRICS_ADDR",
                       "Metrics listener; empty for none."),
    ROW(PATH, database, "database", NULL, "builder-hub.db",
        "SQLite file, used unless postgres-dsn is given."),
    ROW(STRING, postgres_dsn, "postgres-dsn", "POSTGRES_DSN", NULL,
        "PostgreSQL: libpq URL or key=value text; several hosts may be given."),
    ROW(U64, connections, "postgres-connections", NULL, "8", "Connections to PostgreSQL."),
    ROW(BOOL, migrate, "auto-migrate", NULL, "true",
        "Bring an older schema up to date at start; a newer one is always refused."),
    ROW(STRING, admin_user, "admin-basic-user", "ADMIN_BASIC_USER", "admin",
        "User of the admin listener."),
    ROW(STRING, admin_bcrypt, "admin-basic-password-bcrypt", "ADMIN_BASIC_PASSWORD_BCRYPT", NULL,
        "bcrypt hash of its password; without one nobody comes in."),
    ROW(BOOL, admin_open, "disable-admin-auth", "DISABLE_ADMIN_AUTH", "false",
        "Let everybody who reaches the admin listener in."),
    ROW(PATH, secrets_dir, "secrets-dir", NULL, NULL,
        "Keep secrets in sealed files here; without it in the database, sealed as well."),
    ROW(SECRET, secrets_key, "secrets-key", NULL, NULL,
        "Key that seals secrets: 64 hex digits, or file:/path."),
    ROW(BOOL, vault, "vault-enabled", "VAULT_ENABLED", "false",
        "Keep secrets in Vault's KV version 2."),
    ROW(URL, vault_address, "vault-address", "VAULT_ADDR", "http://localhost:8200",
        "Vault's address."),
    ROW(PATH, vault_ca, "vault-ca", "VAULT_CACERT", NULL,
        "Roots for Vault's certificate, PEM; without it the machine's."),
    ROW(STRING, vault_namespace, "vault-namespace", "VAULT_NAMESPACE", NULL, "Vault's namespace."),
    {.flag = "vault-auth-method",
     .type = CONFIG_TYPE_ENUM,
     .offset = offsetof(V, vault_auth),
     .value = "token",
     .choices = "token|kubernetes|jwt",
     .env = "VAULT_AUTH_METHOD",
     .help = "How to log in at Vault.",
     .restart = true},
    ROW(SECRET, vault_token, "vault-token", "VAULT_TOKEN", NULL, "Token of the method token."),
    ROW(STRING, vault_role, "vault-kubernetes-role", "VAULT_KUBERNETES_ROLE", NULL,
        "Role of the methods kubernetes and jwt."),
    ROW(STRING, vault_auth_path, "vault-kubernetes-auth-path", "VAULT_KUBERNETES_AUTH_PATH", NULL,
        "Where the method is mounted, when not under its own name."),
    ROW(PATH, vault_jwt_file, "vault-kubernetes-jwt-path", "VAULT_KUBERNETES_JWT_PATH",
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "The JWT to log in with; read again for each login."),
    ROW(STRING, vault_path, "vault-secret-path", "VAULT_SECRET_PATH", "secrets/builder-hub",
        "Below which the builders' secrets lie."),
    ROW(STRING, vault_mount, "vault-mount-path", "VAULT_MOUNT_PATH", "secret",
        "Where the KV engine is mounted."),
    ROW(BOOL, mock_secrets, "mock-secrets", "MOCK_SECRETS", "false",
        "Keep secrets in memory only (development)."),
    ROW(BOOL, merge, "merge-configuration", NULL, "false",
        "Give nodes their configuration with the secrets merged in, not the secrets alone."),
    ROW(LIST, trusted_proxy, "trusted-proxy", NULL, "127.0.0.0/8,::1/128,unix",
        "Proxies whose attestation headers are believed: addresses, blocks, unix."),
    ROW(LIST, required_services, "required-services", NULL, "instance,orderflow_proxy",
        "A builder is listed as a peer when it registered these."),
    ROW(BOOL, allow_empty, "allow-empty-measurements", "ALLOW_EMPTY_MEASUREMENTS", "false",
        "Take allow-list entries without measurements: they let every image in."),
    ROW(BOOL, public_only_nodes, "public-nodes-only", NULL, "false",
        "Serve only the nodes' routes and health on the public listener."),
    ROW(BOOL, serve_stale, "serve-stale", NULL, "false",
        "Go on answering configuration reads while the database is away."),
    ROW(BOOL, compat, "compat", NULL, "false",
        "Behave as the deployed hub where this one is stricter; every peer is a trusted proxy."),
    ROW(DURATION, drain_ns, "drain-seconds", NULL, "15s",
        "How long GET /drain holds its request open."),
    ROW(DURATION, refresh_ns, "refresh", NULL, "30s",
        "Load everything again this often (changes by programs that send no notifications)."),
    ROW(DURATION, keep_events_ns, "keep-events", NULL, "720h",
        "Remove older event rows; 0s never."),
    ROW(U64, workers, "workers", NULL, "4", "Threads that write to the database."),
    COMMON_LOG_ROWS(V, log, "", ""),
};

static const struct config_verb verbs[] = {
    [HUB_VERB_MIGRATE] = {"migrate", NULL, "Bring the database's schema up to date.", 0, 0},
    HUB_OPERATOR_VERBS(hub_operator),
};

const struct config_program hub_program = {
    .name = "hub",
    .summary = "identity, allow-list, configuration and secrets, discovery of the nodes",
    .details = "Without a verb, serves. An attesting proxy stands in front of the public listener "
               "and says in headers what it verified.\n\nThe other verbs are the operator's, to a "
               "running hub.",
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .values_bytes = sizeof(V),
    .verbs = verbs,
    .verb_count = sizeof verbs / sizeof verbs[0],
    .verb_optional = true,
};

static const char *database_of(const struct hub_values *v) {
    return v->postgres_dsn && *v->postgres_dsn ? v->postgres_dsn : v->database;
}

static int read_key(uint8_t key[SECRETS_KEY_BYTES], const struct hub_values *v, struct error *why) {
    struct bytes digits = secret_view(&v->secrets_key);
    if (digits.n == 0) {
        return error_set(
            why, ERR_NOT_FOUND,
            "no secrets backend configured: give secrets-key, vault-enabled or mock-secrets");
    }
    if (digits.n != 2 * SECRETS_KEY_BYTES || hex_decode(key, digits, NULL) != 0) {
        return error_set(why, ERR_SYNTAX, "secrets-key is 64 hex digits");
    }
    return 0;
}

static int open_vault(struct secrets **ret, const struct hub_values *v, struct error *why) {
    const struct vault_options o = {.address = v->vault_address,
                                    .ca_file = v->vault_ca,
                                    .namespace_name = v->vault_namespace,
                                    .mount = v->vault_mount,
                                    .path = v->vault_path,
                                    .auth = (enum vault_auth)v->vault_auth,
                                    .token = secret_view(&v->vault_token),
                                    .role = v->vault_role,
                                    .auth_path = v->vault_auth_path,
                                    .jwt_file = v->vault_jwt_file};
    struct vault *vault;
    int r = vault_new(&vault, &o, why);
    if (r == 0) r = secrets_vault(ret, vault, why);
    return r;
}

int hub_open_parts(struct hub_options *ret, const struct hub_values *v, struct error *why) {
    const struct store_options o = {
        .url = database_of(v), .connections = (unsigned)v->connections, .migrate = v->migrate};
    uint8_t key[SECRETS_KEY_BYTES] = {0};
    int r = v->mock_secrets || v->vault ? 0 : read_key(key, v, why);
    if (r == 0) r = store_open(&ret->store, &o, why);
    if (r != 0) return r;
    struct bytes key_view = bytes_make(key, sizeof key);
    if (v->mock_secrets) {
        r = secrets_memory(&ret->secrets, why);
    } else if (v->vault) {
        r = open_vault(&ret->secrets, v, why);
    } else if (v->secrets_dir && *v->secrets_dir) {
        r = secrets_files(&ret->secrets, v->secrets_dir, key_view, why);
    } else {
        r = secrets_database(&ret->secrets, ret->store, key_view, why);
    }
    bytes_wipe(key, sizeof key);
    if (r != 0) {
        store_close(ret->store);
        ret->store = NULL;
    }
    return r;
}

int hub_migrate_database(const struct hub_values *v) {
    const struct store_options o = {.url = database_of(v), .connections = 1, .migrate = true};
    struct store *s;
    struct error why;
    int r = store_open(&s, &o, &why);
    if (r != 0) {
        (void)fprintf(stderr, "buildernet hub: %s\n", why.text);
        return error_class_of(r)->exit_status;
    }
    store_close(s);
    return 0;
}
