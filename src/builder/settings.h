/* Settings of `buildernet builder`, and what they come to: keys, relays, builders, policy.
 *
 * Keys of the TOML file are the deployed builder's where it has them.
 * Source: flashbots/rbuilder, docs/CONFIG.md. SPDX-License-Identifier: MIT */
#ifndef BUILDER_SETTINGS_H
#define BUILDER_SETTINGS_H

#include "builder/crew.h"
#include "config/common.h"

#define RELAYS_MAX 32u

struct builder_values {
    const char *chain, *data_folder, *node, *state_rpc;
    struct config_list beacons, relay_urls, top_bid_urls, live_builders;
    const struct toml *relays, *builders;
    struct secret coinbase_key, relay_key, optimistic_key, top_bid_auth;
    const char *fork_version, *extra_data;
    const char *rpc_ip, *full_ip, *redacted_ip, *orders_socket;
    uint64_t rpc_port, full_port, redacted_port, rpc_connections;
    bool rpc_typed, ignore_cancellable, ignore_blobs;
    const char *block_list;
    bool block_list_required;
    uint64_t block_list_age_ns, block_list_refresh_ns;
    uint64_t simulators, threads, seed;
    bool refine, check, dry_run;
    int policy;
    const char *fraction, *increment, *subsidy, *subsidy_slot_max, *subsidy_day_max, *wallet_floor,
        *optimistic_max;
    uint64_t slot_ns, bids_before_ns, bids_after_ns, watchdog_ns;
    uint64_t orders_max, order_log, pool_bytes, effects_bytes, state_bytes;
    const char *enable_file, *registration_url, *records_folder, *error_folder;
    struct common_log log;
    struct common_process process;
};

extern const struct config_program builder_program;

struct relay_settings {
    char name[64];
    char url[512];                                            /* without user and path */
    char authorization[256], builder_id[256], api_token[256]; /* headers; empty: none */
    bool ssz, gzip, optimistic, submits, cancellations, sequence;
    uint64_t priority;
    uint64_t interval_ns; /* least time between submissions */
};

struct builder_setup {
    struct build_keys keys;
    struct relay_settings relays[RELAYS_MAX];
    size_t relay_count;
    struct builder_settings builders[BUILDERS_MAX];
    size_t builder_count;
    struct bid_policy policy;
    struct u256 optimistic_max;
    uint8_t fork_version[4];
};

/* builder_setup_read makes all of it from the values. errors  ERR_SYNTAX, ERR_RANGE, ERR_INVALID,
 * ERR_NOT_FOUND, ERR_LIMIT; the text names the key. builder_setup_free wipes the keys. */
[[gnu::warn_unused_result]] int
builder_setup_read(struct builder_setup *ret, const struct builder_values *v, struct error *why);
void builder_setup_free(struct builder_setup *s);

/* ether_parse reads ether as decimal text ("0.05") into wei. errors  ERR_SYNTAX, ERR_RANGE. */
[[gnu::warn_unused_result]] int ether_parse(struct u256 *ret, struct bytes text, struct error *why);

#endif
