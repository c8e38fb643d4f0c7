/* SPDX-License-Identifier: MIT */
#include "base/hex.h"
#include "relay/relay.h"

#include <stdio.h>

#define V struct relay_values
#define ROW(kind, field_, flag_, value_, help_)                                                    \
    {                                                                                              \
        .flag = (flag_), .type = CONFIG_TYPE_##kind, .offset = offsetof(V, field_),                \
        .value = (value_), .help = (help_), .restart = true                                        \
    }

static const struct config_option options[] = {
    ROW(ADDRESS, listen_addr, "listen-addr", "127.0.0.1:9062",
        "Proposers, builders, the data API and the page."),
    ROW(STRING, internal_addr, "internal-addr", NULL,
        "Listener for the standing of builders; empty for none."),
    COMMON_METRICS_ROW(V, metrics_addr, NULL, NULL,
                       "Metrics listener; empty: /metrics on the first listener."),
    ROW(LIST, beacon, "beacon", "http://127.0.0.1:3500",
        "Beacon nodes: duties, heads, payload attributes, publishing."),
    ROW(LIST, validation, "validation", NULL,
        "Execution nodes that validate submitted blocks; none: nothing is simulated."),
    ROW(BOOL, require_validation, "require-validation", "false",
        "Refuse to start without validation nodes."),
    ROW(PATH, database, "database", "relay.db", "SQLite file, used unless postgres-dsn is given."),
    ROW(STRING, postgres_dsn, "postgres-dsn", NULL, "PostgreSQL: libpq URL or key=value text."),
    {.flag = "secret-key",
     .type = CONFIG_TYPE_SECRET,
     .offset = offsetof(V, secret_key),
     .required = true,
     .restart = true,
     .help = "BLS key that signs bids: 64 hex digits, or file:/path."},
    ROW(DURATION, slot_ns, "slot-time", "0s", "Length of a slot; 0s: as the beacon node says."),
    ROW(DURATION, header_cutoff_ns, "header-cutoff", "0s",
        "How far into its slot getHeader is answered; 0s: a quarter of a slot."),
    ROW(DURATION, payload_cutoff_ns, "payload-cutoff", "0s",
        "How far into its slot getPayload is answered; 0s: a third of a slot."),
    ROW(DURATION, payload_delay_ns, "payload-delay", "0s",
        "Pause between publishing a block and giving its payload to the proposer (v1)."),
    ROW(DURATION, validation_timeout_ns, "validation-timeout", "10s", "Longest simulation."),
    {.flag = "validation-at-work",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(V, validation_at_work),
     .value = "16",
     .min = 1,
     .max = 1024,
     .restart = true,
     .help = "Simulations at one node at the same time."},
    ROW(BOOL, validation_blobs, "validation-blobs", "true",
        "Send blobs to validation nodes. With false nobody checks that blobs, commitments and "
        "proofs "
        "belong together, only their numbers: a proposer who signs a block with wrong ones misses "
        "its slot. For nodes that take no blobs."),
    ROW(BOOL, ignore_known_blocks, "ignore-known-blocks", "true",
        "Take a block that the validation node knows already as valid."),
    ROW(STRING, publish_path, "publish-path", "/eth/v2/beacon/blocks",
        "Where blocks are published at a beacon node, with query parameters."),
    ROW(BOOL, cancellations, "cancellations", "true", "Allow bids that replace higher ones."),
    ROW(BOOL, only_high_priority, "only-high-priority", "false",
        "Ignore builders that are not marked as high priority."),
    ROW(BOOL, continue_on_invalid, "continue-on-invalid-registration", "false",
        "Pass over registrations with a wrong signature instead of refusing the rest."),
    ROW(DURATION, registration_grace_ns, "registration-grace", "0s",
        "How long before genesis a registration may have been signed (clients of devnets sign at "
        "their start)."),
    {.flag = "keep-payloads",
     .type = CONFIG_TYPE_U64,
     .offset = offsetof(V, keep_payloads_slots),
     .value = "64",
     .min = 2,
     .restart = true,
     .help = "Slots for which payloads are kept."},
    ROW(DURATION, keep_submissions_ns, "keep-submissions", "720h",
        "How long records of submissions are kept; 0s: for ever."),
    ROW(U64, workers, "workers", "0", "Threads for signatures and hashing; 0: one a processor."),
    ROW(U64, connections, "connections", "10000", "Connections at the same time."),
    ROW(U64, requests_per_second, "requests-per-second", "0",
        "Requests a second of one address, with bursts of twice that; 0: no limit."),
    ROW(PATH, ca_file, "ca-file", NULL, "Roots (PEM) for https nodes; without it the machine's."),
    ROW(BOOL, page, "page", "true", "Serve the page that shows the auctions."),
    COMMON_PROCESS_ROWS(V, process, ""),
    {.flag = "builder",
     .type = CONFIG_TYPE_TABLE,
     .offset = offsetof(V, builders),
     .file_only = true,
     .restart = true,
     .help = "Builders that are known at first start: pubkey, id, high_priority, optimistic, "
             "header_submissions, blacklisted, collateral (wei)."},
    COMMON_LOG_ROWS(V, log, "BUILDERNET_", ""),
};

static const struct config_verb verbs[] = {
    [RELAY_VERB_PUBKEY] = {"pubkey", NULL, "Print the public key that bids are signed with.", 0, 0},
};

const struct config_program relay_program = {
    .name = "relay",
    .summary = "auction between block builders and proposers",
    .details = "Without a verb, serves the proposer, builder and data APIs of a MEV-Boost relay.",
    CONFIG_OPTIONS(options, V),
    CONFIG_VERBS(verbs),
    .verb_optional = true,
};

int relay_read_key(struct bid_signer *ret, const struct relay_values *v, struct error *why) {
    struct bytes digits = secret_view(&v->secret_key);
    uint8_t key[32];
    if (bytes_starts_with(digits, BYTES_LIT("0x"))) digits = bytes_slice(digits, 2, digits.n);
    if (digits.n != 64 || hex_decode(key, digits, NULL) != 0) {
        return error_set(why, ERR_SYNTAX, "secret-key is 64 hex digits");
    }
    int r = bls_secret_key_load(&ret->key, key, why);
    bytes_wipe(key, sizeof key);
    if (r != 0) return error_wrap(why, "secret-key");
    bls_public_key_of(&ret->pubkey, &ret->key);
    return 0;
}

int relay_show_pubkey(const struct relay_values *v) {
    struct bid_signer signer;
    struct error why;
    char text[97] = {0};
    int r = relay_read_key(&signer, v, &why);
    if (r != 0) {
        (void)fprintf(stderr, "buildernet relay: %s\n", why.text);
        return error_class_of(r)->exit_status;
    }
    hex_encode(text, BYTES_OF(signer.pubkey));
    bytes_wipe(&signer.key, sizeof signer.key);
    (void)printf("0x%s\n", text);
    return 0;
}
