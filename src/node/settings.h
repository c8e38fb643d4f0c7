/* Settings of `buildernet node`. SPDX-License-Identifier: MIT */
#ifndef NODE_SETTINGS_H
#define NODE_SETTINGS_H

#include "config/common.h"

struct node_values {
    const char *genesis, *data_folder;
    bool requests_optional;
    const char *http_addr, *ws_addr, *engine_addr, *ipc_path, *metrics_addr;
    const char *jwt_secret;
    struct config_list apis, cors;
    /* limits of requests */
    uint64_t workers, body_bytes, answer_bytes, held_bytes, batch, connections;
    uint64_t call_gas, call_ns, log_blocks, log_results;
    /* pool */
    uint64_t pool_pending, pool_queued, pool_pending_per_sender, pool_queued_per_sender;
    uint64_t pool_bytes, pool_price_min, pool_age_ns;
    bool pool_journal;
    /* blocks made here */
    const char *fee_recipient, *extra_data;
    uint64_t gas_limit, blobs_max, payload_interval_ns;
    bool dev;
    uint64_t dev_period_ns, dev_accounts;
    /* consensus stub */
    uint64_t slot_ns, validators, relay_wait_ns, genesis_time, virtual_clock_ns, slots_per_epoch,
        min_bid;
    const char *beacon_addr, *validator_seed, *fork_version;
    struct config_list relays;
    const char *follow, *ca_file, *progress_fifo;
    uint64_t threads;
    struct common_log log;
    struct common_process process;
};

#define NODE_ROOM_MIN (UINT64_C(16) << 20) /* that the disk of the data folder must have left */
#define NODE_EXTRA_DATA_MAX 32             /* bytes; the yellow paper's limit */

enum { NODE_VERB_GENESIS, NODE_VERB_EXPORT, NODE_VERB_IMPORT };

extern const struct config_program node_program;

#endif
