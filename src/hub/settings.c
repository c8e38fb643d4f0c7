/* SPDX-License-Identifier: MIT */
#include "attest/vtpm_seal.h"
#include "base/file.h"
#include "base/hex.h"
#include "hub/hub.h"
#include "hub/operator.h"
#include "hub/program.h"
#include "hub/vault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define V struct hub_values
#define ROW(kind, field_, flag_, env_, value_, help_)                                              \
    {                                                                                              \
        .flag = (flag_), .type = CONFIG_TYPE_##kind, .offset = offsetof(V, field_),                \
        .value = (value_), .env = (env_), .help = (help_), .restart = true                         \
    }

// A row that SIGHUP can change.
#define LIVE(kind, field_, flag_, env_, value_, help_)                                             \
    {                                                                                              \
        .flag = (flag_), .type = CONFIG_TYPE_##kind, .offset = offsetof(V, field_),                \
        .value = (value_), .env = (env_), .help = (help_)                                          \
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
    LIVE(STRING, admin_user, "admin-basic-user", "ADMIN_BASIC_USER", "admin",
         "User of the admin listener."),
    LIVE(STRING, admin_bcrypt, "admin-basic-password-bcrypt", "ADMIN_BASIC_PASSWORD_BCRYPT", NULL,
         "bcrypt hash of its password; without one this user does not come in."),
    LIVE(PATH, admin_accounts, "admin-accounts", "ADMIN_ACCOUNTS", NULL,
         "File of further accounts, NAME:BCRYPT a line (htpasswd -B): who logs in is the author of "
         "a change."),
    LIVE(PATH, admin_certificate, "admin-tls-certificate", NULL, NULL,
         "Certificate chain of the admin listener, PEM; without it the listener is plain."),
    LIVE(PATH, admin_key, "admin-tls-key", NULL, NULL, "Its key, PEM."),
    ROW(BOOL, admin_open, "disable-admin-auth", "DISABLE_ADMIN_AUTH", "false",
        "Let everybody who reaches the admin listener in."),
    ROW(ADDRESS, attested_addr, "attested-addr", NULL, NULL,
        "Listener for nodes that attest to the hub itself, without a proxy; none: off."),
    {.flag = "attested-protocol",
     .type = CONFIG_TYPE_ENUM,
     .offset = offsetof(V, attested_form),
     .value = "ratls",
     .choices = "ratls|atls",
     .restart = true,
     .help = "Its protocol, as of attested-proxy."},
    ROW(STRING, attested_type, "attested-type", NULL, "none",
        "What the hub attests as to its nodes: none, dcap-tdx, gcp-tdx, azure-tdx."),
    LIVE(PATH, attested_policy, "attested-policy", NULL, NULL,
         "Policy file of what evidence must be beside its image, which the allow-list decides; "
         "without it: up to date, and no debug."),
    LIVE(PATH, attested_certificate, "attested-tls-certificate", NULL, NULL,
         "ratls: certificate chain, PEM."),
    LIVE(PATH, attested_key, "attested-tls-key", NULL, NULL, "ratls: its key, PEM."),
    ROW(BOOL, attested_proxy_protocol, "attested-proxy-protocol", NULL, "false",
        "Connections come from a balancer that says in a PROXY header who they are."),
    ATTESTED_OPTIONS(V, attested),
    ROW(PATH, secrets_dir, "secrets-dir", NULL, NULL,
        "Keep secrets in sealed files here; without it in the database, sealed as well."),
    ROW(SECRET, secrets_key, "secrets-key", NULL, NULL,
        "Key that seals secrets: 64 hex digits, or file:/path."),
    ROW(PATH, sealed_key, "secrets-key-tpm", NULL, NULL,
        "File with that key sealed by the TPM, as `buildernet hub seal-key FILE` writes it."),
    ROW(STRING, tpm, "tpm", NULL, VTPM_DEVICE, "The TPM, by its TCTI."),
    ROW(LIST, tpm_pcrs, "tpm-pcrs", NULL, NULL,
        "seal-key: give the key out only while these SHA-256 PCRs are as now."),
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
    LIVE(SECRET, vault_token, "vault-token", "VAULT_TOKEN", NULL, "Token of the method token."),
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
    LIVE(LIST, trusted_proxy, "trusted-proxy", NULL, "127.0.0.0/8,::1/128,unix",
         "Proxies whose attestation headers are believed: addresses, blocks, unix."),
    LIVE(LIST, required_services, "required-services", NULL, "instance,orderflow_proxy",
         "A builder is listed as a peer when it registered these."),
    LIVE(LIST, trusted_firmware, "trusted-firmware", NULL, NULL,
         "MRTDs (hex) of firmware that measures truly: allow-list entries of image hashes count "
         "under these."),
    LIVE(BOOL, allow_empty, "allow-empty-measurements", "ALLOW_EMPTY_MEASUREMENTS", "false",
         "Take allow-list entries without measurements: they let every image in."),
    LIVE(BOOL, public_only_nodes, "public-nodes-only", NULL, "false",
         "Serve only the nodes' routes and health on the public listener."),
    LIVE(BOOL, serve_stale, "serve-stale", NULL, "false",
         "Go on answering configuration reads while the database is away."),
    ROW(BOOL, compat, "compat", NULL, "false",
        "Behave as the deployed hub where this one is stricter; every peer is a trusted proxy."),
    {.flag = "drain-seconds",
     .type = CONFIG_TYPE_DURATION,
     .offset = offsetof(V, drain_ns),
     .value = "15s",
     .unit = NS_PER_S, // the deployed hub's flag is a number
     .help = "How long GET /drain holds its request open."},
    LIVE(DURATION, refresh_ns, "refresh", NULL, "30s",
         "Load everything again this often (changes by programs that send no notifications)."),
    LIVE(DURATION, keep_events_ns, "keep-events", NULL, "720h",
         "Remove older event rows; 0s never."),
    LIVE(DURATION, keep_credentials_ns, "keep-credentials", NULL, "2160h",
         "Remove registrations that newer ones replaced longer ago; 0s never."),
    ROW(U64, workers, "workers", NULL, "4", "Threads that write to the database."),
    COMMON_LOG_ROWS(V, log, "", ""),
};

