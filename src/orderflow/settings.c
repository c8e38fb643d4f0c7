/* SPDX-License-Identifier: MIT */
#include "orderflow/inspect.h"
#include "orderflow/orderflow.h"

#define MEGABYTES_MAX (UINT64_MAX >> 20) /* their bytes are a number of 64 bits */
#define V struct orderflow_values
#define ROW(kind, field_, flag_, env_, value_, help_)                                              \
    {                                                                                              \
        .flag = (flag_), .type = CONFIG_TYPE_##kind, .offset = offsetof(V, field_),                \
        .value = (value_), .env = (env_), .help = (help_), .restart = true                         \
    }
#define SECONDS(field_, flag_, env_, value_, help_)                                                \
    {                                                                                              \
        .flag = (flag_), .type = CONFIG_TYPE_DURATION, .offset = offsetof(V, field_),              \
        .value = (value_), .env = (env_), .help = (help_), .unit = 1000000000, .restart = true     \
    }
#define CHOICE(field_, flag_, value_, choices_, help_)                                             \
    {                                                                                              \
        .flag = (flag_), .type = CONFIG_TYPE_ENUM, .offset = offsetof(V, field_),                  \
        .value = (value_), .choices = (choices_), .help = (help_), .restart = true                 \
    }

static const struct config_option options[] = {
    ROW(ADDRESS, user_addr, "user-listen-addr", "USER_LISTEN_ADDR", "127.0.0.1:5543",
        "Listener for users: JSON-RPC over HTTP."),
    ROW(STRING, system_addr, "system-listen-addr", "SYSTEM_LISTEN_ADDR", "127.0.0.1:5542",
        "Listener for peers: their streams, frames and JSON-RPC; empty for none."),
    ROW(STRING, cert_addr, "cert-listen-addr", "CERT_LISTEN_ADDR", NULL,
        "Listener that gives out this node's certificate (usually 127.0.0.1:14727); empty for "
        "none."),
    COMMON_METRICS_ROW(V, metrics_addr, "127.0.0.1:8090", "METRICS_ADDR",
                       "Listener for metrics, health and traces; empty for none."),
    ROW(STRING, stats_addr, "builder-listen-addr", "BUILDER_LISTEN_ADDR", NULL,
        "Listener for what the builder tells of senders' worth; empty for none."),
    ROW(BOOL, user_tls, "user-tls", NULL, "false",
        "Speak TLS on the users' listener (else a balancer in front does)."),
    ROW(BOOL, system_tls, "system-tls", NULL, "false",
        "Speak TLS on the peers' listener; our own streams between nodes need it."),
    ROW(PATH, certificate, "certificate-pem-file", "CERTIFICATE_PEM_FILE", NULL,
        "This node's certificate; without one a self-signed one is made when TLS is spoken."),
    ROW(PATH, key, "private-key-pem-file", "PRIVATE_KEY_PEM_FILE", NULL, "Its key."),
    ROW(LIST, cert_hosts, "cert-hosts", "CERT_HOSTS", "127.0.0.1,localhost",
        "Names in the self-signed certificate."),
    ROW(DURATION, cert_duration_ns, "cert-duration", "CERT_DURATION", "8760h",
        "How long the self-signed certificate is valid."),
    ROW(LIST, trusted_proxies, "trusted-proxy", NULL, NULL,
        "Balancers whose X-Forwarded-For is believed: addresses, blocks, unix."),

    ROW(STRING, name, "builder-name", "BUILDERNET_NODE_NAME", "local",
        "This node's name in the hub's list."),
    ROW(SECRET, signer_key, "orderflow-signer", "FLASHBOTS_ORDERFLOW_SIGNER", NULL,
        "Key that signs what is sent to peers: 64 hex digits, or file:/path; a random one else."),
    ROW(STRING, trusted_signer, "flashbots-signer", "FLASHBOTS_ORDERFLOW_SIGNER_ADDRESS",
        "0x5015Fa72E34f75A9eC64f44a4Fcf0837919D1bB7",
        "Address of the network's own sender, who is a peer and may set subsidies; empty: none."),
    ROW(STRING, trusted_signer_first, "flashbots-orderflow-signer-address", "", NULL,
        "Another name of flashbots-signer."),
    CHOICE(api, "api", "second", "second|first|strict",
           "Whose rules users are answered by: second (FlowProxy, and the older methods in their "
           "own way), first (the Go proxy), strict (FlowProxy's two methods only)."),
    ROW(BOOL, reply_timestamp, "reply-timestamp", NULL, "true",
        "Tell senders when their bundle came (receivedTimestampMs)."),
    ROW(U64, chain_id, "chain-id", NULL, "1", "Chain that transactions must be for."),
    SECONDS(block_ns, "block-time", NULL, "12s", "Time between blocks."),

    ROW(STRING, builder_url, "builder-url", "BUILDER_ENDPOINT", NULL,
        "The local builder: http://HOST:PORT (default http://127.0.0.1:8645), or feed:/PATH for "
        "the direct feed over a Unix socket."),
    ROW(STRING, builder_endpoint, "builder-endpoint", "", NULL, "Another name of builder-url."),
    ROW(STRING, builder_ready, "builder-ready-endpoint", "BUILDER_READY_ENDPOINT", NULL,
        "Where the builder tells /readyz (usually http://127.0.0.1:6070); empty: any answer of "
        "its orders' endpoint shows that it is there."),
    ROW(STRING, rpc_endpoint, "rpc-endpoint", "RPC_ENDPOINT", NULL,
        "Execution client, asked for the newest block; empty: times alone decide."),
    ROW(BOOL, no_forwarding, "disable-forwarding", NULL, "false",
        "Give nothing to the local builder (development)."),
    ROW(U64, builder_connections, "builder-connections", NULL, "64",
        "Connections to the builder's JSON-RPC."),
    ROW(DURATION, builder_response_ns, "builder-timeout", NULL, "2s",
        "How long its answer may take before the order is sent again."),
    ROW(U64, builder_orders, "builder-queue-orders", NULL, "65536",
        "Orders that may wait for the builder; then users are told to come again."),
    ROW(SIZE, builder_bytes, "builder-queue-size", NULL, "512MiB", "Their bytes."),

    ROW(STRING, hub_url, "builder-hub-url", "BUILDERHUB_ENDPOINT", NULL,
        "The hub, usually through the attested proxy beside this program; empty: no peers."),
    ROW(STRING, hub_url_first, "builder-confighub-endpoint", "BUILDER_CONFIGHUB_ENDPOINT", NULL,
        "Another name of builder-hub-url."),
    SECONDS(peers_every_ns, "peer.update-interval-s", "PEER_UPDATE_INTERVAL_S", "30s",
            "How often the hub's list of peers is read."),
    ROW(STRING, region, "builder-region", "BUILDER_REGION", NULL, "Told to the hub."),

    CHOICE(peer_transport, "peer-transport", "auto", "auto|http|frames|stream",
           "How peers are spoken to; auto: by what each answers to."),
    CHOICE(
        peer_attestation, "peer-attestation", "auto", "auto|required|mixed|pinned",
        "What a peer must prove before it gets an order. required: by evidence that it runs what "
        "measurements-file accepts. mixed: the same of peers that speak our own streams, of "
        "older peers only that they have the certificate that the hub lists. pinned: of all "
        "peers only that. auto: required when there is a measurements-file, else pinned. "
        "A reload does not change it."),
    ROW(STRING, attestation_type, "attestation-type", NULL, "none",
        "What this node proves itself with to peers: none, dcap-tdx, qemu-tdx, gcp-tdx, "
        "azure-tdx."),
    {.flag = "measurements-file",
     .type = CONFIG_TYPE_PATH,
     .offset = offsetof(V, measurements_file),
     .help = "Policy that peers' evidence must satisfy."},
    ATTESTED_OPTIONS(V, attested),
    ROW(U64, peer_connections, "connections-per-peer", "CONN_PER_PEER", "10",
        "Connections to a peer of the first generation."),
    ROW(U64, small_clients, "tcp.small-clients", "TCP_SMALL_CLIENTS", "4",
        "Connections to a peer that takes frames."),
    ROW(BOOL, allow_plain_peers, "allow-plain-peers", NULL, "false",
        "Speak without TLS to peers that have no certificate (development)."),
    ROW(PATH, spill_folder, "spill-folder", NULL, NULL,
        "Folder for what peers do not take in time; empty: memory only."),
    ROW(SIZE, spill_bytes, "spill-size", NULL, "1GiB", "Its size for each peer."),

    ROW(STRING, archive_url, "orderflow-archive-endpoint", "ORDERFLOW_ARCHIVE_ENDPOINT", NULL,
        "Redistribution archive, JSON-RPC; empty: none."),
    ROW(STRING, clickhouse_url, "indexer.clickhouse.host", "CLICKHOUSE_HOST", NULL,
        "ClickHouse over HTTP for the history; empty: none."),
    ROW(STRING, clickhouse_user, "indexer.clickhouse.username", "CLICKHOUSE_USERNAME", "default",
        "Its user."),
    ROW(SECRET, clickhouse_password, "indexer.clickhouse.password", "CLICKHOUSE_PASSWORD", NULL,
        "Its password, or file:/path."),
    ROW(STRING, clickhouse_database, "indexer.clickhouse.database", "CLICKHOUSE_DATABASE",
        "default", "Its database."),
    ROW(STRING, bundles_table, "indexer.clickhouse.bundles-table-name",
        "CLICKHOUSE_BUNDLES_TABLE_NAME", "bundles", "Table of users' bundles."),
    ROW(STRING, receipts_table, "indexer.clickhouse.bundle-receipts-table-name",
        "CLICKHOUSE_BUNDLE_RECEIPTS_TABLE_NAME", "bundle_receipts", "Table of peers' bundles."),
    ROW(STRING, events_table, "indexer.clickhouse.events-table-name", NULL, NULL,
        "Table of everything that happened to any order; empty: none."),
    ROW(PATH, history_folder, "history-folder", NULL, NULL,
        "Folder for the history as files, when there is no ClickHouse; empty: none."),
    ROW(PATH, history_spill, "history-spill-folder", NULL, NULL,
        "Folder for what archive and ClickHouse do not take in time; empty: memory only."),
    ROW(SIZE, history_spill_bytes, "indexer.clickhouse.backup.disk-max-size-bytes",
        "CLICKHOUSE_BACKUP_DISK_MAX_SIZE_BYTES", "10GiB", "Its size."),
    ROW(U64, history_reject_mb, "disk-backup-size-reject-flow-threshold-mb",
        "DISK_BACKUP_SIZE_REJECT_FLOW_THRESHOLD_MB", "1024",
        "Users are refused when it grows beyond this; 0: never."),
    ROW(U64, history_resume_mb, "disk-backup-size-to-resume-flow-threshold-mb",
        "DISK_BACKUP_SIZE_TO_RESUME_FLOW_THRESHOLD_MB", "512",
        "And taken again when it is below this, which is not above the other."),

    ROW(SIZE, request_bytes, "max-request-size", NULL, "10MiB", "Most bytes of a request."),
    ROW(SIZE, request_bytes_first, "max-request-body-size-bytes", "MAX_REQUEST_BODY_SIZE_BYTES",
        "0", "The same with --api first, and for peers; 0 is 30 MiB."),
    ROW(U64, requests, "max-requests", NULL, "16384", "Requests and messages at work at once."),
    ROW(SIZE, requests_bytes, "max-requests-size", NULL, "1GiB", "Their bytes."),
    ROW(U64, txs_max, "max-txs-per-bundle", NULL, "100", "Most transactions of a bundle."),
    ROW(BOOL, gzip, "http.enable-gzip", NULL, "false", "Take requests compressed with gzip."),
    ROW(BOOL, rate_limiting, "enable-rate-limiting", NULL, "false", "Limit each signer."),
    SECONDS(rate_lookback_ns, "rate-limit-lookback-s", NULL, "1s", "Window of that limit."),
    ROW(U64, rate_count, "rate-limit-count", NULL, "500", "Requests of a signer in the window."),
    ROW(U64, users_per_second, "max-user-requests-per-second", "MAX_USER_RPS", "0",
        "Requests a second of all users together; 0: no limit."),
    ROW(U64, client_per_second, "max-client-requests-per-second", NULL, "0",
        "Requests a second of one address; 0: no limit."),
    ROW(U64, connections, "max-connections", NULL, "8192", "Connections of users at once."),
    ROW(U64, connections_per_client, "max-connections-per-client", NULL, "0",
        "The same of one address; 0: no limit."),
    SECONDS(score_lookback_ns, "score-lookback-s", NULL, "60s", "Span of the spam score."),
    SECONDS(score_bucket_ns, "score-bucket-s", NULL, "4s", "Step of the spam score."),
    {.flag = "rules-file",
     .type = CONFIG_TYPE_PATH,
     .offset = offsetof(V, rules_file),
     .env = "API_KEYS_FILE",
     .help = "TOML file of senders with priorities and limits of their own."},
    SECONDS(order_cache_ns, "order-cache.ttl", NULL, "60s", "How long orders are remembered."),
    ROW(U64, order_cache, "order-cache.size", NULL, "1048576", "How many."),
    ROW(U64, signer_cache, "signer-cache.size", NULL, "16384",
        "Request signatures whose signer is remembered."),
    ROW(U64, sender_cache, "sender-cache.size", NULL, "262144",
        "Transactions whose sender is remembered."),
    SECONDS(read_timeout_ns, "http-read-timeout", "HTTP_READ_TIMEOUT_SEC", "60s",
            "Longest wait for a request's bytes."),
    SECONDS(write_timeout_ns, "http-write-timeout", "HTTP_WRITE_TIMEOUT_SEC", "30s",
            "Longest wait for a client to take the answer."),
    SECONDS(idle_timeout_ns, "http-idle-timeout", "HTTP_IDLE_TIMEOUT_SEC", "3600s",
            "A connection without requests is closed after."),

    ROW(PATH, journal_folder, "journal-folder", NULL, NULL,
        "Folder that keeps orders until their last block has passed; empty: none, and a crash "
        "loses what is on its way."),
    CHOICE(journal_sync, "journal-sync", "interval", "none|interval|always",
           "When it is synced to disk: left to the kernel, ten times a second, or before each "
           "answer."),
    ROW(SIZE, journal_bytes, "journal-size", NULL, "8GiB", "Its size."),

    ROW(U64, threads, "compute-threads", "COMPUTE_THREADS", "0",
        "Workers; 0: one for each processor."),
    ROW(DURATION, drain_ns, "drain", NULL, "10s", "Time for open requests and orders at the end."),
    ROW(U64, trace_sample, "trace-sample", NULL, "1", "One of so many orders is traced."),
    COMMON_LOG_ROWS(V, log, "", ""),
    COMMON_PROCESS_ROWS(V, process, ""),
};

