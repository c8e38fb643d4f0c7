/* SPDX-License-Identifier: MIT */
#include "builder/telemetry.h"

#include <stdio.h>

// Milliseconds, as the deployed dashboards have them.
static const double ms_buckets[] = {0.1, 0.2, 0.5, 1,  1.5, 2,   3,   5,   7.5,  10,
                                    15,  20,  30,  50, 75,  100, 200, 500, 1000, 5000};
static const double count_buckets[] = {1, 5, 10, 20, 50, 100, 200, 300, 500, 1000, 2000};
static const double gas_buckets[] = {1e5, 1e6, 5e6, 1e7, 1.5e7, 2e7, 3e7, 4.5e7, 6e7, 1e8};
static const double ether_buckets[] = {0.001, 0.01, 0.05, 0.1, 0.5, 1, 5};

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define HISTOGRAM(id_, name_, help_, labels_, buckets_)                                            \
    [id_] = {.name = (name_),                                                                      \
             .type = METRIC_HISTOGRAM,                                                             \
             .help = (help_),                                                                      \
             .labels = (labels_),                                                                  \
             .buckets = (buckets_),                                                                \
             .bucket_count = COUNT(buckets_)}
#define PLAIN(id_, type_, name_, help_, labels_)                                                   \
    [id_] = {.name = (name_), .type = (type_), .help = (help_), .labels = (labels_)}

enum id {
    FILL_TIME,
    FINALIZE_TIME,
    ROOT_TIME,
    BUILT_TXS,
    BUILT_BLOBS,
    BUILT_GAS,
    BUILT_SIM_GAS,
    BUILT_SPEED,
    VALIDATION_TIME,
    CURRENT_BLOCK,
    POOL_TXS,
    POOL_BUNDLES,
    RELAY_ERRORS,
    SIM_ERRORS,
    SIM_OK,
    SIM_FAILED,
    SIM_GAS,
    SIM_TIME,
    SIM_WORK,
    SIM_WAIT,
    FETCHED,
    FETCH_TIME,
    ACTIVE_SLOTS,
    SUBMISSIONS,
    SUBMIT_TIME,
    ACCEPTED,
    ORDER_LATENCY,
    SUBSIDIZED,
    SUBSIDY,
    LANDED,
    LANDED_SUM,
    SEAL_REASONS,
    STATE_PROOFS,
    STATE_REFUSED,
    STATE_WITNESSES,
    STATE_BYTES,
    VERSION,
    ID_COUNT
};

