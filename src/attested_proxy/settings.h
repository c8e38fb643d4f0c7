/* Settings of the attested proxy: one table for the verbs.
 *
 * Ownership: proxy_settings_free frees; strings live as long.
 * SPDX-License-Identifier: MIT */
#ifndef ATTESTED_PROXY_SETTINGS_H
#define ATTESTED_PROXY_SETTINGS_H

#include "attested/attested.h"
#include "attested/setup.h"
#include "config/common.h"

enum { PROXY_SERVER, PROXY_CLIENT, PROXY_GET_CERTIFICATE };

struct proxy_values {
    const char *listen_addr, *health_addr, *target_addr;
    int form; /* enum attested_form */
    const char *server_type, *client_type;
    const char *measurements_file, *server_measurements, *client_measurements;
    struct attested_values attested;
    bool allow_unattested;
    // TLS
    const char *tls_certificate, *tls_key, *tls_ca;
    struct config_list tls_hosts;
    bool allow_self_signed, verify_tls;
    const char *target_ca;
    // limits and times
    uint64_t connections, connections_per_peer, requests_per_second, upstream_connections;
    uint64_t handshake_ns, response_ns, idle_ns, drain_ns;
    // process
    struct common_log log;
    struct common_process process;
    const char *out;
};

struct proxy_settings {
    struct config *config;
    struct proxy_values values;
    int verb;
    enum attestation_type own_type; /* NONE: no own evidence */
    const char *policy;             /* NULL: the peer's evidence is not judged */
    bool by_certificate;            /* the peer's certificate is checked as usual */
    bool by_name;                   /* atls: the server shows an ordinary certificate */
};

extern const struct config_program proxy_settings_program;

/* proxy_settings_load reads command line, environment and file, and refuses what contradicts
 * itself, above all a proxy that would verify nothing without --allow-unattested.
 * errors  those of config_load; ERR_INVALID, ERR_CONFLICT. *ret->config is NULL on error. */
[[gnu::warn_unused_result]] int proxy_settings_load(struct proxy_settings *ret, int argc,
                                                    char **argv, struct error *why);
[[gnu::warn_unused_result]] int proxy_settings_reload(struct proxy_settings *ret,
                                                      const struct proxy_settings *old,
                                                      struct buf *changes, struct error *why);
/* proxy_settings_move: to a place that lasts; *from is not used any more. */
void proxy_settings_move(struct proxy_settings *ret, const struct proxy_settings *from);
void proxy_settings_free(struct proxy_settings *s);

#endif
