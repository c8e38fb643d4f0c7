/* Program: `buildernet relay`: its settings, and serving them.
 * Thread: the main thread. SPDX-License-Identifier: MIT */
#ifndef RELAY_PROGRAM_H
#define RELAY_PROGRAM_H

#include "config/common.h"

struct relay_values {
    const char *listen_addr, *internal_addr, *metrics_addr;
    struct config_list beacon, validation;
    const char *database, *postgres_dsn;
    struct secret secret_key;
    const char *publish_path, *ca_file;
    uint64_t slot_ns;
    uint64_t header_cutoff_ns, payload_cutoff_ns, payload_delay_ns;
    uint64_t validation_timeout_ns, validation_at_work;
    uint64_t registration_grace_ns;
    uint64_t keep_payloads_slots, keep_submissions_ns;
    uint64_t workers, connections, requests_per_second;
    const struct toml *builders;
    bool cancellations, only_high_priority, continue_on_invalid, validation_blobs;
    bool ignore_known_blocks, require_validation, page;
    struct common_log log;
    struct common_process process;
};

extern const struct config_program relay_program;

/* relay_serve runs until SIGTERM; exit status. relay_show_pubkey prints the public key. */
int relay_serve(struct config *config, const struct relay_values *values);
int relay_show_pubkey(const struct relay_values *values);
enum { RELAY_VERB_PUBKEY };

#endif