static const struct metric_desc table[ID_COUNT] = {
    HISTOGRAM(FILL_TIME, "block_fill_time", "Time to fill a block, ms.", "builder_name",
              ms_buckets),
    HISTOGRAM(FINALIZE_TIME, "block_finalize_time", "Time to seal a block, ms.", NULL, ms_buckets),
    HISTOGRAM(ROOT_TIME, "block_root_hash_time", "Time for the state root, ms.", NULL, ms_buckets),
    HISTOGRAM(BUILT_TXS, "block_built_txs", "Transactions of sealed blocks.", "builder_name",
              count_buckets),
    HISTOGRAM(BUILT_BLOBS, "block_built_blobs", "Blobs of sealed blocks.", "builder_name",
              count_buckets),
    HISTOGRAM(BUILT_GAS, "block_built_gas_used", "Gas of sealed blocks.", "builder_name",
              gas_buckets),
    HISTOGRAM(BUILT_SIM_GAS, "block_built_sim_gas_used",
              "Gas of sealed blocks' orders as they were simulated.", "builder_name", gas_buckets),
    HISTOGRAM(BUILT_SPEED, "block_built_mgas_per_second", "Gas filled in a second, millions.",
              "builder_name", count_buckets),
    HISTOGRAM(VALIDATION_TIME, "block_validation_time",
              "Time to execute a sealed block once more, ms.", NULL, ms_buckets),
    PLAIN(CURRENT_BLOCK, METRIC_GAUGE, "current_block", "Number of the head.", NULL),
    PLAIN(POOL_TXS, METRIC_GAUGE, "orderpool_txs", "Transactions in the order pool.", NULL),
    PLAIN(POOL_BUNDLES, METRIC_GAUGE, "orderpool_bundles", "Bundles in the order pool.", NULL),
    PLAIN(RELAY_ERRORS, METRIC_COUNTER, "relay_errors", "Submissions that failed.", "relay,kind"),
    PLAIN(SIM_ERRORS, METRIC_COUNTER, "block_sim_errors", "Blocks that a relay found invalid.",
          NULL),
    PLAIN(SIM_OK, METRIC_COUNTER, "simulated_ok_orders", "Orders simulated with success.", NULL),
    PLAIN(SIM_FAILED, METRIC_COUNTER, "simulated_failed_orders", "Orders that failed.", "reason"),
    PLAIN(SIM_GAS, METRIC_COUNTER, "simulation_gas_used", "Gas of simulated orders.", NULL),
    HISTOGRAM(SIM_TIME, "order_simulation_time", "Time to simulate an order, ms.", NULL,
              ms_buckets),
    PLAIN(SIM_WORK, METRIC_COUNTER, "simulation_thread_work_time", "Time in simulations, us.",
          "worker_id"),
    PLAIN(SIM_WAIT, METRIC_COUNTER, "simulation_thread_wait_time",
          "Time without anything to simulate, us.", "worker_id"),
    PLAIN(FETCHED, METRIC_COUNTER, "txfetcher_transaction_counter",
          "Transactions fetched from the node's pool.", NULL),
    HISTOGRAM(FETCH_TIME, "txfetcher_transaction_query_time",
              "From a pool transaction's hash to itself, ms.", NULL, ms_buckets),
    PLAIN(ACTIVE_SLOTS, METRIC_COUNTER, "active_slots", "Slots that were built for.", NULL),
    PLAIN(SUBMISSIONS, METRIC_COUNTER, "initiated_submissions", "Submissions sent.", "optimistic"),
    HISTOGRAM(SUBMIT_TIME, "relay_submit_time", "Time until a relay's answer, ms.", "relay",
              ms_buckets),
    PLAIN(ACCEPTED, METRIC_COUNTER, "relay_accepted_submissions", "Submissions accepted.",
          "relay,optimistic"),
    HISTOGRAM(ORDER_LATENCY, "orders_in_last_built_block_e2e_lat",
              "From the newest order of a block to the signed bid, ms.", NULL, ms_buckets),
    PLAIN(SUBSIDIZED, METRIC_COUNTER, "subsidized_block_count", "Bids with own funds.", "kind"),
    HISTOGRAM(SUBSIDY, "subsidy_value", "Own funds in a bid, ETH.", "kind", ether_buckets),
    PLAIN(LANDED, METRIC_COUNTER, "landed_blocks", "Blocks of ours that became the head.", NULL),
    PLAIN(LANDED_SUM, METRIC_GAUGE, "total_landed_subsidies_sum",
          "Own funds in landed blocks since the start, ETH.", NULL),
    PLAIN(SEAL_REASONS, METRIC_COUNTER, "candidates_not_bid", "Candidates without a bid.",
          "reason"),
    PLAIN(STATE_PROOFS, METRIC_GAUGE, "state_proofs",
          "Proofs that the execution client was asked for (--state-rpc).", NULL),
    PLAIN(STATE_REFUSED, METRIC_GAUGE, "state_refused", "Its answers that did not hold.", NULL),
    PLAIN(STATE_WITNESSES, METRIC_GAUGE, "state_witnesses", "Blocks' witnesses that it gave.",
          NULL),
    PLAIN(STATE_BYTES, METRIC_GAUGE, "state_bytes", "Bytes of trie nodes that are kept.", NULL),
    PLAIN(VERSION, METRIC_GAUGE, "version", "Which program runs.", "git,git_ref,build_time_utc"),
};

// What tells nothing of orderflow, bids or relays.
static bool is_public(enum id id) {
    return id == CURRENT_BLOCK || id == ACTIVE_SLOTS || id == VERSION || id == FILL_TIME ||
           id == FINALIZE_TIME || id == ROOT_TIME || id == VALIDATION_TIME;
}

int telemetry_init(struct telemetry *t, struct error *why) {
    *t = (struct telemetry){0};
    int r = metrics_new(&t->full, NULL, why);
    if (r == 0) r = metrics_new(&t->redacted, NULL, why);
    if (r != 0) return r;
    metrics_add_process(t->full);
    metrics_add_process(t->redacted);
    static const char *const version[] = {BUILDERNET_VERSION, "", ""};
    metric_set(metrics_get(t->full, &table[VERSION], version), 1);
    metric_set(metrics_get(t->redacted, &table[VERSION], version), 1);
    return 0;
}

void telemetry_free(struct telemetry *t) {
    metrics_free(t->full);
    metrics_free(t->redacted);
}

static void observe(struct telemetry *t, enum id id, const char *label, double value) {
    const char *labels[] = {label};
    metric_observe(metrics_get(t->full, &table[id], label ? labels : NULL), value);
    if (is_public(id)) {
        metric_observe(metrics_get(t->redacted, &table[id], label ? labels : NULL), value);
    }
}

static void observe_ms(struct telemetry *t, enum id id, const char *label, uint64_t ns) {
    observe(t, id, label, (double)ns / 1e6);
}

static void count(struct telemetry *t, enum id id, const char *const *labels, uint64_t n) {
    metric_add(metrics_get(t->full, &table[id], labels), n);
    if (is_public(id)) metric_add(metrics_get(t->redacted, &table[id], labels), n);
}

static void set(struct telemetry *t, enum id id, double value) {
    metric_set(metrics_get(t->full, &table[id], NULL), value);
    if (is_public(id)) metric_set(metrics_get(t->redacted, &table[id], NULL), value);
}

