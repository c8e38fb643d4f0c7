/* SPDX-License-Identifier: MIT */
#include "attested_proxy/settings.h"

#define V struct proxy_values

static const struct config_option options[] = {
    {.flag = "listen-addr",
     .type = CONFIG_TYPE_ADDRESS,
     .offset = offsetof(V, listen_addr),
     .value = "127.0.0.1:8080",
     .restart = true,
     .help = "Address to serve."},
    {.flag = "listen-addr-healthcheck",
     .type = CONFIG_TYPE_ADDRESS,
     .offset = offsetof(V, health_addr),
     .restart = true,
     .help = "Address of /livez, /readyz and /metrics; empty: none."},
    {.flag = "target-addr",
     .type = CONFIG_TYPE_STRING,
     .offset = offsetof(V, target_addr),
     .hint = "URL",
     .restart = true,
     .help = "server: the service, http://HOST:PORT, https://HOST:PORT or unix:/PATH; client: the "
             "attested server, HOST:PORT or https://HOST:PORT."},
    {.flag = "protocol",
     .type = CONFIG_TYPE_ENUM,
     .offset = offsetof(V, form),
     .value = "ratls",
     .choices = "ratls|atls",
     .restart = true,
     .help = "ratls: evidence after the handshake, bound to the exporter; atls: evidence in "
             "certificate extensions."},
    {.flag = "server-attestation-type",
     .type = CONFIG_TYPE_STRING,
     .offset = offsetof(V, server_type),
     .value = "none",
     .hint = "TYPE",
     .restart = true,
     .help = "What the server attests with: none, dcap-tdx, qemu-tdx, gcp-tdx, azure-tdx. On a "
             "client it only says what is expected."},
    {.flag = "client-attestation-type",
     .type = CONFIG_TYPE_STRING,
     .offset = offsetof(V, client_type),
     .value = "none",
     .hint = "TYPE",
     .restart = true,
     .help = "What the client attests with. On a server it only says what is expected."},
    CONFIG_PATH(proxy_values, measurements_file, "measurements-file", NULL,
                "Policy that the peer's evidence must satisfy."),
    CONFIG_PATH(proxy_values, server_measurements, "server-measurements", NULL,
                "The same, on a client."),
    CONFIG_PATH(proxy_values, client_measurements, "client-measurements", NULL,
                "The same, on a server."),
    ATTESTED_OPTIONS(V, attested),
    CONFIG_BOOL(proxy_values, allow_unattested, "allow-unattested", "false",
                "Start although nothing about the peer is verified."),
    CONFIG_PATH(
        proxy_values, tls_certificate, "tls-certificate-path", NULL,
        "server: certificate chain, PEM; empty: ratls makes a self-signed one, atls one for "
        "each session. With atls only where the server does not attest."),
    CONFIG_PATH(proxy_values, tls_key, "tls-private-key-path", NULL, "Its key, PEM."),
    CONFIG_LIST(proxy_values, tls_hosts, "tls-hosts", NULL, "HOST,...",
                "Names in the self-signed certificate."),
    CONFIG_PATH(proxy_values, tls_ca, "tls-ca-certificate", NULL,
                "client: roots of the server's certificate; empty: the system's."),
    CONFIG_BOOL(proxy_values, allow_self_signed, "allow-self-signed", "false",
                "client, ratls: the evidence alone decides, whatever the certificate."),
    CONFIG_BOOL(proxy_values, verify_tls, "verify-tls", "false",
                "client, atls: check name and chain of the certificate, as of any web server, "
                "instead of evidence."),
    CONFIG_PATH(proxy_values, target_ca, "target-ca-certificate", NULL,
                "server: roots of an https target; empty: the system's."),
    {.flag = "max-connections",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(V, connections),
     .value = "10000",
     .min = 1,
     .restart = true,
     .help = "Connections at once."},
    {.flag = "max-connections-per-peer",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(V, connections_per_peer),
     .value = "256",
     .restart = true,
     .help = "The same of one address; 0: no limit."},
    {.flag = "max-requests-per-peer",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(V, requests_per_second),
     .value = "0",
     .restart = true,
     .help = "Requests a second of one address, with bursts of twice that; 0: no limit."},
    {.flag = "upstream-connections",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(V, upstream_connections),
     .value = "32",
     .min = 1,
     .max = 10000,
     .restart = true,
     .help = "Connections to the target."},
    {.flag = "handshake-timeout",
     .type = CONFIG_TYPE_DURATION,
     .offset = offsetof(V, handshake_ns),
     .value = "15s",
     .restart = true,
     .help = "From the connection to the accepted evidence."},
    {.flag = "response-timeout",
     .type = CONFIG_TYPE_DURATION,
     .offset = offsetof(V, response_ns),
     .value = "60s",
     .restart = true,
     .help = "Longest wait for the target's answer, and longest silence in it."},
    {.flag = "idle-timeout",
     .type = CONFIG_TYPE_DURATION,
     .offset = offsetof(V, idle_ns),
     .value = "300s",
     .restart = true,
     .help = "A session without requests ends after."},
    {.flag = "drain",
     .type = CONFIG_TYPE_DURATION,
     .offset = offsetof(V, drain_ns),
     .value = "30s",
     .restart = true,
     .help = "Time for open requests at the end."},
    COMMON_LOG_ROWS(V, log, "BUILDERNET_", ""),
    COMMON_PROCESS_ROWS(V, process, ""),
    {.flag = "out",
     .type = CONFIG_TYPE_PATH,
     .offset = offsetof(V, out),
     .help = "get-tls-cert: file to write, instead of standard output."},
};