static const struct config_verb verbs[] = {
    [ORDERFLOW_VERB_INSPECT] =
        {.name = "inspect",
         .arguments = "[--first] [--system] FILE|-",
         .help = "tell identifiers, signers and validity of requests, one JSON line each",
         .run = flow_inspect_main,
         .details = "FILE holds a JSON-RPC request a line, or objects {\"body\": \"...\",\n"
                    "\"X-Flashbots-Signature\": \"...\"}, whose signature is checked too; or one\n"
                    "JSON array of such.\n"
                    "  --first    by the first generation's rules (default: the second's)\n"
                    "  --system   as from a peer, not from a user\n\n"
                    "Exit status: 0 when all are valid, 1 when one is not.\n"},
    [ORDERFLOW_VERB_TRACE] = {"trace", "HASH [URL...]",
                              "tell an order's way through this node, or the nodes whose metrics "
                              "listeners are given",
                              1, 32},
};

/* Flow that is refused at one size of the history's spill and taken again only at a larger one
 * would go on and off with every order. */
static int check(const void *values, struct error *why) {
    const struct orderflow_values *v = values;
    const char *large = v->history_reject_mb > MEGABYTES_MAX   ? "reject-flow"
                        : v->history_resume_mb > MEGABYTES_MAX ? "to-resume-flow"
                                                               : NULL;
    if (large) {
        return error_set(why, ERR_RANGE, "--disk-backup-size-%s-threshold-mb is above %llu", large,
                         (unsigned long long)MEGABYTES_MAX);
    }
    if (v->history_reject_mb == 0 || v->history_resume_mb <= v->history_reject_mb) return 0;
    return error_set(why, ERR_CONFLICT,
                     "--disk-backup-size-to-resume-flow-threshold-mb (%llu) is above "
                     "--disk-backup-size-reject-flow-threshold-mb (%llu)",
                     (unsigned long long)v->history_resume_mb,
                     (unsigned long long)v->history_reject_mb);
}

const struct config_program orderflow_program = {
    .name = "orderflow",
    .summary = "take, rank and share transactions and bundles",
    .details =
        "Without a verb, serves. Names of flags and variables are those of the deployed programs. "
        "SIGHUP reads the rules file, the certificate, the peers' policy with its trust root and "
        "collateral, and the logging settings again.",
    CONFIG_OPTIONS(options, V),
    CONFIG_VERBS(verbs),
    .verb_optional = true,
    .check = check,
};