void telemetry_report(struct telemetry *t, const struct build_report *r) {
    if (!r->refined && r->fill_ns) observe_ms(t, FILL_TIME, r->builder, r->fill_ns);
    if (!r->refined && r->fill_ns && r->gas) {
        observe(t, BUILT_SPEED, r->builder, (double)r->gas * 1e3 / (double)r->fill_ns);
    }
    if (r->reason) count(t, SEAL_REASONS, (const char *[]){r->reason}, 1);
}

void telemetry_built(struct telemetry *t, const struct built_block *b) {
    observe_ms(t, FINALIZE_TIME, NULL, b->seal_ns);
    observe_ms(t, ROOT_TIME, NULL, b->produced.times.root_ns);
    if (b->check_ns) observe_ms(t, VALIDATION_TIME, NULL, b->check_ns);
    observe(t, BUILT_TXS, b->builder, (double)b->txs);
    observe(t, BUILT_BLOBS, b->builder, (double)b->blobs);
    observe(t, BUILT_GAS, b->builder, (double)b->gas);
    uint64_t simulated = 0;
    for (size_t i = 0; i < b->orders; i++) {
        simulated += b->included[i]->sim.gas_used;
    }
    observe(t, BUILT_SIM_GAS, b->builder, (double)simulated);
    if (b->newest_order_ns) {
        observe_ms(t, ORDER_LATENCY, NULL, b->done_at_ns - b->newest_order_ns);
    }
}

void telemetry_simulated(struct telemetry *t, const struct job_entry *e,
                         const struct simulated *s) {
    char worker[12];
    (void)snprintf(worker, sizeof worker, "%u", s->worker);
    observe_ms(t, SIM_TIME, NULL, s->took_ns);
    count(t, SIM_WORK, (const char *[]){worker}, s->took_ns / NS_PER_US);
    count(t, SIM_WAIT, (const char *[]){worker}, s->waited_ns / NS_PER_US);
    if (e->state == ENTRY_READY) {
        count(t, SIM_OK, NULL, 1);
        count(t, SIM_GAS, NULL, e->sim.gas_used);
    } else if (e->state == ENTRY_FAILED) {
        count(t, SIM_FAILED, (const char *[]){commit_status_name(e->sim.status)}, 1);
    }
}

void telemetry_fetched(struct telemetry *t, uint64_t took_ns) {
    count(t, FETCHED, NULL, 1);
    observe_ms(t, FETCH_TIME, NULL, took_ns);
}

void telemetry_submitted(struct telemetry *t, bool optimistic) {
    count(t, SUBMISSIONS, (const char *[]){optimistic ? "true" : "false"}, 1);
}

void telemetry_answered(struct telemetry *t, const char *relay, bool optimistic,
                        enum relay_answer answer, uint64_t took_ns) {
    observe_ms(t, SUBMIT_TIME, relay, took_ns);
    const char *kind = NULL;
    switch (answer) {
    case RELAY_ACCEPTED:
        count(t, ACCEPTED, (const char *[]){relay, optimistic ? "true" : "false"}, 1);
        break;
    case RELAY_CONNECTION:
        kind = "connection";
        break;
    case RELAY_RATE_LIMITED:
        kind = "too_many_requests";
        break;
    case RELAY_BLOCK_INVALID:
        count(t, SIM_ERRORS, NULL, 1);
        break;
    case RELAY_OWN_FAULT:
    case RELAY_REFUSED:
        kind = "other";
        break;
    case RELAY_IGNORED:
    case RELAY_NOT_YET:
    case RELAY_NO_CANCELLATIONS:
    case RELAY_SLOT_OVER:
    case RELAY_ANSWER_COUNT:
        break;
    }
    if (kind) count(t, RELAY_ERRORS, (const char *[]){relay, kind}, 1);
}

void telemetry_block(struct telemetry *t, uint64_t number) {
    set(t, CURRENT_BLOCK, (double)number);
}

void telemetry_pool(struct telemetry *t, size_t txs, size_t bundles) {
    set(t, POOL_TXS, (double)txs);
    set(t, POOL_BUNDLES, (double)bundles);
}

void telemetry_state(struct telemetry *t, const struct remote_counts *c) {
    set(t, STATE_PROOFS, (double)c->proofs);
    set(t, STATE_REFUSED, (double)c->refused);
    set(t, STATE_WITNESSES, (double)c->witnesses);
    set(t, STATE_BYTES, (double)c->cached_bytes);
}

void telemetry_slot(struct telemetry *t) {
    count(t, ACTIVE_SLOTS, NULL, 1);
}

static double ether_of(struct u256 wei) {
    return ((double)wei.w[0] + (double)wei.w[1] * 0x1p64) / 1e18;
}

void telemetry_landed(struct telemetry *t, struct u256 own) {
    count(t, LANDED, NULL, 1);
    metric_shift(metrics_get(t->full, &table[LANDED_SUM], NULL), ether_of(own));
}

void telemetry_subsidy(struct telemetry *t, struct u256 own) {
    double ether = ether_of(own);
    count(t, SUBSIDIZED, (const char *[]){"config"}, 1);
    observe(t, SUBSIDY, "config", ether);
}
