/* Orderflow: `buildernet orderflow`: takes orders from users and peers, gives them to the local
 * builder and to every peer, losing none. The settings, and serving.
 *
 * Parts: intake.h (workers), local.h (builder), share.h (peers), archive.h (history), book.h,
 * gate.h, journal.h. Thread: the main thread. SPDX-License-Identifier: MIT */
#ifndef ORDERFLOW_ORDERFLOW_H
#define ORDERFLOW_ORDERFLOW_H

#include "attested/setup.h"
#include "config/common.h"

struct orderflow_values {
    /* listeners */
    const char *user_addr, *system_addr, *cert_addr, *metrics_addr, *stats_addr;
    bool user_tls, system_tls, gzip;
    const char *certificate, *key;
    struct config_list cert_hosts, trusted_proxies;
    uint64_t cert_duration_ns;
    /* the node */
    const char *name;
    struct secret signer_key;
    const char *trusted_signer, *trusted_signer_first;
    int api;
    bool reply_timestamp;
    uint64_t chain_id, block_ns;
    /* builder */
    const char *builder_url, *builder_endpoint, *builder_ready, *rpc_endpoint;
    bool no_forwarding;
    uint64_t builder_connections, builder_response_ns, builder_orders, builder_bytes;
    /* hub */
    const char *hub_url, *hub_url_first;
    uint64_t peers_every_ns;
    const char *region;
    /* peers */
    int peer_transport, peer_attestation;
    const char *attestation_type, *measurements_file;
    struct attested_values attested;
    uint64_t peer_connections, small_clients;
    bool allow_plain_peers;
    const char *spill_folder;
    uint64_t spill_bytes;
    /* archive and history */
    const char *archive_url, *clickhouse_url, *clickhouse_user, *clickhouse_database;
    struct secret clickhouse_password;
    const char *bundles_table, *receipts_table, *events_table, *history_folder, *history_spill;
    uint64_t history_spill_bytes, history_reject_mb, history_resume_mb;
    /* limits */
    uint64_t request_bytes, request_bytes_first, txs_max, requests, requests_bytes;
    bool rate_limiting;
    uint64_t rate_lookback_ns, rate_count, users_per_second, client_per_second;
    uint64_t connections, connections_per_client;
    uint64_t score_lookback_ns, score_bucket_ns;
    const char *rules_file;
    uint64_t order_cache_ns, order_cache, signer_cache, sender_cache;
    uint64_t read_timeout_ns, write_timeout_ns, idle_timeout_ns;
    /* durability */
    const char *journal_folder;
    int journal_sync;
    uint64_t journal_bytes;
    /* the process */
    uint64_t threads, drain_ns, trace_sample;
    struct common_log log;
    struct common_process process;
};

extern const struct config_program orderflow_program;
enum { ORDERFLOW_VERB_SERVE = -1, ORDERFLOW_VERB_INSPECT = 0, ORDERFLOW_VERB_TRACE };

/* orderflow_serve runs until SIGTERM. values may be changed by a reload. Exit status. */
int orderflow_serve(struct config *config, struct orderflow_values *values);

/* orderflow_trace prints an order's way through nodes, merged by time. arguments: the hash, then
 * metrics listeners' URLs (none: the one of the settings). Exit status. */
int orderflow_trace(const struct orderflow_values *values, const char *const *arguments,
                    size_t count);

#endif
