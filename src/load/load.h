/* Program: `buildernet load`: an open-loop generator of transactions and bundles.
 *
 * Orders are sent when their time has come, whether or not earlier ones were answered: a slow node
 * makes latencies grow, not the load shrink. They are signed ahead of it by worker threads. What
 * could not be sent in time is counted. Inclusion is measured from the moment of sending to the
 * moment the block is seen, in milliseconds.
 *
 * Thread: the main thread. SPDX-License-Identifier: MIT */
#ifndef LOAD_LOAD_H
#define LOAD_LOAD_H

#include "config/config.h"
#include "load/histogram.h"
#include "load/scenario.h"

struct load_settings {
    const char *url, *scenario, *seed, *report, *html, *priority_fee, *fund;
    struct config_list orders_urls, env;
    struct secret key;
    uint64_t rate, per_block, count, accounts, connections;
    uint64_t duration_ns, wait_ns, poll_ns, rpc_timeout_ns;
    bool json, list, quiet;
};

extern const struct config_program load_program;

/* load_run does everything; gives the exit status: 0 when the run was done (whatever landed), else
 * that of the error. */
int load_run(const struct load_settings *s);

/* ---- inside ---- */

#define LOAD_REASONS_MAX 32
#define LOAD_REASON_MAX 120 /* bytes of one */
#define LOAD_BLOCKS_MAX 4096
#define LOAD_ORDERS_MAX 10000000u

enum order_state {
    ORDER_UNSENT,
    ORDER_SENT,     /* on its way */
    ORDER_ACCEPTED, /* the node took it */
    ORDER_REFUSED,
    ORDER_LANDED,
    ORDER_MISSED, /* accepted, and not on the chain when the time was up */
};

/* Why orders failed, by message, the same ones together. */
struct load_reason {
    char text[LOAD_REASON_MAX];
    uint64_t count;
};

struct load_block {
    uint64_t number, gas_used, gas_limit, txs, ours;
    uint64_t seen_us; /* since the run's begin */
};

/* What is measured. */
struct load_result {
    uint64_t planned, sent, accepted, refused, landed, missed, reverted, starved;
    uint64_t sets; /* what the rate counts: all bundles of a conflict or a replacement are one */
    uint64_t late_signed; /* orders that were signed when their time had come, not ahead of it */
    uint64_t late_us;     /* the worst delay between an order's time and its sending */
    uint64_t gas_used;
    uint64_t began_wall_ms, sending_us, total_us;
    /* Bundles that may not land and did: of a conflict more than one, of replacements not the last,
     * reverting ones where it was forbidden. Always 0 when the network is right. */
    uint64_t forbidden;
    struct histogram rpc, inclusion;
    struct load_reason reasons[LOAD_REASONS_MAX];
    size_t reason_count;
    struct load_block blocks[LOAD_BLOCKS_MAX];
    size_t block_count;
    uint64_t per_second[3600]; /* orders sent in each second */
};

struct load_report {
    const struct load_settings *settings;
    const struct load_result *result;
    const char *scenario, *client; /* client: web3_clientVersion */
    uint64_t chain_id;
};

void report_text(struct buf *out, const struct load_report *r);
void report_json(struct buf *out, const struct load_report *r);
void report_html(struct buf *out, const struct load_report *r);

#endif