static const struct config_verb verbs[] = {
    [PROXY_SERVER] = {"server", NULL, "take attested TLS, pass plain HTTP to the target", 0, 0},
    [PROXY_CLIENT] = {"client", NULL, "take plain HTTP, pass it through attested TLS", 0, 0},
    [PROXY_GET_CERTIFICATE] = {"get-tls-cert", NULL,
                               "print the TLS certificate of an attested server", 0, 0},
};

const struct config_program proxy_settings_program = {
    .name = "attested-proxy",
    .summary = "put an HTTP service behind attestation",
    .details = "Each side may attest itself (server-attestation-type, client-attestation-type, "
               "quote-source) and judge its peer (measurements-file). SIGHUP reads policies, trust "
               "roots, collateral and certificates again.",
    CONFIG_OPTIONS(options, struct proxy_values),
    CONFIG_VERBS(verbs),
};

/* ---- sense ---- */

static int one_policy(struct proxy_settings *s, struct error *why) {
    const struct proxy_values *v = &s->values;
    bool server = s->verb == PROXY_SERVER;
    const char *mine = server ? v->client_measurements : v->server_measurements;
    const char *other = server ? v->server_measurements : v->client_measurements;
    if (other) {
        return error_set(why, ERR_CONFLICT, "--%s-measurements belongs to the other side",
                         server ? "server" : "client");
    }
    if (mine && v->measurements_file) {
        return error_set(why, ERR_CONFLICT, "two policies: one of --measurements-file and --%s",
                         server ? "client-measurements" : "server-measurements");
    }
    s->policy = mine ? mine : v->measurements_file;
    return 0;
}

static int own_type(struct proxy_settings *s, struct error *why) {
    const struct proxy_values *v = &s->values;
    const char *name = s->verb == PROXY_SERVER ? v->server_type : v->client_type;
    if (!attestation_type_parse(&s->own_type, bytes_from_str(name))) {
        return error_set(why, ERR_SYNTAX, "\"%.40s\" is no attestation type", name);
    }
    return 0;
}

static int check(struct proxy_settings *s, struct error *why) {
    const struct proxy_values *v = &s->values;
    bool client = s->verb != PROXY_SERVER;
    if (!v->target_addr || !*v->target_addr) {
        return error_set(why, ERR_NOT_FOUND, "--target-addr is missing");
    }
    int r = one_policy(s, why);
    if (r == 0) r = own_type(s, why);
    if (r < 0) return r;
    if (v->form == ATTESTED_CERTIFICATE) {
        s->by_certificate = client && v->verify_tls;
        s->by_name = client ? v->verify_tls : v->tls_certificate != NULL;
        if (s->by_certificate && s->policy) {
            return error_set(why, ERR_CONFLICT, "--verify-tls and a policy: one of them decides");
        }
    } else {
        s->by_certificate = client && !v->allow_self_signed;
    }
    if (s->by_name && !client && s->own_type != ATTESTATION_NONE) {
        return error_set(why, ERR_CONFLICT,
                         "--tls-certificate-path and --server-attestation-type: with atls, "
                         "evidence makes a certificate of its own");
    }
    if (!s->policy && !s->by_certificate && !v->allow_unattested) {
        return error_set(why, ERR_INVALID,
                         "nothing about the peer would be verified: give --measurements-file, or "
                         "--allow-unattested to say that this is meant");
    }
    if ((v->tls_certificate == NULL) != (v->tls_key == NULL)) {
        return error_set(why, ERR_CONFLICT, "TLS certificate and key belong together");
    }
    return 0;
}

int proxy_settings_load(struct proxy_settings *ret, int argc, char **argv, struct error *why) {
    memset(ret, 0, sizeof *ret);
    int r = config_load(&ret->config, &proxy_settings_program, &ret->values, argc, argv, why);
    if (r < 0 || config_output(ret->config).n) return r;
    ret->verb = config_verb_index(ret->config);
    if ((r = check(ret, why)) < 0) proxy_settings_free(ret);
    return r;
}

int proxy_settings_reload(struct proxy_settings *ret, const struct proxy_settings *old,
                          struct buf *changes, struct error *why) {
    memset(ret, 0, sizeof *ret);
    int r = config_reload(&ret->config, old->config, &ret->values, changes, why);
    if (r < 0) return r;
    ret->verb = old->verb;
    if ((r = check(ret, why)) < 0) proxy_settings_free(ret);
    return r;
}

void proxy_settings_move(struct proxy_settings *ret, const struct proxy_settings *from) {
    *ret = *from;
    config_moved(ret->config, &ret->values);
}

void proxy_settings_free(struct proxy_settings *s) {
    config_free(s->config);
    s->config = NULL;
}