static const struct config_verb verbs[] = {
    [HUB_VERB_MIGRATE] = {"migrate", NULL, "Bring the database's schema up to date.", 0, 0},
    [HUB_VERB_SEAL_KEY] = {"seal-key", "FILE",
                           "Seal secrets-key, or a new key, in the TPM; FILE is for "
                           "secrets-key-tpm.",
                           1, 1},
    HUB_OPERATOR_VERBS(hub_operator),
};

const struct config_program hub_program = {
    .name = "hub",
    .summary = "identity, allow-list, configuration and secrets, discovery of the nodes",
    .details = "Without a verb, serves. An attesting proxy stands in front of the public listener "
               "and says in headers what it verified. SIGHUP reads the settings, accounts and "
               "certificates again; a bad one is refused and the old ones stay.\n\nThe other verbs "
               "are the operator's, to a running hub.",
    CONFIG_OPTIONS(options, V),
    CONFIG_VERBS(verbs),
    .verb_optional = true,
};

static const char *database_of(const struct hub_values *v) {
    return v->postgres_dsn && *v->postgres_dsn ? v->postgres_dsn : v->database;
}

static int read_sealed(struct secret *ret, const struct hub_values *v, struct error *why) {
    struct buf sealed;
    struct vtpm *tpm = NULL;
    buf_init(&sealed, VTPM_SEALED_BYTES_MAX);
    int r = file_read(&sealed, v->sealed_key, why);
    if (r == 0) r = vtpm_open(&tpm, v->tpm, why);
    if (r == 0) r = vtpm_unseal(ret, tpm, buf_view(&sealed), why);
    vtpm_close(tpm);
    buf_free(&sealed);
    if (r == 0 && ret->n != SECRETS_KEY_BYTES) {
        secret_free(ret);
        r = error_set(why, ERR_SYNTAX, "it holds no key of %d bytes", SECRETS_KEY_BYTES);
    }
    return r == 0 ? 0 : error_wrap(why, "secrets-key-tpm %s", v->sealed_key);
}

int hub_read_key(struct secret *ret, const struct hub_values *v, struct error *why) {
    struct bytes digits = secret_view(&v->secrets_key);
    if (v->sealed_key && *v->sealed_key) {
        if (digits.n == 0) return read_sealed(ret, v, why);
        return error_set(why, ERR_CONFLICT, "give secrets-key or secrets-key-tpm, not both");
    }
    if (digits.n == 0) {
        return error_set(why, ERR_NOT_FOUND,
                         "no secrets backend configured: give secrets-key, secrets-key-tpm, "
                         "vault-enabled or mock-secrets");
    }
    int r = secret_init(ret, SECRETS_KEY_BYTES, why);
    if (r != 0) return r;
    if (digits.n == 2 * SECRETS_KEY_BYTES && hex_decode(ret->p, digits, NULL) == 0) return 0;
    secret_free(ret);
    return error_set(why, ERR_SYNTAX, "secrets-key is 64 hex digits");
}

// A list of 96 hex digits each, in lower case as proxies report them.
static int check_firmware(const struct config_list *list, struct error *why) {
    for (size_t i = 0; i < list->count; i++) {
        const char *s = list->items[i];
        if (strlen(s) != 96 || strspn(s, "0123456789abcdef") != 96) {
            return error_set(why, ERR_SYNTAX,
                             "trusted-firmware: an MRTD has 96 hex digits in lower case");
        }
    }
    return 0;
}

int hub_read_switches(struct hub_switches *ret, const struct hub_values *v, struct error *why) {
    *ret = (struct hub_switches){.allow_empty_measurements = v->allow_empty,
                                 .public_only_nodes = v->public_only_nodes,
                                 .serve_stale = v->serve_stale,
                                 .required = v->required_services,
                                 .firmware = v->trusted_firmware};
    return check_firmware(&v->trusted_firmware, why);
}

int hub_read_accounts(struct admins **ret, const struct hub_values *v, struct error *why) {
    struct admins *a;
    *ret = NULL;
    int r = admins_new(&a, why);
    if (r != 0) return r;
    if (v->admin_bcrypt && *v->admin_bcrypt) {
        r = admins_add(a, bytes_from_str(v->admin_user), bytes_from_str(v->admin_bcrypt), why);
        if (r != 0) r = error_wrap(why, "admin-basic-password-bcrypt");
    }
    if (r == 0 && v->admin_accounts && *v->admin_accounts) {
        r = admins_read(a, v->admin_accounts, why);
    }
    if (r == 0) {
        *ret = a;
    } else {
        admins_free(a);
    }
    return r;
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
    struct secret key = {0};
    int r = v->mock_secrets || v->vault ? 0 : hub_read_key(&key, v, why);
    if (r == 0) r = store_open(&ret->store, &o, why);
    if (r != 0) {
        secret_free(&key);
        return r;
    }
    struct bytes key_view = secret_view(&key);
    if (v->mock_secrets) {
        r = secrets_memory(&ret->secrets, why);
    } else if (v->vault) {
        r = open_vault(&ret->secrets, v, why);
    } else if (v->secrets_dir && *v->secrets_dir) {
        r = secrets_files(&ret->secrets, v->secrets_dir, key_view, why);
    } else {
        r = secrets_database(&ret->secrets, ret->store, key_view, why);
    }
    secret_free(&key);
    if (r != 0) {
        store_close(ret->store);
        ret->store = NULL;
    }
    return r;
}

static int read_pcrs(uint32_t *ret, const struct config_list *list, struct error *why) {
    *ret = 0;
    for (size_t i = 0; i < list->count; i++) {
        char *end;
        unsigned long n = strtoul(list->items[i], &end, 10);
        if (end == list->items[i] || *end || n > 23) {
            return error_set(why, ERR_SYNTAX, "tpm-pcrs: \"%.20s\" is no PCR (0 to 23)",
                             list->items[i]);
        }
        *ret |= 1u << n;
    }
    return 0;
}

static int seal_key(const struct hub_values *v, const char *path, struct error *why) {
    struct secret key = {0};
    struct vtpm *tpm = NULL;
    struct buf sealed;
    uint32_t pcrs = 0;
    buf_init(&sealed, VTPM_SEALED_BYTES_MAX);
    int r = read_pcrs(&pcrs, &v->tpm_pcrs, why);
    if (r == 0) {
        r = v->secrets_key.n ? hub_read_key(&key, v, why)
                             : secret_random(&key, SECRETS_KEY_BYTES, why);
    }
    if (r == 0) r = vtpm_open(&tpm, v->tpm, why);
    if (r == 0) r = vtpm_seal(&sealed, tpm, secret_view(&key), pcrs, why);
    if (r == 0 && access(path, F_OK) == 0) {
        // What was sealed with the key in it could not be opened any more.
        r = error_set(why, ERR_CONFLICT, "%s is there already", path);
    }
    if (r == 0) r = file_write_atomic(path, buf_view(&sealed), NULL, why);
    vtpm_close(tpm);
    secret_free(&key);
    buf_free(&sealed);
    return r;
}

int hub_seal_key(const struct hub_values *v, const char *path) {
    struct error why;
    int r = seal_key(v, path, &why);
    if (r == 0) return 0;
    (void)fprintf(stderr, "buildernet hub: %s\n", why.text);
    return error_class_of(r)->exit_status;
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
